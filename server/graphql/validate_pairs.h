/*
 * server/graphql/validate_pairs.h - what has been done with two things: a table from pairs of
 * addresses to an address. For validate's files only.
 *
 * Shape    open addressing, at most half full. By his document a client chooses what is paired
 *          with what, but he does not know the addresses; that of the slots is the hash's seed.
 * Memory   the region's; one that has outgrown its slots leaves them behind.
 */
#ifndef SERVER_GRAPHQL_VALIDATE_PAIRS_H
#define SERVER_GRAPHQL_VALIDATE_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

struct region;

struct validate_pair {
    uintptr_t a; /* 0: the slot is free */
    uintptr_t b;
    void *value;
};

struct validate_pairs {
    struct region *region;
    struct validate_pair *slots; /* capacity of them, a power of two, or 0 */
    uint32_t capacity;
    uint32_t count;
};

void validate_pairs_init(struct validate_pairs *pairs, struct region *region);
/*
 * The place of the value of @a (not 0) and @b, in this order: NULL in it when the pair is new. It is
 * good until the next call. NULL: no memory.
 */
void **validate_pairs_at(struct validate_pairs *pairs, uintptr_t a, uintptr_t b);

#endif
