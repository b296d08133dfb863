/*
 * server/topics/log_reader.h - one cursor over store and ring: everything after a seq, in order.
 *
 * Reads what is committed from the store's blocks and what is not yet from the ring, up to a seq
 * given by the caller. A cursor that still stands in the ring is read on from there even when it
 * has been committed meanwhile; one that was lapped goes on in the store by its seq. Live delivery,
 * catching up and history all use it.
 * Cost     one step reads at most one block (64 KiB, or one larger event). The span read last is
 *          kept: readers in lockstep (many clients that resume together) copy it once.
 * Memory   records are copied into the reader's buffer (shared by the worker) and valid until the
 *          next step of any cursor of it. What a large record needed is given back at the next step.
 * Callers  workers. A step may begin or renew the store's snapshot; the worker ends it at the end
 *          of its turn (store_snapshot_end). No pointer into the map is kept over a step.
 */
#ifndef SERVER_TOPICS_LOG_READER_H
#define SERVER_TOPICS_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/check.h"
#include "bus/record.h"

struct bus;
struct store;
struct log_reader;

enum {
    /* With more topics than this no block is skipped: reading one costs less than asking for all. */
    LOG_FILTER_TOPICS_MAX = 64,
};

int log_reader_open(struct bus *bus, struct store *store, struct log_reader **ret_reader);
void log_reader_close(struct log_reader *reader);

/* A place in the log: everything up to and including seq has been read. */
struct log_cursor {
    uint64_t seq;
    uint64_t pos; /* in the ring, not past the record after seq; valid when has_pos */
    bool has_pos;
    bool
        is_trimmed; /* set by a step that found the log to begin behind seq + 1: retention has taken
                        something, of whatever topic (log_topic_info tells); the caller clears it */
};

/* Which topics are wanted: the reader skips blocks that hold none of them. count 0: all. */
struct log_filter {
    const struct record_topic *topics;
    size_t count;
};

struct log_span {
    const uint8_t *records; /* whole and checked; walk with log_span_next */
    size_t bytes;
    uint64_t last_seq; /* the cursor's seq after this span */
    uint64_t pos; /* where records begins in the ring, when the cursor has_pos after the step */
};

/*
 * The next span behind *cursor, not beyond @until_seq (whose ring position is @until_pos); moves
 * the cursor over it. A span may hold records of other topics, records up to the seq the cursor had
 * before, and records past span.last_seq: the caller looks at each. @filter may be NULL (all).
 *
 *   1        *ret_span
 *   0        the cursor stands at @until_seq (or behind it)
 *   -EAGAIN  store and ring disagree for the moment (a commit is being announced): try again
 *   -errno   the store cannot be read
 */
int log_reader_next(struct log_reader *reader, struct log_cursor *cursor,
                    const struct log_filter *filter, uint64_t until_seq, uint64_t until_pos,
                    struct log_span *ret_span);

/*
 * The next record of a span. *@end: where the last one ended, 0 at first; moved along. False: that was
 * all.
 */
static inline bool log_span_next(const struct log_span *span, size_t *end,
                                 struct record *ret_record)
{
    enum record_result result;

    if (*end >= span->bytes)
        return false;
    result = record_decode(span->records + *end, span->bytes - *end, ret_record);
    CHECK(result == RECORD_OK); /* ring and store have judged it before */
    *end += ret_record->length;
    return true;
}

/* Blocks that have been copied from the store so far; not those that the reader still held. */
uint64_t log_reader_store_reads(const struct log_reader *reader);

/*
 * Puts the cursor back to where the caller stopped inside @span, the one just read: behind the
 * record with @seq, which ends at @offset.
 */
void log_cursor_stop_at(struct log_cursor *cursor, const struct log_span *span, size_t offset,
                        uint64_t seq);

#endif
