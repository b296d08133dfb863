/*
 * server/graphql/coerce.h - input coercion (GraphQL October 2021, sections 3.5 to 3.12, 6.1.2 and
 * 6.4.1): literals and JSON into values of a type.
 *
 * Errors   as graphql-js 16 words them (`Variable "$a" got invalid value "x" at "a.b"; …`), code
 *          GRAPHQL_BAD_USER_INPUT. All of a request's variables are reported, not the first alone.
 * Limits   a coerced tree is at most as deep as its literal or JSON text, which are bounded;
 *          COERCE_ERRORS_MAX errors of variables, then one that says that there are more; what
 *          messages show of a value: inspect.h.
 */
#ifndef SERVER_GRAPHQL_COERCE_H
#define SERVER_GRAPHQL_COERCE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/errors.h"
#include "server/graphql/name_map.h"
#include "server/graphql/schema.h"
#include "server/graphql/value.h"
#include "server/json/json.h"

enum {
    COERCE_ERRORS_MAX = 50,
};

/* The coerced variables of one execution: an array beside the operation's definitions. */
struct coerce_variables {
    const struct ast_definition *operation;
    struct value *values;  /* one per variable definition, in their order */
    struct name_map names; /* to places in values */
};

/* Where what is coerced comes from, and where it goes. */
struct coerce {
    const struct schema *schema;
    const struct ast_document *document;
    struct region *region;
    struct graphql_errors *errors;
};

/*
 * Coerces the variables of a request: @json is a checked, compact object, `null`, or empty; strings
 * and custom scalars point into it. False: the errors are all there, or the region has failed.
 */
bool coerce_variables(const struct coerce *coerce, const struct ast_definition *operation,
                      struct json_span json, struct coerce_variables *ret_variables);

/* Of a request that has been coerced; NULL: there is no such variable. */
const struct value *coerce_variable(const struct coerce_variables *variables, struct ast_text name);

/* What a field or directive takes, and what it is given. */
struct coerce_call {
    const struct schema_input *inputs;
    uint32_t input_count;
    const struct ast_argument *arguments;
    const struct ast_node *node; /* that has them */
};

/*
 * The arguments of a field or directive of a validated document, an array beside the inputs. False:
 * one error without a path has been added, or the region has failed.
 */
bool coerce_arguments(const struct coerce *coerce, const struct coerce_call *call,
                      const struct coerce_variables *variables, struct value **ret_values);

/* Digits of the grammar, perhaps with a minus. False: they are no 32-bit integer. */
bool coerce_int32(struct ast_text digits, int32_t *ret_integer);
/* A number as GraphQL and JSON write it; beyond what doubles hold: infinite. False: no memory. */
bool coerce_number(struct ast_text text, struct region *region, double *ret_number);
/*
 * A JSON string without its quotes and escapes; it points into @string if it has none. False: half a
 * surrogate pair, or no memory.
 */
bool coerce_string(struct json_span string, struct region *region, struct ast_text *ret_text);
/*
 * A literal; @variables: NULL in constants (default values). False: it does not fit the type, or no
 * memory.
 */
bool coerce_literal(const struct ast_value *literal, const struct schema_ref *type,
                    const struct coerce_variables *variables, struct region *region,
                    struct value *ret_value);

#endif
