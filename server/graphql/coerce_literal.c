/* Literals into values, as graphql-js's valueFromAST has it; the rest of coerce.h is in coerce.c. */
#include "server/graphql/coerce.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "server/graphql/region.h"
#include "server/json/text.h"

enum {
    NUMBER_BYTES = 400, /* more digits tell nothing about a double */
};

/* What one call of coerce_literal hands down. */
struct literal_context {
    const struct coerce_variables *variables; /* NULL: none */
    struct region *region;
};

static bool coerce_any(const struct literal_context *context, const struct ast_value *literal,
                       const struct schema_ref *type, struct value *ret_value);

const struct value *coerce_variable(const struct coerce_variables *variables, struct ast_text name)
{
    return name_map_find(&variables->names, name);
}

/* The value of a variable that was given; NULL: none was. */
static const struct value *given_variable(const struct literal_context *context,
                                          const struct ast_value *literal)
{
    const struct value *value =
        context->variables == NULL ? NULL : coerce_variable(context->variables, literal->text);

    return value == NULL || value->kind == VALUE_ABSENT ? NULL : value;
}

static bool is_missing(const struct literal_context *context, const struct ast_value *literal)
{
    return literal->node.kind == AST_VARIABLE && given_variable(context, literal) == NULL;
}

bool coerce_number(struct ast_text text, struct region *region, double *ret_number)
{
    char small[NUMBER_BYTES];
    char *copy = small;

    if (text.size >= sizeof small)
        copy = region_alloc(region, (size_t)text.size + 1);
    if (copy == NULL)
        return false;
    __builtin_memcpy(copy, text.bytes, text.size);
    copy[text.size] = '\0';
    *ret_number = strtod(copy, NULL);
    return true;
}

bool coerce_int32(struct ast_text digits, int32_t *ret_integer)
{
    bool is_negative = digits.size > 0 && digits.bytes[0] == '-';
    int64_t number = 0;

    for (uint32_t i = is_negative ? 1 : 0; i < digits.size; i++) {
        number = number * 10 + (digits.bytes[i] - '0');
        if (number > (int64_t)INT32_MAX + 1)
            return false;
    }
    number = is_negative ? -number : number;
    if (number > INT32_MAX)
        return false;
    *ret_integer = (int32_t)number;
    return true;
}

/*
 * A literal of a custom scalar as JSON. Recursion: as deep as the literal, which the parser bounds.
 */
static void write_untyped(const struct literal_context *context, const struct ast_value *literal,
                          struct text *out)
{
    const struct value *variable;
    const char *separator = "";

    switch ((int)literal->node.kind) {
    case AST_VARIABLE:
        variable = given_variable(context, literal);
        if (variable == NULL)
            text_add_string(out, "null");
        else
            value_write(variable, out);
        break;
    case AST_STRING:
    case AST_ENUM:
        text_add_quoted(out, literal->text.bytes, literal->text.size);
        break;
    case AST_BOOLEAN:
        text_add_string(out, literal->boolean ? "true" : "false");
        break;
    case AST_NULL:
        text_add_string(out, "null");
        break;
    case AST_LIST:
        text_add_string(out, "[");
        for (const struct ast_value *item = literal->items; item != NULL; item = item->next) {
            text_add_string(out, separator);
            write_untyped(context, item, out);
            separator = ",";
        }
        text_add_string(out, "]");
        break;
    case AST_OBJECT:
        text_add_string(out, "{");
        for (const struct ast_object_field *field = literal->fields; field != NULL;
             field = field->next) {
            if (is_missing(context, field->value))
                continue;
            text_add_string(out, separator);
            text_add_quoted(out, field->name.text.bytes, field->name.text.size);
            text_add_string(out, ":");
            write_untyped(context, field->value, out);
            separator = ",";
        }
        text_add_string(out, "}");
        break;
    default: /* numbers: both grammars have the same */
        text_add(out, literal->text.bytes, literal->text.size);
        break;
    }
}

static bool coerce_custom(const struct literal_context *context, const struct ast_value *literal,
                          struct value *ret_value)
{
    struct text json = {0};
    const char *copy = NULL;

    write_untyped(context, literal, &json);
    if (text_is_whole(&json) && json.size <= UINT32_MAX)
        copy = region_copy(context->region, json.bytes, json.size);
    else
        context->region->has_failed = true;
    if (copy != NULL)
        *ret_value = (struct value){.kind = VALUE_JSON, .text = {copy, (uint32_t)json.size}};
    text_done(&json);
    return copy != NULL;
}

static bool coerce_scalar(const struct literal_context *context, const struct ast_value *literal,
                          const struct schema_type *type, struct value *ret_value)
{
    enum ast_kind kind = literal->node.kind;

    switch (type->scalar) {
    case SCHEMA_CUSTOM:
        return coerce_custom(context, literal, ret_value);
    case SCHEMA_INT:
        ret_value->kind = VALUE_INT;
        return kind == AST_INT && coerce_int32(literal->text, &ret_value->integer);
    case SCHEMA_FLOAT:
        ret_value->kind = VALUE_FLOAT;
        return (kind == AST_INT || kind == AST_FLOAT) &&
               coerce_number(literal->text, context->region, &ret_value->number) &&
               isfinite(ret_value->number);
    case SCHEMA_BOOLEAN:
        *ret_value = (struct value){.kind = VALUE_BOOLEAN, .boolean = literal->boolean};
        return kind == AST_BOOLEAN;
    case SCHEMA_STRING:
    case SCHEMA_ID:
        *ret_value = (struct value){.kind = VALUE_STRING, .text = literal->text};
        return kind == AST_STRING || (kind == AST_INT && type->scalar == SCHEMA_ID);
    }
    return false;
}

static bool coerce_enum(const struct ast_value *literal, const struct schema_type *type,
                        struct value *ret_value)
{
    const struct schema_enum_value *value;

    if (literal->node.kind != AST_ENUM)
        return false;
    value = schema_find_value(type, literal->text);
    if (value == NULL)
        return false;
    *ret_value = (struct value){.kind = VALUE_ENUM, .text = value->name};
    return true;
}

static bool coerce_list(const struct literal_context *context, const struct ast_value *literal,
                        const struct schema_ref *item_type, struct value *ret_value)
{
    bool is_list = literal->node.kind == AST_LIST;
    uint32_t count = is_list ? literal->count : 1;
    const struct ast_value *item = is_list ? literal->items : literal;
    struct value *items = region_alloc(context->region, ((size_t)count + 1) * sizeof *items);

    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++, item = item->next) {
        if (is_list && is_missing(context, item)) {
            if (schema_ref_is_non_null(item_type))
                return false;
            items[i].kind = VALUE_NULL;
        } else if (!coerce_any(context, item, item_type, &items[i])) {
            return false;
        }
    }
    *ret_value = (struct value){.kind = VALUE_LIST, .list = {items, count}};
    return true;
}

static const struct ast_value *find_member(const struct ast_value *literal, struct ast_text name)
{
    for (const struct ast_object_field *field = literal->fields; field != NULL;
         field = field->next) {
        if (ast_text_equals(field->name.text, name))
            return field->value;
    }
    return NULL;
}

static bool coerce_object(const struct literal_context *context, const struct ast_value *literal,
                          const struct schema_type *type, struct value *ret_value)
{
    struct value *members;

    if (literal->node.kind != AST_OBJECT)
        return false;
    members = region_alloc(context->region, ((size_t)type->input_count + 1) * sizeof *members);
    if (members == NULL)
        return false;
    for (uint32_t i = 0; i < type->input_count; i++) {
        const struct schema_input *input = &type->inputs[i];
        const struct ast_value *given = find_member(literal, input->name);

        if (given != NULL && !is_missing(context, given)) {
            if (!coerce_any(context, given, input->type, &members[i]))
                return false;
        } else if (input->default_value != NULL) {
            members[i] = *input->default_value;
        } else if (schema_ref_is_non_null(input->type)) {
            return false;
        }
    }
    *ret_value = (struct value){.kind = VALUE_OBJECT, .object = {members, type}};
    return true;
}

/* Recursion: as deep as the literal and the wrappers of its type, which the parser bounds. */
static bool coerce_any(const struct literal_context *context, const struct ast_value *literal,
                       const struct schema_ref *type, struct value *ret_value)
{
    const struct schema_ref *nullable = schema_ref_nullable(type);

    if (literal->node.kind == AST_VARIABLE) {
        const struct value *variable = given_variable(context, literal);

        if (variable == NULL || (variable->kind == VALUE_NULL && schema_ref_is_non_null(type)))
            return false;
        *ret_value = *variable;
        return true;
    }
    if (literal->node.kind == AST_NULL) {
        *ret_value = (struct value){.kind = VALUE_NULL};
        return !schema_ref_is_non_null(type);
    }
    if (nullable->wrapper == SCHEMA_LIST)
        return coerce_list(context, literal, nullable->of, ret_value);
    switch (nullable->type->kind) {
    case SCHEMA_SCALAR:
        return coerce_scalar(context, literal, nullable->type, ret_value);
    case SCHEMA_ENUM:
        return coerce_enum(literal, nullable->type, ret_value);
    case SCHEMA_INPUT_OBJECT:
        return coerce_object(context, literal, nullable->type, ret_value);
    case SCHEMA_OBJECT:
    case SCHEMA_INTERFACE:
    case SCHEMA_UNION:
        break;
    }
    return false;
}

bool coerce_literal(const struct ast_value *literal, const struct schema_ref *type,
                    const struct coerce_variables *variables, struct region *region,
                    struct value *ret_value)
{
    struct literal_context context = {.variables = variables, .region = region};
    struct value value = {.kind = VALUE_ABSENT};

    if (!coerce_any(&context, literal, type, &value))
        return false;
    *ret_value = value;
    return true;
}
