#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/ring.h"

#define EVENT_STREAM "Accept: text/event-stream\r\n"

/* Opens one and takes what comes before the first block. */
static struct peer *open_events(struct protocol_fixture *f, const char *target, const char *more)
{
    struct peer *peer = peer_http(f);
    char headers[256];
    struct answer answer;

    (void)snprintf(headers, sizeof headers, EVENT_STREAM "%s", more);
    answer = peer_request(peer, "GET", target, headers, NULL);
    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/event-stream\r\n");
    assert_part(answer.head, "Cache-Control: no-cache\r\n");
    assert_part(answer.head, "X-Accel-Buffering: no\r\n");
    assert_part(answer.head, "Vary: Accept\r\n");
    assert_string_equal(peer_line_next(peer), "retry: 2000");
    assert_string_equal(peer_line_next(peer), "");
    return peer;
}

static void assert_lines(struct peer *peer, const char *first, const char *second)
{
    assert_like(peer_line_next(peer), first);
    if (second != NULL)
        assert_like(peer_line_next(peer), second);
    assert_string_equal(peer_line_next(peer), "");
}

static void an_event_stream_begins_with_its_position_and_goes_on_live(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    (void)topics_append(f->base, "news", "0");
    peer = open_events(f, "/topics/news", "");
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 1);
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-1", NULL);
    (void)topics_append(f->base, "noise", "0");
    (void)topics_append(f->base, "news", "{\"a\":1}");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-3",
                 "data: {\"type\":\"message\",\"topic\":\"news\",\"data\":{\"a\":1},\"seq\":3,"
                 "\"time\":\"T\"}");
    peer_expect_nothing(peer);
}

static void an_event_stream_resumes_by_last_event_id_rather_than_since(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    for (int i = 1; i <= 3; i++)
        (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    peer = open_events(f, "/topics/news?since=0", "Last-Event-ID: " PROTOCOL_EPOCH "-2\r\n");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-2", NULL);
    assert_lines(
        peer, "id: " PROTOCOL_EPOCH "-3",
        "data: {\"type\":\"message\",\"topic\":\"news\",\"data\":0,\"seq\":3,\"time\":\"T\"}");
    peer_expect_nothing(peer);

    peer = open_events(f, "/topics/news?since=1", "");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-1", NULL);
    assert_string_equal(peer_line_next(peer), "id: " PROTOCOL_EPOCH "-2");
}

static void a_strange_last_event_id_is_told_of_a_gap(void **state)
{
    static const char *const ids[] = {"0123456789abcdef-12", "77", PROTOCOL_EPOCH "-",
                                      PROTOCOL_EPOCH "-x", PROTOCOL_EPOCH "-99"};
    struct protocol_fixture *f = *state;
    char header[64];

    (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct peer *peer;

        (void)snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", ids[i]);
        peer = open_events(f, "/topics/news", header);
        assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
        assert_lines(peer, "event: gap",
                     "data: {\"type\":\"gap\",\"topic\":\"news\",\"oldest\":1}");
        assert_string_equal(peer_line_next(peer), "id: " PROTOCOL_EPOCH "-1");
        peer_close(peer);
    }
}

static void an_event_stream_is_warned_and_closed(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_events(f, "/topics/news", "");
    struct client *client = f->service.clients.first;

    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_EVENT_STREAM);
    client->operations->warn(client, 1800);
    assert_lines(peer, "event: shutdown",
                 "data: {\"type\":\"shutdown\",\"message\":\"Server is shutting down\","
                 "\"remaining_seconds\":1800,\"time\":\"T\"}");
    client->operations->close(client);
    assert_string_equal(peer_line_next(peer), "event: shutdown");
    peer_wait_end(peer);
}

static void the_head_of_an_event_stream_can_be_asked_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct answer answer = peer_request(peer, "HEAD", "/topics/news", EVENT_STREAM, NULL);

    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/event-stream\r\n");
    assert_part(answer.head, "Connection: close\r\n");
    assert_no_part(answer.head, "Content-Length"); /* GET has none either */
    peer_wait_end(peer);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void an_event_stream_checks_its_query(void **state)
{
    assert_error(protocol_request(*state, "GET", "/topics/news?since=x", EVENT_STREAM, NULL), 400,
                 "bad_request");
}

static void an_empty_last_event_id_says_nothing_and_a_good_one_beats_a_bad_query(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    for (int i = 1; i <= 3; i++)
        (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    peer = open_events(f, "/topics/news?since=2", "Last-Event-ID:\r\n");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-2", NULL);
    peer =
        open_events(f, "/topics/news?since=x&epoch=y", "Last-Event-ID: " PROTOCOL_EPOCH "-1\r\n");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-1", NULL);
    assert_string_equal(peer_line_next(peer), "id: " PROTOCOL_EPOCH "-2");
    peer = open_events(f, "/topics/news?since=1&epoch=0123456789abcdef", "");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
    assert_lines(peer, "event: gap", "data: {\"type\":\"gap\",\"topic\":\"news\",\"oldest\":1}");
}

static void the_position_is_said_every_15_seconds(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    protocol_freeze_time(f);
    peer = open_events(f, "/topics/news", "");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
    protocol_pass(f, 14);
    peer_expect_nothing(peer);
    (void)topics_append(f->base, "noise", "0");
    (void)topics_append(f->base, "noise", "0");
    protocol_settle(f);
    protocol_pass(f, 2);
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-2", NULL);
    protocol_pass(f, 13);
    peer_expect_nothing(peer);
    protocol_pass(f, 3);
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-2", NULL);
    peer_expect_nothing(peer);
}

/* An id may only be said when everything up to it has been: else a reconnect would lose the rest. */
static void a_slow_reader_is_told_no_position_that_its_events_have_not_reached(void **state)
{
    enum { EVENTS = 400 };
    struct protocol_fixture *f = *state;
    struct peer *peer;
    char wanted[64];
    int seq = 0;

    protocol_freeze_time(f);
    peer = open_events(f, "/topics/news", "");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
    peer->is_deaf = true;
    f->is_committing = true; /* more than the ring holds */
    for (int i = 0; i < EVENTS; i++) {
        (void)topics_append_bytes(f->base, "news", 4096);
        protocol_turn(f);
        if (i % 50 == 0)
            protocol_pass(f, 16);
    }
    protocol_settle(f);
    assert_true(topics_stat(f->base, STAT_LAGGING) > 0);
    protocol_pass(f, 16);
    peer->is_deaf = false;
    while (seq < EVENTS) {
        const char *line = peer_line_next(peer);
        bool is_event;
        int got;

        assert_int_equal(strncmp(line, "id: " PROTOCOL_EPOCH "-", 21), 0);
        got = (int)strtol(line + 21, NULL, 10);
        is_event = *peer_line_next(peer) != '\0';
        if (is_event)
            assert_string_equal(peer_line_next(peer), "");
        assert_int_equal(got, is_event ? seq + 1 : seq);
        seq = got;
    }
    peer_expect_nothing(peer);
    protocol_pass(f, 16);
    (void)snprintf(wanted, sizeof wanted, "id: " PROTOCOL_EPOCH "-%d", EVENTS);
    assert_lines(peer, wanted, NULL);
}

static void an_old_http_client_gets_the_same_stream(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct answer answer;

    peer_write_text(peer, "GET /topics/news HTTP/1.0\r\n" EVENT_STREAM "\r\n");
    answer = peer_answer(peer, true);
    assert_int_equal(answer.status, 200);
    assert_no_part(answer.head, "Transfer-Encoding");
    assert_no_part(answer.head, "Content-Length");
    assert_part(answer.head, "Connection: close\r\n");
    assert_string_equal(peer_line_next(peer), "retry: 2000");
    assert_string_equal(peer_line_next(peer), "");
    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
}

static void who_comes_during_a_drain_is_told_when_to_come_again(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.is_refusing = true;
    peer = open_events(f, "/topics/news?since=0", "");
    peer_wait_end(peer);
    assert_int_equal(peer->received_bytes, peer->taken_bytes);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
    assert_int_equal(protocol_request(f, "HEAD", "/topics/news", EVENT_STREAM, NULL).status, 200);
}

static void who_posts_gets_an_answer_whatever_it_accepts(void **state)
{
    struct answer answer = protocol_request(*state, "POST", "/topics/news", EVENT_STREAM, "x");

    assert_int_equal(answer.status, 201);
    assert_part(answer.head, "Content-Type: application/json\r\n");
}

static void what_is_sent_behind_the_request_is_not_read_as_another(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_events(f, "/topics/news", "");

    assert_lines(peer, "id: " PROTOCOL_EPOCH "-0", NULL);
    peer_write_text(peer, "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1");
    peer_expect_nothing(peer);
    assert_int_equal(ring_tail(f->base->bus).seq, 0);
    peer_end(peer); /* shuts its side down: it goes */
    peer_wait_end(peer);
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(an_event_stream_begins_with_its_position_and_goes_on_live),
        HTTP_TEST(an_event_stream_resumes_by_last_event_id_rather_than_since),
        HTTP_TEST(a_strange_last_event_id_is_told_of_a_gap),
        HTTP_TEST(an_event_stream_is_warned_and_closed),
        HTTP_TEST(the_head_of_an_event_stream_can_be_asked_for),
        HTTP_TEST(an_event_stream_checks_its_query),
        HTTP_TEST(an_empty_last_event_id_says_nothing_and_a_good_one_beats_a_bad_query),
        HTTP_TEST(the_position_is_said_every_15_seconds),
        HTTP_TEST(a_slow_reader_is_told_no_position_that_its_events_have_not_reached),
        HTTP_TEST(an_old_http_client_gets_the_same_stream),
        HTTP_TEST(who_comes_during_a_drain_is_told_when_to_come_again),
        HTTP_TEST(who_posts_gets_an_answer_whatever_it_accepts),
        HTTP_TEST(what_is_sent_behind_the_request_is_not_read_as_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
