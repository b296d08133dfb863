/* When the store writer commits, trims or sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/commit_plan.h"

enum {
    NOW = 1000000000,
    RING = 4096,
};

/* Something small waits since now; trimming is not due for long. */
static struct commit_view waiting(void)
{
    return (struct commit_view){
        .waiting_bytes = 64,
        .ring_bytes = RING,
        .waiting_since_ns = NOW,
        .trim_due_ns = NOW + COMMIT_PLAN_IDLE_NS * 10,
        .now_ns = NOW,
    };
}

static struct commit_view idle(void)
{
    struct commit_view view = waiting();

    view.waiting_bytes = 0;
    view.waiting_since_ns = 0;
    return view;
}

static void assert_sleeps(const struct commit_view *view, int64_t ns)
{
    struct commit_plan plan = commit_plan(view);

    assert_int_equal(plan.choice, COMMIT_SLEEP);
    assert_int_equal(plan.sleep_ns, ns);
}

static void what_nobody_waits_for_is_gathered_for_50_ms(void **state)
{
    struct commit_view view = waiting();

    (void)state;
    assert_sleeps(&view, COMMIT_PLAN_DELAY_NS);
    view.now_ns += COMMIT_PLAN_DELAY_NS - 1;
    assert_sleeps(&view, 1);
    view.now_ns++;
    assert_int_equal(commit_plan(&view).choice, COMMIT_COMMIT);
}

static void a_commit_begins_at_once_when_there_is_a_reason(void **state)
{
    struct commit_view urgent = waiting();
    struct commit_view more = waiting();
    struct commit_view ending = waiting();
    struct commit_view full = waiting();

    (void)state;
    urgent.is_urgent = true;
    assert_int_equal(commit_plan(&urgent).choice, COMMIT_COMMIT);
    more.has_more = true;
    assert_int_equal(commit_plan(&more).choice, COMMIT_COMMIT);
    ending.is_ending = true;
    assert_int_equal(commit_plan(&ending).choice, COMMIT_COMMIT);
    full.waiting_bytes = RING / 4 - 8;
    assert_int_equal(commit_plan(&full).choice, COMMIT_SLEEP);
    full.waiting_bytes = RING / 4;
    assert_int_equal(commit_plan(&full).choice, COMMIT_COMMIT);
}

static void with_nothing_to_commit_it_trims_when_that_is_due_and_sleeps_otherwise(void **state)
{
    struct commit_view view = idle();

    (void)state;
    assert_sleeps(&view, COMMIT_PLAN_IDLE_NS);
    view.trim_due_ns = NOW + 5;
    assert_sleeps(&view, 5);
    view.trim_due_ns = NOW;
    assert_int_equal(commit_plan(&view).choice, COMMIT_TRIM);
}

static void trimming_never_comes_before_a_commit(void **state)
{
    struct commit_view view = waiting();

    (void)state;
    view.trim_due_ns = NOW;
    assert_sleeps(&view, COMMIT_PLAN_DELAY_NS);
    view.is_urgent = true;
    assert_int_equal(commit_plan(&view).choice, COMMIT_COMMIT);
}

static void urgency_without_anything_to_commit_is_no_reason(void **state)
{
    struct commit_view view = idle();

    (void)state;
    view.is_urgent = true;
    view.has_more = true;
    assert_sleeps(&view, COMMIT_PLAN_IDLE_NS);
}

static void after_a_failure_nothing_is_tried_before_its_time(void **state)
{
    struct commit_view view = waiting();

    (void)state;
    view.is_urgent = true;
    view.retry_ns = NOW + 7;
    assert_sleeps(&view, 7);
    view.now_ns = view.retry_ns;
    assert_int_equal(commit_plan(&view).choice, COMMIT_COMMIT);
}

static void one_that_ends_does_not_trim(void **state)
{
    struct commit_view view = idle();

    (void)state;
    view.trim_due_ns = NOW;
    view.is_ending = true;
    assert_int_equal(commit_plan(&view).choice, COMMIT_SLEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_waits_for_is_gathered_for_50_ms),
        cmocka_unit_test(a_commit_begins_at_once_when_there_is_a_reason),
        cmocka_unit_test(with_nothing_to_commit_it_trims_when_that_is_due_and_sleeps_otherwise),
        cmocka_unit_test(trimming_never_comes_before_a_commit),
        cmocka_unit_test(urgency_without_anything_to_commit_is_no_reason),
        cmocka_unit_test(after_a_failure_nothing_is_tried_before_its_time),
        cmocka_unit_test(one_that_ends_does_not_trim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
