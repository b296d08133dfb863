/* Plain topics and row topics: two cursors, and who is fed from which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/wake.h"
#include "tests/unit/topics_rows.h"

static int setup(void **state)
{
    struct topics_fixture *fixture = topics_fixture_new(TOPICS_RING_BYTES);

    fixture->is_row_topic = topics_begins_with_row;
    *state = fixture;
    return 0;
}

/* A COMMAND that has not been executed, whatever it says about topics. */
static uint64_t append_command(struct topics_fixture *fixture, const char *topic)
{
    const struct record_topic name = {.name = topic, .bytes = strlen(topic)};
    const struct record_spec spec = {.kind = RECORD_COMMAND,
                                     .flags = RECORD_URGENT,
                                     .topics = &name,
                                     .topic_count = 1,
                                     .payload = "command",
                                     .payload_bytes = 7,
                                     .origin_slot = TOPICS_SLOT};
    uint64_t seq = 0;

    assert_int_equal(topics_append_spec(fixture, &spec, &seq), 0);
    return seq;
}

static uint64_t position_of(const struct fake_client *client)
{
    return topics_position(client->fixture->topics, &client->subscriber);
}

/* --- live ------------------------------------------------------------------------------------- */

static void the_kind_is_asked_for(void **state)
{
    struct topics_fixture *fixture = *state;

    assert_true(topics_is_row_topic(fixture->topics, "row:7", 5));
    assert_false(topics_is_row_topic(fixture->topics, "news", 4));
    fixture->is_row_topic = NULL;
    assert_false(topics_is_row_topic(fixture->topics, "row:7", 5));
}

static void a_row_topic_waits_for_the_commit_and_a_plain_one_does_not(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "row", NULL);
    (void)topics_append(fixture, "row", "one");
    (void)topics_append(fixture, "news", "two");
    (void)topics_append(fixture, "row,news", "three");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 2 two", "news 3 three", NULL);
    assert_false(topics_has_news(fixture->topics));
    topics_commit(fixture, NULL);
    assert_true(topics_has_news(fixture->topics));
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 1 one", "row 3 three", NULL);
    assert_false(topics_has_news(fixture->topics));
}

static void a_command_is_no_event_in_the_ring(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "row", NULL);
    (void)append_command(fixture, "news");
    (void)append_command(fixture, "row");
    (void)topics_append(fixture, "news", "plain");
    (void)topics_append(fixture, "row", "published");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 3 plain", NULL);
    topics_commit(fixture, NULL); /* it comes to nothing: a failure has no topic */
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 4 published", NULL);
}

static int judge_table(void *user, const struct event *event)
{
    *(uint32_t *)user = event->table;
    return 1;
}

/* Its row and its events, wherever it stands between others; replayed likewise. */
static void what_a_command_came_to_is_delivered(void **state)
{
    const struct record_topic topics[] = {{"row:7", 5}, {"row", 3}};
    struct topics_fixture *fixture = *state;
    uint32_t table = UINT32_MAX;
    struct fake_encoding encoding = {.judge = judge_table, .user = &table};
    struct fake_client *live;
    struct fake_client *late;
    uint64_t seq = 0;

    topics_rows_begin(fixture);
    fake_encoding_add(fixture, &encoding, false);
    live = fake_client_open(fixture, encoding.added);
    late = fake_client_open(fixture, encoding.added);
    (void)fake_client_subscribe(live, "row", NULL);
    (void)topics_append(fixture, "row", "before");
    assert_int_equal(topics_rows_create(fixture, topics, 2, 42, &seq), 0);
    assert_int_equal(seq, 3);
    topics_fixture_run(fixture);
    fake_client_expect(live, NULL);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(live, "row 2 before", "row 3 {\"id\":1,\"number\":42}", NULL);
    assert_int_equal(table, TOPICS_ROWS_TABLE);
    (void)topics_append(fixture, "row", "{\"id\":2,\"number\":43}"); /* as if it were one */
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(live, "row 4 {\"id\":2,\"number\":43}", NULL);
    assert_int_equal(table, 0);

    (void)fake_client_resume(late, "row:7", 0);
    (void)fake_client_resume(late, "news", 0);
    topics_fixture_run(fixture);
    fake_client_expect(late, "row:7 3 {\"id\":1,\"number\":42}", NULL);
    assert_int_equal(table, TOPICS_ROWS_TABLE);
    fake_client_close(live);
    fake_client_close(late);
    fake_encoding_remove(fixture, &encoding);
}

static void more_row_topics_than_are_asked_for_one_by_one(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    char topic[16];
    char line[32];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(topic, sizeof topic, "row:%d", i);
        (void)fake_client_subscribe(client, topic, NULL);
        (void)topics_append(fixture, "news", "x");
        (void)topics_append(fixture, topic, "x");
        topics_commit(fixture, NULL);
        topics_fixture_run(fixture);
        (void)snprintf(line, sizeof line, "%s %d x", topic, 2 * i + 2);
        fake_client_expect(client, line, NULL);
    }
}

static void a_turn_reads_at_most_a_block_of_rows(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)fake_client_subscribe(client, "row", NULL);
    topics_append_many(fixture, "row", 300, 1000);
    topics_commit(fixture, NULL);
    assert_true(topics_turn(fixture->topics));
    assert_in_range(position_of(client), 1, 64);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 300);
}

static void it_is_woken_by_commits_while_somebody_gets_rows(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)fake_client_subscribe(client, "row", NULL);
    assert_int_equal(topics_wake_reasons(fixture->topics), WAKE_COMMIT);
    (void)fake_client_subscribe(client, "news", NULL);
    assert_int_equal(topics_wake_reasons(fixture->topics), WAKE_COMMIT | WAKE_TAIL);
    (void)topics_unsubscribe(fixture->topics, &client->subscriber, "row", 3);
    assert_int_equal(topics_wake_reasons(fixture->topics), WAKE_TAIL);
}

/* What came before is not read when somebody comes. */
static void rows_that_nobody_gets_are_not_read(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "row", 300, 1000);
    topics_commit(fixture, NULL);
    assert_false(topics_turn(fixture->topics));
    assert_int_equal(fake_client_subscribe(client, "row", NULL).seq, 300);
    assert_int_equal(position_of(client), 300);
    (void)topics_append(fixture, "row", "new");
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 301 new", NULL);
}

static void with_committed_durability_both_wait(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->is_committed_only = true;
    (void)fake_client_subscribe(client, "row", NULL);
    (void)fake_client_subscribe(client, "news", NULL);
    (void)topics_append(fixture, "row,news", "one");
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    assert_non_null(fake_client_line(client));
    assert_non_null(fake_client_line(client));
    fake_client_expect(client, NULL);
}

/* --- where it begins -------------------------------------------------------------------------- */

static void a_row_subscription_begins_at_what_is_committed(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)topics_append(fixture, "row", "one");
    topics_commit(fixture, NULL);
    (void)topics_append(fixture, "row", "two");
    assert_int_equal(fake_client_subscribe(client, "news", NULL).seq, 2);
    assert_int_equal(fake_client_subscribe(client, "row", NULL).seq, 1);
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 2 two", NULL);
}

static void a_position_is_that_of_the_kind_that_is_behind(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *plain = fake_client_open_text(fixture);
    struct fake_client *row = fake_client_open_text(fixture);
    struct fake_client *both = fake_client_open_text(fixture);
    struct fake_client *none = fake_client_open_text(fixture);

    (void)fake_client_subscribe(plain, "news", NULL);
    (void)fake_client_subscribe(row, "row", NULL);
    (void)fake_client_subscribe(both, "news", NULL);
    (void)fake_client_subscribe(both, "row", NULL);
    (void)topics_append(fixture, "other", "one");
    topics_commit(fixture, NULL);
    (void)topics_append(fixture, "other", "two");
    topics_fixture_run(fixture);
    assert_int_equal(position_of(plain), 2);
    assert_int_equal(position_of(row), 1);
    assert_int_equal(position_of(both), 1);
    assert_int_equal(position_of(none), 2);
    (void)topics_unsubscribe(fixture->topics, &both->subscriber, "row", 3);
    assert_int_equal(position_of(both), 2);
}

/* --- catching up ------------------------------------------------------------------------------ */

static void a_row_topic_is_replayed_as_far_as_it_is_committed(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "row", 100, 100);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "row", 100, 100);
    topics_fixture_run(fixture);
    assert_true(fake_client_resume(client, "row", 0).recovered);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 100);
    assert_false(fake_client_is_lagging(client));
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 101, 200);
}

static void a_since_behind_what_is_committed_is_kept(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "row", 10, 10);
    assert_true(fake_client_resume(client, "row", 5).recovered);
    assert_false(fake_client_is_lagging(client));
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 6, 10);
}

/* One cursor for both: the plain one goes on to what is not committed, the row one waits. */
static void both_kinds_of_one_client_catch_up_together(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)topics_append(fixture, "row", "1");
    (void)topics_append(fixture, "news", "2");
    (void)topics_append(fixture, "row,news", "3");
    topics_commit(fixture, NULL);
    (void)topics_append(fixture, "row", "4");
    (void)topics_append(fixture, "news", "5");
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "news", 0);
    (void)fake_client_resume(client, "row", 0);
    assert_true(fake_client_is_lagging(client));
    assert_int_equal(position_of(client), 0);
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 1 1", "news 2 2", "row 3 3", "news 3 3", "news 5 5", NULL);
    assert_false(fake_client_is_lagging(client));
    assert_int_equal(position_of(client), 3);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 4 4", NULL);
}

/* The row cursor may be ahead of the plain one, too: nothing of either is lost or doubled. */
static void the_plain_cursor_may_be_the_one_behind(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct fake_client *live = fake_client_open_text(fixture);
    struct fake_client *late = fake_client_open_text(fixture);
    uint64_t next[2] = {11, 301}; /* news, row */
    const char *line;

    (void)fake_client_subscribe(live, "news", NULL);
    topics_append_many(fixture, "news", 20, 1000);
    topics_commit(fixture,
                  NULL); /* blocks begin and end where a turn's reading of the ring does not */
    topics_append_many(fixture, "news", 280, 1000);
    (void)topics_append(fixture, "row", "301");
    (void)topics_append(fixture, "row,news", "302");
    topics_commit(fixture, NULL);
    (void)topics_turn(fixture->topics); /* rows: at the end; plain: at about 60 */
    (void)fake_client_resume(client, "row", 0);
    (void)fake_client_resume(client, "news", 10);
    (void)fake_client_resume(late, "news", 299);
    assert_int_equal(position_of(client), 0);
    topics_fixture_run(fixture);
    while ((line = fake_client_line(client)) != NULL) { /* among kinds there is no order */
        uint64_t *seq = &next[strncmp(line, "row ", 4) == 0];

        assert_int_equal(fake_client_seq(line), *seq);
        *seq += *seq == 300 ? 2 : 1;
    }
    assert_int_equal(next[0], 303);
    assert_int_equal(next[1], 303);
    assert_int_equal(fake_client_seq(fake_client_line(late)), 300);
    fake_client_expect(late, "news 302 302", NULL);
    for (uint64_t seq = 1; seq <= 300; seq++)
        assert_int_equal(fake_client_seq(fake_client_line(live)), seq);
    fake_client_expect(live, "news 302 302", NULL);
}

static void a_slow_reader_of_both_loses_nothing(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    uint64_t next[2] = {1, 2}; /* odd: news, even: row */
    const char *line;

    fixture->queue_bytes_max = 48 * 1024;
    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "row", NULL);
    fake_client_stall(client);
    for (int i = 0; i < 2000; i++) {
        (void)topics_append_bytes(fixture, i % 2 == 0 ? "news" : "row", 100);
        if (i % 70 == 0)
            topics_commit(fixture, NULL);
        if (i % 30 == 0)
            topics_fixture_run(fixture);
    }
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    assert_true(fake_client_is_lagging(client));
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    assert_false(fake_client_is_lagging(client));
    while ((line = fake_client_line(client)) != NULL) {
        uint64_t *expected = &next[strncmp(line, "row ", 4) == 0];

        assert_int_equal(fake_client_seq(line), *expected);
        *expected += 2;
    }
    assert_int_equal(next[0], 2001);
    assert_int_equal(next[1], 2002);
}

/* --- retention -------------------------------------------------------------------------------- */

static void a_row_topic_with_nothing_kept_ends_at_what_is_committed(void **state)
{
    const struct retention little = {.bytes = 1};
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    topics_append_many(fixture, "row", 100, 10);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "news", 100, 10);
    topics_commit(fixture, NULL);
    topics_trim(fixture, &little);
    (void)append_command(fixture, "row"); /* may come to an event of it */
    (void)topics_append(fixture, "row", "back");
    answer = fake_client_resume(client, "row", 10);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 201);
    assert_int_equal(answer.seq, 200);
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "row 202 back", NULL);
}

/* Between two turns more was committed and trimmed than the row cursor had read. */
static void who_is_live_is_told_when_retention_overtakes_the_cursor(void **state)
{
    const struct retention little = {.bytes = 1};
    struct topics_fixture *fixture = *state;
    struct fake_client *rows = fake_client_open_text(fixture);
    struct fake_client *plain = fake_client_open_text(fixture);

    (void)fake_client_subscribe(rows, "row", NULL);
    (void)fake_client_subscribe(plain, "news", NULL);
    topics_append_many(fixture, "row", 100, 1000);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "row", 10, 1000);
    (void)topics_append(fixture, "news", "x");
    topics_commit(fixture, NULL);
    topics_trim(fixture, &little);
    assert_int_equal(fixture->meta.first_seq, 101);
    topics_fixture_run(fixture);
    assert_string_equal(fake_client_line(rows), "gap row 101");
    fake_client_expect_seqs(rows, 101, 110);
    fake_client_expect(plain, "news 111 x", NULL);
    assert_int_equal(plain->gaps, 0);
    assert_false(fake_client_is_lagging(rows));
}

/* As GraphQL does: the subscription ends with its gap, and its memory is given back. */
static void a_subscriber_may_end_when_it_is_told_of_its_gap(void **state)
{
    const struct retention little = {.bytes = 1};
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    client->should_end_on_gap = true;
    (void)fake_client_subscribe(client, "row:1", NULL);
    (void)fake_client_subscribe(client, "row:2", NULL);
    (void)fake_client_subscribe(client, "news", NULL);
    topics_append_many(fixture, "row:1,row:2,news", 100, 1000);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "row:1,row:2,news", 100, 1000);
    topics_commit(fixture, NULL);
    topics_trim(fixture, &little);
    topics_fixture_run(fixture);
    assert_true(client->has_ended);
    assert_int_equal(client->gaps, 1);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 0);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, topics_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_kind_is_asked_for),
        TEST(a_row_topic_waits_for_the_commit_and_a_plain_one_does_not),
        TEST(a_command_is_no_event_in_the_ring),
        TEST(what_a_command_came_to_is_delivered),
        TEST(more_row_topics_than_are_asked_for_one_by_one),
        TEST(a_turn_reads_at_most_a_block_of_rows),
        TEST(it_is_woken_by_commits_while_somebody_gets_rows),
        TEST(rows_that_nobody_gets_are_not_read),
        TEST(with_committed_durability_both_wait),
        TEST(a_row_subscription_begins_at_what_is_committed),
        TEST(a_position_is_that_of_the_kind_that_is_behind),
        TEST(a_row_topic_is_replayed_as_far_as_it_is_committed),
        TEST(a_since_behind_what_is_committed_is_kept),
        TEST(both_kinds_of_one_client_catch_up_together),
        TEST(the_plain_cursor_may_be_the_one_behind),
        TEST(a_slow_reader_of_both_loses_nothing),
        TEST(a_row_topic_with_nothing_kept_ends_at_what_is_committed),
        TEST(who_is_live_is_told_when_retention_overtakes_the_cursor),
        TEST(a_subscriber_may_end_when_it_is_told_of_its_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
