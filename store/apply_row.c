/* COMMANDs that change one row: first everything is checked, then written. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/check.h"
#include "bus/test_point.h"
#include "store/apply_internal.h"
#include "store/error.h"
#include "store/row_key.h"
#include "store/value.h"

#define AHEAD_US_MAX INT64_C(1000000)

/* --- id counters ---------------------------------------------------------------------------- */

static MDB_val counter_key(uint8_t bytes[4], uint16_t table)
{
    uint16_t big_endian = htobe16(table);

    memcpy(bytes, STORE_IDS_KEY, 2);
    memcpy(bytes + 2, &big_endian, sizeof big_endian);
    return val_of(bytes, 4);
}

/* The last id that was given to a row of @table; 0: none yet. */
static int counter_read(const struct apply *apply, uint16_t table, uint64_t *ret_id)
{
    uint8_t bytes[4];
    MDB_val key = counter_key(bytes, table);
    MDB_val data;
    int rc = mdb_get(apply->txn, apply->store->db.meta, &key, &data);

    *ret_id = 0;
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc != 0)
        return error_lmdb(rc, "reading the last id of table %u", table);
    if (data.mv_size != sizeof *ret_id)
        return error_set(-EBADMSG, "the last id of table %u is damaged", table);
    memcpy(ret_id, data.mv_data, sizeof *ret_id);
    return 0;
}

static int counter_write(const struct apply *apply, uint16_t table, uint64_t id)
{
    uint8_t bytes[4];
    MDB_val key = counter_key(bytes, table);
    MDB_val data = val_of(&id, sizeof id);
    int rc = mdb_put(apply->txn, apply->store->db.meta, &key, &data, 0);

    TEST_POINT(APPLY_COUNTED);
    return rc == 0 ? 0 : error_lmdb(rc, "writing the last id of table %u", table);
}

/* --- index entries -------------------------------------------------------------------------- */

static void entry_key(struct index_key *key, const struct index_layout *layout,
                      const struct row_pieces *pieces, uint64_t id)
{
    index_key_begin(key, layout);
    for (unsigned i = 0; i < layout->count; i++)
        index_key_add(key, layout, i, pieces->json[layout->columns[i]->number]);
    index_key_add_id(key, id);
}

static int entry_write(const struct apply *apply, const struct index_key *key)
{
    MDB_val name = val_of(key->bytes, key->size);
    MDB_val data = val_of("", 0);
    int rc = mdb_put(apply->txn, apply->store->db.index, &name, &data, MDB_NOOVERWRITE);

    TEST_POINT(APPLY_ENTRY_PUT);
    if (rc == MDB_KEYEXIST)
        return error_set(-EBADMSG, "an index is damaged: it has a row's entry already");
    return rc == 0 ? 0 : error_lmdb(rc, "writing an index");
}

static int entry_delete(const struct apply *apply, const struct index_key *key)
{
    MDB_val name = val_of(key->bytes, key->size);
    int rc = mdb_del(apply->txn, apply->store->db.index, &name, NULL);

    TEST_POINT(APPLY_ENTRY_DELETED);
    if (rc == MDB_NOTFOUND)
        return error_set(-EBADMSG, "an index is damaged: it lacks a row's entry");
    return rc == 0 ? 0 : error_lmdb(rc, "writing an index");
}

int apply_entry_put(struct apply *apply, const struct catalog_table *table,
                    const struct catalog_index *index, const struct row_pieces *pieces, uint64_t id)
{
    struct index_layout layout;
    struct index_key key;

    index_layout_make(table, index, &layout);
    entry_key(&key, &layout, pieces, id);
    return entry_write(apply, &key);
}

static int entries_put(struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < table->index_count; i++)
        rc = apply_entry_put(apply, table, &table->indexes[i], &apply->pieces, id);
    return rc;
}

static int entries_delete(const struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < table->index_count; i++) {
        struct index_layout layout;
        struct index_key key;

        index_layout_make(table, &table->indexes[i], &layout);
        entry_key(&key, &layout, &apply->before, id);
        rc = entry_delete(apply, &key);
    }
    return rc;
}

/* The entries of a row that changes: only those whose columns do. */
static int entries_update(const struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    for (int i = 0; i < table->index_count; i++) {
        struct index_layout layout;
        struct index_key before;
        struct index_key after;
        int rc;

        index_layout_make(table, &table->indexes[i], &layout);
        entry_key(&before, &layout, &apply->before, id);
        entry_key(&after, &layout, &apply->pieces, id);
        if (before.size == after.size && memcmp(before.bytes, after.bytes, after.size) == 0)
            continue;
        rc = entry_delete(apply, &before);
        if (rc == 0)
            rc = entry_write(apply, &after);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- what other rows say -------------------------------------------------------------------- */

/* Whether a row, whose entry is as that of @value is, has the same text. */
static int row_is_same(const struct apply *apply, const struct apply_value *value, uint64_t id,
                       bool *ret_is_same)
{
    struct row row;
    int rc = rows_get_in(apply->store, apply->txn, value->table, id, &row);

    if (rc == -ENOENT)
        return error_set(-EBADMSG, "an index is damaged: row %" PRIu64 " of %.*s is not there", id,
                         (int)value->table->name.size, value->table->name.bytes);
    if (rc == 0)
        *ret_is_same = catalog_text_is_equal(row_column(&row, value->column), value->json);
    return rc;
}

/* Looks through the entries that begin with @prefix. */
static int find_other(const struct apply *apply, const struct apply_value *value,
                      const struct index_key *prefix, uint64_t own_id, MDB_cursor *cursor)
{
    MDB_val key = val_of(prefix->bytes, prefix->size);
    MDB_val data;
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (rc == 0 && key.mv_size == prefix->size + INDEX_KEY_ID_BYTES &&
           memcmp(key.mv_data, prefix->bytes, prefix->size) == 0) {
        uint64_t id = row_key_id(key.mv_data, key.mv_size);
        bool is_same = true;

        if (id != own_id) {
            int result = prefix->is_cut ? row_is_same(apply, value, id, &is_same) : 0;

            if (result != 0 || is_same)
                return result;
        }
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? -ENOENT : error_lmdb(rc, "reading an index");
}

int apply_unique_is_taken(struct apply *apply, const struct apply_value *value, uint64_t own_id,
                          bool *ret_is_taken)
{
    const struct catalog_index *index = catalog_unique_index(value->table, value->column->number);
    struct index_layout layout;
    struct index_key prefix;
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(apply->txn, apply->store->db.index, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening an index");
    index_layout_make(value->table, index, &layout);
    index_key_begin(&prefix, &layout);
    index_key_add(&prefix, &layout, 0, value->json);
    rc = find_other(apply, value, &prefix, own_id, cursor);
    mdb_cursor_close(cursor);
    *ret_is_taken = rc == 0;
    return rc == -ENOENT ? 0 : rc;
}

int apply_reference_exists(struct apply *apply, const struct catalog_table *target,
                           const struct catalog_column *column, struct catalog_text json,
                           bool *ret_exists)
{
    struct row row;
    uint64_t id;
    int rc;

    *ret_exists = false;
    if (!value_id((enum column_kind)column->kind, json, &id))
        return 0;
    rc = rows_get_in(apply->store, apply->txn, target, id, &row);
    if (rc == -ENOENT)
        return 0;
    *ret_exists = rc == 0;
    return rc;
}

/* Of a row that changes only what is another value than before. */
static bool is_unchanged(const struct apply *apply, const struct catalog_column *column)
{
    return apply->command.kind == COMMAND_UPDATE &&
           catalog_text_is_equal(apply->before.json[column->number],
                                 apply->pieces.json[column->number]);
}

static int check_reference(struct apply *apply, const struct catalog_table *table,
                           const struct catalog_column *column)
{
    const struct catalog_table *target = catalog_table(apply->current, column->references);
    bool exists;
    int rc =
        apply_reference_exists(apply, target, column, apply->pieces.json[column->number], &exists);

    if (rc != 0 || exists)
        return rc;
    return apply_refuse(apply, "NOT_FOUND", "%.*s.%.*s: there is no %.*s with this id",
                        (int)table->name.size, table->name.bytes, (int)column->name.size,
                        column->name.bytes, (int)target->name.size, target->name.bytes);
}

static int check_unique(struct apply *apply, const struct catalog_table *table,
                        const struct catalog_column *column, uint64_t id)
{
    const struct apply_value value = {table, column, apply->pieces.json[column->number]};
    bool is_taken = false;
    int rc = apply_unique_is_taken(apply, &value, id, &is_taken);

    if (rc != 0 || !is_taken)
        return rc;
    return apply_refuse_column(apply, "CONFLICT", table, column,
                               "another row has this value already: choose another one");
}

static int check_columns(struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    for (int i = 0; i < table->column_count; i++) {
        const struct catalog_column *column = &table->columns[i];
        bool is_null = apply->pieces.json[column->number].size == 0;
        int rc = 0;

        if (column->is_dropped || column->number == table->id_column)
            continue;
        if (is_null && column->is_required)
            return apply_refuse_column(apply, "BAD_USER_INPUT", table, column,
                                       "must not be null: give it a value");
        if (is_null || is_unchanged(apply, column))
            continue;
        if (column->references != 0)
            rc = check_reference(apply, table, column);
        if (rc == 0 && column->is_unique)
            rc = check_unique(apply, table, column, id);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- the row in the making ------------------------------------------------------------------ */

/* Column n of @table that a COMMAND names, and that it may. */
static const struct catalog_column *column_named(const struct catalog_table *table, uint16_t number)
{
    const struct catalog_column *column = catalog_column(table, number);

    if (column == NULL || column->is_dropped || number == table->id_column)
        return NULL;
    return column;
}

static int take_values(struct apply *apply, const struct catalog_table *table)
{
    const struct command *command = &apply->command;

    for (int i = 0; i < command->value_count; i++) {
        const struct command_value *value = &command->values[i];
        const struct catalog_column *column = column_named(table, value->column);

        if (column == NULL)
            return apply_refuse(apply, "INTERNAL", "%.*s: column %u cannot be set",
                                (int)table->name.size, table->name.bytes, value->column);
        if (value->json.size > 0 && !value_is_good(column, value->json))
            return apply_refuse_column(apply, "BAD_USER_INPUT", table, column,
                                       "the value is none of its type");
        apply->pieces.json[value->column] = value->json;
    }
    return 0;
}

static bool is_given(const struct command *command, uint16_t column)
{
    for (int i = 0; i < command->value_count; i++) {
        if (command->values[i].column == column)
            return true;
    }
    return false;
}

static bool is_time_of_write(const struct apply *apply, const struct catalog_column *column)
{
    return column->now == COLUMN_NOW_WRITE && !is_given(&apply->command, column->number);
}

/*
 * When this changes the row, in us: later than the change before, also where the operations, appended
 * in one batch, have the same time; so a compare-and-set on it notices each. A time that is further
 * ahead was given by somebody.
 */
static int64_t find_time(const struct apply *apply, const struct catalog_table *table)
{
    const int64_t now_us = apply->record->time_ns / 1000;
    int64_t time_us = now_us;

    if (apply->command.kind != COMMAND_UPDATE)
        return time_us;
    for (int i = 0; i < table->column_count; i++) {
        const struct catalog_column *column = &table->columns[i];
        struct catalog_text before = apply->before.json[column->number];
        int64_t before_us;

        if (before.size == 0 || !is_time_of_write(apply, column))
            continue;
        before_us = value_datetime_us(before);
        if (before_us >= time_us && before_us - now_us < AHEAD_US_MAX)
            time_us = before_us + 1;
    }
    return time_us;
}

/* The time of the operation, where the COMMAND does not give another. */
static void take_time(struct apply *apply, const struct catalog_table *table)
{
    const struct catalog_text now = {.bytes = apply->now_json, .size = sizeof apply->now_json};

    apply->now_json[0] = '"';
    rfc3339_write(apply->now_json + 1, find_time(apply, table) * 1000);
    apply->now_json[sizeof apply->now_json - 1] = '"';
    for (int i = 0; i < table->column_count; i++) {
        const struct catalog_column *column = &table->columns[i];
        bool is_due = column->now == COLUMN_NOW_WRITE ||
                      (column->now == COLUMN_NOW_CREATE && apply->command.kind == COMMAND_CREATE);

        if (is_due && !is_given(&apply->command, column->number))
            apply->pieces.json[column->number] = now;
    }
}

static void take_id(struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    const struct catalog_column *column = catalog_column(table, table->id_column);
    const char *quote = column->kind == COLUMN_ID ? "\"" : "";
    int length =
        snprintf(apply->id_json, sizeof apply->id_json, "%s%" PRIu64 "%s", quote, id, quote);

    CHECK(length > 0 && (size_t)length < sizeof apply->id_json);
    apply->pieces.json[table->id_column] = (struct catalog_text){apply->id_json, (size_t)length};
}

/* The row as it is, in a buffer of ours: writing would take the page from under it. */
static int take_row(struct apply *apply, const struct catalog_table *table)
{
    struct row row;
    int rc = rows_get_in(apply->store, apply->txn, table, apply->command.id, &row);

    if (rc == 0)
        rc = apply_reserve(&apply->old_row, row.bytes);
    if (rc != 0)
        return rc;
    memcpy(apply->old_row.bytes, row.value, row.bytes);
    row.value = apply->old_row.bytes;
    row_pieces_of(&row, table, &apply->before);
    apply->pieces = apply->before;
    return 0;
}

static int check_conditions(struct apply *apply, const struct catalog_table *table)
{
    for (int i = 0; i < apply->command.condition_count; i++) {
        const struct command_value *condition = &apply->command.conditions[i];
        const struct catalog_column *column = catalog_column(table, condition->column);

        if (column == NULL || column->is_dropped)
            return apply_refuse(apply, "INTERNAL", "%.*s: there is no column %u to compare with",
                                (int)table->name.size, table->name.bytes, condition->column);
        if (condition->json.size > 0 && !value_is_good(column, condition->json))
            return apply_refuse_column(apply, "BAD_USER_INPUT", table, column,
                                       "the value to compare with is none of its type");
        if (!value_is_equal((enum column_kind)column->kind, apply->before.json[condition->column],
                            condition->json))
            return apply_refuse_column(apply, "CONFLICT", table, column,
                                       "it has changed: read the row again and decide anew");
    }
    return 0;
}

/* --- what comes out ------------------------------------------------------------------------- */

static int make_result(struct apply *apply, const struct catalog_table *table)
{
    size_t json_bytes = row_json_bytes(table, &apply->pieces);
    int rc = apply_topics(apply, table);

    if (rc == 0)
        rc = apply_reserve(&apply->payload, json_bytes);
    if (rc != 0)
        return rc;
    row_json(table, &apply->pieces, (char *)apply->payload.bytes);
    apply->payload_bytes = json_bytes;
    return 0;
}

static int check_size(struct apply *apply, const struct catalog_table *table)
{
    if (row_json_bytes(table, &apply->pieces) <= COMMAND_ROW_BYTES_MAX &&
        row_encoded_bytes(table, &apply->pieces) <= COMMAND_ROW_BYTES_MAX)
        return 0;
    return apply_refuse(apply, "BAD_USER_INPUT", "%.*s: a row has room for %d bytes",
                        (int)table->name.size, table->name.bytes, COMMAND_ROW_BYTES_MAX);
}

static int write_row(struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key = val_of(bytes, sizeof bytes);
    MDB_val data;
    size_t row_bytes = row_encoded_bytes(table, &apply->pieces);
    int rc = apply_reserve(&apply->new_row, row_bytes);

    if (rc != 0)
        return rc;
    row_key_write(bytes, table->number, id);
    row_encode(table, &apply->pieces, apply->new_row.bytes);
    data = val_of(apply->new_row.bytes, row_bytes);
    rc = mdb_put(apply->txn, apply->store->db.row, &key, &data, 0);
    TEST_POINT(APPLY_ROW_PUT);
    return rc == 0 ? 0 : error_lmdb(rc, "writing a row");
}

static int delete_row(const struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key = val_of(bytes, sizeof bytes);
    int rc;

    row_key_write(bytes, table->number, id);
    rc = mdb_del(apply->txn, apply->store->db.row, &key, NULL);
    TEST_POINT(APPLY_ROW_DELETED);
    return rc == 0 ? 0 : error_lmdb(rc, "deleting a row");
}

/* --- the COMMANDs --------------------------------------------------------------------------- */

/* What a create and an update have in common: the row as it shall be is judged, then written. */
static int write_change(struct apply *apply, const struct catalog_table *table, uint64_t id)
{
    int rc = check_columns(apply, table, id);

    if (rc == 0)
        rc = check_size(apply, table);
    if (rc == 0)
        rc = make_result(apply, table);
    return rc == 0 ? write_row(apply, table, id) : rc;
}

int apply_create(struct apply *apply, const struct catalog_table *table)
{
    const struct catalog_column *id_column = catalog_column(table, table->id_column);
    uint64_t id;
    int rc = counter_read(apply, table->number, &id);

    if (rc != 0)
        return rc;
    if (++id > (id_column->kind == COLUMN_INT ? (uint64_t)INT32_MAX : UINT64_MAX - 1))
        return apply_refuse_column(apply, "BAD_USER_INPUT", table, id_column,
                                   "an Int has no more ids: the schema should make it an ID");
    for (int i = 0; i < table->column_count; i++)
        apply->pieces.json[table->columns[i].number] = table->columns[i].default_json;
    rc = take_values(apply, table);
    if (rc != 0)
        return rc;
    take_time(apply, table);
    take_id(apply, table, id);
    rc = write_change(apply, table, id);
    if (rc == 0)
        rc = entries_put(apply, table, id);
    return rc == 0 ? counter_write(apply, table->number, id) : rc;
}

int apply_update(struct apply *apply, const struct catalog_table *table)
{
    uint64_t id = apply->command.id;
    int rc = take_row(apply, table);

    if (rc == -ENOENT)
        return apply_null(apply);
    if (rc == 0)
        rc = check_conditions(apply, table);
    if (rc == 0)
        rc = take_values(apply, table);
    if (rc != 0)
        return rc;
    take_time(apply, table);
    rc = write_change(apply, table, id);
    return rc == 0 ? entries_update(apply, table, id) : rc;
}

int apply_delete(struct apply *apply, const struct catalog_table *table)
{
    uint64_t id = apply->command.id;
    int rc = take_row(apply, table);

    if (rc == -ENOENT)
        return apply_null(apply);
    if (rc == 0)
        rc = check_conditions(apply, table);
    if (rc == 0)
        rc = make_result(apply, table);
    if (rc == 0)
        rc = delete_row(apply, table, id);
    return rc == 0 ? entries_delete(apply, table, id) : rc;
}
