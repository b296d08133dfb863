#include "store/topic_index.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "bus/test_point.h"
#include "store/error.h"
#include "store/layout.h"

static_assert((TOPIC_SET_SLOTS & (TOPIC_SET_SLOTS - 1)) == 0, "a mask finds the slot");
static_assert(TOPIC_SET_SLOTS > 2 * TOPIC_SET_MAX, "probing stays short");
static_assert((int)RECORD_TOPICS_MAX <= (int)TOPIC_SET_MAX, "one large record alone fits too");

enum {
    /* Stale entries that one put takes out: more than the one that it adds. */
    TOPIC_STALE_STEP = 4,
    /* A sweep leaves topics with fewer to their next put. */
    TOPIC_STALE_KEPT = 16,
    TOPIC_STALE_SWEEP = 64,
};

/* --- the topics of one block ---------------------------------------------------------------- */

int topic_set_init(struct topic_set *set)
{
    int rc = hash_seed_make(&set->hash_seed);

    set->count = 0;
    set->entries = calloc(TOPIC_SET_MAX, sizeof *set->entries);
    set->slots = calloc(TOPIC_SET_SLOTS, sizeof *set->slots);
    if (set->entries == NULL || set->slots == NULL)
        rc = -ENOMEM;
    if (rc != 0)
        topic_set_done(set);
    return rc;
}

void topic_set_done(struct topic_set *set)
{
    free(set->entries);
    free(set->slots);
    set->entries = NULL;
    set->slots = NULL;
    set->count = 0;
}

void topic_set_clear(struct topic_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->slots[set->entries[i].slot] = 0;
    set->count = 0;
}

/* The slot where @topic stands or would stand. Ends: more than half of the slots are free. */
static uint32_t slot_find(const struct topic_set *set, const struct record_topic *topic)
{
    uint32_t slot =
        (uint32_t)hash_bytes(set->hash_seed, topic->name, topic->bytes) & (TOPIC_SET_SLOTS - 1);

    while (set->slots[slot] != 0) {
        const struct topic_set_entry *entry = &set->entries[set->slots[slot] - 1];

        if (entry->bytes == topic->bytes && memcmp(entry->name, topic->name, topic->bytes) == 0)
            break;
        slot = (slot + 1) & (TOPIC_SET_SLOTS - 1);
    }
    return slot;
}

int topic_set_add(struct topic_set *set, const struct record *record)
{
    struct record_topic topic;
    size_t offset = 0;

    if (!record_is_event(record))
        return 0;
    while (record_topic_next(record, &offset, &topic)) {
        uint32_t slot = slot_find(set, &topic);

        if (set->slots[slot] != 0) {
            set->entries[set->slots[slot] - 1].last_seq = record->seq;
            continue;
        }
        if (set->count == TOPIC_SET_MAX)
            return error_set(-EBADMSG, "a block has more than %d topics", TOPIC_SET_MAX);
        set->entries[set->count] = (struct topic_set_entry){
            .name = topic.name,
            .last_seq = record->seq,
            .bytes = (uint32_t)topic.bytes,
            .slot = slot,
        };
        set->count++;
        set->slots[slot] = (uint32_t)set->count;
    }
    return 0;
}

/* --- writing -------------------------------------------------------------------------------- */

struct topic_value topic_value_make(uint64_t block_first_seq, uint64_t topic_last_seq)
{
    uint64_t big_endian[2] = {htobe64(block_first_seq), htobe64(topic_last_seq)};
    struct topic_value value;

    static_assert(sizeof big_endian == sizeof value, "two numbers");
    memcpy(&value, big_endian, sizeof value);
    return value;
}

int topic_place_read(const MDB_val *value, struct topic_place *ret_place)
{
    uint64_t big_endian[2];

    if (value->mv_size != sizeof big_endian)
        return error_set(-EBADMSG, "the topic index is damaged: an entry has %zu bytes",
                         value->mv_size);
    memcpy(big_endian, value->mv_data, sizeof big_endian);
    ret_place->block_first_seq = be64toh(big_endian[0]);
    ret_place->topic_last_seq = be64toh(big_endian[1]);
    return 0;
}

/*
 * Takes the oldest entry of @name out when the one behind it is stale too: the newest stale one
 * always stays. -ENOENT: nothing to take out; *ret_is_single: there is only one entry.
 */
static int stale_remove_one(const struct topic_write *write, MDB_cursor *cursor, MDB_val *name,
                            bool *ret_is_single)
{
    struct topic_place next;
    struct topic_value oldest;
    MDB_val key = *name;
    MDB_val data;
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_SET);

    if (rc == 0 && data.mv_size == sizeof oldest)
        memcpy(&oldest, data.mv_data, sizeof oldest);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT_DUP);
    *ret_is_single = rc == MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading the topic index");
    rc = topic_place_read(&data, &next); /* fixed size: as it is, so was the oldest */
    if (rc != 0)
        return rc;
    if (next.block_first_seq >= write->log_first_seq)
        return -ENOENT;
    data = val_of(&oldest, sizeof oldest);
    rc = mdb_del(write->txn, write->store->db.topic, name, &data);
    TEST_POINT(TRIM_ENTRY);
    return rc == 0 ? 0 : error_lmdb(rc, "trimming the topic index");
}

/* Enters one topic. */
static int entry_put(const struct topic_write *write, MDB_cursor *cursor,
                     const struct topic_set_entry *entry, uint64_t block_first_seq,
                     bool *ret_is_new)
{
    struct topic_value value = topic_value_make(block_first_seq, entry->last_seq);
    MDB_val name = val_of(entry->name, entry->bytes);
    MDB_val data = val_of(&value, sizeof value);
    bool is_single;
    int rc = mdb_put(write->txn, write->store->db.topic, &name, &data, MDB_APPENDDUP);

    if (rc == MDB_KEYEXIST)
        return error_set(-EBADMSG, "the topic index is damaged: it is ahead of block %" PRIu64,
                         block_first_seq);
    if (rc != 0)
        return error_lmdb(rc, "writing the topic index");
    TEST_POINT(COMMIT_TOPIC_PUT);
    for (int i = 0; rc == 0 && i < TOPIC_STALE_STEP; i++) {
        rc = stale_remove_one(write, cursor, &name, &is_single);
        if (i == 0)
            *ret_is_new = is_single;
    }
    return rc == -ENOENT ? 0 : rc;
}

int topic_index_put(const struct topic_write *write, const struct topic_set *set,
                    uint64_t block_first_seq, size_t *ret_new_count)
{
    MDB_cursor *cursor = NULL;
    size_t new_count = 0;
    int rc = mdb_cursor_open(write->txn, write->store->db.topic, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the topic index");
    for (size_t i = 0; rc == 0 && i < set->count; i++) {
        bool is_new = false;

        rc = entry_put(write, cursor, &set->entries[i], block_first_seq, &is_new);
        if (is_new)
            new_count++;
    }
    mdb_cursor_close(cursor);
    if (rc == 0)
        *ret_new_count = new_count;
    return rc;
}

/* --- the sweep ------------------------------------------------------------------------------ */

bool topic_sweep_is_due(const struct topic_sweep *sweep, uint64_t log_first_seq)
{
    return sweep->done_seq != log_first_seq;
}

/* The first topic behind @after (nothing: the very first) and its oldest entry. */
static int topic_after(MDB_cursor *cursor, const struct topic_name *after, MDB_val *name,
                       MDB_val *data)
{
    int rc;

    if (after->bytes == 0) {
        rc = mdb_cursor_get(cursor, name, data, MDB_FIRST);
    } else {
        *name = val_of(after->text, after->bytes);
        rc = mdb_cursor_get(cursor, name, data, MDB_SET_RANGE);
        if (rc == 0 && name->mv_size == after->bytes &&
            memcmp(name->mv_data, after->text, after->bytes) == 0)
            rc = mdb_cursor_get(cursor, name, data, MDB_NEXT_NODUP);
    }
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading the topic index");
    if (name->mv_size > RECORD_TOPIC_BYTES_MAX)
        return error_set(-EBADMSG, "the topic index is damaged: a name has %zu bytes",
                         name->mv_size);
    return 0;
}

/* Moves a topic that has only stale entries to `trimmed`. */
static int topic_retire(const struct topic_write *write, MDB_val *name, uint64_t last_seq)
{
    MDB_val data = val_of(&last_seq, sizeof last_seq);
    int rc = mdb_put(write->txn, write->store->db.trimmed, name, &data, 0);

    TEST_POINT(TRIM_TOPIC_NOTED);
    if (rc == 0)
        rc = mdb_del(write->txn, write->store->db.topic, name, NULL);
    TEST_POINT(TRIM_TOPIC_GONE);
    return rc == 0 ? 0 : error_lmdb(rc, "trimming the topic index");
}

/* Whether the topic that @cursor stands on (at its oldest entry) has many stale entries. */
static int stale_is_many(MDB_cursor *cursor, uint64_t log_first_seq, bool *ret_is_many)
{
    struct topic_place place = {.block_first_seq = 0};
    MDB_val name;
    MDB_val data;

    for (size_t i = 0; i < TOPIC_STALE_KEPT; i++) {
        int rc = mdb_cursor_get(cursor, &name, &data, MDB_NEXT_DUP);

        if (rc == MDB_NOTFOUND) {
            *ret_is_many = false;
            return 0;
        }
        if (rc != 0)
            return error_lmdb(rc, "reading the topic index");
        rc = topic_place_read(&data, &place);
        if (rc != 0)
            return rc;
    }
    *ret_is_many = place.block_first_seq < log_first_seq;
    return 0;
}

/* Cleans the topic that @cursor stands on, whose name @sweep has. */
static int topic_sweep_one(const struct topic_write *write, MDB_cursor *cursor,
                           struct topic_sweep *sweep, bool *is_changed)
{
    MDB_val name = val_of(sweep->at.text, sweep->at.bytes);
    struct topic_place newest = {.topic_last_seq = 0};
    bool is_single;
    bool is_many;
    int rc = stale_is_many(cursor, write->log_first_seq, &is_many);

    if (rc == 0)
        rc = topic_index_last(cursor, sweep->at.text, sweep->at.bytes, &newest);
    if (rc != 0)
        return rc;
    if (newest.block_first_seq < write->log_first_seq) {
        *is_changed = true;
        return topic_retire(write, &name, newest.topic_last_seq);
    }
    if (!is_many)
        return 0;
    *is_changed = true;
    for (int i = 0; rc == 0 && i < TOPIC_STALE_SWEEP; i++)
        rc = stale_remove_one(write, cursor, &name, &is_single);
    if (rc == 0)
        sweep->is_incomplete = true; /* there may be more */
    return rc == -ENOENT ? 0 : rc;
}

int topic_index_sweep(const struct topic_write *write, struct topic_sweep *sweep,
                      size_t topic_count, bool *ret_is_changed)
{
    uint64_t log_first_seq = write->log_first_seq;
    MDB_cursor *cursor = NULL;
    bool is_changed = false;
    int rc = 0;

    if (!topic_sweep_is_due(sweep, log_first_seq))
        topic_count = 0;
    if (topic_count > 0) {
        rc = mdb_cursor_open(write->txn, write->store->db.topic, &cursor);
        if (rc != 0)
            return error_lmdb(rc, "opening the topic index");
    }
    while (rc == 0 && topic_count-- > 0) {
        struct topic_place oldest = {.block_first_seq = 0};
        MDB_val name;
        MDB_val data;

        if (sweep->at.bytes == 0) {
            sweep->pass_seq = log_first_seq;
            sweep->is_incomplete = false;
        }
        /* Looked up by name each time: deleting moves cursors. */
        rc = topic_after(cursor, &sweep->at, &name, &data);
        if (rc == -ENOENT) {
            sweep->at.bytes = 0;
            sweep->done_seq = sweep->is_incomplete ? 0 : sweep->pass_seq;
            rc = 0;
            break;
        }
        if (rc == 0)
            rc = topic_place_read(&data, &oldest);
        if (rc != 0)
            break;
        memcpy(sweep->at.text, name.mv_data, name.mv_size);
        sweep->at.bytes = name.mv_size;
        if (oldest.block_first_seq < log_first_seq)
            rc = topic_sweep_one(write, cursor, sweep, &is_changed);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (rc == 0)
        *ret_is_changed = is_changed;
    return rc;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool name_is_possible(size_t bytes)
{
    return bytes >= 1 && bytes <= RECORD_TOPIC_BYTES_MAX;
}

static int place_result(int rc, const MDB_val *data, struct topic_place *ret_place)
{
    if (rc == MDB_NOTFOUND)
        return -ENOENT;
    if (rc != 0)
        return error_lmdb(rc, "reading the topic index");
    return topic_place_read(data, ret_place);
}

int topic_index_last(MDB_cursor *cursor, const char *name, size_t bytes,
                     struct topic_place *ret_place)
{
    MDB_val key = val_of(name, bytes);
    MDB_val data;
    int rc;

    if (!name_is_possible(bytes))
        return -ENOENT;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &data, MDB_LAST_DUP);
    return place_result(rc, &data, ret_place);
}

int topic_index_find(MDB_cursor *cursor, const char *name, size_t bytes, uint64_t seq,
                     struct topic_place *ret_place)
{
    struct topic_value from = topic_value_make(seq, 0);
    struct topic_place here;
    struct topic_place before;
    MDB_val key = val_of(name, bytes);
    MDB_val data = val_of(&from, sizeof from);
    int rc;

    if (!name_is_possible(bytes))
        return -ENOENT;
    /* Here: the first block that begins at or behind @seq. */
    rc = mdb_cursor_get(cursor, &key, &data, MDB_GET_BOTH_RANGE);
    if (rc == MDB_NOTFOUND) {
        rc = topic_index_last(cursor, name, bytes, &here);
        if (rc != 0)
            return rc;
        if (here.topic_last_seq < seq)
            return -ENOENT;
        *ret_place = here;
        return 0;
    }
    rc = place_result(rc, &data, &here);
    if (rc != 0)
        return rc;
    /* The block before it begins earlier, but may still hold such an event. */
    rc = mdb_cursor_get(cursor, &key, &data, MDB_PREV_DUP);
    if (rc != MDB_NOTFOUND) {
        rc = place_result(rc, &data, &before);
        if (rc != 0)
            return rc;
        if (before.topic_last_seq >= seq)
            here = before;
    }
    *ret_place = here;
    return 0;
}

int topic_index_trimmed(const struct store *store, MDB_cursor *cursor,
                        const struct record_topic *topic, uint64_t log_first_seq, uint64_t *ret_seq)
{
    struct topic_value from = topic_value_make(log_first_seq, 0);
    struct topic_place place;
    MDB_val key = val_of(topic->name, topic->bytes);
    MDB_val data = val_of(&from, sizeof from);
    int rc;

    /* The newest stale entry stands before the first one that is not. */
    rc = mdb_cursor_get(cursor, &key, &data, MDB_GET_BOTH_RANGE);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &data, MDB_PREV_DUP);
    } else if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &key, &data, MDB_SET);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &data, MDB_LAST_DUP);
    }
    rc = place_result(rc, &data, &place);
    if (rc == 0)
        *ret_seq = place.topic_last_seq;
    if (rc != -ENOENT)
        return rc;

    rc = mdb_get(mdb_cursor_txn(cursor), store->db.trimmed, &key, &data);
    if (rc == MDB_NOTFOUND) {
        *ret_seq = 0;
        return 0;
    }
    if (rc != 0)
        return error_lmdb(rc, "reading what was trimmed");
    if (data.mv_size != sizeof *ret_seq)
        return error_set(-EBADMSG, "what was trimmed of a topic is damaged: it has %zu bytes",
                         data.mv_size);
    memcpy(ret_seq, data.mv_data, sizeof *ret_seq);
    return 0;
}
