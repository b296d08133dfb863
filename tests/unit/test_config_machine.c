/* What a configuration names on this machine: directories, files, sockets, ports, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "tests/unit/config_fixture.h"

enum {
    PATH_BYTES = 128,
};

#define TMPFS "/dev/shm"

struct machine {
    struct config_fixture *f;
    char dir[PATH_BYTES]; /* the current one */
};

static int set_up(void **state)
{
    static struct machine only;
    struct machine *machine = &only;
    void *fixture = NULL;

    if (config_set_up(&fixture) != 0)
        return -1;
    machine->f = fixture;
    machine->f->is_here = true;
    (void)snprintf(machine->dir, sizeof machine->dir, TMPFS "/sluice-test-machine-XXXXXX");
    if (mkdtemp(machine->dir) == NULL || chmod(machine->dir, 0755) != 0 || chdir(machine->dir) != 0)
        return -1;
    *state = machine;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *machine = *state;
    void *fixture = machine->f;
    char command[PATH_BYTES + 16];

    if (chdir("/") != 0)
        return -1;
    (void)snprintf(command, sizeof command, "rm -rf %s", machine->dir);
    if (system(command) != 0) /* NOLINT(cert-env33-c): a directory of ours */
        return -1;
    return config_tear_down(&fixture);
}

static void make_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static size_t count_files(void)
{
    DIR *dir = opendir(".");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    assert_int_equal(closedir(dir), 0);
    return count - 2; /* . and .. */
}

/* A port of the system's choice is listened to unless the option says where. */
static enum config_result check(struct machine *machine, const char *option)
{
    static const char run_dir[] = "--run-dir=" TMPFS;

    return CONFIG_READ(machine->f, "--check-config", run_dir, "--listen=127.0.0.1:0",
                       "--ring-size=64K", "--max-message=1K", option);
}

static void assert_wrong(struct machine *machine, const char *option, const char *message)
{
    assert_int_equal(check(machine, option), CONFIG_WRONG);
    config_assert_says(machine->f, message);
}

static void assert_doubtful(struct machine *machine, const char *option, const char *message)
{
    assert_int_equal(check(machine, option), CONFIG_CHECKED);
    assert_int_equal(machine->f->config->warnings.count, 1);
    assert_non_null(strstr(machine->f->config->warnings.items[0], message));
}

static void assert_good(struct machine *machine, const char *option)
{
    if (check(machine, option) != CONFIG_CHECKED)
        fail_msg("%s", machine->f->errors);
    assert_int_equal(machine->f->config->warnings.count, 0);
}

static void what_is_well_leaves_nothing_behind(void **state)
{
    assert_good(*state, "--data=data");
    assert_good(*state, "--data=./data/");
    assert_good(*state, "--broker-listen=unix:./socket");
    assert_int_equal(count_files(), 0);
}

static void a_data_directory_that_cannot_be_used_is_named(void **state)
{
    make_file("file");
    assert_wrong(*state, "--data=file", "--data: file is not a directory");
    assert_wrong(*state, "--data=file/data", "--data: file/data cannot be used: Not a directory");
    assert_wrong(*state, "--data=no/such", "--data: no/such cannot be made: no: No such file");
    assert_wrong(*state, "--data=/proc/self/data", "--data: /proc/self/data cannot be made");
    assert_int_equal(mkdir("data", 0750), 0);
    assert_good(*state, "--data=data");
    assert_int_equal(count_files(), 2);
}

/* Root may write everywhere; whom it becomes may not. */
static void who_will_run_must_be_able_to_write(void **state)
{
    struct machine *machine = *state;

    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir("data", 0750), 0);
    assert_int_equal(CONFIG_READ(machine->f, "--user=nobody", "--data=data"), CONFIG_WRONG);
    config_assert_says(machine->f, "--data: data cannot be written by user nobody: Permission");
    assert_int_equal(chmod("data", 0777), 0);
    make_file("data/id");
    assert_int_equal(CONFIG_READ(machine->f, "--user=nobody", "--data=data"), CONFIG_WRONG);
    config_assert_says(machine->f, "--data: data/id cannot be written by user nobody: Permission");
    assert_int_equal(chmod("data/id", 0666), 0);
    assert_int_equal(CONFIG_READ(machine->f, "--user=nobody", "--data=data", "-l", "127.0.0.1:0"),
                     CONFIG_RUN);
    assert_int_equal(geteuid(), 0);
}

/* A directory on a disk; NULL: everything is memory here. */
static const char *find_disk(void)
{
    static const char *const places[] = {"/var/tmp", "/tmp"};
    struct statfs info;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (statfs(places[i], &info) == 0 && info.f_type != TMPFS_MAGIC)
            return places[i];
    }
    return NULL;
}

static void a_ring_needs_a_tmpfs_that_it_fits_into(void **state)
{
    const char *disk = find_disk();
    char option[PATH_BYTES];

    make_file("file");
    assert_wrong(*state, "--run-dir=file", "--run-dir: file is not a directory");
    assert_wrong(*state, "--run-dir=no/such", "--run-dir: no/such cannot be made");
    assert_good(*state, "--run-dir=new");
    if (disk == NULL)
        skip();
    (void)snprintf(option, sizeof option, "--run-dir=%s", disk);
    assert_doubtful(*state, option, "is not on a tmpfs");
}

static void a_place_to_listen_must_be_possible(void **state)
{
    make_file("file");
    assert_wrong(*state, "--listen=unix:file", "--listen: file is there, and is no socket");
    assert_wrong(*state, "--broker-listen=unix:no/such",
                 "--broker-listen: unix:no/such cannot be made: no: No such file");
    assert_wrong(*state, "--listen=[::ffff:127.0.0.1]:0",
                 "--listen: [::ffff:127.0.0.1]:0 cannot be listened to: ");
    assert_doubtful(*state, "--listen=192.0.2.1:8000",
                    "--listen: 192.0.2.1:8000 is none of this machine's addresses now");
}

static void a_schema_must_be_readable_and_is_named_with_its_place(void **state)
{
    struct machine *machine = *state;
    const char *const arguments[] = {"--check-config", "--listen=127.0.0.1:0", NULL};
    const char *const environment[] = {"SLUICE_SCHEMA=nowhere.graphql", NULL};

    make_file("board.graphql");
    assert_good(*state, "--schema=board.graphql");
    assert_wrong(*state, "--schema=.", "--schema: . cannot be read: Is a directory");
    assert_int_equal(config_read_with(machine->f, arguments, environment), CONFIG_WRONG);
    config_assert_says(machine->f, "SLUICE_SCHEMA: nowhere.graphql cannot be read: No such file");
}

/* The last one: there may be no way back to more. */
static void too_few_open_files_are_told(void **state)
{
    const struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};

    assert_doubtful(*state, "--max-connections=4000000000",
                    "--max-connections: 4000000000 are more than");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_wrong(*state, "--data=data", "a process may open 64 files: at least");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_well_leaves_nothing_behind),
        TEST(a_data_directory_that_cannot_be_used_is_named),
        TEST(who_will_run_must_be_able_to_write),
        TEST(a_ring_needs_a_tmpfs_that_it_fits_into),
        TEST(a_place_to_listen_must_be_possible),
        TEST(a_schema_must_be_readable_and_is_named_with_its_place),
        TEST(too_few_open_files_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
