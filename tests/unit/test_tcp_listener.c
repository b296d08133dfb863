#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/address.h"
#include "server/net/tcp.h"
#include "tests/unit/accept_queue.h"

enum {
    TURNS_MAX = 2000, /* of a loop that waits 10 ms: a bound against hanging, not a time */
    STREAMS_MAX = 200,
};

static struct loop *loop;
static struct tcp_set *set;
static struct tcp_listener *listener;
static struct address address;
static int listen_fd;
static struct stream *streams[STREAMS_MAX];
static int accepted_count;
static int closed_count;
static enum stream_close_reason closed_reason; /* of the last that closed, as the next two */
static int closed_error;
static char closed_text[TCP_ADDRESS_TEXT_MAX];
static bool refuses;  /* on_accept aborts */
static unsigned mark; /* that on_accept gives; 0: none */
static int gone_count;
static unsigned gone_mark; /* of the last */

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    return size;
}

static void on_close(void *user, enum stream_close_reason reason)
{
    const struct stream *stream = *(struct stream **)user;

    closed_count++;
    closed_reason = reason;
    closed_error = tcp_error(stream);
    tcp_peer_text(stream, closed_text, sizeof closed_text);
}

static void on_accept(void *user, struct stream *stream)
{
    static const struct stream_handlers handlers = {.on_data = on_data, .on_close = on_close};

    assert_ptr_equal(user, &accepted_count);
    assert_true(accepted_count < STREAMS_MAX);
    streams[accepted_count++] = stream;
    tcp_mark(stream, mark);
    if (refuses) {
        stream_abort(stream);
        return;
    }
    stream_set_user(stream, &handlers, &streams[accepted_count - 1]);
}

/* Whoever it was that closed the socket: it is closed, and the address still known. */
static void on_gone(void *user, const struct stream *stream, unsigned gone)
{
    assert_ptr_equal(user, &gone_count);
    assert_true(stream->is_closed);
    tcp_peer_text(stream, closed_text, sizeof closed_text);
    gone_mark = gone;
    gone_count++;
}

static void listen_at(const char *text)
{
    const char *reason = NULL;

    assert_int_equal(listener_open(text, &listen_fd, &reason), 0);
    assert_int_equal(address_of_socket(listen_fd, &address), 0);
    assert_int_equal(tcp_listen(set, listen_fd, on_accept, &accepted_count, &listener), 0);
}

static int begin(void **state)
{
    (void)state;
    accepted_count = 0;
    closed_count = 0;
    refuses = false;
    mark = 0;
    gone_count = 0;
    assert_int_equal(loop_open(&loop), 0);
    assert_int_equal(tcp_set_open(loop, NULL, &set), 0);
    listen_at("127.0.0.1:0");
    return 0;
}

static int end(void **state)
{
    (void)state;
    tcp_set_close(set); /* and its listener */
    loop_close(loop);
    assert_int_equal(close(listen_fd), 0);
    return 0;
}

static void turn(void)
{
    assert_true(loop_turn(loop, tcp_has_work(set) ? 0 : 10000000) >= 0);
    tcp_flush(set);
    (void)tcp_reap(set);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            assert_true(turns_++ < TURNS_MAX);                                                     \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

static int connect_client(void)
{
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address.storage, address.bytes), 0);
    return fd;
}

static void newcomers_are_accepted_and_known_by_their_address(void **state)
{
    struct sockaddr_storage peer;
    struct address own;
    char text[TCP_ADDRESS_TEXT_MAX];
    char wanted[ADDRESS_TEXT_MAX];
    int client = connect_client();

    (void)state;
    TURN_UNTIL(accepted_count == 1);
    assert_int_equal(address_of_socket(client, &own), 0);
    address_text(&own, wanted, sizeof wanted);
    tcp_peer_text(streams[0], text, sizeof text);
    assert_string_equal(text, wanted);
    tcp_peer_address(streams[0], &peer);
    assert_memory_equal(&peer, &own.storage, sizeof(struct sockaddr_in));
    assert_int_equal(tcp_counts(set)->open_count, 1);
    assert_int_equal(close(client), 0);
    TURN_UNTIL(closed_count == 1);
    assert_int_equal(tcp_counts(set)->open_count, 0);
}

static void an_address_is_known_after_a_reset(void **state)
{
    static const struct linger at_once = {.l_onoff = 1};
    char before[TCP_ADDRESS_TEXT_MAX];
    int client = connect_client();

    (void)state;
    TURN_UNTIL(accepted_count == 1);
    tcp_peer_text(streams[0], before, sizeof before);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(client), 0);
    TURN_UNTIL(closed_count == 1);
    assert_string_equal(closed_text, before);
    assert_int_equal(closed_error, ECONNRESET);
    assert_int_equal(closed_reason, STREAM_CLOSED_BY_PEER);
}

static void a_paused_stream_notices_a_reset(void **state)
{
    static const struct linger at_once = {.l_onoff = 1};
    int client = connect_client();

    (void)state;
    TURN_UNTIL(accepted_count == 1);
    stream_pause(streams[0]);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(client), 0);
    TURN_UNTIL(closed_count == 1);
}

static void an_aborted_newcomer_is_gone(void **state)
{
    int client = connect_client();

    (void)state;
    refuses = true;
    TURN_UNTIL(accepted_count == 1);
    assert_int_equal(recv(client, &(char){0}, 1, 0), 0);
    TURN_UNTIL(!tcp_has_work(set));
    assert_int_equal(closed_count, 0); /* it never had a user */
    assert_int_equal(close(client), 0);
}

static void the_acceptor_is_told_once_of_the_end_of_each_that_it_has_marked(void **state)
{
    int clients[3];

    (void)state;
    tcp_set_on_gone(set, on_gone, &gone_count);
    mark = 7;
    clients[0] = connect_client();
    TURN_UNTIL(accepted_count == 1);
    assert_int_equal(tcp_mark_of(streams[0]), 7);
    assert_int_equal(close(clients[0]), 0); /* the peer closes ... */
    TURN_UNTIL(closed_count == 1);
    assert_int_equal(gone_count, 1);
    assert_int_equal(gone_mark, 7);
    assert_memory_equal(closed_text, "127.0.0.1:", 10);

    mark = TCP_MARK_MAX;
    refuses = true; /* ... we do, before it ever had a user ... */
    clients[1] = connect_client();
    TURN_UNTIL(accepted_count == 2);
    assert_int_equal(gone_count, 2);
    assert_int_equal(gone_mark, TCP_MARK_MAX);

    mark = 0; /* ... or it was not marked */
    clients[2] = connect_client();
    TURN_UNTIL(accepted_count == 3);
    TURN_UNTIL(!tcp_has_work(set));
    assert_int_equal(gone_count, 2);
    assert_int_equal(close(clients[1]), 0);
    assert_int_equal(close(clients[2]), 0);
}

static void one_turn_accepts_a_bounded_number(void **state)
{
    enum { COUNT = TCP_ACCEPT_MAX + 5 };
    int clients[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        clients[i] = connect_client();
    accept_queue_wait(listen_fd, COUNT);
    turn();
    assert_int_equal(accepted_count, TCP_ACCEPT_MAX);
    TURN_UNTIL(accepted_count == COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(close(clients[i]), 0);
}

static void a_disabled_listener_lets_newcomers_wait(void **state)
{
    int client;

    (void)state;
    tcp_listener_enable(listener, false);
    client = connect_client();
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(accepted_count, 0);
    tcp_listener_enable(listener, true);
    TURN_UNTIL(accepted_count == 1);
    assert_int_equal(close(client), 0);
}

static struct tcp_listener *both[2];

/* As a worker that has enough with the first of them. */
static void on_enough(void *user, struct stream *stream)
{
    on_accept(user, stream);
    for (int i = 0; i < 2; i++)
        tcp_listener_enable(both[i], false);
}

/* Nobody else is woken for it: of two that the kernel tells us of in one turn both are taken in the end. */
static void a_listener_that_is_disabled_first_takes_whom_it_was_woken_for(void **state)
{
    const int old_fd = listen_fd;
    int clients[4];

    (void)state;
    tcp_listener_close(listener);
    assert_int_equal(tcp_listen(set, old_fd, on_enough, &accepted_count, &both[0]), 0);
    clients[0] = connect_client();
    clients[1] = connect_client();
    listen_at("127.0.0.1:0");
    tcp_listener_close(listener);
    assert_int_equal(tcp_listen(set, listen_fd, on_enough, &accepted_count, &both[1]), 0);
    clients[2] = connect_client();
    clients[3] = connect_client();
    accept_queue_wait(old_fd, 2);
    accept_queue_wait(listen_fd, 2);
    turn();
    assert_int_equal(accepted_count, 1); /* others may be quicker */
    TURN_UNTIL(accepted_count == 2);     /* one of each */
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(accepted_count, 2);
    tcp_listener_enable(both[0], true);
    tcp_listener_enable(both[1], true);
    TURN_UNTIL(accepted_count == 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(close(clients[i]), 0);
    assert_int_equal(close(old_fd), 0);
}

/* Only numbers below @number may be given from now on. */
static void limit_descriptors(rlim_t number)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = number;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t descriptors_max(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

/* The number that the next descriptor will have. */
static rlim_t lowest_free(void)
{
    int lowest = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);

    assert_true(lowest >= 0);
    assert_int_equal(close(lowest), 0);
    return (rlim_t)lowest;
}

static void out_of_descriptors_newcomers_are_refused_and_later_ones_served(void **state)
{
    rlim_t max = descriptors_max();
    int clients[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        clients[i] = connect_client();
    limit_descriptors(lowest_free());
    TURN_UNTIL(tcp_counts(set)->refused == 3);
    assert_int_equal(accepted_count, 0);
    limit_descriptors(max);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(recv(clients[i], &(char){0}, 1, 0), 0); /* not left hanging */
        assert_int_equal(close(clients[i]), 0);
    }
    clients[0] = connect_client();
    TURN_UNTIL(accepted_count == 1); /* when it has rested */
    assert_int_equal(close(clients[0]), 0);
}

static void the_spare_descriptor_is_taken_again_when_it_was_lost(void **state)
{
    rlim_t max = descriptors_max();
    int clients[2] = {connect_client(), -1};

    (void)state;
    limit_descriptors(STDERR_FILENO + 1); /* the spare one's number is over the limit, too */
    turn();
    assert_int_equal(tcp_counts(set)->refused, 0);
    limit_descriptors(max);
    TURN_UNTIL(accepted_count == 1);

    clients[1] = connect_client();
    limit_descriptors(lowest_free());
    TURN_UNTIL(tcp_counts(set)->refused == 1);
    limit_descriptors(max);
    assert_int_equal(close(clients[0]), 0);
    assert_int_equal(close(clients[1]), 0);
}

static void small_writes_leave_at_once(void **state)
{
    int client = connect_client();
    int accepted_fd;
    int is_set = 0;
    socklen_t size = sizeof is_set;

    (void)state;
    TURN_UNTIL(accepted_count == 1);
    /* The next descriptor behind the client's is the accepted one. */
    accepted_fd = client + 1;
    assert_int_equal(getsockopt(accepted_fd, IPPROTO_TCP, TCP_NODELAY, &is_set, &size), 0);
    assert_int_not_equal(is_set, 0);
    assert_int_equal(close(client), 0);
}

static void a_peer_that_is_gone_without_a_word_is_noticed(void **state)
{
    int client = connect_client();
    int is_set = 0;
    int idle_s = 0;
    socklen_t size = sizeof is_set;

    (void)state;
    TURN_UNTIL(accepted_count == 1);
    assert_int_equal(getsockopt(client + 1, SOL_SOCKET, SO_KEEPALIVE, &is_set, &size), 0);
    assert_int_equal(getsockopt(client + 1, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &size), 0);
    assert_int_not_equal(is_set, 0);
    assert_int_equal(idle_s, 60);
    assert_int_equal(close(client), 0);
}

static void unix_and_ipv6_listeners_serve_as_well(void **state)
{
    char dir[] = "/tmp/sluice-test-XXXXXX";
    char path[64];
    char text[TCP_ADDRESS_TEXT_MAX];
    char listen_text[80];
    int old_fd = listen_fd;
    int client;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    (void)snprintf(listen_text, sizeof listen_text, "unix:%s", path);
    tcp_listener_close(listener);
    assert_int_equal(close(old_fd), 0);
    listen_at(listen_text);
    client = connect_client();
    TURN_UNTIL(accepted_count == 1);
    tcp_peer_text(streams[0], text, sizeof text);
    assert_string_equal(text, "unix");
    assert_int_equal(close(client), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);

    old_fd = listen_fd;
    if (listener_open("[::1]:0", &listen_fd, &(const char *){NULL}) != 0) {
        listen_fd = old_fd; /* a machine without IPv6 */
        return;
    }
    assert_int_equal(close(listen_fd), 0);
    tcp_listener_close(listener);
    assert_int_equal(close(old_fd), 0);
    listen_at("[::1]:0");
    client = connect_client();
    TURN_UNTIL(accepted_count == 2);
    tcp_peer_text(streams[1], text, sizeof text);
    assert_memory_equal(text, "[::1]:", 6);
    assert_int_equal(close(client), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newcomers_are_accepted_and_known_by_their_address),
        TEST(an_address_is_known_after_a_reset),
        TEST(a_paused_stream_notices_a_reset),
        TEST(an_aborted_newcomer_is_gone),
        TEST(the_acceptor_is_told_once_of_the_end_of_each_that_it_has_marked),
        TEST(one_turn_accepts_a_bounded_number),
        TEST(a_disabled_listener_lets_newcomers_wait),
        TEST(a_listener_that_is_disabled_first_takes_whom_it_was_woken_for),
        TEST(out_of_descriptors_newcomers_are_refused_and_later_ones_served),
        TEST(the_spare_descriptor_is_taken_again_when_it_was_lost),
        TEST(small_writes_leave_at_once),
        TEST(a_peer_that_is_gone_without_a_word_is_noticed),
        TEST(unix_and_ipv6_listeners_serve_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
