/* The master's part of a drain, with its clock in our hands. */
#include "tests/unit/bus_fixture.h"

#include <string.h>

#include "bus/stats.h"
#include "server/config.h"
#include "server/drain_master.h"
#include "server/log.h"

#define SECOND INT64_C(1000000000)
#define BEGUN  (1000 * SECOND)

static const struct config config = {
    .drain_timeout = 1800 * (uint64_t)SECOND,
};

static const unsigned worker = BUS_SLOT_WORKERS;

/* A ring in which one worker has clients. */
static int set_up(void **state)
{
    struct fixture *f;

    if (fixture_setup(state) != 0)
        return -1;
    f = *state;
    bus_slot_occupy(f->bus, worker);
    stat_add(f->bus, worker, STAT_CLIENTS, 3);
    log_init(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT); /* what it says is tested from outside */
    return 0;
}

static void clients_leave(struct fixture *f, int count)
{
    stat_add(f->bus, worker, STAT_CLIENTS, -count);
}

static void a_drain_waits_until_the_last_client_has_left(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    drain_begin(&drain, f->bus, &config, BEGUN);
    assert_int_equal(bus_phase(f->bus), BUS_DRAINING);
    assert_int_equal(bus_drain_deadline_ns(f->bus), BEGUN + 1800 * SECOND);
    assert_false(drain_step(&drain, f->bus, BEGUN + 1));
    clients_leave(f, 2);
    assert_false(drain_step(&drain, f->bus, BEGUN + 2));
    clients_leave(f, 1);
    assert_true(drain_step(&drain, f->bus, BEGUN + 3));
    assert_int_equal(bus_phase(f->bus), BUS_DRAINING);
}

static void without_clients_it_is_over_at_once(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    clients_leave(f, 3);
    drain_begin(&drain, f->bus, &config, BEGUN);
    assert_true(drain_step(&drain, f->bus, BEGUN));
}

static void it_waits_for_a_request_under_way_as_for_a_client(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    clients_leave(f, 3);
    stat_set(f->bus, worker, STAT_BUSY, 1);
    drain_begin(&drain, f->bus, &config, BEGUN);
    assert_false(drain_step(&drain, f->bus, BEGUN));
    stat_set(f->bus, worker, STAT_BUSY, 0);
    assert_true(drain_step(&drain, f->bus, BEGUN + 1));
}

static void clients_that_went_with_their_worker_are_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    drain_begin(&drain, f->bus, &config, BEGUN);
    bus_slot_vacate(f->bus, worker);
    drain_lose(&drain, f->bus, "worker 0", 3);
    assert_int_equal(drain.lost, 3);
    assert_true(drain_step(&drain, f->bus, BEGUN + 1));
}

static void without_clients_it_still_accepts_for_as_long_as_was_asked(void **state)
{
    struct fixture *f = *state;
    struct config accepting = config;
    struct drain drain = {0};

    accepting.drain_accept = 7 * (uint64_t)SECOND;
    clients_leave(f, 3);
    drain_begin(&drain, f->bus, &accepting, BEGUN);
    assert_false(drain_step(&drain, f->bus, BEGUN));
    assert_int_equal(drain_due_ns(&drain), BEGUN + 7 * SECOND);
    assert_false(drain_step(&drain, f->bus, BEGUN + 7 * SECOND - 1));
    assert_true(drain_step(&drain, f->bus, BEGUN + 7 * SECOND));
}

/* A time that has passed would keep the master from sleeping for the rest of the drain. */
static void once_that_is_over_it_sleeps_until_the_next_report(void **state)
{
    struct fixture *f = *state;
    struct config accepting = config;
    struct drain drain = {0};
    int64_t over_ns = BEGUN + 7 * SECOND;

    accepting.drain_accept = 7 * (uint64_t)SECOND;
    drain_begin(&drain, f->bus, &accepting, BEGUN);
    assert_int_equal(drain_due_ns(&drain), over_ns);
    assert_false(drain_step(&drain, f->bus, over_ns));
    assert_int_equal(drain_due_ns(&drain), BEGUN + 10 * SECOND);
}

static void at_the_deadline_everybody_is_closed_and_has_five_seconds(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};
    int64_t deadline_ns = BEGUN + 1800 * SECOND;

    drain_begin(&drain, f->bus, &config, BEGUN);
    assert_false(drain_step(&drain, f->bus, deadline_ns - 1));
    assert_int_equal(bus_phase(f->bus), BUS_DRAINING);
    assert_false(drain_step(&drain, f->bus, deadline_ns));
    assert_int_equal(bus_phase(f->bus), BUS_CLOSING);
    assert_int_equal(drain_due_ns(&drain), deadline_ns + DRAIN_CLOSING_NS);
    assert_false(drain_step(&drain, f->bus, deadline_ns + DRAIN_CLOSING_NS - 1));
    assert_true(drain_step(&drain, f->bus, deadline_ns + DRAIN_CLOSING_NS));
}

static void who_answers_the_close_ends_it_sooner(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    drain_begin(&drain, f->bus, &config, BEGUN);
    drain_cut_short(&drain, f->bus, BEGUN + 1);
    assert_int_equal(bus_phase(f->bus), BUS_CLOSING);
    assert_false(drain_step(&drain, f->bus, BEGUN + 2));
    clients_leave(f, 3);
    assert_true(drain_step(&drain, f->bus, BEGUN + 3));
}

static void a_third_signal_does_not_give_more_time(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    drain_begin(&drain, f->bus, &config, BEGUN);
    drain_cut_short(&drain, f->bus, BEGUN + 1);
    drain_cut_short(&drain, f->bus, BEGUN + 2 * SECOND);
    assert_true(drain_step(&drain, f->bus, BEGUN + 1 + DRAIN_CLOSING_NS));
}

static void it_reports_every_ten_seconds_and_wakes_up_for_it(void **state)
{
    struct fixture *f = *state;
    struct drain drain = {0};

    drain_begin(&drain, f->bus, &config, BEGUN);
    assert_int_equal(drain_due_ns(&drain), BEGUN + 10 * SECOND);
    assert_false(drain_step(&drain, f->bus, BEGUN + 10 * SECOND));
    assert_int_equal(drain_due_ns(&drain), BEGUN + 20 * SECOND);
    /* A master that was held up does not make up for the reports it has missed. */
    assert_false(drain_step(&drain, f->bus, BEGUN + 55 * SECOND));
    assert_int_equal(drain_due_ns(&drain), BEGUN + 60 * SECOND);
    assert_false(drain_step(&drain, f->bus, BEGUN + 1795 * SECOND));
    assert_int_equal(drain_due_ns(&drain), BEGUN + 1800 * SECOND);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_drain_waits_until_the_last_client_has_left),
        TEST(without_clients_it_is_over_at_once),
        TEST(it_waits_for_a_request_under_way_as_for_a_client),
        TEST(clients_that_went_with_their_worker_are_not_waited_for),
        TEST(without_clients_it_still_accepts_for_as_long_as_was_asked),
        TEST(once_that_is_over_it_sleeps_until_the_next_report),
        TEST(at_the_deadline_everybody_is_closed_and_has_five_seconds),
        TEST(who_answers_the_close_ends_it_sooner),
        TEST(a_third_signal_does_not_give_more_time),
        TEST(it_reports_every_ten_seconds_and_wakes_up_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
