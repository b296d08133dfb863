/* Newcomers of a trusted proxy, over real sockets: what they have to say first, and for how long. */
#include "tests/unit/tcp_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/address.h"
#include "server/net/loop.h"
#include "server/net/network.h"
#include "server/net/tcp.h"

enum {
    AWAITING_MAX = 3,
    PEERS_MAX = 16,
};

#define SECOND INT64_C(1000000000)

static struct tcp_fixture *f;
static struct tcp_listener *listener;
static struct network proxies[1];
static struct address address;
static int listen_fd;
static struct user users[PEERS_MAX]; /* of those that were given */
static int given_count;

static void on_accept(void *user, struct stream *stream)
{
    assert_ptr_equal(user, &given_count);
    assert_true(given_count < PEERS_MAX);
    user_init(&users[given_count]);
    adopt(&users[given_count], stream);
    given_count++;
}

static void trust(const char *text)
{
    const char *reason = NULL;

    assert_int_equal(network_parse(text, &proxies[0], &reason), 0);
    tcp_listener_expect_proxies(listener, proxies, 1, AWAITING_MAX);
}

static int begin(void **state)
{
    const char *reason = NULL;

    (void)state;
    f = tcp_fixture_new();
    given_count = 0;
    assert_int_equal(listener_open("127.0.0.1:0", &listen_fd, &reason), 0);
    assert_int_equal(address_of_socket(listen_fd, &address), 0);
    assert_int_equal(tcp_listen(f->set, listen_fd, on_accept, &given_count, &listener), 0);
    trust("127.0.0.0/8");
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (listener != NULL)
        tcp_listener_close(listener);
    listener = NULL;
    (void)close(listen_fd);
    tcp_fixture_free(f);
    for (int i = 0; i < given_count; i++)
        free(users[i].text);
    return 0;
}

static int join(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address.storage, address.bytes), 0);
    return fd;
}

static void say(int fd, const char *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* Its end, or a reset, is there. */
static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static void assert_given(int index, const char *text, const char *from)
{
    char name[TCP_ADDRESS_TEXT_MAX];

    assert_true(index < given_count);
    TURN_UNTIL(f, users[index].bytes == strlen(text));
    assert_memory_equal(users[index].text, text, strlen(text));
    tcp_peer_text(users[index].stream, name, sizeof name);
    if (from != NULL)
        assert_string_equal(name, from);
}

#define V1           "PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n"
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void the_client_is_whom_the_header_names_and_what_follows_is_its_own(void **state)
{
    static const char v2[] = V2_SIGNATURE "\x21\x21\x00\x24"
                                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"
                                          "\x11\x11\0\x50"
                                          "hello";
    static const char local[] = V2_SIGNATURE "\x20\0\0\0hello";
    int fds[4] = {join(), join(), join(), -1};

    (void)state;
    say(fds[0], V1 "hello", sizeof V1 "hello" - 1);
    TURN_UNTIL(f, given_count == 1);
    assert_given(0, "hello", "192.0.2.1:1111");
    say(fds[1], v2, sizeof v2 - 1);
    TURN_UNTIL(f, given_count == 2);
    assert_given(1, "hello", "[2001:db8::7]:4369");
    say(fds[2], local, sizeof local - 1);
    TURN_UNTIL(f, given_count == 3);
    assert_given(2, "hello", NULL);
    /* Byte by byte, each in a turn of its own; the end right behind it. */
    fds[3] = join();
    for (size_t i = 0; i < sizeof V1 - 1; i++) {
        settle(f);
        assert_int_equal(given_count, 3);
        say(fds[3], &V1[i], 1);
    }
    TURN_UNTIL(f, given_count == 4);
    say(fds[3], "x", 1);
    assert_int_equal(shutdown(fds[3], SHUT_WR), 0);
    assert_given(3, "x", "192.0.2.1:1111");
    TURN_UNTIL(f, users[3].end_count == 1);
    for (int i = 0; i < 4; i++)
        (void)close(fds[i]);
}

static void who_says_something_else_or_ends_is_closed(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1111 80 and more and more and more and more and more and "
        "more "
        "and more and more",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int fd = join();

        say(fd, texts[i], strlen(texts[i]));
        TURN_UNTIL(f, is_closed(fd));
        (void)close(fd);
    }
    {
        int fd = join();

        say(fd, V1, 10);
        settle(f);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        TURN_UNTIL(f, is_closed(fd));
        (void)close(fd);
    }
    assert_int_equal(given_count, 0);
    assert_int_equal(tcp_counts(f->set)->refused, 4);
    TURN_UNTIL(f, tcp_counts(f->set)->open_count == 1); /* the fixture's own */
}

static void who_says_nothing_is_closed_in_time(void **state)
{
    int fd = join();

    (void)state;
    settle(f);
    pass(f, 9 * SECOND);
    settle(f);
    assert_false(is_closed(fd));
    pass(f, 2 * SECOND);
    TURN_UNTIL(f, is_closed(fd));
    assert_int_equal(given_count, 0);
    (void)close(fd);
}

static void of_too_many_that_say_nothing_the_oldest_gives_way(void **state)
{
    int fds[2 * AWAITING_MAX];

    (void)state;
    for (int i = 0; i < 2 * AWAITING_MAX; i++) {
        fds[i] = join();
        TURN_UNTIL(f, tcp_counts(f->set)->open_count ==
                          1 + (uint64_t)(i < AWAITING_MAX ? i + 1 : AWAITING_MAX));
        settle(f);
    }
    for (int i = 0; i < AWAITING_MAX; i++)
        TURN_UNTIL(f, is_closed(fds[i]));
    for (int i = 2 * AWAITING_MAX - 1; i >= AWAITING_MAX; i--) {
        say(fds[i], V1 "hello", sizeof V1 "hello" - 1);
        TURN_UNTIL(f, given_count == 2 * AWAITING_MAX - i);
    }
    /* Those that have said it are none of them. */
    for (int i = 0; i < AWAITING_MAX; i++) {
        int fd = join();

        settle(f);
        (void)close(fd);
        settle(f);
    }
    for (int i = 0; i < AWAITING_MAX; i++)
        assert_given(i, "hello", "192.0.2.1:1111");
    for (int i = 0; i < 2 * AWAITING_MAX; i++)
        (void)close(fds[i]);
}

static void who_is_no_proxy_says_nothing_of_the_kind(void **state)
{
    int fd;

    (void)state;
    trust("192.0.2.0/24");
    fd = join();
    TURN_UNTIL(f, given_count == 1);
    say(fd, V1, sizeof V1 - 1);
    assert_given(0, V1, NULL);
    (void)close(fd);
}

static void those_that_wait_go_with_their_listener(void **state)
{
    int fds[2] = {join(), join()};

    (void)state;
    settle(f);
    say(fds[0], V1, 5);
    settle(f);
    tcp_listener_close(listener);
    listener = NULL;
    TURN_UNTIL(f, is_closed(fds[0]) && is_closed(fds[1]));
    assert_int_equal(given_count, 0);
    for (int i = 0; i < 2; i++)
        (void)close(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_client_is_whom_the_header_names_and_what_follows_is_its_own),
        TEST(who_says_something_else_or_ends_is_closed),
        TEST(who_says_nothing_is_closed_in_time),
        TEST(of_too_many_that_say_nothing_the_oldest_gives_way),
        TEST(who_is_no_proxy_says_nothing_of_the_kind),
        TEST(those_that_wait_go_with_their_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
