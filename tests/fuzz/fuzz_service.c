/*
 * A worker's protocols over a real ring and store, with up to four clients at a time: the input says
 * who sends what, in which order. It is a list of steps with 0xFE between them; a step's first byte is
 * its kind (struct step), the rest is what is sent. As text: `0` to `3` send over HTTP, `4` to `7` over
 * raw TCP, `8` to `?` likewise and end their side; `@` to `G` send and close; `t` lets time pass, `f`
 * finishes a GraphQL operation (they do what their text says: tests/unit/fake_api.h).
 *
 * Whatever they do, each gets HTTP (1.1 or 2) or lines of JSON, another client's publish is answered and
 * delivered to it once, and when they have gone nothing of them is left.
 *
 * The ring and the store live on from input to input, for a while: what they hold then was said by
 * earlier ones. An input that crashes may need them to do so again (-runs with the same corpus).
 */
#include "tests/unit/protocol_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_api.h"
#include "tests/unit/http2_frames.h"

enum {
    INPUTS_MAX = 200, /* until everything is made anew */
    PEERS_MAX = 4,
    STEPS_MAX = 24,
    STEP_TURNS = 3,
    END_TURNS_MAX = 2000,
    SEPARATOR = 0xFE,
    KIND_PASS = 't',
    KIND_FINISH = 'f',
    PASS_SECONDS = 16,
};

#define HANDSHAKE_NS INT64_C(10000000000)

/* What is done when a step's bytes have been sent. */
enum then {
    THEN_CLOSE,
    THEN_TURN_DEAF, /* or read again */
    THEN_NOTHING,
    THEN_END,
};

struct attacker {
    struct peer *peer; /* NULL: not connected */
    bool is_line;
};

static struct protocol_fixture *fixture;
static struct fake_api *api;
static struct peer *canary;
static struct attacker attackers[PEERS_MAX];
static unsigned input_count;

/* --- the worker --------------------------------------------------------------------------------- */

static void end(void)
{
    struct protocol_fixture *old = fixture;

    fixture = NULL; /* what fails in it ends the program, and that calls this again */
    if (old == NULL)
        return;
    protocol_fixture_free(old);
    fake_api_free(api);
}

/* libFuzzer's alarm, by which it sees that an input hangs, must not interrupt the fixture's waits. */
static void restart_calls(void)
{
    struct sigaction action;

    CHECK(sigaction(SIGALRM, NULL, &action) == 0);
    action.sa_flags |= SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
}

static void begin_anew(void)
{
    if (fixture == NULL) {
        restart_calls();
        CHECK(atexit(end) == 0);
    }
    end();
    fixture = protocol_fixture_new(PROTOCOL_SMALL_RING_BYTES);
    fixture->turn_ns = 0;
    api = fake_api_new(fixture->base->bus, fixture->base->topics);
    fixture->service.api = &api->api;
    fixture->service.limits.is_echo_served = true;
    fixture->service.limits.handshake_timeout_ns = HANDSHAKE_NS;
    fixture->service.limits.subscriptions_max = 4;
    fixture->base->subscriptions_max = 4;
    protocol_freeze_time(fixture);
    canary = peer_line(fixture);
    peer_write_text(canary, "{\"action\":\"subscribe\",\"topic\":\"canary\"}\n");
    CHECK(strstr(peer_line_next(canary), "\"status\":\"subscribed\"") != NULL);
}

static void take_turns(int count)
{
    while (count-- > 0)
        protocol_turn(fixture);
}

/* The canary's next line with @part in it; what others have said on its topic is passed over. */
static const char *canary_hears(const char *part)
{
    const char *line = peer_line_next(canary);

    while (strstr(line, part) == NULL) {
        CHECK(strncmp(line, "{\"type\":\"message\",\"topic\":\"canary\",", 35) == 0);
        line = peer_line_next(canary);
    }
    return line;
}

/* A publish by a client beside the others: answered, and delivered once. */
static void check_canary(void)
{
    const char *seq;
    char text[128];

    (void)snprintf(text, sizeof text,
                   "{\"action\":\"publish\",\"topic\":\"canary\",\"message\":%u,\"id\":%u}\n",
                   input_count, input_count);
    peer_write_text(canary, text);
    (void)snprintf(text, sizeof text, ",\"id\":%u}", input_count);
    seq = strstr(canary_hears(text), ",\"seq\":");
    CHECK(seq != NULL);
    (void)snprintf(text, sizeof text, "\"data\":%u,\"seq\":%llu,", input_count,
                   strtoull(seq + strlen(",\"seq\":"), NULL, 10));
    (void)canary_hears(text);
    CHECK(canary->received_bytes == canary->taken_bytes);
}

/* --- what the clients got ------------------------------------------------------------------- */

static void check_lines(const struct peer *peer)
{
    const char *line = peer->received;
    char *compact = malloc(peer->received_bytes + 1);
    const char *end;

    CHECK(compact != NULL);
    while (line != NULL && (end = strchr(line, '\n')) != NULL) {
        CHECK(reference_json_compact(line, (size_t)(end - line), compact, JSON_DEPTH_MAX) ==
              end - line);
        line = end + 1;
    }
    free(compact);
}

static void check_http2(const struct peer *peer)
{
    static struct http2_reader reader; /* too large for the stack */

    http2_reader_init(&reader);
    reader.checks_windows = false; /* they have been set by whatever the input says */
    http2_reader_feed(&reader, peer->received, peer->received_bytes);
    http2_reader_done(&reader);
}

static void check_http(const struct peer *peer)
{
    static const char begin[] = "HTTP/1.1 ";

    if (peer->received_bytes > 0 && peer->received[0] == 0) /* of a frame's length */
        check_http2(peer);
    else if (peer->received_bytes >= sizeof begin - 1)
        CHECK(memcmp(peer->received, begin, sizeof begin - 1) == 0);
}

static void attacker_close(struct attacker *attacker)
{
    if (attacker->peer == NULL)
        return;
    if (attacker->is_line)
        check_lines(attacker->peer);
    else
        check_http(attacker->peer);
    peer_close(attacker->peer);
    attacker->peer = NULL;
}

/* --- steps -------------------------------------------------------------------------------------- */

static void take_step(const uint8_t *bytes, size_t size)
{
    unsigned kind = bytes[0];
    struct attacker *attacker = &attackers[kind % PEERS_MAX];

    if (kind == KIND_PASS) {
        protocol_pass(fixture, PASS_SECONDS);
        return;
    }
    if (kind == KIND_FINISH) {
        (void)fake_api_finish_any(api);
        take_turns(STEP_TURNS);
        return;
    }
    if (attacker->peer != NULL && attacker->peer->is_ended)
        attacker_close(attacker);
    if (attacker->peer == NULL) {
        attacker->is_line = (kind & 4) != 0;
        attacker->peer = attacker->is_line ? peer_line(fixture) : peer_http(fixture);
    }
    /* A peer that has ended its side, or whose connection broke, sends no more. */
    (void)send(attacker->peer->fd, bytes + 1, size - 1, MSG_NOSIGNAL);
    take_turns(STEP_TURNS);
    switch ((enum then)(kind >> 3 & 3)) {
    case THEN_CLOSE:
        attacker_close(attacker);
        break;
    case THEN_TURN_DEAF:
        attacker->peer->is_deaf = !attacker->peer->is_deaf;
        break;
    case THEN_END:
        (void)shutdown(attacker->peer->fd, SHUT_WR); /* again: harmless */
        break;
    case THEN_NOTHING:
        break;
    }
}

static void take_steps(const uint8_t *data, size_t size)
{
    for (int i = 0; i < STEPS_MAX && size > 0; i++) {
        const uint8_t *end = memchr(data, SEPARATOR, size);
        size_t bytes = end == NULL ? size : (size_t)(end - data);

        if (bytes > 0)
            take_step(data, bytes);
        if (end != NULL)
            bytes++;
        data += bytes;
        size -= bytes;
    }
}

static bool is_alone(void)
{
    const struct service *service = &fixture->service;

    return service->clients.count == 1 && fixture->http.connections == NULL &&
           service->waiting == NULL && service->commit_waiting == NULL &&
           api->operation_count == 0 && api->live_count == 0;
}

/* Nobody is left but the canary, and nothing of anybody. */
static void check_end(void)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        attacker_close(&attackers[i]);
    fixture->is_committing = true; /* requests behind others may wait for a commit of their own */
    for (int i = 0; i < END_TURNS_MAX && !is_alone(); i++) {
        (void)fake_api_finish_any(
            api); /* over HTTP a client that has gone is noticed at the answer */
        protocol_turn(fixture);
    }
    fixture->is_committing = false;
    CHECK(is_alone());
    CHECK(fixture->joined_count == fixture->left_count + 1);
    CHECK(topics_stat(fixture->base, STAT_SUBSCRIPTIONS) == 1);
    CHECK(topics_stat(fixture->base, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (input_count++ % INPUTS_MAX == 0)
        begin_anew();
    take_steps(data, size);
    topics_commit(fixture->base, NULL);
    check_canary();
    check_end();
    return 0;
}
