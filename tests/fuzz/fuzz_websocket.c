/*
 * WebSocket input behind a good handshake: whatever comes, and however it is cut, the same
 * messages are understood, text is UTF-8, the limit holds, and the same close code ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/json/json.h"
#include "server/net/timer.h"
#include "server/websocket/websocket.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_stream.h"

enum {
    MESSAGE_MAX = 70000,
};

#define HANDSHAKE                                                                                  \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

struct log {
    uint64_t sum;
    unsigned message_count;
    int code;
};

struct session {
    struct websocket_set *set;
    struct websocket *websocket;
    struct log *log;
    bool is_held;
};

static void note(struct log *log, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        log->sum = (log->sum ^ at[i]) * UINT64_C(0x100000001B3);
    log->sum = (log->sum ^ size) * UINT64_C(0x100000001B3);
}

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct session *session = user;

    CHECK(!session->is_held);
    CHECK(size <= MESSAGE_MAX);
    if (is_text)
        CHECK(utf8_is_valid((const char *)bytes, size));
    note(session->log, bytes, size);
    session->log->message_count++;
    session->is_held = size % 3 == 0; /* the same in each run */
    return !session->is_held;
}

static void on_close(void *user, int code)
{
    struct session *session = user;

    session->log->code = code;
    session->websocket = NULL;
}

static void on_request(void *user, struct http_exchange *exchange)
{
    static const struct websocket_handlers handlers = {
        .on_message = on_message,
        .on_close = on_close,
    };
    struct session *session = user;

    CHECK(websocket_check(exchange) == 1);
    session->websocket = websocket_accept(session->set, exchange, NULL, &handlers, session);
    CHECK(session->websocket != NULL);
}

/* Feeds @step bytes at a time; 0: all at once. */
static void feed(struct session *session, struct fake_stream *fake, const uint8_t *data,
                 size_t size, size_t step)
{
    for (size_t at = 0; at < size; at += step) {
        if (step == 0 || step > size - at)
            step = size - at;
        fake_stream_feed(fake, data + at, step);
        fake_stream_run(fake);
        while (session->is_held && session->websocket != NULL) {
            session->is_held = false;
            websocket_resume(session->websocket);
            fake_stream_run(fake);
        }
    }
}

static void run(const uint8_t *data, size_t size, size_t step, struct log *log)
{
    static const struct http_handlers handlers = {.on_request = on_request};
    static const struct http_limits limits = {.head_bytes_max = 4096};
    static const struct websocket_options options = {.message_bytes_max = MESSAGE_MAX};
    struct session session = {.log = log};
    struct http_server server = {.handlers = &handlers, .user = &session, .limits = &limits};
    struct fake_stream fake;

    *log = (struct log){.sum = 0};
    CHECK(timer_wheel_open(0, &server.timers) == 0);
    CHECK(websocket_set_open(server.timers, &options, &session.set) == 0);
    fake_stream_init(&fake);
    CHECK(http1_serve(&server, &fake.stream) == 0);
    fake_stream_feed(&fake, HANDSHAKE, sizeof HANDSHAKE - 1);
    feed(&session, &fake, data, size, step);
    fake_stream_done(&fake);
    websocket_set_close(session.set);
    timer_wheel_close(server.timers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log whole;
    struct log cut;

    run(data, size, 0, &whole);
    run(data, size, 1 + size % 13, &cut);
    CHECK(whole.message_count == cut.message_count);
    CHECK(whole.sum == cut.sum);
    CHECK(whole.code == cut.code);
    return 0;
}
