/*
 * The rules of validation. What is expected is what graphql-js 16.15 says, word by word; it judges
 * many more documents in tests/graphql.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/graphql/validate.h"
#include "tests/unit/validate_fixture.h"

struct verdict {
    const char *document;
    const char *errors; /* as validate_fixture_errors has them */
};

static const struct verdict of_operations[] = {
    {"query A { version } query B { version } mutation C { move(to: { x: 1 }) } subscription D { "
     "ticks }",
     ""},
    {"{ version } type T { a: Int } extend schema @onField",
     "1:13 The \"T\" definition is not executable.\n"
     "1:31 The schema definition is not executable.\n"
     "1:45 Directive \"@onField\" may not be used on SCHEMA.\n"},
    {"query A { version } query A { version }",
     "1:7,1:27 There can be only one operation named \"A\".\n"},
    {"{ version } query A { version }",
     "1:1 This anonymous operation must be the only defined operation.\n"},
    {"subscription S { ticks moved { id } }",
     "1:24 Subscription \"S\" must select only one top level field.\n"},
    {"subscription { ...F a: ticks @skip(if: true) } fragment F on Subscription { __typename ticks "
     "}",
     "1:88 Anonymous Subscription must select only one top level field.\n"
     "1:77 Anonymous Subscription must not select an introspection top level field.\n"},
    {"subscription { a: ticks a: ticks ... on Subscription { a: ticks } }", ""},
};

static const struct verdict of_types[] = {
    {"query ($a: Strin) { ... on Dgo { id } version }",
     "1:12 Unknown type \"Strin\". Did you mean \"String\"?\n"
     "1:28 Unknown type \"Dgo\". Did you mean \"Dog\"?\n"
     "1:8 Variable \"$a\" is never used.\n"},
    {"fragment F on Int { a } { version ...F ... on Color { b } }",
     "1:15 Fragment \"F\" cannot condition on non composite type \"Int\".\n"
     "1:47 Fragment cannot condition on non composite type \"Color\".\n"},
    {"query ($d: [Dog!]) { draw(json: { a: $d }) }",
     "1:12 Variable \"$d\" cannot be non-input type \"[Dog!]\".\n"},
    {"{ dog version { a } draw { b } }",
     "1:3 Field \"dog\" of type \"Dog\" must have a selection of subfields. Did you mean \"dog { "
     "... }\"?\n"
     "1:15 Field \"version\" must not have a selection since type \"String!\" has no subfields.\n"
     "1:26 Field \"draw\" must not have a selection since type \"Int\" has no subfields.\n"},
    {"{ dog { bark } pet { barks volume meows } being { owner } catOrDog { name id } nothing }",
     "1:9 Cannot query field \"bark\" on type \"Dog\". Did you mean \"barks\"?\n"
     "1:22 Cannot query field \"barks\" on type \"Pet\". Did you mean to use an inline fragment on "
     "\"Dog\"?\n"
     "1:28 Cannot query field \"volume\" on type \"Pet\". Did you mean to use an inline fragment "
     "on \"Cat\" or \"Dog\"?\n"
     "1:35 Cannot query field \"meows\" on type \"Pet\". Did you mean to use an inline fragment on "
     "\"Cat\"?\n"
     "1:51 Cannot query field \"owner\" on type \"Being\". Did you mean to use an inline fragment "
     "on \"Pet\", \"Cat\", or \"Dog\"?\n"
     "1:70 Cannot query field \"name\" on type \"CatOrDog\". Did you mean to use an inline "
     "fragment on \"Being\", \"Pet\", \"Cat\", or \"Dog\"?\n"
     "1:75 Cannot query field \"id\" on type \"CatOrDog\". Did you mean to use an inline fragment "
     "on \"Being\", \"Pet\", \"Cat\", or \"Dog\"?\n"
     "1:80 Cannot query field \"nothing\" on type \"Query\".\n"},
    {"{ __schema { types { name } } dog { __typename __schema { a } } catOrDog { __typename } }",
     "1:48 Cannot query field \"__schema\" on type \"Dog\".\n"},
    {"{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
     "1:3 Maximum introspection depth exceeded\n"},
};

static const struct verdict of_fragments[] = {
    {"{ dog { ...F ...F } } fragment F on Dog { ...G mother { ...G } } fragment G on Being { name "
     "}",
     ""},
    {"{ dog { ...F } } fragment F on Dog { id } fragment F on Dog { name }",
     "1:27,1:52 There can be only one fragment named \"F\".\n"},
    {"{ dog { ...F } }", "1:12 Unknown fragment \"F\".\n"},
    {"{ version } fragment F on Dog { ...G } fragment G on Dog { id }",
     "1:13 Fragment \"F\" is never used.\n"
     "1:40 Fragment \"G\" is never used.\n"},
    {"{ dog { ... on Cat { meows } ...H } pet { ... on Being { name } ... on Human { friends { id "
     "} } } } fragment H on Human { id }",
     "1:9 Fragment cannot be spread here as objects of type \"Dog\" can never be of type \"Cat\".\n"
     "1:30 Fragment \"H\" cannot be spread here as objects of type \"Dog\" can never be of type "
     "\"Human\".\n"
     "1:65 Fragment cannot be spread here as objects of type \"Pet\" can never be of type "
     "\"Human\".\n"},
    {"{ dog { ...F } } fragment F on Dog { ...G } fragment G on Dog { mother { ...F } ...G }",
     "1:81 Cannot spread fragment \"G\" within itself.\n"
     "1:38,1:74 Cannot spread fragment \"F\" within itself via \"G\".\n"},
};

static const struct verdict of_variables[] = {
    {"query ($i: ID!, $p: Point, $x: Int = 1, $b: Boolean!) { human(id: $i) { id @skip(if: $b) } "
     "draw(at: $p) a: draw(at: { x: $x }) }",
     ""},
    {"query ($a: Int, $b: Int, $a: Int) { version }",
     "1:9,1:27 There can be only one variable named \"$a\".\n"
     "1:8 Variable \"$a\" is never used.\n"
     "1:17 Variable \"$b\" is never used.\n"
     "1:26 Variable \"$a\" is never used.\n"},
    {"query Q($a: Int, $b: Int) { dog { at(x: $a, y: $c) ...F } } fragment F on Dog { a: at(x: $d) "
     "}",
     "1:48,1:1 Variable \"$c\" is not defined by operation \"Q\".\n"
     "1:90,1:1 Variable \"$d\" is not defined by operation \"Q\".\n"
     "1:18 Variable \"$b\" is never used in operation \"Q\".\n"},
    {"query ($i: ID, $n: Int, $s: [String]) { human(id: $i) { id } draw(at: { x: $n, tags: $s }, "
     "text: $n) }",
     "1:8,1:51 Variable \"$i\" of type \"ID\" used in position expecting type \"ID!\".\n"
     "1:16,1:76 Variable \"$n\" of type \"Int\" used in position expecting type \"Int!\".\n"
     "1:25,1:86 Variable \"$s\" of type \"[String]\" used in position expecting type "
     "\"[String!]\".\n"
     "1:16,1:98 Variable \"$n\" of type \"Int\" used in position expecting type \"String\".\n"},
    {"query (\"text\" $n: Int = null) { draw(times: $n) a: draw(at: { x: $n }) }",
     "1:8,1:66 Variable \"$n\" of type \"Int\" used in position expecting type \"Int!\".\n"},
};

static const struct verdict of_directives[] = {
    {"{ version @skip(if: true) @include(if: false) a: version @many(n: 1) @many(n: 2) }", ""},
    {"query @onField { version @nothing dog @onField @onField { id } }",
     "1:7 Directive \"@onField\" may not be used on QUERY.\n"
     "1:26 Unknown directive \"@nothing\".\n"
     "1:39,1:48 The directive \"@onField\" can only be used once at this location.\n"},
    {"{ version @skip(unless: true) @many @onField(b: 1) }",
     "1:17 Unknown argument \"unless\" on directive \"@skip\".\n"
     "1:11 Directive \"@skip\" argument \"if\" of type \"Boolean!\" is required, but it was not "
     "provided.\n"
     "1:31 Directive \"@many\" argument \"n\" of type \"Int!\" is required, but it was not "
     "provided.\n"
     "1:46 Unknown argument \"b\" on directive \"@onField\". Did you mean \"a\"?\n"},
    {"{ human(id: 1) { id } dog @nothing(x: $v) { name @nothing(full: 1) } }",
     "1:27 Unknown directive \"@nothing\".\n"
     "1:50 Unknown directive \"@nothing\".\n"
     "1:65 Boolean cannot represent a non boolean value: 1\n"
     "1:39,1:1 Variable \"$v\" is not defined.\n"},
};

static const struct verdict of_arguments[] = {
    {"{ human(id: 1) { pets(limit: 2) { name(full: true) } } }", ""},
    {"{ human { id } dog { at(z: 1, X: 2) name(ful: true) } }",
     "1:3 Field \"human\" argument \"id\" of type \"ID!\" is required, but it was not provided.\n"
     "1:25 Unknown argument \"z\" on field \"Dog.at\". Did you mean \"x\" or \"y\"?\n"
     "1:31 Unknown argument \"X\" on field \"Dog.at\". Did you mean \"x\" or \"y\"?\n"
     "1:42 Unknown argument \"ful\" on field \"Dog.name\". Did you mean \"full\"?\n"},
    {"{ dog { at(x: 1, y: 2, x: 3, x: 4) } }",
     "1:12,1:24,1:30 There can be only one argument named \"x\".\n"},
};

static const struct verdict of_values[] = {
    {"{ draw(at: { x: 1, next: { x: 2 }, tags: \"a\", any: [{ b: ENUM }] }, colors: RED, json: "
     "1.5, times: 2, size: 3, on: true, text: \"\"\"x\"\"\", id: 4) }",
     ""},
    {"{ draw(times: null, at: { y: 1 }) a: draw(at: 5, colors: [RED, GREN, \"BLUE\"], size: \"1\", "
     "on: 0, text: 1, id: 1.5) b: draw(times: 3000000000) c: draw(times: 1.0) }",
     "1:15 Expected value of type \"Int!\", found null.\n"
     "1:25 Field \"Point.x\" of required type \"Int!\" was not provided.\n"
     "1:47 Expected value of type \"Point\", found 5.\n"
     "1:64 Value \"GREN\" does not exist in \"Color\" enum. Did you mean the enum value \"GREEN\" "
     "or \"RED\"?\n"
     "1:70 Enum \"Color\" cannot represent non-enum value: \"BLUE\". Did you mean the enum value "
     "\"BLUE\"?\n"
     "1:85 Float cannot represent non numeric value: \"1\"\n"
     "1:94 Boolean cannot represent a non boolean value: 0\n"
     "1:103 String cannot represent a non string value: 1\n"
     "1:110 ID cannot represent a non-string and non-integer value: 1.5\n"
     "1:130 Int cannot represent non 32-bit signed integer value: 3000000000\n"
     "1:157 Int cannot represent non-integer value: 1.0\n"},
    {"{ draw(at: { x: 1, z: 2, next: [1], tags: [null, { a: 1 }] }) b: draw(colors: { a: 1 }, "
     "text: [\"x\"]) }",
     "1:20 Field \"z\" is not defined by type \"Point\". Did you mean \"x\" or \"y\"?\n"
     "1:32 Expected value of type \"Point\", found [1].\n"
     "1:44 Expected value of type \"String!\", found null.\n"
     "1:50 String cannot represent a non string value: {a: 1}\n"
     "1:79 Enum \"Color\" cannot represent non-enum value: {a: 1}.\n"
     "1:95 String cannot represent a non string value: [\"x\"]\n"},
    {"{ draw(at: { x: 1, x: 2, next: { x: 1, y: 2, y: 3, x: 4 } }) }",
     "1:14,1:20 There can be only one input field named \"x\".\n"
     "1:40,1:46 There can be only one input field named \"y\".\n"
     "1:34,1:52 There can be only one input field named \"x\".\n"},
    {"query ($a: Int = \"x\", $p: Point = { x: 1, y: \"z\" }) { draw(times: $a, at: $p) }",
     "1:18 Int cannot represent non-integer value: \"x\"\n"
     "1:46 Int cannot represent non-integer value: \"z\"\n"},
};

static const struct verdict of_overlap[] = {
    {"{ dog { name name(full: true) owner { id } } dog { owner { id name } } }",
     "1:9,1:14 Fields \"name\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"},
    {"{ pet { ... on Dog { a: volume b: at(x: 1) } ... on Cat { a: color b: meows c: volume } ... "
     "on Dog { c: name } } }",
     "1:22,1:59 Fields \"a\" conflict because they return conflicting types \"Int\" and \"Color\". "
     "Use different aliases on the fields to fetch both if this was intentional.\n"
     "1:77,1:102 Fields \"c\" conflict because they return conflicting types \"Float\" and "
     "\"String\". Use different aliases on the fields to fetch both if this was intentional.\n"},
    {"{ dog { ...F ...G } dog { mother { x: id } } } fragment F on Dog { mother { x: name ...H } } "
     "fragment G on Dog { mother { x: id } } fragment H on Dog { x: barks }",
     "1:3,1:27,1:36,1:36,1:21,1:68,1:77,1:153 Fields \"dog\" conflict because subfields \"mother\" "
     "conflict because subfields \"x\" conflict because \"id\" and \"name\" are different fields "
     "and subfields \"x\" conflict because \"id\" and \"barks\" are different fields. Use "
     "different aliases on the fields to fetch both if this was intentional.\n"
     "1:68,1:77,1:123,1:114,1:123,1:153 Fields \"mother\" conflict because subfields \"x\" "
     "conflict because \"name\" and \"id\" are different fields and subfields \"x\" conflict "
     "because \"id\" and \"barks\" are different fields. Use different aliases on the fields to "
     "fetch both if this was intentional.\n"
     "1:77,1:153 Fields \"x\" conflict because \"name\" and \"barks\" are different fields. Use "
     "different aliases on the fields to fetch both if this was intentional.\n"},
    {"{ draw(json: { a: 1, b: [2] }) draw(json: { b: [2], a: 1 }) draw(json: { a: 1, b: [3] }) "
     "draw }",
     "1:3,1:61 Fields \"draw\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"
     "1:3,1:90 Fields \"draw\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"
     "1:32,1:61 Fields \"draw\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"
     "1:32,1:90 Fields \"draw\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"
     "1:61,1:90 Fields \"draw\" conflict because they have differing arguments. Use different "
     "aliases on the fields to fetch both if this was intentional.\n"},
};

static void check(void **state, const struct verdict *verdicts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *errors = validate_fixture_errors(*state, verdicts[i].document);

        if (strcmp(errors, verdicts[i].errors) != 0)
            fail_msg("%s\n%s", verdicts[i].document, errors);
    }
}

#define CHECK_ALL(state, verdicts) check(state, verdicts, sizeof(verdicts) / sizeof(verdicts)[0])

static void operations_are_executable_named_once_and_subscribe_to_one_field(void **state)
{
    CHECK_ALL(state, of_operations);
}

static void fields_and_types_are_those_of_the_schema(void **state)
{
    CHECK_ALL(state, of_types);
}

static void fragments_are_known_used_possible_and_end(void **state)
{
    CHECK_ALL(state, of_fragments);
}

static void variables_are_defined_used_and_fit(void **state)
{
    CHECK_ALL(state, of_variables);
}

static void directives_are_known_allowed_and_unique(void **state)
{
    CHECK_ALL(state, of_directives);
}

static void arguments_are_known_unique_and_provided(void **state)
{
    CHECK_ALL(state, of_arguments);
}

static void values_fit_their_types(void **state)
{
    CHECK_ALL(state, of_values);
}

static void fields_with_the_same_key_are_the_same_field(void **state)
{
    CHECK_ALL(state, of_overlap);
}

/* graphql-js throws it out of validate(). */
static void a_subscription_cannot_wait_for_a_variable(void **state)
{
    assert_string_equal(
        validate_fixture_errors(*state, "subscription ($a: Boolean!) { ticks @skip(if: $a) }"),
        "1:47 Argument \"if\" of required type \"Boolean!\" was provided the variable \"$a\" which "
        "was not provided a runtime value.\n");
    assert_string_equal(
        validate_fixture_errors(*state, "subscription { ticks @skip(if: 1) @include }"),
        "1:32 Boolean cannot represent a non boolean value: 1\n"
        "1:35 Directive \"@include\" argument \"if\" of type \"Boolean!\" is required, but it was "
        "not "
        "provided.\n");
}

static void the_order_of_definitions_changes_no_verdict(void **state)
{
    struct validate_fixture *f = *state;

    assert_string_equal(validate_fixture_errors(f, "fragment F on Dog { at(x: $a) ...G }"
                                                   "query Q($a: Int) { dog { ...F } }"
                                                   "fragment G on Dog { name }"),
                        "");
    assert_string_equal(validate_fixture_errors(f, "fragment G on Dog { name }"
                                                   "query Q($a: Int) { dog { ...F } }"
                                                   "fragment F on Dog { at(x: $a) ...G }"),
                        "");
}

static void a_schema_without_that_root_has_nothing_against_an_operation(void **state)
{
    struct validate_fixture *f = *state;
    struct schema_type *mutation = f->schema->roots[AST_MUTATION];

    f->schema->roots[AST_MUTATION] = NULL;
    assert_string_equal(validate_fixture_errors(f, "mutation { anything(a: 1) { b } }"), "");
    f->schema->roots[AST_MUTATION] = mutation;
}

/* Clients choose them, and a message that quotes them must not end the server. */
static void a_schema_may_keep_itself_to_itself(void **state)
{
    static const struct verdict verdicts[] = {
        {"{ version __typename __type(name: \"Dog\") { name kind } }",
         "1:22 GraphQL introspection has been disabled, but the requested query contained the "
         "field "
         "\"__type\".\n"
         "1:49 GraphQL introspection has been disabled, but the requested query contained the "
         "field "
         "\"kind\".\n"},
        {"{ ...F } fragment F on Query { __schema { description } }",
         "1:32 GraphQL introspection has been disabled, but the requested query contained the "
         "field "
         "\"__schema\".\n"},
        {"{ version __typename }", ""},
        /* Nor can it be guessed name by name. */
        {"{ versio }", "1:3 Cannot query field \"versio\" on type \"Query\".\n"},
        {"{ draw(color: RED) }", "1:8 Unknown argument \"color\" on field \"Query.draw\".\n"},
        {"{ draw(colors: REED) }", "1:16 Value \"REED\" does not exist in \"Color\" enum.\n"},
        {"{ ...F } fragment F on Quer { version }", "1:24 Unknown type \"Quer\".\n"},
    };
    struct validate_fixture *f = *state;

    f->schema->is_introspectable = false;
    CHECK_ALL(state, verdicts);
    f->schema->is_introspectable = true;
}

static void names_and_values_of_any_length_are_quoted(void **state)
{
    enum {
        NAME_BYTES = 5000,
    };
    static const char *const templates[] = {
        "{ draw(colors: #) }",
        "{ draw(colors: \"#\", times: \"#\") }",
        "{ draw(at: { x: 1, #: 2 }) }",
        "query ($a: #y) { version } type # { a: Int }",
        "{ dog { ...# } } fragment # on Dog { ...b } fragment b on Dog { ...# }",
        "{ draw(json: { #: 1 }) draw(json: { #: 2 }) }",
        "{ #: version #: cat { id } dog { #(#: $#) @#(#: 1) } }",
        "query #($#: Int, $#: Int) { version } query # { version }",
    };
    struct text document = {0};

    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        document.size = 0;
        for (const char *at = templates[i]; *at != '\0'; at++) {
            for (int k = 0; k < NAME_BYTES && *at == '#'; k++)
                text_add_string(&document, "x");
            if (*at != '#')
                text_add(&document, at, 1);
        }
        text_add(&document, "", 1);
        assert_true(text_is_whole(&document));
        assert_int_not_equal(*validate_fixture_errors(*state, document.bytes), '\0');
    }
    text_done(&document);
}

static void errors_end_with_the_one_that_says_so(void **state)
{
    static const char field[] = " a";
    const size_t field_bytes = sizeof field - 1;
    char document[1024];
    struct validate_fixture *f = *state;
    size_t size = 1;

    document[0] = '{';
    for (int i = 0; i < ERRORS_MAX; i++, size += field_bytes)
        memcpy(document + size, field, field_bytes);
    memcpy(document + size, "}", sizeof "}");
    (void)validate_fixture_errors(f, document);
    assert_int_equal(f->base.errors.count, ERRORS_MAX);
    assert_string_equal(f->base.errors.last->message,
                        "Cannot query field \"a\" on type \"Query\".");

    memcpy(document + size, " a}", sizeof " a}");
    (void)validate_fixture_errors(f, document);
    assert_int_equal(f->base.errors.count, ERRORS_MAX + 1);
    assert_string_equal(f->base.errors.last->message,
                        "Too many validation errors, error limit reached. Validation aborted.");
    assert_int_equal(f->base.errors.last->code, GRAPHQL_VALIDATION_FAILED);
}

static void nothing_is_left_in_the_regions_of_a_valid_document(void **state)
{
    struct validate_fixture *f = *state;
    size_t used_bytes;
    char *free_at;

    validate_fixture_parse(f, "query ($n: Int) { dog { ...F ...F name } draw(json: { a: $n }) }"
                              "fragment F on Dog { at(x: $n) name owner { id } owner { name } }");
    used_bytes = f->base.region.used_bytes;
    free_at = f->base.region.free_at;
    assert_true(validate_document(f->schema, f->document, &f->base.region, &f->base.errors));
    assert_int_equal(f->base.region.used_bytes, used_bytes);
    assert_ptr_equal(f->base.region.free_at, free_at);
}

static void errors_from_before_are_no_verdict(void **state)
{
    struct validate_fixture *f = *state;

    validate_fixture_parse(f, "{ version }");
    assert_non_null(graphql_errors_add(&f->base.errors, GRAPHQL_INTERNAL, "before"));
    assert_true(validate_document(f->schema, f->document, &f->base.region, &f->base.errors));
    validate_fixture_parse(f, "{ versio }");
    assert_non_null(graphql_errors_add(&f->base.errors, GRAPHQL_INTERNAL, "before"));
    assert_false(validate_document(f->schema, f->document, &f->base.region, &f->base.errors));
    assert_string_equal(validate_fixture_lines(f),
                        "before\n"
                        "1:3 Cannot query field \"versio\" on type \"Query\". Did you mean "
                        "\"version\"?\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_executable_named_once_and_subscribe_to_one_field),
        cmocka_unit_test(fields_and_types_are_those_of_the_schema),
        cmocka_unit_test(fragments_are_known_used_possible_and_end),
        cmocka_unit_test(variables_are_defined_used_and_fit),
        cmocka_unit_test(directives_are_known_allowed_and_unique),
        cmocka_unit_test(arguments_are_known_unique_and_provided),
        cmocka_unit_test(values_fit_their_types),
        cmocka_unit_test(fields_with_the_same_key_are_the_same_field),
        cmocka_unit_test(a_subscription_cannot_wait_for_a_variable),
        cmocka_unit_test(the_order_of_definitions_changes_no_verdict),
        cmocka_unit_test(a_schema_without_that_root_has_nothing_against_an_operation),
        cmocka_unit_test(a_schema_may_keep_itself_to_itself),
        cmocka_unit_test(names_and_values_of_any_length_are_quoted),
        cmocka_unit_test(errors_end_with_the_one_that_says_so),
        cmocka_unit_test(nothing_is_left_in_the_regions_of_a_valid_document),
        cmocka_unit_test(errors_from_before_are_no_verdict),
    };

    return cmocka_run_group_tests(tests, validate_fixture_setup, validate_fixture_teardown);
}
