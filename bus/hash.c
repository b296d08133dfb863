#include "bus/hash.h"

#include <errno.h>
#include <sys/random.h>
#include <xxhash.h>

int hash_seed_make(uint64_t *ret_seed)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return -errno; /* so few bytes come whole or not at all */
    *ret_seed = seed;
    return 0;
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}
