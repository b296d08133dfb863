/* The administrator's doors: where they are, who may, and what is left of a dead server's. */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/control_sockets.h"

enum {
    LONG_NAME_BYTES = 200,
    SMALL_COUNT = 3,
};

struct fixture {
    char parent[64];
    char data[320]; /* longer than a socket's address may be */
};

static struct fixture the_fixture;

static int set_up(void **state)
{
    struct fixture *f = &the_fixture;
    size_t used;

    (void)snprintf(f->parent, sizeof f->parent, "/tmp/sluice-test-control-XXXXXX");
    if (mkdtemp(f->parent) == NULL)
        return -1;
    used = (size_t)snprintf(f->data, sizeof f->data, "%s/", f->parent);
    memset(f->data + used, 'd', LONG_NAME_BYTES);
    f->data[used + LONG_NAME_BYTES] = '\0';
    *state = f;
    return mkdir(f->data, 0750);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char control[sizeof f->data + 16];

    (void)snprintf(control, sizeof control, "%s/control", f->data);
    (void)unlink(control); /* a link, where a test has put one */
    (void)rmdir(control);
    if (rmdir(f->data) != 0)
        return -1;
    return rmdir(f->parent);
}

static mode_t mode_of(const struct fixture *f, const char *name)
{
    char path[sizeof f->data + 64];
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/%s", f->data, name);
    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode;
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[sizeof f->data + 64];
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/%s", f->data, name);
    return lstat(path, &info) == 0;
}

/* 0 or the errno of connecting to that worker's socket. */
static int connect_to(const struct fixture *f, unsigned index)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int directory = open(f->data, O_PATH | O_DIRECTORY);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int error = 0;

    assert_true(directory >= 0 && fd >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control/%u",
                   directory, index);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        error = errno;
    (void)close(fd);
    (void)close(directory);
    return error;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void each_worker_has_one_for_owner_and_group(void **state)
{
    struct fixture *f = *state;
    struct control_sockets sockets;
    mode_t mask = umask(0777); /* whatever the starter's is */

    assert_int_equal(control_sockets_open(f->data, SMALL_COUNT, &sockets), 0);
    assert_int_equal(umask(mask), 0777);
    assert_int_equal(sockets.count, SMALL_COUNT);
    assert_int_equal(mode_of(f, "control"), S_IFDIR | 0750);
    assert_int_equal(mode_of(f, "control/0"), S_IFSOCK | 0660);
    assert_int_equal(mode_of(f, "control/2"), S_IFSOCK | 0660);
    assert_false(is_there(f, "control/3"));
    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        assert_int_equal(fcntl(sockets.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(connect_to(f, i), 0);
    }

    control_sockets_close(&sockets);
    assert_false(is_there(f, "control/0"));
    assert_false(is_there(f, "control/2"));
    control_sockets_close(&sockets); /* once more is nothing */
}

static void those_of_a_dead_server_are_replaced(void **state)
{
    struct fixture *f = *state;
    struct control_sockets dead;
    struct control_sockets sockets;

    assert_int_equal(control_sockets_open(f->data, BUS_WORKERS_MAX, &dead), 0);
    for (unsigned i = 0; i < dead.count; i++)
        assert_int_equal(close(dead.fds[i]), 0); /* as a killed process does */
    assert_int_equal(close(dead.directory_fd), 0);
    assert_int_equal(connect_to(f, 0), ECONNREFUSED);

    assert_int_equal(control_sockets_open(f->data, 1, &sockets), 0);
    assert_int_equal(connect_to(f, 0), 0);
    assert_false(is_there(f, "control/1")); /* it had more workers */
    assert_false(is_there(f, "control/63"));
    control_sockets_close(&sockets);
}

static void permissions_that_somebody_has_given_stay(void **state)
{
    struct fixture *f = *state;
    struct control_sockets sockets;
    char path[sizeof f->data + 16];

    (void)snprintf(path, sizeof path, "%s/control", f->data);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0771), 0);
    assert_int_equal(control_sockets_open(f->data, 1, &sockets), 0);
    assert_int_equal(mode_of(f, "control"), S_IFDIR | 0771);
    control_sockets_close(&sockets);
}

static void a_child_keeps_its_own(void **state)
{
    struct fixture *f = *state;
    struct control_sockets sockets;
    struct control_sockets copy;

    assert_int_equal(control_sockets_open(f->data, SMALL_COUNT, &sockets), 0);
    copy = sockets;
    for (unsigned i = 0; i < SMALL_COUNT; i++) /* as fork does */
        copy.fds[i] = dup(sockets.fds[i]);
    copy.directory_fd = dup(sockets.directory_fd);
    assert_int_equal(control_sockets_keep(&copy, 1), copy.fds[1]);
    assert_true(is_open(copy.fds[1]));
    assert_false(is_open(copy.fds[0]) || is_open(copy.fds[2]) || is_open(copy.directory_fd));
    assert_int_equal(close(copy.fds[1]), 0);
    assert_int_equal(connect_to(f, 0), 0); /* the master's is there */

    copy.directory_fd = -1;
    for (unsigned i = 0; i < SMALL_COUNT; i++)
        copy.fds[i] = dup(sockets.fds[i]);
    assert_int_equal(control_sockets_keep(&copy, BUS_WORKERS_MAX), -1);
    assert_false(is_open(copy.fds[0]) || is_open(copy.fds[1]) || is_open(copy.fds[2]));
    control_sockets_close(&sockets);
}

static void assert_refused(const struct fixture *f, int error, const char *words)
{
    struct control_sockets sockets = {.directory_fd = -1};

    assert_int_equal(control_sockets_open(f->data, SMALL_COUNT, &sockets), -error);
    assert_non_null(strstr(control_sockets_error_text(), words));
    assert_int_equal(sockets.count, 0);
    assert_int_equal(sockets.directory_fd, -1);
    assert_int_equal(control_sockets_keep(&sockets, 0), -1);
    control_sockets_close(&sockets);
}

static void it_follows_no_link(void **state)
{
    struct fixture *f = *state;
    char path[sizeof f->data + 16];

    (void)snprintf(path, sizeof path, "%s/control", f->data);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_refused(f, ENOTDIR, "cannot use the directory ");
    assert_int_equal(unlink(path), 0);
}

static void what_is_in_the_way_is_named(void **state)
{
    struct fixture *f = *state;
    char path[sizeof f->data + 32];
    struct fixture nowhere = {.data = "/nowhere/at/all"};

    assert_refused(&nowhere, ENOENT, "cannot use the directory /nowhere/at/all/control: No such");
    (void)snprintf(path, sizeof path, "%s/control", f->data);
    assert_int_equal(mkdir(path, 0750), 0);
    (void)snprintf(path, sizeof path, "%s/control/1", f->data);
    assert_int_equal(mkdir(path, 0750), 0);
    assert_refused(f, EISDIR, "cannot clear the directory ");
    assert_int_equal(rmdir(path), 0);
}

/* With descriptors for the directory and two of the three sockets. */
static void nothing_stays_when_one_cannot_be_opened(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit limit;
    int next = dup(0);

    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)next + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_refused(f, EMFILE, "cannot listen in ");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(is_there(f, "control/0"));
    assert_false(is_open(next));
}

int main(void)
{
#define SOCKETS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SOCKETS_TEST(each_worker_has_one_for_owner_and_group),
        SOCKETS_TEST(those_of_a_dead_server_are_replaced),
        SOCKETS_TEST(permissions_that_somebody_has_given_stay),
        SOCKETS_TEST(a_child_keeps_its_own),
        SOCKETS_TEST(it_follows_no_link),
        SOCKETS_TEST(what_is_in_the_way_is_named),
        SOCKETS_TEST(nothing_stays_when_one_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
