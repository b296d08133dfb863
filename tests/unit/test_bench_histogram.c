#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluice-bench/histogram.h"

static int histogram_make(void **state)
{
    *state = calloc(1, sizeof(struct histogram));
    return *state == NULL ? -1 : 0;
}

static int histogram_drop(void **state)
{
    free(*state);
    return 0;
}

static void an_empty_histogram_has_quantiles_of_zero(void **state)
{
    assert_int_equal(histogram_quantile_ns(*state, 0.0), 0);
    assert_int_equal(histogram_quantile_ns(*state, 0.5), 0);
    assert_int_equal(histogram_quantile_ns(*state, 1.0), 0);
}

static void one_value_is_every_quantile(void **state)
{
    histogram_add(*state, 123456789);

    assert_int_equal(histogram_quantile_ns(*state, 0.0), 123456789);
    assert_int_equal(histogram_quantile_ns(*state, 0.5), 123456789);
    assert_int_equal(histogram_quantile_ns(*state, 1.0), 123456789);
}

static void small_values_are_exact(void **state)
{
    for (uint64_t ns = 1; ns <= 100; ns++)
        histogram_add(*state, ns);

    assert_int_equal(histogram_quantile_ns(*state, 0.01), 1);
    assert_int_equal(histogram_quantile_ns(*state, 0.5), 50);
    assert_int_equal(histogram_quantile_ns(*state, 0.9), 90);
    assert_int_equal(histogram_quantile_ns(*state, 0.99), 99);
    assert_int_equal(histogram_quantile_ns(*state, 1.0), 100);
}

static void a_quantile_is_never_too_small_and_at_most_a_bucket_too_large(void **state)
{
    struct histogram *histogram = *state;

    /* Around every power of two, where rows of buckets meet. */
    for (unsigned bit = 1; bit < HISTOGRAM_VALUE_BITS; bit++) {
        for (uint64_t offset = 0; offset < 3; offset++) {
            uint64_t ns = (UINT64_C(1) << bit) + offset - 1;
            memset(histogram, 0, sizeof *histogram);
            histogram_add(histogram, ns);
            histogram_add(histogram, HISTOGRAM_NS_MAX); /* so that the maximum does not help */
            uint64_t found_ns = histogram_quantile_ns(histogram, 0.5);
            assert_true(found_ns >= ns);
            assert_true(found_ns - ns <= ns / HISTOGRAM_SUB_BUCKETS);
        }
    }
}

static void values_beyond_the_last_bucket_count_and_are_the_maximum(void **state)
{
    histogram_add(*state, 5);
    histogram_add(*state, UINT64_MAX);

    assert_int_equal(histogram_quantile_ns(*state, 0.5), 5);
    assert_true(histogram_quantile_ns(*state, 0.51) == UINT64_MAX);
    assert_true(histogram_quantile_ns(*state, 1.0) == UINT64_MAX);
}

static void merging_is_the_same_as_adding_to_one(void **state)
{
    struct histogram *whole = *state;
    struct histogram *odd = calloc(1, sizeof *odd);
    struct histogram *even = calloc(1, sizeof *even);

    assert_non_null(odd);
    assert_non_null(even);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t ns = i * i * 977;
        histogram_add(whole, ns);
        histogram_add(i % 2 != 0 ? odd : even, ns);
    }
    histogram_merge(odd, even);
    assert_memory_equal(odd, whole, sizeof *whole);
    free(even);
    free(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_histogram_has_quantiles_of_zero, histogram_make,
                                        histogram_drop),
        cmocka_unit_test_setup_teardown(one_value_is_every_quantile, histogram_make,
                                        histogram_drop),
        cmocka_unit_test_setup_teardown(small_values_are_exact, histogram_make, histogram_drop),
        cmocka_unit_test_setup_teardown(
            a_quantile_is_never_too_small_and_at_most_a_bucket_too_large, histogram_make,
            histogram_drop),
        cmocka_unit_test_setup_teardown(values_beyond_the_last_bucket_count_and_are_the_maximum,
                                        histogram_make, histogram_drop),
        cmocka_unit_test_setup_teardown(merging_is_the_same_as_adding_to_one, histogram_make,
                                        histogram_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
