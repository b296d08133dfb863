#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "bus/lives.h"
#include "bus/slots.h"

enum {
    SLOT = BUS_SLOT_WORKERS + 3,
    DEATHS = 300,
};

static struct lives *lives;

static int setup(void **state)
{
    (void)state;
    return lives_open(&lives);
}

static int teardown(void **state)
{
    (void)state;
    lives_close(lives);
    return 0;
}

/* A process that lives in SLOT, and says so; it ends when the other end of *ret_fd does. */
static pid_t start_life(int *ret_fd)
{
    int ends[2];
    char byte = 'a';
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        if (lives_begin(lives, SLOT) != 0 || write(ends[1], &byte, 1) != 1)
            _exit(1);
        _exit(read(ends[1], &byte, 1) == 0 ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    *ret_fd = ends[0];
    return pid;
}

static void a_slot_without_a_life_has_none(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++)
        assert_true(lives_has_ended(lives, slot));
}

static void a_process_lives_until_it_ends(void **state)
{
    int status;
    int fd;
    pid_t pid = start_life(&fd);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_false(lives_has_ended(lives, SLOT));
    assert_true(lives_has_ended(lives, SLOT + 1));
    (void)close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < 3; i++)
        assert_true(lives_has_ended(lives, SLOT));
}

/* Whoever sees the end of a connection sees the death: nobody has reaped the process by then. */
static void a_death_is_known_before_its_connections_close(void **state)
{
    (void)state;
    for (int i = 0; i < DEATHS; i++) {
        int fd;
        pid_t pid = start_life(&fd);
        char byte;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(read(fd, &byte, 1), 0);
        assert_true(lives_has_ended(lives, SLOT));
        (void)close(fd);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

static void the_next_one_lives_whether_or_not_somebody_has_asked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        int fd;
        pid_t pid = start_life(&fd);

        assert_false(lives_has_ended(lives, SLOT));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)close(fd);
        if (i > 0)
            assert_true(lives_has_ended(lives, SLOT));
    }
}

static void a_slot_that_is_taken_is_not_waited_for_long(void **state)
{
    int fd;
    pid_t pid = start_life(&fd);

    (void)state;
    assert_int_equal(lives_begin(lives, SLOT), -ETIMEDOUT);
    (void)close(fd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slot_without_a_life_has_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_lives_until_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_death_is_known_before_its_connections_close, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_next_one_lives_whether_or_not_somebody_has_asked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_is_taken_is_not_waited_for_long, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
