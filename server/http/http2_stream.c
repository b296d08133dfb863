/*
 * One HTTP/2 stream as a struct stream.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"
#include "server/http/http2_internal.h"
#include "server/net/budget.h"
#include "server/net/tcp.h"

/* --- output ------------------------------------------------------------------------------------- */

static void dirty(struct stream *base)
{
    struct http2_stream *stream = http2_stream_of(base);

    if (base->is_closed)
        return;
    base->is_dirty = true;
    http2_need(stream);
}

/* It is the answer to a request, and nobody's. */
static bool is_answer(const struct http2_stream *stream)
{
    return stream->stream.handlers == NULL;
}

static void watch_taking(struct http2_stream *stream)
{
    const struct http_limits *limits = stream->connection->base.server->limits;

    stream->mark = (uint32_t)stream->stream.out.sent_bytes;
    http2_start_timer(stream->connection, &stream->timer,
                      is_answer(stream) ? limits->write_timeout_ns
                                        : stream_look_ns(&stream->stream));
}

void http2_stream_judge(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    if (base->is_closed || stream->state != HTTP2_OPEN)
        return;
    if (!outq_is_empty(&base->out) && !timer_is_running(&stream->timer))
        watch_taking(stream);
    stream_judge_drained(base);
}

static void give_up(struct http2_stream *stream)
{
    stream->connection->base.server->stalled_count++;
    http2_reset(stream, NGHTTP2_CANCEL);
    http2_stream_close(stream, STREAM_CLOSED_STALLED);
}

/* The peer's end has not come. */
static void end_lingering(struct http2_stream *stream)
{
    http2_reset(stream, NGHTTP2_NO_ERROR); /* RFC 9113 section 8.1 */
    http2_stream_close(stream, STREAM_CLOSED_BY_US);
}

static void look_at_output(struct http2_stream *stream, uint32_t taken_bytes)
{
    struct stream *base = &stream->stream;
    bool is_quick = stream_look(base, taken_bytes);

    if (outq_is_empty(&base->out) && !base->is_finishing)
        base->looks = 0; /* the next flush that leaves some begins to watch again */
    else if (is_quick)
        watch_taking(stream);
    else
        give_up(stream);
}

/* An answer: as HTTP/1.1 waits for one to be read. */
static void look_at_answer(struct http2_stream *stream, uint32_t taken_bytes)
{
    const struct http_limits *limits = stream->connection->base.server->limits;
    int64_t earned_ns = http_patience_ns(limits, taken_bytes, limits->write_timeout_ns);

    if (earned_ns == 0) {
        give_up(stream);
        return;
    }
    stream->mark += taken_bytes;
    http2_start_timer(stream->connection, &stream->timer, earned_ns);
}

void http2_stream_look(struct http2_stream *stream)
{
    uint32_t taken_bytes = (uint32_t)stream->stream.out.sent_bytes - stream->mark;

    if (stream->is_shut)
        end_lingering(stream);
    else if (is_answer(stream))
        look_at_answer(stream, taken_bytes);
    else
        look_at_output(stream, taken_bytes);
}

/* --- input -------------------------------------------------------------------------------------- */

/* The user has had so much: its peer may send as much again. */
static void consume(struct http2_stream *stream, size_t size)
{
    if (!stream->is_gone && size > 0)
        (void)nghttp2_session_consume_stream(stream->connection->session, stream->id, size);
    /* No memory for a WINDOW_UPDATE: the stream will stall, and be given up. */
}

static void drop_held(struct http2_stream *stream)
{
    size_t size = held_bytes(stream->held);

    held_drop(&stream->held, stream->connection->base.server->budget);
    consume(stream, size);
}

static void turn_away(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    if (base->handlers != NULL && base->handlers->on_no_room != NULL)
        base->handlers->on_no_room(base->user);
    if (!base->is_finishing)
        stream_abort(base);
}

/* Returns how much its user has consumed: all of it, once it wants no more. */
static size_t give(struct http2_stream *stream, const uint8_t *bytes, size_t size)
{
    struct stream *base = &stream->stream;
    size_t consumed;

    stream->is_giving = true;
    consumed = base->handlers->on_data(base->user, bytes, size);
    stream->is_giving = false;
    CHECK(consumed <= size);
    return stream_is_ended(base) ? size : consumed;
}

static void tell_end(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    stream->is_end_told = true;
    if (base->handlers->on_end != NULL)
        base->handlers->on_end(base->user);
    else
        stream_finish(base);
}

bool http2_stream_has_more(const struct http2_stream *stream)
{
    const struct stream *base = &stream->stream;

    return stream->is_resumed && stream->state == HTTP2_OPEN && !base->is_paused &&
           !stream_is_ended(base);
}

void http2_stream_give(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    if (!http2_stream_has_more(stream))
        return;
    stream->is_resumed = false;
    if (stream->held != NULL) {
        size_t consumed = give(stream, stream->held->bytes, stream->held->size);

        held_consume(&stream->held, stream->connection->base.server->budget, consumed);
        consume(stream, consumed);
    }
    if (stream->has_ended && !stream->is_end_told && !stream_is_ended(base) && !base->is_paused)
        tell_end(stream);
}

void http2_stream_receive(struct http2_stream *stream, const uint8_t *bytes, size_t size)
{
    struct stream *base = &stream->stream;
    struct budget *budget = stream->connection->base.server->budget;
    bool has_to_wait = stream->held != NULL || base->is_paused || stream->state != HTTP2_OPEN;
    size_t consumed = 0;

    base->bytes_in += size;
    if (stream_is_ended(base)) { /* nobody wants it any more */
        if (!is_answer(stream))
            consume(stream, size); /* else what is left of a body need not even be sent */
        return;
    }
    if (!has_to_wait)
        consumed = give(stream, bytes, size);
    consume(stream, consumed);
    if (consumed == size)
        return;
    if (held_append(&stream->held, budget, bytes + consumed, size - consumed) != 0)
        turn_away(stream);
    else if (has_to_wait) {
        stream->is_resumed = true;
        http2_stream_give(stream);
    }
}

/* --- ending ------------------------------------------------------------------------------------- */

void http2_stream_close(struct http2_stream *stream, enum stream_close_reason reason)
{
    struct stream *base = &stream->stream;

    if (base->is_closed)
        return;
    base->is_closed = true;
    base->is_dirty = false;
    stream->reason = (uint8_t)reason;
    timer_stop(&stream->timer);
    outq_done(&base->out);
    http2_count(stream);
    if (!stream->is_giving)
        drop_held(stream); /* else on_data is reading it */
    http2_need(stream);
}

void http2_stream_shut(struct http2_stream *stream)
{
    stream->is_shut = true;
    if (stream->stream.is_closed || stream->has_ended)
        return; /* nghttp2 closes it */
    /*
     * An answer that came before the body was whole, too: clients (curl 7.88) forget what they have read
     * of one if it comes with a reset.
     */
    http2_start_timer(stream->connection, &stream->timer, STREAM_LINGER_NS);
}

static void finish(struct stream *base)
{
    struct http2_stream *stream = http2_stream_of(base);

    if (base->is_closed || base->is_finishing)
        return;
    base->is_finishing = true;
    base->is_paused = false;
    if (!stream->is_giving)
        drop_held(stream);
    base->looks = 0;
    watch_taking(stream);
    dirty(base);
}

static void abort_stream(struct stream *base)
{
    struct http2_stream *stream = http2_stream_of(base);

    if (base->is_closed)
        return;
    http2_reset(stream, NGHTTP2_CANCEL);
    http2_stream_close(stream, STREAM_CLOSED_BY_US);
}

static void pause_stream(struct stream *base, bool is_paused)
{
    struct http2_stream *stream = http2_stream_of(base);

    if (stream_is_ended(base))
        return;
    base->is_paused = is_paused;
    if (is_paused)
        return;
    stream->is_resumed = true;
    http2_need(stream);
}

/* --- what is known of the peer -------------------------------------------------------------------- */

/* Of the whole connection: its system takes what it takes, whichever stream it belongs to. */
static uint64_t delivered_bytes(const struct stream *base)
{
    return stream_delivered_bytes(http2_stream_of(base)->connection->below);
}

static enum stream_peer peer_state(const struct stream *base)
{
    enum stream_peer below = stream_peer(http2_stream_of(base)->connection->below);

    if (outq_is_empty(&base->out) || below == STREAM_PEER_IS_SILENT)
        return below;
    return STREAM_PEER_LAGS;
}

static int name_peer(struct stream *base, const struct sockaddr_storage *address)
{
    struct http2_stream *stream = http2_stream_of(base);

    if (stream->named == NULL)
        stream->named = malloc(sizeof *stream->named);
    if (stream->named == NULL)
        return -ENOMEM;
    *stream->named = *address;
    return 0;
}

static void peer_text(const struct stream *base, char *buf, size_t buf_bytes)
{
    const struct http2_stream *stream = http2_stream_of(base);

    if (stream->named != NULL)
        tcp_address_text(stream->named, buf, buf_bytes);
    else
        stream_peer_text(http2_stream_of(base)->connection->below, buf, buf_bytes);
}

static const struct stream_security *security(const struct stream *base)
{
    return stream_security(http2_stream_of(base)->connection->below);
}

/* --- their life ----------------------------------------------------------------------------------- */

static const struct stream_operations operations = {
    .dirty = dirty,
    .pause = pause_stream,
    .finish = finish,
    .abort = abort_stream,
    .delivered_bytes = delivered_bytes,
    .peer = peer_state,
    .peer_text = peer_text,
    .name_peer = name_peer,
    .security = security,
    .is_http2 = true,
};

struct http2_stream *http2_stream_new(struct http2 *connection, int32_t id)
{
    struct http2_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream_init(&stream->stream, &operations);
    stream->connection = connection;
    stream->id = id;
    timer_init(&stream->timer, connection->base.server->stream_timer_kind - 1);
    return stream;
}

void http2_stream_open(struct http2_stream *stream)
{
    stream->state = HTTP2_OPEN;
    stream->is_resumed = true; /* what has come since its head */
    timer_stop(&stream->timer);
    http2_need(stream);
}

void http2_stream_free(struct http2_stream *stream)
{
    if (stream == NULL)
        return;
    CHECK(stream->exchange == NULL);
    CHECK(stream->counted_bytes == 0);
    timer_stop(&stream->timer);
    outq_done(&stream->stream.out);
    held_drop(&stream->held, stream->connection->base.server->budget);
    free(stream->named);
    free(stream);
}
