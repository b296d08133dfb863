/*
 * Objects that these resolvers hand on: a struct schema for __Schema, a struct schema_ref for __Type
 * (so that wrappers are types, too), and what their names say for the rest.
 */
#include "server/graphql/introspect.h"

#include <stddef.h>

#include "bus/check.h"
#include "server/graphql/execute.h"
#include "server/graphql/schema_build.h"
#include "server/graphql/value.h"
#include "server/json/text.h"

/*
 * Weak, so that a program which only checks schemas and documents links no executor: nothing calls
 * a resolver there. Whoever executes has it.
 */
#pragma weak execute_answer

static void answer_null(const struct execute_call *call)
{
    const struct execute_result result = {.kind = EXECUTE_NULL};

    execute_answer(call->execution, &result);
}

static void answer_boolean(const struct execute_call *call, bool boolean)
{
    const struct execute_result result = {.kind = EXECUTE_BOOLEAN, .boolean = boolean};

    execute_answer(call->execution, &result);
}

/* NULL: null. */
static void answer_text(const struct execute_call *call, const struct ast_text *text)
{
    struct execute_result result = {.kind = EXECUTE_STRING};

    if (text == NULL) {
        answer_null(call);
        return;
    }
    result.text = *text;
    execute_answer(call->execution, &result);
}

static void answer_word(const struct execute_call *call, const char *word)
{
    const struct ast_text text = {word, (uint32_t)__builtin_strlen(word)};

    answer_text(call, &text);
}

/* NULL: null. */
static void answer_object(const struct execute_call *call, const void *object)
{
    struct execute_result result = {.kind = EXECUTE_OBJECT};

    if (object == NULL) {
        answer_null(call);
        return;
    }
    result.object.object = object;
    execute_answer(call->execution, &result);
}

/* A list that is still being made. */
struct list {
    const struct execute_call *call;
    struct execute_result *items; /* NULL: no memory */
    uint32_t count;
};

static struct list list_begin(const struct execute_call *call, uint32_t count_max)
{
    size_t bytes = ((size_t)count_max + 1) * sizeof(struct execute_result);

    return (struct list){.call = call, .items = region_alloc(call->region, bytes)};
}

static void list_add(struct list *list, const void *object)
{
    struct execute_result *item;

    if (list->items == NULL)
        return;
    item = &list->items[list->count++];
    item->kind = EXECUTE_OBJECT;
    item->object.object = object;
}

static void list_answer(const struct list *list)
{
    struct execute_result result = {.kind = EXECUTE_LIST};

    if (list->items == NULL) {
        result.kind = EXECUTE_ERROR;
        result.error.message = "Out of memory.";
        result.error.code = GRAPHQL_INTERNAL;
    } else {
        result.list.items = list->items;
        result.list.count = list->count;
    }
    execute_answer(list->call->execution, &result);
}

/* The only argument that introspection fields have is includeDeprecated. */
static bool with_deprecated(const struct execute_call *call)
{
    return call->arguments[0].kind == VALUE_BOOLEAN && call->arguments[0].boolean;
}

static void answer_inputs(const struct execute_call *call, const struct schema_input *inputs,
                          uint32_t count)
{
    struct list list = list_begin(call, count);

    for (uint32_t i = 0; i < count; i++) {
        if (with_deprecated(call) || inputs[i].deprecation_reason == NULL)
            list_add(&list, &inputs[i]);
    }
    list_answer(&list);
}

static void answer_types(const struct execute_call *call, const struct schema_type *const *types,
                         uint32_t count)
{
    struct list list = list_begin(call, count);

    for (uint32_t i = 0; i < count; i++)
        list_add(&list, &types[i]->ref);
    list_answer(&list);
}

static void resolve_schema(struct execute_call *call)
{
    answer_object(call, call->field->user);
}

static void resolve_type_by_name(struct execute_call *call)
{
    const struct schema *schema = call->field->user;
    const struct schema_type *type = schema_find_type(schema, call->arguments[0].text);

    answer_object(call, type == NULL ? NULL : &type->ref);
}

static void resolve_typename(struct execute_call *call)
{
    answer_text(call, &call->parent_type->name);
}

static void resolve_schema_description(struct execute_call *call)
{
    const struct schema *schema = call->object;

    answer_text(call, schema->description);
}

static void resolve_schema_types(struct execute_call *call)
{
    const struct schema *schema = call->object;
    struct list list = list_begin(call, schema->type_count);

    for (uint32_t i = 0; i < schema->type_count; i++)
        list_add(&list, &schema->types[i]->ref);
    list_answer(&list);
}

static void answer_root(const struct execute_call *call, enum ast_operation_kind operation)
{
    const struct schema *schema = call->object;
    const struct schema_type *type = schema->roots[operation];

    answer_object(call, type == NULL ? NULL : &type->ref);
}

static void resolve_query_type(struct execute_call *call)
{
    answer_root(call, AST_QUERY);
}

static void resolve_mutation_type(struct execute_call *call)
{
    answer_root(call, AST_MUTATION);
}

static void resolve_subscription_type(struct execute_call *call)
{
    answer_root(call, AST_SUBSCRIPTION);
}

static void resolve_directives(struct execute_call *call)
{
    const struct schema *schema = call->object;
    struct list list = list_begin(call, schema->directive_count);

    for (uint32_t i = 0; i < schema->directive_count; i++)
        list_add(&list, schema->directives[i]);
    list_answer(&list);
}

/* The named type that an object stands for; NULL: a wrapper. */
static const struct schema_type *named_of(const struct execute_call *call)
{
    const struct schema_ref *ref = call->object;

    return ref->wrapper == SCHEMA_NAMED ? ref->type : NULL;
}

static void resolve_type_kind(struct execute_call *call)
{
    static const char *const kinds[] = {
        [SCHEMA_SCALAR] = "SCALAR",       [SCHEMA_OBJECT] = "OBJECT",
        [SCHEMA_INTERFACE] = "INTERFACE", [SCHEMA_UNION] = "UNION",
        [SCHEMA_ENUM] = "ENUM",           [SCHEMA_INPUT_OBJECT] = "INPUT_OBJECT",
    };
    const struct schema_ref *ref = call->object;

    if (ref->wrapper == SCHEMA_NAMED)
        answer_word(call, kinds[ref->type->kind]);
    else
        answer_word(call, ref->wrapper == SCHEMA_LIST ? "LIST" : "NON_NULL");
}

static void resolve_type_name(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    answer_text(call, type == NULL ? NULL : &type->name);
}

static void resolve_type_description(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    answer_text(call, type == NULL ? NULL : type->description);
}

static void resolve_specified_by(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    answer_text(call, type == NULL ? NULL : type->specified_by);
}

static bool has_fields(const struct schema_type *type)
{
    return type != NULL && (type->kind == SCHEMA_OBJECT || type->kind == SCHEMA_INTERFACE);
}

static void resolve_fields(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);
    struct list list;

    if (!has_fields(type)) {
        answer_null(call);
        return;
    }
    list = list_begin(call, type->field_count);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (with_deprecated(call) || type->fields[i].deprecation_reason == NULL)
            list_add(&list, &type->fields[i]);
    }
    list_answer(&list);
}

static void resolve_interfaces(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    if (has_fields(type))
        answer_types(call, type->interfaces, type->interface_count);
    else
        answer_null(call);
}

static void resolve_possible_types(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    if (type != NULL && (type->kind == SCHEMA_INTERFACE || type->kind == SCHEMA_UNION))
        answer_types(call, type->possible, type->possible_count);
    else
        answer_null(call);
}

static void resolve_enum_values(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);
    struct list list;

    if (type == NULL || type->kind != SCHEMA_ENUM) {
        answer_null(call);
        return;
    }
    list = list_begin(call, type->value_count);
    for (uint32_t i = 0; i < type->value_count; i++) {
        if (with_deprecated(call) || type->values[i].deprecation_reason == NULL)
            list_add(&list, &type->values[i]);
    }
    list_answer(&list);
}

static void resolve_input_fields(struct execute_call *call)
{
    const struct schema_type *type = named_of(call);

    if (type != NULL && type->kind == SCHEMA_INPUT_OBJECT)
        answer_inputs(call, type->inputs, type->input_count);
    else
        answer_null(call);
}

static void resolve_of_type(struct execute_call *call)
{
    const struct schema_ref *ref = call->object;

    answer_object(call, ref->wrapper == SCHEMA_NAMED ? NULL : ref->of);
}

static void resolve_field_name(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_text(call, &field->name);
}

static void resolve_field_description(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_text(call, field->description);
}

static void resolve_field_arguments(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_inputs(call, field->arguments, field->argument_count);
}

static void resolve_field_type(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_object(call, field->type);
}

static void resolve_field_deprecated(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_boolean(call, field->deprecation_reason != NULL);
}

static void resolve_field_reason(struct execute_call *call)
{
    const struct schema_field *field = call->object;

    answer_text(call, field->deprecation_reason);
}

static void resolve_input_name(struct execute_call *call)
{
    const struct schema_input *input = call->object;

    answer_text(call, &input->name);
}

static void resolve_input_description(struct execute_call *call)
{
    const struct schema_input *input = call->object;

    answer_text(call, input->description);
}

static void resolve_input_type(struct execute_call *call)
{
    const struct schema_input *input = call->object;

    answer_object(call, input->type);
}

static void resolve_input_default(struct execute_call *call)
{
    const struct schema_input *input = call->object;
    struct text out = {0};
    struct ast_text text;

    if (input->default_value == NULL) {
        answer_null(call);
        return;
    }
    schema_print_default(input, &out);
    text.bytes = text_is_whole(&out) ? region_copy(call->region, out.bytes, out.size) : NULL;
    text.size = (uint32_t)out.size;
    text_done(&out);
    if (text.bytes != NULL)
        answer_text(call, &text);
    else
        list_answer(&(struct list){.call = call}); /* no memory */
}

static void resolve_input_deprecated(struct execute_call *call)
{
    const struct schema_input *input = call->object;

    answer_boolean(call, input->deprecation_reason != NULL);
}

static void resolve_input_reason(struct execute_call *call)
{
    const struct schema_input *input = call->object;

    answer_text(call, input->deprecation_reason);
}

static void resolve_value_name(struct execute_call *call)
{
    const struct schema_enum_value *value = call->object;

    answer_text(call, &value->name);
}

static void resolve_value_description(struct execute_call *call)
{
    const struct schema_enum_value *value = call->object;

    answer_text(call, value->description);
}

static void resolve_value_deprecated(struct execute_call *call)
{
    const struct schema_enum_value *value = call->object;

    answer_boolean(call, value->deprecation_reason != NULL);
}

static void resolve_value_reason(struct execute_call *call)
{
    const struct schema_enum_value *value = call->object;

    answer_text(call, value->deprecation_reason);
}

static void resolve_directive_name(struct execute_call *call)
{
    const struct schema_directive *directive = call->object;

    answer_text(call, &directive->name);
}

static void resolve_directive_description(struct execute_call *call)
{
    const struct schema_directive *directive = call->object;

    answer_text(call, directive->description);
}

static void resolve_repeatable(struct execute_call *call)
{
    const struct schema_directive *directive = call->object;

    answer_boolean(call, directive->is_repeatable);
}

static void resolve_locations(struct execute_call *call)
{
    const struct schema_directive *directive = call->object;
    const struct ast_definition *definition = directive->definition;
    struct list list = list_begin(call, definition->location_count);

    for (uint32_t i = 0; list.items != NULL && i < definition->location_count; i++) {
        list.items[list.count].kind = EXECUTE_STRING;
        list.items[list.count++].text = definition->locations[i].text;
    }
    list_answer(&list);
}

static void resolve_directive_arguments(struct execute_call *call)
{
    const struct schema_directive *directive = call->object;

    answer_inputs(call, directive->arguments, directive->argument_count);
}

static const struct {
    const char *type;
    const char *field;
    schema_resolve_function *resolve;
} resolvers[] = {
    {"__Schema", "description", resolve_schema_description},
    {"__Schema", "types", resolve_schema_types},
    {"__Schema", "queryType", resolve_query_type},
    {"__Schema", "mutationType", resolve_mutation_type},
    {"__Schema", "subscriptionType", resolve_subscription_type},
    {"__Schema", "directives", resolve_directives},
    {"__Directive", "name", resolve_directive_name},
    {"__Directive", "description", resolve_directive_description},
    {"__Directive", "isRepeatable", resolve_repeatable},
    {"__Directive", "locations", resolve_locations},
    {"__Directive", "args", resolve_directive_arguments},
    {"__Type", "kind", resolve_type_kind},
    {"__Type", "name", resolve_type_name},
    {"__Type", "description", resolve_type_description},
    {"__Type", "specifiedByURL", resolve_specified_by},
    {"__Type", "fields", resolve_fields},
    {"__Type", "interfaces", resolve_interfaces},
    {"__Type", "possibleTypes", resolve_possible_types},
    {"__Type", "enumValues", resolve_enum_values},
    {"__Type", "inputFields", resolve_input_fields},
    {"__Type", "ofType", resolve_of_type},
    {"__Field", "name", resolve_field_name},
    {"__Field", "description", resolve_field_description},
    {"__Field", "args", resolve_field_arguments},
    {"__Field", "type", resolve_field_type},
    {"__Field", "isDeprecated", resolve_field_deprecated},
    {"__Field", "deprecationReason", resolve_field_reason},
    {"__InputValue", "name", resolve_input_name},
    {"__InputValue", "description", resolve_input_description},
    {"__InputValue", "type", resolve_input_type},
    {"__InputValue", "defaultValue", resolve_input_default},
    {"__InputValue", "isDeprecated", resolve_input_deprecated},
    {"__InputValue", "deprecationReason", resolve_input_reason},
    {"__EnumValue", "name", resolve_value_name},
    {"__EnumValue", "description", resolve_value_description},
    {"__EnumValue", "isDeprecated", resolve_value_deprecated},
    {"__EnumValue", "deprecationReason", resolve_value_reason},
};

static struct ast_text to_text(const char *word)
{
    return (struct ast_text){word, (uint32_t)__builtin_strlen(word)};
}

void introspect_bind(struct schema *schema)
{
    static schema_resolve_function *const meta[SCHEMA_META_COUNT] = {
        [SCHEMA_META_SCHEMA] = resolve_schema,
        [SCHEMA_META_TYPE] = resolve_type_by_name,
        [SCHEMA_META_TYPENAME] = resolve_typename,
    };

    for (size_t i = 0; i < sizeof resolvers / sizeof *resolvers; i++) {
        const struct schema_type *type = schema_find_type(schema, to_text(resolvers[i].type));
        struct schema_field *field;

        CHECK(type != NULL);
        field = schema_find_field(schema, type, to_text(resolvers[i].field));
        CHECK(field != NULL);
        field->resolve = resolvers[i].resolve;
    }
    for (int i = 0; i < SCHEMA_META_COUNT; i++) {
        CHECK(schema->tables->meta[i] != NULL);
        schema->tables->meta[i]->resolve = meta[i];
        schema->tables->meta[i]->user = schema;
    }
}
