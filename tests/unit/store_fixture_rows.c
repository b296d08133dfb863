#include "tests/unit/store_fixture_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "store/layout.h"
#include "store/log.h"
#include "store/row.h"
#include "store/row_key.h"

const struct rows_table rows_board[] = {
    {
        .name = "User",
        .columns = {{"name", .kind = COLUMN_STRING, .is_required = true},
                    {"createdAt", .kind = COLUMN_DATETIME, .is_required = true,
                     .now = COLUMN_NOW_CREATE}},
    },
    {
        .name = "Message",
        .columns = {{"authorId", .kind = COLUMN_INT, .is_required = true},
                    {"title", .kind = COLUMN_STRING},
                    {"content", .kind = COLUMN_STRING, .is_required = true},
                    {"metadata", .kind = COLUMN_JSON},
                    {"createdAt", .kind = COLUMN_DATETIME, .is_required = true,
                     .now = COLUMN_NOW_CREATE},
                    {"updatedAt", .kind = COLUMN_DATETIME, .is_required = true,
                     .now = COLUMN_NOW_WRITE}},
    },
    {
        .name = "Comment",
        .columns = {{"messageId", .kind = COLUMN_INT, .is_required = true, .references = "Message"},
                    {"content", .kind = COLUMN_STRING, .is_required = true},
                    {"reactions", .kind = COLUMN_JSON}},
        .indexes = {{.equal = {"messageId"}}},
    },
    {.name = NULL},
};

const struct rows_change rows_create_message = {
    .kind = COMMAND_CREATE,
    .table = "Message",
    .values = {{"authorId", "7"}, {"content", "\"hello\""}},
    .topics = {"messages"},
};

const struct rows_change rows_create_comment = {
    .kind = COMMAND_CREATE,
    .table = "Comment",
    .values = {{"messageId", "1"}, {"content", "\"yes\""}},
    .topics = {"comments:{messageId}"},
};

static struct catalog_text text_of(const char *text)
{
    return (struct catalog_text){.bytes = text, .size = text != NULL ? strlen(text) : 0};
}

/* --- schemas -------------------------------------------------------------------------------- */

static uint16_t table_number(const struct rows_table *tables, const char *name)
{
    for (uint16_t i = 0; name != NULL && tables[i].name != NULL; i++) {
        if (strcmp(tables[i].name, name) == 0)
            return (uint16_t)(i + 1);
    }
    return name == NULL ? 0 : UINT16_MAX; /* which no catalog takes */
}

static uint16_t column_number(const struct rows_table *table, const char *name)
{
    uint16_t number = 1;

    for (const struct rows_column *column = table->columns; column->name != NULL; column++) {
        if (strcmp(column->name, name) == 0)
            return number;
        number++;
    }
    return UINT16_MAX;
}

static void column_make(const struct rows_table *tables, const struct rows_column *from,
                        uint16_t number, struct catalog_column *to)
{
    *to = (struct catalog_column){
        .name = text_of(from->name),
        .default_json = text_of(from->default_json),
        .values = text_of(from->values),
        .number = number,
        .references = table_number(tables, from->references),
        .kind = (uint8_t)from->kind,
        .now = (uint8_t)from->now,
        .is_required = from->is_required,
        .is_unique = from->is_unique,
    };
}

static struct catalog_index index_make(const struct rows_table *table,
                                       const struct rows_index *from, uint16_t number)
{
    struct catalog_index index = {.number = number};

    for (int i = 0; i < 4 && from->equal[i] != NULL; i++)
        index.columns[index.equal_count++] = column_number(table, from->equal[i]);
    for (int i = 1; i < index.equal_count; i++) {
        CHECK(index.columns[i - 1] < index.columns[i]);
    }
    for (int i = 0; i < 2 && from->ordered[i] != NULL; i++)
        index.columns[index.equal_count + index.ordered_count++] =
            column_number(table, from->ordered[i]);
    return index;
}

struct schema {
    struct catalog catalog;
    struct catalog_table tables[ROWS_TABLES_MAX];
    struct catalog_column columns[ROWS_TABLES_MAX][ROWS_COLUMNS_MAX + 1];
    struct catalog_index indexes[ROWS_TABLES_MAX][ROWS_INDEXES_MAX];
};

static void table_make(struct schema *schema, const struct rows_table *tables, uint16_t place)
{
    const struct rows_table *from = &tables[place];
    struct catalog_table *table = &schema->tables[place];
    const struct rows_column id = {
        .name = "id",
        .kind = from->id_kind != 0 ? from->id_kind : COLUMN_INT,
        .is_required = true,
    };

    *table = (struct catalog_table){
        .name = text_of(from->name),
        .number = (uint16_t)(place + 1),
        .columns = schema->columns[place],
        .indexes = schema->indexes[place],
    };
    column_make(tables, &id, table->column_count, &table->columns[0]);
    table->column_count++;
    for (int i = 0; i < ROWS_COLUMNS_MAX && from->columns[i].name != NULL; i++) {
        column_make(tables, &from->columns[i], table->column_count,
                    &table->columns[table->column_count]);
        table->column_count++;
    }
    for (int i = 0; i < ROWS_INDEXES_MAX; i++) {
        const struct rows_index *index = &from->indexes[i];

        if (index->equal[0] == NULL && index->ordered[0] == NULL)
            break;
        table->indexes[i] = index_make(from, index, (uint16_t)schema->catalog.indexes_used++);
        table->index_count++;
    }
}

uint8_t *rows_catalog(const struct rows_table *tables, const char *sdl, size_t *ret_bytes)
{
    struct schema *schema = calloc(1, sizeof *schema);
    uint8_t *encoded;

    CHECK(schema != NULL);
    schema->catalog.tables = schema->tables;
    schema->catalog.sdl = text_of(sdl);
    while (tables[schema->catalog.table_count].name != NULL) {
        CHECK(schema->catalog.table_count < ROWS_TABLES_MAX);
        table_make(schema, tables, schema->catalog.table_count++);
    }
    schema->catalog.tables_used = schema->catalog.table_count;
    *ret_bytes = catalog_encoded_bytes(&schema->catalog);
    encoded = malloc(*ret_bytes);
    CHECK(encoded != NULL);
    catalog_encode(&schema->catalog, encoded);
    free(schema);
    return encoded;
}

void rows_add_command(struct store_fixture *fixture, const struct command *command)
{
    size_t bytes = command_encoded_bytes(command);
    uint8_t *payload = malloc(bytes);
    struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .flags = RECORD_URGENT,
        .payload = payload,
        .payload_bytes = bytes,
        .origin_slot = 3,
        .origin_generation = 9,
        .origin_request = 77,
    };

    CHECK(payload != NULL);
    command_encode(command, payload);
    (void)store_fixture_add(fixture, &spec);
    free(payload);
}

void rows_add_schema(struct store_fixture *fixture, const struct rows_table *tables)
{
    struct command command = {.kind = COMMAND_SCHEMA};
    size_t bytes;
    uint8_t *catalog = rows_catalog(tables, "type Query", &bytes);

    command.catalog = (struct catalog_text){(const char *)catalog, bytes};
    rows_add_command(fixture, &command);
    free(catalog);
}

void rows_set_schema(struct store_fixture *fixture, const struct rows_table *tables)
{
    struct record record;

    rows_add_schema(fixture, tables);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, fixture->meta.committed_seq);
    if ((record.flags & RECORD_FAILED) != 0)
        fail_msg("%.*s", (int)record.payload_bytes, record.payload);
    assert_int_equal(record.payload_bytes, 4);
    assert_memory_equal(record.payload, "null", 4);
}

/* --- the catalog ---------------------------------------------------------------------------- */

const struct catalog *rows_current(struct store_fixture *fixture)
{
    bool was_open = fixture->store->is_snapshot_open;
    struct catalog *catalog = NULL;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(catalog_load(fixture->store, &catalog), 0);
    if (!was_open)
        store_snapshot_end(fixture->store);
    if (fixture->catalog != NULL && fixture->catalog->version == catalog->version) {
        catalog_free(catalog);
        return fixture->catalog;
    }
    catalog_free(fixture->catalog);
    fixture->catalog = catalog;
    return catalog;
}

const struct catalog_table *rows_table_of(struct store_fixture *fixture, const char *name)
{
    const struct catalog_table *table =
        catalog_find_table(rows_current(fixture), name, strlen(name));

    assert_non_null(table);
    return table;
}

const struct catalog_column *rows_column_of(const struct catalog_table *table, const char *name)
{
    const struct catalog_column *column = catalog_find_column(table, name, strlen(name));

    assert_non_null(column);
    return column;
}

const struct catalog_index *rows_index_of(const struct catalog_table *table,
                                          const struct rows_index *like)
{
    struct catalog_index wanted = {.number = 0};
    const struct catalog_index *index;

    for (int i = 0; i < 4 && like->equal[i] != NULL; i++)
        wanted.columns[wanted.equal_count++] = rows_column_of(table, like->equal[i])->number;
    for (int i = 0; i < 2 && like->ordered[i] != NULL; i++)
        wanted.columns[wanted.equal_count + wanted.ordered_count++] =
            rows_column_of(table, like->ordered[i])->number;
    index = catalog_find_index(table, &wanted);
    assert_non_null(index);
    return index;
}

/* --- changes -------------------------------------------------------------------------------- */

static uint16_t values_make(const struct catalog_table *table, const struct rows_value *from,
                            size_t count, struct command_value *to)
{
    uint16_t used = 0;

    for (size_t i = 0; i < count && from[i].column != NULL; i++)
        to[used++] = (struct command_value){
            .column = rows_column_of(table, from[i].column)->number,
            .json = text_of(from[i].json),
        };
    return used;
}

static struct command_topic topic_make(const struct catalog_table *table, const char *template,
                                       struct command_part parts[COMMAND_PARTS_MAX])
{
    struct command_topic topic = {.parts = parts};

    while (*template != '\0') {
        struct command_part *part = &parts[topic.count++];
        const char *end = strchr(template, *template == '{' ? '}' : '{');

        CHECK(topic.count <= COMMAND_PARTS_MAX);
        part->is_column = *template == '{';
        if (part->is_column) {
            part->column =
                catalog_find_column(table, template + 1, (size_t)(end - template - 1))->number;
            template = end + 1;
            continue;
        }
        part->literal.bytes = template;
        part->literal.size = end != NULL ? (size_t)(end - template) : strlen(template);
        template += part->literal.size;
    }
    return topic;
}

void rows_add(struct store_fixture *fixture, const struct rows_change *change)
{
    const struct catalog_table *table = rows_table_of(fixture, change->table);
    struct command_value values[8];
    struct command_value conditions[4];
    struct command_topic topics[8];
    struct command_part parts[8][COMMAND_PARTS_MAX] = {0};
    struct command command = {
        .kind = change->kind,
        .version = fixture->catalog->version,
        .table = table->number,
        .id = change->id,
        .values = values,
        .conditions = conditions,
        .topics = topics,
    };

    command.value_count = values_make(table, change->values, 8, values);
    command.condition_count = values_make(table, change->conditions, 4, conditions);
    for (int i = 0; i < 8 && change->topics[i] != NULL; i++)
        topics[command.topic_count++] = topic_make(table, change->topics[i], parts[i]);
    rows_add_command(fixture, &command);
}

struct record rows_record(struct store_fixture *fixture, uint64_t seq)
{
    struct record record;

    assert_int_equal(store_snapshot_begin(fixture->store, seq), 0);
    assert_int_equal(log_record_at(fixture->store, seq, &record), 0);
    assert_int_equal(record.seq, seq);
    return record;
}

const char *rows_run(struct store_fixture *fixture, const struct rows_change *change)
{
    static char text[4096];
    struct record record;

    rows_add(fixture, change);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, fixture->meta.committed_seq);
    (void)snprintf(text, sizeof text, "%.*s", (int)record.payload_bytes, record.payload);
    store_snapshot_end(fixture->store);
    return text;
}

void rows_expect_failure(struct store_fixture *fixture, const struct rows_change *change,
                         const char *code, const char *words)
{
    const char *payload = rows_run(fixture, change);
    struct record record = rows_record(fixture, fixture->meta.committed_seq);
    char begin[64];

    assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED | RECORD_FAILED);
    assert_int_equal(record.topic_count, 0);
    assert_int_equal(record.table, 0);
    (void)snprintf(begin, sizeof begin, "{\"code\":\"%s\",\"message\":\"", code);
    if (strncmp(payload, begin, strlen(begin)) != 0 || strstr(payload, words) == NULL)
        fail_msg("%s", payload);
    store_snapshot_end(fixture->store);
}

const char *rows_topics(const struct record *record)
{
    static char text[RECORD_TOPICS_MAX * (RECORD_TOPIC_BYTES_MAX + 1) + 1];
    struct record_topic topic;
    size_t offset = 0;
    size_t used = 0;

    text[0] = '\0';
    while (record_topic_next(record, &offset, &topic))
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", used > 0 ? " " : "",
                                 (int)topic.bytes, topic.name);
    return text;
}

/* --- setup, expectations ---------------------------------------------------------------------- */

int rows_setup(void **state)
{
    int rc = store_fixture_setup(state);

    if (rc == 0)
        rows_set_schema(*state, rows_board);
    return rc;
}

int rows_teardown(void **state)
{
    struct store_fixture *fixture = *state;

    store_snapshot_end(fixture->store);
    store_fixture_check_whole(fixture->store);
    return store_fixture_teardown(state);
}

void rows_expect(struct store_fixture *fixture, const char *table_name, uint64_t id,
                 const char *column_name, const char *json)
{
    const struct catalog_table *table = rows_table_of(fixture, table_name);
    struct catalog_text value;
    struct row row;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(rows_get(fixture->store, table, id, &row), 0);
    assert_int_equal(row.id, id);
    value = row_column(&row, rows_column_of(table, column_name));
    if (json == NULL) {
        assert_int_equal(value.size, 0);
    } else {
        assert_int_equal(value.size, strlen(json));
        assert_memory_equal(value.bytes, json, value.size);
    }
    store_snapshot_end(fixture->store);
}

void rows_expect_none(struct store_fixture *fixture, const char *table_name, uint64_t id)
{
    const struct catalog_table *table = rows_table_of(fixture, table_name);
    struct row row;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(rows_get(fixture->store, table, id, &row), -ENOENT);
    store_snapshot_end(fixture->store);
}

/* --- the check ------------------------------------------------------------------------------ */

struct rows_walk {
    struct store *store;
    struct catalog *catalog;
    uint64_t entry_count; /* that the rows call for */
};

static void entries_check(struct rows_walk *walk, const struct catalog_table *table,
                          const struct row *row)
{
    struct row_pieces pieces;

    row_pieces_of(row, table, &pieces);
    for (int i = 0; i < table->index_count; i++) {
        struct index_layout layout;
        struct index_key key;
        MDB_val name;
        MDB_val data;

        index_layout_make(table, &table->indexes[i], &layout);
        index_key_begin(&key, &layout);
        for (unsigned j = 0; j < layout.count; j++)
            index_key_add(&key, &layout, j, pieces.json[layout.columns[j]->number]);
        index_key_add_id(&key, row->id);
        name = val_of(key.bytes, key.size);
        assert_int_equal(mdb_get(walk->store->snapshot, walk->store->db.index, &name, &data), 0);
        assert_int_equal(data.mv_size, 0);
        walk->entry_count++;
    }
}

static void row_check(struct rows_walk *walk, const MDB_val *key, const MDB_val *data)
{
    struct row row = {.value = data->mv_data, .bytes = data->mv_size};
    uint8_t counter_name[4] = {'i', 'd', 0, 0};
    MDB_val counter_key = val_of(counter_name, sizeof counter_name);
    MDB_val counter_data;
    const struct catalog_table *table;
    uint64_t last_id;

    assert_int_equal(key->mv_size, ROW_KEY_BYTES);
    row.id = row_key_id(key->mv_data, key->mv_size);
    memcpy(counter_name + 2, key->mv_data, 2);
    table = catalog_table(walk->catalog, (uint16_t)(counter_name[2] << 8 | counter_name[3]));
    assert_non_null(table);
    assert_true(row_is_sound(&row));
    assert_int_equal(
        mdb_get(walk->store->snapshot, walk->store->db.meta, &counter_key, &counter_data), 0);
    assert_int_equal(counter_data.mv_size, sizeof last_id);
    memcpy(&last_id, counter_data.mv_data, sizeof last_id);
    assert_true(row.id >= 1 && row.id <= last_id);
    entries_check(walk, table, &row);
}

void store_fixture_check_rows(struct store *store)
{
    struct rows_walk walk = {.store = store};
    MDB_cursor *cursor = NULL;
    MDB_stat stat;
    MDB_val key;
    MDB_val data;
    int rc;

    assert_int_equal(catalog_load(store, &walk.catalog), 0);
    assert_int_equal(mdb_cursor_open(store->snapshot, store->db.row, &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0)
        row_check(&walk, &key, &data);
    assert_int_equal(rc, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_stat(store->snapshot, store->db.index, &stat), 0);
    assert_int_equal(stat.ms_entries, walk.entry_count);
    catalog_free(walk.catalog);
}
