/*
 * Each call of the bus's interface with its 1st, 2nd, 3rd ... system call or allocation failing, until
 * none is left to fail (faults.h). The data path, append, read, wake and statistics, makes none that
 * can fail but the ring's lock, which test_ring_deaths.c is about.
 */
#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/hash.h"
#include "bus/hash_counts.h"
#include "bus/keys.h"
#include "bus/lives.h"
#include "bus/peek.h"
#include "bus/role.h"
#include "bus/standard_fds.h"
#include "tests/unit/faults.h"

enum {
    RECORD_BYTES = 128,
    RECORDS = 20,
};

static struct bus *opened; /* by the operation; the check closes it */

static int open_ring(void *user)
{
    const struct fixture *f = user;
    const struct bus_options options = {
        .path = f->path, .store_id = FIXTURE_STORE_ID, .size = FIXTURE_SIZE};
    int rc = bus_open(&options, &opened);

    if (rc != 0)
        return rc;
    bus_close(opened);
    return 0;
}

/* --- a new ring ----------------------------------------------------------------------------- */

/* The next one must find none, as this one did; or, where nobody knew yet whose it is, one without a byte. */
static void expect_no_ring(void *user, int rc)
{
    const struct fixture *f = user;
    struct stat status = {.st_size = 0};

    if (stat(f->path, &status) == 0)
        assert_int_equal(unlink(f->path), 0);
    assert_int_equal(status.st_size != 0, rc == 0);
}

static void a_ring_that_cannot_be_made_says_why_and_leaves_none(void **state)
{
    struct fixture f = {.bus = NULL};
    const struct faults_run run = {
        .operation = open_ring,
        .check = expect_no_ring,
        .error_text = bus_error_text,
        .may_do_without = "pread64", /* of a ring that is there already */
        .user = &f,
    };

    (void)state;
    role_set((enum role)(ROLE_MASTER | ROLE_WRITER | ROLE_WORKER));
    fixture_path(f.path, sizeof f.path);
    faults_run(&run);
}

/* --- a ring that is there ------------------------------------------------------------------- */

static void expect_all_records(void *user, int rc)
{
    struct fixture *f = user;
    const struct ring_position committed = {0};
    struct ring_position at = {0};
    struct ring_recovered recovered;

    (void)rc;
    f->bus = fixture_open(f->path, FIXTURE_SIZE);
    ring_recover(f->bus, &committed, FIXTURE_EPOCH, &recovered);
    assert_int_equal(ring_tail(f->bus).seq, RECORDS);
    assert_int_equal(fixture_read_all(f->bus, &at), RECORDS);
    bus_close(f->bus);
    f->bus = NULL;
}

static void a_ring_that_cannot_be_opened_says_why_and_keeps_all_that_was_accepted(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    const struct faults_run run = {
        .operation = open_ring,
        .check = expect_all_records,
        .error_text = bus_error_text,
        .may_do_without = "pread64", /* its length says as much */
        .user = f,
    };

    for (uint64_t i = 1; i <= RECORDS; i++)
        assert_int_equal(fixture_append(f->bus, RECORD_BYTES, i, &appended), 0);
    bus_close(f->bus);
    f->bus = NULL;
    faults_run(&run);
}

static int unlink_ring(void *user)
{
    struct fixture *f = user;

    return bus_unlink(f->bus);
}

static void expect_file(void *user, int rc)
{
    const struct fixture *f = user;

    assert_int_equal(access(f->path, F_OK), rc == 0 ? -1 : 0);
    if (rc == 0)
        assert_int_equal(close(open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
}

static void a_ring_that_cannot_be_removed_says_so_and_stays(void **state)
{
    const struct faults_run run = {.operation = unlink_ring, .check = expect_file, .user = *state};

    faults_run(&run);
}

static int peek(void *user)
{
    const struct fixture *f = user;
    struct bus_peek found;
    int rc = bus_peek(f->path, FIXTURE_STORE_ID, &found);

    if (rc == 0)
        assert_int_equal(found.epoch, FIXTURE_EPOCH);
    return rc;
}

static void a_peek_that_fails_anywhere_says_so(void **state)
{
    const struct faults_run run = {.operation = peek, .user = *state};

    faults_run(&run);
}

/* --- what else is shared -------------------------------------------------------------------- */

static int count(void *user)
{
    struct fixture *f = user;
    struct hash_counts *counts = NULL;
    uint64_t seed = 0;
    int rc = hash_counts_open("test", &counts);

    if (rc != 0)
        return rc;
    bus_slot_occupy(f->bus, BUS_SLOT_WORKERS);
    assert_true(hash_counts_add(counts, BUS_SLOT_WORKERS, 77, 3));
    assert_int_equal(hash_counts_sum(counts, f->bus, 77), 3);
    hash_counts_clear(counts, BUS_SLOT_WORKERS);
    assert_int_equal(hash_counts_sum(counts, f->bus, 77), 0);
    bus_slot_vacate(f->bus, BUS_SLOT_WORKERS);
    hash_counts_close(counts);
    return hash_seed_make(&seed);
}

static void counts_that_cannot_be_made_say_why(void **state)
{
    const struct faults_run run = {
        .operation = count,
        .may_do_without = "madvise", /* the counts are cleared by hand then */
        .user = *state,
    };

    faults_run(&run);
}

static int share(void *user)
{
    struct lives *lives = NULL;
    struct keys *keys = NULL;
    int rc = lives_open(&lives);

    (void)user;
    if (rc == 0)
        rc = keys_open(&keys);
    if (rc == 0)
        rc = keys_renew(keys);
    keys_close(keys);
    lives_close(lives);
    return rc;
}

static void lives_and_keys_that_cannot_be_made_say_why(void **state)
{
    /* Without madvise(MADV_DONTDUMP) they are as good. */
    const struct faults_run run = {.operation = share, .may_do_without = "madvise"};

    (void)state;
    faults_run(&run);
}

/* In a child, whose standard input and error are closed: -errno is its exit status. */
static int fill_standard_fds(void)
{
    int status = 0;
    pid_t pid = fixture_fork();

    if (pid == 0) {
        (void)close(STDIN_FILENO);
        (void)close(STDERR_FILENO);
        _exit(-standard_fds_fill());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

static void standard_descriptors_that_cannot_be_opened_are_an_error(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        int rc;

        faults_arm_in_children(nth);
        rc = fill_standard_fds();
        assert_int_equal(faults_disarm(), nth < 3); /* two are to be opened */
        assert_int_equal(rc, nth < 3 ? -faults_error() : 0);
    }
}

int main(void)
{
#define BUS_TEST(function)                                                                         \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_that_cannot_be_made_says_why_and_leaves_none),
        BUS_TEST(a_ring_that_cannot_be_opened_says_why_and_keeps_all_that_was_accepted),
        BUS_TEST(a_ring_that_cannot_be_removed_says_so_and_stays),
        BUS_TEST(a_peek_that_fails_anywhere_says_so),
        BUS_TEST(counts_that_cannot_be_made_say_why),
        cmocka_unit_test(lives_and_keys_that_cannot_be_made_say_why),
        cmocka_unit_test(standard_descriptors_that_cannot_be_opened_are_an_error),
    };

    return faults_main(tests, sizeof tests / sizeof tests[0]);
}
