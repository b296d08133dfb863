/*
 * tests/unit/http2_fixture.h - an HTTP/2 server over a stream without a socket, and a client that writes
 * frames by hand (tests/unit/http2_frames.h).
 *
 * The server's user says back what it was asked: method, path, query, body. Some paths do something
 * else: /later waits for the test, /error is 404, /empty 204, /big HTTP2_BIG_BYTES long, /stream begins an
 * endless body. A CONNECT is accepted: /echo says back what comes and ends when its peer does; /keep keeps it,
 * /abort aborts inside on_data, /pause takes nothing and pauses, /half takes half of it. Other paths are refused.
 * Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_HTTP2_FIXTURE_H
#define TESTS_UNIT_HTTP2_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http.h"
#include "server/http/http2.h"
#include "server/net/budget.h"
#include "tests/unit/fake_stream.h"
#include "tests/unit/http2_frames.h"

#define SECOND INT64_C(1000000000)

enum {
    HTTP2_BIG_BYTES = 300 * 1024,
    HTTP2_TAKERS_MAX = 300,
    HTTP2_LATER_MAX = 300,
};

/* Who has taken a stream over. */
struct http2_taker {
    struct http2_fixture *fixture;
    struct stream *stream;
    char manner; /* the first letter of its path, behind the slash */
    char text[64];
    size_t bytes; /* it has had, of which the first are in `text` */
    int drained_count;
    bool has_ended;
    bool is_closed;
    enum stream_close_reason reason;
};

struct http2_fixture {
    struct fake_stream fake;
    struct http2_reader reader;
    size_t looked_at; /* frames */
    struct timer_wheel *wheel;
    int64_t now_ns;
    struct http_limits limits;
    struct budget budget; /* the server's, once a test says so */
    struct http_server server;
    struct http_exchange *later[HTTP2_LATER_MAX]; /* wait for their answer; NULL: gone */
    size_t later_count;
    struct http2_taker takers[HTTP2_TAKERS_MAX];
    size_t taker_count;
    int gone_count;
    int request_count;
    bool gives_tickets; /* to each request: its number */
    uint64_t tickets;   /* a bit for each that has come back */
    int malformed_count;
    int evicted_count;
    char last[256]; /* what was asked last, as it is said back */
    char *big;
    int number;            /* the test's */
    const void *parameter; /* of the test: cmocka's initial state */
};

/* cmocka's; the client has sent its preface and empty SETTINGS, and acknowledged ours. */
int http2_setup(void **state);
int http2_teardown(void **state);
/* Without the client's first bytes. */
void http2_begin(struct http2_fixture *fixture);
void http2_end(struct http2_fixture *fixture);
/* The client's first bytes. */
void http2_greet(struct http2_fixture *fixture);
void http2_restart(struct http2_fixture *fixture);

/* The client sends, and the loop turns. */
void http2_send(struct http2_fixture *fixture, const char *script);
void http2_send_bytes(struct http2_fixture *fixture, const void *bytes, size_t size);
/* The loop turns, and what is sent is read. */
void http2_run(struct http2_fixture *fixture);
/* Time goes by. */
void http2_pass(struct http2_fixture *fixture, int64_t ns);
/* Answers as if at once. */
void http2_answer(struct http2_fixture *fixture, struct http_exchange *exchange);

/*
 * The next frame of this type and stream since the last call, or NULL; those before it are passed over. Any
 * stream: -1.
 */
const struct http2_frame *http2_next(struct http2_fixture *fixture, uint8_t type, int32_t id);
/* Looks at all from the beginning again. */
void http2_rewind(struct http2_fixture *fixture);
size_t http2_sent_count(const struct http2_fixture *fixture, uint8_t type, int32_t id);
/* Bytes of DATA of a stream, all there ever were. */
size_t http2_data_bytes(const struct http2_fixture *fixture, int32_t id);
/* The stream was answered so, and with that body (NULL: any), and has ended. */
void assert_answered(struct http2_fixture *fixture, int32_t id, int status, const char *body);
/* RST_STREAM with this code, and the connection goes on. */
void assert_reset(struct http2_fixture *fixture, int32_t id, uint32_t code);
/* GOAWAY with this code, and then the end. */
void assert_connection_error(struct http2_fixture *fixture, uint32_t code);
/* It still does what it is there for. */
void assert_goes_on(struct http2_fixture *fixture);

#endif
