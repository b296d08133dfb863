/*
 * tests/unit/fake_stream.h - a stream without a socket: what is fed comes in, what is sent is kept.
 *
 * Keeps the contract of server/net/stream.h as a socket does: what is not consumed is given again
 * in front of what comes next, nothing is given while paused, on_close comes from
 * fake_stream_run only, once. For unit tests and fuzz targets: what goes wrong here is a failed
 * CHECK.
 */
#ifndef TESTS_UNIT_FAKE_STREAM_H
#define TESTS_UNIT_FAKE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/stream.h"

struct fake_stream {
    struct stream stream;
    uint8_t *held; /* fed and not consumed */
    size_t held_bytes;
    char *sent; /* flushed, and not taken by the test; terminated */
    size_t sent_bytes;
    char *taken;                     /* what the test took last */
    bool is_stuck;                   /* the peer reads nothing: a flush sends nothing */
    bool has_no_room;                /* what is left unconsumed cannot be kept */
    bool wants_to_give;              /* the user has resumed it */
    bool is_giving;                  /* inside on_data */
    bool has_ended;                  /* the peer's end has been told */
    bool is_reset;                   /* closed by the peer */
    bool is_stalled;                 /* given up, because the peer takes nothing */
    bool is_reported;                /* on_close has been called */
    uint64_t undelivered;            /* sent, but not taken by the peer's system */
    bool is_silent;                  /* which does not answer either */
    struct stream_security security; /* plain, unless a test says otherwise */
};

void fake_stream_init(struct fake_stream *fake);
/* Closes it unless it is, and frees what it holds. */
void fake_stream_done(struct fake_stream *fake);

/* The peer sends. */
void fake_stream_feed(struct fake_stream *fake, const void *bytes, size_t size);
/* The peer has sent its end; told when everything before it has been given. */
void fake_stream_end(struct fake_stream *fake);
/* The connection breaks. */
void fake_stream_reset(struct fake_stream *fake);

/*
 * A turn of the loop, as often as there is something to do: gives what was resumed, flushes, tells
 * of drained queues and of the end, closes.
 */
void fake_stream_run(struct fake_stream *fake);

/* What has been sent since the last call; valid until the next. */
const char *fake_stream_take(struct fake_stream *fake, size_t *ret_bytes);

#endif
