/*
 * Documents that are made to be expensive. Each of them is about as large as a document may be, and
 * all of them together have to be done with before the test's time is up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/validate.h"
#include "tests/unit/validate_fixture.h"

#define ABORTED "Validation aborted.\n"

struct hostile {
    struct validate_fixture base;
    struct text document;
};

static int setup(void **state)
{
    struct hostile *h = malloc(sizeof *h);

    assert_non_null(h);
    *h = (struct hostile){0};
    validate_fixture_init(&h->base);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct hostile *h = *state;

    validate_fixture_done(&h->base);
    text_done(&h->document);
    free(h);
    return 0;
}

/* What is wrong with what has been written to h->document. */
static const char *errors_of(struct hostile *h)
{
    text_add(&h->document, "", 1);
    assert_true(text_is_whole(&h->document));
    h->document.size = 0;
    return validate_fixture_errors(&h->base, h->document.bytes);
}

static void add_many(struct hostile *h, const char *piece, int count)
{
    for (int i = 0; i < count; i++)
        text_add_string(&h->document, piece);
}

static void fragments_that_double_at_each_step_are_looked_at_once(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "query ($n: Int) { dog { ...f0 ...f0 } }");
    for (int i = 0; i < 1000; i++)
        text_printf(&h->document,
                    "fragment f%d on Dog { mother { ...f%d } owner { pets { ...f%d } } }", i, i + 1,
                    i + 1);
    text_add_string(&h->document, "fragment f1000 on Dog { at(x: $n) }");
    /* Pets are not always dogs, but they may be. */
    assert_string_equal(errors_of(h), "");
}

static void a_chain_of_fragments_may_be_as_long_as_the_document(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "query ($n: Int) { dog { ...f0 } }");
    for (int i = 0; i < 4000; i++)
        text_printf(&h->document, "fragment f%d on Dog { ...f%d ...f%d }", i, i + 1, i + 1);
    text_add_string(&h->document, "fragment f4000 on Dog { at(x: $n) }");
    assert_string_equal(errors_of(h), "");
}

static void a_subscription_follows_a_long_chain_without_recursion(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "subscription { ...f0 }");
    for (int i = 0; i < 4000; i++)
        text_printf(&h->document, "fragment f%d on Subscription { ...f%d }", i, i + 1);
    text_add_string(&h->document, "fragment f4000 on Subscription { ticks __typename }");
    (void)errors_of(h);
    assert_int_equal(h->base.base.errors.count, 2);
    assert_string_equal(h->base.base.errors.first->message,
                        "Anonymous Subscription must select only one top level field.");
}

static void a_long_cycle_is_told_in_part(void **state)
{
    struct hostile *h = *state;
    const struct graphql_errors *errors = &h->base.base.errors;

    text_add_string(&h->document, "{ dog { ...f0 } }");
    for (int i = 0; i < 5000; i++)
        text_printf(&h->document, "fragment f%d on Dog { ...f%d }", i, (i + 1) % 5000);
    (void)errors_of(h);
    assert_int_equal(errors->count, 1);
    assert_int_equal(errors->first->location_count, 100);
    assert_non_null(strstr(errors->first->message, "\"f99\", …."));
}

static void many_equal_fields_spend_the_budget(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{");
    add_many(h, " version", 700);
    text_add_string(&h->document, "}");
    assert_string_equal(errors_of(h), "");

    text_add_string(&h->document, "{");
    add_many(h, " version", 5000);
    text_add_string(&h->document, "}");
    assert_string_equal(errors_of(h), ABORTED);
    assert_int_equal(h->base.base.errors.first->code, GRAPHQL_LIMIT_EXCEEDED);

    text_add_string(&h->document, "{");
    add_many(h, " dog { name }", 5000);
    text_add_string(&h->document, "}");
    assert_string_equal(errors_of(h), ABORTED);
}

static void many_different_fields_cost_as_many(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{");
    for (int i = 0; i < 10000; i++)
        text_printf(&h->document, " a%d: version", i);
    text_add_string(&h->document, "}");
    assert_string_equal(errors_of(h), "");
}

static void fields_in_fields_through_fragments_end_at_a_depth(void **state)
{
    struct hostile *h = *state;

    for (int depth = VALIDATE_OVERLAP_DEPTH_MAX; depth <= 8 * VALIDATE_OVERLAP_DEPTH_MAX;
         depth *= 8) {
        text_add_string(&h->document, "{ dog { ...a1 } dog { ...b1 } }");
        for (int i = 1; i < depth; i++)
            text_printf(&h->document,
                        "fragment a%d on Dog{mother{...a%d}}fragment b%d on Dog{mother{...b%d}}", i,
                        i + 1, i, i + 1);
        text_printf(&h->document, "fragment a%d on Dog{id}fragment b%d on Dog{id}", depth, depth);
        assert_string_equal(errors_of(h), depth == VALIDATE_OVERLAP_DEPTH_MAX ? "" : ABORTED);
    }
}

static void selections_may_be_as_deep_as_the_parser_allows(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{ dog");
    add_many(h, " { mother { id } mother", 190);
    text_add_string(&h->document, " { id }");
    add_many(h, " }", 190);
    text_add_string(&h->document, " }");
    assert_string_equal(errors_of(h), "");
}

static void thousands_of_variables_are_found_by_name(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "query (");
    for (int i = 0; i < 5000; i++)
        text_printf(&h->document, "$v%d: Int ", i);
    text_add_string(&h->document, ") { dog {");
    for (int i = 0; i < 5000; i++)
        text_printf(&h->document, " a%d: at(x: $v%d)", i, 4999 - i);
    text_add_string(&h->document, "} }");
    assert_string_equal(errors_of(h), "");
}

static void thousands_of_names_twice_are_one_error_each(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{ draw(json: {");
    add_many(h, "a: 1 ", 20000);
    text_add_string(&h->document, "}) }");
    (void)errors_of(h);
    assert_int_equal(h->base.base.errors.count, ERRORS_MAX + 1);

    text_add_string(&h->document, "{ dog { at(");
    add_many(h, "x: 1 ", 20000);
    text_add_string(&h->document, ") } }");
    (void)errors_of(h);
    assert_int_equal(h->base.base.errors.count, 1);
    assert_int_equal(h->base.base.errors.first->location_count, 20000);
}

static void operations_share_what_their_fragments_lead_to(void **state)
{
    struct hostile *h = *state;

    for (int i = 0; i < 2000; i++)
        text_printf(&h->document, "query q%d { dog { ...f0 } }", i);
    for (int i = 0; i < 2000; i++)
        text_printf(&h->document, "fragment f%d on Dog { ...f%d }", i, i + 1);
    text_add_string(&h->document, "fragment f2000 on Dog { id }");
    assert_string_equal(errors_of(h), "");
}

static void operations_that_each_lead_elsewhere_spend_the_budget(void **state)
{
    struct hostile *h = *state;

    for (int i = 0; i < 2000; i++)
        text_printf(&h->document, "query q%d { dog { ...f%d } }", i, i);
    for (int i = 0; i < 2000; i++)
        text_printf(&h->document, "fragment f%d on Dog { ...f%d }", i, i + 1);
    text_add_string(&h->document, "fragment f2000 on Dog { id }");
    assert_string_equal(errors_of(h), ABORTED);
}

static void many_subscriptions_to_many_fields_spend_the_budget(void **state)
{
    struct hostile *h = *state;

    for (int i = 0; i < 1000; i++)
        text_printf(&h->document, "subscription s%d { ...f }", i);
    text_add_string(&h->document, "fragment f on Subscription {");
    for (int i = 0; i < 9000; i++)
        text_printf(&h->document, " a%d: ticks", i);
    text_add_string(&h->document, "}");
    (void)errors_of(h);
    assert_true(h->base.base.errors.count < 10);
    assert_string_equal(h->base.base.errors.last->message, "Validation aborted.");
}

static void arguments_are_compared_by_name_in_any_order(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{ draw(json: {");
    for (int i = 0; i < 5000; i++)
        text_printf(&h->document, " a%d: [%d]", i, i);
    text_add_string(&h->document, "}) draw(json: {");
    for (int i = 4999; i >= 0; i--)
        text_printf(&h->document, " a%d: [%d]", i, i);
    text_add_string(&h->document, "}) }");
    assert_string_equal(errors_of(h), "");
}

static void introspection_is_followed_through_fragments_once(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{");
    for (int i = 0; i < 100; i++)
        text_printf(&h->document, " a%d: __type(name: \"a\") { ...f0 }", i);
    text_add_string(&h->document, "}");
    for (int i = 0; i < 300; i++)
        text_printf(&h->document, "fragment f%d on __Type { ofType { ...f%d ...f%d } }", i, i + 1,
                    i + 1);
    text_add_string(&h->document, "fragment f300 on __Type { name }");
    assert_string_equal(errors_of(h), "");
}

static void long_names_are_compared_with_few(void **state)
{
    struct hostile *h = *state;

    text_add_string(&h->document, "{");
    for (int i = 0; i < 90; i++) {
        text_add_string(&h->document, " ");
        add_many(h, "version", 300);
    }
    text_add_string(&h->document, "}");
    (void)errors_of(h);
    assert_int_equal(h->base.base.errors.count, 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_that_double_at_each_step_are_looked_at_once),
        cmocka_unit_test(a_chain_of_fragments_may_be_as_long_as_the_document),
        cmocka_unit_test(a_subscription_follows_a_long_chain_without_recursion),
        cmocka_unit_test(a_long_cycle_is_told_in_part),
        cmocka_unit_test(many_equal_fields_spend_the_budget),
        cmocka_unit_test(many_different_fields_cost_as_many),
        cmocka_unit_test(fields_in_fields_through_fragments_end_at_a_depth),
        cmocka_unit_test(selections_may_be_as_deep_as_the_parser_allows),
        cmocka_unit_test(thousands_of_variables_are_found_by_name),
        cmocka_unit_test(thousands_of_names_twice_are_one_error_each),
        cmocka_unit_test(operations_share_what_their_fragments_lead_to),
        cmocka_unit_test(operations_that_each_lead_elsewhere_spend_the_budget),
        cmocka_unit_test(many_subscriptions_to_many_fields_spend_the_budget),
        cmocka_unit_test(arguments_are_compared_by_name_in_any_order),
        cmocka_unit_test(introspection_is_followed_through_fragments_once),
        cmocka_unit_test(long_names_are_compared_with_few),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
