/* A snapshot is a whole store of its own, or it is not there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/layout.h"
#include "store/log.h"
#include "store/snapshot.h"
#include "store/verify.h"
#include "tests/unit/store_sample.h"

enum {
    PATH_BYTES = 2 * STORE_FIXTURE_DIR_BYTES,
};

static struct verify_report report; /* of the last snapshot */

/* The original, and a directory for what is made of it. */
struct copies {
    struct store_fixture *original; /* open */
    struct store_fixture *place;    /* an empty directory: DEST, or where it shall be */
    char dest[PATH_BYTES];          /* in place: not there yet */
};

static int copies_setup(void **state)
{
    static struct copies copies;

    copies.original = store_fixture_new(NULL);
    copies.place = store_fixture_new(NULL);
    (void)snprintf(copies.dest, sizeof copies.dest, "%s/copy", copies.place->dir); /* fits */
    assert_int_equal(store_fixture_open(copies.original), 0);
    sample_fill(copies.original);
    *state = &copies;
    return 0;
}

static int copies_teardown(void **state)
{
    struct copies *copies = *state;

    store_fixture_free(copies->original);
    store_fixture_free(copies->place);
    return 0;
}

static int make(const struct copies *copies, const char *dest, struct snapshot *ret_snapshot)
{
    const struct snapshot_options options = {.data_dir = copies->original->dir, .dest = dest};

    memset(&report, 0, sizeof report);
    return snapshot_make(&options, ret_snapshot, &report);
}

/* How many names there are in @path. */
static int names_count(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir); /* only read */
    return count - 2;
}

static void expect_nothing_left(const struct copies *copies)
{
    assert_int_equal(names_count(copies->place->dir), 0);
}

/* The copy as a fixture, open for writing; free it first. */
static struct store_fixture *copy_open(const char *dest)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    assert_int_equal(rmdir(fixture->dir), 0);
    assert_int_equal(rename(dest, fixture->dir), 0);
    assert_int_equal(store_fixture_open(fixture), 0);
    return fixture;
}

/* --- what it is ------------------------------------------------------------------------------- */

static void it_has_everything_of_the_original_and_a_number_of_its_own(void **state)
{
    struct copies *copies = *state;
    struct snapshot snapshot;
    struct store_fixture *copy;

    assert_int_equal(commit_clean_mark(copies->original->store, true, &copies->original->meta), 0);
    assert_int_equal(make(copies, copies->dest, &snapshot), 0);
    assert_int_equal(report.problem_count, 0);
    assert_int_equal(report.last_seq, copies->original->meta.committed_seq);
    assert_int_equal(report.store_id, snapshot.store_id);
    assert_int_equal(snapshot.original_id, copies->original->meta.store_id);
    assert_false(snapshot.is_served);
    assert_int_equal(snapshot.first_seq, copies->original->meta.first_seq);
    assert_int_equal(snapshot.last_seq, copies->original->meta.committed_seq);
    assert_int_equal(snapshot.epoch, 13);
    assert_int_equal(report.file_bytes, snapshot.bytes);
    assert_int_equal(names_count(copies->place->dir), 1);
    assert_int_equal(names_count(copies->dest), 2); /* id, store */
    copy = copy_open(copies->dest);
    store_fixture_check_whole(copy->store);
    assert_int_equal(sample_digest(copy->store), sample_digest(copies->original->store));
    assert_int_equal(copy->meta.store_id, snapshot.store_id);
    assert_int_not_equal(copy->meta.store_id, copies->original->meta.store_id);
    assert_int_equal(copies->original->meta.is_clean, 1);
    assert_int_equal(copy->meta.is_clean, 0); /* a server begins a new epoch */
    store_fixture_free(copy);
}

static enum epoch_verdict judge(struct store_fixture *fixture, uint64_t epoch, uint64_t seq)
{
    enum epoch_verdict verdict;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(
        log_epoch_judge(fixture->store, epoch, seq, fixture->meta.committed_seq, &verdict), 0);
    store_snapshot_end(fixture->store);
    return verdict;
}

static void tokens_of_the_original_are_good_as_far_as_it_goes(void **state)
{
    struct copies *copies = *state;
    struct snapshot snapshot;
    struct store_fixture *copy;

    assert_int_equal(make(copies, copies->dest, &snapshot), 0);
    store_fixture_commit_event(copies->original, "busy", 10); /* not in the copy */
    copy = copy_open(copies->dest);
    /* What a server does that finds no ring for a store that is not marked clean. */
    assert_int_equal(commit_new_epoch(copy->store, 99, &copy->meta), 0);
    store_fixture_commit_event(copy, "busy", 20);
    assert_int_equal(copy->meta.committed_seq, copies->original->meta.committed_seq);
    assert_int_equal(judge(copy, 13, snapshot.last_seq), EPOCH_GOOD);
    assert_int_equal(judge(copy, 13, snapshot.last_seq + 1), EPOCH_PAST);
    assert_int_equal(judge(copy, 99, snapshot.last_seq + 1), EPOCH_GOOD);
    assert_int_equal(judge(copies->original, 99, snapshot.last_seq + 1), EPOCH_UNKNOWN);
    store_fixture_check_whole(copy->store);
    store_fixture_free(copy);
}

static void a_command_that_ended_the_originals_writer_is_not_held_against_the_copys(void **state)
{
    struct copies *copies = *state;
    struct store_fixture *original = copies->original;
    uint64_t seq = original->meta.committed_seq + 1;
    struct snapshot snapshot;
    struct store_fixture *copy;

    assert_int_equal(commit_poison(original->store, seq, &original->meta), 0);
    assert_int_equal(commit_poison(original->store, seq, &original->meta), 0);
    assert_int_equal(original->meta.poison_deaths, 2);
    assert_int_equal(make(copies, copies->dest, &snapshot), 0);
    copy = copy_open(copies->dest);
    assert_int_equal(copy->meta.poison_seq, 0);
    assert_int_equal(copy->meta.poison_deaths, 0);
    store_fixture_free(copy);
}

static void an_empty_store_can_be_copied(void **state)
{
    struct copies *copies = *state;
    struct copies empty = *copies;
    struct snapshot snapshot;

    empty.original = store_fixture_new(NULL);
    assert_int_equal(store_fixture_open(empty.original), 0);
    assert_int_equal(make(&empty, copies->dest, &snapshot), 0);
    assert_int_equal(snapshot.last_seq, 0);
    store_fixture_free(empty.original);
}

static void its_files_have_the_modes_of_the_originals(void **state)
{
    static const char *const names[] = {"", "/id", "/store", "/store/data.mdb"};
    struct copies *copies = *state;
    mode_t mask = umask(077);
    char path[PATH_BYTES + 32];
    struct snapshot snapshot;

    assert_int_equal(chmod(copies->original->dir, 0710), 0);
    assert_int_equal(make(copies, copies->dest, &snapshot), 0);
    (void)umask(mask);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat original;
        struct stat copy;

        (void)snprintf(path, sizeof path, "%s%s", copies->original->dir, names[i]); /* fits */
        assert_int_equal(stat(path, &original), 0);
        (void)snprintf(path, sizeof path, "%s%s", copies->dest, names[i]);
        assert_int_equal(stat(path, &copy), 0);
        assert_int_equal(copy.st_mode, original.st_mode);
        assert_int_equal(copy.st_uid, original.st_uid);
    }
}

/* --- where it goes ---------------------------------------------------------------------------- */

static void an_empty_directory_is_filled_and_stays_itself(void **state)
{
    struct copies *copies = *state;
    char path[PATH_BYTES + 8];
    struct snapshot snapshot;
    struct stat before;
    struct stat after;

    assert_int_equal(mkdir(copies->dest, 0705), 0);
    assert_int_equal(stat(copies->dest, &before), 0);
    (void)snprintf(path, sizeof path, "%s///", copies->dest); /* fits */
    assert_int_equal(make(copies, path, &snapshot), 0);
    assert_int_equal(stat(copies->dest, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(names_count(copies->dest), 2); /* id, store */
    store_fixture_free(copy_open(copies->dest));
}

static void a_destination_that_will_not_do_is_refused(void **state)
{
    struct copies *copies = *state;
    char path[PATH_BYTES + 16];
    char long_name[5000];
    struct snapshot snapshot;
    int fd;

    assert_int_equal(make(copies, copies->original->dir, &snapshot), -ENOTEMPTY);
    assert_non_null(strstr(store_error_text(), "is not empty"));
    (void)snprintf(path, sizeof path, "%s/nowhere/copy", copies->place->dir); /* fits */
    assert_int_equal(make(copies, path, &snapshot), -ENOENT);
    assert_int_equal(make(copies, "", &snapshot), -ENAMETOOLONG);
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(make(copies, long_name, &snapshot), -ENAMETOOLONG);
    long_name[300] = '\0';
    assert_int_equal(make(copies, long_name, &snapshot), -ENAMETOOLONG);
    expect_nothing_left(copies);
    fd = open(copies->dest, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(make(copies, copies->dest, &snapshot), -ENOTDIR);
    assert_int_equal(names_count(copies->place->dir), 1);
}

static void an_original_that_is_none_leaves_nothing(void **state)
{
    struct copies *copies = *state;
    struct snapshot_options options = {.data_dir = "/nowhere/at/all", .dest = copies->dest};
    struct snapshot snapshot;

    assert_int_equal(snapshot_make(&options, &snapshot, &report), -ENOENT);
    assert_non_null(strstr(store_error_text(), "/nowhere/at/all"));
    options.data_dir = copies->place->dir;
    assert_int_equal(snapshot_make(&options, &snapshot, &report), -ENOENT);
    assert_non_null(strstr(store_error_text(), "not a data directory"));
    expect_nothing_left(copies);
}

/* --- beside a writer -------------------------------------------------------------------------- */

/* A server: it has the lock, or takes it now, and goes on committing while it is copied. */
struct server {
    struct store_fixture *fixture;
    int lock;
    int left; /* commits of this turn */
};

static bool serve(void *user, enum snapshot_phase phase, uint64_t done, uint64_t total)
{
    struct server *server = user;
    const struct retention retention = {.count = 50};

    (void)phase;
    (void)done;
    (void)total;
    assert_int_equal(flock(server->lock, LOCK_EX | LOCK_NB), 0);
    if (server->left > 0) {
        (void)store_fixture_add_event(server->fixture, "busy", 300);
        (void)store_fixture_add_event(server->fixture, "other", 3000);
        assert_int_equal(store_fixture_commit(server->fixture, &retention), 0);
        server->left--;
    }
    return true;
}

static void it_is_one_moment_of_a_store_that_is_written(void **state)
{
    struct copies *copies = *state;
    struct server server = {.fixture = copies->original};
    const struct snapshot_options options = {
        .data_dir = copies->original->dir,
        .dest = copies->dest,
        .on_progress = serve,
        .user = &server,
    };
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/lock", copies->original->dir); /* fits */
    server.lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_true(server.lock >= 0);
    for (int i = 0; i < 6; i++) {
        uint64_t seq = server.fixture->meta.committed_seq;
        struct store_fixture *copy;
        struct snapshot snapshot;

        server.left = 30;
        assert_int_equal(flock(server.lock, i % 2 == 0 ? LOCK_EX | LOCK_NB : LOCK_UN), 0);
        assert_int_equal(snapshot_make(&options, &snapshot, &report), 0);
        assert_int_equal(report.problem_count, 0);
        assert_in_range(snapshot.last_seq, seq, server.fixture->meta.committed_seq);
        assert_true(server.fixture->meta.committed_seq > seq);
        copy = copy_open(copies->dest);
        store_fixture_check_whole(copy->store);
        store_fixture_free(copy);
    }
    assert_int_equal(close(server.lock), 0);
    store_fixture_check_whole(server.fixture->store);
}

/* --- what goes wrong leaves nothing ------------------------------------------------------------ */

static bool stop_at(void *user, enum snapshot_phase phase, uint64_t done, uint64_t total)
{
    const enum snapshot_phase *stop = user;

    (void)done;
    (void)total;
    return phase != *stop;
}

static void it_can_be_interrupted(void **state)
{
    struct copies *copies = *state;
    enum snapshot_phase phase;
    const struct snapshot_options options = {
        .data_dir = copies->original->dir,
        .dest = copies->dest,
        .on_progress = stop_at,
        .user = &phase,
    };
    struct snapshot snapshot;

    for (phase = SNAPSHOT_COPY; phase <= SNAPSHOT_CHECK; phase++) {
        assert_int_equal(snapshot_make(&options, &snapshot, &report), -ECANCELED);
        expect_nothing_left(copies);
    }
}

static void a_file_that_may_not_grow_leaves_nothing(void **state)
{
    struct copies *copies = *state;
    struct rlimit before;
    struct rlimit limit;
    struct snapshot snapshot;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    (void)signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes < 250000; bytes += 50000) {
        limit.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(make(copies, copies->dest, &snapshot), -ENOSPC);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        expect_nothing_left(copies);
    }
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(make(copies, copies->dest, &snapshot), 0);
}

static void a_damaged_original_is_copied_only_when_asked_for(void **state)
{
    struct copies *copies = *state;
    struct snapshot_options options = {.data_dir = copies->original->dir, .dest = copies->dest};
    struct snapshot snapshot;

    store_fixture_close(copies->original);
    assert_true(store_fixture_damage(copies->original, "largeooo", "largeoxo", 8));
    assert_int_equal(snapshot_make(&options, &snapshot, &report), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "the copy is damaged"));
    assert_true(report.problem_count > 0);
    expect_nothing_left(copies);
    options.is_unchecked = true;
    assert_int_equal(snapshot_make(&options, &snapshot, &report), 0);
    assert_int_equal(verify_store(copies->dest, NULL, NULL, &report), 0);
    assert_true(report.problem_count > 0);
    store_fixture_free(copy_open(copies->dest));
}

static void pages_that_were_lost_do_not_hinder_it(void **state)
{
    struct copies *copies = *state;
    struct snapshot_options options = {.data_dir = copies->original->dir, .dest = copies->dest};
    uint64_t digest = sample_digest(copies->original->store);
    struct sample_head head;
    struct store_fixture *copy;
    char path[PATH_BYTES];
    struct snapshot snapshot;
    uint64_t count;
    off_t at;
    int fd;

    store_fixture_close(copies->original);
    (void)snprintf(path, sizeof path, "%s/%s", copies->original->dir, STORE_FILE_DATA); /* fits */
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    head = sample_head_read(fd);
    at = sample_free_list_at(fd, &head, &count);
    count--; /* one is neither free nor used */
    assert_int_equal(pwrite(fd, &count, sizeof count, at - 8), 8);
    assert_int_equal(close(fd), 0);
    assert_int_equal(snapshot_make(&options, &snapshot, &report), -EBADMSG);
    assert_int_equal(report.problem_count, 1);
    expect_nothing_left(copies);
    options.is_unchecked = true;
    assert_int_equal(snapshot_make(&options, &snapshot, &report), 0);
    copy = copy_open(copies->dest);
    assert_int_equal(sample_digest(copy->store), digest);
    store_fixture_free(copy);
}

static void an_original_that_was_cut_is_an_error(void **state)
{
    struct copies *copies = *state;
    char path[PATH_BYTES];
    struct snapshot snapshot;

    store_fixture_close(copies->original);
    (void)snprintf(path, sizeof path, "%s/%s", copies->original->dir, STORE_FILE_DATA); /* fits */
    assert_int_equal(truncate(path, 12288), 0);
    assert_int_equal(make(copies, copies->dest, &snapshot), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "damaged"));
    expect_nothing_left(copies);
}

int main(void)
{
#define SNAPSHOT_TEST(name) cmocka_unit_test_setup_teardown(name, copies_setup, copies_teardown)
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(it_has_everything_of_the_original_and_a_number_of_its_own),
        SNAPSHOT_TEST(tokens_of_the_original_are_good_as_far_as_it_goes),
        SNAPSHOT_TEST(a_command_that_ended_the_originals_writer_is_not_held_against_the_copys),
        SNAPSHOT_TEST(an_empty_store_can_be_copied),
        SNAPSHOT_TEST(its_files_have_the_modes_of_the_originals),
        SNAPSHOT_TEST(an_empty_directory_is_filled_and_stays_itself),
        SNAPSHOT_TEST(a_destination_that_will_not_do_is_refused),
        SNAPSHOT_TEST(an_original_that_is_none_leaves_nothing),
        SNAPSHOT_TEST(it_is_one_moment_of_a_store_that_is_written),
        SNAPSHOT_TEST(it_can_be_interrupted),
        SNAPSHOT_TEST(a_file_that_may_not_grow_leaves_nothing),
        SNAPSHOT_TEST(a_damaged_original_is_copied_only_when_asked_for),
        SNAPSHOT_TEST(pages_that_were_lost_do_not_hinder_it),
        SNAPSHOT_TEST(an_original_that_was_cut_is_an_error),
    };

    return cmocka_run_group_tests_name("store snapshot", tests, NULL, NULL);
}
