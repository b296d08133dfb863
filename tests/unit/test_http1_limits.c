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

static void a_slow_body_is_408(void **state)
{
    struct http1_fixture *f = *state;

    client_pass(f, 9 * SECOND);
    client_feed(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 19; i++) {
        client_feed(f, "X");
        client_pass(f, SECOND);
    }
    assert_false(f->fake.is_reported);
    client_pass(f, 2 * SECOND);
    assert_sent_begins(f, "HTTP/1.1 408 Request Timeout\r\n");
    assert_true(f->fake.is_reported);
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

static void a_client_that_reads_slowly_gets_everything(void **state)
{
    struct http1_fixture *f = *state;
    size_t bytes = 0;

    f->fake.is_stuck = true;
    for (int i = 0; i < 3; i++)
        client_feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    client_pass(f, 25 * SECOND);
    /* A little is taken: the patience begins anew. */
    outq_consume(&f->fake.stream.out, 10);
    client_pass(f, 25 * SECOND);
    assert_false(f->fake.is_reported);
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    assert_int_equal(f->request_count, 3);
    (void)fake_stream_take(&f->fake, &bytes);
    assert_true(bytes > (size_t)3 * BIG_BYTES);
    client_pass(f, 59 * SECOND);
    assert_false(f->fake.is_reported);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, http1_setup, http1_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_silent_newcomer_is_closed_without_a_word),
        TEST(a_slow_head_is_408_however_often_a_byte_comes),
        TEST(a_slow_body_is_408),
        TEST(an_idle_connection_is_closed_in_time),
        TEST(an_answer_has_all_the_time_it_needs),
        TEST(a_client_that_does_not_read_is_asked_nothing_more_and_given_up),
        TEST(a_client_that_reads_slowly_gets_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
