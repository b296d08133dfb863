/*
 * Every allocation fails once, and random numbers: a document is then judged as ever, or not at all,
 * who asked learns which, and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/graphql/limits.h"
#include "server/graphql/validate.h"
#include "tests/unit/failing_calls.h"
#include "tests/unit/validate_fixture.h"

/* --- the tests -------------------------------------------------------------------------------- */

static void validate_with_failures(struct validate_fixture *f, const char *document)
{
    bool was_reached = true;
    bool is_good = *validate_fixture_errors(f, document) == '\0';
    uint32_t error_count = f->base.errors.count;

    for (int n = 1; was_reached; n++) {
        bool is_valid;
        validate_fixture_parse(f, document);
        failing_calls_arm(n);
        is_valid = validate_document(f->schema, f->document, &f->base.region, &f->base.errors);
        was_reached = failing_calls_disarm();
        if (was_reached && f->base.region.has_failed) {
            assert_false(is_valid);
            assert_true(f->base.errors.count <= error_count);
        } else {
            assert_int_equal(is_valid, is_good);
            assert_int_equal(f->base.errors.count, error_count);
        }
    }
}

static void valid_documents_are_valid_or_not_judged(void **state)
{
    static const char *const documents[] = {
        "{ version }",
        "query A($i: ID!, $a: Int, $b: Int, $c: Int, $d: Int, $e: Int, $f: Int, $g: Int, $h: Int) {"
        " human(id: $i) { name } dog { at(x: $a) ...F ...G name } dog { b: at(x: $b, y: $c) ...G }"
        " catOrDog { ... on Dog { ...F c: at(x: $d, y: $e) } } d: draw(json: [$f, $g, $h]) } "
        "fragment F on Dog { ...G mother { ...G } x: at(x: $a) } fragment G on Dog { name id "
        "k1: id k2: id k3: id k4: id k5: id k6: id k7: id k8: id k9: id k10: id }",
        "subscription S { ...F } fragment F on Subscription { moved { id } moved { name } }",
        "{ draw(json: { a: 1, b: [2, { c: 3 }] }, id: 1) draw(id: 1, json: { b: [2, { c: 3 }], a: "
        "1 "
        "}) __type(name: \"a\") { ...T } } fragment T on __Type { fields { name } }",
    };

    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        validate_with_failures(*state, documents[i]);
}

static void invalid_documents_are_invalid_or_not_judged(void **state)
{
    static const char *const documents[] = {
        "query Q($a: Strin, $a: Dog) { dog { nam ...F ...N } pet { barks } human { id } dog @x @x }"
        "query Q { version { a } } fragment F on Dog { ...F at(z: 1, x: 1, x: \"2\", x: [RED]) }",
        "{ draw(at: { y: 1, y: 2, z: 3 }, colors: [REDD, 1], times: null, text: [1]) @skip "
        "@onField(b:"
        " 1) } type T @onField @onField { a: B } directive @onField on QUERY",
        "subscription { ticks a: ticks __typename } fragment F on Int { a } { version }",
        "{ dog { x: name x: id owner { a: id ...F } owner { a: name ...G } at(x: 1) at(x: 2) } }"
        "fragment F on Human { pets { n: name } b: id } fragment G on Human { pets { n: id } b: "
        "name }",
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } dog { "
        "... on "
        "Cat { id } } }",
    };

    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        validate_with_failures(*state, documents[i]);
}

static void limits_are_checked_or_not_known(void **state)
{
    struct validate_fixture *f = *state;
    struct coerce coerce = {.schema = f->schema, .region = &f->base.region};
    struct coerce_variables variables = {0};
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct limits limits = LIMITS_DEFAULT;
        bool is_within;
        limits.depth_max = n % 2 == 0 ? 3 : 15;
        validate_fixture_parse(f, "{ dog { ...F mother { ...F } } } fragment F on Dog { ...G } "
                                  "fragment G on Dog { mother { mother { id } } }");
        coerce.document = f->document;
        coerce.errors = &f->base.errors;
        variables.operation = f->document->definitions;
        failing_calls_arm(n);
        is_within = limits_check(&coerce, f->document->definitions, &variables, &limits);
        was_reached = failing_calls_disarm();
        assert_true(was_reached || !f->base.region.has_failed);
        if (f->base.region.has_failed)
            assert_false(is_within);
        else
            assert_int_equal(is_within, limits.depth_max == 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_documents_are_valid_or_not_judged),
        cmocka_unit_test(invalid_documents_are_invalid_or_not_judged),
        cmocka_unit_test(limits_are_checked_or_not_known),
    };

    return cmocka_run_group_tests(tests, validate_fixture_setup, validate_fixture_teardown);
}
