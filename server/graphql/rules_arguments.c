/*
 * KnownArgumentNames, UniqueArgumentNames, ProvidedRequiredArguments: of fields and directives.
 */
#include "server/graphql/suggest.h"
#include "server/graphql/validate_internal.h"

static const struct ast_input_value *find_input(const struct ast_input_value *input,
                                                struct ast_text name)
{
    while (input != NULL && !ast_text_equals(input->name.text, name))
        input = input->next;
    return input;
}

static const struct ast_argument *find_argument(const struct ast_argument *argument,
                                                struct ast_text name)
{
    while (argument != NULL && !ast_text_equals(argument->name.text, name))
        argument = argument->next;
    return argument;
}

/* Of a directive: all of them before the walk comes to the first. */
static void check_known(struct validate *validate, const struct ast_directive *directive,
                        const struct ast_definition *definition)
{
    for (const struct ast_argument *argument = directive->arguments;
         argument != NULL && !validate_is_over(validate); argument = argument->next) {
        const struct ast_input_value *input = definition->input_values;
        struct suggest suggest;

        if (find_input(input, argument->name.text) != NULL)
            continue;
        suggest_begin(&suggest, argument->name.text, &validate->scratch);
        suggest_hide(&suggest, validate->schema);
        for (; input != NULL; input = input->next)
            suggest_offer(&suggest, input->name.text);
        validate_locate(validate,
                        REPORT(validate, "Unknown argument \"%.*s\" on directive \"@%.*s\".%s",
                               NAME(argument->name.text), NAME(directive->name.text),
                               suggest_end(&suggest, NULL)),
                        argument->node.at);
    }
}

void rule_known_argument_names(struct validate *validate, const struct ast_node *node)
{
    const struct validate_place *place = &validate->place;
    const struct schema_field *field = place->field;
    struct suggest suggest;
    struct ast_text name;

    if (node->kind == AST_DIRECTIVE) {
        if (place->definition != NULL)
            check_known(validate, place->directive, place->definition);
        return;
    }
    if (place->directive != NULL || place->argument != NULL || field == NULL ||
        place->parent == NULL || validate_is_over(validate))
        return;
    name = ((const struct ast_argument *)node)->name.text;
    suggest_begin(&suggest, name, &validate->scratch);
    suggest_hide(&suggest, validate->schema);
    for (uint32_t i = 0; i < field->argument_count; i++)
        suggest_offer(&suggest, field->arguments[i].name);
    validate_locate(validate,
                    REPORT(validate, "Unknown argument \"%.*s\" on field \"%.*s.%.*s\".%s",
                           NAME(name), NAME(place->parent->name), NAME(field->name),
                           suggest_end(&suggest, NULL)),
                    node->at);
}

static const struct ast_argument *arguments_of(const struct ast_node *node)
{
    if (node->kind == AST_FIELD)
        return ((const struct ast_selection *)node)->arguments;
    return ((const struct ast_directive *)node)->arguments;
}

void rule_unique_argument_names(struct validate *validate, const struct ast_node *node)
{
    const struct ast_argument *first = arguments_of(node);
    struct validate_groups groups;
    struct ast_text *names;
    uint32_t count = 0;

    if (first == NULL || first->next == NULL)
        return;
    for (const struct ast_argument *argument = first; argument != NULL; argument = argument->next)
        count++;
    names = region_alloc(&validate->scratch, count * sizeof *names);
    if (names == NULL)
        return;
    count = 0;
    for (const struct ast_argument *argument = first; argument != NULL; argument = argument->next)
        names[count++] = argument->name.text;
    if (validate_names_group(names, count, &validate->scratch, &groups))
        validate_report_groups(validate, "There can be only one argument named \"", names, &groups);
}

static void check_required_of_field(struct validate *validate,
                                    const struct ast_selection *selection)
{
    const struct schema_field *field = validate->place.field;

    for (uint32_t i = 0; field != NULL && i < field->argument_count; i++) {
        const struct schema_input *argument = &field->arguments[i];

        if (!schema_input_is_required(argument) ||
            find_argument(selection->arguments, argument->name) != NULL)
            continue;
        validate_locate(validate,
                        REPORT(validate,
                               "Field \"%.*s\" argument \"%.*s\" of type \"%s\" is required, but "
                               "it was not provided.",
                               NAME(field->name), NAME(argument->name),
                               validate_ref_text(validate, argument->type)),
                        selection->node.at);
    }
}

static void check_required_of_directive(struct validate *validate,
                                        const struct ast_directive *directive)
{
    const struct ast_definition *definition = validate->place.definition;

    for (const struct ast_input_value *input = definition == NULL ? NULL : definition->input_values;
         input != NULL; input = input->next) {
        if (input->type->node.kind != AST_NON_NULL || input->default_value != NULL ||
            find_input(definition->input_values, input->name.text) != input ||
            find_argument(directive->arguments, input->name.text) != NULL)
            continue;
        validate_locate(validate,
                        REPORT(validate,
                               "Directive \"@%.*s\" argument \"%.*s\" of type \"%s\" is required, "
                               "but it was not provided.",
                               NAME(directive->name.text), NAME(input->name.text),
                               validate_type_text(validate, input->type)),
                        directive->node.at);
    }
}

/* On leave, so that what is wrong deeper down comes first. */
void rule_provided_required_arguments_leave(struct validate *validate, const struct ast_node *node)
{
    if (node->kind == AST_FIELD)
        check_required_of_field(validate, (const struct ast_selection *)node);
    else
        check_required_of_directive(validate, (const struct ast_directive *)node);
}
