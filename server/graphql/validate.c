#include "server/graphql/validate.h"

#include "server/graphql/print.h"
#include "server/graphql/validate_internal.h"
#include "server/json/text.h"

/*
 * Which rules look at which kind of node. In a row they stand in the order of graphql-js's
 * specifiedRules, for that is the order of errors. It is written by kind and not by rule because the
 * walk asks by kind.
 */
#define OF_VALUE                                                                                   \
    {                                                                                              \
        .enter = { rule_values_of_correct_type }                                                   \
    }
#define OF_TYPE_SYSTEM                                                                             \
    {                                                                                              \
        .enter = { rule_unique_directives_per_location }                                           \
    }

static const struct validate_rules all_rules[VALIDATE_KIND_COUNT] = {
    [VALIDATE_DOCUMENT] = {.enter = {rule_executable_definitions},
                           .leave = {rule_no_unused_fragments_leave}},
    [AST_OPERATION] = {.enter = {rule_unique_operation_names, rule_lone_anonymous_operation,
                                 rule_single_field_subscriptions, rule_unique_variable_names,
                                 rule_unique_directives_per_location},
                       .leave = {rule_no_undefined_variables_leave, rule_no_unused_variables_leave,
                                 rule_variables_in_allowed_position_leave}},
    [AST_FRAGMENT] = {.enter = {rule_fragments_on_composite_types, rule_unique_fragment_names,
                                rule_no_fragment_cycles, rule_unique_directives_per_location}},
    [AST_VARIABLE_DEFINITION] = {.enter = {rule_variables_are_input_types,
                                           rule_unique_directives_per_location}},
    [AST_SELECTION_SET] = {.enter = {rule_overlapping_fields_can_be_merged}},
    [AST_FIELD] = {.enter = {rule_scalar_leafs, rule_fields_on_correct_type,
                             rule_unique_directives_per_location, rule_unique_argument_names,
                             rule_max_introspection_depth, rule_no_schema_introspection},
                   .leave = {rule_provided_required_arguments_leave,
                             rule_max_introspection_depth_leave}},
    [AST_FRAGMENT_SPREAD] = {.enter = {rule_known_fragment_names, rule_possible_fragment_spreads,
                                       rule_unique_directives_per_location}},
    [AST_INLINE_FRAGMENT] = {.enter = {rule_fragments_on_composite_types,
                                       rule_possible_fragment_spreads,
                                       rule_unique_directives_per_location}},
    [AST_DIRECTIVE] = {.enter = {rule_known_directives, rule_known_argument_names,
                                 rule_unique_argument_names},
                       .leave = {rule_provided_required_arguments_leave}},
    [AST_ARGUMENT] = {.enter = {rule_known_argument_names}},
    [AST_NAMED] = {.enter = {rule_known_type_names}},
    [AST_VARIABLE] = {.enter = {validate_note_usage}},
    [AST_INT] = OF_VALUE,
    [AST_FLOAT] = OF_VALUE,
    [AST_STRING] = OF_VALUE,
    [AST_BOOLEAN] = OF_VALUE,
    [AST_NULL] = OF_VALUE,
    [AST_ENUM] = OF_VALUE,
    [AST_LIST] = {.enter = {rule_values_of_correct_type},
                  .leave = {rule_values_of_correct_type_leave}},
    [AST_OBJECT] = {.enter = {rule_values_of_correct_type},
                    .leave = {rule_values_of_correct_type_leave}},
    [AST_OBJECT_FIELD] = {.enter = {rule_values_of_correct_type, rule_unique_input_field_names}},
    [AST_SCHEMA] = OF_TYPE_SYSTEM,
    [AST_SCALAR_TYPE] = OF_TYPE_SYSTEM,
    [AST_OBJECT_TYPE] = OF_TYPE_SYSTEM,
    [AST_INTERFACE_TYPE] = OF_TYPE_SYSTEM,
    [AST_UNION_TYPE] = OF_TYPE_SYSTEM,
    [AST_ENUM_TYPE] = OF_TYPE_SYSTEM,
    [AST_INPUT_OBJECT_TYPE] = OF_TYPE_SYSTEM,
    [AST_DIRECTIVE_DEFINITION] = OF_TYPE_SYSTEM,
    [AST_FIELD_DEFINITION] = OF_TYPE_SYSTEM,
    [AST_INPUT_VALUE] = OF_TYPE_SYSTEM,
    [AST_ENUM_VALUE] = OF_TYPE_SYSTEM,
};

void validate_locate(struct validate *validate, struct graphql_error *error, uint32_t at)
{
    graphql_error_locate(validate->errors, error, validate->document, at);
}

uint32_t validate_name_at(const struct validate *validate, struct ast_text name)
{
    return (uint32_t)(name.bytes - validate->document->source.bytes);
}

void validate_report_groups(struct validate *validate, const char *what,
                            const struct ast_text *names, const struct validate_groups *groups)
{
    for (uint32_t group = 0; group < groups->group_count && !validate_is_over(validate); group++) {
        uint32_t begin = groups->starts[group];
        uint32_t end = groups->starts[group + 1];
        struct graphql_error *error;

        if (end - begin < 2)
            continue;
        error = REPORT(validate, "%s%.*s\".", what, NAME(names[groups->members[begin]]));
        for (uint32_t i = begin; i < end; i++)
            validate_locate(validate, error, validate_name_at(validate, names[groups->members[i]]));
    }
}

void validate_abort(struct validate *validate)
{
    if (!validate_is_over(validate))
        (void)graphql_errors_add(validate->errors, GRAPHQL_LIMIT_EXCEEDED, "Validation aborted.");
    validate->is_aborted = true;
}

/* Ends a text: the scratch region takes a copy. */
static const char *keep_text(struct validate *validate, struct text *text)
{
    const char *copy = NULL;

    if (text_is_whole(text))
        copy = region_copy(&validate->scratch, text->bytes, text->size);
    else
        validate->scratch.has_failed = true;
    text_done(text);
    return copy != NULL ? copy : "";
}

const char *validate_ref_text(struct validate *validate, const struct schema_ref *ref)
{
    struct text text = {0};

    schema_ref_print(ref, &text);
    return keep_text(validate, &text);
}

const char *validate_type_text(struct validate *validate, const struct ast_type *type)
{
    struct text text = {0};

    print_type(type, &text);
    return keep_text(validate, &text);
}

struct validate_fragment *validate_find_fragment(const struct validate *validate,
                                                 struct ast_text name)
{
    return name_map_find(&validate->fragment_names, name);
}

const struct schema_type *validate_condition(const struct validate *validate,
                                             const struct ast_type *condition)
{
    const struct schema_type *type = schema_find_type(validate->schema, condition->name);

    return type != NULL && schema_is_composite(type) ? type : NULL;
}

const struct ast_definition *validate_find_directive(const struct validate *validate,
                                                     struct ast_text name)
{
    const struct schema_directive *directive;

    for (uint32_t i = validate->type_system_count; i > 0; i--) {
        const struct ast_definition *definition = validate->type_system[i - 1];

        if (definition->node.kind == AST_DIRECTIVE_DEFINITION &&
            ast_text_equals(definition->name.text, name))
            return definition;
    }
    directive = schema_find_directive(validate->schema, name);
    return directive == NULL ? NULL : directive->definition;
}

static void count_definitions(struct validate *validate)
{
    for (const struct ast_definition *definition = validate->document->definitions;
         definition != NULL; definition = definition->next) {
        if (definition->node.kind == AST_OPERATION)
            validate->operation_count++;
        else if (definition->node.kind == AST_FRAGMENT)
            validate->fragment_count++;
        else
            validate->type_system_count++;
    }
}

/* The definitions by kind; false: no memory. */
static bool sort_definitions(struct validate *validate)
{
    struct validate_operation *operation;
    struct validate_fragment *fragment;
    const struct ast_definition **other;

    count_definitions(validate);
    operation = region_alloc(&validate->scratch, validate->operation_count * sizeof *operation);
    fragment = region_alloc(&validate->scratch, validate->fragment_count * sizeof *fragment);
    other = region_alloc(&validate->scratch, validate->type_system_count * sizeof(void *));
    if (operation == NULL || fragment == NULL || other == NULL)
        return false;
    validate->operations = operation;
    validate->fragments = fragment;
    validate->type_system = other;
    for (const struct ast_definition *definition = validate->document->definitions;
         definition != NULL; definition = definition->next) {
        if (definition->node.kind == AST_OPERATION)
            (operation++)->definition = definition;
        else if (definition->node.kind == AST_FRAGMENT)
            (fragment++)->definition = definition;
        else
            *other++ = definition;
    }
    return true;
}

/* Which operations and which fragments have the same name, and fragments by name. */
static void sort_names(struct validate *validate)
{
    uint32_t count = validate->operation_count > validate->fragment_count
                         ? validate->operation_count
                         : validate->fragment_count;
    struct ast_text *operations = region_alloc(&validate->scratch, count * sizeof *operations);
    struct ast_text *fragments = region_alloc(&validate->scratch, count * sizeof *fragments);
    struct validate_groups groups;
    bool has_twins;

    if (operations == NULL || fragments == NULL)
        return;
    for (uint32_t i = 0; i < validate->operation_count; i++)
        operations[i] = validate->operations[i].definition->name.text;
    has_twins =
        validate_names_group(operations, validate->operation_count, &validate->scratch, &groups);
    for (uint32_t i = 0; i < validate->operation_count; i++)
        validate->operations[i].first = has_twins ? groups.first[i] : i;
    for (uint32_t i = 0; i < validate->fragment_count; i++)
        fragments[i] = validate->fragments[i].definition->name.text;
    has_twins =
        validate_names_group(fragments, validate->fragment_count, &validate->scratch, &groups);
    for (uint32_t i = 0; i < validate->fragment_count; i++) {
        void **place = name_map_put(&validate->fragment_names, fragments[i]);

        validate->fragments[i].first = has_twins ? groups.first[i] : i;
        if (place != NULL)
            *place = &validate->fragments[i];
    }
}

static void walk_document(struct validate *validate)
{
    validate_enter(validate, VALIDATE_DOCUMENT, NULL);
    for (const struct ast_definition *definition = validate->document->definitions;
         definition != NULL && !validate_is_over(validate); definition = definition->next) {
        validate_walk_definition(validate, definition);
        if (definition->node.kind == AST_OPERATION)
            validate->operation_index++;
        else if (definition->node.kind == AST_FRAGMENT)
            validate->fragment_index++;
    }
    if (!validate_is_over(validate))
        validate_leave(validate, VALIDATE_DOCUMENT, NULL);
}

bool validate_document(const struct schema *schema, const struct ast_document *document,
                       struct region *region, struct graphql_errors *errors)
{
    uint32_t count_before = errors->count;
    struct validate validate = {
        .schema = schema,
        .document = document,
        .errors = errors,
        .rules = all_rules,
        .fragment_work_left = VALIDATE_FRAGMENT_WORK_MAX,
    };

    region_init(&validate.scratch, VALIDATE_BYTES_MAX);
    validate_pairs_init(&validate.closures, &validate.scratch);
    name_map_init(&validate.fragment_names, &validate.scratch);
    validate.literals = (struct literal_place){document, &validate.scratch, errors, schema};
    if (sort_definitions(&validate)) {
        if (validate.operation_count > 1 || validate.fragment_count > 0)
            sort_names(&validate);
        walk_document(&validate);
    }
    region->has_failed |= validate.scratch.has_failed;
    region_done(&validate.scratch);
    return errors->count == count_before && !region->has_failed;
}
