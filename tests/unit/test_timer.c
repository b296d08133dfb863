#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "server/net/timer.h"

enum {
    START_NS = 12345, /* a wheel need not be opened on a whole tick */
};

struct item {
    struct timer timer; /* first: the callbacks below get its address */
    int fired;
    int64_t fired_ns;
    struct item *stops;  /* stopped when this one fires */
    int64_t restarts_ns; /* started again when it fires, if not 0 */
};

static struct timer_wheel *wheel;
static uint32_t kind;
static int64_t now_ns;

static void on_fire(struct timer *timer)
{
    struct item *item = (struct item *)(void *)timer;

    item->fired++;
    item->fired_ns = now_ns;
    if (item->stops != NULL)
        timer_stop(&item->stops->timer);
    if (item->restarts_ns != 0)
        timer_start(wheel, timer, item->restarts_ns);
}

static int open_wheel(void **state)
{
    (void)state;
    now_ns = START_NS;
    assert_int_equal(timer_wheel_open(now_ns, &wheel), 0);
    kind = timer_wheel_register(wheel, on_fire);
    return 0;
}

static int close_wheel(void **state)
{
    (void)state;
    timer_wheel_close(wheel);
    return 0;
}

static struct item new_item(void)
{
    struct item item = {.fired = 0};

    timer_init(&item.timer, kind);
    return item;
}

static int64_t advance(int64_t to_ns)
{
    now_ns = to_ns;
    return timer_wheel_advance(wheel, now_ns);
}

/* Advances in steps as a loop would: to when the wheel wants to be looked at, at most a second. */
static void advance_like_a_loop(int64_t until_ns)
{
    while (now_ns < until_ns) {
        int64_t wait_ns = timer_wheel_next(wheel, now_ns);

        if (wait_ns > 1000000000)
            wait_ns = 1000000000;
        if (wait_ns > until_ns - now_ns)
            wait_ns = until_ns - now_ns;
        (void)advance(now_ns + (wait_ns > 0 ? wait_ns : 1));
    }
}

static void a_timer_fires_once_at_or_within_a_tick_after_its_time(void **state)
{
    static const int64_t delays_ns[] = {
        0,
        1,
        TIMER_TICK_NS - 1,
        TIMER_TICK_NS,
        TIMER_TICK_NS + 1,
        25000000000,
        102400000000,
        102400000001,
        3600000000000,
    };
    (void)state;
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        struct item item = new_item();
        int64_t begun_ns = now_ns;

        timer_start(wheel, &item.timer, delays_ns[i]);
        assert_true(timer_is_running(&item.timer));
        advance_like_a_loop(begun_ns + delays_ns[i] + 2 * (int64_t)TIMER_TICK_NS);
        assert_int_equal(item.fired, 1);
        assert_false(timer_is_running(&item.timer));
        assert_true(item.fired_ns >= begun_ns + delays_ns[i]);
        assert_true(item.fired_ns <= begun_ns + delays_ns[i] + TIMER_TICK_NS);
    }
}

static void a_stopped_timer_does_not_fire(void **state)
{
    struct item item = new_item();

    (void)state;
    timer_start(wheel, &item.timer, 200000000);
    timer_stop(&item.timer);
    assert_false(timer_is_running(&item.timer));
    timer_stop(&item.timer); /* twice is harmless */
    advance_like_a_loop(now_ns + 1000000000);
    assert_int_equal(item.fired, 0);
}

static void a_moved_timer_fires_at_its_new_time_only(void **state)
{
    struct item item = new_item();
    int64_t begun_ns = now_ns;

    (void)state;
    timer_start(wheel, &item.timer, 200000000);
    timer_start(wheel, &item.timer, 5000000000);
    advance_like_a_loop(begun_ns + 4900000000);
    assert_int_equal(item.fired, 0);
    timer_start(wheel, &item.timer, 100000000);
    advance_like_a_loop(now_ns + 300000000);
    assert_int_equal(item.fired, 1);
}

static void neighbours_in_a_slot_are_stopped_in_any_order(void **state)
{
    struct item items[3];

    (void)state;
    for (int skipped = 0; skipped < 3; skipped++) {
        for (int i = 0; i < 3; i++) {
            items[i] = new_item();
            timer_start(wheel, &items[i].timer, 1000000000);
        }
        timer_stop(&items[skipped].timer);
        advance_like_a_loop(now_ns + 2000000000);
        for (int i = 0; i < 3; i++)
            assert_int_equal(items[i].fired, i != skipped);
    }
}

static void a_callback_may_stop_others_that_are_due_with_it(void **state)
{
    struct item first = new_item();
    struct item second = new_item();

    (void)state;
    first.stops = &second;
    second.stops = &first;
    timer_start(wheel, &first.timer, 300000000);
    timer_start(wheel, &second.timer, 300000000);
    advance_like_a_loop(now_ns + 1000000000);
    assert_int_equal(first.fired + second.fired, 1);
}

static void a_callback_may_start_its_timer_again(void **state)
{
    struct item item = new_item();

    (void)state;
    item.restarts_ns = 1000000000;
    timer_start(wheel, &item.timer, 1000000000);
    advance_like_a_loop(now_ns + 10200000000);
    /* 100 ms late each time at most */
    assert_in_range(item.fired, 9, 10);
    timer_stop(&item.timer);
}

static void a_timer_restarted_at_once_does_not_fire_twice_in_a_turn(void **state)
{
    struct item item = new_item();

    (void)state;
    item.restarts_ns = 1;
    timer_start(wheel, &item.timer, 1);
    (void)advance(now_ns + 60000000000); /* the process was stopped for a minute */
    assert_int_equal(item.fired, 1);
    timer_stop(&item.timer);
}

static void after_a_long_sleep_everything_due_fires_and_nothing_else(void **state)
{
    enum { COUNT = 500 };
    static struct item items[COUNT];
    int64_t begun_ns = now_ns;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        items[i] = new_item();
        timer_start(wheel, &items[i].timer, (int64_t)(i + 1) * 1000000000);
    }
    (void)advance(begun_ns + 300500000000); /* almost three rounds */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].fired, i < 300);
    advance_like_a_loop(begun_ns + 501000000000);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].fired, 1);
}

static void one_turn_fires_a_bounded_number_and_the_next_the_rest(void **state)
{
    enum { COUNT = TIMER_FIRE_MAX + 10 };
    struct item *items = calloc(COUNT, sizeof *items);
    int fired = 0;

    (void)state;
    assert_non_null(items);
    for (int i = 0; i < COUNT; i++) {
        items[i] = new_item();
        timer_start(wheel, &items[i].timer, 1000000000);
    }
    assert_int_equal(advance(now_ns + 5000000000), 0); /* more is due at once */
    for (int i = 0; i < COUNT; i++)
        fired += items[i].fired;
    assert_int_equal(fired, TIMER_FIRE_MAX);
    (void)advance(now_ns);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].fired, 1);
    free(items);
}

static void an_empty_wheel_never_wants_to_be_looked_at(void **state)
{
    struct item item = new_item();

    (void)state;
    assert_true(timer_wheel_next(wheel, now_ns) == INT64_MAX);
    timer_start(wheel, &item.timer, 700000000);
    assert_true(timer_wheel_next(wheel, now_ns) >= 700000000);
    assert_true(timer_wheel_next(wheel, now_ns) <= 800000000);
    advance_like_a_loop(now_ns + 1000000000);
    assert_true(timer_wheel_next(wheel, now_ns) == INT64_MAX);
}

static int other_fired;

static void on_other(struct timer *timer)
{
    (void)timer;
    other_fired++;
}

static void each_kind_has_its_own_callback(void **state)
{
    struct item item = new_item();
    struct timer other;

    (void)state;
    other_fired = 0;
    timer_init(&other, timer_wheel_register(wheel, on_other));
    timer_start(wheel, &item.timer, 1);
    timer_start(wheel, &other, 1);
    (void)advance(now_ns + 1000000000);
    assert_int_equal(item.fired, 1);
    assert_int_equal(other_fired, 1);
}

static void random_starts_moves_and_stops_keep_every_promise(void **state)
{
    enum { COUNT = 200, STEPS = 20000 };
    static struct item items[COUNT];
    static int64_t due_ns[COUNT]; /* 0: not running */
    unsigned random = 1;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        items[i] = new_item();
        due_ns[i] = 0;
    }
    for (int step = 0; step < STEPS; step++) {
        unsigned i;

        random = random * 1103515245U + 12345U;
        i = random / 65536 % COUNT;
        if (random % 5 == 0) {
            timer_stop(&items[i].timer);
            due_ns[i] = 0;
        } else {
            int64_t delay_ns = (int64_t)(random / 7 % 3000) * 100000001;

            timer_start(wheel, &items[i].timer, delay_ns);
            due_ns[i] = now_ns + delay_ns;
        }
        items[i].fired = 0;
        (void)advance(now_ns + (int64_t)(random / 11 % 500) * 1000000);
        for (int k = 0; k < COUNT; k++) {
            if (items[k].fired > 0) {
                assert_true(due_ns[k] != 0);
                assert_true(due_ns[k] <= now_ns);
                assert_int_equal(items[k].fired, 1);
                items[k].fired = 0;
                due_ns[k] = 0;
            }
            if (due_ns[k] != 0)
                assert_true(due_ns[k] + TIMER_TICK_NS > now_ns);
        }
    }
    for (int i = 0; i < COUNT; i++)
        timer_stop(&items[i].timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_wheel, close_wheel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_at_or_within_a_tick_after_its_time),
        TEST(a_stopped_timer_does_not_fire),
        TEST(a_moved_timer_fires_at_its_new_time_only),
        TEST(neighbours_in_a_slot_are_stopped_in_any_order),
        TEST(a_callback_may_stop_others_that_are_due_with_it),
        TEST(a_callback_may_start_its_timer_again),
        TEST(a_timer_restarted_at_once_does_not_fire_twice_in_a_turn),
        TEST(after_a_long_sleep_everything_due_fires_and_nothing_else),
        TEST(one_turn_fires_a_bounded_number_and_the_next_the_rest),
        TEST(an_empty_wheel_never_wants_to_be_looked_at),
        TEST(each_kind_has_its_own_callback),
        TEST(random_starts_moves_and_stops_keep_every_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
