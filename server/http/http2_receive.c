/*
 * What comes in: nghttp2's callbacks for frames received, and what of them is too much.
 */
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/http/http2_internal.h"

enum {
    FIELD_OVERHEAD_BYTES = 32, /* RFC 9113 section 6.5.2 */
    /* Heads so many times too large end the connection: what is refused has still to be decoded. */
    HEADS_MAX = 4,
    UPDATES_GRANTED = 2, /* of the stream's window, and of the connection's */
    UPDATE_CREDIT_MAX = 10 * 1000,
};

#define SECOND_NS      INT64_C(1000000000)
#define CHEAP_NS       (SECOND_NS / HTTP2_CHEAP_PER_S)
#define CHEAP_BURST_NS (HTTP2_CHEAP_BURST * CHEAP_NS)

int http2_fail_later(struct http2 *connection, uint32_t error_code)
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

bool http2_take_cheap(struct http2 *connection)
{
    int64_t now = now_ns();

    if (connection->cheap_full_ns < now)
        connection->cheap_full_ns = now;
    connection->cheap_full_ns += CHEAP_NS;
    return connection->cheap_full_ns - now <= CHEAP_BURST_NS;
}

void http2_grant_updates(struct http2 *connection)
{
    connection->update_credit += UPDATES_GRANTED;
    if (connection->update_credit > UPDATE_CREDIT_MAX)
        connection->update_credit = UPDATE_CREDIT_MAX;
}

static bool take_update(struct http2 *connection)
{
    if (connection->update_credit == 0)
        return http2_take_cheap(connection);
    connection->update_credit--;
    return true;
}

/* Its head alone: whether this frame is one too many of those that cost the client next to nothing. */
static bool take_frame(struct http2 *connection, const nghttp2_frame_hd *head)
{
    bool is_known = http2_find(connection, head->stream_id) != NULL;

    switch (head->type) {
    case NGHTTP2_CONTINUATION:
        return true;
    case NGHTTP2_HEADERS:
        return is_known || head->stream_id > connection->last_id || http2_take_cheap(connection);
    case NGHTTP2_DATA:
        return head->length > 0 || (is_known && (head->flags & NGHTTP2_FLAG_END_STREAM) != 0) ||
               http2_take_cheap(connection);
    case NGHTTP2_WINDOW_UPDATE:
        return take_update(connection);
    default:
        return http2_take_cheap(connection);
    }
}

/* --- frames, before nghttp2 sees them -------------------------------------------------------------- */

/*
 * DATA or HEADERS of a stream that is closed, which nghttp2 would pass over (sections 5.1 and 5.1.1). Those
 * of one that we have reset may have been on their way.
 */
static uint32_t judge_closed(struct http2 *connection, int32_t id)
{
    if (id % 2 == 0 || id > connection->last_id || id <= connection->reset_id ||
        http2_find(connection, id) != NULL)
        return NGHTTP2_NO_ERROR;
    return id >= connection->skipped_from && id <= connection->skipped_to ? NGHTTP2_PROTOCOL_ERROR
                                                                          : NGHTTP2_STREAM_CLOSED;
}

static uint32_t get_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* What has come of a frame's beginning is all there is to be looked at. */
static uint32_t judge_frame(struct http2 *connection)
{
    const uint8_t *bytes = connection->scan.bytes;
    const nghttp2_frame_hd head = {
        .length = connection->scan.left,
        .stream_id = (int32_t)(get_32(bytes + 5) & INT32_MAX),
        .type = bytes[3],
        .flags = bytes[4],
    };
    uint32_t error_code = NGHTTP2_NO_ERROR;

    if (head.type == NGHTTP2_DATA || head.type == NGHTTP2_HEADERS)
        error_code = judge_closed(connection, head.stream_id);
    /* Its place in the tree is of no interest; that it is none is an error (RFC 7540 section 5.3.1). */
    if (head.type == NGHTTP2_PRIORITY &&
        (int32_t)(get_32(bytes + HTTP2_FRAME_BYTES) & INT32_MAX) == head.stream_id)
        error_code = NGHTTP2_PROTOCOL_ERROR;
    if (head.type == NGHTTP2_PRIORITY && head.stream_id == 0)
        error_code = NGHTTP2_PROTOCOL_ERROR;
    if (error_code == NGHTTP2_NO_ERROR && !take_frame(connection, &head))
        error_code = NGHTTP2_ENHANCE_YOUR_CALM;
    return error_code;
}

/* Of the frame under way, once its type and length are known: what has to be there to judge it. */
static uint8_t scan_bytes(const struct http2_scan *scan)
{
    if (scan->count < HTTP2_FRAME_BYTES)
        return HTTP2_FRAME_BYTES;
    return scan->bytes[3] == NGHTTP2_PRIORITY && scan->left >= HTTP2_DEPENDENCY_BYTES
               ? HTTP2_SCAN_BYTES
               : HTTP2_FRAME_BYTES;
}

/* Takes what it needs of @bytes; returns how much. Its length is known once its head is there. */
static size_t gather(struct http2_scan *scan, const uint8_t *bytes, size_t size)
{
    size_t used = 0;

    while (used < size && scan->count < scan_bytes(scan)) {
        scan->bytes[scan->count++] = bytes[used++];
        if (scan->count == HTTP2_FRAME_BYTES)
            scan->left = get_32(scan->bytes) >> 8;
    }
    return used;
}

uint32_t http2_scan(struct http2 *connection, const uint8_t *bytes, size_t size,
                    struct http2_piece *ret_piece)
{
    struct http2_scan *scan = &connection->scan;
    struct http2_piece piece = {.bytes = bytes};
    bool is_cut = scan->count > 0;
    uint32_t error_code;

    if (!scan->is_in_payload) {
        piece.used = gather(scan, bytes, size);
        if (scan->count < scan_bytes(scan)) {
            *ret_piece = piece;
            return NGHTTP2_NO_ERROR;
        }
        error_code = judge_frame(connection);
        if (error_code != NGHTTP2_NO_ERROR)
            return error_code;
        scan->left -= scan->count - HTTP2_FRAME_BYTES;
        scan->is_in_payload = true;
        piece.size = scan->count;
        scan->count = 0;
    }
    if (is_cut) {
        piece.bytes = scan->bytes;
    } else {
        if (scan->left < size - piece.used)
            size = piece.used + scan->left;
        scan->left -= (uint32_t)(size - piece.used);
        piece.size = size;
        piece.used = size;
    }
    scan->is_in_payload = scan->left > 0;
    *ret_piece = piece;
    return NGHTTP2_NO_ERROR;
}

static void note_id(struct http2 *connection, int32_t id)
{
    if (id > connection->last_id + 2) {
        connection->skipped_from = connection->last_id + 1;
        connection->skipped_to = id - 2;
    }
    connection->last_id = id;
}

static void add_stream(struct http2 *connection, struct http2_stream *stream)
{
    DL_APPEND(connection->streams, stream);
    connection->stream_count++;
    connection->base.server->http2.streams++;
    connection->base.server->http2.streams_opened++;
    http2_grant_updates(connection);
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

    connection->list_bytes = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers */
    note_id(connection, frame->hd.stream_id);
    stream = http2_stream_new(connection, frame->hd.stream_id);
    if (stream == NULL || !http2_message_begin(stream) ||
        nghttp2_session_set_stream_user_data(session, stream->id, stream) != 0) {
        if (stream != NULL && stream->exchange != NULL)
            http2_message_gone(stream);
        http2_stream_free(stream);
        connection->reset_id = frame->hd.stream_id; /* as nghttp2 will do */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    (void)nghttp2_session_change_extpri_stream_priority(session, stream->id, &in_turns, 1);
    add_stream(connection, stream);
    if (connection->base.server->is_closing)
        http2_begin_closing(
            connection); /* a newcomer: not before it has asked, so that it is told why */
    http2_start_timer(connection, &stream->timer, connection->base.server->limits->head_timeout_ns);
    return 0;
}

// NOLINTNEXTLINE(readability-function-size): nghttp2 says what it is called with
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = http2_find(connection, frame->hd.stream_id);
    uint32_t bytes_max = connection->base.server->limits->head_bytes_max;

    (void)session;
    (void)flags;
    /* Each is below nghttp2's 64 KiB for a field, and the sum below HEADS_MAX heads. */
    connection->list_bytes += (uint32_t)(name_bytes + value_bytes + FIELD_OVERHEAD_BYTES);
    if (connection->list_bytes > (uint64_t)HEADS_MAX * bytes_max)
        return http2_fail_later(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && stream != NULL && stream->exchange != NULL)
        http2_message_field(stream, (struct http_text){(const char *)name, name_bytes},
                            (struct http_text){(const char *)value, value_bytes});
    return 0;
}

/* Malformed (section 8.2.1); nghttp2 would overlook the field. */
// NOLINTNEXTLINE(readability-function-size): nghttp2 says what it is called with
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

/* Its stream is reset, or the connection ends: nghttp2 sees to it. The reset has not been sent yet. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct http2 *connection = user;

    (void)session;
    (void)error;
    if (frame->hd.stream_id > connection->reset_id)
        connection->reset_id = frame->hd.stream_id;
    return 0;
}

// NOLINTNEXTLINE(readability-function-size): nghttp2 says what it is called with
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
    stream->is_resumed = true;
    http2_message_end(stream);
    http2_stream_give(stream);
}

/* The PING that went with the first GOAWAY has come back: whatever was on its way has arrived. */
static int on_pong(struct http2 *connection, const nghttp2_ping *ping)
{
    if (!connection->is_noticed || connection->is_leaving ||
        memcmp(ping->opaque_data, HTTP2_NOTICE, sizeof ping->opaque_data) != 0)
        return 0;
    connection->is_leaving = true;
    return nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(connection->session),
                                 NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = http2_find(connection, frame->hd.stream_id);
    bool has_ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void)session;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        return on_pong(connection, &frame->ping);
    if (frame->hd.type == NGHTTP2_RST_STREAM && stream != NULL)
        connection->base.server->http2.streams_reset++;
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        http2_message_head(stream, has_ended);
    if (has_ended)
        take_end(stream);
    else if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0 &&
             frame->hd.length == frame->data.padlen && !http2_take_cheap(connection))
        return http2_fail_later(connection, NGHTTP2_ENHANCE_YOUR_CALM); /* nothing but padding */
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
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
