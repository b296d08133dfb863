#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/topics_fixture.h"

static struct subscribed resume_in_epoch(struct fake_client *client, const char *topic,
                                         uint64_t since, uint64_t epoch)
{
    const struct resume resume = {
        .has_since = true, .since = since, .has_epoch = true, .epoch = epoch};

    return fake_client_subscribe(client, topic, &resume);
}

/* --- resuming --------------------------------------------------------------------------------- */

static void a_resume_replays_what_was_missed_and_goes_on_live(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "room", "two");
    (void)topics_append(fixture, "news", "three");
    topics_commit(fixture, NULL);
    (void)topics_append(fixture, "news", "four");
    topics_fixture_run(fixture);
    answer = fake_client_resume(client, "news", 1);
    assert_true(answer.has_recovered && answer.recovered);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(answer.gap_oldest, 0);
    assert_true(fake_client_is_lagging(client));
    fake_client_expect(client, NULL); /* nothing before the answer is queued */
    (void)topics_append(fixture, "news", "five");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 3 three", "news 4 four", "news 5 five", NULL);
    assert_false(fake_client_is_lagging(client));
    (void)topics_append(fixture, "news", "six");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 6 six", NULL);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 0); /* it did not fall behind */
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 4);
    assert_int_equal(topics_stat(fixture, STAT_REPLAYED), 3);
    assert_int_equal(topics_stat(fixture, STAT_REPLAY_READS), 1); /* the rest is in the ring */
}

static void a_resume_at_the_end_is_live_at_once(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    (void)topics_append(fixture, "news", "not read by the worker yet");
    assert_true(fake_client_resume(client, "news", 2).recovered);
    assert_false(fake_client_is_lagging(client));
    (void)topics_append(fixture, "news", "three");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 3 three", NULL);
}

static void a_resume_from_zero_gives_everything(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    for (int i = 0; i < 10; i++) {
        topics_append_many(fixture, "news", 700, 1000);
        topics_commit(fixture, NULL);
    }
    topics_fixture_run(fixture);
    assert_true(resume_in_epoch(client, "news", 0, TOPICS_EPOCH).recovered);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 7000);
}

static void events_that_are_only_in_the_ring_are_recovered_too(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 5, 10);
    topics_fixture_run(fixture);
    assert_true(resume_in_epoch(client, "news", 2, TOPICS_EPOCH).recovered);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 3, 5);
}

static void a_topic_never_used_has_nothing_to_replay(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    topics_append_many(fixture, "news", 5, 10);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    answer = fake_client_resume(client, "never", 0);
    assert_true(answer.recovered);
    assert_int_equal(answer.seq, 0);
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    assert_false(fake_client_is_lagging(client));
}

/* --- resumes that cannot be honoured ---------------------------------------------------------- */

static void an_unknown_epoch_gets_everything_kept(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    (void)topics_append(fixture, "room", "one");
    topics_append_many(fixture, "news", 3, 10);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    answer = resume_in_epoch(client, "news", 3, TOPICS_EPOCH + 1);
    assert_true(answer.has_recovered);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 2);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(answer.epoch, TOPICS_EPOCH);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 2, 4);
    assert_int_equal(client->gaps, 0); /* the answer has told it */
    assert_int_equal(topics_stat(fixture, STAT_GAPS), 1);
}

static void an_earlier_epoch_is_good_up_to_its_end(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *good = fake_client_open_text(fixture);
    struct fake_client *past = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 3, 10);
    topics_commit(fixture, NULL);
    topics_new_epoch(fixture, TOPICS_EPOCH + 1);
    topics_append_many(fixture, "news", 3, 10);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    assert_true(resume_in_epoch(good, "news", 3, TOPICS_EPOCH).recovered);
    assert_false(resume_in_epoch(past, "news", 4, TOPICS_EPOCH).recovered);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(good, 4, 6);
    fake_client_expect_seqs(past, 1, 6);
}

static void a_seq_past_the_logs_end_is_not_recovered(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *with = fake_client_open_text(fixture);
    struct fake_client *without = fake_client_open_text(fixture);
    struct subscribed answer;

    topics_append_many(fixture, "news", 3, 10);
    topics_fixture_run(fixture); /* nothing is committed: the oldest is found in the ring */
    answer = resume_in_epoch(with, "news", 4, TOPICS_EPOCH);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 1);
    answer = fake_client_resume(without, "news", 4);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 1);
    assert_int_equal(answer.seq, 0);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(with, 1, 3);
    fake_client_expect_seqs(without, 1, 3);
}

static void with_nothing_kept_the_oldest_is_the_next(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct subscribed answer;

    topics_append_many(fixture, "room", 4, 10);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "room", 2, 10);
    topics_fixture_run(fixture);
    answer = resume_in_epoch(client, "news", 2, 1);
    assert_false(answer.recovered);
    assert_int_equal(answer.gap_oldest, 7);
    assert_int_equal(answer.seq, 6);
    (void)topics_append(fixture, "news", "seven");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 7 seven", NULL);
}

/* --- several subscriptions of one client ------------------------------------------------------ */

static void subscriptions_that_resume_from_different_places_share_a_replay(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)topics_append(fixture, "a", "1");
    (void)topics_append(fixture, "b", "2");
    (void)topics_append(fixture, "a,b", "3");
    topics_commit(fixture, NULL);
    (void)topics_append(fixture, "b", "4");
    (void)topics_append(fixture, "c", "5");
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "b", 3);
    (void)fake_client_resume(client, "a", 0);
    (void)fake_client_subscribe(client, "c", NULL);
    (void)topics_append(fixture, "c,a", "6");
    topics_fixture_run(fixture);
    /* c is live: its message may come while the others are still behind. */
    fake_client_expect(client, "c 6 6", "a 1 1", "a 3 3", "b 4 4", "a 6 6", NULL);
}

static void a_newcomer_does_not_make_the_others_begin_again(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->queue_bytes_max = 128 * 1024;
    topics_append_many(fixture, "a", 500, 1000);
    topics_commit(fixture, NULL);
    topics_append_many(fixture, "b", 2, 10);
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "a", 0);
    fake_client_stall(client);
    topics_fixture_run(fixture);
    assert_true(topics_position(fixture->topics, &client->subscriber) > 0);
    (void)fake_client_resume(client, "b", 0);
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 0);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 502);
}

static void more_topics_than_a_filter_takes_are_replayed_as_well(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    char name[16];

    for (int i = 0; i < 200; i++) { /* each in a block of its own */
        (void)snprintf(name, sizeof name, "t%d", i % 100);
        (void)topics_append(fixture, name, "x");
        topics_commit(fixture, NULL);
    }
    topics_fixture_run(fixture);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        assert_true(fake_client_resume(client, name, 0).recovered);
    }
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 100);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 200);
}

static void whoever_lags_can_leave(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    struct fake_client *gone = fake_client_open_text(fixture);

    topics_append_many(fixture, "a,b", 3, 10);
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "a", 0);
    (void)fake_client_resume(client, "b", 0);
    (void)fake_client_resume(gone, "a", 0);
    fake_client_close(gone);
    assert_int_equal(topics_unsubscribe(fixture->topics, &client->subscriber, "a", 1), 0);
    assert_true(fake_client_is_lagging(client));
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 3);
    (void)fake_client_resume(client, "a", 0);
    assert_int_equal(topics_unsubscribe(fixture->topics, &client->subscriber, "a", 1), 0);
    assert_false(fake_client_is_lagging(client));
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 3);
}

/* --- slow clients ----------------------------------------------------------------------------- */

static void a_slow_client_loses_nothing_and_costs_its_queue(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    int more = 0;

    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    for (int i = 0; i < 20; i++) {
        topics_append_many(fixture, "news", 300, 1000);
        topics_commit(fixture, NULL);
        topics_fixture_run(fixture);
    }
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 1);
    for (; fake_client_is_lagging(client) && more < 10 * 1000; more++) {
        fake_client_allow(client, UINT64_C(10) * 1000);
        topics_fixture_run(fixture);
        assert_true(outq_pinned_bytes(&client->stream.out) < TOPICS_QUEUE_BYTES + 64 * 1024);
    }
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 6000);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 1);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 6000);
}

static void whoever_waits_for_its_socket_costs_no_turns(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    topics_append_many(fixture, "news", 600, 1000);
    topics_fixture_run(fixture);
    assert_true(fake_client_is_lagging(client));
    assert_false(topics_catch_up(fixture->topics, SIZE_MAX)); /* nothing to be done at once */
    fake_client_allow(client, SIZE_MAX);
    assert_true(topics_catch_up(fixture->topics, 1));
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 600);
}

static void whoever_drains_is_fed_before_the_worker_sleeps(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 600, 1024);
    topics_commit(fixture, NULL);
    fake_client_stall(client);
    (void)fake_client_resume(client, "news", 0);
    topics_fixture_run(fixture);
    assert_true(fake_client_is_lagging(client));
    fake_client_tell_room(client, SIZE_MAX); /* the last that is ever heard of it */
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 600);
    assert_false(fake_client_is_lagging(client));
}

static void nobody_is_live_again_with_more_than_half_a_queue(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->queue_bytes_max = 100 * 1000;
    topics_append_many(fixture, "news", 20, 3000);
    topics_fixture_run(fixture);
    fake_client_stall(client);
    (void)fake_client_resume(client, "news", 0);
    topics_fixture_run(fixture);
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 20);
    assert_true(outq_pinned_bytes(&client->stream.out) > 50 * 1000);
    assert_true(fake_client_is_lagging(client));
    while (outq_pinned_bytes(&client->stream.out) > 50 * 1000) {
        assert_true(fake_client_is_lagging(client));
        fake_client_allow(client, 1000);
        topics_fixture_run(fixture);
    }
    assert_false(outq_is_empty(&client->stream.out));
    assert_false(fake_client_is_lagging(client));
    fake_client_allow(client, SIZE_MAX);
    fake_client_expect_seqs(client, 1, 20);
}

/* The stream says on_drained at a mark of its own; the limit may ask for less. */
static void a_drained_queue_that_is_still_too_full_is_waited_for_again(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    fixture->queue_bytes_max = 64 * 1024;
    assert_true(client->stream.drained_bytes > fixture->queue_bytes_max / 2);
    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    topics_append_many(fixture, "news", 300, 1000);
    topics_fixture_run(fixture);
    for (int i = 0; i < 400 && fake_client_is_lagging(client); i++) {
        fake_client_allow(client, 1100);
        topics_fixture_run(fixture);
    }
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 300);
}

static void a_replay_stays_within_its_budget(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[4];
    size_t turns = 0;

    topics_append_many(fixture, "news", 500, 1000);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    for (int i = 0; i < 4; i++) {
        clients[i] = fake_client_open_text(fixture);
        (void)fake_client_resume(clients[i], "news", 0);
    }
    /* One step each is 64 KiB: round robin, nobody is fed twice before everybody was once. */
    while (topics_catch_up(fixture->topics, 1) && turns++ < 3)
        continue;
    for (int i = 0; i < 4; i++)
        assert_true(clients[i]->stream.out.bytes > 0);
    topics_fixture_run(fixture);
    for (int i = 0; i < 4; i++)
        fake_client_expect_seqs(clients[i], 1, 500);
}

static void clients_that_resume_together_share_frames(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[50];

    topics_append_many(fixture, "news,other", 2000, 50);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    for (int i = 0; i < 50; i++) {
        clients[i] = fake_client_open(fixture, i % 2 == 0 ? fixture->text_encoding
                                                          : fixture->short_encoding);
        (void)fake_client_resume(clients[i], "news", 0);
    }
    topics_fixture_run(fixture);
    for (int i = 0; i < 50; i++)
        fake_client_expect_seqs(clients[i], 1, 2000);
    assert_int_equal(fixture->encoded_count, 2 * 2000);
}

static void a_replay_is_ranges_and_not_pieces(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *first = fake_client_open_text(fixture);
    struct fake_client *second = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 300, 10);
    topics_fixture_run(fixture);
    fake_client_stall(first);
    fake_client_stall(second);
    (void)fake_client_resume(first, "news", 0);
    (void)fake_client_resume(second, "news", 0);
    topics_fixture_run(fixture);
    assert_int_equal(first->stream.out.count, 1);
    assert_int_equal(second->stream.out.count, 1);
}

static void frames_kept_for_others_are_given_back_when_nobody_lags(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);
    uint64_t encoded;

    topics_append_many(fixture, "news", 10, 10);
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "news", 0);
    topics_fixture_run(fixture);
    encoded = fixture->encoded_count;
    for (int i = 0; i < 1000; i++)
        (void)topics_fixture_turn(fixture);
    (void)fake_client_resume(fake_client_open_text(fixture), "news", 0);
    topics_fixture_run(fixture);
    assert_int_equal(fixture->encoded_count, encoded + 10);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void a_lagging_stream_that_is_ending_is_left_alone(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 10, 10);
    topics_fixture_run(fixture);
    (void)fake_client_resume(client, "news", 0);
    stream_finish(&client->stream);
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 0);
}

static void with_committed_durability_a_replay_ends_where_the_commits_do(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = fake_client_open_text(fixture);

    topics_append_many(fixture, "news", 10, 10);
    topics_commit(fixture, NULL);
    fixture->is_committed_only = true;
    topics_append_many(fixture, "news", 10, 10);
    topics_fixture_run(fixture);
    assert_true(fake_client_resume(client, "news", 0).recovered);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 1, 10);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect_seqs(client, 11, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, topics_setup, topics_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_resume_replays_what_was_missed_and_goes_on_live),
        TEST(a_resume_at_the_end_is_live_at_once),
        TEST(a_resume_from_zero_gives_everything),
        TEST(events_that_are_only_in_the_ring_are_recovered_too),
        TEST(a_topic_never_used_has_nothing_to_replay),
        TEST(an_unknown_epoch_gets_everything_kept),
        TEST(an_earlier_epoch_is_good_up_to_its_end),
        TEST(a_seq_past_the_logs_end_is_not_recovered),
        TEST(with_nothing_kept_the_oldest_is_the_next),
        TEST(subscriptions_that_resume_from_different_places_share_a_replay),
        TEST(a_newcomer_does_not_make_the_others_begin_again),
        TEST(more_topics_than_a_filter_takes_are_replayed_as_well),
        TEST(whoever_lags_can_leave),
        TEST(a_slow_client_loses_nothing_and_costs_its_queue),
        TEST(whoever_waits_for_its_socket_costs_no_turns),
        TEST(whoever_drains_is_fed_before_the_worker_sleeps),
        TEST(nobody_is_live_again_with_more_than_half_a_queue),
        TEST(a_drained_queue_that_is_still_too_full_is_waited_for_again),
        TEST(a_replay_stays_within_its_budget),
        TEST(clients_that_resume_together_share_frames),
        TEST(a_replay_is_ranges_and_not_pieces),
        TEST(frames_kept_for_others_are_given_back_when_nobody_lags),
        TEST(a_lagging_stream_that_is_ending_is_left_alone),
        TEST(with_committed_durability_a_replay_ends_where_the_commits_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
