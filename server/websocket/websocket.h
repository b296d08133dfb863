/*
 * server/websocket/websocket.h - WebSocket (RFC 6455) over any upgraded stream, through wslay.
 *
 * Shape    a struct websocket holds the stream, the user and a few flags (104 bytes). A wslay
 *          context and a message buffer are borrowed from a pool while a message is in flight
 *          and given back when the bytes fed were exactly those of finished frames. Control
 *          frames never reach wslay (websocket.c says why).
 * Input    complete messages by on_message, at most message_bytes_max long (else close 1009; the
 *          buffer grows with what has arrived, never with what a header claims). One that is in
 *          flight is charged to the input budget, all but its first bytes (net/budget.h); no room
 *          for it: close 1013. Pings are answered here; control frames may come between fragments.
 * Deflate  with permessage-deflate agreed on (RFC 7692) messages may come compressed; their limit is that
 *          of what they become, and is kept while they are inflated. Shared frames may be compressed
 *          ones that fit websocket_window(); replies of WEBSOCKET_DEFLATE_REPLY bytes and more are.
 * Output   by websocket_send_*, or ready frames (websocket_frame_head + payload) pushed
 *          as shared ranges to websocket_stream().
 * Close    websocket_close sends a close frame, then nothing else (what others push to the stream
 *          is dropped); waits for the answer at most 5 s. A peer's close is answered with its
 *          code. on_close comes once, last, from the loop, and tells what came first.
 * Pings    one every ping_interval (each connection's phase differs), and ping_timeout for any sign
 *          of life: input, or output that the peer's system has taken. None is asked for while
 *          reading is paused. A peer that does not read, while output waits for it, lags and is
 *          not dead as long as its system answers (stream_peer); the stream bounds how long.
 * Slow     of a message in flight a WEBSOCKET_MESSAGE_PARTS-th of the longest one has to come in each
 *          WEBSOCKET_MESSAGE_S (so it is whole within eight minutes), else close 1008: what is not
 *          whole takes from a budget that all share.
 */
#ifndef SERVER_WEBSOCKET_WEBSOCKET_H
#define SERVER_WEBSOCKET_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/websocket/deflate.h"

struct arena;
struct budget;
struct http_exchange;
struct stream;
struct timer_wheel;
struct websocket;

enum {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_STATUS = 1005, /* never sent */
    WEBSOCKET_ABNORMAL = 1006,  /* never sent */
    WEBSOCKET_BAD_TEXT = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_TRY_LATER = 1013,
};

enum {
    WEBSOCKET_HEAD_BYTES_MAX = 10, /* of a frame from the server */
    WEBSOCKET_MESSAGE_S = 30,
    WEBSOCKET_MESSAGE_PARTS = 16,
    WEBSOCKET_DEFLATE_REPLY = 1024,
};

/* How it came to its end: what happened first. */
enum websocket_end {
    WEBSOCKET_END_NONE,         /* still open */
    WEBSOCKET_END_BY_PEER,      /* its close frame */
    WEBSOCKET_END_BY_USER,      /* websocket_close, and the peer has answered or gone */
    WEBSOCKET_END_UNANSWERED,   /* websocket_close, and in time neither has come */
    WEBSOCKET_END_LOST,         /* the connection ended or broke without a close frame */
    WEBSOCKET_END_PING_TIMEOUT, /* no sign of life in time */
    WEBSOCKET_END_STALLED,      /* it took nothing of its output: STREAM_CLOSED_STALLED */
    WEBSOCKET_END_BROKEN,       /* the peer has broken a rule: 1002, 1007 */
    WEBSOCKET_END_TOO_BIG,      /* its message: 1009 */
    WEBSOCKET_END_SLOW,         /* its message: 1008 */
    WEBSOCKET_END_NO_ROOM,      /* for its message: 1013 */
    WEBSOCKET_END_FAILED, /* memory or the socket; also when its stream was aborted from above */
};

struct websocket_handlers {
    /* @bytes are borrowed, never NULL. False: no more is read until websocket_resume. */
    bool (*on_message)(void *user, bool is_text, const uint8_t *bytes, size_t size);
    void (*on_drained)(void *user); /* as stream_handlers; may be NULL */
    /* @code: the peer's, or ours; WEBSOCKET_ABNORMAL without a closing handshake. Last call. */
    void (*on_close)(void *user, enum websocket_end end, int code);
};

struct websocket_options {
    struct budget *input_budget; /* for messages in flight; NULL: no bound */
    uint32_t message_bytes_max;
    bool is_deflate_offered; /* permessage-deflate is agreed on with those who want it */
    bool allows_takeover;    /* they may keep their context, and cost an inflater each ... */
    uint64_t
        contexts_bytes_max;   /* ... while all of these, INFLATER_BYTES_MAX each, stay within it */
    int64_t ping_interval_ns; /* 0: none */
    int64_t ping_timeout_ns;
};

/* One per worker: pools, timers. */
struct websocket_set;
int websocket_set_open(struct timer_wheel *timers, const struct websocket_options *options,
                       struct websocket_set **ret_set);
/* A reload: holds for messages and pings that begin from now on. The budget stays the same. */
void websocket_set_configure(struct websocket_set *set, const struct websocket_options *options);
/* All its websockets are gone. */
void websocket_set_close(struct websocket_set *set);

/*
 * Whether the request is an upgrade to WebSocket; -EINVAL when it wants to be one but is malformed
 * (answered here: 400, or 426 with Sec-WebSocket-Version); 0: it is none; 1: a good one.
 */
int websocket_check(struct http_exchange *exchange);
/* Accepts a checked one. @protocol: the subprotocol chosen, or NULL. NULL: no memory (answered). */
struct websocket *websocket_accept(struct websocket_set *set, struct http_exchange *exchange,
                                   const char *protocol, const struct websocket_handlers *handlers,
                                   void *user);

struct stream *websocket_stream(const struct websocket *websocket);
/* Which compressed frames it may be sent: deflate.h. */
enum deflate_window websocket_window(const struct websocket *websocket);
/* UTF-8. Dropped when closing. */
void websocket_send_text(struct websocket *websocket, const void *bytes, size_t size);
/* The same of a text that is all of @arena: shared, not copied. */
void websocket_send_arena(struct websocket *websocket, struct arena *arena);
void websocket_send_binary(struct websocket *websocket, const void *bytes, size_t size);
/* Reason: UTF-8, at most 123 bytes, or NULL. Harmless when already closing. */
void websocket_close(struct websocket *websocket, int code, const char *reason);
void websocket_resume(struct websocket *websocket);
/* Nothing more can be said: it is closing, or its stream has been closed. */
bool websocket_is_closing(const struct websocket *websocket);

/* Head of an unfragmented text frame from the server with this payload; returns its length. */
size_t websocket_frame_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], size_t payload_bytes);
/* The same of one whose payload deflate_message has made. */
size_t websocket_compressed_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], size_t payload_bytes);

#endif
