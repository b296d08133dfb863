/*
 * Each resolver by itself: the executor's answer is kept here. That the standard introspection query
 * gives what graphql-js gives is for the tests that compare both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/graphql/execute.h"
#include "tests/unit/schema_fixture.h"

/* What the last resolver answered, in the executor's place. */
static struct execute_result answer;
static uint32_t answer_count;
static const struct schema_field *asked;

void execute_answer(struct execution *execution, const struct execute_result *result)
{
    assert_null(execution);
    answer = *result;
    answer_count++;
}

static const char sdl[] =
    "\"the schema\" schema { query: Query mutation: M } "
    "\"root\" type Query implements N { \"a field\" a(x: Int = 3, \"an argument\" y: [String!] "
    "@deprecated(reason: \"no y\"), z: I = {}): [N!]! b: U @deprecated c: S } "
    "interface N { c: S } union U = Query | M type M { m: E } "
    "enum E { RED @deprecated(reason: \"blood\") \"grass\" GREEN } "
    "scalar S @specifiedBy(url: \"http://s\") "
    "input I { p: Int! = 1 q: Int @deprecated } "
    "\"a directive\" directive @d(x: Int) repeatable on QUERY | FIELD | ENUM_VALUE";

static void ask(struct graphql_fixture *f, const struct schema *schema, const char *field,
                const void *object, bool with_deprecated)
{
    char type[32];
    const char *dot = strchr(field, '.');
    const struct value argument = {.kind = VALUE_BOOLEAN, .boolean = with_deprecated};
    struct execute_call call = {.region = &f->region, .object = object, .arguments = &argument};

    assert_non_null(dot);
    assert_true((size_t)(dot - field) < sizeof type);
    memcpy(type, field, (size_t)(dot - field));
    type[dot - field] = '\0';
    call.field = schema_fixture_field(schema, type, dot + 1);
    call.parent_type = schema_fixture_type(schema, type);
    assert_non_null(call.field->resolve);
    asked = call.field;
    answer_count = 0;
    call.field->resolve(&call);
    assert_int_equal(answer_count, 1);
}

/* What a leaf answers, as it would be written. */
static const char *leaf(struct graphql_fixture *f, const struct schema *schema, const char *field,
                        const void *object)
{
    ask(f, schema, field, object, false);
    switch ((int)answer.kind) {
    case EXECUTE_NULL:
        return "null";
    case EXECUTE_BOOLEAN:
        return answer.boolean ? "true" : "false";
    case EXECUTE_STRING:
        text_add(&f->out, answer.text.bytes, answer.text.size);
        return graphql_fixture_take(f);
    default:
        fail_msg("%s is no leaf", field);
        return NULL;
    }
}

static const void *object(struct graphql_fixture *f, const struct schema *schema, const char *field,
                          const void *parent)
{
    ask(f, schema, field, parent, false);
    if (answer.kind == EXECUTE_NULL)
        return NULL;
    assert_int_equal(answer.kind, EXECUTE_OBJECT);
    return answer.object.object;
}

/* The names of a list's objects, by blanks; "null" for no list. */
static const char *list(struct graphql_fixture *f, const struct schema *schema, const char *field,
                        const void *parent, bool with_deprecated)
{
    const struct schema_type *type;
    const struct execute_result *items;
    uint32_t count;
    char name[32];
    struct text out = {0};

    ask(f, schema, field, parent, with_deprecated);
    if (answer.kind == EXECUTE_NULL)
        return "null";
    assert_int_equal(answer.kind, EXECUTE_LIST);
    type = schema_ref_named(asked->type);
    assert_true(snprintf(name, sizeof name, "%.*s.name", (int)type->name.size, type->name.bytes) <
                (int)sizeof name);
    items = answer.list.items;
    count = answer.list.count;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(items[i].kind, EXECUTE_OBJECT);
        text_printf(&out, "%s%s", i > 0 ? " " : "", leaf(f, schema, name, items[i].object.object));
    }
    text_add(&f->out, out.bytes, out.size);
    text_done(&out);
    return graphql_fixture_take(f);
}

static const struct schema_ref *ref_of(const struct schema *schema, const char *name)
{
    return &schema_fixture_type(schema, name)->ref;
}

static void a_schema_tells_its_types_and_directives(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);

    assert_ptr_equal(object(f, schema, "Query.__schema", NULL), schema);
    assert_string_equal(leaf(f, schema, "__Schema.description", schema), "the schema");
    assert_ptr_equal(object(f, schema, "__Schema.queryType", schema), ref_of(schema, "Query"));
    assert_ptr_equal(object(f, schema, "__Schema.mutationType", schema), ref_of(schema, "M"));
    assert_null(object(f, schema, "__Schema.subscriptionType", schema));
    assert_string_equal(list(f, schema, "__Schema.types", schema, false),
                        "Query Int String N U M E S I Boolean __Schema __Type __TypeKind "
                        "__Field __InputValue __EnumValue __Directive __DirectiveLocation");
    assert_string_equal(list(f, schema, "__Schema.directives", schema, false),
                        "d include skip deprecated specifiedBy");
    schema_free(schema);
}

static void a_type_is_found_by_its_name(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const struct schema_type *query = schema_fixture_type(schema, "Query");
    struct value name = {.kind = VALUE_STRING, .text = schema_fixture_text("E")};
    struct execute_call call = {
        .region = &f->region,
        .arguments = &name,
        .parent_type = query,
        .field = schema_fixture_field(schema, "Query", "__type"),
    };

    call.field->resolve(&call);
    assert_ptr_equal(answer.object.object, ref_of(schema, "E"));
    name.text = schema_fixture_text("ID"); /* nothing uses it */
    call.field->resolve(&call);
    assert_int_equal(answer.kind, EXECUTE_NULL);
    assert_string_equal(leaf(f, schema, "M.__typename", NULL), "M");
    schema_free(schema);
}

static void every_kind_of_type_tells_what_it_has_and_null_for_the_rest(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    static const struct {
        const char *name;
        const char *kind;
        const char *fields;
        const char *interfaces;
        const char *possible;
        const char *values;
        const char *inputs;
        const char *url;
    } types[] = {
        {"Query", "OBJECT", "a c", "N", "null", "null", "null", "null"},
        {"N", "INTERFACE", "c", "", "Query", "null", "null", "null"},
        {"U", "UNION", "null", "null", "Query M", "null", "null", "null"},
        {"E", "ENUM", "null", "null", "null", "GREEN", "null", "null"},
        {"S", "SCALAR", "null", "null", "null", "null", "null", "http://s"},
        {"I", "INPUT_OBJECT", "null", "null", "null", "null", "p", "null"},
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct schema_ref *ref = ref_of(schema, types[i].name);

        assert_string_equal(leaf(f, schema, "__Type.kind", ref), types[i].kind);
        assert_string_equal(leaf(f, schema, "__Type.name", ref), types[i].name);
        assert_string_equal(list(f, schema, "__Type.fields", ref, false), types[i].fields);
        assert_string_equal(list(f, schema, "__Type.interfaces", ref, false), types[i].interfaces);
        assert_string_equal(list(f, schema, "__Type.possibleTypes", ref, false), types[i].possible);
        assert_string_equal(list(f, schema, "__Type.enumValues", ref, false), types[i].values);
        assert_string_equal(list(f, schema, "__Type.inputFields", ref, false), types[i].inputs);
        assert_string_equal(leaf(f, schema, "__Type.specifiedByURL", ref), types[i].url);
        assert_null(object(f, schema, "__Type.ofType", ref));
    }
    assert_string_equal(leaf(f, schema, "__Type.description", ref_of(schema, "Query")), "root");
    assert_string_equal(leaf(f, schema, "__Type.description", ref_of(schema, "N")), "null");
    schema_free(schema);
}

static void wrappers_are_types_without_a_name(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const void *ref = schema_fixture_field(schema, "Query", "a")->type;
    static const char *const kinds[] = {"NON_NULL", "LIST", "NON_NULL"};

    for (int i = 0; i < 3; i++) {
        assert_string_equal(leaf(f, schema, "__Type.kind", ref), kinds[i]);
        assert_string_equal(leaf(f, schema, "__Type.name", ref), "null");
        assert_string_equal(leaf(f, schema, "__Type.description", ref), "null");
        assert_string_equal(list(f, schema, "__Type.fields", ref, true), "null");
        ref = object(f, schema, "__Type.ofType", ref);
    }
    assert_ptr_equal(ref, ref_of(schema, "N"));
    schema_free(schema);
}

static void fields_and_their_arguments_tell_everything(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");
    const struct schema_field *b = schema_fixture_field(schema, "Query", "b");

    assert_string_equal(leaf(f, schema, "__Field.name", a), "a");
    assert_string_equal(leaf(f, schema, "__Field.description", a), "a field");
    assert_ptr_equal(object(f, schema, "__Field.type", a), a->type);
    assert_string_equal(leaf(f, schema, "__Field.isDeprecated", a), "false");
    assert_string_equal(leaf(f, schema, "__Field.deprecationReason", a), "null");
    assert_string_equal(leaf(f, schema, "__Field.isDeprecated", b), "true");
    assert_string_equal(leaf(f, schema, "__Field.deprecationReason", b), "No longer supported");
    assert_string_equal(list(f, schema, "__Field.args", a, true), "x y z");
    assert_string_equal(leaf(f, schema, "__InputValue.defaultValue", &a->arguments[0]), "3");
    assert_string_equal(leaf(f, schema, "__InputValue.defaultValue", &a->arguments[1]), "null");
    assert_string_equal(leaf(f, schema, "__InputValue.defaultValue", &a->arguments[2]), "{p: 1}");
    assert_string_equal(leaf(f, schema, "__InputValue.description", &a->arguments[0]), "null");
    assert_string_equal(leaf(f, schema, "__InputValue.description", &a->arguments[1]),
                        "an argument");
    assert_string_equal(leaf(f, schema, "__InputValue.isDeprecated", &a->arguments[1]), "true");
    assert_string_equal(leaf(f, schema, "__InputValue.deprecationReason", &a->arguments[1]),
                        "no y");
    assert_ptr_equal(object(f, schema, "__InputValue.type", &a->arguments[0]),
                     ref_of(schema, "Int"));
    schema_free(schema);
}

static void enum_values_tell_everything(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const struct schema_enum_value *values = schema_fixture_type(schema, "E")->values;

    assert_string_equal(leaf(f, schema, "__EnumValue.name", &values[0]), "RED");
    assert_string_equal(leaf(f, schema, "__EnumValue.description", &values[0]), "null");
    assert_string_equal(leaf(f, schema, "__EnumValue.description", &values[1]), "grass");
    assert_string_equal(leaf(f, schema, "__EnumValue.isDeprecated", &values[0]), "true");
    assert_string_equal(leaf(f, schema, "__EnumValue.isDeprecated", &values[1]), "false");
    assert_string_equal(leaf(f, schema, "__EnumValue.deprecationReason", &values[0]), "blood");
    schema_free(schema);
}

static void deprecated_ones_are_listed_on_request(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const struct schema_field *a = schema_fixture_field(schema, "Query", "a");

    assert_string_equal(list(f, schema, "__Type.fields", ref_of(schema, "Query"), true), "a b c");
    assert_string_equal(list(f, schema, "__Type.enumValues", ref_of(schema, "E"), true),
                        "RED GREEN");
    assert_string_equal(list(f, schema, "__Type.inputFields", ref_of(schema, "I"), true), "p q");
    assert_string_equal(list(f, schema, "__Field.args", a, false), "x z");
    schema_free(schema);
}

static void directives_tell_their_places_in_order(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    const struct schema_directive *d = schema_find_directive(schema, schema_fixture_text("d"));

    assert_string_equal(leaf(f, schema, "__Directive.description", d), "a directive");
    assert_string_equal(leaf(f, schema, "__Directive.isRepeatable", d), "true");
    assert_string_equal(list(f, schema, "__Directive.args", d, false), "x");
    ask(f, schema, "__Directive.locations", d, false);
    assert_int_equal(answer.list.count, 3);
    assert_true(ast_text_is(answer.list.items[0].text, "QUERY"));
    assert_true(ast_text_is(answer.list.items[2].text, "ENUM_VALUE"));
    schema_free(schema);
}

static void every_introspection_field_has_a_resolver(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->type_count; i++) {
        const struct schema_type *type = schema->types[i];

        for (uint32_t j = 0; type->is_built_in && j < type->field_count; j++, count++)
            assert_non_null(type->fields[j].resolve);
    }
    assert_int_equal(count, 37);
    schema_free(schema);
}

static void without_memory_a_list_is_an_error(void **state)
{
    struct graphql_fixture *f = *state;
    struct schema *schema = schema_fixture_good(f, sdl);
    struct graphql_fixture poor;

    graphql_fixture_init(&poor, 0);
    ask(&poor, schema, "__Schema.types", schema, false);
    assert_int_equal(answer.kind, EXECUTE_ERROR);
    assert_int_equal(answer.error.code, GRAPHQL_INTERNAL);
    ask(&poor, schema, "__InputValue.defaultValue",
        &schema_fixture_field(schema, "Query", "a")->arguments[0], false);
    assert_int_equal(answer.kind, EXECUTE_ERROR);
    graphql_fixture_done(&poor);
    schema_free(schema);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, graphql_fixture_setup, graphql_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_schema_tells_its_types_and_directives),
        TEST(a_type_is_found_by_its_name),
        TEST(every_kind_of_type_tells_what_it_has_and_null_for_the_rest),
        TEST(wrappers_are_types_without_a_name),
        TEST(fields_and_their_arguments_tell_everything),
        TEST(enum_values_tell_everything),
        TEST(deprecated_ones_are_listed_on_request),
        TEST(directives_tell_their_places_in_order),
        TEST(every_introspection_field_has_a_resolver),
        TEST(without_memory_a_list_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
