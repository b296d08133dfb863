/* Clients of every protocol: why they are said to have left, how an administrator ends them, and what
 * is counted of them meanwhile. */
#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bus/stats.h"
#include "server/protocol/session.h"
#include "server/websocket/websocket.h"
#include "tests/unit/fake_api.h"
#include "tests/unit/graphql_socket_fixture.h"

#define EVENT_STREAM "Accept: text/event-stream\r\n"
#define SUBSCRIBE    "{\"action\":\"subscribe\",\"topic\":\"news\"}"

enum {
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    PING_SECONDS = 5,
};

static struct peer *open_events(struct protocol_fixture *f)
{
    struct peer *peer = peer_http(f);

    assert_int_equal(peer_request(peer, "GET", "/topics/news", EVENT_STREAM, NULL).status, 200);
    return peer;
}

/* The only client has left, as soon as its side of the connection has ended, too. */
static void expect_left(struct peer *peer, enum stat_close_reason reason, int code)
{
    struct protocol_fixture *f = peer->fixture;

    protocol_settle(f);
    (void)shutdown(peer->fd, SHUT_WR); /* where it has not been */
    protocol_settle(f);
    assert_int_equal(f->service.clients.count, 0);
    assert_string_equal(stat_close_reason_name(f->left_reason), stat_close_reason_name(reason));
    assert_int_equal(f->left_code, code);
    peer_close(peer);
}

static void close_from_its_side(struct peer *peer, int code)
{
    uint8_t payload[] = {(uint8_t)(code >> 8), (uint8_t)code};

    peer_send_frame(peer, OPCODE_CLOSE, payload, sizeof payload);
}

static void answer_close(struct peer *peer, int code)
{
    assert_int_equal(peer_close_code(peer), code);
    close_from_its_side(peer, code);
}

/* The only client. */
static struct client *the_client(struct protocol_fixture *f)
{
    return &protocol_session(f)->client;
}

/* --- what they say themselves ----------------------------------------------------------------- */

static void who_says_goodbye_is_told_from_who_is_gone(void **state)
{
    static const char *const targets[] = {"/ws/ann", "/broker", "/echo"};
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.limits.is_echo_served = true;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        peer = peer_websocket(f, targets[i]);
        close_from_its_side(peer, 4321);
        expect_left(peer, STAT_CLOSED_CLIENT, 4321);
        peer = peer_websocket(f, targets[i]);
        peer_send_frame(peer, OPCODE_CLOSE, "", 0);
        expect_left(peer, STAT_CLOSED_CLIENT, 0); /* a close frame without a code */
        peer = peer_websocket(f, targets[i]);
        peer_end(peer);
        expect_left(peer, STAT_CLOSED_GONE, 0);
    }
}

static void where_there_is_no_word_for_it_the_end_is_the_goodbye(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    peer_write_text(peer, "{\"action\":\"ping\"}\n");
    (void)peer_line_next(peer);
    peer_end(peer);
    expect_left(peer, STAT_CLOSED_CLIENT, 0);
    peer = open_events(f);
    peer_end(peer);
    expect_left(peer, STAT_CLOSED_CLIENT, 0);
}

static void a_graphql_client_may_say_goodbye_in_two_ways(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);

    close_from_its_side(peer, 1000);
    expect_left(peer, STAT_CLOSED_CLIENT, 1000);
    peer = socket_connect_old(f);
    peer_send_text(peer, "{\"type\":\"connection_terminate\"}");
    answer_close(peer, 1000);
    expect_left(peer, STAT_CLOSED_CLIENT, 1000);
}

/* --- what they do wrong ------------------------------------------------------------------------- */

static void what_breaks_a_protocol_is_an_error_of_it(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    for (int i = 0; i < 2; i++) {
        peer = peer_websocket(f, i == 0 ? "/ws/ann" : "/broker");
        peer_send_frame(peer, OPCODE_BINARY, "x", 1);
        if (i == 0)
            (void)peer_text(peer); /* the greeting */
        answer_close(peer, 1003);
        expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 1003);
    }
    peer = peer_websocket(f, "/broker");
    peer_send_text(peer, "\xff");
    expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 1007);
    peer = peer_websocket(f, "/broker");
    peer_send_frame(peer, 3, "x", 1); /* no opcode that there is */
    expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 1002);
    peer = peer_line(f);
    peer_write_text(peer, "GET / HTTP/1.1\r\n");
    expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 0);
}

static void every_code_of_graphql_is_an_error_of_its_protocol(void **state)
{
    static const struct {
        const char *said;
        int code;
    } cases[] = {
        {"no JSON", 4400},
        {"{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{q}\"}}", 4401},
    };
    struct protocol_fixture *f = *state;
    struct peer *peer;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer = socket_connect(f, "graphql-transport-ws");
        peer_send_text(peer, cases[i].said);
        answer_close(peer, cases[i].code);
        expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, cases[i].code);
    }
    peer = socket_connect_new(f);
    peer_send_text(peer, SOCKET_INIT);
    answer_close(peer, 4429);
    expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 4429);
    protocol_freeze_time(f);
    peer = socket_connect(f, "graphql-transport-ws");
    protocol_pass(f, 11);
    answer_close(peer, 4408);
    expect_left(peer, STAT_CLOSED_PROTOCOL_ERROR, 4408);
}

static void what_is_too_large_is_told_apart(void **state)
{
    struct protocol_fixture *f = *state;
    char text[2048];
    struct peer *peer = peer_line(f);

    memset(text, '{', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    f->service.limits.message_bytes_max = 1024;
    peer_write_text(peer, text);
    expect_left(peer, STAT_CLOSED_TOO_LARGE, 0);
    websocket_set_configure(f->service.websockets,
                            &(struct websocket_options){.message_bytes_max = 1024});
    peer = peer_websocket(f, "/broker");
    peer_send_text(peer, text);
    expect_left(peer, STAT_CLOSED_TOO_LARGE, 1009);
}

static void what_is_too_slow_is_told_apart(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    protocol_freeze_time(f);
    peer = peer_line(f);
    peer_write_text(peer, "{\"action\":");
    protocol_settle(f);
    protocol_pass(f, 31);
    expect_left(peer, STAT_CLOSED_SLOW, 0);
    peer = peer_websocket(f, "/broker");
    peer_send_frame(peer, OPCODE_TEXT, "", 0); /* whole */
    peer_write(peer,
               "\x01\x83"
               "\0\0\0\0"
               "abc",
               9); /* the first piece of one */
    protocol_settle(f);
    protocol_pass(f, 31);
    expect_left(peer, STAT_CLOSED_SLOW, 1008);
}

static void who_does_not_answer_a_ping_is_told_from_who_is_gone(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    websocket_set_configure(
        f->service.websockets,
        &(struct websocket_options){.message_bytes_max = 1024,
                                    .ping_interval_ns = PING_SECONDS * INT64_C(1000000000),
                                    .ping_timeout_ns = PING_SECONDS * INT64_C(1000000000)});
    protocol_freeze_time(f);
    peer = peer_websocket(f, "/ws/ann");
    protocol_settle(f);
    protocol_pass(f, PING_SECONDS + 1);
    protocol_settle(f);
    protocol_pass(f, PING_SECONDS + 1);
    expect_left(peer, STAT_CLOSED_PING_TIMEOUT, 0);
}

static void who_takes_nothing_is_given_up_as_stalled(void **state)
{
    struct protocol_fixture *f = *state;
    static char payload[16 * 1024];

    memset(payload, '1', sizeof payload - 1);
    protocol_freeze_time(f);
    for (int i = 0; i < 3; i++) {
        struct peer *peer = i == 0   ? peer_line(f)
                            : i == 1 ? open_events(f)
                                     : peer_websocket(f, "/broker");

        if (i == 0)
            peer_write_text(peer, SUBSCRIBE "\n");
        if (i == 2)
            peer_send_text(peer, SUBSCRIBE);
        protocol_settle(f);
        peer->is_deaf = true;
        for (int j = 0; j < 50; j++)
            (void)topics_append(f->base, "news", payload);
        topics_commit(f->base, NULL);
        protocol_settle(f);
        for (int j = 0; j <= STREAM_STALLED_LOOKS; j++)
            protocol_pass(f, (int)(STREAM_LOOK_NS / 1000000000));
        expect_left(peer, STAT_CLOSED_STALLED, 0);
    }
}

static void a_line_that_finds_no_room_is_our_overload(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    struct stream *stream;

    peer_write_text(peer, "{\"action\":");
    protocol_settle(f);
    stream = protocol_session(f)->subscriber.stream;
    stream->handlers->on_no_room(stream->user);
    expect_left(peer, STAT_CLOSED_OVERLOADED, 0);
}

static void echo_over_its_rate_is_rate_limited(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.limits.is_echo_served = true;
    f->service.limits.rates.messages = 1;
    peer = peer_websocket(f, "/echo");
    peer_send_text(peer, "one");
    peer_send_text(peer, "two");
    assert_string_equal(peer_text(peer), "one");
    answer_close(peer, 1008);
    assert_int_equal(f->left.messages_in, 0); /* it has not left yet */
    expect_left(peer, STAT_CLOSED_RATE_LIMITED, 1008);
    assert_int_equal(f->left.messages_in, 2);
    assert_int_equal(f->left.messages_out, 1);
}

/* --- what is done to them ----------------------------------------------------------------------- */

static struct peer *open_line(struct protocol_fixture *f)
{
    return peer_line(f);
}

static struct peer *open_room(struct protocol_fixture *f)
{
    struct peer *peer = peer_websocket(f, "/ws/ann");

    (void)peer_text(peer);
    return peer;
}

static struct peer *open_broker(struct protocol_fixture *f)
{
    return peer_websocket(f, "/broker");
}

static struct peer *open_echo(struct protocol_fixture *f)
{
    f->service.limits.is_echo_served = true;
    return peer_websocket(f, "/echo");
}

static const struct {
    struct peer *(*open)(struct protocol_fixture *f);
    enum stat_protocol protocol;
    int kick_code; /* 0: no WebSocket */
    const char *kick_reason;
} kinds[] = {
    {open_room, STAT_PROTOCOL_ROOM, 1008, "closed by the administrator"},
    {open_broker, STAT_PROTOCOL_BROKER, 1008, "closed by the administrator"},
    {open_echo, STAT_PROTOCOL_ECHO, 1008, "closed by the administrator"},
    {socket_connect_new, STAT_PROTOCOL_GRAPHQL_WS, 4403, "Forbidden"},
    {socket_connect_old, STAT_PROTOCOL_GRAPHQL_WS, 4403, "Forbidden"},
    {open_line, STAT_PROTOCOL_BROKER_TCP, 0, NULL},
    {open_events, STAT_PROTOCOL_EVENT_STREAM, 0, NULL},
};

enum {
    KIND_COUNT = sizeof kinds / sizeof kinds[0],
};

static void an_administrator_ends_each_in_its_protocol_s_way(void **state)
{
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct peer *peer = kinds[i].open(f);

        protocol_settle(f);
        assert_int_equal(f->service.clients.count, 1);
        client_kick(f->service.clients.first);
        client_kick(f->service.clients.first); /* it is ending: nothing more comes of it */
        if (kinds[i].kick_code != 0) {
            socket_expect_close(peer, kinds[i].kick_code, kinds[i].kick_reason);
            close_from_its_side(peer, kinds[i].kick_code);
        } else {
            peer_wait_end(peer);
            peer_end(peer);
        }
        assert_int_equal(f->left_count, i); /* unless its own end has come */
        expect_left(peer, STAT_CLOSED_KICKED, kinds[i].kick_code);
        assert_int_equal(f->left.protocol, kinds[i].protocol);
    }
}

static void a_drain_closes_each_for_the_shutdown(void **state)
{
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct peer *peer = kinds[i].open(f);
        struct client *client;

        protocol_settle(f);
        client = f->service.clients.first;
        client->operations->close(client);
        client_kick(client); /* too late to be the reason */
        if (kinds[i].kick_code != 0)
            answer_close(peer, 1001);
        else
            peer_end(peer);
        expect_left(peer, STAT_CLOSED_SHUTDOWN, kinds[i].kick_code != 0 ? 1001 : 0);
    }
}

static void who_has_closed_already_is_not_said_to_be_kicked(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_broker(f);

    peer->is_deaf = true;
    close_from_its_side(peer, 1000);
    while (!websocket_is_closing(protocol_session(f)->websocket))
        protocol_turn(f);
    client_kick(the_client(f));
    expect_left(peer, STAT_CLOSED_CLIENT, 1000);
}

/* --- what is counted ---------------------------------------------------------------------------- */

static void a_room_client_is_described_from_its_first_moment(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_room(f);
    struct client_view view;

    assert_int_equal(f->joined.protocol, STAT_PROTOCOL_ROOM);
    assert_string_equal(f->joined.name, "ann");
    assert_string_equal(f->joined.peer, "unix");
    assert_int_equal(f->joined.subscriptions, 0);
    peer_send_text(peer, "one");
    peer_send_text(peer, "two");
    (void)peer_text(peer);
    (void)peer_text(peer);
    client_describe(the_client(f), &view);
    assert_string_equal(view.name, "ann");
    assert_int_equal(view.number, 1);
    assert_int_equal(view.messages_in, 2);
    assert_int_equal(view.messages_out, 2); /* not the greeting */
    assert_int_equal(view.subscriptions, 1);
    assert_int_equal(view.lagging, 0);
    assert_true(view.bytes_in > 100); /* the handshake is among them */
    assert_int_equal(view.bytes_out, peer->received_bytes);
    assert_int_equal(view.queued_bytes, 0);
    close_from_its_side(peer, 1000);
    expect_left(peer, STAT_CLOSED_CLIENT, 1000);
    assert_string_equal(f->left.name, "ann");
    assert_string_equal(f->left.peer, "unix");
    assert_int_equal(f->left.messages_in, 2);
    assert_int_equal(f->left.messages_out, 2);
    assert_int_equal(f->left.bytes_in, view.bytes_in + 2 + 4 + 2); /* a close frame */
}

/* Live ones and those that it catches up with. */
static void an_event_is_counted_whichever_way_it_came(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    struct client_view view;

    for (int i = 0; i < 3; i++)
        (void)topics_append(f->base, "news", "1");
    peer_write_text(peer, "{\"action\":\"subscribe\",\"topic\":\"news\",\"since\":0}\n");
    for (int i = 0; i < 4; i++)
        (void)peer_line_next(peer);
    client_describe(the_client(f), &view);
    assert_int_equal(view.messages_out, 3);
    (void)topics_append(f->base, "news", "2");
    (void)peer_line_next(peer);
    client_describe(the_client(f), &view);
    assert_int_equal(view.messages_out, 4);
    assert_int_equal(view.messages_in, 1);
    assert_int_equal(view.subscriptions, 1);
    assert_string_equal(view.name, "");
}

static void who_does_not_read_has_bytes_queued_and_subscriptions_lagging(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    static char payload[16 * 1024];
    struct client_view view;

    f->service.limits.queue_bytes_max = 64 * 1024;
    peer_write_text(peer, SUBSCRIBE "\n");
    (void)peer_line_next(peer);
    peer->is_deaf = true;
    memset(payload, '1', sizeof payload - 1);
    f->is_committing = true;
    for (int i = 0; i < 100; i++) {
        (void)topics_append(f->base, "news", payload);
        protocol_turn(f);
        client_describe(the_client(f), &view);
        if (view.lagging > 0)
            break;
    }
    assert_int_equal(view.lagging, 1);
    assert_int_equal(view.subscriptions, 1);
    assert_true(view.queued_bytes > 0);
}

static void every_operation_of_a_graphql_client_is_counted(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    struct client_view view;
    char id[16];

    for (int i = 0; i < 20; i++) { /* more than their table's first list has */
        (void)snprintf(id, sizeof id, "%d", i);
        socket_subscribe(peer, id, "subscription news");
    }
    protocol_settle(f);
    client_describe(the_client(f), &view);
    assert_int_equal(view.subscriptions, 20);
    assert_int_equal(view.messages_in, 21);
    assert_int_equal(view.lagging, 0);
}

static void an_event_stream_is_described(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_events(f);
    struct client_view view;

    assert_int_equal(f->joined.protocol, STAT_PROTOCOL_EVENT_STREAM);
    assert_string_equal(f->joined.peer, "unix");
    (void)topics_append(f->base, "news", "1");
    protocol_settle(f);
    client_describe(f->service.clients.first, &view);
    assert_int_equal(view.subscriptions, 1);
    assert_int_equal(view.messages_out, 1);
    assert_int_equal(view.messages_in, 0);
    peer_end(peer);
    expect_left(peer, STAT_CLOSED_CLIENT, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, socket_setup, socket_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_says_goodbye_is_told_from_who_is_gone),
        TEST(where_there_is_no_word_for_it_the_end_is_the_goodbye),
        TEST(a_graphql_client_may_say_goodbye_in_two_ways),
        TEST(what_breaks_a_protocol_is_an_error_of_it),
        TEST(every_code_of_graphql_is_an_error_of_its_protocol),
        TEST(what_is_too_large_is_told_apart),
        TEST(what_is_too_slow_is_told_apart),
        TEST(who_does_not_answer_a_ping_is_told_from_who_is_gone),
        TEST(who_takes_nothing_is_given_up_as_stalled),
        TEST(a_line_that_finds_no_room_is_our_overload),
        TEST(echo_over_its_rate_is_rate_limited),
        TEST(an_administrator_ends_each_in_its_protocol_s_way),
        TEST(a_drain_closes_each_for_the_shutdown),
        TEST(who_has_closed_already_is_not_said_to_be_kicked),
        TEST(a_room_client_is_described_from_its_first_moment),
        TEST(an_event_is_counted_whichever_way_it_came),
        TEST(who_does_not_read_has_bytes_queued_and_subscriptions_lagging),
        TEST(every_operation_of_a_graphql_client_is_counted),
        TEST(an_event_stream_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
