/*
 * tests/unit/http1_fixture.h - an HTTP/1.1 server over streams without sockets, and its client.
 *
 * The server's user says back what it was asked (http1_answer); some paths do something else:
 * /later waits for the test, /last closes, /error is 404, /empty 204, /big BIG_BYTES long, /stream and
 * /upgrade take the connection over.
 * Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_HTTP1_FIXTURE_H
#define TESTS_UNIT_HTTP1_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http1.h"
#include "server/net/budget.h"
#include "tests/unit/fake_stream.h"

#define SECOND INT64_C(1000000000)

enum {
    BIG_BYTES = 300 * 1024,
};

/* What takes a stream over: it keeps what it is given. */
struct taker {
    struct stream *stream;
    char text[64];
    size_t bytes;
    bool is_closed;
};

struct http1_fixture {
    struct fake_stream fake;
    struct timer_wheel *wheel;
    int64_t now_ns;
    struct http_limits limits;
    struct budget budget; /* the server's, once a test says so */
    struct http_server server;
    struct http_exchange *later; /* waits for its answer */
    struct taker taker;
    int gone_count;
    int request_count;
    int evicted_count;
    int malformed_count;
    char *big;
};

/* cmocka's setup and teardown; everything must have been given back by then. */
int http1_setup(void **state);
int http1_teardown(void **state);
/* Both, for the next round of a test. */
void http1_restart(struct http1_fixture *fixture);

/* Says back what was asked. */
void http1_answer(struct http_exchange *exchange, bool is_last);
void http1_take_over(struct http1_fixture *fixture, struct stream *stream);

/* The client sends, and the loop turns. */
void client_feed(struct http1_fixture *fixture, const char *text);
/* Time goes by. */
void client_pass(struct http1_fixture *fixture, int64_t ns);
/* All that came since the last call, without the dates, which are looked at. */
void assert_sent(struct http1_fixture *fixture, const char *wanted);
void assert_sent_begins(struct http1_fixture *fixture, const char *wanted);

#define SERVER "Server: sluice\r\n"
#define OK(length, body)                                                                           \
    "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: " length             \
    "\r\nX-More: yes\r\n\r\n" body
#define OK_CLOSE(length, body)                                                                     \
    "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: " length             \
    "\r\nConnection: close\r\nX-More: yes\r\n\r\n" body

#endif
