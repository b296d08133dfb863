/* Damage of state, log, topics and epochs: each is found, and named. */
#include <string.h>
#include <xxhash.h>

#include "store/epoch.h"
#include "tests/unit/store_damage.h"

static struct store_meta meta_of(struct edit *edit)
{
    return edit->fixture->meta;
}

/* With a check that matches. */
static void meta_put(struct edit *edit, const struct store_meta *meta)
{
    struct meta_value value = {.meta = *meta, .check = XXH3_64bits(meta, sizeof *meta)};

    edit_put(edit, edit->db.meta, edit_text(STORE_META_KEY), val_of(&value, sizeof value));
}

/* The first seq of block @place; from behind: -1 is the last. */
static uint64_t block_key(struct edit *edit, int place)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    uint64_t seq;

    assert_int_equal(mdb_cursor_open(edit->txn, edit->db.log, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &key, &data, place < 0 ? MDB_LAST : MDB_FIRST), 0);
    for (int i = place < 0 ? -1 - place : place; i > 0; i--)
        assert_int_equal(mdb_cursor_get(cursor, &key, &data, place < 0 ? MDB_PREV : MDB_NEXT), 0);
    seq = key_read(&key);
    mdb_cursor_close(cursor);
    return seq;
}

static struct topic_place topic_entry(struct edit *edit, const char *topic, bool is_last)
{
    struct topic_place place;
    MDB_cursor *cursor = NULL;
    MDB_val key = edit_text(topic);
    MDB_val data;

    assert_int_equal(mdb_cursor_open(edit->txn, edit->db.topic, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &key, &data, MDB_SET), 0);
    if (is_last)
        assert_int_equal(mdb_cursor_get(cursor, &key, &data, MDB_LAST_DUP), 0);
    assert_int_equal(topic_place_read(&data, &place), 0);
    mdb_cursor_close(cursor);
    return place;
}

static void topic_put(struct edit *edit, const char *topic, uint64_t block_seq, uint64_t last_seq)
{
    struct topic_value value = topic_value_make(block_seq, last_seq);

    edit_put(edit, edit->db.topic, edit_text(topic), val_of(&value, sizeof value));
}

static void topic_drop(struct edit *edit, const char *topic, const struct topic_place *place)
{
    struct topic_value value = topic_value_make(place->block_first_seq, place->topic_last_seq);
    MDB_val key = edit_text(topic);
    MDB_val data = val_of(&value, sizeof value);

    assert_int_equal(mdb_del(edit->txn, edit->db.topic, &key, &data), 0);
}

/* --- the state -------------------------------------------------------------------------------- */

static void state_gone(struct edit *edit)
{
    edit_drop(edit, edit->db.meta, edit_text(STORE_META_KEY));
}

static void state_flipped(struct edit *edit)
{
    MDB_val value = edit_value(edit, edit->db.meta, edit_text(STORE_META_KEY));

    ((uint8_t *)value.mv_data)[20] ^= 1;
    edit_put(edit, edit->db.meta, edit_text(STORE_META_KEY), value);
}

static void state_of_another_format(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.format_version = 9;
    meta_put(edit, &meta);
}

static void state_of_another_store(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.store_id ^= 1;
    meta_put(edit, &meta);
}

static void state_with_another_count(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.log_count++;
    meta_put(edit, &meta);
}

static void state_that_begins_behind_its_end(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.first_seq = meta.committed_seq + 2;
    meta_put(edit, &meta);
}

static void state_with_half_a_position(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.committed_pos |= 4;
    meta_put(edit, &meta);
}

static void unknown_key(struct edit *edit)
{
    edit_put(edit, edit->db.meta, edit_text("stranger"), edit_text("1"));
}

static void counter_of_no_table(struct edit *edit)
{
    edit_put(edit, edit->db.meta, val_of("id\0\x17", 4), val_of("\1\0\0\0\0\0\0\0", 8));
}

static void counter_cut(struct edit *edit)
{
    edit_put(edit, edit->db.meta, val_of("id\0\1", 4), val_of("\1\0\0", 3));
}

static void catalog_cut(struct edit *edit)
{
    MDB_val value = edit_value(edit, edit->db.meta, edit_text(STORE_CATALOG_KEY));

    value.mv_size--;
    edit_put(edit, edit->db.meta, edit_text(STORE_CATALOG_KEY), value);
}

static void catalog_of_tomorrow(struct edit *edit)
{
    MDB_val value = edit_value(edit, edit->db.meta, edit_text(STORE_CATALOG_KEY));
    uint64_t version = meta_of(edit).committed_seq + 1;

    memcpy((uint8_t *)value.mv_data + 8, &version, sizeof version);
    edit_put(edit, edit->db.meta, edit_text(STORE_CATALOG_KEY), value);
}

static void damage_of_the_state_is_named(void **state)
{
    static const struct damage damages[] = {
        {"no state", state_gone, VERIFY_STATE, "has not been begun"},
        {"a flipped state", state_flipped, VERIFY_STATE, "its check does not match"},
        {"a format", state_of_another_format, VERIFY_STATE, "has format 9"},
        {"an id", state_of_another_store, VERIFY_STATE, "but the file id says"},
        {"a count", state_with_another_count, VERIFY_STATE, "it counts 238 operations"},
        {"a beginning", state_that_begins_behind_its_end, VERIFY_STATE, "the log begins with 359"},
        {"a position", state_with_half_a_position, VERIFY_STATE, "the ring's position"},
        {"a key", unknown_key, VERIFY_STATE, "a key 'stranger'"},
        {"a counter", counter_of_no_table, VERIFY_STATE, "a last id of table 23"},
        {"a short counter", counter_cut, VERIFY_STATE, "the last id of table 1 has 3 bytes"},
        {"a catalog", catalog_cut, VERIFY_STATE, "catalog is damaged: rows and indexes cannot"},
        {"a version", catalog_of_tomorrow, VERIFY_STATE, "the catalog is of operation 358"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

/* --- epochs ----------------------------------------------------------------------------------- */

static void epoch_put(struct edit *edit, uint64_t first_seq, const void *value, size_t bytes)
{
    edit_put(edit, edit->db.epoch, key_of(&first_seq), val_of(value, bytes));
}

static void epoch_zero(struct edit *edit)
{
    epoch_put(edit, 1, "\0\0\0\0\0\0\0\0", 8);
}

static void epoch_of_tomorrow(struct edit *edit)
{
    epoch_put(edit, meta_of(edit).committed_seq + 2, "\1\0\0\0\0\0\0\0", 8);
}

static void epoch_cut(struct edit *edit)
{
    epoch_put(edit, 1, "\1\0\0\0\0", 5);
}

static void epochs_many(struct edit *edit)
{
    for (uint64_t seq = 2; seq < 2 + EPOCH_STARTS_MAX; seq++)
        epoch_put(edit, seq, "\1\0\0\0\0\0\0\0", 8);
}

static void epoch_in_force_gone(struct edit *edit)
{
    const uint64_t seq = 161;

    edit_drop(edit, edit->db.epoch, key_of(&seq));
}

static void damage_of_epochs_is_named(void **state)
{
    static const struct damage damages[] = {
        {"zero", epoch_zero, VERIFY_EPOCHS, "an epoch that begins with 1 is 0"},
        {"too late", epoch_of_tomorrow, VERIFY_EPOCHS, "begins with operation 359, which is none"},
        {"a size", epoch_cut, VERIFY_EPOCHS, "the epochs that begin with 1 have 5 bytes"},
        {"too many", epochs_many, VERIFY_EPOCHS, "more than are kept"},
        {"the newest", epoch_in_force_gone, VERIFY_EPOCHS, "000000000000000d is in force"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Block @place changed by @change; sealed anew, or not. */
static void block_change(struct edit *edit, int place, size_t at, bool is_sealed)
{
    uint64_t seq = block_key(edit, place);
    MDB_val value = edit_value(edit, edit->db.log, key_of(&seq));
    struct block_head head;

    ((uint8_t *)value.mv_data)[at] ^= 1;
    memcpy(&head, value.mv_data, sizeof head);
    if (is_sealed)
        block_seal(value.mv_data, &head, value.mv_size - sizeof head);
    edit_put(edit, edit->db.log, key_of(&seq), value);
}

static void record_flipped(struct edit *edit)
{
    block_change(edit, 1, sizeof(struct block_head) + sizeof(struct record_head) + 20, false);
}

static void record_flipped_under_a_good_check(struct edit *edit)
{
    block_change(edit, 1, sizeof(struct block_head) + sizeof(struct record_head) + 20, true);
}

static void record_without_a_form(struct edit *edit)
{
    block_change(edit, 1, sizeof(struct block_head) + 4, true); /* its kind */
}

static void head_flipped(struct edit *edit)
{
    block_change(edit, 1, offsetof(struct block_head, check), false);
}

static void head_with_another_count(struct edit *edit)
{
    block_change(edit, 1, offsetof(struct block_head, count), true);
}

static void head_with_another_time(struct edit *edit)
{
    block_change(edit, 1, offsetof(struct block_head, last_time_ns), true);
}

static void head_of_another_version(struct edit *edit)
{
    block_change(edit, 1, offsetof(struct block_head, version), false);
}

static void block_gone(struct edit *edit)
{
    uint64_t seq = block_key(edit, 2);

    edit_drop(edit, edit->db.log, key_of(&seq));
}

static void first_block_gone(struct edit *edit)
{
    uint64_t seq = block_key(edit, 0);

    edit_drop(edit, edit->db.log, key_of(&seq));
}

static void last_block_gone(struct edit *edit)
{
    uint64_t seq = block_key(edit, -1);

    edit_drop(edit, edit->db.log, key_of(&seq));
}

static void block_twice(struct edit *edit)
{
    uint64_t seq = block_key(edit, 2);
    MDB_val value = edit_value(edit, edit->db.log, key_of(&seq));

    seq += 3;
    edit_put(edit, edit->db.log, key_of(&seq), value);
}

static void block_cut(struct edit *edit)
{
    uint64_t seq = block_key(edit, 2);

    edit_put(edit, edit->db.log, key_of(&seq), edit_text("short"));
}

static void block_without_a_number(struct edit *edit)
{
    uint64_t seq = block_key(edit, 2);
    MDB_val value = edit_value(edit, edit->db.log, key_of(&seq));

    seq = 0;
    edit_put(edit, edit->db.log, key_of(&seq), value);
}

/* A block behind the last with one record of it. */
static void block_append(struct edit *edit, const struct record_spec *spec, int64_t time_ns)
{
    static uint8_t value[4096];
    uint8_t *at = value + sizeof(struct block_head);
    struct store_meta meta = meta_of(edit);
    uint64_t seq = meta.committed_seq + 1;
    size_t bytes = record_encode(at, spec);
    const struct block_head head = {
        .version = BLOCK_VERSION,
        .count = 1,
        .first_seq = seq,
        .last_seq = seq,
        .last_time_ns = time_ns,
    };

    record_stamp(at, seq, time_ns);
    block_seal(value, &head, bytes);
    edit_put(edit, edit->db.log, key_of(&seq), val_of(value, sizeof head + bytes));
    meta.committed_seq++;
    meta.log_count++;
    meta.log_bytes += sizeof head + bytes;
    meta.committed_time_ns = time_ns;
    meta_put(edit, &meta);
}

static void command_never_executed(struct edit *edit)
{
    const struct record_spec spec = {.kind = RECORD_COMMAND};

    block_append(edit, &spec, meta_of(edit).committed_time_ns + 1);
}

static void time_goes_back(struct edit *edit)
{
    const struct record_topic topic = {"busy", 4};
    const struct record_spec spec = {.kind = RECORD_EVENT, .topics = &topic, .topic_count = 1};
    uint64_t seq = meta_of(edit).committed_seq + 1;

    block_append(edit, &spec, meta_of(edit).committed_time_ns - 1);
    topic_put(edit, "busy", seq, seq);
}

static void state_with_more_bytes(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.log_bytes++;
    meta_put(edit, &meta);
}

static void state_that_ends_later(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.committed_seq++;
    meta.log_count++;
    meta_put(edit, &meta);
}

static void state_that_begins_earlier(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.first_seq -= 5;
    meta.log_count += 5;
    meta_put(edit, &meta);
}

static void state_of_another_time(struct edit *edit)
{
    struct store_meta meta = meta_of(edit);

    meta.committed_time_ns++;
    meta_put(edit, &meta);
}

static void damage_of_the_log_is_named(void **state)
{
    static const struct damage damages[] = {
        {"a record", record_flipped, VERIFY_LOG, "operation 141 is damaged"},
        {"a checked record", record_flipped_under_a_good_check, VERIFY_LOG, "141 is damaged"},
        {"a kind", record_without_a_form, VERIFY_LOG, "operation 141 is damaged"},
        {"a check", head_flipped, VERIFY_LOG, "the block at 141 is damaged: its check"},
        {"a count", head_with_another_count, VERIFY_LOG, "has 20 operations up to 160, but"},
        {"a time", head_with_another_time, VERIFY_LOG, "another time than its last operation"},
        {"a version", head_of_another_version, VERIFY_LOG, "its head is none of its own"},
        {"a hole", block_gone, VERIFY_LOG, "operations 161 to 161 are missing before the block"},
        {"the first", first_block_gone, VERIFY_LOG, "operations 121 to 140 are missing"},
        {"the last", last_block_gone, VERIFY_LOG, "the log ends with operation 337, but 357"},
        {"one twice", block_twice, VERIFY_LOG, "begins before operation"},
        {"a stump", block_cut, VERIFY_LOG, "the block at 161 is damaged"},
        {"a key", block_without_a_number, VERIFY_LOG, "the key of entry 1 is damaged"},
        {"a COMMAND", command_never_executed, VERIFY_LOG, "358 is a change that was never"},
        {"a clock", time_goes_back, VERIFY_LOG, "operation 358 is of an earlier time"},
        {"bytes", state_with_more_bytes, VERIFY_LOG, "but the state counts"},
        {"an end", state_that_ends_later, VERIFY_LOG, "ends with operation 357, but 358"},
        {"a beginning", state_that_begins_earlier, VERIFY_LOG, "116 to 120 are missing"},
        {"its time", state_of_another_time, VERIFY_LOG, "another time of the last operation"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

/* --- the index by topic ----------------------------------------------------------------------- */

static void entry_gone(struct edit *edit)
{
    struct topic_place place = topic_entry(edit, "things", true);

    topic_drop(edit, "things", &place);
}

static void entry_with_another_end(struct edit *edit)
{
    struct topic_place place = topic_entry(edit, "busy", true);

    topic_drop(edit, "busy", &place);
    topic_put(edit, "busy", place.block_first_seq, place.topic_last_seq - 1);
}

static void entry_of_no_block(struct edit *edit)
{
    uint64_t seq = block_key(edit, -1) + 5;

    topic_put(edit, "things", seq, seq + 1);
}

static void entry_of_another_block(struct edit *edit)
{
    uint64_t seq = block_key(edit, -1);

    topic_put(edit, "things", seq, seq + 1);
}

static void topic_never_seen(struct edit *edit)
{
    topic_put(edit, "nobody", block_key(edit, -1), block_key(edit, -1));
}

static void entry_stale_but_reaching_in(struct edit *edit)
{
    topic_put(edit, "nobody", 1, meta_of(edit).first_seq);
}

static void entry_backwards(struct edit *edit)
{
    topic_put(edit, "nobody", 9, 8);
}

static void entry_over_another(struct edit *edit)
{
    topic_put(edit, "nobody", 9, 12);
    topic_put(edit, "nobody", 11, 13);
}

static void topic_of_a_long_name(struct edit *edit)
{
    struct topic_value value = topic_value_make(1, 1);
    char name[300];

    memset(name, 'n', sizeof name);
    edit_put(edit, edit->db.topic, val_of(name, sizeof name), val_of(&value, sizeof value));
}

static void damage_of_the_topic_index_is_named(void **state)
{
    static const struct damage damages[] = {
        {"one less", entry_gone, VERIFY_TOPICS, "topic 'things': the block at 162 has events"},
        {"another end", entry_with_another_end, VERIFY_TOPICS, "is 357, not 356"},
        {"no block", entry_of_no_block, VERIFY_TOPICS, "a block at 343, which is not there"},
        {"a block", entry_of_another_block, VERIFY_TOPICS, "338, which has no event of it"},
        {"a topic", topic_never_seen, VERIFY_TOPICS, "topic 'nobody': an entry names the block"},
        {"stale", entry_stale_but_reaching_in, VERIFY_TOPICS, "block at 1, last event 121"},
        {"backwards", entry_backwards, VERIFY_TOPICS, "block at 9, last event 8"},
        {"two", entry_over_another, VERIFY_TOPICS, "block at 11, last event 13"},
        {"a name", topic_of_a_long_name, VERIFY_TOPICS, "nnn...' can be no topic's name"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

static void trimmed_put(struct edit *edit, const char *topic, uint64_t seq, size_t bytes)
{
    edit_put(edit, edit->db.trimmed, edit_text(topic), val_of(&seq, bytes));
}

static void trimmed_too_late(struct edit *edit)
{
    trimmed_put(edit, "old:1", meta_of(edit).first_seq, sizeof(uint64_t));
}

static void trimmed_nothing(struct edit *edit)
{
    trimmed_put(edit, "old:1", 0, sizeof(uint64_t));
}

static void trimmed_cut(struct edit *edit)
{
    trimmed_put(edit, "old:1", 5, 3);
}

static void trimmed_but_indexed(struct edit *edit)
{
    topic_put(edit, "old:1", 5, 6);
}

static void damage_of_what_was_trimmed_is_named(void **state)
{
    static const struct damage damages[] = {
        {"late", trimmed_too_late, VERIFY_TRIMMED,
         "'old:1': operation 121 was trimmed, but the log"},
        {"none", trimmed_nothing, VERIFY_TRIMMED, "operation 0 was trimmed"},
        {"a size", trimmed_cut, VERIFY_TRIMMED, "operation 0 was trimmed"},
        {"both", trimmed_but_indexed, VERIFY_TRIMMED, "but the index goes back to 5"},
    };

    (void)state;
    DAMAGES_TRY(damages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_of_the_state_is_named),
        cmocka_unit_test(damage_of_epochs_is_named),
        cmocka_unit_test(damage_of_the_log_is_named),
        cmocka_unit_test(damage_of_the_topic_index_is_named),
        cmocka_unit_test(damage_of_what_was_trimmed_is_named),
    };

    return cmocka_run_group_tests_name("store verify damage", tests, damage_setup, damage_teardown);
}
