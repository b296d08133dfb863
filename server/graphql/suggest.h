/*
 * server/graphql/suggest.h - "Did you mean …?": names near to one that does not exist.
 *
 * Shape    suggest_begin with the unknown name, suggest_offer for every name that exists (in any
 *          order), suggest_end for the text. Near is measured as graphql-js does: edits, swaps of
 *          neighbours, and a difference in case only, which counts as one.
 * Limits   SUGGEST_MAX names are kept. An offer costs the product of both lengths, but nothing
 *          when they differ too much; so a huge unknown name costs little. Callers do not ask when
 *          the error would not be kept anyway (errors->has_overflown).
 * Memory   working space and the text are the region's.
 */
#ifndef SERVER_GRAPHQL_SUGGEST_H
#define SERVER_GRAPHQL_SUGGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"

struct region;
struct schema;

enum {
    SUGGEST_MAX = 5,
};

struct suggest {
    struct region *region;
    struct ast_text input;
    uint32_t unit_count; /* of the input in UTF-16 */
    uint32_t threshold;  /* the greatest distance that is near */
    uint16_t *units;     /* of the input, in lower case; NULL: not needed yet */
    uint32_t *rows;      /* three of unit_count + 1 */
    struct ast_text found[SUGGEST_MAX];
    uint32_t distances[SUGGEST_MAX];
    uint32_t found_count;
    bool is_hidden;
};

void suggest_begin(struct suggest *suggest, struct ast_text input, struct region *region);
/* A schema that is not introspectable shall not be guessed name by name either: nothing is near then. */
void suggest_hide(struct suggest *suggest, const struct schema *schema);
/* @option: a name of the schema or document; it must live until suggest_end. */
void suggest_offer(struct suggest *suggest, struct ast_text option);
/*
 * ` Did you mean "a", "b", or "c"?`, with @what before the names unless it is NULL
 * (` Did you mean the enum value "RED"?`); empty when nothing is near. Never NULL.
 */
const char *suggest_end(struct suggest *suggest, const char *what);

/* The order in which people count: "a2" before "a10". Below, above, or 0. */
int suggest_compare(struct ast_text a, struct ast_text b);

#endif
