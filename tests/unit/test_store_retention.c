#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/layout.h"
#include "store/log.h"
#include "tests/unit/store_fixture.h"

enum {
    MIB = 1024 * 1024,
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
    int rc;

    do {
        uint64_t first_seq = fixture->meta.first_seq;

        rc = commit_trim(fixture->store, retention, &fixture->meta);
        assert_true(fixture->meta.first_seq >= first_seq);
    } while (rc == 1);
    assert_int_equal(rc, 0);
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

static void what_is_unread_stays_unless_bytes_take_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct retention retention = {.count = 1, .age_ns = 1, .unread_seq = 95};

    blocks_commit(fixture, 30);
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 91);
    retention.unread_seq = 101; /* the first of a block: those before it are read */
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 101);
    retention.bytes = 1;
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 101);
    while (fixture->meta.log_bytes <= RETENTION_UNREAD_BYTES_MAX + MIB) {
        (void)store_fixture_add_event(fixture, "busy", MIB);
        assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
    trim_all(fixture, &retention); /* a worker that stands still does not make it grow for ever */
    assert_in_range(fixture->meta.log_bytes, RETENTION_UNREAD_BYTES_MAX - 2 * MIB,
                    RETENTION_UNREAD_BYTES_MAX + 1);
    retention = (struct retention){.count = 1};
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, fixture->meta.committed_seq);
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

static void a_clock_that_jumps_ahead_makes_nothing_old(void **state)
{
    struct store_fixture *fixture = *state;
    const int64_t hour_ns = INT64_C(3600) * 1000000000;
    struct retention retention = {.age_ns = 9 * hour_ns};
    struct timespec now;

    /* As seen from the log the clock says ten hours more than it should. */
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    fixture->time_ns = now.tv_sec * INT64_C(1000000000) - 10 * hour_ns;
    blocks_commit(fixture, 20);
    retention.latest_ns = fixture->time_ns + hour_ns;
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 1);
    retention.latest_ns = 0;
    trim_all(fixture, &retention);
    assert_int_equal(fixture->meta.first_seq, 191);
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
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(fixture->meta.first_seq, RETENTION_STEP_BLOCKS * BLOCK_EVENTS + 1);
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
        store_fixture_commit_event(fixture, "large", (size_t)3 * RETENTION_STEP_BYTES);
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(fixture->meta.first_seq, 2);
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(fixture->meta.first_seq, 3);
    store_fixture_check_whole(fixture->store);
}

static void a_busy_log_is_trimmed_as_fast_as_it_grows(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.bytes = (uint64_t)2 << 20};

    for (int commit = 0; commit < 8; commit++) {
        for (int i = 0; i < 64; i++)
            (void)store_fixture_add_event(fixture, "busy", (size_t)60 << 10); /* a block each */
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

/* --- the topic index behind the trimmed log --------------------------------------------------- */

/* How many entries the index has for a topic, stale ones included. */
static size_t entries_count(struct store_fixture *fixture, const char *topic)
{
    struct store *store = fixture->store;
    MDB_val key = val_of(topic, strlen(topic));
    MDB_val data;
    size_t count = 0;

    store_snapshot_end(store);
    assert_int_equal(store_snapshot_begin(store, 0), 0);
    if (mdb_cursor_get(store->topic_cursor, &key, &data, MDB_SET) == 0)
        assert_int_equal(mdb_cursor_count(store->topic_cursor, &count), 0);
    store_snapshot_end(store);
    return count;
}

static void a_topic_whose_events_are_all_gone_leaves_the_index_but_not_its_trimmed_seq(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};

    for (int i = 0; i < 300; i++)
        store_fixture_commit_event(fixture, "gone", 10); /* enough for a tree of its own */
    store_fixture_commit_event(fixture, "new", 10);
    trim_all(fixture, &retention);
    assert_int_equal(entries_count(fixture, "gone"), 0);
    assert_int_equal(topic_info(fixture, "gone").trimmed_seq, 300);

    /* It comes back, and goes again. */
    store_fixture_commit_event(fixture, "gone", 10);
    assert_int_equal(topic_info(fixture, "gone").trimmed_seq, 300);
    assert_int_equal(topic_info(fixture, "gone").oldest_seq, 302);
    store_fixture_commit_event(fixture, "new", 10);
    trim_all(fixture, &retention);
    assert_int_equal(topic_info(fixture, "gone").trimmed_seq, 302);
    assert_int_equal(topic_info(fixture, "gone").last_seq, 0);
}

static bool on_listed(void *user, const char *topic, size_t topic_bytes, uint64_t last_seq)
{
    uint64_t *seq = user;

    assert_int_equal(topic_bytes, 4);
    assert_memory_equal(topic, "half", 4);
    *seq += last_seq;
    return true;
}

static void before_any_sweep_all_is_said_of_a_topic_that_is_said_after_it(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};
    struct log_topic_walk walk = {.after_bytes = 0};
    uint64_t seq;

    store_fixture_commit_event(fixture, "gone", 10);
    store_fixture_commit_event(fixture, "gone", 10);
    store_fixture_commit_event(fixture, "half", 10);
    store_fixture_commit_event(fixture, "half", 10);
    /* As after a start: no sweep has come by, and none will in this commit. */
    fixture->store->sweep = (struct topic_sweep){.done_seq = 4};
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(fixture->meta.first_seq, 4);
    assert_int_equal(entries_count(fixture, "gone"), 2);
    assert_int_equal(topic_info(fixture, "gone").trimmed_seq, 2);
    assert_int_equal(topic_info(fixture, "gone").oldest_seq, 0);
    assert_int_equal(topic_info(fixture, "gone").last_seq, 0);
    assert_int_equal(topic_info(fixture, "half").trimmed_seq, 3);
    assert_int_equal(topic_info(fixture, "half").oldest_seq, 4);
    assert_int_equal(store_snapshot_begin(fixture->store, 4), 0);
    assert_int_equal(log_topic_block_at(fixture->store, "gone", 4, 0, &seq), -ENOENT);
    assert_int_equal(log_topic_block_at(fixture->store, "half", 4, 0, &seq), 0);
    assert_int_equal(seq, 4);
    seq = 0;
    assert_int_equal(log_topics_list(fixture->store, &walk, on_listed, &seq), 0);
    assert_int_equal(seq, 4); /* "half" alone has an event */
    store_fixture_check_whole(fixture->store);
}

static void after_much_has_gone_at_once_a_list_passes_over_it_in_steps(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};
    struct log_topic_walk walk = {.after_bytes = 0};
    uint64_t seq = 0;
    char name[32];

    for (int i = 0; i < 3 * LOG_TOPICS_STEP; i++) {
        (void)snprintf(name, sizeof name, "gone%d", i);
        (void)store_fixture_add_event(fixture, name, 10);
    }
    assert_int_equal(store_fixture_commit(fixture, &(struct retention){.count = 0}), 0);
    store_fixture_commit_event(fixture, "half", 10);
    fixture->store->sweep = (struct topic_sweep){.done_seq = fixture->meta.committed_seq};
    assert_int_equal(commit_trim(fixture->store, &retention, &fixture->meta), 1);
    assert_int_equal(fixture->meta.first_seq, fixture->meta.committed_seq);

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(log_topics_list(fixture->store, &walk, on_listed, &seq), 1);
        assert_int_equal(seq, 0);
    }
    assert_int_equal(log_topics_list(fixture->store, &walk, on_listed, &seq), 0);
    assert_int_equal(seq, fixture->meta.committed_seq);
}

static void a_busy_topic_keeps_few_stale_entries(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 10};

    for (int i = 0; i < 200; i++) {
        (void)store_fixture_add_event(fixture, "busy", 10);
        assert_int_equal(store_fixture_commit(fixture, &retention), 0);
    }
    assert_int_equal(fixture->meta.log_count, 10);
    assert_true(entries_count(fixture, "busy") <= 10 + 3);
}

static void a_topic_gone_quiet_is_swept_of_what_it_had(void **state)
{
    struct store_fixture *fixture = *state;

    for (int i = 0; i < 500; i++)
        store_fixture_commit_event(fixture, "quiet", 10);
    store_fixture_commit_event(fixture, "other", 10);
    trim_all(fixture, &(struct retention){.count = 3}); /* two of it are left */
    assert_true(entries_count(fixture, "quiet") <= 2 + 16);
    assert_int_equal(topic_info(fixture, "quiet").trimmed_seq, 498);
    assert_int_equal(topic_info(fixture, "quiet").oldest_seq, 499);
    assert_int_equal(topic_info(fixture, "quiet").last_seq, 500);
}

static void topics_used_once_do_not_pile_up(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 500};
    MDB_stat stat;

    for (int commit = 0; commit < 200; commit++) {
        for (int i = 0; i < 50; i++) {
            char name[32];

            (void)snprintf(name, sizeof name, "once:%d", commit * 50 + i);
            (void)store_fixture_add_event(fixture, name, 10);
        }
        assert_int_equal(store_fixture_commit(fixture, &retention), 0);
    }
    store_fixture_check_whole(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(mdb_stat(fixture->store->snapshot, fixture->store->db.topic, &stat), 0);
    assert_true(stat.ms_entries <= 1500); /* of 10,000 */
    store_snapshot_end(fixture->store);
    trim_all(fixture, &retention);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(mdb_stat(fixture->store->snapshot, fixture->store->db.topic, &stat), 0);
    assert_int_equal(stat.ms_entries, 500);
    assert_int_equal(topic_info(fixture, "once:0").trimmed_seq, 1);
    assert_int_equal(topic_info(fixture, "once:9499").trimmed_seq, 9500);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(without_a_bound_nothing_goes),
        STORE_TEST(a_count_keeps_at_least_that_many_operations),
        STORE_TEST(what_is_unread_stays_unless_bytes_take_it),
        STORE_TEST(bytes_keep_the_log_within_them),
        STORE_TEST(age_takes_only_what_is_older),
        STORE_TEST(a_clock_that_jumps_ahead_makes_nothing_old),
        STORE_TEST(oldest_last_and_trimmed_of_a_topic_follow),
        STORE_TEST(a_step_is_small),
        STORE_TEST(a_step_is_bounded_in_bytes_but_takes_one_block),
        STORE_TEST(a_busy_log_is_trimmed_as_fast_as_it_grows),
        STORE_TEST(a_damaged_block_goes_like_the_others),
        STORE_TEST(a_topic_whose_events_are_all_gone_leaves_the_index_but_not_its_trimmed_seq),
        STORE_TEST(before_any_sweep_all_is_said_of_a_topic_that_is_said_after_it),
        STORE_TEST(after_much_has_gone_at_once_a_list_passes_over_it_in_steps),
        STORE_TEST(a_busy_topic_keeps_few_stale_entries),
        STORE_TEST(a_topic_gone_quiet_is_swept_of_what_it_had),
        STORE_TEST(topics_used_once_do_not_pile_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
