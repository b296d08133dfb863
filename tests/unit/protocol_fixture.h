/*
 * tests/unit/protocol_fixture.h - one worker's protocols over real topics, with peers on socket pairs.
 *
 * It does what a worker does: HTTP/1.1 and raw lines in, the same order of work in each turn. The
 * store's writer is the one of topics_fixture.h and commits only when told to.
 * Waiting  a peer waits for what it expects, turn by turn, with an end; nothing sleeps.
 * Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_PROTOCOL_FIXTURE_H
#define TESTS_UNIT_PROTOCOL_FIXTURE_H

#include "tests/unit/topics_fixture.h"

#include "server/http/http.h"
#include "server/net/loop.h"
#include "server/net/tcp.h"
#include "server/protocol/service.h"

#define PROTOCOL_EPOCH "9f86d081884c7d65" /* TOPICS_EPOCH */

enum {
    PROTOCOL_SMALL_RING_BYTES = 256 * 1024,
    PEER_BYTES_MAX = 16 * 1024 * 1024,
};

struct session;

struct protocol_fixture {
    struct topics_fixture *base;
    struct service service;
    struct loop *loop;
    struct tcp_set *tcp;
    struct http_server http;
    struct http_handlers http_handlers;
    struct http_limits http_limits;
    struct peer *peers; /* all open ones */
    int joined_count;
    int left_count;
    struct client_view joined; /* the last that has come */
    struct client_view left;   /* the last that has gone, why, and its close code */
    enum stat_close_reason left_reason;
    int left_code;
    bool is_committing; /* everything, in each turn */
    int64_t frozen_ns;  /* what timers take for now; 0: they run by the clock */
    int64_t turn_ns;    /* a turn waits at most so long for something to come */
};

/* A client's end of a connection. */
struct peer {
    struct protocol_fixture *fixture;
    struct peer *next;
    int fd;
    char *received; /* terminated */
    size_t received_bytes;
    size_t taken_bytes;
    bool is_ended; /* the server sends no more */
    bool is_deaf;  /* reads nothing of what it is sent */
};

/* cmocka's setup and teardown; everything must have been given back by then. */
int protocol_setup(void **state);
int protocol_teardown(void **state);
struct protocol_fixture *protocol_fixture_new(uint64_t ring_bytes);
void protocol_fixture_free(struct protocol_fixture *fixture);

/* One turn of the worker; what peers have been sent is read. */
void protocol_turn(struct protocol_fixture *fixture);
/* Turns until nothing moves any more. */
void protocol_settle(struct protocol_fixture *fixture);

/* From here on timers know no time but what protocol_pass lets pass. */
void protocol_freeze_time(struct protocol_fixture *fixture);
/* Fires what is due within so many seconds. */
void protocol_pass(struct protocol_fixture *fixture, int seconds);

/* A new connection to the HTTP port, or to that of raw lines. */
struct peer *peer_http(struct protocol_fixture *fixture);
struct peer *peer_line(struct protocol_fixture *fixture);
void peer_close(struct peer *peer);
/* Writes all of it, with turns in between when the socket is full. */
void peer_write(struct peer *peer, const void *bytes, size_t size);
void peer_write_text(struct peer *peer, const char *text);
/* Shuts the peer's side down. */
void peer_end(struct peer *peer);
/* Waits until the server has ended the connection. */
void peer_wait_end(struct peer *peer);

/* The next line, without its end. */
const char *peer_line_next(struct peer *peer);
/* Fails if there is anything that has not been taken, now that nothing moves. */
void peer_expect_nothing(struct peer *peer);

struct answer {
    int status;
    const char *head; /* terminated; valid until the next answer of any peer */
    const char *body;
    size_t body_bytes;
};

/* Sends a request and waits for its answer. @more: header lines, each with CRLF, or "". */
struct answer peer_request(struct peer *peer, const char *method, const char *target,
                           const char *more, const char *body);
/* Waits for an answer. */
struct answer peer_answer(struct peer *peer, bool is_to_head);
/* The same on a connection of its own. */
struct answer protocol_request(struct protocol_fixture *fixture, const char *method,
                               const char *target, const char *more, const char *body);

/* Opens a WebSocket; fails unless it is accepted. */
struct peer *peer_websocket(struct protocol_fixture *fixture, const char *target);
/* The same with header lines of the test's own; *ret_answer, unless NULL, is the 101. */
struct peer *peer_websocket_with(struct protocol_fixture *fixture, const char *target,
                                 const char *more, struct answer *ret_answer);
void peer_send_text(struct peer *peer, const char *text);
void peer_send_frame(struct peer *peer, unsigned opcode, const void *payload, size_t size);
/* Payload of the next text frame, terminated; valid until the next of any peer. */
const char *peer_text(struct peer *peer);
/* The same of the next frame whatever it is, which must have this opcode. */
const char *peer_frame(struct peer *peer, unsigned opcode);
/* Waits for a close frame; its code. */
int peer_close_code(struct peer *peer);

/* The only client's session. */
struct session *protocol_session(struct protocol_fixture *fixture);

/* --- comparing -------------------------------------------------------------------------------- */

/* @wanted is the whole text, with "T" in place of any time. */
void assert_like(const char *got, const char *wanted);
void assert_part(const char *text, const char *part);
void assert_no_part(const char *text, const char *part);
/* The next text frame is like @wanted. */
void peer_expect(struct peer *peer, const char *wanted);
/* An error answer of HTTP. */
void assert_error(struct answer answer, int status, const char *code);

#endif
