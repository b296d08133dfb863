/*
 * server/graphql/value.h - coerced input values: arguments, variables, defaults.
 *
 * Shape    a tree in a region. Objects have one member per input field of their type, in its order,
 *          VALUE_ABSENT where none was given; lists are arrays. Custom scalars are JSON texts,
 *          compact and otherwise as they were written.
 */
#ifndef SERVER_GRAPHQL_VALUE_H
#define SERVER_GRAPHQL_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"

struct schema_type;
struct text;

enum value_kind {
    VALUE_ABSENT, /* not given, and no default: not the same as null */
    VALUE_NULL,
    VALUE_BOOLEAN,
    VALUE_INT,
    VALUE_FLOAT,  /* finite */
    VALUE_STRING, /* String and ID */
    VALUE_ENUM,
    VALUE_LIST,
    VALUE_OBJECT,
    VALUE_JSON, /* a custom scalar */
};

struct value {
    enum value_kind kind;
    union {
        bool boolean;
        int32_t integer;
        double number;
        struct ast_text text; /* string, enum name, JSON */
        struct {
            struct value *items;
            uint32_t count;
        } list;
        struct {
            struct value *members; /* input_count of them */
            const struct schema_type *type;
        } object;
    };
};

/* As JSON: absent members are left out, an absent value is written as null. */
void value_write(const struct value *value, struct text *out);
/* A finite number as JavaScript writes it: the fewest digits that read back as the same number. */
void value_write_number(double number, struct text *out);

#endif
