/*
 * server/graphql/ast.h - the tree of a document: executable (GraphQL October 2021, section 2) and
 * type system definitions (section 3).
 *
 * Shape    every node begins with a struct ast_node; lists are linked by `next`, in the order of
 *          the source; an empty list is NULL. Names and strings are texts: not terminated; names,
 *          numbers and strings without escapes point into the source, other strings are decoded
 *          into the region.
 * Units    `at` is the byte offset of the node's first token in the source: its description's, if
 *          it has one.
 * Memory   a tree belongs to the region that it was parsed into; the source must stay with it.
 */
#ifndef SERVER_GRAPHQL_AST_H
#define SERVER_GRAPHQL_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ast_kind {
    /* definitions */
    AST_OPERATION,
    AST_FRAGMENT,
    AST_SCHEMA,
    AST_SCALAR_TYPE,
    AST_OBJECT_TYPE,
    AST_INTERFACE_TYPE,
    AST_UNION_TYPE,
    AST_ENUM_TYPE,
    AST_INPUT_OBJECT_TYPE,
    AST_DIRECTIVE_DEFINITION,
    /* inside operations */
    AST_VARIABLE_DEFINITION,
    AST_SELECTION_SET,
    AST_FIELD,
    AST_FRAGMENT_SPREAD,
    AST_INLINE_FRAGMENT,
    AST_ARGUMENT,
    AST_DIRECTIVE,
    /* values */
    AST_VARIABLE,
    AST_INT,
    AST_FLOAT,
    AST_STRING,
    AST_BOOLEAN,
    AST_NULL,
    AST_ENUM,
    AST_LIST,
    AST_OBJECT,
    AST_OBJECT_FIELD,
    /* references to types */
    AST_NAMED,
    AST_LIST_OF,
    AST_NON_NULL,
    /* inside type definitions */
    AST_OPERATION_TYPE,
    AST_FIELD_DEFINITION,
    AST_INPUT_VALUE, /* an argument's or input field's definition */
    AST_ENUM_VALUE,
    AST_KIND_COUNT,
};

struct ast_node {
    enum ast_kind kind;
    uint32_t at;
};

struct ast_text {
    const char *bytes;
    uint32_t size;
};

struct ast_name {
    struct ast_text text;
    uint32_t at;
};

struct ast_object_field;

struct ast_value {
    struct ast_node node; /* AST_VARIABLE to AST_OBJECT */
    struct ast_value *next;
    struct ast_text text; /* variable and enum: the name; numbers as written; strings decoded */
    bool boolean;
    bool is_block; /* a block string */
    uint32_t count;
    struct ast_value *items;         /* AST_LIST */
    struct ast_object_field *fields; /* AST_OBJECT */
};

struct ast_object_field {
    struct ast_node node;
    struct ast_object_field *next;
    struct ast_name name;
    struct ast_value *value;
};

struct ast_type {
    struct ast_node node;  /* AST_NAMED, AST_LIST_OF, AST_NON_NULL */
    struct ast_type *next; /* in lists of names: interfaces, members of a union */
    struct ast_text name;
    struct ast_type *of;
};

struct ast_argument {
    struct ast_node node;
    struct ast_argument *next;
    struct ast_name name;
    struct ast_value *value;
};

struct ast_directive {
    struct ast_node node; /* at the `@` */
    struct ast_directive *next;
    struct ast_name name;
    struct ast_argument *arguments;
};

struct ast_selection_set {
    struct ast_node node; /* at the `{` */
    struct ast_selection *first;
    uint32_t count;
};

struct ast_selection {
    struct ast_node node; /* AST_FIELD, AST_FRAGMENT_SPREAD, AST_INLINE_FRAGMENT */
    struct ast_selection *next;
    struct ast_name alias; /* fields; empty: none */
    struct ast_name name;  /* fields and spreads */
    struct ast_argument *arguments;
    struct ast_directive *directives;
    struct ast_type *type_condition;      /* inline fragments; NULL: none */
    struct ast_selection_set *selections; /* NULL: none */
};

struct ast_variable_definition {
    struct ast_node node; /* at the description or the `$` */
    struct ast_variable_definition *next;
    struct ast_value *description; /* NULL: none */
    struct ast_name name;          /* without the `$`; at the `$` */
    struct ast_type *type;
    struct ast_value *default_value; /* NULL: none */
    struct ast_directive *directives;
};

struct ast_input_value {
    struct ast_node node;
    struct ast_input_value *next;
    struct ast_value *description; /* NULL: none */
    struct ast_name name;
    struct ast_type *type;
    struct ast_value *default_value; /* NULL: none */
    struct ast_directive *directives;
};

struct ast_field_definition {
    struct ast_node node;
    struct ast_field_definition *next;
    struct ast_value *description;
    struct ast_name name;
    struct ast_input_value *arguments;
    struct ast_type *type;
    struct ast_directive *directives;
};

struct ast_enum_value {
    struct ast_node node;
    struct ast_enum_value *next;
    struct ast_value *description;
    struct ast_name name;
    struct ast_directive *directives;
};

enum ast_operation_kind {
    AST_QUERY,
    AST_MUTATION,
    AST_SUBSCRIPTION,
};

struct ast_operation_type { /* `query: Query` of a schema definition */
    struct ast_node node;
    struct ast_operation_type *next;
    enum ast_operation_kind operation;
    struct ast_type *type;
};

/* One definition; what its kind does not have is empty. */
struct ast_definition {
    struct ast_node node;
    struct ast_definition *next;
    bool is_extension;
    struct ast_value *description;
    struct ast_name name; /* empty: an anonymous operation, a schema */
    struct ast_directive *directives;

    enum ast_operation_kind operation;
    struct ast_variable_definition *variables;
    struct ast_type *type_condition; /* fragments */
    struct ast_selection_set *selections;

    struct ast_operation_type *operation_types; /* schema */
    struct ast_type *interfaces;
    struct ast_field_definition *fields;  /* object, interface */
    struct ast_type *members;             /* union */
    struct ast_enum_value *values;        /* enum */
    struct ast_input_value *input_values; /* input object: fields; directive: arguments */
    struct ast_name *locations;           /* directive: location_count names */
    uint32_t location_count;
    bool is_repeatable;
};

struct ast_document {
    struct ast_text source;
    const char *name; /* of the file, for people; "GraphQL request" for requests */
    struct ast_definition *definitions;
    uint32_t definition_count;
    uint32_t token_count;
};

static inline bool ast_text_equals(struct ast_text a, struct ast_text b)
{
    return a.size == b.size && (a.size == 0 || __builtin_memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* @literal: a string literal or terminated name. */
static inline bool ast_text_is(struct ast_text text, const char *literal)
{
    return ast_text_equals(text, (struct ast_text){literal, (uint32_t)__builtin_strlen(literal)});
}

/* The key of a field in the response: its alias, or its name. */
static inline struct ast_text ast_response_key(const struct ast_selection *field)
{
    return field->alias.text.size > 0 ? field->alias.text : field->name.text;
}

#endif
