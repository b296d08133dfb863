#include "tests/unit/bus_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/role.h"

void fixture_path(char *ret_path, size_t bytes)
{
    static unsigned count;

    (void)snprintf(ret_path, bytes, "/dev/shm/sluice-test-%d-%u.ring", (int)getpid(), count++);
}

struct bus *fixture_open(const char *path, uint64_t size)
{
    const struct bus_options options = {.path = path, .store_id = FIXTURE_STORE_ID, .size = size};
    struct bus *bus = NULL;
    int rc;

    role_set((enum role)(ROLE_MASTER | ROLE_WRITER | ROLE_WORKER));
    rc = bus_open(&options, &bus);
    if (rc != 0)
        fail_msg("bus_open: %d, %s", rc, bus_error_text());
    return bus;
}

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const struct ring_position start = {0};

    assert_non_null(fixture);
    fixture_path(fixture->path, sizeof fixture->path);
    fixture->bus = fixture_open(fixture->path, FIXTURE_SIZE);
    ring_reset(fixture->bus, &start, FIXTURE_EPOCH);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    (void)unlink(fixture->path); /* a test may have removed it */
    bus_close(fixture->bus);
    free(fixture);
    return 0;
}

void fixture_reopen(struct fixture *fixture)
{
    bus_close(fixture->bus);
    fixture->bus = NULL;
    fixture->bus = fixture_open(fixture->path, FIXTURE_SIZE);
}

void fixture_record(void *buf, size_t length, unsigned flags, uint64_t request)
{
    static uint8_t filler[FIXTURE_RECORD_MAX + 64];
    const struct record_topic topic = {"news", 4};
    const struct record_spec spec = {
        .kind = RECORD_EVENT,
        .flags = flags,
        .topics = &topic,
        .topic_count = 1,
        .payload = filler,
        .payload_bytes = length - sizeof(struct record_head) - 1 - topic.bytes,
        .origin_slot = BUS_SLOT_WORKERS,
        .origin_request = request,
    };

    assert_true(length <= sizeof filler);
    memset(filler, '1', sizeof filler); /* no zeros: what was wiped must show */
    assert_int_equal(record_encoded_bytes(&spec), length);
    assert_int_equal(record_encode(buf, &spec), length);
}

int fixture_append(struct bus *bus, size_t length, uint64_t request, struct ring_appended *ret)
{
    static alignas(8) uint8_t buf[FIXTURE_RECORD_MAX + 64];

    fixture_record(buf, length, 0, request);
    return ring_append(bus, buf, length, ret);
}

void fixture_commit_all(struct bus *bus)
{
    const struct ring_position tail = ring_tail(bus);

    ring_commit(bus, &tail, 1);
}

uint64_t fixture_read_all(struct bus *bus, struct ring_position *at)
{
    static alignas(8) uint8_t buf[FIXTURE_RECORD_MAX];
    const struct ring_position tail = ring_tail(bus);
    uint64_t count = 0;
    size_t needed = 0;

    while (at->pos < tail.pos) {
        const ptrdiff_t got = ring_read(bus, &at->pos, tail.pos, buf, sizeof buf, &needed);
        struct record record;

        assert_true(got > 0);
        for (size_t i = 0; i < (size_t)got; i += record.length) {
            assert_int_equal(record_decode(buf + i, (size_t)got - i, &record), RECORD_OK);
            assert_true(record_verify(buf + i));
            assert_int_equal(record.seq, at->seq + 1);
            assert_true(record.time_ns >= at->time_ns);
            at->seq = record.seq;
            at->time_ns = record.time_ns;
            count++;
        }
    }
    assert_int_equal(at->seq, tail.seq);
    return count;
}

pid_t fixture_fork(void)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    return pid;
}

int fixture_in_child(void (*body)(void *user), void *user)
{
    int status = 0;
    const pid_t pid = fixture_fork();

    if (pid == 0) {
        body(user);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

struct quiet_call {
    void (*body)(void *user);
    void *user;
};

static void call_quietly(void *user)
{
    const struct quiet_call *call = user;
    const struct rlimit no_core = {0, 0};
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)setrlimit(RLIMIT_CORE, &no_core); /* only for tidiness */
    (void)dup2(null, STDERR_FILENO);
    (void)signal(SIGABRT, SIG_DFL); /* cmocka would take the abort for its own */
    call->body(call->user);
}

bool fixture_aborts(void (*body)(void *user), void *user)
{
    struct quiet_call call = {body, user};
    const int status = fixture_in_child(call_quietly, &call);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

void fixture_wait_stopped(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}
