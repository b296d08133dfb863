#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/value.h"
#include "tests/unit/schema_fixture.h"

static void everything_of_a_type_is_found_by_its_name(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a(x: Int, y: [E!]! = [RED]): Int b: B } "
           "type B { f1: Int f2: Int f3: Int f4: Int f5: Int f6: Int f7: Int f8: Int "
           "f9: Int f10: E } enum E { RED GREEN } extend enum E { BLUE } "
           "extend type Query { c: Int } directive @d(z: Int) repeatable on FIELD");
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");
    const struct schema_type *e = schema_fixture_type(schema, "E");

    assert_int_equal(a->argument_count, 2);
    assert_ptr_equal(schema_find_input(a->arguments, 2, schema_fixture_text("y")),
                     &a->arguments[1]);
    assert_null(schema_find_input(a->arguments, 2, schema_fixture_text("z")));
    assert_ptr_equal(schema_fixture_field(schema, "Query", "c"),
                     &schema_fixture_type(schema, "Query")->fields[2]);
    assert_ptr_equal(schema_fixture_field(schema, "B", "f10")->type, &e->ref);
    assert_null(
        schema_find_field(schema, schema_fixture_type(schema, "B"), schema_fixture_text("f11")));
    assert_null(
        schema_find_field(schema, schema_fixture_type(schema, "Query"), schema_fixture_text("f1")));
    assert_ptr_equal(schema_find_value(e, schema_fixture_text("BLUE")), &e->values[2]);
    assert_null(schema_find_value(e, schema_fixture_text("PINK")));
    assert_true(schema_find_directive(schema, schema_fixture_text("d"))->is_repeatable);
    assert_int_equal(schema_find_directive(schema, schema_fixture_text("d"))->locations,
                     1 << SCHEMA_ON_FIELD);
    assert_true(schema_find_directive(schema, schema_fixture_text("skip"))->is_built_in);
    assert_null(schema_find_directive(schema, schema_fixture_text("oneOf")));
    assert_null(schema_find_type(schema, schema_fixture_text("F")));
    for (uint32_t i = 0; i < schema->type_count; i++)
        assert_int_equal(schema->types[i]->index, i);
    schema_free(schema);
}

static void meta_fields_are_found_where_they_are_allowed(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema =
        schema_fixture_good(f, "schema { query: Root } type Root { u: U i: I e: E } "
                               "union U = Root interface I { a: Int } enum E { A }");
    const char *const names[] = {"__typename", "__schema", "__type"};

    for (int i = 0; i < 3; i++) {
        bool is_everywhere = i == 0;

        assert_non_null(schema_find_field(schema, schema_fixture_type(schema, "Root"),
                                          schema_fixture_text(names[i])));
        assert_int_equal(schema_find_field(schema, schema_fixture_type(schema, "U"),
                                           schema_fixture_text(names[i])) != NULL,
                         is_everywhere);
        assert_int_equal(schema_find_field(schema, schema_fixture_type(schema, "I"),
                                           schema_fixture_text(names[i])) != NULL,
                         is_everywhere);
        assert_null(schema_find_field(schema, schema_fixture_type(schema, "E"),
                                      schema_fixture_text(names[i])));
    }
    assert_null(schema_find_field(schema, schema_fixture_type(schema, "Root"),
                                  schema_fixture_text("__foo")));
    schema_free(schema);
}

static void only_the_built_in_scalars_that_are_in_use_are_types(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema =
        schema_fixture_good(f, "type Query { a: Date } scalar Date scalar Float");

    assert_null(schema_find_type(schema, schema_fixture_text("Int")));
    assert_null(schema_find_type(schema, schema_fixture_text("ID")));
    assert_int_equal(schema_fixture_type(schema, "Float")->scalar, SCHEMA_FLOAT);
    assert_true(schema_fixture_type(schema, "String")->is_built_in); /* the directives need it */
    assert_int_equal(schema_fixture_type(schema, "Date")->scalar, SCHEMA_CUSTOM);
    assert_ptr_equal(schema->types[0], schema_fixture_type(schema, "Query"));
    assert_ptr_equal(schema->types[1], schema_fixture_type(schema, "Date"));
    schema_free(schema);
}

static void what_is_named_like_a_built_in_type_counts_for_nothing(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a: String } input String { b: Int } enum __Type { A }");

    assert_int_equal(schema_fixture_type(schema, "String")->kind, SCHEMA_SCALAR);
    assert_int_equal(schema_fixture_type(schema, "__Type")->kind, SCHEMA_OBJECT);
    assert_null(schema_find_type(schema, schema_fixture_text("Int")));
    schema_free(schema);
}

static void a_directive_of_the_sdl_replaces_the_built_in_one(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema =
        schema_fixture_good(f, "type Query { a: Int } directive @skip(x: Int) on QUERY");
    const struct schema_directive *skip =
        schema_find_directive(schema, schema_fixture_text("skip"));

    assert_false(skip->is_built_in);
    assert_int_equal(skip->locations, 1 << SCHEMA_ON_QUERY);
    assert_int_equal(schema->directive_count, 4);
    schema_free(schema);
}

static void roots_are_named_or_implied(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema =
        schema_fixture_good(f, "type Query { a: Int } type Mutation { a: Int } type Foo { a: Int } "
                               "extend schema { subscription: Foo }");

    assert_ptr_equal(schema->roots[AST_QUERY], schema_fixture_type(schema, "Query"));
    assert_ptr_equal(schema->roots[AST_MUTATION], schema_fixture_type(schema, "Mutation"));
    assert_ptr_equal(schema->roots[AST_SUBSCRIPTION], schema_fixture_type(schema, "Foo"));
    schema_free(schema);

    schema = schema_fixture_good(
        f, "\"d\" schema { query: Foo } type Query { a: Int } type Foo { a: Int } "
           "type Mutation { a: Int }");
    assert_ptr_equal(schema->roots[AST_QUERY], schema_fixture_type(schema, "Foo"));
    assert_null(schema->roots[AST_MUTATION]);
    assert_true(ast_text_is(*schema->description, "d"));
    schema_free(schema);
}

static void objects_are_possible_for_their_interfaces_and_unions(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a: Int } interface N { a: Int } interface M implements N "
           "{ a: Int } union U = B | A type A implements N & M { a: Int } "
           "type B { a: Int } extend type B implements N");
    const struct schema_type *n = schema_fixture_type(schema, "N");
    const struct schema_type *m = schema_fixture_type(schema, "M");
    const struct schema_type *u = schema_fixture_type(schema, "U");
    const struct schema_type *a = schema_fixture_type(schema, "A");
    const struct schema_type *b = schema_fixture_type(schema, "B");

    assert_int_equal(n->possible_count, 2);
    assert_ptr_equal(n->possible[0], a);
    assert_ptr_equal(n->possible[1], b);
    assert_int_equal(m->possible_count, 1);
    assert_ptr_equal(u->possible[0], b);
    assert_true(schema_is_possible(n, b));
    assert_false(schema_is_possible(m, b));
    assert_true(schema_is_possible(u, a));
    assert_false(schema_is_possible(u, schema_fixture_type(schema, "Query")));
    assert_true(schema_is_possible(a, a));
    assert_false(schema_is_possible(a, b));
    assert_int_equal(b->union_count, 1);
    assert_ptr_equal(b->unions[0], u);
    assert_non_null(b->parts->next); /* its extension */
    schema_free(schema);
}

static void kinds_of_types_are_told_apart(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema =
        schema_fixture_good(f, "type Query { a: Int } interface N { a: Int } scalar S "
                               "union U = Query enum E { A } input I { a: Int }");
    static const struct {
        const char *name;
        bool is_leaf;
        bool is_composite;
        bool is_input;
        bool is_output;
    } kinds[] = {
        {"S", true, false, true, true},      {"E", true, false, true, true},
        {"Query", false, true, false, true}, {"N", false, true, false, true},
        {"U", false, true, false, true},     {"I", false, false, true, false},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct schema_type *type = schema_fixture_type(schema, kinds[i].name);

        assert_int_equal(schema_is_leaf(type), kinds[i].is_leaf);
        assert_int_equal(schema_is_composite(type), kinds[i].is_composite);
        assert_int_equal(schema_is_input(type), kinds[i].is_input);
        assert_int_equal(schema_is_output(type), kinds[i].is_output);
    }
    schema_free(schema);
}

static void references_are_compared_and_printed(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a: N b: A c: N! d: [N] e: [A!]! f: [N!] g: [[N]] h: A! i: [A!] } "
           "interface N { a: Int } type A implements N { a: Int }");
    static const struct {
        const char *sub;
        const char *super;
        bool is_subtype;
    } pairs[] = {
        {"a", "a", true},  {"b", "a", true},  {"a", "b", false}, {"c", "a", true},
        {"a", "c", false}, {"h", "c", true},  {"h", "a", true},  {"d", "a", false},
        {"a", "d", false}, {"e", "d", true},  {"e", "f", true},  {"d", "f", false},
        {"i", "f", true},  {"g", "d", false}, {"f", "d", true},  {"i", "e", false},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct schema_ref *sub = schema_fixture_field(schema, "Query", pairs[i].sub)->type;
        const struct schema_ref *super =
            schema_fixture_field(schema, "Query", pairs[i].super)->type;

        assert_int_equal(schema_ref_is_subtype(sub, super), pairs[i].is_subtype);
        assert_int_equal(schema_ref_equals(sub, super), sub == super);
    }
    schema_ref_print(schema_fixture_field(schema, "Query", "e")->type, &f->out);
    schema_ref_print(schema_fixture_field(schema, "Query", "g")->type, &f->out);
    assert_string_equal(graphql_fixture_take(f), "[A!]![[N]]");
    assert_ptr_equal(schema_ref_named(schema_fixture_field(schema, "Query", "e")->type),
                     schema_fixture_type(schema, "A"));
    schema_free(schema);
}

static void references_are_made_from_the_tree(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, "type Query { a(b: [Int!]!): Int }");
    const struct schema_input *b = &schema_fixture_field(schema, "Query", "a")->arguments[0];
    struct ast_type unknown = {.node.kind = AST_NAMED, .name = schema_fixture_text("Foo")};
    const struct ast_type list = {.node.kind = AST_LIST_OF, .of = &unknown};
    const struct schema_ref *ref = schema_ref_of(schema, b->definition->type, &f->region);

    assert_true(schema_ref_equals(ref, b->type));
    assert_null(schema_ref_of(schema, &list, &f->region));
    schema_free(schema);
}

static void defaults_are_coerced_with_those_of_their_fields(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a(i: I = {c: null}, l: [[Int]] = 1, n: String = null, m: Int): Int } "
           "input I { a: J = {} b: Float = 1 c: Int = 3 d: Int } input J { e: [E] = A k: ID = 7 } "
           "enum E { A } scalar S");
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");

    value_write(a->arguments[0].default_value, &f->out);
    value_write(a->arguments[1].default_value, &f->out);
    value_write(a->arguments[2].default_value, &f->out);
    assert_string_equal(graphql_fixture_take(f),
                        "{\"a\":{\"e\":[\"A\"],\"k\":\"7\"},\"b\":1,\"c\":null}[[1]]null");
    assert_null(a->arguments[3].default_value);
    schema_free(schema);
}

static void deprecations_have_their_reasons(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(
        f, "type Query { a: Int @deprecated b: Int @deprecated(reason: \"old\") "
           "c: Int @deprecated(reason: null) d: Int } scalar S @specifiedBy(url: \"http://s\")");

    assert_true(ast_text_is(*schema_fixture_field(schema, "Query", "a")->deprecation_reason,
                            "No longer supported"));
    assert_true(
        ast_text_is(*schema_fixture_field(schema, "Query", "b")->deprecation_reason, "old"));
    assert_null(schema_fixture_field(schema, "Query", "c")->deprecation_reason);
    assert_null(schema_fixture_field(schema, "Query", "d")->deprecation_reason);
    assert_true(ast_text_is(*schema_fixture_type(schema, "S")->specified_by, "http://s"));
    schema_free(schema);
}

/* What is printed is read back and printed alike. */
static void check_print(struct graphql_fixture *f, const char *sdl, const char *expected)
{
    struct schema *schema = schema_fixture_good(f, sdl);
    const char *printed;
    char *first;

    schema_print(schema, &f->out);
    schema_free(schema);
    printed = graphql_fixture_take(f);
    if (expected != NULL)
        assert_string_equal(printed, expected);
    first = strdup(printed);
    assert_non_null(first);
    schema = schema_fixture_good(f, first);
    schema_print(schema, &f->out);
    assert_string_equal(graphql_fixture_take(f), first);
    schema_free(schema);
    free(first);
}

static void schemas_are_printed_as_graphql_js_prints_them(void **state)
{
    check_print(
        *state,
        "\"a schema\" schema { query: Q } \"\"\"\n  two\n  lines\n\"\"\" type Q implements N { "
        "a(\"arg\" x: Int = 3, y: [String!] = [\"\\\"\", \"\"]): [Int!]! @deprecated \"b's\" "
        "b(x: ID = \"4\", y: ID = \"04\", z: Float = 1e21): S @deprecated(reason: \"x\\n\") } "
        "interface N { a(x: Int, y: [String!]): [Int!] } union U = Q "
        "enum E { \"\" A \"b\" B @deprecated } scalar S @specifiedBy(url: \"u\") "
        "input I { \" lead\" a: I b: S = {a: 1, b: [RED, \"x\", 1.50, -0, true]} } "
        "directive @d(x: Int, \"y\" y: E = A) repeatable on FIELD | QUERY",
        "\"\"\"a schema\"\"\"\nschema {\n  query: Q\n}\n\n"
        "directive @d(\n  x: Int\n\n  \"\"\"y\"\"\"\n  y: E = A\n) repeatable on FIELD | QUERY\n\n"
        "\"\"\"\ntwo\nlines\n\"\"\"\ntype Q implements N {\n"
        "  a(\n    \"\"\"arg\"\"\"\n    x: Int = 3\n    y: [String!] = [\"\\\"\", \"\"]\n  ): "
        "[Int!]! @deprecated\n\n"
        "  \"\"\"b's\"\"\"\n  b(x: ID = 4, y: ID = \"04\", z: Float = 1e+21): S "
        "@deprecated(reason: \"x\\n\")\n}\n\n"
        "interface N {\n  a(x: Int, y: [String!]): [Int!]\n}\n\n"
        "union U = Q\n\n"
        "enum E {\n  \"\"\"\"\"\"\n  A\n\n  \"\"\"b\"\"\"\n  B @deprecated\n}\n\n"
        "scalar S @specifiedBy(url: \"u\")\n\n"
        "input I {\n  \"\"\" lead\"\"\"\n  a: I\n"
        "  b: S = {a: 1, b: [\"RED\", \"x\", 1.5, 0, true]}\n}");
}

static void roots_are_printed_where_names_alone_would_say_otherwise(void **state)
{
    check_print(*state, "schema { query: Query } type Query { a: Int } input Mutation { a: Int }",
                "schema {\n  query: Query\n}\n\ntype Query {\n  a: Int\n}\n\n"
                "input Mutation {\n  a: Int\n}");
}

static void the_message_board_builds_and_prints(void **state)
{
    struct graphql_fixture *f = *state;
    char *sdl = schema_fixture_board();
    struct schema *schema = schema_fixture_good(f, sdl);

    assert_int_equal(schema_fixture_type(schema, "Message")->field_count, 10);
    assert_int_equal(schema->roots[AST_SUBSCRIPTION]->field_count, 7);
    assert_int_equal(schema->directive_count, 15 + 4);
    schema_free(schema);
    check_print(f, sdl, NULL);
    free(sdl);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, graphql_fixture_setup, graphql_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_of_a_type_is_found_by_its_name),
        TEST(meta_fields_are_found_where_they_are_allowed),
        TEST(only_the_built_in_scalars_that_are_in_use_are_types),
        TEST(what_is_named_like_a_built_in_type_counts_for_nothing),
        TEST(a_directive_of_the_sdl_replaces_the_built_in_one),
        TEST(roots_are_named_or_implied),
        TEST(objects_are_possible_for_their_interfaces_and_unions),
        TEST(kinds_of_types_are_told_apart),
        TEST(references_are_compared_and_printed),
        TEST(references_are_made_from_the_tree),
        TEST(defaults_are_coerced_with_those_of_their_fields),
        TEST(deprecations_have_their_reasons),
        TEST(schemas_are_printed_as_graphql_js_prints_them),
        TEST(roots_are_printed_where_names_alone_would_say_otherwise),
        TEST(the_message_board_builds_and_prints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
