#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/log.h"
#include "tests/unit/store_fixture.h"

static struct block block_at(struct store_fixture *fixture, uint64_t seq)
{
    struct block block;

    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(log_block_at(fixture->store, seq, &block), 0);
    return block;
}

static void a_commit_takes_operations_position_and_time(void **state)
{
    struct store_fixture *fixture = *state;
    size_t bytes = store_fixture_add_event(fixture, "a", 10);
    struct ring_position position;

    bytes += store_fixture_add_event(fixture, "b", 1000);
    fixture->meta.committed_pos = 4096; /* the ring may have begun elsewhere */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    position = store_committed(&fixture->meta);
    assert_int_equal(position.seq, 2);
    assert_int_equal(position.pos, 4096 + bytes);
    assert_int_equal(position.time_ns, fixture->time_ns - 1);
    assert_int_equal(fixture->meta.first_seq, 1);
    assert_int_equal(fixture->meta.log_count, 2);
    assert_int_equal(fixture->meta.log_bytes, bytes + sizeof(struct block_head));
    store_fixture_check_whole(fixture->store);
}

static void records_are_grouped_into_blocks_as_full_as_they_can_be(void **state)
{
    struct store_fixture *fixture = *state;
    size_t record_bytes = 0;
    uint64_t seq = 1;

    while (fixture->batch_bytes < (size_t)3 * BLOCK_BYTES_MAX)
        record_bytes = store_fixture_add_event(fixture, "news", 1000);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    while (seq <= fixture->meta.committed_seq) {
        struct block block = block_at(fixture, seq);

        assert_true(block.records_bytes <= BLOCK_BYTES_MAX);
        if (block.head.last_seq < fixture->meta.committed_seq)
            assert_true(block.records_bytes + record_bytes > BLOCK_BYTES_MAX);
        seq = block.head.last_seq + 1;
    }
}

static void a_record_of_exactly_a_block_and_one_over_it_stand_alone(void **state)
{
    struct store_fixture *fixture = *state;
    size_t overhead = sizeof(struct record_head) + 2; /* the topic "x" with its length */
    struct block block;

    (void)store_fixture_add_event(fixture, "x", 10);
    (void)store_fixture_add_event(fixture, "x", BLOCK_BYTES_MAX - overhead);
    (void)store_fixture_add_event(fixture, "x", BLOCK_BYTES_MAX - overhead + 1);
    (void)store_fixture_add_event(fixture, "x", (size_t)8 << 20);
    (void)store_fixture_add_event(fixture, "x", 10);
    (void)store_fixture_add_event(fixture, "x", 10);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        block = block_at(fixture, seq);
        assert_int_equal(block.head.first_seq, seq);
        assert_int_equal(block.head.count, 1);
    }
    assert_int_equal(block_at(fixture, 2).records_bytes, BLOCK_BYTES_MAX);
    assert_int_equal(block_at(fixture, 6).head.first_seq, 5);
    store_fixture_check_whole(fixture->store);
}

static void a_later_commit_leaves_earlier_blocks_as_they_are(void **state)
{
    struct store_fixture *fixture = *state;
    struct block block;
    uint8_t *copy;
    size_t bytes;

    store_fixture_commit_event(fixture, "a", 100);
    block = block_at(fixture, 1);
    bytes = sizeof block.head + block.records_bytes;
    copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, block.records - sizeof block.head, bytes);
    for (int i = 0; i < 50; i++)
        store_fixture_commit_event(fixture, "a", 100);
    block = block_at(fixture, 1);
    assert_int_equal(block.records_bytes + sizeof block.head, bytes);
    assert_memory_equal(block.records - sizeof block.head, copy, bytes);
    assert_int_equal(block_at(fixture, 51).head.first_seq, 51);
    free(copy);
}

static void another_writers_commit_is_noticed(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta meta;

    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_commit_event(fixture, "a", 10);
    /* As if the second commit had been another process's. */
    fixture->store->meta.committed_seq = 1;

    (void)store_fixture_add_event(fixture, "a", 10);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -ESTALE);
    assert_non_null(strstr(store_error_text(), "another writer"));
    assert_int_equal(commit_trim(fixture->store, &keep_all, &meta), -ESTALE);
    assert_int_equal(commit_new_epoch(fixture->store, 5, &meta), -ESTALE);
    assert_int_equal(commit_clean_mark(fixture->store, true, &meta), -ESTALE);
    store_fixture_check_whole(fixture->store);
}

static void damage_in_the_ring_is_not_committed(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta before;

    store_fixture_commit_event(fixture, "a", 10);
    before = fixture->meta;
    (void)store_fixture_add_event(fixture, "a", 1000);
    (void)store_fixture_add_event(fixture, "a", 1000);
    fixture->batch[fixture->batch_bytes - 100] ^= 1;
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "operation 3 is damaged"));

    fixture->batch[fixture->batch_bytes - 100] ^= 1;
    fixture->batch_bytes -= RECORD_ALIGN; /* cut */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "operation 3 is damaged"));

    fixture->batch_bytes += RECORD_ALIGN;
    assert_memory_equal(&fixture->meta, &before, sizeof before);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0); /* nothing was spoilt */
    store_fixture_check_whole(fixture->store);
}

static void a_hole_or_a_double_in_the_order_is_not_committed(void **state)
{
    struct store_fixture *fixture = *state;

    store_fixture_commit_event(fixture, "a", 10);
    fixture->last_seq = 2;
    (void)store_fixture_add_event(fixture, "a", 10); /* 3 */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "operation 3 follows 1"));
    store_fixture_drop_batch(fixture);
    fixture->last_seq = 0;
    (void)store_fixture_add_event(fixture, "a", 10); /* 1 */
    assert_int_equal(store_fixture_commit(fixture, &keep_all), -EBADMSG);
    store_fixture_drop_batch(fixture);
    store_fixture_commit_event(fixture, "a", 10);
    store_fixture_check_whole(fixture->store);
}

static void commands_fill_blocks_without_overflowing_them(void **state)
{
    struct store_fixture *fixture = *state;
    const struct record_topic topic = {"rows", 4};
    const struct record_spec command = {.kind = RECORD_COMMAND, .topics = &topic, .topic_count = 1};

    /* Each grows when it is applied: its payload was empty. */
    for (int i = 0; i < 3000; i++)
        (void)store_fixture_add(fixture, &command);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(fixture->meta.committed_seq, 3000);
    store_fixture_check_whole(fixture->store);
}

static void a_block_may_have_as_many_topics_as_fit_into_it(void **state)
{
    struct store_fixture *fixture = *state;
    char names[RECORD_TOPICS_MAX][2];
    struct record_topic topics[RECORD_TOPICS_MAX];
    const struct record_spec spec = {
        .kind = RECORD_EVENT, .topics = topics, .topic_count = RECORD_TOPICS_MAX};
    struct log_topic info;

    /* Names of two bytes, 16 new ones in each of 744 records. */
    for (unsigned record = 0; record < 744; record++) {
        for (unsigned i = 0; i < RECORD_TOPICS_MAX; i++) {
            unsigned number = record * RECORD_TOPICS_MAX + i;

            names[i][0] = (char)(0x20 + number / 224);
            names[i][1] = (char)(0x20 + number % 224);
            topics[i] = (struct record_topic){names[i], 2};
        }
        (void)store_fixture_add(fixture, &spec);
    }
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(store_snapshot_begin(fixture->store, 745), 0);
    assert_int_equal(log_topic_info(fixture->store, "\x20\x20", 2, &info), 0);
    assert_int_equal(info.last_seq, 1);

    /* And goes again, more than a step's entries at once. */
    const struct retention retention = {.count = 1};
    assert_true(commit_trim(fixture->store, &retention, &fixture->meta) > 0);
    while (commit_trim(fixture->store, &retention, &fixture->meta) > 0)
        ;
    assert_int_equal(fixture->meta.first_seq, 745);
    store_fixture_check_whole(fixture->store);
}

static void the_clean_mark_is_kept_until_the_next_operation(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_meta meta;

    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(commit_clean_mark(fixture->store, true, &meta), 0);
    assert_int_equal(meta.is_clean, 1);
    assert_int_equal(meta.committed_seq, 1);
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(fixture->meta.is_clean, 1);
    assert_int_equal(commit_clean_mark(fixture->store, false, &meta), 0);
    assert_int_equal(meta.is_clean, 0);
    assert_int_equal(commit_clean_mark(fixture->store, true, &meta), 0);
    store_fixture_commit_event(fixture, "a", 10);
    assert_int_equal(fixture->meta.is_clean, 0);
    assert_int_equal(commit_clean_mark(fixture->store, true, &meta), 0);
    assert_int_equal(commit_new_epoch(fixture->store, 7, &meta), 0);
    assert_int_equal(meta.is_clean, 0);
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
    struct store_fixture *fixture = *state;

    for (int i = 0; i < 40; i++) {
        struct store_meta before;

        store_fixture_commit_event(fixture, "a", (size_t)i * 500);
        before = fixture->meta;
        store_fixture_close(fixture);
        assert_int_equal(store_fixture_open(fixture), 0);
        assert_memory_equal(&fixture->meta, &before, sizeof before);
    }
    store_fixture_check_whole(fixture->store);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_commit_takes_operations_position_and_time),
        STORE_TEST(records_are_grouped_into_blocks_as_full_as_they_can_be),
        STORE_TEST(a_record_of_exactly_a_block_and_one_over_it_stand_alone),
        STORE_TEST(a_later_commit_leaves_earlier_blocks_as_they_are),
        STORE_TEST(another_writers_commit_is_noticed),
        STORE_TEST(damage_in_the_ring_is_not_committed),
        STORE_TEST(a_hole_or_a_double_in_the_order_is_not_committed),
        STORE_TEST(commands_fill_blocks_without_overflowing_them),
        STORE_TEST(a_block_may_have_as_many_topics_as_fit_into_it),
        STORE_TEST(the_clean_mark_is_kept_until_the_next_operation),
        STORE_TEST(what_was_committed_is_there_after_opening_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
