#include "server/api/outgoing.h"

#include <stdbool.h>
#include <stdlib.h>

#include "bus/check.h"
#include "server/net/arena.h"

enum {
    CAPACITY_MIN = 16,
};

static bool reserve_one(struct outgoing *outgoing)
{
    size_t capacity = outgoing->capacity == 0 ? CAPACITY_MIN : 2 * outgoing->capacity;
    struct arena **arenas;

    if (outgoing->count < outgoing->capacity)
        return true;
    arenas = realloc(outgoing->arenas, capacity * sizeof(struct arena *));
    if (arenas == NULL)
        return false;
    outgoing->arenas = arenas;
    outgoing->capacity = capacity;
    return true;
}

struct arena *outgoing_add(struct outgoing *outgoing, const void *bytes, size_t size)
{
    struct arena *arena;

    if (!reserve_one(outgoing))
        return NULL;
    arena = arena_copy(bytes, size);
    if (arena == NULL)
        return NULL;
    arena_ref(arena);
    outgoing->arenas[outgoing->count++] = arena;
    outgoing->bytes += arena->capacity;
    return arena;
}

void outgoing_turn(struct outgoing *outgoing)
{
    size_t kept = 0;

    for (size_t i = 0; i < outgoing->count; i++) {
        struct arena *arena = outgoing->arenas[i];

        if (arena->refs > 1) {
            outgoing->arenas[kept++] = arena;
            continue;
        }
        CHECK(outgoing->bytes >= arena->capacity);
        outgoing->bytes -= arena->capacity;
        arena_unref(arena);
    }
    outgoing->count = kept;
}

void outgoing_done(struct outgoing *outgoing)
{
    for (size_t i = 0; i < outgoing->count; i++)
        arena_unref(outgoing->arenas[i]);
    free(outgoing->arenas);
    *outgoing = (struct outgoing){0};
}
