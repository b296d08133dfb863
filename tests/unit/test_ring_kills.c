/*
 * Producers in several processes, killed with -9 at random points of append more than a thousand
 * times: nothing acknowledged is lost, nothing is half there, seq has no hole and no double.
 *
 * Half of the producers kill themselves at a random one of the points inside ring_append, the
 * others are killed from outside whenever it happens to hit them. A producer notes each
 * acknowledged operation in a page that it shares with the test before it goes on.
 */
#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/test_point.h"

enum {
    PRODUCERS = 3,
    KILLS = 1200,
    RESTARTS = 100, /* of everything at once */
    BATCH_MAX = 4,
    SEQ_MAX = 1 << 22,
    APPENDS_OF_A_LIFE = 3000, /* so that SEQ_MAX is enough whatever the timing */
};

/* acked[seq]: the request that was told it has this seq. W: the producers. Sparse. */
static _Atomic uint64_t *acked;
/* Likewise what the ring was found to hold. W: the test. */
static uint64_t *seen;

/* --- a producer --------------------------------------------------------------------------- */

static uint64_t random_state;

/* xorshift64: the children must differ from each other, nothing more. */
static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void maybe_die(enum test_point point)
{
    (void)point;
    if (random_next() % 500 == 0)
        CHECK(kill(getpid(), SIGKILL) == 0);
}

/* A batch of 1 to BATCH_MAX records whose requests count up from @request. */
static size_t batch_make(uint8_t *buf, uint64_t request, uint32_t *ret_count)
{
    static const uint8_t payload[400] = {'"', 1, 2, 3};
    const struct record_topic topic = {"kills", 5};
    size_t bytes = 0;

    *ret_count = 1 + (uint32_t)(random_next() % BATCH_MAX);
    for (uint32_t i = 0; i < *ret_count; i++) {
        const struct record_spec spec = {
            .kind = RECORD_EVENT,
            .topics = &topic,
            .topic_count = 1,
            .payload = payload,
            .payload_bytes = (size_t)(random_next() % sizeof payload),
            .origin_request = request + i,
        };

        bytes += record_encode(buf + bytes, &spec);
    }
    return bytes;
}

_Noreturn static void produce(struct bus *bus, uint64_t life)
{
    alignas(8) uint8_t buf[BATCH_MAX * 512];
    uint64_t request = life << 32;

    random_state = (life + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (life % 2 == 0)
        test_point_set_hook(maybe_die);
    for (unsigned i = 0; i < APPENDS_OF_A_LIFE; i++) {
        struct ring_appended appended;
        uint32_t count;
        const size_t bytes = batch_make(buf, request, &count);
        const int rc = ring_append(bus, buf, bytes, &appended);

        CHECK(rc == 0 || rc == -EAGAIN);
        if (rc == -EAGAIN) {
            (void)sched_yield(); /* full: the test has to commit first */
            continue;
        }
        CHECK(appended.first_seq + appended.count < SEQ_MAX);
        for (uint32_t k = 0; k < appended.count; k++)
            atomic_store_explicit(&acked[appended.first_seq + k], request + k,
                                  memory_order_release);
        request += count;
    }
    for (;;)
        (void)pause(); /* until it is killed */
}

/* --- the test ----------------------------------------------------------------------------- */

static struct {
    pid_t pids[PRODUCERS];
    uint64_t lives;
    unsigned deaths;
} family;

static void start_missing(struct bus *bus)
{
    for (unsigned i = 0; i < PRODUCERS; i++) {
        if (family.pids[i] != 0)
            continue;
        family.lives++;
        family.pids[i] = fixture_fork();
        if (family.pids[i] == 0)
            produce(bus, family.lives);
    }
}

static void bury(unsigned index, int options)
{
    int status = 0;
    const pid_t pid = waitpid(family.pids[index], &status, options);

    assert_true(pid >= 0);
    if (pid == 0)
        return;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    family.pids[index] = 0;
    family.deaths++;
}

static void kill_one(unsigned index)
{
    if (family.pids[index] == 0)
        return;
    assert_int_equal(kill(family.pids[index], SIGKILL), 0);
    bury(index, 0);
}

/* As the writer does: everything new is checked, noted and committed. */
static void consume(struct bus *bus, struct ring_position *at)
{
    static alignas(8) uint8_t buf[FIXTURE_SIZE];
    const struct ring_position tail = ring_tail(bus);
    size_t needed;

    while (at->pos < tail.pos) {
        const ptrdiff_t got = ring_read(bus, &at->pos, tail.pos, buf, sizeof buf, &needed);
        struct record record;

        assert_true(got > 0);
        for (size_t i = 0; i < (size_t)got; i += record.length) {
            assert_int_equal(record_decode(buf + i, (size_t)got - i, &record), RECORD_OK);
            assert_true(record_verify(buf + i));
            assert_int_equal(record.seq, at->seq + 1);
            assert_true(record.time_ns >= at->time_ns);
            assert_true(record.seq < SEQ_MAX);
            at->seq = record.seq;
            at->time_ns = record.time_ns;
            seen[record.seq] = record.origin_request;
        }
    }
}

static void check_acknowledged(const struct ring_position *at)
{
    uint64_t count = 0;

    for (uint64_t seq = 1; seq < SEQ_MAX; seq++) {
        const uint64_t request = atomic_load_explicit(&acked[seq], memory_order_acquire);

        if (request == 0)
            continue;
        assert_true(seq <= at->seq);
        assert_int_equal(seen[seq], request);
        count++;
    }
    assert_true(count > 0);
}

static int compare_requests(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* An operation may be there without an acknowledgement, but never twice. */
static void check_no_doubles(const struct ring_position *at)
{
    qsort(seen + 1, (size_t)at->seq, sizeof seen[0], compare_requests);
    for (uint64_t i = 2; i <= at->seq; i++)
        assert_true(seen[i] != seen[i - 1]);
}

static void spend_a_random_while(struct bus *bus, struct ring_position *at)
{
    const struct timespec pause = {.tv_nsec = (long)(random_next() % 300) * 1000};

    (void)nanosleep(&pause, NULL); /* only so that kills hit anywhere */
    consume(bus, at);
    ring_commit(bus, at, 1);
}

static int setup(void **state)
{
    const size_t bytes = SEQ_MAX * sizeof(uint64_t);

    acked = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    seen = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
    assert_true(acked != MAP_FAILED && seen != MAP_FAILED);
    memset(&family, 0, sizeof family);
    random_state = 88172645463325252;
    return fixture_setup(state);
}

static int teardown(void **state)
{
    const size_t bytes = SEQ_MAX * sizeof(uint64_t);

    for (unsigned i = 0; i < PRODUCERS; i++) {
        if (family.pids[i] != 0) /* the test has failed */
            (void)kill(family.pids[i], SIGKILL);
    }
    (void)munmap((void *)(uintptr_t)acked, bytes);
    (void)munmap(seen, bytes);
    return fixture_teardown(state);
}

static void a_thousand_killed_producers_lose_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct ring_position at = {0};
    struct ring_appended appended;

    while (family.deaths < KILLS) {
        start_missing(f->bus);
        spend_a_random_while(f->bus, &at);
        for (unsigned i = 0; i < PRODUCERS; i++)
            bury(i, WNOHANG); /* those that killed themselves */
        kill_one((unsigned)(random_next() % PRODUCERS));
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        kill_one(i);
    consume(f->bus, &at);
    ring_commit(f->bus, &at, 1);
    /* And the lock is still good. */
    assert_int_equal(fixture_append(f->bus, 64, 1, &appended), 0);
    assert_int_equal(appended.first_seq, at.seq + 1);
    check_acknowledged(&at);
    check_no_doubles(&at);
    print_message("%u deaths, %lu operations\n", family.deaths, (unsigned long)at.seq);
}

static void when_everything_is_killed_the_next_start_has_all_that_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct ring_position committed = {0};
    struct ring_position at = {0};

    for (unsigned restart = 0; restart < RESTARTS; restart++) {
        struct ring_recovered recovered;

        start_missing(f->bus);
        spend_a_random_while(f->bus, &at);
        committed = at; /* what follows is in the ring alone */
        for (unsigned i = 0; i < 2; i++)
            (void)sched_yield();
        for (unsigned i = 0; i < PRODUCERS; i++)
            assert_int_equal(kill(family.pids[i], SIGKILL), 0);
        for (unsigned i = 0; i < PRODUCERS; i++)
            bury(i, 0);

        fixture_reopen(f);
        ring_recover(f->bus, &committed, FIXTURE_EPOCH, &recovered);
        if (!recovered.is_continuous)
            fail_msg("restart %u: %s", restart, recovered.reason);
        ring_resume(f->bus, &committed, &recovered, FIXTURE_EPOCH);
        consume(f->bus, &at);
        assert_int_equal(at.seq, recovered.end.seq);
        ring_commit(f->bus, &at, 1);
    }
    check_acknowledged(&at);
    check_no_doubles(&at);
    print_message("%u deaths, %lu operations\n", family.deaths, (unsigned long)at.seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_thousand_killed_producers_lose_nothing_acknowledged,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            when_everything_is_killed_the_next_start_has_all_that_was_acknowledged, setup,
            teardown),
    };

    return cmocka_run_group_tests_name("ring_kills", tests, NULL, NULL);
}
