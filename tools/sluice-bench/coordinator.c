#include "tools/sluice-bench/coordinator.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "tools/sluice-bench/client.h"
#include "tools/sluice-bench/clock.h"
#include "tools/sluice-bench/control.h"
#include "tools/sluice-bench/measure.h"

#define NS_PER_MS UINT64_C(1000000)
/* The server may commit up to 50 ms after the last message: that belongs to the cost. */
#define SETTLE_NS (100 * NS_PER_MS)

struct process {
    pid_t pid;
    int control_fd;
    bool is_gone;
    struct control_report report;
};

struct coordinator {
    const struct options *options;
    struct coordinator_result *result;
    struct process processes[OPTIONS_PROCESSES_MAX];
    uint32_t process_count;         /* started */
    int progress_fds[2];            /* read by process 0, written by the others */
    struct control_result *results; /* one per process, shared */
    struct control_report total;    /* of all processes' last reports */
    struct control_report start;    /* total when measuring began */
    uint64_t start_ns;
    struct measure_cpu cpu_before;
    uint64_t memory_before;
};

typedef bool coordinator_condition(const struct coordinator *coordinator);

/* Ctrl-C: the first is as if the duration were over, the second gives up. */
static volatile sig_atomic_t interrupt_count;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupt_count++;
}

/* Children: the client process; never returns. */
static _Noreturn void child_run(struct coordinator *coordinator, uint32_t index, int control_fd,
                                uint32_t run, pid_t parent)
{
    struct client_place place = {
        .options = coordinator->options,
        .process = index,
        .run = run,
        .control_fd = control_fd,
        .progress_fd = -1,
        .result = &coordinator->results[index],
    };

    (void)signal(SIGINT, SIG_IGN); /* the coordinator decides */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL) < 0 || getppid() != parent)
        exit(EXIT_FAILURE);
    for (uint32_t i = 0; i < coordinator->process_count; i++)
        (void)close(coordinator->processes[i].control_fd);
    if (coordinator->options->process_count > 1) {
        place.progress_fd = coordinator->progress_fds[index == 0 ? 0 : 1];
        (void)close(coordinator->progress_fds[index == 0 ? 1 : 0]);
    }

    int rc = client_run(&place);
    if (rc < 0)
        (void)fprintf(stderr, "sluice-bench: client process %u: %s\n", index, strerror(-rc));
    free(coordinator->result); /* the parent's, copied by fork */
    exit(rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int process_start(struct coordinator *coordinator, uint32_t run)
{
    uint32_t index = coordinator->process_count;
    pid_t parent = getpid();
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int rc = -errno;
        (void)close(fds[0]);
        (void)close(fds[1]);
        return rc;
    }
    if (pid == 0) {
        (void)close(fds[0]);
        child_run(coordinator, index, fds[1], run, parent);
    }
    (void)close(fds[1]);
    coordinator->processes[index] = (struct process){.pid = pid, .control_fd = fds[0]};
    coordinator->process_count++;
    return 0;
}

static void total_count(struct coordinator *coordinator)
{
    struct control_report total = {.phase = CONTROL_END};

    for (uint32_t i = 0; i < coordinator->process_count; i++) {
        const struct control_report *report = &coordinator->processes[i].report;
        if (report->phase < total.phase)
            total.phase = report->phase;
        total.ready_count += report->ready_count;
        total.failed_count += report->failed_count;
        total.closed_count += report->closed_count;
        total.published += report->published;
        total.acknowledged += report->acknowledged;
        total.refused += report->refused;
        total.expected += report->expected;
        total.delivered += report->delivered;
        total.duplicates += report->duplicates;
        total.order_errors += report->order_errors;
        if (report->ready_ns > total.ready_ns)
            total.ready_ns = report->ready_ns;
        if (report->last_delivery_ns > total.last_delivery_ns)
            total.last_delivery_ns = report->last_delivery_ns;
        if (report->last_acknowledged_ns > total.last_acknowledged_ns)
            total.last_acknowledged_ns = report->last_acknowledged_ns;
    }
    coordinator->total = total;
}

/* Takes the reports that come within @wait_ms; -EPIPE when a process has ended before its time. */
static int reports_take(struct coordinator *coordinator, int wait_ms)
{
    struct pollfd polls[OPTIONS_PROCESSES_MAX];

    for (uint32_t i = 0; i < coordinator->process_count; i++)
        polls[i] = (struct pollfd){.fd = coordinator->processes[i].control_fd, .events = POLLIN};
    int count = poll(polls, coordinator->process_count, wait_ms);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;

    for (uint32_t i = 0; i < coordinator->process_count; i++) {
        struct control_report report;
        if (polls[i].revents == 0)
            continue;
        ssize_t got = recv(coordinator->processes[i].control_fd, &report, sizeof report, 0);
        if (got != (ssize_t)sizeof report)
            return -EPIPE; /* it has said why */
        coordinator->processes[i].report = report;
    }
    total_count(coordinator);
    return 0;
}

static int command_all(struct coordinator *coordinator, enum control_phase phase,
                       uint64_t message_limit)
{
    struct control_command command = {.phase = phase, .message_limit = message_limit};

    for (uint32_t i = 0; i < coordinator->process_count; i++) {
        if (send(coordinator->processes[i].control_fd, &command, sizeof command, MSG_NOSIGNAL) < 0)
            return -errno;
    }
    return 0;
}

/*
 * Waits until @is_reached or @until_ns (0: no end). -ETIME when nothing has changed for
 * --timeout, unless the end is known.
 */
static int wait_until(struct coordinator *coordinator, coordinator_condition *is_reached,
                      uint64_t until_ns)
{
    uint64_t progress_ns = clock_now_ns();

    while (!is_reached(coordinator)) {
        struct control_report before = coordinator->total;
        uint64_t now_ns = clock_now_ns();
        int wait_ms = 100;

        if (interrupt_count > 1)
            return -EINTR;
        if (until_ns != 0 && (now_ns >= until_ns || interrupt_count > 0))
            return 0;
        if (until_ns != 0 && until_ns - now_ns < 100 * NS_PER_MS)
            wait_ms = (int)((until_ns - now_ns) / NS_PER_MS) + 1;
        int rc = reports_take(coordinator, wait_ms);
        if (rc < 0)
            return rc;
        if (memcmp(&before, &coordinator->total, sizeof before) != 0)
            progress_ns = clock_now_ns();
        else if (until_ns == 0 && now_ns - progress_ns > coordinator->options->timeout_ns)
            return -ETIME;
    }
    return 0;
}

static uint32_t wanted_count(const struct options *options)
{
    return options->connection_count +
           (options_has_publisher_connections(options) ? options->publisher_count : 0);
}

static bool is_connected(const struct coordinator *coordinator)
{
    const struct control_report *total = &coordinator->total;
    return total->ready_count + total->failed_count >= wanted_count(coordinator->options);
}

/* Nothing is on its way any more. */
static bool is_arrived(const struct coordinator *coordinator)
{
    const struct control_report *total = &coordinator->total;

    if (total->phase != CONTROL_PAUSE || total->delivered < total->expected)
        return false;
    return !options_is_acknowledged(coordinator->options) ||
           total->acknowledged + total->refused >= total->published;
}

static bool is_published(const struct coordinator *coordinator)
{
    uint64_t wanted = coordinator->options->message_count;
    return interrupt_count > 0 ||
           (wanted != 0 && coordinator->total.published - coordinator->start.published >= wanted);
}

static bool is_never(const struct coordinator *coordinator)
{
    (void)coordinator;
    return false;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec left = {
        .tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
        .tv_nsec = (long)(ns % CLOCK_NS_PER_S),
    };
    (void)nanosleep(&left, NULL); /* an interrupt ends it: then all is to end */
}

static int cpu_sample(const struct coordinator *coordinator, struct measure_cpu *ret_sample)
{
    const struct options *options = coordinator->options;
    int rc;

    ret_sample->count = 0;
    if (options->pid_count == 0)
        return 0;
    rc = measure_cpu_sample(options->pids, options->pid_count, options->with_children, ret_sample);
    if (rc < 0)
        (void)fprintf(stderr, "sluice-bench: --pids: %s\n", strerror(-rc));
    return rc;
}

static int memory_sample(const struct coordinator *coordinator, uint64_t *ret_bytes)
{
    const struct options *options = coordinator->options;
    int rc;

    *ret_bytes = 0;
    if (options->pid_count == 0 || !options->is_idle)
        return 0;
    rc =
        measure_memory_sample(options->pids, options->pid_count, options->with_children, ret_bytes);
    if (rc < 0)
        (void)fprintf(stderr, "sluice-bench: --pids: %s\n", strerror(-rc));
    return rc;
}

/* Publishing stops; waits for what is on its way. What then is missing is lost. */
static int pause_all(struct coordinator *coordinator)
{
    int rc = command_all(coordinator, CONTROL_PAUSE, 0);
    if (rc == 0)
        rc = wait_until(coordinator, is_arrived, 0);
    return rc;
}

static int phase_connect(struct coordinator *coordinator)
{
    uint64_t start_ns = clock_now_ns();
    int rc = wait_until(coordinator, is_connected, 0);
    const struct control_report *total = &coordinator->total;
    struct report *report = &coordinator->result->report;

    report->connection_count = total->ready_count;
    report->failed_count = wanted_count(coordinator->options) - total->ready_count;
    report->connect_ns = total->ready_ns > start_ns ? total->ready_ns - start_ns : 0;
    return rc;
}

static int phase_hold(struct coordinator *coordinator)
{
    uint64_t memory_after = 0;
    int rc = wait_until(coordinator, is_never, clock_now_ns() + coordinator->options->hold_ns);
    if (rc == 0)
        rc = memory_sample(coordinator, &memory_after);
    if (rc < 0)
        return rc;

    struct report *report = &coordinator->result->report;
    report->closed_count = coordinator->total.closed_count;
    report->has_memory = coordinator->options->pid_count > 0;
    report->memory_growth_bytes = (int64_t)memory_after - (int64_t)coordinator->memory_before;
    return 0;
}

static int phase_warmup(struct coordinator *coordinator)
{
    uint64_t until_ns = clock_now_ns() + coordinator->options->warmup_ns;

    if (coordinator->options->warmup_ns == 0)
        return 0;
    int rc = command_all(coordinator, CONTROL_WARMUP, 0);
    if (rc == 0)
        rc = wait_until(coordinator, is_never, until_ns);
    if (rc == 0)
        rc = pause_all(coordinator);
    return rc;
}

/* What happened since measuring began. Errors count from the very start. */
static void measured_count(struct coordinator *coordinator)
{
    const struct control_report *total = &coordinator->total;
    const struct control_report *start = &coordinator->start;
    struct report *report = &coordinator->result->report;
    uint64_t end_ns = total->last_delivery_ns > total->last_acknowledged_ns
                          ? total->last_delivery_ns
                          : total->last_acknowledged_ns;

    report->measured_ns = end_ns > coordinator->start_ns ? end_ns - coordinator->start_ns : 0;
    report->published = total->published - start->published;
    report->acknowledged = total->acknowledged - start->acknowledged;
    report->expected = total->expected - start->delivered;
    report->delivered = total->delivered - start->delivered;
    report->refused = total->refused;
    report->duplicates = total->duplicates;
    report->order_errors = total->order_errors;
    report->closed_count = total->closed_count;
}

static int phase_measure(struct coordinator *coordinator)
{
    const struct options *options = coordinator->options;
    struct report *report = &coordinator->result->report;
    struct measure_cpu cpu_after;

    sleep_ns(SETTLE_NS); /* the server's work for the warm-up ends */
    int rc = cpu_sample(coordinator, &coordinator->cpu_before);
    if (rc < 0)
        return rc;
    coordinator->start = coordinator->total;
    coordinator->start_ns = clock_now_ns();
    rc = command_all(coordinator, CONTROL_MEASURE, options->message_count);
    if (rc < 0)
        return rc;
    rc = wait_until(coordinator, is_published,
                    options->message_count != 0 ? 0 : coordinator->start_ns + options->duration_ns);
    if (rc == 0)
        rc = pause_all(coordinator);
    if (rc < 0 && rc != -ETIME)
        return rc;
    sleep_ns(SETTLE_NS);
    if (cpu_sample(coordinator, &cpu_after) < 0)
        return rc < 0 ? rc : -ESRCH; /* the server has gone; it has been said */
    report->has_cpu = options->pid_count > 0;
    report->server_cpu_ns = measure_cpu_between_ns(&coordinator->cpu_before, &cpu_after);
    return rc; /* what came counts, also when some of it did not */
}

/* Ends the client processes and takes their histograms. */
static void processes_end(struct coordinator *coordinator)
{
    struct coordinator_result *result = coordinator->result;
    struct rusage usage;

    for (uint32_t i = 0; i < coordinator->process_count; i++) {
        /* The end of the socket means the same as CONTROL_END: no need to hear an error. */
        (void)close(coordinator->processes[i].control_fd);
        int status = 0;
        while (waitpid(coordinator->processes[i].pid, &status, 0) < 0 && errno == EINTR)
            continue;
        if (status != 0)
            result->report.is_given_up = true;
        histogram_merge(&result->delivery, &coordinator->results[i].delivery);
        histogram_merge(&result->acknowledgement, &coordinator->results[i].acknowledged);
    }
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0)
        result->report.client_cpu_ns =
            (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * CLOCK_NS_PER_S +
            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static int processes_start(struct coordinator *coordinator)
{
    uint32_t wanted = coordinator->options->process_count;
    uint32_t run = (uint32_t)clock_now_ns() ^ (uint32_t)getpid() << 16;
    int rc = 0;

    coordinator->results = mmap(NULL, wanted * sizeof coordinator->results[0],
                                PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (coordinator->results == MAP_FAILED)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, coordinator->progress_fds) < 0) {
        rc = -errno;
        (void)munmap(coordinator->results, wanted * sizeof coordinator->results[0]);
        return rc;
    }
    for (uint32_t i = 0; i < wanted && rc == 0; i++)
        rc = process_start(coordinator, run);
    (void)close(coordinator->progress_fds[0]);
    (void)close(coordinator->progress_fds[1]);
    return rc;
}

static int phases_run(struct coordinator *coordinator)
{
    coordinator->start_ns = clock_now_ns(); /* also if the warm-up is all there will be */
    int rc = phase_connect(coordinator);
    if (rc < 0 || coordinator->result->report.failed_count > 0)
        return rc;
    if (coordinator->options->is_idle)
        return phase_hold(coordinator);
    rc = phase_warmup(coordinator);
    if (rc == 0)
        rc = phase_measure(coordinator);
    measured_count(coordinator);
    return rc;
}

static void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, connections will say so */
}

int coordinator_run(const struct options *options, struct coordinator_result *result)
{
    struct coordinator coordinator = {.options = options, .result = result};
    struct sigaction interrupt = {.sa_handler = on_interrupt};

    result->report.delivery = &result->delivery;
    result->report.acknowledgement = &result->acknowledgement;
    descriptors_raise();
    (void)sigaction(SIGINT, &interrupt, NULL);

    int rc = memory_sample(&coordinator, &coordinator.memory_before);
    if (rc < 0)
        return rc;
    rc = processes_start(&coordinator);
    if (coordinator.process_count == 0) {
        (void)fprintf(stderr, "sluice-bench: %s\n", strerror(-rc));
        return rc;
    }
    if (rc == 0)
        rc = phases_run(&coordinator);
    if (rc < 0) {
        result->report.is_given_up = true;
        (void)fprintf(stderr, "sluice-bench: given up: %s\n",
                      rc == -ETIME ? "no progress" : strerror(-rc));
    }
    processes_end(&coordinator);
    (void)munmap(coordinator.results, options->process_count * sizeof coordinator.results[0]);
    return 0;
}
