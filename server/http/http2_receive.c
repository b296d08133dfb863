/*
 * What comes in: nghttp2's callbacks for frames received, and what of them is too much.
 */
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/http/http2_internal.h"

#define SECOND_NS      INT64_C(1000000000)
#define CHEAP_NS       (SECOND_NS / HTTP2_CHEAP_PER_S)
#define CHEAP_BURST_NS (HTTP2_CHEAP_BURST * CHEAP_NS)

/* For nghttp2's callbacks: ends the connection with this code. */
static int fail_later(struct http2 *connection, uint32_t error_code)
{
    connection->failure = error_code;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* --- what is too much ----------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec now = {0};

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* A frame that costs the client next to nothing. */
static int take_cheap(struct http2 *connection)
{
    int64_t now = now_ns();

    if (connection->cheap_full_ns < now)
        connection->cheap_full_ns = now;
    connection->cheap_full_ns += CHEAP_NS;
    if (connection->cheap_full_ns - now > CHEAP_BURST_NS)
        return fail_later(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

static int take_update(struct http2 *connection)
{
    if (connection->update_credit == 0)
        return take_cheap(connection);
    connection->update_credit--;
    return 0;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    struct http2 *connection = user;

    (void)session;
    switch (head->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return 0;
    case NGHTTP2_DATA:
        return head->length > 0 || (head->flags & NGHTTP2_FLAG_END_STREAM) != 0
                   ? 0
                   : take_cheap(connection);
    case NGHTTP2_WINDOW_UPDATE:
        return take_update(connection);
    default:
        return take_cheap(connection);
    }
}

static void add_stream(struct http2 *connection, struct http2_stream *stream)
{
    DL_APPEND(connection->streams, stream);
    connection->stream_count++;
    http_connection_set_waiting(&connection->base, false);
    timer_stop(&connection->timer);
}

/* --- requests ------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    /* In turns, whatever the client says: a stream that always has more must not starve the others. */
    static const nghttp2_extpri in_turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    struct http2 *connection = user;
    struct http2_stream *stream;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers */
    stream = http2_stream_new(connection, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!http2_message_begin(stream) ||
        nghttp2_session_set_stream_user_data(session, stream->id, stream) != 0) {
        if (stream->exchange != NULL)
            http2_message_gone(stream);
        http2_stream_free(stream);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    (void)nghttp2_session_change_extpri_stream_priority(session, stream->id, &in_turns, 1);
    add_stream(connection, stream);
    http2_start_timer(connection, &stream->timer, connection->base.server->limits->head_timeout_ns);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = http2_find(connection, frame->hd.stream_id);
    uint32_t error_code;

    (void)session;
    (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || stream == NULL)
        return 0;
    error_code = http2_message_field(stream, (struct http_text){(const char *)name, name_bytes},
                                     (struct http_text){(const char *)value, value_bytes});
    return error_code == 0 ? 0 : fail_later(connection, error_code);
}

/* Malformed (section 8.2.1); nghttp2 would overlook the field. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_bytes, const uint8_t *value,
                             size_t value_bytes, uint8_t flags, void *user)
{
    (void)name;
    (void)name_bytes;
    (void)value;
    (void)value_bytes;
    (void)flags;
    (void)user;
    if (nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_PROTOCOL_ERROR) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Its stream is reset, or the connection ends: nghttp2 sees to it. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct http2 *connection = user;

    (void)session;
    (void)frame;
    (void)error;
    http_connection_tell(&connection->base, HTTP_MALFORMED);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t size, void *user)
{
    struct http2_stream *stream = http2_find(user, id);

    (void)flags;
    (void)nghttp2_session_consume_connection(session, size); /* without memory: it stalls */
    if (stream == NULL)
        return 0;
    if (stream->state == HTTP2_BODY)
        http2_message_data(stream, bytes, size);
    else
        http2_stream_receive(stream, bytes, size);
    return 0;
}

static void take_end(struct http2_stream *stream)
{
    stream->has_ended = true;
    http2_message_end(stream);
    http2_stream_give(stream);
}

/* The PING that went with the first GOAWAY has come back: whatever was on its way has arrived. */
static int on_pong(struct http2 *connection, const nghttp2_ping *ping)
{
    if (!connection->is_noticed ||
        memcmp(ping->opaque_data, HTTP2_NOTICE, sizeof ping->opaque_data) != 0)
        return 0;
    return nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(connection->session),
                                 NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = http2_find(connection, frame->hd.stream_id);

    (void)session;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        return on_pong(connection, &frame->ping);
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        http2_message_head(stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        take_end(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct http2_stream *stream = http2_find(user, id);

    (void)session;
    (void)error_code;
    if (stream == NULL)
        return 0;
    stream->is_gone = true;
    http2_stream_close(stream, stream->is_shut && stream->has_ended ? STREAM_CLOSED_BY_BOTH
                                                                    : STREAM_CLOSED_BY_PEER);
    http2_need(stream);
    return 0;
}

void http2_set_receiving(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
