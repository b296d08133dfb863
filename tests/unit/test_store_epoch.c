#include <stdlib.h>

#include "store/epoch.h"
#include "store/log.h"
#include "tests/unit/store_fixture.h"

static void epoch_begin(struct store_fixture *fixture, uint64_t epoch)
{
    assert_int_equal(commit_new_epoch(fixture->store, epoch, &fixture->meta), 0);
    assert_int_equal(fixture->meta.epoch, epoch);
}

static enum epoch_verdict judge(struct store_fixture *fixture, uint64_t epoch, uint64_t seq,
                                uint64_t tail_seq)
{
    enum epoch_verdict verdict = EPOCH_UNKNOWN;

    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
    assert_int_equal(log_epoch_judge(fixture->store, epoch, seq, tail_seq, &verdict), 0);
    store_snapshot_end(fixture->store);
    return verdict;
}

static void events_commit(struct store_fixture *fixture, int count)
{
    for (; count > 0; count--)
        store_fixture_commit_event(fixture, "a", 10);
}

static void a_new_store_has_no_epoch(void **state)
{
    struct store_fixture *fixture = *state;

    assert_int_equal(fixture->meta.epoch, 0);
    assert_int_equal(judge(fixture, 0, 0, 0), EPOCH_UNKNOWN);
    assert_int_equal(judge(fixture, 99, 0, 0), EPOCH_UNKNOWN);
}

static void the_epoch_in_force_ends_at_the_tail(void **state)
{
    struct store_fixture *fixture = *state;

    epoch_begin(fixture, 0xA);
    events_commit(fixture, 3);
    assert_int_equal(judge(fixture, 0xA, 0, 5), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 3, 5), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 5, 5), EPOCH_GOOD); /* in the ring, not committed yet */
    assert_int_equal(judge(fixture, 0xA, 6, 5), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xB, 1, 5), EPOCH_UNKNOWN);
}

static void an_earlier_epoch_ends_where_the_next_began(void **state)
{
    struct store_fixture *fixture = *state;

    epoch_begin(fixture, 0xA);
    events_commit(fixture, 10);
    epoch_begin(fixture, 0xB); /* 11 to 15 */
    events_commit(fixture, 5);
    epoch_begin(fixture, 0xC); /* from 16 on */
    events_commit(fixture, 5);
    assert_int_equal(judge(fixture, 0xA, 0, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 10, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 11, 20), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xB, 9, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xB, 15, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xB, 16, 20), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xC, 20, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xC, 21, 20), EPOCH_PAST);
    store_fixture_check_whole(fixture->store);
}

static void an_epoch_without_an_operation_stays_known(void **state)
{
    struct store_fixture *fixture = *state;

    epoch_begin(fixture, 0xA);
    epoch_begin(fixture, 0xB); /* two power cuts before the first operation */
    epoch_begin(fixture, 0xC);
    events_commit(fixture, 10);
    epoch_begin(fixture, 0xD);
    epoch_begin(fixture, 0xE);
    assert_int_equal(judge(fixture, 0xA, 0, 10), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 1, 10), EPOCH_PAST); /* saw what was lost */
    assert_int_equal(judge(fixture, 0xB, 0, 10), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xB, 1, 10), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xC, 10, 10), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xC, 11, 12), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xD, 10, 12), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xD, 11, 12), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xE, 12, 12), EPOCH_GOOD);
}

static void epochs_are_there_after_opening_again_and_after_trimming(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention retention = {.count = 1};

    epoch_begin(fixture, 0xA);
    events_commit(fixture, 10);
    epoch_begin(fixture, 0xB);
    events_commit(fixture, 10);
    while (commit_trim(fixture->store, &retention, &fixture->meta) > 0)
        ;
    store_fixture_close(fixture);
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(fixture->meta.epoch, 0xB);
    assert_int_equal(judge(fixture, 0xA, 10, 20), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 0xA, 11, 20), EPOCH_PAST);
    assert_int_equal(judge(fixture, 0xB, 20, 20), EPOCH_GOOD);
}

static void only_the_newest_epochs_are_kept(void **state)
{
    struct store_fixture *fixture = *state;

    for (uint64_t i = 1; i <= EPOCH_STARTS_MAX + 5; i++) {
        epoch_begin(fixture, i);
        events_commit(fixture, 1);
    }
    assert_int_equal(judge(fixture, 5, 0, 2000), EPOCH_UNKNOWN);
    assert_int_equal(judge(fixture, 6, 6, 2000), EPOCH_GOOD);
    assert_int_equal(judge(fixture, 6, 7, 2000), EPOCH_PAST);
    for (uint64_t i = 1; i <= EPOCH_SHARED_MAX + 5; i++)
        epoch_begin(fixture, 10000 + i);
    assert_int_equal(judge(fixture, 10000 + 5, 0, 2000), EPOCH_UNKNOWN);
    assert_int_equal(judge(fixture, 10000 + 6, 0, 2000), EPOCH_GOOD);
    store_fixture_check_whole(fixture->store);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_store_has_no_epoch),
        STORE_TEST(the_epoch_in_force_ends_at_the_tail),
        STORE_TEST(an_earlier_epoch_ends_where_the_next_began),
        STORE_TEST(an_epoch_without_an_operation_stays_known),
        STORE_TEST(epochs_are_there_after_opening_again_and_after_trimming),
        STORE_TEST(only_the_newest_epochs_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
