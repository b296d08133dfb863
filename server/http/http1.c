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
 *
 * Who is IDLE or has a HEAD under way, and is not blocked, stands in the server's list `waiting` and
 * may be closed in favour of a newcomer; everybody else stands in `connections`.
 */
#include "server/http/http1.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/body.h"
#include "server/http/connection.h"
#include "server/http/exchange.h"
#include "server/http/head_parse.h"
#include "server/http/http2.h"
#include "server/http/response.h"
#include "server/net/budget.h"
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
    struct http_connection base; /* first: http1_of */
    struct stream *stream;
    struct exchange1 *exchange; /* from the end of its head to its answer */
    struct timer timer;
    uint32_t scanned; /* of the head: head_find */
    uint32_t mark;    /* low half of what had moved when the timer was started: moved_bytes */
    uint8_t state;
    bool is_to_head : 1;  /* the request is a HEAD: no answer to it has a body */
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

static_assert(sizeof(struct exchange1) <= BUDGET_PARSER_BYTES, "it is not charged to the budget");

static struct exchange1 *exchange1_of(const struct http_exchange *exchange)
{
    return (struct exchange1 *)(uintptr_t)exchange;
}

static void free_exchange(struct http1 *connection)
{
    if (connection->exchange == NULL)
        return;
    body_done(&connection->exchange->body);
    http_exchange_done(&connection->exchange->base);
    free(connection->exchange);
    connection->exchange = NULL;
    http_connection_count_busy(&connection->base, false);
}

static void start_timer(struct http1 *connection, int64_t delay_ns)
{
    timer_start(connection->base.server->timers, &connection->timer, delay_ns);
}

/* Lets go of the stream, which another user takes over or which is gone. */
static void release(struct http1 *connection)
{
    timer_stop(&connection->timer);
    free_exchange(connection);
    http_connection_remove(&connection->base);
    if (connection->is_busy)
        connection->is_detached = true;
    else
        free(connection);
}

/* --- patience ----------------------------------------------------------------------------------- */

/* How much of what the connection waits for has moved, in either direction. */
static uint32_t moved_bytes(const struct http1 *connection)
{
    if (connection->is_blocked)
        return (uint32_t)connection->stream->out.sent_bytes;
    return (uint32_t)connection->exchange->body.size;
}

static int64_t patience_ns(const struct http1 *connection)
{
    const struct http_limits *limits = connection->base.server->limits;

    return connection->is_blocked ? limits->write_timeout_ns : limits->body_timeout_ns;
}

static void begin_patience(struct http1 *connection)
{
    connection->mark = moved_bytes(connection);
    start_timer(connection, patience_ns(connection));
}

/*
 * The time is over: what has moved since it began buys as much again as it should have taken, but
 * never more than at first, so that who was quick may not stop for long. False: nothing has.
 */
static bool renew_patience(struct http1 *connection)
{
    uint32_t moved = moved_bytes(connection) - connection->mark;
    int64_t earned_ns =
        http_patience_ns(connection->base.server->limits, moved, patience_ns(connection));

    if (earned_ns == 0)
        return false;
    connection->mark += moved;
    start_timer(connection, earned_ns);
    return true;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void finish(struct http1 *connection)
{
    timer_stop(&connection->timer);
    free_exchange(connection);
    http_connection_set_waiting(&connection->base, false);
    connection->state = STATE_CLOSING;
    stream_finish(connection->stream);
}

/* Refuses what has been received so far; nothing behind it could be trusted. */
static void refuse(struct http1 *connection, int status, const char *code, const char *message)
{
    const struct http_exchange *exchange =
        connection->state == STATE_BODY ? &connection->exchange->base : NULL;
    char lines[HTTP_LINES_BYTES_MAX];
    struct response_head head = {
        .status = status,
        .connection = RESPONSE_CONNECTION_CLOSE,
        .headers = http_refusal_headers(&connection->base, exchange, status, lines),
        .has_length = true,
    };
    char *body = http_error_body(code, message, &head.body_bytes);

    if (body != NULL)
        head.content_type = "application/json";
    response_write_head(connection->stream, &head);
    if (body != NULL && !connection->is_to_head)
        stream_write(connection->stream, body, head.body_bytes);
    free(body);
    finish(connection);
}

/* The same, of a body. False: nothing is wrong with it. */
static bool refuse_body(struct http1 *connection, enum body_result result)
{
    struct http_refusal refusal;

    if (!http_refuse_body(result, connection->base.server->limits, &refusal))
        return false;
    refuse(connection, refusal.status, refusal.code, refusal.message);
    return true;
}

static void begin_idle(struct http1 *connection)
{
    struct stream *stream = connection->stream;

    connection->state = STATE_IDLE;
    connection->is_skipped = false;
    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes) {
        connection->is_blocked = true;
        stream->wants_drained = true;
        stream_pause(stream);
        begin_patience(connection);
        return;
    }
    http_connection_set_waiting(&connection->base, true);
    start_timer(connection, connection->base.server->limits->idle_timeout_ns);
    if (!connection->is_busy)
        stream_resume(stream);
}

static bool will_close(const struct exchange1 *exchange)
{
    return !exchange->is_keep_alive || exchange->connection->base.server->is_closing;
}

static void respond(struct http_exchange *base, const struct http_response *response)
{
    struct exchange1 *exchange = exchange1_of(base);
    struct http1 *connection = exchange->connection;
    bool is_closing = response->is_last || response->is_endless || will_close(exchange);
    struct response_head head = {
        .status = response->status,
        .content_type = response->content_type,
        .headers = response->headers,
        .has_length = response_has_body(response->status) && !response->is_endless,
        .body_bytes = response->body_bytes,
    };

    CHECK(connection->state == STATE_ANSWER);
    CHECK(connection->exchange == exchange);
    CHECK(!response->is_endless || connection->is_to_head);
    if (is_closing)
        head.connection = RESPONSE_CONNECTION_CLOSE;
    else if (base->request.is_http_1_0)
        head.connection = RESPONSE_CONNECTION_KEEP;
    response_write_head(connection->stream, &head);
    if (head.has_length && !connection->is_to_head)
        response_write_body(connection->stream, response);
    if (is_closing) {
        finish(connection);
        return;
    }
    free_exchange(connection);
    begin_idle(connection);
}

/*
 * Another version is spoken: the connection is another object's from now on, which gets all that
 * has come. Returns as on_data.
 */
static size_t hand_over(struct http1 *connection)
{
    if (http2_take_over(&connection->base, connection->stream) != 0) {
        stream_abort(connection->stream); /* no memory: there is nothing it would understand */
        return 0;
    }
    timer_stop(&connection->timer);
    free(connection);
    return 0;
}

/* Whether the first bytes are HTTP/2: by ALPN (RFC 9113 section 3.2), or, without TLS, as they are. */
static int is_http2(const struct http1 *connection, const uint8_t *bytes, size_t size)
{
    const struct stream_security *security = stream_security(connection->stream);

    if (security->is_secure)
        return strcmp(security->alpn, "h2") == 0;
    return security->is_plain_on_tls ? 0 : http2_is_preface(bytes, size);
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
    http_exchange_name(base, connection->stream);
    return detach(connection);
}

static struct stream *upgrade(struct http_exchange *base, const char *headers)
{
    struct exchange1 *exchange = exchange1_of(base);
    struct http1 *connection = exchange->connection;
    struct response_head head = {.status = 101, .headers = headers};

    CHECK(connection->state == STATE_ANSWER);
    response_write_head(connection->stream, &head);
    http_exchange_name(base, connection->stream);
    return detach(connection);
}

static struct stream *stream_of(const struct http_exchange *base)
{
    return exchange1_of(base)->connection->stream;
}

static bool is_old(const struct http_exchange *base)
{
    return exchange1_of(base)->connection->base.is_old;
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
    struct http_server *server = connection->base.server;

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
    const char *reason = "malformed request target or field";
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
    http_connection_count_busy(&connection->base, true);
    exchange->base.operations = &operations;
    exchange->base.on_gone = NULL;
    exchange->base.user = NULL;
    exchange->base.client = NULL;
    exchange->base.request.is_http_2 = false;
    exchange->base.request.protocol = (struct http_text){0};
    exchange->base.request.is_secure = stream_is_secure(connection->stream);
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

    if (request->is_http_1_0 || http_header(request, "expect") == NULL)
        return true;
    if (!http_expectation_is_known(request)) {
        refuse(connection, 417, "unknown_expectation", "only 100-continue is known");
        return false;
    }
    if (!has_body_arrived)
        stream_write(connection->stream, go_on, sizeof go_on - 1);
    return true;
}

static size_t take_body(struct http1 *connection, const uint8_t *bytes, size_t size)
{
    size_t consumed;
    enum body_result result = body_feed(&connection->exchange->body, bytes, size, &consumed);

    if (!refuse_body(connection, result) && result == BODY_DONE)
        dispatch(connection);
    return consumed;
}

static void begin_body(struct http1 *connection, const struct head_framing *framing,
                       size_t head_bytes, bool has_body_arrived)
{
    struct exchange1 *exchange = connection->exchange;
    const struct body_limits limits = {
        .bytes_max = connection->base.server->limits->body_bytes_max,
        .beside_bytes = head_bytes,
        .budget = connection->base.server->budget,
    };

    connection->state = STATE_BODY;
    if (framing->content_length > limits.bytes_max) {
        (void)refuse_body(connection, BODY_TOO_LARGE);
        return;
    }
    if (framing->is_chunked)
        body_begin_chunked(&exchange->body, &limits);
    else
        body_begin_length(&exchange->body, framing->content_length, &limits);
    begin_patience(connection);
    if (!has_body_arrived)
        (void)take_body(connection, NULL, 0); /* it waits from now on: is there room for it? */
    if (connection->state == STATE_BODY)
        (void)answer_expectation(connection, has_body_arrived); /* refused: no longer a body */
}

/* Returns how much it has consumed; 0: more is needed, or the state has changed. */
static size_t take_head(struct http1 *connection, const char *bytes, size_t size)
{
    const struct http_limits *limits = connection->base.server->limits;
    struct head_framing framing;
    enum head_result result;
    size_t head_bytes;

    if (stream_security(connection->stream)->is_plain_on_tls) {
        refuse(connection, 400, "tls_required", "this port speaks TLS: use https://");
        return 0;
    }
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
        connection->stream->hold_bytes_max = limits->head_bytes_max;
        start_timer(connection, limits->head_timeout_ns);
    }
    connection->is_to_head = size >= 5 && memcmp(bytes, "HEAD ", 5) == 0;
    result = head_find(bytes, size, limits->head_bytes_max, &connection->scanned, &head_bytes);
    if (result == HEAD_MORE)
        return 0;
    connection->is_used = true;
    http_connection_set_waiting(&connection->base, false);
    if (result == HEAD_TOO_LARGE) {
        struct http_refusal refusal = http_refuse_head_size(limits);

        refuse(connection, refusal.status, refusal.code, refusal.message);
        return 0;
    }
    if (result != HEAD_OK) {
        refuse_head(connection, result, "a head begins with a method, and its lines end in CR LF");
        return 0;
    }
    if (make_exchange(connection, bytes, head_bytes, &framing) == NULL)
        return 0;
    if (framing.is_chunked || framing.content_length > 0)
        begin_body(connection, &framing, head_bytes, size > head_bytes);
    else if (answer_expectation(connection, true))
        dispatch(connection);
    return head_bytes;
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

    if (!connection->is_used && !connection->is_skipped) {
        int verdict = is_http2(connection, bytes, size);

        if (verdict == 1)
            return hand_over(connection);
        if (verdict != 0)
            return 0; /* the preface has begun; or nothing is left to be done */
    }
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
    http_connection_set_waiting(&connection->base, true);
    start_timer(connection, connection->base.server->limits->idle_timeout_ns);
    stream_resume(connection->stream);
}

/*
 * What has come of the next request cannot be kept. An answer that is due goes with it: the stream
 * is aborted then, and on_close tells its maker.
 */
static void on_no_room(void *user)
{
    struct http1 *connection = user;

    if (connection->state != STATE_ANSWER)
        refuse(connection, 503, "unavailable", "no room for a request that is not whole");
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
    .on_no_room = on_no_room,
    .on_close = on_close,
};

static void on_timer(struct timer *timer)
{
    struct http1 *connection =
        (struct http1 *)(void *)((char *)timer - offsetof(struct http1, timer));
    bool is_body = connection->state == STATE_BODY;

    if (!connection->stream->is_closed && (connection->is_blocked || is_body) &&
        renew_patience(connection))
        return;
    if (connection->is_blocked || connection->stream->is_closed)
        stream_abort(connection->stream);
    else if (connection->state == STATE_HEAD || is_body)
        refuse(connection, 408, "timeout", "the request took too long to arrive");
    else
        finish(connection);
}

/* --- connections -------------------------------------------------------------------------------- */

static struct http1 *http1_of(struct http_connection *base)
{
    return (struct http1 *)(void *)base;
}

/* Who has an answer still to be sent gets it; whoever else waits is owed nothing. */
static void evict(struct http_connection *base)
{
    struct http1 *connection = http1_of(base);

    if (!outq_is_empty(&connection->stream->out)) {
        finish(connection);
        return;
    }
    timer_stop(&connection->timer);
    http_connection_set_waiting(base, false);
    connection->state = STATE_CLOSING;
    stream_abort(connection->stream);
}

/* One that has not asked anything yet is about to: its own timeout ends it. */
static void close_idle(struct http_connection *base)
{
    struct http1 *connection = http1_of(base);

    if (connection->state == STATE_IDLE && connection->is_used)
        finish(connection);
}

int http1_serve(struct http_server *server, struct stream *stream)
{
    static const struct http_connection_operations connection_operations = {
        .evict = evict,
        .close_idle = close_idle,
    };
    struct http1 *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return -ENOMEM;
    if (server->timer_kind == 0)
        server->timer_kind = timer_wheel_register(server->timers, on_timer) + 1;
    connection->stream = stream;
    timer_init(&connection->timer, server->timer_kind - 1);
    http_connection_add(&connection->base, server, &connection_operations);
    stream->hold_bytes_max = server->limits->head_bytes_max;
    stream_set_user(stream, &stream_handlers, connection);
    /* A client that never says anything has no longer than one that is slow to. */
    start_timer(connection, server->limits->head_timeout_ns);
    return 0;
}
