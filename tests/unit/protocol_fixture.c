#include "tests/unit/protocol_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/role.h"
#include "server/http/http1.h"
#include "server/protocol/session.h"
#include "server/topics/log_reader.h"
#include "server/topics/publisher.h"
#include "server/websocket/websocket.h"
#include "store/env.h"

enum {
    TURN_NS = 1000 * 1000,
    WAIT_TURNS_MAX = 20 * 1000,
    QUIET_TURNS = 5,
    CATCH_UP_BYTES = 256 * 1024,
    READ_BYTES = 64 * 1024,
    REQUEST_BYTES_MAX = 8 * 1024,
    DAY_SECONDS = 24 * 3600,
};
#define SECONDS(n) (INT64_C(1000000000) * (n))

/* --- the worker ------------------------------------------------------------------------------- */

static void on_joined(void *user, const struct client *client)
{
    struct protocol_fixture *fixture = user;

    client_describe(client, &fixture->joined);
    fixture->joined_count++;
}

static void on_left(void *user, const struct client *client)
{
    struct protocol_fixture *fixture = user;

    client_describe(client, &fixture->left);
    fixture->left_reason = (enum stat_close_reason)client->reason;
    fixture->left_code = client->close_code;
    fixture->left_count++;
}

static void open_service(struct protocol_fixture *fixture)
{
    struct service *service = &fixture->service;
    const struct websocket_options websocket_options = {.message_bytes_max = 1024 * 1024,
                                                        .ping_timeout_ns = SECONDS(20)};
    struct publisher_options publisher_options = {.bus = fixture->base->bus, .slot = TOPICS_SLOT};

    service->limits = (struct service_limits){
        .message_bytes_max = 1024 * 1024,
        .queue_bytes_max = TOPICS_QUEUE_BYTES,
        .subscriptions_max = 1024,
    };
    publisher_options.always_durable = &service->limits.is_committed_durability;
    service->bus = fixture->base->bus;
    service->store = fixture->base->store;
    service->loop = fixture->loop;
    service->timers = loop_timers(fixture->loop);
    service->topics = fixture->base->topics;
    service->slot = TOPICS_SLOT;
    assert_int_equal(publisher_open(&publisher_options, &service->publisher), 0);
    assert_int_equal(log_reader_open(service->bus, service->store, &service->reader), 0);
    assert_int_equal(websocket_set_open(service->timers, &websocket_options, &service->websockets),
                     0);
    clients_init(&service->clients, service->bus, TOPICS_SLOT);
    service->clients.on_joined = on_joined;
    service->clients.on_left = on_left;
    service->clients.user = fixture;
    assert_int_equal(service_start(service), 0);
}

struct protocol_fixture *protocol_fixture_new(uint64_t ring_bytes)
{
    struct protocol_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->base = topics_fixture_new(ring_bytes);
    fixture->turn_ns = TURN_NS;
    role_set((enum role)(ROLE_MASTER | ROLE_WORKER | ROLE_WRITER)); /* tests speak for all */
    bus_set_phase(fixture->base->bus, BUS_RUNNING, 0);
    assert_int_equal(loop_open(&fixture->loop), 0);
    assert_int_equal(tcp_set_open(fixture->loop, NULL, &fixture->tcp), 0);
    open_service(fixture);
    fixture->http_limits = (struct http_limits){
        .head_bytes_max = 16 * 1024,
        .body_bytes_max = 4 * 1024 * 1024,
        .head_timeout_ns = SECONDS(10),
        .body_timeout_ns = SECONDS(30),
        .idle_timeout_ns = SECONDS(75),
        .write_timeout_ns = SECONDS(30),
    };
    fixture->http_handlers.on_request = router_on_request;
    fixture->http_handlers.on_incident = router_on_incident;
    fixture->http_handlers.on_refusal = router_on_refusal;
    fixture->http = (struct http_server){
        .handlers = &fixture->http_handlers,
        .user = &fixture->service,
        .limits = &fixture->http_limits,
        .timers = loop_timers(fixture->loop),
    };
    return fixture;
}

void protocol_fixture_free(struct protocol_fixture *fixture)
{
    struct service *service = &fixture->service;

    while (fixture->peers != NULL)
        peer_close(fixture->peers);
    protocol_settle(fixture);
    tcp_set_close(fixture->tcp);
    assert_int_equal(service->clients.count, 0);
    assert_int_equal(fixture->joined_count, fixture->left_count);
    assert_int_equal(topics_stat(fixture->base, STAT_CLIENTS), 0);
    assert_int_equal(topics_stat(fixture->base, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM)), 0);
    assert_int_equal(topics_stat(fixture->base, STAT_SUBSCRIPTIONS), 0);
    service_stop(service);
    websocket_set_close(service->websockets);
    log_reader_close(service->reader);
    publisher_close(service->publisher);
    loop_close(fixture->loop);
    topics_fixture_free(fixture->base);
    free(fixture);
}

int protocol_setup(void **state)
{
    *state = protocol_fixture_new(TOPICS_RING_BYTES);
    return 0;
}

int protocol_teardown(void **state)
{
    protocol_fixture_free(*state);
    return 0;
}

/* What has arrived at a peer. */
static bool peer_read(struct peer *peer)
{
    char buf[READ_BYTES];
    ssize_t got;

    if (peer->is_deaf || peer->is_ended)
        return false;
    got = read(peer->fd, buf, sizeof buf);
    if (got <= 0) {
        peer->is_ended = got == 0 || errno != EAGAIN;
        return false;
    }
    peer->received = realloc(peer->received, peer->received_bytes + (size_t)got + 1);
    assert_non_null(peer->received);
    memcpy(peer->received + peer->received_bytes, buf, (size_t)got);
    peer->received_bytes += (size_t)got;
    peer->received[peer->received_bytes] = '\0';
    assert_true(peer->received_bytes <= PEER_BYTES_MAX);
    return true;
}

/* As worker.c does it. True when something has moved. */
static bool turn(struct protocol_fixture *fixture)
{
    struct service *service = &fixture->service;
    int called = loop_turn(fixture->loop, fixture->turn_ns);
    int64_t now_ns = loop_now_ns(fixture->loop);
    bool has_moved = called > 0;

    assert_true(called >= 0);
    publisher_turn(service->publisher, now_ns);
    has_moved |= topics_turn(service->topics);
    has_moved |= service_turn(service, now_ns);
    has_moved |= topics_catch_up(service->topics, CATCH_UP_BYTES);
    tcp_flush(fixture->tcp);
    has_moved |= topics_judge(service->topics);
    has_moved |= tcp_reap(fixture->tcp);
    store_snapshot_end(service->store);
    has_moved |= tcp_has_work(fixture->tcp);
    if (fixture->is_committing)
        topics_commit(fixture->base, NULL);
    return has_moved;
}

void protocol_turn(struct protocol_fixture *fixture)
{
    (void)turn(fixture);
    for (struct peer *peer = fixture->peers; peer != NULL; peer = peer->next)
        (void)peer_read(peer);
}

void protocol_settle(struct protocol_fixture *fixture)
{
    int quiet_count = 0;

    for (int i = 0; i < WAIT_TURNS_MAX && quiet_count < QUIET_TURNS; i++) {
        bool has_moved = turn(fixture);

        for (struct peer *peer = fixture->peers; peer != NULL; peer = peer->next)
            has_moved |= peer_read(peer);
        quiet_count = has_moved ? 0 : quiet_count + 1;
    }
    assert_int_equal(quiet_count, QUIET_TURNS);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Far ahead of the clock, where the loop's own turns do not move the wheel. */
void protocol_freeze_time(struct protocol_fixture *fixture)
{
    fixture->frozen_ns = loop_now_ns(fixture->loop) + SECONDS(DAY_SECONDS);
    protocol_pass(fixture, 0);
}

void protocol_pass(struct protocol_fixture *fixture, int seconds)
{
    assert_true(fixture->frozen_ns != 0);
    fixture->frozen_ns += SECONDS(seconds);
    (void)timer_wheel_advance(loop_timers(fixture->loop), fixture->frozen_ns); /* no next turn */
}

/* --- connections ------------------------------------------------------------------------------ */

static struct peer *connect_peer(struct protocol_fixture *fixture, struct stream **ret_stream)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int fds[2];

    assert_non_null(peer);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer->fixture = fixture;
    peer->fd = fds[0];
    peer->next = fixture->peers;
    fixture->peers = peer;
    assert_int_equal(tcp_stream_open(fixture->tcp, fds[1], ret_stream), 0);
    return peer;
}

struct peer *peer_http(struct protocol_fixture *fixture)
{
    struct stream *stream = NULL;
    struct peer *peer = connect_peer(fixture, &stream);

    assert_int_equal(http1_serve(&fixture->http, stream), 0);
    return peer;
}

struct peer *peer_line(struct protocol_fixture *fixture)
{
    struct stream *stream = NULL;
    struct peer *peer = connect_peer(fixture, &stream);

    broker_line_serve(&fixture->service, stream);
    return peer;
}

void peer_close(struct peer *peer)
{
    struct peer **link = &peer->fixture->peers;

    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    (void)close(peer->fd);
    free(peer->received);
    free(peer);
}

void peer_write(struct peer *peer, const void *bytes, size_t size)
{
    const char *at = bytes;

    for (int i = 0; size > 0; i++) {
        ssize_t sent = send(peer->fd, at, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN && i < WAIT_TURNS_MAX) {
            protocol_turn(peer->fixture);
            continue;
        }
        assert_true(sent > 0);
        at += sent;
        size -= (size_t)sent;
    }
}

void peer_write_text(struct peer *peer, const char *text)
{
    peer_write(peer, text, strlen(text));
}

void peer_end(struct peer *peer)
{
    assert_int_equal(shutdown(peer->fd, SHUT_WR), 0);
}

/* A turn of waiting; fails when it has taken too long. */
static void wait_turn(struct peer *peer, int *count, const char *what)
{
    if (++*count > WAIT_TURNS_MAX)
        fail_msg("%s did not come; got: %.2000s", what,
                 peer->received == NULL ? "nothing" : peer->received + peer->taken_bytes);
    if (peer->is_ended)
        fail_msg("the connection ended before %s; got: %.2000s", what,
                 peer->received == NULL ? "nothing" : peer->received + peer->taken_bytes);
    protocol_turn(peer->fixture);
}

void peer_wait_end(struct peer *peer)
{
    for (int i = 0; i < WAIT_TURNS_MAX && !peer->is_ended; i++)
        protocol_turn(peer->fixture);
    assert_true(peer->is_ended);
}

static size_t left_bytes(const struct peer *peer)
{
    return peer->received_bytes - peer->taken_bytes;
}

/* Waits until @bytes are there and takes them. */
static const char *take(struct peer *peer, size_t bytes)
{
    int count = 0;

    while (left_bytes(peer) < bytes)
        wait_turn(peer, &count, "enough bytes");
    peer->taken_bytes += bytes;
    return peer->received + peer->taken_bytes - bytes;
}

/* Waits for @end and returns where it begins, counted from what has been taken. */
static size_t find(struct peer *peer, const char *end)
{
    int count = 0;

    for (;;) {
        const char *at = left_bytes(peer) == 0 ? NULL
                                               : memmem(peer->received + peer->taken_bytes,
                                                        left_bytes(peer), end, strlen(end));

        if (at != NULL)
            return (size_t)(at - peer->received) - peer->taken_bytes;
        wait_turn(peer, &count, end);
    }
}

const char *peer_line_next(struct peer *peer)
{
    size_t bytes = find(peer, "\n");
    char *line = peer->received + peer->taken_bytes;

    line[bytes] = '\0';
    peer->taken_bytes += bytes + 1;
    return line;
}

void peer_expect_nothing(struct peer *peer)
{
    protocol_settle(peer->fixture);
    if (left_bytes(peer) > 0)
        fail_msg("more than there should be: %.200s", peer->received + peer->taken_bytes);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");

    return at == NULL ? 0 : strtoul(at + strlen("\r\nContent-Length:"), NULL, 10);
}

struct answer peer_answer(struct peer *peer, bool is_to_head)
{
    static char head[REQUEST_BYTES_MAX];
    static char *body;
    size_t head_bytes = find(peer, "\r\n\r\n") + 4;
    struct answer answer = {.head = head};

    assert_true(head_bytes < sizeof head);
    memcpy(head, take(peer, head_bytes), head_bytes);
    head[head_bytes] = '\0';
    assert_int_equal(strncmp(head, "HTTP/1.1 ", 9), 0);
    answer.status = (int)strtol(head + 9, NULL, 10);
    answer.body_bytes = is_to_head ? 0 : content_length(head);
    free(body);
    body = calloc(1, answer.body_bytes + 1);
    assert_non_null(body);
    memcpy(body, take(peer, answer.body_bytes), answer.body_bytes);
    answer.body = body;
    return answer;
}

static void write_request(struct peer *peer, const char *method, const char *target,
                          const char *more, const char *body)
{
    char head[REQUEST_BYTES_MAX];
    int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method,
                          target, more);

    assert_true(length > 0 && (size_t)length < sizeof head);
    peer_write(peer, head, (size_t)length);
    if (body != NULL) {
        length = snprintf(head, sizeof head, "Content-Length: %zu\r\n", strlen(body));
        peer_write(peer, head, (size_t)length);
    }
    peer_write_text(peer, "\r\n");
    if (body != NULL)
        peer_write_text(peer, body);
}

struct answer peer_request(struct peer *peer, const char *method, const char *target,
                           const char *more, const char *body)
{
    write_request(peer, method, target, more, body);
    return peer_answer(peer, strcmp(method, "HEAD") == 0);
}

struct answer protocol_request(struct protocol_fixture *fixture, const char *method,
                               const char *target, const char *more, const char *body)
{
    struct peer *peer = peer_http(fixture);
    struct answer answer = peer_request(peer, method, target, more, body);

    peer_close(peer);
    return answer;
}

/* --- WebSocket -------------------------------------------------------------------------------- */

struct peer *peer_websocket_with(struct protocol_fixture *fixture, const char *target,
                                 const char *more, struct answer *ret_answer)
{
    char upgrade[512];
    struct peer *peer = peer_http(fixture);
    struct answer answer;

    (void)snprintf(upgrade, sizeof upgrade,
                   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
                   more);
    answer = peer_request(peer, "GET", target, upgrade, NULL);
    assert_int_equal(answer.status, 101);
    if (ret_answer != NULL)
        *ret_answer = answer;
    return peer;
}

struct peer *peer_websocket(struct protocol_fixture *fixture, const char *target)
{
    return peer_websocket_with(fixture, target, "", NULL);
}

void peer_send_frame(struct peer *peer, unsigned opcode, const void *payload, size_t size)
{
    uint8_t head[14] = {(uint8_t)(0x80 | opcode)}; /* the mask is four zeros */
    size_t head_bytes = 6;

    if (size < 126) {
        head[1] = (uint8_t)(0x80 | size);
    } else if (size < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        head_bytes = 8;
    } else {
        head[1] = 0x80 | 127;
        for (unsigned i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
        head_bytes = 14;
    }
    peer_write(peer, head, head_bytes);
    peer_write(peer, payload, size);
}

void peer_send_text(struct peer *peer, const char *text)
{
    peer_send_frame(peer, 1, text, strlen(text));
}

/* The next frame's payload, terminated; its opcode in *ret_opcode. */
static const char *next_frame(struct peer *peer, unsigned *ret_opcode)
{
    static char *payload;
    const uint8_t *head = (const uint8_t *)take(peer, 2);
    size_t size = head[1];

    assert_int_equal(head[0] & 0x70, 0);
    assert_int_equal(head[0] & 0x80, 0x80);
    *ret_opcode = head[0] & 0x0f;
    if (size == 126) {
        head = (const uint8_t *)take(peer, 2);
        size = (size_t)head[0] << 8 | head[1];
    } else if (size == 127) {
        head = (const uint8_t *)take(peer, 8);
        size = 0;
        for (int i = 0; i < 8; i++)
            size = size << 8 | head[i];
    }
    free(payload);
    payload = calloc(1, size + 1);
    assert_non_null(payload);
    memcpy(payload, take(peer, size), size);
    return payload;
}

const char *peer_frame(struct peer *peer, unsigned opcode)
{
    unsigned got = 0;
    const char *payload = next_frame(peer, &got);

    assert_int_equal(got, opcode);
    return payload;
}

const char *peer_text(struct peer *peer)
{
    return peer_frame(peer, 1);
}

int peer_close_code(struct peer *peer)
{
    unsigned opcode = 0;
    const uint8_t *payload;

    do
        payload = (const uint8_t *)next_frame(peer, &opcode);
    while (opcode != 8);
    return payload[0] << 8 | payload[1];
}

struct session *protocol_session(struct protocol_fixture *fixture)
{
    assert_int_equal(fixture->service.clients.count, 1);
    return session_of_client(fixture->service.clients.first);
}

/* --- comparing -------------------------------------------------------------------------------- */

void assert_like(const char *got, const char *wanted)
{
    const char *at = got;
    const char *want = wanted;

    while (*want != '\0') {
        if (strncmp(want, "\"T\"", 3) == 0 && strlen(at) >= EVENT_TIME_BYTES + 2 &&
            at[EVENT_TIME_BYTES] == 'Z') {
            at += EVENT_TIME_BYTES + 2;
            want += 3;
        } else if (*at++ != *want++) {
            fail_msg("got    %.1000s\n         wanted %.1000s", got, wanted);
        }
    }
    if (*at != '\0')
        fail_msg("got    %.1000s\n         wanted %.1000s", got, wanted);
}

void assert_part(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in: %.1000s", part, text);
}

void assert_no_part(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("%s in: %.1000s", part, text);
}

void peer_expect(struct peer *peer, const char *wanted)
{
    assert_like(peer_text(peer), wanted);
}

void assert_error(struct answer answer, int status, const char *code)
{
    char wanted[128];

    if (answer.status != status)
        fail_msg("%d, not %d: %.500s", answer.status, status, answer.body);
    (void)snprintf(wanted, sizeof wanted, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    assert_part(answer.body, wanted);
    assert_part(answer.head, "Content-Type: application/json\r\n");
}
