/* The master's view of a child: states, events, rests, silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/child.h"

static void a_wanted_child_is_started_once(void **state)
{
    struct child child = {.state = CHILD_ABSENT};

    (void)state;
    assert_int_equal(child_step(&child, CHILD_IS_WANTED), CHILD_SPAWN);
    assert_int_equal(child.state, CHILD_STARTING);
    assert_int_equal(child_step(&child, CHILD_IS_WANTED), CHILD_NOTHING);
    assert_int_equal(child_step(&child, CHILD_HAS_TURNED), CHILD_NOTHING);
    assert_int_equal(child.state, CHILD_RUNNING);
}

static void one_that_dies_rests_and_is_started_again(void **state)
{
    static const enum child_state alive[] = {CHILD_STARTING, CHILD_RUNNING, CHILD_CONDEMNED};

    (void)state;
    for (size_t i = 0; i < sizeof alive / sizeof alive[0]; i++) {
        struct child child = {.state = alive[i]};

        assert_int_equal(child_step(&child, CHILD_HAS_DIED), CHILD_REST);
        assert_int_equal(child.state, CHILD_RESTING);
        assert_int_equal(child_step(&child, CHILD_HAS_RESTED), CHILD_SPAWN);
        assert_int_equal(child.state, CHILD_STARTING);
    }
}

static void one_that_is_silent_is_killed_once(void **state)
{
    struct child child = {.state = CHILD_RUNNING};

    (void)state;
    assert_int_equal(child_step(&child, CHILD_IS_SILENT), CHILD_KILL);
    assert_int_equal(child.state, CHILD_CONDEMNED);
    assert_int_equal(child_step(&child, CHILD_IS_SILENT), CHILD_NOTHING);
    assert_int_equal(child_step(&child, CHILD_HAS_TURNED), CHILD_NOTHING);
    assert_int_equal(child.state, CHILD_CONDEMNED);
}

static void nothing_is_started_again_when_the_server_ends(void **state)
{
    (void)state;
    for (int from = CHILD_ABSENT; from < CHILD_STATE_COUNT; from++) {
        struct child child = {.state = (enum child_state)from};

        assert_int_equal(child_step(&child, CHILD_IS_RETIRED), CHILD_NOTHING);
        if (child.state == CHILD_RETIRING)
            assert_int_equal(child_step(&child, CHILD_HAS_DIED), CHILD_NOTHING);
        assert_int_equal(child.state, CHILD_ABSENT);
        assert_int_equal(child_step(&child, CHILD_HAS_RESTED), CHILD_NOTHING);
        assert_int_equal(child.state, CHILD_ABSENT);
    }
}

static void one_that_retires_and_stands_still_is_killed(void **state)
{
    struct child child = {.state = CHILD_RETIRING};

    (void)state;
    assert_int_equal(child_step(&child, CHILD_IS_SILENT), CHILD_KILL);
    assert_int_equal(child.state, CHILD_RETIRING);
}

static void only_the_absent_and_the_rested_are_ever_spawned(void **state)
{
    (void)state;
    for (int from = CHILD_ABSENT; from < CHILD_STATE_COUNT; from++) {
        for (int event = CHILD_IS_WANTED; event < CHILD_EVENT_COUNT; event++) {
            struct child child = {.state = (enum child_state)from};
            bool may_spawn = (from == CHILD_ABSENT && event == CHILD_IS_WANTED) ||
                             (from == CHILD_RESTING && event == CHILD_HAS_RESTED);

            assert_int_equal(child_step(&child, (enum child_event)event) == CHILD_SPAWN, may_spawn);
        }
    }
}

static void rests_grow_while_it_keeps_dying_and_have_a_bound(void **state)
{
    int64_t rest_ns = 0;
    int64_t previous_ns = 0;

    (void)state;
    rest_ns = child_rest_ns(0, 1);
    assert_int_equal(rest_ns, CHILD_REST_NS_MIN);
    for (int i = 0; i < 20; i++) {
        previous_ns = rest_ns;
        rest_ns = child_rest_ns(rest_ns, CHILD_STABLE_NS - 1);
        assert_true(rest_ns == previous_ns * 2 || rest_ns == CHILD_REST_NS_MAX);
    }
    assert_int_equal(rest_ns, CHILD_REST_NS_MAX);
}

static void one_that_has_lived_well_begins_with_a_short_rest(void **state)
{
    (void)state;
    assert_int_equal(child_rest_ns(CHILD_REST_NS_MAX, CHILD_STABLE_NS), CHILD_REST_NS_MIN);
}

static void ten_checks_without_a_turn_are_silence(void **state)
{
    struct child child = {.turn_count = 5};

    (void)state;
    for (int i = 1; i < CHILD_SILENT_CHECKS; i++)
        assert_false(child_is_silent(&child, 5, false));
    assert_true(child_is_silent(&child, 5, false));
}

static void a_turn_or_an_excuse_begins_the_count_anew(void **state)
{
    struct child child = {.turn_count = 5};

    (void)state;
    for (int i = 1; i < CHILD_SILENT_CHECKS; i++)
        assert_false(child_is_silent(&child, 5, false));
    assert_false(child_is_silent(&child, 6, false));
    for (int i = 1; i < CHILD_SILENT_CHECKS; i++)
        assert_false(child_is_silent(&child, 6, false));
    assert_false(child_is_silent(&child, 6, true)); /* inside a commit */
    assert_false(child_is_silent(&child, 6, false));
}

static void a_name_says_kind_and_index(void **state)
{
    const struct child writer = {.kind = CHILD_WRITER};
    const struct child worker = {.kind = CHILD_WORKER, .index = 12};
    char name[32];

    (void)state;
    child_name(&writer, name, sizeof name);
    assert_string_equal(name, "store writer");
    child_name(&worker, name, sizeof name);
    assert_string_equal(name, "worker 12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wanted_child_is_started_once),
        cmocka_unit_test(one_that_dies_rests_and_is_started_again),
        cmocka_unit_test(one_that_is_silent_is_killed_once),
        cmocka_unit_test(nothing_is_started_again_when_the_server_ends),
        cmocka_unit_test(one_that_retires_and_stands_still_is_killed),
        cmocka_unit_test(only_the_absent_and_the_rested_are_ever_spawned),
        cmocka_unit_test(rests_grow_while_it_keeps_dying_and_have_a_bound),
        cmocka_unit_test(one_that_has_lived_well_begins_with_a_short_rest),
        cmocka_unit_test(ten_checks_without_a_turn_are_silence),
        cmocka_unit_test(a_turn_or_an_excuse_begins_the_count_anew),
        cmocka_unit_test(a_name_says_kind_and_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
