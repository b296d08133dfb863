/* Whole stores of many kinds, looked at beside a writer and alone; damaged files, flipped bits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/layout.h"
#include "store/verify.h"
#include "tests/unit/store_fixture_rows.h"
#include "tests/unit/store_sample.h"

enum {
    FLIPS = 150,
    PATH_BYTES = STORE_FIXTURE_DIR_BYTES + 32,
};

static struct verify_report report; /* of the last look */

static int look(const struct store_fixture *fixture)
{
    memset(&report, 0, sizeof report);
    return verify_store(fixture->dir, NULL, NULL, &report);
}

static void expect_whole(const struct store_fixture *fixture)
{
    int rc = look(fixture);

    if (rc != 0)
        fail_msg("%d: %s", rc, store_error_text());
    for (uint64_t i = 0; i < report.problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        print_error("  %s: %s\n", verify_part_name(report.problems[i].part),
                    report.problems[i].text);
    assert_int_equal(report.problem_count, 0);
}

static void expect_problem(const struct store_fixture *fixture, enum verify_part part,
                           const char *words)
{
    assert_int_equal(look(fixture), 0);
    for (uint64_t i = 0; i < report.problem_count && i < VERIFY_PROBLEMS_MAX; i++) {
        if (report.problems[i].part == part && strstr(report.problems[i].text, words) != NULL)
            return;
        print_error("  %s: %s\n", verify_part_name(report.problems[i].part),
                    report.problems[i].text);
    }
    fail_msg("nobody says '%s'", words);
}

static const char *path_of(const struct store_fixture *fixture, const char *name)
{
    static char path[PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/%s", fixture->dir, name); /* fits */
    return path;
}

/* --- whole ones ------------------------------------------------------------------------------- */

static void an_empty_store_is_whole(void **state)
{
    expect_whole(*state);
    assert_int_equal(report.first_seq, 1);
    assert_int_equal(report.last_seq, 0);
    assert_int_equal(report.block_count, 0);
}

static void a_store_with_everything_is_whole_and_counted(void **state)
{
    struct store_fixture *fixture = *state;

    sample_fill(fixture);
    expect_whole(fixture);
    assert_int_equal(report.store_id, fixture->meta.store_id);
    assert_int_equal(report.epoch, 13);
    assert_int_equal(report.epoch_count, 3);
    assert_int_equal(report.first_seq, fixture->meta.first_seq);
    assert_int_equal(report.last_seq, fixture->meta.committed_seq);
    assert_int_equal(report.last_time_ns, fixture->meta.committed_time_ns);
    assert_int_equal(report.operation_count, fixture->meta.log_count);
    assert_int_equal(report.log_bytes, fixture->meta.log_bytes);
    assert_int_equal(report.table_count, 2);
    assert_int_equal(report.row_count, SAMPLE_ROWS - 1 + 2);
    assert_int_equal(report.index_entry_count, (SAMPLE_ROWS - 1) * 3 + 2);
    assert_true(report.trimmed_count > 0);
    assert_true(report.topic_count > SAMPLE_TOPICS);
    assert_true(report.free_page_count > 0);
    assert_true(report.page_count > report.free_page_count);
    assert_false(report.is_clean);
    assert_false(report.is_served);
    assert_int_equal(commit_clean_mark(fixture->store, true, &fixture->meta), 0);
    expect_whole(fixture);
    assert_true(report.is_clean);
}

static void thousands_of_topics_and_much_trimming_are_whole(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.bytes = UINT64_C(400) * 1024};
    uint64_t random = 7;

    for (int commit = 0; commit < 40; commit++) {
        for (int i = 0; i < 300; i++) {
            char name[32];

            (void)snprintf(name, sizeof name, "topic %d",
                           (int)(store_fixture_random(&random) % 4000));
            (void)store_fixture_add_event(fixture, name, i % 100 == 99 ? 70000 : 100);
        }
        assert_int_equal(store_fixture_commit(fixture, &retention), 0);
    }
    expect_whole(fixture);
    assert_true(report.first_seq > 1);
    assert_true(report.trimmed_count > 1000);
    assert_true(report.topic_count > 100);
}

static void a_changed_schema_is_whole(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct rows_table changed[] = {
        {
            .name = "Message",
            .columns = {{"authorId", .kind = COLUMN_INT, .is_required = true},
                        {"content", .kind = COLUMN_STRING, .is_required = true},
                        {"createdAt", .kind = COLUMN_DATETIME, .is_required = true,
                         .now = COLUMN_NOW_CREATE},
                        {"updatedAt", .kind = COLUMN_DATETIME, .is_required = true,
                         .now = COLUMN_NOW_WRITE},
                        {"likes", .kind = COLUMN_INT, .is_required = true, .default_json = "0"}},
            .indexes = {{.ordered = {"likes"}}, {.equal = {"authorId"}}},
        },
        {.name = NULL},
    };

    rows_set_schema(fixture, rows_board);
    for (int i = 0; i < 20; i++) {
        (void)rows_run(fixture, &rows_create_message);
        (void)rows_run(fixture, &rows_create_comment);
    }
    expect_whole(fixture);
    rows_set_schema(fixture, changed);
    (void)rows_run(fixture, &rows_create_message);
    store_snapshot_end(fixture->store);
    expect_whole(fixture);
    assert_int_equal(report.table_count, 1);
    assert_int_equal(report.row_count, 41);
    assert_int_equal(report.index_entry_count, 42);
    rows_set_schema(fixture, rows_board);
    store_snapshot_end(fixture->store);
    expect_whole(fixture);
}

/* --- beside a writer, and alone --------------------------------------------------------------- */

/* What everything in the directory is: names, sizes, times. */
static void files_describe(const struct store_fixture *fixture, char *out, size_t out_bytes)
{
    static const char *const dirs[] = {".", STORE_DIR};
    size_t used = 0;

    for (size_t i = 0; i < 2; i++) {
        DIR *dir = opendir(path_of(fixture, dirs[i]));
        uint64_t sum = 0;
        struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
            struct stat status;

            if (strcmp(entry->d_name, "..") == 0)
                continue;
            assert_int_equal(fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW), 0);
            for (const char *c = entry->d_name; *c != '\0'; c++)
                sum += (uint64_t)*c * 31;
            sum += (uint64_t)status.st_size + (uint64_t)status.st_mtim.tv_nsec + status.st_mode +
                   (uint64_t)status.st_ctim.tv_nsec;
        }
        (void)closedir(dir); /* only read */
        used += (size_t)snprintf(out + used, out_bytes - used, "%s %llu ", dirs[i],
                                 (unsigned long long)sum);
    }
}

static void a_stopped_store_is_left_as_it_was(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fixture *copy;
    char before[256];
    char after[256];

    sample_fill(fixture);
    copy = sample_copy(fixture); /* it has no lock file */
    store_fixture_close(fixture);
    for (int i = 0; i < 2; i++) {
        struct store_fixture *here = i == 0 ? fixture : copy;

        files_describe(here, before, sizeof before);
        expect_whole(here);
        files_describe(here, after, sizeof after);
        assert_string_equal(before, after);
    }
    assert_int_not_equal(access(path_of(copy, STORE_DIR "/lock.mdb"), F_OK), 0);
    store_fixture_free(copy);
}

/* A server: it has the lock, or takes it now, and goes on committing while the child looks. */
struct server {
    struct store_fixture *fixture;
    int lock;
    int left; /* commits of this visit, which are more than it takes */
};

static bool serve(void *user, uint64_t done, uint64_t total)
{
    struct server *server = user;
    struct store_fixture *fixture = server->fixture;
    const struct retention retention = {.count = 50};

    (void)done;
    (void)total;
    assert_int_equal(flock(server->lock, LOCK_EX | LOCK_NB), 0);
    if (server->left > 0) {
        (void)store_fixture_add_event(fixture, "busy", 300);
        (void)store_fixture_add_event(fixture, server->left % 2 != 0 ? "one" : "two", 3000);
        assert_int_equal(store_fixture_commit(fixture, &retention), 0);
        server->left--;
    }
    return true;
}

static void a_store_is_whole_while_it_is_written(void **state)
{
    struct server server = {.fixture = *state};
    uint64_t seq;

    sample_fill(server.fixture);
    seq = server.fixture->meta.committed_seq;
    server.lock = open(path_of(server.fixture, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_true(server.lock >= 0);
    for (int i = 0; i < 10; i++) {
        /* There from the beginning, or started while it is looked at. */
        bool is_there = i % 2 == 0;

        server.left = 40;
        assert_int_equal(flock(server.lock, is_there ? LOCK_EX | LOCK_NB : LOCK_UN), 0);
        assert_int_equal(verify_store(server.fixture->dir, serve, &server, &report), 0);
        if (report.problem_count > 0)
            fail_msg("%s: %s", verify_part_name(report.problems[0].part), report.problems[0].text);
        assert_true(report.is_served || !is_there);
    }
    assert_true(server.fixture->meta.committed_seq > seq);
    assert_int_equal(close(server.lock), 0);
    store_fixture_check_whole(server.fixture->store);
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return false;
}

static void a_look_can_be_interrupted(void **state)
{
    struct store_fixture *fixture = *state;

    sample_fill(fixture);
    assert_int_equal(verify_store(fixture->dir, stop, NULL, &report), -ECANCELED);
}

struct seen {
    uint64_t done;
    uint64_t total;
    int count;
};

static bool see(void *user, uint64_t done, uint64_t total)
{
    struct seen *seen = user;

    assert_true(done >= seen->done);
    assert_true(done <= total);
    seen->done = done;
    seen->total = total;
    seen->count++;
    return true;
}

static void progress_goes_up_to_all_of_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct seen seen = {.count = 0};

    sample_fill(fixture);
    assert_int_equal(verify_store(fixture->dir, see, &seen, &report), 0);
    assert_true(seen.count > 10);
    assert_int_equal(seen.done, seen.total);
}

/* --- what is none, or damaged as a file -------------------------------------------------------- */

static void what_is_no_store_is_told_apart(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fixture *empty = store_fixture_new(NULL);
    int fd;

    assert_int_equal(verify_store("/nowhere/at/all", NULL, NULL, &report), -ENOENT);
    assert_non_null(strstr(store_error_text(), "/nowhere/at/all"));
    assert_int_equal(look(empty), -ENOENT);
    assert_non_null(strstr(store_error_text(), "not a data directory"));
    store_fixture_free(empty);

    store_fixture_close(fixture);
    fd = open(path_of(fixture, STORE_FILE_DATA), O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(look(fixture), -ENOENT);
    assert_non_null(strstr(store_error_text(), "no store yet"));
    assert_int_equal(pwrite(fd, "x", 1, 100000), 1); /* zeros, and an x */
    expect_problem(fixture, VERIFY_FILE, "nothing else could be looked at");
    assert_int_equal(close(fd), 0);
    fd = open(path_of(fixture, STORE_FILE_ID), O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(look(fixture), -EINVAL);
}

static void a_file_that_was_cut_is_named(void **state)
{
    struct store_fixture *fixture = *state;
    struct stat file;

    sample_fill(fixture);
    store_fixture_close(fixture);
    assert_int_equal(stat(path_of(fixture, STORE_FILE_DATA), &file), 0);
    for (off_t size = file.st_size - 1; size > 10000; size -= 10001) {
        assert_int_equal(truncate(path_of(fixture, STORE_FILE_DATA), size), 0);
        assert_int_equal(look(fixture), 0);
        assert_true(report.problem_count > 0); /* no whole pages, at least */
    }
    assert_int_equal(truncate(path_of(fixture, STORE_FILE_DATA), 8192), 0);
    expect_problem(fixture, VERIFY_FILE, "was cut: it has 8192 bytes");
}

static void a_head_that_is_not_the_next_is_named(void **state)
{
    struct store_fixture *fixture = *state;
    struct sample_head head;
    int fd;

    sample_fill(fixture);
    store_fixture_close(fixture);
    fd = open(path_of(fixture, STORE_FILE_DATA), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    head = sample_head_read(fd);
    head.number -= 4; /* the other one is taken: the state before the last commit */
    assert_int_equal(pwrite(fd, &head.number, 8, head.at + 144), 8);
    assert_int_equal(close(fd), 0);
    expect_problem(fixture, VERIFY_FILE, "the last commit may be lost");
}

static void pages_that_are_misplaced_are_named(void **state)
{
    static const struct {
        int kind;
        const char *words;
    } cases[] = {
        {0, "on the list of free ones twice"},
        {1, "but the file's are 2 to"},
        {2, "lies on a page that is on the list of free ones"},
        {3, "is damaged"},
        {4, "not as many as there are"},
        {5, "has another number in its head"},
    };
    struct store_fixture *fixture = *state;

    sample_fill(fixture);
    store_fixture_close(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_fixture *copy = sample_copy(fixture);
        int fd = open(path_of(copy, STORE_FILE_DATA), O_RDWR | O_CLOEXEC);
        uint64_t count = 0;
        uint64_t value = 1; /* of the free list's first page, unless it says otherwise below */
        struct sample_head head;
        off_t at;

        assert_true(fd >= 0);
        head = sample_head_read(fd);
        at = sample_free_list_at(fd, &head, &count);
        assert_in_range(count, 2, 100);
        if (cases[i].kind == 0)
            assert_int_equal(pread(fd, &value, 8, at + 8), 8);
        if (cases[i].kind == 2)
            value = sample_state_page(fd, &head);
        if (cases[i].kind == 3)
            value = 1 << 20;
        if (cases[i].kind == 4)
            value = count - 1;
        if (cases[i].kind >= 3)
            at -= 8;
        if (cases[i].kind == 5)
            at = (off_t)sample_state_page(fd, &head) * 4096;
        assert_int_equal(pwrite(fd, &value, 8, at), 8);
        assert_int_equal(close(fd), 0);
        expect_problem(copy, VERIFY_FILE, cases[i].words);
        store_fixture_free(copy);
    }
}

/* --- anything may be flipped ------------------------------------------------------------------- */

static void a_flipped_bit_is_noticed_or_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t random = 4711;
    uint64_t digest;
    int whole_count = 0;
    struct stat file;

    sample_fill(fixture);
    digest = sample_digest(fixture->store);
    store_fixture_close(fixture);
    assert_int_equal(stat(path_of(fixture, STORE_FILE_DATA), &file), 0);
    for (int i = 0; i < FLIPS; i++) {
        struct store_fixture *copy = sample_copy(fixture);
        int fd = open(path_of(copy, STORE_FILE_DATA), O_RDWR | O_CLOEXEC);
        off_t at = (off_t)(store_fixture_random(&random) % (uint64_t)file.st_size);
        uint8_t byte;
        int rc;

        if (i % 5 == 0)
            at = at % 8192; /* the heads */
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= (uint8_t)(1U << store_fixture_random(&random) % 8);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(close(fd), 0);
        rc = look(copy);
        if (rc == 0 && report.problem_count == 0) {
            struct store *reader = store_fixture_open_reader(copy);

            whole_count++;
            if (sample_digest(reader) != digest)
                fail_msg("the bit flipped at %lld is not noticed", (long long)at);
            store_close(reader);
        }
        store_fixture_free(copy);
    }
    assert_in_range(whole_count, 1, FLIPS - 1); /* of free pages, of room between entries */
}

static void problems_are_counted_when_they_are_too_many_to_tell(void **state)
{
    struct store_fixture *fixture = *state;
    MDB_txn *txn = NULL;
    char name[32];
    MDB_val key;
    MDB_val data = val_of("1", 1);

    assert_int_equal(mdb_txn_begin(fixture->store->mdb, NULL, 0, &txn), 0);
    for (int i = 0; i < VERIFY_PROBLEMS_MAX + 50; i++) {
        (void)snprintf(name, sizeof name, "stranger %d", i);
        key = val_of(name, strlen(name));
        assert_int_equal(mdb_put(txn, fixture->store->db.meta, &key, &data, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(look(fixture), 0);
    assert_int_equal(report.problem_count, VERIFY_PROBLEMS_MAX + 50);
}

int main(void)
{
#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_empty_store_is_whole),
        STORE_TEST(a_store_with_everything_is_whole_and_counted),
        STORE_TEST(thousands_of_topics_and_much_trimming_are_whole),
        STORE_TEST(a_changed_schema_is_whole),
        STORE_TEST(a_stopped_store_is_left_as_it_was),
        STORE_TEST(a_store_is_whole_while_it_is_written),
        STORE_TEST(a_look_can_be_interrupted),
        STORE_TEST(progress_goes_up_to_all_of_it),
        STORE_TEST(what_is_no_store_is_told_apart),
        STORE_TEST(a_file_that_was_cut_is_named),
        STORE_TEST(a_head_that_is_not_the_next_is_named),
        STORE_TEST(pages_that_are_misplaced_are_named),
        STORE_TEST(a_flipped_bit_is_noticed_or_changes_nothing),
        STORE_TEST(problems_are_counted_when_they_are_too_many_to_tell),
    };

    return cmocka_run_group_tests_name("store verify", tests, NULL, NULL);
}
