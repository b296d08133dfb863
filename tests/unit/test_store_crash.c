#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/role.h"
#include "store/log.h"
#include "tests/unit/store_fixture_rows.h"

enum {
    CRASH_COUNT = 120,     /* of each kind */
    CRASH_TURNS_MAX = 12,  /* commits before a kill */
    CRASH_BATCH_MAX = 100, /* operations in a commit */
    READER_COMMITS = 400,
    READER_SNAPSHOTS_MIN = 2,
    LOG_BYTES_MAX = 512 * 1024,
    SPIN_NS_MAX = 3000000, /* around what a commit takes */
};

/* What the writer under test says before it dies. */
struct progress {
    _Atomic uint64_t committed_seq; /* of its last successful commit */
    _Atomic uint64_t epoch;
    _Atomic uint64_t turns;
    _Atomic int error;
    _Atomic uint64_t snapshots; /* and who reads, of those that it has seen to be whole */
};

static struct progress *progress;

static int progress_setup(void **state)
{
    (void)state;
    progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return progress == MAP_FAILED ? -1 : 0;
}

/* --- the writer's process; no cmocka here ------------------------------------------------------ */

/* The board's numbers, as its first schema operation has given them. */
enum { MESSAGE = 2, MESSAGE_AUTHOR = 1, MESSAGE_CONTENT = 3, COMMENT = 3, COMMENT_CONTENT = 2 };

/* A message or a comment is made, changed or deleted; what it names is often not there. */
static void command_add(struct store_fixture *fixture, uint64_t draw)
{
    static const char *const ids[] = {"1", "2", "7", "30", "200"};
    const char *id = ids[(draw >> 8) % 5];
    const struct command_value values[] = {
        {MESSAGE_AUTHOR, {id, strlen(id)}}, /* and of a comment its message */
        {(draw & 1) != 0 ? MESSAGE_CONTENT : COMMENT_CONTENT, {"\"hello\"", 7}},
    };
    const struct command_part parts[] = {{.literal = {"rows:", 5}}, {.is_column = true}};
    const struct command_topic topic = {parts, 2};
    const struct command command = {
        .kind = (draw >> 16) % 3 != 0 ? COMMAND_CREATE
                                      : (enum command_kind)(COMMAND_UPDATE + (draw >> 18) % 2),
        .version = 1,
        .table = (draw & 1) != 0 ? MESSAGE : COMMENT,
        .id = 1 + (draw >> 24) % 300,
        .values = values,
        .value_count = 2,
        .topics = &topic,
        .topic_count = 1,
    };

    rows_add_command(fixture, &command);
}

static void turn_add(struct store_fixture *fixture, uint64_t *random)
{
    static const char *const names[] = {"busy", "busy", "busy", "news", "room", "quiet"};

    for (uint64_t i = 1 + store_fixture_random(random) % CRASH_BATCH_MAX; i > 0; i--) {
        uint64_t draw = store_fixture_random(random);
        const char *name = names[draw % (sizeof names / sizeof names[0])];
        size_t bytes = (draw >> 8) % 64 == 0 ? (draw >> 16) % 150000 : (draw >> 16) % 1000;

        if ((draw >> 40) % 10 == 0)
            command_add(fixture, draw);
        else
            (void)store_fixture_add_event(fixture, name, bytes);
    }
}

/* One commit, now and then an epoch or the clean mark; 0 or -errno. */
static int turn_commit(struct store_fixture *fixture, uint64_t *random)
{
    const struct retention retention = {.bytes = LOG_BYTES_MAX};
    uint64_t draw = store_fixture_random(random);
    int rc = 0;

    if (draw % 16 == 0)
        rc = commit_new_epoch(fixture->store, draw | 1, &fixture->meta);
    else if (draw % 16 == 1)
        rc = commit_clean_mark(fixture->store, true, &fixture->meta);
    if (rc == 0)
        rc = store_fixture_commit(fixture, &retention);
    return rc;
}

/* However late the other comes: some of the commits are made while it reads. */
static void reader_await(void)
{
    while (atomic_load(&progress->snapshots) < READER_SNAPSHOTS_MIN)
        (void)sched_yield();
}

static _Noreturn void writer_run(struct store_fixture *fixture, uint64_t seed, uint64_t turns)
{
    uint64_t random = seed;
    int rc;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    rc = store_fixture_open(fixture);
    while (rc == 0 && turns-- > 0) {
        turn_add(fixture, &random);
        rc = turn_commit(fixture, &random);
        if (rc == 0) {
            atomic_store(&progress->committed_seq, fixture->meta.committed_seq);
            atomic_store(&progress->epoch, fixture->meta.epoch);
            atomic_fetch_add(&progress->turns, 1);
        }
        if (turns == READER_COMMITS / 2)
            reader_await();
    }
    atomic_store(&progress->error, rc);
    _exit(rc == 0 ? 0 : 1);
}

/* --- the tests ------------------------------------------------------------------------------ */

static int64_t monotonic_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Lets the writer make some commits, then ends it at any point of the next ones. */
static void kill_somewhere(pid_t pid, uint64_t *random)
{
    uint64_t turns = atomic_load(&progress->turns) + store_fixture_random(random) % CRASH_TURNS_MAX;
    int64_t until;

    while (atomic_load(&progress->turns) < turns) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it does not end by itself */
        (void)sched_yield();
    }
    until = monotonic_ns() + (int64_t)(store_fixture_random(random) % SPIN_NS_MAX);
    while (monotonic_ns() < until)
        ;
    assert_int_equal(kill(pid, SIGKILL), 0);
    store_fixture_expect_signal(pid, SIGKILL);
}

/* After a death: whole, nothing announced is lost, and at most the commit in flight is more. */
static void remains_check(struct store *store)
{
    const struct store_meta *meta;
    uint64_t announced = atomic_load(&progress->committed_seq);

    assert_int_equal(store_snapshot_begin(store, announced), 0);
    meta = store_snapshot_meta(store);
    assert_true(meta->committed_seq >= announced);
    assert_true(meta->committed_seq <= announced + CRASH_BATCH_MAX);
    store_fixture_check_whole(store);
    atomic_store(&progress->committed_seq, meta->committed_seq);
    store_snapshot_end(store);
}

static void crash_run(struct store_fixture *fixture, uint64_t seed, struct store *reader)
{
    uint64_t random = seed;

    for (int i = 0; i < CRASH_COUNT; i++) {
        uint64_t writer_seed = store_fixture_random(&random) | 1;
        pid_t pid = fork();

        if (pid == 0)
            writer_run(fixture, writer_seed, UINT64_MAX);
        kill_somewhere(pid, &random);
        if (reader != NULL) {
            remains_check(reader);
            continue;
        }
        assert_int_equal(store_fixture_open(fixture), 0);
        remains_check(fixture->store);
        store_fixture_close(fixture);
    }
    assert_true(atomic_load(&progress->turns) > 0);
}

static void a_writer_killed_anywhere_leaves_the_last_commit(void **state)
{
    struct store_fixture *fixture = *state;

    memset(progress, 0, sizeof *progress);
    store_fixture_close(fixture);
    crash_run(fixture, UINT64_C(11), NULL);
}

/* As in the server: workers keep the lock file in use, so the next writer takes the dead one's lock
   over instead of making it anew. */
static void a_writer_killed_anywhere_while_others_read_leaves_the_last_commit(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *reader;

    memset(progress, 0, sizeof *progress);
    store_fixture_close(fixture);
    reader = store_fixture_open_reader(fixture);
    role_set(ROLE_WORKER);
    crash_run(fixture, UINT64_C(22), reader);
    store_close(reader);
}

static void readers_in_other_processes_see_whole_snapshots(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *reader;
    pid_t pid;

    memset(progress, 0, sizeof *progress);
    store_fixture_close(fixture);
    reader = store_fixture_open_reader(fixture);
    pid = fork();
    if (pid == 0)
        writer_run(fixture, UINT64_C(33), READER_COMMITS);
    do {
        uint64_t announced = atomic_load(&progress->committed_seq);
        uint64_t seen;

        assert_int_equal(store_snapshot_begin(reader, announced), 0);
        seen = store_snapshot_meta(reader)->committed_seq;
        assert_true(seen >= announced);
        store_fixture_check_whole(reader);
        assert_int_equal(store_snapshot_meta(reader)->committed_seq, seen);
        store_snapshot_end(reader);
        atomic_fetch_add(&progress->snapshots, 1);
    } while (atomic_load(&progress->turns) < READER_COMMITS && atomic_load(&progress->error) == 0);
    store_fixture_expect_exit(pid, 0);
    assert_true(atomic_load(&progress->snapshots) >= READER_SNAPSHOTS_MIN);
    remains_check(reader);
    store_close(reader);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, rows_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_writer_killed_anywhere_leaves_the_last_commit),
        STORE_TEST(a_writer_killed_anywhere_while_others_read_leaves_the_last_commit),
        STORE_TEST(readers_in_other_processes_see_whole_snapshots),
    };

    return cmocka_run_group_tests(tests, progress_setup, NULL);
}
