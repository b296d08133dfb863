/* What the master decides; what it tells others is in master_tell.c. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/hash_counts.h"
#include "bus/keys.h"
#include "bus/role.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/test_point.h"
#include "bus/wake.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/master.h"
#include "server/net/tls_context.h"
#include "server/roles.h"
#include "server/spawn.h"
#include "server/title.h"

enum {
    NAME_BYTES = 32,
    WRITER_LAST_STARTS_MAX = 3, /* of a writer that keeps dying while it commits the rest */
};
#define CHECK_NS CLOCK_SECOND_NS

typedef void child_function(struct master *master, struct child *child);

static void for_each_child(struct master *master, child_function *visit)
{
    for (unsigned i = 0; i < master->worker_count; i++)
        visit(master, &master->workers[i]);
    visit(master, &master->writer);
}

static void end_with(struct master *master, int exit_status)
{
    master->exit_status = exit_status;
    master->stage = MASTER_ENDED;
}

/* --- births -------------------------------------------------------------------------------------- */

/* What a child shall not keep of ours. */
static void release_in_child(void *user)
{
    struct master *master = user;

    (void)close(master->signal_source.fd); /* a copy: ours stays open */
    notify_close(&master->notify);
    process_stats_done(&master->process);
    loop_close(master->loop);
}

static void rest(struct child *child, int64_t now_ns)
{
    child->rest_ns = child_rest_ns(child->rest_ns, now_ns - child->spawned_ns);
    child->rested_ns = now_ns + child->rest_ns;
}

static void start_child(struct master *master, struct child *child)
{
    struct bus *bus = master->heritage.bus;
    int64_t now_ns = clock_monotonic_ns();
    char name[NAME_BYTES];
    pid_t pid;

    bus_slot_occupy(bus, child->slot);
    child->turn_count = bus_slot_turn_count(bus, child->slot);
    child->silent_checks = 0;
    child->spawned_ns = now_ns;
    pid = spawn_child(&master->heritage, child, release_in_child, master);
    if (pid > 0) {
        TEST_POINT(BIRTH_FORKED);
        child->pid = pid;
        bus_slot_set_pid(bus, child->slot, (int32_t)pid);
        TEST_POINT(BIRTH_NAMED);
        return;
    }
    child_name(child, name, sizeof name);
    log_error(LOG_PROCESS_UNSTARTED, "%s cannot be forked: %s", name, strerror(-(int)pid));
    bus_slot_vacate(bus, child->slot);
    (void)child_step(child, CHILD_HAS_DIED);
    rest(child, now_ns);
}

static void act(struct master *master, struct child *child, enum child_event event)
{
    switch (child_step(child, event)) {
    case CHILD_NOTHING:
        break;
    case CHILD_SPAWN:
        start_child(master, child);
        break;
    case CHILD_KILL:
        (void)kill(child->pid, SIGKILL); /* it is our child and not reaped: it is there */
        break;
    case CHILD_REST:
        rest(child, clock_monotonic_ns());
        break;
    }
}

/* --- deaths ---------------------------------------------------------------------------------------- */

static struct child *find_child(struct master *master, pid_t pid)
{
    for (unsigned i = 0; i < master->worker_count; i++) {
        if (master->workers[i].pid == pid)
            return &master->workers[i];
    }
    return master->writer.pid == pid ? &master->writer : NULL;
}

/* Whether the server ends with this child: it has said why, and trying again would not help. */
static bool is_hopeless(const struct master *master, int status)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 ||
        WEXITSTATUS(status) == CHILD_EXIT_LOCK_LOST)
        return false;
    return WEXITSTATUS(status) == CHILD_EXIT_STORE_TAKEN ||
           WEXITSTATUS(status) == CHILD_EXIT_SCHEMA_REFUSED || master->stage == MASTER_RECOVERING ||
           master->stage == MASTER_OPENING;
}

static void renew(struct master *master);
static void advance(struct master *master);

/* What a death means for the whole server, beyond starting the child again. */
static void judge_death(struct master *master, const struct child *child, int status)
{
    bool is_exit = WIFEXITED(status);
    int exit_status = is_exit ? WEXITSTATUS(status) : 0;

    if (master->stage == MASTER_ENDED)
        return; /* why has been decided by one who died before */
    if (exit_status == CHILD_EXIT_STORE_TAKEN) {
        log_error(LOG_FAILED, "another server writes to the store in %s: this one ends",
                  master->heritage.config->data);
        end_with(master, EXIT_FAILED);
    } else if (exit_status == CHILD_EXIT_SCHEMA_REFUSED) {
        end_with(master, EXIT_CONFIG);
    } else if (exit_status == CHILD_EXIT_LOCK_LOST) {
        renew(master);
    } else if (is_hopeless(master, status)) {
        end_with(master, EXIT_FAILED);
    } else if (master->stage == MASTER_COMMITTING && child->kind == CHILD_WRITER && is_exit) {
        if (exit_status != 0)
            log_error(LOG_SHUTDOWN_UNCOMMITTED,
                      "not everything could be committed: the ring %s keeps it for the next start",
                      master->heritage.ring_path);
        else
            log_info(LOG_SHUTDOWN_DONE, "shutdown: done, everything is committed");
        TEST_POINT(DRAIN_OVER);
        end_with(master, exit_status == 0 ? EXIT_DONE : EXIT_FAILED);
    }
}

static void bury(struct master *master, struct child *child, int status)
{
    struct bus *bus = master->heritage.bus;
    pid_t pid = child->pid;
    bool is_expected = child->state == CHILD_RETIRING;
    uint64_t client_count = stat_get(bus, child->slot, STAT_CLIENTS);
    char name[NAME_BYTES];

    TEST_POINT(BURIAL_REAPED);
    child->pid = 0;
    if (child->kind == CHILD_WORKER) {
        hash_counts_clear(master->heritage.topic_counts, child->slot);
        hash_counts_clear(master->heritage.address_counts, child->slot);
    }
    TEST_POINT(BURIAL_COUNTED);
    bus_slot_vacate(bus, child->slot);
    act(master, child, CHILD_HAS_DIED);
    master_log_death(child, &(struct master_death){
                                .pid = pid,
                                .status = status,
                                .is_expected = is_expected,
                                .is_hopeless = is_hopeless(master, status),
                            });
    if (bus_phase(bus) >= BUS_DRAINING) {
        child_name(child, name, sizeof name);
        drain_lose(&master->drain, bus, name, client_count);
    }
    judge_death(master, child, status);
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;

    master->has_deaths = false;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = find_child(master, pid);

        if (child == NULL)
            continue; /* as the first process of a container we are given orphans too */
        bury(master, child, status);
        /* Before the next one: that the last worker is gone is what the writer's end follows. */
        advance(master);
    }
}

/* --- watching ------------------------------------------------------------------------------------- */

static void log_killed(const char *name, pid_t pid)
{
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_CHILD, name)),
        log_told(log_i64(LOG_FIELD_CHILD_PID, pid)),
    };

    log_fields(LOG_LEVEL_ERROR, LOG_PROCESS_KILLED, fields, 2,
               "%s (pid %d) has not turned for %d s: killed", name, (int)pid, CHILD_SILENT_CHECKS);
}

static void watch_child(struct master *master, struct child *child)
{
    const struct bus *bus = master->heritage.bus;
    char name[NAME_BYTES];
    bool is_excused;

    if (child->pid == 0)
        return;
    is_excused = bus_slot_mark(bus, child->slot) == SLOT_MARK_COMMIT;
    if (!child_is_silent(child, bus_slot_turn_count(bus, child->slot), is_excused))
        return;
    child_name(child, name, sizeof name);
    if (child->silent_checks == CHILD_SILENT_CHECKS)
        log_killed(name, child->pid);
    act(master, child, CHILD_IS_SILENT);
}

static void look_at_child(struct master *master, struct child *child)
{
    if (child->state == CHILD_STARTING &&
        bus_slot_turn_count(master->heritage.bus, child->slot) != child->turn_count)
        act(master, child, CHILD_HAS_TURNED);
    if (child->state == CHILD_RESTING && clock_monotonic_ns() >= child->rested_ns)
        act(master, child, CHILD_HAS_RESTED);
}

/* Without one who can make random numbers the old ones serve until he can. */
static void renew_keys(struct master *master, int64_t now_ns)
{
    struct keys *keys = master->heritage.ticket_keys;

    if (keys == NULL || now_ns < master->keys_due_ns)
        return;
    if (master->keys_due_ns != 0)
        (void)keys_renew(keys);
    master->keys_due_ns = now_ns + TLS_KEYS_RENEW_NS;
}

static void watch(struct master *master)
{
    int64_t now_ns = clock_monotonic_ns();

    for_each_child(master, look_at_child);
    if (now_ns < master->check_due_ns)
        return;
    master->check_due_ns = now_ns + CHECK_NS;
    renew_keys(master, now_ns);
    for_each_child(master, watch_child);
}

/* --- stages ------------------------------------------------------------------------------------------ */

static void retire(struct master *master, struct child *child)
{
    act(master, child, CHILD_IS_RETIRED);
}

static void condemn(struct master *master, struct child *child)
{
    act(master, child, CHILD_IS_RETIRED);
    if (child->pid != 0)
        (void)kill(child->pid, SIGKILL);
}

static void renew(struct master *master)
{
    if (master->stage == MASTER_RENEWING)
        return;
    log_error(LOG_RENEWED, "the ring's append lock is lost: all processes are started anew");
    master->is_ending = master->stage == MASTER_DRAINING || master->stage == MASTER_STOPPING ||
                        master->stage == MASTER_COMMITTING;
    for_each_child(master, condemn);
    master->stage = MASTER_RENEWING;
}

static void stop(struct master *master)
{
    bus_set_phase(master->heritage.bus, BUS_STOPPING, 0);
    TEST_POINT(DRAIN_STOPPING);
    for (unsigned i = 0; i < master->worker_count; i++)
        retire(master, &master->workers[i]);
    master->stage = MASTER_STOPPING;
}

static bool has_processes(const struct master *master)
{
    for (unsigned i = 0; i < master->worker_count; i++) {
        if (master->workers[i].pid != 0)
            return true;
    }
    return false;
}

/*
 * The writer's first turn comes when the ring is recovered and the schema committed: the workers
 * find theirs in the store.
 */
static void step_recovering(struct master *master)
{
    if (!bus_is_recovered(master->heritage.bus) || master->writer.state != CHILD_RUNNING)
        return;
    if (master->is_ending) {
        stop(master);
        return;
    }
    bus_set_phase(master->heritage.bus, BUS_RUNNING, 0);
    for (unsigned i = 0; i < master->worker_count; i++)
        act(master, &master->workers[i], CHILD_IS_WANTED);
    master->stage = MASTER_OPENING;
}

static void step_opening(struct master *master)
{
    for (unsigned i = 0; i < master->worker_count; i++) {
        if (master->workers[i].state != CHILD_RUNNING)
            return;
    }
    master_log_ready(master);
    master->stage = MASTER_SERVING;
}

static void step_draining(struct master *master)
{
    if (drain_step(&master->drain, master->heritage.bus, clock_boottime_ns()))
        stop(master);
}

static void step_stopping(struct master *master)
{
    if (has_processes(master))
        return;
    drain_log_left(&master->drain, master->heritage.bus);
    master->stage = MASTER_COMMITTING;
}

/* Retires the writer once it runs: one that rests must first come back to commit the rest. */
static void step_committing(struct master *master)
{
    struct child *writer = &master->writer;

    if (writer->state == CHILD_ABSENT) {
        if (++master->writer_last_starts > WRITER_LAST_STARTS_MAX) {
            log_error(LOG_FAILED,
                      "the store writer keeps dying: the ring %s keeps what is not committed",
                      master->heritage.ring_path);
            end_with(master, EXIT_FAILED);
            return;
        }
        act(master, writer, CHILD_IS_WANTED);
    }
    if (writer->state == CHILD_STARTING || writer->state == CHILD_RUNNING)
        retire(master, writer);
}

static void step_renewing(struct master *master)
{
    if (has_processes(master) || master->writer.pid != 0)
        return;
    loop_forget(master->loop, &master->wake_source);
    if (heritage_renew_bus(&master->heritage) != 0) {
        end_with(master, EXIT_FAILED);
        return;
    }
    master->wake_source.fd = wake_fd(master->heritage.bus, BUS_SLOT_MASTER);
    if (loop_watch(master->loop, &master->wake_source, EPOLLIN) != 0) {
        end_with(master, EXIT_FAILED);
        return;
    }
    master->stage = MASTER_RECOVERING;
    act(master, &master->writer, CHILD_IS_WANTED);
}

static void step(struct master *master)
{
    switch (master->stage) {
    case MASTER_RECOVERING:
        step_recovering(master);
        break;
    case MASTER_OPENING:
        step_opening(master);
        break;
    case MASTER_SERVING:
    case MASTER_ENDED:
        break;
    case MASTER_DRAINING:
        step_draining(master);
        break;
    case MASTER_STOPPING:
        step_stopping(master);
        break;
    case MASTER_COMMITTING:
        step_committing(master);
        break;
    case MASTER_RENEWING:
        step_renewing(master);
        break;
    }
}

/* Runs stages until one has to wait for something. */
static void advance(struct master *master)
{
    enum master_stage before;

    do {
        before = master->stage;
        step(master);
    } while (master->stage != before);
}

/* SIGTERM or SIGINT: the first begins the drain, the next cuts it short. */
static void request_stop(struct master *master)
{
    struct bus *bus = master->heritage.bus;

    switch (master->stage) {
    case MASTER_RECOVERING:
    case MASTER_RENEWING:
        if (!master->is_ending)
            log_info(LOG_SHUTDOWN_BEGUN, "shutdown: asked to end before the store was recovered");
        master->is_ending = true;
        break;
    case MASTER_OPENING:
        log_info(LOG_SHUTDOWN_BEGUN, "shutdown: asked to end before all workers were ready");
        stop(master);
        break;
    case MASTER_SERVING:
        drain_begin(&master->drain, bus, master->heritage.config, clock_boottime_ns());
        TEST_POINT(DRAIN_BEGUN);
        master->stage = MASTER_DRAINING;
        break;
    case MASTER_DRAINING:
        drain_cut_short(&master->drain, bus, clock_boottime_ns());
        break;
    case MASTER_STOPPING:
    case MASTER_COMMITTING:
    case MASTER_ENDED:
        break;
    }
}

/* --- the loop ----------------------------------------------------------------------------------------- */

static void on_signal(struct loop_source *source, uint32_t events)
{
    struct master *master =
        (struct master *)(void *)((char *)source - offsetof(struct master, signal_source));
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            master->has_deaths = true;
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            master->stop_requests++;
        else
            log_warning(LOG_SIGNAL_REFUSED,
                        "%s is not available in this version; nothing has changed",
                        info.ssi_signo == SIGHUP ? "reload (SIGHUP)" : "upgrade (SIGUSR2)");
    }
}

static void on_wake(struct loop_source *source, uint32_t events)
{
    struct master *master =
        (struct master *)(void *)((char *)source - offsetof(struct master, wake_source));

    (void)events;
    wake_done(master->heritage.bus, BUS_SLOT_MASTER);
}

/* From now on they wait for open_signals: the start is never cut off in the middle. */
static void hold_signals(sigset_t *ret_set)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD};

    (void)sigemptyset(ret_set);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        (void)sigaddset(ret_set, wanted[i]);
    (void)signal(SIGPIPE, SIG_IGN);              /* cannot fail */
    (void)sigprocmask(SIG_BLOCK, ret_set, NULL); /* likewise */
}

/* A start that has failed: whether nobody wants it any more. */
static bool is_stop_held(void)
{
    sigset_t held;

    return sigpending(&held) == 0 &&
           (sigismember(&held, SIGTERM) == 1 || sigismember(&held, SIGINT) == 1);
}

static int open_signals(struct master *master, const sigset_t *set)
{
    master->signal_source.fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (master->signal_source.fd < 0)
        return -errno;
    master->signal_source.on_event = on_signal;
    return loop_watch(master->loop, &master->signal_source, EPOLLIN);
}

static int open_master(struct master *master, const sigset_t *signals)
{
    int rc = loop_open(&master->loop);

    if (rc == 0)
        rc = open_signals(master, signals);
    if (rc != 0)
        return rc;
    master->wake_source.fd = wake_fd(master->heritage.bus, BUS_SLOT_MASTER);
    master->wake_source.on_event = on_wake;
    master->worker_count = (unsigned)master->heritage.config->workers;
    master->writer = (struct child){.kind = CHILD_WRITER, .slot = BUS_SLOT_WRITER};
    for (unsigned i = 0; i < master->worker_count; i++) {
        master->workers[i] = (struct child){
            .kind = CHILD_WORKER,
            .index = i,
            .slot = bus_worker_slot(i, 0),
        };
    }
    return loop_watch(master->loop, &master->wake_source, EPOLLIN);
}

static void wait_rested(const struct child *child, int64_t now_ns, int64_t *wait_ns)
{
    if (child->state == CHILD_RESTING && child->rested_ns - now_ns < *wait_ns)
        *wait_ns = child->rested_ns - now_ns;
}

/* Until the next check, the end of the next rest, the drain's next step, or the next word to the manager. */
static int64_t wait_ns(const struct master *master)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t wait = master->check_due_ns - now_ns;
    int64_t notify_ns = notify_due_ns(&master->notify);

    for (unsigned i = 0; i < master->worker_count; i++)
        wait_rested(&master->workers[i], now_ns, &wait);
    wait_rested(&master->writer, now_ns, &wait);
    if (notify_ns != NOTIFY_NEVER && notify_ns - now_ns < wait)
        wait = notify_ns - now_ns;
    if (master->stage == MASTER_DRAINING) {
        int64_t drain_ns = drain_due_ns(&master->drain) - clock_boottime_ns();

        wait = drain_ns < wait ? drain_ns : wait;
    }
    return wait > 0 ? wait : 0;
}

static void run(struct master *master)
{
    act(master, &master->writer, CHILD_IS_WANTED);
    while (master->stage != MASTER_ENDED) {
        int rc = loop_turn(master->loop, wait_ns(master));

        if (rc < 0) {
            log_error(LOG_FAILED, "cannot wait for events: %s", strerror(-rc));
            end_with(master, EXIT_FAILED);
            return;
        }
        bus_slot_turn(master->heritage.bus, BUS_SLOT_MASTER);
        process_stats_turn(&master->process, master->heritage.bus, BUS_SLOT_MASTER,
                           clock_monotonic_ns());
        log_turn();
        if (master->has_deaths)
            reap(master);
        for (; master->stop_requests > 0; master->stop_requests--)
            request_stop(master);
        watch(master);
        advance(master);
        master_tell_manager(master);
    }
}

static void await_end(struct master *master, struct child *child)
{
    (void)master;
    while (child->pid != 0 && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/*
 * After a failure some may be left: none may go on without us. Ours only: the first process of a
 * container has orphans of others, too, who may stay for long.
 */
static void end_children(struct master *master)
{
    for_each_child(master, condemn);
    for_each_child(master, await_end);
}

int master_main(const struct config *config, struct model *model)
{
    struct master master = {.stage = MASTER_RECOVERING, .signal_source = {.fd = -1}};
    sigset_t signals;
    int rc;

    hold_signals(&signals);
    role_set(ROLE_MASTER);
    title_set("sluice: master");
    log_set_process("master");
    notify_open(&master.notify);
    rc = heritage_open(config, model, &master.heritage);
    if (rc == 0) {
        rc = open_master(&master, &signals);
        if (rc != 0)
            log_error(LOG_START_FAILED, "cannot start: %s", strerror(-rc));
    }
    if (rc == 0) {
        run(&master);
        end_children(&master);
    }
    if (master.signal_source.fd >= 0)
        (void)close(master.signal_source.fd); /* only read from */
    process_stats_done(&master.process);
    loop_close(master.loop);
    notify_close(&master.notify);
    heritage_close(&master.heritage);
    if (rc != 0 && is_stop_held())
        return EXIT_DONE;
    if (rc != 0)
        return rc == -ENOKEY ? EXIT_CONFIG : EXIT_FAILED;
    return master.exit_status;
}
