/*
 * GraphQL subscriptions as event streams, with operations that do what the test says (fake_api.h)
 * over a worker's real topics.
 */
#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/protocol/client.h"
#include "tests/unit/fake_api.h"

#define EVENTS  "Accept: text/event-stream\r\n"
#define NEWS    "/graphql?query=subscription+news"
#define ID(seq) "id: " PROTOCOL_EPOCH "-" #seq

static struct fake_api *fake;

static int begin(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    fake = fake_api_new(f->base->bus, f->base->topics);
    f->service.api = &fake->api;
    *state = f;
    return 0;
}

static int end(void **state)
{
    protocol_fixture_free(*state);
    fake_api_free(fake);
    return 0;
}

/* Takes the head, and what comes before the position. */
static void take_opening(struct peer *peer)
{
    struct answer answer = peer_answer(peer, true);

    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/event-stream\r\n");
    assert_part(answer.head, "Cache-Control: no-cache\r\n");
    assert_part(answer.head, "X-Accel-Buffering: no\r\n");
    assert_part(answer.head, "Vary: Accept\r\n");
    assert_part(answer.head, "Connection: close\r\n");
    assert_string_equal(peer_line_next(peer), "retry: 2000");
    assert_string_equal(peer_line_next(peer), "");
}

static struct peer *subscribe(struct protocol_fixture *f, const char *target, const char *more)
{
    struct peer *peer = peer_http(f);
    char request[512];

    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n" EVENTS "%s\r\n",
                   target, more);
    peer_write_text(peer, request);
    take_opening(peer);
    return peer;
}

/* A block of one to three lines. */
static void assert_block(struct peer *peer, const char *first, const char *second,
                         const char *third)
{
    assert_string_equal(peer_line_next(peer), first);
    if (second != NULL)
        assert_string_equal(peer_line_next(peer), second);
    if (third != NULL)
        assert_string_equal(peer_line_next(peer), third);
    assert_string_equal(peer_line_next(peer), "");
}

#define NEXT(payload, seq) "data: {\"data\":" payload ",\"extensions\":{\"seq\":\"" #seq "\"}}"

static void assert_gap(struct peer *peer, const char *oldest)
{
    char wanted[32];
    const char *line;

    (void)snprintf(wanted, sizeof wanted, "\"oldest\":\"%s\"", oldest);
    assert_string_equal(peer_line_next(peer), "event: next");
    line = peer_line_next(peer);
    assert_int_equal(strncmp(line, "data: {\"errors\":[{\"message\":\"", 29), 0);
    assert_part(line, "\"code\":\"GAP\"");
    assert_part(line, wanted);
    assert_part(line, "\"epoch\":\"" PROTOCOL_EPOCH "\"");
    assert_string_equal(peer_line_next(peer), "");
}

static void a_subscription_begins_with_its_position_and_goes_on_live(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;
    struct peer *other;

    (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    peer = subscribe(f, NEWS, "");
    other = subscribe(f, NEWS, "");
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 2);
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 2);
    assert_block(peer, ID(1), NULL, NULL);
    assert_block(other, ID(1), NULL, NULL);
    (void)topics_append(f->base, "noise", "0");
    (void)topics_append(f->base, "news", "{\"a\":1}");
    assert_block(peer, ID(3), "event: next", NEXT("{\"a\":1}", 3));
    assert_block(other, ID(3), "event: next", NEXT("{\"a\":1}", 3));
    assert_int_equal(fake->executed_count, 1); /* for both */
    peer_expect_nothing(peer);
}

static void it_can_be_asked_for_by_post(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: application/json, "
                          "text/event-stream;q=0.1\r\nContent-Type: application/json\r\n"
                          "Content-Length: 29\r\n\r\n{\"query\":\"subscription news\"}");
    take_opening(peer);
    assert_block(peer, ID(0), NULL, NULL);
    (void)topics_append(f->base, "news", "1");
    assert_block(peer, ID(1), "event: next", NEXT("1", 1));
}

static void last_event_id_beats_extensions(void **state)
{
    static const char extensions[] = "&extensions=%7B%22resume%22:%7B%22seq%22:%222%22,"
                                     "%22epoch%22:%22" PROTOCOL_EPOCH "%22%7D%7D";
    struct protocol_fixture *f = *state;
    char target[256];
    struct peer *peer;

    (void)snprintf(target, sizeof target, NEWS "%s", extensions);
    for (int i = 1; i <= 3; i++)
        (void)topics_append(f->base, "news", i == 1 ? "1" : i == 2 ? "2" : "3");
    peer = subscribe(f, target, "");
    assert_block(peer, ID(2), NULL, NULL);
    assert_block(peer, ID(3), "event: next", NEXT("3", 3));
    peer = subscribe(f, target, "Last-Event-ID: " PROTOCOL_EPOCH "-1\r\n");
    assert_block(peer, ID(1), NULL, NULL);
    assert_block(peer, ID(2), "event: next", NEXT("2", 2));
    assert_block(peer, ID(3), "event: next", NEXT("3", 3));
    peer = subscribe(f, target, "Last-Event-ID:\r\n"); /* says nothing */
    assert_block(peer, ID(2), NULL, NULL);
}

static void a_resume_that_cannot_be_honoured_is_a_next_and_the_stream_goes_on(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    (void)topics_append(f->base, "news", "1");
    peer = subscribe(f, NEWS, "Last-Event-ID: 0123456789abcdef-1\r\n");
    assert_block(peer, ID(0), NULL, NULL);
    assert_gap(peer, "1");
    assert_block(peer, ID(1), "event: next", NEXT("1", 1));
    (void)topics_append(f->base, "news", "2");
    assert_block(peer, ID(2), "event: next", NEXT("2", 2));
    peer_expect_nothing(peer);
}

static void what_cannot_be_subscribed_is_a_next_and_a_complete(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = subscribe(f, "/graphql?query=subscription", "");

    assert_string_equal(peer_line_next(peer), "event: next");
    assert_part(peer_line_next(peer), "data: {\"errors\":[");
    assert_string_equal(peer_line_next(peer), "");
    assert_block(peer, "event: complete", "data:", NULL);
    peer_wait_end(peer);
    peer_expect_nothing(peer);
    peer_close(peer);
    protocol_settle(f);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void what_is_refused_is_a_stream_that_is_whole(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    for (int i = 0; i < 2; i++) { /* the connection stays */
        struct answer answer = peer_request(peer, "GET", "/graphql?query=refused+x", EVENTS, NULL);

        assert_int_equal(answer.status, 200);
        assert_part(answer.head, "Content-Type: text/event-stream\r\n");
        assert_part(answer.head, "Cache-Control: no-cache\r\n");
        assert_part(answer.head, "X-Accel-Buffering: no\r\n");
        assert_string_equal(answer.body, "event: next\ndata: {\"errors\":[{\"message\":\"x\"}]}\n\n"
                                         "event: complete\ndata:\n\n");
    }
}

static void its_position_is_sent_now_and_then(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    protocol_freeze_time(f);
    peer = subscribe(f, NEWS, "");
    assert_block(peer, ID(0), NULL, NULL);
    (void)topics_append(f->base, "noise", "0");
    protocol_settle(f);
    protocol_pass(f, 14);
    peer_expect_nothing(peer);
    protocol_pass(f, 2);
    assert_block(peer, ID(1), NULL, NULL);
    protocol_pass(f, 16);
    assert_block(peer, ID(1), NULL, NULL);
}

static void it_is_warned_by_a_comment_and_ends_without_complete(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = subscribe(f, NEWS, "");
    struct client *client = f->service.clients.first;

    assert_block(peer, ID(0), NULL, NULL);
    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_GRAPHQL_SSE);
    client->operations->warn(client, 1800);
    assert_block(peer, ": server is shutting down, 1800 s remain", NULL, NULL);
    (void)topics_append(f->base, "news", "1");
    assert_block(peer, ID(1), "event: next", NEXT("1", 1));
    client->operations->close(client);
    client->operations->close(client); /* nothing more */
    assert_block(peer, ": server is shutting down, 0 s remain", NULL, NULL);
    peer_wait_end(peer);
    peer_expect_nothing(peer);
}

static void who_comes_during_a_drain_is_told_when_to_come_again(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *old = peer_http(f);

    protocol_settle(f);
    f->service.is_refusing = true;
    peer_wait_end(subscribe(f, NEWS, ""));
    /* Of the connections that were there, too: it would be a client more to wait for. */
    peer_write_text(old, "GET " NEWS " HTTP/1.1\r\nHost: x\r\n" EVENTS "\r\n");
    take_opening(old);
    peer_wait_end(old);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void the_head_can_be_asked_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer = protocol_request(f, "HEAD", NEWS, EVENTS, NULL);

    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/event-stream\r\n");
    assert_no_part(answer.head, "Content-Length");
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 0);
}

static void who_goes_has_left_its_group(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = subscribe(f, NEWS, "");

    assert_int_equal(fake->live_count, 1);
    peer_close(peer);
    protocol_settle(f);
    assert_int_equal(fake->live_count, 0);
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 0);
}

#define STREAM_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_subscription_begins_with_its_position_and_goes_on_live),
        STREAM_TEST(it_can_be_asked_for_by_post),
        STREAM_TEST(last_event_id_beats_extensions),
        STREAM_TEST(a_resume_that_cannot_be_honoured_is_a_next_and_the_stream_goes_on),
        STREAM_TEST(what_cannot_be_subscribed_is_a_next_and_a_complete),
        STREAM_TEST(what_is_refused_is_a_stream_that_is_whole),
        STREAM_TEST(its_position_is_sent_now_and_then),
        STREAM_TEST(it_is_warned_by_a_comment_and_ends_without_complete),
        STREAM_TEST(who_comes_during_a_drain_is_told_when_to_come_again),
        STREAM_TEST(the_head_can_be_asked_for),
        STREAM_TEST(who_goes_has_left_its_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
