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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_reads_has_all),
        TEST(a_peer_that_does_not_read_lags_as_long_as_its_system_answers),
        TEST(a_peer_whose_system_is_gone_becomes_silent),
        TEST(a_peer_whose_system_goes_while_its_window_is_closed_becomes_silent),
        TEST(a_unix_peer_lags_while_it_does_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
