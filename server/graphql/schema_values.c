/*
 * Literals in SDL against their types, which graphql-js leaves until they are used; then defaults
 * become values. A default may leave out fields that have defaults of their own, so these come
 * first, wherever they are.
 */
#include "server/graphql/schema_build.h"

#include "bus/check.h"
#include "server/graphql/coerce.h"
#include "server/graphql/literal.h"
#include "server/graphql/value.h"

struct values_check {
    struct schema_builder *builder;
    struct literal_place place;
};

/* Stand for default_value while it is being made, and when it cannot be. */
static const struct value in_progress = {.kind = VALUE_ABSENT};
static const struct value failed = {.kind = VALUE_ABSENT};

static void check_applied(const struct values_check *check, const struct ast_directive *directives)
{
    for (; directives != NULL; directives = directives->next) {
        const struct schema_directive *directive =
            names_find(&check->builder->tables->directives, NULL, directives->name.text);

        for (const struct ast_argument *argument = directives->arguments;
             directive != NULL && argument != NULL; argument = argument->next) {
            const struct schema_input *input = schema_find_input(
                directive->arguments, directive->argument_count, argument->name.text);

            if (input != NULL && input->type != NULL &&
                schema_is_input(schema_ref_named(input->type)))
                literal_check(&check->place, argument->value, input->type);
        }
    }
}

static void check_applied_to_inputs(const struct values_check *check,
                                    const struct ast_input_value *inputs)
{
    for (; inputs != NULL; inputs = inputs->next)
        check_applied(check, inputs->directives);
}

static void check_all_applied(const struct values_check *check)
{
    for (const struct ast_definition *definition = check->builder->document->definitions;
         definition != NULL; definition = definition->next) {
        check_applied(check, definition->directives);
        for (const struct ast_enum_value *value = definition->values; value != NULL;
             value = value->next)
            check_applied(check, value->directives);
        for (const struct ast_field_definition *field = definition->fields; field != NULL;
             field = field->next) {
            check_applied_to_inputs(check, field->arguments);
            check_applied(check, field->directives);
        }
        check_applied_to_inputs(check, definition->input_values);
    }
}

static void check_default(struct values_check *check, const struct schema_type *owner,
                          struct schema_input *input)
{
    (void)owner; /* says nothing here */
    if (input->default_literal != NULL && input->type != NULL &&
        schema_is_input(schema_ref_named(input->type)))
        literal_check(&check->place, input->default_literal, input->type);
}

/* Takes from @budget what a value is made of. False: it is too large, or too deep. */
static bool weigh(const struct value *value, uint32_t depth, uint32_t *budget)
{
    const struct value *parts = NULL;
    uint32_t count = 0;

    if (*budget == 0 || depth > SCHEMA_DEFAULT_DEPTH_MAX)
        return false;
    (*budget)--;
    if (value->kind == VALUE_LIST) {
        parts = value->list.items;
        count = value->list.count;
    } else if (value->kind == VALUE_OBJECT) {
        parts = value->object.members;
        count = value->object.type->input_count;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!weigh(&parts[i], depth + 1, budget))
            return false;
    }
    return true;
}

static void report_too_large(struct values_check *check, const struct schema_type *owner,
                             const struct schema_input *input)
{
    struct ast_text type = owner == NULL ? (struct ast_text){"", 0} : owner->name;

    schema_locate(check->builder,
                  graphql_errors_add(check->builder->errors, GRAPHQL_LIMIT_EXCEEDED,
                                     "The default value of \"%.*s%s%.*s\" is too large: with the "
                                     "defaults of its fields it has more than %d values, or more "
                                     "than %d in one another.",
                                     NAME(type), type.size > 0 ? "." : "", NAME(input->name),
                                     SCHEMA_DEFAULT_VALUES_MAX, SCHEMA_DEFAULT_DEPTH_MAX),
                  input->definition->node.at);
}

static void make_value(struct values_check *check, const struct schema_type *owner,
                       struct schema_input *input)
{
    struct region *region = &check->builder->schema->region;
    struct value *value = region_alloc(region, sizeof *value);
    uint32_t budget = SCHEMA_DEFAULT_VALUES_MAX;

    input->default_value = &failed;
    if (value == NULL || !coerce_literal(input->default_literal, input->type, NULL, region, value))
        return; /* no memory, or a literal that has been reported */
    if (weigh(value, 0, &budget))
        input->default_value = value;
    else
        report_too_large(check, owner, input);
}

static bool settle_literal(struct values_check *check, const struct ast_value *literal,
                           const struct schema_ref *type, uint32_t depth);

/* @owner: the input object whose field it is; NULL for arguments, which nothing leads back to. */
static bool settle(struct values_check *check, const struct schema_type *owner,
                   struct schema_input *input, uint32_t depth)
{
    if (input->default_literal == NULL)
        return true;
    if (input->default_value == &in_progress) {
        CHECK(owner != NULL);
        schema_locate(check->builder,
                      REPORT(check->builder,
                             "Invalid circular reference. The default value of Input Object field "
                             "%.*s.%.*s references itself.",
                             NAME(owner->name), NAME(input->name)),
                      input->definition->node.at);
        return false;
    }
    if (input->default_value != NULL)
        return input->default_value != &failed;
    if (depth > SCHEMA_DEFAULT_DEPTH_MAX) {
        report_too_large(check, owner, input);
        return false;
    }
    input->default_value = &in_progress;
    if (settle_literal(check, input->default_literal, input->type, depth + 1))
        make_value(check, owner, input);
    else
        input->default_value = &failed;
    return input->default_value != &failed;
}

static bool has_field(const struct ast_value *literal, struct ast_text name)
{
    for (const struct ast_object_field *field = literal->fields; field != NULL;
         field = field->next) {
        if (ast_text_equals(field->name.text, name))
            return true;
    }
    return false;
}

/*
 * Settles the defaults that a literal calls in. Recursion: @depth counts literals and defaults in
 * one another; a literal alone is less deep than the limit.
 */
static bool settle_literal(struct values_check *check, const struct ast_value *literal,
                           const struct schema_ref *type, uint32_t depth)
{
    const struct schema_type *named = schema_ref_named(type);
    bool is_settled = true;

    if (named->kind != SCHEMA_INPUT_OBJECT)
        return true;
    for (const struct ast_value *item = literal->items; item != NULL; item = item->next)
        is_settled &= settle_literal(check, item, literal_item_type(type), depth + 1);
    if (literal->node.kind != AST_OBJECT)
        return is_settled;
    for (uint32_t i = 0; i < named->input_count; i++) {
        if (!has_field(literal, named->inputs[i].name))
            is_settled &= settle(check, named, &named->inputs[i], depth);
    }
    for (const struct ast_object_field *field = literal->fields; field != NULL;
         field = field->next) {
        const struct schema_input *input =
            schema_find_input(named->inputs, named->input_count, field->name.text);

        if (input != NULL)
            is_settled &= settle_literal(check, field->value, input->type, depth + 1);
    }
    return is_settled;
}

static void settle_default(struct values_check *check, const struct schema_type *owner,
                           struct schema_input *input)
{
    (void)settle(check, owner, input, 0); /* what it reports is what counts */
}

/* Calls @judge for every argument and input field. */
static void for_each_input(struct values_check *check, bool with_built_in,
                           void (*judge)(struct values_check *, const struct schema_type *,
                                         struct schema_input *))
{
    const struct schema *schema = check->builder->schema;

    for (uint32_t i = 0; i < schema->directive_count; i++) {
        const struct schema_directive *directive = schema->directives[i];

        for (uint32_t j = 0; j < directive->argument_count; j++) {
            if (with_built_in || !directive->is_built_in)
                judge(check, NULL, &directive->arguments[j]);
        }
    }
    for (uint32_t i = 0; i < schema->type_count; i++) {
        const struct schema_type *type = schema->types[i];

        if (type->is_built_in && !with_built_in)
            continue;
        for (uint32_t j = 0; j < type->input_count; j++)
            judge(check, type, &type->inputs[j]);
        for (uint32_t j = 0; j < type->field_count; j++) {
            for (uint32_t k = 0; k < type->fields[j].argument_count; k++)
                judge(check, NULL, &type->fields[j].arguments[k]);
        }
    }
}

void schema_check_values(struct schema_builder *builder)
{
    struct values_check check = {
        .builder = builder,
        .place = {.schema = builder->schema,
                  .document = builder->document,
                  .region = &builder->scratch,
                  .errors = builder->errors},
    };

    check_all_applied(&check);
    for_each_input(&check, false, check_default);
    if (builder->errors->count > builder->error_count_before)
        return; /* no schema will be made: no defaults needed */
    for_each_input(&check, true, settle_default);
}
