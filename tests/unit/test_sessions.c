#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPCODE_BINARY = 2,
};

static void ask(struct peer *peer, const char *message, const char *wanted)
{
    peer_send_text(peer, message);
    peer_expect(peer, wanted);
}

/* --- the room --------------------------------------------------------------------------------- */

static struct peer *enter_room(struct protocol_fixture *f, const char *id, int present)
{
    char text[256];
    struct peer *peer;

    (void)snprintf(text, sizeof text, "/ws/%s", id);
    peer = peer_websocket(f, text);
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"greeting\",\"client_id\":\"%s\",\"message\":\"Connected to sluice "
                   "as %s\",\"active_connections\":%d,\"time\":\"T\",\"seq\":%llu,"
                   "\"epoch\":\"" PROTOCOL_EPOCH "\"}",
                   id, id, present, (unsigned long long)ring_tail(f->base->bus).seq);
    peer_expect(peer, text);
    return peer;
}

static void a_room_client_is_greeted_first_and_hears_everybody(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *ann = enter_room(f, "ann", 1);
    struct peer *bob = enter_room(f, "bob", 2);

    peer_send_text(ann, "say \"hi\"");
    peer_expect(ann, "{\"type\":\"message\",\"from\":\"ann\",\"data\":\"say \\\"hi\\\"\",\"seq\":1,"
                     "\"time\":\"T\"}");
    peer_expect(bob, "{\"type\":\"message\",\"from\":\"ann\",\"data\":\"say \\\"hi\\\"\",\"seq\":1,"
                     "\"time\":\"T\"}");
    peer_send_text(bob, "");
    peer_expect(ann,
                "{\"type\":\"message\",\"from\":\"bob\",\"data\":\"\",\"seq\":2,\"time\":\"T\"}");
    assert_int_equal(topics_stat(f->base, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM)), 2);
    peer_close(bob);
    protocol_settle(f);
    assert_int_equal(topics_stat(f->base, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM)), 1);
}

static void ids_are_given_or_checked(void **state)
{
    struct protocol_fixture *f = *state;
    static const char *const good[] = {"/ws", "/ws/", "/ws?since=0"};
    static const char *const bad[] = {"/ws/a%20b", "/ws/a/b", "/ws/%C3%A4", "/ws/a%00", "/ws/%zz"};
    char longest[80];

    for (size_t i = 0; i < 3; i++) {
        const char *greeting = peer_text(peer_websocket(f, good[i]));
        const char *id = strstr(greeting, "\"client_id\":\"client-");

        assert_non_null(id);
        id += strlen("\"client_id\":\"client-");
        assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789"), 8);
        assert_int_equal(id[8], '"');
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(protocol_request(f, "GET", bad[i], "", NULL).status, 400);

    (void)snprintf(longest, sizeof longest, "/ws/%.64s",
                   "aZ09._-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_part(peer_text(peer_websocket(f, longest)), longest + 4);
    (void)strncat(longest, "x", 2);
    assert_int_equal(protocol_request(f, "GET", longest, "", NULL).status, 400);
    assert_int_equal(protocol_request(f, "GET", "/ws?since=x", "", NULL).status, 400);
}

static void the_room_resumes(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    (void)topics_append(f->base, "room", "1");
    (void)topics_append(f->base, "room", "2");
    protocol_settle(f);
    peer = peer_websocket(f, "/ws/ann?since=1&epoch=" PROTOCOL_EPOCH);
    assert_part(peer_text(peer), ",\"seq\":1,\"epoch\":\"" PROTOCOL_EPOCH "\",\"recovered\":true}");
    peer_expect(peer, "{\"type\":\"message\",\"from\":null,\"data\":2,\"seq\":2,\"time\":\"T\"}");

    peer = peer_websocket(f, "/ws/ann?since=1&epoch=0123456789abcdef");
    assert_part(peer_text(peer),
                ",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH "\",\"recovered\":false}");
    peer_expect(peer, "{\"type\":\"gap\",\"topic\":\"room\",\"oldest\":1}");
    peer_expect(peer, "{\"type\":\"message\",\"from\":null,\"data\":1,\"seq\":1,\"time\":\"T\"}");
}

static void binary_closes_with_1003(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *room = enter_room(f, "ann", 1);
    struct peer *broker = peer_websocket(f, "/broker");

    peer_send_frame(room, OPCODE_BINARY, "x", 1);
    assert_int_equal(peer_close_code(room), 1003);
    peer_send_frame(broker, OPCODE_BINARY, "x", 1);
    assert_int_equal(peer_close_code(broker), 1003);
}

static void a_room_client_is_told_when_it_cannot_be_published(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = enter_room(f, "ann", 1);

    bus_set_refusal(f->base->bus, BUS_STORAGE_FULL, 28);
    peer_send_text(peer, "hello");
    peer_expect(peer,
                "{\"type\":\"error\",\"code\":\"storage_full\",\"message\":\"the store is full\"}");
}

static void the_room_ticks_while_somebody_is_there(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.limits.tick_ns = INT64_C(200000000);
    peer = enter_room(f, "ann", 1);
    assert_part(peer_text(peer), "{\"type\":\"tick\",\"message\":\"Periodic broadcast\","
                                 "\"active_connections\":1,\"seq\":1,");
}

/* --- the broker ------------------------------------------------------------------------------- */

static void a_broker_answers_what_it_is_asked(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    ask(peer, "{\"action\":\"ping\",\"id\":\"a\"}",
        "{\"status\":\"pong\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH "\",\"id\":\"a\"}");
    ask(peer, "{\"action\":\"subscribe\",\"topic\":\"news\",\"id\":1}",
        "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH
        "\",\"id\":1}");
    ask(peer, "{\"action\":\"subscribe\",\"topic\":\"news\"}",
        "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH
        "\"}");
    ask(peer, "{\"action\":\"subscribe\",\"topic\":\"news\",\"since\":0}",
        "{\"status\":\"error\",\"code\":\"bad_request\",\"message\":\"already subscribed: `since` "
        "can no longer be given\",\"topic\":\"news\"}");
    ask(peer, "{\"action\":\"publish\",\"topic\":\"news\",\"message\":{\"a\":[1]},\"id\":7}",
        "{\"status\":\"published\",\"topic\":\"news\",\"seq\":1,\"id\":7}");
    peer_expect(peer, "{\"type\":\"message\",\"topic\":\"news\",\"data\":{\"a\":[1]},\"seq\":1,"
                      "\"time\":\"T\"}");
    ask(peer, "{\"action\":\"unsubscribe\",\"topic\":\"news\"}",
        "{\"status\":\"unsubscribed\",\"topic\":\"news\"}");
    ask(peer, "{\"action\":\"unsubscribe\",\"topic\":\"news\",\"id\":2}",
        "{\"status\":\"error\",\"code\":\"not_subscribed\",\"message\":\"not subscribed to it\","
        "\"topic\":\"news\",\"id\":2}");
    ask(peer, "{\"action\":\"ping\"}",
        "{\"status\":\"pong\",\"seq\":1,\"epoch\":\"" PROTOCOL_EPOCH "\"}");
}

static void errors_keep_the_connection(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    peer_send_text(peer, "nonsense");
    assert_part(peer_text(peer), "{\"status\":\"error\",\"code\":\"bad_json\",\"message\":\"");
    peer_send_text(peer, "{\"action\":\"dance\",\"topic\":\"t\",\"id\":3}");
    assert_part(peer_text(peer), ",\"topic\":\"t\",\"id\":3}");
    peer_send_text(peer, "{\"action\":\"publish\",\"topic\":\"$x\",\"message\":1}");
    assert_part(peer_text(peer), "\"code\":\"bad_topic\"");
    f->service.limits.subscriptions_max = 1;
    f->base->subscriptions_max = 1;
    peer_send_text(peer, "{\"action\":\"subscribe\",\"topic\":\"a\"}");
    assert_part(peer_text(peer), "\"subscribed\"");
    peer_send_text(peer, "{\"action\":\"subscribe\",\"topic\":\"b\"}");
    assert_part(peer_text(peer), "\"code\":\"too_many_subscriptions\"");
    peer_send_text(peer, "{\"action\":\"ping\"}");
    assert_part(peer_text(peer), "\"pong\"");
}

static void a_message_over_a_quarter_of_the_ring_is_too_large(void **state)
{
    static const char head[] = "{\"action\":\"publish\",\"topic\":\"t\",\"id\":1,\"message\":\"";
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");
    size_t size = TOPICS_RING_BYTES / 4;
    char *message = malloc(sizeof head + size + 3);

    assert_non_null(message);
    memcpy(message, head, sizeof head - 1);
    memset(message + sizeof head - 1, 'x', size);
    memcpy(message + sizeof head - 1 + size, "\"}", 3);
    peer_send_text(peer, message);
    free(message);
    assert_part(peer_text(peer), "\"code\":\"too_large\"");
}

static void a_durable_publish_is_answered_after_its_commit(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    peer_send_text(peer, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}");
    /* One that waits for nothing is answered before it. */
    ask(peer, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":2}",
        "{\"status\":\"published\",\"topic\":\"t\",\"seq\":2}");
    peer_expect_nothing(peer);
    topics_commit(f->base, NULL);
    peer_expect(peer, "{\"status\":\"published\",\"topic\":\"t\",\"seq\":1}");
}

static void a_subscription_resumes_and_is_told_of_a_gap(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    (void)topics_append(f->base, "t", "1");
    (void)topics_append(f->base, "t", "2");
    protocol_settle(f);
    ask(peer,
        "{\"action\":\"subscribe\",\"topic\":\"t\",\"since\":1,\"epoch\":\"" PROTOCOL_EPOCH "\"}",
        "{\"status\":\"subscribed\",\"topic\":\"t\",\"seq\":1,\"epoch\":\"" PROTOCOL_EPOCH
        "\",\"recovered\":true}");
    peer_expect(peer, "{\"type\":\"message\",\"topic\":\"t\",\"data\":2,\"seq\":2,\"time\":\"T\"}");

    peer = peer_websocket(f, "/broker");
    ask(peer, "{\"action\":\"subscribe\",\"topic\":\"t\",\"since\":99}",
        "{\"status\":\"subscribed\",\"topic\":\"t\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH
        "\",\"recovered\":false}");
    peer_expect(peer, "{\"type\":\"gap\",\"topic\":\"t\",\"oldest\":1}");
    peer_expect(peer, "{\"type\":\"message\",\"topic\":\"t\",\"data\":1,\"seq\":1,\"time\":\"T\"}");
}

static void who_leaves_while_publishes_wait_is_forgotten(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    for (int i = 0; i < 10; i++)
        peer_send_text(peer,
                       "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}");
    protocol_settle(f);
    peer_close(peer);
    protocol_settle(f);
    topics_commit(f->base, NULL); /* an answer to the freed session would be seen by ASan */
    protocol_settle(f);
    assert_int_equal(ring_tail(f->base->bus).seq, 10);
}

static void long_topics_and_ids_are_answered_too(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");
    char topic[256];
    char message[512];
    char wanted[512];

    memset(topic, 't', 255);
    topic[255] = '\0';
    (void)snprintf(message, sizeof message,
                   "{\"action\":\"publish\",\"topic\":\"%s\",\"message\":1,\"id\":\"%.100s\"}",
                   topic, topic);
    (void)snprintf(wanted, sizeof wanted,
                   "{\"status\":\"published\",\"topic\":\"%s\",\"seq\":1,\"id\":\"%.100s\"}", topic,
                   topic);
    ask(peer, message, wanted);
}

/* --- raw TCP ---------------------------------------------------------------------------------- */

static void send_line(struct peer *peer, const char *text)
{
    peer_write_text(peer, text);
    peer_write_text(peer, "\n");
}

static void ask_line(struct peer *peer, const char *message, const char *wanted)
{
    send_line(peer, message);
    assert_like(peer_line_next(peer), wanted);
}

static void lines_are_answered_as_messages_are(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    ask_line(peer, "{\"action\":\"subscribe\",\"topic\":\"news\",\"id\":1}",
             "{\"status\":\"subscribed\",\"topic\":\"news\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH
             "\",\"id\":1}");
    ask_line(peer, "{\"action\":\"publish\",\"topic\":\"news\",\"message\":\"x\"}\r",
             "{\"status\":\"published\",\"topic\":\"news\",\"seq\":1}");
    assert_like(peer_line_next(peer), "{\"type\":\"message\",\"topic\":\"news\",\"data\":\"x\","
                                      "\"seq\":1,\"time\":\"T\"}");
    peer_write_text(peer, "\n \r\n"); /* empty lines say nothing */
    send_line(peer, "[]");
    assert_part(peer_line_next(peer), "\"code\":\"bad_request\"");
    send_line(peer, "{\"action\":\"ping\",\"id\":\"\xff\"}");
    assert_part(peer_line_next(peer), "\"code\":\"bad_json\"");
}

static void lines_may_come_in_any_pieces(void **state)
{
    static const char text[] = "{\"action\":\"ping\",\"id\":1}\n{\"action\":\"ping\",\"id\":2}\n";
    struct protocol_fixture *f = *state;

    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct peer *peer = peer_line(f);

        peer_write(peer, text, cut);
        protocol_turn(f);
        protocol_turn(f);
        peer_write(peer, text + cut, sizeof text - 1 - cut);
        assert_part(peer_line_next(peer), "\"id\":1}");
        assert_part(peer_line_next(peer), "\"id\":2}");
        peer_close(peer);
    }
}

static void a_first_byte_that_begins_no_object_closes(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    peer_write_text(peer, "POST / HTTP/1.1\r\n\r\n{\"action\":\"publish\",\"topic\":\"t\","
                          "\"message\":1}\n");
    peer_wait_end(peer);
    assert_int_equal(peer->received_bytes, 0);
    protocol_settle(f);
    assert_int_equal(ring_tail(f->base->bus).seq, 0);
}

static void a_line_over_the_limit_is_answered_and_closed(void **state)
{
    struct protocol_fixture *f = *state;
    char line[200];
    struct peer *peer;

    f->service.limits.message_bytes_max = 100;
    memset(line, ' ', sizeof line);
    memcpy(line, "{\"action\":\"ping\"}", 17);
    peer = peer_line(f);
    line[100] = '\n'; /* exactly the limit */
    peer_write(peer, line, 101);
    assert_part(peer_line_next(peer), "\"pong\"");
    line[100] = ' ';
    line[101] = '\n';
    peer_write(peer, line, 102);
    assert_part(peer_line_next(peer), "\"code\":\"too_large\"");
    peer_wait_end(peer);

    peer = peer_line(f); /* without an end in sight */
    peer_write(peer, line, 101);
    assert_part(peer_line_next(peer), "\"code\":\"too_large\"");
    peer_wait_end(peer);
}

static void who_sends_no_more_still_gets_the_answers(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    send_line(peer, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"durable\":true}");
    send_line(peer, "{\"action\":\"ping\"}");
    peer_end(peer);
    assert_part(peer_line_next(peer), "\"pong\"");
    peer_expect_nothing(peer);
    topics_commit(f->base, NULL);
    assert_part(peer_line_next(peer), "\"published\"");
    peer_wait_end(peer);
}

/* --- draining, too many ----------------------------------------------------------------------- */

static void clients_are_warned_and_closed(void **state)
{
    static const char wanted[] = "{\"type\":\"shutdown\",\"message\":\"Server is shutting down\","
                                 "\"remaining_seconds\":1800,\"time\":\"T\"}";
    struct protocol_fixture *f = *state;
    struct peer *line = peer_line(f);
    struct peer *broker = peer_websocket(f, "/broker");
    struct peer *room = enter_room(f, "ann", 1);
    struct client *client;

    for (client = f->service.clients.first; client != NULL; client = client->next)
        client->operations->warn(client, 1800);
    peer_expect(room, wanted);
    peer_expect(broker, wanted);
    assert_like(peer_line_next(line), wanted);

    for (client = f->service.clients.first; client != NULL; client = client->next)
        client->operations->close(client);
    assert_int_equal(peer_close_code(room), 1001);
    assert_int_equal(peer_close_code(broker), 1001);
    assert_part(peer_line_next(line), "\"remaining_seconds\":0");
    peer_wait_end(line);
}

static void newcomers_are_accepted_and_closed_while_draining(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.is_refusing = true;
    assert_int_equal(peer_close_code(peer_websocket(f, "/broker")), 1001);
    assert_int_equal(peer_close_code(peer_websocket(f, "/ws/ann")), 1001);
    peer = peer_line(f);
    assert_part(peer_line_next(peer), "{\"type\":\"shutdown\",");
    peer_wait_end(peer);
    assert_int_equal(f->joined_count, 0);
}

static void who_is_one_too_many_is_closed_with_1013(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.full_reason = "too many connections from this address";
    assert_int_equal(peer_close_code(peer_websocket(f, "/broker")), 1013);
    assert_int_equal(peer_close_code(peer_websocket(f, "/ws")), 1013);
    peer = peer_line(f);
    assert_string_equal(peer_line_next(peer),
                        "{\"status\":\"error\",\"code\":\"unavailable\","
                        "\"message\":\"too many connections from this address\"}");
    peer_wait_end(peer);
    assert_int_equal(f->joined_count, 0);
}

/* --- rates ------------------------------------------------------------------------------------ */

/* Who sends one message of some bytes is in debt for as many seconds: whatever comes next is over. */
static void set_debt(struct protocol_fixture *f)
{
    f->service.limits.rates = (struct rate_limits){.bytes = 1};
}

static void a_broker_client_over_its_rate_is_answered_with_topic_and_id(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");
    struct peer *other = peer_websocket(f, "/broker");

    set_debt(f);
    ask(peer, "{\"action\":\"subscribe\",\"topic\":\"t\",\"id\":1}",
        "{\"status\":\"subscribed\",\"topic\":\"t\",\"seq\":0,\"epoch\":\"" PROTOCOL_EPOCH
        "\",\"id\":1}");
    ask(peer, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1,\"id\":\"x\"}",
        "{\"status\":\"error\",\"code\":\"rate_limited\",\"message\":\"messages come faster than "
        "this connection may send them\",\"topic\":\"t\",\"id\":\"x\"}");
    peer_send_text(peer, "{");
    assert_part(peer_text(peer), "\"code\":\"rate_limited\"");
    assert_int_equal(ring_tail(f->base->bus).seq, 0); /* not published */
    assert_int_equal(topics_stat(f->base, STAT_RATE_LIMITED), 2);

    /* Each connection has a rate of its own, and goes on getting what it is subscribed to. */
    ask(other, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":1}",
        "{\"status\":\"published\",\"topic\":\"t\",\"seq\":1}");
    peer_expect(peer, "{\"type\":\"message\",\"topic\":\"t\",\"data\":1,\"seq\":1,\"time\":\"T\"}");

    f->service.limits.rates = (struct rate_limits){0}; /* as a reload does */
    ask(peer, "{\"action\":\"publish\",\"topic\":\"t\",\"message\":2}",
        "{\"status\":\"published\",\"topic\":\"t\",\"seq\":2}");
}

static void a_long_message_over_the_rate_is_not_looked_into(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");
    char text[8192];

    set_debt(f);
    (void)snprintf(text, sizeof text,
                   "{\"action\":\"publish\",\"topic\":\"t\",\"id\":7,\"message\":\"%05000d\"}", 0);
    peer_send_text(peer, text);
    peer_expect(peer, "{\"status\":\"published\",\"topic\":\"t\",\"seq\":1,\"id\":7}");
    ask(peer, text,
        "{\"status\":\"error\",\"code\":\"rate_limited\",\"message\":\"messages come faster than "
        "this connection may send them\"}");
}

static void lines_over_the_rate_are_answered_likewise(void **state)
{
    static const char ping[] = "{\"action\":\"ping\",\"id\":1}\n";
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);

    set_debt(f);
    peer_write_text(peer, ping);
    assert_part(peer_line_next(peer), "\"status\":\"pong\"");
    peer_write_text(peer, "\n \n"); /* blank lines are no messages */
    peer_write_text(peer, ping);
    assert_like(peer_line_next(peer),
                "{\"status\":\"error\",\"code\":\"rate_limited\",\"message\":\"messages come "
                "faster than this connection may send them\",\"id\":1}");
    peer_expect_nothing(peer);
}

static void so_many_messages_a_second_are_taken_and_not_one_more(void **state)
{
    static const char ping[] = "{\"action\":\"ping\"}\n";
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_line(f);
    char burst[8 * sizeof ping];
    size_t bytes = 0;

    f->service.limits.rates = (struct rate_limits){.messages = 5};
    for (int i = 0; i < 8; i++, bytes += sizeof ping - 1)
        memcpy(burst + bytes, ping, sizeof ping);
    peer_write_text(peer, burst); /* one write, one turn, one time */
    for (int i = 0; i < 5; i++)
        assert_part(peer_line_next(peer), "\"status\":\"pong\"");
    for (int i = 0; i < 3; i++)
        assert_part(peer_line_next(peer), "\"code\":\"rate_limited\"");
    peer_expect_nothing(peer);
}

static void a_room_client_over_its_rate_is_told_in_the_room_s_way(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = enter_room(f, "ann", 1);

    set_debt(f);
    peer_send_text(peer, "hello");
    peer_expect(peer, "{\"type\":\"message\",\"from\":\"ann\",\"data\":\"hello\",\"seq\":1,"
                      "\"time\":\"T\"}");
    ask(peer, "again",
        "{\"type\":\"error\",\"code\":\"rate_limited\",\"message\":\"messages come faster than "
        "this connection may send them\"}");
    assert_int_equal(ring_tail(f->base->bus).seq, 1);
}

static void echo_over_its_rate_is_closed_with_1008(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.limits.is_echo_served = true;
    peer = peer_websocket(f, "/echo");
    set_debt(f);
    ask(peer, "text", "text");
    peer_send_text(peer, "more");
    assert_int_equal(peer_close_code(peer), 1008);
}

static void requests_over_the_rate_of_their_connection_are_429(void **state)
{
    static const char type[] = "Content-Type: application/json\r\n";
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct answer answer;

    set_debt(f);
    assert_int_equal(peer_request(peer, "POST", "/topics/t", type, "[1,2,3]").status, 201);
    answer = peer_request(peer, "POST", "/topics/t", type, "4");
    assert_error(answer, 429, "rate_limited");
    assert_part(answer.head, "Retry-After: 7\r\n"); /* 7 bytes of debt, and 1 of the second's */
    assert_error(peer_request(peer, "GET", "/topics", "", NULL), 429, "rate_limited");
    assert_error(peer_request(peer, "GET", "/nothing", "", NULL), 429, "rate_limited");
    assert_error(peer_request(peer, "OPTIONS", "/topics", "", NULL), 429, "rate_limited");
    assert_int_equal(peer_request(peer, "GET", "/health", "", NULL).status, 200);
    assert_int_equal(peer_request(peer, "GET", "/health/live", "", NULL).status, 200);
    assert_int_equal(peer_request(peer, "GET", "/metrics", "", NULL).status, 200);
    assert_int_equal(ring_tail(f->base->bus).seq, 1);
    assert_int_equal(protocol_request(f, "POST", "/topics/t", type, "5").status, 201);
}

static void the_request_that_opens_a_websocket_is_none_of_its_messages(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    set_debt(f);
    f->service.limits.rates.messages = 1;
    peer = peer_websocket(f, "/broker");
    peer_send_text(peer, "{\"action\":\"ping\"}");
    assert_part(peer_text(peer), "\"status\":\"pong\"");
    peer_send_text(peer, "{\"action\":\"ping\"}");
    assert_part(peer_text(peer), "\"code\":\"rate_limited\"");
}

static void monitors_do_not_use_their_connection_up(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    f->service.limits.rates = (struct rate_limits){.messages = 1};
    for (int i = 0; i < 20; i++)
        assert_int_equal(peer_request(peer, "GET", "/health", "", NULL).status, 200);
    assert_int_equal(peer_request(peer, "GET", "/topics", "", NULL).status, 200);
}

/* --- echo ------------------------------------------------------------------------------------- */

static void echo_is_there_only_when_asked_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    assert_int_equal(protocol_request(f, "GET", "/echo", "", NULL).status, 404);
    f->service.limits.is_echo_served = true;
    peer = peer_websocket(f, "/echo");
    peer_send_text(peer, "text");
    peer_expect(peer, "text");
    peer_send_text(peer, "");
    peer_expect(peer, "");
    peer_send_frame(peer, OPCODE_BINARY, "\0\1\2", 3);
    assert_memory_equal(peer_frame(peer, OPCODE_BINARY), "\0\1\2", 3);
    peer_send_frame(peer, OPCODE_BINARY, "", 0);
    assert_non_null(peer_frame(peer, OPCODE_BINARY));
}

int main(void)
{
#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        SESSION_TEST(a_room_client_is_greeted_first_and_hears_everybody),
        SESSION_TEST(ids_are_given_or_checked),
        SESSION_TEST(the_room_resumes),
        SESSION_TEST(binary_closes_with_1003),
        SESSION_TEST(a_room_client_is_told_when_it_cannot_be_published),
        SESSION_TEST(the_room_ticks_while_somebody_is_there),
        SESSION_TEST(a_broker_answers_what_it_is_asked),
        SESSION_TEST(errors_keep_the_connection),
        SESSION_TEST(a_message_over_a_quarter_of_the_ring_is_too_large),
        SESSION_TEST(a_durable_publish_is_answered_after_its_commit),
        SESSION_TEST(a_subscription_resumes_and_is_told_of_a_gap),
        SESSION_TEST(who_leaves_while_publishes_wait_is_forgotten),
        SESSION_TEST(long_topics_and_ids_are_answered_too),
        SESSION_TEST(lines_are_answered_as_messages_are),
        SESSION_TEST(lines_may_come_in_any_pieces),
        SESSION_TEST(a_first_byte_that_begins_no_object_closes),
        SESSION_TEST(a_line_over_the_limit_is_answered_and_closed),
        SESSION_TEST(who_sends_no_more_still_gets_the_answers),
        SESSION_TEST(clients_are_warned_and_closed),
        SESSION_TEST(newcomers_are_accepted_and_closed_while_draining),
        SESSION_TEST(who_is_one_too_many_is_closed_with_1013),
        SESSION_TEST(a_broker_client_over_its_rate_is_answered_with_topic_and_id),
        SESSION_TEST(a_long_message_over_the_rate_is_not_looked_into),
        SESSION_TEST(lines_over_the_rate_are_answered_likewise),
        SESSION_TEST(so_many_messages_a_second_are_taken_and_not_one_more),
        SESSION_TEST(a_room_client_over_its_rate_is_told_in_the_room_s_way),
        SESSION_TEST(echo_over_its_rate_is_closed_with_1008),
        SESSION_TEST(requests_over_the_rate_of_their_connection_are_429),
        SESSION_TEST(the_request_that_opens_a_websocket_is_none_of_its_messages),
        SESSION_TEST(monitors_do_not_use_their_connection_up),
        SESSION_TEST(echo_is_there_only_when_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
