/*
 * store/rows_places.h - the first so many rows of those that come, in an order of the caller's.
 *
 * Shape    a heap of at most so many places, the last one on top: what comes behind it is not
 *          taken.
 * Callers  store/rows.c.
 * Memory   places_done frees; a place's value is the map's.
 */
#ifndef STORE_ROWS_PLACES_H
#define STORE_ROWS_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a row stands in a list. */
struct place {
    uint64_t id;
    const uint8_t
        *value; /* of the column that orders, as its index has it; cut: without the hash */
    uint16_t value_bytes;
    uint16_t is_cut;
};

/* Below 0: @a comes first. Never 0 for two rows. */
typedef int place_compare_function(void *user, const struct place *a, const struct place *b);

struct places {
    struct place *items;
    size_t count;
    size_t allocated;
    size_t bound; /* most that are kept; at least 1 */
    place_compare_function *compare;
    void *user;
};

/* 0 or -ENOMEM. */
int places_add(struct places *places, const struct place *place);
/* Puts them in order; nothing can be added before places_clear. */
void places_sort(struct places *places);
void places_clear(struct places *places);
void places_done(struct places *places);

#endif
