/*
 * GraphQL over WebSocket, state by state; the older protocol's own ways: test_graphql_socket_old.c.
 */
#include <stdio.h>
#include <string.h>

#include "server/protocol/session.h"
#include "tests/unit/fake_api.h"
#include "tests/unit/graphql_socket_fixture.h"

enum {
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    RETENTION_BYTES = 64 * 1024,
};

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
    socket_expect_close(peer, 4406, "Subprotocol not acceptable");
    /* A browser shows the code only if one of those it offered was chosen. */
    peer = peer_websocket_with(f, "/graphql", "Sec-WebSocket-Protocol: GraphQL-WS, x\r\n", &answer);
    assert_part(answer.head, "Sec-WebSocket-Protocol: GraphQL-WS\r\n");
    socket_expect_close(peer, 4406, "Subprotocol not acceptable");
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
    socket_expect_close(peer, 1013, "too many");
    f->service.full_reason = NULL;
    f->service.is_refusing = true;
    peer = socket_connect(f, "graphql-ws");
    socket_expect_close(peer, 1001, "server is shutting down");
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
    peer = socket_connect(f, "graphql-transport-ws");
    peer_send_text(peer, "{\"type\":\"connection_init\",\"payload\":{\"token\":\"x\"}}");
    peer_expect(peer, "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"" PROTOCOL_EPOCH
                      "\",\"seq\":\"2\"}}");
    peer_expect_nothing(peer);
}

static void a_second_init_is_one_too_many(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    peer_send_text(peer, SOCKET_INIT);
    socket_expect_close(peer, 4429, "Too many initialisation requests");
}

static void nothing_is_begun_before_the_acknowledgement(void **state)
{
    struct peer *peer = socket_connect(*state, "graphql-transport-ws");

    peer_send_text(peer, "{\"type\":\"ping\",\"payload\":{\"n\":1}}");
    peer_expect(peer, "{\"type\":\"pong\",\"payload\":{\"n\":1}}");
    socket_subscribe(peer, "1", "query 1");
    socket_expect_close(peer, 4401, "Unauthorized");
}

static void who_does_not_begin_is_closed(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *silent;
    struct peer *ready;

    protocol_freeze_time(f);
    silent = socket_connect(f, "graphql-transport-ws");
    ready = socket_connect_new(f);
    protocol_pass(f, 9);
    peer_expect_nothing(silent);
    protocol_pass(f, 2);
    socket_expect_close(silent, 4408, "Connection initialisation timeout");
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
        struct peer *peer = socket_connect_new(f);

        peer_send_text(peer, bad[i]);
        socket_expect_close(peer, 4400, "Invalid message received");
    }
}

static void binary_closes_with_1003(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    peer_send_frame(peer, OPCODE_BINARY, "{}", 2);
    socket_expect_close(peer, 1003, "text messages only");
}

static void text_that_is_no_utf8_closes_with_1007(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    peer_send_frame(peer, OPCODE_TEXT, "\xFF", 1);
    assert_int_equal(peer_close_code(peer), 1007);
}

/* --- queries and mutations -------------------------------------------------------------------- */

static void a_query_is_answered_and_completed(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    socket_subscribe(peer, "a", "query 7");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":7}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
    socket_subscribe(peer, "a", "query 8");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":8}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
}

static void a_refused_operation_is_an_error(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    socket_subscribe(peer, "a", "refused twice");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"one\"},"
                      "{\"message\":\"two\"}]}");
    socket_subscribe(peer, "a", "fails late");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"late\"}]}");
    socket_subscribe(peer, "a", "subscription");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"\"}]}");
    socket_subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void a_resume_of_the_wrong_shape_is_an_error_of_its_operation(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    peer_send_text(peer, "{\"type\":\"subscribe\",\"id\":\"a\",\"payload\":{\"query\":\"query 1\","
                         "\"extensions\":{\"resume\":{\"seq\":\"1\"}}}}");
    assert_part(peer_text(peer), "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"");
    peer_expect_nothing(peer);
}

static void operations_are_answered_as_each_is_ready(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    socket_subscribe(peer, "a", "later 1");
    socket_subscribe(peer, "b", "later 2");
    socket_subscribe(peer, "c", "query 3");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"next\",\"payload\":{\"data\":3}}");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"complete\"}");
    fake_api_finish(socket_api(), "2");
    peer_expect(peer, "{\"id\":\"b\",\"type\":\"next\",\"payload\":{\"data\":2}}");
    peer_expect(peer, "{\"id\":\"b\",\"type\":\"complete\"}");
    fake_api_finish(socket_api(), "1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
    assert_int_equal(socket_api()->operation_count, 0);
}

static void an_operation_that_is_cancelled_says_nothing_more(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);

    socket_subscribe(peer, "a", "later 1");
    socket_subscribe(peer, "b", "subscription news");
    protocol_settle(f);
    assert_true(fake_api_is_pending(socket_api(), "1"));
    socket_complete(peer, "a");
    socket_complete(peer, "b");
    socket_complete(peer, "never there");
    protocol_settle(f);
    assert_int_equal(socket_api()->operation_count, 0);
    assert_int_equal(socket_api()->live_count, 0);
    (void)topics_append(f->base, "news", "1");
    peer_expect_nothing(peer);
    socket_subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void a_connection_that_goes_takes_its_operations_along(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    char id[16];

    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        socket_subscribe(peer, id, i % 2 == 0 ? "later x" : "subscription news");
    }
    protocol_settle(f);
    assert_int_equal(socket_api()->operation_count, 50);
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 50);
    peer_close(peer);
    protocol_settle(f);
    assert_int_equal(socket_api()->operation_count, 0);
    assert_int_equal(socket_api()->live_count, 0);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static void each_subscriber_gets_events_with_its_own_id(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *ann = socket_connect_new(f);
    struct peer *bob = socket_connect_new(f);
    struct peer *old = socket_connect_old(f);

    socket_subscribe(ann, "a", "subscription news");
    socket_subscribe(ann, "another", "subscription news");
    socket_subscribe(bob, "b", "subscription news");
    socket_start(old, "1", "subscription news");
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
    assert_int_equal(socket_api()->live_count, 1);
    assert_int_equal(socket_api()->executed_count, 2);
}

static void a_subscription_goes_on_where_its_client_was(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);

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
    struct peer *peer = socket_connect_new(f);

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
    assert_int_equal(socket_api()->live_count, 0);
}

static void an_id_in_use_closes_with_4409(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    char id[201];

    socket_subscribe(peer, "a", "subscription news");
    socket_subscribe(peer, "\\u0061", "query 1");
    socket_expect_close(peer, 4409, "Subscriber for a already exists");
    peer = socket_connect_new(f);
    socket_subscribe(peer, "b", "later 1");
    socket_subscribe(peer, "b", "query 1");
    socket_expect_close(peer, 4409, "Subscriber for b already exists");
    peer = socket_connect_new(f);
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    socket_subscribe(peer, id, "later 1");
    socket_subscribe(peer, id, "later 1");
    socket_expect_close(peer, 4409,
                        "Subscriber already exists"); /* the reason has no room for it */
}

/* A subscriber that reads nothing while much comes: it lags, and gets all of it later. */
static void a_slow_subscriber_catches_up(void **state)
{
    enum { EVENTS = 400, EVENT_BYTES = 2000 };
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    char part[64];

    socket_subscribe(peer, "a", "subscription news");
    socket_subscribe(peer, "b", "subscription news");
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
    const struct retention retention = {.bytes = RETENTION_BYTES};
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    const char *text;

    socket_subscribe(peer, "a", "subscription news");
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
    assert_int_equal(socket_api()->live_count, 0);
    (void)topics_append(f->base, "news", "1");
    peer_expect_nothing(peer);
    socket_subscribe(peer, "a", "query 1");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

/* --- limits ----------------------------------------------------------------------------------- */

static void a_connection_has_a_number_of_operations(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);

    f->service.limits.subscriptions_max = 2;
    socket_subscribe(peer, "a", "later 1");
    socket_subscribe(peer, "b", "subscription news");
    socket_subscribe(peer, "c", "query 1");
    assert_part(peer_text(peer), "{\"id\":\"c\",\"type\":\"error\",\"payload\":[{\"message\":");
    socket_complete(peer, "b");
    socket_subscribe(peer, "c", "query 1");
    peer_expect(peer, "{\"id\":\"c\",\"type\":\"next\",\"payload\":{\"data\":1}}");
}

static void what_comes_too_fast_is_not_begun(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    int refused_count = 0;
    int answered_count = 0;

    socket_subscribe(peer, "live", "subscription news");
    f->service.limits.rates.messages = 1;
    for (int i = 0; i < 20; i++)
        socket_subscribe(peer, "a", "query 1");
    socket_complete(peer, "live"); /* is heard all the same */
    protocol_settle(f);
    assert_int_equal(socket_api()->live_count, 0);
    f->service.limits.rates.messages = 0;
    socket_subscribe(peer, "end", "query 1");
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
    struct peer *peer = socket_connect_new(f);
    char query[420];
    int sent_count = 0;

    memset(query, '1', sizeof query - 1);
    memcpy(query, "query ", 6);
    query[sizeof query - 1] = '\0';
    peer->is_deaf = true;
    while (!protocol_session(f)->is_held && sent_count < QUERIES) {
        socket_subscribe(peer, "a", query);
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

static void large_answers_count_until_they_have_been_read(void **state)
{
    enum { LARGE_BYTES = 1000000, FRAMING_BYTES = 200 };
    static const char before[] = "{\"id\":\"a\",\"type\":\"next\",\"payload\":{\"data\":\"";
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    struct peer *other = socket_connect_old(f);
    const struct outgoing *outgoing = &socket_api()->api.outgoing;
    const char *text;

    peer->is_deaf = true;
    other->is_deaf = true;
    socket_subscribe(peer, "a", "sized 1000000");
    socket_start(other, "b", "sized 1000000");
    protocol_settle(f);
    assert_in_range(outgoing->bytes, 2 * LARGE_BYTES, 2 * (LARGE_BYTES + FRAMING_BYTES));
    peer->is_deaf = false;
    text = peer_text(peer);
    assert_memory_equal(text, before, sizeof before - 1);
    assert_int_equal(strspn(text + sizeof before - 1, "x"), LARGE_BYTES);
    assert_string_equal(text + sizeof before - 1 + LARGE_BYTES, "\"}}");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"complete\"}");
    protocol_settle(f);
    assert_in_range(outgoing->bytes, LARGE_BYTES, LARGE_BYTES + FRAMING_BYTES);
    peer_close(other);
    protocol_settle(f);
    assert_int_equal(outgoing->bytes, 0);
    socket_subscribe(peer, "a", "sized 1000"); /* small */
    (void)peer_text(peer);
    assert_int_equal(outgoing->count, 0);
}

static void a_large_answer_without_room_is_an_error_of_its_operation(void **state)
{
    struct peer *peer = socket_connect_new(*state);

    socket_api()->has_no_memory = true;
    socket_subscribe(peer, "a", "sized 1000000");
    peer_expect(peer, "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"" API_NO_ROOM
                      "\",\"extensions\":{\"code\":\"UNAVAILABLE\"}}]}");
    socket_subscribe(peer, "a", "mutation-sized 1000000");
    peer_expect(peer,
                "{\"id\":\"a\",\"type\":\"error\",\"payload\":[{\"message\":\"" API_NO_ROOM_DONE
                "\",\"extensions\":{\"code\":\"INTERNAL\"}}]}");
    socket_subscribe(peer, "a", "sized 3");
    assert_non_null(strstr(peer_text(peer), "next"));
}

static void a_drain_is_announced_by_a_ping(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_new(f);
    struct client *client = f->service.clients.first;

    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_GRAPHQL_WS);
    client->operations->warn(client, 1800);
    peer_expect(peer, "{\"type\":\"ping\",\"payload\":{\"type\":\"shutdown\","
                      "\"remaining_seconds\":1800}}");
    peer_send_text(peer, "{\"type\":\"pong\",\"payload\":{}}");
    peer_expect_nothing(peer);
    client->operations->close(client);
    socket_expect_close(peer, 1001, "server is shutting down");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, socket_setup, socket_teardown)

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
        TEST(large_answers_count_until_they_have_been_read),
        TEST(a_large_answer_without_room_is_an_error_of_its_operation),
        TEST(a_drain_is_announced_by_a_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
