/*
 * server/graphql/name_map.h - from names that a client chose to things: the variables, fragments
 * and response keys of one request.
 *
 * Shape    a few names are compared one after the other; more are found through a hash table whose
 *          seed is a secret of this map (bus/hash.h), so that nobody can choose names that all fall
 *          into one place. names.h is the one for the operator's own.
 * Memory   everything is the region's; names are borrowed.
 * Errors   without memory or random numbers region->has_failed is set.
 */
#ifndef SERVER_GRAPHQL_NAME_MAP_H
#define SERVER_GRAPHQL_NAME_MAP_H

#include <stdint.h>

#include "server/graphql/ast.h"

struct region;

struct name_map_entry {
    struct ast_text name;
    void *value;
};

struct name_map {
    struct region *region;
    struct name_map_entry *entries; /* in the order in which they came */
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* 2 * capacity of them: a place in entries, plus 1; NULL: no hash table */
    uint64_t seed;
};

void name_map_init(struct name_map *map, struct region *region);
/* NULL: there is none. */
void *name_map_find(const struct name_map *map, struct ast_text name);
/*
 * Where the value of a name is kept; NULL is there when the name is new. The place is good until the
 * next call. NULL: see above.
 */
void **name_map_put(struct name_map *map, struct ast_text name);

#endif
