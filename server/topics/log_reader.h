/*
 * server/topics/log_reader.h - one cursor over store and ring: everything after a seq, in order.
 *
 * Reads what is committed from the store's blocks and what is not yet from the ring, up to a seq
 * given by the caller. Catching up and history both use it.
 * Cost     one step reads at most one block (64 KiB, or one larger event).
 * Memory   records are copied into the reader's buffer (shared by the worker) and valid until the
 *          next step of any reader.
 */
#ifndef SERVER_TOPICS_LOG_READER_H
#define SERVER_TOPICS_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"

struct bus;
struct store;
struct log_reader;

/* One per worker: the buffers. */
int log_reader_open(struct bus *bus, struct store *store, struct log_reader **ret_reader);
void log_reader_close(struct log_reader *reader);

/* A place in the log: everything up to and including seq has been read. */
struct log_cursor {
    uint64_t seq;
    uint64_t pos;     /* in the ring, behind seq; valid when has_pos */
    bool has_pos;
};

/* Which topics are wanted: the reader skips blocks that hold none of them. count 0: all. */
struct log_filter {
    const struct record_topic *topics;
    size_t count;
};

struct log_span {
    const uint8_t *records; /* walk with record_decode */
    size_t bytes;
    uint64_t last_seq;      /* the cursor's seq after this span */
};

/*
 * The next span behind *cursor, not beyond @until_seq (whose ring position is @until_pos); moves
 * the cursor over it. A span may hold records of other topics, and records up to cursor.seq or
 * past @until_seq: the caller looks at each.
 *
 *   1       *ret_span
 *   0       the cursor stands at @until_seq
 *   -errno  the store cannot be read
 */
int log_reader_next(struct log_reader *reader, struct log_cursor *cursor,
                    const struct log_filter *filter, uint64_t until_seq, uint64_t until_pos,
                    struct log_span *ret_span);

#endif
