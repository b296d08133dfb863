/* A schema as SDL, as graphql-js's printSchema writes it: applied directives are not kept. */
#include "server/graphql/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/block_string.h"
#include "server/graphql/print.h"
#include "server/graphql/value.h"
#include "server/json/json.h"
#include "server/json/text.h"

enum {
    INDENT = 2,
    NUMBER_DIGITS_EXACT = 15, /* integers of so many digits are numbers in JavaScript, too */
};

static void add_text(struct text *out, struct ast_text text)
{
    text_add(out, text.bytes, text.size);
}

static void add_string(struct text *out, struct ast_text string)
{
    const struct ast_value value = {.node.kind = AST_STRING, .text = string};

    print_value(&value, out);
}

/* Whether it is an integer of the grammar. */
static bool is_integer(struct ast_text text)
{
    uint32_t first = text.size > 0 && text.bytes[0] == '-' ? 1 : 0;

    if (text.size == first || (text.bytes[first] == '0' && text.size > first + 1))
        return false;
    for (uint32_t i = first; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
    }
    return true;
}

/*
 * A number of a custom scalar: as JavaScript writes it, unless it would lose digits of an integer or
 * all of the number.
 */
static void print_json_number(struct ast_text number, struct text *out)
{
    char *copy;
    double value;

    if (is_integer(number) && number.size > NUMBER_DIGITS_EXACT) {
        add_text(out, number);
        return;
    }
    copy = strndup(number.bytes, number.size);
    if (copy == NULL) {
        out->has_failed = true;
        return;
    }
    value = strtod(copy, NULL);
    free(copy);
    if (isfinite(value))
        value_write_number(value, out);
    else
        add_text(out, number);
}

static void print_json_string(struct json_span string, struct text *out)
{
    struct text decoded = {0};
    char *bytes = text_reserve(&decoded, string.size);
    ptrdiff_t size = bytes == NULL ? -1 : json_string_decode(string, bytes, string.size);

    if (size < 0)
        out->has_failed = true;
    else
        add_string(out, (struct ast_text){bytes, (uint32_t)size});
    text_done(&decoded);
}

/* The length of the string, word or number at the begin of compact JSON. */
static size_t json_token_size(struct ast_text json)
{
    size_t size = 1;

    if (json.bytes[0] == '"') {
        while (json.bytes[size] != '"')
            size += json.bytes[size] == '\\' ? 2 : 1;
        return size + 1;
    }
    while (size < json.size && json.bytes[size] != ',' && json.bytes[size] != ']' &&
           json.bytes[size] != '}')
        size++;
    return size;
}

/* Compact JSON that was written from a literal, as a literal: keys are names without quotes. */
static void print_json(struct ast_text json, struct text *out)
{
    while (json.size > 0 && !out->has_failed) {
        size_t size = json_token_size(json);
        char first = json.bytes[0];

        if (first == '"' && size < json.size && json.bytes[size] == ':') {
            text_add(out, json.bytes + 1, size - 2);
            text_add_string(out, ": ");
            size++;
        } else if (first == '"') {
            print_json_string((struct json_span){json.bytes, size}, out);
        } else if (first == '-' || (first >= '0' && first <= '9')) {
            print_json_number((struct ast_text){json.bytes, (uint32_t)size}, out);
        } else if (first == ',') {
            text_add_string(out, ", ");
            size = 1;
        } else if (first == '{' || first == '[' || first == '}' || first == ']') {
            text_add(out, json.bytes, 1);
            size = 1;
        } else {
            text_add(out, json.bytes, size);
        }
        json.bytes += size;
        json.size -= (uint32_t)size;
    }
}

static void print_default(const struct value *value, const struct schema_type *type,
                          struct text *out);

static void print_members(const struct value *value, struct text *out)
{
    const struct schema_type *type = value->object.type;
    const char *separator = "";

    text_add_string(out, "{");
    for (uint32_t i = 0; i < type->input_count; i++) {
        if (value->object.members[i].kind == VALUE_ABSENT)
            continue;
        text_add_string(out, separator);
        add_text(out, type->inputs[i].name);
        text_add_string(out, ": ");
        print_default(&value->object.members[i], schema_ref_named(type->inputs[i].type), out);
        separator = ", ";
    }
    text_add_string(out, "}");
}

/* @type: without its wrappers. Recursion: SCHEMA_DEFAULT_DEPTH_MAX. */
static void print_default(const struct value *value, const struct schema_type *type,
                          struct text *out)
{
    switch (value->kind) {
    case VALUE_STRING:
        if (type->scalar == SCHEMA_ID && is_integer(value->text))
            add_text(out, value->text);
        else
            add_string(out, value->text);
        break;
    case VALUE_ENUM:
        add_text(out, value->text);
        break;
    case VALUE_LIST:
        text_add_string(out, "[");
        for (uint32_t i = 0; i < value->list.count; i++) {
            if (i > 0)
                text_add_string(out, ", ");
            print_default(&value->list.items[i], type, out);
        }
        text_add_string(out, "]");
        break;
    case VALUE_OBJECT:
        print_members(value, out);
        break;
    case VALUE_JSON:
        print_json(value->text, out);
        break;
    case VALUE_ABSENT:
    case VALUE_NULL:
    case VALUE_BOOLEAN:
    case VALUE_INT:
    case VALUE_FLOAT:
        value_write(value, out);
        break;
    }
}

void schema_print_default(const struct schema_input *input, struct text *out)
{
    CHECK(input->default_value != NULL);
    print_default(input->default_value, schema_ref_named(input->type), out);
}

static void add_spaces(struct text *out, uint32_t count)
{
    text_printf(out, "%*s", (int)count, "");
}

static void print_description(const struct ast_text *description, uint32_t indent, bool is_first,
                              struct text *out)
{
    if (description == NULL)
        return;
    if (indent > 0 && !is_first)
        text_add_string(out, "\n");
    add_spaces(out, indent);
    if (block_string_is_printable(*description))
        block_string_print(*description, indent, out);
    else
        add_string(out, *description);
    text_add_string(out, "\n");
}

static void print_deprecated(const struct ast_text *reason, struct text *out)
{
    if (reason == NULL)
        return;
    text_add_string(out, " @deprecated");
    if (ast_text_is(*reason, "No longer supported"))
        return;
    text_add_string(out, "(reason: ");
    add_string(out, *reason);
    text_add_string(out, ")");
}

static void print_input(const struct schema_input *input, struct text *out)
{
    add_text(out, input->name);
    text_add_string(out, ": ");
    schema_ref_print(input->type, out);
    if (input->default_value != NULL) {
        text_add_string(out, " = ");
        schema_print_default(input, out);
    }
    print_deprecated(input->deprecation_reason, out);
}

/* On one line, unless any of them is described. */
static void print_arguments(const struct schema_input *arguments, uint32_t count, uint32_t indent,
                            struct text *out)
{
    bool is_described = false;

    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        is_described |= arguments[i].description != NULL && arguments[i].description->size > 0;
    text_add_string(out, is_described ? "(\n" : "(");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text_add_string(out, is_described ? "\n" : ", ");
        if (is_described) {
            print_description(arguments[i].description, indent + INDENT, i == 0, out);
            add_spaces(out, indent + INDENT);
        }
        print_input(&arguments[i], out);
    }
    if (is_described) {
        text_add_string(out, "\n");
        add_spaces(out, indent);
    }
    text_add_string(out, ")");
}

static void print_interfaces(const struct schema_type *type, struct text *out)
{
    for (uint32_t i = 0; i < type->interface_count; i++) {
        text_add_string(out, i == 0 ? " implements " : " & ");
        add_text(out, type->interfaces[i]->name);
    }
}

static void print_fields(const struct schema_type *type, struct text *out)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];

        print_description(field->description, INDENT, i == 0, out);
        add_spaces(out, INDENT);
        add_text(out, field->name);
        print_arguments(field->arguments, field->argument_count, INDENT, out);
        text_add_string(out, ": ");
        schema_ref_print(field->type, out);
        print_deprecated(field->deprecation_reason, out);
        text_add_string(out, "\n");
    }
}

static void print_values(const struct schema_type *type, struct text *out)
{
    for (uint32_t i = 0; i < type->value_count; i++) {
        print_description(type->values[i].description, INDENT, i == 0, out);
        add_spaces(out, INDENT);
        add_text(out, type->values[i].name);
        print_deprecated(type->values[i].deprecation_reason, out);
        text_add_string(out, "\n");
    }
}

static void print_input_fields(const struct schema_type *type, struct text *out)
{
    for (uint32_t i = 0; i < type->input_count; i++) {
        print_description(type->inputs[i].description, INDENT, i == 0, out);
        add_spaces(out, INDENT);
        print_input(&type->inputs[i], out);
        text_add_string(out, "\n");
    }
}

static void print_head(const struct schema_type *type, struct text *out)
{
    static const char *const keywords[] = {
        [SCHEMA_SCALAR] = "scalar ", [SCHEMA_OBJECT] = "type ", [SCHEMA_INTERFACE] = "interface ",
        [SCHEMA_UNION] = "union ",   [SCHEMA_ENUM] = "enum ",   [SCHEMA_INPUT_OBJECT] = "input ",
    };

    print_description(type->description, 0, true, out);
    text_add_string(out, keywords[type->kind]);
    add_text(out, type->name);
}

static void print_type_definition(const struct schema_type *type, struct text *out)
{
    print_head(type, out);
    if (type->kind == SCHEMA_SCALAR) {
        if (type->specified_by != NULL) {
            text_add_string(out, " @specifiedBy(url: ");
            add_string(out, *type->specified_by);
            text_add_string(out, ")");
        }
        return;
    }
    if (type->kind == SCHEMA_UNION) {
        for (uint32_t i = 0; i < type->possible_count; i++) {
            text_add_string(out, i == 0 ? " = " : " | ");
            add_text(out, type->possible[i]->name);
        }
        return;
    }
    print_interfaces(type, out);
    text_add_string(out, " {\n");
    print_fields(type, out);
    print_values(type, out);
    print_input_fields(type, out);
    text_add_string(out, "}");
}

static void print_directive_definition(const struct schema_directive *directive, struct text *out)
{
    const struct ast_definition *definition = directive->definition;

    print_description(directive->description, 0, true, out);
    text_add_string(out, "directive @");
    add_text(out, directive->name);
    print_arguments(directive->arguments, directive->argument_count, 0, out);
    if (directive->is_repeatable)
        text_add_string(out, " repeatable");
    for (uint32_t i = 0; i < definition->location_count; i++) {
        text_add_string(out, i == 0 ? " on " : " | ");
        add_text(out, definition->locations[i].text);
    }
}

static const char *const operation_names[] = {
    [AST_QUERY] = "query", [AST_MUTATION] = "mutation", [AST_SUBSCRIPTION] = "subscription"};

/* Whether the roots are those that would be implied. */
static bool has_common_names(const struct schema *schema)
{
    static const char *const common[] = {
        [AST_QUERY] = "Query", [AST_MUTATION] = "Mutation", [AST_SUBSCRIPTION] = "Subscription"};

    for (int i = 0; i < 3; i++) {
        struct ast_text name = {common[i], (uint32_t)strlen(common[i])};

        if (schema->roots[i] != schema_find_type(schema, name))
            return false;
    }
    return true;
}

static void print_schema_definition(const struct schema *schema, struct text *out)
{
    if (schema->description == NULL && has_common_names(schema))
        return;
    print_description(schema->description, 0, true, out);
    text_add_string(out, "schema {\n");
    for (int i = 0; i < 3; i++) {
        if (schema->roots[i] != NULL)
            text_printf(out, "  %s: %.*s\n", operation_names[i], (int)schema->roots[i]->name.size,
                        schema->roots[i]->name.bytes);
    }
    text_add_string(out, "}");
}

/* The SDL may define these anew; they are left out by their names, as in graphql-js. */
static bool is_specified(const struct schema_directive *directive)
{
    return directive->is_built_in || ast_text_is(directive->name, "include") ||
           ast_text_is(directive->name, "skip") || ast_text_is(directive->name, "deprecated") ||
           ast_text_is(directive->name, "specifiedBy");
}

void schema_print(const struct schema *schema, struct text *out)
{
    size_t start = out->size;

    print_schema_definition(schema, out);
    for (uint32_t i = 0; i < schema->directive_count; i++) {
        if (is_specified(schema->directives[i]))
            continue;
        if (out->size > start)
            text_add_string(out, "\n\n");
        print_directive_definition(schema->directives[i], out);
    }
    for (uint32_t i = 0; i < schema->type_count; i++) {
        if (schema->types[i]->is_built_in)
            continue;
        if (out->size > start)
            text_add_string(out, "\n\n");
        print_type_definition(schema->types[i], out);
    }
}
