/*
 * store/retention.h - which of the oldest blocks may go, and taking them out in small steps.
 *
 * Whole blocks go, oldest first. `bytes` is a bound: blocks go until the log is no larger, but for
 * RETENTION_UNREAD_BYTES_MAX while somebody has still to read them: a commit alone may bring as much.
 * `count` and `age_ns` are promises: a block goes only when what is left still has `count`
 * operations, or when its newest operation is older than that, and when nobody has still to read
 * it (`unread_seq`). The newest block always stays.
 * The topic index is left alone: its entries for blocks that are gone are known by the log's
 * first seq (store/topic_index.h). So no block is read to be trimmed.
 * Callers  retention_trim: the writer, inside its transaction (store/commit.h).
 * Limits   a step takes at least one block that is due, then no more than its budget.
 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include <stdint.h>

#include "store/env.h"

struct MDB_txn;

/* What is kept; 0: without bound. */
struct retention {
    uint64_t bytes;
    uint64_t count;
    int64_t age_ns;
    /*
     * The latest time that age may be counted to; 0: whatever CLOCK_REALTIME says. A clock that jumps
     * ahead would make everything old.
     */
    int64_t latest_ns;
    /*
     * From this operation on somebody has still to deliver, or to answer, what was committed; 0:
     * nobody has. `count` and `age_ns` wait for that, `bytes` not for ever.
     */
    uint64_t unread_seq;
};

/* Of one step. */
struct retention_budget {
    uint64_t blocks;
    uint64_t bytes;
};

enum {
    RETENTION_STEP_BLOCKS = 8,
    RETENTION_STEP_BYTES = 1024 * 1024,
    RETENTION_UNREAD_BYTES_MAX = 32 * 1024 * 1024,
};

/* The transaction that a step belongs to. */
struct retention_step {
    struct store *store;
    struct MDB_txn *txn;
    struct store_meta *meta; /* brought up to date */
    int64_t now_ns;          /* CLOCK_REALTIME */
};

/* Trims up to @budget of what is due. 0 or -errno; what went can be seen from the step's meta. */
int retention_trim(const struct retention_step *step, const struct retention *retention,
                   const struct retention_budget *budget);

#endif
