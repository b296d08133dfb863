#include "server/graphql/literal.h"

#include "server/graphql/coerce.h"
#include "server/graphql/print.h"
#include "server/graphql/region.h"
#include "server/graphql/suggest.h"
#include "server/json/text.h"

static void add_error(const struct literal_place *place, const struct ast_node *node,
                      const char *message)
{
    struct graphql_error *error =
        graphql_errors_add(place->errors, GRAPHQL_VALIDATION_FAILED, "%s", message);

    graphql_error_locate(place->errors, error, place->document, node->at);
}

/* Ends a message that has been written to @out. */
static void add_written(const struct literal_place *place, const struct ast_node *node,
                        struct text *out)
{
    const char *message = NULL;

    if (text_is_whole(out))
        message = region_copy(place->region, out->bytes, out->size);
    else
        place->region->has_failed = true;
    if (message != NULL)
        add_error(place, node, message);
    text_done(out);
}

static void add_unexpected(const struct literal_place *place, const struct ast_value *literal,
                           const struct schema_ref *type)
{
    struct text out = {0};

    text_add_string(&out, "Expected value of type \"");
    schema_ref_print(type, &out);
    text_add_string(&out, "\", found ");
    print_value(literal, &out);
    text_add_string(&out, ".");
    add_written(place, &literal->node, &out);
}

/* @what: "Int cannot represent non-integer value: ", and then the literal. */
static void add_unfit(const struct literal_place *place, const struct ast_value *literal,
                      const char *what)
{
    struct text out = {0};

    text_add_string(&out, what);
    print_value(literal, &out);
    add_written(place, &literal->node, &out);
}

static void check_scalar(const struct literal_place *place, const struct ast_value *literal,
                         const struct schema_type *type)
{
    enum ast_kind kind = literal->node.kind;
    struct value value;
    int32_t integer;

    switch (type->scalar) {
    case SCHEMA_CUSTOM:
        break;
    case SCHEMA_INT:
        if (kind != AST_INT)
            add_unfit(place, literal, "Int cannot represent non-integer value: ");
        else if (!coerce_int32(literal->text, &integer))
            add_unfit(place, literal, "Int cannot represent non 32-bit signed integer value: ");
        break;
    case SCHEMA_FLOAT:
        if (!coerce_literal(literal, &type->ref, NULL, place->region, &value) &&
            !place->region->has_failed)
            add_unfit(place, literal, "Float cannot represent non numeric value: ");
        break;
    case SCHEMA_STRING:
        if (kind != AST_STRING)
            add_unfit(place, literal, "String cannot represent a non string value: ");
        break;
    case SCHEMA_BOOLEAN:
        if (kind != AST_BOOLEAN)
            add_unfit(place, literal, "Boolean cannot represent a non boolean value: ");
        break;
    case SCHEMA_ID:
        if (kind != AST_STRING && kind != AST_INT)
            add_unfit(place, literal, "ID cannot represent a non-string and non-integer value: ");
        break;
    }
}

static void check_enum(const struct literal_place *place, const struct ast_value *literal,
                       const struct schema_type *type)
{
    bool is_name = literal->node.kind == AST_ENUM;
    struct suggest suggest;
    struct text printed = {0};
    struct text out = {0};
    int name_bytes = (int)type->name.size;

    if (is_name && schema_find_value(type, literal->text) != NULL)
        return;
    if (place->errors->has_overflown)
        return;
    print_value(literal, &printed);
    place->region->has_failed |= !text_is_whole(&printed);
    if (is_name)
        text_printf(&out, "Value \"%.*s\" does not exist in \"%.*s\" enum.", (int)printed.size,
                    printed.bytes, name_bytes, type->name.bytes);
    else
        text_printf(&out, "Enum \"%.*s\" cannot represent non-enum value: %.*s.", name_bytes,
                    type->name.bytes, (int)printed.size, printed.bytes);
    suggest_begin(&suggest, (struct ast_text){printed.bytes, (uint32_t)printed.size},
                  place->region);
    suggest_hide(&suggest, place->schema);
    for (uint32_t i = 0; i < type->value_count; i++)
        suggest_offer(&suggest, type->values[i].name);
    text_add_string(&out, suggest_end(&suggest, "the enum value"));
    add_written(place, &literal->node, &out);
    text_done(&printed);
}

/* A literal that is no null, or stands where only a list would let it in. */
static void check_leaf(const struct literal_place *place, const struct ast_value *literal,
                       const struct schema_ref *type)
{
    const struct schema_type *named = schema_ref_named(type);

    if (named->kind == SCHEMA_SCALAR)
        check_scalar(place, literal, named);
    else if (named->kind == SCHEMA_ENUM)
        check_enum(place, literal, named);
    else
        add_unexpected(place, literal, type);
}

static void check_required(const struct literal_place *place, const struct ast_value *literal,
                           const struct schema_type *type)
{
    for (uint32_t i = 0; i < type->input_count; i++) {
        const struct schema_input *input = &type->inputs[i];
        const struct ast_object_field *field = literal->fields;
        struct text out = {0};

        if (!schema_input_is_required(input))
            continue;
        while (field != NULL && !ast_text_equals(field->name.text, input->name))
            field = field->next;
        if (field != NULL)
            continue;
        text_printf(&out, "Field \"%.*s.%.*s\" of required type \"", (int)type->name.size,
                    type->name.bytes, (int)input->name.size, input->name.bytes);
        schema_ref_print(input->type, &out);
        text_add_string(&out, "\" was not provided.");
        add_written(place, &literal->node, &out);
    }
}

bool literal_check_node(const struct literal_place *place, const struct ast_value *literal,
                        const struct schema_ref *type)
{
    const struct schema_ref *nullable;

    if (type == NULL || literal->node.kind == AST_VARIABLE)
        return false;
    nullable = schema_ref_nullable(type);
    if (literal->node.kind == AST_NULL) {
        if (schema_ref_is_non_null(type))
            add_unexpected(place, literal, type);
        return false;
    }
    if (literal->node.kind == AST_LIST) {
        if (nullable->wrapper == SCHEMA_LIST)
            return true;
        check_leaf(place, literal, nullable);
        return false;
    }
    if (literal->node.kind == AST_OBJECT && schema_ref_named(type)->kind == SCHEMA_INPUT_OBJECT) {
        check_required(place, literal, schema_ref_named(type));
        return true;
    }
    check_leaf(place, literal, type);
    return false;
}

const struct schema_ref *literal_item_type(const struct schema_ref *type)
{
    const struct schema_ref *nullable = type == NULL ? NULL : schema_ref_nullable(type);

    return nullable != NULL && nullable->wrapper == SCHEMA_LIST ? nullable->of : nullable;
}

const struct schema_ref *literal_check_field(const struct literal_place *place,
                                             const struct ast_object_field *field,
                                             const struct schema_ref *type)
{
    const struct schema_type *named = type == NULL ? NULL : schema_ref_named(type);
    const struct schema_input *input;
    struct suggest suggest;
    struct text out = {0};

    if (named == NULL || named->kind != SCHEMA_INPUT_OBJECT)
        return NULL;
    input = schema_find_input(named->inputs, named->input_count, field->name.text);
    if (input != NULL)
        return input->type;
    if (place->errors->has_overflown)
        return NULL;
    text_printf(&out, "Field \"%.*s\" is not defined by type \"%.*s\".", (int)field->name.text.size,
                field->name.text.bytes, (int)named->name.size, named->name.bytes);
    suggest_begin(&suggest, field->name.text, place->region);
    suggest_hide(&suggest, place->schema);
    for (uint32_t i = 0; i < named->input_count; i++)
        suggest_offer(&suggest, named->inputs[i].name);
    text_add_string(&out, suggest_end(&suggest, NULL));
    add_written(place, &field->node, &out);
    return NULL;
}

void literal_check(const struct literal_place *place, const struct ast_value *literal,
                   const struct schema_ref *type)
{
    if (!literal_check_node(place, literal, type))
        return;
    for (const struct ast_value *item = literal->items; item != NULL; item = item->next)
        literal_check(place, item, literal_item_type(type));
    for (const struct ast_object_field *field = literal->fields; field != NULL; field = field->next)
        literal_check(place, field->value, literal_check_field(place, field, type));
}
