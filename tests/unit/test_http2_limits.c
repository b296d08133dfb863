#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/connection.h"
#include "tests/unit/http2_fixture.h"

#define LATER "[:method GET :scheme http :path /later :authority h]"

/* --- floods: what costs the client next to nothing ---------------------------------------------- */

/* @often times; `%d` in @script is an odd number that grows. */
static void send_often(struct http2_fixture *f, const char *script, int often)
{
    for (int i = 0; i < often && !f->fake.is_reported; i++) {
        char text[256];
        int id = 3 + 2 * f->number++;

        /* Tables of scripts are ours. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        // cppcheck-suppress wrongPrintfScanfArgNum
        (void)snprintf(text, sizeof text, script, id, id, id);
#pragma GCC diagnostic pop
        http2_send(f, text);
    }
}

static const struct flood {
    const char *name;
    const char *first;
    const char *script;
} floods[] = {
    {"PING", "", "PING 0 'h2spec!!';"},
    {"PING, acknowledgements", "", "PING+ACK 0 'h2spec!!';"},
    {"SETTINGS", "", "SETTINGS 0;"},
    {"SETTINGS, with entries", "", "SETTINGS 0 000400001000 000400001001;"},
    {"RST_STREAM: rapid reset", "", "HEADERS+EH+ES %d " LATER "; RST_STREAM %d 00000008;"},
    {"RST_STREAM of a stream that has gone", "HEADERS+EH+ES 1 $get;", "RST_STREAM 1 00000008;"},
    {"PRIORITY", "", "PRIORITY %d 0000000010;"},
    {"unknown frames", "", "0x16 0;"},
    {"PRIORITY_UPDATE", "", "0x10 0 00000001 'u=1';"},
    {"DATA, empty", "HEADERS+EH 1 $connect;", "DATA 1;"},
    {"DATA, nothing but padding", "HEADERS+EH 1 $connect;", "DATA+PADDED 1 00;"},
    {"DATA, empty, of a stream that was refused",
     "HEADERS+EH 1 $post [content-length 1001]; PING 0 'h2spec!!';", "DATA 1;"},
    {"WINDOW_UPDATE, connection", "", "WINDOW_UPDATE 0 00000001;"},
    {"WINDOW_UPDATE, stream", "HEADERS+EH 1 $connect;", "WINDOW_UPDATE 1 00000001;"},
    {"malformed requests", "", "HEADERS+EH+ES %d $get [X-A b];"},
    {"tunnels that break", "", "HEADERS+EH %d $connect; HEADERS+EH %d [a b];"},
    {"windows that overflow", "",
     "HEADERS+EH %d $connect; WINDOW_UPDATE %d 7fffffff; WINDOW_UPDATE %d 7fffffff;"},
};

static void too_much_of_it_ends_the_connection(void **state)
{
    struct http2_fixture *f = *state;
    const struct flood *flood = f->parameter;

    f->limits.idle_timeout_ns = 1000 * SECOND;
    http2_send(f, flood->first);
    f->fake.is_silent = true;
    send_often(f, flood->script, 400);
    assert_false(f->fake.is_reported);
    send_often(f, flood->script, 1200);
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(f->server.queued_bytes, 0);
    assert_int_equal(f->server.http2.floods, 1);
    assert_int_equal(f->server.http2.streams, 0);
}

/* Not one flush between them. */
static void a_flood_in_one_piece_ends_the_connection_as_well(void **state)
{
    struct http2_fixture *f = *state;
    struct text out = {0};

    for (int i = 0; i < 3000; i++)
        http2_put_script(&out, "PING 0 'h2spec!!';");
    http2_send_bytes(f, out.bytes, out.size);
    text_done(&out);
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void some_hundred_pings_in_one_piece_are_answered_each(void **state)
{
    struct http2_fixture *f = *state;
    struct text out = {0};

    for (int i = 0; i < 700; i++)
        http2_put_script(&out, "PING 0 'h2spec!!';");
    http2_send_bytes(f, out.bytes, out.size);
    text_done(&out);
    assert_int_equal(http2_sent_count(f, NGHTTP2_PING, 0), 700);
    assert_goes_on(f);
}

static void a_peer_that_reads_nothing_makes_no_frames_wait_without_end(void **state)
{
    struct http2_fixture *f = *state;

    f->fake.is_stuck = true;
    f->fake.stream.out.pinned_bytes = 0;
    http2_send(f, "SETTINGS 0 0004 7fffffff; WINDOW_UPDATE 0 7fff0000;");
    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /big :authority h];");
    send_often(f, "PING 0 'h2spec!!';", 600);
    assert_true(f->fake.stream.is_paused);
    f->fake.is_stuck = false;
    http2_run(f);
    assert_int_equal(http2_sent_count(f, NGHTTP2_PING, 0), 600);
    assert_goes_on(f);
}

static void updates_for_what_has_been_sent_cost_nothing(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $connect;");
    for (int i = 0; i < 3000; i++)
        http2_send(f, "DATA 1 'x'; WINDOW_UPDATE 0 00000001; WINDOW_UPDATE 1 00000001;");
    assert_int_equal(http2_data_bytes(f, 1), 3000);
    http2_send(f, "DATA+ES 1;");
    assert_goes_on(f);
}

/* --- heads -------------------------------------------------------------------------------------- */

static void continuations_are_bounded(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+ES 1 $get;");
    send_often(f, "CONTINUATION 1;", 20);
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* One byte each, for a field of 500 in the table. */
static void an_hpack_bomb_ends_the_connection(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 $get 40 01 'a' 7ff502 61*500;");
    assert_answered(f, 1, 200, NULL);
    http2_send(f, "HEADERS+EH+ES 3 $get be*5;");
    assert_answered(f, 3, 431, NULL);
    http2_send(f, "HEADERS+EH+ES 5 $get be*5000;");
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(f->request_count, 1);
}

static void an_hpack_bomb_in_trailers_does_as_well(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post 40 01 'a' 7ff502 61*500; HEADERS+EH+ES 1 be*5000;");
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void a_slow_head_holds_up_all_streams_and_ends_the_connection(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 " LATER "; HEADERS+ES 3 $get;");
    http2_pass(f, 9 * SECOND);
    assert_false(f->fake.is_reported);
    http2_pass(f, 2 * SECOND);
    assert_connection_error(f, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_null(f->later[0]);
}

/* --- streams -------------------------------------------------------------------------------------- */

static void streams_beyond_the_limit_are_refused(void **state)
{
    struct http2_fixture *f = *state;

    http2_end(f);
    http2_begin(f);
    http2_send_bytes(f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP2_PREFACE_BYTES);
    http2_send(f, "SETTINGS 0;"); /* it has not seen ours */
    send_often(f, "HEADERS+EH+ES %d " LATER ";", HTTP2_STREAMS_MAX);
    assert_int_equal(f->later_count, HTTP2_STREAMS_MAX);
    http2_send(f, "HEADERS+EH 1001 $post; DATA+ES 1001 'x'; DATA 1001 'y';");
    assert_reset(f, 1001, NGHTTP2_REFUSED_STREAM);
    http2_send(f, "RST_STREAM 3 00000008; HEADERS+EH+ES 1003 $get;");
    assert_answered(f, 1003, 200, NULL);
    http2_send(f, "HEADERS+EH+ES 1005 " LATER "; HEADERS+EH+ES 1007 $get;");
    assert_reset(f, 1007, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(f->server.http2.streams_refused, 2);
    assert_int_equal(f->server.http2.streams_opened, HTTP2_STREAMS_MAX + 2);
}

/* It knows what it may do. */
static void streams_beyond_the_limit_end_the_connection_of_who_has_agreed_to_it(void **state)
{
    struct http2_fixture *f = *state;

    send_often(f, "HEADERS+EH+ES %d " LATER ";", HTTP2_STREAMS_MAX + 1);
    assert_connection_error(f, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(f->server.http2.floods, 0);
}

static void a_ticket_comes_back_once_when_what_it_was_for_is_over(void **state)
{
    struct http2_fixture *f = *state;

    f->gives_tickets = true;
    http2_send(f, "HEADERS+EH+ES 1 $get;");
    assert_int_equal(f->tickets, 1 << 1); /* answered */
    http2_send(f, "HEADERS+EH 3 $connect; HEADERS+EH 5 $connect; HEADERS+EH 7 $connect;");
    http2_send(f, "HEADERS+EH+ES 9 [:method GET :scheme http :path /later :authority h];");
    assert_int_equal(f->tickets, 1 << 1); /* these go on */
    http2_send(f, "RST_STREAM 9 00000008; RST_STREAM 3 00000008;");
    assert_int_equal(f->tickets, 1 << 1 | 1 << 2 | 1 << 5);
    stream_abort(f->takers[1].stream);
    http2_run(f);
    assert_int_equal(f->tickets, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5);
    http2_end(f); /* the connection takes the last one with it */
    assert_int_equal(f->tickets, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5);
    http2_begin(f);
    http2_greet(f);
}

static void connections_and_streams_are_counted(void **state)
{
    struct http2_fixture *f = *state;
    const struct http2_counts *counts = &f->server.http2;

    assert_int_equal(counts->connections, 1);
    http2_send(f, "HEADERS+EH 1 $connect; HEADERS+EH 3 $connect; HEADERS+EH+ES 5 $get;");
    assert_int_equal(counts->streams, 2);
    assert_int_equal(counts->streams_opened, 3);
    http2_send(f, "RST_STREAM 1 00000008; RST_STREAM 1 00000008; RST_STREAM 5 00000008;");
    assert_int_equal(counts->streams, 1);
    assert_int_equal(counts->streams_reset, 1); /* not those that had gone */
    http2_end(f);
    assert_int_equal(counts->connections, 0);
    assert_int_equal(counts->streams, 0);
    http2_begin(f);
    http2_greet(f);
    assert_int_equal(counts->connections, 1);
    assert_int_equal(counts->connections_opened, 1);
    assert_int_equal(counts->streams_refused, 0);
}

/* --- time --------------------------------------------------------------------------------------- */

static void a_slow_body_is_408_and_its_connection_goes_on(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH 1 $post;");
    for (int i = 0; i < 19; i++) {
        http2_send(f, "DATA 1 'x';");
        http2_pass(f, SECOND);
    }
    /* 19 bytes at a rate of at least 10 buy two seconds more. */
    http2_pass(f, 2 * SECOND);
    assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, 1), 0);
    http2_pass(f, 2 * SECOND);
    assert_answered(f, 1, 408, NULL);
    http2_pass(f, 3 * SECOND);
    assert_reset(f, 1, NGHTTP2_NO_ERROR);
}

static void an_answer_that_is_not_taken_is_given_up(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "SETTINGS 0 0004 00000000; HEADERS+EH+ES 1 [:method GET :scheme http :path /big "
                  ":authority h];");
    http2_pass(f, 29 * SECOND);
    assert_int_equal(http2_sent_count(f, NGHTTP2_RST_STREAM, 1), 0);
    http2_pass(f, 2 * SECOND);
    assert_reset(f, 1, NGHTTP2_CANCEL);
    assert_int_equal(f->server.stalled_count, 1);
}

static void an_answer_that_is_taken_at_the_rate_has_the_time_it_needs(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "SETTINGS 0 0004 00000000; HEADERS+EH+ES 1 [:method GET :scheme http :path /big "
                  ":authority h];");
    for (int i = 0; i < 100; i++) {
        http2_send(f, "WINDOW_UPDATE 1 00000020;");
        http2_pass(f, SECOND);
    }
    assert_int_equal(http2_data_bytes(f, 1), 3200);
    http2_send(f, "RST_STREAM 1 00000008;");
}

static void who_asks_nothing_is_closed_as_over_http_1(void **state)
{
    struct http2_fixture *f = *state;

    http2_pass(f, 9 * SECOND);
    http2_send(f, "PING 0 'h2spec!!';"); /* keeps nothing alive */
    assert_false(f->fake.is_reported);
    http2_pass(f, 2 * SECOND);
    assert_connection_error(f, NGHTTP2_NO_ERROR);
    http2_restart(f);
    http2_send(f, "HEADERS+EH+ES 1 $get;");
    http2_pass(f, 58 * SECOND);
    assert_false(f->fake.is_reported);
    http2_pass(f, 3 * SECOND);
    assert_connection_error(f, NGHTTP2_NO_ERROR);
}

/* --- newcomers and goodbyes --------------------------------------------------------------------- */

static void who_has_no_stream_gives_way_to_a_newcomer(void **state)
{
    struct http2_fixture *f = *state;
    struct http_connection_operations none = {0};
    struct http_connection newcomer = {0};

    f->limits.handshakes_max = 1;
    http2_send(f, "HEADERS+EH+ES 1 $get;");
    assert_int_equal(f->server.waiting_count, 1);
    http_connection_add(&newcomer, &f->server, &none);
    http2_run(f);
    assert_connection_error(f, NGHTTP2_NO_ERROR);
    assert_int_equal(f->evicted_count, 1);
    http_connection_remove(&newcomer);
}

static void who_has_a_stream_does_not(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 [:method GET :scheme http :path /stream :authority h];");
    assert_int_equal(f->server.waiting_count, 0);
    http2_pass(f, 1000 * SECOND);
    assert_goes_on(f);
    http2_send(f, "RST_STREAM 1 00000008;");
    assert_int_equal(f->server.waiting_count, 1);
}

static uint32_t last_stream_of(const struct http2_frame *goaway)
{
    assert_non_null(goaway);
    return (uint32_t)goaway->payload[0] << 24 | (uint32_t)goaway->payload[1] << 16 |
           (uint32_t)goaway->payload[2] << 8 | goaway->payload[3];
}

/* Section 6.8 */
static void a_drain_says_goodbye_in_two_steps(void **state)
{
    struct http2_fixture *f = *state;
    const struct http2_frame *ping;
    char script[64] = "PING+ACK 0 ";

    http2_send(f, "HEADERS+EH+ES 1 " LATER ";");
    assert_int_equal(f->server.busy_count, 1);
    http_begin_closing(&f->server);
    http2_run(f);
    assert_int_equal(last_stream_of(http2_next(f, NGHTTP2_GOAWAY, 0)), INT32_MAX);
    ping = http2_next(f, NGHTTP2_PING, 0);
    assert_non_null(ping);
    http2_send(f, "HEADERS+EH+ES 3 " LATER ";"); /* it was on its way */
    assert_int_equal(f->later_count, 2);
    assert_int_equal(f->server.busy_count, 2);
    for (int i = 0; i < 8; i++)
        (void)snprintf(script + strlen(script), sizeof script - strlen(script), "%02x%s",
                       ping->payload[i], i == 7 ? ";" : "");
    http2_send(f, script);
    http2_send(f, script); /* once is enough */
    assert_int_equal(last_stream_of(http2_next(f, NGHTTP2_GOAWAY, 0)), 3);
    assert_null(http2_next(f, NGHTTP2_GOAWAY, 0));
    http2_send(f, "HEADERS+EH+ES 5 $get;"); /* it will ask somebody else */
    assert_int_equal(f->request_count, 2);
    http2_answer(f, f->later[0]);
    f->later[0] = NULL;
    http2_run(f);
    assert_answered(f, 1, 200, NULL);
    assert_false(f->fake.is_reported);
    http2_answer(f, f->later[1]);
    f->later[1] = NULL;
    http2_run(f);
    assert_answered(f, 3, 200, NULL);
    assert_true(f->fake.is_reported);
    assert_int_equal(f->malformed_count, 0);
}

static void a_drain_does_not_wait_for_who_is_idle(void **state)
{
    struct http2_fixture *f = *state;

    http2_send(f, "HEADERS+EH+ES 1 $get;");
    http_begin_closing(&f->server);
    http2_run(f);
    assert_int_equal(f->server.busy_count, 0);
    assert_false(f->fake.is_reported);
    http_close_idle(&f->server);
    http2_run(f);
    assert_connection_error(f, NGHTTP2_NO_ERROR);
}

static void who_comes_during_a_drain_is_told_with_its_first_answer(void **state)
{
    struct http2_fixture *f = *state;

    http2_end(f);
    http2_begin(f);
    f->server.is_closing = true;
    http2_greet(f);
    assert_int_equal(http2_sent_count(f, NGHTTP2_GOAWAY, 0), 0);
    http2_send(f, "HEADERS+EH+ES 1 $get; GOAWAY 0 0000000000000000;");
    assert_int_equal(last_stream_of(http2_next(f, NGHTTP2_GOAWAY, 0)), INT32_MAX);
    assert_answered(f, 1, 200, NULL);
    assert_true(f->fake.is_reported);
}

/* --- the input budget ----------------------------------------------------------------------------- */

enum {
    BUDGET_BYTES = 64 * 1024,
    SMALL_BUDGET_BYTES = 20 * 1024,
};

static void begin_with_budget(struct http2_fixture *f, uint64_t bytes_max)
{
    http2_end(f);
    http2_begin(f);
    f->budget = (struct budget){.bytes_max = bytes_max};
    f->server.budget = &f->budget;
    http2_greet(f);
}

static void one_request_that_waits_needs_nothing_of_the_budget(void **state)
{
    struct http2_fixture *f = *state;

    begin_with_budget(f, 0);
    http2_send(f, "HEADERS+EH 1 $post;");
    http2_send(f, "HEADERS+EH+ES 3 $get;"); /* while that is not whole */
    assert_answered(f, 3, 503, NULL);
    http2_send(f, "DATA+ES 1 'x';");
    assert_answered(f, 1, 200, NULL);
    http2_send(f, "HEADERS+EH+ES 5 $get;");
    assert_answered(f, 5, 200, NULL);
}

static void all_others_that_wait_are_charged_to_it(void **state)
{
    struct http2_fixture *f = *state;
    uint64_t used;

    begin_with_budget(f, BUDGET_BYTES);
    http2_send(f, "HEADERS+EH 1 $post;");
    assert_in_range(f->budget.used_bytes, 0, 512);
    http2_send(f, "HEADERS+EH 3 $post;");
    assert_in_range(f->budget.used_bytes, 3000, 6000);
    used = f->budget.used_bytes;
    http2_send(f, "DATA 3 61*900;");
    assert_in_range(f->budget.used_bytes, used + 900, used + 1100);
    f->number = 1;
    send_often(f, "HEADERS+EH %d $post;", 12);
    assert_in_range(f->budget.used_bytes, 40 * 1024, BUDGET_BYTES);
    send_often(f, "HEADERS+EH %d $post;", 12);
    assert_answered(f, 51, 503, NULL);
    http2_send(f, "RST_STREAM 1 00000008; RST_STREAM 3 00000008;");
    assert_true(f->budget.used_bytes < BUDGET_BYTES);
    assert_goes_on(f);
}

static void what_a_user_leaves_is_charged_to_it(void **state)
{
    struct http2_fixture *f = *state;

    begin_with_budget(f, SMALL_BUDGET_BYTES);
    http2_send(f, "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /pause "
                  ":authority h]; DATA 1 61*16384;");
    assert_in_range(f->budget.used_bytes, 12 * 1024, 13 * 1024);
    http2_send(f, "DATA 1 61*16384;");
    assert_true(f->takers[0].is_closed);
    assert_reset(f, 1, NGHTTP2_CANCEL);
    assert_int_equal(f->budget.used_bytes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, http2_setup, http2_teardown)
    static const struct CMUnitTest others[] = {
        TEST(a_flood_in_one_piece_ends_the_connection_as_well),
        TEST(some_hundred_pings_in_one_piece_are_answered_each),
        TEST(a_peer_that_reads_nothing_makes_no_frames_wait_without_end),
        TEST(updates_for_what_has_been_sent_cost_nothing),
        TEST(continuations_are_bounded),
        TEST(an_hpack_bomb_ends_the_connection),
        TEST(an_hpack_bomb_in_trailers_does_as_well),
        TEST(a_slow_head_holds_up_all_streams_and_ends_the_connection),
        TEST(streams_beyond_the_limit_are_refused),
        TEST(streams_beyond_the_limit_end_the_connection_of_who_has_agreed_to_it),
        TEST(a_ticket_comes_back_once_when_what_it_was_for_is_over),
        TEST(connections_and_streams_are_counted),
        TEST(a_slow_body_is_408_and_its_connection_goes_on),
        TEST(an_answer_that_is_not_taken_is_given_up),
        TEST(an_answer_that_is_taken_at_the_rate_has_the_time_it_needs),
        TEST(who_asks_nothing_is_closed_as_over_http_1),
        TEST(who_has_no_stream_gives_way_to_a_newcomer),
        TEST(who_has_a_stream_does_not),
        TEST(a_drain_says_goodbye_in_two_steps),
        TEST(a_drain_does_not_wait_for_who_is_idle),
        TEST(who_comes_during_a_drain_is_told_with_its_first_answer),
        TEST(one_request_that_waits_needs_nothing_of_the_budget),
        TEST(all_others_that_wait_are_charged_to_it),
        TEST(what_a_user_leaves_is_charged_to_it),
    };
    enum {
        FLOOD_COUNT = sizeof floods / sizeof floods[0],
        OTHER_COUNT = sizeof others / sizeof others[0],
    };
    static struct CMUnitTest tests[FLOOD_COUNT + OTHER_COUNT];

    for (size_t i = 0; i < FLOOD_COUNT; i++)
        tests[i] = (struct CMUnitTest){
            .name = floods[i].name,
            .test_func = too_much_of_it_ends_the_connection,
            .setup_func = http2_setup,
            .teardown_func = http2_teardown,
            .initial_state = (void *)(uintptr_t)&floods[i],
        };
    memcpy(tests + FLOOD_COUNT, others, sizeof others);
    return _cmocka_run_group_tests("http2 limits", tests, FLOOD_COUNT + OTHER_COUNT, NULL, NULL);
}
