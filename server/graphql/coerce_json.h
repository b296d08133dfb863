/*
 * server/graphql/coerce_json.h - the JSON value of one variable into a value of its type; for
 * coerce.c alone.
 */
#ifndef SERVER_GRAPHQL_COERCE_JSON_H
#define SERVER_GRAPHQL_COERCE_JSON_H

#include "server/graphql/coerce.h"

/* What the variables of a request have in common, and the one in hand. */
struct coerce_json {
    const struct coerce *coerce;
    struct region *region; /* the same as coerce->region */
    const struct ast_variable_definition *variable;
    uint32_t error_count;
    bool has_ended;        /* too many errors, or no memory: nothing more is looked at */
    struct json_ends ends; /* of the variable's value; no items: it is small */
    struct json_span inspected;
    const char *inspected_text; /* of that value; an object may have many errors */
};

/* One more error, at @node; the message is NULL without memory. */
void coerce_json_fail(struct coerce_json *context, const struct ast_node *node,
                      const char *message);
/* The value of context->variable; *ret_value counts when there was no error. */
void coerce_json(struct coerce_json *context, struct json_span json, const struct schema_ref *type,
                 struct value *ret_value);

#endif
