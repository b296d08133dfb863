/*
 * server/graphql/validate_names.h - which of the names in a list are the same. For validate's files
 * only.
 *
 * Shape    a few names are compared with one another, many are put in a name_map: the cost is that
 *          of reading them.
 * Memory   the region's.
 */
#ifndef SERVER_GRAPHQL_VALIDATE_NAMES_H
#define SERVER_GRAPHQL_VALIDATE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"

struct region;

enum {
    VALIDATE_NAMES_FEW = 12,
};

/* Equal names together: group g has members[starts[g]] to members[starts[g + 1] - 1]. */
struct validate_groups {
    uint32_t *first;   /* of each name: the index of the first one like it */
    uint32_t *members; /* indexes in their order, group after group in the order of their first */
    uint32_t *starts;  /* group_count + 1 */
    uint32_t group_count;
};

/* False: all are different, and there is nothing in *ret_groups; or no memory. */
bool validate_names_group(const struct ast_text *names, uint32_t count, struct region *region,
                          struct validate_groups *ret_groups);
/* The same, all of them different or not. False: no memory. */
bool validate_names_group_all(const struct ast_text *names, uint32_t count, struct region *region,
                              struct validate_groups *ret_groups);

#endif
