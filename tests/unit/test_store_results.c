#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture_rows.h"

/* --- topics --------------------------------------------------------------------------------- */

static const struct rows_table topic_tables[] = {
    {
        .name = "T",
        .columns = {{"text", .kind = COLUMN_STRING},
                    {"number", .kind = COLUMN_INT},
                    {"kind", .kind = COLUMN_ENUM, .values = "A,B"},
                    {"key", .kind = COLUMN_ID},
                    {"flag", .kind = COLUMN_BOOLEAN},
                    {"any", .kind = COLUMN_JSON},
                    {"time", .kind = COLUMN_DATETIME}},
    },
    {.name = NULL},
};

static void topics_are_made_of_columns_as_texts(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change change = {
        .kind = COMMAND_CREATE,
        .table = "T",
        .values = {{"text", "\"a \\\"b\\\\ \xc3\xa4\""},
                   {"number", "-5"},
                   {"kind", "\"B\""},
                   {"key", "\"k/1\""},
                   {"flag", "true"},
                   {"time", "\"2026-01-31T12:00:00.123456Z\""}},
        .topics = {"x", "{text}", "n{number}k{kind}-{key}", "{flag}", "x", "{any}:{number}",
                   "{time}", "n-5kB-k/1"},
    };
    struct record record;

    rows_set_schema(fixture, topic_tables);
    rows_add(fixture, &change);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, fixture->meta.committed_seq);
    /* {any} cannot name one. */
    assert_true((record.flags & RECORD_FAILED) != 0);

    struct rows_change good = change;
    good.topics[5] = "y";
    rows_add(fixture, &good);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, fixture->meta.committed_seq);
    assert_string_equal(rows_topics(&record), "x a \"b\\ \xc3\xa4 n-5kB-k/1 true y "
                                              "2026-01-31T12:00:00.123456Z");
}

static void a_null_column_leaves_its_topic_out(void **state)
{
    struct store_fixture *fixture = *state;
    const struct rows_change change = {
        .kind = COMMAND_CREATE,
        .table = "T",
        .values = {{"number", "1"}},
        .topics = {"{text}", "a:{number}:{key}", "b:{number}", "{kind}"},
    };
    struct record record;

    rows_set_schema(fixture, topic_tables);
    (void)rows_run(fixture, &change);
    record = rows_record(fixture, fixture->meta.committed_seq);
    assert_string_equal(rows_topics(&record), "b:1");
}

static void a_name_that_no_topic_may_have_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "\"\"", "\"$x\"", "\"a\\nb\"", "\"a\\u0000\"", "\"\x7f\"", "\"\xc2\x85\"",
    };
    struct store_fixture *fixture = *state;
    struct rows_change change = {.kind = COMMAND_CREATE, .table = "T", .topics = {"{text}"}};
    char text[300];

    rows_set_schema(fixture, topic_tables);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        change.values[0] = (struct rows_value){"text", texts[i]};
        rows_expect_failure(fixture, &change, "BAD_USER_INPUT",
                            "T.text: cannot be in a topic's name");
    }
    memset(text, 'x', sizeof text);
    text[0] = '"';
    text[256] = '"';
    text[257] = '\0';
    change.values[0].json = text; /* 255 bytes */
    (void)rows_run(fixture, &change);
    rows_expect(fixture, "T", 1, "text", text);
    text[256] = 'x';
    text[257] = '"';
    text[258] = '\0';
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "1 to 255 bytes");
    change.topics[0] = "$a";
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "T: what its topic is called");
    rows_expect_none(fixture, "T", 2);
}

/* --- sizes ---------------------------------------------------------------------------------- */

static void a_result_may_be_larger_than_its_command(void **state)
{
    enum { TEXT_BYTES = 3 * 1024 * 1024 };
    struct store_fixture *fixture = *state;
    struct rows_change change = rows_create_message;
    struct rows_change touch = {.kind = COMMAND_UPDATE,
                                .table = "Message",
                                .id = 1,
                                .values = {{"authorId", "8"}},
                                .topics = {"all"}};
    char *text = malloc(TEXT_BYTES + 1);
    struct record record;

    assert_non_null(text);
    memset(text, 't', TEXT_BYTES);
    text[0] = '"';
    text[TEXT_BYTES - 1] = '"';
    text[TEXT_BYTES] = '\0';
    change.values[1].json = text;
    rows_add(fixture, &change);
    for (int i = 0; i < 20; i++)
        rows_add(fixture, &touch);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    record = rows_record(fixture, 22);
    assert_true(record.payload_bytes > TEXT_BYTES);
    rows_expect(fixture, "Message", 1, "authorId", "8");
    rows_expect(fixture, "Message", 1, "content", text);
    free(text);
}

static void large_results_are_spread_over_commits(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta meta;
    uint64_t end_pos;

    for (int i = 0; i < COMMIT_COMMANDS_MAX + 10; i++)
        rows_add(fixture, &rows_create_message);
    end_pos = fixture->meta.committed_pos + fixture->batch_bytes;
    assert_int_equal(commit_operations(fixture->store, fixture->batch, fixture->batch_bytes,
                                       end_pos, &keep_all, &meta),
                     0);
    assert_int_equal(meta.committed_seq, 1 + COMMIT_COMMANDS_MAX);
    assert_int_equal(end_pos - meta.committed_pos, fixture->batch_bytes / 1034 * 10);
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0); /* takes over where the store stands */
    assert_int_equal(fixture->meta.committed_seq, 1 + COMMIT_COMMANDS_MAX);
}

static void a_row_is_bounded(void **state)
{
    enum { TEXT_BYTES = 6 * 1024 * 1024 };
    struct store_fixture *fixture = *state;
    struct rows_change change = rows_create_message;
    char *text = malloc(TEXT_BYTES + 1);

    assert_non_null(text);
    memset(text, 't', TEXT_BYTES);
    text[0] = '"';
    text[TEXT_BYTES - 1] = '"';
    text[TEXT_BYTES] = '\0';
    change.values[1].json = text;
    (void)rows_run(fixture, &change);
    change.kind = COMMAND_UPDATE;
    change.id = 1;
    change.values[1].column = "title";
    (void)rows_run(fixture, &change);
    change.values[1].column = "metadata";
    rows_expect_failure(fixture, &change, "BAD_USER_INPUT", "Message: a row has room for");
    rows_expect(fixture, "Message", 1, "metadata", NULL);
    free(text);
}

int main(void)
{
#define BOARD_TEST(function) cmocka_unit_test_setup_teardown(function, rows_setup, rows_teardown)
    const struct CMUnitTest tests[] = {
        BOARD_TEST(topics_are_made_of_columns_as_texts),
        BOARD_TEST(a_null_column_leaves_its_topic_out),
        BOARD_TEST(a_name_that_no_topic_may_have_changes_nothing),
        BOARD_TEST(a_result_may_be_larger_than_its_command),
        BOARD_TEST(large_results_are_spread_over_commits),
        BOARD_TEST(a_row_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
