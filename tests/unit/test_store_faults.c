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
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "store/log.h"
#include "store/space.h"
#include "tests/unit/bus_fixture.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    FAULTS_MAX = 2000, /* so that a test which never gets through fails */
};

static struct {
    int left; /* calls until the one that fails; 0: none fails */
    bool was_hit;
    bool is_death; /* it ends the process instead */
} fault;

static bool fault_here(void)
{
    if (fault.left == 0 || --fault.left > 0)
        return false;
    if (fault.is_death)
        _exit(9);
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

static const struct rows_table more_tables[] = {
    {
        .name = "Message",
        .columns = {{"authorId", .kind = COLUMN_INT, .is_required = true},
                    {"title", .kind = COLUMN_STRING, .is_unique = true},
                    {"content", .kind = COLUMN_STRING, .is_required = true}},
        .indexes = {{.equal = {"title"}}, {.ordered = {"content"}}},
    },
    {
        .name = "Comment",
        .columns = {{"messageId", .kind = COLUMN_INT, .is_required = true, .references = "Message"},
                    {"content", .kind = COLUMN_STRING, .is_required = true}},
        .indexes = {{.equal = {"messageId"}}, {.equal = {"content"}}},
    },
    {.name = NULL},
};

static void changes_add(struct store_fixture *fixture)
{
    struct rows_change change = {
        .kind = COMMAND_CREATE,
        .table = "Message",
        .values = {{"authorId", "1"}, {"content", "\"hello\""}, {"title", "\"T\""}},
        .topics = {"messages"},
    };

    rows_add(fixture, &change);
    change.id = 2;
    change.kind = COMMAND_UPDATE;
    change.values[2].json = "\"another\"";
    rows_add(fixture, &change);
    change.kind = COMMAND_DELETE;
    change.id = 1;
    rows_add(fixture, &change);
    change = (struct rows_change){
        .kind = COMMAND_CREATE,
        .table = "Comment",
        .values = {{"messageId", "2"}, {"content", "\"yes\""}},
    };
    rows_add(fixture, &change);
    change.values[0].json = "77"; /* refused */
    rows_add(fixture, &change);
}

static int commit_plain(struct store_fixture *fixture)
{
    return store_fixture_commit(fixture, &keep_all);
}

static void commands_that_fail_anywhere_change_nothing_and_can_be_tried_again(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, more_tables);
    changes_add(fixture);
    meta_before = fixture->meta;
    faults_run(fixture, commit_plain, check_unchanged);
    changes_add(fixture); /* with rows and entries there */
    store_fixture_commit_event(fixture, "a", 10);
    changes_add(fixture);
    meta_before = fixture->meta;
    faults_run(fixture, commit_plain, check_unchanged);
}

static void a_schema_operation_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, rows_board);
    changes_add(fixture);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    rows_add_schema(fixture, more_tables);
    meta_before = fixture->meta;
    faults_run(fixture, commit_plain, check_unchanged);
    assert_int_equal(rows_current(fixture)->version, fixture->meta.committed_seq);
}

static int schema_try(struct store_fixture *fixture)
{
    bool is_changed = false;
    size_t bytes;
    int left = fault.left;
    uint8_t *encoded;
    int rc;

    fault.left = 0; /* of the test's own calls none fails */
    encoded = rows_catalog(more_tables, "sdl", &bytes);
    fault.left = left;
    rc = commit_schema_try(fixture->store, encoded, bytes, &is_changed);
    free(encoded);
    assert_true(rc != 0 || is_changed);
    return rc;
}

static int poison(struct store_fixture *fixture)
{
    return commit_poison(fixture->store, meta_before.committed_seq + 3, &fixture->meta);
}

static void a_try_or_a_death_counted_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, rows_board);
    changes_add(fixture);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    meta_before = fixture->meta;
    faults_run(fixture, schema_try, check_unchanged);
    assert_int_equal(rows_current(fixture)->version, 1);
    faults_run(fixture, poison, check_unchanged);
    assert_int_equal(fixture->meta.poison_deaths, 1);
}

/* Rows until no more fit: LMDB says so inside the transaction of one of the COMMANDs. */
static void a_full_map_undoes_the_whole_commit(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    struct rows_change change = {
        .kind = COMMAND_CREATE, .table = "Message", .values = {{"authorId", "1"}}};
    char *text = malloc(20001);
    int rc = 0;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 20000);
    text[0] = '"';
    text[19999] = '"';
    text[20000] = '\0';
    change.values[1] = (struct rows_value){"content", text};
    fixture->map_bytes = UINT64_C(1) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    rows_set_schema(fixture, rows_board);
    while (rc == 0) {
        meta_before = fixture->meta;
        for (int i = 0; i < 5; i++)
            rows_add(fixture, &change);
        rc = store_fixture_commit(fixture, &keep_all);
        assert_true(fixture->meta.committed_seq < 200);
    }
    assert_int_equal(rc, -ENOSPC);
    assert_memory_equal(&fixture->meta, &meta_before, sizeof meta_before);
    store_fixture_check_whole(fixture->store);
    /* What was refused can be tried again, and after a restart. */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -ENOSPC);
    store_fixture_close(fixture);
    fixture->map_bytes = UINT64_C(2) << 20;
    assert_int_equal(store_fixture_open(fixture), 0);
    for (int i = 0; i < 5; i++)
        rows_add(fixture, &change);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
    free(text);
}

/* --- deaths ------------------------------------------------------------------------------------- */

/* The writer's process, which dies at its @nth call while it commits. */
static _Noreturn void die_in_commit(struct store_fixture *fixture, struct bus *bus, int nth)
{
    const struct store_options options = {
        .data_dir = fixture->dir, .is_writer = true, .bus = bus, .slot = BUS_SLOT_WRITER};

    if (store_open(&options, &fixture->store) != 0)
        _exit(1);
    fault.is_death = true;
    fault.left = nth;
    if (store_fixture_commit(fixture, &keep_all) != 0)
        _exit(2);
    _exit(0);
}

/* Seqs 2 and 4 are COMMANDs, 3 is an EVENT. */
static void the_command_at_which_the_writer_died_is_known(void **state)
{
    struct fixture *ring = *state;
    struct store_fixture *fixture = store_fixture_new(NULL);
    const struct rows_change change = {
        .kind = COMMAND_CREATE,
        .table = "Message",
        .values = {{"authorId", "1"}, {"content", "\"hello\""}},
    };
    unsigned seen[8] = {0};
    int status = 9;

    assert_int_equal(store_fixture_open(fixture), 0);
    rows_set_schema(fixture, rows_board);
    rows_add(fixture, &change);
    (void)store_fixture_add_event(fixture, "news", 10);
    rows_add(fixture, &change);
    store_fixture_close(fixture);
    for (int nth = 1; status == 9; nth++) {
        pid_t pid;

        assert_true(nth < FAULTS_MAX);
        bus_slot_set_applying(ring->bus, BUS_SLOT_WRITER, 0);
        pid = fixture_fork();
        if (pid == 0)
            die_in_commit(fixture, ring->bus, nth);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        status = WEXITSTATUS(status);
        seen[bus_slot_applying(ring->bus, BUS_SLOT_WRITER)]++;
    }
    assert_int_equal(status, 0);
    assert_int_equal(bus_slot_applying(ring->bus, BUS_SLOT_WRITER), 0);
    assert_true(seen[0] > 1); /* before, between and behind them */
    assert_true(seen[2] > 1);
    assert_int_equal(seen[3], 0);
    assert_true(seen[4] > 1);
    store_fixture_free(fixture);
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

static bool on_any_row(void *user, const struct row *row)
{
    uint64_t *count = user;

    (*count)++;
    return row->id != 0;
}

static struct rows_query query;

static int read_rows(struct store_fixture *fixture)
{
    struct store *store = fixture->store;
    struct catalog *catalog = NULL;
    struct record record;
    uint64_t count = 0;
    struct row row;
    int rc;

    store_snapshot_end(store);
    rc = store_snapshot_begin(store, 0);
    if (rc == 0)
        rc = catalog_load(store, &catalog);
    catalog_free(catalog);
    if (rc == 0)
        rc = rows_get(store, query.table, 2, &row);
    for (int i = 0; rc == 0 && i < 8; i++) {
        query.index = (i & 1) != 0 ? &query.table->indexes[1] : NULL;
        query.is_desc = (i & 2) != 0;
        query.is_by_range = (i & 4) == 0;
        query.has_after = (i & 4) != 0;
        rc = rows_list(store, &query, on_any_row, &count);
    }
    for (uint64_t seq = 1; rc == 0 && seq <= fixture->meta.committed_seq; seq++)
        rc = log_record_at(store, seq, &record);
    return rc;
}

static void a_read_of_rows_that_fails_anywhere_says_so(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, more_tables);
    for (int i = 0; i < 4; i++) {
        const struct rows_change change = {
            .kind = COMMAND_CREATE,
            .table = "Message",
            .values = {{"authorId", "1"}, {"content", "\"hello\""}},
        };

        rows_add(fixture, &change);
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    query = (struct rows_query){
        .table = rows_table_of(fixture, "Message"),
        .from = {.json = {"\"a\"", 3}},
        .after_id = 1,
        .limit = 3,
    };
    faults_run(fixture, read_rows, check_nothing);
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
        STORE_TEST(commands_that_fail_anywhere_change_nothing_and_can_be_tried_again),
        STORE_TEST(a_schema_operation_that_fails_anywhere_changes_nothing),
        STORE_TEST(a_try_or_a_death_counted_that_fails_anywhere_changes_nothing),
        cmocka_unit_test(a_full_map_undoes_the_whole_commit),
        cmocka_unit_test_setup_teardown(the_command_at_which_the_writer_died_is_known,
                                        fixture_setup, fixture_teardown),
        STORE_TEST(a_trim_that_fails_anywhere_changes_nothing),
        STORE_TEST(an_epoch_or_a_mark_that_fails_anywhere_changes_nothing),
        STORE_TEST(a_read_that_fails_anywhere_says_so_and_the_next_is_right),
        STORE_TEST(a_read_of_rows_that_fails_anywhere_says_so),
        STORE_TEST(a_ballast_that_fails_anywhere_can_be_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
