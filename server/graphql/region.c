#include "server/graphql/region.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define REGION_IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REGION_IS_CHECKED 1
#endif
#endif
#ifndef REGION_IS_CHECKED
#define REGION_IS_CHECKED 0
#endif

enum {
    CHUNK_BYTES_MIN = 4096,
    CHUNK_BYTES_MAX = 1024 * 1024, /* doubling ends here; what is larger gets a chunk of its size */
};

#define PIECE_BYTES_MAX (SIZE_MAX / 2) /* so that sums do not overflow */

struct region_chunk {
    struct region_chunk *next;
    size_t bytes; /* with this head */
    char memory[];
};

static_assert(offsetof(struct region_chunk, memory) % REGION_ALIGN_BYTES == 0,
              "the first piece is aligned");
static_assert(REGION_ALIGN_BYTES % _Alignof(max_align_t) == 0, "pieces hold any type");

void region_init(struct region *region, size_t bytes_max)
{
    *region = (struct region){.bytes_max = bytes_max};
}

/* Frees all that are newer than @last. */
static void free_chunks(struct region *region, const struct region_chunk *last)
{
    while (region->chunks != last) {
        struct region_chunk *chunk = region->chunks;

        region->chunks = chunk->next;
        region->used_bytes -= chunk->bytes;
        free(chunk);
    }
}

void region_done(struct region *region)
{
    free_chunks(region, NULL);
    CHECK(region->used_bytes == 0);
    region_init(region, region->bytes_max);
}

static size_t payload_bytes(const struct region_chunk *chunk)
{
    return (chunk->bytes - sizeof *chunk) & ~(size_t)(REGION_ALIGN_BYTES - 1);
}

void region_reset(struct region *region)
{
    struct region_chunk *first = region->chunks;
    size_t dirty_bytes;

    if (first == NULL || REGION_IS_CHECKED) {
        region_done(region);
        return;
    }
    while (first->next != NULL)
        first = first->next;
    dirty_bytes = payload_bytes(first);
    if (first == region->chunks)
        dirty_bytes -= region->free_bytes;
    free_chunks(region, first);
    memset(first->memory, 0, dirty_bytes);
    region->free_at = first->memory;
    region->free_bytes = payload_bytes(first);
    region->has_failed = false;
}

/* The size of the next chunk when a piece of @bytes must fit in; 0: that is too much. */
static size_t next_chunk_bytes(const struct region *region, size_t bytes)
{
    size_t left = region->bytes_max - region->used_bytes;
    size_t needed;
    size_t wanted = CHUNK_BYTES_MIN;

    if (bytes > PIECE_BYTES_MAX)
        return 0;
    needed = sizeof(struct region_chunk) + bytes;
    if (needed > left)
        return 0;
    if (REGION_IS_CHECKED)
        return needed;
    if (region->chunks != NULL)
        wanted = region->chunks->bytes < CHUNK_BYTES_MAX / 2 ? 2 * region->chunks->bytes
                                                             : CHUNK_BYTES_MAX;
    if (wanted > left)
        wanted = left;
    return wanted > needed ? wanted : needed;
}

void *region_alloc_chunk(struct region *region, size_t bytes)
{
    size_t rounded = (bytes + REGION_ALIGN_BYTES - 1) & ~(size_t)(REGION_ALIGN_BYTES - 1);
    size_t chunk_bytes;
    struct region_chunk *chunk;
    void *piece;

    if (bytes > 0 && rounded == region->free_bytes && rounded >= bytes) {
        piece = region->free_at; /* exactly what is left */
        region->free_at += rounded;
        region->free_bytes = 0;
        return piece;
    }
    /* What is too large is not rounded: it could become small. */
    chunk_bytes =
        next_chunk_bytes(region, REGION_IS_CHECKED || bytes > PIECE_BYTES_MAX ? bytes : rounded);
    chunk = chunk_bytes > 0 ? calloc(1, chunk_bytes) : NULL;
    if (chunk == NULL) {
        region->has_failed = true;
        return NULL;
    }
    chunk->bytes = chunk_bytes;
    chunk->next = region->chunks;
    region->chunks = chunk;
    region->used_bytes += chunk_bytes;
    if (!REGION_IS_CHECKED) {
        region->free_at = chunk->memory + rounded;
        region->free_bytes = payload_bytes(chunk) - rounded;
    }
    return chunk->memory;
}

char *region_copy(struct region *region, const char *bytes, size_t size)
{
    char *copy = size < SIZE_MAX ? region_alloc(region, size + 1) : NULL;

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *region_vprintf(struct region *region, const char *format, va_list arguments)
{
    va_list again;
    char *text;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    CHECK(length >= 0); /* our own formats */
    text = region_alloc(region, (size_t)length + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)length + 1, format, again); /* as long as before */
    va_end(again);
    return text;
}

char *region_printf(struct region *region, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = region_vprintf(region, format, arguments);
    va_end(arguments);
    return text;
}
