/*
 * server/http/http2_internal.h - what http2*.c share; nobody else
 * includes it.
 *
 * Life     a struct http2_stream lives from the first byte of a request's head until nghttp2 has closed the
 *          stream and its user has been told. It is freed from the connection's flush, or with
 *          the connection: never inside a callback of nghttp2 or of its own.
 * States   HEAD, BODY: the request is coming. ANSWER: the exchange is with the server's user. OPEN: somebody
 *          has taken the stream over, or a response is being sent (is_finishing then).
 */
#ifndef SERVER_HTTP_HTTP2_INTERNAL_H
#define SERVER_HTTP_HTTP2_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/body.h"
#include "server/http/connection.h"
#include "server/http/exchange.h"
#include "server/http/http2.h"
#include "server/net/held.h"
#include "server/net/stream.h"
#include "server/net/timer.h"

#define HTTP2_NOTICE "drain..." /* opaque data of the PING behind the first GOAWAY */

enum http2_state {
    HTTP2_HEAD,
    HTTP2_BODY,
    HTTP2_ANSWER,
    HTTP2_OPEN,
};

struct http2 {
    struct http_connection base; /* first: http2_of */
    struct stream *below;
    nghttp2_session *session;
    struct http2_stream *streams; /* utlist */
    struct http2_stream *ready;   /* to be looked at in the flush; in order */
    struct http2_stream *ready_last;
    struct timer timer;     /* runs while there is no stream */
    int64_t cheap_full_ns;  /* when that bucket is full again */
    uint32_t stream_count;  /* in `streams` */
    uint32_t update_credit; /* WINDOW_UPDATEs that cost nothing */
    uint32_t failure;       /* enum nghttp2_error_code: why a callback ends it; 0: it does not */
    bool is_used : 1;       /* has had a request */
    bool is_noticed : 1;    /* the first GOAWAY of a drain has been sent */
    bool is_over : 1;       /* nothing more is received, and no new stream served */
};

/* A request, until it is answered. */
struct exchange2 {
    struct http_exchange base; /* first: exchange2_of */
    struct http2_stream *stream;
    struct body body;
    char *head; /* names and values, one behind the other */
    uint32_t head_bytes;
    uint32_t head_capacity;
    uint32_t list_bytes;    /* as RFC 9113 section 6.5.2 counts them */
    uint32_t charged_bytes; /* taken from the budget, for itself and the head */
    struct http_text target;
    struct http_text authority;
    struct http_text method;
    bool is_too_large;
};

struct http2_stream {
    struct stream stream; /* first: http2_stream_of */
    struct http2 *connection;
    struct http2_stream *prev; /* of the connection's */
    struct http2_stream *next;
    struct http2_stream *ready_next;
    struct exchange2 *exchange; /* until it is answered */
    struct held *held;
    struct sockaddr_storage *named; /* by a proxy; NULL: it is the connection's peer */
    struct timer
        timer; /* HEAD, BODY: the request's patience. OPEN: what it takes (stream.h, Stalled) */
    int32_t id;
    uint32_t mark;        /* low half of what had moved when the timer was started */
    uint8_t state;        /* enum http2_state */
    uint8_t reason;       /* enum stream_close_reason, once closed */
    uint8_t looks;        /* as tcp's */
    bool is_ready : 1;    /* stands in that list */
    bool is_deferred : 1; /* nghttp2 waits to be told that there is output */
    bool is_shut : 1;     /* our end has been sent */
    bool has_ended : 1;   /* the peer's end has come */
    bool is_end_told : 1;
    bool is_giving : 1; /* inside on_data */
    bool is_gone : 1;   /* nghttp2 has closed it */
    bool is_reported : 1;
    bool is_to_head : 1; /* the request is a HEAD */
};

static inline struct http2_stream *http2_stream_of(const struct stream *stream)
{
    return (struct http2_stream *)(uintptr_t)stream;
}

/* NULL: unknown, or being refused. */
static inline struct http2_stream *http2_find(struct http2 *connection, int32_t id)
{
    return nghttp2_session_get_stream_user_data(connection->session, id);
}

/* --- http2.c --- */
/* It is looked at in the next flush, which comes by the end of this turn or of the next. */
void http2_need(struct http2_stream *stream);
/* The connection's queue has to be flushed. */
void http2_call(struct http2 *connection);
void http2_reset(struct http2_stream *stream, uint32_t error_code);
void http2_start_timer(struct http2 *connection, struct timer *timer, int64_t delay_ns);

/* --- http2_receive.c --- */
void http2_set_receiving(nghttp2_session_callbacks *callbacks);

/* --- http2_stream.c --- */
/* NULL: no memory. */
struct http2_stream *http2_stream_new(struct http2 *connection, int32_t id);
void http2_stream_free(struct http2_stream *stream);
/* It is somebody's from now on, or sends a response: output is watched. */
void http2_stream_open(struct http2_stream *stream);
/* The only place where one becomes closed. */
void http2_stream_close(struct http2_stream *stream, enum stream_close_reason reason);
/* DATA of an OPEN one. */
void http2_stream_receive(struct http2_stream *stream, const uint8_t *bytes, size_t size);
/* Input and its end, as far as its user wants them. */
void http2_stream_give(struct http2_stream *stream);
/* Our end has been sent. */
void http2_stream_shut(struct http2_stream *stream);
/* After a flush. */
void http2_stream_judge(struct http2_stream *stream);
/* The callback of OPEN ones. */
void http2_stream_look(struct http2_stream *stream);

/* --- http2_message.c --- */
/* False: no memory. */
bool http2_message_begin(struct http2_stream *stream);
/* 0; an enum nghttp2_error_code with which the connection has to end. */
uint32_t http2_message_field(struct http2_stream *stream, struct http_text name,
                             struct http_text value);
/* The head is whole. */
void http2_message_head(struct http2_stream *stream);
void http2_message_data(struct http2_stream *stream, const uint8_t *bytes, size_t size);
/* The request is whole. */
void http2_message_end(struct http2_stream *stream);
/* It goes before its answer. */
void http2_message_gone(struct http2_stream *stream);
/* Its time is over, in HEAD or BODY. */
void http2_message_late(struct http2_stream *stream);

/* nghttp2's source of DATA. */
nghttp2_data_provider http2_data(struct http2_stream *stream);

#endif
