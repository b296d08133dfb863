/* The bytes of a catalog, and what must be true of one. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"
#include "store/catalog.h"
#include "store/code.h"
#include "store/value.h"

enum {
    CATALOG_FORMAT = 1,
    /* What one has encoded at least: an allocation is never much larger than what was given. */
    TABLE_BYTES_MIN = 4 + 1 + 2 + 1 + 2 + 2 + 2,
    COLUMN_BYTES_MIN = 4 + 1 + 4 + 4 + 2 + 2 + 1 + 1 + 1,
    INDEX_BYTES_MIN = 2 + 1 + 1 + 2,
};

enum column_flag {
    COLUMN_REQUIRED = 1,
    COLUMN_UNIQUE = 2,
    COLUMN_DROPPED = 4,
    COLUMN_FLAGS_ALL = 7,
};

/* All that a catalog points to lies behind it in one block. */
static_assert(sizeof(struct catalog) % _Alignof(struct catalog_table) == 0, "they follow it");
static_assert(sizeof(struct catalog_table) % _Alignof(struct catalog_column) == 0, "likewise");
static_assert(sizeof(struct catalog_column) % _Alignof(struct catalog_index) == 0, "likewise");

/* --- encoding ------------------------------------------------------------------------------- */

static void put_column(struct code_out *out, const struct catalog_column *column)
{
    unsigned flags = (column->is_required ? (unsigned)COLUMN_REQUIRED : 0U) |
                     (column->is_unique ? (unsigned)COLUMN_UNIQUE : 0U) |
                     (column->is_dropped ? (unsigned)COLUMN_DROPPED : 0U);

    code_put_text(out, column->name);
    code_put_text(out, column->default_json);
    code_put_text(out, column->values);
    code_put_u16(out, column->number);
    code_put_u16(out, column->references);
    code_put_u8(out, column->kind);
    code_put_u8(out, column->now);
    code_put_u8(out, (uint8_t)flags);
}

static void put_index(struct code_out *out, const struct catalog_index *index)
{
    code_put_u16(out, index->number);
    code_put_u8(out, index->equal_count);
    code_put_u8(out, index->ordered_count);
    for (int i = 0; i < index->equal_count + index->ordered_count; i++)
        code_put_u16(out, index->columns[i]);
}

static void put_table(struct code_out *out, const struct catalog_table *table)
{
    code_put_text(out, table->name);
    code_put_u16(out, table->number);
    code_put_u8(out, table->is_dropped ? 1 : 0);
    code_put_u16(out, table->id_column);
    code_put_u16(out, table->column_count);
    code_put_u16(out, table->index_count);
    for (int i = 0; i < table->column_count; i++)
        put_column(out, &table->columns[i]);
    for (int i = 0; i < table->index_count; i++)
        put_index(out, &table->indexes[i]);
}

static void put_catalog(struct code_out *out, const struct catalog *catalog)
{
    uint32_t column_count = 0;
    uint32_t index_count = 0;

    for (int i = 0; i < catalog->table_count; i++) {
        column_count += catalog->tables[i].column_count;
        index_count += catalog->tables[i].index_count;
    }
    code_put_u32(out, CATALOG_FORMAT);
    code_put_u32(out, catalog->indexes_used);
    code_put_u64(out, catalog->version);
    code_put_u16(out, catalog->tables_used);
    code_put_u16(out, catalog->table_count);
    code_put_u32(out, column_count);
    code_put_u32(out, index_count);
    for (int i = 0; i < catalog->table_count; i++)
        put_table(out, &catalog->tables[i]);
    code_put_text(out, catalog->sdl);
}

size_t catalog_encoded_bytes(const struct catalog *catalog)
{
    struct code_out out = {.start = NULL};

    put_catalog(&out, catalog);
    return out.bytes;
}

void catalog_encode(const struct catalog *catalog, uint8_t *out)
{
    struct code_out to = {.start = out};

    put_catalog(&to, catalog);
}

/* --- what must be true ---------------------------------------------------------------------- */

/* A set of numbers below 2^16: each may be taken once. */
struct numbers {
    uint64_t words[(UINT16_MAX + 1) / 64];
};

static bool number_take(struct numbers *numbers, uint16_t number)
{
    uint64_t bit = UINT64_C(1) << number % 64;

    if ((numbers->words[number / 64] & bit) != 0)
        return false;
    numbers->words[number / 64] |= bit;
    return true;
}

/* As GraphQL has them, so that one can stand in any message. */
static bool name_is_good(struct catalog_text name)
{
    if (name.size < 1 || name.size > CATALOG_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

/* Names with a comma between. */
static bool values_are_good(struct catalog_text values)
{
    size_t begin = 0;

    for (size_t i = 0; i <= values.size; i++) {
        if (i < values.size && values.bytes[i] != ',')
            continue;
        if (!name_is_good((struct catalog_text){values.bytes + begin, i - begin}))
            return false;
        begin = i + 1;
    }
    return true;
}

static bool kind_is_good(const struct catalog_column *column)
{
    if (column->kind < COLUMN_INT || column->kind > COLUMN_JSON)
        return false;
    if (column->kind == COLUMN_ENUM ? !values_are_good(column->values) : column->values.size > 0)
        return false;
    if (column->now > COLUMN_NOW_WRITE)
        return false;
    if (column->now != COLUMN_NOW_NEVER && column->kind != COLUMN_DATETIME)
        return false;
    if (column->is_unique && column->kind == COLUMN_JSON)
        return false;
    return column->references == 0 || column->kind == COLUMN_INT || column->kind == COLUMN_ID;
}

static bool column_is_good(const struct catalog *catalog, const struct catalog_table *table,
                           const struct catalog_column *column)
{
    bool is_id = column->number == table->id_column;

    if (!name_is_good(column->name) || !kind_is_good(column))
        return false;
    if (column->references != 0 && catalog_table(catalog, column->references) == NULL)
        return false;
    if (column->is_dropped && (column->is_required || column->is_unique ||
                               column->references != 0 || column->now != COLUMN_NOW_NEVER))
        return false;
    if (column->default_json.size > 0 && !value_is_good(column, column->default_json))
        return false;
    if (!is_id)
        return true;
    return (column->kind == COLUMN_INT || column->kind == COLUMN_ID) && column->is_required &&
           column->default_json.size == 0 && column->references == 0 && column->name.size == 2 &&
           memcmp(column->name.bytes, "id", 2) == 0;
}

static bool columns_are_good(const struct catalog *catalog, const struct catalog_table *table)
{
    struct numbers numbers = {.words = {0}};

    if (table->column_count > CATALOG_COLUMNS_MAX || table->id_column >= table->column_count)
        return false;
    for (int i = 0; i < table->column_count; i++) {
        const struct catalog_column *column = &table->columns[i];

        /* All below the count, none twice: the numbers are 0 to the count less one. */
        if (column->number >= table->column_count || !number_take(&numbers, column->number))
            return false;
        if (i > 0 && table->columns[i - 1].is_dropped && !column->is_dropped)
            return false;
        if (!column_is_good(catalog, table, column))
            return false;
        for (int j = 0; j < i; j++) {
            if (catalog_text_is_equal(table->columns[j].name, column->name))
                return false;
        }
    }
    return true;
}

static bool index_is_good(const struct catalog_table *table, const struct catalog_index *index)
{
    int count = index->equal_count + index->ordered_count;

    if (count < 1 || count > CATALOG_INDEX_COLUMNS_MAX || index->ordered_count > 2)
        return false;
    for (int i = 0; i < count; i++) {
        const struct catalog_column *column = catalog_column(table, index->columns[i]);

        if (column == NULL || column->is_dropped || column->kind == COLUMN_JSON)
            return false;
        if (column->number == table->id_column)
            return false;
        if (i > 0 && i < index->equal_count && index->columns[i - 1] > column->number)
            return false;
        for (int j = 0; j < i; j++) {
            if (index->columns[j] == column->number)
                return false;
        }
    }
    return true;
}

/* The id needs none: rows are found by it. */
static bool unique_has_index(const struct catalog_table *table, const struct catalog_column *column)
{
    return !column->is_unique || column->number == table->id_column ||
           catalog_unique_index(table, column->number) != NULL;
}

static bool table_is_good(const struct catalog *catalog, const struct catalog_table *table)
{
    if (!name_is_good(table->name) || table->number < 1 || table->number > catalog->tables_used)
        return false;
    if (!columns_are_good(catalog, table) || (table->is_dropped && table->index_count > 0))
        return false;
    if (catalog_column(table, table->id_column)->is_dropped)
        return false;
    for (int i = 0; i < table->index_count; i++) {
        if (table->indexes[i].number >= catalog->indexes_used)
            return false;
        if (!index_is_good(table, &table->indexes[i]))
            return false;
    }
    for (int i = 0; i < table->column_count && !table->is_dropped; i++) {
        if (!unique_has_index(table, &table->columns[i]))
            return false;
    }
    return true;
}

static bool catalog_is_good(const struct catalog *catalog)
{
    struct numbers tables = {.words = {0}};
    struct numbers indexes = {.words = {0}};

    for (int i = 0; i < catalog->table_count; i++) {
        const struct catalog_table *table = &catalog->tables[i];

        if (!table_is_good(catalog, table) || !number_take(&tables, table->number))
            return false;
        for (int j = 0; j < table->index_count; j++) {
            if (!number_take(&indexes, table->indexes[j].number))
                return false;
        }
        for (int j = 0; j < i; j++) {
            if (catalog_text_is_equal(catalog->tables[j].name, table->name))
                return false;
        }
    }
    return true;
}

/* --- decoding ------------------------------------------------------------------------------- */

/* What is left of the block behind a catalog. */
struct room {
    struct catalog_column *columns;
    struct catalog_index *indexes;
    uint32_t column_count;
    uint32_t index_count;
};

static void get_column(struct code_in *in, struct catalog_column *column)
{
    uint8_t flags;

    column->name = code_get_text(in, CATALOG_NAME_BYTES_MAX);
    column->default_json = code_get_text(in, CATALOG_TEXT_BYTES_MAX);
    column->values = code_get_text(in, CATALOG_TEXT_BYTES_MAX);
    column->number = code_get_u16(in);
    column->references = code_get_u16(in);
    column->kind = code_get_u8(in);
    column->now = code_get_u8(in);
    flags = code_get_u8(in);
    if (flags > COLUMN_FLAGS_ALL)
        in->is_bad = true;
    column->is_required = (flags & COLUMN_REQUIRED) != 0;
    column->is_unique = (flags & COLUMN_UNIQUE) != 0;
    column->is_dropped = (flags & COLUMN_DROPPED) != 0;
}

static void get_index(struct code_in *in, struct catalog_index *index)
{
    int count;

    index->number = code_get_u16(in);
    index->equal_count = code_get_u8(in);
    index->ordered_count = code_get_u8(in);
    count = index->equal_count + index->ordered_count;
    if (count > CATALOG_INDEX_COLUMNS_MAX)
        in->is_bad = true;
    for (int i = 0; i < count && !in->is_bad; i++)
        index->columns[i] = code_get_u16(in);
}

static void get_table(struct code_in *in, struct room *room, struct catalog_table *table)
{
    uint8_t is_dropped;

    table->name = code_get_text(in, CATALOG_NAME_BYTES_MAX);
    table->number = code_get_u16(in);
    is_dropped = code_get_u8(in);
    table->is_dropped = is_dropped == 1;
    table->id_column = code_get_u16(in);
    table->column_count = code_get_u16(in);
    table->index_count = code_get_u16(in);
    table->columns = room->columns;
    table->indexes = room->indexes;
    if (is_dropped > 1 || table->column_count > room->column_count ||
        table->index_count > room->index_count) {
        in->is_bad = true;
        return;
    }
    for (int i = 0; i < table->column_count; i++)
        get_column(in, room->columns++);
    for (int i = 0; i < table->index_count; i++)
        get_index(in, room->indexes++);
    room->column_count -= table->column_count;
    room->index_count -= table->index_count;
}

/* The counts that decide how large the block is. */
struct catalog_sizes {
    uint16_t table_count;
    uint32_t column_count;
    uint32_t index_count;
};

static bool get_head(struct code_in *in, struct catalog *catalog, struct catalog_sizes *sizes)
{
    if (code_get_u32(in) != CATALOG_FORMAT)
        return false;
    catalog->indexes_used = code_get_u32(in);
    catalog->version = code_get_u64(in);
    catalog->tables_used = code_get_u16(in);
    sizes->table_count = code_get_u16(in);
    sizes->column_count = code_get_u32(in);
    sizes->index_count = code_get_u32(in);
    if (in->is_bad || sizes->table_count > CATALOG_TABLES_MAX ||
        sizes->index_count > CATALOG_INDEXES_MAX || catalog->indexes_used > CATALOG_NUMBERS_MAX ||
        catalog->tables_used > CATALOG_NUMBERS_MAX)
        return false;
    return sizes->table_count <= in->left / TABLE_BYTES_MIN &&
           sizes->column_count <= in->left / COLUMN_BYTES_MIN &&
           sizes->index_count <= in->left / INDEX_BYTES_MIN;
}

int catalog_decode(const void *bytes, size_t size, struct catalog **ret_catalog)
{
    struct code_in in = {.at = bytes, .left = size};
    struct catalog head = {.version = 0};
    struct catalog_sizes sizes;
    struct catalog *catalog;
    struct room room;
    uint8_t *copy;

    if (!get_head(&in, &head, &sizes))
        return -EBADMSG;
    catalog = calloc(1, sizeof *catalog + sizes.table_count * sizeof *catalog->tables +
                            sizes.column_count * sizeof *room.columns +
                            sizes.index_count * sizeof *room.indexes + in.left);
    if (catalog == NULL)
        return -ENOMEM;
    *catalog = head;
    catalog->tables = (struct catalog_table *)(catalog + 1);
    catalog->table_count = sizes.table_count;
    room.columns = (struct catalog_column *)(catalog->tables + sizes.table_count);
    room.column_count = sizes.column_count;
    room.indexes = (struct catalog_index *)(room.columns + sizes.column_count);
    room.index_count = sizes.index_count;
    copy = (uint8_t *)(room.indexes + sizes.index_count);
    memcpy(copy, in.at, in.left);
    in.at = copy;

    for (int i = 0; i < catalog->table_count && !in.is_bad; i++)
        get_table(&in, &room, &catalog->tables[i]);
    catalog->sdl = code_get_text(&in, SIZE_MAX);
    if (in.is_bad || in.left > 0 || room.column_count > 0 || room.index_count > 0 ||
        !catalog_is_good(catalog)) {
        free(catalog);
        return -EBADMSG;
    }
    *ret_catalog = catalog;
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    free(catalog);
}
