/*
 * Real sockets: pairs of unix sockets where the peer is scripted, loopback where TCP itself matters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/tcp.h"
#include "server/net/timer.h"

enum {
    TURNS_MAX = 2000, /* of a loop that waits 10 ms: a bound against hanging, not a time */
    KEPT_BYTES = 256 * 1024,
};

/* The user of a stream: takes what it is allowed to, and notes what happens. */
struct user {
    struct stream *stream;
    char *text; /* consumed */
    size_t bytes;
    size_t offered;  /* by the last on_data */
    size_t take_max; /* bytes that on_data consumes at most */
    int data_count;
    int end_count;
    int drained_count;
    int close_count;
    enum stream_close_reason reason;
    bool pauses;            /* in on_data */
    bool aborts;            /* in on_data */
    bool finishes;          /* in on_data, having answered "bye" */
    struct user *successor; /* takes the stream over in on_data */
};

static struct loop *loop;
static struct tcp_set *set;
static struct user user;
static int peer;         /* the other end, blocking */
static int64_t ahead_ns; /* of the loop's timers before the clock: pass */

static const struct stream_handlers handlers;

static void adopt(struct user *self, struct stream *stream)
{
    self->stream = stream;
    stream->hold_bytes_max = KEPT_BYTES;
    stream_set_user(stream, &handlers, self);
}

static size_t on_data(void *user_pointer, const uint8_t *bytes, size_t size)
{
    struct user *self = user_pointer;
    size_t taken = size < self->take_max ? size : self->take_max;

    self->data_count++;
    self->offered = size;
    self->text = realloc(self->text, self->bytes + taken + 1);
    assert_non_null(self->text);
    memcpy(self->text + self->bytes, bytes, taken);
    self->bytes += taken;
    self->text[self->bytes] = '\0';
    if (self->pauses)
        stream_pause(self->stream);
    if (self->aborts)
        stream_abort(self->stream);
    if (self->finishes) {
        stream_write(self->stream, "bye", 3);
        stream_finish(self->stream);
    }
    if (self->successor != NULL) {
        adopt(self->successor, self->stream);
        stream_resume(self->stream);
    }
    return taken;
}

static void on_end(void *user_pointer)
{
    ((struct user *)user_pointer)->end_count++;
}

static void on_drained(void *user_pointer)
{
    ((struct user *)user_pointer)->drained_count++;
}

static void on_close(void *user_pointer, enum stream_close_reason reason)
{
    struct user *self = user_pointer;

    self->close_count++;
    self->reason = reason;
}

static const struct stream_handlers handlers = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void turn(int64_t timeout_ns)
{
    assert_true(loop_turn(loop, tcp_has_work(set) ? 0 : timeout_ns) >= 0);
    tcp_flush(set);
    (void)tcp_reap(set);
}

/* Turns until nothing more happens at once. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        turn(0);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            assert_true(turns_++ < TURNS_MAX);                                                     \
            turn(10000000);                                                                        \
        }                                                                                          \
    } while (0)

static void open_pair(void)
{
    struct stream *stream;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    peer = pair[1];
    assert_int_equal(tcp_stream_open(set, pair[0], &stream), 0);
    user = (struct user){.take_max = SIZE_MAX};
    adopt(&user, stream);
}

static int begin(void **state)
{
    (void)state;
    ahead_ns = 0;
    assert_int_equal(loop_open(&loop), 0);
    assert_int_equal(tcp_set_open(loop, &set), 0);
    open_pair();
    return 0;
}

static void close_peer(void)
{
    if (peer >= 0)
        assert_int_equal(close(peer), 0);
    peer = -1;
}

static int end(void **state)
{
    (void)state;
    close_peer();
    tcp_set_close(set);
    loop_close(loop);
    arena_pool_clear();
    free(user.text);
    return 0;
}

static void send_text(const char *text)
{
    assert_int_equal(write(peer, text, strlen(text)), strlen(text));
}

/* Reads exactly @size bytes of filler. */
static void expect_filler(size_t size)
{
    static char buf[65536];

    while (size > 0) {
        ssize_t got = recv(peer, buf, size < sizeof buf ? size : sizeof buf, MSG_DONTWAIT);

        if (got < 0) {
            assert_int_equal(errno, EAGAIN);
            turn(10000000);
            continue;
        }
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++)
            assert_int_equal(buf[i], 'x');
        size -= (size_t)got;
    }
}

static void expect_text(const char *text)
{
    char buf[256];
    size_t got = 0;

    assert_true(strlen(text) < sizeof buf);
    while (got < strlen(text)) {
        ssize_t rc = recv(peer, buf + got, strlen(text) - got, MSG_DONTWAIT);

        if (rc < 0) {
            assert_int_equal(errno, EAGAIN);
            turn(10000000);
            continue;
        }
        assert_true(rc > 0);
        got += (size_t)rc;
    }
    assert_memory_equal(buf, text, got);
}

static void write_filler(size_t size)
{
    char *filler = malloc(size);

    assert_non_null(filler);
    memset(filler, 'x', size);
    stream_write(user.stream, filler, size);
    free(filler);
}

/* --- input ---------------------------------------------------------------------------------------- */

static void what_arrives_is_given(void **state)
{
    (void)state;
    send_text("hello");
    TURN_UNTIL(user.bytes == 5);
    assert_string_equal(user.text, "hello");
    send_text(" world");
    TURN_UNTIL(user.bytes == 11);
    assert_int_equal(tcp_counts(set)->bytes_in, 11);
    assert_false(tcp_has_work(set));
}

static void what_is_not_consumed_is_given_again_in_front(void **state)
{
    (void)state;
    user.take_max = 2;
    send_text("abcdef");
    settle();
    assert_int_equal(user.data_count, 1); /* not again before something new comes */
    send_text("ghi");
    settle();
    assert_int_equal(user.offered, 7);
    user.take_max = SIZE_MAX;
    stream_resume(user.stream); /* asks for what is kept */
    settle();
    assert_string_equal(user.text, "abcdefghi");
    assert_int_equal(user.offered, 5);
}

static void a_paused_stream_reads_nothing_and_keeps_everything(void **state)
{
    (void)state;
    user.pauses = true;
    user.take_max = 1;
    send_text("abc");
    TURN_UNTIL(user.bytes == 1);
    send_text("def");
    settle();
    assert_int_equal(user.data_count, 1);
    user.pauses = false;
    user.take_max = SIZE_MAX;
    stream_resume(user.stream);
    assert_int_equal(user.data_count, 1); /* never from inside */
    TURN_UNTIL(user.bytes == 6);
    assert_string_equal(user.text, "abcdef");
}

static void a_stream_paused_again_at_once_gets_nothing(void **state)
{
    (void)state;
    stream_pause(user.stream);
    send_text("abc");
    settle();
    stream_resume(user.stream);
    stream_pause(user.stream);
    settle();
    assert_int_equal(user.data_count, 0);
    stream_resume(user.stream);
    TURN_UNTIL(user.bytes == 3);
}

static void a_stream_that_holds_its_limit_stops_reading(void **state)
{
    char *filler = calloc(1, KEPT_BYTES);
    size_t sent = 0;

    (void)state;
    assert_non_null(filler);
    user.take_max = 0;
    assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
    /* The peer sends without end; what is kept stays bounded and the socket fills. */
    for (int blocked = 0; blocked < 10;) {
        ssize_t rc = write(peer, filler, KEPT_BYTES);

        blocked = rc < 0 ? blocked + 1 : 0;
        sent += rc > 0 ? (size_t)rc : 0;
        turn(0);
    }
    assert_true(user.offered > KEPT_BYTES);
    assert_true(user.offered <= KEPT_BYTES + TCP_READ_BYTES);
    assert_true(sent > user.offered);
    user.take_max = SIZE_MAX;
    stream_resume(user.stream);
    TURN_UNTIL(user.bytes == sent);
    free(filler);
}

static void one_turn_reads_a_bounded_amount_of_one_stream(void **state)
{
    enum { SENT = 150 * 1024 };
    char *filler = calloc(1, SENT);
    size_t before = 0;

    (void)state;
    assert_non_null(filler);
    assert_int_equal(write(peer, filler, SENT), SENT);
    while (user.bytes < SENT) {
        turn(0);
        assert_true(user.bytes - before <= TCP_READ_BYTES);
        assert_true(user.bytes > before); /* and does not sleep on the rest */
        before = user.bytes;
    }
    free(filler);
}

static void a_new_user_is_given_what_the_old_one_left(void **state)
{
    struct user successor = {.take_max = SIZE_MAX};

    (void)state;
    user.take_max = 3;
    user.successor = &successor;
    send_text("abcdef");
    TURN_UNTIL(successor.bytes == 3);
    assert_string_equal(user.text, "abc");
    assert_string_equal(successor.text, "def");
    stream_abort(successor.stream);
    TURN_UNTIL(successor.close_count == 1);
    assert_int_equal(user.close_count, 0);
    free(successor.text);
}

/* --- output --------------------------------------------------------------------------------------- */

static void what_is_written_leaves_with_the_flush(void **state)
{
    (void)state;
    stream_write(user.stream, "one ", 4);
    stream_write(user.stream, "two", 3);
    assert_true(tcp_has_work(set));
    assert_int_equal(recv(peer, &(char){0}, 1, MSG_DONTWAIT), -1); /* not before */
    tcp_flush(set);
    expect_text("one two");
    assert_int_equal(tcp_counts(set)->bytes_out, 7);
    assert_int_equal(user.stream->out.sent_bytes, 7);
    assert_false(tcp_has_work(set));
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
        stream_push(user.stream,
                    (struct range){arena_writer_commit(&writer, 2).arena, writer.used - 2, 1});
    }
    assert_int_equal(user.stream->out.count, COUNT);
    tcp_flush(set);
    assert_true(outq_is_empty(&user.stream->out));
    for (int i = 0; i < COUNT; i += 100) {
        char part[101];

        memcpy(part, text + i, 100);
        part[100] = '\0';
        expect_text(part);
    }
    arena_writer_done(&writer);
}

static void a_full_socket_goes_on_when_the_peer_reads(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    write_filler(SIZE);
    settle();
    assert_false(outq_is_empty(&user.stream->out));
    assert_false(tcp_has_work(set)); /* it waits for the socket, and the worker may sleep */
    assert_int_equal(tcp_counts(set)->queued_bytes, user.stream->out.bytes);
    expect_filler(SIZE);
    settle();
    assert_true(outq_is_empty(&user.stream->out));
    assert_int_equal(tcp_counts(set)->queued_bytes, 0);
    assert_int_equal(tcp_counts(set)->bytes_out, SIZE);
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
    close_peer();
    peer = pair[1];
    stream_abort(user.stream);
    settle();
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(tcp_stream_open(set, pair[0], &stream), 0);
    adopt(&user, stream);
    for (int i = 0; i < SIZE / 16384; i++)
        write_filler(16384); /* an arena of its own each */
    tcp_flush(set);
    assert_true(stream->out.sent_bytes >= TCP_WRITE_BYTES);
    assert_true(stream->out.sent_bytes <= TCP_WRITE_BYTES + STREAM_IOV_MAX * 16384);
    assert_true(tcp_has_work(set)); /* goes on in the next turn, without sleeping */
    expect_filler(SIZE);
}

static void drained_is_told_once_when_a_long_queue_has_become_short(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    write_filler(SIZE);
    settle();
    assert_int_equal(user.drained_count, 0);
    expect_filler(SIZE);
    settle();
    assert_int_equal(user.drained_count, 1);
    stream_write(user.stream, "x", 1); /* a short one is not worth a word */
    settle();
    assert_int_equal(user.drained_count, 1);
}

static void drained_is_told_at_the_threshold_the_user_has_set(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };

    (void)state;
    user.stream->drained_bytes = 0;
    write_filler(SIZE);
    settle();
    while (!outq_is_empty(&user.stream->out)) {
        assert_int_equal(user.drained_count, 0);
        expect_filler(4096);
        turn(0);
    }
    settle();
    assert_int_equal(user.drained_count, 1);
}

static void drained_can_be_asked_for_by_hand(void **state)
{
    (void)state;
    user.stream->wants_drained = true;
    stream_write(user.stream, "x", 1);
    settle();
    assert_int_equal(user.drained_count, 1);
}

static void a_sealed_stream_takes_nothing_more(void **state)
{
    (void)state;
    stream_write(user.stream, "last", 4);
    user.stream->is_sealed = true;
    stream_write(user.stream, "late", 4);
    stream_finish(user.stream);
    settle();
    expect_text("last");
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0);
}

static void delivered_bytes_are_those_the_peer_has_taken(void **state)
{
    (void)state;
    write_filler(1000);
    tcp_flush(set);
    assert_int_equal(user.stream->out.sent_bytes, 1000);
    assert_true(stream_delivered_bytes(user.stream) < 1000);
    expect_filler(1000);
    assert_int_equal(stream_delivered_bytes(user.stream), 1000);
}

/* --- ending --------------------------------------------------------------------------------------- */

static void finish_sends_the_rest_and_waits_for_the_peers_end(void **state)
{
    (void)state;
    user.finishes = true;
    send_text("hello");
    TURN_UNTIL(user.bytes == 5);
    assert_int_equal(user.close_count, 0);
    stream_write(user.stream, "late", 4); /* dropped */
    stream_finish(user.stream);           /* twice is harmless */
    expect_text("bye");
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0); /* our end */
    send_text("ignored");
    settle();
    assert_int_equal(user.data_count, 1);
    assert_int_equal(user.close_count, 0);
    close_peer();
    TURN_UNTIL(user.close_count == 1);
    assert_int_equal(user.reason, STREAM_CLOSED_BY_US);
    assert_int_equal(user.end_count, 0);
    assert_int_equal(tcp_counts(set)->open_count, 0);
}

/* The loop's timers see time pass without anybody waiting. */
static void pass(int64_t ns)
{
    ahead_ns += ns;
    (void)timer_wheel_advance(loop_timers(loop), loop_now_ns(loop) + ahead_ns);
    (void)tcp_reap(set);
}

static void a_peer_that_never_ends_is_closed_after_a_while(void **state)
{
    (void)state;
    stream_finish(user.stream);
    settle();
    pass(STREAM_LINGER_NS / 2);
    assert_int_equal(user.close_count, 0);
    pass(STREAM_LINGER_NS);
    assert_int_equal(user.close_count, 1);
    assert_int_equal(user.reason, STREAM_CLOSED_BY_US);
}

static void a_finishing_stream_is_given_up_only_when_nothing_moves(void **state)
{
    (void)state;
    write_filler((size_t)3 * 1024 * 1024);
    stream_finish(user.stream);
    settle();
    for (int i = 0; i < 3; i++) {
        expect_filler(512 * 1024); /* enough for the socket to call itself writable */
        settle();
        pass(STREAM_STUCK_NS + 200000000);
        assert_int_equal(user.close_count, 0);
    }
    pass(STREAM_STUCK_NS + 200000000);
    assert_int_equal(user.close_count, 1);
}

static void unread_input_does_not_turn_the_end_into_a_reset(void **state)
{
    (void)state;
    stream_pause(user.stream);
    send_text("never read by anybody");
    settle();
    stream_write(user.stream, "answer", 6);
    stream_finish(user.stream);
    settle();
    expect_text("answer");
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0);
    assert_int_equal(user.data_count, 0);
    close_peer();
    TURN_UNTIL(user.close_count == 1);
}

static void abort_closes_at_once_and_tells_later(void **state)
{
    (void)state;
    write_filler(100);
    stream_abort(user.stream);
    stream_abort(user.stream);
    assert_int_equal(user.close_count, 0); /* never from inside */
    assert_true(user.stream->is_closed);
    assert_int_equal(recv(peer, &(char){0}, 1, 0), 0);
    assert_true(tcp_has_work(set));
    (void)tcp_reap(set);
    assert_int_equal(user.close_count, 1);
    assert_int_equal(user.reason, STREAM_CLOSED_BY_US);
    settle();
    assert_int_equal(user.close_count, 1);
}

static void abort_from_inside_on_data_is_safe(void **state)
{
    (void)state;
    user.aborts = true;
    user.take_max = 2;
    send_text("abcdef");
    TURN_UNTIL(user.close_count == 1);
    assert_int_equal(user.data_count, 1);
}

static void a_half_closed_peer_is_told_of_and_still_answered(void **state)
{
    (void)state;
    send_text("question");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    TURN_UNTIL(user.end_count == 1);
    assert_string_equal(user.text, "question");
    stream_write(user.stream, "answer", 6);
    settle();
    expect_text("answer");
    assert_int_equal(user.end_count, 1);
    stream_finish(user.stream);
    TURN_UNTIL(user.close_count == 1);
    assert_int_equal(user.reason, STREAM_CLOSED_BY_PEER);
}

static void the_end_behind_paused_input_comes_after_it(void **state)
{
    (void)state;
    user.pauses = true;
    user.take_max = 3;
    send_text("abcdef");
    TURN_UNTIL(user.bytes == 3);
    close_peer();
    settle();
    assert_int_equal(user.end_count, 0);
    user.pauses = false;
    stream_resume(user.stream);
    TURN_UNTIL(user.end_count == 1);
    assert_string_equal(user.text, "abcdef");
}

static void without_on_end_the_stream_finishes_by_itself(void **state)
{
    struct stream_handlers without = handlers;

    (void)state;
    without.on_end = NULL;
    stream_set_user(user.stream, &without, &user);
    stream_write(user.stream, "rest", 4);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    TURN_UNTIL(user.close_count == 1);
    expect_text("rest");
    assert_int_equal(user.reason, STREAM_CLOSED_BY_PEER);
}

static void writing_to_a_peer_that_is_gone_closes(void **state)
{
    (void)state;
    stream_pause(user.stream); /* the end is not read */
    close_peer();
    settle();
    assert_int_equal(user.close_count, 0);
    write_filler(10);
    TURN_UNTIL(user.close_count == 1);
    assert_int_equal(user.reason, STREAM_CLOSED_BY_PEER);
}

static void closing_the_set_closes_every_stream(void **state)
{
    struct user first = user;
    int first_peer = peer;

    (void)state;
    adopt(&first, first.stream);
    open_pair();
    stream_pause(first.stream);
    assert_int_equal(write(first_peer, "x", 1), 1);
    settle();
    stream_resume(first.stream); /* one has input to be given, */
    write_filler(10);            /* one has output to be sent */
    tcp_set_close(set);
    set = NULL;
    assert_int_equal(first.close_count, 1);
    assert_int_equal(first.data_count, 0);
    assert_int_equal(user.close_count, 1);
    assert_int_equal(close(first_peer), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_arrives_is_given),
        TEST(what_is_not_consumed_is_given_again_in_front),
        TEST(a_paused_stream_reads_nothing_and_keeps_everything),
        TEST(a_stream_paused_again_at_once_gets_nothing),
        TEST(a_stream_that_holds_its_limit_stops_reading),
        TEST(one_turn_reads_a_bounded_amount_of_one_stream),
        TEST(a_new_user_is_given_what_the_old_one_left),
        TEST(what_is_written_leaves_with_the_flush),
        TEST(many_ranges_leave_in_order),
        TEST(a_full_socket_goes_on_when_the_peer_reads),
        TEST(one_turn_writes_a_bounded_amount_to_one_stream),
        TEST(drained_is_told_once_when_a_long_queue_has_become_short),
        TEST(drained_is_told_at_the_threshold_the_user_has_set),
        TEST(drained_can_be_asked_for_by_hand),
        TEST(a_sealed_stream_takes_nothing_more),
        TEST(delivered_bytes_are_those_the_peer_has_taken),
        TEST(finish_sends_the_rest_and_waits_for_the_peers_end),
        TEST(a_peer_that_never_ends_is_closed_after_a_while),
        TEST(a_finishing_stream_is_given_up_only_when_nothing_moves),
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
