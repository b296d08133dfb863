#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/role.h"

#define LENGTH ((size_t)128) /* of the usual record: divides the ring */
enum {
    RECORDS_IN_RING = FIXTURE_SIZE / LENGTH,
};

static const int64_t SECOND_NS = 1000000000;

static alignas(8) uint8_t batch[FIXTURE_SIZE];
static alignas(8) uint8_t copy[FIXTURE_SIZE];

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};

    assert_int_equal(clock_gettime(clock, &now), 0);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* @count records of LENGTH in batch. */
static size_t batch_make(size_t count)
{
    for (size_t i = 0; i < count; i++)
        fixture_record(batch + i * LENGTH, LENGTH, 0, i);
    return count * LENGTH;
}

static void append_many(struct bus *bus, unsigned count)
{
    struct ring_appended appended;

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(fixture_append(bus, LENGTH, i, &appended), 0);
}

/* --- append ------------------------------------------------------------------------------- */

static void operations_are_numbered_from_1_without_a_hole(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    struct ring_position at = {0};

    for (uint64_t seq = 1; seq <= 100; seq++) {
        assert_int_equal(fixture_append(f->bus, LENGTH, seq, &appended), 0);
        assert_int_equal(appended.first_seq, seq);
        assert_int_equal(appended.count, 1);
        assert_int_equal(appended.bytes, LENGTH);
    }
    assert_int_equal(ring_tail(f->bus).seq, 100);
    assert_int_equal(ring_tail(f->bus).pos, 100 * LENGTH);
    assert_int_equal(fixture_read_all(f->bus, &at), 100);
}

static void a_batch_is_appended_as_one_with_one_time(void **state)
{
    struct fixture *f = *state;
    const size_t bytes = batch_make(20);
    struct ring_appended appended;
    uint64_t pos = 0;
    size_t needed;

    assert_int_equal(ring_append(f->bus, batch, bytes, &appended), 0);
    assert_int_equal(appended.first_seq, 1);
    assert_int_equal(appended.count, 20);
    assert_int_equal(appended.bytes, bytes);
    assert_int_equal(appended.time_ns, ring_tail(f->bus).time_ns);
    assert_int_equal(ring_read(f->bus, &pos, bytes, copy, sizeof copy, &needed), bytes);
    for (size_t i = 0; i < 20; i++) {
        struct record record;

        assert_int_equal(record_decode(copy + i * LENGTH, LENGTH, &record), RECORD_OK);
        assert_true(record_verify(copy + i * LENGTH));
        assert_int_equal(record.seq, i + 1);
        assert_int_equal(record.time_ns, appended.time_ns);
        assert_int_equal(record.origin_request, i);
    }
}

static void the_callers_batch_stays_as_it_was(void **state)
{
    struct fixture *f = *state;
    const size_t bytes = batch_make(3);
    struct ring_appended appended;

    memcpy(copy, batch, bytes);
    assert_int_equal(ring_append(f->bus, batch, bytes, &appended), 0);
    assert_memory_equal(copy, batch, bytes);
    assert_int_equal(ring_append(f->bus, batch, bytes, &appended), 0); /* so it can be used again */
    assert_int_equal(appended.first_seq, 4);
}

static void a_full_ring_takes_nothing_until_something_is_committed(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    struct ring_position at = {0};
    struct ring_position committed;

    append_many(f->bus, RECORDS_IN_RING);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -EAGAIN);
    assert_int_equal(fixture_append(f->bus, 64, 0, &appended), -EAGAIN);
    assert_int_equal(fixture_read_all(f->bus, &at), RECORDS_IN_RING);

    committed = (struct ring_position){.seq = 1, .pos = LENGTH};
    ring_commit(f->bus, &committed, 1);
    assert_int_equal(fixture_append(f->bus, LENGTH + 8, 0, &appended), -EAGAIN);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_int_equal(appended.first_seq, RECORDS_IN_RING + 1);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -EAGAIN);
    assert_int_equal(fixture_read_all(f->bus, &at), 1);
}

static void of_a_batch_as_much_goes_in_as_there_is_room_for(void **state)
{
    struct fixture *f = *state;
    const size_t bytes = batch_make(10);
    struct ring_appended appended;
    struct ring_position at = {0};

    append_many(f->bus, RECORDS_IN_RING - 4);
    assert_int_equal(ring_append(f->bus, batch, bytes, &appended), 0);
    assert_int_equal(appended.count, 4);
    assert_int_equal(appended.bytes, 4 * LENGTH);
    assert_int_equal(ring_append(f->bus, batch + 4 * LENGTH, 6 * LENGTH, &appended), -EAGAIN);
    fixture_commit_all(f->bus);
    assert_int_equal(ring_append(f->bus, batch + 4 * LENGTH, 6 * LENGTH, &appended), 0);
    assert_int_equal(appended.count, 6);
    at = (struct ring_position){.seq = 6, .pos = (uint64_t)6 * LENGTH}; /* 1 to 6 are overwritten */
    assert_int_equal(fixture_read_all(f->bus, &at), RECORDS_IN_RING);
}

static void a_record_is_at_most_a_quarter_of_the_ring(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    struct ring_position at = {0};

    assert_int_equal(fixture_append(f->bus, FIXTURE_SIZE / 4 + 8, 0, &appended), -EMSGSIZE);
    assert_int_equal(fixture_append(f->bus, FIXTURE_SIZE / 4, 0, &appended), 0);

    /* Behind one that fits, the large one only ends the batch. */
    fixture_record(batch, LENGTH, 0, 1);
    fixture_record(batch + LENGTH, FIXTURE_SIZE / 4 + 8, 0, 2);
    assert_int_equal(ring_append(f->bus, batch, LENGTH + FIXTURE_SIZE / 4 + 8, &appended), 0);
    assert_int_equal(appended.count, 1);
    assert_int_equal(fixture_read_all(f->bus, &at), 2);
}

static void a_full_store_refuses_appends_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct ring_appended appended;
    struct ring_position at = {0};

    append_many(f->bus, 1);
    bus_set_refusal(f->bus, BUS_STORAGE_FULL, ENOSPC);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), -ENOSPC);
    assert_int_equal(fixture_read_all(f->bus, &at), 1);
    bus_set_refusal(f->bus, BUS_ACCEPTS, 0);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
}

static void append_it(void *user)
{
    struct ring_appended appended;

    (void)ring_append(user, batch, LENGTH, &appended);
}

static void append_half(void *user)
{
    struct ring_appended appended;

    (void)ring_append(user, batch, LENGTH - 8, &appended);
}

static void append_as_master(void *user)
{
    role_set(ROLE_MASTER);
    append_it(user);
}

static void appending_what_is_no_unstamped_record_is_a_broken_invariant(void **state)
{
    struct fixture *f = *state;

    (void)batch_make(1);
    assert_true(fixture_aborts(append_half, f->bus));
    assert_true(fixture_aborts(append_as_master, f->bus));
    record_stamp(batch, 1, 1);
    assert_true(fixture_aborts(append_it, f->bus));
    (void)batch_make(1);
    batch[4] = 9; /* kind */
    assert_true(fixture_aborts(append_it, f->bus));
    (void)batch_make(1);
    fixture_reopen(f); /* not recovered yet */
    assert_true(fixture_aborts(append_it, f->bus));
}

/* --- time --------------------------------------------------------------------------------- */

static void the_time_is_the_time_of_day(void **state)
{
    struct fixture *f = *state;
    const int64_t before = clock_ns(CLOCK_REALTIME);
    struct ring_appended appended;

    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_true(appended.time_ns >= before);
    assert_true(appended.time_ns <= clock_ns(CLOCK_REALTIME));
}

static void time_never_goes_back(void **state)
{
    struct fixture *f = *state;
    const int64_t later = clock_ns(CLOCK_REALTIME) + 3600 * SECOND_NS;
    struct ring_appended appended;

    /* As after a record from before the clock was set back by an hour. */
    atomic_store(&f->bus->header->states[0].time_ns, later);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_int_equal(appended.time_ns, later);
}

static void a_clock_that_jumps_ahead_is_followed_by_a_minute(void **state)
{
    struct fixture *f = *state;
    const int64_t hour = 3600 * SECOND_NS;
    struct ring_appended appended;
    int64_t expected;

    f->bus->header->clock_offset_ns -= hour; /* as if REALTIME had been set an hour ahead since */
    expected = clock_ns(CLOCK_REALTIME) - hour + 60 * SECOND_NS;
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_true(appended.time_ns >= expected);
    assert_true(appended.time_ns < expected + hour / 2);
}

/* --- read --------------------------------------------------------------------------------- */

static void a_reader_gets_whole_records_as_many_as_its_buffer_takes(void **state)
{
    struct fixture *f = *state;
    uint64_t pos = 0;
    size_t needed = 0;

    append_many(f->bus, 10);
    assert_int_equal(ring_read(f->bus, &pos, 10 * LENGTH, copy, 3 * LENGTH + 77, &needed),
                     3 * LENGTH);
    assert_int_equal(pos, 3 * LENGTH);
    assert_int_equal(ring_read(f->bus, &pos, 4 * LENGTH, copy, sizeof copy, &needed), LENGTH);
    assert_int_equal(ring_read(f->bus, &pos, 10 * LENGTH, copy, sizeof copy, &needed), 6 * LENGTH);
    assert_int_equal(pos, 10 * LENGTH);
    assert_int_equal(ring_read(f->bus, &pos, 10 * LENGTH, copy, sizeof copy, &needed), 0);
    assert_int_equal(pos, 10 * LENGTH);
}

static void a_buffer_that_is_too_small_is_told_what_is_needed(void **state)
{
    static const size_t sizes[] = {0, 7, 8, 16, 56, 64, 1000, 1999};
    struct fixture *f = *state;
    struct ring_appended appended;
    uint64_t pos = 0;

    assert_int_equal(fixture_append(f->bus, 2000, 0, &appended), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t needed = 0;

        assert_int_equal(ring_read(f->bus, &pos, 2000, copy, sizes[i], &needed), -EMSGSIZE);
        assert_int_equal(needed, 2000);
        assert_int_equal(pos, 0);
    }
    assert_int_equal(ring_read(f->bus, &pos, 2000, copy, 2000, &(size_t){0}), 2000);
}

static void a_record_across_the_end_of_the_ring_is_read_in_one_piece(void **state)
{
    struct fixture *f = *state;
    struct ring_position at = {0};
    struct ring_appended appended;

    /* 1,000 does not divide the ring: each lap ends inside a record, each time elsewhere. */
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(fixture_append(f->bus, 1000, i, &appended), 0);
        assert_int_equal(fixture_read_all(f->bus, &at), 1);
        fixture_commit_all(f->bus);
    }
    assert_int_equal(at.seq, 1000);
}

static void a_lapped_reader_is_told_so(void **state)
{
    struct fixture *f = *state;
    uint64_t pos = 0;
    size_t needed;

    append_many(f->bus, RECORDS_IN_RING);
    fixture_commit_all(f->bus);
    assert_int_equal(ring_read(f->bus, &pos, FIXTURE_SIZE, copy, LENGTH, &needed), LENGTH);
    append_many(f->bus, 1); /* takes the place of the first */
    pos = 0;
    assert_int_equal(ring_read(f->bus, &pos, FIXTURE_SIZE, copy, LENGTH, &needed), -EOVERFLOW);
    assert_int_equal(pos, 0);
    pos = LENGTH;
    assert_int_equal(ring_read(f->bus, &pos, FIXTURE_SIZE, copy, LENGTH, &needed), LENGTH);

    for (unsigned lap = 0; lap < 5; lap++) {
        fixture_commit_all(f->bus);
        append_many(f->bus, RECORDS_IN_RING);
        pos = LENGTH;
        assert_int_equal(ring_read(f->bus, &pos, ring_tail(f->bus).pos, copy, LENGTH, &needed),
                         -EOVERFLOW);
    }
}

static void a_reader_of_what_is_being_overwritten_is_lapped_before_a_byte_changes(void **state)
{
    struct fixture *f = *state;
    uint64_t pos = 0;
    size_t needed;

    append_many(f->bus, RECORDS_IN_RING);
    fixture_commit_all(f->bus);
    /* An appender that has only just begun: nothing is written, nothing published. */
    atomic_store(&f->bus->header->writing_until, (uint64_t)FIXTURE_SIZE + 8);
    assert_int_equal(ring_read(f->bus, &pos, FIXTURE_SIZE, copy, LENGTH, &needed), -EOVERFLOW);
}

static void read_damage(void *user)
{
    struct bus *bus = user;
    uint64_t pos = 0;
    size_t needed;

    (void)ring_read(bus, &pos, ring_tail(bus).pos, copy, sizeof copy, &needed);
}

static void a_length_that_cannot_be_and_no_lapping_is_a_broken_invariant(void **state)
{
    static const uint32_t lengths[] = {0, 8, 48, 57, 2 * LENGTH + 8, FIXTURE_SIZE, UINT32_MAX};
    struct fixture *f = *state;

    append_many(f->bus, 2);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memcpy(f->bus->data, &lengths[i], sizeof lengths[i]);
        assert_true(fixture_aborts(read_damage, f->bus));
    }
    /* The same bytes in a place that is being overwritten harm nobody. */
    atomic_store(&f->bus->header->writing_until, (uint64_t)FIXTURE_SIZE + 8);
    assert_int_equal(ring_read(f->bus, &(uint64_t){0}, 2 * LENGTH, copy, sizeof copy, &(size_t){0}),
                     -EOVERFLOW);
}

/* --- commits ------------------------------------------------------------------------------ */

static void a_commit_is_seen_by_all(void **state)
{
    struct fixture *f = *state;
    const struct ring_position committed = {.seq = 3, .pos = (uint64_t)3 * LENGTH};

    append_many(f->bus, 5);
    assert_int_equal(ring_committed(f->bus).seq, 0);
    assert_int_equal(ring_first_seq(f->bus), 0);
    ring_commit(f->bus, &committed, 2);
    assert_int_equal(ring_committed(f->bus).seq, 3);
    assert_int_equal(ring_committed(f->bus).pos, 3 * LENGTH);
    assert_int_equal(ring_first_seq(f->bus), 2);
}

static void commit_behind_tail(void *user)
{
    const struct ring_position committed = {.seq = 6, .pos = (uint64_t)6 * LENGTH};

    ring_commit(user, &committed, 1);
}

static void commit_backwards(void *user)
{
    const struct ring_position committed = {.seq = 1, .pos = LENGTH};

    ring_commit(user, &committed, 1);
}

static void commit_as_worker(void *user)
{
    role_set(ROLE_WORKER);
    fixture_commit_all(user);
}

static void a_commit_moves_forwards_and_not_past_the_tail(void **state)
{
    struct fixture *f = *state;

    append_many(f->bus, 5);
    assert_true(fixture_aborts(commit_behind_tail, f->bus));
    assert_true(fixture_aborts(commit_as_worker, f->bus));
    fixture_commit_all(f->bus);
    assert_true(fixture_aborts(commit_backwards, f->bus));
}

static void a_commit_is_urgent_until_what_it_is_wanted_for_is_committed(void **state)
{
    struct fixture *f = *state;
    const struct ring_position first = {.seq = 1, .pos = LENGTH};
    struct ring_appended appended;

    append_many(f->bus, 1);
    assert_false(ring_is_commit_urgent(f->bus));
    fixture_record(batch, LENGTH, RECORD_URGENT, 0);
    assert_int_equal(ring_append(f->bus, batch, LENGTH, &appended), 0);
    append_many(f->bus, 1);
    assert_true(ring_is_commit_urgent(f->bus));
    ring_commit(f->bus, &first, 1);
    assert_true(ring_is_commit_urgent(f->bus));
    fixture_commit_all(f->bus);
    assert_false(ring_is_commit_urgent(f->bus));

    append_many(f->bus, 1);
    assert_false(ring_is_commit_urgent(f->bus));
    ring_request_commit(f->bus);
    assert_true(ring_is_commit_urgent(f->bus));
    fixture_commit_all(f->bus);
    assert_false(ring_is_commit_urgent(f->bus));
}

static void an_urgent_append_that_was_never_published_keeps_no_writer_busy(void **state)
{
    struct fixture *f = *state;

    append_many(f->bus, 1);
    atomic_store(&f->bus->header->urgent_pos, (uint64_t)1000 * LENGTH);
    assert_true(ring_is_commit_urgent(f->bus));
    fixture_commit_all(f->bus);
    assert_false(ring_is_commit_urgent(f->bus));
}

static void restart_behind_header(void *user)
{
    const struct ring_position committed = {.seq = 1, .pos = LENGTH};

    ring_writer_restarted(user, &committed);
}

static void a_restarted_writer_announces_what_its_predecessor_could_not(void **state)
{
    struct fixture *f = *state;
    const struct ring_position announced = {.seq = 2, .pos = (uint64_t)2 * LENGTH};
    const struct ring_position stored = {.seq = 4, .pos = (uint64_t)4 * LENGTH};
    struct ring_appended appended;

    append_many(f->bus, 5);
    ring_commit(f->bus, &announced, 1);
    assert_true(fixture_aborts(restart_behind_header, f->bus));
    ring_writer_restarted(f->bus, &stored);
    assert_int_equal(ring_committed(f->bus).seq, 4);
    assert_int_equal(ring_committed(f->bus).pos, 4 * LENGTH);
    assert_int_equal(fixture_append(f->bus, LENGTH, 0, &appended), 0);
    assert_int_equal(appended.first_seq, 6); /* the ring itself lives on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        RING_TEST(operations_are_numbered_from_1_without_a_hole),
        RING_TEST(a_batch_is_appended_as_one_with_one_time),
        RING_TEST(the_callers_batch_stays_as_it_was),
        RING_TEST(a_full_ring_takes_nothing_until_something_is_committed),
        RING_TEST(of_a_batch_as_much_goes_in_as_there_is_room_for),
        RING_TEST(a_record_is_at_most_a_quarter_of_the_ring),
        RING_TEST(a_full_store_refuses_appends_and_nothing_else),
        RING_TEST(appending_what_is_no_unstamped_record_is_a_broken_invariant),
        RING_TEST(the_time_is_the_time_of_day),
        RING_TEST(time_never_goes_back),
        RING_TEST(a_clock_that_jumps_ahead_is_followed_by_a_minute),
        RING_TEST(a_reader_gets_whole_records_as_many_as_its_buffer_takes),
        RING_TEST(a_buffer_that_is_too_small_is_told_what_is_needed),
        RING_TEST(a_record_across_the_end_of_the_ring_is_read_in_one_piece),
        RING_TEST(a_lapped_reader_is_told_so),
        RING_TEST(a_reader_of_what_is_being_overwritten_is_lapped_before_a_byte_changes),
        RING_TEST(a_length_that_cannot_be_and_no_lapping_is_a_broken_invariant),
        RING_TEST(a_commit_is_seen_by_all),
        RING_TEST(a_commit_moves_forwards_and_not_past_the_tail),
        RING_TEST(a_commit_is_urgent_until_what_it_is_wanted_for_is_committed),
        RING_TEST(an_urgent_append_that_was_never_published_keeps_no_writer_busy),
        RING_TEST(a_restarted_writer_announces_what_its_predecessor_could_not),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
