#include "tests/unit/tcp_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/address.h"
#include "server/net/timer.h"
#include "tests/unit/accept_queue.h"

enum {
    SMALL_BUFFER_BYTES = 16 * 1024,
};
#define DAY_NS (INT64_C(24) * 3600 * 1000000000)

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct user *self = user;
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

static void on_end(void *user)
{
    ((struct user *)user)->end_count++;
}

static void on_drained(void *user)
{
    ((struct user *)user)->drained_count++;
}

static void on_no_room(void *user)
{
    struct user *self = user;

    self->no_room_count++;
    if (self->says_so) {
        stream_write(self->stream, "full", 4);
        stream_finish(self->stream);
    }
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct user *self = user;

    self->close_count++;
    self->reason = reason;
}

const struct stream_handlers *user_handlers(void)
{
    static const struct stream_handlers handlers = {
        .on_data = on_data,
        .on_end = on_end,
        .on_drained = on_drained,
        .on_no_room = on_no_room,
        .on_close = on_close,
    };

    return &handlers;
}

void user_init(struct user *user)
{
    *user = (struct user){.take_max = SIZE_MAX};
}

void adopt(struct user *user, struct stream *stream)
{
    user->stream = stream;
    stream->hold_bytes_max = KEPT_BYTES;
    stream_set_user(stream, user_handlers(), user);
}

struct tcp_fixture *tcp_fixture_new(void)
{
    struct tcp_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->budget.bytes_max = UINT64_MAX;
    assert_int_equal(loop_open(&f->loop), 0);
    assert_int_equal(tcp_set_open(f->loop, &f->budget, &f->set), 0);
    /* Far ahead of the clock, where turns do not move the timers, however long they take. */
    f->frozen_ns = loop_now_ns(f->loop) + DAY_NS;
    pass(f, 0);
    open_pair(f);
    return f;
}

void tcp_fixture_free(struct tcp_fixture *f)
{
    close_peer(f);
    tcp_set_close(f->set);
    assert_int_equal(f->budget.used_bytes, 0);
    loop_close(f->loop);
    arena_pool_clear();
    free(f->user.text);
    free(f);
}

void open_pair(struct tcp_fixture *f)
{
    struct stream *stream;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    f->peer = pair[1];
    assert_int_equal(tcp_stream_open(f->set, pair[0], &stream), 0);
    user_init(&f->user);
    adopt(&f->user, stream);
}

static void set_buffer(int fd, int name)
{
    int bytes = SMALL_BUFFER_BYTES;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes), 0);
}

void change_to_tcp(struct tcp_fixture *f)
{
    struct address address;
    struct stream *stream;
    const char *reason;
    int listener;
    int fd;

    stream_abort(f->user.stream);
    settle(f);
    close_peer(f);
    assert_int_equal(listener_open("127.0.0.1:0", &listener, &reason), 0);
    assert_int_equal(address_of_socket(listener, &address), 0);
    set_buffer(listener, SO_SNDBUF); /* inherited */
    f->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->peer >= 0);
    set_buffer(f->peer, SO_RCVBUF);
    assert_int_equal(connect(f->peer, (struct sockaddr *)&address.storage, address.bytes), 0);
    accept_queue_wait(listener, 1);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(close(listener), 0);
    assert_int_equal(tcp_stream_open(f->set, fd, &stream), 0);
    user_init(&f->user);
    adopt(&f->user, stream);
}

void silence_peer(struct tcp_fixture *f)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};

    assert_int_equal(setsockopt(f->peer, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
                     0);
}

void close_peer(struct tcp_fixture *f)
{
    if (f->peer >= 0)
        assert_int_equal(close(f->peer), 0);
    f->peer = -1;
}

void turn(struct tcp_fixture *f, int64_t timeout_ns)
{
    assert_true(loop_turn(f->loop, tcp_has_work(f->set) ? 0 : timeout_ns) >= 0);
    tcp_flush(f->set);
    (void)tcp_reap(f->set);
}

void settle(struct tcp_fixture *f)
{
    for (int i = 0; i < 20; i++)
        turn(f, 0);
}

void pass(struct tcp_fixture *f, int64_t ns)
{
    f->frozen_ns += ns;
    (void)timer_wheel_advance(loop_timers(f->loop), f->frozen_ns);
    (void)tcp_reap(f->set);
}

void send_text(struct tcp_fixture *f, const char *text)
{
    assert_int_equal(write(f->peer, text, strlen(text)), strlen(text));
}

/* What is there for the peer, at most @size bytes; turns while there is nothing. */
static size_t receive_some(void *fixture, char *buf, size_t size)
{
    struct tcp_fixture *f = fixture;

    for (int i = 0; i < TURNS_MAX; i++) {
        ssize_t got = recv(f->peer, buf, size, MSG_DONTWAIT);

        if (got >= 0) {
            assert_true(got > 0); /* not the end */
            return (size_t)got;
        }
        assert_int_equal(errno, EAGAIN);
        turn(f, 10000000);
    }
    fail_msg("nothing comes");
    return 0;
}

void expect_text_of(read_function *read, void *source, const char *text)
{
    char buf[256];
    size_t got = 0;

    assert_true(strlen(text) < sizeof buf);
    while (got < strlen(text))
        got += read(source, buf + got, strlen(text) - got);
    assert_memory_equal(buf, text, got);
}

void expect_filler_of(read_function *read, void *source, size_t size)
{
    static char buf[65536];

    while (size > 0) {
        size_t got = read(source, buf, size < sizeof buf ? size : sizeof buf);

        for (size_t i = 0; i < got; i++)
            assert_int_equal(buf[i], 'x');
        size -= got;
    }
}

void expect_text(struct tcp_fixture *f, const char *text)
{
    expect_text_of(receive_some, f, text);
}

void expect_filler(struct tcp_fixture *f, size_t size)
{
    expect_filler_of(receive_some, f, size);
}

void write_filler(struct tcp_fixture *f, size_t size)
{
    char *filler = malloc(size);

    assert_non_null(filler);
    memset(filler, 'x', size);
    stream_write(f->user.stream, filler, size);
    free(filler);
}
