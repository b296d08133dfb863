/*
 * store/epoch.h - the table of epochs: where each began, and so where the one before ended.
 *
 * Shape    first seq -> the epochs that began there, oldest first. An epoch that never had an
 *          operation (two power cuts in a row) shares its first seq with its successor and ended
 *          before it; its tokens stay good, for nothing that they name was lost.
 * Callers  store/ only. epoch_add: the writer.
 * Limits   EPOCH_STARTS_MAX first seqs with EPOCH_SHARED_MAX epochs each; the oldest go, and
 *          tokens of those become unknown (their holders are told of a gap that may not be one).
 */
#ifndef STORE_EPOCH_H
#define STORE_EPOCH_H

#include <lmdb.h>
#include <stdint.h>

struct store;

enum {
    EPOCH_STARTS_MAX = 256,
    EPOCH_SHARED_MAX = 64,
};

/* Enters @epoch, which begins at @first_seq (never before the last one's). 0 or -errno. */
int epoch_add(const struct store *store, MDB_txn *txn, uint64_t first_seq, uint64_t epoch);
/* The last seq of an epoch that is no longer in force. -ENOENT: not known. */
int epoch_end(const struct store *store, MDB_txn *txn, uint64_t epoch, uint64_t *ret_end_seq);

#endif
