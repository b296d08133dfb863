/*
 * Each call of the store's interface with its 1st, 2nd, 3rd ... system call, LMDB call or
 * allocation failing, until none is left to fail (faults.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "store/log.h"
#include "store/space.h"
#include "tests/unit/bus_fixture.h"
#include "tests/unit/faults.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    DEATHS_MAX = 2000, /* so that a test which never gets through fails */
};

/* The calls without which @operation goes on: @may_do_without, NULL for none. */
static void fail_each_but(struct store_fixture *fixture, int (*operation)(void *),
                          void (*check)(void *, int), const char *may_do_without)
{
    const struct faults_run run = {
        .operation = operation,
        .check = check,
        .error_text = store_error_text,
        .may_do_without = may_do_without,
        .user = fixture,
    };

    faults_run(&run);
}

static void fail_each(struct store_fixture *fixture, int (*operation)(void *),
                      void (*check)(void *, int))
{
    fail_each_but(fixture, operation, check, NULL);
}

/* --- starting ----------------------------------------------------------------------------------- */

static uint64_t identified;

static int identify(void *user)
{
    struct store_fixture *fixture = user;
    return store_identify(fixture->dir, &identified);
}

static void an_id_is_made_whole_or_not_at_all(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    uint64_t again = 0;

    (void)state;
    fail_each(fixture, identify, NULL);
    assert_int_equal(store_identify(fixture->dir, &again), 0);
    assert_int_equal(again, identified);
    store_fixture_free(fixture);
}

static void a_writer_that_cannot_open_says_so_and_the_next_can(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    (void)state;
    fail_each(fixture, store_fixture_open_and_close, NULL); /* a new store ... */
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    fail_each(fixture, store_fixture_open_and_close, NULL); /* ... and one that is there */
    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_free(fixture);
}

static int open_reader(void *user)
{
    struct store_fixture *fixture = user;
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
    fail_each(fixture, open_reader, NULL);
}

/* --- committing --------------------------------------------------------------------------------- */

static struct store_meta meta_before;

/* A commit that failed has changed nothing; what it wanted to write can be tried again. */
static void check_unchanged(void *user, int rc)
{
    struct store_fixture *fixture = user;

    if (rc != 0)
        assert_memory_equal(&fixture->meta, &meta_before, sizeof meta_before);
    store_fixture_check_whole(fixture->store);
}

static int commit(void *user)
{
    struct store_fixture *fixture = user;
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
    fail_each(fixture, commit, check_unchanged);
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

static int commit_plain(void *user)
{
    struct store_fixture *fixture = user;
    return store_fixture_commit(fixture, &keep_all);
}

static void commands_that_fail_anywhere_change_nothing_and_can_be_tried_again(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, more_tables);
    changes_add(fixture);
    meta_before = fixture->meta;
    fail_each(fixture, commit_plain, check_unchanged);
    changes_add(fixture); /* with rows and entries there */
    store_fixture_commit_event(fixture, "a", 10);
    changes_add(fixture);
    meta_before = fixture->meta;
    fail_each(fixture, commit_plain, check_unchanged);
}

static void a_schema_operation_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, rows_board);
    changes_add(fixture);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    rows_add_schema(fixture, more_tables);
    meta_before = fixture->meta;
    fail_each(fixture, commit_plain, check_unchanged);
    assert_int_equal(rows_current(fixture)->version, fixture->meta.committed_seq);
}

static int schema_try(void *user)
{
    struct store_fixture *fixture = user;
    bool is_changed = false;
    size_t bytes;
    int paused = faults_pause();
    uint8_t *encoded;
    int rc;

    encoded = rows_catalog(more_tables, "sdl", &bytes);
    faults_resume(paused);
    rc = commit_schema_try(fixture->store, encoded, bytes, &is_changed);
    free(encoded);
    assert_true(rc != 0 || is_changed);
    return rc;
}

static int poison(void *user)
{
    struct store_fixture *fixture = user;
    return commit_poison(fixture->store, meta_before.committed_seq + 3, &fixture->meta);
}

static void a_try_or_a_death_counted_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    rows_set_schema(fixture, rows_board);
    changes_add(fixture);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    meta_before = fixture->meta;
    fail_each(fixture, schema_try, check_unchanged);
    assert_int_equal(rows_current(fixture)->version, 1);
    fail_each(fixture, poison, check_unchanged);
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
    faults_arm_death(nth);
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

        assert_true(nth < DEATHS_MAX);
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

static int trim(void *user)
{
    struct store_fixture *fixture = user;
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
        fail_each(fixture, trim, check_unchanged);
    }
    assert_int_equal(fixture->meta.log_count, 1);
    assert_int_equal(commit_trim(fixture->store, &keep_all, &fixture->meta), 0);
}

static int new_epoch(void *user)
{
    struct store_fixture *fixture = user;
    return commit_new_epoch(fixture->store, 77, &fixture->meta);
}

static int clean_mark(void *user)
{
    struct store_fixture *fixture = user;
    return commit_clean_mark(fixture->store, true, &fixture->meta);
}

static void an_epoch_or_a_mark_that_fails_anywhere_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_commit_event(fixture, "a", 10);
    meta_before = fixture->meta;
    fail_each(fixture, new_epoch, check_unchanged);
    assert_int_equal(fixture->meta.epoch, 77);
    meta_before = fixture->meta;
    fail_each(fixture, clean_mark, check_unchanged);
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

static int read_rows(void *user)
{
    struct store_fixture *fixture = user;
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
    fail_each(fixture, read_rows, NULL);
}

static int read_everything(void *user)
{
    struct store_fixture *fixture = user;
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
    fail_each(fixture, read_everything, NULL);
    store_fixture_check_whole(fixture->store);
}

/* --- space -------------------------------------------------------------------------------------- */

static int ballast_cycle(void *user)
{
    struct store_fixture *fixture = user;
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

/* tmpfs says so when the process was stopped meanwhile: no reason to end the writer. */
static void interrupted_it_is_made(void *user, int rc)
{
    (void)user;
    if (strcmp(faults_name(), "posix_fallocate64") == 0 && faults_error() == EINTR)
        assert_int_equal(rc, 0);
}

static void a_ballast_that_fails_anywhere_can_be_made_again(void **state)
{
    /* One that cannot be looked at is made anew. */
    fail_each_but(*state, ballast_cycle, interrupted_it_is_made, "fstatat64");
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

    return faults_main(tests, sizeof tests / sizeof tests[0]);
}
