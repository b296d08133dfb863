#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/session.h"
#include "server/topics/publisher.h"

static void send_line(struct peer *peer, const char *text)
{
    peer_write_text(peer, text);
    peer_write_text(peer, "\n");
}

typedef void send_function(struct peer *peer, int number);

/* Sends one after the other until the server does not read on; returns how many. */
static int send_until_held(struct peer *peer, send_function *send)
{
    int count = 0;

    while (!protocol_session(peer->fixture)->is_held) {
        send(peer, ++count);
        protocol_turn(peer->fixture);
        assert_true(count < 100 * 1000);
    }
    protocol_settle(peer->fixture);
    assert_true(protocol_session(peer->fixture)->is_held);
    return count;
}

static const char *numbered_publish(int number)
{
    static char text[512];

    (void)snprintf(text, sizeof text,
                   "{\"action\":\"publish\",\"topic\":\"t\",\"message\":\"%0300d\",\"id\":%d}",
                   number, number);
    return text;
}

static const char *numbered_published(int number)
{
    static char text[128];

    (void)snprintf(text, sizeof text,
                   "{\"status\":\"published\",\"topic\":\"t\",\"seq\":%d,\"id\":%d}", number,
                   number);
    return text;
}

static void publish_message(struct peer *peer, int number)
{
    peer_send_text(peer, numbered_publish(number));
}

static void publish_line(struct peer *peer, int number)
{
    send_line(peer, numbered_publish(number));
}

static void say(struct peer *peer, int number)
{
    char text[512];

    (void)snprintf(text, sizeof text, "%0300d", number);
    peer_send_text(peer, text);
}

static void a_full_ring_holds_publishers_until_there_is_room(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(PROTOCOL_SMALL_RING_BYTES);
    struct peer *peer = peer_websocket(f, "/broker");
    int count = send_until_held(peer, publish_message);

    (void)state;
    assert_true(publisher_is_blocked(f->service.publisher));
    assert_true(ring_tail(f->base->bus).seq < (uint64_t)count);
    publish_message(peer, ++count); /* not read yet */
    f->is_committing = true;
    for (int i = 1; i <= count; i++)
        peer_expect(peer, numbered_published(i));
    assert_false(protocol_session(f)->is_held);
    protocol_fixture_free(f);
}

static void a_full_ring_holds_the_room_too(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(PROTOCOL_SMALL_RING_BYTES);
    struct peer *peer = peer_websocket(f, "/ws/ann");
    int count;

    (void)state;
    assert_part(peer_text(peer), "\"greeting\"");
    count = send_until_held(peer, say);
    say(peer, ++count);
    f->is_committing = true;
    for (int i = 1; i <= count; i++)
        assert_part(peer_text(peer), "{\"type\":\"message\",\"from\":\"ann\",\"data\":\"000");
    assert_false(protocol_session(f)->is_held);
    protocol_fixture_free(f);
}

static void only_so_many_publishes_wait_for_the_disk(void **state)
{
    enum { MESSAGE_COUNT = SESSION_PENDING_MAX + 100 };
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    for (int i = 0; i < MESSAGE_COUNT; i++)
        peer_send_text(peer,
                       "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}");
    protocol_settle(f);
    assert_int_equal(protocol_session(f)->pending_count, SESSION_PENDING_MAX);
    assert_true(protocol_session(f)->is_held);
    f->is_committing = true;
    for (int i = 0; i < MESSAGE_COUNT; i++)
        assert_part(peer_text(peer), "\"published\"");
    assert_int_equal(protocol_session(f)->pending_count, 0);
}

#define LONG_PING                                                                                  \
    "{\"action\":\"ping\",\"id\":\"012345678901234567890123456789012345678901234567890123456789"   \
    "012345678901234567890123456789012345678901234567890123456789\"}"

static void ping_message(struct peer *peer, int number)
{
    (void)number;
    peer_send_text(peer, LONG_PING);
}

static void ping_line(struct peer *peer, int number)
{
    (void)number;
    send_line(peer, LONG_PING);
}

/* The same, reading nothing: what waits for it in the server has a bound. */
static int send_deafly_until_held(struct peer *peer, send_function *send)
{
    int count;

    peer->is_deaf = true;
    count = send_until_held(peer, send);
    assert_true(outq_pinned_bytes(&protocol_session(peer->fixture)->subscriber.stream->out) <
                2 * TOPICS_QUEUE_BYTES);
    peer->is_deaf = false;
    return count;
}

static void who_does_not_take_answers_is_not_asked_for_more(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");
    int count = send_deafly_until_held(peer, ping_message);

    for (int i = 0; i < count; i++)
        assert_part(peer_text(peer), "\"pong\"");
    assert_false(protocol_session(f)->is_held);
    peer_expect_nothing(peer);
}

static void a_queue_that_the_next_flush_empties_holds_nobody_for_long(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.limits.queue_bytes_max = 1; /* every answer is too much, until it is sent */
    peer = peer_websocket(f, "/broker");
    for (int i = 0; i < 20; i++)
        peer_send_text(peer, "{\"action\":\"ping\"}");
    for (int i = 0; i < 20; i++)
        assert_part(peer_text(peer), "\"pong\"");
}

static void lines_are_held_back_like_messages(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(PROTOCOL_SMALL_RING_BYTES);
    struct peer *peer = peer_line(f);
    int count = send_until_held(peer, publish_line);

    (void)state;
    publish_line(peer, ++count);
    peer_end(peer);
    protocol_settle(f);
    f->is_committing = true;
    for (int i = 1; i <= count; i++)
        assert_like(peer_line_next(peer), numbered_published(i));
    peer_wait_end(peer);
    protocol_fixture_free(f);
}

static void who_does_not_take_lines_is_not_asked_for_more(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    int count = send_deafly_until_held(peer, ping_line);

    for (int i = 0; i < count; i++)
        assert_part(peer_line_next(peer), "\"pong\"");
    assert_false(protocol_session(f)->is_held);
}

/* Whatever it speaks: what waits for it is waited for as long as its stream says. */
static void who_reads_nothing_for_ever_is_gone_in_the_end(void **state)
{
    enum { EVENT_BYTES = 4096 };
    struct protocol_fixture *f = *state;
    struct peer *line = peer_line(f);
    struct peer *broker = peer_websocket(f, "/broker");
    int looks = 0;

    protocol_freeze_time(f);
    send_line(line, "{\"action\":\"subscribe\",\"topic\":\"news\"}");
    peer_send_text(broker, "{\"action\":\"subscribe\",\"topic\":\"news\"}");
    peer_write_text(peer_http(f), "GET /topics/news HTTP/1.1\r\nHost: x\r\n"
                                  "Accept: text/event-stream\r\n\r\n");
    protocol_settle(f);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 3);
    for (struct peer *peer = f->peers; peer != NULL; peer = peer->next)
        peer->is_deaf = true;
    f->is_committing = true;
    while (topics_stat(f->base, STAT_LAGGING) < 3) {
        (void)topics_append_bytes(f->base, "news", EVENT_BYTES);
        protocol_turn(f);
    }
    protocol_settle(f);
    while (topics_stat(f->base, STAT_CLIENTS) > 0 && looks++ < 100) {
        protocol_pass(f, (int)(STREAM_LOOK_NS / 1000000000) + 1); /* timers are up to a tick late */
        protocol_turn(f);
        if (looks < STREAM_STALLED_LOOKS)
            assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 3);
    }
    assert_in_range(looks, STREAM_STALLED_LOOKS, STREAM_STALLED_LOOKS + 2);
}

int main(void)
{
#define HOLDING_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_ring_holds_publishers_until_there_is_room),
        cmocka_unit_test(a_full_ring_holds_the_room_too),
        cmocka_unit_test(lines_are_held_back_like_messages),
        HOLDING_TEST(only_so_many_publishes_wait_for_the_disk),
        HOLDING_TEST(who_does_not_take_answers_is_not_asked_for_more),
        HOLDING_TEST(who_does_not_take_lines_is_not_asked_for_more),
        HOLDING_TEST(who_reads_nothing_for_ever_is_gone_in_the_end),
        HOLDING_TEST(a_queue_that_the_next_flush_empties_holds_nobody_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
