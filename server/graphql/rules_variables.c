/*
 * VariablesAreInputTypes, UniqueVariableNames, NoUndefinedVariables, NoUnusedVariables,
 * VariablesInAllowedPosition. The last three look at all usages that an operation leads to: its own,
 * then those in fragments.
 */
#include "server/graphql/validate_internal.h"

/* A variable of the operation. */
struct variable {
    const struct ast_variable_definition *definition;
    const struct schema_ref *type; /* NULL: unknown, or not asked for yet */
    bool is_used;
};

/* What the operation that is being left defines and uses. */
struct variable_uses {
    const struct ast_definition *operation;
    const struct validate_usages *own_usages;
    const struct validate_closure *closure;
    struct variable *variables;
    uint32_t variable_count;
    struct name_map
        names; /* to variables: the last of each name, for that is the one that counts */
};

void rule_variables_are_input_types(struct validate *validate, const struct ast_node *node)
{
    const struct ast_variable_definition *variable = (const struct ast_variable_definition *)node;
    const struct ast_type *named = variable->type;
    const struct schema_type *type;

    while (named->node.kind != AST_NAMED)
        named = named->of;
    type = schema_find_type(validate->schema, named->name);
    if (type == NULL || schema_is_input(type))
        return;
    validate_locate(validate,
                    REPORT(validate, "Variable \"$%.*s\" cannot be non-input type \"%s\".",
                           NAME(variable->name.text), validate_type_text(validate, variable->type)),
                    variable->type->node.at);
}

static uint32_t count_variables(const struct ast_definition *operation)
{
    uint32_t count = 0;

    for (const struct ast_variable_definition *variable = operation->variables; variable != NULL;
         variable = variable->next)
        count++;
    return count;
}

void rule_unique_variable_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *operation = (const struct ast_definition *)node;
    uint32_t count = count_variables(operation);
    struct validate_groups groups;
    struct ast_text *names;

    if (count < 2)
        return;
    names = region_alloc(&validate->scratch, count * sizeof *names);
    if (names == NULL)
        return;
    count = 0;
    for (const struct ast_variable_definition *variable = operation->variables; variable != NULL;
         variable = variable->next)
        names[count++] = variable->name.text;
    if (validate_names_group(names, count, &validate->scratch, &groups))
        validate_report_groups(validate, "There can be only one variable named \"$", names,
                               &groups);
}

static void begin_uses(struct validate *validate, const struct ast_definition *definition)
{
    struct validate_operation *operation = &validate->operations[validate->operation_index];
    struct variable_uses *uses = region_alloc(&validate->scratch, sizeof *uses);
    const struct validate_closure *closure = validate_usages_of(validate, operation);
    const struct ast_variable_definition *definitions = definition->variables;

    validate->variables = NULL;
    if (uses == NULL || closure == NULL)
        return;
    uses->operation = definition;
    uses->own_usages = &operation->usages;
    uses->closure = closure;
    name_map_init(&uses->names, &validate->scratch);
    uses->variable_count = count_variables(definition);
    uses->variables =
        region_alloc(&validate->scratch, uses->variable_count * sizeof *uses->variables);
    for (uint32_t i = 0; uses->variables != NULL && i < uses->variable_count; i++) {
        void **place = name_map_put(&uses->names, definitions->name.text);

        uses->variables[i].definition = definitions;
        if (place != NULL)
            *place = &uses->variables[i];
        definitions = definitions->next;
    }
    validate->variables = validate_is_over(validate) ? NULL : uses;
}

typedef void usage_function(struct validate *validate, const struct validate_usage *usage,
                            struct variable *variable);

static void for_all_in(struct validate *validate, const struct validate_usages *usages,
                       usage_function *on_usage)
{
    for (uint32_t i = 0; i < usages->count && !validate_is_over(validate); i++)
        on_usage(validate, &usages->items[i],
                 name_map_find(&validate->variables->names, usages->items[i].variable->text));
}

static void for_all_usages(struct validate *validate, usage_function *on_usage)
{
    const struct variable_uses *uses = validate->variables;

    if (uses == NULL)
        return;
    for_all_in(validate, uses->own_usages, on_usage);
    for (uint32_t i = 0; uses->closure->usage_count > 0 && i < uses->closure->count; i++)
        for_all_in(validate, &uses->closure->fragments[i]->usages, on_usage);
}

static void check_defined(struct validate *validate, const struct validate_usage *usage,
                          struct variable *variable)
{
    const struct ast_definition *operation = validate->variables->operation;
    struct graphql_error *error;

    if (variable != NULL) {
        variable->is_used = true;
        return;
    }
    if (operation->name.text.size > 0)
        error = REPORT(validate, "Variable \"$%.*s\" is not defined by operation \"%.*s\".",
                       NAME(usage->variable->text), NAME(operation->name.text));
    else
        error = REPORT(validate, "Variable \"$%.*s\" is not defined.", NAME(usage->variable->text));
    validate_locate(validate, error, usage->variable->node.at);
    validate_locate(validate, error, operation->node.at);
}

void rule_no_undefined_variables_leave(struct validate *validate, const struct ast_node *node)
{
    begin_uses(validate, (const struct ast_definition *)node);
    for_all_usages(validate, check_defined);
}

void rule_no_unused_variables_leave(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *operation = (const struct ast_definition *)node;
    const struct variable_uses *uses = validate->variables;

    for (uint32_t i = 0; uses != NULL && i < uses->variable_count && !validate_is_over(validate);
         i++) {
        const struct ast_variable_definition *variable = uses->variables[i].definition;
        const struct variable *last = name_map_find(&uses->names, variable->name.text);
        struct graphql_error *error;

        if (last == NULL || last->is_used)
            continue;
        if (operation->name.text.size > 0)
            error = REPORT(validate, "Variable \"$%.*s\" is never used in operation \"%.*s\".",
                           NAME(variable->name.text), NAME(operation->name.text));
        else
            error =
                REPORT(validate, "Variable \"$%.*s\" is never used.", NAME(variable->name.text));
        validate_locate(validate, error, variable->node.at);
    }
}

/* A default, the variable's or the place's, lets a nullable variable into a non-null place. */
static bool is_allowed(const struct variable *variable, const struct validate_usage *usage)
{
    const struct ast_value *default_value = variable->definition->default_value;
    bool has_default =
        usage->has_default || (default_value != NULL && default_value->node.kind != AST_NULL);

    if (schema_ref_is_non_null(usage->type) && !schema_ref_is_non_null(variable->type))
        return has_default &&
               schema_ref_is_subtype(variable->type, schema_ref_nullable(usage->type));
    return schema_ref_is_subtype(variable->type, usage->type);
}

static void check_position(struct validate *validate, const struct validate_usage *usage,
                           struct variable *variable)
{
    struct graphql_error *error;

    if (variable == NULL || usage->type == NULL)
        return;
    if (variable->type == NULL)
        variable->type =
            schema_ref_of(validate->schema, variable->definition->type, &validate->scratch);
    if (variable->type == NULL || is_allowed(variable, usage))
        return;
    error = REPORT(validate,
                   "Variable \"$%.*s\" of type \"%s\" used in position expecting type \"%s\".",
                   NAME(usage->variable->text), validate_ref_text(validate, variable->type),
                   validate_ref_text(validate, usage->type));
    validate_locate(validate, error, variable->definition->node.at);
    validate_locate(validate, error, usage->variable->node.at);
}

void rule_variables_in_allowed_position_leave(struct validate *validate,
                                              const struct ast_node *node)
{
    (void)node; /* of the operation that the uses are of */
    for_all_usages(validate, check_position);
}
