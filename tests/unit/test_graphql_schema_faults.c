/*
 * Every allocation fails once: a schema is then not built and nothing is left behind, or it is built
 * whole; and who asked learns which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/failing_calls.h"
#include "tests/unit/schema_fixture.h"

/* --- the tests -------------------------------------------------------------------------------- */

/* Builds with the n-th allocation failing, for every n; @is_good: there are no mistakes in it. */
static void build_with_failures(const char *sdl, bool is_good, uint32_t error_count)
{
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct graphql_fixture f;
        struct schema *schema;
        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        failing_calls_arm(n);
        schema = schema_build(sdl, strlen(sdl), "x", &f.errors);
        was_reached = failing_calls_disarm();
        if (!was_reached || !f.region.has_failed) {
            assert_int_equal(schema != NULL, is_good);
            assert_int_equal(f.errors.count, error_count);
        } else {
            assert_null(schema);
        }
        for (const struct graphql_error *error = f.errors.first; error != NULL;
             error = error->next) {
            uint32_t line;
            uint32_t column;

            assert_non_null(error->message);
            for (uint32_t i = 0; i < error->location_count; i++)
                graphql_line_column(&error->locations[i], &line, &column);
        }
        schema_free(schema);
        graphql_fixture_done(&f);
    }
}

static void a_schema_is_built_whole_or_not_at_all(void **state)
{
    char *sdl = schema_fixture_board();

    (void)state;
    build_with_failures(sdl, true, 0);
    build_with_failures("type Query { a(i: I = {l: [1]}, j: J = {x: {y: \"z\"}}): Int } scalar J "
                        "input I { l: [Int] k: I f: Float = 1.5 e: E = A } enum E { A }",
                        true, 0);
    free(sdl);
}

static void mistakes_are_all_reported_or_the_region_has_failed(void **state)
{
    (void)state;
    build_with_failures(
        "type Query { a: Qery b(x: Int = \"1\", x: E = B, y: I! = {}): Int @foo } enum E { A A } "
        "extend type Foo { a: Int } input I { i: I! } type T implements N { a: String } "
        "interface N { a: Int } directive @d(x: Int!) on OBJECT extend type T @d",
        false, 11);
}

static void a_schema_that_cannot_be_printed_says_so(void **state)
{
    struct graphql_fixture f;
    struct schema *schema;

    (void)state;
    graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
    schema = schema_fixture_good(
        &f, "\"d\" type Query { a(x: J = {a: \"b\", c: [1.5]}): Int } scalar J");
    for (int n = 1;; n++) {
        struct text out = {0};
        bool was_reached;

        failing_calls_arm(n);
        schema_print(schema, &out);
        was_reached = failing_calls_disarm();
        assert_int_equal(text_is_whole(&out), !was_reached);
        text_done(&out);
        if (!was_reached)
            break;
    }
    schema_free(schema);
    graphql_fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_built_whole_or_not_at_all),
        cmocka_unit_test(mistakes_are_all_reported_or_the_region_has_failed),
        cmocka_unit_test(a_schema_that_cannot_be_printed_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
