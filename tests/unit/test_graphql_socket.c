/*
 * The state machine of GraphQL over WebSocket, with operations that do what the test says
 * (fake_api.h) over a worker's real topics.
 */
#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/session.h"
#include "tests/unit/fake_api.h"

enum {
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
};
#define ACKNOWLEDGEMENT                                                                            \
    "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"" PROTOCOL_EPOCH "\",\"seq\":\"0\"}}"
#define INIT "{\"type\":\"connection_init\"}"

static struct fake_api *fake;

static int begin(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    fake = fake_api_new(f->base->bus, f->base->topics);
    f->service.api = &fake->api;
    f->service.limits.handshake_timeout_ns = INT64_C(10000000000);
    *state = f;
    return 0;
}

static int end(void **state)
{
    protocol_fixture_free(*state);
    fake_api_free(fake);
    return 0;
}

static struct peer *connect_as(struct protocol_fixture *f, const char *protocol)
{
    char header[128];

    (void)snprintf(header, sizeof header, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    return peer_websocket_with(f, "/graphql", header, NULL);
}

/* A connection that has been acknowledged. */
static struct peer *connect_new(struct protocol_fixture *f)
{
    struct peer *peer = connect_as(f, "graphql-transport-ws");

    peer_send_text(peer, INIT);
    peer_expect(peer, ACKNOWLEDGEMENT);
    return peer;
}

static struct peer *connect_old(struct protocol_fixture *f)
{
    struct peer *peer = connect_as(f, "graphql-ws");

    peer_send_text(peer, INIT);
    peer_expect(peer, ACKNOWLEDGEMENT);
    peer_expect(peer, "{\"type\":\"ka\"}");
    return peer;
}

static void ask(struct peer *peer, const char *type, const char *id, const char *query)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "{\"type\":\"%s\",\"id\":\"%s\",\"payload\":{\"query\":\"%s\"}}", type, id,
                   query);
    peer_send_text(peer, text);
}

static void subscribe(struct peer *peer, const char *id, const char *query)
{
    ask(peer, "subscribe", id, query);
}

static void complete(struct peer *peer, const char *id)
{
    char text[128];

    (void)snprintf(text, sizeof text, "{\"type\":\"complete\",\"id\":\"%s\"}", id);
    peer_send_text(peer, text);
}

static void expect_close(struct peer *peer, int code, const char *reason)
{
    const char *payload = peer_frame(peer, OPCODE_CLOSE);

    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], code);
    assert_string_equal(payload + 2, reason);
}

/* --- choosing a protocol ---------------------------------------------------------------------- */

static void the_newer_protocol_is_preferred_wherever_it_stands(void **state)
{
    static const struct {
        const char *headers;
        const char *chosen;
    } cases[] = {
        {"Sec-WebSocket-Protocol: graphql-ws, graphql-transport-ws\r\n", "graphql-transport-ws"},
        {"Sec-WebSocket-Protocol: graphql-transport-ws,graphql-ws\r\n", "graphql-transport-ws"},
        {"Sec-WebSocket-Protocol: graphql-ws\r\nSec-WebSocket-Protocol: x, "
         "graphql-transport-ws\r\n",
         "graphql-transport-ws"},
        {"Sec-WebSocket-Protocol: x,graphql-ws\r\n", "graphql-ws"},
    };
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer;
        char line[64];

        (void)peer_websocket_with(f, "/graphql", cases[i].headers, &answer);
        (void)snprintf(line, sizeof line, "Sec-WebSocket-Protocol: %s\r\n", cases[i].chosen);
        assert_part(answer.head, line);
    }
}

static void without_a_known_protocol_the_code_is_4406(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;
    struct peer *peer = peer_websocket_with(f, "/graphql", "", &answer);

    assert_no_part(answer.head, "Sec-WebSocket-Protocol");
    expect_close(peer, 4406, "Subprotocol not acceptable");
    /* A browser shows the code only if one of those it offered was chosen. */
    peer = peer_websocket_with(f, "/graphql", "Sec-WebSocket-Protocol: GraphQL-WS, x\r\n", &answer);
    assert_part(answer.head, "Sec-WebSocket-Protocol: GraphQL-WS\r\n");
    expect_close(peer, 4406, "Subprotocol not acceptable");
}

static void newcomers_are_refused_in_their_protocol(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;
    struct peer *peer;

    f->service.full_reason = "too many";
    peer = peer_websocket_with(f, "/graphql", "Sec-WebSocket-Protocol: graphql-transport-ws\r\n",
                               &answer);
    assert_part(answer.head, "Sec-WebSocket-Protocol: graphql-transport-ws\r\n");
    expect_close(peer, 1013, "too many");
    f->service.full_reason = NULL;
    f->service.is_refusing = true;
    peer = connect_as(f, "graphql-ws");
    expect_close(peer, 1001, "server is shutting down");
    f->service.is_refusing = false;
}

/* --- beginning -------------------------------------------------------------------------------- */

static void a_connection_is_acknowledged_with_the_position(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    (void)topics_append(f->base, "news", "1");
    (void)topics_append(f->base, "news", "2");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "news", "3");
    peer = connect_as(f, "graphql-transport-ws");
    peer_send_text(peer, "{\"type\":\"connection_init\",\"payload\":{\"token\":\"x\"}}");
    peer_expect(peer, "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"" PROTOCOL_EPOCH
                      "\",\"seq\":\"2\"}}");
    peer_expect_nothing(peer);
}

static void a_second_init_is_one_too_many(void **state)
{
    struct peer *peer = connect_new(*state);

    peer_send_text(peer, INIT);
    expect_close(peer, 4429, "Too many initialisation requests");
}

static void nothing_is_begun_before_the_acknowledgement(void **state)
{
    struct peer *peer = connect_as(*state, "graphql-transport-ws");

    peer_send_text(peer, "{\"type\":\"ping\",\"payload\":{\"n\":1}}");
    peer_expect(peer, "{\"type\":\"pong\",\"payload\":{\"n\":1}}");
    subscribe(peer, "1", "query 1");
    expect_close(peer, 4401, "Unauthorized");
}

static void who_does_not_begin_is_closed(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *silent;
    struct peer *ready;

    protocol_freeze_time(f);
    silent = connect_as(f, "graphql-transport-ws");
    ready = connect_new(f);
    protocol_pass(f, 9);
    peer_expect_nothing(silent);
    protocol_pass(f, 2);
    expect_close(silent, 4408, "Connection initialisation timeout");
    peer_expect_nothing(ready);
}

static void what_is_no_message_closes_with_4400(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{\"type\":\"start\",\"id\":\"1\",\"payload\":{\"query\":\"\"}}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{}}",
        "{\"type\":\"complete\"}",
        "{\"type\":\"complete\",\"id\":\"\"}"};
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct peer *peer = connect_new(f);

        peer_send_text(peer, bad[i]);
        expect_close(peer, 4400, "Invalid message received");
    }
}

static void binary_closes_with_1003(void **state)
{
    struct peer *peer = connect_new(*state);

    peer_send_frame(peer, OPCODE_BINARY, "{}", 2);
    expect_close(peer, 1003, "text messages only");
}

static void text_that_is_no_utf8_closes_with_1007(void **state)
{
    struct peer *peer = connect_new(*state);

    peer_send_frame(peer, OPCODE_TEXT, "\xFF", 1);
    assert_int_equal(peer_close_code(peer), 1007);
}

/* --- queries and mutations -------------------------------------------------------------------- */

static void a_query_is_answered_and_completed(void **state)
{
    struct peer *peer = connect_new(*state);

    subscribe(peer, "a", "query 7");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":7}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
    subscribe(peer, "a", "query 8");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":8}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
}

static void a_refused_operation_is_an_error(void **state)
{
    struct peer *peer = connect_new(*state);

    subscribe(peer, "a", "refused twice");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"one\"},"
                      "{\"message\":\"two\"}]}");
    subscribe(peer, "a", "fails late");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"late\"}]}");
    subscribe(peer, "a", "subscription");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"\"}]}");
    subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void a_resume_of_the_wrong_shape_is_an_error_of_its_operation(void **state)
{
    struct peer *peer = connect_new(*state);

    peer_send_text(peer, "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":\"query 1\","
                         "\"extensions\":{\"resume\":{\"seq\":\"1\"}}}}");
    assert_part(peer_text(peer), "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"");
    peer_expect_nothing(peer);
}

static void operations_are_answered_as_each_is_ready(void **state)
{
    struct peer *peer = connect_new(*state);

    subscribe(peer, "a", "later 1");
    subscribe(peer, "b", "later 2");
    subscribe(peer, "c", "query 3");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"next\",\"payload\":{\"data\":3}}");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"complete\"}");
    fake_api_finish(fake, "2");
    peer_expect(peer, "{\"id\":\"b\",\"type\":\"next\",\"payload\":{\"data\":2}}");
    peer_expect(peer, "{\"id\":\"b\",\"type\":\"complete\"}");
    fake_api_finish(fake, "1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
    assert_int_equal(fake->operation_count, 0);
}

static void an_operation_that_is_cancelled_says_nothing_more(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);

    subscribe(peer, "a", "later 1");
    subscribe(peer, "b", "subscription news");
    protocol_settle(f);
    assert_true(fake_api_is_pending(fake, "1"));
    complete(peer, "a");
    complete(peer, "b");
    complete(peer, "never there");
    protocol_settle(f);
    assert_int_equal(fake->operation_count, 0);
    assert_int_equal(fake->live_count, 0);
    (void)topics_append(f->base, "news", "1");
    peer_expect_nothing(peer);
    subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void a_connection_that_goes_takes_its_operations_along(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    char id[16];

    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        subscribe(peer, id, i % 2 == 0 ? "later x" : "subscription news");
    }
    protocol_settle(f);
    assert_int_equal(fake->operation_count, 50);
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 50);
    peer_close(peer);
    protocol_settle(f);
    assert_int_equal(fake->operation_count, 0);
    assert_int_equal(fake->live_count, 0);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static void each_subscriber_gets_events_with_its_own_id(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *ann = connect_new(f);
    struct peer *bob = connect_new(f);
    struct peer *old = connect_old(f);

    subscribe(ann, "a", "subscription news");
    subscribe(ann, "another", "subscription news");
    subscribe(bob, "b", "subscription news");
    ask(old, "start", "1", "subscription news");
    protocol_settle(f);
    (void)topics_append(f->base, "news", "{\"x\":1}");
    (void)topics_append(f->base, "news", "2");
    peer_expect(bob, "{\"id\":\"b\",\"type\":\"next\",\"payload\":{\"data\":{\"x\":1},"
                     "\"extensions\":{\"seq\":\"1\"}}}");
    peer_expect(bob, "{\"id\":\"b\",\"type\":\"next\",\"payload\":{\"data\":2,"
                     "\"extensions\":{\"seq\":\"2\"}}}");
    peer_expect(old, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":{\"x\":1},"
                     "\"extensions\":{\"seq\":\"1\"}}}");
    peer_expect(old, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":2,"
                     "\"extensions\":{\"seq\":\"2\"}}}");
    for (int i = 0; i < 4; i++)
        assert_part(peer_text(ann), "\"type\":\"next\",\"payload\":{\"data\":");
    peer_expect_nothing(ann);
    assert_int_equal(fake->live_count, 1);
    assert_int_equal(fake->executed_count, 2);
}

static void a_subscription_goes_on_where_its_client_was(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);

    (void)topics_append(f->base, "news", "1");
    (void)topics_append(f->base, "news", "2");
    protocol_settle(f);
    peer_send_text(peer, "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":"
                         "\"subscription news\",\"extensions\":{\"resume\":{\"seq\":\"1\","
                         "\"epoch\":\"" PROTOCOL_EPOCH "\"}}}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":2,"
                      "\"extensions\":{\"seq\":\"2\"}}}");
    (void)topics_append(f->base, "news", "3");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":3,"
                      "\"extensions\":{\"seq\":\"3\"}}}");
}

static void what_cannot_be_resumed_ends_with_a_gap(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);

    (void)topics_append(f->base, "news", "1");
    protocol_settle(f);
    peer_send_text(peer, "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":"
                         "\"subscription news\",\"extensions\":{\"resume\":{\"seq\":\"1\","
                         "\"epoch\":\"0123456789abcdef\"}}}}");
    assert_part(peer_text(peer),
                "\"extensions\":{\"code\":\"GAP\",\"oldest\":\"1\",\"epoch\":\"" PROTOCOL_EPOCH
                "\"}}]}");
    (void)topics_append(f->base, "news", "2");
    peer_expect_nothing(peer);
    assert_int_equal(fake->live_count, 0);
}

static void an_id_in_use_closes_with_4409(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    char id[201];

    subscribe(peer, "a", "subscription news");
    subscribe(peer, "\\u0061", "query 1");
    expect_close(peer, 4409, "Subscriber for a already exists");
    peer = connect_new(f);
    subscribe(peer, "b", "later 1");
    subscribe(peer, "b", "query 1");
    expect_close(peer, 4409, "Subscriber for b already exists");
    peer = connect_new(f);
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    subscribe(peer, id, "later 1");
    subscribe(peer, id, "later 1");
    expect_close(peer, 4409, "Subscriber already exists"); /* the reason has no room for it */
}

/* A subscriber that reads nothing while much comes: it lags, and gets all of it later. */
static void a_slow_subscriber_catches_up(void **state)
{
    enum { EVENTS = 400, EVENT_BYTES = 2000 };
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    char part[64];

    subscribe(peer, "a", "subscription news");
    subscribe(peer, "b", "subscription news");
    protocol_settle(f);
    peer->is_deaf = true;
    for (int i = 0; i < EVENTS; i++) {
        (void)topics_append_bytes(f->base, "news", EVENT_BYTES);
        protocol_turn(f);
        topics_commit(f->base, NULL);
    }
    protocol_settle(f);
    assert_true(topics_stat(f->base, STAT_BECAME_LAGGING) >= 2);
    peer->is_deaf = false;
    for (int i = 0, next_a = 1, next_b = 1; i < 2 * EVENTS; i++) {
        const char *text = peer_text(peer);
        int *next = strncmp(text, "{\"id\":\"a\"", 9) == 0 ? &next_a : &next_b;

        (void)snprintf(part, sizeof part, "\"extensions\":{\"seq\":\"%d\"}}}", (*next)++);
        assert_part(text, part);
    }
    peer_expect_nothing(peer);
}

static void who_is_overtaken_by_retention_is_told(void **state)
{
    enum { EVENTS = 1200, EVENT_BYTES = 2000 };
    const struct retention retention = {.bytes = 64 * 1024};
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    const char *text;

    subscribe(peer, "a", "subscription news");
    protocol_settle(f);
    peer->is_deaf = true;
    for (int i = 0; i < EVENTS; i++) {
        (void)topics_append_bytes(f->base, "news", EVENT_BYTES);
        protocol_turn(f);
        topics_commit(f->base, &retention);
    }
    topics_trim(f->base, &retention);
    protocol_settle(f);
    peer->is_deaf = false;
    do
        text = peer_text(peer);
    while (strncmp(text, "{\"id\":\"a\",\"type\":\"next\"", 23) == 0);
    assert_part(text, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":");
    assert_part(text, "\"extensions\":{\"code\":\"GAP\",\"oldest\":\"");
    protocol_settle(f);
    assert_int_equal(fake->live_count, 0);
    (void)topics_append(f->base, "news", "1");
    peer_expect_nothing(peer);
    subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

/* --- limits ----------------------------------------------------------------------------------- */

static void a_connection_has_a_number_of_operations(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);

    f->service.limits.subscriptions_max = 2;
    subscribe(peer, "a", "later 1");
    subscribe(peer, "b", "subscription news");
    subscribe(peer, "c", "query 1");
    assert_part(peer_text(peer), "{\"id\":\"c\",\"type\":\"error\",\"payload\":[{\"message\":");
    complete(peer, "b");
    subscribe(peer, "c", "query 1");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void what_comes_too_fast_is_not_begun(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    int refused_count = 0;
    int answered_count = 0;

    subscribe(peer, "live", "subscription news");
    f->service.limits.rates.messages = 1;
    for (int i = 0; i < 20; i++)
        subscribe(peer, "a", "query 1");
    complete(peer, "live"); /* is heard all the same */
    protocol_settle(f);
    assert_int_equal(fake->live_count, 0);
    f->service.limits.rates.messages = 0;
    subscribe(peer, "end", "query 1");
    for (;;) {
        const char *text = peer_text(peer);

        if (strncmp(text, "{\"id\":\"end\"", 11) == 0)
            break;
        refused_count += strstr(text, "\"code\":\"RATE_LIMITED\"") != NULL;
        answered_count += strstr(text, "\"type\":\"next\"") != NULL;
    }
    assert_int_equal(refused_count + answered_count, 20);
    assert_true(refused_count > 0);
}

static void who_does_not_read_is_not_read(void **state)
{
    enum { QUERIES = 3000 };
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    char query[420];
    int sent_count = 0;

    memset(query, '1', sizeof query - 1);
    memcpy(query, "query ", 6);
    query[sizeof query - 1] = '\0';
    peer->is_deaf = true;
    while (!protocol_session(f)->is_held && sent_count < QUERIES) {
        subscribe(peer, "a", query);
        protocol_turn(f);
        sent_count++;
    }
    assert_true(sent_count < QUERIES);
    peer->is_deaf = false;
    for (int i = 0; i < 2 * sent_count; i++)
        assert_part(peer_text(peer), "{\"id\":\"a\",\"type\":\"");
    assert_false(protocol_session(f)->is_held);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void a_drain_is_announced_by_a_ping(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_new(f);
    struct client *client = f->service.clients.first;

    assert_string_equal(client->operations->protocol, "graphql");
    client->operations->warn(client, 1800);
    peer_expect(peer, "{\"type\":\"ping\",\"payload\":{\"type\":\"shutdown\","
                      "\"remaining_seconds\":1800}}");
    peer_send_text(peer, "{\"type\":\"pong\",\"payload\":{}}");
    peer_expect_nothing(peer);
    client->operations->close(client);
    expect_close(peer, 1001, "server is shutting down");
}

/* --- the older protocol ----------------------------------------------------------------------- */

static void the_old_protocol_is_kept_alive(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    protocol_freeze_time(f);
    peer = connect_old(f);
    protocol_pass(f, 16);
    peer_expect(peer, "{\"type\":\"ka\"}");
    protocol_pass(f, 16);
    peer_expect(peer, "{\"type\":\"ka\"}");
    peer_send_text(peer, INIT); /* again: harmless */
    peer_expect(peer, ACKNOWLEDGEMENT);
    peer_expect(peer, "{\"type\":\"ka\"}");
    peer_send_text(peer, "{\"type\":\"connection_terminate\"}");
    expect_close(peer, 1000, "");
}

static void the_old_protocol_begins_with_init_too(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_as(f, "graphql-ws");

    ask(peer, "start", "1", "query 1");
    peer_expect(peer, "{\"type\":\"connection_error\",\"payload\":{\"message\":"
                      "\"connection_init comes first\"}}");
    expect_close(peer, 4401, "Unauthorized");
    protocol_freeze_time(f);
    peer = connect_as(f, "graphql-ws");
    protocol_pass(f, 11);
    expect_close(peer, 4408, "Connection initialisation timeout");
}

static void the_old_protocol_answers_in_its_words(void **state)
{
    struct peer *peer = connect_old(*state);

    ask(peer, "start", "1", "query 1");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":1}}");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"complete\"}");
    ask(peer, "start", "1", "refused so");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"so\"}}");
    ask(peer, "start", "1", "subscription news");
    peer_send_text(peer, "{\"type\":\"stop\",\"id\":\"1\"}");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"complete\"}");
    peer_send_text(peer, "{\"type\":\"stop\",\"id\":\"1\"}");
    peer_expect_nothing(peer);
}

static void in_the_old_protocol_a_reused_id_replaces(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_old(f);

    ask(peer, "start", "1", "subscription news");
    ask(peer, "start", "1", "subscription other");
    protocol_settle(f);
    (void)topics_append(f->base, "news", "1");
    (void)topics_append(f->base, "other", "2");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":2,"
                      "\"extensions\":{\"seq\":\"2\"}}}");
    peer_expect_nothing(peer);
}

static void the_old_protocol_survives_what_is_no_message(void **state)
{
    struct peer *peer = connect_old(*state);

    peer_send_text(peer, "{");
    peer_expect(peer, "{\"type\":\"connection_error\",\"payload\":{\"message\":\"not JSON\"}}");
    peer_send_text(peer, "{\"type\":\"subscribe\",\"id\":\"1\"}");
    peer_expect(peer,
                "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"not a type that a "
                "client sends\",\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}}");
    peer_send_text(peer, "{\"type\":\"start\",\"id\":2,\"payload\":{}}");
    peer_expect(peer,
                "{\"id\":2,\"type\":\"error\",\"payload\":{\"message\":\"payload.query must be a "
                "string\",\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}}");
    ask(peer, "start", "1", "query 1");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":1}}");
}

static void the_old_protocol_is_not_warned(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = connect_old(f);
    struct client *client = f->service.clients.first;

    client->operations->warn(client, 1800);
    peer_expect_nothing(peer);
    client->operations->close(client);
    expect_close(peer, 1001, "server is shutting down");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newer_protocol_is_preferred_wherever_it_stands),
        TEST(without_a_known_protocol_the_code_is_4406),
        TEST(newcomers_are_refused_in_their_protocol),
        TEST(a_connection_is_acknowledged_with_the_position),
        TEST(a_second_init_is_one_too_many),
        TEST(nothing_is_begun_before_the_acknowledgement),
        TEST(who_does_not_begin_is_closed),
        TEST(what_is_no_message_closes_with_4400),
        TEST(binary_closes_with_1003),
        TEST(text_that_is_no_utf8_closes_with_1007),
        TEST(a_query_is_answered_and_completed),
        TEST(a_refused_operation_is_an_error),
        TEST(a_resume_of_the_wrong_shape_is_an_error_of_its_operation),
        TEST(operations_are_answered_as_each_is_ready),
        TEST(an_operation_that_is_cancelled_says_nothing_more),
        TEST(a_connection_that_goes_takes_its_operations_along),
        TEST(each_subscriber_gets_events_with_its_own_id),
        TEST(a_subscription_goes_on_where_its_client_was),
        TEST(what_cannot_be_resumed_ends_with_a_gap),
        TEST(an_id_in_use_closes_with_4409),
        TEST(a_slow_subscriber_catches_up),
        TEST(who_is_overtaken_by_retention_is_told),
        TEST(a_connection_has_a_number_of_operations),
        TEST(what_comes_too_fast_is_not_begun),
        TEST(who_does_not_read_is_not_read),
        TEST(a_drain_is_announced_by_a_ping),
        TEST(the_old_protocol_is_kept_alive),
        TEST(the_old_protocol_begins_with_init_too),
        TEST(the_old_protocol_answers_in_its_words),
        TEST(in_the_old_protocol_a_reused_id_replaces),
        TEST(the_old_protocol_survives_what_is_no_message),
        TEST(the_old_protocol_is_not_warned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
