#include "tests/unit/tcp_fixture.h"

#include <sys/socket.h>

enum {
    MUCH = 1024 * 1024, /* more than the sockets take */
};

static struct tcp_fixture *f;

static int begin(void **state)
{
    (void)state;
    f = tcp_fixture_new();
    change_to_tcp(f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tcp_fixture_free(f);
    return 0;
}

static enum stream_peer peer(void)
{
    return stream_peer(f->user.stream);
}

static void a_peer_that_reads_has_all(void **state)
{
    (void)state;
    assert_int_equal(peer(), STREAM_PEER_HAS_ALL);
    write_filler(f, 10);
    assert_int_equal(peer(), STREAM_PEER_LAGS);   /* it is still in the queue */
    TURN_UNTIL(f, peer() == STREAM_PEER_HAS_ALL); /* that nobody reads it does not matter */
    write_filler(f, MUCH);
    settle(f);
    expect_filler(f, MUCH + 10);
    TURN_UNTIL(f, peer() == STREAM_PEER_HAS_ALL);
}

static void a_peer_that_does_not_read_lags_as_long_as_its_system_answers(void **state)
{
    (void)state;
    write_filler(f, MUCH);
    settle(f);
    for (int i = 0; i < 100; i++) { /* a second: several probes of its closed window */
        turn(f, 10000000);
        assert_int_equal(peer(), STREAM_PEER_LAGS);
    }
    expect_filler(f, MUCH);
    TURN_UNTIL(f, peer() == STREAM_PEER_HAS_ALL);
}

static void a_peer_whose_system_is_gone_becomes_silent(void **state)
{
    (void)state;
    silence_peer(f);
    write_filler(f, 10);
    settle(f);
    TURN_UNTIL(f, peer() == STREAM_PEER_IS_SILENT);
}

static void a_peer_whose_system_goes_while_its_window_is_closed_becomes_silent(void **state)
{
    (void)state;
    write_filler(f, MUCH);
    settle(f);
    for (int i = 0; i < 10; i++)
        turn(f, 10000000);
    assert_int_equal(peer(), STREAM_PEER_LAGS);
    silence_peer(f);
    TURN_UNTIL(f, peer() == STREAM_PEER_IS_SILENT);
}

static void a_unix_peer_lags_while_it_does_not_read(void **state)
{
    (void)state;
    stream_abort(f->user.stream);
    settle(f);
    close_peer(f);
    open_pair(f);
    assert_int_equal(peer(), STREAM_PEER_HAS_ALL);
    write_filler(f, MUCH);
    settle(f);
    assert_int_equal(peer(), STREAM_PEER_LAGS);
    expect_filler(f, MUCH);
    TURN_UNTIL(f, peer() == STREAM_PEER_HAS_ALL);
}

/* --- what becomes of those that take nothing ------------------------------------------------------ */

/* Looks passed until the stream is closed, at most @looks_max. */
static int looks_until_closed(int looks_max)
{
    int looks = 0;

    while (f->user.close_count == 0 && looks < looks_max) {
        pass(f, STREAM_LOOK_NS + 200000000);
        looks++;
    }
    return looks;
}

static void expect_giving_up(void)
{
    assert_in_range(looks_until_closed(100), STREAM_STALLED_LOOKS, STREAM_STALLED_LOOKS + 1);
    assert_int_equal(f->user.close_count, 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_STALLED);
    assert_int_equal(tcp_counts(f->set)->stalled, 1);
}

static void a_peer_that_takes_nothing_is_given_up_in_the_end(void **state)
{
    (void)state;
    write_filler(f, MUCH);
    settle(f);
    expect_giving_up();
}

static void a_peer_that_takes_nothing_is_given_up_though_nothing_is_queued(void **state)
{
    enum { STEP = 4096 };

    (void)state;
    do {
        write_filler(f, STEP);
        settle(f);
    } while (peer() == STREAM_PEER_HAS_ALL);
    assert_true(outq_is_empty(&f->user.stream->out)); /* it waits in the socket */
    expect_giving_up();
}

static void a_unix_peer_that_takes_nothing_is_given_up_in_the_end(void **state)
{
    (void)state;
    stream_abort(f->user.stream);
    settle(f);
    close_peer(f);
    open_pair(f);
    write_filler(f, MUCH);
    settle(f);
    expect_giving_up();
}

static void what_is_queued_meanwhile_prolongs_nothing(void **state)
{
    int looks = 0;

    (void)state;
    write_filler(f, MUCH);
    settle(f);
    while (f->user.close_count == 0 && looks++ < 100) {
        write_filler(f, 10);
        settle(f);
        pass(f, STREAM_LOOK_NS + 200000000);
    }
    assert_in_range(looks, STREAM_STALLED_LOOKS, STREAM_STALLED_LOOKS + 1);
}

static void a_peer_that_takes_a_little_now_and_then_may_lag_for_ever(void **state)
{
    enum { STEP = 32 * 1024, STEPS = MUCH / STEP / 2 };

    (void)state;
    write_filler(f, MUCH);
    settle(f);
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(looks_until_closed(STREAM_STALLED_LOOKS - 2), STREAM_STALLED_LOOKS - 2);
        expect_filler(f, STEP);
        settle(f);
    }
    assert_int_equal(f->user.close_count, 0);
    expect_giving_up();
}

static void a_peer_that_has_all_is_not_judged(void **state)
{
    (void)state;
    write_filler(f, 10);
    settle(f);
    TURN_UNTIL(f, peer() == STREAM_PEER_HAS_ALL);
    assert_int_equal(looks_until_closed(100), 100);
    write_filler(f, 10); /* and one that has had all has its whole time again */
    settle(f);
    assert_int_equal(looks_until_closed(100), 100);
}

static void a_silent_peer_is_given_up_at_the_second_look(void **state)
{
    (void)state;
    silence_peer(f);
    write_filler(f, 10);
    settle(f);
    TURN_UNTIL(f, peer() == STREAM_PEER_IS_SILENT);
    assert_in_range(looks_until_closed(100), 1, 2);
}

static void a_stream_that_was_watched_finishes_as_any_other(void **state)
{
    (void)state;
    write_filler(f, MUCH);
    settle(f);
    assert_int_equal(looks_until_closed(STREAM_STALLED_LOOKS - 2), STREAM_STALLED_LOOKS - 2);
    stream_finish(f->user.stream);
    settle(f);
    pass(f, STREAM_STUCK_NS - 200000000);
    assert_int_equal(f->user.close_count, 0);
    pass(f, 400000000);
    assert_int_equal(f->user.close_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_reads_has_all),
        TEST(a_peer_that_does_not_read_lags_as_long_as_its_system_answers),
        TEST(a_peer_whose_system_is_gone_becomes_silent),
        TEST(a_peer_whose_system_goes_while_its_window_is_closed_becomes_silent),
        TEST(a_unix_peer_lags_while_it_does_not_read),
        TEST(a_peer_that_takes_nothing_is_given_up_in_the_end),
        TEST(a_peer_that_takes_nothing_is_given_up_though_nothing_is_queued),
        TEST(a_unix_peer_that_takes_nothing_is_given_up_in_the_end),
        TEST(what_is_queued_meanwhile_prolongs_nothing),
        TEST(a_peer_that_takes_a_little_now_and_then_may_lag_for_ever),
        TEST(a_peer_that_has_all_is_not_judged),
        TEST(a_silent_peer_is_given_up_at_the_second_look),
        TEST(a_stream_that_was_watched_finishes_as_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
