#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/error.h"
#include "store/layout.h"
#include "store/log.h"
#include "store/space.h"
#include "tests/unit/store_fixture.h"

enum {
    PATH_BYTES = STORE_FIXTURE_DIR_BYTES + 64,
};

static const char *path_of(const struct store_fixture *fixture, const char *name)
{
    static char path[PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/%s", fixture->dir, name); /* fits */
    return path;
}

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* --- the store's number --------------------------------------------------------------------- */

static void a_new_directory_gets_a_number_and_keeps_it(void **state)
{
    struct store_fixture *fixture = *state;
    char dir[PATH_BYTES];
    uint64_t first = 0;
    uint64_t again = 0;
    uint64_t other = 0;
    struct stat file;

    (void)snprintf(dir, sizeof dir, "%s", path_of(fixture, "new")); /* fits */
    assert_int_equal(store_identify(dir, &first), 0);
    assert_int_equal(store_identify(dir, &again), 0);
    assert_int_equal(first, again);
    assert_int_not_equal(first, 0);
    assert_int_equal(store_identify(fixture->dir, &other), 0);
    assert_int_not_equal(other, first);
    assert_int_equal(stat(path_of(fixture, "new/id"), &file), 0);
    assert_int_equal(file.st_size, 17);
    assert_int_equal(stat(path_of(fixture, "new/id.new"), &file), -1);
}

static void a_missing_parent_is_an_error_in_words(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t id = 5;

    assert_int_equal(store_identify(path_of(fixture, "no/such/dir"), &id), -ENOENT);
    assert_non_null(strstr(store_error_text(), "no/such/dir"));
    assert_int_equal(id, 5);
}

static void a_damaged_id_file_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "0123456789abcdef",    /* no end of line */
        "0123456789abcde\n",   /* short */
        "0123456789abcdef0\n", /* long */
        "0123456789ABCDEF\n",
        "0123456789abcdeg\n",
        "0000000000000000\n",
        "0123456789abcdef\n\n",
    };
    struct store_fixture *fixture = *state;
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;
    uint64_t id;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        file_write(path_of(fixture, "id"), texts[i]);
        assert_int_equal(store_identify(fixture->dir, &id), -EINVAL);
        assert_non_null(strstr(store_error_text(), "id is damaged"));
        assert_int_equal(store_open(&options, &store), -EINVAL);
    }
    file_write(path_of(fixture, "id"), "0123456789abcdef\n");
    assert_int_equal(store_identify(fixture->dir, &id), 0);
    assert_int_equal(id, UINT64_C(0x0123456789abcdef));
}

static void a_store_that_has_lost_its_id_is_not_given_a_new_one(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t id;

    store_fixture_close(fixture);
    assert_int_equal(unlink(path_of(fixture, "id")), 0);
    assert_int_equal(store_identify(fixture->dir, &id), -ENOENT);
    assert_non_null(strstr(store_error_text(), "not its number"));
}

static void a_store_under_another_id_is_refused(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_close(fixture);
    file_write(path_of(fixture, "id"), "0123456789abcdef\n");
    assert_int_equal(store_fixture_open(fixture), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "0123456789abcdef"));
}

/* --- opening -------------------------------------------------------------------------------- */

static void a_reader_needs_a_store_that_was_begun(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;
    uint64_t id;

    (void)state;
    assert_int_equal(store_open(&options, &store), -ENOENT);
    assert_non_null(strstr(store_error_text(), "not a data directory"));
    assert_int_equal(store_identify(fixture->dir, &id), 0);
    assert_int_equal(store_open(&options, &store), -ENOENT);
    assert_non_null(strstr(store_error_text(), "no store yet"));
    assert_null(store);
    store_fixture_free(fixture);
}

static void a_death_while_the_store_is_made_leaves_one_that_can_be_made(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;
    uint64_t id;

    (void)state;
    assert_int_equal(store_identify(fixture->dir, &id), 0);
    file_write(path_of(fixture, "id.new"), "0123");
    assert_int_equal(mkdir(path_of(fixture, "store"), 0750), 0);
    file_write(path_of(fixture, "store/data.mdb"), "");
    assert_int_equal(store_open(&options, &store), -ENOENT); /* a reader: not begun yet */
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
}

/* Puts a state record of our making into the store. */
static void meta_replace(struct store_fixture *fixture, const void *value, size_t bytes)
{
    MDB_val key = val_of(STORE_META_KEY, sizeof STORE_META_KEY - 1);
    MDB_val data = val_of(value, bytes);
    MDB_txn *txn = NULL;

    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, fixture->store->db.meta, &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_fixture_close(fixture);
}

/* What a power cut can leave before the first commit: LMDB takes neither for a file of its own. */
static void a_power_cut_while_the_store_is_made_leaves_one_that_can_be_made(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    uint64_t id;

    (void)state;
    assert_int_equal(store_identify(fixture->dir, &id), 0);
    assert_int_equal(mkdir(path_of(fixture, "store.new"), 0750), 0);
    file_write(path_of(fixture, "store.new/data.mdb"), "");
    assert_int_equal(truncate(path_of(fixture, "store.new/data.mdb"), 8192), 0);
    file_write(path_of(fixture, "store.new/lock.mdb"), "rubbish");
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(access(path_of(fixture, "store.new"), F_OK), -1);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
}

/* So that whoever comes to the name finds a whole store: the file is never seen before its first commit. */
static void a_store_has_its_name_only_when_it_is_made(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    uint64_t id;

    (void)state;
    assert_int_equal(store_identify(fixture->dir, &id), 0);
    /* In the way of its being made: a directory where LMDB wants its file. */
    assert_int_equal(mkdir(path_of(fixture, "store.new"), 0750), 0);
    assert_int_equal(mkdir(path_of(fixture, "store.new/data.mdb"), 0750), 0);
    assert_true(store_fixture_open(fixture) < 0);
    assert_int_equal(access(path_of(fixture, "store"), F_OK), -1);
    assert_int_equal(rmdir(path_of(fixture, "store.new/data.mdb")), 0);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(access(path_of(fixture, "store/data.mdb"), F_OK), 0);
    store_fixture_free(fixture);
}

static void another_format_is_refused_by_number(void **state)
{
    struct store_fixture *fixture = *state;
    const uint32_t value[5] = {STORE_FORMAT_VERSION + 1};

    meta_replace(fixture, value, sizeof value);
    assert_int_equal(store_fixture_open(fixture), -ENOTSUP);
    assert_non_null(strstr(store_error_text(), "format 2"));
}

static void a_damaged_state_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    struct meta_value good = {.meta = fixture->meta};
    struct meta_value bad;

    good.check = XXH3_64bits(&good.meta, sizeof good.meta);
    for (size_t i = sizeof good.meta.format_version; i < sizeof good; i++) {
        bad = good;
        ((uint8_t *)&bad)[i] ^= 0x40;
        meta_replace(fixture, &bad, sizeof bad);
        assert_int_equal(store_fixture_open(fixture), -EBADMSG);
        assert_non_null(strstr(store_error_text(), "damaged"));
        fixture->store = NULL;

        /* Mend it by hand for the next turn. */
        assert_true(store_fixture_damage(fixture, &bad, &good, sizeof good));
        assert_int_equal(store_fixture_open(fixture), 0);
    }
    meta_replace(fixture, &good, 3);
    assert_int_equal(store_fixture_open(fixture), -EBADMSG);
}

static void a_file_that_is_no_store_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    char *text = malloc(100000);

    assert_non_null(text);
    memset(text, 'x', 99999);
    text[99999] = '\0';
    store_fixture_close(fixture);
    file_write(path_of(fixture, "store/data.mdb"), text);
    assert_int_equal(store_fixture_open(fixture), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "store"));
    free(text);
}

/* Reads all that can be read; the first error. */
static int read_all(struct store *store)
{
    struct block block;
    int rc = store_snapshot_begin(store, 0);
    uint64_t seq;

    if (rc != 0)
        return rc;
    seq = store_snapshot_meta(store)->first_seq;
    while (seq <= store_snapshot_meta(store)->committed_seq) {
        rc = log_block_at(store, seq, &block);
        if (rc != 0)
            return rc;
        seq = block.head.last_seq + 1;
    }
    return 0;
}

static void a_cut_file_is_an_error_not_a_crash(void **state)
{
    struct store_fixture *fixture = *state;
    off_t whole;
    struct stat file;

    for (int i = 0; i < 400; i++)
        (void)store_fixture_add_event(fixture, "a", 5000);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    store_fixture_close(fixture);
    assert_int_equal(stat(path_of(fixture, "store/data.mdb"), &file), 0);
    whole = file.st_size;
    for (off_t cut = whole * 9 / 10; cut > 8192; cut = cut * 4 / 5) {
        int rc;

        assert_int_equal(truncate(path_of(fixture, "store/data.mdb"), cut), 0);
        rc = store_fixture_open(fixture);
        if (rc == 0)
            rc = read_all(fixture->store);
        assert_int_equal(rc, -EBADMSG);
        assert_true(strlen(store_error_text()) > 10);
        store_fixture_close(fixture);
    }
}

static void an_environment_is_never_used_in_a_forked_child(void **state)
{
    struct store_fixture *fixture = *state;
    pid_t pid = fork();

    if (pid == 0) {
        const struct rlimit no_core = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &no_core); /* the abort is what is expected */
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        (void)store_snapshot_begin(fixture->store, 0);
        _exit(0);
    }
    store_fixture_expect_signal(pid, SIGABRT);
}

/* --- the map -------------------------------------------------------------------------------- */

static uint64_t map_bytes(struct store_fixture *fixture)
{
    struct space space = {.map_bytes = 0};

    assert_int_equal(space_read(fixture->store, &space), 0);
    return space.map_bytes;
}

static void the_map_never_shrinks(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    (void)state;
    fixture->map_bytes = UINT64_C(64) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(map_bytes(fixture), UINT64_C(64) << 20);
    store_fixture_close(fixture);
    fixture->map_bytes = UINT64_C(16) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(map_bytes(fixture), UINT64_C(64) << 20);
    store_fixture_close(fixture);
    fixture->map_bytes = UINT64_C(128) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(map_bytes(fixture), UINT64_C(128) << 20);
    store_fixture_close(fixture);
    fixture->map_bytes = 0;
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(map_bytes(fixture), STORE_MAP_BYTES_DEFAULT);
    store_fixture_free(fixture);
}

/* Runs in a child: opens for writing with a larger map and commits more than the old map holds. */
static int outgrow(struct store_fixture *fixture)
{
    fixture->map_bytes = UINT64_C(64) << 20;
    if (store_fixture_open(fixture) != 0)
        return 1;
    for (int i = 0; i < 8; i++)
        (void)store_fixture_add_event(fixture, "a", (size_t)1 << 20);
    return store_fixture_commit(fixture, &keep_all) == 0 ? 0 : 2;
}

static void a_reader_follows_when_the_map_has_been_made_larger(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    struct store *reader;
    pid_t pid;

    (void)state;
    fixture->map_bytes = UINT64_C(2) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    reader = store_fixture_open_reader(fixture);
    assert_int_equal(read_all(reader), 0);
    store_snapshot_end(reader);

    pid = fork();
    if (pid == 0)
        _exit(outgrow(fixture));
    store_fixture_expect_exit(pid, 0);
    assert_int_equal(store_snapshot_begin(reader, 9), 0);
    assert_int_equal(store_snapshot_meta(reader)->committed_seq, 9);
    assert_int_equal(read_all(reader), 0);
    store_close(reader);
    store_fixture_free(fixture);
}

/* --- snapshots ------------------------------------------------------------------------------ */

static void a_snapshot_stays_as_it_was_until_a_newer_one_is_wanted(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture->store;
    struct block block;

    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(store_snapshot_begin(store, 1), 0);
    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(store_snapshot_begin(store, 1), 0); /* open, and new enough */
    assert_int_equal(store_snapshot_meta(store)->committed_seq, 1);
    assert_int_equal(log_block_at(store, 2, &block), -ENOENT);
    assert_int_equal(store_snapshot_begin(store, 2), 0); /* renewed */
    assert_int_equal(store_snapshot_meta(store)->committed_seq, 2);
    assert_int_equal(log_block_at(store, 2, &block), 0);
    store_snapshot_end(store);
    store_snapshot_end(store); /* twice is once */
    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(store_snapshot_begin(store, 0), 0); /* after an end: the newest */
    assert_int_equal(store_snapshot_meta(store)->committed_seq, 3);
}

/* Runs in a child: dies with a snapshot open. */
static int die_reading(const struct store_fixture *fixture)
{
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;

    if (store_open(&options, &store) != 0 || store_snapshot_begin(store, 0) != 0)
        return 1;
    return raise(SIGKILL);
}

static void snapshots_of_the_dead_are_cleared(void **state)
{
    struct store_fixture *fixture = *state;
    pid_t pid;

    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(store_clear_dead_readers(fixture->store), 0);
    for (int i = 0; i < 3; i++) {
        pid = fork();
        if (pid == 0)
            _exit(die_reading(fixture));
        store_fixture_expect_signal(pid, SIGKILL);
    }
    assert_int_equal(store_clear_dead_readers(fixture->store), 3);
    assert_int_equal(store_clear_dead_readers(fixture->store), 0);
}

/* --- errors --------------------------------------------------------------------------------- */

static void foreign_codes_become_errno(void **state)
{
    (void)state;
    assert_int_equal(store_errno(MDB_NOTFOUND), -ENOENT);
    assert_int_equal(store_errno(MDB_MAP_FULL), -ENOSPC);
    assert_int_equal(store_errno(ENOSPC), -ENOSPC);
    assert_int_equal(store_errno(EDQUOT), -ENOSPC);
    assert_int_equal(store_errno(EIO), -EIO);
    assert_int_equal(store_errno(MDB_PANIC), -EIO);
    assert_int_equal(store_errno(MDB_CORRUPTED), -EBADMSG);
    assert_int_equal(store_errno(MDB_INVALID), -EBADMSG);
    assert_int_equal(store_errno(MDB_BAD_TXN), -EINVAL);
    assert_int_equal(error_lmdb(MDB_MAP_FULL, "writing %s", "it"), -ENOSPC);
    assert_non_null(strstr(store_error_text(), "writing it: MDB_MAP_FULL"));
    assert_int_equal(error_set(-EIO, "%2000d", 1), -EIO); /* cut, not overrun */
    assert_true(strlen(store_error_text()) < 1000);
    assert_int_equal(error_lmdb(EIO, "%2000d", 1), -EIO);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_directory_gets_a_number_and_keeps_it),
        STORE_TEST(a_missing_parent_is_an_error_in_words),
        STORE_TEST(a_damaged_id_file_is_refused),
        STORE_TEST(a_store_that_has_lost_its_id_is_not_given_a_new_one),
        STORE_TEST(a_store_under_another_id_is_refused),
        cmocka_unit_test(a_reader_needs_a_store_that_was_begun),
        cmocka_unit_test(a_death_while_the_store_is_made_leaves_one_that_can_be_made),
        cmocka_unit_test(a_power_cut_while_the_store_is_made_leaves_one_that_can_be_made),
        cmocka_unit_test(a_store_has_its_name_only_when_it_is_made),
        STORE_TEST(another_format_is_refused_by_number),
        STORE_TEST(a_damaged_state_is_refused),
        STORE_TEST(a_file_that_is_no_store_is_refused),
        STORE_TEST(a_cut_file_is_an_error_not_a_crash),
        STORE_TEST(an_environment_is_never_used_in_a_forked_child),
        cmocka_unit_test(the_map_never_shrinks),
        cmocka_unit_test(a_reader_follows_when_the_map_has_been_made_larger),
        STORE_TEST(a_snapshot_stays_as_it_was_until_a_newer_one_is_wanted),
        STORE_TEST(snapshots_of_the_dead_are_cleared),
        cmocka_unit_test(foreign_codes_become_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
