#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http1.h"
#include "server/net/timer.h"
#include "tests/unit/fake_stream.h"

#define SECOND INT64_C(1000000000)

enum {
    BIG_BYTES = 300 * 1024,
};

/* What takes a stream over: it keeps what it is given. */
struct taker {
    struct stream *stream;
    char text[64];
    size_t bytes;
    bool is_closed;
};

static struct fake_stream fake;
static struct timer_wheel *wheel;
static int64_t now_ns;
static struct http_limits limits;
static struct http_server server;
static struct http_exchange *later; /* waits for its answer */
static struct taker taker;
static int gone_count;
static int request_count;
static char *big;

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

static const struct stream_handlers taker_handlers = {
    .on_data = taker_on_data,
    .on_close = taker_on_close,
};

static void take_over(struct stream *stream)
{
    taker = (struct taker){.stream = stream};
    stream_set_user(stream, &taker_handlers, &taker);
}

static void on_gone(void *user)
{
    assert_ptr_equal(user, &gone_count);
    gone_count++;
    later = NULL;
}

/* Says back what it got. */
static void answer(struct http_exchange *exchange, bool is_last)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", "OTHER"};
    const struct http_request *request = http_request(exchange);
    char text[256];
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

static void on_request(void *user, struct http_exchange *exchange)
{
    struct http_text path = http_request(exchange)->path;

    assert_ptr_equal(user, &server);
    assert_ptr_equal(http_exchange_stream(exchange), &fake.stream);
    request_count++;
    if (http_text_equals(path, "/later")) {
        assert_null(later);
        later = exchange;
        http_exchange_set_user(exchange, on_gone, &gone_count);
    } else if (http_text_equals(path, "/last")) {
        answer(exchange, true);
    } else if (http_text_equals(path, "/error")) {
        http_respond_error(exchange, 404, "not_found", "nothing \"here\"", NULL);
    } else if (http_text_equals(path, "/empty")) {
        http_respond(exchange, &(struct http_response){.status = 204});
    } else if (http_text_equals(path, "/big")) {
        http_respond(exchange, &(struct http_response){
                                   .status = 200,
                                   .content_type = "text/plain",
                                   .body = big,
                                   .body_bytes = BIG_BYTES,
                               });
    } else if (http_text_equals(path, "/stream")) {
        take_over(http_begin_stream(exchange, "text/event-stream", "X-A: b\r\n"));
    } else if (http_text_equals(path, "/upgrade")) {
        take_over(http_upgrade(exchange, "Upgrade: x\r\nConnection: Upgrade\r\n"));
    } else {
        answer(exchange, false);
    }
}

static int begin(void **state)
{
    static const struct http_handlers handlers = {.on_request = on_request};

    (void)state;
    now_ns = 0;
    later = NULL;
    gone_count = 0;
    request_count = 0;
    assert_int_equal(timer_wheel_open(now_ns, &wheel), 0);
    limits = (struct http_limits){
        .head_bytes_max = 1024,
        .body_bytes_max = 1000,
        .head_timeout_ns = 10 * SECOND,
        .body_timeout_ns = 20 * SECOND,
        .idle_timeout_ns = 60 * SECOND,
        .write_timeout_ns = 30 * SECOND,
    };
    server = (struct http_server){
        .handlers = &handlers, .user = &server, .limits = &limits, .timers = wheel};
    big = malloc(BIG_BYTES);
    assert_non_null(big);
    memset(big, 'x', BIG_BYTES);
    fake_stream_init(&fake);
    assert_int_equal(http1_serve(&server, &fake.stream), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_stream_done(&fake);
    assert_null(server.connections);
    timer_wheel_close(wheel);
    free(big);
    return 0;
}

static void restart(void)
{
    assert_int_equal(end(NULL), 0);
    assert_int_equal(begin(NULL), 0);
}

/* --- the client ----------------------------------------------------------------------------------- */

static void feed(const char *text)
{
    fake_stream_feed(&fake, text, strlen(text));
    fake_stream_run(&fake);
}

static void pass(int64_t ns)
{
    now_ns += ns;
    (void)timer_wheel_advance(wheel, now_ns);
    fake_stream_run(&fake);
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

static void assert_sent(const char *wanted)
{
    char *text = strdup(fake_stream_take(&fake, NULL));

    assert_non_null(text);
    cut_dates(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void assert_sent_begins(const char *wanted)
{
    const char *text = fake_stream_take(&fake, NULL);

    if (strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("sent: %s", text);
}

#define SERVER "Server: sluice\r\n"
#define OK(length, body)                                                                           \
    "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: " length             \
    "\r\nX-More: yes\r\n\r\n" body
#define OK_CLOSE(length, body)                                                                     \
    "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: " length             \
    "\r\nConnection: close\r\nX-More: yes\r\n\r\n" body

/* --- requests and answers ------------------------------------------------------------------------- */

static void a_request_is_answered_and_the_connection_kept(void **state)
{
    (void)state;
    feed("GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(OK("11", "GET /a?b=c "));
    feed("GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(OK("8", "GET /d? "));
    assert_false(fake.stream.is_closed);
}

static void requests_are_answered_the_same_at_every_split(void **state)
{
    static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                               "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                               "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "2\r\nde\r\n1\r\nf\r\n0\r\nT: x\r\n\r\n"
                               "\r\nHEAD /4 HTTP/1.1\r\nHost: h\r\n\r\n"
                               "GET /error HTTP/1.1\r\nHost: h\r\n\r\n"
                               "GET /last HTTP/1.1\r\nHost: h\r\n\r\nGET /never HTTP/1.1\r\n";
    static const char wanted[] = OK("8", "GET /1? ") OK("12", "POST /2? abc") OK("12",
                                                                                 "POST /3? def")
        OK("9",
           "") "HTTP/1.1 404 Not Found\r\n" SERVER "Content-Type: application/json\r\n"
               "Content-Length: 59\r\n\r\n"
               "{\"error\":{\"code\":\"not_found\",\"message\":\"nothing \\\"here\\\"\"}}" OK_CLOSE(
                   "11", "GET /last? ");

    (void)state;
    for (size_t split = 0; split < sizeof text; split++) {
        fake_stream_feed(&fake, text, split);
        fake_stream_run(&fake);
        fake_stream_feed(&fake, text + split, sizeof text - 1 - split);
        fake_stream_run(&fake);
        assert_sent(wanted);
        assert_int_equal(request_count, 6);
        assert_true(fake.is_reported);
        restart();
    }
}

static void requests_are_answered_the_same_byte_by_byte(void **state)
{
    static const char text[] = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                               "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n";

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        fake_stream_feed(&fake, text + i, 1);
        fake_stream_run(&fake);
    }
    assert_sent(OK("11", "POST /1? ab") OK("8", "GET /2? "));
}

static void an_answer_may_come_later_and_pipelined_requests_wait_for_it(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(request_count, 1);
    assert_true(fake.stream.is_paused);
    assert_sent("");
    answer(later, false);
    later = NULL;
    fake_stream_run(&fake);
    assert_int_equal(request_count, 2);
    assert_sent(OK("12", "GET /later? ") OK("8", "GET /b? "));
    assert_false(fake.stream.is_paused);
}

static void a_client_that_goes_before_the_answer_is_told_of_once(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_reset(&fake);
    fake_stream_run(&fake);
    assert_int_equal(gone_count, 1);
    assert_null(server.connections);
}

static void an_answer_to_a_closed_stream_is_harmless(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_reset(&fake); /* on_close has still to come */
    answer(later, false);
    fake_stream_run(&fake);
    assert_int_equal(gone_count, 0);
    assert_null(server.connections);
}

static void a_half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_end(&fake);
    fake_stream_run(&fake);
    assert_false(fake.is_reported);
    answer(later, false);
    later = NULL;
    fake_stream_run(&fake);
    fake_stream_run(&fake);
    assert_sent(OK("12", "GET /later? ") OK("8", "GET /b? "));
    assert_true(fake.is_reported);
}

static void an_end_inside_a_request_closes_without_a_word(void **state)
{
    (void)state;
    feed("GET /a HTTP/1.1\r\nHo");
    fake_stream_end(&fake);
    fake_stream_run(&fake);
    assert_sent("");
    assert_true(fake.is_reported);
}

static void http_1_0_closes_unless_asked_to_stay(void **state)
{
    (void)state;
    feed("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_sent("HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: 8\r\n"
                "Connection: keep-alive\r\nX-More: yes\r\n\r\nGET /a? ");
    feed("GET /b HTTP/1.0\r\n\r\n");
    assert_sent(OK_CLOSE("8", "GET /b? "));
    assert_true(fake.is_reported);
}

static void an_answer_without_a_body_has_no_length(void **state)
{
    (void)state;
    feed("GET /empty HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent("HTTP/1.1 204 No Content\r\n" SERVER "\r\n");
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
    (void)state;
    feed("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    assert_sent("HTTP/1.1 100 Continue\r\n\r\n");
    feed("hi");
    assert_sent(OK("11", "POST /a? hi"));
    /* The body is on its way already. */
    feed("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    assert_sent(OK("11", "POST /b? hi"));
    /* HTTP/1.0 knows no such thing. */
    feed("POST /c HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_sent("");
}

static void an_unknown_expectation_fails(void **state)
{
    (void)state;
    feed("GET /a HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n");
    assert_sent_begins("HTTP/1.1 417 Expectation Failed\r\n");
    assert_true(fake.is_reported);
    assert_int_equal(request_count, 0);
}

/* --- refusals ------------------------------------------------------------------------------------- */

static void what_is_malformed_is_answered_and_closed(void **state)
{
    static const struct {
        const char *text;
        const char *status;
        const char *code;
    } cases[] = {
        {"GET / HTTP/1.1\n\n", "400 Bad Request", "bad_request"},
        {"\x16\x03\x01\x02", "400 Bad Request", "bad_request"},
        {"\r\n\r\nGET / HTTP/1.1\r\n", "400 Bad Request", "bad_request"},
        {"\rGET / HTTP/1.1\r\n", "400 Bad Request", "bad_request"},
        {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "bad_request"},
        {"GET a HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request", "bad_request"},
        {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported", "unknown_version"},
        {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501 Not Implemented", "unknown_method"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "400 Bad Request",
         "bad_request"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400 Bad Request",
         "bad_request"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
         "413 Content Too Large", "too_large"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
         "413 Content Too Large", "too_large"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[128];
        const char *text;

        feed(cases[i].text);
        feed("GET /ignored HTTP/1.1\r\nHost: h\r\n\r\n");
        text = fake_stream_take(&fake, NULL);
        (void)snprintf(wanted, sizeof wanted, "HTTP/1.1 %s\r\n", cases[i].status);
        if (strncmp(text, wanted, strlen(wanted)) != 0)
            fail_msg("%s: %s", cases[i].text, text);
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        (void)snprintf(wanted, sizeof wanted, "\r\n\r\n{\"error\":{\"code\":\"%s\",\"message\":\"",
                       cases[i].code);
        assert_non_null(strstr(text, wanted));
        assert_null(strstr(text, "100 Continue"));
        assert_true(fake.is_reported);
        assert_int_equal(request_count, 0);
        restart();
    }
}

static void a_head_over_the_limit_is_431(void **state)
{
    (void)state;
    feed("GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        feed("X: y\r\n");
    assert_sent_begins("HTTP/1.1 431 ");
    assert_true(fake.is_reported);
}

static void a_limit_changed_by_a_reload_holds_for_the_next_request(void **state)
{
    (void)state;
    feed("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_sent(OK("12", "POST /a? abc"));
    limits.body_bytes_max = 2;
    feed("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_sent_begins("HTTP/1.1 413 ");
}

/* --- time ----------------------------------------------------------------------------------------- */

static void a_silent_newcomer_is_closed_without_a_word(void **state)
{
    (void)state;
    pass(9 * SECOND);
    assert_false(fake.is_reported);
    pass(2 * SECOND);
    assert_true(fake.is_reported);
    assert_sent("");
}

static void a_slow_head_is_408_however_often_a_byte_comes(void **state)
{
    (void)state;
    feed("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 9; i++) {
        feed("X");
        pass(SECOND);
    }
    assert_false(fake.is_reported);
    pass(2 * SECOND);
    assert_sent_begins("HTTP/1.1 408 Request Timeout\r\n");
    assert_true(fake.is_reported);
}

static void a_slow_body_is_408(void **state)
{
    (void)state;
    pass(9 * SECOND);
    feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 19; i++) {
        feed("X");
        pass(SECOND);
    }
    assert_false(fake.is_reported);
    pass(2 * SECOND);
    assert_sent_begins("HTTP/1.1 408 Request Timeout\r\n");
    assert_true(fake.is_reported);
}

static void an_idle_connection_is_closed_in_time(void **state)
{
    (void)state;
    feed("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    pass(50 * SECOND);
    feed("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    pass(59 * SECOND);
    assert_false(fake.is_reported);
    assert_sent(OK("8", "GET /a? ") OK("8", "GET /b? "));
    pass(2 * SECOND);
    assert_sent("");
    assert_true(fake.is_reported);
}

static void an_answer_has_all_the_time_it_needs(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    pass(3600 * SECOND);
    assert_false(fake.is_reported);
    answer(later, false);
    fake_stream_run(&fake);
    assert_sent(OK("12", "GET /later? "));
}

static void a_client_that_does_not_read_is_asked_nothing_more_and_given_up(void **state)
{
    (void)state;
    fake.is_stuck = true;
    for (int i = 0; i < 10; i++)
        feed("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(request_count, 1);
    assert_true(fake.stream.out.bytes < 2 * BIG_BYTES);
    pass(29 * SECOND);
    assert_false(fake.is_reported);
    pass(2 * SECOND);
    assert_true(fake.is_reported);
}

static void a_client_that_reads_slowly_gets_everything(void **state)
{
    size_t bytes = 0;

    (void)state;
    fake.is_stuck = true;
    for (int i = 0; i < 3; i++)
        feed("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    pass(25 * SECOND);
    /* A little is taken: the patience begins anew. */
    outq_consume(&fake.stream.out, 10);
    pass(25 * SECOND);
    assert_false(fake.is_reported);
    fake.is_stuck = false;
    stream_dirty(&fake.stream);
    fake_stream_run(&fake);
    assert_int_equal(request_count, 3);
    (void)fake_stream_take(&fake, &bytes);
    assert_true(bytes > (size_t)3 * BIG_BYTES);
    pass(59 * SECOND);
    assert_false(fake.is_reported);
}

/* --- streams and drains --------------------------------------------------------------------------- */

static void an_event_stream_takes_the_connection_over(void **state)
{
    (void)state;
    feed("GET /stream HTTP/1.1\r\nHost: h\r\n\r\nmore");
    assert_sent("HTTP/1.1 200 OK\r\n" SERVER
                "Content-Type: text/event-stream\r\nConnection: close\r\nX-A: b\r\n\r\n");
    assert_null(server.connections);
    assert_string_equal(taker.text, "more");
    stream_write(taker.stream, "data: 1\n\n", 9);
    pass(3600 * SECOND);
    assert_sent("data: 1\n\n");
    fake_stream_reset(&fake);
    fake_stream_run(&fake);
    assert_true(taker.is_closed);
}

static void an_upgrade_gives_what_follows_to_the_new_user_at_every_split(void **state)
{
    static const char text[] = "GET /upgrade HTTP/1.1\r\nHost: h\r\n\r\nframes";

    (void)state;
    for (size_t split = 0; split < sizeof text; split++) {
        fake_stream_feed(&fake, text, split);
        fake_stream_run(&fake);
        fake_stream_feed(&fake, text + split, sizeof text - 1 - split);
        fake_stream_run(&fake);
        assert_sent("HTTP/1.1 101 Switching Protocols\r\n" SERVER
                    "Upgrade: x\r\nConnection: Upgrade\r\n\r\n");
        assert_int_equal(taker.bytes, 6);
        assert_string_equal(taker.text, "frames");
        assert_null(server.connections);
        restart();
    }
}

static void a_later_upgrade_gives_what_was_kept(void **state)
{
    (void)state;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\nframes");
    take_over(http_upgrade(later, "Upgrade: x\r\n"));
    fake_stream_run(&fake);
    assert_string_equal(taker.text, "frames");
}

static void while_closing_answers_say_so_and_the_connection_ends(void **state)
{
    (void)state;
    feed("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(OK("8", "GET /a? "));
    server.is_closing = true;
    feed("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(OK_CLOSE("8", "GET /b? "));
    assert_true(fake.is_reported);
}

static void closing_the_idle_spares_those_that_are_not(void **state)
{
    (void)state;
    http1_close_idle(&server); /* a newcomer is about to ask */
    fake_stream_run(&fake);
    assert_false(fake.is_reported);
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    http1_close_idle(&server);
    fake_stream_run(&fake);
    assert_false(fake.is_reported);
    answer(later, false);
    later = NULL;
    fake_stream_run(&fake);
    feed("GET /b HT");
    http1_close_idle(&server);
    fake_stream_run(&fake);
    assert_false(fake.is_reported);
    feed("TP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(OK("12", "GET /later? ") OK("8", "GET /b? "));
    http1_close_idle(&server);
    fake_stream_run(&fake);
    assert_true(fake.is_reported);
}

static void connections_know_whether_they_are_older_than_the_drain(void **state)
{
    (void)state;
    server.is_closing = true;
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(http_exchange_is_old(later));
    fake_stream_done(&fake);
    fake_stream_init(&fake);
    assert_int_equal(http1_serve(&server, &fake.stream), 0);
    feed("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_false(http_exchange_is_old(later));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_and_the_connection_kept),
        TEST(requests_are_answered_the_same_at_every_split),
        TEST(requests_are_answered_the_same_byte_by_byte),
        TEST(an_answer_may_come_later_and_pipelined_requests_wait_for_it),
        TEST(a_client_that_goes_before_the_answer_is_told_of_once),
        TEST(an_answer_to_a_closed_stream_is_harmless),
        TEST(a_half_closed_client_gets_its_answers),
        TEST(an_end_inside_a_request_closes_without_a_word),
        TEST(http_1_0_closes_unless_asked_to_stay),
        TEST(an_answer_without_a_body_has_no_length),
        TEST(a_client_that_expects_it_is_told_to_continue),
        TEST(an_unknown_expectation_fails),
        TEST(what_is_malformed_is_answered_and_closed),
        TEST(a_head_over_the_limit_is_431),
        TEST(a_limit_changed_by_a_reload_holds_for_the_next_request),
        TEST(a_silent_newcomer_is_closed_without_a_word),
        TEST(a_slow_head_is_408_however_often_a_byte_comes),
        TEST(a_slow_body_is_408),
        TEST(an_idle_connection_is_closed_in_time),
        TEST(an_answer_has_all_the_time_it_needs),
        TEST(a_client_that_does_not_read_is_asked_nothing_more_and_given_up),
        TEST(a_client_that_reads_slowly_gets_everything),
        TEST(an_event_stream_takes_the_connection_over),
        TEST(an_upgrade_gives_what_follows_to_the_new_user_at_every_split),
        TEST(a_later_upgrade_gives_what_was_kept),
        TEST(while_closing_answers_say_so_and_the_connection_ends),
        TEST(closing_the_idle_spares_those_that_are_not),
        TEST(connections_know_whether_they_are_older_than_the_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
