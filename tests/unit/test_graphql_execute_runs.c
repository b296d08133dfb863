/*
 * An execution over time: its budget, answers that come later, its end at any moment; and documents
 * that are made to cost much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/execute_fixture.h"

static const char sdl[] = "type User { id: ID! friends: [User!]! }\n"
                          "type Query { int: Int string: String users: [User!] }\n"
                          "type Mutation { a: Int b: Int! c: User }\n";

static int setup(void **state)
{
    return execute_fixture_setup(state, sdl);
}

/* --- the budget and late answers -------------------------------------------------------------- */

static void a_long_list_takes_many_runs(void **state)
{
    enum { COUNT = 10000, STEPS = 100 };
    struct execute_fixture *f = *state;
    struct text data = {0};
    struct text expected = {0};
    enum execute_state run = EXECUTE_MORE;
    int run_count = 0;

    f->limits.list_items_max = COUNT;
    text_add_string(&data, "{\"users\":[{\"id\":0}");
    text_add_string(&expected, "{\"data\":{\"users\":[{\"id\":\"0\"}");
    for (int i = 1; i < COUNT; i++) {
        text_printf(&data, ",{\"id\":%d}", i);
        text_printf(&expected, ",{\"id\":\"%d\"}", i);
    }
    text_add(&data, "]}", 3);
    text_add(&expected, "]}}", 4);
    assert_true(text_is_whole(&data));
    assert_true(text_is_whole(&expected));
    assert_true(execute_fixture_prepare(f, "{ users { id } }", "", ""));
    assert_non_null(execute_fixture_begin(f, data.bytes));
    for (; run == EXECUTE_MORE; run_count++) {
        uint32_t calls_before = f->call_count;

        run = execute_run(f->execution, STEPS);
        assert_true(f->call_count - calls_before <= STEPS);
    }
    assert_int_equal(run, EXECUTE_DONE);
    assert_true(run_count > 2 * COUNT / STEPS);
    assert_string_equal(execute_fixture_result(f), expected.bytes);
    text_done(&expected);
    text_done(&data);
}

static void long_strings_use_up_the_budget(void **state)
{
    enum { BYTES = 100 * 1000 };
    struct execute_fixture *f = *state;
    struct text data = {0};

    text_add_string(&data, "{\"string\":\"");
    for (int i = 0; i < BYTES; i++)
        text_add_string(&data, "x");
    text_add(&data, "\"}", 3);
    assert_true(text_is_whole(&data));
    assert_true(execute_fixture_prepare(f, "{ string a: string b: string }", "", ""));
    assert_non_null(execute_fixture_begin(f, data.bytes));
    assert_int_equal(execute_run(f->execution, 50), EXECUTE_MORE);
    assert_int_equal(f->call_count, 1);
    assert_int_equal(execute_fixture_run(f, 50), EXECUTE_DONE);
    text_done(&data);
}

static void a_run_tells_what_it_has_left(void **state)
{
    struct execute_fixture *f = *state;

    assert_true(execute_fixture_prepare(f, "{ a: int b: int }", "", ""));
    assert_non_null(execute_fixture_begin(f, "{\"int\":1}"));
    assert_int_equal(execute_run(f->execution, 1000), EXECUTE_DONE);
    assert_in_range(execute_steps_left(f->execution), 900, 999);
    f->is_late = true;
    assert_non_null(execute_fixture_begin(f, "{\"int\":1}"));
    assert_int_equal(execute_run(f->execution, 1000), EXECUTE_WAITING);
    execute_spend(f->execution, 5000);                              /* as its resolver would */
    assert_in_range(-execute_steps_left(f->execution), 4000, 4100); /* a debt is told, too */
    execute_fixture_answer(f);
    assert_int_equal(execute_fixture_run(f, 1000), EXECUTE_DONE);
}

static void a_result_has_a_largest_size(void **state)
{
    enum { STRING_BYTES = EXECUTE_RESULT_BYTES_MAX / 2 };
    struct execute_fixture *f = *state;
    char *data = malloc(STRING_BYTES + 32);

    assert_non_null(data);
    memcpy(data, "{\"string\":\"", 11);
    memset(data + 11, 'x', STRING_BYTES);
    memcpy(data + 11 + STRING_BYTES, "\"}", 3);
    assert_true(execute_fixture_prepare(f, "{ a: string }", "", ""));
    assert_non_null(execute_fixture_begin(f, data));
    assert_int_equal(execute_fixture_run(f, UINT32_MAX), EXECUTE_DONE);
    assert_true(execute_fixture_prepare(f, "{ a: string b: string }", "", ""));
    assert_non_null(execute_fixture_begin(f, data));
    assert_int_equal(execute_fixture_run(f, UINT32_MAX), EXECUTE_TOO_LARGE);
    assert_int_equal(execute_run(f->execution, 1), EXECUTE_TOO_LARGE);
    free(data);
}

static void nothing_else_runs_until_the_answer_has_come(void **state)
{
    struct execute_fixture *f = *state;

    f->is_late = true;
    assert_true(execute_fixture_prepare(f, "mutation { a b c { id } }", "", ""));
    assert_non_null(execute_fixture_begin(f, "{\"a\":1,\"b\":2,\"c\":{\"id\":3}}"));
    assert_int_equal(execute_run(f->execution, 1000), EXECUTE_WAITING);
    assert_true(ast_text_is(f->asked->field->name, "a"));
    assert_int_equal(f->call_count, 1);
    assert_int_equal(execute_run(f->execution, 1000), EXECUTE_WAITING);
    assert_int_equal(f->call_count, 1);
    assert_int_equal(f->ready_count, 0);
    execute_fixture_answer(f);
    assert_int_equal(f->ready_count, 1);
    assert_int_equal(f->call_count, 1); /* the answer alone runs nothing */
    assert_int_equal(execute_run(f->execution, 1000), EXECUTE_WAITING);
    assert_int_equal(f->call_count, 2);
    assert_int_equal(execute_fixture_run(f, 1000), EXECUTE_DONE);
    assert_int_equal(execute_run(f->execution, 1), EXECUTE_DONE);
    assert_false(execute_has_errors(f->execution));
    assert_string_equal(execute_fixture_result(f),
                        "{\"data\":{\"a\":1,\"b\":2,\"c\":{\"id\":\"3\"}}}");
}

static void an_execution_may_be_freed_at_any_moment(void **state)
{
    struct execute_fixture *f = *state;

    assert_true(execute_fixture_prepare(f, "{ users { id friends { id } } int }", "", ""));
    for (int late = 0; late < 2; late++) {
        bool was_done = false;

        f->is_late = late == 1;
        for (int runs = 0; !was_done; runs++) {
            enum execute_state run = EXECUTE_MORE;

            assert_non_null(execute_fixture_begin(
                f, "{\"int\":1,\"users\":[{\"id\":1,\"friends\":[{\"id\":2}]},{\"id\":\"!x\"}]}"));
            for (int i = 0; i < runs && run != EXECUTE_DONE; i++) {
                run = execute_run(f->execution, 1);
                if (run == EXECUTE_WAITING && i + 1 < runs)
                    execute_fixture_answer(f);
            }
            was_done = run == EXECUTE_DONE;
            assert_true(runs < 100);
        }
    }
    execute_free(NULL);
}

/* --- hostile documents ------------------------------------------------------------------------ */

static void fragments_may_spread_one_another_as_deep_as_there_are(void **state)
{
    enum { COUNT = 20000 };
    struct execute_fixture *f = *state;
    struct text query = {0};

    text_add_string(&query, "{ ...F0 }");
    for (int i = 0; i < COUNT; i++)
        text_printf(&query, "fragment F%d on Query { ...F%d int }", i, i + 1);
    text_printf(&query, "fragment F%d on Query { string int }", COUNT);
    text_add(&query, "", 1);
    assert_true(text_is_whole(&query));
    assert_true(execute_fixture_prepare(f, query.bytes, "", ""));
    assert_non_null(execute_fixture_begin(f, "{\"int\":1}"));
    assert_int_equal(execute_run(f->execution, COUNT), EXECUTE_MORE); /* opening them has a price */
    assert_int_equal(execute_fixture_run(f, COUNT), EXECUTE_DONE);
    assert_string_equal(execute_fixture_result(f), "{\"data\":{\"string\":null,\"int\":1}}");
    text_done(&query);
}

static void many_aliases_are_told_apart(void **state)
{
    enum { COUNT = 5000 };
    struct execute_fixture *f = *state;
    struct text query = {0};
    struct text expected = {0};

    text_add_string(&query, "{ ");
    text_add_string(&expected, "{\"data\":{");
    for (int i = 0; i < 3 * COUNT; i++)
        text_printf(&query, "a%d: int ", i % COUNT);
    for (int i = 0; i < COUNT; i++)
        text_printf(&expected, "%s\"a%d\":7", i > 0 ? "," : "", i);
    text_add(&query, "}", 2);
    text_add(&expected, "}}", 3);
    assert_true(execute_fixture_prepare(f, query.bytes, "", ""));
    assert_non_null(execute_fixture_begin(f, "{\"int\":7}"));
    assert_int_equal(execute_fixture_run(f, 1000), EXECUTE_DONE);
    assert_string_equal(execute_fixture_result(f), expected.bytes);
    text_done(&expected);
    text_done(&query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, execute_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_list_takes_many_runs),
        TEST(long_strings_use_up_the_budget),
        TEST(a_run_tells_what_it_has_left),
        TEST(a_result_has_a_largest_size),
        TEST(nothing_else_runs_until_the_answer_has_come),
        TEST(an_execution_may_be_freed_at_any_moment),
        TEST(fragments_may_spread_one_another_as_deep_as_there_are),
        TEST(many_aliases_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
