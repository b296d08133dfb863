#include "tests/unit/graphql_socket_fixture.h"

#include <stdio.h>

#include "tests/unit/fake_api.h"

enum {
    OPCODE_CLOSE = 8,
};

static struct fake_api *fake;

int socket_setup(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    fake = fake_api_new(f->base->bus, f->base->topics);
    f->service.api = &fake->api;
    f->service.limits.handshake_timeout_ns = INT64_C(10000000000);
    *state = f;
    return 0;
}

int socket_teardown(void **state)
{
    protocol_fixture_free(*state);
    fake_api_free(fake);
    return 0;
}

struct fake_api *socket_api(void)
{
    return fake;
}

struct peer *socket_connect(struct protocol_fixture *f, const char *protocol)
{
    char header[128];

    (void)snprintf(header, sizeof header, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    return peer_websocket_with(f, "/graphql", header, NULL);
}

struct peer *socket_connect_new(struct protocol_fixture *f)
{
    struct peer *peer = socket_connect(f, "graphql-transport-ws");

    peer_send_text(peer, SOCKET_INIT);
    peer_expect(peer, SOCKET_ACKNOWLEDGEMENT);
    return peer;
}

struct peer *socket_connect_old(struct protocol_fixture *f)
{
    struct peer *peer = socket_connect(f, "graphql-ws");

    peer_send_text(peer, SOCKET_INIT);
    peer_expect(peer, SOCKET_ACKNOWLEDGEMENT);
    peer_expect(peer, "{\"type\":\"ka\"}");
    return peer;
}

static void ask(struct peer *peer, const char *type, const char *id, const char *query)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "{\"type\":\"%s\",\"id\":\"%s\",\"payload\":{\"query\":\"%s\"}}", type, id,
                   query);
    peer_send_text(peer, text);
}

void socket_subscribe(struct peer *peer, const char *id, const char *query)
{
    ask(peer, "subscribe", id, query);
}

void socket_start(struct peer *peer, const char *id, const char *query)
{
    ask(peer, "start", id, query);
}

void socket_complete(struct peer *peer, const char *id)
{
    char text[128];

    (void)snprintf(text, sizeof text, "{\"type\":\"complete\",\"id\":\"%s\"}", id);
    peer_send_text(peer, text);
}

void socket_expect_close(struct peer *peer, int code, const char *reason)
{
    const char *payload = peer_frame(peer, OPCODE_CLOSE);

    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], code);
    assert_string_equal(payload + 2, reason);
}
