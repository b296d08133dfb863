/* Token buckets, with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/net/rate.h"

#define SECOND INT64_C(1000000000)
#define MS     INT64_C(1000000)
#define NOW    (INT64_C(86400) * SECOND) /* what such a clock shows after a day */

/* How many messages of @bytes are taken at once. */
static unsigned take_all(struct rate *rate, const struct rate_limits *limits, size_t bytes,
                         int64_t now_ns)
{
    unsigned count = 0;

    while (rate_take(rate, limits, bytes, now_ns) == 0) {
        count++;
        assert_true(count < 2000000);
    }
    return count;
}

static void without_limits_nothing_is_refused_or_remembered(void **state)
{
    const struct rate_limits off = {0};
    struct rate rate = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(rate_take(&rate, &off, 1 << 30, NOW), 0);
    assert_int_equal(rate.messages_full_ns, 0);
    assert_int_equal(rate.bytes_full_ns, 0);
}

static void a_burst_is_one_second_s_worth(void **state)
{
    static const uint64_t rates[] = {1, 2, 3, 7, 10, 64, 999, 1000, 65536, 1000000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const struct rate_limits limits = {.messages = rates[i]};
        struct rate rate = {0};
        unsigned count = take_all(&rate, &limits, 100, NOW);

        /* Costs are rounded down: of 65536 a second, 0.001 % more. */
        assert_true(count >= rates[i]);
        assert_true(count <= rates[i] + rates[i] / 10000);
    }
}

static void what_was_used_comes_back_at_the_rate(void **state)
{
    const struct rate_limits limits = {.messages = 10};
    struct rate rate = {0};

    (void)state;
    assert_int_equal(take_all(&rate, &limits, 1, NOW), 10);
    assert_int_equal(rate_take(&rate, &limits, 1, NOW), 100 * MS);
    assert_int_equal(rate_take(&rate, &limits, 1, NOW + 99 * MS), 1 * MS);
    assert_int_equal(rate_take(&rate, &limits, 1, NOW + 100 * MS), 0);
    assert_int_equal(rate_take(&rate, &limits, 1, NOW + 100 * MS), 100 * MS);
    assert_int_equal(take_all(&rate, &limits, 1, NOW + 400 * MS), 3);
    /* Never more than a second's worth, however long nothing was sent. */
    assert_int_equal(take_all(&rate, &limits, 1, NOW + 3600 * SECOND), 10);
}

static void what_is_refused_costs_nothing(void **state)
{
    const struct rate_limits limits = {.messages = 4, .bytes = 100};
    struct rate rate = {0};
    struct rate before;

    (void)state;
    assert_int_equal(rate_take(&rate, &limits, 60, NOW), 0);
    before = rate;
    /* No bytes are left for it: nor does it take a message. */
    assert_int_equal(rate_take(&rate, &limits, 60, NOW), 200 * MS);
    assert_memory_equal(&rate, &before, sizeof rate);
    assert_int_equal(rate_take(&rate, &limits, 40, NOW), 0);
    assert_int_equal(take_all(&rate, &limits, 0, NOW), 2);
    /* No messages are left: nor does it take bytes. */
    before = rate;
    assert_int_equal(rate_take(&rate, &limits, 1, NOW), 250 * MS);
    assert_memory_equal(&rate, &before, sizeof rate);
}

static void a_message_longer_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt(void **state)
{
    const struct rate_limits limits = {.bytes = 1000};
    struct rate rate = {0};

    (void)state;
    assert_int_equal(rate_take(&rate, &limits, 1000, NOW), 0); /* exactly the burst */
    assert_int_equal(rate_take(&rate, &limits, 1, NOW), 1 * MS);
    assert_int_equal(rate_take(&rate, &limits, 5000, NOW), 1 * SECOND);
    assert_int_equal(rate_take(&rate, &limits, 5000, NOW + 999 * MS), 1 * MS);
    assert_int_equal(rate_take(&rate, &limits, 5000, NOW + 1000 * MS), 0);
    /* 5 s until it is full; a token is there 1 ms after the 4 s of debt. */
    assert_int_equal(rate_take(&rate, &limits, 1, NOW + 1000 * MS), 4001 * MS);
    assert_int_equal(rate_take(&rate, &limits, 1001, NOW + 1000 * MS), 5000 * MS);
    assert_int_equal(rate_take(&rate, &limits, 1, NOW + 5001 * MS), 0);
}

static void over_a_long_time_the_rate_holds(void **state)
{
    const struct rate_limits limits = {.messages = 50, .bytes = 3000};
    struct rate rate = {0};
    uint64_t taken_bytes = 0;

    (void)state;
    /* Sizes from 0 to 6000, tried every millisecond for 100 seconds. */
    for (int64_t ms = 0; ms < 100000; ms++) {
        size_t bytes = (size_t)(ms * 7919 % 6001);

        if (rate_take(&rate, &limits, bytes, NOW + ms * MS) == 0)
            taken_bytes += bytes;
    }
    /* A burst and a debt more at most. */
    assert_in_range(taken_bytes, 100 * 3000 - 3000, 100 * 3000 + 3000 + 6000);
}

static void the_largest_message_at_the_lowest_rate_does_not_overflow(void **state)
{
    const struct rate_limits limits = {.messages = 1, .bytes = 1};
    struct rate rate = {0};

    (void)state;
    assert_int_equal(rate_take(&rate, &limits, SIZE_MAX, NOW), 0);
    assert_int_equal(rate_take(&rate, &limits, SIZE_MAX, NOW), RATE_TOKENS_MAX * SECOND);
    assert_true(rate.bytes_full_ns > NOW);
}

static void a_limit_that_is_turned_off_forgives_the_debt(void **state)
{
    const struct rate_limits strict = {.bytes = 1};
    const struct rate_limits only_messages = {.messages = 5};
    struct rate rate = {0};

    (void)state;
    assert_int_equal(rate_take(&rate, &strict, 1000, NOW), 0);
    assert_true(rate_take(&rate, &strict, 1, NOW) > 0);
    assert_int_equal(take_all(&rate, &only_messages, 1000, NOW), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_refused_or_remembered),
        cmocka_unit_test(a_burst_is_one_second_s_worth),
        cmocka_unit_test(what_was_used_comes_back_at_the_rate),
        cmocka_unit_test(what_is_refused_costs_nothing),
        cmocka_unit_test(a_message_longer_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt),
        cmocka_unit_test(over_a_long_time_the_rate_holds),
        cmocka_unit_test(the_largest_message_at_the_lowest_rate_does_not_overflow),
        cmocka_unit_test(a_limit_that_is_turned_off_forgives_the_debt),
    };

    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
