#include "store/topic_index.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bus/check.h"
#include "store/error.h"
#include "store/layout.h"

static_assert((TOPIC_SET_SLOTS & (TOPIC_SET_SLOTS - 1)) == 0, "a mask finds the slot");
static_assert(TOPIC_SET_SLOTS > 2 * TOPIC_SET_MAX, "probing stays short");
static_assert((int)RECORD_TOPICS_MAX <= (int)TOPIC_SET_MAX, "one large record alone fits too");

struct topic_name {
    char text[RECORD_TOPIC_BYTES_MAX];
    size_t bytes;
};

/* --- the topics of one block ---------------------------------------------------------------- */

int topic_set_init(struct topic_set *set)
{
    set->count = 0;
    set->entries = calloc(TOPIC_SET_MAX, sizeof *set->entries);
    set->slots = calloc(TOPIC_SET_SLOTS, sizeof *set->slots);
    if (set->entries == NULL || set->slots == NULL) {
        topic_set_done(set);
        return -ENOMEM;
    }
    return 0;
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
    uint32_t slot = (uint32_t)XXH3_64bits(topic->name, topic->bytes) & (TOPIC_SET_SLOTS - 1);

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

    if ((record->flags & RECORD_FAILED) != 0)
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

static struct topic_value value_make(uint64_t block_first_seq, uint64_t topic_last_seq)
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

int topic_index_put(const struct store *store, MDB_txn *txn, const struct topic_set *set,
                    uint64_t block_first_seq)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct topic_set_entry *entry = &set->entries[i];
        struct topic_value value = value_make(block_first_seq, entry->last_seq);
        MDB_val key = val_of(entry->name, entry->bytes);
        MDB_val data = val_of(&value, sizeof value);
        int rc = mdb_put(txn, store->db.topic, &key, &data, MDB_APPENDDUP);

        if (rc == MDB_KEYEXIST)
            return error_set(-EBADMSG, "the topic index is damaged: it is ahead of block %llu",
                             (unsigned long long)block_first_seq);
        if (rc != 0)
            return error_lmdb(rc, "writing the topic index");
    }
    return 0;
}

static int entry_trim(const struct store *store, MDB_txn *txn, MDB_val *name,
                      const struct topic_place *place)
{
    struct topic_value value = value_make(place->block_first_seq, place->topic_last_seq);
    uint64_t last_seq = place->topic_last_seq;
    MDB_val data = val_of(&value, sizeof value);
    MDB_val trimmed = val_of(&last_seq, sizeof last_seq);
    int rc = mdb_del(txn, store->db.topic, name, &data);

    /* An entry that is not there is what we wanted. */
    if (rc != 0 && rc != MDB_NOTFOUND)
        return error_lmdb(rc, "trimming the topic index");
    rc = mdb_put(txn, store->db.trimmed, name, &trimmed, 0);
    if (rc != 0)
        return error_lmdb(rc, "writing what was trimmed");
    return 0;
}

int topic_index_trim(const struct store *store, MDB_txn *txn, const struct topic_set *set,
                     uint64_t block_first_seq)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct topic_set_entry *entry = &set->entries[i];
        const struct topic_place place = {block_first_seq, entry->last_seq};
        MDB_val name = val_of(entry->name, entry->bytes);
        int rc = entry_trim(store, txn, &name, &place);

        if (rc != 0)
            return rc;
    }
    return 0;
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

int topic_index_trim_unread(const struct store *store, MDB_txn *txn, uint64_t block_first_seq,
                            size_t *ret_count)
{
    struct topic_name at = {.bytes = 0};
    MDB_cursor *cursor = NULL;
    size_t count = 0;
    int rc = mdb_cursor_open(txn, store->db.topic, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the topic index");
    /* Each turn looks the next topic up by name: deleting moves cursors. */
    for (;;) {
        struct topic_place place = {.block_first_seq = 0};
        MDB_val name;
        MDB_val data;

        rc = topic_after(cursor, &at, &name, &data);
        if (rc != 0)
            break;
        memcpy(at.text, name.mv_data, name.mv_size);
        at.bytes = name.mv_size;
        rc = topic_place_read(&data, &place);
        if (rc != 0)
            break;
        if (place.block_first_seq != block_first_seq)
            continue;
        name = val_of(at.text, at.bytes);
        rc = entry_trim(store, txn, &name, &place);
        if (rc != 0)
            break;
        count++;
    }
    mdb_cursor_close(cursor);
    if (rc != -ENOENT)
        return rc;
    *ret_count = count;
    return 0;
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
    struct topic_value from = value_make(seq, 0);
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
