/*
 * server/graphql/region.h - memory that is freed all at once: a document's tree, one execution.
 *
 * Shape    chunks of doubling size that pieces are cut from; no piece is freed by itself. Under
 *          AddressSanitizer every piece is a chunk, so that it has its own red zones.
 * Limits   bytes_max over all chunks. When it is reached, or the system has no memory, region_alloc
 *          gives NULL and the region remembers it (has_failed), so that a caller deep inside may
 *          just return and the outermost one asks once.
 * Memory   region_done frees everything; region_reset keeps the first chunk for the next use.
 */
#ifndef SERVER_GRAPHQL_REGION_H
#define SERVER_GRAPHQL_REGION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    REGION_ALIGN_BYTES = 16, /* of every piece: enough for any type */
};

struct region_chunk;

struct region {
    struct region_chunk *chunks; /* newest first */
    char *free_at;               /* what is left of the newest one: zeroes */
    size_t free_bytes;           /* a multiple of REGION_ALIGN_BYTES */
    size_t used_bytes;           /* taken from the system */
    size_t bytes_max;
    bool has_failed;
};

/* Allocates nothing yet. */
void region_init(struct region *region, size_t bytes_max);
void region_done(struct region *region);
/* Forgets all pieces and has_failed. */
void region_reset(struct region *region);

/* For region_alloc: when what is free does not do. */
void *region_alloc_chunk(struct region *region, size_t bytes);

/* Zeroed, aligned for any type; NULL: see above. Inline, so that a node costs a few instructions. */
static inline void *region_alloc(struct region *region, size_t bytes)
{
    size_t rounded = (bytes + REGION_ALIGN_BYTES - 1) & ~(size_t)(REGION_ALIGN_BYTES - 1);
    void *piece = region->free_at;

    if (bytes >= region->free_bytes)
        return region_alloc_chunk(region, bytes);
    region->free_at += rounded;
    region->free_bytes -= rounded;
    return piece;
}

/* A terminated copy. */
char *region_copy(struct region *region, const char *bytes, size_t size);
/* Terminated; as long as it needs to be. */
__attribute__((format(printf, 2, 3))) char *region_printf(struct region *region, const char *format,
                                                          ...);
__attribute__((format(printf, 2, 0))) char *region_vprintf(struct region *region,
                                                           const char *format, va_list arguments);

#endif
