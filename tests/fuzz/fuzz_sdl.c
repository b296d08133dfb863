/*
 * Schemas from any text: whatever is built prints as SDL from which the same schema is built again,
 * and introspection says the same of both, all at once or step by step; whatever is not built has
 * errors that name places inside the text.
 */
#include <string.h>

#include "bus/check.h"
#include "server/graphql/document.h"
#include "server/graphql/errors.h"
#include "server/graphql/execute.h"
#include "server/graphql/region.h"
#include "server/graphql/schema.h"
#include "server/graphql/value.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "tests/fuzz/target.h"

enum {
    ERRORS_BYTES_MAX = 64 * 1024 * 1024,
};

/* All that October 2021 has, as graphql-js's getIntrospectionQuery asks for it. */
static const char introspection[] =
    "query IntrospectionQuery { __schema { description queryType { name } mutationType { name }"
    " subscriptionType { name } types { ...FullType }"
    " directives { name description isRepeatable locations"
    " args(includeDeprecated: true) { ...InputValue } } } }"
    " fragment FullType on __Type { kind name description specifiedByURL"
    " fields(includeDeprecated: true) { name description"
    " args(includeDeprecated: true) { ...InputValue } type { ...TypeRef }"
    " isDeprecated deprecationReason }"
    " inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }"
    " enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }"
    " possibleTypes { ...TypeRef } }"
    " fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue"
    " isDeprecated deprecationReason }"
    " fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind"
    " name ofType { kind name ofType { kind name ofType { kind name ofType { kind name"
    " } } } } } } } }";

/* NULL: there are errors, which have been looked at. */
static struct schema *build(const char *sdl, size_t bytes)
{
    struct region region;
    struct graphql_errors errors;
    struct text out = {0};
    struct schema *schema;

    region_init(&region, ERRORS_BYTES_MAX);
    graphql_errors_init(&errors, &region);
    schema = schema_build(sdl, bytes, "fuzz", &errors);
    CHECK((schema == NULL) == (errors.count > 0 || region.has_failed));
    for (const struct graphql_error *error = errors.first; error != NULL; error = error->next) {
        for (uint32_t i = 0; i < error->location_count; i++)
            CHECK(error->locations[i].at <= bytes);
        graphql_error_write(error, &out);
    }
    text_done(&out);
    region_done(&region);
    return schema;
}

/* A default is a JSON value, too. */
static void check_default(const struct schema_input *input)
{
    struct text json = {0};
    struct json_error error;

    CHECK((input->default_literal != NULL) == (input->default_value != NULL));
    if (input->default_value == NULL)
        return;
    value_write(input->default_value, &json);
    CHECK(text_is_whole(&json));
    CHECK(json_compact(json.bytes, json.size, json.bytes, &error) == (ptrdiff_t)json.size);
    text_done(&json);
}

/* Everything is found by its name, and is what it says. */
static void check_schema(const struct schema *schema)
{
    CHECK(schema->roots[AST_QUERY] != NULL);
    for (uint32_t i = 0; i < schema->type_count; i++) {
        const struct schema_type *type = schema->types[i];

        CHECK(type->index == i);
        CHECK(schema_find_type(schema, type->name) == type);
        for (uint32_t j = 0; j < type->field_count; j++) {
            const struct schema_field *field = &type->fields[j];

            CHECK(schema_find_field(schema, type, field->name) == field);
            CHECK(schema_is_output(schema_ref_named(field->type)));
            for (uint32_t k = 0; k < field->argument_count; k++)
                check_default(&field->arguments[k]);
        }
        for (uint32_t j = 0; j < type->input_count; j++)
            check_default(&type->inputs[j]);
        for (uint32_t j = 0; j < type->possible_count; j++)
            CHECK(schema_is_possible(type, type->possible[j]));
    }
}

static void execute(const struct execute_options *options, uint32_t steps, struct text *out)
{
    enum execute_state state = EXECUTE_MORE;
    struct execution *execution = execute_new(options);

    CHECK(execution != NULL);
    while (state == EXECUTE_MORE)
        state = execute_run(execution, steps);
    CHECK(state == EXECUTE_DONE);
    CHECK(!execute_has_errors(execution));
    execute_write(execution, out);
    text_add(out, "}", 1);
    execute_free(execution);
}

static void check_equal(const struct text *a, const struct text *b)
{
    CHECK(text_is_whole(a));
    CHECK(text_is_whole(b));
    CHECK(a->size == b->size);
    CHECK(memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* The query is valid in every schema; its answer is JSON, in steps or not. */
static void introspect(const struct schema *schema, struct text *out)
{
    const struct document_cache_options cache_options = {
        .schema = schema,
        .limits = {.source_bytes_max = 1 << 16, .token_count_max = 1000, .depth_max = 50},
        .count_max = 1,
        .bytes_max = 1 << 20,
    };
    const struct limits limits = {.list_items_max = UINT32_MAX};
    struct execute_options options = {.schema = schema, .limits = &limits};
    const struct document *document;
    struct document_cache *cache;
    struct coerce_variables variables = {0};
    struct text in_steps = {0};
    struct json_error error;

    CHECK(document_cache_open(&cache_options, &cache) == 0);
    document = document_get(cache, introspection, sizeof introspection - 1);
    CHECK(document != NULL);
    CHECK(document->errors->count == 0);
    options.document = document->tree;
    options.operation = document->tree->definitions;
    variables.operation = options.operation; /* which has none */
    options.variables = &variables;
    execute(&options, UINT32_MAX, out);
    execute(&options, 1, &in_steps);
    check_equal(out, &in_steps);
    CHECK(json_compact(in_steps.bytes, in_steps.size, in_steps.bytes, &error) ==
          (ptrdiff_t)out->size);
    text_done(&in_steps);
    document_unref(document);
    document_cache_close(cache);
}

/* printSchema leaves those of arguments out (if none of them has more to say). */
static bool has_empty_description(const struct schema_input *arguments, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (arguments[i].description != NULL && arguments[i].description->size == 0)
            return true;
    }
    return false;
}

/* Whether the printed SDL says all: the definition of what is standard is not in it. */
static bool is_printed_whole(const struct schema *schema)
{
    static const char *const standard[] = {"include", "skip", "deprecated", "specifiedBy"};

    for (uint32_t i = 0; i < schema->directive_count; i++) {
        const struct schema_directive *directive = schema->directives[i];

        if (has_empty_description(directive->arguments, directive->argument_count))
            return false;
        for (size_t j = 0; j < sizeof standard / sizeof *standard; j++) {
            if (!directive->is_built_in && ast_text_is(directive->name, standard[j]))
                return false;
        }
    }
    for (uint32_t i = 0; i < schema->type_count; i++) {
        for (uint32_t j = 0; j < schema->types[i]->field_count; j++) {
            const struct schema_field *field = &schema->types[i]->fields[j];

            if (has_empty_description(field->arguments, field->argument_count))
                return false;
        }
    }
    for (const struct ast_definition *definition = schema->document->definitions;
         definition != NULL; definition = definition->next) {
        if (definition->node.kind != AST_SCHEMA &&
            definition->node.kind != AST_DIRECTIVE_DEFINITION &&
            schema_find_type(schema, definition->name.text)->is_built_in)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema *schema = build((const char *)data, size);
    struct text first = {0};
    struct text second = {0};
    struct text first_answer = {0};
    struct text second_answer = {0};
    bool is_whole;

    if (schema == NULL)
        return 0;
    check_schema(schema);
    introspect(schema, &first_answer);
    is_whole = is_printed_whole(schema);
    schema_print(schema, &first);
    CHECK(text_is_whole(&first));
    schema_free(schema);

    schema = build(first.bytes, first.size);
    CHECK(schema != NULL);
    schema_print(schema, &second);
    check_equal(&first, &second);
    introspect(schema, &second_answer);
    if (is_whole)
        check_equal(&first_answer, &second_answer);
    schema_free(schema);
    text_done(&first);
    text_done(&second);
    text_done(&first_answer);
    text_done(&second_answer);
    return 0;
}
