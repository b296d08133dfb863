#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/row_key.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    MODEL_ROWS_MAX = 500,
    MODEL_TEXT_BYTES = 1024,
    MODEL_COLUMNS = 6,
    QUERIES = 4000,
};

/* --- rows as the test sees them ------------------------------------------------------------- */

enum model_column_name { N, F, S, T, B, D };

static const struct rows_table tables[] = {
    {
        .name = "Thing",
        .columns = {{"n", .kind = COLUMN_INT},
                    {"f", .kind = COLUMN_FLOAT},
                    {"s", .kind = COLUMN_STRING},
                    {"t", .kind = COLUMN_STRING},
                    {"b", .kind = COLUMN_BOOLEAN},
                    {"d", .kind = COLUMN_DATETIME}},
        .indexes = {{.ordered = {"n"}},
                    {.ordered = {"f"}},
                    {.ordered = {"s"}},
                    {.ordered = {"d"}},
                    {.equal = {"b"}},
                    {.equal = {"t"}, .ordered = {"n"}},
                    {.equal = {"n", "b"}, .ordered = {"s"}},
                    {.equal = {"b"}, .ordered = {"s", "f"}},
                    {.ordered = {"n", "s"}},
                    {.equal = {"n", "f", "b"}},
                    {.equal = {"b"}, .ordered = {"d", "s"}}},
    },
    {.name = NULL},
};
static const char *const column_names[MODEL_COLUMNS] = {"n", "f", "s", "t", "b", "d"};

struct model_row {
    uint64_t id;
    bool is_deleted;
    bool has[MODEL_COLUMNS];
    int n;
    double f;
    char text[2][MODEL_TEXT_BYTES]; /* s and t, as they are */
    size_t bytes[2];
    bool b;
    int d;
};

static struct {
    struct model_row rows[MODEL_ROWS_MAX + 1]; /* by id */
    uint64_t count;
    uint64_t random;
} model;

static uint64_t random_below(uint64_t bound)
{
    return (store_fixture_random(&model.random) >> 20) % bound;
}

static int value_compare(const struct model_row *a, const struct model_row *b, int column)
{
    size_t text = column == T ? 1 : 0;
    size_t common;
    int order;

    if (!a->has[column] || !b->has[column])
        return (int)a->has[column] - (int)b->has[column];
    switch (column) {
    case N:
        return a->n < b->n ? -1 : a->n > b->n;
    case F:
        return a->f < b->f ? -1 : a->f > b->f;
    case B:
        return (int)a->b - (int)b->b;
    case D:
        return a->d < b->d ? -1 : a->d > b->d;
    default:
        break;
    }
    common = a->bytes[text] < b->bytes[text] ? a->bytes[text] : b->bytes[text];
    order = memcmp(a->text[text], b->text[text], common);
    if (order != 0)
        return order;
    return a->bytes[text] < b->bytes[text] ? -1 : a->bytes[text] > b->bytes[text];
}

/* Many begin alike, some for longer than a key has room. */
static size_t random_text(char *out)
{
    static const char *const pieces[] = {"a", "b", "\x01", "\"", "\\", "\xc3\xa4", "\x1f", "\n"};
    size_t used = 0;
    size_t count;

    if (random_below(3) == 0) {
        used = (size_t[]){40, 62, 120, 240, 489, 492, 500, 700}[random_below(8)];
        memset(out, 'x', used);
    }
    for (count = random_below(4); count > 0; count--) {
        const char *piece = pieces[random_below(8)];

        memcpy(out + used, piece, strlen(piece));
        used += strlen(piece);
    }
    if (random_below(8) == 0)
        out[used++] = '\0';
    return used;
}

static void random_row(struct model_row *row)
{
    uint64_t id = row->id;

    memset(row, 0, sizeof *row);
    row->id = id;
    for (int i = 0; i < MODEL_COLUMNS; i++)
        row->has[i] = random_below(6) != 0;
    row->n = (int)random_below(7) - 3;
    if (random_below(20) == 0)
        row->n = random_below(2) == 0 ? INT32_MIN : INT32_MAX;
    row->f = ((double)random_below(9) - 4) * (random_below(3) == 0 ? 1e300 : 0.25);
    row->bytes[0] = random_text(row->text[0]);
    row->bytes[1] = random_below(2) == 0 ? 1 : random_text(row->text[1]);
    if (row->bytes[1] == 1)
        row->text[1][0] = 'k';
    row->b = random_below(2) == 0;
    row->d = (int)random_below(30);
}

/* --- ... and as JSON ------------------------------------------------------------------------ */

static void quote(char *out, const char *text, size_t bytes)
{
    *out++ = '"';
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\')
            *out++ = '\\';
        if (c == '\n')
            out = stpcpy(out, "\\n");
        else if (c < 0x20)
            out += snprintf(out, 7, "\\u%04x", c);
        else
            *out++ = (char)c;
    }
    *out++ = '"';
    *out = '\0';
}

struct row_texts {
    char json[MODEL_COLUMNS][6 * MODEL_TEXT_BYTES];
};

static void row_texts_make(const struct model_row *row, struct row_texts *texts)
{
    (void)snprintf(texts->json[N], sizeof texts->json[N], "%d", row->n);
    (void)snprintf(texts->json[F], sizeof texts->json[F], "%.17g", row->f);
    quote(texts->json[S], row->text[0], row->bytes[0]);
    quote(texts->json[T], row->text[1], row->bytes[1]);
    (void)snprintf(texts->json[B], sizeof texts->json[B], "%s", row->b ? "true" : "false");
    (void)snprintf(texts->json[D], sizeof texts->json[D], "\"20%02d-01-%02dT0%d:00:00.%06dZ\"",
                   row->d / 3, row->d / 2 + 1, row->d % 3, row->d);
}

static void row_add(struct store_fixture *fixture, const struct model_row *row,
                    enum command_kind kind)
{
    struct row_texts *texts = malloc(sizeof *texts);
    struct rows_change change = {.kind = kind, .table = "Thing", .id = row->id};

    assert_non_null(texts);
    row_texts_make(row, texts);
    for (int i = 0; i < MODEL_COLUMNS && kind != COMMAND_DELETE; i++)
        change.values[i] =
            (struct rows_value){column_names[i], row->has[i] ? texts->json[i] : NULL};
    rows_add(fixture, &change);
    free(texts);
}

static void model_fill(struct store_fixture *fixture, uint64_t count)
{
    model.random = 4711;
    model.count = count;
    rows_set_schema(fixture, tables);
    for (uint64_t id = 1; id <= count; id++) {
        model.rows[id].id = id;
        random_row(&model.rows[id]);
        row_add(fixture, &model.rows[id], COMMAND_CREATE);
    }
    for (uint64_t i = 0; i < count / 2; i++) {
        struct model_row *row = &model.rows[random_below(count) + 1];

        if (row->is_deleted)
            continue;
        if (random_below(4) == 0) {
            row_add(fixture, row, COMMAND_DELETE);
            row->is_deleted = true;
        } else {
            random_row(row);
            row_add(fixture, row, COMMAND_UPDATE);
        }
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    store_fixture_check_whole(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
}

/* --- queries -------------------------------------------------------------------------------- */

struct model_query {
    const struct rows_index *index; /* NULL: all rows by id */
    int equal[4];                   /* columns */
    int equal_count;
    int ordered[2];
    int ordered_count;
    const struct model_row *equal_row; /* the values */
    const struct model_row *from_row;
    const struct model_row *to_row;
    int order; /* column; -1: the id */
};

static struct rows_query query;
static struct model_query asked;
static struct row_texts query_texts[3];

static int column_of(const char *name)
{
    for (int i = 0; i < MODEL_COLUMNS; i++) {
        if (strcmp(column_names[i], name) == 0)
            return i;
    }
    return -1;
}

static bool matches(const struct model_row *row)
{
    for (int i = 0; i < asked.equal_count; i++) {
        if (value_compare(row, asked.equal_row, asked.equal[i]) != 0)
            return false;
    }
    if (asked.from_row == NULL && asked.to_row == NULL)
        return true;
    if (!row->has[asked.ordered[0]])
        return false;
    if (asked.from_row != NULL) {
        int order = value_compare(row, asked.from_row, asked.ordered[0]);

        if (order < 0 || (order == 0 && !query.from.is_inclusive))
            return false;
    }
    if (asked.to_row != NULL) {
        int order = value_compare(row, asked.to_row, asked.ordered[0]);

        if (order > 0 || (order == 0 && !query.to.is_inclusive))
            return false;
    }
    return true;
}

static int order_compare(const void *a, const void *b)
{
    const struct model_row *first = &model.rows[*(const uint64_t *)a];
    const struct model_row *second = &model.rows[*(const uint64_t *)b];
    int order = asked.order >= 0 ? value_compare(first, second, asked.order) : 0;

    if (order == 0)
        order = first->id < second->id ? -1 : first->id > second->id;
    return query.is_desc ? -order : order;
}

static size_t expected_ids(uint64_t *ids)
{
    uint64_t found[MODEL_ROWS_MAX];
    uint64_t offset = query.offset;
    size_t count = 0;
    size_t used = 0;

    for (uint64_t id = 1; id <= model.count; id++) {
        const struct model_row *row = &model.rows[id];

        if (row->is_deleted || !matches(row))
            continue;
        if (!query.has_after || order_compare(&id, &query.after_id) > 0)
            found[count++] = id;
    }
    qsort(found, count, sizeof found[0], order_compare);
    for (size_t i = 0; i < count && used < query.limit; i++) {
        if (offset > 0)
            offset--;
        else
            ids[used++] = found[i];
    }
    return used;
}

struct got {
    uint64_t ids[MODEL_ROWS_MAX];
    size_t count;
    size_t stop_at;
};

static bool on_row(void *user, const struct row *row)
{
    struct got *got = user;

    assert_true(got->count < MODEL_ROWS_MAX);
    got->ids[got->count++] = row->id;
    return got->count != got->stop_at;
}

static void choose_index(const struct catalog_table *table)
{
    const struct rows_index *index = &tables[0].indexes[random_below(11)];

    asked.index = index;
    query.index = rows_index_of(table, index);
    for (int i = 0; i < 4 && index->equal[i] != NULL; i++)
        asked.equal[asked.equal_count++] = column_of(index->equal[i]);
    for (int i = 0; i < 2 && index->ordered[i] != NULL; i++)
        asked.ordered[asked.ordered_count++] = column_of(index->ordered[i]);
    asked.equal_row = &model.rows[random_below(model.count) + 1];
    row_texts_make(asked.equal_row, &query_texts[0]);
    /* The index has them by their numbers, which are in the order of the names here. */
    for (int i = 0; i < asked.equal_count; i++) {
        const char *json = query_texts[0].json[asked.equal[i]];

        if (asked.equal_row->has[asked.equal[i]])
            query.equal[i] = (struct catalog_text){json, strlen(json)};
    }
}

static const struct model_row *choose_bound(struct rows_bound *bound, struct row_texts *texts)
{
    const struct model_row *row = &model.rows[random_below(model.count) + 1];
    const char *json = texts->json[asked.ordered[0]];

    if (random_below(2) == 0 || !row->has[asked.ordered[0]])
        return NULL;
    row_texts_make(row, texts);
    bound->json = (struct catalog_text){json, strlen(json)};
    bound->is_inclusive = random_below(2) == 0;
    return row;
}

static void random_query(const struct catalog_table *table)
{
    memset(&query, 0, sizeof query);
    memset(&asked, 0, sizeof asked);
    query.table = table;
    asked.order = -1;
    if (random_below(12) != 0)
        choose_index(table);
    if (asked.ordered_count > 0) {
        asked.from_row = choose_bound(&query.from, &query_texts[1]);
        asked.to_row = choose_bound(&query.to, &query_texts[2]);
        query.is_by_range = random_below(2) == 0;
        if (query.is_by_range ||
            (asked.ordered_count == 1 && asked.from_row == NULL && asked.to_row == NULL))
            asked.order = asked.ordered[0];
        else if (asked.ordered_count == 2)
            asked.order = asked.ordered[1];
    }
    query.is_desc = random_below(2) == 0;
    query.limit = (uint32_t)random_below(30) + 1;
    query.offset = random_below(3) == 0 ? random_below(20) : 0;
    query.has_after = random_below(3) == 0;
    if (query.has_after)
        query.after_id = random_below(model.count) + 1;
}

static void lists_are_what_a_scan_would_find(void **state)
{
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    uint64_t ids[MODEL_ROWS_MAX];
    size_t given = 0;

    model_fill(fixture, MODEL_ROWS_MAX);
    table = rows_table_of(fixture, "Thing");
    for (int i = 0; i < QUERIES; i++) {
        struct got got = {.count = 0};
        int rc;

        random_query(table);
        rc = rows_list(fixture->store, &query, on_row, &got);
        if (query.has_after && model.rows[query.after_id].is_deleted) {
            assert_int_equal(rc, -ENOENT);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(expected_ids(ids), got.count);
        assert_memory_equal(ids, got.ids, got.count * sizeof ids[0]);
        given += got.count;
    }
    assert_true(given > QUERIES); /* the queries are of things that are there */
}

static void a_row_reads_as_it_was_written(void **state)
{
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    struct row_texts *texts = malloc(sizeof *texts);

    assert_non_null(texts);
    model_fill(fixture, 100);
    table = rows_table_of(fixture, "Thing");
    for (uint64_t id = 1; id <= 100; id++) {
        struct row row;
        int rc = rows_get(fixture->store, table, id, &row);

        if (model.rows[id].is_deleted) {
            assert_int_equal(rc, -ENOENT);
            continue;
        }
        assert_int_equal(rc, 0);
        row_texts_make(&model.rows[id], texts);
        for (int i = 0; i < MODEL_COLUMNS; i++) {
            struct catalog_text json = row_column(&row, rows_column_of(table, column_names[i]));

            assert_int_equal(json.size, model.rows[id].has[i] ? strlen(texts->json[i]) : 0);
            if (json.size > 0)
                assert_memory_equal(json.bytes, texts->json[i], json.size);
        }
    }
    free(texts);
}

static void a_list_ends_when_its_reader_has_enough(void **state)
{
    struct store_fixture *fixture = *state;

    model_fill(fixture, 50);
    for (int i = 0; i < 200; i++) {
        struct got whole = {.count = 0};
        struct got part = {.stop_at = 2};

        random_query(rows_table_of(fixture, "Thing"));
        query.has_after = false;
        assert_int_equal(rows_list(fixture->store, &query, on_row, &whole), 0);
        assert_int_equal(rows_list(fixture->store, &query, on_row, &part), 0);
        assert_int_equal(part.count, whole.count < 2 ? whole.count : 2);
        assert_memory_equal(part.ids, whole.ids, part.count * sizeof part.ids[0]);
    }
}

static void a_bound_that_is_none_of_its_type_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    struct got got = {.count = 0};

    model_fill(fixture, 5);
    table = rows_table_of(fixture, "Thing");
    query = (struct rows_query){
        .table = table,
        .index = rows_index_of(table, &tables[0].indexes[0]),
        .from = {.json = {"\"x\"", 3}},
        .limit = 1,
    };
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EINVAL);
    assert_non_null(strstr(store_error_text(), "Thing.n"));
    query.from = (struct rows_bound){.json = {NULL, 0}};
    query.to.json = (struct catalog_text){"1.5", 3};
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EINVAL);
    query = (struct rows_query){
        .table = table,
        .index = rows_index_of(table, &tables[0].indexes[4]),
        .equal = {{"1", 1}},
        .limit = 1,
    };
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EINVAL);
    assert_int_equal(got.count, 0);
}

/* --- bounds of the work --------------------------------------------------------------------- */

static bool count_row(void *user, const struct row *row)
{
    size_t *count = user;

    assert_true(row->bytes > 0);
    (*count)++;
    return true;
}

/* Rows without COMMANDs: of those this would take too long. */
static void rows_make(struct store_fixture *fixture, const struct catalog_table *table,
                      const struct catalog_index *index, uint64_t count)
{
    const uint8_t value[] = {3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, '1', '2', '3'};
    const struct catalog_text n = {"2", 1};
    const struct catalog_text m = {"3", 1};
    struct index_layout layout;
    MDB_txn *txn;

    index_layout_make(table, index, &layout);
    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    for (uint64_t id = 1; id <= count; id++) {
        uint8_t name[ROW_KEY_BYTES];
        MDB_val key = val_of(name, sizeof name);
        MDB_val data = val_of(value, sizeof value);
        struct index_key entry;

        row_key_write(name, table->number, id);
        assert_int_equal(mdb_put(txn, fixture->store->db.row, &key, &data, MDB_APPEND), 0);
        index_key_begin(&entry, &layout);
        index_key_add(&entry, &layout, 0, n);
        index_key_add(&entry, &layout, 1, m);
        index_key_add_id(&entry, id);
        key = val_of(entry.bytes, entry.size);
        data = val_of("", 0);
        assert_int_equal(mdb_put(txn, fixture->store->db.index, &key, &data, MDB_APPEND), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void a_list_passes_over_so_many_entries_and_no_more(void **state)
{
    const struct rows_table wide[] = {
        {
            .name = "T",
            .columns = {{"n", .kind = COLUMN_INT}, {"m", .kind = COLUMN_INT}},
            .indexes = {{.ordered = {"n", "m"}}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    size_t count = 0;

    rows_set_schema(fixture, wide);
    table = rows_table_of(fixture, "T");
    rows_make(fixture, table, &table->indexes[0], ROWS_PASSED_MAX + 100);
    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);

    query = (struct rows_query){.table = table, .limit = ROWS_PASSED_MAX + 50};
    assert_int_equal(rows_list(fixture->store, &query, count_row, &count), 0);
    assert_int_equal(count, ROWS_PASSED_MAX + 50); /* what is given is not passed over */
    query.limit = 1;
    query.offset = ROWS_PASSED_MAX;
    count = 0;
    assert_int_equal(rows_list(fixture->store, &query, count_row, &count), 0);
    assert_int_equal(count, 1);
    query.offset = ROWS_PASSED_MAX + 1;
    assert_int_equal(rows_list(fixture->store, &query, count_row, &count), -E2BIG);
    assert_non_null(strstr(store_error_text(), "passes over more than"));
    query.offset = 0;
    query.has_after = true;
    query.after_id = ROWS_PASSED_MAX + 1; /* a step, not a walk */
    assert_int_equal(rows_list(fixture->store, &query, count_row, &count), 0);
    query = (struct rows_query){.table = table, .index = &table->indexes[0], .limit = 1};
    assert_int_equal(rows_list(fixture->store, &query, count_row, &count), -E2BIG);
    store_snapshot_end(fixture->store);
}

/* --- damage --------------------------------------------------------------------------------- */

static void a_damaged_row_or_index_is_told(void **state)
{
    const struct rows_change create = {
        .kind = COMMAND_CREATE, .table = "Thing", .values = {{"n", "1"}}};
    const struct rows_change update = {
        .kind = COMMAND_UPDATE, .table = "Thing", .id = 1, .values = {{"n", "2"}}};
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    uint8_t name[ROW_KEY_BYTES];
    MDB_val key = val_of(name, sizeof name);
    MDB_val data = val_of("xyz", 3);
    struct got got = {.count = 0};
    struct row row;
    MDB_txn *txn;

    rows_set_schema(fixture, tables);
    (void)rows_run(fixture, &create);
    table = rows_table_of(fixture, "Thing");
    row_key_write(name, table->number, 1);
    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, fixture->store->db.row, &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(rows_get(fixture->store, table, 1, &row), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "row 1 of Thing is damaged"));
    query = (struct rows_query){.table = table, .limit = 1};
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EBADMSG);
    query.index = &table->indexes[0];
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EBADMSG);
    rows_add(fixture, &update);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -EBADMSG);

    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_del(txn, fixture->store->db.row, &key, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "row 1 of Thing is not there"));
    assert_int_equal(got.count, 0);
}

/* As if two texts had the same beginning and the same hash. */
static void entry_forge(struct store_fixture *fixture, const struct catalog_table *table,
                        const struct catalog_index *index, const char *json, uint64_t id)
{
    struct index_layout layout;
    struct index_key entry;
    MDB_val data = val_of("", 0);
    MDB_val key;
    MDB_txn *txn;

    index_layout_make(table, index, &layout);
    index_key_begin(&entry, &layout);
    index_key_add(&entry, &layout, 0, (struct catalog_text){json, strlen(json)});
    assert_true(entry.is_cut);
    index_key_add_id(&entry, id);
    key = val_of(entry.bytes, entry.size);
    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, fixture->store->db.index, &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_snapshot_end(fixture->store);
}

static void texts_that_share_a_hash_are_told_apart_by_their_rows(void **state)
{
    const struct rows_table unique[] = {
        {
            .name = "U",
            .columns = {{"name", .kind = COLUMN_STRING, .is_unique = true}},
            .indexes = {{.equal = {"name"}}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;
    const struct catalog_table *table;
    struct got got = {.count = 0};
    char first[800];
    char second[800];
    struct rows_change create = {.kind = COMMAND_CREATE, .table = "U"};

    memset(first, 'x', sizeof first);
    first[0] = '"';
    memcpy(first + sizeof first - 4, "a1\"", 4);
    memcpy(second, first, sizeof first);
    second[sizeof second - 4] = 'b';
    rows_set_schema(fixture, unique);
    table = rows_table_of(fixture, "U");
    create.values[0] = (struct rows_value){"name", first};
    (void)rows_run(fixture, &create);
    entry_forge(fixture, table, &table->indexes[0], second, 1);

    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    query = (struct rows_query){
        .table = table,
        .index = &table->indexes[0],
        .equal = {{second, sizeof second - 1}},
        .limit = 10,
    };
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), 0);
    assert_int_equal(got.count, 0);
    store_snapshot_end(fixture->store);
    create.values[0].json = second;
    assert_memory_equal(rows_run(fixture, &create), "{\"id\":2,", 8);
    rows_expect_failure(fixture, &create, "CONFLICT", "U.name");
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(rows_list(fixture->store, &query, on_row, &got), 0);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.ids[0], 2);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests_of_rows[] = {
        STORE_TEST(lists_are_what_a_scan_would_find),
        STORE_TEST(a_row_reads_as_it_was_written),
        STORE_TEST(a_list_ends_when_its_reader_has_enough),
        STORE_TEST(a_bound_that_is_none_of_its_type_is_refused),
        STORE_TEST(a_list_passes_over_so_many_entries_and_no_more),
        STORE_TEST(a_damaged_row_or_index_is_told),
        STORE_TEST(texts_that_share_a_hash_are_told_apart_by_their_rows),
    };

    return cmocka_run_group_tests(tests_of_rows, NULL, NULL);
}
