/*
 * store/apply.h - the state machine: an operation and the rows in, rows and events out.
 *
 * Pure: nothing but the operation and the rows decides what comes out (DESIGN section 3), so
 * applying the same log to the same start gives the same bytes.
 * An EVENT comes out as it is. A COMMAND comes out as its result (store/command.h), of which the
 * writer writes row, index entries and id counter in a child transaction: all or nothing. One that
 * cannot be executed comes out as failed, under the same seq, so that seq has no hole.
 * Callers  the writer, inside its write transaction (store/commit.h).
 * Memory   what comes out lies in buffers of the machine, until the next operation.
 * Errors   -errno (with text) is the environment's or damage; the whole transaction is undone then.
 */
#ifndef STORE_APPLY_H
#define STORE_APPLY_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"

struct apply;
struct store;

/* 0 or -ENOMEM. */
int apply_new(struct store *store, struct apply **ret_apply);
void apply_free(struct apply *apply);

/* Around a write transaction: the catalog is the transaction's until it is committed. */
void apply_begin(struct apply *apply, MDB_txn *txn);
void apply_end(struct apply *apply, bool is_committed);

struct apply_result {
    const uint8_t *bytes; /* of an encoded record */
    size_t length;
};

/*
 * *ret_result is what the log has of @record, whose encoded bytes are @encoded. @is_poison: it is
 * not tried any more and comes out as failed.
 */
int apply_operation(struct apply *apply, const struct record *record, const void *encoded,
                    bool is_poison, struct apply_result *ret_result);

/*
 * Whether a schema operation with this encoded catalog would succeed; writes what it would write.
 * 0; -EINVAL: it would not (with text).
 */
int apply_schema_try(struct apply *apply, const void *catalog, size_t bytes, bool *ret_is_changed);

#endif
