/*
 * server/graphql/names.h - a hash table from names to things: what a schema is looked up by.
 *
 * Shape    open addressing; a key is an owner (a type, or any address; may be NULL) and a name, so
 *          that one table holds the fields of all types.
 * Callers  keys come from the operator's SDL, hence no seed; clients' names only read. Not for
 *          tables that a client fills.
 * Memory   slots belong to the region; names and values are the caller's.
 */
#ifndef SERVER_GRAPHQL_NAMES_H
#define SERVER_GRAPHQL_NAMES_H

#include <stdint.h>

#include "server/graphql/ast.h"

struct region;

struct names_slot {
    const void *owner;
    struct ast_text name;
    uint32_t hash;
    void *value; /* NULL: the slot is free */
};

struct names {
    struct region *region;
    struct names_slot *slots; /* capacity of them, a power of two, or 0 */
    uint32_t capacity;
    uint32_t count;
};

void names_init(struct names *names, struct region *region);
/* NULL: there is none. */
void *names_find(const struct names *names, const void *owner, struct ast_text name);
/*
 * Puts @value (not NULL) under a key that is not there yet. Returns what is under it now: @value, or
 * what was there before. Without memory it is not kept, and the region remembers.
 */
void *names_add(struct names *names, const void *owner, struct ast_text name, void *value);
/* The same, in place of what was there. */
void names_put(struct names *names, const void *owner, struct ast_text name, void *value);

#endif
