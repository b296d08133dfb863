#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "server/trim.h"

#define NOW    INT64_C(1000)
#define PEAK   ((uint64_t)TRIM_BYTES_MIN)
#define FALLEN (PEAK / TRIM_PARTS)
#define IDLE   false
#define BUSY   true

static void little_is_never_worth_it(void **state)
{
    struct trim trim = {0};

    (void)state;
    assert_false(trim_is_due(&trim, PEAK - 1, IDLE, NOW));
    assert_false(trim_is_due(&trim, 0, IDLE, NOW));
}

static void much_is_given_back_once_when_it_has_been_freed(void **state)
{
    struct trim trim = {0};

    (void)state;
    assert_false(trim_is_due(&trim, PEAK, IDLE, NOW));
    assert_false(trim_is_due(&trim, FALLEN + 1, IDLE, NOW));
    assert_true(trim_is_due(&trim, FALLEN, IDLE, NOW));
    assert_false(trim_is_due(&trim, 0, IDLE, NOW + TRIM_NS));
}

static void a_peak_in_a_busy_turn_is_seen_and_waits_for_one_without_work(void **state)
{
    struct trim trim = {0};

    (void)state;
    assert_false(trim_is_due(&trim, PEAK, BUSY, NOW));
    assert_false(trim_is_due(&trim, 0, BUSY, NOW));
    assert_true(trim_is_due(&trim, 0, IDLE, NOW));
}

static void the_next_one_has_to_wait(void **state)
{
    struct trim trim = {0};

    (void)state;
    assert_false(trim_is_due(&trim, PEAK, IDLE, NOW));
    assert_true(trim_is_due(&trim, 0, IDLE, NOW));
    assert_false(trim_is_due(&trim, PEAK, IDLE, NOW + 1));
    assert_false(trim_is_due(&trim, 0, IDLE, NOW + TRIM_NS - 1));
    assert_true(trim_is_due(&trim, 0, IDLE, NOW + TRIM_NS));
}

static void what_was_left_at_the_last_one_counts_for_the_next(void **state)
{
    struct trim trim = {0};

    (void)state;
    assert_false(trim_is_due(&trim, PEAK * TRIM_PARTS, IDLE, NOW));
    assert_true(trim_is_due(&trim, PEAK, IDLE, NOW));
    assert_true(trim_is_due(&trim, FALLEN, IDLE, NOW + TRIM_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_never_worth_it),
        cmocka_unit_test(much_is_given_back_once_when_it_has_been_freed),
        cmocka_unit_test(a_peak_in_a_busy_turn_is_seen_and_waits_for_one_without_work),
        cmocka_unit_test(the_next_one_has_to_wait),
        cmocka_unit_test(what_was_left_at_the_last_one_counts_for_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
