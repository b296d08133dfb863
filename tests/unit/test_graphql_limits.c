#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/graphql/limits.h"
#include "server/graphql/validate.h"
#include "tests/unit/validate_fixture.h"

/* None of them: a test narrows what it is about. */
#define NO_LIMITS                                                                                  \
    (struct limits)                                                                                \
    {                                                                                              \
        .depth_max = UINT32_MAX, .complexity_max = UINT64_MAX, .alias_count_max = UINT32_MAX,      \
        .root_field_count_max = UINT32_MAX                                                         \
    }

/* "": the first operation of a valid document is within the limits. Else the error. */
static const char *check(struct validate_fixture *f, const char *document, const char *variables,
                         const struct limits *limits)
{
    struct coerce coerce = {
        .schema = f->schema,
        .region = &f->base.region,
        .errors = &f->base.errors,
    };
    const struct ast_definition *operation;
    struct coerce_variables coerced;
    bool is_within;

    assert_string_equal(validate_fixture_errors(f, document), "");
    coerce.document = f->document;
    operation = f->document->definitions;
    while (operation->node.kind != AST_OPERATION)
        operation = operation->next;
    assert_true(coerce_variables(&coerce, operation,
                                 (struct json_span){variables, strlen(variables)}, &coerced));
    is_within = limits_check(&coerce, operation, &coerced, limits);
    assert_false(f->base.region.has_failed);
    assert_int_equal(f->base.errors.count, is_within ? 0 : 1);
    if (!is_within)
        assert_int_equal(f->base.errors.first->code, GRAPHQL_LIMIT_EXCEEDED);
    return validate_fixture_lines(f);
}

/* The least complexity_max that lets it pass. */
static uint64_t complexity_of(struct validate_fixture *f, const char *document,
                              const char *variables)
{
    struct limits limits = NO_LIMITS;
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;

    while (low < high) {
        limits.complexity_max = low + (high - low) / 2;
        if (check(f, document, variables, &limits)[0] == '\0')
            high = limits.complexity_max;
        else
            low = limits.complexity_max + 1;
    }
    return low;
}

static void depth_is_that_of_fields_in_one_another(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.depth_max = 3;
    assert_string_equal(check(*state, "{ dog { mother { name } } }", "", &limits), "");
    assert_string_equal(
        check(*state, "{ dog { ... on Pet { ...F } } } fragment F on Dog { ... { mother { id } } }",
              "", &limits),
        "");
    assert_string_equal(check(*state, "{ version dog { mother { mother { id } } } }", "", &limits),
                        "1:35 The operation's depth is at least 4; the limit is 3.\n");
}

static void a_fragment_seen_before_may_be_too_deep_where_it_is_spread_again(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.depth_max = 3;
    assert_string_equal(
        check(*state, "{ dog { ...F mother { ...F } } } fragment F on Dog { mother { id } }", "",
              &limits),
        "1:23 The operation's depth is at least 4; the limit is 3.\n");
}

static void introspection_has_no_depth(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.depth_max = 1;
    assert_string_equal(check(*state,
                              "{ __schema { types { ...T fields { type { ...T } } } } }"
                              "fragment T on __Type { ofType { ofType { name } } }",
                              "", &limits),
                        "");
    assert_string_equal(check(*state, "{ dog { __typename } }", "", &limits),
                        "1:9 The operation's depth is at least 2; the limit is 1.\n");
}

static void a_field_is_one_and_a_list_multiplies_what_is_in_it(void **state)
{
    static const struct {
        const char *document;
        const char *variables;
        uint64_t complexity;
    } known[] = {
        {"{ version }", "", 1},
        {"{ dog { name owner { id } } a: version }", "", 5},
        {"{ humans { id name } }", "", 1 + 5 * 2}, /* the default of limit */
        {"{ humans(limit: 7) { id name } }", "", 1 + 7 * 2},
        {"{ humans(limit: null) { id } }", "", 1 + 5},
        {"{ humans(limit: 0) { id } }", "", 1 + 1},
        {"{ humans(limit: -3) { id } }", "", 1 + 1},
        {"{ all { id } }", "", 1 + 10},
        {"{ human(id: 1) { pets { id } } }", "", 1 + 1 + 10}, /* limit has no default */
        {"{ human(id: 1) { pets(limit: 2) { id name } } }", "", 1 + 1 + 2 * 2},
        {"{ all { friends { friends { id } } } }", "", 1 + 10 * (1 + 10 * (1 + 10))},
        {"query ($n: Int) { humans(limit: $n) { id } }", "{\"n\":3}", 1 + 3},
        {"query ($n: Int) { humans(limit: $n) { id } }", "{\"n\":null}", 1 + 5},
        {"query ($n: Int) { humans(limit: $n) { id } }", "", 1 + 5},
        {"query ($n: Int = 4) { humans(limit: $n) { id } }", "", 1 + 4},
        {"{ all { ...F } ...Q } fragment F on Human { id } fragment Q on Query { all { ...F } }",
         "", 1 + 10 + 1 + 10},
        {"{ __schema { types { fields { name } } } }", "", 4}, /* lists of introspection do not */
        {"query ($y: Boolean!, $n: Boolean!) { all @skip(if: $y) { id } a: all @include(if: $n) { "
         "id } "
         "... @include(if: $y) { version } ...Q @skip(if: $n) } fragment Q on Query { version }",
         "{\"y\":true,\"n\":false}", 2},
        {"{ version @skip(if: true) a: version @skip(if: false) b: version @include(if: false) }",
         "", 1},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint64_t complexity = complexity_of(*state, known[i].document, known[i].variables);

        if (complexity != known[i].complexity)
            fail_msg("%s: %u", known[i].document, (unsigned)complexity);
    }
}

static void complexity_says_where_it_became_too_much(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.complexity_max = 20;
    assert_string_equal(check(*state, "{ all { id } a: all { id } }", "", &limits),
                        "1:23 The operation's complexity is at least 22; the limit is 20.\n");
    assert_string_equal(
        check(*state, "{ ...F ...F } fragment F on Query { all { id } }", "", &limits),
        "1:8 The operation's complexity is at least 22; the limit is 20.\n");
}

static void huge_products_end_at_the_greatest_number(void **state)
{
    struct limits limits = NO_LIMITS;
    const char *document =
        "{ human(id: 1) { pets(limit: 2147483647) { owner { pets(limit: 2147483647) { owner {"
        " pets(limit: 2147483647) { id } } } } } } }";
    assert_string_equal(check(*state, document, "", &limits), "");
    limits.complexity_max = UINT64_MAX - 1;
    assert_string_equal(check(*state, document, "", &limits),
                        "1:112 The operation's complexity is at least 18446744073709551615; the "
                        "limit is 18446744073709551614.\n");
}

static void aliases_are_counted_everywhere(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.alias_count_max = 3;
    assert_string_equal(
        check(*state, "{ a: dog { b: name ... { c: id } version: name } }", "", &limits),
        "1:34 The operation's number of aliases is at least 4; the limit is 3.\n");
    assert_string_equal(check(*state,
                              "{ a: dog { ...F } cat { ...F } } fragment F on Pet { b: name }", "",
                              &limits),
                        "");
    assert_string_equal(check(*state,
                              "{ a: dog { ...F } c: cat { ...F } } fragment F on Pet { b: name }",
                              "", &limits),
                        "1:28 The operation's number of aliases is at least 4; the limit is 3.\n");
}

static void root_fields_are_those_of_the_operation_and_its_fragments(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.root_field_count_max = 2;
    assert_string_equal(check(*state, "{ dog { name id owner { id name } } version }", "", &limits),
                        "");
    assert_string_equal(
        check(*state, "{ version ... { version } ...F } fragment F on Query { version }", "",
              &limits),
        "1:56 The operation's number of root fields is at least 3; the limit is 2.\n");
    assert_string_equal(
        check(*state, "{ a: version b: version c: version }", "", &limits),
        "1:25 The operation's number of root fields is at least 3; the limit is 2.\n");
}

static void only_the_chosen_operation_counts(void **state)
{
    struct limits limits = NO_LIMITS;

    limits.depth_max = 1;
    assert_string_equal(
        check(*state, "query A { version } query B { dog { mother { id } } }", "", &limits), "");
}

static void a_root_that_the_schema_has_not_got_is_left_to_execution(void **state)
{
    struct validate_fixture *f = *state;
    struct schema_type *mutation = f->schema->roots[AST_MUTATION];
    struct limits limits = {0};

    f->schema->roots[AST_MUTATION] = NULL;
    assert_string_equal(check(f, "mutation { anything { a } }", "", &limits), "");
    f->schema->roots[AST_MUTATION] = mutation;
}

/* 2 to the power of 1000 fields and more spreads: it ends only if none is looked at twice. */
static void a_fragment_spread_without_end_is_added_up_once(void **state)
{
    struct limits limits = NO_LIMITS;
    struct text document = {0};

    for (int is_skipped = 0; is_skipped <= 1; is_skipped++) {
        document.size = 0;
        text_add_string(&document, "query { dog { ...f0 } }");
        for (int i = 0; i < 1000; i++)
            text_printf(&document, "fragment f%d on Dog { ... { ...f%d } ...f%d }", i, i + 1,
                        i + 1);
        text_printf(&document, "fragment f1000 on Dog { id %s } ",
                    is_skipped ? "@skip(if: true)" : "");
        text_add(&document, "", 1);
        assert_true(text_is_whole(&document));
        limits.complexity_max = UINT64_MAX;
        assert_string_equal(check(*state, document.bytes, "", &limits), "");
        limits.complexity_max = 10000;
        assert_int_equal(check(*state, document.bytes, "", &limits)[0] == '\0', is_skipped);
    }
    text_done(&document);
}

static void fragments_may_go_deeper_than_a_stack(void **state)
{
    struct limits limits = LIMITS_DEFAULT;
    struct text document = {0};

    text_add_string(&document, "{ dog { ...f0 } }");
    for (int i = 0; i < 4000; i++)
        text_printf(&document, "fragment f%d on Dog { ...f%d }", i, i + 1);
    text_add_string(&document, "fragment f4000 on Dog { mother { id } }");
    text_add(&document, "", 1);
    assert_true(text_is_whole(&document));
    assert_string_equal(check(*state, document.bytes, "", &limits), "");
    text_done(&document);
}

static void the_defaults_let_a_tool_look_around(void **state)
{
    struct limits limits = LIMITS_DEFAULT;

    assert_string_equal(
        check(
            *state,
            "query { __schema { queryType { name } mutationType { name } subscriptionType { name }"
            " types { ...T } directives { name description locations args { ...I } } } }"
            "fragment T on __Type { kind name description fields(includeDeprecated: true) { name"
            " description args { ...I } type { ...R } isDeprecated deprecationReason }"
            " inputFields { ...I } interfaces { ...R } enumValues(includeDeprecated: true) { name"
            " description isDeprecated deprecationReason } possibleTypes { ...R } }"
            "fragment I on __InputValue { name description type { ...R } defaultValue }"
            "fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind"
            " name ofType { kind name ofType { kind name ofType { kind name ofType { kind name }"
            " } } } } } } }",
            "", &limits),
        "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_that_of_fields_in_one_another),
        cmocka_unit_test(a_fragment_seen_before_may_be_too_deep_where_it_is_spread_again),
        cmocka_unit_test(introspection_has_no_depth),
        cmocka_unit_test(a_field_is_one_and_a_list_multiplies_what_is_in_it),
        cmocka_unit_test(complexity_says_where_it_became_too_much),
        cmocka_unit_test(huge_products_end_at_the_greatest_number),
        cmocka_unit_test(aliases_are_counted_everywhere),
        cmocka_unit_test(root_fields_are_those_of_the_operation_and_its_fragments),
        cmocka_unit_test(only_the_chosen_operation_counts),
        cmocka_unit_test(a_root_that_the_schema_has_not_got_is_left_to_execution),
        cmocka_unit_test(a_fragment_spread_without_end_is_added_up_once),
        cmocka_unit_test(fragments_may_go_deeper_than_a_stack),
        cmocka_unit_test(the_defaults_let_a_tool_look_around),
    };

    return cmocka_run_group_tests(tests, validate_fixture_setup, validate_fixture_teardown);
}
