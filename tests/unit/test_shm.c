#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/role.h"
#include "bus/stats.h"
#include "bus/wake.h"

static const int64_t SECOND_NS = 1000000000;

static const off_t FILE_BYTES = BUS_HEADER_BYTES + FIXTURE_SIZE;

static int open_at(const char *path, uint64_t size, struct bus **ret_bus)
{
    const struct bus_options options = {.path = path, .store_id = FIXTURE_STORE_ID, .size = size};

    role_set((enum role)(ROLE_MASTER | ROLE_WRITER | ROLE_WORKER));
    return bus_open(&options, ret_bus);
}

static off_t length_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* --- the file ----------------------------------------------------------------------------- */

static void the_file_is_wholly_allocated_and_private(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_size, FILE_BYTES);
    assert_true((off_t)status.st_blocks * 512 >= FILE_BYTES);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(bus_size(f->bus), FIXTURE_SIZE);
    assert_int_equal(bus_store_id(f->bus), FIXTURE_STORE_ID);
    assert_int_equal(bus_epoch(f->bus), FIXTURE_EPOCH);
}

static void the_data_is_mapped_twice_in_a_row(void **state)
{
    struct fixture *f = *state;

    f->bus->data[5] = 17;
    assert_int_equal(f->bus->data[FIXTURE_SIZE + 5], 17);
    f->bus->data[2 * FIXTURE_SIZE - 1] = 18;
    assert_int_equal(f->bus->data[FIXTURE_SIZE - 1], 18);
}

static void a_size_that_is_no_power_of_two_or_out_of_bounds_is_refused(void **state)
{
    static const uint64_t sizes[] = {0, 1, 65535, 65537, 32768, 3 << 20, UINT64_C(32) << 30};
    char path[64];
    struct bus *bus = NULL;

    (void)state;
    fixture_path(path, sizeof path);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(open_at(path, sizes[i], &bus), -EINVAL);
        assert_non_null(strstr(bus_error_text(), "power of two"));
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_null(bus);
}

static void what_cannot_be_opened_is_named(void **state)
{
    char path[64];
    struct bus *bus = NULL;

    (void)state;
    assert_int_equal(open_at("/dev/shm/no-such-directory/x.ring", FIXTURE_SIZE, &bus), -ENOENT);
    assert_non_null(strstr(bus_error_text(), "/dev/shm/no-such-directory/x.ring"));

    /* In a directory that everybody writes to, a link may be somebody's trap. */
    fixture_path(path, sizeof path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(open_at(path, FIXTURE_SIZE, &bus), -ELOOP);
    assert_int_equal(unlink(path), 0);
}

static void an_existing_ring_keeps_its_own_size(void **state)
{
    struct fixture *f = *state;

    bus_close(f->bus);
    f->bus = fixture_open(f->path, 4 * FIXTURE_SIZE);
    assert_int_equal(bus_size(f->bus), FIXTURE_SIZE);
    assert_int_equal(length_of(f->path), FILE_BYTES);
}

/* Opens the ring again after @damage to its file; its size then. */
static uint64_t size_after(struct fixture *f, off_t length, uint64_t size_in_header,
                           uint64_t configured)
{
    const int fd = open(f->path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    bus_close(f->bus);
    assert_int_equal(
        pwrite(fd, &size_in_header, sizeof size_in_header, offsetof(struct bus_identity, size)),
        sizeof size_in_header);
    assert_int_equal(ftruncate(fd, length), 0);
    assert_int_equal(close(fd), 0);
    f->bus = fixture_open(f->path, configured);
    assert_int_equal(length_of(f->path), (off_t)(BUS_HEADER_BYTES + bus_size(f->bus)));
    return bus_size(f->bus);
}

static void a_damaged_ring_keeps_its_size_as_long_as_anything_tells_it(void **state)
{
    const uint64_t size = FIXTURE_SIZE;
    struct fixture *f = *state;

    /* cut, the configuration unchanged */
    assert_int_equal(size_after(f, FILE_BYTES - 1000, size, size), size);
    /* cut to what could be the length of a smaller ring's file */
    assert_int_equal(size_after(f, BUS_HEADER_BYTES + FIXTURE_SIZE / 2, size, size), size);
    /* cut, the configuration changed */
    assert_int_equal(size_after(f, FILE_BYTES - 1000, size, 4 * size), size);
    /* longer than it was */
    assert_int_equal(size_after(f, FILE_BYTES + 4096, size, 4 * size), size);
    /* nonsense in the header */
    assert_int_equal(size_after(f, FILE_BYTES, 12345, 4 * size), size);
    assert_int_equal(size_after(f, FILE_BYTES, 2 * size, 4 * size), size);
    /* nonsense in both */
    assert_int_equal(size_after(f, FILE_BYTES - 8, 12345, 2 * size), 2 * size);
    /* nothing left */
    assert_int_equal(size_after(f, 0, 0, size), size);
}

/*
 * Runs @body with "/tmp" being a tmpfs of 512 KiB that nobody else sees, in a child; skips the
 * test where that is not allowed.
 */
static void in_small_tmpfs(void (*body)(void *user), void *user)
{
    int status = 0;
    pid_t pid = fixture_fork();

    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            _exit(77);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", "/tmp", "tmpfs", 0, "size=512k") != 0)
            _exit(77);
        body(user);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static void open_without_room(void *user)
{
    struct bus *bus = NULL;
    int fd;

    (void)user;
    CHECK(open_at("/tmp/a.ring", UINT64_C(1) << 20, &bus) == -ENOSPC);
    CHECK(strstr(bus_error_text(), "/tmp/a.ring needs 1 MiB") != NULL);
    CHECK(access("/tmp/a.ring", F_OK) != 0);

    /* One that was there before is left: it may hold operations. */
    fd = open("/tmp/a.ring", O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "evidence", 8) == 8 && close(fd) == 0);
    CHECK(open_at("/tmp/a.ring", UINT64_C(1) << 20, &bus) == -ENOSPC);
    CHECK(access("/tmp/a.ring", F_OK) == 0);
    CHECK(unlink("/tmp/a.ring") == 0);

    CHECK(open_at("/tmp/a.ring", FIXTURE_SIZE, &bus) == 0);
    bus_close(bus);
}

static void a_tmpfs_that_is_too_small_is_an_error_at_start(void **state)
{
    (void)state;
    in_small_tmpfs(open_without_room, NULL);
}

static void unlinking_removes_the_file_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;

    assert_int_equal(bus_unlink(f->bus), 0);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(fixture_append(f->bus, 64, 0, &appended), 0);
    assert_int_equal(bus_unlink(f->bus), -ENOENT);
}

/* --- one server per ring ------------------------------------------------------------------ */

/* A process that has the ring open as its master until it is told to end. */
struct holder {
    pid_t pid;
    int ready[2]; /* pipe: a byte when it has the lock */
    int end[2];   /* pipe: closed to end it */
};

static void holder_start(struct holder *holder, const char *path, bool does_unlink)
{
    char byte;

    assert_int_equal(pipe(holder->ready), 0);
    assert_int_equal(pipe(holder->end), 0);
    holder->pid = fixture_fork();
    if (holder->pid == 0) {
        struct bus *bus = NULL;

        (void)close(holder->end[1]);
        CHECK(open_at(path, FIXTURE_SIZE, &bus) == 0);
        ring_reset(bus, &(struct ring_position){0}, 1);
        bus_slot_occupy(bus, BUS_SLOT_MASTER);
        bus_slot_set_pid(bus, BUS_SLOT_MASTER, getpid());
        CHECK(write(holder->ready[1], "x", 1) == 1);
        CHECK(read(holder->end[0], &byte, 1) == 0);
        if (does_unlink)
            CHECK(bus_unlink(bus) == 0);
        _exit(0);
    }
    assert_int_equal(close(holder->end[0]), 0);
    assert_int_equal(read(holder->ready[0], &byte, 1), 1);
}

static void holder_end(struct holder *holder)
{
    int status = 0;

    if (holder->end[1] >= 0)
        assert_int_equal(close(holder->end[1]), 0);
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    assert_int_equal(status, 0);
    assert_int_equal(close(holder->ready[0]), 0);
    assert_int_equal(close(holder->ready[1]), 0);
}

static void a_second_server_is_refused_with_the_pid_of_the_first(void **state)
{
    struct holder holder;
    struct bus *bus = NULL;
    char path[64];
    char pid[32];

    (void)state;
    fixture_path(path, sizeof path);
    holder_start(&holder, path, true);
    assert_int_equal(open_at(path, FIXTURE_SIZE, &bus), -EWOULDBLOCK);
    (void)snprintf(pid, sizeof pid, "(pid %d)", (int)holder.pid);
    assert_non_null(strstr(bus_error_text(), pid));
    assert_int_equal(length_of(path), FILE_BYTES); /* untouched */
    holder_end(&holder);
}

static sem_t has_ended_it;

static void end_it_soon(union sigval value)
{
    struct holder *holder = value.sival_ptr;

    (void)close(holder->end[1]);
    holder->end[1] = -1;
    (void)sem_post(&has_ended_it); /* the last word of this thread: then the test may go on */
}

static void the_next_server_waits_until_the_old_ones_processes_are_gone(void **state)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = end_it_soon};
    const struct itimerspec soon = {.it_value.tv_nsec = 100000000};
    struct holder holder;
    struct bus *bus = NULL;
    char path[64];
    timer_t timer;

    (void)state;
    assert_int_equal(sem_init(&has_ended_it, 0, 0), 0);
    for (int unlinks = 0; unlinks < 2; unlinks++) {
        fixture_path(path, sizeof path);
        holder_start(&holder, path, unlinks == 1);
        event.sigev_value.sival_ptr = &holder;
        assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
        assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
        assert_int_equal(open_at(path, FIXTURE_SIZE, &bus), 0);
        assert_int_equal(sem_wait(&has_ended_it), 0);
        assert_int_equal(timer_delete(timer), 0);
        holder_end(&holder);
        /* What we have is what the path names, also when the old owner took the name away. */
        assert_int_equal(bus_unlink(bus), 0);
        bus_close(bus);
    }
}

/* --- made anew at every start ------------------------------------------------------------- */

static void lock_and_die(void *user)
{
    struct bus *bus = user;

    CHECK(pthread_mutex_lock(&bus->header->append_mutex) == 0);
}

static void a_start_makes_everything_anew_but_identity_epoch_and_positions(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    struct ring_position tail;
    uint32_t generation;

    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(fixture_append(f->bus, 64, i, &appended), 0);
    tail = ring_tail(f->bus);
    ring_commit(f->bus, &(struct ring_position){.seq = 4, .pos = 256}, 3);
    ring_request_commit(f->bus);
    bus_set_refusal(f->bus, BUS_STORAGE_FULL, ENOSPC);
    bus_slot_occupy(f->bus, 70);
    bus_slot_set_pid(f->bus, 70, 4711);
    bus_slot_turn(f->bus, 70);
    bus_slot_set_mark(f->bus, 70, SLOT_MARK_COMMIT);
    wake_prepare(f->bus, 70, WAKE_ALL);
    stat_add(f->bus, 70, STAT_PUBLISHED, 5);
    generation = bus_slot_generation(f->bus, 70);
    (void)bus_claim_tick(f->bus, 1, 1); /* plans the next */
    bus_set_phase(f->bus, BUS_DRAINING, 12345);
    assert_int_equal(fixture_in_child(lock_and_die, f->bus), 0);

    fixture_reopen(f);
    assert_int_equal(bus_epoch(f->bus), FIXTURE_EPOCH);
    assert_int_equal(f->bus->header->identity.store_id, FIXTURE_STORE_ID);
    assert_memory_equal(f->bus->header->identity.boot_id, f->bus->boot_id, 16);
    assert_int_equal(ring_tail(f->bus).seq, tail.seq);
    assert_int_equal(ring_tail(f->bus).pos, tail.pos);
    assert_int_equal(ring_tail(f->bus).time_ns, tail.time_ns);
    assert_int_equal(ring_committed(f->bus).seq, 4);

    assert_int_equal(bus_phase(f->bus), BUS_STARTING);
    assert_int_equal(bus_drain_deadline_ns(f->bus), 0);
    assert_false(bus_is_recovered(f->bus));
    assert_int_equal(bus_refusal(f->bus), BUS_ACCEPTS);
    assert_int_equal(bus_commit_error(f->bus), 0);
    assert_int_equal(ring_first_seq(f->bus), 0);
    assert_int_equal(f->bus->header->urgent_pos, 0);
    assert_int_equal(f->bus->header->tick_due_ns, 0);
    assert_false(bus_slot_is_active(f->bus, 70));
    assert_int_equal(bus_slot_pid(f->bus, 70), 0);
    assert_int_equal(bus_slot_turn_count(f->bus, 70), 0);
    assert_int_equal(bus_slot_mark(f->bus, 70), SLOT_MARK_NONE);
    assert_int_equal(stat_sum(f->bus, STAT_PUBLISHED), 0);
    assert_int_equal(f->bus->header->slots[70].sleeping, 0);
    /* An operation of that start must not look like one of this. */
    assert_int_not_equal(bus_slot_generation(f->bus, 70), generation);
    assert_int_equal(pthread_mutex_trylock(&f->bus->header->append_mutex), 0);
    assert_int_equal(pthread_mutex_unlock(&f->bus->header->append_mutex), 0);
}

static void uptime_counts_from_the_start(void **state)
{
    struct fixture *f = *state;

    assert_true(bus_uptime_ns(f->bus) >= 0);
    f->bus->header->started_boottime_ns -= 5 * SECOND_NS;
    assert_true(bus_uptime_ns(f->bus) >= 5 * SECOND_NS);
    assert_true(bus_uptime_ns(f->bus) < 600 * SECOND_NS);
}

/* --- server state ------------------------------------------------------------------------- */

static void phase_backwards(void *user)
{
    bus_set_phase(user, BUS_RUNNING, 0);
}

static void phase_as_worker(void *user)
{
    role_set(ROLE_WORKER);
    bus_set_phase(user, BUS_STOPPING, 0);
}

static void the_phase_goes_forward_and_brings_its_deadline(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(bus_phase(f->bus), BUS_STARTING);
    bus_set_phase(f->bus, BUS_RUNNING, 0);
    assert_int_equal(bus_phase(f->bus), BUS_RUNNING);
    bus_set_phase(f->bus, BUS_DRAINING, 77);
    assert_int_equal(bus_phase(f->bus), BUS_DRAINING);
    assert_int_equal(bus_drain_deadline_ns(f->bus), 77);
    bus_set_phase(f->bus, BUS_DRAINING, 66); /* cut short */
    assert_int_equal(bus_drain_deadline_ns(f->bus), 66);
    assert_true(fixture_aborts(phase_backwards, f->bus));
    assert_true(fixture_aborts(phase_as_worker, f->bus));
}

static void the_tick_is_claimed_once_an_interval(void **state)
{
    struct fixture *f = *state;
    const int64_t s = SECOND_NS;

    assert_false(bus_claim_tick(f->bus, 100 * s, 10 * s)); /* plans the first: at 110 */
    assert_false(bus_claim_tick(f->bus, 109 * s, 10 * s));
    assert_true(bus_claim_tick(f->bus, 111 * s, 10 * s)); /* a second late; the beat stays */
    assert_false(bus_claim_tick(f->bus, 111 * s, 10 * s));
    assert_false(bus_claim_tick(f->bus, 119 * s, 10 * s));
    assert_true(bus_claim_tick(f->bus, 120 * s, 10 * s));
    /* Nobody was in the room for a while: what was missed is not made up for. */
    assert_true(bus_claim_tick(f->bus, 500 * s, 10 * s));
    assert_false(bus_claim_tick(f->bus, 509 * s, 10 * s));
    assert_true(bus_claim_tick(f->bus, 510 * s, 10 * s));
    /* A shorter interval counts at once; none at all never ticks. */
    assert_false(bus_claim_tick(f->bus, 511 * s, 2 * s));
    assert_false(bus_claim_tick(f->bus, 512 * s, 2 * s));
    assert_true(bus_claim_tick(f->bus, 513 * s, 2 * s));
    assert_false(bus_claim_tick(f->bus, 999 * s, 0));
}

/* --- slots -------------------------------------------------------------------------------- */

static void every_worker_of_two_generations_has_a_slot_of_its_own(void **state)
{
    bool is_taken[BUS_SLOT_COUNT] = {
        [BUS_SLOT_MASTER] = true, [BUS_SLOT_WRITER] = true, [BUS_SLOT_BRIDGE] = true};

    (void)state;
    for (unsigned parity = 0; parity < BUS_GENERATIONS; parity++) {
        for (unsigned index = 0; index < BUS_WORKERS_MAX; index++) {
            const unsigned slot = bus_worker_slot(index, parity);

            assert_true(slot < BUS_SLOT_COUNT);
            assert_false(is_taken[slot]);
            is_taken[slot] = true;
        }
    }
}

static void a_slot_is_occupied_used_and_vacated(void **state)
{
    struct fixture *f = *state;
    const unsigned slot = bus_worker_slot(3, 1);
    const uint32_t before = bus_slot_generation(f->bus, slot);

    for (uint32_t life = 1; life <= 3; life++) {
        assert_false(bus_slot_is_active(f->bus, slot));
        bus_slot_occupy(f->bus, slot);
        bus_slot_set_pid(f->bus, slot, 4711);
        assert_true(bus_slot_is_active(f->bus, slot));
        assert_int_equal(bus_slot_pid(f->bus, slot), 4711);
        assert_int_equal(bus_slot_generation(f->bus, slot), before + life);
        assert_int_equal(bus_slot_cursor(f->bus, slot), 0);

        bus_slot_turn(f->bus, slot);
        bus_slot_turn(f->bus, slot);
        assert_int_equal(bus_slot_turn_count(f->bus, slot), 2 * life);
        bus_slot_set_mark(f->bus, slot, SLOT_MARK_COMMIT);
        assert_int_equal(bus_slot_mark(f->bus, slot), SLOT_MARK_COMMIT);
        bus_slot_set_cursor(f->bus, slot, 99);
        assert_int_equal(bus_slot_cursor(f->bus, slot), 99);
        stat_add(f->bus, slot, STAT_CLIENTS, 7);
        wake_prepare(f->bus, slot, WAKE_ALL);

        bus_slot_vacate(f->bus, slot);
        assert_int_equal(bus_slot_pid(f->bus, slot), 0);
        assert_int_equal(bus_slot_mark(f->bus, slot), SLOT_MARK_NONE);
        assert_int_equal(stat_sum(f->bus, STAT_CLIENTS), 0);
        assert_int_equal(f->bus->header->slots[slot].sleeping, 0);
    }
    assert_false(bus_slot_is_active(f->bus, slot - 1)); /* its neighbours never were */
    assert_false(bus_slot_is_active(f->bus, slot + 1));
}

static void occupy_an_occupied_one(void *user)
{
    bus_slot_occupy(user, 3);
    bus_slot_occupy(user, 3);
}

static void vacate_an_empty_one(void *user)
{
    bus_slot_vacate(user, 3);
}

static void use_one_that_is_none(void *user)
{
    bus_slot_turn(user, BUS_SLOT_COUNT);
}

static void slots_are_not_mixed_up(void **state)
{
    struct fixture *f = *state;

    assert_true(fixture_aborts(vacate_an_empty_one, f->bus));
    assert_true(fixture_aborts(use_one_that_is_none, f->bus));
    assert_true(fixture_aborts(occupy_an_occupied_one, f->bus));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SHM_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        SHM_TEST(the_file_is_wholly_allocated_and_private),
        SHM_TEST(the_data_is_mapped_twice_in_a_row),
        cmocka_unit_test(a_size_that_is_no_power_of_two_or_out_of_bounds_is_refused),
        cmocka_unit_test(what_cannot_be_opened_is_named),
        SHM_TEST(an_existing_ring_keeps_its_own_size),
        SHM_TEST(a_damaged_ring_keeps_its_size_as_long_as_anything_tells_it),
        cmocka_unit_test(a_tmpfs_that_is_too_small_is_an_error_at_start),
        SHM_TEST(unlinking_removes_the_file_and_nothing_else),
        cmocka_unit_test(a_second_server_is_refused_with_the_pid_of_the_first),
        cmocka_unit_test(the_next_server_waits_until_the_old_ones_processes_are_gone),
        SHM_TEST(a_start_makes_everything_anew_but_identity_epoch_and_positions),
        SHM_TEST(uptime_counts_from_the_start),
        SHM_TEST(the_phase_goes_forward_and_brings_its_deadline),
        SHM_TEST(the_tick_is_claimed_once_an_interval),
        cmocka_unit_test(every_worker_of_two_generations_has_a_slot_of_its_own),
        SHM_TEST(a_slot_is_occupied_used_and_vacated),
        SHM_TEST(slots_are_not_mixed_up),
    };

    return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
