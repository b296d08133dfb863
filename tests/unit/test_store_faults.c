/*
 * Each call of the store's interface with its 1st, 2nd, 3rd ... system call, LMDB call or
 * allocation failing, until none is left to fail. The linker sends the calls that store/ makes
 * through the functions below (meson.build: --wrap).
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/log.h"
#include "store/space.h"
#include "tests/unit/store_fixture.h"

enum {
    FAULTS_MAX = 2000, /* so that a test which never gets through fails */
};

static struct {
    int left; /* calls until the one that fails; 0: none fails */
    bool was_hit;
} fault;

static bool fault_here(void)
{
    if (fault.left == 0 || --fault.left > 0)
        return false;
    fault.was_hit = true;
    return true;
}

/* --- what the linker puts between --------------------------------------------------------------- */

/* clang-format off */
#define WRAP(result, name, parameters, arguments, failure)                                         \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        if (fault_here()) {                                                                        \
            errno = EIO;                                                                           \
            return failure;                                                                        \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }

WRAP(void *, malloc, (size_t bytes), (bytes), NULL)
WRAP(void *, calloc, (size_t count, size_t bytes), (count, bytes), NULL)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, fstat, (int fd, struct stat *status), (fd, status), -1)
WRAP(int, ftruncate, (int fd, off_t length), (fd, length), -1)
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), -1)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1)
WRAP(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes), -1)
WRAP(ssize_t, read, (int fd, void *data, size_t bytes), (fd, data, bytes), -1)
WRAP(ssize_t, getrandom, (void *data, size_t bytes, unsigned flags), (data, bytes, flags), -1)
WRAP(int, posix_fallocate, (int fd, off_t at, off_t bytes), (fd, at, bytes), ENOSPC)

WRAP(int, mdb_env_create, (MDB_env **env), (env), ENOMEM)
WRAP(int, mdb_env_open, (MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode), (env, path, flags, mode), EIO)
WRAP(int, mdb_env_info, (MDB_env *env, MDB_envinfo *info), (env, info), EIO)
WRAP(int, mdb_env_set_mapsize, (MDB_env *env, size_t bytes), (env, bytes), EIO)
WRAP(int, mdb_env_set_maxdbs, (MDB_env *env, MDB_dbi count), (env, count), EIO)
WRAP(int, mdb_env_set_maxreaders, (MDB_env *env, unsigned count), (env, count), EIO)
WRAP(int, mdb_txn_begin, (MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn), (env, parent, flags, txn), EIO)
WRAP(int, mdb_txn_renew, (MDB_txn *txn), (txn), EIO)
WRAP(int, mdb_dbi_open, (MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi), (txn, name, flags, dbi), EIO)
WRAP(int, mdb_stat, (MDB_txn *txn, MDB_dbi dbi, MDB_stat *stat), (txn, dbi, stat), EIO)
WRAP(int, mdb_get, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data), EIO)
WRAP(int, mdb_put, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags), (txn, dbi, key, data, flags), EIO)
WRAP(int, mdb_del, (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data), EIO)
WRAP(int, mdb_cursor_open, (MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor), ENOMEM)
WRAP(int, mdb_cursor_renew, (MDB_txn *txn, MDB_cursor *cursor), (txn, cursor), EIO)
WRAP(int, mdb_cursor_get, (MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op), (cursor, key, data, op), EIO)
WRAP(int, mdb_cursor_del, (MDB_cursor *cursor, unsigned flags), (cursor, flags), EIO)
/* clang-format on */

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    if (fault_here()) {
        mdb_txn_abort(txn); /* a commit that fails has ended its transaction */
        return EIO;
    }
    return __real_mdb_txn_commit(txn);
}

/* --- the run ------------------------------------------------------------------------------------ */

typedef int faults_operation(struct store_fixture *fixture);
typedef void faults_check(struct store_fixture *fixture);

/*
 * Runs @operation with its nth call failing, for every n. Each time it must say so, and @check
 * must find things as they should be; the run without a failure must succeed.
 */
static void faults_run(struct store_fixture *fixture, faults_operation *operation,
                       faults_check *check)
{
    int count = 0;
    int rc;

    do {
        assert_true(++count < FAULTS_MAX);
        fault.left = count;
        fault.was_hit = false;
        rc = operation(fixture);
        fault.left = 0;
        if (fault.was_hit) {
            assert_true(rc < 0);
            assert_true(strlen(store_error_text()) > 0);
        }
        check(fixture);
    } while (fault.was_hit);
    assert_int_equal(rc, 0);
    assert_true(count > 1);
}

static void check_nothing(struct store_fixture *fixture)
{
    (void)fixture;
}

/* --- starting ----------------------------------------------------------------------------------- */

static uint64_t identified;

static int identify(struct store_fixture *fixture)
{
    return store_identify(fixture->dir, &identified);
}

static void an_id_is_made_whole_or_not_at_all(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    uint64_t again = 0;

    (void)state;
    faults_run(fixture, identify, check_nothing);
    assert_int_equal(store_identify(fixture->dir, &again), 0);
    assert_int_equal(again, identified);
    store_fixture_free(fixture);
}

static int open_and_close(struct store_fixture *fixture)
{
    int rc = store_fixture_open(fixture);

    store_fixture_close(fixture);
    return rc;
}

static void a_writer_that_cannot_open_says_so_and_the_next_can(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    (void)state;
    faults_run(fixture, open_and_close, check_nothing); /* a new store ... */
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    faults_run(fixture, open_and_close, check_nothing); /* ... and one that is there */
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
}

static int open_reader(struct store_fixture *fixture)
{
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;
    int rc = store_open(&options, &store);

    if (rc == 0)
        store_close(store);
    return rc;
}

static void a_reader_that_cannot_open_says_so_and_the_next_can(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_close(fixture);
    faults_run(fixture, open_reader, check_nothing);
}

/* --- committing --------------------------------------------------------------------------------- */

static struct store_meta meta_before;

/* A commit that failed has changed nothing; what it wanted to write can be tried again. */
static void check_unchanged(struct store_fixture *fixture)
{
    if (fault.was_hit)
        assert_memory_equal(&fixture->meta, &meta_before, sizeof meta_before);
    store_fixture_check_whole(fixture->store);
}

static int commit(struct store_fixture *fixture)
{
    /* Trims, sweeps and removes stale entries beside it. */
    const struct retention retention = {.count = 10, .age_ns = 1};

    return store_fixture_commit(fixture, &retention);
}

static void topics_commit(struct store_fixture *fixture)
{
    for (int i = 0; i < 40; i++) {
        store_fixture_commit_event(fixture, "busy", 10);
        store_fixture_commit_event(fixture, i % 2 == 0 ? "some" : "others", 10);
    }
    store_fixture_commit_event(fixture, "quiet", 10);
}

static void a_commit_that_fails_anywhere_changes_nothing_and_can_be_tried_again(void **state)
{
    struct store_fixture *fixture = *state;

    topics_commit(fixture);
    for (int i = 0; i < 4; i++)
        assert_true(commit_trim(fixture->store, &(struct retention){.count = 40}, &fixture->meta) >=
                    0);
    for (int i = 0; i < 3; i++) {
        (void)store_fixture_add_event(fixture, "busy", 100);
        (void)store_fixture_add_event(fixture, "new", 100000); /* needs a larger buffer */
    }
    meta_before = fixture->meta;
    faults_run(fixture, commit, check_unchanged);
    assert_int_equal(fixture->meta.committed_seq, meta_before.committed_seq + 6);
    assert_true(fixture->meta.first_seq > meta_before.first_seq);
}

static int trim(struct store_fixture *fixture)
{
    const struct retention retention = {.count = 1};
    int rc = commit_trim(fixture->store, &retention, &fixture->meta);

    return rc > 0 ? 0 : rc;
}

static void a_trim_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    topics_commit(fixture);
    for (int i = 0; i < 20; i++) {
        meta_before = fixture->meta;
        faults_run(fixture, trim, check_unchanged);
    }
    assert_int_equal(fixture->meta.log_count, 1);
    assert_int_equal(commit_trim(fixture->store, &keep_all, &fixture->meta), 0);
}

static int new_epoch(struct store_fixture *fixture)
{
    return commit_new_epoch(fixture->store, 77, &fixture->meta);
}

static int clean_mark(struct store_fixture *fixture)
{
    return commit_clean_mark(fixture->store, true, &fixture->meta);
}

static void an_epoch_or_a_mark_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_commit_event(fixture, "a", 10);
    meta_before = fixture->meta;
    faults_run(fixture, new_epoch, check_unchanged);
    assert_int_equal(fixture->meta.epoch, 77);
    meta_before = fixture->meta;
    faults_run(fixture, clean_mark, check_unchanged);
    assert_int_equal(fixture->meta.is_clean, 1);
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool on_topic(void *user, const char *topic, size_t topic_bytes, uint64_t last_seq)
{
    (void)user;
    (void)topic;
    (void)topic_bytes;
    (void)last_seq;
    return true;
}

static int read_everything(struct store_fixture *fixture)
{
    struct log_topic_walk walk = {.after = "busy", .after_bytes = 4};
    struct store *store = fixture->store;
    enum epoch_verdict verdict;
    struct log_topic info;
    struct block block;
    uint64_t seq;
    int rc;

    store_snapshot_end(store);
    rc = store_snapshot_begin(store, 0);
    if (rc == 0)
        rc = log_block_at(store, fixture->meta.first_seq, &block);
    if (rc == 0)
        rc = log_block_at(store, fixture->meta.committed_seq, &block);
    if (rc == 0)
        rc = log_topic_block_at(store, "busy", 4, 70, &seq);
    if (rc == 0)
        rc = log_topic_info(store, "busy", 4, &info);
    if (rc == 0)
        rc = log_topic_info(store, "never", 5, &info);
    if (rc == 0)
        rc = log_topics_list(store, &walk, on_topic, NULL);
    if (rc == 0)
        rc = log_epoch_judge(store, 78, 5, 100, &verdict);
    return rc;
}

static void a_read_that_fails_anywhere_says_so_and_the_next_is_right(void **state)
{
    struct store_fixture *fixture = *state;

    assert_int_equal(commit_new_epoch(fixture->store, 78, &fixture->meta), 0);
    topics_commit(fixture);
    assert_int_equal(commit_new_epoch(fixture->store, 79, &fixture->meta), 0);
    assert_true(commit_trim(fixture->store, &(struct retention){.count = 40}, &fixture->meta) > 0);
    faults_run(fixture, read_everything, check_nothing);
    store_fixture_check_whole(fixture->store);
}

/* --- space -------------------------------------------------------------------------------------- */

static int ballast_cycle(struct store_fixture *fixture)
{
    struct space space;
    int rc = space_ballast_make(fixture->store, 65536);

    if (rc == 0)
        rc = space_ballast_make(fixture->store, 131072);
    if (rc == 0)
        rc = space_read(fixture->store, &space);
    if (rc == 0)
        rc = space_ballast_release(fixture->store);
    return rc;
}

static void a_ballast_that_fails_anywhere_can_be_made_again(void **state)
{
    faults_run(*state, ballast_cycle, check_nothing);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_writer_that_cannot_open_says_so_and_the_next_can),
        STORE_TEST(a_reader_that_cannot_open_says_so_and_the_next_can),
        STORE_TEST(a_commit_that_fails_anywhere_changes_nothing_and_can_be_tried_again),
        STORE_TEST(a_trim_that_fails_anywhere_changes_nothing),
        STORE_TEST(an_epoch_or_a_mark_that_fails_anywhere_changes_nothing),
        STORE_TEST(a_read_that_fails_anywhere_says_so_and_the_next_is_right),
        STORE_TEST(a_ballast_that_fails_anywhere_can_be_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
