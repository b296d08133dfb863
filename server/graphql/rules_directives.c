/*
 * KnownDirectives, UniqueDirectivesPerLocation.
 */
#include "server/graphql/validate_internal.h"

void rule_known_directives(struct validate *validate, const struct ast_node *node)
{
    const struct ast_directive *directive = (const struct ast_directive *)node;
    const struct ast_definition *definition = validate->place.definition;
    const char *location = schema_location_name(validate->place.location);
    struct graphql_error *error;

    for (uint32_t i = 0; definition != NULL && i < definition->location_count; i++) {
        if (ast_text_is(definition->locations[i].text, location))
            return;
    }
    if (definition == NULL)
        error = REPORT(validate, "Unknown directive \"@%.*s\".", NAME(directive->name.text));
    else
        error = REPORT(validate, "Directive \"@%.*s\" may not be used on %s.",
                       NAME(directive->name.text), location);
    validate_locate(validate, error, node->at);
}

static const struct ast_directive *directives_of(const struct ast_node *node)
{
    switch ((int)node->kind) {
    case AST_FIELD:
    case AST_FRAGMENT_SPREAD:
    case AST_INLINE_FRAGMENT:
        return ((const struct ast_selection *)node)->directives;
    case AST_VARIABLE_DEFINITION:
        return ((const struct ast_variable_definition *)node)->directives;
    case AST_FIELD_DEFINITION:
        return ((const struct ast_field_definition *)node)->directives;
    case AST_INPUT_VALUE:
        return ((const struct ast_input_value *)node)->directives;
    case AST_ENUM_VALUE:
        return ((const struct ast_enum_value *)node)->directives;
    default:
        return ((const struct ast_definition *)node)->directives;
    }
}

static uint32_t count_directives(const struct ast_directive *directive)
{
    uint32_t count = 0;

    for (; directive != NULL; directive = directive->next)
        count++;
    return count;
}

static bool must_be_unique(const struct validate *validate, struct ast_text name)
{
    const struct ast_definition *definition = validate_find_directive(validate, name);

    return definition != NULL && !definition->is_repeatable;
}

/* All that stand at one place, in their order; what comes before @begin has been judged. */
static void check_unique(struct validate *validate, const struct ast_directive **directives,
                         uint32_t count, uint32_t begin)
{
    struct ast_text *names = region_alloc(&validate->scratch, count * sizeof *names);
    struct validate_groups groups;
    struct graphql_error *error;

    if (names == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        names[i] = directives[i]->name.text;
    if (!validate_names_group(names, count, &validate->scratch, &groups))
        return;
    for (uint32_t i = begin; i < count && !validate_is_over(validate); i++) {
        if (groups.first[i] == i || !must_be_unique(validate, names[i]))
            continue;
        error = REPORT(validate, "The directive \"@%.*s\" can only be used once at this location.",
                       NAME(names[i]));
        validate_locate(validate, error, directives[groups.first[i]]->node.at);
        validate_locate(validate, error, directives[i]->node.at);
    }
}

/* A type's definition and extensions are one place, and so are the schema's. */
static bool is_same_place(const struct ast_definition *a, const struct ast_definition *b)
{
    bool is_schema = a->node.kind == AST_SCHEMA;
    bool is_directive = a->node.kind == AST_DIRECTIVE_DEFINITION;

    return is_schema == (b->node.kind == AST_SCHEMA) &&
           is_directive == (b->node.kind == AST_DIRECTIVE_DEFINITION) &&
           (is_schema || ast_text_equals(a->name.text, b->name.text));
}

/* The directives of all that is the same place as @last, up to it. */
static void check_type_system(struct validate *validate, const struct ast_definition *last)
{
    const struct ast_directive **directives;
    uint32_t count = 0;
    uint32_t begin = 0;

    for (uint32_t i = 0; i < validate->type_system_count; i++)
        count += count_directives(validate->type_system[i]->directives);
    directives = region_alloc(&validate->scratch, count * sizeof(void *));
    if (directives == NULL)
        return;
    count = 0;
    for (uint32_t i = 0; i < validate->type_system_count; i++) {
        const struct ast_definition *definition = validate->type_system[i];

        if (!is_same_place(definition, last))
            continue;
        begin = count;
        for (const struct ast_directive *directive = definition->directives; directive != NULL;
             directive = directive->next)
            directives[count++] = directive;
        if (definition == last)
            break;
    }
    check_unique(validate, directives, count, begin);
}

void rule_unique_directives_per_location(struct validate *validate, const struct ast_node *node)
{
    const struct ast_directive *directive = directives_of(node);
    const struct ast_directive **directives;
    uint32_t count = 0;

    if (directive == NULL)
        return;
    if (node->kind >= AST_SCHEMA && node->kind <= AST_DIRECTIVE_DEFINITION) {
        check_type_system(validate, (const struct ast_definition *)node);
        return;
    }
    if (directive->next == NULL)
        return;
    directives = region_alloc(&validate->scratch, count_directives(directive) * sizeof(void *));
    if (directives == NULL)
        return;
    for (; directive != NULL; directive = directive->next)
        directives[count++] = directive;
    check_unique(validate, directives, count, 0);
}
