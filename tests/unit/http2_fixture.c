#include "tests/unit/http2_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/net/timer.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* --- who takes streams over --------------------------------------------------------------------- */

static size_t taker_on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct http2_taker *self = user;

    assert_false(self->is_closed);
    assert_false(self->has_ended);
    switch (self->manner) {
    case 'a':
        stream_abort(self->stream);
        return 0;
    case 'p':
        stream_pause(self->stream);
        return 0;
    case 'h':
        size = (size + 1) / 2;
        break;
    case 'e':
        stream_write(self->stream, bytes, size);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < size && self->bytes + i < sizeof self->text - 1; i++)
        self->text[self->bytes + i] = (char)bytes[i];
    self->bytes += size;
    return size;
}

static void taker_on_end(void *user)
{
    struct http2_taker *self = user;

    assert_false(self->has_ended);
    self->has_ended = true;
    if (self->manner == 'e')
        stream_finish(self->stream);
}

static void taker_on_drained(void *user)
{
    struct http2_taker *self = user;

    self->drained_count++;
}

static void taker_on_close(void *user, enum stream_close_reason reason)
{
    struct http2_taker *self = user;

    assert_false(self->is_closed);
    self->is_closed = true;
    self->reason = reason;
}

static void take_over(struct http2_fixture *f, struct stream *stream, char manner)
{
    static const struct stream_handlers handlers = {
        .on_data = taker_on_data,
        .on_end = taker_on_end,
        .on_drained = taker_on_drained,
        .on_close = taker_on_close,
    };
    struct http2_taker *taker = f->takers;

    /* In order, and once there is no more room whichever has gone. */
    if (f->taker_count < HTTP2_TAKERS_MAX)
        taker += f->taker_count++;
    while (taker->stream != NULL && !taker->is_closed)
        taker++;
    assert_true(taker < f->takers + HTTP2_TAKERS_MAX);
    *taker = (struct http2_taker){.fixture = f, .stream = stream, .manner = manner};
    stream_set_user(stream, &handlers, taker);
}

/* --- the user of the HTTP layer ----------------------------------------------------------------- */

static void on_gone(void *user)
{
    struct http_exchange **place = user;

    assert_non_null(*place);
    *place = NULL;
}

static void describe(struct http2_fixture *f, const struct http_request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", "CONNECT", "OTHER"};

    (void)snprintf(f->last, sizeof f->last, "%s %.*s?%.*s %.*s", methods[request->method],
                   (int)request->path.size, request->path.bytes, (int)request->query.size,
                   request->query.bytes, (int)request->body_bytes,
                   request->body != NULL ? (const char *)request->body : "");
}

void http2_answer(struct http2_fixture *f, struct http_exchange *exchange)
{
    struct http_response response = {
        .status = 200, .content_type = "text/plain", .headers = "X-More: yes\r\nConnection: x\r\n"};

    describe(f, http_request(exchange));
    response.body = f->last;
    response.body_bytes = strlen(f->last);
    http_respond(exchange, &response);
}

static bool is_for(struct http_text path, const char *what)
{
    return http_text_equals(path, what);
}

/* As for takers. */
static void answer_later(struct http2_fixture *f, struct http_exchange *exchange)
{
    struct http_exchange **place = f->later;

    if (f->later_count < HTTP2_LATER_MAX)
        place += f->later_count++;
    while (*place != NULL)
        place++;
    assert_true(place < f->later + HTTP2_LATER_MAX);
    *place = exchange;
    http_exchange_set_user(exchange, on_gone, place);
}

static void serve_connect(struct http2_fixture *f, struct http_exchange *exchange)
{
    struct http_text path = http_request(exchange)->path;

    if (is_for(path, "/later") || is_for(path, "/keep") || is_for(path, "/echo") ||
        is_for(path, "/abort") || is_for(path, "/pause") || is_for(path, "/half"))
        take_over(f, http_upgrade(exchange, "X-A: b\r\nUpgrade: x\r\n"), path.bytes[1]);
    else
        http_respond_error(exchange, 404, "not_found", "nothing here", NULL);
}

static void on_request(void *user, struct http_exchange *exchange)
{
    struct http2_fixture *f = user;
    const struct http_request *request = http_request(exchange);
    struct http_text path = request->path;

    f->request_count++;
    if (f->gives_tickets)
        http_exchange_give_ticket(exchange, (uint64_t)f->request_count);
    describe(f, request);
    if (is_for(path, "/later")) {
        answer_later(f, exchange);
    } else if (request->method == HTTP_METHOD_CONNECT) {
        serve_connect(f, exchange);
    } else if (is_for(path, "/error")) {
        http_respond_error(exchange, 404, "not_found", "nothing \"here\"", NULL);
    } else if (is_for(path, "/empty")) {
        http_respond(exchange, &(struct http_response){.status = 204});
    } else if (is_for(path, "/big")) {
        http_respond(exchange, &(struct http_response){.status = 200,
                                                       .content_type = "text/plain",
                                                       .body = f->big,
                                                       .body_bytes = HTTP2_BIG_BYTES});
    } else if (is_for(path, "/body")) { /* its answer lies in the request */
        http_respond(exchange, &(struct http_response){.status = 200,
                                                       .content_type = "text/plain",
                                                       .body = request->body,
                                                       .body_bytes = request->body_bytes});
    } else if (is_for(path, "/stream") && request->method == HTTP_METHOD_HEAD) {
        http_respond(exchange, &(struct http_response){.status = 200,
                                                       .content_type = "text/event-stream",
                                                       .is_endless = true});
    } else if (is_for(path, "/stream")) {
        take_over(f, http_begin_stream(exchange, "text/event-stream", "X-A: b\r\n"), 's');
    } else {
        http2_answer(f, exchange);
    }
}

static void on_ticket(void *user, uint64_t ticket)
{
    struct http2_fixture *f = user;

    assert_in_range(ticket, 1, 63);
    assert_int_equal(f->tickets & UINT64_C(1) << ticket, 0); /* once */
    f->tickets |= UINT64_C(1) << ticket;
}

static void on_incident(void *user, enum http_incident incident)
{
    struct http2_fixture *f = user;

    if (incident == HTTP_EVICTED)
        f->evicted_count++;
    else
        f->malformed_count++;
}

/* --- begin and end ------------------------------------------------------------------------------ */

void http2_begin(struct http2_fixture *f)
{
    static const struct http_handlers handlers = {
        .on_request = on_request,
        .on_incident = on_incident,
        .on_ticket = on_ticket,
    };

    memset(f, 0, sizeof *f);
    assert_int_equal(timer_wheel_open(f->now_ns, &f->wheel), 0);
    f->limits = (struct http_limits){
        .head_bytes_max = 1024,
        .body_bytes_max = 1000,
        .rate_bytes_min = 10,
        .allows_connect = true,
        .head_timeout_ns = 10 * SECOND,
        .body_timeout_ns = 20 * SECOND,
        .idle_timeout_ns = 60 * SECOND,
        .write_timeout_ns = 30 * SECOND,
    };
    f->server = (struct http_server){
        .handlers = &handlers, .user = f, .limits = &f->limits, .timers = f->wheel};
    f->big = malloc(HTTP2_BIG_BYTES);
    assert_non_null(f->big);
    memset(f->big, 'x', HTTP2_BIG_BYTES);
    fake_stream_init(&f->fake);
    http2_reader_init(&f->reader);
    assert_int_equal(http1_serve(&f->server, &f->fake.stream), 0);
}

void http2_end(struct http2_fixture *f)
{
    fake_stream_done(&f->fake);
    for (size_t i = 0; i < f->taker_count; i++)
        assert_true(f->takers[i].is_closed);
    for (size_t i = 0; i < f->later_count; i++)
        assert_null(f->later[i]);
    assert_null(f->server.connections);
    assert_null(f->server.waiting);
    assert_int_equal(f->server.waiting_count, 0);
    assert_int_equal(f->server.busy_count, 0);
    assert_int_equal(f->budget.used_bytes, 0);
    http2_reader_done(&f->reader);
    timer_wheel_close(f->wheel);
    free(f->big);
}

void http2_greet(struct http2_fixture *f)
{
    http2_send_bytes(f, preface, sizeof preface - 1);
    http2_send(f, "SETTINGS 0; SETTINGS+ACK 0;");
}

int http2_setup(void **state)
{
    struct http2_fixture *f = malloc(sizeof *f);

    assert_non_null(f);
    http2_begin(f);
    http2_greet(f);
    f->parameter = *state;
    *state = f;
    return 0;
}

int http2_teardown(void **state)
{
    http2_end(*state);
    free(*state);
    return 0;
}

void http2_restart(struct http2_fixture *f)
{
    http2_end(f);
    http2_begin(f);
    http2_greet(f);
}

/* --- the client --------------------------------------------------------------------------------- */

static void read_sent(struct http2_fixture *f)
{
    size_t size;
    const char *bytes = fake_stream_take(&f->fake, &size);

    http2_reader_feed(&f->reader, bytes, size);
}

void http2_run(struct http2_fixture *f)
{
    fake_stream_run(&f->fake);
    read_sent(f);
}

void http2_send_bytes(struct http2_fixture *f, const void *bytes, size_t size)
{
    fake_stream_feed(&f->fake, bytes, size);
    http2_run(f);
}

void http2_send(struct http2_fixture *f, const char *script)
{
    struct text out = {0};

    http2_put_script(&out, script);
    http2_reader_sent(&f->reader, out.bytes, out.size);
    http2_send_bytes(f, out.bytes, out.size);
    text_done(&out);
}

void http2_pass(struct http2_fixture *f, int64_t ns)
{
    f->now_ns += ns;
    (void)timer_wheel_advance(f->wheel, f->now_ns);
    http2_run(f);
}

/* --- what has come ------------------------------------------------------------------------------ */

static bool is_wanted(const struct http2_frame *frame, uint8_t type, int32_t id)
{
    return frame->type == type && (id < 0 || frame->id == id);
}

const struct http2_frame *http2_next(struct http2_fixture *f, uint8_t type, int32_t id)
{
    while (f->looked_at < f->reader.count) {
        const struct http2_frame *frame = &f->reader.frames[f->looked_at++];

        if (is_wanted(frame, type, id))
            return frame;
    }
    return NULL;
}

void http2_rewind(struct http2_fixture *f)
{
    f->looked_at = 0;
}

size_t http2_sent_count(const struct http2_fixture *f, uint8_t type, int32_t id)
{
    size_t count = 0;

    for (size_t i = 0; i < f->reader.count; i++)
        count += is_wanted(&f->reader.frames[i], type, id) ? 1 : 0;
    return count;
}

size_t http2_data_bytes(const struct http2_fixture *f, int32_t id)
{
    size_t bytes = 0;

    for (size_t i = 0; i < f->reader.count; i++)
        bytes += is_wanted(&f->reader.frames[i], NGHTTP2_DATA, id) ? f->reader.frames[i].length : 0;
    return bytes;
}

/* All that was said, when a test has failed. */
static void show(const struct http2_fixture *f)
{
    if (f->reader.frames == NULL)
        return;
    for (size_t i = 0; i < f->reader.count; i++) {
        const struct http2_frame *frame = &f->reader.frames[i];

        print_message("type %u flags %#x stream %d length %u code %u\n%s", frame->type,
                      frame->flags, frame->id, frame->length, frame->code,
                      frame->fields != NULL ? frame->fields : "");
    }
}

void assert_answered(struct http2_fixture *f, int32_t id, int status, const char *body)
{
    struct text data = {0};
    char begin[32];
    bool has_begun = false;
    bool has_ended = false;

    (void)snprintf(begin, sizeof begin, ":status: %d\n", status);
    for (size_t i = 0; i < f->reader.count; i++) {
        const struct http2_frame *frame = &f->reader.frames[i];

        if (is_wanted(frame, NGHTTP2_HEADERS, id))
            has_begun |= strncmp(frame->fields, begin, strlen(begin)) == 0;
        if (is_wanted(frame, NGHTTP2_DATA, id))
            text_add(&data, frame->payload, frame->length);
        if (is_wanted(frame, NGHTTP2_HEADERS, id) || is_wanted(frame, NGHTTP2_DATA, id))
            has_ended |= (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    text_add(&data, "", 1);
    if (!has_begun || !has_ended) {
        show(f);
        fail_msg("stream %d: no answer with %d, or no end of it", id, status);
    }
    if (body != NULL)
        assert_string_equal(data.bytes, body);
    text_done(&data);
}

void assert_goes_on(struct http2_fixture *f)
{
    static const char ping[] = "PING 0 'goes on?';";
    size_t before = http2_sent_count(f, NGHTTP2_PING, 0);

    if (f->fake.is_reported || f->fake.stream.is_finishing) {
        show(f);
        fail_msg("the connection has ended");
    }
    http2_send(f, ping);
    assert_int_equal(http2_sent_count(f, NGHTTP2_PING, 0), before + 1);
    assert_int_equal(http2_sent_count(f, NGHTTP2_GOAWAY, 0), 0);
}

void assert_reset(struct http2_fixture *f, int32_t id, uint32_t code)
{
    for (size_t i = 0; i < f->reader.count; i++) {
        const struct http2_frame *frame = &f->reader.frames[i];

        if (is_wanted(frame, NGHTTP2_RST_STREAM, id) && frame->code == code) {
            assert_goes_on(f);
            return;
        }
    }
    show(f);
    fail_msg("stream %d: no RST_STREAM with %u", id, code);
}

void assert_connection_error(struct http2_fixture *f, uint32_t code)
{
    const struct http2_frame *last =
        f->reader.count > 0 ? &f->reader.frames[f->reader.count - 1] : NULL;

    if (last == NULL || last->type != NGHTTP2_GOAWAY || last->code != code) {
        show(f);
        fail_msg("the last word is no GOAWAY with %u", code);
    }
    assert_true(f->fake.is_reported);
    assert_true(http2_reader_is_between_frames(&f->reader));
}
