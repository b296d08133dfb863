#include "tests/unit/bus_fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/stats.h"
#include "server/process_stats.h"

enum {
    SLOT = BUS_SLOT_WORKERS,
    TICKS_MAX = 100 * 1000, /* of use(): a bound against hanging */
    MUCH_BYTES = 16 * 1024 * 1024,
};
#define SECOND INT64_C(1000000000)

static unsigned count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

/* Uses the processor until the counter has moved. */
static uint64_t use(struct process_stats *stats, const struct fixture *f, int64_t *now_ns)
{
    uint64_t before = stat_get(f->bus, SLOT, STAT_CPU_NS);

    for (int i = 0; i < TICKS_MAX && stat_get(f->bus, SLOT, STAT_CPU_NS) == before; i++) {
        for (volatile int spin = 0; spin < 10000; spin++)
            continue;
        *now_ns += SECOND;
        process_stats_turn(stats, f->bus, SLOT, *now_ns);
    }
    assert_true(stat_get(f->bus, SLOT, STAT_CPU_NS) > before);
    return stat_get(f->bus, SLOT, STAT_CPU_NS);
}

static void a_process_tells_its_time_and_memory(void **state)
{
    struct fixture *f = *state;
    struct process_stats stats = {0};
    int64_t now_ns = 5 * SECOND;
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t before;
    char *much;

    process_stats_turn(&stats, f->bus, SLOT, now_ns);
    before = stat_get(f->bus, SLOT, STAT_RSS_BYTES);
    assert_true(before >= page_bytes);
    assert_int_equal(before % page_bytes, 0);
    (void)use(&stats, f, &now_ns);
    much = malloc(MUCH_BYTES);
    assert_non_null(much);
    memset(much, 1, MUCH_BYTES);
    process_stats_turn(&stats, f->bus, SLOT, now_ns + SECOND);
    assert_true(stat_get(f->bus, SLOT, STAT_RSS_BYTES) >= before + MUCH_BYTES / 2);
    free(much);
    process_stats_done(&stats);
}

static void it_looks_once_a_second(void **state)
{
    struct fixture *f = *state;
    struct process_stats stats = {0};

    process_stats_turn(&stats, f->bus, SLOT, 5 * SECOND);
    stat_set(f->bus, SLOT, STAT_RSS_BYTES, 1);
    process_stats_turn(&stats, f->bus, SLOT, 6 * SECOND - 1);
    assert_int_equal(stat_get(f->bus, SLOT, STAT_RSS_BYTES), 1);
    process_stats_turn(&stats, f->bus, SLOT, 6 * SECOND);
    assert_int_not_equal(stat_get(f->bus, SLOT, STAT_RSS_BYTES), 1);
    process_stats_done(&stats);
}

static void the_next_process_adds_to_the_time_of_the_last(void **state)
{
    struct fixture *f = *state;
    struct process_stats stats = {0};
    int64_t now_ns = SECOND;
    uint64_t last;

    stat_set(f->bus, SLOT, STAT_CPU_NS, 7000 * (uint64_t)SECOND);
    last = use(&stats, f, &now_ns);
    assert_true(last > 7000 * (uint64_t)SECOND);
    process_stats_done(&stats);
    /* As by another process: it has used nothing yet that this one knows of. */
    assert_true(use(&stats, f, &now_ns) > last);
    process_stats_done(&stats);
}

static void the_end_closes_what_was_opened(void **state)
{
    struct fixture *f = *state;
    struct process_stats stats = {0};
    unsigned before = count_descriptors();

    process_stats_done(&stats); /* that was never used */
    assert_int_equal(count_descriptors(), before);
    process_stats_turn(&stats, f->bus, SLOT, SECOND);
    process_stats_turn(&stats, f->bus, SLOT, 3 * SECOND);
    assert_int_equal(count_descriptors(), before + 1);
    process_stats_done(&stats);
    process_stats_done(&stats);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_process_tells_its_time_and_memory),
        TEST(it_looks_once_a_second),
        TEST(the_next_process_adds_to_the_time_of_the_last),
        TEST(the_end_closes_what_was_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
