/*
 * tests/unit/websocket_fixture.h - one WebSocket over a fake stream, opened through HTTP as in the
 * server, and a client that speaks frames by hand. Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_WEBSOCKET_FIXTURE_H
#define TESTS_UNIT_WEBSOCKET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "server/http/http1.h"
#include "server/net/budget.h"
#include "server/net/timer.h"
#include "server/websocket/frame.h"
#include "server/websocket/websocket.h"
#include "tests/unit/fake_stream.h"

#define SECOND INT64_C(1000000000)

#define HANDSHAKE                                                                                  \
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

enum {
    FINAL = 0x80,
    MESSAGE_MAX = 300, /* the limit, unless a test sets another */
    LOG_BYTES = 16384,
    INPUT_BYTES = 8192,
};

struct websocket_fixture {
    struct fake_stream fake;
    struct timer_wheel *wheel;
    int64_t now_ns;
    struct http_limits limits;
    struct http_server server;
    struct websocket_options options;
    struct websocket_set *set;

    struct websocket *websocket; /* NULL: not open */
    const char *protocol;        /* chosen by the user; NULL: none */
    char received[LOG_BYTES];    /* "T:text\n", "B:bytes\n" */
    int closed_with;             /* code of on_close; 0: not called */
    enum websocket_end end;      /* likewise */
    int drained_count;
    bool says_hold;  /* on_message returns false */
    int closes_with; /* on_message closes with this code */
};

/* With a connection on which nothing has been said. @budget: for its input; NULL: no bound. */
struct websocket_fixture *websocket_fixture_new(struct budget *budget);
void websocket_fixture_free(struct websocket_fixture *f);

/* A new connection instead of the old one. */
void open_stream(struct websocket_fixture *f);
void shake_hands(struct websocket_fixture *f);
/* Both, with an empty log. */
void reopen(struct websocket_fixture *f);

/* Time passes. */
void pass(struct websocket_fixture *f, int64_t ns);

/* Frames as a client sends them, one behind the other. @first: FINAL, reserved bits and opcode. */
struct input {
    uint8_t bytes[INPUT_BYTES];
    size_t size;
};

void add_raw(struct input *input, const void *bytes, size_t size);
void add_frame(struct input *input, int first, const void *payload, size_t size);
void add_text(struct input *input, int first, const char *text);
void feed_input(struct websocket_fixture *f, const struct input *input);
void feed_text(struct websocket_fixture *f, int first, const char *text);

/* Exactly this has been sent since the last look. */
void assert_sent_bytes(struct websocket_fixture *f, const void *wanted, size_t size);
/* A close frame with this code and no reason; and one with it. */
void assert_sent_close(struct websocket_fixture *f, int code);
void assert_sent_close_because(struct websocket_fixture *f, int code, const char *reason);

#endif
