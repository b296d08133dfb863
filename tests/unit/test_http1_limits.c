#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/http1_fixture.h"

/* --- time ----------------------------------------------------------------------------------------- */

static void a_silent_newcomer_is_closed_without_a_word(void **state)
{
    struct http1_fixture *f = *state;

    client_pass(f, 9 * SECOND);
    assert_false(f->fake.is_reported);
    client_pass(f, 2 * SECOND);
    assert_true(f->fake.is_reported);
    assert_sent(f, "");
}

static void a_slow_head_is_408_however_often_a_byte_comes(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 9; i++) {
        client_feed(f, "X");
        client_pass(f, SECOND);
    }
    assert_false(f->fake.is_reported);
    client_pass(f, 2 * SECOND);
    assert_sent_begins(f, "HTTP/1.1 408 Request Timeout\r\n");
    assert_true(f->fake.is_reported);
}

static void a_body_that_trickles_is_408_however_often_a_byte_comes(void **state)
{
    struct http1_fixture *f = *state;

    client_pass(f, 9 * SECOND);
    client_feed(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    /* 19 bytes in 19 seconds, at a rate of at least 10: they buy two seconds more. */
    for (int i = 0; i < 19; i++) {
        client_feed(f, "X");
        client_pass(f, SECOND);
    }
    assert_false(f->fake.is_reported);
    client_pass(f, 2 * SECOND);
    assert_false(f->fake.is_reported);
    for (int i = 0; i < 30; i++) {
        if (i % 10 == 0)
            client_feed(f, "X");
        client_pass(f, SECOND / 10);
    }
    assert_sent_begins(f, "HTTP/1.1 408 Request Timeout\r\n");
    assert_true(f->fake.is_reported);
}

static void a_body_that_keeps_the_rate_has_the_time_it_needs(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        assert_false(f->fake.is_reported);
        client_feed(f, "0123456789");
        client_pass(f, SECOND);
    }
    assert_non_null(f->later);
    http1_answer(f->later, true);
    fake_stream_run(&f->fake);
    assert_sent_begins(f, "HTTP/1.1 200 OK\r\n");
}

static void a_body_that_began_quickly_may_not_stop_for_long(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 99; i++)
        client_feed(f, "0123456789");
    client_pass(f, 39 * SECOND);
    assert_false(f->fake.is_reported);
    client_pass(f, 21 * SECOND);
    client_pass(f, SECOND);
    assert_sent_begins(f, "HTTP/1.1 408 Request Timeout\r\n");
}

static void an_idle_connection_is_closed_in_time(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    client_pass(f, 50 * SECOND);
    client_feed(f, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    client_pass(f, 59 * SECOND);
    assert_false(f->fake.is_reported);
    assert_sent(f, OK("8", "GET /a? ") OK("8", "GET /b? "));
    client_pass(f, 2 * SECOND);
    assert_sent(f, "");
    assert_true(f->fake.is_reported);
}

static void an_answer_has_all_the_time_it_needs(void **state)
{
    struct http1_fixture *f = *state;

    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    client_pass(f, 3600 * SECOND);
    assert_false(f->fake.is_reported);
    http1_answer(f->later, false);
    fake_stream_run(&f->fake);
    assert_sent(f, OK("12", "GET /later? "));
}

static void a_client_that_does_not_read_is_asked_nothing_more_and_given_up(void **state)
{
    struct http1_fixture *f = *state;

    f->fake.is_stuck = true;
    for (int i = 0; i < 10; i++)
        client_feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->request_count, 1);
    assert_true(f->fake.stream.out.bytes < 2 * BIG_BYTES);
    client_pass(f, 29 * SECOND);
    assert_false(f->fake.is_reported);
    client_pass(f, 2 * SECOND);
    assert_true(f->fake.is_reported);
}

/* The client reads so much of what is queued for it. */
static void read_some(struct http1_fixture *f, size_t bytes)
{
    assert_true(f->fake.stream.out.bytes > bytes);
    outq_consume(&f->fake.stream.out, bytes);
}

static void a_client_that_reads_slowly_gets_everything(void **state)
{
    struct http1_fixture *f = *state;
    size_t bytes = 0;

    f->fake.is_stuck = true;
    for (int i = 0; i < 3; i++)
        client_feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        read_some(f, 10);
        client_pass(f, SECOND);
        assert_false(f->fake.is_reported);
    }
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    assert_int_equal(f->request_count, 3);
    (void)fake_stream_take(&f->fake, &bytes);
    assert_true(bytes > (size_t)3 * BIG_BYTES - 1000);
    client_pass(f, 59 * SECOND);
    assert_false(f->fake.is_reported);
}

static void a_client_that_reads_a_byte_now_and_then_is_given_up(void **state)
{
    struct http1_fixture *f = *state;

    f->fake.is_stuck = true;
    client_feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 400 && !f->fake.is_reported; i++) {
        if (i % 10 == 0)
            read_some(f, 1);
        client_pass(f, SECOND / 10);
    }
    assert_true(f->fake.is_reported);
}

/* --- connections that wait ------------------------------------------------------------------------ */

enum {
    OTHERS = 3,
};

static void connect_other(struct http1_fixture *f, struct fake_stream *other)
{
    fake_stream_init(other);
    assert_int_equal(http1_serve(&f->server, &other->stream), 0);
}

static void feed_other(struct fake_stream *other, const char *text)
{
    fake_stream_feed(other, text, strlen(text));
    fake_stream_run(other);
}

static bool is_gone(struct fake_stream *fake)
{
    fake_stream_run(fake);
    return fake->is_reported;
}

static void a_newcomer_takes_the_place_of_who_has_waited_longest(void **state)
{
    struct http1_fixture *f = *state;
    struct fake_stream others[OTHERS];

    f->limits.handshakes_max = 2;
    client_feed(f, "GET /slow HTTP/1.1\r\nX"); /* has begun, but waits all the same */
    for (int i = 0; i < OTHERS; i++)
        connect_other(f, &others[i]);
    assert_true(is_gone(&f->fake));
    assert_sent(f, "");
    assert_true(is_gone(&others[0]));
    assert_false(is_gone(&others[1]));
    feed_other(&others[2], "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(strncmp(fake_stream_take(&others[2], NULL), "HTTP/1.1 200", 12), 0);
    assert_int_equal(f->evicted_count, 2);
    for (int i = 0; i < OTHERS; i++)
        fake_stream_done(&others[i]);
}

static void who_is_being_served_is_not_evicted(void **state)
{
    struct http1_fixture *f = *state;
    struct fake_stream others[OTHERS];

    f->limits.handshakes_max = 1;
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    connect_other(f, &others[0]);
    feed_other(&others[0], "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx");
    connect_other(f, &others[1]);
    connect_other(f, &others[2]);
    assert_false(is_gone(&f->fake));
    assert_false(is_gone(&others[0]));
    assert_true(is_gone(&others[1]));
    feed_other(&others[0], "y");
    assert_int_equal(strncmp(fake_stream_take(&others[0], NULL), "HTTP/1.1 200", 12), 0);
    for (int i = 0; i < OTHERS; i++)
        fake_stream_done(&others[i]);
}

static void who_is_idle_waits_from_its_last_answer_on(void **state)
{
    struct http1_fixture *f = *state;
    struct fake_stream others[OTHERS];

    f->limits.handshakes_max = 2;
    connect_other(f, &others[0]);
    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"); /* now the younger one */
    assert_sent(f, OK("8", "GET /a? "));
    connect_other(f, &others[1]);
    assert_true(is_gone(&others[0]));
    assert_false(is_gone(&f->fake));
    connect_other(f, &others[2]);
    assert_true(is_gone(&f->fake));
    for (int i = 0; i < OTHERS; i++)
        fake_stream_done(&others[i]);
}

static void who_is_evicted_still_gets_its_answer(void **state)
{
    struct http1_fixture *f = *state;
    struct fake_stream other;

    f->limits.handshakes_max = 1;
    f->fake.is_stuck = true;
    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    connect_other(f, &other);
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    assert_true(is_gone(&f->fake));
    assert_sent(f, OK("8", "GET /a? "));
    fake_stream_done(&other);
}

/* --- memory ----------------------------------------------------------------------------------------- */

#define NO_ROOM_BEGIN "HTTP/1.1 503 Service Unavailable\r\n"

/* A request whose head is more than a connection's own bytes; the caller goes on. */
static void feed_long_head(struct http1_fixture *f, const char *more_lines)
{
    static char filler[BUDGET_OWN_BYTES + 1];

    f->limits.head_bytes_max = 2 * BUDGET_OWN_BYTES;
    memset(filler, 'x', sizeof filler - 1);
    client_feed(f, "POST /a HTTP/1.1\r\nHost: h\r\nX-Long: ");
    client_feed(f, filler);
    client_feed(f, more_lines);
}

static void a_body_that_waits_needs_room_in_the_budget(void **state)
{
    struct http1_fixture *f = *state;
    const char *text;

    f->server.budget = &f->budget;
    feed_long_head(f, "\r\nContent-Length: 2\r\n\r\nxy"); /* whole */
    assert_sent(f, OK("11", "POST /a? xy"));
    feed_long_head(f, "\r\nContent-Length: 2\r\n\r\nx");
    text = fake_stream_take(&f->fake, NULL);
    assert_int_equal(strncmp(text, NO_ROOM_BEGIN, sizeof NO_ROOM_BEGIN - 1), 0);
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(text, "\r\nRetry-After: "));
    assert_non_null(strstr(text, "{\"error\":{\"code\":\"unavailable\","));
    assert_true(f->fake.is_reported);
    assert_int_equal(f->malformed_count, 0);
}

static void a_head_that_waits_for_its_body_needs_room_too(void **state)
{
    struct http1_fixture *f = *state;

    f->server.budget = &f->budget;
    feed_long_head(f, "\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_sent_begins(f, NO_ROOM_BEGIN);
}

static void a_short_request_may_come_in_pieces_without_any_room(void **state)
{
    struct http1_fixture *f = *state;

    f->server.budget = &f->budget;
    client_feed(f, "POST /a HTTP/1.1\r\nHo");
    client_feed(f, "st: h\r\nContent-Length: 2\r\n\r\n");
    client_feed(f, "x");
    client_feed(f, "y");
    assert_sent(f, OK("11", "POST /a? xy"));
}

static void the_budget_is_used_while_a_body_waits(void **state)
{
    struct http1_fixture *f = *state;

    f->budget.bytes_max = 65536;
    f->server.budget = &f->budget;
    feed_long_head(f, "\r\nContent-Length: 500\r\n\r\nx");
    assert_true(f->budget.used_bytes > 0);
    client_feed(f, "GET /"); /* the body goes on */
    fake_stream_reset(&f->fake);
    fake_stream_run(&f->fake);
    assert_int_equal(f->budget.used_bytes, 0);
}

static void a_head_that_cannot_be_kept_is_503_behind_what_came_before(void **state)
{
    struct http1_fixture *f = *state;
    const char *text;

    f->fake.has_no_room = true;
    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HT");
    text = fake_stream_take(&f->fake, NULL);
    assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
    assert_non_null(strstr(text, "GET /a? " NO_ROOM_BEGIN));
    assert_true(f->fake.is_reported);
}

static void without_room_while_an_answer_is_due_the_client_is_gone(void **state)
{
    struct http1_fixture *f = *state;

    f->fake.has_no_room = true;
    client_feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HT");
    assert_true(f->fake.is_reported);
    assert_int_equal(f->gone_count, 1);
    assert_null(f->later);
}

static void a_larger_head_is_taken_as_soon_as_a_reload_allows_it(void **state)
{
    struct http1_fixture *f = *state;

    f->limits.head_bytes_max = 4096;
    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n");
    assert_int_equal(f->fake.stream.hold_bytes_max, 4096);
}

/* --- what lies below ------------------------------------------------------------------------------ */

static void plain_http_where_tls_is_spoken_is_400(void **state)
{
    struct http1_fixture *f = *state;

    f->fake.security.is_plain_on_tls = true;
    client_feed(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_sent_begins(f, "HTTP/1.1 400 Bad Request\r\n");
    assert_int_equal(f->request_count, 0);
    assert_true(f->fake.is_reported);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, http1_setup, http1_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_silent_newcomer_is_closed_without_a_word),
        TEST(a_slow_head_is_408_however_often_a_byte_comes),
        TEST(a_body_that_trickles_is_408_however_often_a_byte_comes),
        TEST(a_body_that_keeps_the_rate_has_the_time_it_needs),
        TEST(a_body_that_began_quickly_may_not_stop_for_long),
        TEST(an_idle_connection_is_closed_in_time),
        TEST(an_answer_has_all_the_time_it_needs),
        TEST(a_client_that_does_not_read_is_asked_nothing_more_and_given_up),
        TEST(a_client_that_reads_slowly_gets_everything),
        TEST(a_client_that_reads_a_byte_now_and_then_is_given_up),
        TEST(a_newcomer_takes_the_place_of_who_has_waited_longest),
        TEST(who_is_being_served_is_not_evicted),
        TEST(who_is_idle_waits_from_its_last_answer_on),
        TEST(who_is_evicted_still_gets_its_answer),
        TEST(a_body_that_waits_needs_room_in_the_budget),
        TEST(a_head_that_waits_for_its_body_needs_room_too),
        TEST(a_short_request_may_come_in_pieces_without_any_room),
        TEST(the_budget_is_used_while_a_body_waits),
        TEST(a_head_that_cannot_be_kept_is_503_behind_what_came_before),
        TEST(without_room_while_an_answer_is_due_the_client_is_gone),
        TEST(a_larger_head_is_taken_as_soon_as_a_reload_allows_it),
        TEST(plain_http_where_tls_is_spoken_is_400),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
