/* The data directory: made, locked, and who has it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/datadir.h"
#include "server/user.h"

enum {
    HANG_MS = 60000, /* what would never be let go is told from a slow machine by this */
};

static const struct user nobody_else = {.is_changing = false};

struct fixture {
    char parent[64];
    char path[160];
};

static struct fixture the_fixture;

static int set_up(void **state)
{
    struct fixture *f = &the_fixture;

    (void)snprintf(f->parent, sizeof f->parent, "/tmp/sluice-test-datadir-XXXXXX");
    if (mkdtemp(f->parent) == NULL)
        return -1;
    if (snprintf(f->path, sizeof f->path, "%s/data", f->parent) >= (int)sizeof f->path)
        return -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char lock[176];

    (void)snprintf(lock, sizeof lock, "%s/lock", f->path);
    (void)unlink(lock);
    (void)rmdir(f->path);
    return rmdir(f->parent);
}

/* A process that has the lock until the pipe is closed. */
struct holder {
    pid_t pid;
    int release_fd;
};

static struct holder hold_lock(const struct fixture *f)
{
    struct holder holder;
    int locked[2];
    int release[2];
    char byte;

    assert_int_equal(pipe(locked), 0);
    assert_int_equal(pipe(release), 0);
    holder.pid = fork();
    assert_true(holder.pid >= 0);
    if (holder.pid == 0) {
        int fd = -1;

        (void)close(release[1]);
        if (datadir_lock(f->path, &nobody_else, 0, &fd) != 0 || write(locked[1], "l", 1) != 1)
            _exit(1);
        (void)read(release[0], &byte, 1); /* until the other end is closed */
        _exit(0);
    }
    (void)close(locked[1]);
    (void)close(release[0]);
    assert_int_equal(read(locked[0], &byte, 1), 1);
    (void)close(locked[0]);
    holder.release_fd = release[1];
    return holder;
}

static void let_go(const struct holder *holder)
{
    int status;

    (void)close(holder->release_fd);
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    assert_int_equal(status, 0);
}

static void a_missing_directory_is_made_for_us_alone_and_an_existing_one_kept(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
    assert_int_equal(stat(f->path, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 07, 0);
    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
}

static void a_directory_without_its_parent_is_refused_by_name(void **state)
{
    (void)state;
    assert_int_equal(datadir_make("/nowhere/at/all", &nobody_else), -ENOENT);
    assert_non_null(strstr(datadir_error_text(), "/nowhere/at/all"));
    assert_int_equal(datadir_make("/proc/sluice", &nobody_else), -ENOENT);
}

static void the_lock_says_whose_it_is(void **state)
{
    struct fixture *f = *state;
    char text[16] = "";
    int fd = -1;

    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
    assert_int_equal(datadir_lock(f->path, &nobody_else, 0, &fd), 0);
    assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    assert_int_equal(close(fd), 0);
}

static void a_second_server_is_refused_and_told_the_pid_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct holder holder;
    char pid[32];
    int fd = -1;

    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
    holder = hold_lock(f);
    assert_int_equal(datadir_lock(f->path, &nobody_else, 0, &fd), -EWOULDBLOCK);
    assert_int_equal(fd, -1);
    (void)snprintf(pid, sizeof pid, "(pid %d)", (int)holder.pid);
    assert_non_null(strstr(datadir_error_text(), pid));
    let_go(&holder);
}

static void the_lock_is_waited_for_while_old_processes_end(void **state)
{
    struct fixture *f = *state;
    struct holder holder;
    int fd = -1;
    pid_t pid;

    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
    holder = hold_lock(f);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(holder.release_fd);
        _exit(datadir_lock(f->path, &nobody_else, HANG_MS, &fd) == 0 ? 0 : 1);
    }
    let_go(&holder);
    assert_int_equal(waitpid(pid, &fd, 0), pid);
    assert_int_equal(fd, 0); /* its exit status: it has had the lock */
}

static void a_lock_lives_as_long_as_the_last_process_that_inherited_it(void **state)
{
    struct fixture *f = *state;
    int release[2];
    int fd = -1;
    int next_fd = -1;
    char byte;
    pid_t pid;

    assert_int_equal(datadir_make(f->path, &nobody_else), 0);
    assert_int_equal(datadir_lock(f->path, &nobody_else, 0, &fd), 0);
    assert_int_equal(pipe(release), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(release[1]);
        (void)read(release[0], &byte, 1); /* until the other end is closed */
        _exit(0);
    }
    (void)close(release[0]);
    assert_int_equal(close(fd), 0); /* "the master" is gone, its child is not */
    assert_int_equal(datadir_lock(f->path, &nobody_else, 0, &next_fd), -EWOULDBLOCK);
    (void)close(release[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(datadir_lock(f->path, &nobody_else, DATADIR_WAIT_MS, &next_fd), 0);
    assert_int_equal(close(next_fd), 0);
}

static void a_user_is_looked_up_by_name(void **state)
{
    struct user user;

    (void)state;
    assert_int_equal(user_find(NULL, &user), 0);
    assert_false(user.is_changing);
    assert_int_equal(user_become(&user), 0);
    assert_int_equal(user_find("nobody-of-that-name", &user), -ENOENT);
    assert_int_equal(user_find("nobody", &user), geteuid() == 0 ? 0 : -EPERM);
    if (geteuid() == 0) {
        assert_true(user.is_changing);
        assert_int_not_equal(user.uid, 0);
    }
    assert_int_equal(user_find("root", &user), geteuid() == 0 ? 0 : -EPERM);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_directory_is_made_for_us_alone_and_an_existing_one_kept),
        TEST(a_directory_without_its_parent_is_refused_by_name),
        TEST(the_lock_says_whose_it_is),
        TEST(a_second_server_is_refused_and_told_the_pid_of_the_first),
        TEST(the_lock_is_waited_for_while_old_processes_end),
        TEST(a_lock_lives_as_long_as_the_last_process_that_inherited_it),
        TEST(a_user_is_looked_up_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
