/*
 * server/net/stream.h - an ordered two-way run of bytes with a bounded output queue.
 *
 * What it may be: a TCP (or unix) connection now; a TLS connection or one HTTP/2 stream later.
 * Whatever lies above (HTTP/1.1, WebSocket, raw broker lines) sees only this.
 *
 * Input    on_data gets everything that has arrived and not been consumed, and returns how much
 *          it has consumed. The rest is kept by the stream (that is the only copy) and given again
 *          in front of what comes next. While is_paused nothing is read or given; stream_resume
 *          gives what was kept first. More than hold_bytes_max kept: the stream stops reading until
 *          some is consumed; a user for whom that can never happen has to close.
 * Output   push ranges to `out`, then stream_dirty: at the end of the turn every dirty stream is
 *          flushed with one writev of up to STREAM_IOV_MAX ranges (more while the socket takes
 *          them, bounded per turn). on_drained is called when a queue that was not empty at the
 *          end of a flush has become at most half of the limit, or empty.
 * End      stream_finish: what is queued is sent, then the write side is shut, the peer's end is
 *          awaited for at most STREAM_LINGER_NS, then closed. stream_abort: at once. Either way
 *          on_close is called exactly once, never from inside a call of the user's own (it
 *          comes from the loop), and is the last call; the stream is gone after it.
 * Callers  the worker's own thread.
 */
#ifndef SERVER_NET_STREAM_H
#define SERVER_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/outq.h"

struct stream;

enum {
    STREAM_IOV_MAX = 64,
};
#define STREAM_LINGER_NS INT64_C(2000000000)

enum stream_close_reason {
    STREAM_CLOSED_BY_PEER, /* end of input after which we closed, or reset */
    STREAM_CLOSED_BY_US,
    STREAM_CLOSED_ERROR,   /* errno in stream_error() */
};

/* The user's side; may be changed at any time (an upgrade): stream_set_user. */
struct stream_handlers {
    size_t (*on_data)(void *user, const uint8_t *bytes, size_t size);
    void (*on_end)(void *user); /* the peer will send no more; NULL: stream_finish is called */
    void (*on_drained)(void *user); /* may be NULL */
    void (*on_close)(void *user, enum stream_close_reason reason);
};

struct stream_operations {
    void (*dirty)(struct stream *stream); /* flush at the end of this turn */
    void (*pause)(struct stream *stream, bool is_paused);
    void (*finish)(struct stream *stream);
    void (*abort)(struct stream *stream);
};

struct stream {
    const struct stream_operations *operations;
    const struct stream_handlers *handlers;
    void *user;
    struct outq out;
    uint32_t hold_bytes_max; /* most bytes kept unconsumed; set by the user */
    bool is_paused;
    bool is_dirty;
    bool is_finishing; /* stream_finish was called: nothing more may be queued */
    bool is_closed;    /* on_close is due or done */
};

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

static inline void stream_pause(struct stream *stream)
{
    stream->operations->pause(stream, true);
}

/* May call on_data later in this turn or the next, never from inside. */
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

/*
 * Queues a copy of @bytes (a reply, a control frame) and marks the stream dirty. When that fails
 * for want of memory the stream is aborted: half a reply is worse than none.
 */
void stream_write(struct stream *stream, const void *bytes, size_t size);
/* Queues a shared range likewise. */
void stream_push(struct stream *stream, struct range range);

#endif
