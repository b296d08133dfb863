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

enum {
    HEAD_NEWS_AT = 32, /* in LMDB's file format 1: what a transaction writes */
    HEAD_NUMBER_AT = 144,
    HEAD_NEWS_BYTES = HEAD_NUMBER_AT + 8 - HEAD_NEWS_AT,
};

/* A store with a head that a commit has left, and somebody who has it open. */
struct left {
    int fd;              /* of LMDB's file */
    uint64_t numbers[2]; /* of its heads' transactions, as they were before */
    uint64_t newest;     /* of them */
    pid_t reader;
    int reader_end; /* closed, it ends the reader */
};

static off_t head_at(uint64_t number)
{
    return (off_t)(number & 1) * sysconf(_SC_PAGESIZE);
}

static void numbers_read(int fd, uint64_t ret_numbers[2])
{
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            pread(fd, &ret_numbers[i], sizeof ret_numbers[i], head_at(i) + HEAD_NUMBER_AT),
            sizeof ret_numbers[i]);
}

/* One behind the newest, as if the commit had not ended. */
static void head_write(const struct left *left)
{
    const uint64_t number = left->newest + 1;
    uint8_t news[HEAD_NEWS_BYTES];

    assert_int_equal(pread(left->fd, news, sizeof news, head_at(left->newest) + HEAD_NEWS_AT),
                     sizeof news);
    memcpy(news + sizeof news - sizeof number, &number, sizeof number);
    assert_int_equal(pwrite(left->fd, news, sizeof news, head_at(number) + HEAD_NEWS_AT),
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

static void left_begin(struct left *left, struct store_fixture *fixture)
{
    char path[STORE_FIXTURE_DIR_BYTES + 32];

    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_close(fixture);
    left->reader_end = reader_begin(fixture, &left->reader);
    (void)snprintf(path, sizeof path, "%s/store/data.mdb", fixture->dir); /* fits */
    left->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(left->fd >= 0);
    numbers_read(left->fd, left->numbers);
    left->newest = left->numbers[0] > left->numbers[1] ? left->numbers[0] : left->numbers[1];
    head_write(left);
}

static void left_end(const struct left *left)
{
    (void)close(left->fd);
    (void)close(left->reader_end);
    store_fixture_expect_exit(left->reader, 0);
}

/* LMDB would write over its pages, and go by it once nobody has the store open any more. */
static void a_head_that_a_failed_commit_has_left_is_overwritten_first(void **state)
{
    struct store_fixture *fixture = *state;
    const struct faults_run run = {
        .operation = store_fixture_open_and_close,
        .error_text = store_error_text,
        .user = fixture,
    };
    struct left left;
    uint64_t after[2];

    left_begin(&left, fixture);
    faults_run(&run);
    numbers_read(left.fd, after);
    assert_memory_equal(after, left.numbers, sizeof after);

    assert_int_equal(store_fixture_open(fixture), 0);
    store_fixture_check_whole(fixture->store);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_check_whole(fixture->store);
    left_end(&left);
}

static void without_the_head_in_force_nothing_is_overwritten(void **state)
{
    struct store_fixture *fixture = *state;
    const uint64_t other = 1;
    struct left left;
    uint64_t after[2];

    left_begin(&left, fixture);
    assert_int_equal(pwrite(left.fd, &other, sizeof other, head_at(left.newest) + HEAD_NUMBER_AT),
                     sizeof other);
    assert_int_equal(store_fixture_open(fixture), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "head of transaction"));
    numbers_read(left.fd, after);
    assert_int_equal(after[(left.newest + 1) & 1], left.newest + 1);
    left_end(&left);
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
