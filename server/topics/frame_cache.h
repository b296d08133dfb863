/*
 * server/topics/frame_cache.h - frames that catching up made lately, so that a thousand clients
 * that resume together encode once.
 *
 * Shape    first in, first out: FRAME_CACHE_ENTRIES frames found by (seq, which topic of the record,
 *          encoding). Frames made one behind the other lie so in their arenas, and a second client
 *          gets the same neighbours, so its queue is ranges too.
 *          That an event has no frame in an encoding is kept too, as one of length 0.
 * Limits   FRAME_CACHE_ENTRIES frames and FRAME_CACHE_PINNED_BYTES_MAX of arenas, counted once per
 *          run of neighbours; the oldest make room. A frame that is larger alone is not kept.
 * Memory   each entry holds one reference on its arena.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_FRAME_CACHE_H
#define SERVER_TOPICS_FRAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/topics/frame_run.h"

struct frame_cache;

enum {
    FRAME_CACHE_ENTRIES = 4096,
    FRAME_CACHE_PINNED_BYTES_MAX = 4 * 1024 * 1024,
};

struct frame_key {
    uint64_t seq;
    uint64_t encoding;     /* its number */
    uint16_t topic_offset; /* of the topic in its record: exact, where a hash would not be */
};

int frame_cache_open(struct frame_cache **ret_cache);
void frame_cache_close(struct frame_cache *cache);

/* True: *ret_frame borrows the cache's reference until the next frame_cache_put. */
bool frame_cache_get(const struct frame_cache *cache, const struct frame_key *key,
                     struct frame *ret_frame);
/* Keeps a frame that is not in it yet. */
void frame_cache_put(struct frame_cache *cache, const struct frame_key *key,
                     const struct frame *frame);
/* Drops everything. */
void frame_cache_clear(struct frame_cache *cache);

size_t frame_cache_count(const struct frame_cache *cache);
size_t frame_cache_pinned_bytes(const struct frame_cache *cache);

#endif
