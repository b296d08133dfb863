#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/log.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    OPERATIONS = 400, /* of the log that is applied several times */
};

static const struct rows_table plain[] = {
    {
        .name = "Message",
        .columns = {{"title", .kind = COLUMN_STRING},
                    {"count", .kind = COLUMN_INT},
                    {"state", .kind = COLUMN_ENUM, .values = "OPEN,DONE"}},
    },
    {.name = NULL},
};

static void create(struct store_fixture *fixture, const char *column, const char *json)
{
    const struct rows_change change = {
        .kind = COMMAND_CREATE, .table = "Message", .values = {{column, json}}};

    (void)rows_run(fixture, &change);
    assert_false((rows_record(fixture, fixture->meta.committed_seq).flags & RECORD_FAILED) != 0);
    store_snapshot_end(fixture->store);
}

/* The try says so, the operation fails with the same words, and nothing has changed. */
static void expect_refusal(struct store_fixture *fixture, const struct rows_table *tables,
                           const char *reason)
{
    size_t bytes;
    uint8_t *encoded = rows_catalog(tables, "type Query", &bytes);
    uint64_t version = rows_current(fixture)->version;
    bool is_changed = false;
    struct record record;

    assert_int_equal(commit_schema_try(fixture->store, encoded, bytes, &is_changed), -EINVAL);
    assert_true(is_changed);
    assert_string_equal(store_error_text(), reason);
    free(encoded);
    rows_add_schema(fixture, tables);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, fixture->meta.committed_seq);
    assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED | RECORD_FAILED);
    assert_non_null(memmem(record.payload, record.payload_bytes, reason, strlen(reason)));
    store_snapshot_end(fixture->store);
    assert_int_equal(rows_current(fixture)->version, version);
    store_fixture_check_whole(fixture->store);
}

static void expect_change(struct store_fixture *fixture, const struct rows_table *tables,
                          bool expected)
{
    size_t bytes;
    uint8_t *encoded = rows_catalog(tables, "type Query", &bytes);
    bool is_changed = !expected;

    assert_int_equal(commit_schema_try(fixture->store, encoded, bytes, &is_changed), 0);
    assert_int_equal(is_changed, expected);
    free(encoded);
}

static struct catalog_text column_of(struct store_fixture *fixture, uint64_t id, const char *name)
{
    const struct catalog_table *table = rows_table_of(fixture, "Message");
    struct row row;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(rows_get(fixture->store, table, id, &row), 0);
    return row_column(&row, rows_column_of(table, name));
}

static void expect_column(struct store_fixture *fixture, uint64_t id, const char *name,
                          const char *json)
{
    struct catalog_text value = column_of(fixture, id, name);

    assert_int_equal(value.size, strlen(json));
    assert_memory_equal(value.bytes, json, value.size);
    store_snapshot_end(fixture->store);
}

struct ids {
    uint64_t ids[16];
    size_t count;
};

static bool on_row(void *user, const struct row *row)
{
    struct ids *ids = user;

    assert_true(ids->count < 16);
    ids->ids[ids->count++] = row->id;
    return true;
}

static struct ids list(struct store_fixture *fixture, const struct rows_index *index,
                       const char *equal)
{
    const struct catalog_table *table = rows_table_of(fixture, "Message");
    struct rows_query query = {.table = table, .index = rows_index_of(table, index), .limit = 16};
    struct ids ids = {.count = 0};

    if (equal != NULL)
        query.equal[0] = (struct catalog_text){equal, strlen(equal)};
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(rows_list(fixture->store, &query, on_row, &ids), 0);
    store_snapshot_end(fixture->store);
    return ids;
}

/* --- what works ----------------------------------------------------------------------------- */

static void the_first_schema_is_an_operation_with_its_seq_as_version(void **state)
{
    struct store_fixture *fixture = *state;
    const struct catalog *catalog;
    struct record record;

    store_fixture_commit_event(fixture, "news", 10);
    assert_int_equal(rows_current(fixture)->version, 0);
    assert_int_equal(rows_current(fixture)->table_count, 0);
    expect_change(fixture, plain, true);
    assert_int_equal(rows_current(fixture)->version, 0); /* a try is undone */
    rows_set_schema(fixture, plain);
    record = rows_record(fixture, 2);
    assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED);
    assert_int_equal(record.topic_count, 0);
    assert_int_equal(record.table, 0);
    store_snapshot_end(fixture->store);
    catalog = rows_current(fixture);
    assert_int_equal(catalog->version, 2);
    assert_memory_equal(catalog->sdl.bytes, "type Query", 10);
    expect_change(fixture, plain, false);
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(rows_current(fixture)->version, 2);
    expect_change(fixture, plain, false);
}

static void another_text_of_the_same_schema_is_a_change(void **state)
{
    struct store_fixture *fixture = *state;
    bool is_changed = false;
    size_t bytes;
    uint8_t *encoded;

    rows_set_schema(fixture, plain);
    encoded = rows_catalog(plain, "type Query # with a comment", &bytes);
    assert_int_equal(commit_schema_try(fixture->store, encoded, bytes, &is_changed), 0);
    assert_true(is_changed);
    assert_int_equal(commit_schema_try(fixture->store, encoded, bytes - 1, &is_changed), -EINVAL);
    free(encoded);
}

static void a_new_column_reads_as_null_or_its_default(void **state)
{
    static const struct rows_table wider[] = {
        {
            .name = "Message",
            .columns = {{"count", .kind = COLUMN_INT},
                        {"extra", .kind = COLUMN_JSON},
                        {"rank", .kind = COLUMN_FLOAT, .is_required = true, .default_json = "2.5"},
                        {"title", .kind = COLUMN_STRING},
                        {"state", .kind = COLUMN_ENUM, .values = "OPEN,DONE"}},
            .indexes = {{.ordered = {"rank"}}, {.equal = {"rank"}}, {.equal = {"title"}}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;
    struct rows_change update = {
        .kind = COMMAND_UPDATE, .table = "Message", .id = 1, .values = {{"count", "7"}}};
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "Message", .id = 2};
    struct ids ids;

    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"first\"");
    create(fixture, "title", "\"second\"");
    rows_set_schema(fixture, wider);
    expect_column(fixture, 1, "extra", "");
    expect_column(fixture, 1, "rank", "2.5");
    expect_column(fixture, 1, "title", "\"first\"");
    ids = list(fixture, &wider[0].indexes[1], "2.5");
    assert_int_equal(ids.count, 2);
    ids = list(fixture, &wider[0].indexes[2], "\"second\"");
    assert_int_equal(ids.count, 1);
    assert_int_equal(ids.ids[0], 2);

    /* The row's JSON has the new schema's order; writing it fixes what it has read as. */
    assert_string_equal(rows_run(fixture, &update),
                        "{\"id\":1,\"count\":7,\"extra\":null,\"rank\":2.5,"
                        "\"title\":\"first\",\"state\":null}");
    update.values[0] = (struct rows_value){"rank", "-1"};
    (void)rows_run(fixture, &update);
    ids = list(fixture, &wider[0].indexes[0], NULL);
    assert_int_equal(ids.count, 2);
    assert_int_equal(ids.ids[0], 1);
    (void)rows_run(fixture, &delete);
    ids = list(fixture, &wider[0].indexes[0], NULL);
    assert_int_equal(ids.count, 1);
}

static void another_default_is_that_of_rows_without_a_value_too(void **state)
{
    struct rows_table tables[2] = {
        {
            .name = "Message",
            .columns = {{"title", .kind = COLUMN_STRING},
                        {"rank", .kind = COLUMN_INT, .default_json = "1"}},
            .indexes = {{.equal = {"rank"}}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"old\"");
    rows_set_schema(fixture, tables);
    create(fixture, "title", "\"new\"");
    assert_int_equal(list(fixture, &tables[0].indexes[0], "1").count, 2);
    tables[0].columns[1].default_json = "5";
    rows_set_schema(fixture, tables);
    expect_column(fixture, 1, "rank", "5"); /* never had one of its own */
    expect_column(fixture, 2, "rank", "1");
    assert_int_equal(list(fixture, &tables[0].indexes[0], "1").count, 1);
    assert_int_equal(list(fixture, &tables[0].indexes[0], "5").count, 1);
}

static void what_is_dropped_stays_in_rows_and_comes_back(void **state)
{
    static const struct rows_table bare[] = {
        {.name = "Message", .columns = {{"count", .kind = COLUMN_INT}}}, {.name = NULL}};
    static const struct rows_table none[] = {{.name = "Other"}, {.name = NULL}};
    struct store_fixture *fixture = *state;
    const struct rows_change touch = {
        .kind = COMMAND_UPDATE, .table = "Message", .id = 1, .values = {{"count", "3"}}};

    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"kept\"");
    rows_set_schema(fixture, bare);
    assert_string_equal(rows_run(fixture, &touch), "{\"id\":1,\"count\":3}");
    create(fixture, "count", "1");
    rows_set_schema(fixture, none);
    rows_set_schema(fixture, plain);
    expect_column(fixture, 1, "title", "\"kept\"");
    expect_column(fixture, 1, "count", "3");
    expect_column(fixture, 2, "title", "");
    create(fixture, "count", "2"); /* ids go on */
    expect_column(fixture, 3, "count", "2");
}

static void an_index_that_is_gone_takes_its_entries_with_it(void **state)
{
    static const struct rows_table indexed[] = {
        {
            .name = "Message",
            .columns = {{"title", .kind = COLUMN_STRING},
                        {"count", .kind = COLUMN_INT},
                        {"state", .kind = COLUMN_ENUM, .values = "OPEN,DONE"}},
            .indexes = {{.equal = {"title"}}, {.equal = {"count"}}, {.ordered = {"count"}}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;
    MDB_stat stat;

    rows_set_schema(fixture, indexed);
    for (int i = 0; i < 300; i++)
        rows_add(fixture, &(struct rows_change){.kind = COMMAND_CREATE, .table = "Message"});
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    rows_set_schema(fixture, plain);
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(mdb_stat(fixture->store->snapshot, fixture->store->db.index, &stat), 0);
    assert_int_equal(stat.ms_entries, 0);
}

/* --- what rows stand against ---------------------------------------------------------------- */

static void a_required_column_needs_values(void **state)
{
    struct rows_table tables[2] = {
        {
            .name = "Message",
            .columns = {{"title", .kind = COLUMN_STRING},
                        {"count", .kind = COLUMN_INT},
                        {"state", .kind = COLUMN_ENUM, .values = "OPEN,DONE"},
                        {"must", .kind = COLUMN_INT, .is_required = true}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    rows_set_schema(fixture, tables); /* of a table without rows anything goes */
    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"x\"");
    create(fixture, "count", "1");
    expect_refusal(fixture, tables,
                   "Message.must: row 1 has no value: the column cannot become "
                   "required");
    tables[0].columns[3].name = "never";
    expect_refusal(fixture, tables,
                   "Message.never: row 1 is there already: a new column that is required needs a "
                   "@default");
    tables[0].columns[3] = (struct rows_column){.name = NULL};
    tables[0].columns[0].is_required = true;
    expect_refusal(fixture, tables,
                   "Message.title: row 2 has no value: the column cannot become required");
    tables[0].columns[0].default_json = "\"t\""; /* of rows that are too short only */
    expect_refusal(fixture, tables,
                   "Message.title: row 2 has no value: the column cannot become required");
}

static void a_default_cannot_go_from_under_a_required_column(void **state)
{
    struct rows_table tables[2] = {
        {
            .name = "Message",
            .columns = {{"title", .kind = COLUMN_STRING},
                        {"must", .kind = COLUMN_INT, .is_required = true, .default_json = "1"}},
        },
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"x\"");
    rows_set_schema(fixture, tables);
    tables[0].columns[1].default_json = NULL;
    expect_refusal(fixture, tables,
                   "Message.must: row 1 has no value: the column cannot become required");
}

static void what_is_there_twice_cannot_become_unique(void **state)
{
    struct rows_table tables[2] = {
        {
            .name = "Message",
            .columns = {{"title", .kind = COLUMN_STRING, .is_unique = true},
                        {"count", .kind = COLUMN_INT}},
            .indexes = {{.ordered = {"title"}}},
        },
        {.name = NULL},
    };
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "Message", .id = 1};
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    create(fixture, "title", "\"x\"");
    create(fixture, "title", "\"y\"");
    create(fixture, "count", "1");
    create(fixture, "count", "1"); /* nulls do not count */
    create(fixture, "title", "\"x\"");
    expect_refusal(fixture, tables,
                   "Message.title: row 5 has the same value as another: the column cannot become "
                   "unique");
    /* Of an index that was there before too. */
    tables[0].columns[0].is_unique = false;
    rows_set_schema(fixture, tables);
    tables[0].columns[0].is_unique = true;
    expect_refusal(fixture, tables,
                   "Message.title: row 1 has the same value as another: the column cannot become "
                   "unique");
    (void)rows_run(fixture, &delete);
    rows_set_schema(fixture, tables);
}

static void what_refers_to_nothing_cannot_become_a_reference(void **state)
{
    struct rows_table tables[3] = {
        {.name = "Message", .columns = {{"count", .kind = COLUMN_INT, .references = "Message"}}},
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    create(fixture, "count", "1"); /* itself */
    create(fixture, "title", "\"none\"");
    rows_set_schema(fixture, tables);
    rows_set_schema(fixture, plain);
    create(fixture, "count", "9");
    expect_refusal(fixture, tables, "Message.count: row 3 refers to one that is not there");
    tables[0].columns[0].references = "Other";
    tables[1] = (struct rows_table){.name = "Other"};
    tables[2] = (struct rows_table){.name = NULL};
    expect_refusal(fixture, tables, "Message.count: row 1 refers to one that is not there");
}

static void a_name_that_is_in_use_cannot_leave_its_enum(void **state)
{
    struct rows_table tables[2] = {
        {.name = "Message", .columns = {{"state", .kind = COLUMN_ENUM, .values = "OPEN,NEW"}}},
        {.name = NULL},
    };
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    create(fixture, "state", "\"OPEN\"");
    create(fixture, "title", "\"x\"");
    rows_set_schema(fixture, tables);
    rows_set_schema(fixture, plain);
    create(fixture, "state", "\"DONE\"");
    expect_refusal(fixture, tables, "Message.state: row 3 has a value that the enum no longer has");
}

static void a_kind_cannot_change(void **state)
{
    static const struct rows_table tables[] = {
        {.name = "Message", .columns = {{"title", .kind = COLUMN_INT}}}, {.name = NULL}};
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, plain);
    expect_refusal(fixture, tables, "Message.title: was String, cannot become Int");
}

/* --- one log, one state --------------------------------------------------------------------- */

/* The board with unique names, and columns that come and go. */
static void variant_make(struct rows_table tables[3], unsigned variant)
{
    memset(tables, 0, 3 * sizeof tables[0]);
    tables[0] = (struct rows_table){
        .name = "User",
        .columns = {{"name", .kind = COLUMN_STRING, .is_unique = true},
                    {"at", .kind = COLUMN_DATETIME, .now = COLUMN_NOW_WRITE}},
        .indexes = {{.ordered = {"name"}}, {.ordered = {"at"}}},
    };
    tables[1] = (struct rows_table){
        .name = "Note",
        .columns = {{"userId", .kind = COLUMN_INT, .references = "User"},
                    {"text", .kind = COLUMN_STRING},
                    {"rank", .kind = COLUMN_FLOAT, .default_json = "0.5"}},
        .indexes = {{.equal = {"userId"}, .ordered = {"rank"}}, {.equal = {"text"}}},
    };
    if ((variant & 1) != 0)
        tables[1].columns[3] =
            (struct rows_column){.name = "more", .kind = COLUMN_INT, .default_json = "4"};
    if ((variant & 2) != 0)
        tables[1].indexes[1] = (struct rows_index){.ordered = {"text", "rank"}};
    if ((variant & 4) != 0)
        tables[1].columns[2].default_json = "7";
    if ((variant & 8) != 0)
        tables[1].columns[1].is_required = true; /* refused while a note has no text */
}

static const char *random_text(uint64_t *random)
{
    static const char *const texts[] = {"\"a\"", "\"b\"",   "\"\\u0000\"", "\"c\\n\"",
                                        NULL,    "\"ann\"", "\"bob\"",     "bad"};

    return texts[store_fixture_random(random) / 7 % 8];
}

/* A change of a user or a note; what it names is often not there. */
static void random_change(struct store_fixture *fixture, uint64_t *random)
{
    static const char *const numbers[] = {"1", "2", "3", "900", NULL};
    struct rows_change change = {
        .kind = (enum command_kind)(store_fixture_random(random) / 7 % 3 + 1),
        .table = store_fixture_random(random) / 7 % 2 == 0 ? "User" : "Note",
        .id = store_fixture_random(random) / 7 % 40,
    };

    if (store_fixture_random(random) / 7 % 3 != 0)
        change.kind = COMMAND_CREATE;
    if (strcmp(change.table, "User") == 0) {
        change.values[0] = (struct rows_value){"name", random_text(random)};
        change.topics[0] = "users";
        change.topics[1] = "user:{name}";
    } else {
        change.values[0] =
            (struct rows_value){"userId", numbers[store_fixture_random(random) / 7 % 5]};
        change.values[1] = (struct rows_value){"text", random_text(random)};
        change.topics[0] = "notes:{userId}";
        if (store_fixture_random(random) / 7 % 4 == 0)
            change.conditions[0] = (struct rows_value){"rank", "0.50"};
    }
    rows_add(fixture, &change);
}

/* One log as the ring would hold it. */
static size_t log_make(uint8_t *records)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    uint64_t random = 20260131;
    size_t bytes = 0;

    assert_int_equal(store_fixture_open(fixture), 0);
    for (int i = 0; i < OPERATIONS; i++) {
        uint64_t choice = store_fixture_random(&random) / 7 % 100;
        struct rows_table tables[3];

        if (i == 0 || choice < 3) {
            variant_make(tables, (unsigned)(store_fixture_random(&random) / 7 % 16));
            rows_add_schema(fixture, tables);
        } else if (choice < 20) {
            (void)store_fixture_add_event(fixture, choice < 10 ? "news" : "users", choice * 30);
        } else {
            random_change(fixture, &random);
        }
        fixture->time_ns += 1700;
        memcpy(records + bytes, fixture->batch, fixture->batch_bytes);
        bytes += fixture->batch_bytes;
        assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
    return bytes;
}

/* Commits the same log in pieces of up to @pieces operations; some writers die in between. */
static struct store_fixture *log_apply(const uint8_t *records, size_t bytes, uint64_t pieces,
                                       uint64_t *random)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    size_t done = 0;

    assert_int_equal(store_fixture_open(fixture), 0);
    while (done < bytes) {
        size_t end = done;
        struct record record;

        for (uint64_t count = store_fixture_random(random) / 7 % pieces + 1;
             count > 0 && end < bytes; count--) {
            assert_int_equal(record_decode(records + end, bytes - end, &record), RECORD_OK);
            end += record.length;
        }
        memcpy(fixture->batch, records + done, end - done);
        fixture->batch_bytes = end - done;
        assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
        done = end;
        if (store_fixture_random(random) / 7 % 20 == 0) {
            store_fixture_close(fixture);
            assert_int_equal(store_fixture_open(fixture), 0);
        }
    }
    store_fixture_check_whole(fixture->store);
    return fixture;
}

static void databases_compare(const struct store *a, MDB_dbi a_dbi, const struct store *b,
                              MDB_dbi b_dbi, const char *but)
{
    MDB_cursor *cursors[2] = {NULL, NULL};
    MDB_val keys[2];
    MDB_val datas[2];
    int rc;

    assert_int_equal(mdb_cursor_open(a->snapshot, a_dbi, &cursors[0]), 0);
    assert_int_equal(mdb_cursor_open(b->snapshot, b_dbi, &cursors[1]), 0);
    while ((rc = mdb_cursor_get(cursors[0], &keys[0], &datas[0], MDB_NEXT)) == 0) {
        assert_int_equal(mdb_cursor_get(cursors[1], &keys[1], &datas[1], MDB_NEXT), 0);
        assert_int_equal(keys[0].mv_size, keys[1].mv_size);
        assert_memory_equal(keys[0].mv_data, keys[1].mv_data, keys[0].mv_size);
        if (but != NULL && keys[0].mv_size == strlen(but) &&
            memcmp(keys[0].mv_data, but, strlen(but)) == 0)
            continue;
        assert_int_equal(datas[0].mv_size, datas[1].mv_size);
        assert_memory_equal(datas[0].mv_data, datas[1].mv_data, datas[0].mv_size);
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    assert_int_equal(mdb_cursor_get(cursors[1], &keys[1], &datas[1], MDB_NEXT), MDB_NOTFOUND);
    mdb_cursor_close(cursors[0]);
    mdb_cursor_close(cursors[1]);
}

/* Blocks depend on how the log was cut into commits; records do not. */
static void records_compare(struct store *a, struct store *b, uint64_t count)
{
    for (uint64_t seq = 1; seq <= count; seq++) {
        struct record records[2];

        assert_int_equal(log_record_at(a, seq, &records[0]), 0);
        assert_int_equal(log_record_at(b, seq, &records[1]), 0);
        assert_int_equal(records[0].length, records[1].length);
        assert_memory_equal(records[0].topics - sizeof(struct record_head),
                            records[1].topics - sizeof(struct record_head), records[0].length);
    }
}

static void the_same_log_gives_the_same_bytes_however_it_is_cut(void **state)
{
    static const uint64_t pieces[] = {1, 30, OPERATIONS};
    uint8_t *records = malloc(STORE_FIXTURE_BATCH_BYTES);
    struct store_fixture *first = NULL;
    uint64_t random = 8;
    uint64_t failed = 0;
    size_t bytes;

    (void)state;
    assert_non_null(records);
    bytes = log_make(records);
    for (int i = 0; i < 3; i++) {
        struct store_fixture *fixture = log_apply(records, bytes, pieces[i], &random);
        struct store *store = fixture->store;

        assert_int_equal(fixture->meta.committed_seq, OPERATIONS);
        if (first == NULL) {
            first = fixture;
            continue;
        }
        assert_int_equal(store_snapshot_begin(first->store, 0), 0);
        assert_int_equal(store_snapshot_begin(store, 0), 0);
        databases_compare(first->store, first->store->db.row, store, store->db.row, NULL);
        databases_compare(first->store, first->store->db.index, store, store->db.index, NULL);
        /* The catalog and the last ids; each store has a number of its own in its state. */
        databases_compare(first->store, first->store->db.meta, store, store->db.meta, "state");
        records_compare(first->store, store, OPERATIONS);
        store_fixture_free(fixture);
    }
    for (uint64_t seq = 1; seq <= OPERATIONS; seq++)
        failed += (rows_record(first, seq).flags & RECORD_FAILED) != 0;
    assert_true(failed > 40 && failed < 300); /* both kinds are there */
    store_snapshot_end(first->store);
    store_fixture_free(first);
    free(records);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, rows_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_first_schema_is_an_operation_with_its_seq_as_version),
        STORE_TEST(another_text_of_the_same_schema_is_a_change),
        STORE_TEST(a_new_column_reads_as_null_or_its_default),
        STORE_TEST(another_default_is_that_of_rows_without_a_value_too),
        STORE_TEST(what_is_dropped_stays_in_rows_and_comes_back),
        STORE_TEST(an_index_that_is_gone_takes_its_entries_with_it),
        STORE_TEST(a_required_column_needs_values),
        STORE_TEST(a_default_cannot_go_from_under_a_required_column),
        STORE_TEST(what_is_there_twice_cannot_become_unique),
        STORE_TEST(what_refers_to_nothing_cannot_become_a_reference),
        STORE_TEST(a_name_that_is_in_use_cannot_leave_its_enum),
        STORE_TEST(a_kind_cannot_change),
        cmocka_unit_test(the_same_log_gives_the_same_bytes_however_it_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
