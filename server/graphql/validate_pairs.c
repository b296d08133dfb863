#include "server/graphql/validate_pairs.h"

#include <stddef.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "server/graphql/region.h"

enum {
    CAPACITY_MIN = 64,
    CAPACITY_MAX = 1 << 26,
};

void validate_pairs_init(struct validate_pairs *pairs, struct region *region)
{
    *pairs = (struct validate_pairs){.region = region};
}

/* The slot of a pair, or the free one where it would be. There is one: half of them are free. */
static struct validate_pair *find_slot(const struct validate_pairs *pairs, uintptr_t a, uintptr_t b)
{
    const uintptr_t key[] = {a, b};
    uint64_t hash = hash_bytes((uintptr_t)pairs->slots, key, sizeof key);
    uint32_t mask = pairs->capacity - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct validate_pair *slot = &pairs->slots[i];

        if (slot->a == 0 || (slot->a == a && slot->b == b))
            return slot;
    }
}

static bool grow(struct validate_pairs *pairs)
{
    struct validate_pairs bigger = *pairs;

    if (pairs->capacity >= CAPACITY_MAX) {
        pairs->region->has_failed = true;
        return false;
    }
    bigger.capacity = pairs->capacity == 0 ? CAPACITY_MIN : pairs->capacity * 2;
    bigger.slots = region_alloc(pairs->region, (size_t)bigger.capacity * sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < pairs->capacity; i++) {
        if (pairs->slots[i].a != 0)
            *find_slot(&bigger, pairs->slots[i].a, pairs->slots[i].b) = pairs->slots[i];
    }
    *pairs = bigger;
    return true;
}

void **validate_pairs_at(struct validate_pairs *pairs, uintptr_t a, uintptr_t b)
{
    struct validate_pair *slot;

    CHECK(a != 0);
    if (pairs->count >= pairs->capacity / 2 && !grow(pairs))
        return NULL;
    slot = find_slot(pairs, a, b);
    if (slot->a == 0) {
        *slot = (struct validate_pair){.a = a, .b = b};
        pairs->count++;
    }
    return &slot->value;
}
