#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/http2_fixture.h"

#define LATER "[:method GET :scheme http :path /later :authority h]"

/* --- how a connection begins -------------------------------------------------------------------- */

static void a_preface_may_come_in_any_pieces(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct http2_fixture *f = *state;

    http2_end(f);
    http2_begin(f);
    for (size_t i = 0; i < sizeof preface - 1; i++)
        http2_send_bytes(f, preface + i, 1);
    http2_send(f, "SETTINGS 0; HEADERS+EH+ES 1 $get;");
    assert_answered(f, 1, 200, "GET /? ");
}

static void frames_may_come_in_any_pieces(void **state)
{
    struct http2_fixture *f = *state;
    struct text out = {0};

    http2_put_script(&out, "PRIORITY 3 0000000010; HEADERS 1 $post; CONTINUATION+EH 1 [a b];"
                           "DATA+PADDED 1 02 'te' 0000; PING 0 'h2spec!!'; DATA+ES 1 'st';");
    for (size_t i = 0; i < out.size; i++)
        http2_send_bytes(f, out.bytes + i, 1);
    text_done(&out);
    assert_answered(f, 1, 200, "POST /? test");
    assert_goes_on(f);
}

/* Section 3.4; the reader sees to it that they are. */
static void settings_are_the_first_word_whatever_has_come(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct http2_fixture *f = *state;
    struct text out = {0};

    http2_end(f);
    http2_begin(f);
    text_add(&out, preface, sizeof preface - 1);
    http2_put_script(&out, "SETTINGS 0; PRIORITY 0 0000000010;");
    http2_send_bytes(f, out.bytes, out.size);
    text_done(&out);
    assert_connection_error(f, NGHTTP2_PROTOCOL_ERROR);
}

static void settings_say_what_holds(void **state)
{
    static const struct {
        uint16_t id;
        uint32_t value;
    } wanted[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 1024},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    struct http2_fixture *f = *state;
    const struct http2_frame *frame = http2_next(f, NGHTTP2_SETTINGS, 0);

    assert_int_equal(frame->length, 6 * sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const uint8_t *at = frame->payload + 6 * i;

        assert_int_equal(at[0] << 8 | at[1], wanted[i].id);
        assert_int_equal((uint32_t)at[2] << 24 | (uint32_t)at[3] << 16 | (uint32_t)at[4] << 8 |
                             at[5],
                         wanted[i].value);
    }
}

/* RFC 8441 section 3 */
static void connect_is_not_offered_where_it_is_not_served(void **state)
{
    struct http2_fixture *f = *state;
    const struct http2_frame *frame;

    http2_end(f);
    http2_begin(f);
    f->limits.allows_connect = false;
    http2_greet(f);
    frame = http2_next(f, NGHTTP2_SETTINGS, 0);
    assert_memory_equal(frame->payload + frame->length - 6, "\0\x08\0\0\0\0", 6);
    http2_send(f, "HEADERS+EH 1 $connect;");
    assert_reset(f, 1, NGHTTP2_PROTOCOL_ERROR);
}

/* --- requests and answers ----------------------------------------------------------------------- */

static const char *fields_of(struct http2_fixture *f, int32_t id)
{
    const struct http2_frame *frame;

    http2_rewind(f);
    frame = http2_next(f, NGHTTP2_HEADERS, id);
    assert_non_null(frame);
    return frame->fields;
}

static void an_answer_has_these_fields_and_none_of_http_1(void **state)
{
    struct http2_fixture *f = *state;
    const char *fields;

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /a?b=c :authority h];");
    assert_answered(f, 1, 200, "GET /a?b=c ");
    fields = fields_of(f, 1);
    assert_non_null(strstr(fields, "\ndate: "));
    assert_non_null(strstr(fields, "\nserver: sluice\n"
                                   "content-type: text/plain\ncontent-length: 11\nx-more: yes\n"));
    assert_null(strstr(fields, "connection"));
}

static void a_head_has_fields_and_no_body(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 [:method HEAD :scheme http :path / :authority h];");
    assert_answered(f, 1, 200, "");
    assert_non_null(strstr(fields_of(f, 1), "\ncontent-length: 8\n"));
    http2_send(f, "HEADERS+EH+ES 3 [:method HEAD :scheme http :path /stream :authority h];");
    assert_answered(f, 3, 200, "");
    assert_null(strstr(fields_of(f, 3), "content-length"));
}

static void a_204_has_neither_body_nor_length(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /empty :authority h];");
    assert_answered(f, 1, 204, "");
    assert_null(strstr(fields_of(f, 1), "content-length"));
}

static void an_answer_may_lie_in_its_request(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 [:method POST :scheme http :path /body :authority h];"
                  "DATA 1 61*500; DATA+ES 1 62*500;");
    assert_answered(f, 1, 200, NULL);
    assert_int_equal(http2_data_bytes(f, 1), 1000);
}

static void requests_are_answered_in_any_order(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 " LATER "; HEADERS+EH+ES 3 " LATER "; HEADERS+EH+ES 5 $get;");
    assert_answered(f, 5, 200, NULL);
    http2_answer(f, f->later[1]);
    f->later[1] = NULL;
    http2_run(f);
    assert_answered(f, 3, 200, NULL);
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 1), 0);
    http2_answer(f, f->later[0]);
    f->later[0] = NULL;
    http2_run(f);
    assert_answered(f, 1, 200, NULL);
    assert_goes_on(f);
}

static void who_asked_and_goes_is_told_of(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 " LATER "; HEADERS+EH+ES 3 " LATER ";");
    http2_send(f, "RST_STREAM 1 00000008;");
    assert_null(f->later[0]);
    assert_non_null(f->later[1]);
    fake_stream_reset(&f->fake);
    http2_run(f);
    assert_null(f->later[1]);
}

static void an_exchange_may_be_answered_in_the_turn_in_which_its_client_goes(void **state)
{
    struct http2_fixture *f = *state;
    struct http_exchange *exchange;
    struct text out = {0};

    http2_send(f, "HEADERS+EH+ES 1 " LATER ";");
    exchange = f->later[0];
    http2_put_script(&out, "RST_STREAM 1 00000008;");
    fake_stream_feed(&f->fake, out.bytes, out.size);
    text_done(&out);
    http2_answer(f, exchange);
    f->later[0] = NULL;
    http2_run(f);
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 1), 0);
    assert_goes_on(f);
}

/* RFC 9110 section 10.1.1 */
static void who_waits_for_100_gets_it_before_the_answer(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post [expect 100-Continue];");
    assert_string_equal(fields_of(f, 1), ":status: 100\n");
    http2_send(f, "DATA+ES 1 'test';");
    assert_answered(f, 1, 200, "POST /? test");
    http2_send(f, "HEADERS+EH+ES 3 $post [expect 100-continue];");
    assert_answered(f, 3, 200, "POST /? ");
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 3), 1); /* nothing is awaited */
    http2_send(f, "HEADERS+EH 5 $post [expect 100-continue expect x];");
    assert_answered(f, 5, 417, NULL);
}

/* Section 8.1: what has been answered is asked for no longer. Not at once: curl 7.88 would forget what was. */
static void assert_reset_after_a_while(struct http2_fixture *f, int32_t id)
{
    assert_int_equal(http2_sent_count(f, NGHTTP2_RST_STREAM, id), 0);
    http2_pass(f, 3 * SECOND);
    assert_reset(f, id, NGHTTP2_NO_ERROR);
}

static void a_body_that_is_announced_too_long_is_413_at_once(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post [content-length 1001 expect 100-continue];");
    assert_answered(f, 1, 413, NULL);
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 1), 1);
    http2_send(f, "DATA 1 61*100;"); /* it was on its way */
    assert_reset_after_a_while(f, 1);
    assert_int_equal(http2_sent_count(f, NGHTTP2_WINDOW_UPDATE, 1), 0);
    assert_int_equal(f->request_count, 0);
}

static void a_body_that_becomes_too_long_is_413(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post; DATA 1 61*1000;");
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 1), 0);
    http2_send(f, "DATA 1 61;");
    assert_answered(f, 1, 413, NULL);
    assert_reset_after_a_while(f, 1);
}

static void who_is_refused_and_ends_its_body_is_not_reset(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post [content-length 1001];");
    assert_answered(f, 1, 413, NULL);
    http2_send(f, "DATA 1 61*1000; DATA+ES 1 61;");
    http2_pass(f, 3 * SECOND);
    assert_int_equal(http2_sent_count(f, NGHTTP2_RST_STREAM, 1), 0);
    assert_goes_on(f);
}

static void a_head_that_is_too_large_is_431(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 $get 10 01 'a' 7fe906 61*1000;");
    assert_answered(f, 1, 431, NULL);
    http2_send(f, "HEADERS+EH+ES 3 $get;");
    assert_answered(f, 3, 200, NULL);
    assert_goes_on(f);
}

static void too_many_fields_are_431(void **state)
{
    struct http2_fixture *f = *state;
    struct text script = {0};

    f->limits.head_bytes_max = 16 * 1024;
    text_add_string(&script, "HEADERS+EH+ES 1 $get [");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        text_printf(&script, "a%d b ", i);
    text_add(&script, "];", 3);
    http2_send(f, script.bytes);
    text_done(&script);
    assert_answered(f, 1, 431, NULL);
}

static void methods_are_those_of_http_1(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 [:method PUT :scheme http :path / :authority h];");
    assert_answered(f, 1, 200, "OTHER /? ");
    http2_send(f, "HEADERS+EH+ES 3 [:method OPTIONS :scheme http :path * :authority h];");
    assert_answered(f, 3, 200, "OPTIONS *? ");
}

/* --- windows -------------------------------------------------------------------------------------- */

static void an_answer_waits_for_its_window_and_its_siblings_do_not(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "SETTINGS 0 0004 00000000;");
    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /big :authority h];"
                  "HEADERS+EH+ES 3 $get;");
    assert_int_equal(http2_data_bytes(f, 1), 0);
    assert_int_equal(f->server.queued_bytes, HTTP2_BIG_BYTES + 7);
    http2_send(f, "WINDOW_UPDATE 3 00000100;");
    assert_answered(f, 3, 200, "GET /? ");
    http2_send(f, "WINDOW_UPDATE 1 00000001;");
    assert_int_equal(http2_data_bytes(f, 1), 1);
    http2_send(f, "SETTINGS 0 0004 00001000;");
    assert_int_equal(http2_data_bytes(f, 1), 0x1001);
    http2_send(f, "SETTINGS 0 0004 00000000; WINDOW_UPDATE 1 00000002;"); /* below zero */
    assert_int_equal(http2_data_bytes(f, 1), 0x1001);
    http2_send(f, "WINDOW_UPDATE 1 00100000; WINDOW_UPDATE 0 00100000;");
    assert_answered(f, 1, 200, NULL);
    assert_int_equal(http2_data_bytes(f, 1), HTTP2_BIG_BYTES);
    assert_int_equal(f->server.queued_bytes, 0);
}

static void the_connections_window_is_shared_in_turns(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /big :authority h];"
                  "HEADERS+EH+ES 3 [:method GET :scheme http :path /big :authority h];");
    assert_int_equal(http2_data_bytes(f, 1) + http2_data_bytes(f, 3), 64 * 1024 - 1);
    assert_in_range(http2_data_bytes(f, 3), 16 * 1024, 48 * 1024);
    http2_send(f, "RST_STREAM 1 00000008; RST_STREAM 3 00000008;");
    assert_int_equal(f->server.queued_bytes, 0);
    assert_goes_on(f);
}

static void a_peer_that_reads_nothing_fills_one_queue_and_no_more(void **state)
{
    struct http2_fixture *f = *state;

    f->fake.is_stuck = true;
    http2_send(f, "SETTINGS 0 0004 7fffffff; WINDOW_UPDATE 0 7fff0000;");
    for (int id = 1; id < 20; id += 2) {
        char script[128];

        (void)snprintf(script, sizeof script,
                       "HEADERS+EH+ES %d [:method GET :scheme http :path /big :authority h];", id);
        http2_send(f, script);
    }
    assert_in_range(f->fake.stream.out.bytes, HTTP2_OUT_BYTES, HTTP2_OUT_BYTES + 17 * 1024);
    f->fake.is_stuck = false;
    http2_run(f);
    for (int id = 1; id < 20; id += 2)
        assert_int_equal(http2_data_bytes(f, id), HTTP2_BIG_BYTES);
}

/* Of what is copied; a program's own pages are shared. */
static void answers_that_nobody_takes_are_bounded(void **state)
{
    struct http2_fixture *f = *state;
    int id = 1;

    http2_send(f, "SETTINGS 0 0004 00000000;");
    for (; f->server.queued_bytes <= HTTP2_ANSWERS_BYTES; id += 2) {
        char script[128];

        (void)snprintf(script, sizeof script,
                       "HEADERS+EH+ES %d [:method GET :scheme http :path /big :authority h];", id);
        http2_send(f, script);
    }
    http2_send(f, "SETTINGS 0 0004 00000400; HEADERS+EH+ES 1001 $get;");
    assert_answered(f, 1001, 503, NULL);
    http2_send(f, "RST_STREAM 1 00000008; RST_STREAM 3 00000008; HEADERS+EH+ES 1003 $get;");
    assert_answered(f, 1003, 200, NULL);
}

/* --- streams that somebody has taken over ------------------------------------------------------- */

static void an_endless_body_goes_on_until_its_client_goes(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /stream :authority h];");
    assert_non_null(strstr(fields_of(f, 1), "\ncontent-type: text/event-stream\nx-a: b\n"));
    stream_write(taker->stream, "data: 1\n\n", 9);
    http2_run(f);
    stream_write(taker->stream, "data: 2\n\n", 9);
    http2_run(f);
    assert_int_equal(http2_sent_count(f, NGHTTP2_DATA, 1), 2);
    assert_false(taker->has_ended); /* a request's end is not its client's */
    http2_send(f, "RST_STREAM 1 00000008;");
    assert_true(taker->is_closed);
    assert_int_equal(taker->reason, STREAM_CLOSED_BY_PEER);
    assert_goes_on(f);
}

static void an_endless_body_ends_with_its_user(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /stream :authority h];");
    stream_write(taker->stream, "bye", 3);
    stream_finish(taker->stream);
    http2_run(f);
    assert_answered(f, 1, 200, "bye");
    assert_true(taker->is_closed);
    assert_int_equal(taker->reason, STREAM_CLOSED_BY_BOTH);
    assert_int_equal(http2_sent_count(f, NGHTTP2_RST_STREAM, 1), 0);
}

/* RFC 8441 section 5 */
static void a_tunnel_ends_when_both_have_said_so(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH 1 $connect; DATA 1 'one'; DATA 1 ' two';");
    assert_non_null(strstr(fields_of(f, 1), "\nx-a: b\n"));
    assert_null(strstr(fields_of(f, 1), "upgrade"));
    assert_string_equal(taker->text, "one two");
    http2_send(f, "DATA+ES 1 '!';");
    assert_answered(f, 1, 200, "one two!");
    assert_true(taker->is_closed);
    assert_int_equal(taker->reason, STREAM_CLOSED_BY_BOTH);
    assert_int_equal(http2_sent_count(f, NGHTTP2_RST_STREAM, 1), 0);
}

static void a_tunnel_whose_peer_does_not_say_so_is_reset_after_a_while(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH 1 $connect;");
    stream_finish(taker->stream);
    http2_run(f);
    assert_answered(f, 1, 200, "");
    http2_send(f, "DATA 1 'late';");
    http2_pass(f, SECOND);
    assert_false(taker->is_closed);
    http2_pass(f, 2 * SECOND);
    assert_reset(f, 1, NGHTTP2_NO_ERROR);
    assert_true(taker->is_closed);
    assert_int_equal(taker->reason, STREAM_CLOSED_BY_US);
    assert_int_equal(taker->bytes, 0);
}

static void a_user_may_abort_inside_on_data(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /abort "
                  ":authority h]; DATA 1 'one'; DATA 1 'two'; HEADERS+EH+ES 3 $get;");
    assert_true(f->takers[0].is_closed);
    assert_int_equal(f->takers[0].reason, STREAM_CLOSED_BY_US);
    assert_answered(f, 3, 200, NULL);
    assert_reset(f, 1, NGHTTP2_CANCEL);
}

static void what_a_user_leaves_is_given_again_in_front(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /half "
                  ":authority h];");
    http2_send(f, "DATA 1 'abcd';");
    assert_string_equal(f->takers[0].text, "ab");
    http2_send(f, "DATA 1 'efgh';");
    assert_string_equal(f->takers[0].text, "abcde");
    http2_send(f, "RST_STREAM 1 00000008;");
}

/* What it has not had is not asked for again: at most its window is held. */
static void who_pauses_shuts_its_window_and_nobody_elses(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];
    size_t updates;

    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /pause "
                  ":authority h]; DATA 1 61*16384; DATA 1 61*16384; DATA 1 61*16384;"
                  "DATA 1 61*16383;");
    assert_int_equal(http2_sent_count(f, NGHTTP2_WINDOW_UPDATE, 1), 0);
    http2_send(f, "HEADERS+EH 3 [:method CONNECT :protocol websocket :scheme http :path /keep "
                  ":authority h];");
    for (int i = 0; i < 100; i++)
        http2_send(f, "DATA 3 61*16384;");
    assert_int_equal(f->takers[1].bytes, 100 * 16384);
    assert_true(http2_sent_count(f, NGHTTP2_WINDOW_UPDATE, 3) > 10);
    assert_int_equal(http2_sent_count(f, NGHTTP2_WINDOW_UPDATE, 1), 0);
    taker->manner = 'k';
    stream_resume(taker->stream);
    http2_run(f);
    assert_int_equal(taker->bytes, HTTP2_WINDOW_BYTES);
    updates = http2_sent_count(f, NGHTTP2_WINDOW_UPDATE, 1);
    assert_int_equal(updates, 1);
    http2_send(f, "DATA 1 61*16384; RST_STREAM 1 00000008; RST_STREAM 3 00000008;");
    assert_goes_on(f);
}

static void the_end_of_who_pauses_is_told_when_the_rest_has_been_given(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /pause "
                  ":authority h]; DATA+ES 1 'last';");
    assert_false(taker->has_ended);
    taker->manner = 'e';
    stream_resume(taker->stream);
    http2_run(f);
    assert_true(taker->has_ended);
    assert_answered(f, 1, 200, "last");
}

/* A sibling's callback resumes it in the middle of a flush. */
static size_t on_data_resume(void *user, const uint8_t *bytes, size_t size)
{
    struct http2_taker *self = user;

    (void)bytes;
    self->fixture->takers[0].manner = 'k';
    stream_resume(self->fixture->takers[0].stream);
    self->bytes += size;
    return size;
}

static void on_resumer_close(void *user, enum stream_close_reason reason)
{
    struct http2_taker *self = user;

    (void)reason;
    self->is_closed = true;
    stream_resume(self->fixture->takers[0].stream);
}

static void a_stream_may_be_resumed_by_its_sibling_whenever(void **state)
{
    static const struct stream_handlers handlers = {
        .on_data = on_data_resume,
        .on_close = on_resumer_close,
    };
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /pause "
                  ":authority h]; HEADERS+EH 3 [:method CONNECT :protocol websocket :scheme http "
                  ":path /pause :authority h]; DATA 1 'one'; DATA 3 'two';");
    stream_set_user(f->takers[1].stream, &handlers, &f->takers[1]);
    /* Both are looked at in this flush, the first one before the second resumes it. */
    stream_write(f->takers[0].stream, "x", 1);
    stream_resume(f->takers[1].stream);
    http2_run(f);
    assert_string_equal(f->takers[0].text, "one");
    /* And behind it, while it is settled. */
    f->takers[0].manner = 'p';
    http2_send(f, "DATA 1 'more';");
    f->takers[0].manner = 'k';
    stream_write(f->takers[0].stream, "x", 1);
    http2_send(f, "RST_STREAM 3 00000008;");
    assert_string_equal(f->takers[0].text, "onemore");
    http2_send(f, "RST_STREAM 1 00000008;");
}

static void a_slow_taker_is_told_when_there_is_room(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /stream :authority h];");
    stream_write(taker->stream, f->big, HTTP2_BIG_BYTES);
    http2_run(f);
    assert_int_equal(taker->drained_count, 0);
    assert_int_equal(stream_peer(taker->stream), STREAM_PEER_LAGS);
    http2_send(f, "WINDOW_UPDATE 0 00100000; WINDOW_UPDATE 1 00100000;");
    assert_int_equal(taker->drained_count, 1);
    assert_int_equal(stream_peer(taker->stream), STREAM_PEER_HAS_ALL);
    assert_int_equal(http2_data_bytes(f, 1), HTTP2_BIG_BYTES);
    taker->stream->wants_drained = true;
    stream_write(taker->stream, "x", 1);
    http2_run(f);
    assert_int_equal(taker->drained_count, 2);
}

static void who_takes_nothing_for_five_minutes_is_given_up(void **state)
{
    struct http2_fixture *f = *state;
    struct http2_taker *taker = &f->takers[0];

    http2_send(f, "SETTINGS 0 0004 00000000; HEADERS+EH+ES 1 [:method GET :scheme http :path "
                  "/stream :authority h];");
    stream_write(taker->stream, "x", 1);
    for (int64_t passed = 0; passed < 9 * STREAM_LOOK_NS; passed += 10 * SECOND)
        http2_pass(f, 10 * SECOND);
    assert_false(taker->is_closed);
    for (int64_t passed = 0; passed < 2 * STREAM_LOOK_NS; passed += 10 * SECOND)
        http2_pass(f, 10 * SECOND);
    assert_true(taker->is_closed);
    assert_int_equal(taker->reason, STREAM_CLOSED_STALLED);
    assert_int_equal(f->server.stalled_count, 1);
    assert_reset(f, 1, NGHTTP2_CANCEL);
}

static void a_client_that_ends_the_connection_ends_its_streams(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $connect; HEADERS+EH+ES 3 [:method GET :scheme http :path /stream "
                  ":authority h]; HEADERS+EH+ES 5 " LATER ";");
    fake_stream_end(&f->fake);
    http2_run(f);
    assert_true(f->takers[0].is_closed);
    assert_true(f->takers[1].is_closed);
    assert_null(f->later[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, http2_setup, http2_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_preface_may_come_in_any_pieces),
        TEST(frames_may_come_in_any_pieces),
        TEST(settings_are_the_first_word_whatever_has_come),
        TEST(settings_say_what_holds),
        TEST(connect_is_not_offered_where_it_is_not_served),
        TEST(an_answer_has_these_fields_and_none_of_http_1),
        TEST(a_head_has_fields_and_no_body),
        TEST(a_204_has_neither_body_nor_length),
        TEST(an_answer_may_lie_in_its_request),
        TEST(requests_are_answered_in_any_order),
        TEST(who_asked_and_goes_is_told_of),
        TEST(an_exchange_may_be_answered_in_the_turn_in_which_its_client_goes),
        TEST(who_waits_for_100_gets_it_before_the_answer),
        TEST(a_body_that_is_announced_too_long_is_413_at_once),
        TEST(a_body_that_becomes_too_long_is_413),
        TEST(who_is_refused_and_ends_its_body_is_not_reset),
        TEST(a_head_that_is_too_large_is_431),
        TEST(too_many_fields_are_431),
        TEST(methods_are_those_of_http_1),
        TEST(an_answer_waits_for_its_window_and_its_siblings_do_not),
        TEST(the_connections_window_is_shared_in_turns),
        TEST(a_peer_that_reads_nothing_fills_one_queue_and_no_more),
        TEST(answers_that_nobody_takes_are_bounded),
        TEST(an_endless_body_goes_on_until_its_client_goes),
        TEST(an_endless_body_ends_with_its_user),
        TEST(a_tunnel_ends_when_both_have_said_so),
        TEST(a_tunnel_whose_peer_does_not_say_so_is_reset_after_a_while),
        TEST(a_user_may_abort_inside_on_data),
        TEST(what_a_user_leaves_is_given_again_in_front),
        TEST(who_pauses_shuts_its_window_and_nobody_elses),
        TEST(the_end_of_who_pauses_is_told_when_the_rest_has_been_given),
        TEST(a_stream_may_be_resumed_by_its_sibling_whenever),
        TEST(a_slow_taker_is_told_when_there_is_room),
        TEST(who_takes_nothing_for_five_minutes_is_given_up),
        TEST(a_client_that_ends_the_connection_ends_its_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
