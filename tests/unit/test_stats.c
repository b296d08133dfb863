#include "tests/unit/bus_fixture.h"

#include <string.h>

#include "bus/stats.h"

static void every_stat_has_a_name_of_its_own_and_help(void **state)
{
    (void)state;
    unsigned words = 0;

    for (unsigned i = 0; i < stat_info_count(); i++) {
        const struct stat_info *info = stat_info(i);

        assert_int_equal(info->first, words); /* no word is two stats', none is nobody's */
        words += info->word_count;
        assert_true(strlen(info->help) > 0);
        assert_int_equal(strspn(info->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                         strlen(info->name));
        if (*info->name == '\0')
            continue;
        /* Prometheus: a counter's name says that it is one. */
        assert_int_equal(strstr(info->name, "_total") != NULL, info->kind == STAT_KIND_COUNTER);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(info->name, stat_info(j)->name);
    }
    assert_int_equal(words, STAT_COUNT);
}

static void sums_go_over_all_slots(void **state)
{
    struct fixture *f = *state;

    stat_add(f->bus, BUS_SLOT_MASTER, STAT_ACCEPTED, 1);
    stat_add(f->bus, 7, STAT_ACCEPTED, 10);
    stat_add(f->bus, BUS_SLOT_COUNT - 1, STAT_ACCEPTED, 100);
    stat_add(f->bus, 7, STAT_REFUSED, 1000);
    assert_int_equal(stat_get(f->bus, 7, STAT_ACCEPTED), 10);
    assert_int_equal(stat_sum(f->bus, STAT_ACCEPTED), 111);
    assert_int_equal(stat_sum(f->bus, STAT_REFUSED), 1000);
}

static void a_gauge_goes_down_too(void **state)
{
    struct fixture *f = *state;

    stat_add(f->bus, 7, STAT_CLIENTS, 3);
    stat_add(f->bus, 8, STAT_CLIENTS, 4);
    stat_add(f->bus, 7, STAT_CLIENTS, -2);
    assert_int_equal(stat_get(f->bus, 7, STAT_CLIENTS), 1);
    assert_int_equal(stat_sum(f->bus, STAT_CLIENTS), 5);
}

static void a_death_clears_the_gauges_and_keeps_the_counters(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < STAT_COUNT; i++) {
        stat_add(f->bus, 7, (enum stat_id)i, 5);
        stat_add(f->bus, 8, (enum stat_id)i, 6);
    }
    stat_clear_gauges(f->bus, 7);
    for (unsigned row = 0; row < stat_info_count(); row++) {
        const struct stat_info *info = stat_info(row);

        for (unsigned i = 0; i < info->word_count; i++) {
            assert_int_equal(stat_get(f->bus, 7, stat_at(info->first, i)),
                             info->kind == STAT_KIND_GAUGE ? 0 : 5);
            assert_int_equal(stat_get(f->bus, 8, stat_at(info->first, i)), 6);
        }
    }
}

static void an_observation_is_in_the_bucket_whose_bound_it_does_not_pass(void **state)
{
    struct fixture *f = *state;

    for (unsigned row = 0; row < stat_info_count(); row++) {
        const struct stat_info *info = stat_info(row);
        const uint64_t *bounds;
        unsigned bound_count;

        if (info->kind != STAT_KIND_HISTOGRAM)
            continue;
        bounds = stat_bounds(info->first, &bound_count);
        assert_int_equal(info->word_count, bound_count + STAT_HISTOGRAM_EXTRA);
        for (unsigned i = 0; i < bound_count; i++) {
            assert_true(i == 0 || bounds[i] > bounds[i - 1]);
            stat_observe(f->bus, 7, info->first, bounds[i], 2);
            stat_observe(f->bus, 7, info->first, bounds[i] + 1, 1);
            assert_int_equal(stat_get(f->bus, 7, stat_at(info->first, i)), i == 0 ? 2 : 3);
            assert_int_equal(stat_get(f->bus, 7, stat_at(info->first, i + 1)), 1);
        }
    }
}

static void a_histogram_knows_its_sum(void **state)
{
    struct fixture *f = *state;

    stat_observe(f->bus, 7, STAT_COMMIT_SIZE, 7, 3);
    stat_observe(f->bus, 7, STAT_COMMIT_SIZE, 1000000, 1);
    assert_int_equal(stat_get(f->bus, 7, STAT_COMMIT_SIZE_LAST), 1000021);
    assert_int_equal(stat_get(f->bus, 7, stat_at(STAT_COMMIT_SIZE, STAT_COMMIT_SIZE_BOUNDS)), 1);
}

static void observe_what_is_no_histogram(void *user)
{
    stat_observe(user, 7, STAT_CLIENTS, 1, 1);
}

static void count_no_stat(void *user)
{
    stat_add(user, 7, STAT_COUNT, 1);
}

static void count_in_no_slot(void *user)
{
    stat_add(user, BUS_SLOT_COUNT, STAT_CLIENTS, 1);
}

static void what_is_not_there_is_not_counted(void **state)
{
    struct fixture *f = *state;

    assert_true(fixture_aborts(count_no_stat, f->bus));
    assert_true(fixture_aborts(count_in_no_slot, f->bus));
    assert_true(fixture_aborts(observe_what_is_no_histogram, f->bus));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STATS_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        cmocka_unit_test(every_stat_has_a_name_of_its_own_and_help),
        STATS_TEST(sums_go_over_all_slots),
        STATS_TEST(a_gauge_goes_down_too),
        STATS_TEST(a_death_clears_the_gauges_and_keeps_the_counters),
        STATS_TEST(an_observation_is_in_the_bucket_whose_bound_it_does_not_pass),
        STATS_TEST(a_histogram_knows_its_sum),
        STATS_TEST(what_is_not_there_is_not_counted),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
