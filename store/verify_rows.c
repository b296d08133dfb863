/* The state record, the catalog, rows against it, and their indexes against them, both ways. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/error.h"
#include "store/row.h"
#include "store/row_key.h"
#include "store/value.h"
#include "store/verify_internal.h"

/* A row's or an entry's place in words: "row 7 of Message". */
struct row_name {
    char text[CATALOG_NAME_BYTES_MAX + 40];
};

static struct row_name row_name(const struct catalog_table *table, uint64_t id)
{
    struct row_name name;

    (void)snprintf(name.text, sizeof name.text, "row %" PRIu64 " of %.*s", id,
                   (int)table->name.size, table->name.bytes); /* there is room for it */
    return name;
}

/* --- the state ------------------------------------------------------------------------------ */

static bool key_is(const MDB_val *key, const char *text)
{
    return key->mv_size == strlen(text) && memcmp(key->mv_data, text, key->mv_size) == 0;
}

/* The table that a counter's key names; 0: it is none. */
static uint16_t counter_table(const MDB_val *key)
{
    uint16_t big_endian;

    if (key->mv_size != 2 + sizeof big_endian || memcmp(key->mv_data, STORE_IDS_KEY, 2) != 0)
        return 0;
    memcpy(&big_endian, (const uint8_t *)key->mv_data + 2, sizeof big_endian);
    return be16toh(big_endian);
}

static void meta_entry_take(struct verify *verify, const struct verify_walk *entry)
{
    struct verify_name name = verify_name(entry->key.mv_data, entry->key.mv_size);
    uint16_t number = counter_table(&entry->key);

    if (key_is(&entry->key, STORE_META_KEY) || key_is(&entry->key, STORE_CATALOG_KEY))
        return;
    if (number == 0)
        verify_note(verify, 0, "it has a key %s, which no version of this program writes",
                    name.text);
    else if (verify->catalog != NULL && catalog_table(verify->catalog, number) == NULL)
        verify_note(verify, 0, "it has a last id of table %u, which there is not", number);
    else if (entry->data.mv_size != sizeof(uint64_t))
        verify_note(verify, 0, "the last id of table %u has %zu bytes", number,
                    entry->data.mv_size);
}

static void meta_compare(struct verify *verify)
{
    const struct store_meta *meta = &verify->meta;

    if (meta->store_id != verify->visit.store_id)
        verify_note(verify, 0,
                    "the store's number is %016" PRIx64 ", but the file %s says %016" PRIx64,
                    meta->store_id, STORE_FILE_ID, verify->visit.store_id);
    if (meta->first_seq < 1 || meta->first_seq > meta->committed_seq + 1)
        verify_note(verify, 0, "the log begins with %" PRIu64 ", but %" PRIu64 " are committed",
                    meta->first_seq, meta->committed_seq);
    else if (meta->log_count != meta->committed_seq + 1 - meta->first_seq)
        verify_note(verify, 0,
                    "it counts %" PRIu64 " operations, but keeps %" PRIu64 " to %" PRIu64,
                    meta->log_count, meta->first_seq, meta->committed_seq);
    if (meta->committed_pos % RECORD_ALIGN != 0)
        verify_note(verify, 0, "the ring's position %" PRIu64 " is none", meta->committed_pos);
}

void verify_state(struct verify *verify)
{
    struct verify_walk entry;
    int rc;

    verify->shared->part = VERIFY_STATE;
    rc = catalog_read(verify->store, verify->txn, &verify->catalog);
    if (rc != 0)
        verify_note(verify, 0, "%s: rows and indexes cannot be looked at", store_error_text());
    if (verify->has_meta)
        meta_compare(verify);
    if (rc == 0 && verify->has_meta && verify->catalog->version > verify->meta.committed_seq)
        verify_note(verify, verify->catalog->version,
                    "the catalog is of operation %" PRIu64 ", but %" PRIu64 " are committed",
                    verify->catalog->version, verify->meta.committed_seq);
    if (!verify_walk_begin(verify, VERIFY_STATE, verify->store->db.meta, &entry))
        return;
    while (verify_walk_next(&entry))
        meta_entry_take(verify, &entry);
    verify_walk_end(&entry);
}

/* --- rows ----------------------------------------------------------------------------------- */

/* Walks rows, which lie table by table. */
struct rows_walk {
    struct verify *verify;
    const struct catalog_table *table; /* of the present row; NULL: there is none */
    uint64_t id_max;                   /* the last that was given there */
    bool has_table;                    /* there was a row yet */
    uint16_t number;                   /* its table's */
};

static uint64_t counter_of(const struct verify *verify, uint16_t table)
{
    uint16_t big_endian = htobe16(table);
    uint8_t bytes[2 + sizeof big_endian];
    uint64_t id = 0;
    MDB_val key = val_of(bytes, sizeof bytes);
    MDB_val data;

    memcpy(bytes, STORE_IDS_KEY, 2);
    memcpy(bytes + 2, &big_endian, sizeof big_endian);
    if (mdb_get(verify->txn, verify->store->db.meta, &key, &data) == 0 && data.mv_size == sizeof id)
        memcpy(&id, data.mv_data, sizeof id);
    return id;
}

/* False: there is no such table; said once. */
static bool table_take(struct rows_walk *walk, uint16_t number)
{
    if (walk->has_table && walk->number == number)
        return walk->table != NULL;
    walk->has_table = true;
    walk->number = number;
    walk->table = catalog_table(walk->verify->catalog, number);
    if (walk->table == NULL) {
        verify_note(walk->verify, 0, "there are rows of table %u, which there is not", number);
        return false;
    }
    walk->id_max = counter_of(walk->verify, number);
    return true;
}

/* What one column of a row has. */
static void value_check(struct rows_walk *walk, const struct row *row,
                        const struct catalog_column *column)
{
    struct catalog_text json = row_column(row, column);
    struct row_name name = row_name(walk->table, row->id);
    uint64_t id = 0;

    if (column->number == walk->table->id_column &&
        (!value_id((enum column_kind)column->kind, json, &id) || id != row->id))
        verify_note(walk->verify, 0, "%s: its id is another one in the row itself", name.text);
    else if (json.size == 0 && column->is_required)
        verify_note(walk->verify, 0, "%s: %.*s is null, which it must not be", name.text,
                    (int)column->name.size, column->name.bytes);
    else if (json.size > 0 && !value_is_good(column, json))
        verify_note(walk->verify, 0, "%s: %.*s has a value that is none of its type", name.text,
                    (int)column->name.size, column->name.bytes);
}

/* The entry that @index has of @row. */
static void entry_make(const struct catalog_table *table, const struct catalog_index *index,
                       const struct row *row, struct index_key *ret_key)
{
    struct index_layout layout;

    index_layout_make(table, index, &layout);
    index_key_begin(ret_key, &layout);
    for (unsigned i = 0; i < layout.count; i++)
        index_key_add(ret_key, &layout, i, row_column(row, layout.columns[i]));
    index_key_add_id(ret_key, row->id);
}

static void row_entries_check(struct rows_walk *walk, const struct row *row)
{
    struct verify *verify = walk->verify;
    struct row_name name = row_name(walk->table, row->id);

    for (int i = 0; i < walk->table->index_count; i++) {
        const struct catalog_index *index = &walk->table->indexes[i];
        struct index_key entry;
        MDB_val key;
        MDB_val data;

        entry_make(walk->table, index, row, &entry);
        key = val_of(entry.bytes, entry.size);
        if (mdb_get(verify->txn, verify->store->db.index, &key, &data) == 0)
            continue;
        verify->shared->part = VERIFY_INDEXES;
        verify_note(verify, 0, "%s has no entry in index %u", name.text, index->number);
        verify->shared->part = VERIFY_ROWS;
    }
}

static void row_take(struct rows_walk *walk, const struct verify_walk *entry)
{
    struct verify *verify = walk->verify;
    struct row row = {.value = entry->data.mv_data, .bytes = entry->data.mv_size};
    struct row_name name;
    uint16_t big_endian;

    verify->report->row_count++;
    if (entry->key.mv_size != ROW_KEY_BYTES) {
        verify_note(verify, 0, "the key of entry %" PRIu64 " has %zu bytes", entry->count,
                    entry->key.mv_size);
        return;
    }
    memcpy(&big_endian, entry->key.mv_data, sizeof big_endian);
    if (!table_take(walk, be16toh(big_endian)))
        return;
    row.id = row_key_id(entry->key.mv_data, entry->key.mv_size);
    name = row_name(walk->table, row.id);
    if (row.id == 0 || row.id > walk->id_max)
        verify_note(verify, 0,
                    "%s: the last id that was given is %" PRIu64 ": this one would be given again",
                    name.text, walk->id_max);
    if (!row_is_sound(&row)) {
        verify_note(verify, 0, "%s is damaged", name.text);
        return;
    }
    for (int i = 0; i < walk->table->column_count && !walk->table->is_dropped; i++) {
        if (!walk->table->columns[i].is_dropped)
            value_check(walk, &row, &walk->table->columns[i]);
    }
    row_entries_check(walk, &row);
}

/* --- indexes -------------------------------------------------------------------------------- */

/* Walks entries, which lie index by index. */
struct entries_walk {
    struct verify *verify;
    const struct catalog_table *table;
    const struct catalog_index *index; /* of the present entry; NULL: there is none */
    const struct catalog_column *unique;
    struct index_layout layout;
    bool has_index; /* there was an entry yet */
    uint16_t number;
    MDB_val before; /* the entry before; size 0: none of this index */
};

/* False: there is no such index; said once. */
static bool index_take(struct entries_walk *walk, uint16_t number)
{
    const struct catalog *catalog = walk->verify->catalog;

    if (walk->has_index && walk->number == number)
        return walk->index != NULL;
    walk->has_index = true;
    walk->number = number;
    walk->index = NULL;
    walk->before.mv_size = 0;
    for (int i = 0; i < catalog->table_count; i++) {
        for (int j = 0; j < catalog->tables[i].index_count; j++) {
            if (catalog->tables[i].indexes[j].number != number)
                continue;
            walk->table = &catalog->tables[i];
            walk->index = &catalog->tables[i].indexes[j];
        }
    }
    if (walk->index == NULL) {
        verify_note(walk->verify, 0, "there are entries of index %u, which there is not", number);
        return false;
    }
    index_layout_make(walk->table, walk->index, &walk->layout);
    walk->unique = walk->layout.count == 1 && walk->layout.columns[0]->is_unique &&
                           !walk->layout.columns[0]->is_dropped
                       ? walk->layout.columns[0]
                       : NULL;
    return true;
}

/* The row that an entry is of. -ENOENT; -EBADMSG: it is damaged, which was said. */
static int row_of(const struct entries_walk *walk, const MDB_val *entry, struct row *ret_row)
{
    return rows_get_in(walk->verify->store, walk->verify->txn, walk->table,
                       row_key_id(entry->mv_data, entry->mv_size), ret_row);
}

/* Two entries next to each other with one value, which only one row may have. */
static void unique_check(struct entries_walk *walk, const MDB_val *entry, const struct row *row)
{
    size_t value_bytes = entry->mv_size - INDEX_KEY_ID_BYTES - sizeof walk->number;
    const uint8_t *value = (const uint8_t *)entry->mv_data + sizeof walk->number;
    struct row_name name = row_name(walk->table, row->id);
    struct row other;
    bool is_cut;

    if (walk->unique == NULL || walk->before.mv_size != entry->mv_size ||
        memcmp(walk->before.mv_data, entry->mv_data, entry->mv_size - INDEX_KEY_ID_BYTES) != 0)
        return;
    if (row_column(row, walk->unique).size == 0)
        return; /* null is no value */
    if (index_value_bytes(&walk->layout, 0, value, value_bytes, &is_cut) != value_bytes)
        return; /* was found to be another than the row's */
    if (row_of(walk, &walk->before, &other) != 0) {
        verify_note(walk->verify, 0, "the row before %s in index %u: %s", name.text, walk->number,
                    store_error_text());
        return;
    }
    /* Of a text that is too long for its key only the rows know all. */
    if (is_cut &&
        !catalog_text_is_equal(row_column(row, walk->unique), row_column(&other, walk->unique)))
        return;
    verify_note(walk->verify, 0, "%s has the same %.*s as row %" PRIu64 ", which is to be unique",
                name.text, (int)walk->unique->name.size, walk->unique->name.bytes, other.id);
}

static void entry_take(struct entries_walk *walk, const struct verify_walk *entry)
{
    struct verify *verify = walk->verify;
    struct index_key expected;
    struct row_name name;
    struct row row;
    uint16_t big_endian;
    int rc;

    verify->report->index_entry_count++;
    if (entry->key.mv_size < sizeof big_endian + INDEX_KEY_ID_BYTES || entry->data.mv_size != 0) {
        verify_note(verify, 0, "entry %" PRIu64 " is damaged", entry->count);
        return;
    }
    memcpy(&big_endian, entry->key.mv_data, sizeof big_endian);
    if (!index_take(walk, be16toh(big_endian)))
        return;
    rc = row_of(walk, &entry->key, &row);
    name = row_name(walk->table, row_key_id(entry->key.mv_data, entry->key.mv_size));
    if (rc == -ENOENT)
        verify_note(verify, 0, "index %u has an entry of %s, which is not there", walk->number,
                    name.text);
    else if (rc != 0)
        verify_note(verify, 0, "index %u: %s: %s", walk->number, name.text, store_error_text());
    if (rc != 0)
        return;
    entry_make(walk->table, walk->index, &row, &expected);
    if (expected.size != entry->key.mv_size ||
        memcmp(expected.bytes, entry->key.mv_data, expected.size) != 0)
        verify_note(verify, 0, "index %u has an entry of %s with another value than the row",
                    walk->number, name.text);
    else
        unique_check(walk, &entry->key, &row);
    walk->before = entry->key;
}

void verify_rows(struct verify *verify)
{
    struct rows_walk rows = {.verify = verify};
    struct entries_walk entries = {.verify = verify};
    struct verify_walk walk;

    if (verify->catalog == NULL)
        return;
    for (int i = 0; i < verify->catalog->table_count; i++) {
        if (!verify->catalog->tables[i].is_dropped)
            verify->report->table_count++;
    }
    if (verify_walk_begin(verify, VERIFY_ROWS, verify->store->db.row, &walk)) {
        while (verify_walk_next(&walk))
            row_take(&rows, &walk);
        verify_walk_end(&walk);
    }
    if (verify_walk_begin(verify, VERIFY_INDEXES, verify->store->db.index, &walk)) {
        while (verify_walk_next(&walk))
            entry_take(&entries, &walk);
        verify_walk_end(&walk);
    }
}
