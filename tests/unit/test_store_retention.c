#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/log.h"
#include "tests/unit/store_fixture.h"

enum {
    BLOCK_EVENTS = 10, /* in each block that blocks_commit makes */
};

/* @count blocks of BLOCK_EVENTS events, on "busy" and one of eight others. */
static void blocks_commit(struct store_fixture *fixture, int count)
{
    for (; count > 0; count--) {
        char name[] = {'t', (char)('0' + fixture->last_seq / BLOCK_EVENTS % 8), '\0'};

        for (int i = 0; i < BLOCK_EVENTS; i++)
            (void)store_fixture_add_event(fixture, i == 0 ? name : "busy", 100);
        assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
}

static void trim_all(struct store_fixture *fixture, const struct retention *retention)
{
    ptrdiff_t count;

    do {
        uint64_t first_seq = fixture->meta.first_seq;

        count = commit_trim(fixture->store, retention, &fixture->meta);
        assert_true(count >= 0);
        assert_int_equal(fixture->meta.first_seq - first_seq, count);
    } while (count > 0);
    store_fixture_check_whole(fixture->store);
}

static struct log_topic topic_info(struct store_fixture *fixture, const char *topic)
{
    struct log_topic info;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(log_topic_info(fixture->store, topic, strlen(topic), &info), 0);
    store_snapshot_end(fixture->store);
    return info;
}

static void without_a_bound_nothing_goes(void **state)
{
    struct store_fixture *fixture = *state;

    blocks_commit(fixture, 30);
    trim_all(fixture, &keep_all);
    assert_int_equal(fixture->meta.first_seq, 1);
}

static void a_count_keeps_at_least_that_many_operations(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct {
        uint64_t count;
        uint64_t first_seq;
    } cases[] = {{300, 1}, {291, 1}, {290, 11}, {281, 11}, {55, 241}, {10, 291}, {1, 291}};

    blocks_commit(fixture, 30);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct retention retention = {.count = cases[i].count};

        trim_all(fixture, &retention);
        assert_int_equal(fixture->meta.first_seq, cases[i].first_seq);
        assert_true(fixture->meta.log_count >= cases[i].count);
    }
}

static void bytes_keep_the_log_within_them(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t block_bytes;

    blocks_commit(fixture, 30);
    block_bytes = fixture->meta.log_bytes / 30;
    for (uint64_t blocks = 30; blocks > 0; blocks -= 5) {
        const struct retention retention = {.bytes = blocks * block_bytes + block_bytes / 2};

        trim_all(fixture, &retention);
        assert_int_equal(fixture->meta.log_bytes, blocks * block_bytes);
        assert_int_equal(fixture->meta.first_seq, (30 - blocks) * BLOCK_EVENTS + 1);
    }
    trim_all(fixture, &(struct retention){.bytes = 1});
    assert_int_equal(fixture->meta.first_seq, 291); /* the newest block stays */
}

static void age_takes_only_what_is_older(void **state)
{
    struct store_fixture *fixture = *state;
    const int64_t hour_ns = INT64_C(3600) * 1000000000;
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    fixture->time_ns = now.tv_sec * INT64_C(1000000000) - 10 * hour_ns;
    blocks_commit(fixture, 10);
    fixture->time_ns = now.tv_sec * INT64_C(1000000000) - 5 * hour_ns;
    blocks_commit(fixture, 10);
    fixture->time_ns = now.tv_sec * INT64_C(1000000000);
    blocks_commit(fixture, 10);
    trim_all(fixture, &(struct retention){.age_ns = 11 * hour_ns});
    assert_int_equal(fixture->meta.first_seq, 1);
    trim_all(fixture, &(struct retention){.age_ns = 9 * hour_ns});
    assert_int_equal(fixture->meta.first_seq, 101);
    trim_all(fixture, &(struct retention){.age_ns = 4 * hour_ns});
    assert_int_equal(fixture->meta.first_seq, 201);
}

static void oldest_last_and_trimmed_of_a_topic_follow(void **state)
{
    struct store_fixture *fixture = *state;
    struct log_topic info;

    blocks_commit(fixture, 8); /* t0 in 1, t1 in 11 ... t7 in 71 */
    trim_all(fixture, &(struct retention){.count = 50});
    assert_int_equal(fixture->meta.first_seq, 31);
    info = topic_info(fixture, "t0"); /* quiet since: it has lost one, and says so */
    assert_int_equal(info.oldest_seq, 0);
    assert_int_equal(info.last_seq, 0);
    assert_int_equal(info.trimmed_seq, 1);
    info = topic_info(fixture, "t2");
    assert_int_equal(info.trimmed_seq, 21);
    info = topic_info(fixture, "t3"); /* quiet too, but whole: no false gap */
    assert_int_equal(info.oldest_seq, 31);
    assert_int_equal(info.last_seq, 31);
    assert_int_equal(info.trimmed_seq, 0);
    info = topic_info(fixture, "busy");
    assert_int_equal(info.oldest_seq, 32);
    assert_int_equal(info.last_seq, 80);
    assert_int_equal(info.trimmed_seq, 30);
    info = topic_info(fixture, "never");
    assert_int_equal(info.oldest_seq + info.last_seq + info.trimmed_seq, 0);
}

static void a_step_is_small(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};

    blocks_commit(fixture, 30);
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta),
                     RETENTION_STEP_BLOCKS * BLOCK_EVENTS);
    (void)store_fixture_add_event(fixture, "a", 10);
    assert_int_equal(store_fixture_commit(fixture, &retention), 0);
    assert_int_equal(fixture->meta.first_seq, 2 * RETENTION_STEP_BLOCKS * BLOCK_EVENTS + 1);
    store_fixture_check_whole(fixture->store);
}

static void a_step_is_bounded_in_bytes_but_takes_one_block(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};

    for (int i = 0; i < 5; i++)
        store_fixture_commit_event(fixture, "large", 3 * RETENTION_STEP_BYTES);
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    store_fixture_check_whole(fixture->store);
}

static void a_busy_log_is_trimmed_as_fast_as_it_grows(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.bytes = 2 * 1024 * 1024};

    for (int commit = 0; commit < 8; commit++) {
        for (int i = 0; i < 64; i++)
            (void)store_fixture_add_event(fixture, "busy", 60 * 1024); /* a block each */
        assert_int_equal(store_fixture_commit(fixture, &retention), 0);
        assert_true(fixture->meta.log_bytes <= retention.bytes);
    }
    store_fixture_check_whole(fixture->store);
}

static void a_damaged_block_goes_like_the_others(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};
    struct log_topic info;

    store_fixture_commit_event(fixture, "a", 100);
    store_fixture_commit_event(fixture, "b", 100); /* 'b's */
    store_fixture_commit_event(fixture, "b", 100); /* 'c's */
    store_fixture_commit_event(fixture, "c", 100);
    store_fixture_close(fixture);
    assert_true(store_fixture_damage(fixture, "bbbbbbbb", "bbbbXbbb", 8));
    assert_int_equal(store_fixture_open(fixture), 0);
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 4);
    info = topic_info(fixture, "b");
    assert_int_equal(info.trimmed_seq, 3);
    info = topic_info(fixture, "a");
    assert_int_equal(info.trimmed_seq, 1);
    info = topic_info(fixture, "c");
    assert_int_equal(info.oldest_seq, 4);
}

static void only_a_damaged_block_left_to_trim_is_found_through_the_index(void **state)
{
    struct store_fixture *fixture = *state;
    struct log_topic info;

    store_fixture_commit_event(fixture, "a", 100);
    for (int i = 0; i < 200; i++)
        store_fixture_commit_event(fixture, "b", 10); /* many entries: a tree of their own */
    store_fixture_close(fixture);
    /* The long payload; seq 27 and others have the same letter, but fewer of them. */
    assert_true(store_fixture_damage(fixture, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaX", 16));
    assert_int_equal(store_fixture_open(fixture), 0);
    trim_all(fixture, &(struct retention){.count = 200});
    assert_int_equal(fixture->meta.first_seq, 2);
    info = topic_info(fixture, "a");
    assert_int_equal(info.trimmed_seq, 1);
    assert_int_equal(info.last_seq, 0);
    info = topic_info(fixture, "b");
    assert_int_equal(info.trimmed_seq, 0);
    assert_int_equal(info.oldest_seq, 2);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(without_a_bound_nothing_goes),
        STORE_TEST(a_count_keeps_at_least_that_many_operations),
        STORE_TEST(bytes_keep_the_log_within_them),
        STORE_TEST(age_takes_only_what_is_older),
        STORE_TEST(oldest_last_and_trimmed_of_a_topic_follow),
        STORE_TEST(a_step_is_small),
        STORE_TEST(a_step_is_bounded_in_bytes_but_takes_one_block),
        STORE_TEST(a_busy_log_is_trimmed_as_fast_as_it_grows),
        STORE_TEST(a_damaged_block_goes_like_the_others),
        STORE_TEST(only_a_damaged_block_left_to_trim_is_found_through_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
