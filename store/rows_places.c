#include "store/rows_places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

enum {
    PLACES_FIRST = 64,
};

static int grow(struct places *places)
{
    size_t allocated = places->allocated == 0 ? PLACES_FIRST : 2 * places->allocated;
    struct place *items;

    if (allocated > places->bound)
        allocated = places->bound;
    items = malloc(allocated * sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    if (places->count > 0)
        memcpy(items, places->items, places->count * sizeof *items);
    free(places->items);
    places->items = items;
    places->allocated = allocated;
    return 0;
}

static void swap(struct places *places, size_t a, size_t b)
{
    struct place place = places->items[a];

    places->items[a] = places->items[b];
    places->items[b] = place;
}

static bool is_behind(const struct places *places, size_t a, size_t b)
{
    return places->compare(places->user, &places->items[a], &places->items[b]) > 0;
}

static void sift_up(struct places *places, size_t at)
{
    while (at > 0 && is_behind(places, at, (at - 1) / 2)) {
        swap(places, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct places *places, size_t count)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            return;
        if (child + 1 < count && is_behind(places, child + 1, child))
            child++;
        if (!is_behind(places, child, at))
            return;
        swap(places, at, child);
        at = child;
    }
}

int places_add(struct places *places, const struct place *place)
{
    CHECK(places->bound > 0);
    if (places->count == places->bound) {
        if (places->compare(places->user, place, &places->items[0]) > 0)
            return 0;
        places->items[0] = *place;
        sift_down(places, places->count);
        return 0;
    }
    if (places->count == places->allocated) {
        int rc = grow(places);

        if (rc != 0)
            return rc;
    }
    places->items[places->count++] = *place;
    sift_up(places, places->count - 1);
    return 0;
}

void places_sort(struct places *places)
{
    for (size_t left = places->count; left > 1; left--) {
        swap(places, 0, left - 1);
        sift_down(places, left - 1);
    }
}

void places_clear(struct places *places)
{
    places->count = 0;
}

void places_done(struct places *places)
{
    free(places->items);
    places->items = NULL;
    places->count = 0;
    places->allocated = 0;
}
