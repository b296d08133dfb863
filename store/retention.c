#include "store/retention.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "store/block.h"
#include "store/error.h"
#include "store/layout.h"

/* The oldest block, as far as it can be known without trusting its content. */
struct oldest {
    uint64_t first_seq;
    uint64_t next_seq; /* first seq of the block behind it */
    size_t bytes;
    int64_t last_time_ns;
    bool is_readable;
};

/*
 * Looks at the oldest block and keeps a copy of it in store->block: pages that this transaction
 * has made itself may move while other databases are written. -ENOENT: there is only one.
 */
static int oldest_read(struct store *store, MDB_cursor *cursor, struct oldest *ret_oldest)
{
    struct oldest oldest;
    struct block block;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);

    if (rc == 0) {
        oldest.first_seq = key_read(&key);
        oldest.bytes = data.mv_size;
        rc = -store_block_reserve(store, data.mv_size);
    }
    if (rc == 0) {
        memcpy(store->block, data.mv_data, data.mv_size);
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading the log");
    oldest.next_seq = key_read(&key);
    oldest.is_readable = block_verify(store->block, oldest.bytes) &&
                         block_decode(store->block, oldest.bytes, &block) == 0;
    /* A block that cannot be read has no time: the beginning of all. */
    oldest.last_time_ns = oldest.is_readable ? block.head.last_time_ns : 0;
    *ret_oldest = oldest;
    return 0;
}

static bool oldest_is_due(const struct oldest *oldest, const struct retention_step *step,
                          const struct retention *retention)
{
    uint64_t count = oldest->next_seq - oldest->first_seq;

    if (retention->bytes != 0 && step->meta->log_bytes > retention->bytes)
        return true;
    if (retention->count != 0 && step->meta->log_count >= retention->count + count)
        return true;
    return retention->age_ns != 0 && step->now_ns - oldest->last_time_ns > retention->age_ns;
}

/* Takes the copy in store->block out of the topic index. */
static int index_trim(const struct retention_step *step, const struct oldest *oldest,
                      size_t *ret_count)
{
    struct store *store = step->store;
    enum record_result result = RECORD_MORE;
    struct record record;
    struct block block;
    size_t offset = 0;
    int rc = 0;

    if (!oldest->is_readable || block_decode(store->block, oldest->bytes, &block) != 0)
        return topic_index_trim_unread(store, step->txn, oldest->first_seq, ret_count);
    topic_set_clear(&store->topics);
    while (rc == 0 && (result = block_next(&block, &offset, &record)) == RECORD_OK)
        rc = topic_set_add(&store->topics, &record);
    if (rc != 0 || result == RECORD_BAD)
        return topic_index_trim_unread(store, step->txn, oldest->first_seq, ret_count);
    *ret_count = store->topics.count;
    return topic_index_trim(store, step->txn, &store->topics, oldest->first_seq);
}

static int oldest_trim(const struct retention_step *step, const struct oldest *oldest,
                       size_t *ret_entries)
{
    MDB_val key = key_of(&oldest->first_seq);
    uint64_t count = oldest->next_seq - oldest->first_seq;
    int rc = index_trim(step, oldest, ret_entries);

    if (rc != 0)
        return rc;
    rc = mdb_del(step->txn, step->store->db.log, &key, NULL);
    if (rc != 0)
        return error_lmdb(rc, "trimming the log");
    if (count > step->meta->log_count || oldest->bytes > step->meta->log_bytes)
        return error_set(-EBADMSG, "the log is damaged: its blocks are more than it counts");
    step->meta->first_seq = oldest->next_seq;
    step->meta->log_count -= count;
    step->meta->log_bytes -= oldest->bytes;
    return 0;
}

/* Trims the oldest block if it is due. -ENOENT: nothing is. */
static int step_one(const struct retention_step *step, const struct retention *retention,
                    struct retention_budget *used)
{
    struct oldest oldest = {.first_seq = 0};
    MDB_cursor *cursor = NULL;
    size_t entries = 0;
    int rc = mdb_cursor_open(step->txn, step->store->db.log, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the log");
    rc = oldest_read(step->store, cursor, &oldest);
    mdb_cursor_close(cursor);
    if (rc != 0)
        return rc;
    if (!oldest_is_due(&oldest, step, retention))
        return -ENOENT;
    rc = oldest_trim(step, &oldest, &entries);
    if (rc != 0)
        return rc == -ENOENT ? -EBADMSG : rc; /* what was just read must be there */
    used->blocks++;
    used->bytes += oldest.bytes;
    used->entries += entries;
    return 0;
}

int retention_trim(const struct retention_step *step, const struct retention *retention,
                   const struct retention_budget *budget, uint64_t *ret_count)
{
    uint64_t first_seq = step->meta->first_seq;
    struct retention_budget used = {.blocks = 0};

    while (used.blocks < budget->blocks && used.bytes < budget->bytes &&
           used.entries < budget->entries) {
        int rc = step_one(step, retention, &used);

        if (rc == -ENOENT)
            break;
        if (rc != 0)
            return rc;
    }
    *ret_count = step->meta->first_seq - first_seq;
    return 0;
}
