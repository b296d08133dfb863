/* Who has enough connections, with deaths, turns and the clock in our hands. */
#include "tests/unit/bus_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/lives.h"
#include "bus/stats.h"
#include "bus/wake.h"
#include "server/share.h"

enum {
    OWN = BUS_SLOT_WORKERS,
    OTHERS = 3, /* in the slots behind it */
    CONNECTIONS_MAX = 1000,
};
#define BEGUN INT64_C(1000000000000)

static struct bus *bus;
static struct lives *lives;
static struct share share;
static int64_t now_ns;
static pid_t pids[BUS_SLOT_COUNT]; /* 0: nobody lives there */

/* A process that lives in @slot until it is killed. */
static void start_life(unsigned slot)
{
    int ends[2];
    char byte = 'a';

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    bus_slot_occupy(bus, slot);
    pids[slot] = fixture_fork();
    if (pids[slot] == 0) {
        CHECK(lives_begin(lives, slot) == 0);
        CHECK(write(ends[1], &byte, 1) == 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void end_life(unsigned slot)
{
    assert_int_equal(kill(pids[slot], SIGKILL), 0);
    assert_int_equal(waitpid(pids[slot], NULL, 0), pids[slot]);
    pids[slot] = 0;
}

/* As the master does, later. */
static void bury(unsigned slot)
{
    bus_slot_vacate(bus, slot);
}

static void everybody_turns(void)
{
    for (unsigned slot = OWN; slot <= OWN + OTHERS; slot++) {
        if (pids[slot] != 0)
            bus_slot_turn(bus, slot);
    }
}

static bool look_after(int64_t ns)
{
    now_ns += ns;
    return share_look(&share, now_ns);
}

static void set_counts(uint64_t own, uint64_t first, uint64_t second, uint64_t third)
{
    stat_set(bus, OWN, STAT_CONNECTIONS, own);
    stat_set(bus, OWN + 1, STAT_CONNECTIONS, first);
    stat_set(bus, OWN + 2, STAT_CONNECTIONS, second);
    stat_set(bus, OWN + 3, STAT_CONNECTIONS, third);
}

/* A worker and three others, all of which have turned. */
static int set_up(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    bus = ((struct fixture *)*state)->bus;
    bus_set_phase(bus, BUS_RUNNING, 0);
    assert_int_equal(lives_open(&lives), 0);
    now_ns = BEGUN;
    share =
        (struct share){.bus = bus, .lives = lives, .slot = OWN, .connections_max = CONNECTIONS_MAX};
    for (unsigned slot = OWN; slot <= OWN + OTHERS; slot++)
        start_life(slot);
    everybody_turns();
    assert_false(look_after(0));
    return 0;
}

static int tear_down(void **state)
{
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        if (pids[slot] != 0)
            end_life(slot);
    }
    lives_close(lives);
    return fixture_teardown(state);
}

static void one_and_5_percent_more_than_the_least_is_enough(void **state)
{
    static const struct {
        uint64_t own, least;
        bool is_enough;
    } cases[] = {
        {0, 0, false},   {1, 0, false},  {2, 0, true},      {20, 19, false},  {21, 19, true},
        {22, 20, false}, {23, 20, true}, {211, 200, false}, {212, 200, true}, {5, 90, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_counts(cases[i].own, 300, cases[i].least, 400);
        assert_int_equal(share_is_enough(&share), cases[i].is_enough);
    }
}

static void who_alone_is_full_has_enough(void **state)
{
    (void)state;
    set_counts(CONNECTIONS_MAX, CONNECTIONS_MAX, CONNECTIONS_MAX, CONNECTIONS_MAX - 1);
    assert_true(share_is_enough(&share));
    /* All are: somebody has to tell newcomers. */
    set_counts(CONNECTIONS_MAX, CONNECTIONS_MAX, CONNECTIONS_MAX, CONNECTIONS_MAX);
    assert_false(share_is_enough(&share));
}

static void who_stands_still_does_not_count(void **state)
{
    (void)state;
    set_counts(50, 50, 0, 50);
    assert_true(share_is_enough(&share));
    bus_slot_turn(bus, OWN + 1);
    bus_slot_turn(bus, OWN + 3);
    assert_false(look_after(SHARE_LOOK_NS - 1)); /* too early to tell */
    assert_true(share_is_enough(&share));
    /* Somebody has to take whom the kernel had woken it for: once. */
    assert_true(look_after(1));
    assert_false(share_is_enough(&share));
    bus_slot_turn(bus, OWN + 1);
    bus_slot_turn(bus, OWN + 3);
    assert_false(look_after(SHARE_LOOK_NS));
    assert_false(share_is_enough(&share));
    /* It goes on. */
    bus_slot_turn(bus, OWN + 2);
    assert_false(look_after(1));
    assert_true(share_is_enough(&share));
}

static void who_turns_now_and_then_does_not_stand_still(void **state)
{
    (void)state;
    set_counts(50, 50, 0, 50);
    for (int i = 0; i < 5; i++) {
        everybody_turns();
        assert_false(look_after(SHARE_LOOK_NS));
        assert_true(share_is_enough(&share));
    }
}

/* Its clients come back before the master knows, and before another is there. */
static void the_place_of_a_dead_one_is_waited_for(void **state)
{
    (void)state;
    set_counts(50, 50, 50, 50);
    end_life(OWN + 2);
    assert_false(share_is_enough(&share));
    assert_true(look_after(0));
    assert_true(share_is_enough(&share)); /* though nobody has buried it */
    bury(OWN + 2);
    assert_false(look_after(1));
    assert_true(share_is_enough(&share));
    start_life(OWN + 2);
    assert_false(look_after(1));
    assert_true(share_is_enough(&share)); /* it is coming up */
    bus_slot_turn(bus, OWN + 2);
    assert_false(look_after(1));
    stat_set(bus, OWN + 2, STAT_CONNECTIONS, 50);
    assert_false(share_is_enough(&share)); /* it counts for what it has */
}

/* It has not seen the death of another, whose clients are coming back to all. */
static void who_has_come_just_now_waits_for_those_who_are_not_there(void **state)
{
    (void)state;
    set_counts(2, 50, 0, 50);
    end_life(OWN + 2);
    bury(OWN + 2);
    share =
        (struct share){.bus = bus, .lives = lives, .slot = OWN, .connections_max = CONNECTIONS_MAX};
    for (unsigned slot = OWN; slot <= OWN + OTHERS; slot++)
        share_await(&share, slot, now_ns);
    assert_false(look_after(0));
    assert_true(share_is_enough(&share));
    everybody_turns();
    assert_false(look_after(SHARE_VACANT_NS));
    assert_false(share_is_enough(&share));
}

static void a_place_is_not_waited_for_without_end(void **state)
{
    (void)state;
    set_counts(50, 50, 50, 50);
    end_life(OWN + 2);
    assert_true(look_after(0));
    bury(OWN + 2);
    everybody_turns();
    assert_false(look_after(SHARE_VACANT_NS - 1));
    assert_true(share_is_enough(&share));
    assert_false(look_after(1));
    assert_false(share_is_enough(&share));
}

/* One that stood still and was killed for it: the next one in its place does not. */
static void the_place_of_one_that_stood_still_is_waited_for(void **state)
{
    (void)state;
    set_counts(50, 50, 50, 50);
    for (int i = 0; i < 2; i++) {
        bus_slot_turn(bus, OWN + 1);
        bus_slot_turn(bus, OWN + 3);
        (void)look_after(SHARE_LOOK_NS);
    }
    end_life(OWN + 2);
    assert_true(look_after(1));
    assert_true(share_is_enough(&share));
    bury(OWN + 2);
    start_life(OWN + 2);
    assert_false(look_after(1));
    assert_true(share_is_enough(&share));
}

/* What dies at each start would keep newcomers out most of the time. */
static void who_dies_before_it_has_turned_is_not_waited_for_again(void **state)
{
    (void)state;
    set_counts(50, 50, 50, 50);
    end_life(OWN + 2);
    assert_true(look_after(0));
    bury(OWN + 2);
    everybody_turns();
    (void)look_after(SHARE_VACANT_NS);
    for (int i = 0; i < 3; i++) {
        start_life(OWN + 2);
        assert_false(look_after(1));
        assert_false(share_is_enough(&share));
        end_life(OWN + 2);
        assert_false(look_after(1));
        assert_false(share_is_enough(&share));
        bury(OWN + 2);
    }
}

static void in_a_drain_nobody_is_waited_for(void **state)
{
    (void)state;
    set_counts(50, 50, 50, 50);
    end_life(OWN + 2);
    assert_true(look_after(0));
    assert_true(share_is_enough(&share));
    bus_set_phase(bus, BUS_DRAINING, BEGUN);
    assert_false(share_is_enough(&share));
}

static bool has_rung(unsigned slot)
{
    struct pollfd bell = {.fd = wake_fd(bus, slot), .events = POLLIN};
    bool is_rung = poll(&bell, 1, 0) == 1;

    wake_done(bus, slot);
    return is_rung;
}

static void those_who_may_accept_again_are_rung(void **state)
{
    (void)state;
    for (unsigned slot = OWN; slot <= OWN + OTHERS; slot++)
        wake_done(bus, slot); /* what the fixture rang */
    set_counts(13, 11, 12, 10);
    wake_prepare(bus, OWN, WAKE_SHARE);
    wake_prepare(bus, OWN + 1, WAKE_SHARE);
    wake_prepare(bus, OWN + 2, WAKE_SHARE);
    wake_prepare(bus, OWN + 3, WAKE_TAIL | WAKE_STATE);
    share_ring_others(&share);
    assert_false(has_rung(OWN));
    assert_true(has_rung(OWN + 1));
    assert_false(has_rung(OWN + 2)); /* above the least, too */
    assert_false(has_rung(OWN + 3)); /* accepts anyway */
    wake_prepare(bus, OWN + 1, WAKE_TAIL | WAKE_STATE);
    share_ring_others(&share);
    assert_false(has_rung(OWN + 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_and_5_percent_more_than_the_least_is_enough),
        TEST(who_alone_is_full_has_enough),
        TEST(who_stands_still_does_not_count),
        TEST(who_turns_now_and_then_does_not_stand_still),
        TEST(the_place_of_a_dead_one_is_waited_for),
        TEST(who_has_come_just_now_waits_for_those_who_are_not_there),
        TEST(a_place_is_not_waited_for_without_end),
        TEST(the_place_of_one_that_stood_still_is_waited_for),
        TEST(who_dies_before_it_has_turned_is_not_waited_for_again),
        TEST(in_a_drain_nobody_is_waited_for),
        TEST(those_who_may_accept_again_are_rung),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
