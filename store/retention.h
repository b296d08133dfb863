/*
 * store/retention.h - which of the oldest blocks may go, and taking them out in small steps.
 *
 * Whole blocks go, oldest first. `bytes` is a bound: blocks go until the log is no larger.
 * `count` and `age_ns` are promises: a block goes only when what is left still has `count`
 * operations, or when its newest operation is older than that. The newest block always stays.
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
};

/* Of one step, or what a commit wrote. */
struct retention_budget {
    uint64_t blocks;
    uint64_t bytes;
    uint64_t entries; /* of the topic index */
};

enum {
    RETENTION_STEP_BLOCKS = 8,
    RETENTION_STEP_BYTES = 1024 * 1024,
    RETENTION_STEP_ENTRIES = 1024,
};

/* The transaction that a step belongs to. */
struct retention_step {
    struct store *store;
    struct MDB_txn *txn;
    struct store_meta *meta; /* brought up to date */
    int64_t now_ns;          /* CLOCK_REALTIME */
};

/*
 * Trims up to @budget of what is due. @ret_count: the operations that went. The block that the
 * store has in work is lost.
 */
int retention_trim(const struct retention_step *step, const struct retention *retention,
                   const struct retention_budget *budget, uint64_t *ret_count);

#endif
