/*
 * server/graphql/region.h - memory that is freed all at once: a document's tree, one execution.
 *
 * Shape    chunks of doubling size that pieces are cut from; no piece is freed by itself.
 * Limits   bytes_max over all pieces. When it is reached, or the system has no memory, region_alloc
 *          gives NULL and the region remembers it (has_failed), so that a caller deep inside may
 *          just return and the outermost one asks once.
 * Memory   region_done frees everything; region_reset keeps the first chunk for the next use.
 */
#ifndef SERVER_GRAPHQL_REGION_H
#define SERVER_GRAPHQL_REGION_H

#include <stdbool.h>
#include <stddef.h>

struct region_chunk;

struct region {
    struct region_chunk *chunks; /* newest first */
    size_t used_bytes;
    size_t bytes_max;
    bool has_failed;
};

/* Allocates nothing yet. */
void region_init(struct region *region, size_t bytes_max);
void region_done(struct region *region);
/* Forgets all pieces and has_failed. */
void region_reset(struct region *region);

/* Zeroed, aligned for any type; NULL: see above. */
void *region_alloc(struct region *region, size_t bytes);
/* A terminated copy. */
char *region_copy(struct region *region, const char *bytes, size_t size);
/* Terminated; as long as it needs to be. */
__attribute__((format(printf, 2, 3))) char *region_printf(struct region *region, const char *format,
                                                          ...);

#endif
