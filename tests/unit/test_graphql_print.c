#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/print.h"
#include "tests/unit/graphql_fixture.h"

#define A20   "aaaaaaaaaaaaaaaaaaaa"
#define A60   A20 A20 A20
#define E20   "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"
#define SMILE "\xF0\x9F\x98\x80"

static const struct {
    const char *source;
    const char *printed;
} documents[] = {
    {"{a}", "{\n  a\n}"},
    {"query{a}", "{\n  a\n}"},
    {"query Q{a}", "query Q {\n  a\n}"},
    {"mutation{a}", "mutation {\n  a\n}"},
    {"query@d{a}", "query @d {\n  a\n}"},
    {"query($a:Int=1@d,$b:[T!]!){a}", "query ($a: Int = 1 @d, $b: [T!]!) {\n  a\n}"},
    {"subscription S($a:I){a}", "subscription S($a: I) {\n  a\n}"},
    {"\"d\"query{a}", "\"d\"\nquery {\n  a\n}"},
    {"query(\"v\"$a:I$b:I){a}", "query (\n\"v\"\n$a: I\n$b: I\n) {\n  a\n}"},
    {"query($a:I=\"\"\"x\ny\"\"\"){a}", "query (\n$a: I = \"\"\"\nx\ny\n\"\"\"\n) {\n  a\n}"},
    {"{a:b(c:1,d:$e)@f(g:{h:[1,null,true,ON]})@i{j}}",
     "{\n  a: b(c: 1, d: $e) @f(g: {h: [1, null, true, ON]}) @i {\n    j\n  }\n}"},
    {"{...F@a ...on T@b{c}...@d{e}...{f}}fragment F on T@g{h}",
     "{\n  ...F @a\n  ... on T @b {\n    c\n  }\n  ... @d {\n    e\n  }\n  ... {\n    f\n  }\n}\n\n"
     "fragment F on T @g {\n  h\n}"},
    {"\"d\"fragment F on T{a}", "\"d\"\nfragment F on T {\n  a\n}"},
    /* 80 units fit on a line, 81 do not; the field's name counts, its indentation does not */
    {"{ f(a: \"" A60 "\", bcdef: 123) }", "{\n  f(a: \"" A60 "\", bcdef: 123)\n}"},
    {"{ f(a: \"" A60 "\", bcdef: 1234) }", "{\n  f(\n    a: \"" A60 "\"\n    bcdef: 1234\n  )\n}"},
    {"{ g: f(a: \"" A60 "\", bc: 123) }", "{\n  g: f(a: \"" A60 "\", bc: 123)\n}"},
    {"{ g: f(a: \"" A60 "\", bc: 1234) }", "{\n  g: f(\n    a: \"" A60 "\"\n    bc: 1234\n  )\n}"},
    {"{ f(a: \"" A20 A20 E20 SMILE SMILE SMILE SMILE "12\", bcdef: 123) }",
     "{\n  f(a: \"" A20 A20 E20 SMILE SMILE SMILE SMILE "12\", bcdef: 123)\n}"},
    {"{ f(a: \"" A20 A20 E20 SMILE SMILE SMILE SMILE SMILE "12\", bcdef: 12) }",
     "{\n  f(\n    a: \"" A20 A20 E20 SMILE SMILE SMILE SMILE SMILE "12\"\n    bcdef: 12\n  )\n}"},
    {"{ f(a: \"\"\"x\n  y\"\"\", b: 1) { c } }",
     "{\n  f(a: \"\"\"\n  x\n  y\n  \"\"\", b: 1) {\n    c\n  }\n}"},
    /* strings */
    {"{f(a:\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001F\\\"\\\\\\/\\u007f\\u0085\\u00a0\")}",
     "{\n  f(a: \"\\u0000\\b\\t\\n\\u000B\\f\\r\\u001F\\\"\\\\/\\u007F\\u0085\xC2\xA0\")\n}"},
    {"{f(a:\"\\uD83D\\uDE00\")}", "{\n  f(a: \"" SMILE "\")\n}"},
    {"{f(a:\"\"\"\"\"\")}", "{\n  f(a: \"\"\"\"\"\")\n}"},
    {"{f(a:\"\"\" lead\"\"\")}", "{\n  f(a: \"\"\" lead\"\"\")\n}"},
    {"{f(a:\"\"\" quote\" \"\"\")}", "{\n  f(a: \"\"\" quote\" \"\"\")\n}"},
    {"{f(a:\"\"\"\n quote\"\n\"\"\")}", "{\n  f(a: \"\"\"\n  quote\"\n  \"\"\")\n}"},
    {"{f(a:\"\"\" quote\"\n\"\"\")}", "{\n  f(a: \"\"\" quote\"\n  \"\"\")\n}"},
    {"{f(a:\"\"\"slash\\\n\"\"\")}", "{\n  f(a: \"\"\"\n  slash\\\n  \"\"\")\n}"},
    {"{f(a:\"\"\"\\\"\"\" x\"\"\")}", "{\n  f(a: \"\"\"\\\"\"\" x\"\"\")\n}"},
    {"{f(a:\"\"\"x \\\"\"\"\"\"\")}", "{\n  f(a: \"\"\"\n  x \\\"\"\"\n  \"\"\")\n}"},
    {"{f(a:\"\"\"" A60 "aaaaaaaaaa\"\"\")}",
     "{\n  f(\n    a: \"\"\"" A60 "aaaaaaaaaa\"\"\"\n  )\n}"},
    {"{f(a:\"\"\"" A60 "aaaaaaaaaaa\"\"\")}",
     "{\n  f(\n    a: \"\"\"\n    " A60 "aaaaaaaaaaa\n    \"\"\"\n  )\n}"},
    /* type system */
    /* without the word, the fields would be the type's */
    {"type A query{a}", "type A\n\nquery {\n  a\n}"},
    {"extend schema@a query{a}", "extend schema @a\n\nquery {\n  a\n}"},
    {"interface A@b query{a}", "interface A @b\n\nquery {\n  a\n}"},
    {"enum A query{a}", "enum A\n\nquery {\n  a\n}"},
    {"input A query{a}", "input A\n\nquery {\n  a\n}"},
    {"type A{b:B}query{a}", "type A {\n  b: B\n}\n\n{\n  a\n}"},
    {"scalar A query{a}", "scalar A\n\n{\n  a\n}"},
    {"directive@a(b:B)on FIELD query{a}", "directive @a(b: B) on FIELD\n\n{\n  a\n}"},
    {"schema@a{query:Q mutation:M subscription:S}",
     "schema @a {\n  query: Q\n  mutation: M\n  subscription: S\n}"},
    {"\"\"\"d\"\"\"scalar S@a scalar T", "\"\"\"d\"\"\"\nscalar S @a\n\nscalar T"},
    {"type A type B implements&C&D@x{\"f\"f(a:I=1@y b:I):[T!]@z g:T}",
     "type A\n\ntype B implements C & D @x {\n  \"f\"\n  f(a: I = 1 @y, b: I): [T!] @z\n  g: T\n}"},
    {"type A{f(a:I \"\"\"d\n e\"\"\"b:I):T}",
     "type A {\n  f(\n    a: I\n    \"\"\"\n    d\n    e\n    \"\"\"\n    b: I\n  ): T\n}"},
    {"interface I implements J{a:T}", "interface I implements J {\n  a: T\n}"},
    {"union U@a=|A|B union V", "union U @a = A | B\n\nunion V"},
    {"enum E@a{\"d\"A@b B}enum F", "enum E @a {\n  \"d\"\n  A @b\n  B\n}\n\nenum F"},
    {"input I@a{\"d\"a:T=1@b c:T}input J",
     "input I @a {\n  \"d\"\n  a: T = 1 @b\n  c: T\n}\n\ninput J"},
    {"\"d\"directive@a(b:I=1,c:I)repeatable on|FIELD|QUERY directive@b on ENUM",
     "\"d\"\ndirective @a(b: I = 1, c: I) repeatable on FIELD | QUERY\n\ndirective @b on ENUM"},
    {"directive@a(\"b\"b:I c:I)on ENUM", "directive @a(\n  \"b\"\n  b: I\n  c: I\n) on ENUM"},
    {"extend schema@a extend schema{query:Q}",
     "extend schema @a\n\nextend schema {\n  query: Q\n}"},
    {"extend scalar S@a extend type A implements B extend interface I{a:T}extend union U=A "
     "extend enum E{A}extend input I{a:T}",
     "extend scalar S @a\n\nextend type A implements B\n\nextend interface I {\n  a: T\n}\n\n"
     "extend union U = A\n\nextend enum E {\n  A\n}\n\nextend input I {\n  a: T\n}"},
};

static void documents_are_printed_as_graphql_js_prints_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct graphql_fixture f;
        struct ast_document *document;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        document = graphql_fixture_parse(&f, documents[i].source);
        assert_non_null(document);
        print_document(document, &f.out);
        assert_string_equal(graphql_fixture_take(&f), documents[i].printed);

        document = graphql_fixture_parse(&f, documents[i].printed);
        assert_non_null(document);
        print_document(document, &f.out);
        assert_string_equal(graphql_fixture_take(&f), documents[i].printed);
        graphql_fixture_done(&f);
    }
}

static void values_and_types_are_printed_alone(void **state)
{
    struct graphql_fixture f;
    const struct ast_document *document;
    const struct ast_variable_definition *variable;

    (void)state;
    graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
    document = graphql_fixture_parse(&f, "query($a:[[T!]]!=[{b:1 c:\"\"\"x\ny\"\"\"}]){a}");
    assert_non_null(document);
    variable = document->definitions->variables;
    print_type(variable->type, &f.out);
    assert_string_equal(graphql_fixture_take(&f), "[[T!]]!");
    print_value(variable->default_value, &f.out);
    assert_string_equal(graphql_fixture_take(&f), "[{b: 1, c: \"\"\"\nx\ny\n\"\"\"}]");
    print_string((struct ast_text){"a\"\n", 3}, &f.out);
    assert_string_equal(graphql_fixture_take(&f), "\"a\\\"\\n\"");
    graphql_fixture_done(&f);
}

/* The normal form of the document's first operation. */
static const char *normal_form_of(struct graphql_fixture *f, const char *source)
{
    const struct ast_document *document = graphql_fixture_parse(f, source);
    const struct ast_definition *operation;

    assert_non_null(document);
    operation = document->definitions;
    while (operation->node.kind != AST_OPERATION) {
        operation = operation->next;
        assert_non_null(operation);
    }
    print_normal_form(document, operation, &f->out);
    return graphql_fixture_take(f);
}

static const char *const normal_forms[][2] = {
    {"query Name { a, b # comment\n c }", "{a b c}"},
    {"\"d\" subscription S(\"v\" $a: [Int!]! = 1, $b: T = {c: \"x\", d: [1, -2]} @f) @g { a }",
     "subscription($a:[Int!]!=1$b:T={c:\"x\"d:[1 -2]}@f)@g{a}"},
    {"query Q($a: A = null, $b: B = E, $c: C = true) { a }", "query($a:A=null$b:B=E$c:C=true){a}"},
    {"mutation @d { a }", "mutation@d{a}"},
    {"{ a: a, b: c, d(e: \"f\", g: \"h\", i: [\"j\", \"\", \"k\"]) { l } m }",
     "{a b:c d(e:\"f\"g:\"h\"i:[\"j\" \"\" \"k\"]){l}m}"},
    {"{ a(b: \"\"\"\n  c\n   d\"\"\", e: \"\\u0041\\/\") }", "{a(b:\"c\\n d\"e:\"A/\")}"},
    {"{ a @b @c(d: 1) ... on T @e { f } ... @g { h } ... { i } }",
     "{a@b@c(d:1)...on T@e{f}...@g{h}...{i}}"},
    {"fragment Z on T { z } fragment B on T { ...A } { ...B ... { ...Z } c ...B } fragment Unused "
     "on "
     "T { ...Z } fragment A on T @d { a ...B }",
     "{...B...{...Z}c...B}fragment A on T@d{a...B}fragment B on T{...A}fragment Z on T{z}"},
    {"{ ...Unknown }", "{...Unknown}"},
    {"{ ...AB ...A } fragment AB on T { x } fragment A on T { y } fragment A on T { z }",
     "{...AB...A}fragment A on T{y}fragment AB on T{x}"},
};

static void the_normal_form_has_nothing_that_means_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normal_forms / sizeof *normal_forms; i++) {
        struct graphql_fixture f;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        assert_string_equal(normal_form_of(&f, normal_forms[i][0]), normal_forms[i][1]);
        assert_string_equal(normal_form_of(&f, normal_forms[i][1]), normal_forms[i][1]);
        graphql_fixture_done(&f);
    }
}

static void the_normal_form_is_of_the_operation_that_is_asked_for(void **state)
{
    struct graphql_fixture f;
    const struct ast_document *document;

    (void)state;
    graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
    document = graphql_fixture_parse(&f, "query A { ...F } query B { ...G } fragment F on T { a } "
                                         "fragment G on T { b }");
    assert_non_null(document);
    print_normal_form(document, document->definitions->next, &f.out);
    assert_string_equal(graphql_fixture_take(&f), "{...G}fragment G on T{b}");
    graphql_fixture_done(&f);
}

/* Thousands of fragments that use one another: found without looking through all of them. */
static void many_fragments_take_no_more_than_their_number(void **state)
{
    enum {
        COUNT = 20000,
    };
    struct text source = {0};
    struct graphql_fixture f;
    struct ast_document *document;

    (void)state;
    graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
    text_add_string(&source, "{...F0}");
    for (int i = 0; i < COUNT; i++)
        text_printf(&source, "fragment F%d on T{...F%d}", i, (i + 1) % COUNT);
    document = graphql_fixture_parse_limited(
        &f, (struct ast_text){source.bytes, (uint32_t)source.size}, &PARSER_LIMITS_SDL);
    assert_non_null(document);
    print_normal_form(document, document->definitions, &f.out);
    assert_int_equal(f.out.size, source.size); /* all of them, sorted */
    text_done(&source);
    graphql_fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_printed_as_graphql_js_prints_them),
        cmocka_unit_test(values_and_types_are_printed_alone),
        cmocka_unit_test(the_normal_form_has_nothing_that_means_nothing),
        cmocka_unit_test(the_normal_form_is_of_the_operation_that_is_asked_for),
        cmocka_unit_test(many_fragments_take_no_more_than_their_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
