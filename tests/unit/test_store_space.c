#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/space.h"
#include "tests/unit/store_fixture.h"

enum {
    PATH_BYTES = STORE_FIXTURE_DIR_BYTES + 64,
    COMMITS_MAX = 10000, /* so that a store that never fills up fails the test */
};

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static struct space space_of(struct store_fixture *fixture)
{
    struct space space = {.map_bytes = 0};

    assert_int_equal(space_read(fixture->store, &space), 0);
    return space;
}

/* One commit of @bytes in records of 4 KiB. */
static int commit_bytes(struct store_fixture *fixture, size_t bytes,
                        const struct retention *retention)
{
    if (fixture->batch_bytes == 0) {
        while (fixture->batch_bytes < bytes)
            (void)store_fixture_add_event(fixture, "news", 4000);
    }
    return store_fixture_commit(fixture, retention);
}

/* Commits until there is no room; the batch that did not fit stays. */
static void fill_up(struct store_fixture *fixture, size_t bytes)
{
    int rc = 0;

    for (int i = 0; i < COMMITS_MAX && rc == 0; i++)
        rc = commit_bytes(fixture, bytes, &keep_all);
    assert_int_equal(rc, -ENOSPC);
}

/* --- the ballast ---------------------------------------------------------------------------- */

static void the_ballast_is_really_allocated(void **state)
{
    struct store_fixture *fixture = *state;
    char path[PATH_BYTES];
    struct stat file;

    (void)snprintf(path, sizeof path, "%s/ballast", fixture->dir); /* fits */
    assert_false(space_ballast_exists(fixture->store));
    assert_int_equal(space_ballast_release(fixture->store), -ENOENT);
    assert_int_equal(space_ballast_make(fixture->store, 2 * MIB), 0);
    assert_true(space_ballast_exists(fixture->store));
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 2 * MIB);
    assert_true((size_t)file.st_blocks * 512 >= 2 * MIB);
    assert_int_equal(space_ballast_make(fixture->store, 2 * MIB), 0); /* is there */

    assert_int_equal(space_ballast_make(fixture->store, MIB), 0); /* of another ring */
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, MIB);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, (off_t)MIB), 0); /* a hole, as a careless copy leaves */
    assert_int_equal(space_ballast_make(fixture->store, MIB), 0);
    assert_int_equal(stat(path, &file), 0);
    assert_true((size_t)file.st_blocks * 512 >= MIB);

    assert_int_equal(space_ballast_release(fixture->store), 0);
    assert_false(space_ballast_exists(fixture->store));
}

/* LMDB writes it through a mapping: a hole in it would be a SIGBUS on a full disk. */
static void the_lock_file_has_no_holes(void **state)
{
    struct store_fixture *fixture = *state;
    char path[PATH_BYTES];
    struct stat file;

    (void)snprintf(path, sizeof path, "%s/store/lock.mdb", fixture->dir); /* fits */
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size > 0);
    assert_true((off_t)file.st_blocks * 512 >= file.st_size);
}

/* --- the map -------------------------------------------------------------------------------- */

static void fullness_falls_again_when_the_log_is_trimmed(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t empty = space_of(fixture).map_used_bytes;
    uint64_t full;

    assert_true(empty > 0 && empty < MIB / 2);
    for (int i = 0; i < 8; i++)
        assert_int_equal(commit_bytes(fixture, MIB, &keep_all), 0);
    full = space_of(fixture).map_used_bytes;
    assert_true(full > 8 * MIB && full < 10 * MIB);
    while (commit_trim(fixture->store, &(struct retention){.count = 1}, &fixture->meta) > 0)
        ;
    assert_true(space_of(fixture).map_used_bytes < MIB);
    assert_true(space_of(fixture).disk_free_bytes > 0);
}

static void short_means_95_percent_of_the_map_or_too_little_disk(void **state)
{
    struct space space = {.disk_free_bytes = 1000, .map_bytes = 10000, .map_used_bytes = 9400};

    (void)state;
    assert_false(space_is_short(&space, 1000));
    assert_true(space_is_short(&space, 1001));
    space.map_used_bytes = 9500;
    assert_true(space_is_short(&space, 0));
    space = (struct space){.map_bytes = UINT64_MAX, .map_used_bytes = UINT64_MAX / 2};
    assert_false(space_is_short(&space, 0)); /* no overflow */
}

static void a_full_map_refuses_then_goes_on_when_trimmed(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    const struct retention retention = {.bytes = 4 * MIB};
    struct store_meta before;
    int rc;

    (void)state;
    fixture->map_bytes = 8 * MIB;
    assert_int_equal(store_fixture_open(fixture), 0);
    fill_up(fixture, 64 * KIB);
    before = fixture->meta;
    assert_non_null(strstr(store_error_text(), "MDB_MAP_FULL"));
    {
        const struct space space = space_of(fixture);

        assert_true(space_is_short(&space, 0));
    }
    /* Nothing of it was committed, what is stored stays readable, again and again. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_fixture_commit(fixture, &keep_all), -ENOSPC);
        assert_memory_equal(&fixture->meta, &before, sizeof before);
        store_fixture_check_whole(fixture->store);
    }
    /* What retention gives back lets the same operations in. */
    while ((rc = commit_trim(fixture->store, &retention, &fixture->meta)) > 0)
        ;
    assert_int_equal(rc, 0);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(fixture->meta.committed_seq, before.committed_seq + 17);
    for (int i = 0; i < 200; i++)
        assert_int_equal(commit_bytes(fixture, 64 * KIB, &retention), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
}

/* --- the disk ------------------------------------------------------------------------------- */

/* A disk of its own for the test: a small tmpfs in a mount namespace of its own. */
static bool small_disk_mount(char *dir)
{
    int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;

    if (mkdtemp(dir) == NULL)
        return false;
    if (unshare(flags) != 0)
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("tmpfs", dir, "tmpfs", 0, "size=8m") == 0;
}

/* Up to the full disk, over it with the ballast's help, and on when there is room again. */
static void full_disk_run(struct store_fixture *fixture, const char *dir)
{
    struct store_meta before;
    int turns = 0;
    int rc;

    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(space_ballast_make(fixture->store, 3 * MIB), 0);
    fill_up(fixture, 256 * KIB);
    before = fixture->meta;
    assert_true(before.committed_seq > 0);
    {
        const struct space space = space_of(fixture);

        assert_true(space_is_short(&space, MIB));
        assert_true(space.map_used_bytes < space.map_bytes / 100);
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -ENOSPC);
    assert_memory_equal(&fixture->meta, &before, sizeof before);
    store_fixture_check_whole(fixture->store);

    /* What was acknowledged gets in. */
    assert_int_equal(space_ballast_release(fixture->store), 0);
    for (rc = 0; rc == 0 && turns < COMMITS_MAX; turns++)
        rc = commit_bytes(fixture, 256 * KIB, &keep_all);
    assert_int_equal(rc, -ENOSPC);
    assert_true(turns > 8); /* 2 MiB and more, of the 3 */
    store_fixture_check_whole(fixture->store);
    assert_int_equal(space_ballast_make(fixture->store, 3 * MIB), -ENOSPC);
    assert_false(space_ballast_exists(fixture->store));

    /* The full disk survives a new start, and goes on when there is room, without one. */
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_check_whole(fixture->store);
    fill_up(fixture, 256 * KIB);
    assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, "size=64m"), 0);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(space_ballast_make(fixture->store, 3 * MIB), 0);
    store_fixture_check_whole(fixture->store);
}

/* Where nothing may be mounted: a limit to the size of files, lifted where room is to come. */
static void full_file_run(struct store_fixture *fixture)
{
    struct rlimit before;
    struct rlimit limit;
    struct store_meta meta;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 6 * MIB;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(space_ballast_make(fixture->store, 8 * MIB), -ENOSPC);
    assert_false(space_ballast_exists(fixture->store));
    fill_up(fixture, 64 * KIB);
    meta = fixture->meta;
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -ENOSPC);
    assert_memory_equal(&fixture->meta, &meta, sizeof meta);
    store_fixture_check_whole(fixture->store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    store_fixture_check_whole(fixture->store);
}

static void a_full_disk_refuses_keeps_and_recovers(void **state)
{
    char dir[] = "/tmp/sluice-disk-XXXXXX";
    struct store_fixture *fixture;

    (void)state;
    if (!small_disk_mount(dir)) {
        print_message("a small disk cannot be mounted here (%s): only the file limit is tested\n",
                      strerror(errno));
        (void)rmdir(dir); /* may not be there */
        return;
    }
    fixture = store_fixture_new(dir);
    full_disk_run(fixture, dir);
    store_fixture_free(fixture);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void a_file_that_may_not_grow_refuses_keeps_and_recovers(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    (void)state;
    full_file_run(fixture);
    store_fixture_free(fixture);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_ballast_is_really_allocated),
        STORE_TEST(the_lock_file_has_no_holes),
        STORE_TEST(fullness_falls_again_when_the_log_is_trimmed),
        cmocka_unit_test(short_means_95_percent_of_the_map_or_too_little_disk),
        cmocka_unit_test(a_full_map_refuses_then_goes_on_when_trimmed),
        cmocka_unit_test(a_file_that_may_not_grow_refuses_keeps_and_recovers),
        cmocka_unit_test(a_full_disk_refuses_keeps_and_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
