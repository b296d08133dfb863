/*
 * ExecutableDefinitions, UniqueOperationNames, LoneAnonymousOperation, SingleFieldSubscriptions.
 */
#include "server/graphql/validate_internal.h"

void rule_executable_definitions(struct validate *validate, const struct ast_node *node)
{
    (void)node; /* the document */
    for (uint32_t i = 0; i < validate->type_system_count && !validate_is_over(validate); i++) {
        const struct ast_definition *definition = validate->type_system[i];
        struct graphql_error *error;

        if (definition->node.kind == AST_SCHEMA)
            error = REPORT(validate, "The schema definition is not executable.");
        else
            error = REPORT(validate, "The \"%.*s\" definition is not executable.",
                           NAME(definition->name.text));
        validate_locate(validate, error, definition->node.at);
    }
}

void rule_unique_operation_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *operation = (const struct ast_definition *)node;
    uint32_t first = validate->operations[validate->operation_index].first;
    struct graphql_error *error;

    if (operation->name.text.size == 0 || first == validate->operation_index ||
        validate->operation_count < 2)
        return;
    error = REPORT(validate, "There can be only one operation named \"%.*s\".",
                   NAME(operation->name.text));
    validate_locate(validate, error, validate->operations[first].definition->name.at);
    validate_locate(validate, error, operation->name.at);
}

void rule_lone_anonymous_operation(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *operation = (const struct ast_definition *)node;

    if (operation->name.text.size > 0 || validate->operation_count < 2)
        return;
    validate_locate(
        validate, REPORT(validate, "This anonymous operation must be the only defined operation."),
        node->at);
}

/* The fields that a subscription selects, and the selections that are still to be looked at. */
struct root_fields {
    const struct ast_selection **fields;
    uint32_t count;
    uint32_t capacity;
    const struct ast_selection **rests; /* of the sets in one another, the innermost last */
    uint32_t rest_count;
    uint32_t rest_capacity;
};

/* Adds to an array that doubles in the scratch region. */
static void push(struct validate *validate, const struct ast_selection ***array, uint32_t *count,
                 uint32_t *capacity, const struct ast_selection *selection)
{
    if (*count == *capacity) {
        uint32_t grown_capacity = *capacity == 0 ? 8 : *capacity * 2;
        const struct ast_selection **grown =
            region_alloc(&validate->scratch, grown_capacity * sizeof(void *));

        if (grown == NULL)
            return;
        for (uint32_t i = 0; i < *count; i++)
            grown[i] = (*array)[i];
        *array = grown;
        *capacity = grown_capacity;
    }
    (*array)[(*count)++] = selection;
}

static bool is_condition(const struct ast_directive *directive)
{
    return ast_text_is(directive->name.text, "skip") ||
           ast_text_is(directive->name.text, "include");
}

/* Looking at a set costs what is in it. */
static void push_set(struct validate *validate, struct root_fields *roots,
                     const struct ast_selection_set *set)
{
    uint64_t work = set->count;

    for (const struct ast_selection *selection = set->first; selection != NULL;
         selection = selection->next) {
        for (const struct ast_directive *directive = selection->directives; directive != NULL;
             directive = directive->next) {
            const struct ast_argument *argument =
                is_condition(directive) ? directive->arguments : NULL;

            for (work++; argument != NULL; argument = argument->next)
                work++;
        }
    }
    if (validate_spend(validate, work))
        push(validate, &roots->rests, &roots->rest_count, &roots->rest_capacity, set->first);
}

/*
 * What the first @name says, @unless if there is none. A subscription's only field must be known
 * before there are variables: graphql-js throws then, here it is one error among the others. What is
 * not a Boolean at all is for other rules to report.
 */
static bool condition_of(struct validate *validate, const struct ast_selection *selection,
                         const char *name, bool unless)
{
    const struct ast_directive *directive = selection->directives;
    const struct ast_value *value = NULL;

    while (directive != NULL && !ast_text_is(directive->name.text, name))
        directive = directive->next;
    if (directive == NULL)
        return unless;
    for (const struct ast_argument *argument = directive->arguments; argument != NULL;
         argument = argument->next)
        value = ast_text_is(argument->name.text, "if") ? argument->value : value;
    if (value != NULL && value->node.kind == AST_VARIABLE)
        validate_locate(validate,
                        REPORT(validate,
                               "Argument \"if\" of required type \"Boolean!\" was provided the "
                               "variable \"$%.*s\" which was not provided a runtime value.",
                               NAME(value->text)),
                        value->node.at);
    return value != NULL && value->node.kind == AST_BOOLEAN ? value->boolean : unless;
}

static bool is_included(struct validate *validate, const struct ast_selection *selection)
{
    if (selection->directives == NULL)
        return true;
    return !condition_of(validate, selection, "skip", false) &&
           condition_of(validate, selection, "include", true);
}

static bool does_apply(const struct validate *validate, const struct ast_type *condition)
{
    const struct schema_type *type;

    if (condition == NULL)
        return true;
    type = validate_condition(validate, condition);
    return type != NULL && schema_is_possible(type, validate->schema->roots[AST_SUBSCRIPTION]);
}

static void collect(struct validate *validate, struct root_fields *roots,
                    const struct ast_selection *selection, uint32_t mark)
{
    struct validate_fragment *fragment;

    if (selection->node.kind == AST_FIELD) {
        if (is_included(validate, selection))
            push(validate, &roots->fields, &roots->count, &roots->capacity, selection);
        return;
    }
    if (selection->node.kind == AST_INLINE_FRAGMENT) {
        if (is_included(validate, selection) && does_apply(validate, selection->type_condition))
            push_set(validate, roots, selection->selections);
        return;
    }
    fragment = validate_find_fragment(validate, selection->name.text);
    if (fragment == NULL || fragment->mark == mark || !is_included(validate, selection))
        return;
    fragment->mark = mark;
    if (does_apply(validate, fragment->definition->type_condition))
        push_set(validate, roots, fragment->definition->selections);
}

static void collect_root_fields(struct validate *validate, struct root_fields *roots,
                                const struct ast_selection_set *set)
{
    uint32_t mark = validate_next_mark(validate);

    push_set(validate, roots, set);
    while (roots->rest_count > 0 && !validate_is_over(validate)) {
        const struct ast_selection *selection = roots->rests[roots->rest_count - 1];

        if (selection == NULL) {
            roots->rest_count--;
            continue;
        }
        roots->rests[roots->rest_count - 1] = selection->next;
        collect(validate, roots, selection, mark);
    }
}

/* `Subscription "a" must` or `Anonymous Subscription must`, and so on. */
static struct graphql_error *report_subscription(struct validate *validate,
                                                 const struct ast_definition *operation,
                                                 const char *what)
{
    if (operation->name.text.size == 0)
        return REPORT(validate, "Anonymous Subscription must %s.", what);
    return REPORT(validate, "Subscription \"%.*s\" must %s.", NAME(operation->name.text), what);
}

static bool is_introspection(const struct ast_selection *field)
{
    struct ast_text name = field->name.text;

    return name.size >= 2 && name.bytes[0] == '_' && name.bytes[1] == '_';
}

/* Equal response keys are one field: the fields are put in such groups. */
static void check_root_fields(struct validate *validate, const struct ast_definition *operation,
                              const struct root_fields *roots)
{
    struct ast_text *keys = region_alloc(&validate->scratch, roots->count * sizeof *keys);
    struct validate_groups groups;
    struct graphql_error *error;

    if (keys == NULL)
        return;
    for (uint32_t i = 0; i < roots->count; i++)
        keys[i] = ast_response_key(roots->fields[i]);
    if (!validate_names_group_all(keys, roots->count, &validate->scratch, &groups))
        return;
    if (groups.group_count > 1) {
        error = report_subscription(validate, operation, "select only one top level field");
        for (uint32_t i = groups.starts[1]; i < roots->count; i++)
            validate_locate(validate, error, roots->fields[groups.members[i]]->node.at);
    }
    for (uint32_t group = 0; group < groups.group_count; group++) {
        if (!is_introspection(roots->fields[groups.members[groups.starts[group]]]))
            continue;
        error =
            report_subscription(validate, operation, "not select an introspection top level field");
        for (uint32_t i = groups.starts[group]; i < groups.starts[group + 1]; i++)
            validate_locate(validate, error, roots->fields[groups.members[i]]->node.at);
    }
}

void rule_single_field_subscriptions(struct validate *validate, const struct ast_node *node)
{
    const struct ast_definition *operation = (const struct ast_definition *)node;
    struct root_fields roots = {0};

    if (operation->operation != AST_SUBSCRIPTION ||
        validate->schema->roots[AST_SUBSCRIPTION] == NULL)
        return;
    if (!validate->has_spent_definitions &&
        !validate_spend(validate, validate->document->definition_count))
        return;
    validate->has_spent_definitions = true;
    collect_root_fields(validate, &roots, operation->selections);
    if (!validate_is_over(validate) && roots.count > 0)
        check_root_fields(validate, operation, &roots);
}
