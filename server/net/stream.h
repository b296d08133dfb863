/*
 * server/net/stream.h - an ordered two-way run of bytes with a bounded output queue.
 *
 * What it may be: a TCP (or unix) connection, with TLS in it or without; one HTTP/2 stream.
 * Whatever lies above (HTTP/1.1, WebSocket, raw broker lines) sees only this; who has to know what
 * lies below asks stream_security.
 *
 * Input    on_data gets everything that has arrived and not been consumed, and returns how much
 *          it has consumed. The rest is kept by the stream (that is the only copy) and given again
 *          in front of what comes next. While is_paused nothing is read or given; stream_resume
 *          gives what was kept first. More than hold_bytes_max kept: the stream stops reading until
 *          some is consumed; a user for whom that can never happen has to close. What is kept
 *          beyond the connection's own bytes comes out of the worker's budget (net/budget.h):
 *          when that has no room, or there is no memory, on_no_room is called, and what was to be
 *          kept is lost. (What a paused user leaves waits in the socket then.)
 * Output   push ranges to `out`, then stream_dirty: at the end of the turn every dirty stream is
 *          flushed with one writev of up to STREAM_IOV_MAX ranges (more while the socket takes
 *          them, bounded per turn). on_drained is called after a flush that leaves at most
 *          drained_bytes pinned, if an earlier one left more (or wants_drained was set by hand).
 * Call     stream_call asks for on_flush, which comes before the next flush, at the end of this turn or
 *          of the next, whether the peer takes anything or not: for users that carry other streams and
 *          decide late what to send (HTTP/2).
 * Stalled  while output waits, in the queue or in the socket, the peer has to take some of it now
 *          and then: one that takes nothing for STREAM_STALLED_LOOKS looks, STREAM_LOOK_NS apart
 *          (five minutes), costs its queue for nothing, and the stream is aborted; one whose
 *          system does not answer either, after one or two. What a peer's system has acknowledged
 *          is taken, however little: a slow reader stays. (TCP_USER_TIMEOUT would do it without a
 *          timer, but it also ends readers whose window opens by less than what is to be sent at
 *          once: measured on Linux 6.18 with 2 s, 80 KB/s read in steps.)
 * End      stream_finish: what is queued is sent, then the write side is shut and the peer's end
 *          awaited for STREAM_LINGER_NS; what it still sends is thrown away. The peer has to take
 *          STREAM_FINISH_BYTES_MIN in each STREAM_STUCK_NS, and everything within
 *          STREAM_FINISH_LOOKS_MAX of these (ten minutes); else the stream is aborted. stream_abort:
 *          at once. Either way on_close is
 *          called exactly once, never from inside a call of the user's own (it comes from the
 *          loop), and is the last call; the stream is gone after it. None of the others is called
 *          after either.
 * Callers  the worker's own thread.
 */
#ifndef SERVER_NET_STREAM_H
#define SERVER_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/outq.h"
#include "server/net/rate.h"

struct sockaddr_storage;
struct stream;

enum {
    STREAM_IOV_MAX = 256, /* 127 frames with bytes of the subscriber in each; 4 KiB of stack */
    STREAM_DRAINED_BYTES = 128 * 1024, /* drained_bytes unless the user sets it */
    STREAM_FINISH_BYTES_MIN = 16 * 1024,
    STREAM_FINISH_LOOKS_MAX = 60,
    STREAM_STALLED_LOOKS = 10,
};
#define STREAM_LINGER_NS INT64_C(2000000000)
#define STREAM_STUCK_NS  INT64_C(10000000000)
#define STREAM_LOOK_NS   INT64_C(30000000000)

enum stream_close_reason {
    STREAM_CLOSED_BY_PEER, /* end of input after which we closed, or reset, or out of reach */
    STREAM_CLOSED_BY_US,   /* aborted, or finished and the peer's end has not come */
    STREAM_CLOSED_BY_BOTH, /* finished, and the peer's end has come */
    STREAM_CLOSED_STALLED, /* the peer took too little of what waited for it, or nothing */
    STREAM_CLOSED_ERROR,   /* its errno: tcp_error */
};

/* What is known of the peer's system. */
enum stream_peer {
    STREAM_PEER_HAS_ALL,   /* whatever was queued has reached it */
    STREAM_PEER_LAGS,      /* output waits; it has answered, or has had no time to */
    STREAM_PEER_IS_SILENT, /* output waits, and what was sent or asked repeatedly is not answered */
};

/*
 * What lies below a stream. Of a TLS connection it says so from the first on_data on, when the
 * handshake is done; what it points to lives as long as the stream.
 */
struct stream_security {
    bool is_secure;        /* TLS, as far as this server sees */
    bool is_plain_on_tls;  /* it came in where TLS is spoken, but speaks none: is_secure is false */
    bool is_secure_before; /* TLS has ended at a proxy, which says so: is_secure is false */
    const char *alpn;      /* what was agreed on: "h2", "http/1.1", "http/1.0" or "" */
    /* Subject of the client's verified certificate (RFC 2253, UTF-8, bounded), or NULL. */
    const char *subject;
};

/* The user's side; may be changed at any time (an upgrade): stream_set_user. */
struct stream_handlers {
    size_t (*on_data)(void *user, const uint8_t *bytes, size_t size);
    void (*on_end)(void *user);     /* the peer will send no more; NULL: stream_finish is called */
    void (*on_drained)(void *user); /* may be NULL */
    /*
     * What on_data has left cannot be kept: the user finishes the stream, having said so in its
     * protocol's way. NULL, or still not finishing after it: the stream is aborted.
     */
    void (*on_no_room)(void *user);
    void (*on_flush)(void *user); /* before each flush; may be NULL */
    void (*on_close)(void *user, enum stream_close_reason reason);
};

struct stream_operations {
    void (*dirty)(struct stream *stream); /* flush at the end of this turn */
    void (*call)(struct stream *stream);  /* the same, even if the peer takes nothing */
    void (*pause)(struct stream *stream, bool is_paused);
    void (*finish)(struct stream *stream);
    void (*abort)(struct stream *stream);
    /* Bytes of output that have reached the peer's system; NULL: all that have been sent. */
    uint64_t (*delivered_bytes)(const struct stream *stream);
    enum stream_peer (*peer)(const struct stream *stream); /* NULL: judged by the queue alone */
    /* "127.0.0.1:5000", "unix", terminated; also once it is closed. NULL: it has none. */
    void (*peer_text)(const struct stream *stream, char *buf, size_t buf_bytes);
    /* NULL: it cannot be named. Else 0, or -ENOMEM. */
    int (*name_peer)(struct stream *stream, const struct sockaddr_storage *address);
    const struct stream_security *(*security)(const struct stream *stream); /* NULL: plain */
    bool is_http2; /* it is one of those that an HTTP/2 connection carries */
};

struct stream {
    const struct stream_operations *operations;
    const struct stream_handlers *handlers;
    void *user;
    struct outq out;
    uint32_t hold_bytes_max; /* most bytes kept unconsumed; set by the user */
    uint32_t drained_bytes;  /* when on_drained is called, in outq_pinned_bytes; set by the user */
    struct rate rate;        /* what its peer has been granted; its user's */
    uint64_t bytes_in;       /* ever received; out.sent_bytes: ever sent */
    uint64_t messages_out;   /* ever queued; counted by those who know messages, for its user */
    bool wants_drained;      /* on_drained is due; the user may set it to be called once */
    bool is_paused;
    bool is_dirty;
    bool is_sealed;    /* its user has said the last word: what is queued from now on is dropped */
    bool is_finishing; /* stream_finish was called: the same */
    bool is_closed;    /* on_close is due or done */
    uint8_t looks;     /* while finishing; before, those since the peer last took something */
};

/* --- for those that make streams --- */
/* What a new stream begins with. */
void stream_init(struct stream *stream, const struct stream_operations *operations);
/* While output waits (Stalled, End): how long until the next look at whether the peer takes any. */
static inline int64_t stream_look_ns(const struct stream *stream)
{
    return stream->is_finishing ? STREAM_STUCK_NS : STREAM_LOOK_NS;
}
/* That look: the peer has taken so much since the last one. False: it takes too little. */
bool stream_look(struct stream *stream, uint32_t taken_bytes);
/* After a flush: tells the user that there is room again, if it has to be told. Inline: each flush asks. */
void stream_tell_drained(struct stream *stream);
static inline void stream_judge_drained(struct stream *stream)
{
    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes)
        stream->wants_drained = true;
    else if (stream->wants_drained)
        stream_tell_drained(stream);
}

/* --- for those that use them --- */

static inline void stream_set_user(struct stream *stream, const struct stream_handlers *handlers,
                                   void *user)
{
    stream->handlers = handlers;
    stream->user = user;
}

static inline void stream_dirty(struct stream *stream)
{
    if (!stream->is_dirty)
        stream->operations->dirty(stream);
}

/* Not on streams that HTTP/2 carries. */
static inline void stream_call(struct stream *stream)
{
    stream->operations->call(stream);
}

static inline void stream_pause(struct stream *stream)
{
    stream->operations->pause(stream, true);
}

/*
 * Gives what is kept (to a new user too: call it after stream_set_user). May call on_data later in
 * this turn or in the next, never from inside.
 */
static inline void stream_resume(struct stream *stream)
{
    stream->operations->pause(stream, false);
}

static inline void stream_finish(struct stream *stream)
{
    stream->operations->finish(stream);
}

static inline void stream_abort(struct stream *stream)
{
    stream->operations->abort(stream);
}

/* It has come to its end, or is about to. */
static inline bool stream_is_ended(const struct stream *stream)
{
    return stream->is_finishing || stream->is_closed;
}

static inline uint64_t stream_delivered_bytes(const struct stream *stream)
{
    if (stream->operations->delivered_bytes == NULL)
        return stream->out.sent_bytes;
    return stream->operations->delivered_bytes(stream);
}

static inline enum stream_peer stream_peer(const struct stream *stream)
{
    if (stream->operations->peer == NULL)
        return outq_is_empty(&stream->out) ? STREAM_PEER_HAS_ALL : STREAM_PEER_LAGS;
    return stream->operations->peer(stream);
}

/* Who is at the other end; "" when that cannot be told. */
static inline void stream_peer_text(const struct stream *stream, char *buf, size_t buf_bytes)
{
    buf[0] = '\0';
    if (stream->operations->peer_text != NULL)
        stream->operations->peer_text(stream, buf, buf_bytes);
}

/* Never NULL; of all plain streams the same. */
const struct stream_security *stream_security(const struct stream *stream);
/* The client speaks TLS, with us or with its proxy. */
static inline bool stream_is_secure(const struct stream *stream)
{
    const struct stream_security *security = stream_security(stream);

    return security->is_secure || security->is_secure_before;
}

/* "plain", "tls", "h2c" or "h2" (RFC 9113 section 3.1: HTTP/2 without and with TLS). */
const char *stream_transport(const struct stream *stream);

/*
 * A proxy has said who is at its other end: that is whom stream_peer_text names from now on. Without memory
 * it goes on naming the proxy.
 */
static inline void stream_name_peer(struct stream *stream, const struct sockaddr_storage *address)
{
    if (stream->operations->name_peer != NULL)
        (void)stream->operations->name_peer(stream, address);
}

/*
 * Queues a copy of @bytes (a reply, a control frame) and marks the stream dirty. When that fails
 * for want of memory the stream is aborted: half a reply is worse than none. Does nothing once the
 * stream is sealed, finishing or closed. The copies of all streams share arenas.
 */
void stream_write(struct stream *stream, const void *bytes, size_t size);
/* Queues a shared range likewise. */
void stream_push(struct stream *stream, struct range range);
/* Queues shared ranges with @splice between each two of them likewise. */
void stream_push_spliced(struct stream *stream, const struct range *pieces, unsigned piece_count,
                         struct range splice);
/*
 * Moves the front of @from's output, @size bytes, to @stream likewise; stream_move_copy: behind @head,
 * as one copy in one piece. They count as sent by @from.
 */
void stream_move(struct stream *stream, struct stream *from, size_t size);
void stream_move_copy(struct stream *stream, const void *head, size_t head_bytes,
                      struct stream *from, size_t size);
/* Lets go of the arena that stream_write is filling: tests, and a worker that ends. */
void stream_copies_clear(void);

#endif
