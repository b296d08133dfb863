#include "tests/unit/tcp_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static void a_stream_counts_its_bytes_and_knows_its_peer_to_the_end(void **state)
{
    char text[TCP_ADDRESS_TEXT_MAX];
    struct stream other;

    (void)state;
    f->user.take_max = 2; /* what is kept counts, too, and only once */
    send_text(f, "hello");
    TURN_UNTIL(f, f->user.bytes == 2);
    send_text(f, " world");
    stream_write(f->user.stream, "answer", 6);
    settle(f);
    expect_text(f, "answer");
    stream_abort(f->user.stream);
    stream_peer_text(f->user.stream, text, sizeof text);
    assert_string_equal(text, "unix");
    assert_int_equal(f->user.stream->bytes_in, 11);
    assert_int_equal(f->user.stream->out.sent_bytes, 6);
    stream_init(&other, &(struct stream_operations){.dirty = NULL}); /* of no kind that tells */
    stream_peer_text(&other, text, sizeof text);
    assert_string_equal(text, "");
}

/* --- input ---------------------------------------------------------------------------------------- */

static void what_arrives_is_given(void **state)
{
    (void)state;
    send_text(f, "hello");
    TURN_UNTIL(f, f->user.bytes == 5);
    assert_string_equal(f->user.text, "hello");
    send_text(f, " world");
    TURN_UNTIL(f, f->user.bytes == 11);
    assert_int_equal(tcp_counts(f->set)->bytes_in, 11);
    assert_false(tcp_has_work(f->set));
}

static void what_is_not_consumed_is_given_again_in_front(void **state)
{
    (void)state;
    f->user.take_max = 2;
    send_text(f, "abcdef");
    settle(f);
    assert_int_equal(f->user.data_count, 1); /* not again before something new comes */
    send_text(f, "ghi");
    settle(f);
    assert_int_equal(f->user.offered, 7);
    f->user.take_max = SIZE_MAX;
    stream_resume(f->user.stream); /* asks for what is kept */
    settle(f);
    assert_string_equal(f->user.text, "abcdefghi");
    assert_int_equal(f->user.offered, 5);
}

static void a_paused_stream_reads_nothing_and_keeps_everything(void **state)
{
    (void)state;
    f->user.pauses = true;
    f->user.take_max = 1;
    send_text(f, "abc");
    TURN_UNTIL(f, f->user.bytes == 1);
    send_text(f, "def");
    settle(f);
    assert_int_equal(f->user.data_count, 1);
    f->user.pauses = false;
    f->user.take_max = SIZE_MAX;
    stream_resume(f->user.stream);
    assert_int_equal(f->user.data_count, 1); /* never from inside */
    TURN_UNTIL(f, f->user.bytes == 6);
    assert_string_equal(f->user.text, "abcdef");
}

static void a_stream_paused_again_at_once_gets_nothing(void **state)
{
    (void)state;
    stream_pause(f->user.stream);
    send_text(f, "abc");
    settle(f);
    stream_resume(f->user.stream);
    stream_pause(f->user.stream);
    settle(f);
    assert_int_equal(f->user.data_count, 0);
    stream_resume(f->user.stream);
    TURN_UNTIL(f, f->user.bytes == 3);
}

static void a_stream_that_holds_its_limit_stops_reading(void **state)
{
    char *filler = calloc(1, KEPT_BYTES);
    size_t sent = 0;

    (void)state;
    assert_non_null(filler);
    f->user.take_max = 0;
    assert_int_equal(fcntl(f->peer, F_SETFL, O_NONBLOCK), 0);
    /* The peer sends without end; what is kept stays bounded and the socket fills. */
    for (int blocked = 0; blocked < 10;) {
        ssize_t rc = write(f->peer, filler, KEPT_BYTES);

        blocked = rc < 0 ? blocked + 1 : 0;
        sent += rc > 0 ? (size_t)rc : 0;
        turn(f, 0);
    }
    assert_true(f->user.offered > KEPT_BYTES);
    assert_true(f->user.offered <= KEPT_BYTES + TCP_READ_BYTES);
    assert_true(sent > f->user.offered);
    f->user.take_max = SIZE_MAX;
    stream_resume(f->user.stream);
    TURN_UNTIL(f, f->user.bytes == sent);
    free(filler);
}

static void one_turn_reads_a_bounded_amount_of_one_stream(void **state)
{
    enum { SENT = 150 * 1024 };
    char *filler = calloc(1, SENT);
    size_t before = 0;

    (void)state;
    assert_non_null(filler);
    assert_int_equal(write(f->peer, filler, SENT), SENT);
    while (f->user.bytes < SENT) {
        turn(f, 0);
        assert_true(f->user.bytes - before <= TCP_READ_BYTES);
        assert_true(f->user.bytes > before); /* and does not sleep on the rest */
        before = f->user.bytes;
    }
    free(filler);
}

enum {
    SENDERS = TCP_WORK_MAX + 50,
    SENDER_BYTES = 160 * 1024, /* three reads; fits the socket */
};

static struct user senders[SENDERS];

/* How much they have been given, how often, and how many have been given everything. */
static size_t count_data(int *ret_count, int *ret_done)
{
    size_t bytes = 0;

    *ret_count = 0;
    *ret_done = 0;
    for (int i = 0; i < SENDERS; i++) {
        bytes += senders[i].bytes;
        *ret_count += senders[i].data_count;
        *ret_done += senders[i].bytes == SENDER_BYTES;
    }
    return bytes;
}

static void many_fast_senders_take_turns(void **state)
{
    char *filler = calloc(1, SENDER_BYTES);
    struct user first = f->user;
    int first_peer = f->peer;
    int peers[SENDERS];
    size_t before = 0;
    int count_before = 0;
    int count = 0;
    int done = 0;

    (void)state;
    assert_non_null(filler);
    for (int i = 0; i < SENDERS; i++) {
        open_pair(f);
        peers[i] = f->peer;
        senders[i] = f->user;
        adopt(&senders[i], f->user.stream);
        assert_int_equal(write(peers[i], filler, SENDER_BYTES), SENDER_BYTES);
    }
    f->user = first;
    f->peer = first_peer;
    adopt(&f->user, f->user.stream);
    for (int turns = 0; done < SENDERS; turns++) {
        size_t bytes;

        assert_int_equal(write(f->peer, "x", 1), 1);
        turn(f, 0);
        bytes = count_data(&count, &done);
        assert_true(bytes > before);
        assert_true(bytes - before <= TCP_TURN_BYTES + TCP_READ_BYTES);
        if (turns >= 2) {
            assert_true(count - count_before <= TCP_WORK_MAX);
            assert_true(f->user.bytes >= (size_t)turns); /* who has little to say is heard */
        }
        before = bytes;
        count_before = count;
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(senders[i].data_count, 3); /* nothing is cut that need not be */
        assert_int_equal(close(peers[i]), 0);
        stream_abort(senders[i].stream);
        free(senders[i].text);
    }
    settle(f);
    free(filler);
}

static void a_new_user_is_given_what_the_old_one_left(void **state)
{
    struct user successor = {.take_max = SIZE_MAX};

    (void)state;
    f->user.take_max = 3;
    f->user.successor = &successor;
    send_text(f, "abcdef");
    TURN_UNTIL(f, successor.bytes == 3);
    assert_string_equal(f->user.text, "abc");
    assert_string_equal(successor.text, "def");
    stream_abort(successor.stream);
    TURN_UNTIL(f, successor.close_count == 1);
    assert_int_equal(f->user.close_count, 0);
    free(successor.text);
}

/* --- output --------------------------------------------------------------------------------------- */

static void what_is_written_leaves_with_the_flush(void **state)
{
    (void)state;
    stream_write(f->user.stream, "one ", 4);
    stream_write(f->user.stream, "two", 3);
    assert_true(tcp_has_work(f->set));
    assert_int_equal(recv(f->peer, &(char){0}, 1, MSG_DONTWAIT), -1); /* not before */
    tcp_flush(f->set);
    expect_text(f, "one two");
    assert_int_equal(tcp_counts(f->set)->bytes_out, 7);
    assert_int_equal(tcp_counts(f->set)->write_count, 1);
    assert_int_equal(tcp_counts(f->set)->writes[0], 1); /* one range */
    assert_int_equal(f->user.stream->out.sent_bytes, 7);
    assert_false(tcp_has_work(f->set));
}

static void many_ranges_leave_in_order(void **state)
{
    enum { COUNT = 1000 };
    struct arena_writer writer = {0};
    char text[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        uint8_t *room = arena_writer_reserve(&writer, 2); /* a gap behind each: no joining */

        assert_non_null(room);
        text[i] = (char)('a' + i % 26);
        room[0] = (uint8_t)text[i];
        stream_push(f->user.stream,
                    (struct range){arena_writer_commit(&writer, 2).arena, writer.used - 2, 1});
    }
    assert_int_equal(f->user.stream->out.count, COUNT);
    tcp_flush(f->set);
    assert_true(outq_is_empty(&f->user.stream->out));
    /* 3 * 256 and 232: three above the last bound, one in the bucket below it. */
    assert_int_equal(tcp_counts(f->set)->write_count, 4);
    assert_int_equal(tcp_counts(f->set)->writes[STAT_WRITE_RANGES_BOUNDS], 3);
    assert_int_equal(tcp_counts(f->set)->writes[STAT_WRITE_RANGES_BOUNDS - 1], 1);
    assert_int_equal(tcp_counts(f->set)->writes[STAT_WRITE_RANGES_BOUNDS + 1], COUNT);
    for (int i = 0; i < COUNT; i += 100) {
        char part[101];

        memcpy(part, text + i, 100);
        part[100] = '\0';
        expect_text(f, part);
    }
    arena_writer_done(&writer);
}

static void a_full_socket_goes_on_when_the_peer_reads(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    write_filler(f, SIZE);
    settle(f);
    assert_false(outq_is_empty(&f->user.stream->out));
    assert_false(tcp_has_work(f->set)); /* it waits for the socket, and the worker may sleep */
    assert_int_equal(tcp_counts(f->set)->queued_bytes, f->user.stream->out.bytes);
    expect_filler(f, SIZE);
    settle(f);
    assert_true(outq_is_empty(&f->user.stream->out));
    assert_int_equal(tcp_counts(f->set)->queued_bytes, 0);
    assert_int_equal(tcp_counts(f->set)->bytes_out, SIZE);
}

static void one_turn_writes_a_bounded_amount_to_one_stream(void **state)
{
    enum { SIZE = 4 * TCP_WRITE_BYTES };
    struct stream *stream;
    int size = 2 * SIZE;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
        assert_int_equal(close(pair[0]), 0);
        assert_int_equal(close(pair[1]), 0);
        skip(); /* only root may have a socket that takes so much at once */
    }
    close_peer(f);
    f->peer = pair[1];
    stream_abort(f->user.stream);
    settle(f);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(tcp_stream_open(f->set, pair[0], &stream), 0);
    adopt(&f->user, stream);
    for (int i = 0; i < SIZE / 16384; i++)
        write_filler(f, 16384); /* an arena of its own each */
    tcp_flush(f->set);
    assert_true(stream->out.sent_bytes >= TCP_WRITE_BYTES);
    assert_true(stream->out.sent_bytes <= TCP_WRITE_BYTES + 16384);
    assert_true(tcp_has_work(f->set)); /* goes on in the next turn, without sleeping */
    expect_filler(f, SIZE);
}

static void drained_is_told_once_when_a_long_queue_has_become_short(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    write_filler(f, SIZE);
    settle(f);
    assert_int_equal(f->user.drained_count, 0);
    expect_filler(f, SIZE);
    settle(f);
    assert_int_equal(f->user.drained_count, 1);
    stream_write(f->user.stream, "x", 1); /* a short one is not worth a word */
    settle(f);
    assert_int_equal(f->user.drained_count, 1);
}

static void drained_is_told_at_the_threshold_the_user_has_set(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    f->user.stream->drained_bytes = 0;
    write_filler(f, SIZE);
    settle(f);
    while (!outq_is_empty(&f->user.stream->out)) {
        assert_int_equal(f->user.drained_count, 0);
        expect_filler(f, 4096);
        turn(f, 0);
    }
    settle(f);
    assert_int_equal(f->user.drained_count, 1);
}

static void drained_can_be_asked_for_by_hand(void **state)
{
    (void)state;
    f->user.stream->wants_drained = true;
    stream_write(f->user.stream, "x", 1);
    settle(f);
    assert_int_equal(f->user.drained_count, 1);
}

static void a_sealed_stream_takes_nothing_more(void **state)
{
    (void)state;
    stream_write(f->user.stream, "last", 4);
    f->user.stream->is_sealed = true;
    stream_write(f->user.stream, "late", 4);
    stream_finish(f->user.stream);
    settle(f);
    expect_text(f, "last");
    assert_int_equal(recv(f->peer, &(char){0}, 1, 0), 0);
}

static void ignore(struct stream *stream)
{
    (void)stream;
}

static void what_is_moved_to_a_sealed_stream_is_lost_and_harms_nobody(void **state)
{
    static const struct stream_operations operations = {.dirty = ignore};
    struct stream from;

    (void)state;
    stream_init(&from, &operations);
    stream_write(&from, "one two", 7);
    stream_write(f->user.stream, "last", 4);
    f->user.stream->is_sealed = true;
    stream_move(f->user.stream, &from, 3);
    stream_move_copy(f->user.stream, "head", 4, &from, 4);
    assert_true(outq_is_empty(&from.out));
    assert_false(f->user.stream->is_closed);
    settle(f);
    expect_text(f, "last");
}

static void delivered_bytes_are_those_the_peer_has_taken(void **state)
{
    (void)state;
    write_filler(f, 1000);
    tcp_flush(f->set);
    assert_int_equal(f->user.stream->out.sent_bytes, 1000);
    assert_true(stream_delivered_bytes(f->user.stream) < 1000);
    expect_filler(f, 1000);
    assert_int_equal(stream_delivered_bytes(f->user.stream), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_arrives_is_given),
        TEST(a_stream_counts_its_bytes_and_knows_its_peer_to_the_end),
        TEST(what_is_not_consumed_is_given_again_in_front),
        TEST(a_paused_stream_reads_nothing_and_keeps_everything),
        TEST(a_stream_paused_again_at_once_gets_nothing),
        TEST(a_stream_that_holds_its_limit_stops_reading),
        TEST(one_turn_reads_a_bounded_amount_of_one_stream),
        TEST(many_fast_senders_take_turns),
        TEST(a_new_user_is_given_what_the_old_one_left),
        TEST(what_is_written_leaves_with_the_flush),
        TEST(many_ranges_leave_in_order),
        TEST(a_full_socket_goes_on_when_the_peer_reads),
        TEST(one_turn_writes_a_bounded_amount_to_one_stream),
        TEST(drained_is_told_once_when_a_long_queue_has_become_short),
        TEST(drained_is_told_at_the_threshold_the_user_has_set),
        TEST(drained_can_be_asked_for_by_hand),
        TEST(a_sealed_stream_takes_nothing_more),
        TEST(what_is_moved_to_a_sealed_stream_is_lost_and_harms_nobody),
        TEST(delivered_bytes_are_those_the_peer_has_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
