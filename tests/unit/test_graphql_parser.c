#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/ast.h"
#include "server/json/text.h"
#include "tests/unit/graphql_fixture.h"

static void assert_text(struct ast_text text, const char *wanted)
{
    assert_int_equal(text.size, strlen(wanted));
    assert_memory_equal(text.bytes, wanted, text.size);
}

static void assert_name(struct ast_name name, const char *wanted, uint32_t at)
{
    assert_text(name.text, wanted);
    assert_int_equal(name.at, at);
}

static void assert_node(struct ast_node node, enum ast_kind kind, uint32_t at)
{
    assert_int_equal(node.kind, kind);
    assert_int_equal(node.at, at);
}

static void a_shorthand_query_has_fields_alone(void **state)
{
    struct ast_document *document = graphql_fixture_parse(*state, "{ a: b c { d } }");
    const struct ast_definition *query;
    const struct ast_selection *field;

    assert_non_null(document);
    assert_int_equal(document->definition_count, 1);
    assert_int_equal(document->token_count, 9);
    query = document->definitions;
    assert_node(query->node, AST_OPERATION, 0);
    assert_int_equal(query->operation, AST_QUERY);
    assert_int_equal(query->name.text.size, 0);
    assert_null(query->next);
    assert_node(query->selections->node, AST_SELECTION_SET, 0);
    assert_int_equal(query->selections->count, 2);

    field = query->selections->first;
    assert_node(field->node, AST_FIELD, 2);
    assert_name(field->alias, "a", 2);
    assert_name(field->name, "b", 5);
    assert_null(field->selections);
    assert_text(ast_response_key(field), "a");

    field = field->next;
    assert_node(field->node, AST_FIELD, 7);
    assert_int_equal(field->alias.text.size, 0);
    assert_text(ast_response_key(field), "c");
    assert_node(field->selections->node, AST_SELECTION_SET, 9);
    assert_text(field->selections->first->name.text, "d");
    assert_null(field->next);
}

static void an_operation_has_variables_and_directives(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state, "\"d\" subscription S(\"v\" $a: [Int!]! = [1] @x, $b: T) @y(z: $a) { f }");
    const struct ast_definition *operation;
    const struct ast_variable_definition *variable;

    assert_non_null(document);
    operation = document->definitions;
    assert_node(operation->node, AST_OPERATION, 0);
    assert_int_equal(operation->operation, AST_SUBSCRIPTION);
    assert_text(operation->description->text, "d");
    assert_name(operation->name, "S", 17);

    variable = operation->variables;
    assert_node(variable->node, AST_VARIABLE_DEFINITION, 19);
    assert_text(variable->description->text, "v");
    assert_name(variable->name, "a", 23);
    assert_node(variable->type->node, AST_NON_NULL, 27);
    assert_node(variable->type->of->node, AST_LIST_OF, 27);
    assert_node(variable->type->of->of->node, AST_NON_NULL, 28);
    assert_node(variable->type->of->of->of->node, AST_NAMED, 28);
    assert_text(variable->type->of->of->of->name, "Int");
    assert_node(variable->default_value->node, AST_LIST, 37);
    assert_node(variable->directives->node, AST_DIRECTIVE, 41);
    assert_name(variable->directives->name, "x", 42);

    variable = variable->next;
    assert_node(variable->node, AST_VARIABLE_DEFINITION, 45);
    assert_null(variable->description);
    assert_null(variable->default_value);
    assert_null(variable->next);

    assert_name(operation->directives->name, "y", 53);
    assert_node(operation->directives->arguments->node, AST_ARGUMENT, 55);
    assert_node(operation->directives->arguments->value->node, AST_VARIABLE, 58);
    assert_text(operation->directives->arguments->value->text, "a");
}

static void fragments_are_spread_inline_or_defined(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state, "{ ...F @a ... on T @b { x } ... @c { y } ... { z } } fragment F on T @d { w }");
    const struct ast_selection *selection;
    const struct ast_definition *fragment;

    assert_non_null(document);
    assert_int_equal(document->definition_count, 2);
    selection = document->definitions->selections->first;
    assert_node(selection->node, AST_FRAGMENT_SPREAD, 2);
    assert_name(selection->name, "F", 5);
    assert_text(selection->directives->name.text, "a");
    assert_null(selection->selections);

    selection = selection->next;
    assert_node(selection->node, AST_INLINE_FRAGMENT, 10);
    assert_node(selection->type_condition->node, AST_NAMED, 17);
    assert_text(selection->directives->name.text, "b");
    assert_text(selection->selections->first->name.text, "x");

    selection = selection->next;
    assert_node(selection->node, AST_INLINE_FRAGMENT, 28);
    assert_null(selection->type_condition);
    assert_text(selection->directives->name.text, "c");

    selection = selection->next;
    assert_null(selection->type_condition);
    assert_null(selection->directives);
    assert_null(selection->next);

    fragment = document->definitions->next;
    assert_node(fragment->node, AST_FRAGMENT, 53);
    assert_name(fragment->name, "F", 62);
    assert_text(fragment->type_condition->name, "T");
    assert_text(fragment->directives->name.text, "d");
    assert_text(fragment->selections->first->name.text, "w");
}

static void values_are_of_every_kind(void **state)
{
    static const struct {
        enum ast_kind kind;
        const char *text;
    } wanted[] = {
        {AST_VARIABLE, "v"}, {AST_INT, "-12"},      {AST_FLOAT, "1.50e-7"}, {AST_STRING, "s\n"},
        {AST_STRING, "b"},   {AST_BOOLEAN, "true"}, {AST_BOOLEAN, "false"}, {AST_NULL, "null"},
        {AST_ENUM, "on"},    {AST_LIST, NULL},      {AST_OBJECT, NULL},     {AST_LIST, NULL},
        {AST_OBJECT, NULL},
    };
    struct ast_document *document = graphql_fixture_parse(
        *state, "{ f(a: [$v -12 1.50e-7 \"s\\n\" \"\"\"b\"\"\" true false null "
                "on [] {} [1, [2]] {k: {l: 1} m: $w}]) }");
    const struct ast_value *list;
    const struct ast_value *value;
    size_t i = 0;

    assert_non_null(document);
    list = document->definitions->selections->first->arguments->value;
    assert_int_equal(list->count, sizeof wanted / sizeof *wanted);
    for (value = list->items; value != NULL; value = value->next, i++) {
        assert_int_equal(value->node.kind, wanted[i].kind);
        if (wanted[i].text != NULL)
            assert_text(value->text, wanted[i].text);
        assert_int_equal(value->is_block, i == 4);
        assert_int_equal(value->boolean, i == 5);
        if (i == 11)
            assert_int_equal(value->items->next->items->node.kind, AST_INT);
        if (i == 12) {
            assert_int_equal(value->count, 2);
            assert_text(value->fields->name.text, "k");
            assert_node(value->fields->node, AST_OBJECT_FIELD, value->fields->name.at);
            assert_int_equal(value->fields->value->count, 1);
            assert_text(value->fields->next->value->text, "w");
        }
    }
    assert_int_equal(i, list->count);
}

static void keywords_are_names_where_names_may_stand(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state, "query query { fragment: on(type: on, null: null) { true false null query } } "
                "type type implements input { input: enum } enum enum { on type }");

    assert_non_null(document);
    assert_int_equal(document->definition_count, 3);
}

static void types_are_defined_with_all_they_have(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state,
        "\"\"\"D\"\"\" type A implements & B & C @x { \"f\" f(\"a\" a: Int = 1 @y, b: T): [T!] @z "
        "g: T } interface B implements C { f: T }");
    const struct ast_definition *type;
    const struct ast_field_definition *field;

    assert_non_null(document);
    type = document->definitions;
    assert_node(type->node, AST_OBJECT_TYPE, 0);
    assert_true(type->description->is_block);
    assert_name(type->name, "A", 13);
    assert_text(type->interfaces->name, "B");
    assert_text(type->interfaces->next->name, "C");
    assert_null(type->interfaces->next->next);
    assert_text(type->directives->name.text, "x");

    field = type->fields;
    assert_node(field->node, AST_FIELD_DEFINITION, 39);
    assert_text(field->description->text, "f");
    assert_name(field->name, "f", 43);
    assert_node(field->arguments->node, AST_INPUT_VALUE, 45);
    assert_text(field->arguments->description->text, "a");
    assert_text(field->arguments->default_value->text, "1");
    assert_text(field->arguments->directives->name.text, "y");
    assert_text(field->arguments->next->name.text, "b");
    assert_node(field->type->node, AST_LIST_OF, 71);
    assert_text(field->directives->name.text, "z");
    assert_text(field->next->name.text, "g");
    assert_null(field->next->arguments);

    type = type->next;
    assert_int_equal(type->node.kind, AST_INTERFACE_TYPE);
    assert_text(type->interfaces->name, "C");
}

static void every_definition_can_be_told_apart(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state, "schema @a { query: Q mutation: M subscription: S } scalar S @a union U = | A | B "
                "union V union W = C enum E { A \"b\" B @a } input I { a: Int = 1 @a b: [I] } "
                "directive @d(a: Int) repeatable on | FIELD | ENUM_VALUE | SCHEMA "
                "directive @e on QUERY");
    const struct ast_definition *definition;

    assert_non_null(document);
    definition = document->definitions;
    assert_int_equal(definition->node.kind, AST_SCHEMA);
    assert_int_equal(definition->operation_types->next->next->operation, AST_SUBSCRIPTION);
    assert_text(definition->operation_types->next->type->name, "M");
    assert_node(definition->operation_types->node, AST_OPERATION_TYPE, 12);
    definition = definition->next;
    assert_int_equal(definition->node.kind, AST_SCALAR_TYPE);
    assert_non_null(definition->directives);
    definition = definition->next;
    assert_int_equal(definition->node.kind, AST_UNION_TYPE);
    assert_text(definition->members->next->name, "B");
    assert_null(definition->next->members);
    definition = definition->next->next->next;
    assert_int_equal(definition->node.kind, AST_ENUM_TYPE);
    assert_text(definition->values->next->description->text, "b");
    assert_text(definition->values->next->name.text, "B");
    assert_non_null(definition->values->next->directives);
    definition = definition->next;
    assert_int_equal(definition->node.kind, AST_INPUT_OBJECT_TYPE);
    assert_text(definition->input_values->next->name.text, "b");
    definition = definition->next;
    assert_int_equal(definition->node.kind, AST_DIRECTIVE_DEFINITION);
    assert_true(definition->is_repeatable);
    assert_int_equal(definition->location_count, 3);
    assert_text(definition->locations[0].text, "FIELD");
    assert_text(definition->locations[2].text, "SCHEMA");
    assert_text(definition->input_values->name.text, "a");
    assert_false(definition->next->is_repeatable);
    assert_null(definition->next->next);
}

static void every_type_can_be_extended(void **state)
{
    struct ast_document *document = graphql_fixture_parse(
        *state, "extend schema @a extend schema { query: Q } extend scalar S @a extend type T "
                "implements I extend type T { a: Int } extend interface I @a extend union U = A "
                "extend enum E { A } extend input I { a: Int } extend input I @a");
    uint32_t count = 0;

    assert_non_null(document);
    for (const struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        assert_true(definition->is_extension);
        count++;
    }
    assert_int_equal(count, 10);
    assert_int_equal(document->definition_count, 10);
}

/* graphql-js's words; more of them are compared by the oracle. */
static const struct {
    const char *source;
    const char *message;
    uint32_t line;
    uint32_t column;
} wrong[] = {
    {"", "Unexpected <EOF>.", 1, 1},
    {"# nothing\n", "Unexpected <EOF>.", 2, 1},
    {"{", "Expected Name, found <EOF>.", 1, 2},
    {"{}", "Expected Name, found \"}\".", 1, 2},
    {"{ a", "Expected Name, found <EOF>.", 1, 4},
    {"}", "Unexpected \"}\".", 1, 1},
    {"{ a } }", "Unexpected \"}\".", 1, 7},
    {"notAnOperation Foo { field }", "Unexpected Name \"notAnOperation\".", 1, 1},
    {"...", "Unexpected \"...\".", 1, 1},
    {"{ \"\"", "Expected Name, found String \"\".", 1, 3},
    {"\n{ a(b: 1 }", "Expected Name, found \"}\".", 2, 10},
    {"{ a() }", "Expected Name, found \")\".", 1, 5},
    {"{ a(b) }", "Expected \":\", found \")\".", 1, 6},
    {"{ a(b:) }", "Unexpected \")\".", 1, 7},
    {"{ a: }", "Expected Name, found \"}\".", 1, 6},
    {"{ a(b: $) }", "Expected Name, found \")\".", 1, 9},
    {"{ a(b: {c}) }", "Expected \":\", found \"}\".", 1, 10},
    {"{ a @ }", "Expected Name, found \"}\".", 1, 7},
    {"query", "Expected \"{\", found <EOF>.", 1, 6},
    {"query () { a }", "Expected \"$\", found \")\".", 1, 8},
    {"query ($a) { a }", "Expected \":\", found \")\".", 1, 10},
    {"query ($a: Int = $b) { a }", "Unexpected variable \"$b\" in constant value.", 1, 18},
    {"query ($a: Int = $) { a }", "Unexpected \"$\".", 1, 18},
    {"query ($a: [Int) { a }", "Expected \"]\", found \")\".", 1, 16},
    {"query ($a: Int!!) { a }", "Expected \"$\", found \"!\".", 1, 16},
    {"{ ...on }", "Expected Name, found \"}\".", 1, 9},
    {"{ ... }", "Expected \"{\", found \"}\".", 1, 7},
    {"fragment on on on { on }", "Unexpected Name \"on\".", 1, 10},
    {"fragment \"on\" on T { a }", "Unexpected String \"on\".", 1, 10},
    {"fragment F { a }", "Expected \"on\", found \"{\".", 1, 12},
    {"fragment F on { a }", "Expected Name, found \"{\".", 1, 15},
    {"\"d\" { a }", "Unexpected description, descriptions are not supported on shorthand queries.",
     1, 1},
    {"\"d\" extend type A @b",
     "Unexpected description, only GraphQL definitions support descriptions.", 1, 1},
    {"\"d\"", "Unexpected <EOF>.", 1, 4},
    {"\"d\" 1", "Unexpected Int \"1\".", 1, 5},
    {"type", "Expected Name, found <EOF>.", 1, 5},
    {"type A {}", "Expected Name, found \"}\".", 1, 9},
    {"type A { f }", "Expected \":\", found \"}\".", 1, 12},
    {"type A { f(): Int }", "Expected Name, found \")\".", 1, 12},
    {"type A implements B, C { a: Int }", "Unexpected Name \"C\".", 1, 22},
    {"type A { f(a: Int = $v): Int }", "Unexpected variable \"$v\" in constant value.", 1, 21},
    {"union U = |", "Expected Name, found <EOF>.", 1, 12},
    {"enum E {}", "Expected Name, found \"}\".", 1, 9},
    {"enum E { true }", "Name \"true\" is reserved and cannot be used for an enum value.", 1, 10},
    {"enum E { A null }", "Name \"null\" is reserved and cannot be used for an enum value.", 1, 12},
    {"input I {}", "Expected Name, found \"}\".", 1, 10},
    {"schema", "Expected \"{\", found <EOF>.", 1, 7},
    {"schema { q: Q }", "Unexpected Name \"q\".", 1, 10},
    {"directive @a", "Expected \"on\", found <EOF>.", 1, 13},
    {"directive @a on FIELD | INCORRECT", "Unexpected Name \"INCORRECT\".", 1, 25},
    {"extend", "Unexpected <EOF>.", 1, 7},
    {"extend directive @a on FIELD", "Unexpected Name \"directive\".", 1, 8},
    {"extend schema", "Unexpected <EOF>.", 1, 14},
    {"extend scalar S", "Unexpected <EOF>.", 1, 16},
    {"extend type A extend", "Unexpected Name \"extend\".", 1, 15},
    {"{ a(x: 0123) }", "Invalid number, unexpected digit after 0: \"1\".", 1, 9},
    {"\xEF\xBB\xBF{ \xC3\xA9", "Unexpected character: U+00E9.", 1, 4},
    {"{ a(x: \"\xF0\x9F\x98\x80\" ? }", "Unexpected character: \"?\".", 1, 13},
};

static void the_first_mistake_is_reported_in_graphql_js_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct graphql_fixture f;
        const struct graphql_error *error;
        uint32_t line;
        uint32_t column;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        assert_null(graphql_fixture_parse(&f, wrong[i].source));
        assert_int_equal(f.errors.count, 1);
        error = f.errors.first;
        assert_int_equal(error->code, GRAPHQL_PARSE_FAILED);
        assert_memory_equal(error->message, "Syntax Error: ", 14);
        assert_string_equal(error->message + 14, wrong[i].message);
        assert_int_equal(error->location_count, 1);
        graphql_line_column(&error->locations[0], &line, &column);
        assert_int_equal(line, wrong[i].line);
        assert_int_equal(column, wrong[i].column);
        graphql_fixture_done(&f);
    }
}

static void tokens_are_limited(void **state)
{
    struct parser_limits limits = PARSER_LIMITS_SDL;
    struct ast_text source = {"{ a(b: 1) #\n }", 14};
    struct graphql_fixture *f = *state;

    limits.token_count_max = 8;
    assert_non_null(graphql_fixture_parse_limited(f, source, &limits));
    limits.token_count_max = 7;
    assert_null(graphql_fixture_parse_limited(f, source, &limits));
    assert_string_equal(graphql_fixture_errors(f),
                        "[{\"message\":\"Syntax Error: Document contains more that 7 tokens. "
                        "Parsing aborted.\",\"locations\":[{\"line\":2,\"column\":2}],"
                        "\"extensions\":{\"code\":\"LIMIT_EXCEEDED\"}}]");
}

static void bytes_are_limited(void **state)
{
    struct parser_limits limits = PARSER_LIMITS_SDL;
    struct graphql_fixture *f = *state;

    limits.source_bytes_max = 5;
    assert_non_null(graphql_fixture_parse_limited(f, (struct ast_text){"{ a }", 5}, &limits));
    assert_null(graphql_fixture_parse_limited(f, (struct ast_text){"{ a } ", 6}, &limits));
    assert_string_equal(graphql_fixture_errors(f),
                        "[{\"message\":\"Syntax Error: Source contains more than 5 bytes. Parsing "
                        "aborted.\",\"locations\":[{\"line\":1,\"column\":6}],"
                        "\"extensions\":{\"code\":\"LIMIT_EXCEEDED\"}}]");
}

/* Documents with something in one another. */
static const struct nest {
    const char *begin; /* with as many levels as `outer` */
    const char *open;
    const char *middle;
    const char *close;
    const char *end;
    int outer;
} nests[] = {
    {"", "{a", "", "}", "", 0},           {"{a(b:", "[", "", "]", ")}", 1},
    {"{a(b:", "{c:", "1", "}", ")}", 1},  {"query($v:", "[", "T", "]", "){a}", 0},
    {"type A{b:", "[", "T", "]", "}", 0}, {"enum E{V@d(x:", "[", "1", "]", ")}", 0},
    {"", "{...", "{a}", "}", "", 1},
};

static struct ast_document *parse_nest(struct graphql_fixture *f, const struct nest *nest,
                                       int depth, uint32_t depth_max)
{
    struct parser_limits limits = PARSER_LIMITS_SDL;
    struct text source = {0};
    struct ast_document *document;

    text_add_string(&source, nest->begin);
    for (int i = nest->outer; i < depth; i++)
        text_add_string(&source, nest->open);
    text_add_string(&source, nest->middle);
    for (int i = nest->outer; i < depth; i++)
        text_add_string(&source, nest->close);
    text_add_string(&source, nest->end);
    limits.depth_max = depth_max;
    document = graphql_fixture_parse_limited(
        f, (struct ast_text){source.bytes, (uint32_t)source.size}, &limits);
    text_done(&source);
    return document;
}

static void depth_is_limited_of_all_that_nests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        struct graphql_fixture f;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        assert_non_null(parse_nest(&f, &nests[i], 20, 20));
        assert_int_equal(f.errors.count, 0);
        for (uint32_t over = 1; over < 3; over++) {
            assert_null(parse_nest(&f, &nests[i], 20 + (int)over, 20));
            assert_int_equal(f.errors.count, over);
            assert_int_equal(f.errors.last->code, GRAPHQL_LIMIT_EXCEEDED);
            assert_string_equal(f.errors.last->message,
                                "Syntax Error: Document is nested more than 20 levels deep. "
                                "Parsing aborted.");
        }
        graphql_fixture_done(&f);
    }
}

static void siblings_do_not_add_up_to_depth(void **state)
{
    struct parser_limits limits = PARSER_LIMITS_SDL;
    const char *source = "{ a(x: [[1]], y: [[1], [2]], z: {c: [1]}) { b } c { d } ...{ e } } "
                         "query($a: [[T]] = [[1]], $b: [[T]]) { a }";

    limits.depth_max = 3;
    assert_non_null(graphql_fixture_parse_limited(
        *state, (struct ast_text){source, (uint32_t)strlen(source)}, &limits));
}

static const char everything[] =
    "\"d\" query Q(\"v\" $a: [Int!]! = [1, {b: \"\\n\"}] @c) @d(e: $a) { f: g(h: \"\"\"\n "
    "i\n\"\"\") "
    "{ ...F ... on T { j } } } \"f\" fragment F on T { k } schema { query: Q } scalar S "
    "type A implements B & C { \"x\" l(m: Int = 1): [T] } union U = A | B "
    "enum E { F G } input I { n: T } directive @o(p: T) on FIELD | QUERY | SCHEMA "
    "extend type A @q";

static void without_memory_there_is_no_tree_and_no_leak(void **state)
{
    size_t bytes = 0;
    bool is_parsed = false;

    (void)state;
    for (; !is_parsed && bytes < FIXTURE_REGION_BYTES; bytes += 16) {
        struct graphql_fixture f;

        graphql_fixture_init(&f, bytes);
        is_parsed = graphql_fixture_parse(&f, everything) != NULL;
        assert_int_equal(f.region.has_failed, !is_parsed);
        assert_int_equal(f.errors.count, 0);
        graphql_fixture_done(&f);
    }
    assert_true(is_parsed);
    assert_true(bytes > 1024);
}

static void every_beginning_of_a_document_is_refused_with_one_error(void **state)
{
    (void)state;
    for (uint32_t size = 0; size + 1 < sizeof everything; size++) {
        struct graphql_fixture f;
        struct ast_document *document;

        graphql_fixture_init(&f, FIXTURE_REGION_BYTES);
        document = graphql_fixture_parse_limited(&f, (struct ast_text){everything, size},
                                                 &PARSER_LIMITS_SDL);
        assert_int_equal(f.errors.count, document == NULL);
        assert_false(f.region.has_failed);
        graphql_fixture_done(&f);
    }
}

static struct ast_value *parse_value(struct graphql_fixture *f, const char *source)
{
    static struct ast_document document;

    document = (struct ast_document){.source = {source, (uint32_t)strlen(source)}};
    return parser_parse_value(&document, &f->region, &f->errors);
}

static void an_empty_source_may_have_no_bytes(void **state)
{
    struct graphql_fixture *f = *state;

    assert_null(parser_parse((struct ast_text){NULL, 0}, "none", &PARSER_LIMITS_SDL, &f->region,
                             &f->errors));
    assert_string_equal(f->errors.first->message, "Syntax Error: Unexpected <EOF>.");
    (void)graphql_fixture_errors(f); /* at line 1, column 1 of nothing */
}

static void a_value_alone_is_constant(void **state)
{
    static const char *const refused[][2] = {
        {"", "Syntax Error: Unexpected <EOF>."},
        {"1 2", "Syntax Error: Expected <EOF>, found Int \"2\"."},
        {"[$a]", "Syntax Error: Unexpected variable \"$a\" in constant value."},
        {"{a:1", "Syntax Error: Expected Name, found <EOF>."},
        {"\xFF", "Syntax Error: Invalid character: byte 0xFF is not UTF-8."},
    };
    struct graphql_fixture *f = *state;
    struct ast_value *value = parse_value(f, " [1, {a: ENUM}] ");

    assert_non_null(value);
    assert_int_equal(value->count, 2);
    assert_text(value->items->next->fields->value->text, "ENUM");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_null(parse_value(f, refused[i][0]));
        assert_int_equal(f->errors.count, i + 1);
        assert_string_equal(f->errors.last->message, refused[i][1]);
    }
}

#define WITH_FIXTURE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, graphql_fixture_setup, graphql_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_shorthand_query_has_fields_alone),
        WITH_FIXTURE(an_operation_has_variables_and_directives),
        WITH_FIXTURE(fragments_are_spread_inline_or_defined),
        WITH_FIXTURE(values_are_of_every_kind),
        WITH_FIXTURE(keywords_are_names_where_names_may_stand),
        WITH_FIXTURE(types_are_defined_with_all_they_have),
        WITH_FIXTURE(every_definition_can_be_told_apart),
        WITH_FIXTURE(every_type_can_be_extended),
        cmocka_unit_test(the_first_mistake_is_reported_in_graphql_js_words),
        WITH_FIXTURE(tokens_are_limited),
        WITH_FIXTURE(bytes_are_limited),
        cmocka_unit_test(depth_is_limited_of_all_that_nests),
        WITH_FIXTURE(siblings_do_not_add_up_to_depth),
        cmocka_unit_test(without_memory_there_is_no_tree_and_no_leak),
        cmocka_unit_test(every_beginning_of_a_document_is_refused_with_one_error),
        WITH_FIXTURE(an_empty_source_may_have_no_bytes),
        WITH_FIXTURE(a_value_alone_is_constant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
