/* Sockets passed to us: each case is a process whose descriptors begin at 3, as those of a service. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/activation.h"

enum {
    FIRST = 3,
    FAILED = 1,
    DIFFERENT = 2,
};

/* Runs @look in a process that was passed @fds; its result is the process's exit status. */
static int look_with(const int *fds, int count, const char *names, int (*look)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        char text[16];

        for (int i = 0; i < count; i++) { /* away from 3 and the next first */
            int high = fcntl(fds[i], F_DUPFD, 100 + i);

            if (high < 0)
                _exit(DIFFERENT);
        }
        for (int i = 0; i < count; i++) {
            if (dup2(100 + i, FIRST + i) < 0)
                _exit(DIFFERENT);
        }
        (void)snprintf(text, sizeof text, "%d", (int)getpid());
        if (setenv("LISTEN_PID", text, 0) != 0)
            _exit(DIFFERENT);
        (void)snprintf(text, sizeof text, "%d", count);
        if (count > 0 && setenv("LISTEN_FDS", text, 0) != 0)
            _exit(DIFFERENT);
        if (names != NULL && setenv("LISTEN_FDNAMES", names, 1) != 0)
            _exit(DIFFERENT);
        _exit(look());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int make_socket(int family, int type, bool is_listening)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX}; /* the kernel makes a name */
    const struct sockaddr *address = family == AF_UNIX ? (const void *)&un : (const void *)&in;
    int fd = socket(family, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, address, family == AF_UNIX ? sizeof un.sun_family : sizeof in), 0);
    if (is_listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static bool is_ready_to_use(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int fd_flags = fcntl(fd, F_GETFD);

    return flags >= 0 && (flags & O_NONBLOCK) != 0 && (fd_flags & FD_CLOEXEC) != 0;
}

static int see_purposes(void)
{
    static const bool is_broker[] = {false, true, false, true, false};
    static const bool is_tls[] = {false, false, true, true, true};
    struct activation *sockets = NULL;
    size_t count = 0;

    if (activation_take(&sockets, &count) != 0)
        return FAILED;
    if (count != 5)
        return DIFFERENT;
    for (size_t i = 0; i < count; i++) {
        if (sockets[i].fd != FIRST + (int)i || sockets[i].is_broker != is_broker[i] ||
            sockets[i].is_tls != is_tls[i] || !is_ready_to_use(sockets[i].fd))
            return DIFFERENT;
    }
    free(sockets);
    return 0;
}

static void broker_and_tls_are_known_by_their_names_and_all_are_made_ready(void **state)
{
    int fds[] = {
        make_socket(AF_INET, SOCK_STREAM, true), make_socket(AF_INET, SOCK_STREAM, true),
        make_socket(AF_UNIX, SOCK_STREAM, true), make_socket(AF_INET, SOCK_STREAM, true),
        make_socket(AF_INET, SOCK_STREAM, true),
    };

    (void)state;
    assert_int_equal(look_with(fds, 5, "sluice.socket:broker:https:broker-tls:tls", see_purposes),
                     0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(close(fds[i]), 0);
}

static int see_one_for_http(void)
{
    struct activation *sockets = NULL;
    size_t count = 0;

    if (activation_take(&sockets, &count) != 0)
        return FAILED;
    if (count != 1 || sockets[0].is_broker)
        return DIFFERENT;
    free(sockets);
    return 0;
}

static void one_without_a_name_is_for_http(void **state)
{
    int fd = make_socket(AF_INET, SOCK_STREAM, true);

    (void)state;
    assert_int_equal(look_with(&fd, 1, NULL, see_one_for_http), 0);
    assert_int_equal(close(fd), 0);
}

static int see_none(void)
{
    struct activation *sockets = NULL;
    size_t count = 1;

    if (activation_take(&sockets, &count) != 0)
        return FAILED;
    free(sockets);
    return count == 0 ? 0 : DIFFERENT;
}

static void those_passed_to_another_process_are_not_ours(void **state)
{
    int fd = make_socket(AF_INET, SOCK_STREAM, true);

    (void)state;
    assert_int_equal(look_with(NULL, 0, NULL, see_none), 0);
    assert_int_equal(setenv("LISTEN_PID", "1", 1), 0);
    assert_int_equal(look_with(&fd, 1, NULL, see_none), 0);
    assert_int_equal(unsetenv("LISTEN_PID"), 0);
    assert_int_equal(close(fd), 0);
}

static const char *wanted_text;

static int see_refusal(void)
{
    struct activation *sockets = NULL;
    size_t count = 0;

    if (activation_take(&sockets, &count) == 0)
        return FAILED;
    if (strstr(activation_error_text(), wanted_text) != NULL)
        return 0;
    (void)fprintf(stderr, "%s\n", activation_error_text());
    return DIFFERENT;
}

static void check_refusal(int fd, const char *text)
{
    wanted_text = text;
    assert_int_equal(look_with(&fd, 1, "odd", see_refusal), 0);
    assert_int_equal(close(fd), 0);
}

static void anything_else_is_refused_by_descriptor_name_and_reason(void **state)
{
    (void)state;
    check_refusal(open("/dev/null", O_RDWR), "descriptor 3 (\"odd\") is not a socket");
    check_refusal(make_socket(AF_INET, SOCK_DGRAM, false), "is not a stream socket");
    check_refusal(make_socket(AF_INET, SOCK_STREAM, false), "does not listen");
    check_refusal(make_socket(AF_UNIX, SOCK_SEQPACKET, true), "is not a stream socket");
}

static void a_number_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(setenv("LISTEN_FDS", "many", 1), 0);
    wanted_text = "LISTEN_FDS";
    assert_int_equal(look_with(NULL, 0, NULL, see_refusal), 0);
    assert_int_equal(unsetenv("LISTEN_FDS"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broker_and_tls_are_known_by_their_names_and_all_are_made_ready),
        cmocka_unit_test(one_without_a_name_is_for_http),
        cmocka_unit_test(those_passed_to_another_process_are_not_ours),
        cmocka_unit_test(anything_else_is_refused_by_descriptor_name_and_reason),
        cmocka_unit_test(a_number_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
