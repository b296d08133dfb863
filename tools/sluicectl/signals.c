#include "tools/sluicectl/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "bus/check.h"

static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t has_ended;

static void on_signal(int number)
{
    int saved_errno = errno;
    unsigned char byte = (unsigned char)number;

    if (number == SIGINT || number == SIGTERM || number == SIGHUP)
        has_ended = 1;
    /* A full pipe wakes whoever reads it just as well. */
    ssize_t written = write(pipe_fds[1], &byte, sizeof byte);
    (void)written;
    errno = saved_errno;
}

int signals_catch(const int *signals, size_t count, int *ret_fd)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */

    CHECK(pipe_fds[0] < 0);
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    for (size_t i = 0; i < count; i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return -errno;
    }
    *ret_fd = pipe_fds[0];
    return 0;
}

int signals_next(void)
{
    unsigned char byte;

    return read(pipe_fds[0], &byte, sizeof byte) == (ssize_t)sizeof byte ? byte : 0;
}

int signals_catch_end(int *ret_fd)
{
    static const int end_signals[] = {SIGINT, SIGTERM, SIGHUP};

    return signals_catch(end_signals, sizeof end_signals / sizeof end_signals[0], ret_fd);
}

bool signals_has_ended(void)
{
    return has_ended != 0;
}
