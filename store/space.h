/*
 * store/space.h - how full disk and map are, and the ballast that lets acknowledged operations in.
 *
 * A ballast file of twice the ring lies in the data directory. When a commit meets a full disk
 * the ballast is released and the commit tried again; publishing has been refused by then, and
 * what the ring holds fits into what the ballast gave. When there is room again, it is made anew.
 * Callers  the writer alone.
 */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/env.h"

enum {
    SPACE_MAP_FULL_PERCENT = 95,
};

/* Makes the ballast of @bytes really allocated. -ENOSPC when there is no room for it. */
int space_ballast_make(struct store *store, uint64_t bytes);
/* Frees it. 0, or -ENOENT when there was none. */
int space_ballast_release(struct store *store);
bool space_ballast_exists(const struct store *store);

struct space {
    uint64_t disk_free_bytes;
    uint64_t map_bytes;
    uint64_t map_used_bytes; /* last page less the pages on the free list */
};
int space_read(struct store *store, struct space *ret_space);
/* Past SPACE_MAP_FULL_PERCENT of the map, or the disk has less than @disk_bytes_min free. */
bool space_is_short(const struct space *space, uint64_t disk_bytes_min);

#endif
