/*
 * Every allocation fails once: a model is then not built and nothing is left behind, or it is built
 * whole; and mistakes are told all of them, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "tests/unit/failing_calls.h"
#include "tests/unit/model_fixture.h"

/* Builds with the n-th allocation failing, for every n. */
static void build_with_failures(const char *sdl, size_t bytes, const char *mistakes)
{
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct text errors = {0};
        struct model *model;

        failing_calls_arm(n);
        model = model_build(sdl, bytes, "x", &errors);
        was_reached = failing_calls_disarm();
        if (!was_reached)
            assert_int_equal(model != NULL, *mistakes == '\0');
        if (model != NULL)
            assert_int_equal(errors.size, 0);
        if (!was_reached || (errors.size > 0 && text_is_whole(&errors))) {
            assert_true(text_is_whole(&errors));
            assert_int_equal(errors.size, strlen(mistakes));
            if (errors.size > 0)
                assert_memory_equal(errors.bytes, mistakes, errors.size);
        }
        model_free(model);
        text_done(&errors);
    }
}

static void a_model_is_built_whole_or_not_at_all(void **state)
{
    size_t bytes;
    const char *sdl = model_built_in_sdl(&bytes);

    (void)state;
    build_with_failures(sdl, bytes, "");
}

static void defaults_and_enums_are_kept_or_nothing_is(void **state)
{
    static const char sdl[] =
        "scalar DateTime scalar JSON directive @table on OBJECT directive @default(json: String!) "
        "on FIELD_DEFINITION directive @value(json: String!) on FIELD_DEFINITION "
        "directive @list(where: JSON, orderBy: String = \"id\", desc: Boolean = false) on "
        "FIELD_DEFINITION directive @create(topics: [String!]! = []) on FIELD_DEFINITION "
        "enum E { A B } input I { e: E } "
        "type T @table { id: Int! e: E! @default(json: \"\\\"A\\\"\") s: [String!] @default(json: "
        "\"[\\\"\\\\u0041\\\"]\") f: Float @default(json: \"1e3\") t: DateTime @default(json: "
        "\"\\\"2026-01-31T12:00:00Z\\\"\") } type Query { v: [E] @value(json: \"[\\\"B\\\"]\") "
        "l(w: I): [T] @list(where: {e: \"e\"}, orderBy: \"f\") m: [T] @list(orderBy: \"e\") } "
        "type Mutation { c(e: E): T @create(topics: [\"a{e}b\", \"{id}\"]) }";

    (void)state;
    build_with_failures(sdl, sizeof sdl - 1, "");
}

static void mistakes_are_all_told_or_none_is(void **state)
{
    static const char sdl[] =
        "scalar JSON directive @table on OBJECT directive @get(where: JSON) on FIELD_DEFINITION "
        "type Query { a(id: Int!): T @get(where: {idd: \"id\", id: \"x\"}) b: U @get c: Int } "
        "type T @table { id: Int! u: U @get(where: {id: \"v\"}) } type U @table { i: Int }";

    (void)state;
    build_with_failures(
        sdl, sizeof sdl - 1,
        "x:1:160: Field \"Query.c\" needs a directive that says what it does: @value, @position, "
        "@get, @list, @history.\n"
        "x:1:229: Type \"U\" is a @table: it needs a column \"id\" of type \"Int!\" or \"ID!\".\n"
        "x:1:129: \"idd\" is no column of \"T\". Did you mean \"id\"?\n"
        "x:1:144: \"x\" is no argument of \"Query.a\". It can be \"id\".\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_built_whole_or_not_at_all),
        cmocka_unit_test(defaults_and_enums_are_kept_or_nothing_is),
        cmocka_unit_test(mistakes_are_all_told_or_none_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
