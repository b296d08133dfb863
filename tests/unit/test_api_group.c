/*
 * Groups over a worker's real topics, with subscriptions that do what their text says (fake_api.h).
 */
#include "tests/unit/topics_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/group.h"
#include "server/json/text.h"
#include "tests/unit/fake_api.h"

enum {
    EXPECTED_BYTES_MAX = 1024,
    RETENTION_BYTES = 64 * 1024,
};

static struct fake_api *fake;

static int begin(void **state)
{
    struct topics_fixture *fixture;

    (void)topics_setup(state);
    fixture = *state;
    fake = fake_api_new(fixture->bus, fixture->topics);
    return 0;
}

static int end(void **state)
{
    fake_api_free(fake);
    return topics_teardown(state);
}

/* --- members ---------------------------------------------------------------------------------- */

/* A member on a connection of its own. */
struct listener {
    struct group_member member;
    struct fake_client *client;
    unsigned gaps;
    uint64_t gap_oldest;
};

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    struct listener *listener = user;

    (void)topic;
    (void)topic_bytes;
    listener->gaps++;
    listener->gap_oldest = oldest;
    group_leave(&listener->member);
}

/* What a client asks for. */
struct wish {
    const char *text;
    enum group_style_kind style;
    const char *id;              /* NULL: none */
    const struct resume *resume; /* NULL: from now on */
};

static int join(struct topics_fixture *fixture, struct listener *listener, const struct wish *wish,
                struct subscribed *ret)
{
    static const struct subscriber_handlers handlers = {.on_gap = on_gap};
    static const struct resume from_now = {0};
    struct operation *operation = fake_api_operation(fake, wish->text);
    struct group_join_options options = {
        .style = wish->style,
        .handlers = &handlers,
        .user = listener,
        .resume = wish->resume != NULL ? wish->resume : &from_now,
    };
    int rc;

    listener->client = fake_client_open(fixture, NULL);
    options.stream = &listener->client->stream;
    if (wish->id != NULL)
        options.id = arena_copy(wish->id, strlen(wish->id));
    rc = group_join(operation, &listener->member, &options, ret);
    assert_int_equal(operation_is_refused(operation), rc != 0);
    operation_free(operation);
    arena_unref(options.id);
    return rc;
}

static void listen_as(struct topics_fixture *fixture, struct listener *listener, const char *text,
                      enum group_style_kind style, const char *id)
{
    const struct wish wish = {.text = text, .style = style, .id = id};
    struct subscribed subscribed;

    *listener = (struct listener){0};
    assert_int_equal(join(fixture, listener, &wish, &subscribed), 0);
    assert_false(subscribed.has_recovered);
}

static void expect_bytes(struct fake_client *client, const void *wanted, size_t size)
{
    assert_true(client->received_bytes - client->taken_bytes >= size);
    assert_memory_equal(client->received + client->taken_bytes, wanted, size);
    client->taken_bytes += size;
}

/* The next frame is a text of up to 64 KiB with just this. */
static void expect_text(struct listener *listener, const char *wanted)
{
    size_t size = strlen(wanted);
    uint8_t head[4] = {0x81, (uint8_t)size};

    if (size < 126) {
        expect_bytes(listener->client, head, 2);
    } else {
        head[1] = 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        expect_bytes(listener->client, head, 4);
    }
    expect_bytes(listener->client, wanted, size);
}

static void expect_next(struct listener *listener, const char *id, const char *payload,
                        unsigned seq)
{
    char text[EXPECTED_BYTES_MAX];

    (void)snprintf(text, sizeof text,
                   "{\"id\":%s,\"type\":\"next\",\"payload\":{\"data\":%s,\"extensions\":{\"seq\":"
                   "\"%u\"}}}",
                   id, payload, seq);
    expect_text(listener, text);
}

static void expect_nothing(const struct listener *listener)
{
    assert_int_equal(listener->client->received_bytes, listener->client->taken_bytes);
}

/* --- results ---------------------------------------------------------------------------------- */

static void an_event_is_executed_once_for_all_styles(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener new_ones[3];
    struct listener old;
    struct listener stream;

    listen_as(fixture, &new_ones[0], "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &new_ones[1], "subscription news", GROUP_TRANSPORT_WS, "\"b\"");
    listen_as(fixture, &new_ones[2], "subscription news", GROUP_TRANSPORT_WS, "\"longer\"");
    listen_as(fixture, &old, "subscription news", GROUP_OLD_WS, "1");
    listen_as(fixture, &stream, "subscription news", GROUP_EVENT_STREAM, NULL);
    assert_int_equal(fake->live_count, 1);
    (void)topics_append(fixture, "news", "{\"x\":1}");
    (void)topics_append(fixture, "other", "0");
    (void)topics_append(fixture, "news", "2");
    topics_fixture_run(fixture);
    assert_int_equal(fake->executed_count, 2);
    expect_next(&new_ones[0], "\"a\"", "{\"x\":1}", 1);
    expect_next(&new_ones[0], "\"a\"", "2", 3);
    expect_next(&new_ones[1], "\"b\"", "{\"x\":1}", 1);
    expect_next(&new_ones[1], "\"b\"", "2", 3);
    expect_next(&new_ones[2], "\"longer\"", "{\"x\":1}", 1);
    expect_next(&new_ones[2], "\"longer\"", "2", 3);
    expect_text(&old, "{\"id\":1,\"type\":\"data\",\"payload\":{\"data\":{\"x\":1},\"extensions\":"
                      "{\"seq\":\"1\"}}}");
    expect_text(&old, "{\"id\":1,\"type\":\"data\",\"payload\":{\"data\":2,\"extensions\":"
                      "{\"seq\":\"3\"}}}");
    fake_client_expect(stream.client, "id: 9f86d081884c7d65-1", "event: next",
                       "data: {\"data\":{\"x\":1},\"extensions\":{\"seq\":\"1\"}}", "",
                       "id: 9f86d081884c7d65-3", "event: next",
                       "data: {\"data\":2,\"extensions\":{\"seq\":\"3\"}}", "", NULL);
    for (int i = 0; i < 3; i++) {
        expect_nothing(&new_ones[i]);
        group_leave(&new_ones[i].member);
    }
    group_leave(&old.member);
    group_leave(&stream.member);
}

static void frames_of_every_length_have_the_right_head(void **state)
{
    static const size_t sizes[] = {1,  50, 60, 61, 62, 63,  64,  65,
                                   66, 67, 68, 69, 70, 125, 126, 1000};
    struct topics_fixture *fixture = *state;
    struct listener short_one;
    struct listener long_one;
    char payload[EXPECTED_BYTES_MAX / 2];

    listen_as(fixture, &short_one, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &long_one, "subscription news", GROUP_TRANSPORT_WS, "\"a23456789\"");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i] < sizeof payload ? sizes[i] : sizeof payload - 1;

        memset(payload, '1', size);
        payload[size] = '\0';
        (void)topics_append(fixture, "news", payload);
        topics_fixture_run(fixture);
        expect_next(&short_one, "\"a\"", payload, (unsigned)i + 1);
        expect_next(&long_one, "\"a23456789\"", payload, (unsigned)i + 1);
    }
    group_leave(&short_one.member);
    group_leave(&long_one.member);
}

static void what_is_not_delivered_is_no_frame(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener listener;
    struct listener stream;

    listen_as(fixture, &listener, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &stream, "subscription news", GROUP_EVENT_STREAM, NULL);
    (void)topics_append(fixture, "news", "null");
    (void)topics_append(fixture, "news", "1");
    (void)topics_append(fixture, "news", "null");
    topics_fixture_run(fixture);
    assert_int_equal(fake->executed_count, 3);
    expect_next(&listener, "\"a\"", "1", 2);
    expect_nothing(&listener);
    group_leave(&listener.member);
    group_leave(&stream.member);
}

static void what_is_not_for_this_turn_comes_later_and_once(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener listener;
    struct listener other;

    listen_as(fixture, &listener, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &other, "subscription other", GROUP_TRANSPORT_WS, "\"b\"");
    fake->is_waiting = true;
    (void)topics_append(fixture, "news", "1");
    (void)topics_append(fixture, "news", "\"wait\"");
    (void)topics_append(fixture, "other", "3");
    (void)topics_append(fixture, "news", "4");
    for (int i = 0; i < 10; i++)
        (void)topics_fixture_turn(fixture);
    expect_next(&listener, "\"a\"", "1", 1);
    expect_nothing(&listener);
    expect_next(&other, "\"b\"", "3", 3);
    fake->is_waiting = false;
    topics_fixture_run(fixture);
    expect_next(&listener, "\"a\"", "\"wait\"", 2);
    expect_next(&listener, "\"a\"", "4", 4);
    expect_nothing(&listener);
    group_leave(&listener.member);
    group_leave(&other.member);
}

static void without_memory_its_streams_are_aborted(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener listener;
    struct listener other;

    listen_as(fixture, &listener, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &other, "subscription other", GROUP_TRANSPORT_WS, "\"b\"");
    (void)topics_append(fixture, "news", "\"fail\"");
    (void)topics_append(fixture, "other", "2");
    topics_fixture_run(fixture);
    assert_true(listener.client->is_aborted);
    assert_false(other.client->is_aborted);
    expect_next(&other, "\"b\"", "2", 2);
    group_leave(&listener.member);
    group_leave(&other.member);
}

static void results_are_kept_within_a_bound(void **state)
{
    enum { GROUPS = 90, RESULT_BYTES = 200 * 1024 };
    struct topics_fixture *fixture = *state;
    struct listener *listeners = calloc((size_t)2 * GROUPS, sizeof *listeners);
    char text[64];

    assert_non_null(listeners);
    for (size_t i = 0; i < GROUPS; i++) {
        (void)snprintf(text, sizeof text, "subscription news %zu", i);
        listen_as(fixture, &listeners[2 * i], text, GROUP_TRANSPORT_WS, "\"a\"");
        listen_as(fixture, &listeners[2 * i + 1], text, GROUP_EVENT_STREAM, NULL);
        listeners[2 * i].client->is_forgetful = true;
        listeners[2 * i + 1].client->is_forgetful = true;
    }
    assert_int_equal(fake->live_count, GROUPS);
    for (unsigned seq = 1; seq <= 3; seq++) {
        (void)topics_append_bytes(fixture, "news", RESULT_BYTES);
        topics_fixture_run(fixture);
        /* What was dropped for others is made again when it is asked for again. */
        assert_in_range(fake->executed_count, GROUPS * seq, 2 * GROUPS * seq);
    }
    for (size_t i = 0; i < (size_t)2 * GROUPS; i++)
        group_leave(&listeners[i].member);
    free(listeners);
}

/* --- coming and going ------------------------------------------------------------------------- */

static void a_group_goes_with_its_last_member(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener listeners[3];
    struct group_member none = {0};

    group_leave(&none); /* harmless */
    for (int round = 0; round < 2; round++) {
        listen_as(fixture, &listeners[0], "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
        listen_as(fixture, &listeners[1], "subscription news", GROUP_OLD_WS, "\"a\"");
        listen_as(fixture, &listeners[2], "subscription news x", GROUP_TRANSPORT_WS, "\"a\"");
        assert_int_equal(fake->live_count, 2);
        assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 3);
        (void)topics_append(fixture, "news", "1");
        topics_fixture_run(fixture);
        group_leave(&listeners[0].member);
        assert_int_equal(fake->live_count, 2);
        group_leave(&listeners[0].member); /* again: harmless */
        group_leave(&listeners[1].member);
        assert_int_equal(fake->live_count, 1);
        group_leave(&listeners[2].member);
        assert_int_equal(fake->live_count, 0);
        assert_null(fake->api.groups);
        assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 0);
    }
}

static void what_is_queued_outlives_its_member(void **state)
{
    struct topics_fixture *fixture = *state;
    struct listener listener;

    listen_as(fixture, &listener, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    fake_client_stall(listener.client);
    (void)topics_append(fixture, "news", "1");
    topics_fixture_run(fixture);
    group_leave(&listener.member);
    fake_client_allow(listener.client, SIZE_MAX);
    expect_next(&listener, "\"a\"", "1", 1);
}

static void a_subscription_without_a_topic_is_refused(void **state)
{
    const struct wish wish = {"subscription", GROUP_TRANSPORT_WS, "\"a\"", NULL};
    struct listener listener = {0};
    struct subscribed subscribed;

    assert_int_equal(join(*state, &listener, &wish, &subscribed), -EINVAL);
    assert_null(fake->api.groups);
    group_leave(&listener.member); /* harmless */
}

static void too_many_subscriptions_are_refused(void **state)
{
    const struct wish longer = {"subscription news", GROUP_TRANSPORT_WS, "\"longer\"", NULL};
    const struct wish other = {"subscription other", GROUP_TRANSPORT_WS, "\"a\"", NULL};
    struct topics_fixture *fixture = *state;
    struct listener first;
    struct listener second = {0};
    struct listener third = {0};
    struct subscribed subscribed;

    listen_as(fixture, &first, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    fixture->subscriptions_max = 0;
    assert_int_equal(join(fixture, &second, &longer, &subscribed), -E2BIG);
    assert_int_equal(join(fixture, &third, &other, &subscribed), -E2BIG);
    assert_int_equal(fake->live_count, 1);
    (void)topics_append(fixture, "news", "1");
    topics_fixture_run(fixture);
    expect_next(&first, "\"a\"", "1", 1);
    expect_nothing(&second);
    group_leave(&first.member);
}

/* --- resuming --------------------------------------------------------------------------------- */

static void who_resumes_gets_what_was_missed(void **state)
{
    const struct resume resume = {
        .has_since = true, .has_epoch = true, .since = 1, .epoch = TOPICS_EPOCH};
    const struct wish wish = {"subscription news", GROUP_TRANSPORT_WS, "\"b\"", &resume};
    struct topics_fixture *fixture = *state;
    struct listener live;
    struct listener resumed = {0};
    struct subscribed subscribed;

    listen_as(fixture, &live, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    for (int i = 0; i < 3; i++)
        (void)topics_append(fixture, "news", "0");
    topics_fixture_run(fixture);
    assert_int_equal(join(fixture, &resumed, &wish, &subscribed), 0);
    assert_true(subscribed.has_recovered);
    assert_true(subscribed.recovered);
    (void)topics_append(fixture, "news", "4");
    topics_fixture_run(fixture);
    expect_next(&resumed, "\"b\"", "0", 2);
    expect_next(&resumed, "\"b\"", "0", 3);
    expect_next(&resumed, "\"b\"", "4", 4);
    expect_nothing(&resumed);
    assert_int_equal(live.gaps + resumed.gaps, 0);
    group_leave(&live.member);
    group_leave(&resumed.member);
}

static void a_gap_is_told_with_what_is_left(void **state)
{
    const struct resume resume = {.has_since = true, .has_epoch = true, .since = 1, .epoch = 5};
    const struct wish wish = {"subscription news", GROUP_TRANSPORT_WS, "\"a\"", &resume};
    struct topics_fixture *fixture = *state;
    struct listener listener = {0};
    struct subscribed subscribed;
    struct text text = {0};

    (void)topics_append(fixture, "news", "0");
    assert_int_equal(join(fixture, &listener, &wish, &subscribed), 0);
    assert_true(subscribed.has_recovered);
    assert_false(subscribed.recovered);
    group_write_gap(&listener.member, 40, &text);
    text_add(&text, "", 1);
    assert_string_equal(text.bytes,
                        "{\"errors\":[{\"message\":\"events that belong here are no longer kept\","
                        "\"extensions\":{\"code\":\"GAP\",\"oldest\":\"40\",\"epoch\":"
                        "\"9f86d081884c7d65\"}}]}");
    text_done(&text);
    group_leave(&listener.member);
}

/* Retention overtakes a member that does not read; it leaves from inside on_gap. */
static void who_is_overtaken_may_leave_at_once(void **state)
{
    const struct retention retention = {.bytes = RETENTION_BYTES};
    struct topics_fixture *fixture = *state;
    struct listener slow;
    struct listener other;

    listen_as(fixture, &slow, "subscription news", GROUP_TRANSPORT_WS, "\"a\"");
    listen_as(fixture, &other, "subscription news", GROUP_TRANSPORT_WS, "\"longer\"");
    other.client->is_forgetful = true;
    fake_client_stall(slow.client);
    for (int i = 0; i < 1500; i++) {
        (void)topics_append_bytes(fixture, "news", 2000);
        (void)topics_fixture_turn(fixture);
        if (i % 50 == 0)
            topics_commit(fixture, &retention);
    }
    topics_commit(fixture, &retention);
    topics_trim(fixture, &retention);
    fake_client_allow(slow.client, SIZE_MAX);
    subscriber_drained(fixture->topics, &slow.member.spliced.subscriber);
    topics_fixture_run(fixture);
    assert_int_equal(slow.gaps, 1);
    assert_true(slow.gap_oldest > 1);
    assert_null(slow.member.style);
    assert_int_equal(other.gaps, 0);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 1);
    group_leave(&other.member);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_executed_once_for_all_styles),
        TEST(frames_of_every_length_have_the_right_head),
        TEST(what_is_not_delivered_is_no_frame),
        TEST(what_is_not_for_this_turn_comes_later_and_once),
        TEST(without_memory_its_streams_are_aborted),
        TEST(results_are_kept_within_a_bound),
        TEST(a_group_goes_with_its_last_member),
        TEST(what_is_queued_outlives_its_member),
        TEST(a_subscription_without_a_topic_is_refused),
        TEST(too_many_subscriptions_are_refused),
        TEST(who_resumes_gets_what_was_missed),
        TEST(a_gap_is_told_with_what_is_left),
        TEST(who_is_overtaken_may_leave_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
