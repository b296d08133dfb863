#include "tests/unit/tcp_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LITTLE_BYTES = 2000, /* two of them are its own */
    MORE_BYTES = BUDGET_OWN_BYTES + 1000,
};

static struct tcp_fixture *f;

static int begin(void **state)
{
    (void)state;
    f = tcp_fixture_new();
    return 0;
}

/* The fixture sees to it that the budget has got everything back. */
static int end(void **state)
{
    (void)state;
    tcp_fixture_free(f);
    return 0;
}

static void send_filler(int peer, size_t size)
{
    char *filler = malloc(size);

    assert_non_null(filler);
    memset(filler, 'x', size);
    assert_int_equal(write(peer, filler, size), size);
    free(filler);
}

/* A second stream beside the fixture's, with a peer of its own. */
static int open_other(struct user *other)
{
    struct user first = f->user;
    int first_peer = f->peer;
    int peer;

    open_pair(f);
    peer = f->peer;
    *other = f->user;
    adopt(other, other->stream);
    f->user = first;
    f->peer = first_peer;
    adopt(&f->user, f->user.stream);
    return peer;
}

static void what_is_kept_is_charged_and_given_back_when_consumed(void **state)
{
    (void)state;
    f->user.take_max = 10;
    send_filler(f->peer, MORE_BYTES);
    TURN_UNTIL(f, f->user.data_count == 1);
    assert_in_range(f->budget.used_bytes, MORE_BYTES - 10 - BUDGET_OWN_BYTES,
                    MORE_BYTES + 100 - BUDGET_OWN_BYTES);
    f->user.take_max = SIZE_MAX;
    stream_resume(f->user.stream);
    TURN_UNTIL(f, f->user.bytes == MORE_BYTES);
    assert_int_equal(f->budget.used_bytes, 0);
}

static void a_little_is_kept_though_others_have_used_it_up(void **state)
{
    (void)state;
    f->budget.bytes_max = 0;
    f->user.take_max = 0;
    send_filler(f->peer, LITTLE_BYTES);
    TURN_UNTIL(f, f->user.data_count == 1);
    send_filler(f->peer, LITTLE_BYTES);
    TURN_UNTIL(f, f->user.data_count == 2);
    f->user.take_max = 2 * LITTLE_BYTES - 1;
    send_text(f, "y");
    TURN_UNTIL(f, f->user.bytes == 2 * LITTLE_BYTES - 1);
    f->user.take_max = SIZE_MAX;
    send_text(f, "z");
    TURN_UNTIL(f, f->user.bytes == 2 * LITTLE_BYTES + 2);
    assert_string_equal(&f->user.text[2 * LITTLE_BYTES - 1], "xyz");
    assert_int_equal(f->user.no_room_count, 0);
}

static void what_a_paused_user_leaves_waits_when_others_have_used_it_up(void **state)
{
    enum { MUCH = 150000 };

    (void)state;
    f->budget.bytes_max = 0;
    f->user.take_max = 1000;
    f->user.pauses = true;
    send_text(f, "1");
    send_filler(f->peer, MUCH - 2);
    send_text(f, "2");
    for (size_t taken = 1000; taken < MUCH; taken += 1000) {
        TURN_UNTIL(f, f->user.bytes == taken);
        settle(f);
        assert_int_equal(f->user.bytes, taken);
        stream_resume(f->user.stream);
    }
    TURN_UNTIL(f, f->user.bytes == MUCH);
    assert_int_equal(tcp_counts(f->set)->bytes_in, MUCH);
    assert_int_equal(f->user.text[0], '1');
    assert_int_equal(f->user.text[1], 'x');
    assert_int_equal(f->user.text[MUCH - 1], '2');
    stream_resume(f->user.stream);
    close_peer(f);
    TURN_UNTIL(f, f->user.end_count == 1);
    assert_int_equal(f->user.no_room_count, 0);
}

static void a_paused_user_may_leave_some_of_what_is_kept_too(void **state)
{
    (void)state;
    f->budget.bytes_max = 0;
    f->user.take_max = 0;
    send_filler(f->peer, LITTLE_BYTES);
    TURN_UNTIL(f, f->user.data_count == 1);
    f->user.take_max = LITTLE_BYTES / 2;
    f->user.pauses = true;
    send_text(f, "yz");
    for (int i = 0; i < 3; i++) {
        TURN_UNTIL(f, f->user.data_count == 2 + i);
        stream_resume(f->user.stream);
    }
    TURN_UNTIL(f, f->user.bytes == LITTLE_BYTES + 2);
    assert_string_equal(f->user.text + LITTLE_BYTES - 1, "xyz");
    assert_int_equal(f->user.no_room_count, 0);
}

static void who_ends_in_the_middle_of_it_when_it_is_used_up_leaves_nothing(void **state)
{
    enum { MUCH = 100000 };

    (void)state;
    f->budget.bytes_max = 0;
    f->user.finishes = true;
    f->user.pauses = true;
    f->user.take_max = 1;
    send_filler(f->peer, MUCH);
    expect_text(f, "bye"); /* and no reset, because all has been read */
    settle(f);
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0);
    assert_int_equal(tcp_counts(f->set)->bytes_in, MUCH);
    close_peer(f);
    TURN_UNTIL(f, f->user.close_count == 1);

    free(f->user.text);
    open_pair(f);
    f->user.aborts = true;
    send_filler(f->peer, MUCH);
    TURN_UNTIL(f, f->user.close_count == 1);
}

static void what_is_consumed_of_much_is_given_back_before_the_rest(void **state)
{
    enum { MUCH = 60000 };

    (void)state;
    f->user.take_max = 0;
    send_filler(f->peer, MUCH);
    TURN_UNTIL(f, f->user.data_count == 1);
    f->user.take_max = MUCH - 100;
    stream_resume(f->user.stream);
    TURN_UNTIL(f, f->user.bytes == MUCH - 100);
    assert_int_equal(f->budget.used_bytes, 0); /* 100 bytes are its own */
    f->user.take_max = SIZE_MAX;
    send_text(f, "y");
    TURN_UNTIL(f, f->user.bytes == MUCH + 1);
    assert_int_equal(f->user.text[MUCH], 'y');
}

static void input_that_cannot_be_kept_is_answered_by_its_user(void **state)
{
    (void)state;
    f->budget.bytes_max = 500; /* and its own bytes */
    f->user.take_max = 10;
    f->user.says_so = true;
    send_filler(f->peer, MORE_BYTES);
    TURN_UNTIL(f, f->user.no_room_count == 1);
    assert_int_equal(f->user.data_count, 1);
    assert_int_equal(f->budget.used_bytes, 0);
    expect_text(f, "full");
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0);
    close_peer(f);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_BY_BOTH);
}

static void a_user_that_does_not_finish_then_is_cut(void **state)
{
    (void)state;
    f->budget.bytes_max = 500;
    f->user.take_max = 10;
    send_filler(f->peer, MORE_BYTES);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.no_room_count, 1);
    assert_int_equal(f->user.reason, STREAM_CLOSED_ERROR);
}

static void a_user_that_knows_nothing_of_it_is_cut(void **state)
{
    struct stream_handlers without = *user_handlers();

    (void)state;
    without.on_no_room = NULL;
    stream_set_user(f->user.stream, &without, &f->user);
    f->budget.bytes_max = 500;
    f->user.take_max = 10;
    send_filler(f->peer, MORE_BYTES);
    TURN_UNTIL(f, f->user.close_count == 1);
    assert_int_equal(f->user.no_room_count, 0);
}

static void much_that_is_kept_and_cannot_grow_ends_likewise(void **state)
{
    (void)state;
    f->budget.bytes_max = 30000;
    f->user.take_max = 0;
    f->user.says_so = true;
    send_filler(f->peer, 20000); /* more than is joined in the read buffer */
    TURN_UNTIL(f, f->user.data_count == 1);
    send_filler(f->peer, 20000);
    TURN_UNTIL(f, f->user.no_room_count == 1);
    assert_int_equal(f->user.data_count, 1);
    assert_int_equal(f->budget.used_bytes, 0);
    expect_text(f, "full");
}

static void others_go_on_when_one_has_used_it_up(void **state)
{
    struct user other;
    int peer = open_other(&other);

    (void)state;
    other.take_max = 0;
    assert_int_equal(write(peer, "begun", 5), 5);
    TURN_UNTIL(f, other.data_count == 1);

    f->user.take_max = 0;
    send_filler(f->peer, 10000);
    TURN_UNTIL(f, f->user.data_count == 1);
    f->budget.bytes_max = f->budget.used_bytes; /* nothing is left */

    /* What the other had begun is made whole, and what is whole needs nothing. */
    other.take_max = SIZE_MAX;
    send_filler(peer, 30000);
    TURN_UNTIL(f, other.bytes == 30005);
    assert_memory_equal(other.text, "begunx", 6);
    send_filler(peer, 30000);
    TURN_UNTIL(f, other.bytes == 60005);
    assert_int_equal(other.no_room_count, 0);
    assert_int_equal(f->user.close_count, 0);
    assert_int_equal(close(peer), 0);
    TURN_UNTIL(f, other.end_count == 1);
    free(other.text);
    stream_abort(other.stream);
    TURN_UNTIL(f, other.close_count == 1);
}

static void whatever_ends_a_stream_gives_back_what_it_kept(void **state)
{
    enum { WAYS = 4 };

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        f->user.take_max = 1;
        send_filler(f->peer, MORE_BYTES);
        TURN_UNTIL(f, f->user.data_count == 1);
        assert_true(f->budget.used_bytes > 0);
        if (way == 0)
            stream_abort(f->user.stream);
        else if (way == 1)
            stream_finish(f->user.stream);
        else if (way == 2)
            f->user.aborts = true;
        else
            f->user.finishes = true;
        if (way >= 2)
            send_text(f, "more"); /* from inside on_data */
        settle(f);
        assert_int_equal(f->budget.used_bytes, 0);
        close_peer(f);
        TURN_UNTIL(f, f->user.close_count == 1);
        free(f->user.text);
        open_pair(f);
    }
    f->user.take_max = 1;
    send_filler(f->peer, MORE_BYTES); /* and the set's end: end() */
    TURN_UNTIL(f, f->user.data_count == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_is_charged_and_given_back_when_consumed),
        TEST(a_little_is_kept_though_others_have_used_it_up),
        TEST(what_a_paused_user_leaves_waits_when_others_have_used_it_up),
        TEST(a_paused_user_may_leave_some_of_what_is_kept_too),
        TEST(who_ends_in_the_middle_of_it_when_it_is_used_up_leaves_nothing),
        TEST(what_is_consumed_of_much_is_given_back_before_the_rest),
        TEST(input_that_cannot_be_kept_is_answered_by_its_user),
        TEST(a_user_that_does_not_finish_then_is_cut),
        TEST(a_user_that_knows_nothing_of_it_is_cut),
        TEST(much_that_is_kept_and_cannot_grow_ends_likewise),
        TEST(others_go_on_when_one_has_used_it_up),
        TEST(whatever_ends_a_stream_gives_back_what_it_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
