/*
 * GraphQL over WebSocket in the older protocol, that of subscriptions-transport-ws.
 */
#include "server/protocol/client.h"
#include "tests/unit/fake_api.h"
#include "tests/unit/graphql_socket_fixture.h"

static void the_old_protocol_is_kept_alive(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    protocol_freeze_time(f);
    peer = socket_connect_old(f);
    protocol_pass(f, 16);
    peer_expect(peer, "{\"type\":\"ka\"}");
    protocol_pass(f, 16);
    peer_expect(peer, "{\"type\":\"ka\"}");
    peer_send_text(peer, SOCKET_INIT); /* again: harmless */
    peer_expect(peer, SOCKET_ACKNOWLEDGEMENT);
    peer_expect(peer, "{\"type\":\"ka\"}");
    peer_send_text(peer, "{\"type\":\"connection_terminate\"}");
    socket_expect_close(peer, 1000, "");
}

static void the_old_protocol_begins_with_init_too(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect(f, "graphql-ws");

    socket_start(peer, "1", "query 1");
    peer_expect(peer, "{\"type\":\"connection_error\",\"payload\":{\"message\":"
                      "\"connection_init comes first\"}}");
    socket_expect_close(peer, 4401, "Unauthorized");
    protocol_freeze_time(f);
    peer = socket_connect(f, "graphql-ws");
    protocol_pass(f, 11);
    socket_expect_close(peer, 4408, "Connection initialisation timeout");
}

static void the_old_protocol_answers_in_its_words(void **state)
{
    struct peer *peer = socket_connect_old(*state);

    socket_start(peer, "1", "query 1");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":1}}");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"complete\"}");
    socket_start(peer, "1", "refused so");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"error\",\"payload\":{\"message\":\"so\"}}");
    socket_start(peer, "1", "subscription news");
    peer_send_text(peer, "{\"type\":\"stop\",\"id\":\"1\"}");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"complete\"}");
    peer_send_text(peer, "{\"type\":\"stop\",\"id\":\"1\"}");
    peer_expect_nothing(peer);
}

static void in_the_old_protocol_a_reused_id_replaces(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_old(f);

    socket_start(peer, "1", "subscription news");
    socket_start(peer, "1", "subscription other");
    protocol_settle(f);
    (void)topics_append(f->base, "news", "1");
    (void)topics_append(f->base, "other", "2");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":2,"
                      "\"extensions\":{\"seq\":\"2\"}}}");
    peer_expect_nothing(peer);
}

static void the_old_protocol_survives_what_is_no_message(void **state)
{
    struct peer *peer = socket_connect_old(*state);

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
    socket_start(peer, "1", "query 1");
    peer_expect(peer, "{\"id\":\"1\",\"type\":\"data\",\"payload\":{\"data\":1}}");
}

static void the_old_protocol_is_not_warned(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = socket_connect_old(f);
    struct client *client = f->service.clients.first;

    client->operations->warn(client, 1800);
    peer_expect_nothing(peer);
    client->operations->close(client);
    socket_expect_close(peer, 1001, "server is shutting down");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, socket_setup, socket_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_old_protocol_is_kept_alive),
        TEST(the_old_protocol_begins_with_init_too),
        TEST(the_old_protocol_answers_in_its_words),
        TEST(in_the_old_protocol_a_reused_id_replaces),
        TEST(the_old_protocol_survives_what_is_no_message),
        TEST(the_old_protocol_is_not_warned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
