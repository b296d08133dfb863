/*
 * Appenders, readers that are lapped all the time, a committing writer and sleepers at once over
 * one mapping: as processes, and as threads. The threads are also built with ThreadSanitizer
 * (ring_race_tsan, RING_RACE_TSAN), which sees one process only.
 */
#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/wake.h"

#define LENGTH ((size_t)128) /* of every record, so that a chaser can aim */
enum {
    PRODUCERS = 2,
    CHASERS = 2,
    BATCH = 4,
    AIMS = 16,     /* of a chaser; aim * 5 + 3 comes past all of them */
    TOTAL = 60000, /* operations: more than a hundred laps */
    WRITER_SLOT = BUS_SLOT_WRITER,
    PRODUCER_SLOT = BUS_SLOT_WORKERS,
    FOLLOWER_SLOT = PRODUCER_SLOT + PRODUCERS,
    HANG_MS = 60000, /* a lost wake-up is told from a slow machine by this */
};

/* What the parties share beside the ring; in shared memory for the processes' sake. */
struct race {
    struct bus *bus;
    _Atomic uint32_t parties; /* gives each its number */
    _Atomic uint64_t verified;
    _Atomic uint64_t lapped;
};

typedef void party_function(struct race *race, unsigned number);

/* --- the parties -------------------------------------------------------------------------- */

static void sleep_until(struct race *race, unsigned slot, unsigned reason,
                        bool (*is_over)(struct race *race, uint64_t value), uint64_t value)
{
    struct pollfd poll_fd = {.fd = wake_fd(race->bus, slot), .events = POLLIN};

    while (!is_over(race, value)) {
        wake_prepare(race->bus, slot, reason);
        if (!is_over(race, value))
            CHECK(poll(&poll_fd, 1, HANG_MS) == 1);
        wake_done(race->bus, slot);
    }
}

static bool is_appended_past(struct race *race, uint64_t seq)
{
    return ring_tail(race->bus).seq > seq;
}

static bool is_committed_past(struct race *race, uint64_t seq)
{
    return ring_committed(race->bus).seq > seq;
}

/* Appends its share; when the ring is full it sleeps until the writer has moved. */
static void produce(struct race *race, unsigned number)
{
    static const uint8_t payload[LENGTH] = {'"', 7};
    const struct record_topic topic = {"race", 4};
    const struct record_spec spec = {
        .kind = RECORD_EVENT,
        .topics = &topic,
        .topic_count = 1,
        .payload = payload,
        .payload_bytes = LENGTH - sizeof(struct record_head) - 5,
        .origin_slot = (uint16_t)number,
    };
    alignas(8) uint8_t batch[BATCH * LENGTH];
    unsigned left = TOTAL / PRODUCERS;

    for (size_t i = 0; i < BATCH; i++)
        CHECK(record_encode(batch + i * LENGTH, &spec) == LENGTH);
    while (left > 0) {
        const uint64_t committed_seq = ring_committed(race->bus).seq;
        const size_t count = left < BATCH ? left : BATCH;
        struct ring_appended appended;
        const int rc = ring_append(race->bus, batch, count * LENGTH, &appended);

        if (rc == 0) {
            left -= appended.count;
            continue;
        }
        CHECK(rc == -EAGAIN);
        /* Full, or the lock's holder was not running: only the first is worth sleeping for. */
        if (ring_tail(race->bus).seq - committed_seq > FIXTURE_SIZE / LENGTH - BATCH)
            sleep_until(race, PRODUCER_SLOT + number, WAKE_COMMIT, is_committed_past,
                        committed_seq);
        else
            (void)sched_yield();
    }
}

/* Whether @buf holds intact records that follow each other. */
static void check_copy(const uint8_t *buf, size_t bytes, uint64_t seq)
{
    struct record record;

    for (size_t at = 0; at < bytes; at += record.length) {
        CHECK(record_decode(buf + at, bytes - at, &record) == RECORD_OK);
        CHECK(record_verify(buf + at));
        CHECK(record.seq == seq++);
    }
}

/* Reads where the next append is going to write, again and again. */
static void chase(struct race *race, unsigned number)
{
    alignas(8) uint8_t buf[16 * LENGTH];
    uint64_t aim = number;
    unsigned still = 0;
    struct ring_position tail;

    do {
        uint64_t pos;
        size_t needed;
        ptrdiff_t got;

        tail = ring_tail(race->bus);
        aim = (aim * 5 + 3) % AIMS; /* up to 4 records behind the edge, up to 11 before it */
        pos = tail.pos + aim * LENGTH;
        pos = pos > FIXTURE_SIZE + 4 * LENGTH ? pos - FIXTURE_SIZE - 4 * LENGTH : 0;
        if (pos > tail.pos)
            continue;
        got = ring_read(race->bus, &pos, tail.pos, buf, sizeof buf, &needed);
        if (got == -EOVERFLOW) {
            (void)atomic_fetch_add_explicit(&race->lapped, 1, memory_order_relaxed);
            continue;
        }
        CHECK(got >= 0);
        check_copy(buf, (size_t)got, (pos - (size_t)got) / LENGTH + 1);
        (void)atomic_fetch_add_explicit(&race->verified, 1, memory_order_relaxed);
    } while (tail.seq < TOTAL || ++still < AIMS); /* however late it was started */
}

/* A worker that delivers everything in order and sleeps when there is nothing. */
static void follow(struct race *race, unsigned number)
{
    alignas(8) uint8_t buf[64 * LENGTH];
    struct ring_position at = {0};

    (void)number;
    while (at.seq < TOTAL) {
        struct ring_position tail;
        size_t needed;
        ptrdiff_t got;

        sleep_until(race, FOLLOWER_SLOT, WAKE_TAIL, is_appended_past, at.seq);
        tail = ring_tail(race->bus);
        got = ring_read(race->bus, &at.pos, tail.pos, buf, sizeof buf, &needed);
        if (got == -EOVERFLOW) {
            at = ring_committed(race->bus); /* the rest would come from the store */
            at.seq = at.pos / LENGTH;
            continue;
        }
        CHECK(got > 0);
        check_copy(buf, (size_t)got, at.seq + 1);
        at.seq += (uint64_t)got / LENGTH;
    }
}

/* The store writer: reads everything, is never lapped, commits. */
static void commit(struct race *race, unsigned number)
{
    alignas(8) uint8_t buf[64 * LENGTH];
    struct ring_position at = {0};

    (void)number;
    while (at.seq < TOTAL) {
        const uint64_t first_seq = at.seq + 1;
        size_t needed;
        ptrdiff_t got;

        sleep_until(race, WRITER_SLOT, WAKE_TAIL, is_appended_past, at.seq);
        got = ring_read(race->bus, &at.pos, ring_tail(race->bus).pos, buf, sizeof buf, &needed);
        CHECK(got > 0);
        check_copy(buf, (size_t)got, first_seq);
        at.seq += (uint64_t)got / LENGTH;
        ring_commit(race->bus, &at, 1);
    }
}

static party_function *const parties[] = {commit, follow, produce, produce, chase, chase};

enum {
    PARTIES = sizeof parties / sizeof parties[0],
};
static_assert(PARTIES == 2 + PRODUCERS + CHASERS, "each has its place");

static void run_party(struct race *race, unsigned index)
{
    parties[index](race, index < 2 ? 0 : (index - 2) % PRODUCERS);
}

/* --- the tests ---------------------------------------------------------------------------- */

static struct race *race_begin(struct fixture *f)
{
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(race != MAP_FAILED);
    race->bus = f->bus;
    bus_slot_occupy(f->bus, WRITER_SLOT);
    for (unsigned i = 0; i <= PRODUCERS; i++)
        bus_slot_occupy(f->bus, PRODUCER_SLOT + i);
    return race;
}

static void race_end(struct race *race)
{
    assert_int_equal(ring_tail(race->bus).seq, TOTAL);
    assert_int_equal(ring_committed(race->bus).seq, TOTAL);
    print_message("%lu reads verified, %lu times lapped\n", (unsigned long)race->verified,
                  (unsigned long)race->lapped);
    assert_true(race->lapped > 0);
    assert_true(race->verified > 0);
    assert_int_equal(munmap(race, sizeof *race), 0);
}

static void *thread_main(void *user)
{
    struct race *race = user;

    run_party(race, atomic_fetch_add_explicit(&race->parties, 1, memory_order_relaxed));
    return NULL;
}

static void threads_over_one_mapping_see_intact_records_or_are_lapped(void **state)
{
    struct race *race = race_begin(*state);
    pthread_t threads[PARTIES];

    for (unsigned i = 0; i < PARTIES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, race), 0);
    for (unsigned i = 0; i < PARTIES; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    race_end(race);
}

#ifndef RING_RACE_TSAN
static void processes_over_one_mapping_see_intact_records_or_are_lapped(void **state)
{
    struct race *race = race_begin(*state);
    pid_t pids[PARTIES];

    for (unsigned i = 0; i < PARTIES; i++) {
        pids[i] = fixture_fork();
        if (pids[i] == 0) {
            run_party(race, i);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < PARTIES; i++) {
        int status = 0;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    race_end(race);
}
#endif

#ifdef RING_RACE_TSAN
/*
 * Debian 12's ThreadSanitizer does not intercept pthread_mutex_clocklock and takes the unlock for
 * one of a mutex never locked. Every shared word is atomic, so nothing else depends on it.
 */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_mutex_bugs=0:halt_on_error=1";
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RACE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        RACE_TEST(threads_over_one_mapping_see_intact_records_or_are_lapped),
#ifndef RING_RACE_TSAN
        RACE_TEST(processes_over_one_mapping_see_intact_records_or_are_lapped),
#endif
    };

    return cmocka_run_group_tests_name("ring_race", tests, NULL, NULL);
}
