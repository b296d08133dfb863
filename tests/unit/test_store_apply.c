#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/log.h"
#include "tests/unit/store_fixture_rows.h"

/* The fixture's operations are a nanosecond apart: to the microsecond all have this time. */
#define NOW "\"2023-11-14T22:13:20.000000Z\""

/* --- creating ------------------------------------------------------------------------------- */

static void a_created_row_and_its_event_are_one_record(void **state)
{
    struct store_fixture *fixture = *state;
    struct record record;
    struct log_topic info;

    assert_string_equal(rows_run(fixture, &rows_create_message),
                        "{\"id\":1,\"authorId\":7,\"title\":null,\"content\":\"hello\","
                        "\"metadata\":null,\"createdAt\":" NOW ",\"updatedAt\":" NOW "}");
    record = rows_record(fixture, 2);
    assert_int_equal(record.kind, RECORD_COMMAND);
    assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED);
    assert_int_equal(record.table, rows_table_of(fixture, "Message")->number);
    assert_string_equal(rows_topics(&record), "messages");
    assert_int_equal(record.origin_slot, 3);
    assert_int_equal(record.origin_generation, 9);
    assert_int_equal(record.origin_request, 77);
    assert_true(record_is_event(&record));
    assert_int_equal(log_topic_info(fixture->store, "messages", 8, &info), 0);
    assert_int_equal(info.oldest_seq, 2);
    assert_int_equal(info.last_seq, 2);
    rows_expect(fixture, "Message", 1, "content", "\"hello\"");
    rows_expect(fixture, "Message", 1, "id", "1");
    rows_expect(fixture, "Message", 1, "title", NULL);
}

static void ids_are_1_2_3_per_type_and_a_failure_takes_none(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change bad = rows_create_message;
    struct record record;

    bad.values[1].column = NULL;
    for (int i = 0; i < 3; i++) {
        rows_add(fixture, &rows_create_message);
        rows_add(fixture, &bad);
        rows_add(fixture, &rows_create_comment);
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    for (uint64_t i = 0; i < 3; i++) {
        char begin[16];

        (void)snprintf(begin, sizeof begin, "{\"id\":%d,", (int)i + 1);
        record = rows_record(fixture, 2 + 3 * i);
        assert_memory_equal(record.payload, begin, strlen(begin));
        record = rows_record(fixture, 3 + 3 * i);
        assert_true((record.flags & RECORD_FAILED) != 0);
        record = rows_record(fixture, 4 + 3 * i);
        assert_memory_equal(record.payload, begin, strlen(begin));
    }
}

static void ids_go_on_after_a_restart_and_after_deletes(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "Message", .id = 1};

    (void)rows_run(fixture, &rows_create_message);
    (void)rows_run(fixture, &delete);
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_non_null(strstr(rows_run(fixture, &rows_create_message), "{\"id\":2,"));
}

static void an_id_of_kind_id_is_a_string(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_table tables[] = {
        {.name = "Order", .id_kind = COLUMN_ID, .columns = {{"note", .kind = COLUMN_STRING}}},
        {.name = "Fill", .columns = {{"orderId", .kind = COLUMN_ID, .references = "Order"}}},
        {.name = NULL},
    };
    const struct rows_change order = {
        .kind = COMMAND_CREATE, .table = "Order", .topics = {"order:{id}"}};
    struct rows_change fill = {
        .kind = COMMAND_CREATE, .table = "Fill", .values = {{"orderId", "\"1\""}}};
    struct record record;

    rows_set_schema(fixture, tables);
    assert_string_equal(rows_run(fixture, &order), "{\"id\":\"1\",\"note\":null}");
    record = rows_record(fixture, fixture->meta.committed_seq);
    assert_string_equal(rows_topics(&record), "order:1");
    assert_string_equal(rows_run(fixture, &fill), "{\"id\":1,\"orderId\":\"1\"}");
    fill.values[0].json = "\"01\"";
    rows_expect_failure(fixture, &fill, "NOT_FOUND", "Fill.orderId: there is no Order");
    fill.values[0].json = "\"\"";
    rows_expect_failure(fixture, &fill, "NOT_FOUND", "Fill.orderId");
    fill.values[0].json = "\"99999999999999999999\"";
    rows_expect_failure(fixture, &fill, "NOT_FOUND", "Fill.orderId");
}

/* Sets the last id of a table, as if so many rows had been made. */
static void set_counter(struct store_fixture *fixture, const char *table_name, uint64_t id)
{
    uint16_t table = rows_table_of(fixture, table_name)->number;
    uint8_t name[4] = {'i', 'd', (uint8_t)(table >> 8), (uint8_t)table};
    MDB_val key = val_of(name, sizeof name);
    MDB_val data = val_of(&id, sizeof id);
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, fixture->store->db.meta, &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void ids_of_an_int_end_with_its_numbers(void **state)
{
    struct store_fixture *fixture = *state;

    set_counter(fixture, "Message", INT32_MAX - 1);
    assert_non_null(strstr(rows_run(fixture, &rows_create_message), "{\"id\":2147483647,"));
    rows_expect_failure(fixture, &rows_create_message, "BAD_USER_INPUT", "Message.id: ");
    rows_expect_failure(fixture, &rows_create_message, "BAD_USER_INPUT", "make it an ID");
}

static void what_is_required_must_be_there_and_have_its_form(void **state)
{
    static const struct {
        struct rows_value value;
        const char *code;
        const char *words;
    } cases[] = {
        {{"content", NULL}, "BAD_USER_INPUT", "Message.content: must not be null"},
        {{"content", "hello"}, "BAD_USER_INPUT", "Message.content: the value is none"},
        {{"content", "\"a\"b\""}, "BAD_USER_INPUT", "Message.content"},
        {{"content", "\"\\u0041\""}, "BAD_USER_INPUT", "Message.content"},
        {{"content", "\"\\/\""}, "BAD_USER_INPUT", "Message.content"},
        {{"content", "\"\\\""}, "BAD_USER_INPUT", "Message.content"},
        {{"content", "\"a\nb\""}, "BAD_USER_INPUT", "Message.content"},
        {{"content", "\""}, "BAD_USER_INPUT", "Message.content"},
        {{"authorId", "2147483648"}, "BAD_USER_INPUT", "Message.authorId"},
        {{"authorId", "1.5"}, "BAD_USER_INPUT", "Message.authorId"},
        {{"authorId", "01"}, "BAD_USER_INPUT", "Message.authorId"},
        {{"authorId", "-"}, "BAD_USER_INPUT", "Message.authorId"},
        {{"authorId", "\"1\""}, "BAD_USER_INPUT", "Message.authorId"},
        {{"createdAt", "\"yesterday\""}, "BAD_USER_INPUT", "Message.createdAt"},
        {{"createdAt", "\"2026-01-31T24:00:00.000000Z\""}, "BAD_USER_INPUT", "createdAt"},
    };
    struct store_fixture *fixture = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rows_change change = rows_create_message;

        change.values[2] = cases[i].value; /* beats the one before */
        rows_expect_failure(fixture, &change, cases[i].code, cases[i].words);
    }
    rows_expect_none(fixture, "Message", 1);
}

static void a_time_that_is_given_beats_the_operations_time(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change change = rows_create_message;

    change.values[2] = (struct rows_value){"createdAt", "\"2001-02-03T04:05:06.000007Z\""};
    (void)rows_run(fixture, &change);
    rows_expect(fixture, "Message", 1, "createdAt", "\"2001-02-03T04:05:06.000007Z\"");
    rows_expect(fixture, "Message", 1, "updatedAt", NOW);
}

/* Or a compare-and-set on it would let through what has not seen the last one. */
static void each_change_of_a_row_has_a_later_time(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change update = {.kind = COMMAND_UPDATE, .table = "Message", .id = 1};

    fixture->time_ns += 999998000;
    (void)rows_run(fixture, &rows_create_message);
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:20.999998Z\"");
    (void)rows_run(fixture, &update); /* all in one microsecond */
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:20.999999Z\"");
    (void)rows_run(fixture, &update);
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:21.000000Z\"");
    (void)rows_run(fixture, &update);
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:21.000001Z\"");
    rows_expect(fixture, "Message", 1, "createdAt", "\"2023-11-14T22:13:20.999998Z\"");
    fixture->time_ns += 1000000;
    (void)rows_run(fixture, &update);
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:21.000998Z\"");

    /* A time that somebody has given is none of ours to go on from. */
    update.values[0] = (struct rows_value){"updatedAt", "\"9999-12-31T23:59:60.999999Z\""};
    (void)rows_run(fixture, &update);
    update.values[0] = (struct rows_value){0};
    (void)rows_run(fixture, &update);
    rows_expect(fixture, "Message", 1, "updatedAt", "\"2023-11-14T22:13:21.000998Z\"");
}

static void a_default_is_taken_where_nothing_is_given(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_table tables[] = {
        {
            .name = "T",
            .columns = {{"state", .kind = COLUMN_ENUM, .is_required = true,
                         .default_json = "\"OPEN\"", .values = "OPEN,DONE"},
                        {"rate", .kind = COLUMN_FLOAT, .default_json = "1.5"}},
        },
        {.name = NULL},
    };
    struct rows_change change = {.kind = COMMAND_CREATE, .table = "T"};

    rows_set_schema(fixture, tables);
    assert_string_equal(rows_run(fixture, &change), "{\"id\":1,\"state\":\"OPEN\",\"rate\":1.5}");
    change.values[0] = (struct rows_value){"rate", NULL};
    change.values[1] = (struct rows_value){"state", "\"DONE\""};
    assert_string_equal(rows_run(fixture, &change), "{\"id\":2,\"state\":\"DONE\",\"rate\":null}");
    change.values[1].json = "\"DON\"";
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "T.state");
    change.values[1].json = "\"OPEN,DONE\"";
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "T.state");
}

static void a_reference_must_be_there_when_it_is_made(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "Message", .id = 1};
    struct rows_change update = {.kind = COMMAND_UPDATE, .table = "Comment", .id = 1};

    rows_expect_failure(fixture, &rows_create_comment, "NOT_FOUND",
                        "Comment.messageId: there is no Message with this id");
    (void)rows_run(fixture, &rows_create_message);
    (void)rows_run(fixture, &rows_create_comment);
    (void)rows_run(fixture, &delete);
    rows_expect_failure(fixture, &rows_create_comment, "NOT_FOUND", "Comment.messageId");

    /* A row whose reference went away may change otherwise. */
    update.values[0] = (struct rows_value){"content", "\"still here\""};
    assert_non_null(strstr(rows_run(fixture, &update), "still here"));
    update.values[0] = (struct rows_value){"messageId", "5"};
    rows_expect_failure(fixture, &update, "NOT_FOUND", "Comment.messageId");
    update.values[0] = (struct rows_value){"messageId", "-1"};
    rows_expect_failure(fixture, &update, "NOT_FOUND", "Comment.messageId");
}

static void within_one_commit_a_command_sees_those_before_it(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "Message", .id = 1};

    rows_add(fixture, &rows_create_comment); /* fails */
    rows_add(fixture, &rows_create_message);
    rows_add(fixture, &rows_create_comment);
    rows_add(fixture, &delete);
    rows_add(fixture, &rows_create_comment); /* fails */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    for (uint64_t seq = 2; seq <= 6; seq++) {
        bool has_failed = (rows_record(fixture, seq).flags & RECORD_FAILED) != 0;

        assert_int_equal(has_failed, seq == 2 || seq == 6);
    }
}

/* --- unique --------------------------------------------------------------------------------- */

static const struct rows_table unique_tables[] = {
    {
        .name = "User",
        .columns = {{"name", .kind = COLUMN_STRING, .is_unique = true},
                    {"age", .kind = COLUMN_INT}},
        .indexes = {{.equal = {"name"}}},
    },
    {.name = NULL},
};

static void a_value_that_is_unique_is_there_once_but_for_null(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change change = {
        .kind = COMMAND_CREATE, .table = "User", .values = {{"name", "\"Ann\""}}};
    const struct rows_change delete = {.kind = COMMAND_DELETE, .table = "User", .id = 1};

    rows_set_schema(fixture, unique_tables);
    (void)rows_run(fixture, &change);
    rows_expect_failure(fixture, &change, "CONFLICT", "User.name: another row has this value");
    change.values[0].json = "\"Anna\"";
    (void)rows_run(fixture, &change);
    change.values[0].json = NULL;
    (void)rows_run(fixture, &change);
    (void)rows_run(fixture, &change);
    rows_expect(fixture, "User", 4, "name", NULL);

    change.kind = COMMAND_UPDATE;
    change.id = 2;
    change.values[0].json = "\"Ann\"";
    rows_expect_failure(fixture, &change, "CONFLICT", "User.name");
    change.id = 1; /* its own */
    assert_string_equal(rows_run(fixture, &change), "{\"id\":1,\"name\":\"Ann\",\"age\":null}");
    (void)rows_run(fixture, &delete);
    change.id = 2;
    assert_string_equal(rows_run(fixture, &change), "{\"id\":2,\"name\":\"Ann\",\"age\":null}");
}

static void long_texts_that_begin_alike_are_told_apart(void **state)
{
    struct store_fixture *fixture = *state;
    char *texts[3];
    struct rows_change change = {.kind = COMMAND_CREATE, .table = "User"};

    rows_set_schema(fixture, unique_tables);
    for (int i = 0; i < 3; i++) {
        texts[i] = malloc(2000);
        assert_non_null(texts[i]);
        memset(texts[i], 'x', 1999);
        texts[i][0] = '"';
        texts[i][1997] = (char)('a' + i);
        texts[i][1998] = '"';
        texts[i][1999] = '\0';
    }
    for (int i = 0; i < 3; i++) {
        change.values[0] = (struct rows_value){"name", texts[i]};
        rows_add(fixture, &change);
        rows_add(fixture, &change);
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_false((rows_record(fixture, 3 + 2 * i).flags & RECORD_FAILED) != 0);
        assert_true((rows_record(fixture, 4 + 2 * i).flags & RECORD_FAILED) != 0);
    }
    for (int i = 0; i < 3; i++)
        free(texts[i]);
}

/* --- changing and deleting ------------------------------------------------------------------ */

static void an_update_changes_what_it_names_and_the_time_of_writing(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change change = {
        .kind = COMMAND_UPDATE,
        .table = "Message",
        .id = 1,
        .values = {{"title", "\"T\""}},
        .topics = {"message_updates:all", "message_updates:{id}"},
    };
    struct record record;

    (void)rows_run(fixture, &rows_create_message);
    fixture->time_ns += 5000;
    assert_string_equal(rows_run(fixture, &change),
                        "{\"id\":1,\"authorId\":7,\"title\":\"T\",\"content\":\"hello\","
                        "\"metadata\":null,\"createdAt\":" NOW
                        ",\"updatedAt\":\"2023-11-14T22:13:20.000005Z\"}");
    record = rows_record(fixture, 3);
    assert_string_equal(rows_topics(&record), "message_updates:all message_updates:1");
    assert_int_equal(record.table, rows_table_of(fixture, "Message")->number);
    change.values[0].json = NULL;
    (void)rows_run(fixture, &change);
    rows_expect(fixture, "Message", 1, "title", NULL);
    change.values[0].column = "content";
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "Message.content: must not be null");
    rows_expect(fixture, "Message", 1, "content", "\"hello\"");
}

static void what_is_not_there_is_null_without_topics(void **state)
{
    struct store_fixture *fixture = *state;
    struct rows_change change = {
        .kind = COMMAND_UPDATE,
        .table = "Message",
        .id = 4,
        .values = {{"title", "\"T\""}},
        .topics = {"all"},
    };
    struct record record;

    for (int i = 0; i < 2; i++) {
        assert_string_equal(rows_run(fixture, &change), "null");
        record = rows_record(fixture, fixture->meta.committed_seq);
        assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED);
        assert_int_equal(record.topic_count, 0);
        change.kind = COMMAND_DELETE;
    }
    change.id = 0;
    assert_string_equal(rows_run(fixture, &change), "null");
    change.id = UINT64_MAX;
    assert_string_equal(rows_run(fixture, &change), "null");
}

static void a_condition_that_does_not_hold_changes_nothing(void **state)
{
    const struct rows_table tables[] = {
        {
            .name = "Order",
            .columns = {{"price", .kind = COLUMN_FLOAT},
                        {"status", .kind = COLUMN_ENUM, .values = "OPEN,FILLED"},
                        {"count", .kind = COLUMN_INT}},
        },
        {.name = NULL},
    };
    static const struct {
        struct rows_value condition;
        bool holds;
    } cases[] = {
        {{"price", "1.50"}, true},      {{"price", "15e-1"}, true},
        {{"price", "1.6"}, false},      {{"price", NULL}, false},
        {{"status", "\"OPEN\""}, true}, {{"status", "\"FILLED\""}, false},
        {{"count", NULL}, true},        {{"count", "0"}, false},
    };
    struct store_fixture *fixture = *state;
    const struct rows_change create = {
        .kind = COMMAND_CREATE,
        .table = "Order",
        .values = {{"price", "1.5"}, {"status", "\"OPEN\""}},
    };
    struct rows_change change = {.kind = COMMAND_UPDATE, .table = "Order", .id = 1};

    rows_set_schema(fixture, tables);
    (void)rows_run(fixture, &create);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        change.conditions[0] = cases[i].condition;
        if (cases[i].holds)
            assert_non_null(strstr(rows_run(fixture, &change), "\"id\":1"));
        else
            rows_expect_failure(fixture, &change, "CONFLICT", "it has changed: read the row again");
    }
    change.conditions[0] = (struct rows_value){"status", "OPEN"};
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "Order.status");
    /* All have to hold. */
    change.conditions[0] = (struct rows_value){"status", "\"OPEN\""};
    change.conditions[1] = (struct rows_value){"count", "1"};
    rows_expect_failure(fixture, &change, "CONFLICT", "Order.count");
}

static void a_deleted_row_is_told_as_it_was(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change change = {
        .kind = COMMAND_DELETE,
        .table = "Message",
        .id = 1,
        .topics = {"message_deletes:all", "message_deletes:{id}"},
    };
    struct record record;
    char created[512];

    (void)snprintf(created, sizeof created, "%s", rows_run(fixture, &rows_create_message));
    assert_string_equal(rows_run(fixture, &change), created);
    record = rows_record(fixture, 3);
    assert_string_equal(rows_topics(&record), "message_deletes:all message_deletes:1");
    rows_expect_none(fixture, "Message", 1);
    assert_string_equal(rows_run(fixture, &change), "null");
}

/* --- COMMANDs that are none ----------------------------------------------------------------- */

static void add_payload(struct store_fixture *fixture, const void *payload, size_t bytes,
                        unsigned flags)
{
    const struct record_topic topic = {"forged", 6};
    const struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .flags = RECORD_URGENT | flags,
        .topics = &topic,
        .topic_count = 1,
        .payload = payload,
        .payload_bytes = bytes,
    };

    (void)store_fixture_add(fixture, &spec);
}

static void garbage_is_committed_as_failed(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t random = 99;
    uint8_t payload[256];
    struct log_topic info;
    uint8_t *encoded;
    size_t bytes;

    rows_add(fixture, &rows_create_message);
    bytes = fixture->batch_bytes;
    encoded = malloc(bytes);
    assert_non_null(encoded);
    memcpy(encoded, fixture->batch, bytes);
    store_fixture_drop_batch(fixture);

    add_payload(fixture, "", 0, 0);
    for (int i = 0; i < 300; i++) {
        for (size_t j = 0; j < sizeof payload; j++)
            payload[j] = (uint8_t)store_fixture_random(&random);
        payload[0] = 1;
        payload[1] = (uint8_t)(store_fixture_random(&random) % 6);
        add_payload(fixture, payload, store_fixture_random(&random) % sizeof payload, 0);
    }
    /* A good one with a byte changed, and cut. */
    for (size_t i = sizeof(struct record_head); i < bytes; i++) {
        uint8_t byte = encoded[i];

        encoded[i] = (uint8_t)(byte ^ (1U << store_fixture_random(&random) % 8));
        add_payload(fixture, encoded + sizeof(struct record_head),
                    bytes - sizeof(struct record_head) - store_fixture_random(&random) % 2, 0);
        encoded[i] = byte;
    }
    add_payload(fixture, encoded + sizeof(struct record_head), bytes - sizeof(struct record_head),
                RECORD_APPLIED);
    free(encoded);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(store_snapshot_begin(fixture->store, 2), 0);
    assert_int_equal(log_topic_info(fixture->store, "forged", 6, &info), 0);
    assert_int_equal(info.last_seq, 0);
    assert_true((rows_record(fixture, fixture->meta.committed_seq).flags & RECORD_FAILED) != 0);
}

static void a_command_of_another_schema_is_unavailable(void **state)
{
    struct store_fixture *fixture = *state;
    struct record record;

    rows_add_schema(fixture, rows_board);
    rows_add(fixture, &rows_create_message); /* made before it came */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, 3);
    assert_true((record.flags & RECORD_FAILED) != 0);
    assert_non_null(memmem(record.payload, record.payload_bytes, "UNAVAILABLE", 11));
    assert_non_null(strstr(rows_run(fixture, &rows_create_message), "{\"id\":1,"));
}

static void before_the_first_schema_there_are_no_tables(void **state)
{
    struct store_fixture *fixture = *state;
    const struct command command = {.kind = COMMAND_CREATE, .table = 1};
    uint8_t payload[64];
    struct record record;

    command_encode(&command, payload);
    add_payload(fixture, payload, command_encoded_bytes(&command), 0);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, 1);
    assert_int_equal(record.flags, RECORD_URGENT | RECORD_APPLIED | RECORD_FAILED);
    assert_non_null(memmem(record.payload, record.payload_bytes, "INTERNAL", 8));
}

/* --- poison --------------------------------------------------------------------------------- */

static void a_command_on_which_the_writer_died_twice_fails(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta meta;
    struct record record;

    assert_int_equal(commit_poison(fixture->store, 3, &meta), 0);
    assert_int_equal(meta.poison_seq, 3);
    assert_int_equal(meta.poison_deaths, 1);
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(commit_poison(fixture->store, 3, &meta), 0);
    assert_int_equal(meta.poison_deaths, 2);
    for (int i = 0; i < 3; i++)
        rows_add(fixture, &rows_create_message);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(fixture->meta.poison_seq, 0);
    assert_int_equal(fixture->meta.poison_deaths, 0);
    record = rows_record(fixture, 3);
    assert_true((record.flags & RECORD_FAILED) != 0);
    assert_non_null(memmem(record.payload, record.payload_bytes, "INTERNAL", 8));
    record = rows_record(fixture, 4);
    assert_memory_equal(record.payload, "{\"id\":2,", 8);
}

static void one_death_is_forgiven_and_another_command_begins_anew(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta meta;

    assert_int_equal(commit_poison(fixture->store, 2, &meta), 0);
    assert_int_equal(commit_poison(fixture->store, 3, &meta), 0);
    assert_int_equal(meta.poison_seq, 3);
    assert_int_equal(meta.poison_deaths, 1);
    assert_int_equal(commit_poison(fixture->store, 1, &meta), 0); /* committed long ago */
    assert_int_equal(meta.poison_seq, 3);
    assert_non_null(strstr(rows_run(fixture, &rows_create_message), "{\"id\":1,"));
    assert_int_equal(fixture->meta.poison_seq, 3);
    assert_non_null(strstr(rows_run(fixture, &rows_create_message), "{\"id\":2,"));
    assert_int_equal(fixture->meta.poison_seq, 0);
}

int main(void)
{
#define BOARD_TEST(function) cmocka_unit_test_setup_teardown(function, rows_setup, rows_teardown)
    const struct CMUnitTest tests[] = {
        BOARD_TEST(a_created_row_and_its_event_are_one_record),
        BOARD_TEST(ids_are_1_2_3_per_type_and_a_failure_takes_none),
        BOARD_TEST(ids_go_on_after_a_restart_and_after_deletes),
        BOARD_TEST(an_id_of_kind_id_is_a_string),
        BOARD_TEST(ids_of_an_int_end_with_its_numbers),
        BOARD_TEST(what_is_required_must_be_there_and_have_its_form),
        BOARD_TEST(a_time_that_is_given_beats_the_operations_time),
        BOARD_TEST(each_change_of_a_row_has_a_later_time),
        BOARD_TEST(a_default_is_taken_where_nothing_is_given),
        BOARD_TEST(a_reference_must_be_there_when_it_is_made),
        BOARD_TEST(within_one_commit_a_command_sees_those_before_it),
        BOARD_TEST(a_value_that_is_unique_is_there_once_but_for_null),
        BOARD_TEST(long_texts_that_begin_alike_are_told_apart),
        BOARD_TEST(an_update_changes_what_it_names_and_the_time_of_writing),
        BOARD_TEST(what_is_not_there_is_null_without_topics),
        BOARD_TEST(a_condition_that_does_not_hold_changes_nothing),
        BOARD_TEST(a_deleted_row_is_told_as_it_was),
        BOARD_TEST(garbage_is_committed_as_failed),
        BOARD_TEST(a_command_of_another_schema_is_unavailable),
        cmocka_unit_test_setup_teardown(before_the_first_schema_there_are_no_tables,
                                        store_fixture_setup, rows_teardown),
        BOARD_TEST(a_command_on_which_the_writer_died_twice_fails),
        BOARD_TEST(one_death_is_forgiven_and_another_command_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
