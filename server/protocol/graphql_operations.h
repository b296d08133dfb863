/*
 * server/protocol/graphql_operations.h - the operations of one GraphQL WebSocket, found by their ids.
 *
 * Shape    a list while they are few, then a hash table of lists; ids are JSON, always written in the
 *          same way (graphql_message.h).
 * Memory   the table owns its buckets only; a zeroed struct is an empty table. Without memory for
 *          more buckets the lists become longer.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_OPERATIONS_H
#define SERVER_PROTOCOL_GRAPHQL_OPERATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "server/api/group.h"
#include "server/net/arena.h"

struct graphql_socket;
struct operation;

struct graphql_operation {
    struct graphql_operation *next; /* of its list */
    struct graphql_socket *socket;
    struct arena *id;            /* all of it is the id */
    struct operation *operation; /* a query or mutation under way; NULL: a subscription */
    struct group_member member;  /* of a subscription */
};

struct graphql_operations {
    union {
        struct graphql_operation *first; /* bucket_count is 0 */
        struct graphql_operation **buckets;
    };
    uint32_t bucket_count; /* a power of two */
    uint32_t count;
};

/* Nothing is in it any more. */
void graphql_operations_done(struct graphql_operations *operations);

/* NULL: there is none. */
struct graphql_operation *graphql_operations_find(const struct graphql_operations *operations,
                                                  const char *id, size_t id_bytes);
/* None with its id is there. */
void graphql_operations_add(struct graphql_operations *operations,
                            struct graphql_operation *operation);
/* It is there. */
void graphql_operations_remove(struct graphql_operations *operations,
                               struct graphql_operation *operation);
/* The sum of what @count says of each. */
uint32_t graphql_operations_sum(const struct graphql_operations *operations,
                                uint32_t (*count)(const struct graphql_operation *operation));
/* Calls @visit, which may remove the one it is given, with each. */
void graphql_operations_visit(const struct graphql_operations *operations,
                              void (*visit)(struct graphql_operation *operation));

#endif
