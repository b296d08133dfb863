#include "store/log.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/check.h"
#include "store/epoch.h"
#include "store/error.h"
#include "store/layout.h"

static void snapshot_check(const struct store *store)
{
    store_check(store);
    CHECK(store->is_snapshot_open);
}

static int log_get(struct store *store, MDB_val *key, MDB_val *data, MDB_cursor_op op)
{
    int rc = mdb_cursor_get(store->log_cursor, key, data, op);

    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    return rc == 0 ? 0 : error_lmdb(rc, "reading the log");
}

/*
 * Puts the cursor on the block that holds @seq (no seq is missing between two blocks), or on the
 * oldest block when @seq is older. Touches no page of the block itself.
 */
static int block_find(struct store *store, uint64_t seq, uint64_t *ret_first_seq, MDB_val *ret_data)
{
    uint64_t wanted = seq;
    MDB_val key = key_of(&wanted);
    int rc;

    if (seq > store->snapshot_meta.committed_seq || store->snapshot_meta.log_count == 0)
        return -ENOENT;
    rc = log_get(store, &key, ret_data, MDB_SET_RANGE);
    if (rc == 0 && key_read(&key) > seq) {
        MDB_val before_key = key;
        MDB_val before_data;

        rc = log_get(store, &before_key, &before_data, MDB_PREV);
        if (rc == 0) {
            key = before_key;
            *ret_data = before_data;
        } else if (rc == -ENOENT) {
            rc = 0; /* @seq has been trimmed: the oldest block it is */
        }
    } else if (rc == -ENOENT) {
        rc = log_get(store, &key, ret_data, MDB_LAST);
    }
    if (rc == -ENOENT)
        return error_set(-EBADMSG, "the log is damaged: operation %llu is missing",
                         (unsigned long long)seq);
    if (rc != 0)
        return rc;
    *ret_first_seq = key_read(&key);
    return 0;
}

int log_block_at(struct store *store, uint64_t seq, struct block *ret_block)
{
    struct block block;
    uint64_t first_seq;
    MDB_val data;
    int rc;

    snapshot_check(store);
    rc = block_find(store, seq, &first_seq, &data);
    if (rc != 0)
        return rc;
    if (block_decode(data.mv_data, data.mv_size, &block) != 0 || block.head.first_seq != first_seq)
        return error_set(-EBADMSG, "the log's block at %llu is damaged",
                         (unsigned long long)first_seq);
    if (block.head.last_seq < seq)
        return error_set(-EBADMSG, "the log is damaged: operation %llu is missing",
                         (unsigned long long)seq);
    if (store->verified_first_seq != first_seq) {
        if (!block_verify(data.mv_data, data.mv_size))
            return error_set(-EBADMSG, "the log's block at %llu is damaged: its check fails",
                             (unsigned long long)first_seq);
        store->verified_first_seq = first_seq;
    }
    *ret_block = block;
    return 0;
}

/* Puts the place at the begin of the block that holds @seq, or behind what it gave last. */
static int place_find(struct store *store, uint64_t seq)
{
    struct record_place *place = &store->record_place;
    struct block block;
    int rc;

    if (place->snapshot_number == store->snapshot_number && seq >= place->next_seq &&
        seq <= place->block.head.last_seq)
        return 0;
    rc = log_block_at(store, seq, &block);
    if (rc != 0)
        return rc;
    /* The same block lies elsewhere in another snapshot, but holds the same. */
    if (place->block.head.first_seq != block.head.first_seq || seq < place->next_seq) {
        place->offset = 0;
        place->next_seq = block.head.first_seq;
    }
    place->block = block;
    place->snapshot_number = store->snapshot_number;
    return 0;
}

int log_record_at(struct store *store, uint64_t seq, struct record *ret_record)
{
    struct record_place *place = &store->record_place;
    struct record record = {.seq = 0};
    int rc;

    snapshot_check(store);
    if (seq < store->snapshot_meta.first_seq)
        return -ENOENT;
    rc = place_find(store, seq);
    if (rc != 0)
        return rc;
    while (record.seq < seq) {
        if (block_next(&place->block, &place->offset, &record) != RECORD_OK) {
            *place = (struct record_place){.snapshot_number = 0};
            return error_set(-EBADMSG, "the log is damaged: operation %llu is missing",
                             (unsigned long long)seq);
        }
    }
    place->next_seq = record.seq + 1;
    *ret_record = record;
    return 0;
}

int log_topic_block_at(struct store *store, const char *topic, size_t topic_bytes, uint64_t seq,
                       uint64_t *ret_block_first_seq)
{
    uint64_t first_seq = store->snapshot_meta.first_seq;
    struct topic_place place;
    int rc;

    snapshot_check(store);
    if (seq < first_seq)
        seq = first_seq; /* entries before it are stale */
    rc = topic_index_find(store->topic_cursor, topic, topic_bytes, seq, &place);
    if (rc == 0)
        *ret_block_first_seq = place.block_first_seq;
    return rc;
}

void log_prefetch(struct store *store, uint64_t seq)
{
    uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t lead;
    uint64_t first_seq;
    MDB_val data;

    snapshot_check(store);
    if (block_find(store, seq, &first_seq, &data) != 0)
        return;
    lead = (uintptr_t)data.mv_data % page_bytes;
    /* Advice only: without it the page is read when it is touched. */
    (void)madvise((uint8_t *)data.mv_data - lead, data.mv_size + lead, MADV_WILLNEED);
}

/* The first event of the topic in the block at @block_first_seq, which the index says is there. */
static int topic_first_in(struct store *store, const char *topic, size_t topic_bytes,
                          uint64_t block_first_seq, uint64_t *ret_seq)
{
    struct block block;
    struct record record;
    size_t offset = 0;
    int rc = log_block_at(store, block_first_seq, &block);

    if (rc != 0)
        return rc;
    while (block_next(&block, &offset, &record) == RECORD_OK) {
        if (record_is_event(&record) && record_has_topic(&record, topic, topic_bytes)) {
            *ret_seq = record.seq;
            return 0;
        }
    }
    return error_set(-EBADMSG, "the topic index is damaged: block %llu does not hold '%.*s'",
                     (unsigned long long)block_first_seq, (int)topic_bytes, topic);
}

int log_topic_info(struct store *store, const char *topic, size_t topic_bytes,
                   struct log_topic *ret_topic)
{
    uint64_t first_seq = store->snapshot_meta.first_seq;
    const struct record_topic name = {.name = topic, .bytes = topic_bytes};
    struct log_topic info = {.oldest_seq = 0};
    struct topic_place place;
    int rc;

    snapshot_check(store);
    if (topic_bytes < 1 || topic_bytes > RECORD_TOPIC_BYTES_MAX) {
        *ret_topic = info;
        return 0;
    }
    rc = topic_index_trimmed(store, store->topic_cursor, &name, first_seq, &info.trimmed_seq);
    if (rc != 0)
        return rc;
    rc = topic_index_find(store->topic_cursor, topic, topic_bytes, first_seq, &place);
    if (rc == 0)
        rc = topic_first_in(store, topic, topic_bytes, place.block_first_seq, &info.oldest_seq);
    if (rc == 0)
        rc = topic_index_last(store->topic_cursor, topic, topic_bytes, &place);
    if (rc == 0)
        info.last_seq = place.topic_last_seq;
    else if (rc == -ENOENT)
        rc = 0; /* none is kept */
    if (rc != 0)
        return rc;
    *ret_topic = info;
    return 0;
}

/* --- the list of topics --------------------------------------------------------------------- */

static int name_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    size_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = common > 0 ? memcmp(a, b, common) : 0;

    if (order != 0)
        return order;
    return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* Stands on the first topic at or behind both `prefix` and `after`, but not on `after` itself. */
static int walk_seek(struct store *store, const struct log_topic_walk *walk, MDB_val *name,
                     MDB_val *data)
{
    bool is_after =
        name_compare(walk->after, walk->after_bytes, walk->prefix, walk->prefix_bytes) >= 0;
    MDB_val start = is_after ? val_of(walk->after, walk->after_bytes)
                             : val_of(walk->prefix, walk->prefix_bytes);
    int rc;

    if (start.mv_size == 0)
        return mdb_cursor_get(store->topic_cursor, name, data, MDB_FIRST);
    *name = start;
    rc = mdb_cursor_get(store->topic_cursor, name, data, MDB_SET_RANGE);
    if (rc == 0 && walk->after_bytes > 0 &&
        name_compare(name->mv_data, name->mv_size, walk->after, walk->after_bytes) == 0)
        rc = mdb_cursor_get(store->topic_cursor, name, data, MDB_NEXT_NODUP);
    return rc;
}

/* Stays on the topic, at its newest entry. */
static int walk_last(struct store *store, MDB_val *name, struct topic_place *ret_place)
{
    MDB_val data;
    int rc = mdb_cursor_get(store->topic_cursor, name, &data, MDB_LAST_DUP);

    if (rc != 0)
        return error_lmdb(rc, "listing topics");
    if (name->mv_size > RECORD_TOPIC_BYTES_MAX)
        return error_set(-EBADMSG, "the topic index is damaged: a name has %zu bytes",
                         name->mv_size);
    return topic_place_read(&data, ret_place);
}

int log_topics_list(struct store *store, struct log_topic_walk *walk, log_topic_function *on_topic,
                    void *user)
{
    struct topic_place place = {.topic_last_seq = 0};
    MDB_val name;
    MDB_val data;
    int rc;

    snapshot_check(store);
    rc = walk_seek(store, walk, &name, &data);
    for (int looked_at = 1; rc == 0; looked_at++) {
        if (name.mv_size < walk->prefix_bytes ||
            memcmp(name.mv_data, walk->prefix, walk->prefix_bytes) != 0)
            return 0;
        rc = walk_last(store, &name, &place);
        if (rc != 0)
            return rc;
        if (place.topic_last_seq >= store->snapshot_meta.first_seq &&
            !on_topic(user, name.mv_data, name.mv_size, place.topic_last_seq))
            return 0;
        if (looked_at == LOG_TOPICS_STEP) {
            memcpy(walk->after, name.mv_data, name.mv_size);
            walk->after_bytes = name.mv_size;
            return 1;
        }
        rc = mdb_cursor_get(store->topic_cursor, &name, &data, MDB_NEXT_NODUP);
    }
    return rc == MDB_NOTFOUND ? 0 : error_lmdb(rc, "listing topics");
}

/* --- epochs --------------------------------------------------------------------------------- */

int log_epoch_judge(struct store *store, uint64_t epoch, uint64_t seq, uint64_t tail_seq,
                    enum epoch_verdict *ret_verdict)
{
    uint64_t end_seq = tail_seq;
    int rc = 0;

    snapshot_check(store);
    if (epoch == 0)
        rc = -ENOENT; /* no epoch is 0 */
    else if (epoch != store->snapshot_meta.epoch)
        rc = epoch_end(store, store->snapshot, epoch, &end_seq);
    if (rc == -ENOENT) {
        *ret_verdict = EPOCH_UNKNOWN;
        return 0;
    }
    if (rc != 0)
        return rc;
    *ret_verdict = seq <= end_seq ? EPOCH_GOOD : EPOCH_PAST;
    return 0;
}
