/* The rules that a schema must keep: graphql-js's validateSchema, in its order and words. */
#include "server/graphql/schema_build.h"

#include <stddef.h>

#include "server/json/text.h"

/* What is noted of types while others are judged, by their index. */
struct type_notes {
    uint32_t implemented_by; /* 1 + the index of the type whose interfaces are being judged */
    uint32_t judged_for;     /* the same, once this interface has had its turn */
    uint32_t path_index;     /* input objects: 1 + where the path has come through */
    bool is_visited;
};

struct validation {
    struct schema_builder *builder;
    struct type_notes *notes;
};

/* One step of a path through input objects; the next field of @type to look at. */
struct path_step {
    const struct schema_type *type;
    uint32_t field_index;
};

static void check_name(struct validation *check, struct ast_text name, const struct ast_node *node)
{
    if (name.size < 2 || name.bytes[0] != '_' || name.bytes[1] != '_')
        return;
    schema_locate(check->builder,
                  REPORT(check->builder,
                         "Name \"%.*s\" must not begin with \"__\", which is reserved by GraphQL "
                         "introspection.",
                         NAME(name)),
                  node->at);
}

static void locate_parts(struct validation *check, struct graphql_error *error,
                         const struct schema_part *parts)
{
    for (; error != NULL && parts != NULL; parts = parts->next)
        schema_locate(check->builder, error, parts->definition->node.at);
}

/* Where the parts name a type: as an interface, or as a member of a union. */
static void locate_named(struct validation *check, struct graphql_error *error,
                         const struct schema_type *type, struct ast_text name)
{
    for (const struct schema_part *part = type->parts; error != NULL && part != NULL;
         part = part->next) {
        const struct ast_type *named =
            type->kind == SCHEMA_UNION ? part->definition->members : part->definition->interfaces;

        for (; named != NULL; named = named->next) {
            if (ast_text_equals(named->name, name))
                schema_locate(check->builder, error, named->node.at);
        }
    }
}

/* The `@deprecated` and then the type of a required input. */
static void locate_deprecated(struct validation *check, struct graphql_error *error,
                              const struct ast_input_value *definition)
{
    const struct ast_directive *deprecated =
        schema_find_applied(definition->directives, "deprecated");

    if (deprecated != NULL)
        schema_locate(check->builder, error, deprecated->node.at);
    schema_locate(check->builder, error, definition->type->node.at);
}

static const struct ast_operation_type *find_root(const struct schema *schema,
                                                  enum ast_operation_kind operation)
{
    for (const struct schema_part *part = schema->parts; part != NULL; part = part->next) {
        for (const struct ast_operation_type *root = part->definition->operation_types;
             root != NULL; root = root->next) {
            if (root->operation == operation)
                return root;
        }
    }
    return NULL;
}

static void check_root(struct validation *check, enum ast_operation_kind operation)
{
    static const char *const words[] = {
        [AST_QUERY] = "Query root type must be Object type",
        [AST_MUTATION] = "Mutation root type must be Object type if provided",
        [AST_SUBSCRIPTION] = "Subscription root type must be Object type if provided",
    };
    const struct schema *schema = check->builder->schema;
    const struct ast_operation_type *root = find_root(schema, operation);
    const struct schema_type *type = schema->roots[operation];
    struct graphql_error *error;

    if (type == NULL && root == NULL && operation == AST_QUERY) {
        error = REPORT(check->builder, "Query root type must be provided.");
        if (schema->parts != NULL && !schema->parts->definition->is_extension)
            schema_locate(check->builder, error, schema->parts->definition->node.at);
    }
    if (type == NULL || type->kind == SCHEMA_OBJECT)
        return;
    error = REPORT(check->builder, "%s, it cannot be %.*s.", words[operation], NAME(type->name));
    schema_locate(check->builder, error,
                  root != NULL ? root->type->node.at : type->definition->node.at);
}

/*
 * A name, an input type, and not required where it is deprecated. @owner: "Type.field(name:)" and
 * so on; the words of input fields and of arguments differ.
 */
static void check_input(struct validation *check, const struct schema_input *input,
                        const char *owner, bool is_field, bool is_of_directive)
{
    const struct ast_input_value *definition = input->definition;

    check_name(check, input->name, &definition->node);
    if (input->type != NULL && !schema_is_input(schema_ref_named(input->type)))
        schema_locate(check->builder,
                      REPORT(check->builder, "The type of %s must be Input Type but got: %s.",
                             owner, schema_ref_text(check->builder, input->type)),
                      is_of_directive ? definition->node.at : definition->type->node.at);
    if (schema_input_is_required(input) && input->deprecation_reason != NULL)
        locate_deprecated(check,
                          REPORT(check->builder, "Required %s %s cannot be deprecated.",
                                 is_field ? "input field" : "argument", owner),
                          definition);
}

/* Formats what only errors need; so it is asked first whether there will be any. */
static bool is_input_suspect(const struct schema_input *input)
{
    return (input->name.size >= 2 && input->name.bytes[0] == '_' && input->name.bytes[1] == '_') ||
           (input->type != NULL && !schema_is_input(schema_ref_named(input->type))) ||
           (schema_input_is_required(input) && input->deprecation_reason != NULL);
}

static void check_directives(struct validation *check)
{
    const struct schema *schema = check->builder->schema;

    for (uint32_t i = 0; i < schema->directive_count; i++) {
        const struct schema_directive *directive = schema->directives[i];

        if (directive->is_built_in)
            continue;
        check_name(check, directive->name, &directive->definition->node);
        for (uint32_t j = 0; j < directive->argument_count; j++) {
            const struct schema_input *input = &directive->arguments[j];
            const char *owner;

            if (!is_input_suspect(input))
                continue;
            owner = region_printf(&check->builder->scratch, "@%.*s(%.*s:)", NAME(directive->name),
                                  NAME(input->name));
            if (owner != NULL)
                check_input(check, input, owner, false, true);
        }
    }
}

static void check_arguments(struct validation *check, const struct schema_type *type,
                            const struct schema_field *field)
{
    for (uint32_t i = 0; i < field->argument_count; i++) {
        const struct schema_input *input = &field->arguments[i];
        const char *owner;

        if (!is_input_suspect(input))
            continue;
        owner = region_printf(&check->builder->scratch, "%.*s.%.*s(%.*s:)", NAME(type->name),
                              NAME(field->name), NAME(input->name));
        if (owner != NULL)
            check_input(check, input, owner, false, false);
    }
}

static void check_fields(struct validation *check, const struct schema_type *type)
{
    if (type->field_count == 0)
        locate_parts(
            check,
            REPORT(check->builder, "Type %.*s must define one or more fields.", NAME(type->name)),
            type->parts);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];

        check_name(check, field->name, &field->definition->node);
        if (field->type != NULL && !schema_is_output(schema_ref_named(field->type)))
            schema_locate(check->builder,
                          REPORT(check->builder,
                                 "The type of %.*s.%.*s must be Output Type but got: %s.",
                                 NAME(type->name), NAME(field->name),
                                 schema_ref_text(check->builder, field->type)),
                          field->definition->type->node.at);
        check_arguments(check, type, field);
    }
}

static void check_ancestors(struct validation *check, const struct schema_type *type,
                            const struct schema_type *interface)
{
    for (uint32_t i = 0; i < interface->interface_count; i++) {
        const struct schema_type *ancestor = interface->interfaces[i];
        struct graphql_error *error;

        if (check->notes[ancestor->index].implemented_by == type->index + 1)
            continue;
        if (ancestor == type)
            error = REPORT(check->builder,
                           "Type %.*s cannot implement %.*s because it would create a circular "
                           "reference.",
                           NAME(type->name), NAME(interface->name));
        else
            error = REPORT(check->builder,
                           "Type %.*s must implement %.*s because it is implemented by %.*s.",
                           NAME(type->name), NAME(ancestor->name), NAME(interface->name));
        locate_named(check, error, interface, ancestor->name);
        locate_named(check, error, type, interface->name);
    }
}

/* The arguments that the interface's field has. */
static void check_implemented_arguments(struct validation *check, const struct schema_type *type,
                                        const struct schema_type *interface,
                                        const struct schema_field *field,
                                        const struct schema_field *expected)
{
    struct schema_builder *builder = check->builder;

    for (uint32_t i = 0; i < expected->argument_count; i++) {
        const struct schema_input *wanted = &expected->arguments[i];
        const struct schema_input *given =
            schema_find_input(field->arguments, field->argument_count, wanted->name);
        struct graphql_error *error;

        if (given == NULL) {
            error = REPORT(builder,
                           "Interface field argument %.*s.%.*s(%.*s:) expected but %.*s.%.*s does "
                           "not provide it.",
                           NAME(interface->name), NAME(field->name), NAME(wanted->name),
                           NAME(type->name), NAME(field->name));
            schema_locate(builder, error, wanted->definition->node.at);
            schema_locate(builder, error, field->definition->node.at);
        } else if (wanted->type != NULL && given->type != NULL &&
                   !schema_ref_equals(wanted->type, given->type)) {
            error =
                REPORT(builder,
                       "Interface field argument %.*s.%.*s(%.*s:) expects type %s but "
                       "%.*s.%.*s(%.*s:) is type %s.",
                       NAME(interface->name), NAME(field->name), NAME(wanted->name),
                       schema_ref_text(builder, wanted->type), NAME(type->name), NAME(field->name),
                       NAME(wanted->name), schema_ref_text(builder, given->type));
            schema_locate(builder, error, wanted->definition->type->node.at);
            schema_locate(builder, error, given->definition->type->node.at);
        }
    }
}

static void check_more_arguments(struct validation *check, const struct schema_type *type,
                                 const struct schema_type *interface,
                                 const struct schema_field *field,
                                 const struct schema_field *expected)
{
    for (uint32_t i = 0; i < field->argument_count; i++) {
        const struct schema_input *given = &field->arguments[i];
        struct graphql_error *error;

        if (!schema_input_is_required(given) ||
            schema_find_input(expected->arguments, expected->argument_count, given->name) != NULL)
            continue;
        error = REPORT(check->builder,
                       "Object field %.*s.%.*s includes required argument %.*s that is missing "
                       "from the Interface field %.*s.%.*s.",
                       NAME(type->name), NAME(field->name), NAME(given->name),
                       NAME(interface->name), NAME(field->name));
        schema_locate(check->builder, error, given->definition->node.at);
        schema_locate(check->builder, error, expected->definition->node.at);
    }
}

static void check_implementation(struct validation *check, const struct schema_type *type,
                                 const struct schema_type *interface)
{
    struct schema_builder *builder = check->builder;

    for (uint32_t i = 0; i < interface->field_count; i++) {
        const struct schema_field *expected = &interface->fields[i];
        const struct schema_field *field =
            names_find(&builder->tables->fields, type, expected->name);
        struct graphql_error *error;

        if (field == NULL) {
            error =
                REPORT(builder, "Interface field %.*s.%.*s expected but %.*s does not provide it.",
                       NAME(interface->name), NAME(expected->name), NAME(type->name));
            schema_locate(builder, error, expected->definition->node.at);
            locate_parts(check, error, type->parts);
            continue;
        }
        if (expected->type != NULL && field->type != NULL &&
            !schema_ref_is_subtype(field->type, expected->type)) {
            error = REPORT(builder,
                           "Interface field %.*s.%.*s expects type %s but %.*s.%.*s is type %s.",
                           NAME(interface->name), NAME(expected->name),
                           schema_ref_text(builder, expected->type), NAME(type->name),
                           NAME(field->name), schema_ref_text(builder, field->type));
            schema_locate(builder, error, expected->definition->type->node.at);
            schema_locate(builder, error, field->definition->type->node.at);
        }
        check_implemented_arguments(check, type, interface, field, expected);
        check_more_arguments(check, type, interface, field, expected);
    }
}

static void check_interfaces(struct validation *check, const struct schema_type *type)
{
    struct schema_builder *builder = check->builder;

    for (uint32_t i = 0; i < type->interface_count; i++)
        check->notes[type->interfaces[i]->index].implemented_by = type->index + 1;
    for (uint32_t i = 0; i < type->interface_count; i++) {
        const struct schema_type *interface = type->interfaces[i];
        struct type_notes *notes = &check->notes[interface->index];
        struct graphql_error *error = NULL;

        if (interface->kind != SCHEMA_INTERFACE)
            error = REPORT(builder,
                           "Type %.*s must only implement Interface types, it cannot implement "
                           "%.*s.",
                           NAME(type->name), NAME(interface->name));
        else if (interface == type)
            error = REPORT(builder,
                           "Type %.*s cannot implement itself because it would create a circular "
                           "reference.",
                           NAME(type->name));
        else if (notes->judged_for == type->index + 1)
            error = REPORT(builder, "Type %.*s can only implement %.*s once.", NAME(type->name),
                           NAME(interface->name));
        locate_named(check, error, type, interface->name);
        if (interface->kind != SCHEMA_INTERFACE || interface == type ||
            notes->judged_for == type->index + 1)
            continue;
        notes->judged_for = type->index + 1;
        check_ancestors(check, type, interface);
        check_implementation(check, type, interface);
    }
}

static bool has_members(const struct schema_type *type)
{
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        if (part->definition->members != NULL)
            return true;
    }
    return false;
}

static void check_members(struct validation *check, const struct schema_type *type)
{
    struct schema_builder *builder = check->builder;
    struct graphql_error *error;

    if (!has_members(type))
        locate_parts(check,
                     REPORT(builder, "Union type %.*s must define one or more member types.",
                            NAME(type->name)),
                     type->parts);
    for (uint32_t i = 0; i < type->possible_count; i++) {
        const struct schema_type *member = type->possible[i];
        struct type_notes *notes = &check->notes[member->index];

        if (notes->judged_for == type->index + 1) {
            error = REPORT(builder, "Union type %.*s can only include type %.*s once.",
                           NAME(type->name), NAME(member->name));
            locate_named(check, error, type, member->name);
            continue;
        }
        notes->judged_for = type->index + 1;
        if (member->kind == SCHEMA_OBJECT)
            continue;
        error = REPORT(builder,
                       "Union type %.*s can only include Object types, it cannot include %.*s.",
                       NAME(type->name), NAME(member->name));
        locate_named(check, error, type, member->name);
    }
}

static void check_values(struct validation *check, const struct schema_type *type)
{
    if (type->value_count == 0)
        locate_parts(check,
                     REPORT(check->builder, "Enum type %.*s must define one or more values.",
                            NAME(type->name)),
                     type->parts);
    for (uint32_t i = 0; i < type->value_count; i++)
        check_name(check, type->values[i].name, &type->values[i].definition->node);
}

static void check_input_fields(struct validation *check, const struct schema_type *type)
{
    if (type->input_count == 0)
        locate_parts(check,
                     REPORT(check->builder,
                            "Input Object type %.*s must define one or more fields.",
                            NAME(type->name)),
                     type->parts);
    for (uint32_t i = 0; i < type->input_count; i++) {
        const struct schema_input *input = &type->inputs[i];
        const char *owner;

        if (!is_input_suspect(input))
            continue;
        owner = region_printf(&check->builder->scratch, "%.*s.%.*s", NAME(type->name),
                              NAME(input->name));
        if (owner != NULL)
            check_input(check, input, owner, true, false);
    }
}

/* The input object that a field cannot do without; NULL: it can. */
static const struct schema_type *needed_object(const struct schema_input *input)
{
    const struct schema_ref *ref = input->type;

    if (ref == NULL || ref->wrapper != SCHEMA_NON_NULL || ref->of->wrapper != SCHEMA_NAMED ||
        ref->of->type->kind != SCHEMA_INPUT_OBJECT)
        return NULL;
    return ref->of->type;
}

/* The path from step @from to its end leads back to @type. */
static void report_circle(struct validation *check, const struct schema_type *type,
                          const struct path_step *path, uint32_t from, uint32_t count)
{
    struct text names = {0};
    struct graphql_error *error;

    for (uint32_t i = from; i < count; i++)
        text_printf(&names, "%s%.*s", i > from ? "." : "",
                    NAME(path[i].type->inputs[path[i].field_index - 1].name));
    check->builder->scratch.has_failed |= !text_is_whole(&names);
    error = REPORT(check->builder,
                   "Cannot reference Input Object \"%.*s\" within itself through a series of "
                   "non-null fields: \"%.*s\".",
                   NAME(type->name), (int)names.size, names.bytes);
    text_done(&names);
    for (uint32_t i = from; error != NULL && i < count; i++)
        schema_locate(check->builder, error,
                      path[i].type->inputs[path[i].field_index - 1].definition->node.at);
}

/*
 * Walks from an input object to all that it cannot do without, each once; a path may be as long as
 * there are types, so it is kept in @path, which has room for them.
 */
static void check_circles(struct validation *check, const struct schema_type *start,
                          struct path_step *path)
{
    uint32_t count = 0;

    if (check->notes[start->index].is_visited)
        return;
    path[count++] = (struct path_step){.type = start};
    check->notes[start->index].is_visited = true;
    check->notes[start->index].path_index = count;
    while (count > 0) {
        struct path_step *step = &path[count - 1];
        const struct schema_type *next;
        struct type_notes *notes;

        if (step->field_index == step->type->input_count) {
            check->notes[step->type->index].path_index = 0;
            count--;
            continue;
        }
        next = needed_object(&step->type->inputs[step->field_index++]);
        if (next == NULL)
            continue;
        notes = &check->notes[next->index];
        if (notes->path_index > 0) {
            report_circle(check, next, path, notes->path_index - 1, count);
        } else if (!notes->is_visited) {
            path[count++] = (struct path_step){.type = next};
            notes->is_visited = true;
            notes->path_index = count;
        }
    }
}

static void check_type(struct validation *check, const struct schema_type *type,
                       struct path_step *path)
{
    check_name(check, type->name, &type->definition->node);
    switch (type->kind) {
    case SCHEMA_SCALAR:
        break;
    case SCHEMA_OBJECT:
    case SCHEMA_INTERFACE:
        check_fields(check, type);
        check_interfaces(check, type);
        break;
    case SCHEMA_UNION:
        check_members(check, type);
        break;
    case SCHEMA_ENUM:
        check_values(check, type);
        break;
    case SCHEMA_INPUT_OBJECT:
        check_input_fields(check, type);
        check_circles(check, type, path);
        break;
    }
}

void schema_validate(struct schema_builder *builder)
{
    const struct schema *schema = builder->schema;
    struct validation check = {.builder = builder};
    size_t count = (size_t)schema->type_count + 1;
    struct path_step *path = region_alloc(&builder->scratch, count * sizeof *path);

    check.notes = region_alloc(&builder->scratch, count * sizeof *check.notes);
    if (path == NULL || check.notes == NULL)
        return;
    check_root(&check, AST_QUERY);
    check_root(&check, AST_MUTATION);
    check_root(&check, AST_SUBSCRIPTION);
    check_directives(&check);
    for (uint32_t i = 0; i < schema->type_count && !builder->errors->has_overflown; i++) {
        if (!schema->types[i]->is_built_in)
            check_type(&check, schema->types[i], path);
    }
}
