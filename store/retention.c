#include "store/retention.h"

#include <errno.h>

#include "bus/check.h"
#include "bus/test_point.h"
#include "store/block.h"
#include "store/error.h"
#include "store/layout.h"

/* The oldest block, as far as it can be known without trusting its content. */
struct oldest {
    uint64_t first_seq;
    uint64_t next_seq; /* first seq of the block behind it */
    size_t bytes;
    int64_t last_time_ns;
};

/* -ENOENT: there is only one block, which stays. */
static int oldest_read(MDB_cursor *cursor, bool is_time_wanted, struct oldest *ret_oldest)
{
    struct oldest oldest = {.first_seq = 0};
    struct block block;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);

    if (rc == 0) {
        oldest.first_seq = key_read(&key);
        oldest.bytes = data.mv_size;
        /* A cold page: only where it is needed. A head that is damaged has no time: long ago. */
        if (is_time_wanted && block_decode(data.mv_data, data.mv_size, &block) == 0)
            oldest.last_time_ns = block.head.last_time_ns;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading the log");
    oldest.next_seq = key_read(&key);
    *ret_oldest = oldest;
    return 0;
}

static bool oldest_is_due(const struct oldest *oldest, const struct retention_step *step,
                          const struct retention *retention)
{
    uint64_t count = oldest->next_seq - oldest->first_seq;
    bool is_unread = retention->unread_seq != 0 && oldest->next_seq > retention->unread_seq;
    uint64_t more_bytes = is_unread ? RETENTION_UNREAD_BYTES_MAX : 0;

    if (retention->bytes != 0 && step->meta->log_bytes > retention->bytes + more_bytes)
        return true;
    if (is_unread)
        return false;
    if (retention->count != 0 && step->meta->log_count >= retention->count + count)
        return true;
    return retention->age_ns != 0 && step->now_ns - oldest->last_time_ns > retention->age_ns;
}

/* Takes the block that @cursor stands behind out, and out of the counts. */
static int oldest_trim(const struct retention_step *step, const struct oldest *oldest)
{
    MDB_val key = key_of(&oldest->first_seq);
    uint64_t count = oldest->next_seq - oldest->first_seq;
    int rc;

    if (count > step->meta->log_count || oldest->bytes > step->meta->log_bytes)
        return error_set(-EBADMSG, "the log is damaged: its blocks are more than it counts");
    rc = mdb_del(step->txn, step->store->db.log, &key, NULL);
    if (rc != 0)
        return error_lmdb(rc, "trimming the log");
    TEST_POINT(TRIM_BLOCK);
    step->meta->first_seq = oldest->next_seq;
    step->meta->log_count -= count;
    step->meta->log_bytes -= oldest->bytes;
    return 0;
}

int retention_trim(const struct retention_step *step, const struct retention *retention,
                   const struct retention_budget *budget)
{
    struct retention_budget used = {.blocks = 0};
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(step->txn, step->store->db.log, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the log");
    while (used.blocks < budget->blocks && used.bytes < budget->bytes) {
        struct oldest oldest;

        rc = oldest_read(cursor, retention->age_ns != 0, &oldest);
        if (rc == -ENOENT || (rc == 0 && !oldest_is_due(&oldest, step, retention))) {
            rc = 0;
            break;
        }
        if (rc == 0)
            rc = oldest_trim(step, &oldest);
        if (rc != 0)
            break;
        used.blocks++;
        used.bytes += oldest.bytes;
    }
    mdb_cursor_close(cursor);
    return rc;
}
