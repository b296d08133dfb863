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

#include "server/http/connection.h"
#include "server/http/http2.h"
#include "server/net/held.h"
#include "server/net/stream.h"
#include "server/net/timer.h"

struct exchange2;

#define HTTP2_NOTICE "drain..." /* opaque data of the PING behind the first GOAWAY */

enum {
    HTTP2_FRAME_BYTES = 9, /* of a frame's head */
    HTTP2_DEPENDENCY_BYTES = 4,
    HTTP2_SCAN_BYTES = HTTP2_FRAME_BYTES + HTTP2_DEPENDENCY_BYTES,
};

enum http2_state {
    HTTP2_HEAD,
    HTTP2_BODY,
    HTTP2_ANSWER,
    HTTP2_OPEN,
};

/* Where in the frames the input stands. */
struct http2_scan {
    uint32_t left; /* of the payload */
    uint8_t bytes[HTTP2_SCAN_BYTES];
    uint8_t count; /* of them are there */
    bool is_in_payload;
};

/* Of the input. */
struct http2_piece {
    const uint8_t *bytes; /* to be fed */
    size_t size;
    size_t used; /* of what has come */
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
    uint32_t list_bytes; /* of the header block under way, as RFC 9113 section 6.5.2 counts them */
    uint64_t answer_bytes;      /* copied, and not sent yet */
    struct http2_stream *owner; /* its request waits in the connection's own bytes: net/budget.h */
    int32_t last_id;            /* of the streams that have begun */
    int32_t reset_id;           /* of those that we reset: frames for these may be on their way */
    int32_t skipped_from;       /* the last ones that were passed over: never used */
    int32_t skipped_to;
    struct http2_scan scan;
    bool is_used : 1;    /* has had a request */
    bool is_noticed : 1; /* the first GOAWAY of a drain has been sent */
    bool is_leaving : 1; /* and the second */
    bool is_unsound : 1; /* nghttp2 has run out of memory inside a frame */
    bool is_over : 1;    /* nothing more is received, and no new stream served */
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
    uint64_t ticket; /* of the exchange that it was; 0: none */
    int32_t id;
    uint32_t mark;          /* low half of what had moved when the timer was started */
    uint32_t counted_bytes; /* what the server knows of its queue */
    uint8_t state;          /* enum http2_state */
    uint8_t reason;         /* enum stream_close_reason, once closed */
    bool is_ready : 1;      /* stands in that list */
    bool is_deferred : 1;   /* nghttp2 waits to be told that there is output */
    bool is_shut : 1;       /* our end has been sent */
    bool has_ended : 1;     /* the peer's end has come */
    bool is_end_told : 1;
    bool is_giving : 1;  /* inside on_data */
    bool is_resumed : 1; /* input that has been kept, or the end, is to be given */
    bool is_copy : 1;    /* the answer is: it counts among the connection's answer_bytes */
    bool is_gone : 1;    /* nghttp2 has closed it */
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
/* The first of the two GOAWAYs. */
void http2_begin_closing(struct http2 *connection);
/* To the server's user; 0: there is none. */
void http2_give_back_ticket(const struct http2_stream *stream, uint64_t ticket);
/* Its queue is longer or shorter than it was. */
void http2_count(struct http2_stream *stream);

/* --- http2_receive.c --- */
void http2_set_receiving(nghttp2_session_callbacks *callbacks);
/* For nghttp2's callbacks: ends the connection with this code. */
int http2_fail_later(struct http2 *connection, uint32_t error_code);
/* What costs the client next to nothing, and us more. False: it is too much. */
bool http2_take_cheap(struct http2 *connection);
/* It asks for something, or has been sent some: windows may change. */
void http2_grant_updates(struct http2 *connection);
/*
 * Looks at what has come: what is to be fed to nghttp2 next, at most to the end of a frame, whose head
 * is never cut. Else the enum nghttp2_error_code with which the connection has to end before it is.
 */
uint32_t http2_scan(struct http2 *connection, const uint8_t *bytes, size_t size,
                    struct http2_piece *ret_piece);

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
/* Input that has been kept, or its end, is due to be given. */
bool http2_stream_has_more(const struct http2_stream *stream);
/* Gives it, as far as its user wants it. */
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
void http2_message_field(struct http2_stream *stream, struct http_text name,
                         struct http_text value);
/* The head is whole; @has_ended: and so is the request. */
void http2_message_head(struct http2_stream *stream, bool has_ended);
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
