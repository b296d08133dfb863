#include "tests/unit/bus_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/wake.h"

enum {
    LENGTH = 64,
    ROUNDS = 20000,
    DUELS = 100000,
    HANG_MS = 60000, /* a lost wake-up is told from a slow machine by this */
};

static const unsigned sleeper = BUS_SLOT_WORKERS;

static bool is_rung(const struct bus *bus, unsigned slot)
{
    struct pollfd poll_fd = {.fd = wake_fd(bus, slot), .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    bus_slot_occupy(f->bus, sleeper);
    return 0;
}

static void append_one(struct bus *bus, unsigned flags)
{
    alignas(8) uint8_t buf[LENGTH];
    struct ring_appended appended;

    fixture_record(buf, LENGTH, flags, 0);
    assert_int_equal(ring_append(bus, buf, LENGTH, &appended), 0);
}

static void a_sleeper_is_woken_for_what_it_named_and_nothing_else(void **state)
{
    static const unsigned reasons[] = {WAKE_TAIL, WAKE_URGENT, WAKE_COMMIT, WAKE_STATE};
    struct fixture *f = *state;

    for (size_t named = 0; named < 4; named++) {
        for (size_t signalled = 0; signalled < 4; signalled++) {
            wake_prepare(f->bus, sleeper, reasons[named]);
            assert_false(is_rung(f->bus, sleeper));
            wake_signal(f->bus, reasons[signalled]);
            assert_int_equal(is_rung(f->bus, sleeper), named == signalled);
            wake_done(f->bus, sleeper);
            assert_false(is_rung(f->bus, sleeper));
        }
    }
    wake_prepare(f->bus, sleeper, WAKE_TAIL | WAKE_COMMIT);
    wake_signal(f->bus, WAKE_STATE | WAKE_COMMIT);
    assert_true(is_rung(f->bus, sleeper));
}

static void who_is_awake_costs_no_system_call(void **state)
{
    struct fixture *f = *state;

    wake_signal(f->bus, WAKE_ALL);
    assert_false(is_rung(f->bus, sleeper));
    wake_prepare(f->bus, sleeper, WAKE_ALL);
    wake_done(f->bus, sleeper);
    wake_signal(f->bus, WAKE_ALL);
    assert_false(is_rung(f->bus, sleeper));
}

static void only_the_sleeper_clears_its_word(void **state)
{
    struct fixture *f = *state;

    wake_prepare(f->bus, sleeper, WAKE_TAIL);
    wake_signal(f->bus, WAKE_TAIL);
    assert_int_equal(f->bus->header->slots[sleeper].sleeping, WAKE_TAIL);
    wake_done(f->bus, sleeper);
    assert_int_equal(f->bus->header->slots[sleeper].sleeping, 0);
}

static void a_vacant_slot_is_left_alone(void **state)
{
    struct fixture *f = *state;

    wake_prepare(f->bus, sleeper + 1, WAKE_ALL);
    wake_signal(f->bus, WAKE_ALL);
    wake_everybody(f->bus);
    assert_false(is_rung(f->bus, sleeper + 1));
    assert_true(is_rung(f->bus, sleeper));
}

static void every_slot_can_be_woken(void **state)
{
    struct fixture *f = *state;

    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        if (slot != sleeper)
            bus_slot_occupy(f->bus, slot);
        wake_prepare(f->bus, slot, WAKE_TAIL);
    }
    wake_signal(f->bus, WAKE_TAIL);
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++)
        assert_true(is_rung(f->bus, slot));
}

static void one_process_is_woken_whether_it_sleeps_or_not(void **state)
{
    struct fixture *f = *state;

    wake_slot(f->bus, sleeper);
    assert_true(is_rung(f->bus, sleeper));
    assert_false(is_rung(f->bus, BUS_SLOT_MASTER));
}

static void a_full_counter_is_as_good_as_one_more(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(eventfd_write(wake_fd(f->bus, sleeper), UINT64_MAX - 1), 0);
    wake_slot(f->bus, sleeper);
    assert_true(is_rung(f->bus, sleeper));
    wake_done(f->bus, sleeper);
    assert_false(is_rung(f->bus, sleeper));
}

static void an_append_wakes_for_the_tail(void **state)
{
    struct fixture *f = *state;

    wake_prepare(f->bus, sleeper, WAKE_TAIL);
    append_one(f->bus, 0);
    assert_true(is_rung(f->bus, sleeper));
}

static void an_append_wakes_the_writer_when_urgent_or_a_quarter_waits(void **state)
{
    struct fixture *f = *state;

    wake_prepare(f->bus, sleeper, WAKE_URGENT);
    for (unsigned i = 0; i < FIXTURE_SIZE / 4 / LENGTH; i++)
        append_one(f->bus, 0);
    assert_false(is_rung(f->bus, sleeper)); /* exactly a quarter */
    append_one(f->bus, 0);
    assert_true(is_rung(f->bus, sleeper));
    wake_done(f->bus, sleeper);
    fixture_commit_all(f->bus);

    wake_prepare(f->bus, sleeper, WAKE_URGENT);
    append_one(f->bus, 0);
    assert_false(is_rung(f->bus, sleeper));
    append_one(f->bus, RECORD_URGENT);
    assert_true(is_rung(f->bus, sleeper));
    wake_done(f->bus, sleeper);

    wake_prepare(f->bus, sleeper, WAKE_URGENT);
    ring_request_commit(f->bus);
    assert_true(is_rung(f->bus, sleeper));
}

static void a_commit_wakes_for_room(void **state)
{
    struct fixture *f = *state;
    struct ring_position committed;

    append_one(f->bus, 0);
    wake_prepare(f->bus, sleeper, WAKE_COMMIT);
    fixture_commit_all(f->bus);
    assert_true(is_rung(f->bus, sleeper));
    wake_done(f->bus, sleeper);

    committed = ring_committed(f->bus);
    wake_prepare(f->bus, sleeper, WAKE_COMMIT);
    ring_writer_restarted(f->bus, &committed);
    assert_true(is_rung(f->bus, sleeper));
}

static void phases_refusals_and_deaths_wake(void **state)
{
    struct fixture *f = *state;

    wake_prepare(f->bus, sleeper, WAKE_STATE);
    bus_set_refusal(f->bus, BUS_STORAGE_FULL, 28);
    assert_true(is_rung(f->bus, sleeper));
    wake_done(f->bus, sleeper);

    bus_set_phase(f->bus, BUS_RUNNING, 0);
    assert_true(is_rung(f->bus, sleeper)); /* asleep or not */
    wake_done(f->bus, sleeper);

    bus_slot_occupy(f->bus, sleeper + 1);
    wake_prepare(f->bus, sleeper, WAKE_TAIL);
    bus_slot_vacate(f->bus, sleeper + 1); /* it may have died before it woke for the tail */
    assert_true(is_rung(f->bus, sleeper));
}

static void a_recovered_ring_wakes_those_who_wait_for_it(void **state)
{
    struct fixture *f = *state;

    fixture_reopen(f);
    bus_slot_occupy(f->bus, sleeper);
    wake_prepare(f->bus, sleeper, WAKE_STATE);
    ring_reset(f->bus, &(struct ring_position){0}, 1);
    assert_true(is_rung(f->bus, sleeper));
}

/* --- nothing is missed -------------------------------------------------------------------- */

/* The other side: appends as soon as everything before is committed. */
static void produce(struct bus *bus, unsigned slot)
{
    struct pollfd poll_fd = {.fd = wake_fd(bus, slot), .events = POLLIN};

    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        append_one(bus, 0);
        while (ring_committed(bus).seq < seq) {
            wake_prepare(bus, slot, WAKE_COMMIT);
            if (ring_committed(bus).seq < seq)
                CHECK(poll(&poll_fd, 1, HANG_MS) == 1);
            wake_done(bus, slot);
        }
    }
}

static void two_processes_that_sleep_for_each_other_never_miss_a_change(void **state)
{
    struct fixture *f = *state;
    const unsigned other = sleeper + 1;
    struct pollfd poll_fd = {.fd = wake_fd(f->bus, sleeper), .events = POLLIN};
    int status = 0;
    pid_t pid;

    bus_slot_occupy(f->bus, other);
    pid = fixture_fork();
    if (pid == 0) {
        produce(f->bus, other);
        _exit(0);
    }
    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        while (ring_tail(f->bus).seq < seq) {
            wake_prepare(f->bus, sleeper, WAKE_TAIL);
            if (ring_tail(f->bus).seq < seq)
                assert_int_equal(poll(&poll_fd, 1, HANG_MS), 1);
            wake_done(f->bus, sleeper);
        }
        fixture_commit_all(f->bus);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* One side of the race commits, the other goes to sleep for it, both at the same instant. */
struct duel {
    struct bus *bus;
    _Atomic uint32_t round; /* both may begin it */
    _Atomic uint32_t done;  /* the committer is through with it */
};

/* The other may have no CPU at present. Who only yields has none itself then for a while, each round. */
static void wait_for(_Atomic uint32_t *value, uint32_t wanted)
{
    const struct timespec moment = {.tv_nsec = 1000};

    for (unsigned spins = 0; atomic_load_explicit(value, memory_order_acquire) != wanted; spins++) {
        if (spins % 1000 == 999)
            (void)nanosleep(&moment, NULL);
    }
}

static void *commit_each_round(void *user)
{
    struct duel *duel = user;

    for (uint32_t round = 1; round <= DUELS; round++) {
        struct ring_position committed;

        if (ring_tail(duel->bus).seq < round) { /* all is committed: room for a whole ring */
            for (unsigned i = 0; i < FIXTURE_SIZE / LENGTH; i++)
                append_one(duel->bus, 0);
        }
        committed = (struct ring_position){.seq = round, .pos = (uint64_t)round * LENGTH};
        wait_for(&duel->round, round);
        ring_commit(duel->bus, &committed, 1);
        atomic_store_explicit(&duel->done, round, memory_order_release);
    }
    return NULL;
}

static void a_change_and_a_last_look_at_the_same_instant_never_miss_each_other(void **state)
{
    struct fixture *f = *state;
    struct duel duel = {.bus = f->bus};
    pthread_t committer;

    assert_int_equal(pthread_create(&committer, NULL, commit_each_round, &duel), 0);
    for (uint32_t round = 1; round <= DUELS; round++) {
        bool has_seen;

        atomic_store_explicit(&duel.round, round, memory_order_release);
        for (unsigned i = 0; i < round % 1500; i++) /* now sooner, now later */
            __asm__ volatile("");
        wake_prepare(f->bus, sleeper, WAKE_COMMIT);
        has_seen = ring_committed(f->bus).seq == round;
        wait_for(&duel.done, round);
        assert_true(has_seen || is_rung(f->bus, sleeper));
        wake_done(f->bus, sleeper);
    }
    assert_int_equal(pthread_join(committer, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WAKE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        WAKE_TEST(a_sleeper_is_woken_for_what_it_named_and_nothing_else),
        WAKE_TEST(who_is_awake_costs_no_system_call),
        WAKE_TEST(only_the_sleeper_clears_its_word),
        WAKE_TEST(a_vacant_slot_is_left_alone),
        WAKE_TEST(every_slot_can_be_woken),
        WAKE_TEST(one_process_is_woken_whether_it_sleeps_or_not),
        WAKE_TEST(a_full_counter_is_as_good_as_one_more),
        WAKE_TEST(an_append_wakes_for_the_tail),
        WAKE_TEST(an_append_wakes_the_writer_when_urgent_or_a_quarter_waits),
        WAKE_TEST(a_commit_wakes_for_room),
        WAKE_TEST(phases_refusals_and_deaths_wake),
        WAKE_TEST(a_recovered_ring_wakes_those_who_wait_for_it),
        WAKE_TEST(a_change_and_a_last_look_at_the_same_instant_never_miss_each_other),
        WAKE_TEST(two_processes_that_sleep_for_each_other_never_miss_a_change),
    };

    return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
