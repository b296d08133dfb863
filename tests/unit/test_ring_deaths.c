/*
 * What a death, or a stop, at each named point inside ring_append leaves (bus/README.md,
 * "Deaths"). Linked with a bus that has these points.
 */
#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/test_point.h"
#include "bus/wake.h"

#define LENGTH ((size_t)128)
enum {
    LAP = FIXTURE_SIZE / LENGTH, /* records in a full ring */
    BATCH = 3,
    CHILD_SLOT = BUS_SLOT_WORKERS,
    SLEEPER_SLOT = BUS_SLOT_WRITER,
    /* Those that every append passes, in their order. */
    POINTS_BEGIN = TEST_POINT_APPEND_LOCKED,
    POINTS_END = TEST_POINT_APPEND_UNLOCKED + 1,
};

static struct {
    enum test_point point;
    int signal;
} fate;

static void on_point(enum test_point point)
{
    if (point != fate.point)
        return;
    fate.point = TEST_POINT_COUNT; /* once: a point may come for every record */
    CHECK(kill(getpid(), fate.signal) == 0);
}

/* One that got past a whole lap, so that claims and lapping are real. */
static int setup(void **state)
{
    struct fixture *f;
    struct ring_appended appended;

    fixture_setup(state);
    f = *state;
    for (unsigned i = 0; i < 2 * LAP; i++) {
        assert_int_equal(fixture_append(f->bus, LENGTH, i, &appended), 0);
        fixture_commit_all(f->bus);
    }
    return 0;
}

/* A child that appends BATCH records; @signal reaches it at @point. */
static pid_t append_in_child(struct bus *bus, enum test_point point, int signal)
{
    static alignas(8) uint8_t batch[BATCH * LENGTH];
    const pid_t pid = fixture_fork();

    if (pid == 0) {
        struct ring_appended appended;

        for (size_t i = 0; i < BATCH; i++)
            fixture_record(batch + i * LENGTH, LENGTH, 0, i);
        fate.point = point;
        fate.signal = signal;
        test_point_set_hook(on_point);
        CHECK(ring_append(bus, batch, sizeof batch, &appended) == 0);
        _exit(0);
    }
    return pid;
}

static void die_at(struct bus *bus, enum test_point point)
{
    const pid_t pid = append_in_child(bus, point, SIGKILL);
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void end_well(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_death_at_any_point_leaves_all_or_nothing_of_the_batch(void **state)
{
    struct fixture *f = *state;

    for (unsigned point = POINTS_BEGIN; point < POINTS_END; point++) {
        const struct ring_position before = ring_tail(f->bus);
        const bool is_published = point >= TEST_POINT_APPEND_PUBLISHED;
        struct ring_position at = before;
        struct ring_appended appended;
        uint64_t expected = before.seq + 1;

        die_at(f->bus, (enum test_point)point);
        if (is_published)
            expected += BATCH;
        assert_int_equal(ring_tail(f->bus).seq, expected - 1);
        assert_int_equal(fixture_read_all(f->bus, &at), is_published ? BATCH : 0);
        /* The next one repairs the lock and goes on where the dead one left. */
        assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
        assert_int_equal(appended.first_seq, expected);
        assert_int_equal(fixture_read_all(f->bus, &at), 1);
        fixture_commit_all(f->bus);
    }
}

static void a_death_takes_no_room(void **state)
{
    struct fixture *f = *state;

    for (unsigned point = POINTS_BEGIN; point < POINTS_END; point++) {
        struct ring_position at = ring_tail(f->bus);
        struct ring_appended appended;
        unsigned count = 0;

        die_at(f->bus, (enum test_point)point);
        while (fixture_append(f->bus, LENGTH, 0, &appended) == 0)
            count++;
        assert_int_equal(count, point >= TEST_POINT_APPEND_PUBLISHED ? LAP - BATCH : LAP);
        assert_int_equal(fixture_read_all(f->bus, &at), LAP);
        fixture_commit_all(f->bus);
    }
}

static void what_a_dead_appender_claimed_stays_untrusted(void **state)
{
    struct fixture *f = *state;
    const struct ring_position tail = ring_tail(f->bus);
    struct ring_appended appended;
    uint64_t pos = tail.pos - FIXTURE_SIZE; /* the oldest record, first to be overwritten */
    alignas(8) uint8_t buf[LENGTH];
    size_t needed;

    assert_int_equal(ring_read(f->bus, &pos, tail.pos, buf, sizeof buf, &needed), LENGTH);
    die_at(f->bus, TEST_POINT_APPEND_CLAIMED);
    for (unsigned i = 0; i < BATCH; i++) {
        pos = tail.pos - FIXTURE_SIZE + (uint64_t)i * LENGTH;
        assert_int_equal(ring_read(f->bus, &pos, tail.pos, buf, sizeof buf, &needed), -EOVERFLOW);
    }
    pos = tail.pos - FIXTURE_SIZE + BATCH * LENGTH;
    assert_int_equal(ring_read(f->bus, &pos, tail.pos, buf, sizeof buf, &needed), LENGTH);
    /* A smaller append does not take the claim back. */
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_int_equal(f->bus->header->writing_until, tail.pos + BATCH * LENGTH);
}

static void after_a_death_at_any_point_the_next_start_goes_on(void **state)
{
    struct fixture *f = *state;

    for (unsigned point = POINTS_BEGIN; point < POINTS_END; point++) {
        const struct ring_position committed = ring_tail(f->bus);
        struct ring_position at = committed;
        struct ring_recovered recovered;
        struct ring_appended appended;
        uint64_t kept = 5;

        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(fixture_append(f->bus, LENGTH, i, &appended), 0);
        die_at(f->bus, (enum test_point)point);
        /* Written but not published is not kept; in the act of being published is. */
        if (point >= TEST_POINT_APPEND_STATED)
            kept += BATCH;
        fixture_reopen(f);
        ring_recover(f->bus, &committed, FIXTURE_EPOCH, &recovered);
        if (!recovered.is_continuous || recovered.kept_count != kept)
            fail_msg("point %u: %s, kept %u", point - POINTS_BEGIN, recovered.reason,
                     (unsigned)recovered.kept_count);
        ring_resume(f->bus, &committed, &recovered, FIXTURE_EPOCH);
        assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
        assert_int_equal(appended.first_seq, committed.seq + kept + 1);
        assert_int_equal(fixture_read_all(f->bus, &at), kept + 1);
        fixture_commit_all(f->bus);
    }
}

static void a_stopped_lock_holder_makes_others_wait_2_ms_and_then_try_later(void **state)
{
    struct fixture *f = *state;

    for (unsigned point = TEST_POINT_APPEND_LOCKED; point <= TEST_POINT_APPEND_PUBLISHED; point++) {
        const struct ring_position before = ring_tail(f->bus);
        const pid_t pid = append_in_child(f->bus, (enum test_point)point, SIGSTOP);
        struct ring_position at = before;
        struct ring_appended appended;

        fixture_wait_stopped(pid);
        assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -EAGAIN);
        assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -EAGAIN);
        /* Readers and commits go on meanwhile. */
        assert_int_equal(fixture_read_all(f->bus, &at),
                         point == TEST_POINT_APPEND_PUBLISHED ? BATCH : 0);
        ring_request_commit(f->bus);
        fixture_commit_all(f->bus);

        assert_int_equal(kill(pid, SIGCONT), 0);
        end_well(pid);
        assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
        assert_int_equal(appended.first_seq, before.seq + BATCH + 1);
        at = before;
        assert_int_equal(fixture_read_all(f->bus, &at), BATCH + 1);
        fixture_commit_all(f->bus);
    }
}

static void a_stopped_lock_holder_that_is_killed_gives_the_lock_back(void **state)
{
    struct fixture *f = *state;
    const struct ring_position before = ring_tail(f->bus);
    const pid_t pid = append_in_child(f->bus, TEST_POINT_APPEND_COPYING, SIGSTOP);
    struct ring_appended appended;

    fixture_wait_stopped(pid);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -EAGAIN);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_int_equal(appended.first_seq, before.seq + 1);
}

static void a_lock_that_cannot_be_repaired_is_told_apart(void **state)
{
    struct fixture *f = *state;
    const struct ring_position tail = ring_tail(f->bus);
    struct ring_position at = {.seq = tail.seq - 1, .pos = tail.pos - LENGTH};
    struct ring_recovered recovered;
    struct ring_appended appended;

    die_at(f->bus, TEST_POINT_APPEND_COPYING);
    /* Somebody takes it over and gives it back without having made it consistent. */
    assert_int_equal(pthread_mutex_lock(&f->bus->header->append_mutex), EOWNERDEAD);
    assert_int_equal(pthread_mutex_unlock(&f->bus->header->append_mutex), 0);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -ENOTRECOVERABLE);
    assert_int_equal(fixture_read_all(f->bus, &at), 1);

    fixture_reopen(f); /* the master restarts all */
    ring_recover(f->bus, &tail, FIXTURE_EPOCH, &recovered);
    assert_true(recovered.is_continuous);
    ring_resume(f->bus, &tail, &recovered, FIXTURE_EPOCH);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
}

static bool is_rung(const struct bus *bus, unsigned slot)
{
    struct pollfd poll_fd = {.fd = wake_fd(bus, slot), .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static void wake_ups_lost_with_a_producer_are_made_good_by_the_master(void **state)
{
    struct fixture *f = *state;

    bus_slot_occupy(f->bus, SLEEPER_SLOT);
    for (unsigned point = TEST_POINT_APPEND_PUBLISHED; point <= TEST_POINT_APPEND_UNLOCKED;
         point++) {
        struct ring_position at = ring_tail(f->bus);

        bus_slot_occupy(f->bus, CHILD_SLOT);
        wake_prepare(f->bus, SLEEPER_SLOT, WAKE_TAIL);
        assert_int_equal(ring_tail(f->bus).seq, at.seq); /* nothing yet: it goes to sleep */
        die_at(f->bus, (enum test_point)point);
        assert_false(is_rung(f->bus, SLEEPER_SLOT)); /* the promise was broken by the death ... */
        bus_slot_vacate(f->bus, CHILD_SLOT);         /* ... and is kept by who buries the dead */
        assert_true(is_rung(f->bus, SLEEPER_SLOT));
        wake_done(f->bus, SLEEPER_SLOT);
        assert_int_equal(fixture_read_all(f->bus, &at), BATCH);
        fixture_commit_all(f->bus);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define DEATH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        DEATH_TEST(a_death_at_any_point_leaves_all_or_nothing_of_the_batch),
        DEATH_TEST(a_death_takes_no_room),
        DEATH_TEST(what_a_dead_appender_claimed_stays_untrusted),
        DEATH_TEST(after_a_death_at_any_point_the_next_start_goes_on),
        DEATH_TEST(a_stopped_lock_holder_makes_others_wait_2_ms_and_then_try_later),
        DEATH_TEST(a_stopped_lock_holder_that_is_killed_gives_the_lock_back),
        DEATH_TEST(a_lock_that_cannot_be_repaired_is_told_apart),
        DEATH_TEST(wake_ups_lost_with_a_producer_are_made_good_by_the_master),
    };

    return cmocka_run_group_tests_name("ring_deaths", tests, NULL, NULL);
}
