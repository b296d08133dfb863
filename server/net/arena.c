#include "server/net/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

enum {
    STANDARD_CAPACITY = ARENA_BYTES - (int)sizeof(struct arena),
};

/* Free arenas of standard size, one process's: a list through their own memory. */
struct free_arena {
    struct free_arena *next;
};

static struct {
    struct free_arena *first;
    unsigned count;
} pool;

static_assert(sizeof(struct arena) >= sizeof(struct free_arena), "a free arena holds its link");

static struct arena *arena_new(size_t capacity)
{
    struct arena *arena;

    if (capacity <= STANDARD_CAPACITY && pool.first != NULL) {
        struct free_arena *first = pool.first;

        pool.first = first->next;
        pool.count--;
        arena = (struct arena *)(void *)first;
        capacity = STANDARD_CAPACITY;
    } else {
        if (capacity < STANDARD_CAPACITY)
            capacity = STANDARD_CAPACITY;
        if (capacity > UINT32_MAX / 2)
            return NULL;
        arena = malloc(sizeof *arena + capacity);
        if (arena == NULL)
            return NULL;
    }
    arena->refs = 1;
    arena->capacity = (uint32_t)capacity;
    return arena;
}

void arena_ref(struct arena *arena)
{
    arena_ref_many(arena, 1);
}

void arena_ref_many(struct arena *arena, uint32_t count)
{
    CHECK(arena->refs > 0);
    CHECK(count <= UINT32_MAX - arena->refs);
    arena->refs += count;
}

void arena_unref(struct arena *arena)
{
    struct free_arena *entry;

    if (arena == NULL)
        return;
    CHECK(arena->refs > 0);
    arena->refs--;
    if (arena->refs > 0)
        return;
    if (arena->capacity != STANDARD_CAPACITY || pool.count >= ARENA_POOL_MAX) {
        free(arena);
        return;
    }
    entry = (struct free_arena *)(void *)arena;
    entry->next = pool.first;
    pool.first = entry;
    pool.count++;
}

struct arena *arena_copy(const void *bytes, size_t size)
{
    struct arena *arena;

    CHECK(size > 0);
    if (size > UINT32_MAX / 2)
        return NULL;
    arena = malloc(sizeof *arena + size);
    if (arena == NULL)
        return NULL;
    arena->refs = 1;
    arena->capacity = (uint32_t)size;
    memcpy(arena->bytes, bytes, size);
    return arena;
}

uint8_t *arena_writer_reserve(struct arena_writer *writer, size_t bytes)
{
    struct arena *arena = writer->arena;

    if (arena == NULL || bytes > arena->capacity - writer->used) {
        arena = arena_new(bytes);
        if (arena == NULL)
            return NULL;
        arena_unref(writer->arena);
        writer->arena = arena;
        writer->used = 0;
    }
    return arena->bytes + writer->used;
}

struct range arena_writer_commit(struct arena_writer *writer, size_t bytes)
{
    struct range range = {.arena = writer->arena, .offset = writer->used};

    CHECK(writer->arena != NULL);
    CHECK(bytes <= writer->arena->capacity - writer->used);
    range.length = (uint32_t)bytes;
    writer->used += range.length;
    return range;
}

void arena_writer_done(struct arena_writer *writer)
{
    arena_unref(writer->arena);
    writer->arena = NULL;
    writer->used = 0;
}

void arena_pool_clear(void)
{
    while (pool.first != NULL) {
        struct free_arena *first = pool.first;

        pool.first = first->next;
        free(first);
    }
    pool.count = 0;
}
