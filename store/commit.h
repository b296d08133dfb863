/*
 * store/commit.h - the writer's transactions: operations in, blocks and index on disk.
 *
 * Callers  the writer alone (ROLE_CHECK). One transaction at a time, begun and ended inside each
 *          call, full sync always (never MDB_NOSYNC, never MDB_WRITEMAP).
 * Guard    every transaction first checks that the stored committed_seq is the one it expects;
 *          -ESTALE otherwise: another writer was here, and this one must end.
 * Errors   -ENOSPC: the disk or the map is full, nothing was committed, nothing is lost: try
 *          again after space_ballast_release (LMDB 0.9.24 says EIO for a full disk: the free space
 *          decides); for a full map, commit_trim until it says 0: pages that a transaction frees
 *          serve from the second one after it on. -EBADMSG: an operation or the store is damaged.
 *          -EIO and others: the writer ends.
 * Crashes  a death at any moment leaves the last commit.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/env.h"
#include "store/retention.h"

enum {
    COMMIT_BYTES_MAX = 4 * 1024 * 1024, /* of records in one transaction, but at least one */
    /* Of COMMANDs: what they change lies in memory until the commit, and may be larger. */
    COMMIT_COMMANDS_MAX = 1024,
    COMMIT_ROW_BYTES_MAX = 32 * 1024 * 1024, /* of their results, passed by one at most */
};

/*
 * Commits the stamped records in @records (whole, in seq order, continuing the log) up to ring
 * position @end_pos; trims, in the same transaction, a small step of what @retention no longer
 * keeps. *ret_meta is the state after it: with many COMMANDs (see above) its committed position may
 * lie before @end_pos, and what is left is for the next call.
 */
int commit_operations(struct store *store, const void *records, size_t bytes, uint64_t end_pos,
                      const struct retention *retention, struct store_meta *ret_meta);

/*
 * Trims one small step of the log, or clears some of the topic index after it, when there is
 * nothing to commit. 1: call again, there may be more; 0: nothing is left to do.
 */
int commit_trim(struct store *store, const struct retention *retention,
                struct store_meta *ret_meta);

/*
 * Whether a schema operation with this encoded catalog would succeed: executes it and undoes that.
 * 0, also when nothing would change (*ret_is_changed); -EINVAL: it would not, store_error_text()
 * names table and column; else -errno.
 */
int commit_schema_try(struct store *store, const void *catalog, size_t bytes, bool *ret_is_changed);

/*
 * The writer died while it executed the COMMAND at @seq: counts it, on disk. After the second time
 * commit_operations commits that COMMAND as failed. One that is committed is not counted.
 */
int commit_poison(struct store *store, uint64_t seq, struct store_meta *ret_meta);

/* A new epoch from committed_seq + 1 on; clears the clean mark. Before the first append. */
int commit_new_epoch(struct store *store, uint64_t epoch, struct store_meta *ret_meta);
/* Sets or clears the clean mark. */
int commit_clean_mark(struct store *store, bool is_clean, struct store_meta *ret_meta);

#endif
