/*
 * bus/hash.h - the hash of what clients choose: topic names, their addresses.
 *
 * Seeded with a secret, so that nobody can choose names that all fall into one place of a table.
 * What compares hashes with another process uses the seed of this start of the server
 * (server/heritage.h); a table of one process may have its own. Nothing stored depends on it.
 */
#ifndef BUS_HASH_H
#define BUS_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A new secret. 0 or -EIO: the system gives no random numbers. */
int hash_seed_make(uint64_t *ret_seed);
/* XXH3-64. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size);

#endif
