/* What becomes of a store's catalog under another schema. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "store/catalog.h"
#include "store/value.h"

/* The catalog in the making: its arrays lie in one block, as large as both catalogs together. */
struct merge {
    const struct catalog *old;
    const struct catalog *wanted;
    struct catalog merged;
    void *block;
    struct catalog_column *columns; /* where the next table's go */
    struct catalog_index *indexes;
    uint16_t *numbers; /* lasting ones, beside the wanted tables */
    char *reason;
};

/* Dropped ones too: what comes back is what it was. */
static const struct catalog_table *table_of_name(const struct catalog *catalog,
                                                 struct catalog_text name)
{
    for (int i = 0; i < catalog->table_count; i++) {
        if (catalog_text_is_equal(catalog->tables[i].name, name))
            return &catalog->tables[i];
    }
    return NULL;
}

static const struct catalog_column *column_of_name(const struct catalog_table *table,
                                                   struct catalog_text name)
{
    for (int i = 0; table != NULL && i < table->column_count; i++) {
        if (catalog_text_is_equal(table->columns[i].name, name))
            return &table->columns[i];
    }
    return NULL;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct merge *merge, const char *format,
                                                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* A name that does not fit is cut; the reason is for people. */
    (void)vsnprintf(merge->reason, CATALOG_REASON_BYTES, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* --- numbers -------------------------------------------------------------------------------- */

static int merge_begin(struct merge *merge)
{
    size_t table_count = (size_t)merge->old->table_count + merge->wanted->table_count;
    size_t column_count = 0;
    size_t index_count = 0;
    const struct catalog *catalogs[] = {merge->old, merge->wanted};
    uint8_t *block;

    for (int c = 0; c < 2; c++) {
        for (int i = 0; i < catalogs[c]->table_count; i++) {
            column_count += catalogs[c]->tables[i].column_count;
            index_count += catalogs[c]->tables[i].index_count;
        }
    }
    block =
        calloc(1, 1 + table_count * sizeof *merge->merged.tables +
                      column_count * sizeof *merge->columns + index_count * sizeof *merge->indexes +
                      merge->wanted->table_count * sizeof *merge->numbers);
    if (block == NULL)
        return -ENOMEM;
    merge->block = block;
    merge->merged = (struct catalog){
        .version = merge->old->version,
        .tables = merge->block,
        .tables_used = merge->old->tables_used,
        .indexes_used = merge->old->indexes_used,
        .sdl = merge->wanted->sdl,
    };
    merge->columns = (struct catalog_column *)(merge->merged.tables + table_count);
    merge->indexes = (struct catalog_index *)(merge->columns + column_count);
    merge->numbers = (uint16_t *)(merge->indexes + index_count);
    return 0;
}

static int number_tables(struct merge *merge)
{
    for (int i = 0; i < merge->wanted->table_count; i++) {
        struct catalog_text name = merge->wanted->tables[i].name;
        const struct catalog_table *old = table_of_name(merge->old, name);

        if (old != NULL) {
            merge->numbers[i] = old->number;
            continue;
        }
        if (merge->merged.tables_used == CATALOG_NUMBERS_MAX)
            return refuse(merge, "%.*s: a store has room for %d tables in all its time",
                          (int)name.size, name.bytes, CATALOG_NUMBERS_MAX);
        merge->numbers[i] = ++merge->merged.tables_used;
    }
    return 0;
}

/* The lasting number of the wanted table with the number @wanted; 0 is 0: none. */
static uint16_t table_number(const struct merge *merge, uint16_t wanted)
{
    for (int i = 0; wanted != 0 && i < merge->wanted->table_count; i++) {
        if (merge->wanted->tables[i].number == wanted)
            return merge->numbers[i];
    }
    return 0;
}

/* --- columns -------------------------------------------------------------------------------- */

/*
 * What there is keeps its number and kind. A row's pieces stand in the order of these numbers, so
 * what is gone stays as a dropped column, behind.
 */
static int merge_columns(struct merge *merge, const struct catalog_table *old,
                         const struct catalog_table *wanted, struct catalog_table *table)
{
    uint16_t used = old != NULL ? old->column_count : 0;

    table->columns = merge->columns;
    for (int i = 0; i < wanted->column_count; i++) {
        const struct catalog_column *now = &wanted->columns[i];
        const struct catalog_column *was = column_of_name(old, now->name);
        struct catalog_column *column = merge->columns++;

        *column = *now;
        column->references = table_number(merge, now->references);
        column->number = was != NULL ? was->number : used++;
        table->column_count++;
        if (now->number == wanted->id_column)
            table->id_column = column->number;
        if (was != NULL && was->kind != now->kind)
            return refuse(merge, "%.*s.%.*s: was %s, cannot become %s", (int)wanted->name.size,
                          wanted->name.bytes, (int)now->name.size, now->name.bytes,
                          value_kind_name(was->kind), value_kind_name(now->kind));
    }
    for (int i = 0; old != NULL && i < old->column_count; i++) {
        struct catalog_column *column;

        if (column_of_name(wanted, old->columns[i].name) != NULL)
            continue;
        column = merge->columns++;
        *column = old->columns[i];
        column->is_dropped = true;
        column->is_required = false;
        column->is_unique = false;
        column->references = 0;
        column->now = COLUMN_NOW_NEVER;
        table->column_count++;
    }
    if (table->column_count > CATALOG_COLUMNS_MAX)
        return refuse(merge, "%.*s: a table has room for %d columns, dropped ones included",
                      (int)wanted->name.size, wanted->name.bytes, CATALOG_COLUMNS_MAX);
    return 0;
}

/* --- indexes -------------------------------------------------------------------------------- */

/* The wanted index with lasting numbers, the equal columns in their order. */
static struct catalog_index index_translate(const struct catalog_table *wanted,
                                            const struct catalog_table *table,
                                            const struct catalog_index *index)
{
    struct catalog_index translated = *index;
    int count = index->equal_count + index->ordered_count;

    for (int i = 0; i < count; i++) {
        const struct catalog_column *column = catalog_column(wanted, index->columns[i]);

        translated.columns[i] = column_of_name(table, column->name)->number;
    }
    for (int i = 1; i < index->equal_count; i++) {
        for (int j = i; j > 0 && translated.columns[j - 1] > translated.columns[j]; j--) {
            uint16_t number = translated.columns[j];

            translated.columns[j] = translated.columns[j - 1];
            translated.columns[j - 1] = number;
        }
    }
    return translated;
}

/* An index of a column whose default changes is made anew: rows that are older than the column have
   other values now. */
static bool index_is_good_still(const struct catalog_table *old, const struct catalog_table *table,
                                const struct catalog_index *index)
{
    for (int i = 0; i < index->equal_count + index->ordered_count; i++) {
        const struct catalog_column *was = catalog_column(old, index->columns[i]);
        const struct catalog_column *now = catalog_column(table, index->columns[i]);

        if (!catalog_text_is_equal(was->default_json, now->default_json))
            return false;
    }
    return true;
}

static void merge_old_indexes(struct merge *merge, const struct catalog_table *old,
                              const struct catalog_table *wanted, struct catalog_table *table)
{
    for (int i = 0; i < old->index_count; i++) {
        if (!index_is_good_still(old, table, &old->indexes[i]))
            continue;
        for (int j = 0; j < wanted->index_count; j++) {
            struct catalog_index now = index_translate(wanted, table, &wanted->indexes[j]);
            struct catalog_table just_it = {.indexes = &old->indexes[i], .index_count = 1};

            if (catalog_find_index(&just_it, &now) == NULL)
                continue;
            *merge->indexes++ = old->indexes[i];
            table->index_count++;
            break;
        }
    }
}

static int merge_indexes(struct merge *merge, const struct catalog_table *old,
                         const struct catalog_table *wanted, struct catalog_table *table)
{
    table->indexes = merge->indexes;
    if (old != NULL)
        merge_old_indexes(merge, old, wanted, table);
    for (int j = 0; j < wanted->index_count; j++) {
        struct catalog_index now = index_translate(wanted, table, &wanted->indexes[j]);

        if (catalog_find_index(table, &now) != NULL)
            continue;
        if (merge->merged.indexes_used == CATALOG_NUMBERS_MAX)
            return refuse(merge, "%.*s: a store has room for %d indexes in all its time",
                          (int)wanted->name.size, wanted->name.bytes, CATALOG_NUMBERS_MAX);
        now.number = (uint16_t)merge->merged.indexes_used++;
        *merge->indexes++ = now;
        table->index_count++;
    }
    return 0;
}

/* --- tables --------------------------------------------------------------------------------- */

static int merge_table(struct merge *merge, const struct catalog_table *old,
                       const struct catalog_table *wanted, uint16_t number)
{
    struct catalog_table *table = &merge->merged.tables[merge->merged.table_count++];
    int rc;

    table->name = wanted->name;
    table->number = number;
    rc = merge_columns(merge, old, wanted, table);
    return rc == 0 ? merge_indexes(merge, old, wanted, table) : rc;
}

/* Rows stay, index entries go. */
static void drop_table(struct merge *merge, const struct catalog_table *old)
{
    struct catalog_table *table = &merge->merged.tables[merge->merged.table_count++];

    *table = *old;
    table->is_dropped = true;
    table->indexes = merge->indexes;
    table->index_count = 0;
}

static int merge_tables(struct merge *merge)
{
    int rc = number_tables(merge);

    for (int i = 0; rc == 0 && i < merge->old->table_count; i++) {
        const struct catalog_table *old = &merge->old->tables[i];
        const struct catalog_table *wanted = table_of_name(merge->wanted, old->name);

        if (wanted != NULL)
            rc = merge_table(merge, old, wanted, old->number);
        else
            drop_table(merge, old);
    }
    for (int i = 0; rc == 0 && i < merge->wanted->table_count; i++) {
        const struct catalog_table *wanted = &merge->wanted->tables[i];

        if (table_of_name(merge->old, wanted->name) == NULL)
            rc = merge_table(merge, NULL, wanted, merge->numbers[i]);
    }
    if (rc == 0 && merge->merged.table_count > CATALOG_TABLES_MAX)
        rc = refuse(merge, "a store has room for %d tables, dropped ones included",
                    CATALOG_TABLES_MAX);
    return rc;
}

int catalog_copy(const struct catalog *catalog, struct catalog **ret_copy)
{
    size_t bytes = catalog_encoded_bytes(catalog);
    uint8_t *encoded = malloc(bytes);
    int rc;

    if (encoded == NULL)
        return -ENOMEM;
    catalog_encode(catalog, encoded);
    rc = catalog_decode(encoded, bytes, ret_copy);
    free(encoded);
    return rc;
}

int catalog_merge(const struct catalog *catalog, const struct catalog *wanted,
                  struct catalog **ret_merged, char reason[CATALOG_REASON_BYTES])
{
    struct merge merge = {.old = catalog, .wanted = wanted, .reason = reason};
    int rc = merge_begin(&merge);

    if (rc == 0)
        rc = merge_tables(&merge);
    if (rc == 0)
        rc = catalog_copy(&merge.merged, ret_merged);
    if (rc == -EBADMSG)
        rc = refuse(&merge, "the schema's catalog is not sound");
    free(merge.block);
    return rc;
}

/* --- sameness ------------------------------------------------------------------------------- */

static bool bytes_are_equal(const struct catalog *a, const struct catalog *b)
{
    size_t size = catalog_encoded_bytes(a);
    uint8_t *bytes;
    bool is_equal;

    if (catalog_encoded_bytes(b) != size)
        return false;
    bytes = malloc(2 * size);
    if (bytes == NULL)
        return false;
    catalog_encode(a, bytes);
    catalog_encode(b, bytes + size);
    is_equal = memcmp(bytes, bytes + size, size) == 0;
    free(bytes);
    return is_equal;
}

bool catalog_is_same(const struct catalog *catalog, const struct catalog *wanted)
{
    char reason[CATALOG_REASON_BYTES];
    struct catalog *merged = NULL;
    bool is_same;

    /* It is the same if it changes nothing. */
    if (catalog_merge(catalog, wanted, &merged, reason) != 0)
        return false;
    CHECK(merged != NULL);
    merged->sdl = catalog->sdl;
    is_same = bytes_are_equal(catalog, merged);
    catalog_free(merged);
    return is_same;
}
