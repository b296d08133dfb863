/* What stands where standard input, output and error were closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/standard_fds.h"

enum {
    FD_COUNT = 3,
    ALL = (1 << FD_COUNT) - 1,
};

static bool is_null_device(int fd)
{
    struct stat device;
    struct stat status;

    return stat("/dev/null", &device) == 0 && fstat(fd, &status) == 0 &&
           status.st_rdev == device.st_rdev && S_ISCHR(status.st_mode);
}

/* In a child: cmocka reports on the real ones. 0: as it should be. */
static int fill_without(unsigned closed)
{
    struct stat before[FD_COUNT];
    struct stat after;
    char byte = 0;

    for (int fd = 0; fd < FD_COUNT; fd++) {
        if (fstat(fd, &before[fd]) != 0)
            return 1;
        if ((closed & 1U << fd) != 0 && close(fd) != 0)
            return 1;
    }
    if (standard_fds_fill() != 0)
        return 2;
    for (int fd = 0; fd < FD_COUNT; fd++) {
        if ((closed & 1U << fd) != 0 && !is_null_device(fd))
            return 3;
        if ((closed & 1U << fd) == 0 &&
            (fstat(fd, &after) != 0 || after.st_ino != before[fd].st_ino))
            return 4;
    }
    if ((closed & 1U << STDIN_FILENO) != 0 && read(STDIN_FILENO, &byte, 1) >= 0)
        return 5;
    if ((closed & 1U << STDOUT_FILENO) != 0 && write(STDOUT_FILENO, &byte, 1) >= 0)
        return 6;
    return 0;
}

static void what_is_closed_becomes_the_null_device_and_nothing_else_changes(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed <= ALL; closed++) {
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            _exit(fill_without(closed));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_closed_becomes_the_null_device_and_nothing_else_changes),
    };

    return cmocka_run_group_tests_name("bus/standard_fds", tests, NULL, NULL);
}
