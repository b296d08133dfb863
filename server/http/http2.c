/*
 * The connection: nghttp2's callbacks, what is sent when, and what is too much.
 *
 * nghttp2 is fed from on_data and asked for output from on_flush only, so that what one turn brings
 * leaves together. Its own bounds (acknowledgements that wait, SETTINGS entries, CONTINUATIONs) stay in force
 * behind those of http2.h; the one for RST_STREAM is ours, as it would not say why.
 */
#include "server/http/http2.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/http/http2_internal.h"

enum {
    GOAWAY_BYTES = 8,
    COPIED_BYTES_MAX = 1024, /* of a DATA frame: cheaper than two ranges more */
    PINNED_BYTES_MAX = 2 * HTTP2_OUT_BYTES,
    RESETS_UNBOUND = 1000 * 1000,
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static_assert(sizeof preface - 1 == HTTP2_PREFACE_BYTES, "RFC 9113 section 3.4");

static struct http2 *http2_of(struct http_connection *base)
{
    return (struct http2 *)(void *)base;
}

void http2_start_timer(struct http2 *connection, struct timer *timer, int64_t delay_ns)
{
    timer_start(connection->base.server->timers, timer, delay_ns);
}

void http2_call(struct http2 *connection)
{
    if (!connection->below->is_closed)
        stream_call(connection->below);
}

void http2_need(struct http2_stream *stream)
{
    struct http2 *connection = stream->connection;

    if (!stream->is_ready) {
        stream->is_ready = true;
        stream->ready_next = NULL;
        if (connection->ready == NULL)
            connection->ready = stream;
        else
            connection->ready_last->ready_next = stream;
        connection->ready_last = stream;
    }
    http2_call(connection);
}

void http2_reset(struct http2_stream *stream, uint32_t error_code)
{
    struct http2 *connection = stream->connection;

    if (stream->is_gone)
        return;
    if (nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id, error_code) !=
        0)
        stream_abort(connection->below); /* no memory */
    http2_call(connection);
}

void http2_count(struct http2_stream *stream)
{
    uint32_t bytes = stream->stream.out.bytes;

    stream->connection->base.server->queued_bytes += (uint64_t)bytes - stream->counted_bytes;
    if (stream->is_copy)
        stream->connection->answer_bytes += (uint64_t)bytes - stream->counted_bytes;
    stream->counted_bytes = bytes;
}

void http2_give_back_ticket(const struct http2_stream *stream, uint64_t ticket)
{
    const struct http_server *server = stream->connection->base.server;

    if (ticket != 0)
        server->handlers->on_ticket(server->user, ticket);
}

/* --- the end of a connection ---------------------------------------------------------------------- */

/* Nothing more is to be heard of it. */
static void finish(struct http2 *connection)
{
    connection->is_over = true;
    timer_stop(&connection->timer);
    stream_finish(connection->below);
}

static struct http2_counts *counts(const struct http2 *connection)
{
    return &connection->base.server->http2;
}

static void note_error(struct http2 *connection, uint32_t error_code)
{
    http_connection_tell(&connection->base, HTTP_MALFORMED);
    if (error_code == NGHTTP2_ENHANCE_YOUR_CALM)
        counts(connection)->floods++;
}

/*
 * A connection error (section 5.4.1). nghttp2 may be beyond speaking: the GOAWAY is written here. The
 * streams end with the connection.
 */
static void fail(struct http2 *connection, uint32_t error_code)
{
    uint32_t last = (uint32_t)nghttp2_session_get_last_proc_stream_id(connection->session);
    const uint8_t frame[HTTP2_FRAME_BYTES + GOAWAY_BYTES] = {
        0,
        0,
        GOAWAY_BYTES,
        NGHTTP2_GOAWAY,
        0,
        0,
        0,
        0,
        0,
        (uint8_t)(last >> 24),
        (uint8_t)(last >> 16),
        (uint8_t)(last >> 8),
        (uint8_t)last,
        (uint8_t)(error_code >> 24),
        (uint8_t)(error_code >> 16),
        (uint8_t)(error_code >> 8),
        (uint8_t)error_code,
    };

    note_error(connection, error_code);
    stream_write(connection->below, frame, sizeof frame);
    finish(connection);
}

static uint32_t error_code_of(const struct http2 *connection, ssize_t result)
{
    if (connection->failure != 0)
        return connection->failure;
    switch (result) {
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
        return NGHTTP2_ENHANCE_YOUR_CALM;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        return NGHTTP2_PROTOCOL_ERROR;
    default:
        return NGHTTP2_INTERNAL_ERROR;
    }
}

static void start_idle_timer(struct http2 *connection)
{
    const struct http_limits *limits = connection->base.server->limits;

    http2_start_timer(connection, &connection->timer,
                      connection->is_used ? limits->idle_timeout_ns : limits->head_timeout_ns);
}

/* --- streams come and go -------------------------------------------------------------------------- */

static void report_close(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    if (stream->is_reported)
        return;
    stream->is_reported = true;
    if (stream->exchange != NULL)
        http2_message_gone(stream);
    if (base->handlers != NULL)
        base->handlers->on_close(base->user, (enum stream_close_reason)stream->reason);
    http2_give_back_ticket(stream, stream->ticket);
}

/* It is in no list but `streams`, or the connection is going. */
static void remove_stream(struct http2_stream *stream)
{
    struct http2 *connection = stream->connection;

    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): who has no next is the last in the list
    DL_DELETE(connection->streams, stream);
    connection->stream_count--;
    counts(connection)->streams--;
    http2_stream_free(stream);
    if (connection->stream_count > 0 || connection->is_over)
        return;
    http_connection_set_waiting(&connection->base, true);
    start_idle_timer(connection);
}

void http2_begin_closing(struct http2 *connection)
{
    if (connection->is_noticed || connection->is_over)
        return;
    connection->is_noticed = true;
    if (nghttp2_submit_shutdown_notice(connection->session) != 0)
        stream_abort(connection->below); /* no memory */
    http2_call(connection);
}

/* --- output --------------------------------------------------------------------------------------- */

static bool has_room(const struct http2 *connection)
{
    const struct outq *out = &connection->below->out;

    return out->bytes < HTTP2_OUT_BYTES && !outq_is_over(out, PINNED_BYTES_MAX);
}

// NOLINTNEXTLINE(readability-function-size): nghttp2 says what it is called with
static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http2_stream *stream = source->ptr;
    const struct outq *out = &stream->stream.out;
    size_t size = out->bytes < length ? out->bytes : length;

    (void)session;
    (void)id;
    (void)buf;
    if (!has_room(user))
        return NGHTTP2_ERR_PAUSE;
    if (size == 0 && !stream->stream.is_finishing) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == out->bytes && stream->stream.is_finishing)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

nghttp2_data_provider http2_data(struct http2_stream *stream)
{
    return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = read_data};
}

/* A DATA frame, without padding: none is asked for. */
// NOLINTNEXTLINE(readability-function-size): nghttp2 says what it is called with
static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t length, nghttp2_data_source *source, void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = source->ptr;

    (void)session;
    (void)frame;
    if (length <= COPIED_BYTES_MAX)
        stream_move_copy(connection->below, head, HTTP2_FRAME_BYTES, &stream->stream, length);
    else {
        stream_write(connection->below, head, HTTP2_FRAME_BYTES);
        stream_move(connection->below, &stream->stream, length);
    }
    http2_grant_updates(connection);
    http2_need(stream); /* to be judged */
    return connection->below->is_closed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* What nghttp2 has to say, as far as there is room. */
static void send_frames(struct http2 *connection)
{
    while (!connection->below->is_closed && has_room(connection)) {
        const uint8_t *bytes;
        ssize_t size = nghttp2_session_mem_send(connection->session, &bytes);

        if (size < 0 && connection->failure != 0) {
            fail(connection, connection->failure);
            return;
        }
        if (size < 0) {
            connection->is_unsound = true;
            stream_abort(connection->below); /* no memory */
            return;
        }
        if (size == 0)
            break;
        stream_write(connection->below, bytes, (size_t)size);
    }
    if (nghttp2_session_want_write(connection->session) && !has_room(connection))
        connection->below->wants_drained = true;
}

/* A reset that we answer a mistake with costs its client less than us. */
static int note_reset(struct http2 *connection, int32_t id, uint32_t error_code)
{
    if (id > connection->reset_id)
        connection->reset_id = id;
    if (error_code == NGHTTP2_NO_ERROR || error_code == NGHTTP2_INTERNAL_ERROR ||
        error_code == NGHTTP2_CANCEL)
        return 0;
    if (error_code == NGHTTP2_REFUSED_STREAM)
        counts(connection)->streams_refused++;
    else
        http_connection_tell(&connection->base, HTTP_MALFORMED);
    return http2_take_cheap(connection) ? 0
                                        : http2_fail_later(connection, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* The PING stands behind the GOAWAY that is a notice: nghttp2 would send it first. */
static int note_goaway(struct http2 *connection, const nghttp2_goaway *goaway)
{
    if (goaway->error_code != NGHTTP2_NO_ERROR)
        note_error(connection, goaway->error_code);
    else if (goaway->last_stream_id == INT32_MAX)
        return nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE,
                                   (const uint8_t *)HTTP2_NOTICE);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *connection = user;
    struct http2_stream *stream = http2_find(connection, frame->hd.stream_id);

    (void)session;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        return note_reset(connection, frame->hd.stream_id, frame->rst_stream.error_code);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        return note_goaway(connection, &frame->goaway);
    if (stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        http2_stream_shut(stream);
    return 0;
}

static struct http2_stream *take_ready(struct http2 *connection)
{
    struct http2_stream *first = connection->ready;

    connection->ready = NULL;
    connection->ready_last = NULL;
    return first;
}

/* Before sending: what has been put off until no callback is being run. */
static void prepare(struct http2_stream *stream)
{
    struct stream *base = &stream->stream;

    if (base->is_closed)
        return;
    http2_stream_give(stream);
    if (base->is_dirty && stream->is_deferred &&
        (!outq_is_empty(&base->out) || base->is_finishing)) {
        stream->is_deferred = false;
        if (nghttp2_session_resume_data(stream->connection->session, stream->id) != 0)
            stream_abort(base); /* no memory */
    }
    base->is_dirty = false;
}

static void settle(struct http2_stream *stream)
{
    if (stream->stream.is_closed)
        report_close(stream);
    else
        http2_stream_judge(stream);
    http2_count(stream);
    if (stream->stream.is_dirty || http2_stream_has_more(stream))
        http2_need(stream); /* since it was prepared */
    if (stream->stream.is_closed && stream->is_gone && !stream->is_ready)
        remove_stream(stream);
}

static bool is_stuck(const struct http2 *connection)
{
    return nghttp2_session_get_outbound_queue_size(connection->session) > HTTP2_OUTBOUND_MAX;
}

/*
 * What prepare and settle make ready again has its turn in the next flush. Those that become ready
 * while frames are sent are settled at once: they stand in the second list.
 */
static void on_flush(void *user)
{
    struct http2 *connection = user;
    struct http2_stream *ready = connection->ready;

    for (struct http2_stream *stream = ready; stream != NULL; stream = stream->ready_next)
        prepare(stream);
    send_frames(connection);
    if (connection->below->is_paused && !is_stuck(connection))
        stream_resume(connection->below);
    for (struct http2_stream *stream = take_ready(connection); stream != NULL;) {
        struct http2_stream *next = stream->ready_next;

        stream->is_ready = false;
        settle(stream);
        stream = next;
    }
    if (!connection->is_over && !connection->below->is_closed &&
        !nghttp2_session_want_read(connection->session) &&
        !nghttp2_session_want_write(connection->session))
        finish(connection);
}

/* --- the stream's user ---------------------------------------------------------------------------- */

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct http2 *connection = user;
    size_t used = 0;

    if (!nghttp2_session_want_read(connection->session))
        used = size; /* the last word has been said */
    while (used < size && !connection->is_over && !connection->below->is_closed) {
        uint32_t error_code;
        struct http2_piece piece;
        ssize_t result;

        if (is_stuck(connection)) {
            stream_pause(connection->below); /* until what waits has been sent */
            break;
        }
        error_code = http2_scan(connection, bytes + used, size - used, &piece);
        if (error_code != NGHTTP2_NO_ERROR) {
            fail(connection, error_code);
            break;
        }
        /* Not without a byte: it would count that as one more CONTINUATION. */
        result = piece.size == 0
                     ? 0
                     : nghttp2_session_mem_recv(connection->session, piece.bytes, piece.size);
        if (result < 0) {
            fail(connection, error_code_of(connection, result));
            break;
        }
        used += piece.used;
    }
    http2_call(connection);
    return connection->is_over ? size : used;
}

/* Nothing more comes: what has been asked is answered no longer. */
static void on_end(void *user)
{
    finish(user);
}

static void on_drained(void *user)
{
    http2_call(user);
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct http2 *connection = user;

    connection->is_over = true;
    for (struct http2_stream *stream = connection->streams; stream != NULL; stream = stream->next) {
        http2_stream_close(stream, reason);
        report_close(stream);
    }
    while (connection->streams != NULL)
        remove_stream(connection->streams);
    timer_stop(&connection->timer);
    counts(connection)->connections--;
    http_connection_remove(&connection->base);
    /* Without memory for DATA nghttp2 (1.52) frees it and keeps it: rather a leak than the same twice. */
    if (!connection->is_unsound)
        nghttp2_session_del(connection->session);
    free(connection);
}

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_flush = on_flush,
    .on_close = on_close,
};

/* --- patience ------------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
    struct http2 *connection =
        (struct http2 *)(void *)((char *)timer - offsetof(struct http2, timer));

    (void)nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
    http2_call(connection);
}

static void on_stream_timer(struct timer *timer)
{
    struct http2_stream *stream =
        (struct http2_stream *)(void *)((char *)timer - offsetof(struct http2_stream, timer));

    if (stream->state == HTTP2_OPEN)
        http2_stream_look(stream);
    else if (stream->state == HTTP2_BODY)
        http2_message_late(stream);
    else
        fail(stream->connection, NGHTTP2_ENHANCE_YOUR_CALM); /* it holds up all streams */
}

/* --- connections ---------------------------------------------------------------------------------- */

static void evict(struct http_connection *base)
{
    struct http2 *connection = http2_of(base);

    (void)nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
    send_frames(connection);
    http_connection_set_waiting(base, false);
    finish(connection);
}

static void close_idle(struct http_connection *base)
{
    struct http2 *connection = http2_of(base);

    if (connection->stream_count > 0 || !connection->is_used || connection->is_over)
        return;
    (void)nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
    http2_call(connection);
}

static void begin_closing(struct http_connection *base)
{
    http2_begin_closing(http2_of(base));
}

static int set_callbacks(nghttp2_session_callbacks **ret_callbacks)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return -ENOMEM;
    http2_set_receiving(callbacks);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    *ret_callbacks = callbacks;
    return 0;
}

static int open_session(struct http2 *connection)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    int rc = set_callbacks(&callbacks);

    if (rc != 0)
        return rc;
    if (nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return -ENOMEM;
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_UNBOUND, RESETS_UNBOUND);
    if (nghttp2_session_server_new2(&connection->session, callbacks, connection, option) != 0)
        rc = -ENOMEM;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

/* Our part of the preface (section 3.4). */
static int submit_settings(struct http2 *connection)
{
    const struct http_limits *limits = connection->base.server->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, limits->allows_connect},
    };

    if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof settings[0]) != 0)
        return -ENOMEM;
    if (nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                              HTTP2_CONNECTION_WINDOW_BYTES) != 0)
        return -ENOMEM;
    return 0;
}

static void register_timers(struct http_server *server)
{
    if (server->http2_timer_kind != 0)
        return;
    server->http2_timer_kind = timer_wheel_register(server->timers, on_timer) + 1;
    server->stream_timer_kind = timer_wheel_register(server->timers, on_stream_timer) + 1;
}

int http2_take_over(struct http_connection *old, struct stream *stream)
{
    static const struct http_connection_operations connection_operations = {
        .evict = evict,
        .close_idle = close_idle,
        .begin_closing = begin_closing,
    };
    struct http2 *connection = calloc(1, sizeof *connection);
    int rc;

    if (connection == NULL)
        return -ENOMEM;
    register_timers(old->server);
    connection->base.server = old->server;
    connection->below = stream;
    connection->scan = (struct http2_scan){.left = HTTP2_PREFACE_BYTES, .is_in_payload = true};
    timer_init(&connection->timer, old->server->http2_timer_kind - 1);
    rc = open_session(connection);
    if (rc != 0)
        goto fail;
    rc = submit_settings(connection);
    if (rc != 0)
        goto fail;
    http_connection_inherit(&connection->base, old, &connection_operations);
    counts(connection)->connections++;
    counts(connection)->connections_opened++;
    stream_set_user(stream, &stream_handlers, connection);
    stream->hold_bytes_max = 0; /* all that comes is consumed, unless it is paused */
    start_idle_timer(connection);
    send_frames(connection); /* SETTINGS go first, whatever comes of what has been received */
    stream_resume(stream);
    http2_call(connection);
    return 0;

fail:
    nghttp2_session_del(connection->session);
    free(connection);
    return rc;
}

int http2_is_preface(const uint8_t *bytes, size_t size)
{
    size_t known = size < HTTP2_PREFACE_BYTES ? size : HTTP2_PREFACE_BYTES;

    if (memcmp(bytes, preface, known) != 0)
        return 0;
    return known == HTTP2_PREFACE_BYTES ? 1 : -EAGAIN;
}
