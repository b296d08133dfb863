#include "server/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bus/keys.h"
#include "bus/role.h"
#include "bus/test_point.h"
#include "server/child.h"
#include "server/heritage.h"
#include "server/log.h"
#include "server/net/tls_context.h"
#include "server/roles.h"
#include "server/title.h"

enum {
    NAME_BYTES = 32,
};

/* Of the leak sanitizer, where the binary has one: _exit would go past it. */
__attribute__((weak)) void __lsan_do_leak_check(void);

_Noreturn void spawn_exit(int status)
{
    log_done();
    if (&__lsan_do_leak_check != NULL && status == CHILD_EXIT_DONE)
        __lsan_do_leak_check();
    _exit(status);
}

/* What the master does at a signal reaches its children by the ring, in its order. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN); /* cannot fail for these */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* False: the master died before the kernel knew that we go with it. */
static bool die_with_master(pid_t master_pid)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == master_pid;
}

static void close_listeners(const struct heritage *heritage)
{
    for (size_t i = 0; i < heritage->listener_count; i++)
        (void)close(heritage->listeners[i].fd); /* the workers have theirs */
    for (size_t i = 0; i < heritage->broker_listener_count; i++)
        (void)close(heritage->broker_listeners[i].fd);
    (void)control_sockets_keep(&heritage->control, BUS_WORKERS_MAX); /* none of them */
}

/* Of TLS: they are only for those who serve clients. */
static void drop_secrets(const struct heritage *heritage)
{
    tls_context_unref(heritage->tls);
    keys_close(heritage->ticket_keys);
}

static _Noreturn void run_child(const struct heritage *heritage, const struct child *child)
{
    char name[NAME_BYTES];
    char title[NAME_BYTES + 8];

    child_name(child, name, sizeof name);
    (void)snprintf(title, sizeof title, "sluice: %s", name);
    title_set(title);
    log_set_process(name);
    if (child->kind == CHILD_WORKER)
        spawn_exit(worker_main(heritage, child->index, child->slot));
    close_listeners(heritage);
    drop_secrets(heritage);
    spawn_exit(writer_main(heritage, child->slot));
}

pid_t spawn_child(const struct heritage *heritage, const struct child *child,
                  void (*release)(void *user), void *user)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid > 0)
        return pid;
    role_set(child->kind == CHILD_WORKER ? ROLE_WORKER : ROLE_WRITER);
    TEST_POINT(BIRTH_CHILD);
    if (!die_with_master(heritage->master_pid))
        _exit(CHILD_EXIT_FAILED);
    set_signals();
    release(user);
    run_child(heritage, child);
}
