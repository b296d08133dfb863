/* What retention has taken: said in the answer to a resume, or told to whoever it has overtaken. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/topics_fixture.h"

#define LITTLE ((const struct retention){.bytes = 1})

/* --- resuming --------------------------------------------------------------------------------- */

/* Two blocks of news, then one of something else: after trimming one block of news is left. */
static void trim_first_block(struct topics_fixture *fixture)
{
    const struct retention two_blocks = {.count = 150};

    topics_append_many(fixture, "news", 100, 10);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "news", 100, 10);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "room", 100, 10);
    topics_commit(fixture, NULL);
    topics_trim(fixture, &two_blocks);
    assert_int_equal(fixture->meta.first_seq, 101);
    topics_fixture_run(fixture);
}

static void what_retention_took_is_said_in_the_answer(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    trim_first_block(fixture);
    answer = fake_client_resume(client, "news", 50);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 101);
    assert_int_equal(answer.seq, 100);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 101, 200);
    assert_int_equal(client->gaps, 0);
    assert_int_equal(topics_stat(fixture, STAT_GAPS), 1);
}

static void a_resume_behind_what_was_trimmed_is_recovered(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *exact = fake_client_open_text(fixture);
    struct fake_client *quiet = fake_client_open_text(fixture);

    trim_first_block(fixture);
    assert_true(fake_client_resume(exact, "news", 100).recovered);
    assert_true(
        fake_client_resume(quiet, "room", 0).recovered); /* it has lost nothing of its own */
    topics_fixture_run(fixture);
    fake_client_expect_seqs(exact, 101, 200);
    fake_client_expect_seqs(quiet, 201, 300);
    assert_int_equal(exact->gaps + quiet->gaps, 0);
}

static void with_everything_trimmed_the_oldest_is_the_next(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    topics_append_many(fixture, "news", 100, 10);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "room", 100, 10);
    topics_commit(fixture, NULL);
    topics_trim(fixture, &LITTLE);
    topics_fixture_run(fixture);
    answer = fake_client_resume(client, "news", 10);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 201);
    assert_false(fake_client_is_lagging(client));
}

/* --- retention overtakes ---------------------------------------------------------------------- */

static struct fake_client *stalled_reader(struct topics_fixture *fixture, const char *topic)
{
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->queue_bytes_max = 64 * 1024;
    (void)fake_client_subscribe(client, topic, NULL);
    fake_client_stall(client);
    for (int i = 0; i < 10; i++) {
        topics_append_many(fixture, topic, 300, 1000);
        topics_commit(fixture, NULL);
        topics_fixture_run(fixture);
    }
    assert_true(fake_client_is_lagging(client));
    return client;
}

/* Events from @seq on without a hole, and then a gap. */
static void expect_gap(struct fake_client *client, uint64_t seq, uint64_t oldest)
{
    uint64_t first = seq;
    const char *line;

    while ((line = fake_client_line(client)) != NULL && strncmp(line, "gap ", 4) != 0)
        assert_int_equal(fake_client_seq(line), seq++);
    assert_non_null(line);
    assert_true(seq > first && seq < oldest);
    assert_int_equal(fake_client_seq(line + strlen("gap ")), oldest);
}

static void a_client_that_retention_overtook_is_told(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = stalled_reader(fixture, "news");
    const struct retention some = {.bytes = UINT64_C(500) * 1000};

    topics_trim(fixture, &some);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    expect_gap(client, 1, fixture->meta.first_seq);
    fake_client_expect_seqs(client, fixture->meta.first_seq, 3000);
    assert_int_equal(client->gaps, 1);
    assert_int_equal(topics_stat(fixture, STAT_GAPS), 1);
    assert_false(fake_client_is_lagging(client));
}

static void a_client_whose_topic_is_gone_is_told_too(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = stalled_reader(fixture, "news");

    topics_append_many(fixture, "room", 5, 10);
    topics_commit(fixture, NULL);
    topics_trim(fixture, &LITTLE);
    topics_append_many(fixture, "room", 5, 10);
    assert_int_equal(topics_append(fixture, "news", "back"), 3011);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    expect_gap(client, 1, 3011); /* found where it is so far only: in the ring */
    fake_client_expect(client, "news 3011 back", NULL);
}

static void a_quiet_topic_reports_no_false_gap(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->queue_bytes_max = 64 * 1024;
    (void)topics_append(fixture, "quiet", "one");
    (void)fake_client_subscribe(client, "quiet", NULL);
    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    for (int i = 0; i < 5; i++) {
        topics_append_many(fixture, "news", 300, 1000);
        topics_commit(fixture, NULL);
        topics_fixture_run(fixture);
    }
    topics_trim(fixture, &LITTLE);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    expect_gap(client, 2, fixture->meta.first_seq);
    assert_int_equal(client->gaps, 1);
}

static void a_subscription_may_end_when_it_is_told_of_its_gap(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = stalled_reader(fixture, "news");

    client->should_leave_on_gap = true;
    topics_trim(fixture, &LITTLE);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    expect_gap(client, 1, fixture->meta.first_seq);
    fake_client_expect(client, NULL);
    assert_int_equal(client->subscriber.subscription_count, 0);
    assert_false(fake_client_is_lagging(client));
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
}

static void trim_now(void *user)
{
    struct topics_fixture *fixture = user;

    topics_trim(fixture, &LITTLE);
    fixture->in_between = NULL;
}

/* Between the answer that said `recovered` and the first step of the replay. */
static void a_resume_that_is_overtaken_before_it_begins_is_told(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    for (int i = 0; i < 4; i++) {
        topics_append_many(fixture, "news", 100, 10);
        topics_commit(fixture, NULL);
    }
    topics_fixture_run(fixture);
    assert_true(fake_client_resume(client, "news", 0).recovered);
    store_snapshot_end(fixture->store);
    fixture->in_between = trim_now;
    fixture->user = fixture;
    topics_fixture_run(fixture);
    assert_int_equal(fixture->meta.first_seq, 301);
    assert_string_equal(fake_client_line(client), "gap news 301");
    fake_client_expect_seqs(client, 301, 400);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, topics_setup, topics_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_retention_took_is_said_in_the_answer),
        TEST(a_resume_behind_what_was_trimmed_is_recovered),
        TEST(with_everything_trimmed_the_oldest_is_the_next),
        TEST(a_client_that_retention_overtook_is_told),
        TEST(a_client_whose_topic_is_gone_is_told_too),
        TEST(a_quiet_topic_reports_no_false_gap),
        TEST(a_subscription_may_end_when_it_is_told_of_its_gap),
        TEST(a_resume_that_is_overtaken_before_it_begins_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
