/* Schema operations: the catalog, what rows stand against, and the indexes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/test_point.h"
#include "store/apply_internal.h"
#include "store/error.h"
#include "store/row_key.h"
#include "store/value.h"

/* A table under its new schema, and what its rows are looked at for. */
struct table_change {
    const struct catalog_table *was; /* NULL: new, and so without rows */
    const struct catalog_table *now;
    const struct catalog *catalog; /* the new one */
    bool has_checks;               /* a column has something to check */
    bool has_new_indexes;
    bool has_uniques; /* a column becomes unique */
};

/* --- what has changed ----------------------------------------------------------------------- */

static const struct catalog_column *column_before(const struct table_change *change,
                                                  const struct catalog_column *column)
{
    return change->was != NULL ? catalog_column(change->was, column->number) : NULL;
}

/* Whether rows may read otherwise than before: of a new column, one that comes back or has another
   default. */
static bool is_read_anew(const struct table_change *change, const struct catalog_column *column)
{
    const struct catalog_column *was = column_before(change, column);

    return was == NULL || was->is_dropped || change->was->is_dropped ||
           !catalog_text_is_equal(was->default_json, column->default_json);
}

static bool needs_value(const struct table_change *change, const struct catalog_column *column)
{
    const struct catalog_column *was = column_before(change, column);

    return column->is_required && (is_read_anew(change, column) || !was->is_required);
}

static bool needs_reference(const struct table_change *change, const struct catalog_column *column)
{
    const struct catalog_column *was = column_before(change, column);

    return column->references != 0 &&
           (is_read_anew(change, column) || was->references != column->references);
}

static bool needs_enum(const struct table_change *change, const struct catalog_column *column)
{
    const struct catalog_column *was = column_before(change, column);

    return column->kind == COLUMN_ENUM && was != NULL &&
           !catalog_text_is_equal(was->values, column->values);
}

static bool needs_unique(const struct table_change *change, const struct catalog_column *column)
{
    const struct catalog_column *was = column_before(change, column);

    return column->is_unique && column->number != change->now->id_column &&
           (is_read_anew(change, column) || !was->is_unique);
}

static bool index_is_there(const struct catalog_table *table, uint16_t number)
{
    for (int i = 0; table != NULL && i < table->index_count; i++) {
        if (table->indexes[i].number == number)
            return true;
    }
    return false;
}

static void find_changes(struct table_change *change)
{
    for (int i = 0; i < change->now->column_count; i++) {
        const struct catalog_column *column = &change->now->columns[i];

        if (column->is_dropped)
            continue;
        if (needs_value(change, column) || needs_enum(change, column) ||
            needs_reference(change, column))
            change->has_checks = true;
        if (needs_unique(change, column))
            change->has_uniques = true;
    }
    for (int i = 0; i < change->now->index_count; i++) {
        if (!index_is_there(change->was, change->now->indexes[i].number))
            change->has_new_indexes = true;
    }
}

/* --- one row -------------------------------------------------------------------------------- */

static int refuse_row(struct apply *apply, const struct table_change *change,
                      const struct catalog_column *column, uint64_t id, const char *what)
{
    return apply_refuse(apply, "BAD_USER_INPUT", "%.*s.%.*s: row %" PRIu64 " %s",
                        (int)change->now->name.size, change->now->name.bytes,
                        (int)column->name.size, column->name.bytes, id, what);
}

static int check_row_reference(struct apply *apply, const struct table_change *change,
                               const struct catalog_column *column, uint64_t id)
{
    const struct catalog_table *target = catalog_table(change->catalog, column->references);
    struct catalog_text json = apply->before.json[column->number];
    bool exists;
    int rc = apply_reference_exists(apply, target, column, json, &exists);

    if (rc != 0 || exists)
        return rc;
    return refuse_row(apply, change, column, id, "refers to one that is not there");
}

static int check_row(struct apply *apply, const struct table_change *change, uint64_t id)
{
    for (int i = 0; i < change->now->column_count; i++) {
        const struct catalog_column *column = &change->now->columns[i];
        struct catalog_text json = apply->before.json[column->number];
        int rc = 0;

        if (column->is_dropped)
            continue;
        if (json.size == 0 && needs_value(change, column))
            return refuse_row(apply, change, column, id,
                              column_before(change, column) == NULL
                                  ? "is there already: a new column that is required needs a "
                                    "@default"
                                  : "has no value: the column cannot become required");
        if (json.size > 0 && needs_enum(change, column) && !value_is_good(column, json))
            return refuse_row(apply, change, column, id, "has a value that the enum no longer has");
        if (json.size > 0 && needs_reference(change, column))
            rc = check_row_reference(apply, change, column, id);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int index_row(struct apply *apply, const struct table_change *change, uint64_t id)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < change->now->index_count; i++) {
        const struct catalog_index *index = &change->now->indexes[i];

        if (!index_is_there(change->was, index->number))
            rc = apply_entry_put(apply, change->now, index, &apply->before, id);
    }
    return rc;
}

/* The row is in the index already, and so are those before it. */
static int check_row_uniques(struct apply *apply, const struct table_change *change, uint64_t id)
{
    for (int i = 0; i < change->now->column_count; i++) {
        const struct catalog_column *column = &change->now->columns[i];
        const struct apply_value value = {change->now, column, apply->before.json[column->number]};
        bool is_taken = false;
        int rc = 0;

        if (!column->is_dropped && value.json.size > 0 && needs_unique(change, column))
            rc = apply_unique_is_taken(apply, &value, id, &is_taken);
        if (rc == 0 && is_taken)
            rc = refuse_row(apply, change, column, id,
                            "has the same value as another: the column cannot become unique");
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* In a buffer of ours: entries are written while it is looked at. */
static int take_row(struct apply *apply, const struct table_change *change, const MDB_val *key,
                    const MDB_val *data, uint64_t *ret_id)
{
    struct row row = {.bytes = data->mv_size};
    int rc = apply_reserve(&apply->old_row, data->mv_size);

    if (rc != 0)
        return rc;
    memcpy(apply->old_row.bytes, data->mv_data, data->mv_size);
    row.value = apply->old_row.bytes;
    if (key->mv_size != ROW_KEY_BYTES || !row_is_sound(&row))
        return error_set(-EBADMSG, "a row of %.*s is damaged", (int)change->now->name.size,
                         change->now->name.bytes);
    row.id = row_key_id(key->mv_data, key->mv_size);
    row_pieces_of(&row, change->now, &apply->before);
    *ret_id = row.id;
    return 0;
}

/* --- all rows of a table -------------------------------------------------------------------- */

static int check_rows(struct apply *apply, const struct table_change *change, MDB_cursor *cursor)
{
    uint8_t first[ROW_KEY_BYTES];
    MDB_val key = val_of(first, sizeof first);
    MDB_val data;
    uint64_t id = 0;
    int rc;

    row_key_write(first, change->now->number, 0);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (rc == 0 && key.mv_size >= sizeof change->now->number &&
           memcmp(key.mv_data, first, sizeof change->now->number) == 0) {
        int result = take_row(apply, change, &key, &data, &id);

        if (result == 0 && change->has_checks)
            result = check_row(apply, change, id);
        if (result == 0 && change->has_new_indexes)
            result = index_row(apply, change, id);
        if (result == 0 && change->has_uniques)
            result = check_row_uniques(apply, change, id);
        if (result != 0)
            return result;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : error_lmdb(rc, "reading rows");
}

static int check_table(struct apply *apply, struct table_change *change)
{
    MDB_cursor *cursor = NULL;
    int rc;

    find_changes(change);
    if (change->was == NULL)
        return 0;
    if (!change->has_checks && !change->has_new_indexes && !change->has_uniques)
        return 0;
    rc = mdb_cursor_open(apply->txn, apply->store->db.row, &cursor);
    if (rc != 0)
        return error_lmdb(rc, "opening rows");
    rc = check_rows(apply, change, cursor);
    mdb_cursor_close(cursor);
    return rc;
}

static int check_tables(struct apply *apply, const struct catalog *catalog)
{
    for (int i = 0; i < catalog->table_count; i++) {
        struct table_change change = {
            .now = &catalog->tables[i],
            .was = catalog_table(apply->current, catalog->tables[i].number),
            .catalog = catalog,
        };
        int rc;

        if (change.now->is_dropped)
            continue;
        rc = check_table(apply, &change);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- indexes that are gone ------------------------------------------------------------------ */

static int clear_index(struct apply *apply, uint16_t number)
{
    const struct catalog_index index = {.number = number};
    const struct index_layout layout = {.index = &index};
    struct index_key prefix;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_open(apply->txn, apply->store->db.index, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the indexes");
    index_key_begin(&prefix, &layout);
    for (;;) {
        key = val_of(prefix.bytes, prefix.size);
        rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
        if (rc != 0 || key.mv_size < prefix.size ||
            memcmp(key.mv_data, prefix.bytes, prefix.size) != 0)
            break;
        rc = mdb_cursor_del(cursor, 0);
        if (rc != 0)
            break;
        TEST_POINT(SCHEMA_UNINDEXED);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : error_lmdb(rc, "clearing an index");
}

static int clear_indexes(struct apply *apply, const struct catalog *catalog)
{
    for (int i = 0; i < apply->current->table_count; i++) {
        const struct catalog_table *was = &apply->current->tables[i];
        const struct catalog_table *now = catalog_table(catalog, was->number);

        for (int j = 0; j < was->index_count; j++) {
            int rc = 0;

            if (!index_is_there(now, was->indexes[j].number))
                rc = clear_index(apply, was->indexes[j].number);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

/* --- the operation -------------------------------------------------------------------------- */

static int write_catalog(const struct apply *apply, const struct catalog *catalog)
{
    size_t bytes = catalog_encoded_bytes(catalog);
    uint8_t *encoded = malloc(bytes);
    MDB_val key = val_of(STORE_CATALOG_KEY, sizeof STORE_CATALOG_KEY - 1);
    MDB_val data = val_of(encoded, bytes);
    int rc;

    if (encoded == NULL)
        return error_lmdb(ENOMEM, "making room for the catalog");
    catalog_encode(catalog, encoded);
    rc = mdb_put(apply->txn, apply->store->db.meta, &key, &data, 0);
    free(encoded);
    TEST_POINT(SCHEMA_PUT);
    return rc == 0 ? 0 : error_lmdb(rc, "writing the catalog");
}

static int merge_schema(struct apply *apply, struct catalog_text encoded,
                        struct catalog **ret_catalog)
{
    char reason[CATALOG_REASON_BYTES] = "";
    struct catalog *wanted = NULL;
    int rc = catalog_decode(encoded.bytes, encoded.size, &wanted);

    if (rc == -EBADMSG)
        return apply_refuse(apply, "INTERNAL", "the schema's catalog is not sound");
    if (rc == 0)
        rc = catalog_merge(apply->current, wanted, ret_catalog, reason);
    catalog_free(wanted);
    if (rc == -EINVAL)
        return apply_refuse(apply, "BAD_USER_INPUT", "%s", reason);
    return rc == 0 ? 0 : error_lmdb(-rc, "merging the schema");
}

int apply_schema(struct apply *apply, struct catalog_text encoded, uint64_t version,
                 struct catalog **ret_catalog)
{
    struct catalog *catalog = NULL;
    int rc = merge_schema(apply, encoded, &catalog);

    if (rc != 0)
        return rc;
    CHECK(catalog != NULL);
    catalog->version = version;
    rc = clear_indexes(apply, catalog);
    if (rc == 0)
        rc = check_tables(apply, catalog);
    if (rc == 0)
        rc = write_catalog(apply, catalog);
    if (rc == 0)
        *ret_catalog = catalog;
    else
        catalog_free(catalog);
    return rc;
}
