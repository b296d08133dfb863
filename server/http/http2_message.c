/*
 * Requests from header fields and DATA, responses to header fields. nghttp2 has looked at names, values
 * and pseudo-header fields by then (RFC 9113 sections 8.2 and 8.3), and at Content-Length.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bus/check.h"
#include "server/http/body.h"
#include "server/http/exchange.h"
#include "server/http/head_parse.h"
#include "server/http/http2_internal.h"
#include "server/http/response.h"
#include "server/net/budget.h"

enum {
    HEAD_BYTES_MIN = 512,
    FIELDS_MAX = 40,        /* of a response */
    NAMES_BYTES_MAX = 1024, /* of all further names of a response */
    LENGTH_TEXT_BYTES = 21,
    STATUS_TEXT_BYTES = 12,
};

/* A request, until it is answered. */
struct exchange2 {
    struct http_exchange base; /* first: exchange2_of */
    struct http2_stream *stream;
    struct body body;
    char *head; /* names and values, one behind the other */
    uint32_t head_bytes;
    uint32_t head_capacity;
    uint32_t charged_bytes; /* taken from the budget, for itself and the head */
    struct http_text target;
    struct http_text authority;
    struct http_text method;
    bool is_too_large;
    bool has_no_room; /* for what comes of its head */
};

static const struct http_exchange_operations operations;

static_assert(sizeof(struct exchange2) <= BUDGET_PARSER_BYTES, "the first is not charged");

static struct exchange2 *exchange2_of(const struct http_exchange *exchange)
{
    return (struct exchange2 *)(uintptr_t)exchange;
}

static struct http_server *server_of(const struct http2_stream *stream)
{
    return stream->connection->base.server;
}

static void free_exchange(struct http2_stream *stream)
{
    struct exchange2 *exchange = stream->exchange;

    stream->exchange = NULL;
    if (stream->connection->owner == stream)
        stream->connection->owner = NULL;
    http_connection_count_busy(&stream->connection->base, false);
    body_done(&exchange->body);
    http_exchange_done(&exchange->base);
    http2_give_back_ticket(stream, exchange->base.ticket);
    budget_give(server_of(stream)->budget, exchange->charged_bytes);
    free(exchange->head);
    free(exchange);
}

/* --- the head of a request ------------------------------------------------------------------------ */

bool http2_message_begin(struct http2_stream *stream)
{
    struct exchange2 *exchange = malloc(sizeof *exchange);

    if (exchange == NULL)
        return false;
    /* The table of header fields is filled as they come. */
    exchange->base.operations = &operations;
    exchange->base.on_gone = NULL;
    exchange->base.user = NULL;
    exchange->base.client = NULL;
    exchange->base.ticket = 0;
    memset(&exchange->base.request, 0, offsetof(struct http_request, headers));
    exchange->base.request.header_count = 0;
    exchange->base.request.body = NULL;
    exchange->base.request.body_bytes = 0;
    exchange->base.request.is_secure = stream_is_secure(stream->connection->below);
    exchange->base.request.is_http_1_0 = false;
    exchange->base.request.is_http_2 = true;
    memset((char *)exchange + offsetof(struct exchange2, stream), 0,
           sizeof *exchange - offsetof(struct exchange2, stream));
    exchange->stream = stream;
    stream->exchange = exchange;
    if (stream->connection->owner == NULL)
        stream->connection->owner = stream;
    http_connection_count_busy(&stream->connection->base, true);
    return true;
}

static void move_text(struct http_text *text, const char *from, char *to)
{
    if (text->bytes != NULL)
        text->bytes = to + (text->bytes - from);
}

static bool is_owner(const struct http2_stream *stream)
{
    return stream->connection->owner == stream;
}

/* What its head leaves none of the connection's own bytes for; all of them, where another has these. */
static size_t own_bytes_taken(const struct http2_stream *stream)
{
    size_t bytes = stream->exchange->head_capacity;

    return is_owner(stream) && bytes < BUDGET_OWN_BYTES ? bytes : BUDGET_OWN_BYTES;
}

/* It waits at the budget's expense, from its first byte to its answer. */
static bool charge(struct http2_stream *stream, size_t head_capacity)
{
    struct exchange2 *exchange = stream->exchange;
    size_t bytes =
        is_owner(stream) ? budget_charge(head_capacity) : sizeof *exchange + head_capacity;

    if (!budget_take(server_of(stream)->budget, bytes - exchange->charged_bytes))
        return false;
    exchange->charged_bytes = (uint32_t)bytes;
    return true;
}

/* Room for so many more bytes; all texts then point into the new place. */
static bool reserve(struct exchange2 *exchange, size_t bytes)
{
    struct http_request *request = &exchange->base.request;
    size_t capacity = exchange->head_capacity > 0 ? exchange->head_capacity : HEAD_BYTES_MIN;
    char *head;

    if (exchange->head_bytes + bytes <= exchange->head_capacity)
        return true;
    while (capacity < exchange->head_bytes + bytes)
        capacity *= 2;
    head = charge(exchange->stream, capacity) ? malloc(capacity) : NULL;
    if (head == NULL)
        return false;
    if (exchange->head != NULL)
        memcpy(head, exchange->head, exchange->head_bytes);
    for (size_t i = 0; i < request->header_count; i++) {
        move_text(&request->headers[i].name, exchange->head, head);
        move_text(&request->headers[i].value, exchange->head, head);
    }
    move_text(&exchange->target, exchange->head, head);
    move_text(&exchange->authority, exchange->head, head);
    move_text(&exchange->method, exchange->head, head);
    move_text(&request->protocol, exchange->head, head);
    free(exchange->head);
    exchange->head = head;
    exchange->head_capacity = (uint32_t)capacity;
    return true;
}

static struct http_text keep(struct exchange2 *exchange, struct http_text text)
{
    char *at = exchange->head + exchange->head_bytes;

    if (text.size > 0)
        memcpy(at, text.bytes, text.size);
    exchange->head_bytes += (uint32_t)text.size;
    return (struct http_text){at, text.size};
}

/* NULL: it is of no interest (:scheme is what the client says it is). */
static struct http_text *pseudo_field(struct exchange2 *exchange, struct http_text name)
{
    if (http_text_equals(name, ":method"))
        return &exchange->method;
    if (http_text_equals(name, ":path"))
        return &exchange->target;
    if (http_text_equals(name, ":authority"))
        return &exchange->authority;
    if (http_text_equals(name, ":protocol"))
        return &exchange->base.request.protocol;
    return NULL;
}

void http2_message_field(struct http2_stream *stream, struct http_text name, struct http_text value)
{
    struct exchange2 *exchange = stream->exchange;
    struct http_request *request = &exchange->base.request;
    struct http_text *place = NULL;
    bool is_pseudo = name.bytes[0] == ':'; /* no name is empty: nghttp2 sees to that */

    if (stream->connection->list_bytes > server_of(stream)->limits->head_bytes_max ||
        (!is_pseudo && request->header_count == HTTP_HEADERS_MAX - 1))
        exchange->is_too_large = true; /* one is left for `host` */
    if (exchange->is_too_large || exchange->has_no_room)
        return;
    if (!reserve(exchange, name.size + value.size)) {
        exchange->has_no_room = true;
        return;
    }
    if (is_pseudo) {
        place = pseudo_field(exchange, name);
        if (place != NULL)
            *place = keep(exchange, value);
        return;
    }
    name = keep(exchange, name);
    request->headers[request->header_count++] = (struct http_header){name, keep(exchange, value)};
}

static enum http_method method_of(const struct exchange2 *exchange)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET", HTTP_METHOD_GET},         {"HEAD", HTTP_METHOD_HEAD},
        {"POST", HTTP_METHOD_POST},       {"OPTIONS", HTTP_METHOD_OPTIONS},
        {"CONNECT", HTTP_METHOD_CONNECT},
    };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (http_text_equals(exchange->method, methods[i].name))
            return methods[i].method;
    }
    return HTTP_METHOD_OTHER;
}

/* Whoever asks for Host finds what :authority says; both must say the same (section 8.3.1). */
static bool set_host(struct exchange2 *exchange)
{
    struct http_request *request = &exchange->base.request;
    const struct http_text *host = http_header(request, "host");

    if (exchange->authority.size == 0)
        return host != NULL && head_is_authority(*host);
    if (!head_is_authority(exchange->authority))
        return false;
    if (host != NULL)
        return host->size == exchange->authority.size &&
               strncasecmp(host->bytes, exchange->authority.bytes, host->size) == 0;
    request->headers[request->header_count++] =
        (struct http_header){{"host", sizeof "host" - 1}, exchange->authority};
    return true;
}

static bool set_target(struct exchange2 *exchange)
{
    struct http_request *request = &exchange->base.request;
    struct head_target target;

    if (exchange->target.size == 0 || !head_split_target(exchange->target, &target) ||
        target.authority.size > 0)
        return false;
    if (target.path.bytes[0] == '*' && request->method != HTTP_METHOD_OPTIONS)
        return false;
    request->path = target.path;
    request->query = target.query;
    return true;
}

/* --- answers ------------------------------------------------------------------------------------ */

struct fields {
    nghttp2_nv fields[FIELDS_MAX];
    size_t count;
    char names[NAMES_BYTES_MAX];
    size_t name_bytes;
};

static void add(struct fields *fields, const char *name, size_t name_bytes, const char *value,
                size_t value_bytes)
{
    CHECK(fields->count < FIELDS_MAX);
    fields->fields[fields->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name, /* nghttp2 copies both, and writes to neither */
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = name_bytes,
        .valuelen = value_bytes,
    };
}

static void add_text(struct fields *fields, const char *name, const char *value)
{
    add(fields, name, strlen(name), value, strlen(value));
}

/* Fields of HTTP/1.1 alone (section 8.2.2). */
static bool is_of_connection(const char *name, size_t bytes)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0)
            return true;
    }
    return false;
}

/* Our own header lines: `Name: value` and CRLF. */
static void add_lines(struct fields *fields, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        const char *end = strstr(lines, "\r\n");
        const char *colon = strchr(lines, ':');
        char *name = fields->names + fields->name_bytes;
        size_t name_bytes;

        CHECK(end != NULL && colon != NULL && colon < end && colon[1] == ' ');
        name_bytes = (size_t)(colon - lines);
        CHECK(name_bytes <= sizeof fields->names - fields->name_bytes);
        for (size_t i = 0; i < name_bytes; i++)
            name[i] = (char)(lines[i] >= 'A' && lines[i] <= 'Z' ? lines[i] | 0x20 : lines[i]);
        if (!is_of_connection(name, name_bytes)) {
            fields->name_bytes += name_bytes;
            add(fields, name, name_bytes, colon + 2, (size_t)(end - colon - 2));
        }
        lines = end + 2;
    }
}

struct head {
    int status;
    const char *content_type;
    const char *headers;
    const size_t *content_length; /* NULL: none */
};

/* The stream has to be reset when that fails: no memory. */
static int submit(struct http2_stream *stream, const struct head *head, bool has_data)
{
    nghttp2_data_provider provider = http2_data(stream);
    char length[LENGTH_TEXT_BYTES];
    char status[STATUS_TEXT_BYTES];
    struct fields fields;

    fields.count = 0;
    fields.name_bytes = 0;
    (void)snprintf(status, sizeof status, "%d", head->status);
    add_text(&fields, ":status", status);
    add_text(&fields, "date", response_date());
    add_text(&fields, "server", "sluice");
    if (head->content_type != NULL)
        add_text(&fields, "content-type", head->content_type);
    if (head->content_length != NULL) {
        (void)snprintf(length, sizeof length, "%zu", *head->content_length);
        add_text(&fields, "content-length", length);
    }
    add_lines(&fields, head->headers);
    return nghttp2_submit_response(stream->connection->session, stream->id, fields.fields,
                                   fields.count, has_data ? &provider : NULL);
}

static void respond(struct http_exchange *base, const struct http_response *response)
{
    struct exchange2 *exchange = exchange2_of(base);
    struct http2_stream *stream = exchange->stream;
    bool has_length = response_has_body(response->status) && !response->is_endless;
    bool has_data = has_length && response->body_bytes > 0 && !stream->is_to_head;
    const struct head head = {
        .status = response->status,
        .content_type = response->content_type,
        .headers = response->headers,
        .content_length = has_length ? &response->body_bytes : NULL,
    };

    CHECK(stream->state != HTTP2_OPEN);
    CHECK(!response->is_endless || stream->is_to_head);
    http2_stream_open(stream);
    if (has_data) {
        stream->is_copy = response->arena == NULL;
        response_write_body(&stream->stream, response);
        http2_count(stream);
    }
    if (!stream->stream.is_closed && submit(stream, &head, has_data) != 0)
        stream_abort(&stream->stream);
    stream_finish(&stream->stream);
    free_exchange(stream); /* not before: the answer may lie in it */
}

static struct stream *open_stream(struct http_exchange *base, const struct head *head)
{
    struct exchange2 *exchange = exchange2_of(base);
    struct http2_stream *stream = exchange->stream;

    CHECK(stream->state == HTTP2_ANSWER);
    http_exchange_name(base, &stream->stream);
    stream->ticket = base->ticket;
    base->ticket = 0;
    http2_stream_open(stream);
    if (!stream->stream.is_closed && submit(stream, head, true) != 0)
        stream_abort(&stream->stream);
    free_exchange(stream);
    return &stream->stream;
}

static struct stream *begin_stream(struct http_exchange *base, const char *content_type,
                                   const char *headers)
{
    const struct head head = {.status = 200, .content_type = content_type, .headers = headers};

    exchange2_of(base)->stream->is_end_told = true; /* the request's, not the stream's */
    return open_stream(base, &head);
}

static struct stream *upgrade(struct http_exchange *base, const char *headers)
{
    const struct head head = {.status = 200, .headers = headers};

    return open_stream(base, &head);
}

static struct stream *stream_below(const struct http_exchange *base)
{
    return exchange2_of(base)->stream->connection->below;
}

static bool is_old(const struct http_exchange *base)
{
    return exchange2_of(base)->stream->connection->base.is_old;
}

static const struct http_exchange_operations operations = {
    .respond = respond,
    .begin_stream = begin_stream,
    .upgrade = upgrade,
    .stream = stream_below,
    .is_old = is_old,
};

/* What is answered here: the head is known as far as it was good. */
static void refuse(struct http2_stream *stream, int status, const char *code, const char *message)
{
    struct http_exchange *exchange = &stream->exchange->base;
    char lines[HTTP_LINES_BYTES_MAX];
    const char *headers = http_refusal_headers(
        &stream->connection->base, stream->state == HTTP2_BODY ? exchange : NULL, status, lines);

    http_respond_error(exchange, status, code, message, headers);
}

/* The same, of a body; unless nothing is wrong with it. */
static void refuse_body(struct http2_stream *stream, enum body_result result)
{
    struct http_refusal refusal;

    if (http_refuse_body(result, server_of(stream)->limits, &refusal))
        refuse(stream, refusal.status, refusal.code, refusal.message);
}

/* --- requests ----------------------------------------------------------------------------------- */

/* What is wrong with a whole head: 0, or the status, with code and message. */
static int judge_head(struct http2_stream *stream, const char **ret_code, const char **ret_message)
{
    struct exchange2 *exchange = stream->exchange;
    struct http_request *request = &exchange->base.request;

    request->method = method_of(exchange);
    *ret_code = "unknown_method";
    *ret_message = "this method is not implemented";
    if (!head_knows_method(exchange->method))
        return 501;
    if (request->method == HTTP_METHOD_CONNECT && !http_text_equals(request->protocol, "websocket"))
        return 501; /* RFC 8441 section 4 knows no other use of it here */
    *ret_code = "bad_request";
    *ret_message = "malformed :path, :authority or host";
    if (!set_target(exchange) || !set_host(exchange))
        return 400;
    *ret_code = "unknown_expectation";
    *ret_message = "only 100-continue is known";
    if (!http_expectation_is_known(request))
        return 417;
    *ret_code = "unavailable";
    *ret_message = "too much of what was asked before has not been taken";
    return stream->connection->answer_bytes > HTTP2_ANSWERS_BYTES ? 503 : 0;
}

/* Of a head that nghttp2 has seen: digits, if there is one, and less than 2^63. */
static uint64_t content_length(const struct http_request *request)
{
    const struct http_text *text = http_header(request, "content-length");
    uint64_t length = 0;

    for (size_t i = 0; text != NULL && i < text->size; i++)
        length = length * 10 + (uint64_t)(text->bytes[i] - '0');
    return length;
}

/* RFC 9110 section 10.1.1: what of the body has come may not be known yet. False: no memory. */
static bool answer_expectation(struct http2_stream *stream)
{
    static char name[] = ":status"; /* nghttp2 copies both */
    static char go_on[] = "100";
    const nghttp2_nv field = {(uint8_t *)name, (uint8_t *)go_on, sizeof name - 1, sizeof go_on - 1,
                              NGHTTP2_NV_FLAG_NONE};

    if (http_header(&stream->exchange->base.request, "expect") == NULL)
        return true;
    return nghttp2_submit_headers(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NULL,
                                  &field, 1, NULL) == 0;
}

static void dispatch(struct http2_stream *stream)
{
    struct exchange2 *exchange = stream->exchange;
    struct http_server *server = server_of(stream);

    timer_stop(&stream->timer);
    stream->state = HTTP2_ANSWER;
    exchange->base.request.body = exchange->body.bytes;
    exchange->base.request.body_bytes = exchange->body.size;
    server->handlers->on_request(server->user, &exchange->base);
}

static void begin_body(struct http2_stream *stream)
{
    struct exchange2 *exchange = stream->exchange;
    const struct http_limits *limits = server_of(stream)->limits;
    const struct body_limits body_limits = {
        .bytes_max = limits->body_bytes_max,
        .beside_bytes = own_bytes_taken(stream),
        .budget = server_of(stream)->budget,
    };

    stream->state = HTTP2_BODY;
    body_begin_open(&exchange->body, &body_limits);
    stream->mark = 0;
    http2_start_timer(stream->connection, &stream->timer, limits->body_timeout_ns);
    /* A WebSocket begins with its head; what follows is its own (RFC 8441 section 5). */
    if (exchange->base.request.method == HTTP_METHOD_CONNECT)
        dispatch(stream);
}

void http2_message_head(struct http2_stream *stream, bool has_ended)
{
    struct exchange2 *exchange = stream->exchange;
    const struct http_limits *limits = server_of(stream)->limits;
    const char *code;
    const char *message;
    int status;

    stream->connection->is_used = true;
    stream->is_to_head = http_text_equals(exchange->method, "HEAD");
    if (exchange->is_too_large) {
        struct http_refusal refusal = http_refuse_head_size(limits);

        refuse(stream, refusal.status, refusal.code, refusal.message);
        return;
    }
    if (exchange->has_no_room) {
        refuse(stream, 503, "unavailable", "no room for a request");
        return;
    }
    status = judge_head(stream, &code, &message);
    if (status != 0) {
        refuse(stream, status, code, message);
        return;
    }
    if (content_length(&exchange->base.request) > limits->body_bytes_max) {
        stream->state = HTTP2_BODY;
        refuse_body(stream, BODY_TOO_LARGE);
        return;
    }
    if (!has_ended && !answer_expectation(stream)) {
        stream_abort(&stream->stream);
        return;
    }
    begin_body(stream);
}

void http2_message_data(struct http2_stream *stream, const uint8_t *bytes, size_t size)
{
    size_t consumed;

    (void)nghttp2_session_consume_stream(stream->connection->session, stream->id, size);
    if (stream->state != HTTP2_BODY)
        return;
    refuse_body(stream, body_feed(&stream->exchange->body, bytes, size, &consumed));
}

void http2_message_end(struct http2_stream *stream)
{
    if (stream->state == HTTP2_BODY)
        dispatch(stream);
}

void http2_message_gone(struct http2_stream *stream)
{
    struct http_exchange *exchange = &stream->exchange->base;

    if (stream->state == HTTP2_ANSWER && exchange->on_gone != NULL)
        exchange->on_gone(exchange->user);
    free_exchange(stream);
}

void http2_message_late(struct http2_stream *stream)
{
    const struct http_limits *limits = server_of(stream)->limits;
    uint32_t moved = (uint32_t)stream->exchange->body.size - stream->mark;
    int64_t earned_ns = http_patience_ns(limits, moved, limits->body_timeout_ns);

    if (earned_ns > 0) {
        stream->mark += moved;
        http2_start_timer(stream->connection, &stream->timer, earned_ns);
        return;
    }
    refuse(stream, 408, "timeout", "the request took too long to arrive");
}
