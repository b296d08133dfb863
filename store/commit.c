#include "store/commit.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "bus/check.h"
#include "bus/role.h"
#include "bus/test_point.h"
#include "store/apply.h"
#include "store/block.h"
#include "store/epoch.h"
#include "store/error.h"
#include "store/layout.h"

/* A write transaction, and the block that it is filling (in store->block). */
struct transaction {
    struct store *store;
    MDB_txn *txn;
    struct store_meta meta;  /* as it will be */
    struct block_head head;  /* of the block in work; count 0: none */
    size_t records_bytes;    /* in it */
    uint64_t written_blocks; /* so far */
    uint64_t written_bytes;
    uint64_t new_topics;      /* in the topic index */
    uint64_t command_count;   /* executed */
    uint64_t row_bytes;       /* of their results, which were written as rows too */
    struct topic_sweep sweep; /* as it will be */
};

enum {
    /* Pages of trees and lists that a commit writes beside its blocks; only to judge an EIO. */
    COMMIT_OVERHEAD_BYTES = 1024 * 1024,
    /* Topics that are looked at for stale entries, at least, beside a commit and without one. */
    COMMIT_SWEEP_TOPICS = 64,
    COMMIT_SWEEP_TOPICS_IDLE = 1024,
    /* Of a COMMAND's execution, after which it is not tried again. */
    COMMIT_POISON_DEATHS = 2,
};

/* --- begin and end -------------------------------------------------------------------------- */

static int transaction_begin(struct store *store, struct transaction *ret_transaction)
{
    struct transaction transaction = {.store = store, .sweep = store->sweep};
    int rc;

    store_check(store);
    ROLE_CHECK(ROLE_WRITER);
    CHECK(store->is_writer);
    rc = mdb_txn_begin(store->mdb, NULL, 0, &transaction.txn);
    if (rc != 0)
        return error_lmdb(rc, "beginning a commit");
    rc = store_meta_read(store, transaction.txn, &transaction.meta);
    if (rc == 0 && transaction.meta.committed_seq != store->meta.committed_seq)
        rc = error_set(-ESTALE,
                       "another writer was here: operation %" PRIu64 " is committed, not %" PRIu64,
                       transaction.meta.committed_seq, store->meta.committed_seq);
    if (rc != 0) {
        mdb_txn_abort(transaction.txn);
        return rc;
    }
    apply_begin(store->apply, transaction.txn);
    TEST_POINT(COMMIT_BEGUN);
    *ret_transaction = transaction;
    return 0;
}

/* Leaves the store as it was. */
static void transaction_abort(struct transaction *transaction)
{
    mdb_txn_abort(transaction->txn);
    apply_end(transaction->store->apply, false);
}

static int disk_full_or(const struct transaction *transaction, int rc)
{
    uint64_t wanted =
        2 * (transaction->written_bytes + transaction->records_bytes + transaction->row_bytes) +
        COMMIT_OVERHEAD_BYTES;

    return store_full_or(transaction->store, wanted, rc);
}

/* Ends @transaction: commits it when @rc is 0, and leaves the store as it was otherwise. */
static int transaction_end(struct transaction *transaction, int rc, struct store_meta *ret_meta)
{
    struct store *store = transaction->store;

    if (rc == 0)
        rc = store_meta_write(store, transaction->txn, &transaction->meta);
    if (rc != 0) {
        transaction_abort(transaction);
        return disk_full_or(transaction, rc);
    }
    TEST_POINT(COMMIT_META_PUT);
    rc = mdb_txn_commit(transaction->txn); /* aborts it when it fails */
    TEST_POINT(COMMIT_DONE);
    apply_end(store->apply, rc == 0);
    if (rc != 0)
        return disk_full_or(transaction, error_lmdb(rc, "committing"));
    store->meta = transaction->meta;
    store->sweep = transaction->sweep;
    *ret_meta = store->meta;
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* --- blocks --------------------------------------------------------------------------------- */

static struct topic_write topic_write_of(const struct transaction *transaction)
{
    return (struct topic_write){
        .store = transaction->store,
        .txn = transaction->txn,
        .log_first_seq = transaction->meta.first_seq,
    };
}

/* Writes the block in work, if there is one, and its topics. */
static int block_finish(struct transaction *transaction)
{
    struct store *store = transaction->store;
    struct block_head *head = &transaction->head;
    size_t bytes = sizeof *head + transaction->records_bytes;
    MDB_val key = key_of(&head->first_seq);
    MDB_val data = val_of(store->block, bytes);
    const struct topic_write write = topic_write_of(transaction);
    size_t new_topics = 0;
    int rc;

    if (head->count == 0)
        return 0;
    block_seal(store->block, head, transaction->records_bytes);
    rc = mdb_put(transaction->txn, store->db.log, &key, &data, MDB_APPEND);
    if (rc == MDB_KEYEXIST)
        return error_set(-EBADMSG, "the log is damaged: it holds a block behind %" PRIu64,
                         head->first_seq - 1);
    if (rc != 0)
        return error_lmdb(rc, "writing the block at %" PRIu64, head->first_seq);
    TEST_POINT(COMMIT_BLOCK_PUT);
    rc = topic_index_put(&write, &store->topics, head->first_seq, &new_topics);
    if (rc != 0)
        return rc;

    transaction->meta.log_bytes += bytes;
    transaction->meta.log_count += head->last_seq - head->first_seq + 1;
    transaction->written_blocks++;
    transaction->written_bytes += bytes;
    transaction->new_topics += new_topics;
    transaction->records_bytes = 0;
    *head = (struct block_head){.version = BLOCK_VERSION};
    topic_set_clear(&store->topics);
    return 0;
}

/* Puts one record, as the log has it, into the block in work. */
static int record_add(struct transaction *transaction, const uint8_t *bytes, size_t length)
{
    struct store *store = transaction->store;
    struct block_head *head = &transaction->head;
    struct record stored;
    uint8_t *at;
    int rc = 0;

    if (head->count > 0 && transaction->records_bytes + length > BLOCK_BYTES_MAX)
        rc = block_finish(transaction);
    if (rc == 0 && head->count == 0 && store_block_reserve(store, sizeof *head + length) != 0)
        rc = error_lmdb(ENOMEM, "making room for a block");
    if (rc != 0)
        return rc;

    at = store->block + sizeof *head + transaction->records_bytes;
    CHECK(at + length <= store->block + store->block_bytes_allocated);
    memcpy(at, bytes, length);
    CHECK(record_decode(at, length, &stored) == RECORD_OK);
    if (head->count == 0)
        head->first_seq = stored.seq;
    head->count++;
    head->last_seq = stored.seq;
    head->last_time_ns = stored.time_ns;
    transaction->records_bytes += length;
    return topic_set_add(&store->topics, &stored);
}

/* Applies one operation and keeps what it came to. */
static int operation_add(struct transaction *transaction, const struct record *record,
                         const void *encoded)
{
    struct store_meta *meta = &transaction->meta;
    bool is_poison = record->seq == meta->poison_seq && meta->poison_deaths >= COMMIT_POISON_DEATHS;
    struct apply_result result;
    int rc = apply_operation(transaction->store->apply, record, encoded, is_poison, &result);

    if (rc == 0)
        rc = record_add(transaction, result.bytes, result.length);
    if (rc != 0)
        return rc;
    if (record->kind == RECORD_COMMAND) {
        transaction->command_count++;
        transaction->row_bytes += result.length;
    }
    meta->committed_seq = record->seq;
    meta->committed_time_ns = record->time_ns;
    if (meta->committed_seq >= meta->poison_seq) {
        meta->poison_seq = 0;
        meta->poison_deaths = 0;
    }
    TEST_POINT(COMMIT_APPLIED);
    return 0;
}

/* What COMMANDs come to may be much larger than they are: the rest is for the next transaction. */
static bool is_enough(const struct transaction *transaction)
{
    return transaction->command_count >= COMMIT_COMMANDS_MAX ||
           transaction->row_bytes >= COMMIT_ROW_BYTES_MAX;
}

/*
 * Operations come from a ring that other processes write: each is checked before it is kept.
 * *ret_taken: the bytes of those that were.
 */
static int operations_add(struct transaction *transaction, const uint8_t *records, size_t bytes,
                          size_t *ret_taken)
{
    size_t offset = 0;
    struct record record;

    transaction->head = (struct block_head){.version = BLOCK_VERSION};
    topic_set_clear(&transaction->store->topics);
    while (offset < bytes && !is_enough(transaction)) {
        uint64_t seq = transaction->meta.committed_seq + 1;
        int rc;

        if (record_decode(records + offset, bytes - offset, &record) != RECORD_OK ||
            !record_verify(records + offset))
            return error_set(-EBADMSG, "operation %" PRIu64 " is damaged in the ring", seq);
        if (record.seq != seq)
            return error_set(-EBADMSG, "operation %" PRIu64 " follows %" PRIu64 " in the ring",
                             record.seq, seq - 1);
        rc = operation_add(transaction, &record, records + offset);
        if (rc != 0)
            return rc;
        offset += record.length;
    }
    *ret_taken = offset;
    return block_finish(transaction);
}

/* --- the calls ------------------------------------------------------------------------------ */

/*
 * Trims and sweeps: a small step, but more than what comes in, else a busy log and its index would
 * outgrow their bounds. *ret_is_changed: there was something to do.
 */
static int transaction_trim(struct transaction *transaction, const struct retention *retention,
                            size_t sweep_topics, bool *ret_is_changed)
{
    uint64_t first_seq = transaction->meta.first_seq;
    struct retention_budget budget = {
        .blocks = 2 * transaction->written_blocks,
        .bytes = 2 * transaction->written_bytes,
    };
    struct retention_step step = {
        .store = transaction->store,
        .txn = transaction->txn,
        .meta = &transaction->meta,
        .now_ns = now_ns(),
    };
    struct topic_write write;
    int rc;

    if (retention->latest_ns != 0 && step.now_ns > retention->latest_ns)
        step.now_ns = retention->latest_ns;
    if (budget.blocks < RETENTION_STEP_BLOCKS)
        budget.blocks = RETENTION_STEP_BLOCKS;
    if (budget.bytes < RETENTION_STEP_BYTES)
        budget.bytes = RETENTION_STEP_BYTES;
    if (sweep_topics < 2 * transaction->new_topics)
        sweep_topics = 2 * transaction->new_topics;
    rc = retention_trim(&step, retention, &budget);
    if (rc != 0)
        return rc;
    write = topic_write_of(transaction); /* the log begins elsewhere now */
    rc = topic_index_sweep(&write, &transaction->sweep, sweep_topics, ret_is_changed);
    if (rc == 0 && transaction->meta.first_seq != first_seq)
        *ret_is_changed = true;
    TEST_POINT(TRIM_DONE);
    return rc;
}

// NOLINTNEXTLINE(readability-function-size): records, their length and their end are one thing
int commit_operations(struct store *store, const void *records, size_t bytes, uint64_t end_pos,
                      const struct retention *retention, struct store_meta *ret_meta)
{
    struct transaction transaction;
    size_t taken = bytes;
    bool is_changed;
    int rc;

    CHECK(bytes > 0);
    rc = transaction_begin(store, &transaction);
    if (rc != 0)
        return rc;
    CHECK(end_pos >= transaction.meta.committed_pos);
    rc = operations_add(&transaction, records, bytes, &taken);
    if (rc == 0)
        rc = transaction_trim(&transaction, retention, COMMIT_SWEEP_TOPICS, &is_changed);
    transaction.meta.committed_pos = end_pos - (bytes - taken);
    transaction.meta.is_clean = 0; /* a drain sets it again */
    return transaction_end(&transaction, rc, ret_meta);
}

int commit_trim(struct store *store, const struct retention *retention, struct store_meta *ret_meta)
{
    struct transaction transaction;
    bool is_changed = false;
    int rc = transaction_begin(store, &transaction);

    if (rc != 0)
        return rc;
    rc = transaction_trim(&transaction, retention, COMMIT_SWEEP_TOPICS_IDLE, &is_changed);
    if (rc == 0 && !is_changed) {
        /* Only looked: nothing to write, but where the sweep stands is worth keeping. */
        transaction_abort(&transaction);
        store->sweep = transaction.sweep;
        *ret_meta = store->meta;
    } else {
        rc = transaction_end(&transaction, rc, ret_meta);
    }
    if (rc != 0)
        return rc;
    return is_changed || topic_sweep_is_due(&store->sweep, store->meta.first_seq) ? 1 : 0;
}

int commit_new_epoch(struct store *store, uint64_t epoch, struct store_meta *ret_meta)
{
    struct transaction transaction;
    int rc;

    CHECK(epoch != 0);
    rc = transaction_begin(store, &transaction);
    if (rc != 0)
        return rc;
    rc = epoch_add(store, transaction.txn, transaction.meta.committed_seq + 1, epoch);
    transaction.meta.epoch = epoch;
    transaction.meta.is_clean = 0;
    return transaction_end(&transaction, rc, ret_meta);
}

int commit_clean_mark(struct store *store, bool is_clean, struct store_meta *ret_meta)
{
    struct transaction transaction;
    int rc = transaction_begin(store, &transaction);

    if (rc != 0)
        return rc;
    transaction.meta.is_clean = is_clean ? 1 : 0;
    return transaction_end(&transaction, rc, ret_meta);
}

int commit_schema_try(struct store *store, const void *catalog, size_t bytes, bool *ret_is_changed)
{
    struct transaction transaction;
    int rc = transaction_begin(store, &transaction);

    if (rc != 0)
        return rc;
    rc = apply_schema_try(store->apply, catalog, bytes, ret_is_changed);
    transaction_abort(&transaction);
    return disk_full_or(&transaction, rc);
}

int commit_poison(struct store *store, uint64_t seq, struct store_meta *ret_meta)
{
    struct transaction transaction;
    struct store_meta *meta = &transaction.meta;
    int rc = transaction_begin(store, &transaction);

    if (rc != 0)
        return rc;
    if (seq <= meta->committed_seq) {
        transaction_abort(&transaction); /* it was executed: its writer died of something else */
        *ret_meta = store->meta;
        return 0;
    }
    meta->poison_deaths = meta->poison_seq == seq ? meta->poison_deaths + 1 : 1;
    meta->poison_seq = seq;
    return transaction_end(&transaction, 0, ret_meta);
}
