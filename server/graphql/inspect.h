/*
 * server/graphql/inspect.h - values as messages show them: as graphql-js's inspect().
 *
 * Limits   INSPECT_BYTES_MAX of a value, then "…"; INSPECT_ITEMS_MAX of a list.
 */
#ifndef SERVER_GRAPHQL_INSPECT_H
#define SERVER_GRAPHQL_INSPECT_H

#include "server/graphql/ast.h"
#include "server/json/json.h"

struct region;
struct text;

enum {
    INSPECT_BYTES_MAX = 1000,
    INSPECT_ITEMS_MAX = 10,
    INSPECT_DEPTH_MAX = 2, /* containers so deep are named only */
};

/* A checked, compact JSON value. @region: for what is needed meanwhile. */
void inspect_json(struct json_span value, struct region *region, struct text *out);
/* A number as JavaScript's String() has it: "NaN" and "-Infinity", too. */
void inspect_number(double number, struct text *out);
/* A string in its quotes. */
void inspect_string(struct ast_text string, struct text *out);
/* A text without quotes, cut like a value. */
void inspect_text(struct ast_text text, struct text *out);

#endif
