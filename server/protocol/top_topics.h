/*
 * server/protocol/top_topics.h - the busiest topics just now, counted from the end of the log.
 *
 * Nothing is counted where events are published or delivered: whoever asks has the newest
 * TOP_TOPICS_BYTES of the log read, what is committed from the store's blocks and the rest from the ring.
 * (With more than that in the ring alone it is the oldest part of that: the disk is behind.)
 * Callers  workers. A step may begin or renew the store's snapshot, and reads at most a block or
 *          two of the log.
 * Memory   top_topics_done frees it; a zeroed struct is fine.
 * Limits   TOP_TOPICS_MAX different topics; of those that appear behind them the operations are counted,
 *          but not their names.
 */
#ifndef SERVER_PROTOCOL_TOP_TOPICS_H
#define SERVER_PROTOCOL_TOP_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "bus/ring.h"
#include "server/topics/log_reader.h"

struct service;

enum {
    TOP_TOPICS_BYTES = 512 * 1024,
    TOP_TOPICS_BLOCKS_MAX = 128, /* small ones: then it is less than TOP_TOPICS_BYTES */
    TOP_TOPICS_MAX = 4096,
    TOP_TOPICS_SHOWN = 20,
};

struct top_topic;

struct top_topics {
    struct service *service;
    struct log_cursor cursor;
    struct ring_position until;
    uint64_t hash_seed; /* of the names' table: clients choose them */
    struct top_topic *table;
    unsigned topic_count;
    uint64_t bytes; /* read */
    uint64_t operation_count;
    int64_t first_time_ns; /* of the oldest operation counted */
};

/* One of the busiest. */
struct top_topic_view {
    const char *name; /* not terminated */
    size_t name_bytes;
    uint64_t operation_count;
    uint64_t payload_bytes;
};

void top_topics_begin(struct top_topics *top, struct service *service);
/* Reads on. 1: there is more; 0: all is counted, as far as it can be read. */
int top_topics_step(struct top_topics *top);
/* The busiest first; returns how many. The names are @top's. */
size_t top_topics_list(const struct top_topics *top,
                       struct top_topic_view ret_views[TOP_TOPICS_SHOWN]);
void top_topics_done(struct top_topics *top);

#endif
