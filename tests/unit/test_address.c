#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/address.h"
#include "tests/unit/accept_queue.h"

static void good_addresses_are_parsed_and_written_back(void **state)
{
    static const struct {
        const char *in;
        const char *out; /* NULL: the same */
        bool is_loopback;
    } cases[] = {
        {"127.0.0.1:8000", NULL, true},
        {"127.1.2.3:1", NULL, true},
        {"0.0.0.0:0", NULL, false},
        {"192.0.2.1:65535", NULL, false},
        {"localhost:8000", "127.0.0.1:8000", true},
        {"[::1]:8000", NULL, true},
        {"[::]:80", NULL, false},
        {"[::ffff:127.0.0.2]:80", NULL, true}, /* as a socket for both shows who came by IPv4 */
        {"[::ffff:192.0.2.1]:80", NULL, false},
        {"[2001:DB8::1]:80", "[2001:db8::1]:80", false},
        {"unix:/run/sluice/web.sock", NULL, true},
        {"unix:a:b", NULL, true},
        {"tls:127.0.0.1:8443", NULL, true},
        {"tls:0.0.0.0:443", NULL, false},
        {"tls:[2001:DB8::1]:443", "tls:[2001:db8::1]:443", false},
        {"tls:localhost:1", "tls:127.0.0.1:1", true},
        {"tls:unix:/run/sluice/web.sock", NULL, true},
        {"unix:tls:a", NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address address;
        const char *reason = NULL;

        if (address_parse(cases[i].in, &address, &reason) != 0)
            fail_msg("%s: %s", cases[i].in, reason);
        address_text(&address, text, sizeof text);
        assert_string_equal(text, cases[i].out != NULL ? cases[i].out : cases[i].in);
        assert_int_equal(address_is_loopback(&address), cases[i].is_loopback);
        assert_int_equal(address.is_tls, strncmp(cases[i].in, "tls:", 4) == 0);
    }
}

static void of_two_that_overlap_only_one_can_be_listened_to(void **state)
{
    static const struct {
        const char *one;
        const char *other;
        bool is_one_too_many;
    } cases[] = {
        {"127.0.0.1:1", "localhost:1", true},  {"127.0.0.1:1", "127.0.0.1:2", false},
        {"127.0.0.1:1", "127.0.0.2:1", false}, {"127.0.0.1:1", "0.0.0.0:1", true},
        {"127.0.0.1:1", "0.0.0.0:2", false},   {"127.0.0.1:0", "0.0.0.0:0", false},
        {"[::1]:1", "[0:0::1]:1", true},       {"[::1]:1", "[::2]:1", false},
        {"[::1]:1", "[::]:1", true},           {"[::1]:0", "[::]:0", false},
        {"0.0.0.0:1", "[::]:1", false},        {"unix:a", "unix:a", true},
        {"unix:a", "unix:b", false},           {"unix:a", "unix:ab", false},
        {"unix:a", "127.0.0.1:1", false},      {"tls:127.0.0.1:1", "127.0.0.1:1", true},
        {"tls:unix:a", "unix:a", true},        {"tls:127.0.0.1:1", "127.0.0.1:2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address one;
        struct address other;
        const char *reason = NULL;

        assert_int_equal(address_parse(cases[i].one, &one, &reason), 0);
        assert_int_equal(address_parse(cases[i].other, &other, &reason), 0);
        if (address_excludes(&one, &other) != cases[i].is_one_too_many ||
            address_excludes(&other, &one) != cases[i].is_one_too_many)
            fail_msg("%s and %s", cases[i].one, cases[i].other);
    }
}

#define TEN       "0123456789"
#define LONG_PATH "unix:/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void wrong_addresses_are_refused_with_a_reason(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        "8000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:65536",
        "127.0.0.1:999999",
        "127.0.0.1:8000x",
        "127.0.0:1",
        "256.0.0.1:1",
        ":8000",
        "*:8000",
        "example.com:80",
        "::1:8000",
        "[::1]8000",
        "[::1:8000",
        "[]:8000",
        "[127.0.0.1]:8000",
        "[::1%lo]:8000",
        "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:1",
        "unix:",
        "tls:",
        "tls:8443",
        "tls:tls:127.0.0.1:8443",
        "tls:unix:",
        "TLS:127.0.0.1:8443",
        LONG_PATH,
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct address address;
        const char *reason = NULL;
        int rc = address_parse(wrong[i], &address, &reason);

        if (rc != -EINVAL || reason == NULL)
            fail_msg("%s: %d", wrong[i], rc);
    }
}

static int connect_to(const struct address *address)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->bytes) != 0) {
        int error = errno;

        assert_int_equal(close(fd), 0);
        return -error;
    }
    return fd;
}

static void listens_and_accepts(const char *text)
{
    const char *reason = NULL;
    struct address address;
    int listener;
    int client;
    int accepted;

    if (listener_open(text, &listener, &reason) != 0)
        fail_msg("%s: %s", text, reason != NULL ? reason : strerror(errno));
    assert_int_equal(fcntl(listener, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(listener, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(address_of_socket(listener, &address), 0);
    client = connect_to(&address);
    assert_true(client >= 0);
    if (address.storage.ss_family != AF_UNIX)
        accept_queue_wait(listener, 1);
    accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(close(accepted), 0);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(listener), 0);
}

static void ipv4_listens(void **state)
{
    (void)state;
    listens_and_accepts("127.0.0.1:0");
}

static void ipv6_listens(void **state)
{
    struct address address;
    const char *reason;
    int listener;

    (void)state;
    assert_int_equal(address_parse("[::1]:0", &address, &reason), 0);
    if (address_listen(&address, &listener) != 0)
        skip(); /* a machine without IPv6 */
    assert_int_equal(close(listener), 0);
    listens_and_accepts("[::1]:0");
}

static void a_taken_port_is_an_error(void **state)
{
    char text[ADDRESS_TEXT_MAX];
    struct address address;
    const char *reason = NULL;
    int listener;
    int other;

    (void)state;
    assert_int_equal(listener_open("127.0.0.1:0", &listener, &reason), 0);
    assert_int_equal(address_of_socket(listener, &address), 0);
    address_text(&address, text, sizeof text);
    assert_int_equal(listener_open(text, &other, &reason), -EADDRINUSE);
    assert_int_equal(close(listener), 0);
}

static void a_unix_socket_replaces_a_stale_file_but_no_living_one(void **state)
{
    char dir[] = "/tmp/sluice-test-XXXXXX";
    char text[ADDRESS_TEXT_MAX];
    char path[64];
    const char *reason = NULL;
    int listener;
    int other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    (void)snprintf(text, sizeof text, "unix:%s", path);
    listens_and_accepts(text); /* leaves its file behind */
    listens_and_accepts(text);
    assert_int_equal(listener_open(text, &listener, &reason), 0);
    assert_int_equal(listener_open(text, &other, &reason), -EADDRINUSE);
    assert_int_equal(close(listener), 0);
    assert_int_equal(unlink(path), 0);

    /* Nothing but a socket is ever replaced. */
    other = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(other >= 0);
    assert_int_equal(close(other), 0);
    assert_int_equal(listener_open(text, &listener, &reason), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_are_parsed_and_written_back),
        cmocka_unit_test(of_two_that_overlap_only_one_can_be_listened_to),
        cmocka_unit_test(wrong_addresses_are_refused_with_a_reason),
        cmocka_unit_test(ipv4_listens),
        cmocka_unit_test(ipv6_listens),
        cmocka_unit_test(a_taken_port_is_an_error),
        cmocka_unit_test(a_unix_socket_replaces_a_stale_file_but_no_living_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
