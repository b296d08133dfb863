/*
 * Schemas from any text: whatever is built prints as SDL from which the same schema is built again;
 * whatever is not built has errors that name places inside the text.
 */
#include <string.h>

#include "bus/check.h"
#include "server/graphql/errors.h"
#include "server/graphql/region.h"
#include "server/graphql/schema.h"
#include "server/graphql/value.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "tests/fuzz/target.h"

enum {
    ERRORS_BYTES_MAX = 64 * 1024 * 1024,
};

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema *schema = build((const char *)data, size);
    struct text first = {0};
    struct text second = {0};

    if (schema == NULL)
        return 0;
    check_schema(schema);
    schema_print(schema, &first);
    CHECK(text_is_whole(&first));
    schema_free(schema);

    schema = build(first.bytes, first.size);
    CHECK(schema != NULL);
    schema_print(schema, &second);
    CHECK(first.size == second.size);
    CHECK(memcmp(first.bytes, second.bytes, first.size) == 0);
    schema_free(schema);
    text_done(&first);
    text_done(&second);
    return 0;
}
