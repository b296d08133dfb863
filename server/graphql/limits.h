/*
 * server/graphql/limits.h - what one operation may ask for, judged before it is executed.
 *
 * Depth        fields in one another; introspection (below __schema and __type) does not count.
 * Complexity   a field is 1; a list multiplies what is in it by its `limit` argument (given, or its
 *              default; at least 1), else by 10 (PROTOCOLS section 6). In introspection a field is
 *              just 1: its lists are as long as the schema is. Fragments count where they are
 *              spread, @skip and @include as the variables have it.
 * Aliases      everywhere in the operation; root fields: those selected at its root. Both as often as
 *              they are selected.
 * Errors       GRAPHQL_LIMIT_EXCEEDED for the first limit that is passed: with the limit, what was
 *              asked for up to there, and where: the field, or the spread of a fragment that had
 *              been seen before.
 * Callers      whoever executes: the document is valid, the variables are coerced.
 */
#ifndef SERVER_GRAPHQL_LIMITS_H
#define SERVER_GRAPHQL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/coerce.h"

struct limits {
    uint32_t depth_max;
    uint64_t complexity_max;
    uint32_t alias_count_max;
    uint32_t root_field_count_max;
    uint32_t list_items_max; /* of one list in a result: execute.h */
};

#define LIMITS_DEFAULT                                                                             \
    (struct limits)                                                                                \
    {                                                                                              \
        .depth_max = 15, .complexity_max = 10000, .alias_count_max = 100,                          \
        .root_field_count_max = 50, .list_items_max = 1000                                         \
    }

/*
 * True: within all of them. False: one error, or the region has failed. Each selection of the
 * document is looked at once, however often its fragment is spread, and none behind the first excess.
 * @coerce: what the variables were coerced with.
 */
bool limits_check(const struct coerce *coerce, const struct ast_definition *operation,
                  const struct coerce_variables *variables, const struct limits *limits);

#endif
