/*
 * A head of LMDB's file that a commit which failed has left (store/stray_head.h), with each call failing
 * that removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/unit/bus_fixture.h"
#include "tests/unit/faults.h"
#include "tests/unit/store_fixture.h"

/* The two heads of LMDB's file. */
struct heads {
    int fd;
    uint64_t numbers[2]; /* of their transactions */
};

enum {
    HEAD_NEWS_AT = 32, /* in LMDB's file format 1: what a transaction writes */
    HEAD_NUMBER_AT = 144,
    HEAD_NEWS_BYTES = HEAD_NUMBER_AT + 8 - HEAD_NEWS_AT,
};

static off_t head_at(unsigned place)
{
    return (off_t)place * sysconf(_SC_PAGESIZE);
}

static void heads_open(struct heads *heads, const struct store_fixture *fixture)
{
    char path[STORE_FIXTURE_DIR_BYTES + 32];

    (void)snprintf(path, sizeof path, "%s/store/data.mdb", fixture->dir); /* fits */
    heads->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(heads->fd >= 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pread(heads->fd, &heads->numbers[i], sizeof heads->numbers[i],
                               head_at(i) + HEAD_NUMBER_AT),
                         sizeof heads->numbers[i]);
}

static uint64_t heads_newest(const struct heads *heads)
{
    return heads->numbers[0] > heads->numbers[1] ? heads->numbers[0] : heads->numbers[1];
}

/* One behind the newest, as if the commit had not ended. */
static void heads_leave(const struct heads *heads)
{
    const uint64_t newest = heads_newest(heads);
    const uint64_t number = newest + 1;
    uint8_t news[HEAD_NEWS_BYTES];

    assert_int_equal(pread(heads->fd, news, sizeof news, head_at(newest & 1) + HEAD_NEWS_AT),
                     sizeof news);
    memcpy(news + sizeof news - sizeof number, &number, sizeof number);
    assert_int_equal(pwrite(heads->fd, news, sizeof news, head_at(number & 1) + HEAD_NEWS_AT),
                     sizeof news);
}

/* A process that has the store open, so that LMDB goes by its lock file. Returns what ends it: close it. */
static int reader_begin(const struct store_fixture *fixture, pid_t *ret_pid)
{
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;
    int told[2];
    int end[2];
    char byte = 0;

    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    *ret_pid = fixture_fork();
    if (*ret_pid == 0) {
        (void)close(end[1]);
        if (store_open(&options, &store) != 0 || write(told[1], &byte, 1) != 1)
            _exit(1);
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 2);
    }
    (void)close(told[1]);
    (void)close(end[0]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    (void)close(told[0]);
    return end[1];
}

static int open_and_close(void *user)
{
    struct store_fixture *fixture = user;
    int rc = store_fixture_open(fixture);

    store_fixture_close(fixture);
    return rc;
}

/* LMDB would write over its pages, and go by it once nobody has the store open any more. */
static void a_head_that_a_failed_commit_has_left_is_overwritten_first(void **state)
{
    struct store_fixture *fixture = *state;
    const struct faults_run run = {
        .operation = open_and_close,
        .error_text = store_error_text,
        .user = fixture,
    };
    struct heads heads;
    struct heads after;
    pid_t pid;
    int reader;

    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    reader = reader_begin(fixture, &pid);
    heads_open(&heads, fixture);
    heads_leave(&heads);
    faults_run(&run);
    heads_open(&after, fixture);
    assert_memory_equal(after.numbers, heads.numbers, sizeof heads.numbers);

    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_check_whole(fixture->store);
    (void)close(after.fd);
    (void)close(heads.fd);
    (void)close(reader);
    store_fixture_expect_exit(pid, 0);
}

static void without_the_head_in_force_nothing_is_overwritten(void **state)
{
    struct store_fixture *fixture = *state;
    const uint64_t other = 1;
    struct heads heads;
    struct heads after;
    uint64_t newest;
    pid_t pid;
    int reader;

    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    reader = reader_begin(fixture, &pid);
    heads_open(&heads, fixture);
    newest = heads_newest(&heads);
    heads_leave(&heads);
    assert_int_equal(pwrite(heads.fd, &other, sizeof other, head_at(newest & 1) + HEAD_NUMBER_AT),
                     sizeof other);
    assert_int_equal(store_fixture_open(fixture), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "head of transaction"));
    heads_open(&after, fixture);
    assert_int_equal(heads_newest(&after), newest + 1);
    (void)close(after.fd);
    (void)close(heads.fd);
    (void)close(reader);
    store_fixture_expect_exit(pid, 0);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_head_that_a_failed_commit_has_left_is_overwritten_first),
        STORE_TEST(without_the_head_in_force_nothing_is_overwritten),
    };

    return faults_main(tests, sizeof tests / sizeof tests[0]);
}
