/*
 * Every allocation fails once, and random numbers: variables, an execution and a cache of documents
 * are then as good as ever, or there is none and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/graphql/document.h"
#include "tests/unit/execute_fixture.h"
#include "tests/unit/failing_calls.h"

enum {
    BYTES_MAX = 1024 * 1024,
};

/* --- the tests -------------------------------------------------------------------------------- */

static const char sdl[] =
    "input In { a: Int, b: [String!], c: In }\n"
    "enum Color { RED GREEN }\n"
    "type User { id: ID! name: String friends(n: Int = 3): [User!] }\n"
    "type Query { int: Int users(o: In): [User!] user: User echo(a: Int!): String color: Color }\n";

#define VARIABLES                                                                                  \
    "$v0: Int $v1: Int $v2: Int $v3: Int $v4: Int $v5: Int $v6: Int $v7: Int $v8: ID $o: In "      \
    "$c: Color"

static int setup(void **state)
{
    return execute_fixture_setup(state, sdl);
}

static void coerce_with_failures(struct execute_fixture *f, const char *json, bool is_good)
{
    static const char query[] = "query (" VARIABLES ") { int }";
    struct json_span span = {json, strlen(json)};
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct coerce coerce = {f->schema, NULL, &f->base.region, &f->base.errors};
        struct coerce_variables variables;
        bool is_done;

        (void)execute_fixture_prepare(f, query, json, "");
        region_reset(&f->base.region);
        f->document = graphql_fixture_parse(&f->base, query);
        assert_non_null(f->document);
        graphql_errors_init(&f->base.errors, &f->base.region);
        coerce.document = f->document;
        failing_calls_arm(n);
        is_done = coerce_variables(&coerce, f->document->definitions, span, &variables);
        was_reached = failing_calls_disarm();
        if (is_done)
            assert_false(f->base.region.has_failed);
        else
            assert_true(f->base.region.has_failed || !is_good);
        if (!was_reached) {
            assert_false(f->base.region.has_failed);
            assert_int_equal(is_done, is_good);
        }
    }
}

static void variables_without_memory(void **state)
{
    coerce_with_failures(
        *state,
        "{\"v0\":1,\"v8\":1e21,\"o\":{\"b\":[\"\\u0041\"],\"c\":{\"a\":1,\"b\":\"xxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}}}",
        true);
    coerce_with_failures(*state,
                         "{\"v0\":\"x\",\"v8\":[],\"o\":{\"b\":[1,null],\"c\":{\"d\":1}},\"c\":"
                         "\"GREE\"}",
                         false);
}

static void an_execution_without_memory(void **state)
{
    static const char query[] =
        "query ($v: Int = 1) { int ...F users(o: {a: $v, b: \"x\"}) { name friends { id a: id b: "
        "id "
        "c: id d: id e: id f: id g: id h: id i: id } } e: echo(a: $v) color } "
        "fragment F on Query { ... @include(if: true) { user { id } } u: user { id name } }";
    static const char data[] =
        "{\"int\":1.5,\"user\":{\"id\":null},\"users\":[{\"friends\":[{\"id\":1},{\"id\":2}]},{"
        "\"name\":\"!no\"}],\"color\":\"X\"}";
    struct execute_fixture *f = *state;
    char *expected;

    assert_true(execute_fixture_prepare(f, query, "{\"v\":null}", ""));
    assert_non_null(execute_fixture_begin(f, data));
    assert_int_equal(execute_fixture_run(f, 1000), EXECUTE_DONE);
    expected = strdup(execute_fixture_result(f));
    assert_non_null(expected);
    for (int late = 0; late < 2; late++) {
        bool was_reached = true;

        f->is_late = late == 1;
        for (int n = 1; was_reached; n++) {
            enum execute_state end = EXECUTE_FAILED;

            failing_calls_arm(n);
            if (execute_fixture_begin(f, data) != NULL)
                end = execute_fixture_run(f, 1000);
            was_reached = failing_calls_disarm();
            assert_int_equal(end, was_reached ? EXECUTE_FAILED : EXECUTE_DONE);
            if (was_reached && f->execution != NULL)
                assert_int_equal(execute_run(f->execution, 1), EXECUTE_FAILED);
        }
        assert_string_equal(execute_fixture_result(f), expected);
    }
    free(expected);
}

static void a_cache_of_documents_without_memory(void **state)
{
    static const char *const texts[] = {"{ int }", "{ no }", "{"};
    struct execute_fixture *f = *state;
    const struct document_cache_options options = {
        .schema = f->schema,
        .limits = PARSER_LIMITS_SDL,
        .count_max = 8,
        .bytes_max = BYTES_MAX,
    };
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct document_cache *cache = NULL;
        const struct document *documents[3] = {NULL, NULL, NULL};
        int missing_count = 0;
        int rc;

        failing_calls_arm(n);
        rc = document_cache_open(&options, &cache);
        for (int i = 0; i < 3 && rc == 0; i++)
            documents[i] = document_get(cache, texts[i], strlen(texts[i]));
        was_reached = failing_calls_disarm();
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EAGAIN);
        for (int i = 0; i < 3 && rc == 0; i++) {
            missing_count += documents[i] == NULL ? 1 : 0;
            document_unref(documents[i]);
            documents[i] = document_get(cache, texts[i], strlen(texts[i]));
            assert_non_null(documents[i]); /* what has failed is not remembered */
            assert_int_equal(documents[i]->errors->count, i == 0 ? 0 : 1);
            document_unref(documents[i]);
        }
        assert_int_equal(missing_count, was_reached && rc == 0 ? 1 : 0);
        if (rc == 0)
            document_cache_close(cache);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, execute_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(variables_without_memory),
        TEST(an_execution_without_memory),
        TEST(a_cache_of_documents_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
