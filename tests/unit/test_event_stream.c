#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    assert_string_equal(client->operations->protocol, "event-stream");
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
