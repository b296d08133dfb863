#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/http1_fixture.h"

/* --- requests and answers ------------------------------------------------------------------------- */

static void a_request_is_answered_and_the_connection_kept(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, OK("11", "GET /a?b=c "));
    client_feed(f, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, OK("8", "GET /d? "));
    assert_false(f->fake.stream.is_closed);
}

static void requests_are_answered_the_same_at_every_split(void **state)
{
    struct http1_fixture *f = *state;
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

    for (size_t split = 0; split < sizeof text; split++) {
        fake_stream_feed(&f->fake, text, split);
        fake_stream_run(&f->fake);
        fake_stream_feed(&f->fake, text + split, sizeof text - 1 - split);
        fake_stream_run(&f->fake);
        assert_sent(f, wanted);
        assert_int_equal(f->request_count, 6);
        assert_true(f->fake.is_reported);
        http1_restart(f);
    }
}

static void requests_are_answered_the_same_byte_by_byte(void **state)
{
    struct http1_fixture *f = *state;
    static const char text[] = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                               "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n";

    for (size_t i = 0; i < sizeof text - 1; i++) {
        fake_stream_feed(&f->fake, text + i, 1);
        fake_stream_run(&f->fake);
    }
    assert_sent(f, OK("11", "POST /1? ab") OK("8", "GET /2? "));
}

static void a_body_in_an_arena_is_shared_with_whoever_is_slow_to_take_it(void **state)
{
    struct http1_fixture *f = *state;
    struct arena *arena = arena_copy("behind this: the body", 21);
    struct http_response response = {
        .status = 200,
        .content_type = "text/plain",
        .headers = "X-More: yes\r\n",
        .body_bytes = 8,
        .arena = arena,
    };

    assert_non_null(arena);
    response.body = arena->bytes + 13;
    f->fake.is_stuck = true;
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    http_respond(f->later, &response);
    f->later = NULL;
    fake_stream_run(&f->fake);
    assert_int_equal(arena->refs, 2);
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    assert_sent(f, OK("8", "the body"));
    assert_int_equal(arena->refs, 1);

    client_feed(f, "HEAD /later HTTP/1.1\r\nHost: h\r\n\r\n");
    http_respond(f->later, &response);
    f->later = NULL;
    fake_stream_run(&f->fake);
    assert_sent(f, OK("8", ""));
    arena_unref(arena);
}

static void an_answer_may_come_later_and_pipelined_requests_wait_for_it(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->request_count, 1);
    assert_true(f->fake.stream.is_paused);
    assert_sent(f, "");
    http1_answer(f->later, false);
    f->later = NULL;
    fake_stream_run(&f->fake);
    assert_int_equal(f->request_count, 2);
    assert_sent(f, OK("12", "GET /later? ") OK("8", "GET /b? "));
    assert_false(f->fake.stream.is_paused);
}

static void a_client_that_goes_before_the_answer_is_told_of_once(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_reset(&f->fake);
    fake_stream_run(&f->fake);
    assert_int_equal(f->gone_count, 1);
    assert_null(f->server.connections);
}

static void an_answer_to_a_closed_stream_is_harmless(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_reset(&f->fake); /* on_close has still to come */
    http1_answer(f->later, false);
    fake_stream_run(&f->fake);
    assert_int_equal(f->gone_count, 0);
    assert_null(f->server.connections);
}

static void a_half_closed_client_gets_its_answers(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    fake_stream_end(&f->fake);
    fake_stream_run(&f->fake);
    assert_false(f->fake.is_reported);
    http1_answer(f->later, false);
    f->later = NULL;
    fake_stream_run(&f->fake);
    fake_stream_run(&f->fake);
    assert_sent(f, OK("12", "GET /later? ") OK("8", "GET /b? "));
    assert_true(f->fake.is_reported);
}

static void an_end_inside_a_request_closes_without_a_word(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a HTTP/1.1\r\nHo");
    fake_stream_end(&f->fake);
    fake_stream_run(&f->fake);
    assert_sent(f, "");
    assert_true(f->fake.is_reported);
}

static void http_1_0_closes_unless_asked_to_stay(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_sent(f, "HTTP/1.1 200 OK\r\n" SERVER "Content-Type: text/plain\r\nContent-Length: 8\r\n"
                   "Connection: keep-alive\r\nX-More: yes\r\n\r\nGET /a? ");
    client_feed(f, "GET /b HTTP/1.0\r\n\r\n");
    assert_sent(f, OK_CLOSE("8", "GET /b? "));
    assert_true(f->fake.is_reported);
}

static void an_answer_without_a_body_has_no_length(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, "HTTP/1.1 204 No Content\r\n" SERVER "\r\n");
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f,
                "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    assert_sent(f, "HTTP/1.1 100 Continue\r\n\r\n");
    client_feed(f, "hi");
    assert_sent(f, OK("11", "POST /a? hi"));
    /* The body is on its way already. */
    client_feed(
        f, "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    assert_sent(f, OK("11", "POST /b? hi"));
    /* HTTP/1.0 knows no such thing. */
    client_feed(f, "POST /c HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_sent(f, "");
}

static void an_unknown_expectation_fails(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n");
    assert_sent_begins(f, "HTTP/1.1 417 Expectation Failed\r\n");
    assert_true(f->fake.is_reported);
    assert_int_equal(f->request_count, 0);
}

static void only_100_continue_alone_is_a_known_expectation(void **state)
{
    static const char *const unknown[] = {
        "Expect: 100-continue, x\r\n",
        "Expect: 100-continue\r\nExpect: x\r\n",
        "Expect:\r\n",
    };
    struct http1_fixture *f = *state;

    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        client_feed(f, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n");
        client_feed(f, unknown[i]);
        client_feed(f, "\r\n");
        assert_sent_begins(f, "HTTP/1.1 417 ");
        http1_restart(f);
    }
}

/* --- refusals ------------------------------------------------------------------------------------- */

static void a_malformed_head_is_told_what_is_wrong_with_it(void **state)
{
    struct http1_fixture *f = *state;
    static const char *const cases[][2] = {
        {"GET / HTTP/1.1\nHost: h\n\n", "a head begins with a method, and its lines end in CR LF"},
        {"\x16\x03\x01\x02", "a head begins with a method, and its lines end in CR LF"},
        {"GET a HTTP/1.1\r\nHost: h\r\n\r\n", "malformed request target"},
        {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", "malformed request target"},
        {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "malformed request line"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text;

        client_feed(f, cases[i][0]);
        text = fake_stream_take(&f->fake, NULL);
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
        http1_restart(f);
    }
}

static void what_is_malformed_is_answered_and_closed(void **state)
{
    struct http1_fixture *f = *state;
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[128];
        const char *text;

        client_feed(f, cases[i].text);
        client_feed(f, "GET /ignored HTTP/1.1\r\nHost: h\r\n\r\n");
        text = fake_stream_take(&f->fake, NULL);
        (void)snprintf(wanted, sizeof wanted, "HTTP/1.1 %s\r\n", cases[i].status);
        if (strncmp(text, wanted, strlen(wanted)) != 0)
            fail_msg("%s: %s", cases[i].text, text);
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        (void)snprintf(wanted, sizeof wanted, "\r\n\r\n{\"error\":{\"code\":\"%s\",\"message\":\"",
                       cases[i].code);
        assert_non_null(strstr(text, wanted));
        assert_null(strstr(text, "100 Continue"));
        assert_true(f->fake.is_reported);
        assert_int_equal(f->request_count, 0);
        http1_restart(f);
    }
}

/* RFC 9113 section 3.4: the preface is what comes first. */
static void behind_an_empty_line_nothing_is_http_2_at_any_split(void **state)
{
    static const char text[] = "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct http1_fixture *f = *state;

    for (size_t split = 1; split < sizeof text; split++) {
        fake_stream_feed(&f->fake, text, split);
        fake_stream_run(&f->fake);
        client_feed(f, text + split);
        assert_sent_begins(f, "HTTP/1.1 505 ");
        http1_restart(f);
    }
}

static void what_came_before_a_malformed_request_is_answered_first(void **state)
{
    struct http1_fixture *f = *state;
    const char *text;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n"
                   "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
                   "GET /c HTTP/1.1\r\nHost : h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, "");
    assert_int_equal(f->malformed_count, 0);
    http1_answer(f->later, false);
    fake_stream_run(&f->fake);
    text = fake_stream_take(&f->fake, NULL);
    text = strstr(text, "GET /later? HTTP/1.1 200 OK");
    assert_non_null(text);
    assert_non_null(strstr(text, "GET /b? HTTP/1.1 400 Bad Request"));
    assert_null(strstr(text, "/d"));
    assert_true(f->fake.is_reported);
    assert_int_equal(f->malformed_count, 1);
}

static void a_refused_head_request_gets_no_body(void **state)
{
    /* A line feed follows each. */
    static const char *const heads[] = {
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n",
        "HEAD /a\r\nb",
        "HEAD / HTTP/2.0\r\nHost: h\r\n\r\n",
    };
    struct http1_fixture *f = *state;

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const char *text;

        client_feed(f, heads[i]);
        client_feed(f, "\n");
        text = fake_stream_take(&f->fake, NULL);
        assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        http1_restart(f);
    }
}

static void a_head_over_the_limit_is_431(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        client_feed(f, "X: y\r\n");
    assert_sent_begins(f, "HTTP/1.1 431 ");
    assert_true(f->fake.is_reported);
}

static void a_limit_changed_by_a_reload_holds_for_the_next_request(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_sent(f, OK("12", "POST /a? abc"));
    f->limits.body_bytes_max = 2;
    client_feed(f, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_sent_begins(f, "HTTP/1.1 413 ");
}

/* --- streams and drains --------------------------------------------------------------------------- */

static void an_event_stream_takes_the_connection_over(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\nmore");
    assert_sent(f, "HTTP/1.1 200 OK\r\n" SERVER
                   "Content-Type: text/event-stream\r\nConnection: close\r\nX-A: b\r\n\r\n");
    assert_null(f->server.connections);
    assert_string_equal(f->taker.text, "more");
    stream_write(f->taker.stream, "data: 1\n\n", 9);
    client_pass(f, 3600 * SECOND);
    assert_sent(f, "data: 1\n\n");
    fake_stream_reset(&f->fake);
    fake_stream_run(&f->fake);
    assert_true(f->taker.is_closed);
}

static void head_tells_of_an_event_stream_what_get_would(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, "HTTP/1.1 200 OK\r\n" SERVER
                   "Content-Type: text/event-stream\r\nConnection: close\r\nX-A: b\r\n\r\n");
    assert_true(f->fake.is_reported);
}

static void an_upgrade_gives_what_follows_to_the_new_user_at_every_split(void **state)
{
    struct http1_fixture *f = *state;
    static const char text[] = "GET /upgrade HTTP/1.1\r\nHost: h\r\n\r\nframes";

    for (size_t split = 0; split < sizeof text; split++) {
        fake_stream_feed(&f->fake, text, split);
        fake_stream_run(&f->fake);
        fake_stream_feed(&f->fake, text + split, sizeof text - 1 - split);
        fake_stream_run(&f->fake);
        assert_sent(f, "HTTP/1.1 101 Switching Protocols\r\n" SERVER
                       "Upgrade: x\r\nConnection: Upgrade\r\n\r\n");
        assert_int_equal(f->taker.bytes, 6);
        assert_string_equal(f->taker.text, "frames");
        assert_null(f->server.connections);
        http1_restart(f);
    }
}

static void a_later_upgrade_gives_what_was_kept(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nframes");
    http1_take_over(f, http_upgrade(f->later, "Upgrade: x\r\n"));
    fake_stream_run(&f->fake);
    assert_string_equal(f->taker.text, "frames");
}

static void while_closing_answers_say_so_and_the_connection_ends(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, OK("8", "GET /a? "));
    f->server.is_closing = true;
    client_feed(f, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, OK_CLOSE("8", "GET /b? "));
    assert_true(f->fake.is_reported);
}

static void closing_the_idle_spares_those_that_are_not(void **state)
{
    struct http1_fixture *f = *state;

    http_close_idle(&f->server); /* a newcomer is about to ask */
    fake_stream_run(&f->fake);
    assert_false(f->fake.is_reported);
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    http_close_idle(&f->server);
    fake_stream_run(&f->fake);
    assert_false(f->fake.is_reported);
    http1_answer(f->later, false);
    f->later = NULL;
    fake_stream_run(&f->fake);
    client_feed(f, "GET /b HT");
    http_close_idle(&f->server);
    fake_stream_run(&f->fake);
    assert_false(f->fake.is_reported);
    client_feed(f, "TP/1.1\r\nHost: h\r\n\r\n");
    assert_sent(f, OK("12", "GET /later? ") OK("8", "GET /b? "));
    http_close_idle(&f->server);
    fake_stream_run(&f->fake);
    assert_true(f->fake.is_reported);
}

static void connections_know_whether_they_are_older_than_the_drain(void **state)
{
    struct http1_fixture *f = *state;

    f->server.is_closing = true;
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(http_exchange_is_old(f->later));
    fake_stream_done(&f->fake);
    fake_stream_init(&f->fake);
    assert_int_equal(http1_serve(&f->server, &f->fake.stream), 0);
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_false(http_exchange_is_old(f->later));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, http1_setup, http1_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_and_the_connection_kept),
        TEST(requests_are_answered_the_same_at_every_split),
        TEST(requests_are_answered_the_same_byte_by_byte),
        TEST(a_body_in_an_arena_is_shared_with_whoever_is_slow_to_take_it),
        TEST(an_answer_may_come_later_and_pipelined_requests_wait_for_it),
        TEST(a_client_that_goes_before_the_answer_is_told_of_once),
        TEST(an_answer_to_a_closed_stream_is_harmless),
        TEST(a_half_closed_client_gets_its_answers),
        TEST(an_end_inside_a_request_closes_without_a_word),
        TEST(http_1_0_closes_unless_asked_to_stay),
        TEST(an_answer_without_a_body_has_no_length),
        TEST(a_client_that_expects_it_is_told_to_continue),
        TEST(an_unknown_expectation_fails),
        TEST(only_100_continue_alone_is_a_known_expectation),
        TEST(what_came_before_a_malformed_request_is_answered_first),
        TEST(a_refused_head_request_gets_no_body),
        TEST(head_tells_of_an_event_stream_what_get_would),
        TEST(what_is_malformed_is_answered_and_closed),
        TEST(a_malformed_head_is_told_what_is_wrong_with_it),
        TEST(behind_an_empty_line_nothing_is_http_2_at_any_split),
        TEST(a_head_over_the_limit_is_431),
        TEST(a_limit_changed_by_a_reload_holds_for_the_next_request),
        TEST(an_event_stream_takes_the_connection_over),
        TEST(an_upgrade_gives_what_follows_to_the_new_user_at_every_split),
        TEST(a_later_upgrade_gives_what_was_kept),
        TEST(while_closing_answers_say_so_and_the_connection_ends),
        TEST(closing_the_idle_spares_those_that_are_not),
        TEST(connections_know_whether_they_are_older_than_the_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
