#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/graphql/coerce.h"
#include "server/graphql/names.h"
#include "server/graphql/value.h"
#include "tests/unit/schema_fixture.h"

static void numbers_are_written_as_javascript_writes_them(void **state)
{
    struct graphql_fixture *f = *state;
    static const struct {
        double number;
        const char *written;
    } numbers[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e21, "1e+21"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {1.5e300, "1.5e+300"},
        {0.000001, "0.000001"},
        {0.0000012, "0.0000012"},
        {1e-7, "1e-7"},
        {-1.25e-7, "-1.25e-7"},
        {9007199254740993.0, "9007199254740992"},
        {4.9406564584124654e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {100, "100"},
        {12345.678, "12345.678"},
        {5e-5, "0.00005"},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        value_write_number(numbers[i].number, &f->out);
        assert_string_equal(graphql_fixture_take(f), numbers[i].written);
    }
}

static void digits_are_integers_of_thirty_two_bits_or_refused(void **state)
{
    int32_t integer = 7;

    (void)state;
    assert_true(coerce_int32(schema_fixture_text("2147483647"), &integer));
    assert_int_equal(integer, INT32_MAX);
    assert_true(coerce_int32(schema_fixture_text("-2147483648"), &integer));
    assert_int_equal(integer, INT32_MIN);
    assert_true(coerce_int32(schema_fixture_text("-0"), &integer));
    assert_int_equal(integer, 0);
    assert_false(coerce_int32(schema_fixture_text("2147483648"), &integer));
    assert_false(coerce_int32(schema_fixture_text("-2147483649"), &integer));
    assert_false(coerce_int32(schema_fixture_text("99999999999999999999999999"), &integer));
}

/* Each argument of Query.a, and what literals make of it; NULL: they do not fit. */
static const struct {
    const char *argument;
    const char *literal;
    const char *json;
} literals[] = {
    {"i", "5", "5"},
    {"i", "null", "null"},
    {"i", "5.0", NULL},
    {"i", "\"5\"", NULL},
    {"i", "[5]", NULL},
    {"i", "2147483648", NULL},
    {"n", "5", "5"},
    {"n", "null", NULL},
    {"f", "1", "1"},
    {"f", "1.50e3", "1500"},
    {"f", "1e999", NULL},
    {"f", "true", NULL},
    {"s", "\"\\u00e9\\n\"", "\"\xC3\xA9\\n\""},
    {"s", "RED", NULL},
    {"b", "true", "true"},
    {"b", "1", NULL},
    {"id", "5", "\"5\""},
    {"id", "\"5\"", "\"5\""},
    {"id", "5.5", NULL},
    {"e", "RED", "\"RED\""},
    {"e", "PINK", NULL},
    {"e", "\"RED\"", NULL},
    {"l", "[1, null, 2]", "[1,null,2]"},
    {"l", "1", "[1]"},
    {"l", "[]", "[]"},
    {"l", "[[1]]", NULL},
    {"ll", "[[1], 2, null]", NULL},
    {"ll", "[[1], 2]", "[[1],[2]]"},
    {"ll", "1", "[[1]]"},
    {"o", "{x: 1}", "{\"x\":1,\"y\":\"d\"}"},
    {"o", "{y: null, x: 1, z: {x: 2}}", "{\"x\":1,\"y\":null,\"z\":{\"x\":2,\"y\":\"d\"}}"},
    {"o", "{y: null}", NULL},
    {"o", "{x: null}", NULL},
    {"o", "[{x: 1}]", NULL},
    {"j", "{a: [1, 1.50, -0, RED, \"x\", null, true], b: {}}",
     "{\"a\":[1,1.50,-0,\"RED\",\"x\",null,true],\"b\":{}}"},
    {"j", "123456789012345678901234567890", "123456789012345678901234567890"},
};

static struct schema *coercing_schema(struct graphql_fixture *f)
{
    return schema_fixture_good(
        f, "type Query { a(i: Int, n: Int!, f: Float, s: String, b: Boolean, id: ID, e: E, "
           "l: [Int], ll: [[Int]!], o: O, j: J): Int } enum E { RED } scalar J "
           "input O { x: Int! y: String = \"d\" z: O }");
}

static const struct ast_value *parse_value(struct graphql_fixture *f, const char *literal)
{
    struct ast_document document = {.source = schema_fixture_text(literal), .name = "literal"};
    const struct ast_value *value = parser_parse_value(&document, &f->region, &f->errors);

    assert_non_null(value);
    return value;
}

static void literals_become_values_of_their_type_or_are_refused(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = coercing_schema(f);
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");

    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        const struct schema_input *input = schema_find_input(
            a->arguments, a->argument_count, schema_fixture_text(literals[i].argument));
        const struct ast_value *literal = parse_value(f, literals[i].literal);
        struct value value;
        bool fits = coerce_literal(literal, input->type, NULL, &f->region, &value);

        if (fits != (literals[i].json != NULL))
            fail_msg("%s: %s", literals[i].argument, literals[i].literal);
        if (!fits)
            continue;
        value_write(&value, &f->out);
        assert_string_equal(graphql_fixture_take(f), literals[i].json);
    }
    schema_free(schema);
}

/* Variables given: $i = 4 and $null; not given: $none. */
static const struct {
    const char *argument;
    const char *literal;
    const char *json;
} with_variables[] = {
    {"i", "$i", "4"},
    {"i", "$none", NULL},
    {"i", "$unknown", NULL},
    {"i", "$null", "null"},
    {"n", "$null", NULL},
    {"l", "[$i, $none, $null]", "[4,null,null]"},
    {"ll", "[$none]", NULL},
    {"o", "{x: $i, y: $none}", "{\"x\":4,\"y\":\"d\"}"},
    {"o", "{x: $none}", NULL},
    {"j", "{a: $i, b: $none, c: [$none, $null]}", "{\"a\":4,\"c\":[null,null]}"},
};

static void variables_stand_for_their_values(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = coercing_schema(f);
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");
    struct value values[] = {{.kind = VALUE_INT, .integer = 4}, {.kind = VALUE_NULL}, {0}};
    struct coerce_variables variables = {.values = values};
    const struct ast_document *document = graphql_fixture_parse(
        f, "query ($i: Int, $null: Int, $none: Int) { a(i: $i, n: $null, l: [$none]) }");

    assert_non_null(document);
    variables.operation = document->definitions;
    name_map_init(&variables.names, &f->region);
    for (const struct ast_variable_definition *variable = variables.operation->variables;
         variable != NULL; variable = variable->next) {
        void **place = name_map_put(&variables.names, variable->name.text);

        assert_non_null(place);
        *place = &values[variables.names.count - 1];
    }
    for (size_t i = 0; i < sizeof with_variables / sizeof *with_variables; i++) {
        struct text query = {0};
        struct graphql_fixture other;
        const struct ast_document *holder;
        const struct schema_input *input = schema_find_input(
            a->arguments, a->argument_count, schema_fixture_text(with_variables[i].argument));
        struct value value;
        bool fits;

        graphql_fixture_init(&other, FIXTURE_REGION_BYTES);
        text_printf(&query, "{ a(x: %s) }", with_variables[i].literal);
        text_add(&query, "", 1);
        holder = graphql_fixture_parse(&other, query.bytes);
        assert_non_null(holder);
        fits = coerce_literal(holder->definitions->selections->first->arguments->value, input->type,
                              &variables, &other.region, &value);
        if (fits != (with_variables[i].json != NULL))
            fail_msg("%s: %s", with_variables[i].argument, with_variables[i].literal);
        if (fits) {
            value_write(&value, &f->out);
            assert_string_equal(graphql_fixture_take(f), with_variables[i].json);
        }
        graphql_fixture_done(&other);
        text_done(&query);
    }
    schema_free(schema);
}

static void names_are_found_under_their_owner_alone(void **state)
{
    struct graphql_fixture *f = *state;
    struct names names;
    char keys[2];
    char values[500];
    char *written = malloc(500 * sizeof "n123");

    assert_non_null(written);
    names_init(&names, &f->region);
    assert_null(names_find(&names, NULL, schema_fixture_text("a")));
    for (int i = 0; i < 500; i++) {
        char *name = written + (size_t)i * sizeof "n123";

        (void)snprintf(name, sizeof "n123", "n%d", i); /* it fits */
        assert_ptr_equal(names_add(&names, &keys[i % 2], schema_fixture_text(name), &values[i]),
                         &values[i]);
    }
    for (int i = 0; i < 500; i++) {
        struct ast_text name = schema_fixture_text(written + (size_t)i * sizeof "n123");

        assert_ptr_equal(names_find(&names, &keys[i % 2], name), &values[i]);
        assert_null(names_find(&names, &keys[(i + 1) % 2], name));
        assert_ptr_equal(names_add(&names, &keys[i % 2], name, &values[0]), &values[i]);
    }
    names_put(&names, &keys[0], schema_fixture_text("n0"), &values[9]);
    assert_ptr_equal(names_find(&names, &keys[0], schema_fixture_text("n0")), &values[9]);
    assert_int_equal(names.count, 500);
    free(written);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, graphql_fixture_setup, graphql_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_written_as_javascript_writes_them),
        TEST(digits_are_integers_of_thirty_two_bits_or_refused),
        TEST(literals_become_values_of_their_type_or_are_refused),
        TEST(variables_stand_for_their_values),
        TEST(names_are_found_under_their_owner_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
