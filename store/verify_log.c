/* The log, block by block, against its index by topic, and that against the log. */
#include <errno.h>
#include <inttypes.h>

#include "bus/check.h"
#include "store/epoch.h"
#include "store/topic_index.h"
#include "store/verify_internal.h"

struct log_walk {
    struct verify *verify;
    MDB_cursor *topics; /* for single entries */
    struct topic_set set;
    uint64_t next_seq; /* where the next block has to begin; 0: not known */
    uint64_t last_seq; /* of the newest block; 0: not known */
    int64_t last_time_ns;
    uint64_t entry_count; /* that the blocks have in the index */
};

/* Where the log begins: what is older in the index is stale. */
static uint64_t log_first_seq(const struct verify *verify)
{
    MDB_cursor *cursor = NULL;
    uint64_t seq = 1;
    MDB_val key;
    MDB_val data;

    if (verify->has_meta)
        return verify->meta.first_seq;
    if (mdb_cursor_open(verify->txn, verify->store->db.log, &cursor) != 0)
        return seq;
    if (mdb_cursor_get(cursor, &key, &data, MDB_FIRST) == 0)
        seq = key_read(&key);
    mdb_cursor_close(cursor);
    return seq;
}

/* --- the index's entries of one block ------------------------------------------------------- */

static void entry_missing(struct log_walk *walk, const struct topic_set_entry *entry,
                          uint64_t block_seq)
{
    struct verify *verify = walk->verify;
    struct verify_name name = verify_name(entry->name, entry->bytes);
    struct topic_value from = topic_value_make(block_seq, 0);
    struct topic_place place = {.block_first_seq = 0};
    MDB_val key = val_of(entry->name, entry->bytes);
    MDB_val data = val_of(&from, sizeof from);
    int rc = mdb_cursor_get(walk->topics, &key, &data, MDB_GET_BOTH_RANGE);

    verify->shared->part = VERIFY_TOPICS;
    if (rc == 0 && topic_place_read(&data, &place) == 0 && place.block_first_seq == block_seq) {
        walk->entry_count++; /* it is there, though wrong */
        verify_note(verify, block_seq,
                    "topic %s: its last event in the block at %" PRIu64 " is %" PRIu64
                    ", not %" PRIu64,
                    name.text, block_seq, entry->last_seq, place.topic_last_seq);
    } else {
        verify_note(verify, block_seq,
                    "topic %s: the block at %" PRIu64 " has events of it up to %" PRIu64
                    ", but no entry",
                    name.text, block_seq, entry->last_seq);
    }
    verify->shared->part = VERIFY_LOG;
}

static void entries_check(struct log_walk *walk, uint64_t block_seq)
{
    for (size_t i = 0; i < walk->set.count; i++) {
        const struct topic_set_entry *entry = &walk->set.entries[i];
        struct topic_value value = topic_value_make(block_seq, entry->last_seq);
        MDB_val key = val_of(entry->name, entry->bytes);
        MDB_val data = val_of(&value, sizeof value);

        if (mdb_cursor_get(walk->topics, &key, &data, MDB_GET_BOTH) == 0)
            walk->entry_count++;
        else
            entry_missing(walk, entry, block_seq);
    }
}

/* --- one block ------------------------------------------------------------------------------ */

/* @at: where it stands in the block. False: noted, and what is behind it cannot be trusted. */
static bool operation_check(struct log_walk *walk, const struct record *record, const uint8_t *at,
                            uint64_t seq)
{
    struct verify *verify = walk->verify;

    if (!record_verify(at)) {
        verify_note(verify, seq, "operation %" PRIu64 " is damaged", seq);
        return false;
    }
    if (record->seq != seq) {
        verify_note(verify, seq, "operation %" PRIu64 " stands where %" PRIu64 " should",
                    record->seq, seq);
        return false;
    }
    if (record->kind != RECORD_EVENT && (record->flags & RECORD_APPLIED) == 0)
        verify_note(verify, seq, "operation %" PRIu64 " is a change that was never executed", seq);
    if (record->time_ns < walk->last_time_ns)
        verify_note(verify, seq, "operation %" PRIu64 " is of an earlier time than the one before",
                    seq);
    walk->last_time_ns = record->time_ns;
    if (topic_set_add(&walk->set, record) != 0)
        verify_note(verify, seq, "%s", store_error_text());
    return true;
}

/* Whether every record is as it was written; their topics are then in walk->set. */
static bool records_check(struct log_walk *walk, const struct block *block)
{
    struct verify *verify = walk->verify;
    uint64_t seq = block->head.first_seq;
    enum record_result result;
    struct record record;
    uint32_t count = 0;
    size_t offset = 0;

    topic_set_clear(&walk->set);
    while ((result = block_next(block, &offset, &record)) == RECORD_OK) {
        if (!operation_check(walk, &record, block->records + offset - record.length, seq))
            return false;
        seq++;
        count++;
    }
    if (result != RECORD_MORE) {
        verify_note(verify, seq, "operation %" PRIu64 " is damaged", seq);
        return false;
    }
    if (count != block->head.count || seq - 1 != block->head.last_seq) {
        verify_note(verify, block->head.first_seq,
                    "the block at %" PRIu64 " has %" PRIu32 " operations up to %" PRIu64
                    ", but its head says %" PRIu32 " up to %" PRIu64,
                    block->head.first_seq, count, seq - 1, block->head.count, block->head.last_seq);
        return false;
    }
    return true;
}

/* Whether it can be read; what comes from it is in *ret_block. */
static bool block_check(struct log_walk *walk, const MDB_val *data, uint64_t key,
                        struct block *ret_block)
{
    struct verify *verify = walk->verify;
    uint64_t problem_count = verify->report->problem_count;
    bool is_good = block_decode(data->mv_data, data->mv_size, ret_block) == 0;

    if (!is_good || ret_block->head.first_seq != key) {
        verify_note(verify, key, "the block at %" PRIu64 " is damaged: its head is none of its own",
                    key);
        return false;
    }
    /* Operations by themselves first: that says which of them is damaged. */
    is_good = records_check(walk, ret_block);
    if (!block_verify(data->mv_data, data->mv_size)) {
        if (verify->report->problem_count == problem_count)
            verify_note(verify, key,
                        "the block at %" PRIu64 " is damaged: its check does not match", key);
        return false;
    }
    if (is_good && ret_block->head.last_time_ns != walk->last_time_ns)
        verify_note(verify, key,
                    "the block at %" PRIu64 " has another time than its last operation", key);
    if (ret_block->head.count > 1 && ret_block->records_bytes > BLOCK_BYTES_MAX)
        verify_note(verify, key, "the block at %" PRIu64 " is larger than a block can be", key);
    return is_good;
}

static void place_check(struct log_walk *walk, uint64_t key)
{
    struct verify *verify = walk->verify;

    if (walk->next_seq != 0 && key > walk->next_seq)
        verify_note(verify, walk->next_seq,
                    "operations %" PRIu64 " to %" PRIu64
                    " are missing before the block at %" PRIu64,
                    walk->next_seq, key - 1, key);
    else if (walk->next_seq != 0 && key < walk->next_seq)
        verify_note(verify, key,
                    "the block at %" PRIu64 " begins before operation %" PRIu64
                    ", which is the next",
                    key, walk->next_seq);
}

static void block_take(struct log_walk *walk, const struct verify_walk *entry)
{
    struct verify *verify = walk->verify;
    uint64_t key = key_read(&entry->key);
    struct block block;

    verify->shared->at_seq = key;
    verify->report->block_count++;
    verify->report->log_bytes += entry->data.mv_size;
    if (entry->key.mv_size != sizeof key || key == 0) {
        verify_note(verify, 0, "the key of entry %" PRIu64 " is damaged", entry->count);
        return;
    }
    place_check(walk, key);
    walk->next_seq = 0; /* where a damaged one ends is not known */
    walk->last_seq = 0;
    if (!block_check(walk, &entry->data, key, &block))
        return;
    verify->report->operation_count += block.head.count;
    walk->next_seq = block.head.last_seq + 1;
    walk->last_seq = block.head.last_seq;
    entries_check(walk, key);
}

/* What the state says of the log. */
static void log_compare(struct log_walk *walk)
{
    struct verify *verify = walk->verify;
    const struct store_meta *meta = &verify->meta;
    uint64_t bytes = verify->report->log_bytes;

    if (!verify->has_meta)
        return;
    if (walk->next_seq != 0 && walk->next_seq != meta->committed_seq + 1)
        verify_note(verify, walk->next_seq,
                    "the log ends with operation %" PRIu64 ", but %" PRIu64 " are committed",
                    walk->next_seq - 1, meta->committed_seq);
    if (bytes != meta->log_bytes)
        verify_note(verify, 0, "its blocks have %" PRIu64 " bytes, but the state counts %" PRIu64,
                    bytes, meta->log_bytes);
    if (walk->last_seq != 0 && walk->last_time_ns != meta->committed_time_ns)
        verify_note(verify, walk->last_seq,
                    "the state has another time of the last operation, %" PRIu64, walk->last_seq);
}

/* --- the index ------------------------------------------------------------------------------ */

struct topics_walk {
    struct verify *verify;
    uint64_t first_seq; /* of the log */
    uint64_t live_count;
    struct topic_place before; /* of the same topic */
};

/* An entry by itself, and behind the one before. Whether it makes sense. */
static bool place_is_good(const struct topics_walk *walk, const struct verify_walk *entry,
                          const struct topic_place *place)
{
    if (place->block_first_seq == 0 || place->topic_last_seq < place->block_first_seq)
        return false;
    if (place->block_first_seq < walk->first_seq && place->topic_last_seq >= walk->first_seq)
        return false;
    return entry->is_new_key || place->block_first_seq > walk->before.topic_last_seq;
}

static void topic_entry_take(struct topics_walk *walk, const struct verify_walk *entry)
{
    struct verify *verify = walk->verify;
    struct verify_name name = verify_name(entry->key.mv_data, entry->key.mv_size);
    struct topic_place place;

    verify->report->topic_entry_count++;
    if (entry->is_new_key) {
        verify->report->topic_count++;
        walk->before = (struct topic_place){.block_first_seq = 0};
    }
    if (entry->key.mv_size == 0 || entry->key.mv_size > RECORD_TOPIC_BYTES_MAX)
        verify_note(verify, 0, "%s can be no topic's name", name.text);
    if (topic_place_read(&entry->data, &place) != 0) {
        verify_note(verify, 0, "topic %s: an entry has %zu bytes", name.text, entry->data.mv_size);
        return;
    }
    if (!place_is_good(walk, entry, &place))
        verify_note(verify, place.block_first_seq,
                    "topic %s: an entry is damaged: block at %" PRIu64 ", last event %" PRIu64,
                    name.text, place.block_first_seq, place.topic_last_seq);
    if (place.block_first_seq >= walk->first_seq)
        walk->live_count++;
    walk->before = place;
}

/* The last event of the topic in a block; 0: none. */
static uint64_t topic_last_in(const struct block *block, const MDB_val *name)
{
    struct record record;
    uint64_t last_seq = 0;
    size_t offset = 0;

    while (block_next(block, &offset, &record) == RECORD_OK) {
        if (record_is_event(&record) && record_has_topic(&record, name->mv_data, name->mv_size))
            last_seq = record.seq;
    }
    return last_seq;
}

/* An entry against its block. That the block has the topic, but with another event, was said. */
static void entry_follow(struct topics_walk *walk, const struct verify_walk *entry)
{
    struct verify *verify = walk->verify;
    struct verify_name name = verify_name(entry->key.mv_data, entry->key.mv_size);
    struct topic_place place;
    struct block block;
    MDB_val key;
    MDB_val data;
    int rc;

    if (topic_place_read(&entry->data, &place) != 0 || place.block_first_seq < walk->first_seq)
        return;
    key = key_of(&place.block_first_seq);
    rc = mdb_get(verify->txn, verify->store->db.log, &key, &data);
    if (rc == MDB_NOTFOUND) {
        verify_note(verify, place.block_first_seq,
                    "topic %s: an entry names a block at %" PRIu64 ", which is not there",
                    name.text, place.block_first_seq);
        return;
    }
    if (rc != 0) {
        verify_note(verify, place.block_first_seq,
                    "topic %s: the block at %" PRIu64 ", which an entry names, cannot be read: %s",
                    name.text, place.block_first_seq, mdb_strerror(rc));
        return;
    }
    /* Of a damaged block, which was said, nothing is known. */
    if (!block_verify(data.mv_data, data.mv_size) ||
        block_decode(data.mv_data, data.mv_size, &block) != 0)
        return;
    if (topic_last_in(&block, &entry->key) == 0)
        verify_note(verify, place.block_first_seq,
                    "topic %s: an entry names the block at %" PRIu64 ", which has no event of it",
                    name.text, place.block_first_seq);
}

/* The live entries are not those that the blocks ask for: which are too many? */
static void entries_follow(struct topics_walk *walk, struct verify_walk *entry)
{
    uint64_t count = entry->count;
    int rc = mdb_cursor_get(entry->cursor, &entry->key, &entry->data, MDB_FIRST);

    while (rc == 0 && count-- > 0) {
        entry_follow(walk, entry);
        rc = mdb_cursor_get(entry->cursor, &entry->key, &entry->data, MDB_NEXT);
    }
}

static void topics_check(struct verify *verify, uint64_t entry_count)
{
    struct topics_walk walk = {.verify = verify, .first_seq = log_first_seq(verify)};
    struct verify_walk entry;

    if (!verify_walk_begin(verify, VERIFY_TOPICS, verify->store->db.topic, &entry))
        return;
    while (verify_walk_next(&entry))
        topic_entry_take(&walk, &entry);
    /* Each that a block asks for was found, so as many are good. */
    if (walk.live_count != entry_count)
        entries_follow(&walk, &entry);
    verify_walk_end(&entry);
}

/* --- what was trimmed ----------------------------------------------------------------------- */

/* The oldest entry of the topic begins behind what was trimmed before; 0: it has none. */
static uint64_t topic_oldest(struct verify *verify, const MDB_val *name)
{
    struct topic_place place = {.block_first_seq = 0};
    MDB_val key = *name;
    MDB_val data;
    int rc = mdb_get(verify->txn, verify->store->db.topic, &key, &data);

    if (rc == 0)
        (void)topic_place_read(&data, &place); /* was said where it stands */
    else if (rc != MDB_NOTFOUND)
        verify_note(verify, 0, "topic %s: its entries cannot be read: %s",
                    verify_name(name->mv_data, name->mv_size).text, mdb_strerror(rc));
    return place.block_first_seq;
}

static void trimmed_take(struct verify *verify, const struct verify_walk *entry, uint64_t first_seq)
{
    struct verify_name name = verify_name(entry->key.mv_data, entry->key.mv_size);
    uint64_t seq = 0;
    uint64_t oldest;

    verify->report->trimmed_count++;
    if (entry->key.mv_size == 0 || entry->key.mv_size > RECORD_TOPIC_BYTES_MAX)
        verify_note(verify, 0, "%s can be no topic's name", name.text);
    if (entry->data.mv_size == sizeof seq)
        memcpy(&seq, entry->data.mv_data, sizeof seq);
    if (seq == 0 || seq >= first_seq) {
        verify_note(verify, seq,
                    "topic %s: operation %" PRIu64 " was trimmed, but the log begins with %" PRIu64,
                    name.text, seq, first_seq);
        return;
    }
    oldest = topic_oldest(verify, &entry->key);
    if (oldest != 0 && oldest <= seq)
        verify_note(verify, seq,
                    "topic %s: operation %" PRIu64
                    " was trimmed, but the index goes back to %" PRIu64,
                    name.text, seq, oldest);
}

static void trimmed_check(struct verify *verify)
{
    uint64_t first_seq = log_first_seq(verify);
    struct verify_walk entry;

    if (!verify_walk_begin(verify, VERIFY_TRIMMED, verify->store->db.trimmed, &entry))
        return;
    while (verify_walk_next(&entry))
        trimmed_take(verify, &entry, first_seq);
    verify_walk_end(&entry);
}

/* --- epochs --------------------------------------------------------------------------------- */

/* Of the epochs that began with one operation; *ret_last is the last of them. */
static void epochs_take(struct verify *verify, const struct verify_walk *entry, uint64_t *ret_last)
{
    uint64_t first_seq = key_read(&entry->key);
    size_t count = entry->data.mv_size / sizeof first_seq;

    if (entry->key.mv_size != sizeof first_seq || first_seq == 0 ||
        (verify->has_meta && first_seq > verify->meta.committed_seq + 1))
        verify_note(verify, first_seq, "an epoch begins with operation %" PRIu64 ", which is none",
                    first_seq);
    *ret_last = 0;
    if (count == 0 || count > EPOCH_SHARED_MAX || entry->data.mv_size % sizeof first_seq != 0) {
        verify_note(verify, first_seq, "the epochs that begin with %" PRIu64 " have %zu bytes",
                    first_seq, entry->data.mv_size);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(ret_last, (const uint8_t *)entry->data.mv_data + i * sizeof *ret_last,
               sizeof *ret_last);
        if (*ret_last == 0)
            verify_note(verify, first_seq, "an epoch that begins with %" PRIu64 " is 0", first_seq);
    }
    verify->report->epoch_count += count;
}

void verify_epochs(struct verify *verify)
{
    uint64_t last = 0;
    struct verify_walk entry;

    if (!verify_walk_begin(verify, VERIFY_EPOCHS, verify->store->db.epoch, &entry))
        return;
    while (verify_walk_next(&entry))
        epochs_take(verify, &entry, &last);
    verify_walk_end(&entry);
    if (entry.count > EPOCH_STARTS_MAX)
        verify_note(verify, 0, "there are %" PRIu64 " entries, more than are kept", entry.count);
    if (verify->has_meta && last != verify->meta.epoch)
        verify_note(verify, 0,
                    "epoch %016" PRIx64 " is in force, but the newest in the table is %016" PRIx64,
                    verify->meta.epoch, last);
}

/* --- all ------------------------------------------------------------------------------------ */

void verify_log(struct verify *verify)
{
    struct log_walk walk = {
        .verify = verify,
        .next_seq = verify->has_meta ? verify->meta.first_seq : 0,
        .last_time_ns = INT64_MIN,
    };
    struct verify_walk entry;
    int rc = topic_set_init(&walk.set);

    verify->shared->part = VERIFY_LOG;
    if (rc == 0)
        rc = -mdb_cursor_open(verify->txn, verify->store->db.topic, &walk.topics);
    if (rc != 0) {
        verify_note(verify, 0, "it cannot be read: %s", mdb_strerror(-rc));
        return;
    }
    if (verify_walk_begin(verify, VERIFY_LOG, verify->store->db.log, &entry)) {
        while (verify_walk_next(&entry))
            block_take(&walk, &entry);
        verify->shared->at_seq = 0;
        verify_walk_end(&entry);
        log_compare(&walk);
    }
    mdb_cursor_close(walk.topics);
    topic_set_done(&walk.set);
    topics_check(verify, walk.entry_count);
    trimmed_check(verify);
}
