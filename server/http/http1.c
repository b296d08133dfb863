/*
 * A connection is always in one of five states:
 *
 *   IDLE    between requests; before the first byte of the next one
 *   HEAD    a head has begun; it stays in the stream's kept input until it is whole
 *   BODY    the exchange exists, its body is being received
 *   ANSWER  the exchange is with the server's user; the stream is paused
 *   CLOSING what is queued is being sent, then the stream closes; input is thrown away
 *
 * respond() may come from inside on_request (then on_data goes on with the next pipelined request)
 * or later (then the stream is resumed). A connection whose answers are not read is blocked: no
 * further request is looked at until its queue has been sent, or until it is stuck for too long.
 */
#include "server/http/http1.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/http/body.h"
#include "server/http/exchange.h"
#include "server/http/head_parse.h"
#include "server/http/response.h"
#include "server/net/stream.h"
#include "server/net/timer.h"

enum state {
    STATE_IDLE,
    STATE_HEAD,
    STATE_BODY,
    STATE_ANSWER,
    STATE_CLOSING,
};

struct http1 {
    struct stream *stream;
    struct http_server *server;
    struct exchange1 *exchange; /* from the end of its head to its answer */
    struct http1 *prev;
    struct http1 *next;
    struct timer timer;
    uint32_t scanned;    /* of the head: head_find */
    uint32_t stuck_mark; /* low half of the queue's sent_bytes when it was blocked */
    uint8_t state;
    bool is_old : 1;      /* accepted before a drain began */
    bool is_used : 1;     /* has had a request */
    bool is_blocked : 1;  /* answers wait to be read by the client */
    bool is_skipped : 1;  /* the empty line that may stand before a request */
    bool is_busy : 1;     /* inside on_data: not to be freed */
    bool is_detached : 1; /* the stream is another's now; freed when no longer busy */
};

static_assert(sizeof(struct http1) <= 104, "an idle connection is small");

struct exchange1 {
    struct http_exchange base; /* first: exchange1_of */
    struct http1 *connection;
    struct body body;
    bool is_keep_alive;
    char head[]; /* the request's spans point into it */
};

static struct exchange1 *exchange1_of(const struct http_exchange *exchange)
{
    return (struct exchange1 *)(uintptr_t)exchange;
}

static const struct http_exchange_operations operations;

static void free_exchange(struct http1 *connection)
{
    if (connection->exchange == NULL)
        return;
    body_done(&connection->exchange->body);
    free(connection->exchange);
    connection->exchange = NULL;
}

static void start_timer(struct http1 *connection, int64_t delay_ns)
{
    timer_start(connection->server->timers, &connection->timer, delay_ns);
}

/* Lets go of the stream, which another user takes over or which is gone. */
static void release(struct http1 *connection)
{
    timer_stop(&connection->timer);
    free_exchange(connection);
    DL_DELETE(connection->server->connections, connection);
    if (connection->is_busy)
        connection->is_detached = true;
    else
        free(connection);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void finish(struct http1 *connection)
{
    timer_stop(&connection->timer);
    free_exchange(connection);
    connection->state = STATE_CLOSING;
    stream_finish(connection->stream);
}

/* Refuses what has been received so far; nothing behind it could be trusted. */
static void refuse(struct http1 *connection, int status, const char *code, const char *message)
{
    struct response_head head = {
        .status = status,
        .connection = RESPONSE_CONNECTION_CLOSE,
        .has_length = true,
    };
    char *body = http_error_body(code, message, &head.body_bytes);

    if (body != NULL)
        head.content_type = "application/json";
    response_write_head(connection->stream, &head);
    if (body != NULL)
        stream_write(connection->stream, body, head.body_bytes);
    free(body);
    finish(connection);
}

static void begin_idle(struct http1 *connection)
{
    struct stream *stream = connection->stream;

    connection->state = STATE_IDLE;
    connection->is_skipped = false;
    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes) {
        connection->is_blocked = true;
        connection->stuck_mark = (uint32_t)stream->out.sent_bytes;
        stream->wants_drained = true;
        stream_pause(stream);
        start_timer(connection, connection->server->limits->write_timeout_ns);
        return;
    }
    start_timer(connection, connection->server->limits->idle_timeout_ns);
    if (!connection->is_busy)
        stream_resume(stream);
}

static bool will_close(const struct exchange1 *exchange)
{
    return !exchange->is_keep_alive || exchange->connection->server->is_closing;
}

static void respond(struct http_exchange *base, const struct http_response *response)
{
    struct exchange1 *exchange = exchange1_of(base);
    struct http1 *connection = exchange->connection;
    bool is_closing = response->is_last || will_close(exchange);
    struct response_head head = {
        .status = response->status,
        .content_type = response->content_type,
        .headers = response->headers,
        .has_length = response_has_body(response->status),
        .body_bytes = response->body_bytes,
    };

    CHECK(connection->state == STATE_ANSWER);
    CHECK(connection->exchange == exchange);
    if (is_closing)
        head.connection = RESPONSE_CONNECTION_CLOSE;
    else if (base->request.is_http_1_0)
        head.connection = RESPONSE_CONNECTION_KEEP;
    response_write_head(connection->stream, &head);
    if (head.has_length && base->request.method != HTTP_METHOD_HEAD)
        stream_write(connection->stream, response->body, response->body_bytes);
    if (is_closing) {
        finish(connection);
        return;
    }
    free_exchange(connection);
    begin_idle(connection);
}

/* Hands the stream over; what has arrived behind the request is given to the new user. */
static struct stream *detach(struct http1 *connection)
{
    struct stream *stream = connection->stream;

    release(connection);
    stream_resume(stream);
    return stream;
}

static struct stream *begin_stream(struct http_exchange *base, const char *content_type,
                                   const char *headers)
{
    struct exchange1 *exchange = exchange1_of(base);
    struct http1 *connection = exchange->connection;
    struct response_head head = {
        .status = 200,
        .connection = RESPONSE_CONNECTION_CLOSE,
        .content_type = content_type,
        .headers = headers,
    };

    CHECK(connection->state == STATE_ANSWER);
    response_write_head(connection->stream, &head);
    return detach(connection);
}

static struct stream *upgrade(struct http_exchange *base, const char *headers)
{
    struct exchange1 *exchange = exchange1_of(base);
    struct http1 *connection = exchange->connection;
    struct response_head head = {.status = 101, .headers = headers};

    CHECK(connection->state == STATE_ANSWER);
    response_write_head(connection->stream, &head);
    return detach(connection);
}

static struct stream *stream_of(const struct http_exchange *base)
{
    return exchange1_of(base)->connection->stream;
}

static bool is_old(const struct http_exchange *base)
{
    return exchange1_of(base)->connection->is_old;
}

static const struct http_exchange_operations operations = {
    .respond = respond,
    .begin_stream = begin_stream,
    .upgrade = upgrade,
    .stream = stream_of,
    .is_old = is_old,
};

/* --- requests ----------------------------------------------------------------------------------- */

static void dispatch(struct http1 *connection)
{
    struct exchange1 *exchange = connection->exchange;
    struct http_server *server = connection->server;

    timer_stop(&connection->timer);
    connection->state = STATE_ANSWER;
    exchange->base.request.body = exchange->body.bytes;
    exchange->base.request.body_bytes = exchange->body.size;
    server->handlers->on_request(server->user, &exchange->base);
    if (!connection->is_detached && connection->state == STATE_ANSWER)
        stream_pause(connection->stream); /* until it is answered */
}

static void refuse_head(struct http1 *connection, enum head_result result, const char *reason)
{
    switch (result) {
    case HEAD_MISDIRECTED:
        refuse(connection, 421, "misdirected_request", "https is not served without TLS");
        break;
    case HEAD_TOO_LARGE:
        refuse(connection, 431, "head_too_large", reason);
        break;
    case HEAD_UNKNOWN_METHOD:
        refuse(connection, 501, "unknown_method", "this method is not implemented");
        break;
    case HEAD_VERSION:
        refuse(connection, 505, "unknown_version", reason);
        break;
    case HEAD_OK:
    case HEAD_MORE:
    case HEAD_BAD:
    default:
        refuse(connection, 400, "bad_request", reason);
        break;
    }
}

/* An exchange for this head; NULL: refused. */
static struct exchange1 *make_exchange(struct http1 *connection, const char *bytes,
                                       size_t head_bytes, struct head_framing *ret_framing)
{
    const char *reason = "malformed request";
    enum head_result result = head_check(bytes, head_bytes, ret_framing, &reason);
    struct exchange1 *exchange;

    if (result != HEAD_OK) {
        refuse_head(connection, result, reason);
        return NULL;
    }
    exchange = malloc(sizeof *exchange + head_bytes);
    if (exchange == NULL) {
        refuse(connection, 503, "unavailable", "out of memory");
        return NULL;
    }
    connection->exchange = exchange;
    exchange->base.operations = &operations;
    exchange->base.on_gone = NULL;
    exchange->base.user = NULL;
    exchange->base.request.is_secure = false;
    exchange->connection = connection;
    exchange->body = (struct body){0};
    memcpy(exchange->head, bytes, head_bytes);
    result =
        head_parse(exchange->head, head_bytes, &exchange->base.request, &exchange->is_keep_alive);
    if (result != HEAD_OK) {
        refuse_head(connection, result, reason);
        return NULL;
    }
    return exchange;
}

/* RFC 9110 section 10.1.1. False: refused. */
static bool answer_expectation(struct http1 *connection, bool has_body_arrived)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_request *request = &connection->exchange->base.request;
    const struct http_text *expect = http_header(request, "expect");

    if (expect == NULL || request->is_http_1_0)
        return true;
    if (expect->size != 12 || strncasecmp(expect->bytes, "100-continue", 12) != 0) {
        refuse(connection, 417, "unknown_expectation", "only 100-continue is known");
        return false;
    }
    if (!has_body_arrived)
        stream_write(connection->stream, go_on, sizeof go_on - 1);
    return true;
}

static void begin_body(struct http1 *connection, const struct head_framing *framing,
                       bool has_body_arrived)
{
    struct exchange1 *exchange = connection->exchange;
    size_t bytes_max = connection->server->limits->body_bytes_max;

    if (framing->content_length > bytes_max) {
        refuse(connection, 413, "too_large", "the body is too large");
        return;
    }
    if (framing->is_chunked)
        body_begin_chunked(&exchange->body, bytes_max);
    else
        body_begin_length(&exchange->body, framing->content_length, bytes_max);
    if (!answer_expectation(connection, has_body_arrived))
        return;
    connection->state = STATE_BODY;
    start_timer(connection, connection->server->limits->body_timeout_ns);
}

/* Returns how much it has consumed; 0: more is needed, or the state has changed. */
static size_t take_head(struct http1 *connection, const char *bytes, size_t size)
{
    const struct http_limits *limits = connection->server->limits;
    struct head_framing framing;
    enum head_result result;
    size_t head_bytes;

    if (connection->state == STATE_IDLE && bytes[0] == '\r' && !connection->is_skipped) {
        /* One empty line is ignored (RFC 9112 section 2.2): old clients end a body with it. */
        if (size < 2)
            return 0;
        connection->is_skipped = true;
        if (bytes[1] == '\n')
            return 2;
    }
    if (connection->state == STATE_IDLE) {
        connection->state = STATE_HEAD;
        connection->scanned = 0;
        start_timer(connection, limits->head_timeout_ns);
    }
    result = head_find(bytes, size, limits->head_bytes_max, &connection->scanned, &head_bytes);
    if (result == HEAD_MORE)
        return 0;
    connection->is_used = true;
    if (result != HEAD_OK) {
        refuse_head(connection, result,
                    result == HEAD_BAD ? "malformed request" : "the head is too large");
        return 0;
    }
    if (make_exchange(connection, bytes, head_bytes, &framing) == NULL)
        return 0;
    if (framing.is_chunked || framing.content_length > 0)
        begin_body(connection, &framing, size > head_bytes);
    else if (answer_expectation(connection, true))
        dispatch(connection);
    return head_bytes;
}

static size_t take_body(struct http1 *connection, const uint8_t *bytes, size_t size)
{
    size_t consumed;

    switch (body_feed(&connection->exchange->body, bytes, size, &consumed)) {
    case BODY_DONE:
        dispatch(connection);
        break;
    case BODY_BAD:
        refuse(connection, 400, "bad_request", "malformed chunked body");
        break;
    case BODY_TOO_LARGE:
        refuse(connection, 413, "too_large", "the body is too large");
        break;
    case BODY_NO_MEMORY:
        refuse(connection, 503, "unavailable", "out of memory");
        break;
    case BODY_MORE:
    default:
        break;
    }
    return consumed;
}

/* --- the stream's user -------------------------------------------------------------------------- */

static bool wants_input(const struct http1 *connection)
{
    if (connection->is_detached || connection->is_blocked || connection->stream->is_closed)
        return false;
    return connection->state != STATE_ANSWER && connection->state != STATE_CLOSING;
}

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct http1 *connection = user;
    size_t used = 0;

    connection->is_busy = true;
    while (used < size && wants_input(connection)) {
        size_t taken;

        if (connection->state == STATE_BODY)
            taken = take_body(connection, bytes + used, size - used);
        else
            taken = take_head(connection, (const char *)bytes + used, size - used);
        if (taken == 0)
            break;
        used += taken;
    }
    connection->is_busy = false;
    if (connection->is_detached)
        free(connection);
    return used;
}

static void on_end(void *user)
{
    struct http1 *connection = user;

    if (connection->state == STATE_ANSWER)
        connection->exchange->is_keep_alive = false; /* it may still be reading */
    else
        finish(connection); /* a request that is not whole never will be */
}

static void on_drained(void *user)
{
    struct http1 *connection = user;

    if (!connection->is_blocked)
        return;
    connection->is_blocked = false;
    start_timer(connection, connection->server->limits->idle_timeout_ns);
    stream_resume(connection->stream);
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct http1 *connection = user;
    struct exchange1 *exchange = connection->exchange;

    (void)reason; /* whatever it was, the client is gone */
    if (connection->state == STATE_ANSWER && exchange->base.on_gone != NULL)
        exchange->base.on_gone(exchange->base.user);
    release(connection);
}

static const struct stream_handlers stream_handlers = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void on_timer(struct timer *timer)
{
    struct http1 *connection =
        (struct http1 *)(void *)((char *)timer - offsetof(struct http1, timer));
    const struct outq *queue = &connection->stream->out;

    if (connection->is_blocked && (uint32_t)queue->sent_bytes != connection->stuck_mark) {
        connection->stuck_mark = (uint32_t)queue->sent_bytes;
        start_timer(connection, connection->server->limits->write_timeout_ns);
    } else if (connection->is_blocked || connection->stream->is_closed) {
        stream_abort(connection->stream);
    } else if (connection->state == STATE_HEAD || connection->state == STATE_BODY) {
        refuse(connection, 408, "timeout", "the request took too long to arrive");
    } else {
        finish(connection);
    }
}

int http1_serve(struct http_server *server, struct stream *stream)
{
    struct http1 *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return -ENOMEM;
    if (server->timer_kind == 0)
        server->timer_kind = timer_wheel_register(server->timers, on_timer) + 1;
    connection->stream = stream;
    connection->server = server;
    connection->is_old = !server->is_closing;
    timer_init(&connection->timer, server->timer_kind - 1);
    DL_APPEND(server->connections, connection);
    stream->hold_bytes_max = server->limits->head_bytes_max;
    stream_set_user(stream, &stream_handlers, connection);
    /* A client that never says anything has no longer than one that is slow to. */
    start_timer(connection, server->limits->head_timeout_ns);
    return 0;
}

void http1_close_idle(struct http_server *server)
{
    struct http1 *connection = server->connections;

    while (connection != NULL) {
        struct http1 *next = connection->next;

        /* One that has not asked anything yet is about to: its own timeout ends it. */
        if (connection->state == STATE_IDLE && connection->is_used)
            finish(connection);
        connection = next;
    }
}
