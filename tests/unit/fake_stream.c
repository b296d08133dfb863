#include "tests/unit/fake_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

static struct fake_stream *fake_of(const struct stream *stream)
{
    return (struct fake_stream *)(uintptr_t)stream; /* its first member */
}

static void on_dirty(struct stream *stream)
{
    CHECK(!stream->is_closed);
    stream->is_dirty = true;
}

static void on_pause(struct stream *stream, bool is_paused)
{
    if (stream->is_closed || stream->is_finishing)
        return;
    stream->is_paused = is_paused;
    if (!is_paused)
        fake_of(stream)->wants_to_give = true;
}

static void on_finish(struct stream *stream)
{
    if (stream->is_closed)
        return;
    stream->is_finishing = true;
    stream->is_paused = false;
}

static void on_abort(struct stream *stream)
{
    stream->is_closed = true;
    outq_done(&stream->out);
}

static uint64_t delivered_bytes(const struct stream *stream)
{
    return stream->out.sent_bytes - fake_of(stream)->undelivered;
}

static void peer_text(const struct stream *stream, char *buf, size_t buf_bytes)
{
    (void)stream;
    (void)snprintf(buf, buf_bytes, "fake");
}

static enum stream_peer peer(const struct stream *stream)
{
    if (fake_of(stream)->undelivered == 0 && outq_is_empty(&stream->out))
        return STREAM_PEER_HAS_ALL;
    return fake_of(stream)->is_silent ? STREAM_PEER_IS_SILENT : STREAM_PEER_LAGS;
}

static const struct stream_security *security(const struct stream *stream)
{
    return &fake_of(stream)->security;
}

void fake_stream_init(struct fake_stream *fake)
{
    static const struct stream_operations operations = {
        .dirty = on_dirty,
        .call = on_dirty,
        .pause = on_pause,
        .finish = on_finish,
        .abort = on_abort,
        .delivered_bytes = delivered_bytes,
        .peer = peer,
        .peer_text = peer_text,
        .security = security,
    };

    *fake = (struct fake_stream){.security = {.alpn = ""}};
    stream_init(&fake->stream, &operations);
    fake->sent = calloc(1, 1);
    CHECK(fake->sent != NULL);
}

static enum stream_close_reason reason_of(const struct fake_stream *fake)
{
    if (fake->is_reset)
        return STREAM_CLOSED_BY_PEER;
    return fake->is_stalled ? STREAM_CLOSED_STALLED : STREAM_CLOSED_BY_US;
}

static void report_close(struct fake_stream *fake)
{
    struct stream *stream = &fake->stream;

    if (fake->is_reported)
        return;
    fake->is_reported = true;
    if (stream->handlers != NULL)
        stream->handlers->on_close(stream->user, reason_of(fake));
}

void fake_stream_done(struct fake_stream *fake)
{
    stream_abort(&fake->stream);
    report_close(fake);
    free(fake->held);
    free(fake->sent);
    free(fake->taken);
    stream_copies_clear();
    arena_pool_clear();
}

/* As one call of a socket: everything kept is given once. */
static void give(struct fake_stream *fake)
{
    struct stream *stream = &fake->stream;
    uint8_t *bytes;
    size_t consumed;

    if (stream->is_paused || stream->is_closed || stream->is_finishing || fake->held_bytes == 0)
        return;
    /* A copy that ends where memory ends: a sanitizer sees a byte read too far. */
    bytes = malloc(fake->held_bytes);
    CHECK(bytes != NULL);
    memcpy(bytes, fake->held, fake->held_bytes);
    CHECK(!fake->is_giving);
    fake->is_giving = true;
    consumed = stream->handlers->on_data(stream->user, bytes, fake->held_bytes);
    fake->is_giving = false;
    free(bytes);
    CHECK(consumed <= fake->held_bytes);
    stream->bytes_in += consumed;
    memmove(fake->held, fake->held + consumed, fake->held_bytes - consumed);
    fake->held_bytes -= consumed;
    if (fake->has_no_room && fake->held_bytes > 0 && !stream->is_closed && !stream->is_finishing) {
        if (stream->handlers->on_no_room != NULL)
            stream->handlers->on_no_room(stream->user);
        if (!stream->is_finishing)
            stream_abort(stream);
    }
}

void fake_stream_feed(struct fake_stream *fake, const void *bytes, size_t size)
{
    if (fake->stream.is_closed || fake->stream.is_finishing || size == 0)
        return;
    fake->held = realloc(fake->held, fake->held_bytes + size);
    CHECK(fake->held != NULL);
    memcpy(fake->held + fake->held_bytes, bytes, size);
    fake->held_bytes += size;
    give(fake);
}

void fake_stream_end(struct fake_stream *fake)
{
    fake->has_ended = true;
}

void fake_stream_reset(struct fake_stream *fake)
{
    if (fake->stream.is_closed)
        return;
    fake->is_reset = true;
    stream_abort(&fake->stream);
}

static void flush(struct fake_stream *fake)
{
    struct stream *stream = &fake->stream;

    stream->is_dirty = false;
    if (!stream->is_finishing && stream->handlers->on_flush != NULL)
        stream->handlers->on_flush(stream->user);
    if (stream->is_closed)
        return;
    while (!fake->is_stuck && !outq_is_empty(&stream->out)) {
        struct iovec iov;

        CHECK(outq_iovec(&stream->out, &iov, 1) == 1);
        fake->sent = realloc(fake->sent, fake->sent_bytes + iov.iov_len + 1);
        CHECK(fake->sent != NULL);
        memcpy(fake->sent + fake->sent_bytes, iov.iov_base, iov.iov_len);
        fake->sent_bytes += iov.iov_len;
        fake->sent[fake->sent_bytes] = '\0';
        outq_consume(&stream->out, iov.iov_len);
    }
    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes) {
        stream->wants_drained = true;
    } else if (stream->wants_drained) {
        stream->wants_drained = false;
        if (!stream->is_finishing && stream->handlers->on_drained != NULL)
            stream->handlers->on_drained(stream->user);
    }
}

void fake_stream_run(struct fake_stream *fake)
{
    struct stream *stream = &fake->stream;

    for (int turn = 0; turn < 1000 && !stream->is_closed; turn++) {
        bool was_busy = fake->wants_to_give || stream->is_dirty ||
                        (!fake->is_stuck && !outq_is_empty(&stream->out));

        if (fake->wants_to_give) {
            fake->wants_to_give = false;
            give(fake);
        }
        if (!stream->is_closed && (stream->is_dirty || !outq_is_empty(&stream->out)))
            flush(fake);
        if (!was_busy)
            break;
    }
    if (fake->has_ended && !stream->is_closed && !stream->is_finishing && !stream->is_paused) {
        fake->has_ended = false;
        if (stream->handlers->on_end != NULL)
            stream->handlers->on_end(stream->user);
        else
            stream_finish(stream);
        if (!stream->is_closed)
            flush(fake);
    }
    if (stream->is_finishing && outq_is_empty(&stream->out))
        stream_abort(stream);
    if (stream->is_closed)
        report_close(fake);
}

const char *fake_stream_take(struct fake_stream *fake, size_t *ret_bytes)
{
    free(fake->taken);
    fake->taken = fake->sent;
    if (ret_bytes != NULL)
        *ret_bytes = fake->sent_bytes;
    fake->sent = calloc(1, 1);
    CHECK(fake->sent != NULL);
    fake->sent_bytes = 0;
    return fake->taken;
}
