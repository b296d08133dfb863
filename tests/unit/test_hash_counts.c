#include "tests/unit/bus_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/hash_counts.h"

static const unsigned first_slot = BUS_SLOT_WORKERS;
static const unsigned second_slot = BUS_SLOT_WORKERS + 1;

static struct hash_counts *counts;

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    bus_slot_occupy(f->bus, first_slot);
    bus_slot_occupy(f->bus, second_slot);
    return hash_counts_open("test", &counts);
}

static int teardown(void **state)
{
    hash_counts_close(counts);
    return fixture_teardown(state);
}

/* The @index-th name that begins its probing at the same entry as the others. */
static uint64_t colliding(uint64_t index)
{
    return 1000 + index * HASH_COUNTS_ENTRIES;
}

static void subscribers_of_all_workers_are_added_up(void **state)
{
    struct fixture *f = *state;

    hash_counts_add(counts, first_slot, 5, 1);
    hash_counts_add(counts, first_slot, 5, 1);
    hash_counts_add(counts, second_slot, 5, 1);
    hash_counts_add(counts, second_slot, 6, 10);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 3);
    assert_int_equal(hash_counts_sum(counts, f->bus, 6), 10);
    assert_int_equal(hash_counts_sum(counts, f->bus, 7), 0);
    hash_counts_add(counts, first_slot, 5, -1);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 2);
    hash_counts_add(counts, first_slot, 5, -1);
    hash_counts_add(counts, second_slot, 5, -1);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 0);
}

static void any_hash_will_do(void **state)
{
    static const uint64_t hashes[] = {0, UINT64_MAX, HASH_COUNTS_ENTRIES - 1,
                                      2 * HASH_COUNTS_ENTRIES - 1};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        hash_counts_add(counts, first_slot, hashes[i], (int)i + 1);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        assert_int_equal(hash_counts_sum(counts, f->bus, hashes[i]), i + 1);
}

static void names_that_collide_are_kept_apart_as_far_as_there_are_probes(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < HASH_COUNTS_PROBES; i++)
        assert_true(hash_counts_add(counts, first_slot, colliding(i), (int)i + 1));
    /* One too many: whoever counts exactly must know that it is not counted. */
    assert_false(hash_counts_add(counts, first_slot, colliding(HASH_COUNTS_PROBES), 1));
    assert_false(hash_counts_add(counts, first_slot, colliding(HASH_COUNTS_PROBES), -1));
    for (uint64_t i = 0; i < HASH_COUNTS_PROBES; i++)
        assert_int_equal(hash_counts_sum(counts, f->bus, colliding(i)), i + 1);
    assert_int_equal(hash_counts_sum(counts, f->bus, colliding(HASH_COUNTS_PROBES)), 0);
}

static void the_place_of_a_topic_without_subscribers_is_given_to_another(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < HASH_COUNTS_PROBES; i++)
        hash_counts_add(counts, first_slot, colliding(i), 1);
    hash_counts_add(counts, first_slot, colliding(4), -1);
    hash_counts_add(counts, first_slot, colliding(100), 9);
    assert_int_equal(hash_counts_sum(counts, f->bus, colliding(100)), 9);
    assert_int_equal(hash_counts_sum(counts, f->bus, colliding(4)), 0);
    /* A place that became free before its own must not give a name a second one. */
    hash_counts_add(counts, first_slot, colliding(0), -1);
    hash_counts_add(counts, first_slot, colliding(100), -4);
    hash_counts_add(counts, first_slot, colliding(100), 1);
    assert_int_equal(hash_counts_sum(counts, f->bus, colliding(100)), 6);
}

static void leaving_what_was_never_counted_does_not_go_below_zero(void **state)
{
    struct fixture *f = *state;

    hash_counts_add(counts, first_slot, 5, -1);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 0);
    hash_counts_add(counts, first_slot, 5, 1);
    hash_counts_add(counts, first_slot, 5, -3);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 0);
}

/* Hashes as good as random. */
static uint64_t scattered(uint64_t index)
{
    return (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void of_thousands_that_come_and_go_nothing_is_left(void **state)
{
    enum {
        ROUNDS = 50,
        AT_ONCE = 2000,
    };
    struct fixture *f = *state;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < AT_ONCE; i++)
            assert_true(hash_counts_add(counts, first_slot, scattered(round * AT_ONCE + i), 1));
        for (uint64_t i = 0; i < AT_ONCE; i++)
            assert_true(hash_counts_add(counts, first_slot, scattered(round * AT_ONCE + i), -1));
    }
    for (uint64_t i = 0; i < (uint64_t)ROUNDS * AT_ONCE; i++)
        assert_int_equal(hash_counts_sum(counts, f->bus, scattered(i)), 0);
}

static void a_dead_worker_counts_no_more(void **state)
{
    struct fixture *f = *state;

    hash_counts_add(counts, first_slot, 5, 3);
    hash_counts_add(counts, second_slot, 5, 4);
    bus_slot_vacate(f->bus, first_slot);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 4);
    hash_counts_clear(counts, first_slot);
    bus_slot_occupy(f->bus, first_slot);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 4);
    hash_counts_add(counts, first_slot, 5, 1); /* its successor */
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 5);
}

static void count_in_child(void *user)
{
    (void)user;
    hash_counts_add(counts, second_slot, 5, 4);
}

static void what_a_child_counts_is_seen_by_all(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_in_child(count_in_child, NULL), 0);
    assert_int_equal(hash_counts_sum(counts, f->bus, 5), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define COUNTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        COUNTS_TEST(subscribers_of_all_workers_are_added_up),
        COUNTS_TEST(any_hash_will_do),
        COUNTS_TEST(names_that_collide_are_kept_apart_as_far_as_there_are_probes),
        COUNTS_TEST(the_place_of_a_topic_without_subscribers_is_given_to_another),
        COUNTS_TEST(leaving_what_was_never_counted_does_not_go_below_zero),
        COUNTS_TEST(of_thousands_that_come_and_go_nothing_is_left),
        COUNTS_TEST(a_dead_worker_counts_no_more),
        COUNTS_TEST(what_a_child_counts_is_seen_by_all),
    };

    return cmocka_run_group_tests_name("hash_counts", tests, NULL, NULL);
}
