#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/schema_fixture.h"

/* SDL, and what is wrong with it: a line for each mistake, with its places as @line:column. */
struct mistakes {
    const char *sdl;
    const char *found;
};

static const struct mistakes in_the_text[] = {
    {"type Query { a: Int } schema { query: Query } schema { query: Query }",
     "Must provide only one schema definition. @1:47\n"
     "There can be only one query type in schema. @1:32 @1:56\n"},
    {"type Query { a: Int } schema { query: Query query: Query } extend schema { query: Query }",
     "There can be only one query type in schema. @1:32 @1:45\n"
     "There can be only one query type in schema. @1:32 @1:76\n"},
    {"type Query { a: Int } \"d\" type Query { b: Int } scalar Query",
     "There can be only one type named \"Query\". @1:6 @1:32\n"
     "There can be only one type named \"Query\". @1:6 @1:56\n"},
    {"type Query { a: Int } enum E { A B A } extend enum E { B C }",
     "Enum value \"E.A\" can only be defined once. @1:32 @1:36\n"
     "Enum value \"E.B\" can only be defined once. @1:34 @1:56\n"},
    {"type Query { a: Int a: String } extend type Query { a: Int b: Int } input I { x: Int x: Int "
     "}",
     "Field \"Query.a\" can only be defined once. @1:14 @1:21\n"
     "Field \"Query.a\" can only be defined once. @1:14 @1:53\n"
     "Field \"I.x\" can only be defined once. @1:79 @1:86\n"},
    {"type Query { a(x: Int, y: Int, x: Int, y: Int, x: Int): Int } directive @d(a: Int, a: Int) "
     "on FIELD",
     "Argument \"Query.a(x:)\" can only be defined once. @1:16 @1:32 @1:48\n"
     "Argument \"Query.a(y:)\" can only be defined once. @1:24 @1:40\n"
     "Argument \"@d(a:)\" can only be defined once. @1:76 @1:84\n"},
    {"type Query { a: Int } directive @d on FIELD directive @d on QUERY",
     "There can be only one directive named \"@d\". @1:34 @1:56\n"},
    {"type Query { a: Strin b: [Querry!]! c(d: Flot): Foo } union U = Quer",
     "Unknown type \"Strin\". Did you mean \"String\"? @1:17\n"
     "Unknown type \"Querry\". Did you mean \"Query\"? @1:27\n"
     "Unknown type \"Flot\". Did you mean \"Float\"? @1:42\n"
     "Unknown type \"Foo\". @1:49\n"
     "Unknown type \"Quer\". Did you mean \"Query\"? @1:65\n"},
    {"type Query implements Qery { a: Int } schema { query: Quer } input I { a: __Typ }",
     "Unknown type \"Qery\". Did you mean \"Query\"? @1:23\n"
     "Unknown type \"Quer\". Did you mean \"Query\"? @1:55\n"
     "Unknown type \"__Typ\". Did you mean \"__Type\"? @1:75\n"},
    {"type Query { a: Int @foo @skip(if: true) } enum E @deprecated { A }",
     "Unknown directive \"@foo\". @1:21\n"
     "Directive \"@skip\" may not be used on FIELD_DEFINITION. @1:26\n"
     "Directive \"@deprecated\" may not be used on ENUM. @1:51\n"},
    {"directive @a on OBJECT directive @r repeatable on OBJECT type Query @a @a @r @r { a: Int } "
     "extend type Query @a",
     "The directive \"@a\" can only be used once at this location. @1:69 @1:72\n"
     "The directive \"@a\" can only be used once at this location. @1:69 @1:110\n"},
    {"type Query { a: Int } extend type Foo { a: Int } extend type Querry { a: Int }",
     "Cannot extend type \"Foo\" because it is not defined. @1:35\n"
     "Cannot extend type \"Querry\" because it is not defined. Did you mean \"Query\"? @1:62\n"},
    {"type Query { a: Int } extend interface Query { b: Int } extend scalar Query @a directive @a "
     "on SCALAR",
     "Cannot extend non-interface type \"Query\". @1:1 @1:23\n"
     "Cannot extend non-scalar type \"Query\". @1:1 @1:57\n"},
    {"directive @a(x: Int!, yy: String) on FIELD_DEFINITION type Query { a: Int @a b: Int @a(x: 1, "
     "yyy: 2) c: Int @a(x: 1, x: 2) }",
     "Directive \"@a\" argument \"x\" of type \"Int!\" is required, but it was not provided. "
     "@1:75\n"
     "Unknown argument \"yyy\" on directive \"@a\". Did you mean \"yy\"? @1:94\n"
     "There can be only one argument named \"x\". @1:112 @1:118\n"},
    {"directive @a(x: J) on OBJECT scalar J type Query @a(x: {a: 1, b: [{c: 1, c: 2}], a: 2}) { "
     "a(x: J = {z: 1, z: 2}): Int }",
     "There can be only one input field named \"c\". @1:68 @1:74\n"
     "There can be only one input field named \"a\". @1:57 @1:82\n"
     "There can be only one input field named \"z\". @1:101 @1:107\n"},
    {"type Query { a: Int } scalar S @specifiedBy",
     "Directive \"@specifiedBy\" argument \"url\" of type \"String!\" is required, but it was not "
     "provided. @1:32\n"},
    {"type Query { a: Int } { a } query Foo { a } fragment F on Query { a }",
     "Operations and fragments cannot be part of a schema. @1:23\n"
     "Operations and fragments cannot be part of a schema. @1:29\n"
     "Operations and fragments cannot be part of a schema. @1:45\n"},
};

static const struct mistakes in_the_schema[] = {
    {"type Foo { a: Int }", "Query root type must be provided.\n"},
    {"\"d\" schema { mutation: M } type M { a: Int }", "Query root type must be provided. @1:1\n"},
    {"schema { query: E mutation: I } enum E { A } input I { a: Int }",
     "Query root type must be Object type, it cannot be E. @1:17\n"
     "Mutation root type must be Object type if provided, it cannot be I. @1:29\n"},
    {"input Query { a: Int } \"s\" scalar Subscription",
     "Query root type must be Object type, it cannot be Query. @1:1\n"
     "Subscription root type must be Object type if provided, it cannot be Subscription. @1:24\n"},
    {"type Query { a: Int } type __T { __a(__b: Int): Int } enum E { __A } input I { __x: Int } "
     "directive @__d(__a: Int) on FIELD",
     "Name \"__d\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:91\n"
     "Name \"__a\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:106\n"
     "Name \"__T\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:23\n"
     "Name \"__a\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:34\n"
     "Name \"__b\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:38\n"
     "Name \"__A\" must not begin with \"__\", which is reserved by GraphQL introspection. @1:64\n"
     "Name \"__x\" must not begin with \"__\", which is reserved by GraphQL introspection. "
     "@1:80\n"},
    {"type Query { a: Int } type A enum E input I union U interface J extend type A @d extend "
     "union U @d directive @d on OBJECT | UNION",
     "Type A must define one or more fields. @1:23 @1:65\n"
     "Enum type E must define one or more values. @1:30\n"
     "Input Object type I must define one or more fields. @1:37\n"
     "Union type U must define one or more member types. @1:45 @1:82\n"
     "Type J must define one or more fields. @1:53\n"},
    {"type Query { a: Int } type A { a: I b(x: A): I } input I { a: A b: [A!]! } directive @d(x: "
     "A) on FIELD",
     "The type of @d(x:) must be Input Type but got: A. @1:89\n"
     "The type of A.a must be Output Type but got: I. @1:35\n"
     "The type of A.b must be Output Type but got: I. @1:46\n"
     "The type of A.b(x:) must be Input Type but got: A. @1:42\n"
     "The type of I.a must be Input Type but got: A. @1:63\n"
     "The type of I.b must be Input Type but got: [A!]!. @1:68\n"},
    {"type Query { a: Int } type A { f(a: Int! @deprecated, b: Int! = 1 @deprecated): Int } input "
     "I { a: Int! @deprecated } directive @d(a: Int! @deprecated) on FIELD",
     "Required argument @d(a:) cannot be deprecated. @1:140 @1:135\n"
     "Required argument A.f(a:) cannot be deprecated. @1:42 @1:37\n"
     "Required input field I.a cannot be deprecated. @1:105 @1:100\n"},
    {"type Query { a: Int } interface I { a: Int b(x: Int, y: String!): String! c: [I] } type A "
     "implements I { a: String b(x: Int!, z: Int!, w: Int): String c: [A!]! } extend type A { d: "
     "Int } type B implements I { b: String! }",
     "Interface field I.a expects type Int but A.a is type String. @1:40 @1:109\n"
     "Interface field I.b expects type String! but A.b is type String. @1:67 @1:145\n"
     "Interface field argument I.b(x:) expects type Int but A.b(x:) is type Int!. @1:49 @1:121\n"
     "Interface field argument I.b(y:) expected but A.b does not provide it. @1:54 @1:116\n"
     "Object field A.b includes required argument z that is missing from the Interface field I.b. "
     "@1:127 @1:44\n"
     "Interface field I.a expected but B does not provide it. @1:37 @1:188\n"
     "Interface field argument I.b(x:) expected but B.b does not provide it. @1:46 @1:210\n"
     "Interface field argument I.b(y:) expected but B.b does not provide it. @1:54 @1:210\n"
     "Interface field I.c expected but B does not provide it. @1:75 @1:188\n"},
    {"type Query { a: Int } interface I implements I { a: Int } interface J implements K { a: Int "
     "} interface K implements J { a: Int } type A implements Query & I & I { a: Int }",
     "Type I cannot implement itself because it would create a circular reference. @1:46\n"
     "Type J cannot implement K because it would create a circular reference. @1:118 @1:82\n"
     "Type K cannot implement J because it would create a circular reference. @1:82 @1:118\n"
     "Type A must only implement Interface types, it cannot implement Query. @1:149\n"
     "Type A can only implement I once. @1:157 @1:161\n"},
    {"type Query { a: Int } interface J implements ID { a: Int } type A implements Float { a: Int "
     "}",
     "Type J must only implement Interface types, it cannot implement ID. @1:46\n"
     "Type A must only implement Interface types, it cannot implement Float. @1:78\n"},
    {"type Query { a: Int } interface A { a: Int } interface B implements A { a: Int } type T "
     "implements B { a: Int }",
     "Type T must implement A because it is implemented by B. @1:69 @1:100\n"},
    {"type Query { a: Int } union U = Query | I interface I { a: Int } extend union U = Query",
     "Union type U can only include Object types, it cannot include I. @1:41\n"
     "Union type U can only include type Query once. @1:33 @1:83\n"},
    {"type Query { a: Int } input A { b: B! } input B { c: C! a: [A!]! } input C { a: A! b: B! c: "
     "C! d: Int }",
     "Cannot reference Input Object \"A\" within itself through a series of non-null fields: "
     "\"b.c.a\". @1:33 @1:51 @1:78\n"
     "Cannot reference Input Object \"B\" within itself through a series of non-null fields: "
     "\"c.b\". @1:51 @1:84\n"
     "Cannot reference Input Object \"C\" within itself through a series of non-null fields: "
     "\"c\". @1:90\n"},
};

static const struct mistakes in_both[] = {
    {"type Query implements N { a: Foo } interface N { b: Int } union U = Foo",
     "Unknown type \"Foo\". @1:30\n"
     "Unknown type \"Foo\". @1:69\n"
     "Interface field N.b expected but Query does not provide it. @1:50 @1:1\n"},
    {"schema { query: Foo } type A { a: __typename } input I { a: Foo! @deprecated } enum E",
     "Unknown type \"Foo\". @1:17\n"
     "Unknown type \"__typename\". Did you mean \"__Type\" or \"__TypeKind\"? @1:35\n"
     "Unknown type \"Foo\". @1:61\n"
     "Enum type E must define one or more values. @1:80\n"},
};

static const struct mistakes in_literals[] = {
    {"type Query { a(a: Int = \"x\", b: Int = 2147483648, c: Int! = null, d: [Int] = {x: 1}, e: "
     "Boolean = 1): Int }",
     "Int cannot represent non-integer value: \"x\" @1:25\n"
     "Int cannot represent non 32-bit signed integer value: 2147483648 @1:39\n"
     "Expected value of type \"Int!\", found null. @1:61\n"
     "Int cannot represent non-integer value: {x: 1} @1:78\n"
     "Boolean cannot represent a non boolean value: 1 @1:99\n"},
    {"type Query { a(a: Float = true, b: Float = 1e999, c: String = 5, d: ID = 1.5, e: E = RDE, f: "
     "E = \"RED\"): Int } enum E { RED GREEN }",
     "Float cannot represent non numeric value: true @1:27\n"
     "Float cannot represent non numeric value: 1e999 @1:44\n"
     "String cannot represent a non string value: 5 @1:63\n"
     "ID cannot represent a non-string and non-integer value: 1.5 @1:74\n"
     "Value \"RDE\" does not exist in \"E\" enum. Did you mean the enum value \"RED\"? @1:86\n"
     "Enum \"E\" cannot represent non-enum value: \"RED\". Did you mean the enum value \"RED\" or "
     "\"GREEN\"? @1:98\n"},
    {"type Query { a(a: I = {x: 1, yy: 2}, b: I = {}, c: I = [], d: [I!] = [null, {x: [1]}]): Int "
     "} input I { x: Int! y: Int }",
     "Field \"yy\" is not defined by type \"I\". Did you mean \"y\"? @1:30\n"
     "Field \"I.x\" of required type \"Int!\" was not provided. @1:45\n"
     "Expected value of type \"I\", found []. @1:56\n"
     "Expected value of type \"I!\", found null. @1:71\n"
     "Int cannot represent non-integer value: [1] @1:81\n"},
    {"directive @d(x: Int, y: [E!]!) repeatable on OBJECT | ENUM_VALUE | SCHEMA | "
     "INPUT_FIELD_DEFINITION | ARGUMENT_DEFINITION | FIELD_DEFINITION enum E { A @d(y: B) } type "
     "Query @d(x: \"1\", y: []) { a(b: Int @d(y: null)): Int @d(y: 1) } input I { a: Int @d(y: [A, "
     "C]) } schema @d(y: {}) { query: Query }",
     "Value \"B\" does not exist in \"E\" enum. Did you mean the enum value \"A\"? @1:158\n"
     "Int cannot represent non-integer value: \"1\" @1:180\n"
     "Expected value of type \"[E!]!\", found null. @1:209\n"
     "Enum \"E\" cannot represent non-enum value: 1. Did you mean the enum value \"A\"? @1:227\n"
     "Value \"C\" does not exist in \"E\" enum. Did you mean the enum value \"A\"? @1:259\n"
     "Enum \"E\" cannot represent non-enum value: {}. @1:278\n"},
    {"type Query { a: Int @deprecated(reason: 5) }",
     "String cannot represent a non string value: 5 @1:41\n"},
    {"type Query { a: Int } input I { a: I = {} }",
     "Invalid circular reference. The default value of Input Object field I.a references itself. "
     "@1:33\n"},
    {"type Query { a: Int } input I { j: J = {k: [{}]} } input J { k: [K!] } input K { i: I = {} }",
     "Invalid circular reference. The default value of Input Object field I.j references itself. "
     "@1:33\n"},
    {"type Query { a: Int } input I { a: I = {a: null} b: J = {i: null} } input J { i: I = {a: {b: "
     "null}} }",
     ""},
};

/* The errors in the form of struct mistakes. */
static const char *list_errors(struct graphql_fixture *f)
{
    for (const struct graphql_error *error = f->errors.first; error != NULL; error = error->next) {
        text_add_string(&f->out, error->message);
        for (uint32_t i = 0; i < error->location_count; i++) {
            uint32_t line;
            uint32_t column;

            graphql_line_column(&error->locations[i], &line, &column);
            text_printf(&f->out, " @%u:%u", line, column);
        }
        text_add_string(&f->out, "\n");
    }
    return graphql_fixture_take(f);
}

static void check_mistakes(const struct mistakes *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct graphql_fixture f;
        struct schema *schema;
        const char *found;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        schema = schema_fixture_build(&f, table[i].sdl);
        found = list_errors(&f);
        if (strcmp(found, table[i].found) != 0)
            fail_msg("%s\nfound:\n%sexpected:\n%s", table[i].sdl, found, table[i].found);
        assert_int_equal(schema == NULL, *table[i].found != '\0');
        for (const struct graphql_error *error = f.errors.first; error != NULL; error = error->next)
            assert_int_equal(error->code, GRAPHQL_VALIDATION_FAILED);
        schema_free(schema);
        graphql_fixture_done(&f);
    }
}

#define CHECK_MISTAKES(table) check_mistakes(table, sizeof(table) / sizeof *(table))

static void mistakes_in_the_text_are_all_reported_as_graphql_js_does(void **state)
{
    (void)state;
    CHECK_MISTAKES(in_the_text);
}

static void mistakes_in_the_schema_are_all_reported_as_graphql_js_does(void **state)
{
    (void)state;
    CHECK_MISTAKES(in_the_schema);
}

static void mistakes_in_the_schema_are_reported_beside_those_in_the_text(void **state)
{
    (void)state;
    CHECK_MISTAKES(in_both);
}

static void literals_that_do_not_fit_are_reported_at_once(void **state)
{
    (void)state;
    CHECK_MISTAKES(in_literals);
}

static void a_field_of_an_extended_input_is_an_input_field_for_directives(void **state)
{
    struct graphql_fixture *f = *state;

    schema_free(schema_fixture_good(f,
                                    "type Query { a: Int } extend input I { a: Int @d } "
                                    "input I { b: Int } directive @d on INPUT_FIELD_DEFINITION"));
}

static void a_syntax_error_is_the_only_one_and_keeps_its_place(void **state)
{
    struct graphql_fixture *f = *state;

    assert_null(schema_fixture_build(f, "type Query {\n  a: Foo\n"));
    assert_string_equal(list_errors(f), "Syntax Error: Expected Name, found <EOF>. @3:1\n");
    assert_int_equal(f->errors.first->code, GRAPHQL_PARSE_FAILED);
}

static void errors_name_the_file_and_show_their_lines_after_the_schema_is_gone(void **state)
{
    struct graphql_fixture *f = *state;

    assert_null(schema_fixture_build(f, "type Query {\n  a: Foo\n}\nunion U"));
    graphql_errors_print(&f->errors, "board.graphql", &f->out);
    assert_string_equal(graphql_fixture_take(f),
                        "board.graphql:2:6: Unknown type \"Foo\".\n"
                        "board.graphql:4:1: Union type U must define one or more member types.\n");
}

static void errors_that_were_there_before_do_not_count(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema;

    assert_non_null(graphql_errors_add(&f->errors, GRAPHQL_INTERNAL, "another's"));
    schema = schema_fixture_build(f, "type Query { a(x: Int = 3): Int }");
    assert_non_null(schema);
    assert_int_equal(f->errors.count, 1);
    assert_non_null(schema_fixture_field(schema, "Query", "a")->arguments[0].default_value);
    schema_free(schema);
}

static void more_mistakes_than_the_limit_end_with_a_word_about_it(void **state)
{
    struct graphql_fixture *f = *state;
    struct text sdl = {0};

    text_add_string(&sdl, "type Query { ");
    for (int i = 0; i < 3 * ERRORS_MAX; i++)
        text_printf(&sdl, "f%d(a: Foo = 1): Bar @baz ", i);
    text_add_string(&sdl, "}");
    assert_null(schema_build(sdl.bytes, sdl.size, "x", &f->errors));
    assert_int_equal(f->errors.count, ERRORS_MAX + 1);
    assert_true(f->errors.has_overflown);
    text_done(&sdl);
}

static void a_text_beyond_the_limit_is_refused(void **state)
{
    struct graphql_fixture *f = *state;
    const struct parser_limits limits = PARSER_LIMITS_SDL;
    char *sdl = calloc(1, (size_t)limits.source_bytes_max + 10);

    assert_non_null(sdl);
    memset(sdl, ' ', (size_t)limits.source_bytes_max + 10);
    assert_null(schema_build(sdl, (size_t)limits.source_bytes_max + 10, "x", &f->errors));
    assert_int_equal(f->errors.count, 1);
    assert_int_equal(f->errors.first->code, GRAPHQL_LIMIT_EXCEEDED);
    free(sdl);
}

/* Each input's default brings in two of the next. */
static void defaults_that_multiply_are_refused(void **state)
{
    struct graphql_fixture *f = *state;
    struct text sdl = {0};

    text_add_string(&sdl, "type Query { a: Int } input I60 { n: Int = 1 }");
    for (int i = 0; i < 60; i++)
        text_printf(&sdl, "input I%d { n: I%d = {} m: I%d = {} }", i, i + 1, i + 1);
    assert_null(schema_build(sdl.bytes, sdl.size, "x", &f->errors));
    assert_int_equal(f->errors.first->code, GRAPHQL_LIMIT_EXCEEDED);
    assert_non_null(strstr(f->errors.first->message, "is too large"));
    text_done(&sdl);
}

static void build_chain(struct graphql_fixture *f, int length, const char *step, const char *last,
                        bool is_good)
{
    struct text sdl = {0};
    struct schema *schema;

    text_add_string(&sdl, "type Query { a: Int } ");
    for (int i = 0; i < length; i++)
        text_printf(&sdl, "input I%d { n: I%d%s }", i, i + 1, step);
    text_printf(&sdl, "input I%d { n: %s }", length, last);
    schema = schema_build(sdl.bytes, sdl.size, "x", &f->errors);
    assert_int_equal(schema != NULL, is_good);
    schema_free(schema);
    text_done(&sdl);
}

static void defaults_may_lie_in_one_another_up_to_the_limit(void **state)
{
    build_chain(*state, SCHEMA_DEFAULT_DEPTH_MAX - 2, " = {}", "Int = 1", true);
    build_chain(*state, SCHEMA_DEFAULT_DEPTH_MAX + 2, " = {}", "Int = 1", false);
    build_chain(*state, 20 * 1000, " = {}", "Int = 1", false);
}

static void a_circle_of_any_length_is_found_without_recursion(void **state)
{
    build_chain(*state, 20 * 1000, "!", "Int!", true);
    build_chain(*state, 20 * 1000, "!", "I0!", false);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, graphql_fixture_setup, graphql_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_in_the_text_are_all_reported_as_graphql_js_does),
        TEST(mistakes_in_the_schema_are_all_reported_as_graphql_js_does),
        TEST(mistakes_in_the_schema_are_reported_beside_those_in_the_text),
        TEST(literals_that_do_not_fit_are_reported_at_once),
        TEST(a_field_of_an_extended_input_is_an_input_field_for_directives),
        TEST(a_syntax_error_is_the_only_one_and_keeps_its_place),
        TEST(errors_name_the_file_and_show_their_lines_after_the_schema_is_gone),
        TEST(errors_that_were_there_before_do_not_count),
        TEST(more_mistakes_than_the_limit_end_with_a_word_about_it),
        TEST(a_text_beyond_the_limit_is_refused),
        TEST(defaults_that_multiply_are_refused),
        TEST(defaults_may_lie_in_one_another_up_to_the_limit),
        TEST(a_circle_of_any_length_is_found_without_recursion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
