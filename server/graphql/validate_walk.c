/*
 * The walk: nodes in the order of graphql-js's visitor, and at each of them what its TypeInfo knows
 * there. Its oddities are kept, for errors depend on them: the arguments of an unknown directive are
 * judged as if they were the field's around it, and a list where none is expected passes on what is
 * expected of itself.
 *
 * Recursion is as deep as the parser allowed nodes in one another.
 */
#include "server/graphql/validate_internal.h"

void validate_enter(struct validate *validate, unsigned kind, const struct ast_node *node)
{
    for (validate_function *const *rule = validate->rules[kind].enter; *rule != NULL; rule++)
        (*rule)(validate, node);
}

void validate_leave(struct validate *validate, unsigned kind, const struct ast_node *node)
{
    for (validate_function *const *rule = validate->rules[kind].leave; *rule != NULL; rule++)
        (*rule)(validate, node);
}

static void expect_input(struct validate *validate, const struct schema_input *input)
{
    validate->place.outer_input = validate->place.input;
    validate->place.input = input == NULL ? NULL : input->type;
    validate->place.has_default = input != NULL && input->default_literal != NULL;
}

static void walk_list(struct validate *validate, const struct ast_value *list)
{
    struct validate_place saved = validate->place;

    validate->place.outer_input = saved.input;
    validate->place.input = literal_item_type(saved.input);
    validate->place.has_default = false; /* places in lists have none */
    validate_enter(validate, AST_LIST, &list->node);
    for (const struct ast_value *item = list->items; item != NULL && !validate_is_over(validate);
         item = item->next)
        validate_walk_value(validate, item);
    validate_leave(validate, AST_LIST, &list->node);
    validate->place = saved;
}

static void walk_object_field(struct validate *validate, const struct ast_object_field *field)
{
    struct validate_place saved = validate->place;
    const struct schema_type *type = saved.input == NULL ? NULL : schema_ref_named(saved.input);
    const struct schema_input *input = NULL;

    if (type != NULL && type->kind == SCHEMA_INPUT_OBJECT)
        input = schema_find_input(type->inputs, type->input_count, field->name.text);
    expect_input(validate, input);
    validate_enter(validate, AST_OBJECT_FIELD, &field->node);
    validate_walk_value(validate, field->value);
    validate->place = saved;
}

/* The names in an object: when some are the same, the rule for fields needs to know which. */
static bool group_fields(struct validate *validate, const struct ast_value *object,
                         struct validate_groups *ret_groups)
{
    struct ast_text few[VALIDATE_NAMES_FEW];
    struct ast_text *names = few;
    uint32_t count = 0;

    if (object->count > VALIDATE_NAMES_FEW)
        names = region_alloc(&validate->scratch, object->count * sizeof *names);
    if (names == NULL)
        return false;
    for (const struct ast_object_field *field = object->fields; field != NULL; field = field->next)
        names[count++] = field->name.text;
    return validate_names_group(names, count, &validate->scratch, ret_groups);
}

static void walk_object(struct validate *validate, const struct ast_value *object)
{
    struct validate_place saved = validate->place;
    struct validate_groups groups;

    validate->place.object = object;
    validate->place.field_index = 0;
    validate->place.twins = group_fields(validate, object, &groups) ? &groups : NULL;
    validate_enter(validate, AST_OBJECT, &object->node);
    for (const struct ast_object_field *field = object->fields;
         field != NULL && !validate_is_over(validate); field = field->next) {
        walk_object_field(validate, field);
        validate->place.field_index++;
    }
    validate_leave(validate, AST_OBJECT, &object->node);
    validate->place = saved;
}

void validate_walk_value(struct validate *validate, const struct ast_value *value)
{
    if (value->node.kind == AST_LIST)
        walk_list(validate, value);
    else if (value->node.kind == AST_OBJECT)
        walk_object(validate, value);
    else
        validate_enter(validate, value->node.kind, &value->node);
}

static const struct schema_input *find_argument(const struct validate *validate,
                                                struct ast_text name)
{
    const struct schema_directive *directive = validate->place.known;
    const struct schema_field *field = validate->place.field;

    if (directive != NULL)
        return schema_find_input(directive->arguments, directive->argument_count, name);
    return field == NULL ? NULL : schema_find_input(field->arguments, field->argument_count, name);
}

static void walk_arguments(struct validate *validate, const struct ast_argument *arguments)
{
    struct validate_place saved;

    if (arguments == NULL)
        return;
    saved = validate->place;
    for (; arguments != NULL && !validate_is_over(validate); arguments = arguments->next) {
        const struct schema_input *argument = find_argument(validate, arguments->name.text);

        validate->place.argument = argument;
        expect_input(validate, argument);
        validate_enter(validate, AST_ARGUMENT, &arguments->node);
        validate_walk_value(validate, arguments->value);
        validate->place = saved;
    }
}

void validate_walk_directives(struct validate *validate, const struct ast_directive *directives,
                              enum schema_location location)
{
    struct validate_place saved;

    if (directives == NULL)
        return;
    saved = validate->place;
    for (; directives != NULL && !validate_is_over(validate); directives = directives->next) {
        struct ast_text name = directives->name.text;

        validate->place.known = schema_find_directive(validate->schema, name);
        validate->place.definition = validate_find_directive(validate, name);
        validate->place.directive = directives;
        validate->place.location = location;
        validate_enter(validate, AST_DIRECTIVE, &directives->node);
        walk_arguments(validate, directives->arguments);
        validate_leave(validate, AST_DIRECTIVE, &directives->node);
        validate->place = saved;
    }
}

void validate_walk_type(struct validate *validate, const struct ast_type *type)
{
    while (type->node.kind != AST_NAMED)
        type = type->of;
    validate_enter(validate, AST_NAMED, &type->node);
}

static void walk_selections(struct validate *validate, const struct ast_selection_set *set,
                            bool is_in_fragment);

static void walk_field(struct validate *validate, const struct ast_selection *selection)
{
    struct validate_place *place = &validate->place;
    const struct schema_field *outer_field = place->field;
    const struct schema_ref *outer_type = place->type;
    const struct schema_field *field = NULL;

    if (place->parent != NULL)
        field = schema_find_field(validate->schema, place->parent, selection->name.text);
    place->field = field;
    place->type = field == NULL ? NULL : field->type;
    validate_enter(validate, AST_FIELD, &selection->node);
    walk_arguments(validate, selection->arguments);
    validate_walk_directives(validate, selection->directives, SCHEMA_ON_FIELD);
    if (selection->selections != NULL)
        walk_selections(validate, selection->selections, false);
    if (!validate_is_over(validate))
        validate_leave(validate, AST_FIELD, &selection->node);
    place->field = outer_field;
    place->type = outer_type;
}

/* What a fragment's condition makes of the type; NULL: nothing that can be queried. */
static const struct schema_ref *condition_type(const struct validate *validate,
                                               const struct ast_type *condition)
{
    const struct schema_type *type = schema_find_type(validate->schema, condition->name);

    return type != NULL && schema_is_output(type) ? &type->ref : NULL;
}

static void walk_inline_fragment(struct validate *validate, const struct ast_selection *fragment)
{
    struct validate_place *place = &validate->place;
    const struct schema_ref *outer_type = place->type;

    if (fragment->type_condition != NULL)
        place->type = condition_type(validate, fragment->type_condition);
    else if (outer_type != NULL)
        place->type = &schema_ref_named(outer_type)->ref;
    validate_enter(validate, AST_INLINE_FRAGMENT, &fragment->node);
    if (fragment->type_condition != NULL)
        validate_walk_type(validate, fragment->type_condition);
    validate_walk_directives(validate, fragment->directives, SCHEMA_ON_INLINE_FRAGMENT);
    walk_selections(validate, fragment->selections, true);
    place->type = outer_type;
}

static void walk_selections(struct validate *validate, const struct ast_selection_set *set,
                            bool is_in_fragment)
{
    struct validate_place *place = &validate->place;
    const struct schema_type *outer_parent = place->parent;
    const struct schema_type *type = place->type == NULL ? NULL : schema_ref_named(place->type);

    place->parent = type != NULL && schema_is_composite(type) ? type : NULL;
    place->is_in_fragment = is_in_fragment;
    validate_enter(validate, AST_SELECTION_SET, &set->node);
    for (const struct ast_selection *selection = set->first;
         selection != NULL && !validate_is_over(validate); selection = selection->next) {
        if (selection->node.kind == AST_FIELD) {
            walk_field(validate, selection);
        } else if (selection->node.kind == AST_INLINE_FRAGMENT) {
            walk_inline_fragment(validate, selection);
        } else {
            validate_enter(validate, AST_FRAGMENT_SPREAD, &selection->node);
            validate_walk_directives(validate, selection->directives, SCHEMA_ON_FRAGMENT_SPREAD);
        }
    }
    place->parent = outer_parent;
}

static void walk_variables(struct validate *validate,
                           const struct ast_variable_definition *variable)
{
    struct validate_usages *usages = validate->usages;

    validate->usages = NULL; /* what is in a definition is no use of a variable */
    for (; variable != NULL && !validate_is_over(validate); variable = variable->next) {
        const struct schema_ref *type =
            schema_ref_of(validate->schema, variable->type, &validate->scratch);

        if (type != NULL && schema_is_input(schema_ref_named(type)))
            validate->place.input = type;
        validate_enter(validate, AST_VARIABLE_DEFINITION, &variable->node);
        validate_walk_type(validate, variable->type);
        if (variable->default_value != NULL)
            validate_walk_value(validate, variable->default_value);
        validate_walk_directives(validate, variable->directives, SCHEMA_ON_VARIABLE_DEFINITION);
        validate->place.input = NULL;
    }
    validate->usages = usages;
}

static void walk_operation(struct validate *validate, const struct ast_definition *definition)
{
    static const enum schema_location locations[] = {
        [AST_QUERY] = SCHEMA_ON_QUERY,
        [AST_MUTATION] = SCHEMA_ON_MUTATION,
        [AST_SUBSCRIPTION] = SCHEMA_ON_SUBSCRIPTION,
    };
    const struct schema_type *root = validate->schema->roots[definition->operation];

    validate->usages = &validate->operations[validate->operation_index].usages;
    validate->place.type = root == NULL ? NULL : &root->ref;
    validate_enter(validate, AST_OPERATION, &definition->node);
    walk_variables(validate, definition->variables);
    validate_walk_directives(validate, definition->directives, locations[definition->operation]);
    walk_selections(validate, definition->selections, false);
    if (!validate_is_over(validate))
        validate_leave(validate, AST_OPERATION, &definition->node);
    validate->usages = NULL;
}

static void walk_fragment(struct validate *validate, const struct ast_definition *definition)
{
    validate->place.type = condition_type(validate, definition->type_condition);
    validate_enter(validate, AST_FRAGMENT, &definition->node);
    validate_walk_type(validate, definition->type_condition);
    validate_walk_directives(validate, definition->directives, SCHEMA_ON_FRAGMENT_DEFINITION);
    walk_selections(validate, definition->selections, false);
}

void validate_walk_definition(struct validate *validate, const struct ast_definition *definition)
{
    struct validate_place saved = validate->place;

    validate->place = (struct validate_place){0};
    if (definition->node.kind == AST_OPERATION) {
        walk_operation(validate, definition);
    } else if (definition->node.kind == AST_FRAGMENT) {
        walk_fragment(validate, definition);
    } else {
        validate->place.is_type_system = true;
        validate_walk_type_system(validate, definition);
    }
    validate->place = saved;
}
