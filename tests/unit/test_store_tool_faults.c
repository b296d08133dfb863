/*
 * verify_store and snapshot_make with each of their calls failing (faults.h), in the process that asks
 * and in the one that they read the store in.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/env.h"
#include "store/layout.h"
#include "store/snapshot.h"
#include "store/verify.h"
#include "tests/unit/faults.h"
#include "tests/unit/store_sample.h"

enum {
    PATH_BYTES = 2 * STORE_FIXTURE_DIR_BYTES,
};

/* The original, and a directory for what is made of it. */
struct tools {
    struct store_fixture *original; /* closed: nobody has it */
    struct store_fixture *place;    /* an empty directory */
    char dest[PATH_BYTES];
    bool is_dest_made; /* before each snapshot */
    struct verify_report report;
};

static int tools_setup(void **state)
{
    static struct tools tools;

    tools.original = store_fixture_new(NULL);
    tools.place = store_fixture_new(NULL);
    tools.is_dest_made = false;
    (void)snprintf(tools.dest, sizeof tools.dest, "%s/copy", tools.place->dir); /* fits */
    assert_int_equal(store_fixture_open(tools.original), 0);
    sample_fill(tools.original);
    store_fixture_close(tools.original);
    *state = &tools;
    return 0;
}

static int tools_teardown(void **state)
{
    struct tools *tools = *state;

    store_fixture_free(tools->original);
    store_fixture_free(tools->place);
    return 0;
}

/* --- verify --------------------------------------------------------------------------------- */

/* What was met in reading is a problem of the store as far as anybody can tell; never is it whole. */
static int verify(void *user)
{
    struct tools *tools = user;
    int rc;

    memset(&tools->report, 0, sizeof tools->report);
    rc = verify_store(tools->original->dir, NULL, NULL, &tools->report);
    if (rc == 0 && tools->report.problem_count > 0)
        return FAULTS_TOLD;
    return rc;
}

static void a_check_that_fails_anywhere_never_says_that_all_is_well(void **state)
{
    const struct faults_run run = {
        .operation = verify,
        .error_text = store_error_text,
        /*
         * Whether a server has it is not known then, and it is read as if one had; nor is how far it is,
         * and how much there is.
         */
        .may_do_without = "open64 flock poll read write mdb_env_info mdb_stat",
        .user = *state,
        .has_children = true,
    };

    faults_run(&run);
}

/* --- snapshot ------------------------------------------------------------------------------- */

static int copy(void *user)
{
    struct tools *tools = user;
    const struct snapshot_options options = {
        .data_dir = tools->original->dir,
        .dest = tools->dest,
        .is_unchecked = true, /* checks have a test of their own */
    };
    struct snapshot snapshot;
    int paused = faults_pause();

    if (tools->is_dest_made)
        assert_int_equal(mkdir(tools->dest, 0750), 0);
    faults_resume(paused);
    memset(&tools->report, 0, sizeof tools->report);
    return snapshot_make(&options, &snapshot, &tools->report);
}

static int names_count(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    if (dir == NULL)
        return -1;
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir); /* only read */
    return count - 2;
}

/* The directory that the copy was made in, which could not be removed: it is in nobody's way. */
static void remove_emptied(const char *dest)
{
    char path[PATH_BYTES + 32];
    struct dirent *entry;
    DIR *dir = opendir(dest);

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%.30s", dest, entry->d_name); /* fits */
        if (strncmp(entry->d_name, "snapshot.", 9) == 0)
            assert_int_equal(rmdir(path), 0);
    }
    (void)closedir(dir); /* only read */
}

/* Whole, and away with it. */
static void take_away(struct tools *tools)
{
    static const char *const names[] = {STORE_DIR "/data.mdb", STORE_DIR "/lock.mdb",
                                        STORE_FILE_ID};
    char path[PATH_BYTES + 32];

    memset(&tools->report, 0, sizeof tools->report);
    assert_int_equal(verify_store(tools->dest, NULL, NULL, &tools->report), 0);
    assert_int_equal(tools->report.problem_count, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", tools->dest, names[i]); /* fits */
        (void)unlink(path); /* a copy that nobody has opened has no lock file */
    }
    (void)snprintf(path, sizeof path, "%s/" STORE_DIR, tools->dest);
    assert_int_equal(rmdir(path), 0);
    if (strcmp(faults_name(), "rmdir") == 0)
        remove_emptied(tools->dest);
    assert_int_equal(rmdir(tools->dest), 0);
}

/*
 * A copy that failed is not there, unless all that failed is to make it last; one that did not is whole.
 * What could not be taken away again has another name, or is no store: it has no number.
 */
static void expect_whole_or_nothing(void *user, int rc)
{
    struct tools *tools = user;
    char path[PATH_BYTES + 32];

    (void)snprintf(path, sizeof path, "%s/" STORE_FILE_ID, tools->dest); /* fits */
    if (access(path, F_OK) == 0) {
        if (rc != 0)
            assert_non_null(strstr(store_error_text(), "a power cut may take it"));
        take_away(tools);
    } else {
        assert_int_not_equal(rc, 0);
        assert_int_equal(names_count(tools->dest), tools->is_dest_made ? 0 : -1);
        (void)rmdir(tools->dest);
    }
    assert_int_equal(names_count(tools->place->dir), 0);
}

static void a_snapshot_that_fails_anywhere_is_not_there(void **state)
{
    struct tools *tools = *state;
    const struct faults_run run = {
        .operation = copy,
        .check = expect_whole_or_nothing,
        .error_text = store_error_text,
        /* What tells how far it is, whether a server has the store or has had, and what room there is. */
        .may_do_without =
            "open64 flock poll read write mdb_env_info fstatvfs64 rmdir unlinkat fstat64",
        .user = tools,
        .has_children = true,
    };

    for (int i = 0; i < 2; i++) {
        tools->is_dest_made = i != 0;
        faults_run(&run);
    }
}

int main(void)
{
#define TOOLS_TEST(function) cmocka_unit_test_setup_teardown(function, tools_setup, tools_teardown)
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(a_check_that_fails_anywhere_never_says_that_all_is_well),
        TOOLS_TEST(a_snapshot_that_fails_anywhere_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL); /* once: each run is a process or two */
}
