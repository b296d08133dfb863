#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/wake.h"
#include "tests/unit/topics_fixture.h"

static const struct resume from_now = {0};

static struct fake_client *open_text(struct topics_fixture *fixture)
{
    return fake_client_open(fixture, fixture->text_encoding);
}

static int subscribe(struct fake_client *client, const char *topic, const struct resume *resume)
{
    struct subscribed answer;

    return topics_subscribe(client->fixture->topics, &client->subscriber, topic, strlen(topic),
                            resume, &answer);
}

static int unsubscribe(struct fake_client *client, const char *topic)
{
    return topics_unsubscribe(client->fixture->topics, &client->subscriber, topic, strlen(topic));
}

/* --- live delivery ---------------------------------------------------------------------------- */

static void a_subscriber_gets_its_topics_events(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);
    struct subscribed answer;

    (void)topics_append(fixture, "news", "before");
    answer = fake_client_subscribe(client, "news", NULL);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(answer.epoch, TOPICS_EPOCH);
    assert_false(answer.has_recovered || answer.was_subscribed);
    assert_int_equal(answer.gap_oldest, 0);
    (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "other", "no");
    (void)topics_append(fixture, "news", "two");
    (void)topics_append(fixture, "new", "no");
    (void)topics_append(fixture, "newsy", "no");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 2 one", "news 4 two", NULL);
    assert_int_equal(topics_cursor_seq(fixture->topics), 6);
    assert_int_equal(bus_slot_cursor(fixture->bus, TOPICS_SLOT), 0); /* nothing is committed */
    topics_commit(fixture, &(struct retention){.bytes = 0});
    topics_fixture_run(fixture);
    (void)topics_turn(fixture->topics); /* says what the last one has done */
    assert_int_equal(bus_slot_cursor(fixture->bus, TOPICS_SLOT), 6);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 2);
}

static uint64_t count_observed(const struct topics_fixture *fixture)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= STAT_DELIVERY_TIME_BOUNDS; i++)
        count += (uint64_t)topics_stat(fixture, stat_at(STAT_DELIVERY_TIME, i));
    return count;
}

static void deliveries_are_counted_by_the_protocol_of_their_encoding(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[] = {
        open_text(fixture),
        fake_client_open(fixture, fixture->short_encoding),
        fake_client_open(fixture, fixture->short_encoding),
    };

    for (size_t i = 0; i < 3; i++)
        (void)fake_client_subscribe(clients[i], "news", NULL);
    topics_append_many(fixture, "news", 5, 10);
    (void)topics_append(fixture, "nobody's", "no");
    topics_fixture_run(fixture);
    assert_int_equal(topics_stat(fixture, stat_at(STAT_MESSAGES_DELIVERED, STAT_PROTOCOL_ROOM)), 5);
    assert_int_equal(
        topics_stat(fixture, stat_at(STAT_MESSAGES_DELIVERED, STAT_PROTOCOL_BROKER_TCP)), 10);
    assert_int_equal(topics_stat(fixture, STAT_REPLAYED), 0);
}

static void an_events_age_is_observed_once_if_somebody_is_live_for_it(void **state)
{
    struct topics_fixture *fixture = *state;

    (void)fake_client_subscribe(open_text(fixture), "news", NULL);
    (void)fake_client_subscribe(open_text(fixture), "news", NULL);
    (void)fake_client_subscribe(open_text(fixture), "more", NULL);
    for (int i = 0; i < 150; i++) /* each by itself: more times than are kept at once */
        (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "news,more", "one on two topics");
    (void)topics_append(fixture, "nobody's", "no");
    topics_fixture_run(fixture);
    assert_int_equal(count_observed(fixture), 151);
    assert_in_range(topics_stat(fixture, STAT_DELIVERY_TIME_LAST), 1, INT64_C(1000000000) * 1000);
    topics_commit(fixture, NULL);
    (void)fake_client_resume(open_text(fixture), "news", 0);
    topics_fixture_run(fixture);
    assert_int_equal(topics_stat(fixture, STAT_REPLAYED), 151);
    assert_int_equal(count_observed(fixture), 151); /* what is fed from the log is no delay */
}

static void the_worker_begins_at_the_tail(void **state)
{
    struct topics_fixture *fixture = *state;
    const struct topics_options options = topics_fixture_options(fixture);
    struct topics *second = NULL;

    (void)topics_append(fixture, "news", "one");
    assert_int_equal(topics_open(&options, &second), 0);
    assert_int_equal(topics_cursor_seq(second), 1);
    assert_false(topics_turn(second));
    topics_close(second);
}

static void every_encoding_is_made_once(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[6];

    for (unsigned i = 0; i < 6; i++) {
        clients[i] = fake_client_open(fixture, i % 2 == 0 ? fixture->text_encoding
                                                          : fixture->short_encoding);
        (void)fake_client_subscribe(clients[i], "news", NULL);
    }
    (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "nobody", "here");
    topics_fixture_run(fixture);
    for (unsigned i = 0; i < 6; i++)
        fake_client_expect(clients[i], i % 2 == 0 ? "news 1 one" : "news 1", NULL);
    assert_int_equal(fixture->encoded_count, 2);
}

static void a_run_of_events_is_one_range(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    for (int i = 0; i < 50; i++)
        (void)topics_append(fixture, "news", "payload");
    topics_fixture_run(fixture);
    assert_int_equal(client->stream.out.count, 1);
}

static void interleaved_topics_of_one_client_are_one_range(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *both = open_text(fixture);
    struct fake_client *one = open_text(fixture);

    (void)fake_client_subscribe(both, "a", NULL);
    (void)fake_client_subscribe(both, "b", NULL);
    (void)fake_client_subscribe(one, "a", NULL);
    fake_client_stall(both);
    fake_client_stall(one);
    for (int i = 0; i < 10; i++)
        (void)topics_append(fixture, i % 2 == 0 ? "a" : "b", "payload");
    topics_fixture_run(fixture);
    assert_int_equal(both->stream.out.count, 1);
    assert_int_equal(one->stream.out.count, 5);
}

static void runs_go_on_over_the_end_of_an_arena(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    for (int i = 0; i < 100; i++)
        (void)topics_append_bytes(fixture, "news", 997);
    topics_fixture_run(fixture);
    for (int i = 1; i <= 100; i++) {
        const char *line = fake_client_line(client);

        assert_non_null(line);
        assert_int_equal(fake_client_seq(line), i);
        assert_int_equal(strlen(line), 997 + 6 + (i < 10 ? 1 : i < 100 ? 2 : 3));
    }
    assert_null(fake_client_line(client));
}

static void an_operation_on_two_topics_is_a_message_for_each(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *both = open_text(fixture);
    struct fake_client *one = open_text(fixture);

    (void)fake_client_subscribe(both, "a", NULL);
    (void)fake_client_subscribe(both, "b", NULL);
    (void)fake_client_subscribe(one, "b", NULL);
    (void)topics_append(fixture, "a,b,c", "x");
    (void)topics_append(fixture, "b,a", "y");
    topics_fixture_run(fixture);
    fake_client_expect(both, "a 1 x", "b 1 x", "b 2 y", "a 2 y", NULL);
    fake_client_expect(one, "b 1 x", "b 2 y", NULL);
}

static void what_is_no_event_or_has_failed_is_passed_over(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);
    const struct record_topic topic = {"news", 4};
    struct record_spec spec = {.kind = RECORD_COMMAND, .topics = &topic, .topic_count = 1};
    uint64_t seq;

    (void)fake_client_subscribe(client, "news", NULL);
    assert_int_equal(topics_append_spec(fixture, &spec, &seq), 0);
    spec.kind = RECORD_EVENT;
    spec.flags = RECORD_FAILED;
    assert_int_equal(topics_append_spec(fixture, &spec, &seq), 0);
    (void)topics_append(fixture, "news", "real");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 3 real", NULL);
}

static void a_turn_reads_at_most_64_kib(void **state)
{
    struct topics_fixture *fixture = *state;

    (void)fake_client_subscribe(open_text(fixture), "news", NULL);
    for (int i = 0; i < 300; i++)
        (void)topics_append_bytes(fixture, "news", 1000);
    assert_true(topics_turn(fixture->topics));
    assert_in_range(topics_cursor_seq(fixture->topics), 1, 64);
    topics_fixture_run(fixture);
    assert_int_equal(topics_cursor_seq(fixture->topics), 300);
}

static void nobody_is_woken_for_what_nobody_gets(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    for (int i = 0; i < 300; i++)
        (void)topics_append_bytes(fixture, "news", 1000);
    assert_false(topics_has_news(fixture->topics));
    assert_int_equal(topics_wake_reasons(fixture->topics), 0);
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 300);
    assert_false(topics_turn(fixture->topics)); /* nothing of it is read */
    assert_int_equal(topics_cursor_seq(fixture->topics), 300);

    (void)fake_client_subscribe(client, "news", NULL);
    assert_int_equal(topics_wake_reasons(fixture->topics), WAKE_TAIL);
    assert_false(topics_has_news(fixture->topics));
    (void)topics_append(fixture, "news", "one");
    assert_true(topics_has_news(fixture->topics));
    topics_fixture_run(fixture);
    assert_false(topics_has_news(fixture->topics));
    fake_client_expect(client, "news 301 one", NULL);

    fixture->is_committed_only = true;
    assert_int_equal(topics_wake_reasons(fixture->topics), WAKE_COMMIT);
    (void)topics_append(fixture, "news", "two");
    assert_false(topics_has_news(fixture->topics));
    topics_commit(fixture, NULL);
    assert_true(topics_has_news(fixture->topics));
}

static void a_record_larger_than_a_turn_is_delivered_whole(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);
    const char *line;

    (void)fake_client_subscribe(client, "news", NULL);
    (void)topics_append(fixture, "news", "one");
    (void)topics_append_bytes(fixture, "news", UINT64_C(200) * 1024);
    (void)topics_append(fixture, "news", "three");
    topics_fixture_run(fixture);
    assert_string_equal(fake_client_line(client), "news 1 one");
    line = fake_client_line(client);
    assert_non_null(line);
    assert_int_equal(strlen(line), UINT64_C(200) * 1024 + strlen("news 2 "));
    fake_client_expect(client, "news 3 three", NULL);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 0);
}

static void a_stream_that_is_ending_gets_nothing_more(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *leaving = open_text(fixture);
    struct fake_client *staying = open_text(fixture);

    (void)fake_client_subscribe(leaving, "news", NULL);
    (void)fake_client_subscribe(staying, "news", NULL);
    stream_finish(&leaving->stream);
    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    fake_client_expect(leaving, NULL);
    fake_client_expect(staying, "news 1 one", NULL);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 1);
}

static void with_committed_durability_nothing_is_delivered_before_its_commit(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);
    struct fake_client *later = open_text(fixture);

    fixture->is_committed_only = true;
    (void)fake_client_subscribe(client, "news", NULL);
    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
    /* Nobody is told of what is not committed, not even as a position. */
    assert_int_equal(fake_client_subscribe(later, "news", NULL).seq, 0);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 1 one", NULL);
    fake_client_expect(later, "news 1 one", NULL);
}

/* A reload to committed durability: the worker has delivered more than is committed by then. */
static void a_subscription_never_begins_behind_the_worker(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    fixture->is_committed_only = true;
    assert_int_equal(fake_client_subscribe(client, "news", NULL).seq, 1);
    (void)topics_append(fixture, "news", "two");
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 2 two", NULL);
}

static void a_lapped_worker_reads_on_from_the_store(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    for (int lap = 0; lap < 4; lap++) {
        for (int i = 0; i < 800; i++)
            (void)topics_append_bytes(fixture, "news", 1000);
        topics_commit(fixture, NULL);
    }
    topics_fixture_run(fixture);
    for (unsigned i = 1; i <= 3200; i++) {
        const char *line = fake_client_line(client);

        assert_non_null(line);
        assert_int_equal(fake_client_seq(line), i);
    }
    assert_int_equal(topics_stat(fixture, STAT_LAPPED), 1);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 0);
    (void)topics_append(fixture, "news", "in the ring again");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 3201 in the ring again", NULL);
}

static void a_worker_that_retention_overtook_tells_the_gap(void **state)
{
    struct topics_fixture *fixture = *state;
    const struct retention little = {.bytes = UINT64_C(64) * 1024};
    struct fake_client *client = open_text(fixture);
    struct fake_client *other = open_text(fixture);
    char gap[64];

    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(other, "quiet", NULL);
    for (int lap = 0; lap < 4; lap++) {
        for (int i = 0; i < 800; i++)
            (void)topics_append_bytes(fixture, "news", 1000);
        topics_commit(fixture, NULL);
    }
    topics_trim(fixture, &little);
    topics_fixture_run(fixture);
    (void)snprintf(gap, sizeof gap, "gap news %llu", (unsigned long long)fixture->meta.first_seq);
    assert_string_equal(fake_client_line(client), gap);
    for (uint64_t seq = fixture->meta.first_seq; seq <= 3200; seq++) {
        const char *line = fake_client_line(client);

        assert_non_null(line);
        assert_int_equal(fake_client_seq(line), seq);
    }
    fake_client_expect(client, NULL);
    fake_client_expect(other, NULL); /* its topic has lost nothing */
    assert_int_equal(topics_stat(fixture, STAT_LAPPED), 1);
    assert_int_equal(topics_stat(fixture, STAT_GAPS), 1);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
}

/* --- subscribing ------------------------------------------------------------------------------ */

static void without_since_only_what_comes_after_is_sent(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *early = open_text(fixture);
    struct fake_client *late = open_text(fixture);

    /* The worker has not read the first two when the second client subscribes. */
    (void)fake_client_subscribe(early, "news", NULL);
    (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "news", "two");
    assert_int_equal(fake_client_subscribe(late, "news", NULL).seq, 2);
    (void)topics_append(fixture, "news", "three");
    topics_fixture_run(fixture);
    fake_client_expect(early, "news 1 one", "news 2 two", "news 3 three", NULL);
    fake_client_expect(late, "news 3 three", NULL);
    (void)topics_append(fixture, "news", "four");
    topics_fixture_run(fixture);
    fake_client_expect(early, "news 4 four", NULL);
    fake_client_expect(late, "news 4 four", NULL);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), 6);
}

static void subscribing_twice_changes_nothing(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);
    const struct resume resume = {.has_since = true, .since = 0};
    struct subscribed answer;

    (void)fake_client_subscribe(client, "news", NULL);
    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    answer = fake_client_subscribe(client, "news", NULL);
    assert_true(answer.was_subscribed);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(subscribe(client, "news", &resume), -EEXIST);
    assert_int_equal(client->subscriber.subscription_count, 1);
    (void)topics_append(fixture, "news", "two");
    topics_fixture_run(fixture);
    fake_client_expect(client, "news 1 one", "news 2 two", NULL);
}

static void unsubscribing_ends_it(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    assert_int_equal(unsubscribe(client, "news"), -ENOENT);
    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "room", NULL);
    assert_int_equal(unsubscribe(client, "news"), 0);
    assert_int_equal(unsubscribe(client, "news"), -ENOENT);
    (void)topics_append(fixture, "news", "one");
    (void)topics_append(fixture, "room", "two");
    topics_fixture_run(fixture);
    fake_client_expect(client, "room 2 two", NULL);
}

static void whoever_is_in_the_middle_of_a_list_can_leave_it(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[40];

    for (int i = 0; i < 40; i++) {
        clients[i] = open_text(fixture);
        (void)fake_client_subscribe(clients[i], "news", NULL);
    }
    for (int i = 0; i < 40; i++) {
        if (i % 4 != 1)
            assert_int_equal(unsubscribe(clients[i], "news"), 0);
    }
    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    for (int i = 0; i < 40; i++)
        fake_client_expect(clients[i], i % 4 == 1 ? "news 1 one" : NULL, NULL);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 10);
}

static void a_client_has_only_so_many_subscriptions(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    fixture->subscriptions_max = 2;
    (void)fake_client_subscribe(client, "a", NULL);
    (void)fake_client_subscribe(client, "b", NULL);
    assert_int_equal(subscribe(client, "c", &from_now), -E2BIG);
    assert_int_equal(subscribe(client, "a", &from_now), 0); /* again: none more */
    assert_int_equal(unsubscribe(client, "a"), 0);
    assert_int_equal(subscribe(client, "c", &from_now), 0);
    fixture->subscriptions_max = 3; /* a reload */
    assert_int_equal(subscribe(client, "a", &from_now), 0);
}

static void subscribers_are_counted(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *first = open_text(fixture);
    struct fake_client *second = open_text(fixture);

    assert_int_equal(topics_subscriber_count(fixture->topics, "news", 4), 0);
    (void)fake_client_subscribe(first, "news", NULL);
    (void)fake_client_subscribe(second, "news", NULL);
    (void)fake_client_subscribe(second, "room", NULL);
    assert_int_equal(topics_subscriber_count(fixture->topics, "news", 4), 2);
    assert_int_equal(topics_subscriber_count(fixture->topics, "room", 4), 1);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 3);
    fake_client_close(second);
    assert_int_equal(topics_subscriber_count(fixture->topics, "news", 4), 1);
    assert_int_equal(topics_subscriber_count(fixture->topics, "room", 4), 0);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 1);
}

static void a_position_is_what_has_been_queued(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    (void)topics_append(fixture, "news", "one");
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 0);
    topics_fixture_run(fixture);
    assert_int_equal(topics_position(fixture->topics, &client->subscriber), 1);
}

static void ending_a_subscriber_twice_is_harmless(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    (void)fake_client_subscribe(client, "news", NULL);
    subscriber_done(fixture->topics, &client->subscriber);
    subscriber_done(fixture->topics, &client->subscriber);
    (void)topics_append(fixture, "news", "one");
    topics_fixture_run(fixture);
    fake_client_expect(client, NULL);
}

/* --- who is over the limit -------------------------------------------------------------------- */

static void whoever_does_not_read_begins_to_lag(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *slow = open_text(fixture);
    struct fake_client *quick = open_text(fixture);

    (void)fake_client_subscribe(slow, "news", NULL);
    (void)fake_client_subscribe(slow, "room", NULL);
    (void)fake_client_subscribe(quick, "news", NULL);
    fake_client_stall(slow);
    for (int i = 0; i < 600; i++) {
        (void)topics_append_bytes(fixture, "news", 1000);
        topics_fixture_run(fixture);
    }
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 1);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 2);
    /* One turn's worth may lie over the limit, and no more comes. */
    assert_true(outq_pinned_bytes(&slow->stream.out) <= TOPICS_QUEUE_BYTES + 64 * 1024);
    assert_true(topics_position(fixture->topics, &slow->subscriber) < 600);
    for (int i = 0; i < 600; i++)
        assert_non_null(fake_client_line(quick));
}

/* With a limit that small ranges do not reach before the queue has as many as it can. */
static void whoever_does_not_read_many_small_ranges_lags_and_is_not_cut(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *slow = open_text(fixture);
    struct fake_client *other = open_text(fixture);
    const int count = OUTQ_RANGES_MAX + 1000;

    fixture->queue_bytes_max = 1024 * 1024 * 1024;
    other->is_forgetful = true;
    (void)fake_client_subscribe(slow, "news", NULL);
    (void)fake_client_subscribe(other, "others", NULL);
    fake_client_stall(slow);
    for (int i = 0; i < count; i++) {
        (void)topics_append(fixture, "news", "");
        (void)topics_append(fixture, "others", "");
        if (i % 1000 == 0)
            topics_commit(fixture, NULL);
        if (i % 100 == 0)
            topics_fixture_run(fixture);
    }
    topics_fixture_run(fixture);
    assert_false(slow->is_aborted);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 1);
    fake_client_allow(slow, SIZE_MAX);
    for (int i = 0; i < count; i++) {
        const char *line = fake_client_line(slow);

        if (line == NULL) {
            topics_fixture_run(fixture);
            line = fake_client_line(slow);
        }
        assert_non_null(line);
        assert_int_equal(fake_client_seq(line), 2 * i + 1);
    }
    assert_false(slow->is_aborted);
}

static void a_burst_makes_nobody_lag_who_is_reading(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    fixture->queue_bytes_max = 20 * 1000;
    (void)fake_client_subscribe(client, "news", NULL);
    for (int i = 0; i < 500; i++)
        (void)topics_append_bytes(fixture, "news", 1000);
    topics_fixture_run(fixture);
    for (int i = 0; i < 500; i++)
        assert_non_null(fake_client_line(client));
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 0);
}

static void a_client_that_leaves_before_it_is_judged_is_forgotten(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *clients[3];

    for (int i = 0; i < 3; i++) {
        clients[i] = open_text(fixture);
        (void)fake_client_subscribe(clients[i], "news", NULL);
        fake_client_stall(clients[i]);
    }
    fixture->queue_bytes_max = 1;
    (void)topics_append(fixture, "news", "one");
    (void)topics_turn(fixture->topics);
    assert_int_not_equal(clients[0]->subscriber.judged_index, UINT32_MAX);
    fake_client_close(clients[0]);
    fake_client_close(clients[2]);
    (void)topics_judge(fixture->topics);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 1);
    assert_int_equal(clients[1]->subscriber.judged_index, UINT32_MAX);
}

static void one_large_frame_alone_makes_nobody_lag(void **state)
{
    struct topics_fixture *fixture = *state;
    struct fake_client *client = open_text(fixture);

    fixture->queue_bytes_max = 64 * 1024;
    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    (void)topics_append_bytes(fixture, "news", UINT64_C(200) * 1024);
    topics_fixture_run(fixture);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 0);
    (void)topics_append(fixture, "news", "one more");
    topics_fixture_run(fixture);
    assert_int_equal(topics_stat(fixture, STAT_BECAME_LAGGING), 1);
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture);
    assert_non_null(fake_client_line(client));
    fake_client_expect(client, "news 2 one more", NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, topics_setup, topics_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_subscriber_gets_its_topics_events),
        TEST(deliveries_are_counted_by_the_protocol_of_their_encoding),
        TEST(an_events_age_is_observed_once_if_somebody_is_live_for_it),
        TEST(the_worker_begins_at_the_tail),
        TEST(every_encoding_is_made_once),
        TEST(a_run_of_events_is_one_range),
        TEST(interleaved_topics_of_one_client_are_one_range),
        TEST(runs_go_on_over_the_end_of_an_arena),
        TEST(an_operation_on_two_topics_is_a_message_for_each),
        TEST(what_is_no_event_or_has_failed_is_passed_over),
        TEST(a_turn_reads_at_most_64_kib),
        TEST(nobody_is_woken_for_what_nobody_gets),
        TEST(a_record_larger_than_a_turn_is_delivered_whole),
        TEST(a_stream_that_is_ending_gets_nothing_more),
        TEST(with_committed_durability_nothing_is_delivered_before_its_commit),
        TEST(a_subscription_never_begins_behind_the_worker),
        TEST(a_lapped_worker_reads_on_from_the_store),
        TEST(a_worker_that_retention_overtook_tells_the_gap),
        TEST(without_since_only_what_comes_after_is_sent),
        TEST(subscribing_twice_changes_nothing),
        TEST(unsubscribing_ends_it),
        TEST(whoever_is_in_the_middle_of_a_list_can_leave_it),
        TEST(a_client_has_only_so_many_subscriptions),
        TEST(subscribers_are_counted),
        TEST(a_position_is_what_has_been_queued),
        TEST(ending_a_subscriber_twice_is_harmless),
        TEST(whoever_does_not_read_begins_to_lag),
        TEST(whoever_does_not_read_many_small_ranges_lags_and_is_not_cut),
        TEST(a_burst_makes_nobody_lag_who_is_reading),
        TEST(a_client_that_leaves_before_it_is_judged_is_forgotten),
        TEST(one_large_frame_alone_makes_nobody_lag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
