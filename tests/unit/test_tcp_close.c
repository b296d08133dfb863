#include "tests/unit/tcp_fixture.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tcp_fixture *f;

static int begin(void **state)
{
    (void)state;
    f = tcp_fixture_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    tcp_fixture_free(f);
    return 0;
}

/* --- ending --------------------------------------------------------------------------------------- */

static void finish_sends_the_rest_and_waits_for_the_peers_end(void **state)
{
    (void)state;
    f->user.finishes = true;
    send_text(f, "hello");
    TURN_UNTIL(f, f->user.bytes == 5);
    assert_int_equal(f->user.close_count, 0);
    stream_write(f->user.stream, "late", 4); /* dropped */
    stream_finish(f->user.stream);           /* twice is harmless */
    expect_text(f, "bye");
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0); /* our end */
    send_text(f, "ignored");
    settle(f);
    assert_int_equal(f->user.data_count, 1);
    assert_int_equal(f->user.close_count, 0);
    close_peer(f);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_BOTH);
    assert_int_equal(f->user.end_count, 0);
    assert_int_equal(tcp_counts(f->set)->open_count, 0);
}

static void a_peer_that_never_ends_is_closed_after_a_while(void **state)
{
    (void)state;
    stream_finish(f->user.stream);
    settle(f);
    pass(f, STREAM_LINGER_NS / 2);
    assert_int_equal(f->user.close_count, 0);
    pass(f, STREAM_LINGER_NS);
    assert_int_equal(f->user.close_count, 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_US);
}

static void a_finishing_stream_is_given_up_when_too_little_moves(void **state)
{
    (void)state;
    write_filler(f, (size_t)3 * 1024 * 1024);
    stream_finish(f->user.stream);
    settle(f);
    for (int i = 0; i < 3; i++) {
        expect_filler(f, (size_t)512 * 1024); /* enough for the socket to call itself writable */
        settle(f);
        pass(f, STREAM_STUCK_NS + 200000000);
        assert_int_equal(f->user.close_count, 0);
    }
    expect_filler(f, 1);
    settle(f);
    pass(f, STREAM_STUCK_NS + 200000000);
    assert_int_equal(f->user.close_count, 1);
}

static void a_finishing_stream_ends_however_long_a_peer_would_read(void **state)
{
    enum { LOOKS_AT_MOST = STREAM_FINISH_LOOKS_MAX + 1 };
    int looks = 0;

    (void)state;
    change_to_tcp(f);
    write_filler(f, (size_t)64 * 1024 * 1024);
    stream_finish(f->user.stream);
    while (f->user.close_count == 0) {
        expect_filler(f, (size_t)256 * 1024); /* enough, each time */
        settle(f);
        pass(f, STREAM_STUCK_NS + 200000000);
        assert_true(++looks <= LOOKS_AT_MOST);
    }
    assert_true(looks >= STREAM_FINISH_LOOKS_MAX - 1);
}

static void a_peer_that_has_not_got_all_that_was_sent_is_waited_for(void **state)
{
    enum { SIZE = 1024 * 1024, STEP = 1024 };
    size_t got = 0;

    (void)state;
    change_to_tcp(f);
    write_filler(f, SIZE);
    stream_finish(f->user.stream);
    settle(f);
    for (; !outq_is_empty(&f->user.stream->out); got += STEP) {
        expect_filler(f, STEP);
        settle(f);
    }
    assert_true(got < SIZE); /* the rest is on its way, in the hands of our system */
    pass(f, STREAM_LINGER_NS + 200000000);
    assert_int_equal(f->user.close_count, 0);
    expect_filler(f, SIZE - got);
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0); /* our end */
    pass(f, STREAM_STUCK_NS + 200000000);
    assert_int_equal(f->user.close_count, 0);
    pass(f, STREAM_LINGER_NS + 200000000); /* and the peer's never comes */
    assert_int_equal(f->user.close_count, 1);
}

static void unread_input_does_not_turn_the_end_into_a_reset(void **state)
{
    (void)state;
    stream_pause(f->user.stream);
    send_text(f, "never read by anybody");
    settle(f);
    stream_write(f->user.stream, "answer", 6);
    stream_finish(f->user.stream);
    settle(f);
    expect_text(f, "answer");
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0);
    assert_int_equal(f->user.data_count, 0);
    close_peer(f);
    TURN_UNTIL(f, f->user.close_count == 1);
}

static void abort_closes_at_once_and_tells_later(void **state)
{
    (void)state;
    write_filler(f, 100);
    stream_abort(f->user.stream);
    stream_abort(f->user.stream);
    assert_int_equal(f->user.close_count, 0); /* never from inside */
    assert_true(f->user.stream->is_closed);
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0);
    assert_true(tcp_has_work(f->set));
    (void)tcp_reap(f->set);
    assert_int_equal(f->user.close_count, 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_US);
    settle(f);
    assert_int_equal(f->user.close_count, 1);
}

static void abort_from_inside_on_data_is_safe(void **state)
{
    (void)state;
    f->user.aborts = true;
    f->user.take_max = 2;
    send_text(f, "abcdef");
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.data_count, 1);
}

static void a_half_closed_peer_is_told_of_and_still_answered(void **state)
{
    (void)state;
    send_text(f, "question");
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    TURN_UNTIL(f, f->user.end_count == 1);
    assert_string_equal(f->user.text, "question");
    stream_write(f->user.stream, "answer", 6);
    settle(f);
    expect_text(f, "answer");
    assert_int_equal(f->user.end_count, 1);
    stream_finish(f->user.stream);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_PEER);
}

static void the_end_behind_paused_input_comes_after_it(void **state)
{
    (void)state;
    f->user.pauses = true;
    f->user.take_max = 3;
    send_text(f, "abcdef");
    TURN_UNTIL(f, f->user.bytes == 3);
    close_peer(f);
    settle(f);
    assert_int_equal(f->user.end_count, 0);
    f->user.pauses = false;
    stream_resume(f->user.stream);
    TURN_UNTIL(f, f->user.end_count == 1);
    assert_string_equal(f->user.text, "abcdef");
}

static void without_on_end_the_stream_finishes_by_itself(void **state)
{
    struct stream_handlers without = *user_handlers();

    (void)state;
    without.on_end = NULL;
    stream_set_user(f->user.stream, &without, &f->user);
    stream_write(f->user.stream, "rest", 4);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    TURN_UNTIL(f, f->user.close_count == 1);
    expect_text(f, "rest");
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_PEER);
}

static void writing_to_a_peer_that_is_gone_closes(void **state)
{
    (void)state;
    stream_pause(f->user.stream); /* the end is not read */
    close_peer(f);
    settle(f);
    assert_int_equal(f->user.close_count, 0);
    write_filler(f, 10);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_PEER);
}

static void closing_the_set_closes_every_stream(void **state)
{
    struct user first = f->user;
    int first_peer = f->peer;

    (void)state;
    adopt(&first, first.stream);
    open_pair(f);
    stream_pause(first.stream);
    assert_int_equal(write(first_peer, "x", 1), 1);
    settle(f);
    stream_resume(first.stream); /* one has input to be given, */
    write_filler(f, 10);         /* one has output to be sent */
    tcp_set_close(f->set);
    f->set = NULL;
    assert_int_equal(first.close_count, 1);
    assert_int_equal(first.data_count, 0);
    assert_int_equal(f->user.close_count, 1);
    assert_int_equal(close(first_peer), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finish_sends_the_rest_and_waits_for_the_peers_end),
        TEST(a_peer_that_never_ends_is_closed_after_a_while),
        TEST(a_finishing_stream_is_given_up_when_too_little_moves),
        TEST(a_finishing_stream_ends_however_long_a_peer_would_read),
        TEST(a_peer_that_has_not_got_all_that_was_sent_is_waited_for),
        TEST(unread_input_does_not_turn_the_end_into_a_reset),
        TEST(abort_closes_at_once_and_tells_later),
        TEST(abort_from_inside_on_data_is_safe),
        TEST(a_half_closed_peer_is_told_of_and_still_answered),
        TEST(the_end_behind_paused_input_comes_after_it),
        TEST(without_on_end_the_stream_finishes_by_itself),
        TEST(writing_to_a_peer_that_is_gone_closes),
        TEST(closing_the_set_closes_every_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
