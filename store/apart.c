#include "store/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    STEPS = 1000, /* of the whole, that are worth a message */
};

/* One message; far smaller than what a pipe takes as one (PIPE_BUF). */
struct message {
    uint64_t done;
    uint64_t total;
};

struct apart_line {
    int fd;
    struct message last;
};

/* What damage leads to; whatever else ends a process was sent by somebody. */
static const int damage_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

static bool is_damage_signal(int signal_number)
{
    for (size_t i = 0; i < sizeof damage_signals / sizeof damage_signals[0]; i++) {
        if (damage_signals[i] == signal_number)
            return true;
    }
    return false;
}

void *apart_alloc(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return memory != MAP_FAILED ? memory : NULL;
}

void apart_free(void *memory, size_t bytes)
{
    if (memory != NULL)
        (void)munmap(memory, bytes); /* it was mapped with that size */
}

/* --- the child ------------------------------------------------------------------------------ */

void apart_say(struct apart_line *line, uint64_t done, uint64_t total)
{
    struct message message = {.done = done, .total = total};

    if (total == line->last.total && done < line->last.done + total / STEPS + 1 && done < total)
        return;
    line->last = message;
    /* Nobody listens any more: SIGPIPE ends this process. */
    (void)!write(line->fd, &message, sizeof message);
}

__attribute__((noreturn)) static void child_run(const struct apart *apart, int fd, pid_t parent)
{
    struct apart_line line = {.fd = fd};

    /* A sanitizer's handlers, and those of the tool, are for processes that mean no damage. */
    for (size_t i = 0; i < sizeof damage_signals / sizeof damage_signals[0]; i++)
        (void)signal(damage_signals[i], SIG_DFL); /* of numbers that exist */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* Neither is a core dump wanted of a death that was to be expected. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        apart->work(apart->user, &line);
    _exit(0);
}

/* --- the parent ----------------------------------------------------------------------------- */

/* Until the child has closed its end. Whether it was told to stop. */
static bool listen_to_end(const struct apart *apart, int fd, pid_t child)
{
    struct message message = {.done = 0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool is_stopped = false;

    for (;;) {
        int ready = poll(&wait, 1, TICK_MS);
        ssize_t got = ready > 0 ? read(fd, &message, sizeof message) : 1;

        if (ready > 0 && got == 0)
            return is_stopped;
        if (is_stopped || apart->on_progress == NULL)
            continue;
        if (!apart->on_progress(apart->user, message.done, message.total)) {
            (void)kill(child, SIGKILL); /* ours, and not waited for yet: it is that process */
            is_stopped = true;
        }
    }
}

static int status_wait(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return status;
}

int apart_run(const struct apart *apart, int *ret_signal)
{
    pid_t parent = getpid();
    bool is_stopped;
    int line[2];
    pid_t child;
    int status;

    if (pipe2(line, O_CLOEXEC) != 0)
        return -errno;
    child = fork();
    if (child == 0) {
        (void)close(line[0]); /* the parent's end: its death shall be noticed */
        child_run(apart, line[1], parent);
    }
    status = -errno;
    (void)close(line[1]); /* the child's end: its end shall be noticed */
    is_stopped = child > 0 && listen_to_end(apart, line[0], child);
    (void)close(line[0]); /* only read */
    if (child > 0)
        status = status_wait(child);
    if (status < 0)
        return status;
    if (is_stopped)
        return -ECANCELED;
    if (WIFSIGNALED(status) && !is_damage_signal(WTERMSIG(status)))
        return -ECANCELED;
    *ret_signal = 0;
    if (WIFSIGNALED(status))
        *ret_signal = WTERMSIG(status);
    else if (WEXITSTATUS(status) != 0)
        *ret_signal = APART_ENDED_OTHERWISE;
    return 0;
}
