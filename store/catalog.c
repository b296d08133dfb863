#include "store/catalog.h"

#include <errno.h>
#include <string.h>

#include "store/error.h"
#include "store/layout.h"

/* --- questions ------------------------------------------------------------------------------ */

static bool text_is(struct catalog_text text, const char *name, size_t bytes)
{
    return catalog_text_is_equal(text, (struct catalog_text){name, bytes});
}

const struct catalog_table *catalog_find_table(const struct catalog *catalog, const char *name,
                                               size_t bytes)
{
    for (int i = 0; i < catalog->table_count; i++) {
        if (!catalog->tables[i].is_dropped && text_is(catalog->tables[i].name, name, bytes))
            return &catalog->tables[i];
    }
    return NULL;
}

const struct catalog_table *catalog_table(const struct catalog *catalog, uint16_t number)
{
    for (int i = 0; i < catalog->table_count; i++) {
        if (catalog->tables[i].number == number)
            return &catalog->tables[i];
    }
    return NULL;
}

const struct catalog_column *catalog_find_column(const struct catalog_table *table,
                                                 const char *name, size_t bytes)
{
    for (int i = 0; i < table->column_count; i++) {
        if (!table->columns[i].is_dropped && text_is(table->columns[i].name, name, bytes))
            return &table->columns[i];
    }
    return NULL;
}

const struct catalog_column *catalog_column(const struct catalog_table *table, uint16_t number)
{
    for (int i = 0; i < table->column_count; i++) {
        if (table->columns[i].number == number)
            return &table->columns[i];
    }
    return NULL;
}

static bool has_column(const uint16_t *columns, int count, uint16_t number)
{
    for (int i = 0; i < count; i++) {
        if (columns[i] == number)
            return true;
    }
    return false;
}

static bool index_is_like(const struct catalog_index *index, const struct catalog_index *like)
{
    if (index->equal_count != like->equal_count || index->ordered_count != like->ordered_count)
        return false;
    for (int i = 0; i < index->equal_count; i++) {
        if (!has_column(like->columns, like->equal_count, index->columns[i]))
            return false;
    }
    return memcmp(index->columns + index->equal_count, like->columns + like->equal_count,
                  index->ordered_count * sizeof index->columns[0]) == 0;
}

const struct catalog_index *catalog_find_index(const struct catalog_table *table,
                                               const struct catalog_index *like)
{
    for (int i = 0; i < table->index_count; i++) {
        if (index_is_like(&table->indexes[i], like))
            return &table->indexes[i];
    }
    return NULL;
}

const struct catalog_index *catalog_unique_index(const struct catalog_table *table, uint16_t column)
{
    for (int i = 0; i < table->index_count; i++) {
        const struct catalog_index *index = &table->indexes[i];

        if (index->equal_count + index->ordered_count == 1 && index->columns[0] == column)
            return index;
    }
    return NULL;
}

int catalog_load(struct store *store, struct catalog **ret_catalog)
{
    store_check(store);
    CHECK(store->is_snapshot_open);
    return catalog_read(store, store->snapshot, ret_catalog);
}

int catalog_read(const struct store *store, MDB_txn *txn, struct catalog **ret_catalog)
{
    static const struct catalog empty = {.version = 0};
    MDB_val key = val_of(STORE_CATALOG_KEY, sizeof STORE_CATALOG_KEY - 1);
    MDB_val data;
    int rc = mdb_get(txn, store->db.meta, &key, &data);

    if (rc == MDB_NOTFOUND)
        return catalog_copy(&empty, ret_catalog);
    if (rc != 0)
        return error_lmdb(rc, "reading the catalog");
    rc = catalog_decode(data.mv_data, data.mv_size, ret_catalog);
    if (rc == -EBADMSG)
        return error_set(rc, "the store's catalog is damaged");
    return rc == 0 ? 0 : error_lmdb(-rc, "reading the catalog");
}
