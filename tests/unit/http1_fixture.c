#include "tests/unit/http1_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/timer.h"

/* --- the user of the HTTP layer: what it does is the path --------------------------------------- */

static size_t taker_on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct taker *self = user;

    assert_true(self->bytes + size < sizeof self->text);
    memcpy(self->text + self->bytes, bytes, size);
    self->bytes += size;
    return size;
}

static void taker_on_close(void *user, enum stream_close_reason reason)
{
    struct taker *self = user;

    (void)reason;
    self->is_closed = true;
}

void http1_take_over(struct http1_fixture *fixture, struct stream *stream)
{
    static const struct stream_handlers handlers = {
        .on_data = taker_on_data,
        .on_close = taker_on_close,
    };

    fixture->taker = (struct taker){.stream = stream};
    stream_set_user(stream, &handlers, &fixture->taker);
}

static void on_gone(void *user)
{
    struct http1_fixture *fixture = user;

    fixture->gone_count++;
    fixture->later = NULL;
}

void http1_answer(struct http_exchange *exchange, bool is_last)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", "OTHER"};
    const struct http_request *request = http_request(exchange);
    char text[2048];
    int length = snprintf(text, sizeof text, "%s %.*s?%.*s %.*s", methods[request->method],
                          (int)request->path.size, request->path.bytes, (int)request->query.size,
                          request->query.bytes, (int)request->body_bytes,
                          request->body != NULL ? (const char *)request->body : "");
    struct http_response response = {
        .status = 200,
        .content_type = "text/plain",
        .headers = "X-More: yes\r\n",
        .body = text,
        .body_bytes = (size_t)length,
        .is_last = is_last,
    };

    http_respond(exchange, &response);
}

static void answer_big(struct http1_fixture *fixture, struct http_exchange *exchange)
{
    const struct http_response response = {
        .status = 200,
        .content_type = "text/plain",
        .body = fixture->big,
        .body_bytes = BIG_BYTES,
    };

    http_respond(exchange, &response);
}

static void on_request(void *user, struct http_exchange *exchange)
{
    struct http1_fixture *f = user;
    struct http_text path = http_request(exchange)->path;

    f->request_count++;
    if (http_text_equals(path, "/later")) {
        assert_null(f->later);
        f->later = exchange;
        http_exchange_set_user(exchange, on_gone, f);
    } else if (http_text_equals(path, "/last")) {
        http1_answer(exchange, true);
    } else if (http_text_equals(path, "/error")) {
        http_respond_error(exchange, 404, "not_found", "nothing \"here\"", NULL);
    } else if (http_text_equals(path, "/empty")) {
        http_respond(exchange, &(struct http_response){.status = 204});
    } else if (http_text_equals(path, "/big")) {
        answer_big(f, exchange);
    } else if (http_text_equals(path, "/stream") &&
               http_request(exchange)->method == HTTP_METHOD_HEAD) {
        http_respond(exchange, &(struct http_response){
                                   .status = 200,
                                   .content_type = "text/event-stream",
                                   .headers = "X-A: b\r\n",
                                   .is_endless = true,
                               });
    } else if (http_text_equals(path, "/stream")) {
        http1_take_over(f, http_begin_stream(exchange, "text/event-stream", "X-A: b\r\n"));
    } else if (http_text_equals(path, "/upgrade")) {
        http1_take_over(f, http_upgrade(exchange, "Upgrade: x\r\nConnection: Upgrade\r\n"));
    } else {
        http1_answer(exchange, false);
    }
}

static void on_incident(void *user, enum http_incident incident)
{
    struct http1_fixture *f = user;

    if (incident == HTTP_EVICTED)
        f->evicted_count++;
    else
        f->malformed_count++;
}

/* --- begin and end ------------------------------------------------------------------------------ */

static void begin(struct http1_fixture *f)
{
    static const struct http_handlers handlers = {
        .on_request = on_request,
        .on_incident = on_incident,
    };

    *f = (struct http1_fixture){0};
    assert_int_equal(timer_wheel_open(f->now_ns, &f->wheel), 0);
    f->limits = (struct http_limits){
        .head_bytes_max = 1024,
        .body_bytes_max = 1000,
        .rate_bytes_min = 10,
        .head_timeout_ns = 10 * SECOND,
        .body_timeout_ns = 20 * SECOND,
        .idle_timeout_ns = 60 * SECOND,
        .write_timeout_ns = 30 * SECOND,
    };
    f->server = (struct http_server){
        .handlers = &handlers, .user = f, .limits = &f->limits, .timers = f->wheel};
    f->big = malloc(BIG_BYTES);
    assert_non_null(f->big);
    memset(f->big, 'x', BIG_BYTES);
    fake_stream_init(&f->fake);
    assert_int_equal(http1_serve(&f->server, &f->fake.stream), 0);
}

static void end(struct http1_fixture *f)
{
    fake_stream_done(&f->fake);
    assert_null(f->server.connections);
    assert_null(f->server.waiting);
    assert_int_equal(f->server.waiting_count, 0);
    assert_int_equal(f->budget.used_bytes, 0);
    timer_wheel_close(f->wheel);
    free(f->big);
}

int http1_setup(void **state)
{
    struct http1_fixture *f = malloc(sizeof *f);

    assert_non_null(f);
    begin(f);
    *state = f;
    return 0;
}

int http1_teardown(void **state)
{
    end(*state);
    free(*state);
    return 0;
}

void http1_restart(struct http1_fixture *fixture)
{
    end(fixture);
    begin(fixture);
}

/* --- the client --------------------------------------------------------------------------------- */

void client_feed(struct http1_fixture *fixture, const char *text)
{
    fake_stream_feed(&fixture->fake, text, strlen(text));
    fake_stream_run(&fixture->fake);
}

void client_pass(struct http1_fixture *fixture, int64_t ns)
{
    fixture->now_ns += ns;
    (void)timer_wheel_advance(fixture->wheel, fixture->now_ns);
    fake_stream_run(&fixture->fake);
}

/* Cuts "Date: Sun, 06 Nov 1994 08:49:37 GMT" lines out, having looked at them. */
static void cut_dates(char *text)
{
    char *line;

    while ((line = strstr(text, "Date: ")) != NULL) {
        static const char form[] = "Date: Aaa, 00 Aaa 0000 00:00:00 GMT\r\n";

        assert_true(strlen(line) >= sizeof form - 1);
        for (size_t i = 0; i < sizeof form - 1; i++) {
            if (form[i] == '0')
                assert_in_range(line[i], '0', '9');
            else if (i >= 6 && (form[i] == 'A' || form[i] == 'a'))
                assert_in_range(line[i] | 0x20, 'a', 'z');
            else
                assert_int_equal(line[i], form[i]);
        }
        memmove(line, line + sizeof form - 1, strlen(line + sizeof form - 1) + 1);
    }
}

void assert_sent(struct http1_fixture *fixture, const char *wanted)
{
    char *text = strdup(fake_stream_take(&fixture->fake, NULL));

    assert_non_null(text);
    cut_dates(text);
    assert_string_equal(text, wanted);
    free(text);
}

void assert_sent_begins(struct http1_fixture *fixture, const char *wanted)
{
    const char *text = fake_stream_take(&fixture->fake, NULL);

    if (strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("sent: %s", text);
}
