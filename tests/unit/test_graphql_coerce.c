/* Variables and arguments into values; what is expected of messages is graphql-js 16's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/unit/execute_fixture.h"
#include "tests/unit/schema_fixture.h"

static const char sdl[] =
    "scalar JSON\n"
    "enum Color { RED GREEN BLUE }\n"
    "input In { a: Int = 7, b: Int!, c: [String!], d: In, color: Color, j: JSON, n: Int! = 3 }\n"
    "type Query {\n"
    "  f(a: Int, l: [Int!], o: In, c: Color = RED, s: String! = \"x\"): String\n"
    "  r(a: Int!): String\n"
    "  b: Boolean n: Float i: ID\n"
    "}\n";

static int setup(void **state)
{
    return execute_fixture_setup(state, sdl);
}

/* The value of $a, of @type with @definition behind it, as JSON; or the messages of all errors. */
static const char *coerce_a(struct execute_fixture *f, const char *definition,
                            const char *variables)
{
    char query[256];
    const struct value *value;

    assert_true(snprintf(query, sizeof query, "query ($a: %s) { f }", definition) <
                (int)sizeof query);
    f->base.out.size = 0;
    if (execute_fixture_prepare(f, query, variables, "")) {
        assert_int_equal(f->base.errors.count, 0);
        value = coerce_variable(&f->variables, schema_fixture_text("a"));
        assert_non_null(value);
        if (value->kind == VALUE_ABSENT)
            text_add_string(&f->base.out, "absent");
        else
            value_write(value, &f->base.out);
    }
    for (const struct graphql_error *error = f->base.errors.first; error != NULL;
         error = error->next) {
        text_add_string(&f->base.out, error == f->base.errors.first ? "" : "\n");
        text_add_string(&f->base.out, error->message);
        assert_int_equal(error->code, GRAPHQL_BAD_USER_INPUT);
    }
    return graphql_fixture_take(&f->base);
}

static void values_of_each_type_are_taken(void **state)
{
    static const struct {
        const char *definition;
        const char *variables;
        const char *value;
    } taken[] = {
        {"Int", "{\"a\":-2147483648}", "-2147483648"},
        {"Int", "{\"a\":2147483647}", "2147483647"},
        {"Int", "{\"a\":1e3}", "1000"},
        {"Int", "{\"a\":2.0}", "2"},
        {"Int", "{\"a\":-0}", "0"},
        {"Int", "{\"a\":null}", "null"},
        {"Float", "{\"a\":1}", "1"},
        {"Float", "{\"a\":1.5e2}", "150"},
        {"String", "{\"a\":\"q\\\"\\u0041\\uD83D\\uDE00\"}", "\"q\\\"A\xF0\x9F\x98\x80\""},
        {"Boolean", "{\"a\":true}", "true"},
        {"Boolean", "{\"a\":false}", "false"},
        {"ID", "{\"a\":\"x\"}", "\"x\""},
        {"ID", "{\"a\":12}", "\"12\""},
        {"ID", "{\"a\":-0}", "\"0\""},
        {"ID", "{\"a\":5.0}", "\"5\""},
        {"ID", "{\"a\":1e21}", "\"1e+21\""},
        {"Color", "{\"a\":\"BLUE\"}", "\"BLUE\""},
        {"JSON", "{\"a\":{\"x\":[1.50,null],\"x\":2}}", "{\"x\":[1.50,null],\"x\":2}"},
        {"[Int]", "{\"a\":[1,null]}", "[1,null]"},
        {"[Int]", "{\"a\":5}", "[5]"},
        {"[[Int]]", "{\"a\":5}", "[[5]]"},
        {"[[Int]]", "{\"a\":[5,[6]]}", "[[5],[6]]"},
        {"[Int]", "{\"a\":[]}", "[]"},
        {"[Int]", "{\"a\":null}", "null"},
        {"In", "{\"a\":{\"b\":1}}", "{\"a\":7,\"b\":1,\"n\":3}"},
        {"In", "{\"a\":{\"b\":1,\"a\":null,\"d\":{\"b\":2,\"c\":\"one\"}}}",
         "{\"a\":null,\"b\":1,\"d\":{\"a\":7,\"b\":2,\"c\":[\"one\"],\"n\":3},\"n\":3}"},
        {"In", "{\"a\":{\"\\u0062\":1,\"b\":2}}", "{\"a\":7,\"b\":2,\"n\":3}"},
        {"Int = 4", "{}", "4"},
        {"Int = 4", "{\"a\":null}", "null"},
        {"Int! = 4", "", "4"},
        {"Int", "{\"b\":1}", "absent"},
        {"Int", "null", "absent"},
        {"Int = null", "", "null"},
        {"Int", "{\"a\":1,\"a\":2}", "2"},
        {"In = {b: 9}", "", "{\"a\":7,\"b\":9,\"n\":3}"},
    };

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        assert_string_equal(coerce_a(*state, taken[i].definition, taken[i].variables),
                            taken[i].value);
}

static void what_does_not_fit_is_told_as_graphql_js_tells_it(void **state)
{
#define GOT(value) "Variable \"$a\" got invalid value " value "; "
    static const struct {
        const char *definition;
        const char *variables;
        const char *errors;
    } refused[] = {
        {"Int!", "", "Variable \"$a\" of required type \"Int!\" was not provided."},
        {"[Int!]!", "{\"a\":null}",
         "Variable \"$a\" of non-null type \"[Int!]!\" must not be null."},
        {"Int", "{\"a\":1.5}", GOT("1.5") "Int cannot represent non-integer value: 1.5"},
        {"Int", "{\"a\":1e999}",
         GOT("Infinity") "Int cannot represent non-integer value: Infinity"},
        {"Int", "{\"a\":2147483648}",
         GOT("2147483648") "Int cannot represent non 32-bit signed integer value: 2147483648"},
        {"Int", "{\"a\":\"x\"}", GOT("\"x\"") "Int cannot represent non-integer value: \"x\""},
        {"Float", "{\"a\":true}", GOT("true") "Float cannot represent non numeric value: true"},
        {"String", "{\"a\":1}", GOT("1") "String cannot represent a non string value: 1"},
        {"String", "{\"a\":\"\\ud800\"}",
         GOT("\"\\ud800\"") "String cannot represent a non string value: \"\\ud800\""},
        {"Boolean", "{\"a\":\"\"}",
         GOT("\"\"") "Boolean cannot represent a non boolean value: \"\""},
        {"ID", "{\"a\":1.5}", GOT("1.5") "ID cannot represent value: 1.5"},
        {"ID", "{\"a\":[]}", GOT("[]") "ID cannot represent value: []"},
        {"Color", "{\"a\":\"GREE\"}",
         GOT("\"GREE\"") "Value \"GREE\" does not exist in \"Color\" enum. Did you mean the enum "
                         "value \"GREEN\" or \"RED\"?"},
        {"Color", "{\"a\":5}", GOT("5") "Enum \"Color\" cannot represent non-string value: 5."},
        {"In", "{\"a\":[]}", GOT("[]") "Expected type \"In\" to be an object."},
        {"In", "{\"a\":{}}", GOT("{}") "Field \"b\" of required type \"Int!\" was not provided."},
        {"In", "{\"a\":{\"b\":1,\"colour\":2}}",
         GOT("{ b: 1, colour: 2 }") "Field \"colour\" is not defined by type \"In\". Did you mean "
                                    "\"color\"?"},
        {"In", "{\"a\":{\"b\":1,\"d\":{\"b\":null,\"c\":[\"x\",1]}}}",
         "Variable \"$a\" got invalid value null at \"a.d.b\"; Expected non-nullable type \"Int!\" "
         "not to be null.\n"
         "Variable \"$a\" got invalid value 1 at \"a.d.c[1]\"; String cannot represent a non "
         "string "
         "value: 1"},
        {"[[Int!]]", "{\"a\":[[1],[null,\"x\"]]}",
         "Variable \"$a\" got invalid value null at \"a[1][0]\"; Expected non-nullable type "
         "\"Int!\" not to be null.\n"
         "Variable \"$a\" got invalid value \"x\" at \"a[1][1]\"; Int cannot represent non-integer "
         "value: \"x\""},
        {"User", "",
         "Variable \"$a\" expected value of type \"User\" which cannot be used as an "
         "input type."},
        {"[Query!]", "",
         "Variable \"$a\" expected value of type \"[Query!]\" which cannot be used "
         "as an input type."},
    };

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_string_equal(coerce_a(*state, refused[i].definition, refused[i].variables),
                            refused[i].errors);
}

static void values_in_messages_are_shown_as_javascript_shows_them(void **state)
{
    static const struct {
        const char *variables;
        const char *shown;
    } shown[] = {
        {"{\"a\":{}}", "{}"},
        {"{\"a\":{\"x\":{\"y\":{\"z\":1}},\"e\":[[[1]],[]]}}",
         "{ x: { y: [Object] }, e: [[Array], []] }"},
        {"{\"a\":[1,2,3,4,5,6,7,8,9,10]}", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"},
        {"{\"a\":[1,2,3,4,5,6,7,8,9,10,11]}", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... 1 more item]"},
        {"{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12]}",
         "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... 2 more items]"},
        {"{\"a\":[1.0,-0,1e21,1e-7,0.10]}", "[1, 0, 1e+21, 1e-7, 0.1]"},
        {"{\"a\":\"\\u0041\\/\\n\\\"\"}", "\"A/\\n\\\"\""},
        {"{\"a\":[true,false,null]}", "[true, false, null]"},
        {"{\"a\":{\"\\u0041\":\"x\"}}", "{ A: \"x\" }"},
    };
    char expected[256];

    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        assert_true(snprintf(expected, sizeof expected,
                             "Variable \"$a\" got invalid value %s; Float cannot represent non "
                             "numeric value: %s",
                             shown[i].shown, shown[i].shown) < (int)sizeof expected);
        assert_string_equal(coerce_a(*state, "Float", shown[i].variables), expected);
    }
}

static void a_long_value_is_cut_between_two_characters(void **state)
{
    enum { COUNT = 3000 };
    struct execute_fixture *f = *state;
    struct text variables = {0};
    const char *message;

    text_add_string(&variables, "{\"a\":\"x");
    for (int i = 0; i < COUNT; i++)
        text_add_string(&variables, "é");
    text_add(&variables, "\"}", 3);
    assert_true(text_is_whole(&variables));
    message = coerce_a(f, "Int", variables.bytes);
    assert_true(strlen(message) < 2200);
    assert_non_null(strstr(message, "é…; Int cannot"));
    assert_true(utf8_is_valid(message, strlen(message)));
    message = coerce_a(f, "Color", variables.bytes);
    assert_non_null(strstr(message, "é…\" does not exist in \"Color\" enum."));
    text_done(&variables);
}

static void all_variables_are_judged_where_they_are_defined(void **state)
{
    struct execute_fixture *f = *state;

    assert_false(
        execute_fixture_prepare(f, "query ($a: Int!, $b: String,\n  $c: [Int!]!, $d: No) { f }",
                                "{\"b\":1,\"c\":[\"x\",null]}", ""));
    assert_string_equal(
        graphql_fixture_errors(&f->base),
        "[{\"message\":\"Variable \\\"$a\\\" of required type \\\"Int!\\\" was not provided.\","
        "\"locations\":[{\"line\":1,\"column\":8}],\"extensions\":{\"code\":\"BAD_USER_INPUT\"}},"
        "{\"message\":\"Variable \\\"$b\\\" got invalid value 1; String cannot represent a non "
        "string value: 1\",\"locations\":[{\"line\":1,\"column\":18}],\"extensions\":{\"code\":"
        "\"BAD_USER_INPUT\"}},"
        "{\"message\":\"Variable \\\"$c\\\" got invalid value \\\"x\\\" at \\\"c[0]\\\"; Int "
        "cannot "
        "represent non-integer value: \\\"x\\\"\",\"locations\":[{\"line\":2,\"column\":3}],"
        "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}},"
        "{\"message\":\"Variable \\\"$c\\\" got invalid value null at \\\"c[1]\\\"; Expected "
        "non-nullable type \\\"Int!\\\" not to be "
        "null.\",\"locations\":[{\"line\":2,\"column\":3}],"
        "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}},"
        "{\"message\":\"Variable \\\"$d\\\" expected value of type \\\"No\\\" which cannot be used "
        "as an input type.\",\"locations\":[{\"line\":2,\"column\":20}],\"extensions\":{\"code\":"
        "\"BAD_USER_INPUT\"}}]");
}

static void fifty_errors_are_enough(void **state)
{
    struct execute_fixture *f = *state;
    struct text variables = {0};

    text_add_string(&variables, "{\"a\":[0");
    for (int i = 0; i < COERCE_ERRORS_MAX; i++)
        text_add_string(&variables, ",\"x\"");
    text_add(&variables, "]}", 3);
    (void)coerce_a(f, "[Int]", variables.bytes);
    assert_int_equal(f->base.errors.count, COERCE_ERRORS_MAX);

    variables.size -= 3;
    text_add(&variables, ",\"x\",\"x\"]}", 11);
    assert_true(text_is_whole(&variables));
    (void)coerce_a(f, "[Int]", variables.bytes);
    assert_int_equal(f->base.errors.count, COERCE_ERRORS_MAX + 1);
    assert_string_equal(
        f->base.errors.last->message,
        "Too many errors processing variables, error limit reached. Execution aborted.");
    assert_int_equal(f->base.errors.last->location_count, 0);
    text_done(&variables);
}

static void many_variables_are_found_by_name(void **state)
{
    enum { COUNT = 1000 };
    struct execute_fixture *f = *state;
    struct text query = {0};
    struct text variables = {0};

    text_add_string(&query, "query (");
    text_add_string(&variables, "{\"none\":0");
    for (int i = 0; i < COUNT; i++) {
        text_printf(&query, "$v%d: Int ", i);
        if (i % 3 != 0)
            text_printf(&variables, ",\"v%d\":%d", COUNT - i, COUNT - i);
    }
    text_add(&query, ") { f }", 8);
    text_add(&variables, "}", 2);
    assert_true(execute_fixture_prepare(f, query.bytes, variables.bytes, ""));
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        const struct value *value;

        assert_true(snprintf(name, sizeof name, "v%d", i) > 0);
        value = coerce_variable(&f->variables, schema_fixture_text(name));
        assert_non_null(value);
        if (i == 0 || (COUNT - i) % 3 == 0) {
            assert_int_equal(value->kind, VALUE_ABSENT);
        } else {
            assert_int_equal(value->kind, VALUE_INT);
            assert_int_equal(value->integer, i);
        }
    }
    assert_null(coerce_variable(&f->variables, schema_fixture_text("none")));
    text_done(&variables);
    text_done(&query);
}

/* Deep, and large at the bottom: it is read once, not once per level. */
static void deep_values_are_taken_whole(void **state)
{
    enum { DEPTH = 400, PAYLOAD = 100 * 1000 };
    struct execute_fixture *f = *state;
    struct text variables = {0};
    const struct value *value;
    int depth = 0;

    text_add_string(&variables, "{\"a\":");
    for (int i = 0; i < DEPTH; i++)
        text_add_string(&variables, "{\"b\":1,\"c\":[\"}{][\"],\"d\":");
    text_add_string(&variables, "{\"b\":2,\"j\":[");
    for (int i = 0; i < PAYLOAD; i++)
        text_add_string(&variables, "1,");
    text_add_string(&variables, "0]}");
    for (int i = 0; i < DEPTH; i++)
        text_add_string(&variables, "}");
    text_add(&variables, "}", 2);
    assert_true(execute_fixture_prepare(f, "query ($a: In) { f }", variables.bytes, ""));

    value = coerce_variable(&f->variables, schema_fixture_text("a"));
    while (value->object.members[3].kind == VALUE_OBJECT) {
        assert_int_equal(value->object.members[1].integer, 1);
        value = &value->object.members[3];
        depth++;
    }
    assert_int_equal(depth, DEPTH);
    assert_int_equal(value->object.members[5].kind, VALUE_JSON);
    assert_int_equal(value->object.members[5].text.size, 2 * PAYLOAD + 3);
    text_done(&variables);
}

/* --- arguments -------------------------------------------------------------------------------- */

/* The arguments of the first field, as JSON; or the first error as it is answered. */
static const char *arguments_of(struct execute_fixture *f, const char *query, const char *variables)
{
    struct coerce coerce = {f->schema, NULL, &f->base.region, &f->base.errors};
    const struct ast_selection *selection;
    const struct schema_field *field;
    struct coerce_call call = {0};
    struct value *values;

    assert_true(execute_fixture_prepare(f, query, variables, ""));
    selection = f->variables.operation->selections->first;
    field = schema_find_field(f->schema, f->schema->roots[AST_QUERY], selection->name.text);
    assert_non_null(field);
    coerce.document = f->document;
    call.inputs = field->arguments;
    call.input_count = field->argument_count;
    call.arguments = selection->arguments;
    call.node = &selection->node;
    if (!coerce_arguments(&coerce, &call, &f->variables, &values))
        return graphql_fixture_errors(&f->base);
    f->base.out.size = 0;
    for (uint32_t i = 0; i < field->argument_count; i++) {
        text_add_string(&f->base.out, i > 0 ? " " : "");
        if (values[i].kind == VALUE_ABSENT)
            text_add_string(&f->base.out, "-");
        else
            value_write(&values[i], &f->base.out);
    }
    return graphql_fixture_take(&f->base);
}

static void arguments_come_from_literals_variables_and_defaults(void **state)
{
    static const struct {
        const char *query;
        const char *variables;
        const char *values;
    } good[] = {
        {"{ f }", "", "- - - \"RED\" \"x\""},
        {"{ f(a: 1, l: 2, o: {b: 3}, c: BLUE, s: \"q\") }", "",
         "1 [2] {\"a\":7,\"b\":3,\"n\":3} \"BLUE\" \"q\""},
        {"{ f(a: null, c: null) }", "", "null - - null \"x\""},
        {"query ($a: Int, $c: Color, $s: String) { f(a: $a, c: $c, s: $s) }", "",
         "- - - \"RED\" \"x\""},
        {"query ($a: Int, $c: Color) { f(a: $a, c: $c) }", "{\"a\":null,\"c\":null}",
         "null - - null \"x\""},
        {"query ($i: Int) { f(l: [1, $i], o: {a: $i, b: 1}) }", "{\"i\":5}",
         "- [1,5] {\"a\":5,\"b\":1,\"n\":3} \"RED\" \"x\""},
        {"query ($i: Int) { f(o: {a: $i, b: 1, c: null}) }", "",
         "- - {\"a\":7,\"b\":1,\"c\":null,\"n\":3} \"RED\" \"x\""},
        {"query ($l: [Int!]) { f(l: $l) }", "{\"l\":4}", "- [4] - \"RED\" \"x\""},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_string_equal(arguments_of(*state, good[i].query, good[i].variables), good[i].values);
}

static void arguments_that_cannot_be_are_errors_at_their_place(void **state)
{
#define ERROR(message, column)                                                                     \
    "[{\"message\":\"" message "\",\"locations\":[{\"line\":1,\"column\":" column                  \
    "}],\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]"
    static const struct {
        const char *query;
        const char *variables;
        const char *error;
    } bad[] = {
        {"{ r }", "",
         ERROR("Argument \\\"a\\\" of required type \\\"Int!\\\" was not provided.", "3")},
        {"{ r(a: null) }", "",
         ERROR("Argument \\\"a\\\" of non-null type \\\"Int!\\\" must not be null.", "8")},
        {"query ($v: Int) { r(a: $v) }", "",
         ERROR("Argument \\\"a\\\" of required type \\\"Int!\\\" was provided the variable "
               "\\\"$v\\\" which was not provided a runtime value.",
               "24")},
        {"query ($v: Int = 1) { r(a: $v) }", "{\"v\":null}",
         ERROR("Argument \\\"a\\\" of non-null type \\\"Int!\\\" must not be null.", "28")},
        {"query ($v: Int) { f(l: [1, $v]) }", "",
         ERROR("Argument \\\"l\\\" has invalid value [1, $v].", "24")},
        {"query ($v: Int) { f(o: {b: $v}) }", "{\"v\":null}",
         ERROR("Argument \\\"o\\\" has invalid value {b: $v}.", "24")},
        {"{ f(s: null) }", "",
         ERROR("Argument \\\"s\\\" of non-null type \\\"String!\\\" must not be null.", "8")},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_string_equal(arguments_of(*state, bad[i].query, bad[i].variables), bad[i].error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, execute_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_of_each_type_are_taken),
        TEST(what_does_not_fit_is_told_as_graphql_js_tells_it),
        TEST(values_in_messages_are_shown_as_javascript_shows_them),
        TEST(a_long_value_is_cut_between_two_characters),
        TEST(all_variables_are_judged_where_they_are_defined),
        TEST(fifty_errors_are_enough),
        TEST(many_variables_are_found_by_name),
        TEST(deep_values_are_taken_whole),
        TEST(arguments_come_from_literals_variables_and_defaults),
        TEST(arguments_that_cannot_be_are_errors_at_their_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
