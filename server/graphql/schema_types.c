/* Types, fields and directives out of the tree; what the tree got wrong has been reported before. */
#include "server/graphql/schema_build.h"

#include <stddef.h>

#include "server/graphql/value.h"

/* An index: not in the schema's types (yet). */
#define NOT_LISTED UINT32_MAX

static const struct ast_text default_reason = {"No longer supported", 19};

static const struct ast_text *text_of(const struct ast_value *string)
{
    return string == NULL ? NULL : &string->text;
}

/* The argument of a directive; NULL: it is not given. */
static const struct ast_value *argument_of(const struct ast_directive *directive, const char *name)
{
    const struct ast_argument *argument = directive->arguments;

    while (argument != NULL && !ast_text_is(argument->name.text, name))
        argument = argument->next;
    return argument == NULL ? NULL : argument->value;
}

/* A null for a reason says that it is not deprecated, as in graphql-js. */
static const struct ast_text *reason_of(const struct ast_directive *directives)
{
    const struct ast_directive *deprecated = schema_find_applied(directives, "deprecated");
    const struct ast_value *reason;

    if (deprecated == NULL)
        return NULL;
    reason = argument_of(deprecated, "reason");
    if (reason == NULL)
        return &default_reason;
    return reason->node.kind == AST_STRING ? &reason->text : NULL;
}

static const struct ast_text *specified_by_of(const struct ast_directive *directives)
{
    const struct ast_directive *specified_by = schema_find_applied(directives, "specifiedBy");
    const struct ast_value *url = specified_by == NULL ? NULL : argument_of(specified_by, "url");

    return url != NULL && url->node.kind == AST_STRING ? &url->text : NULL;
}

/* NULL: unknown. */
static const struct schema_ref *refer(struct schema_builder *builder, const struct ast_type *type)
{
    return schema_ref_of(builder->schema, type, &builder->schema->region);
}

static void *allocate(struct schema_builder *builder, size_t count, size_t size)
{
    return region_alloc(&builder->schema->region, (count + 1) * size);
}

static void fill_inputs(struct schema_builder *builder, const struct ast_input_value *definition,
                        struct schema_input *inputs, uint32_t *count)
{
    for (; definition != NULL; definition = definition->next) {
        inputs[(*count)++] = (struct schema_input){
            .name = definition->name.text,
            .description = text_of(definition->description),
            .type = refer(builder, definition->type),
            .default_literal = definition->default_value,
            .deprecation_reason = reason_of(definition->directives),
            .definition = definition,
        };
    }
}

static uint32_t count_inputs(const struct ast_input_value *definition)
{
    uint32_t count = 0;

    for (; definition != NULL; definition = definition->next)
        count++;
    return count;
}

static struct schema_input *make_arguments(struct schema_builder *builder,
                                           const struct ast_input_value *definitions,
                                           uint32_t *ret_count)
{
    struct schema_input *inputs = allocate(builder, count_inputs(definitions), sizeof *inputs);

    if (inputs != NULL)
        fill_inputs(builder, definitions, inputs, ret_count);
    return inputs;
}

static void make_input_fields(struct schema_builder *builder, struct schema_type *type)
{
    size_t count = 0;

    for (const struct schema_part *part = type->parts; part != NULL; part = part->next)
        count += count_inputs(part->definition->input_values);
    type->inputs = allocate(builder, count, sizeof *type->inputs);
    if (type->inputs == NULL)
        return;
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next)
        fill_inputs(builder, part->definition->input_values, type->inputs, &type->input_count);
}

static void make_fields(struct schema_builder *builder, struct schema_type *type)
{
    size_t count = 0;

    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        for (const struct ast_field_definition *field = part->definition->fields; field != NULL;
             field = field->next)
            count++;
    }
    type->fields = allocate(builder, count, sizeof *type->fields);
    if (type->fields == NULL)
        return;
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        for (const struct ast_field_definition *definition = part->definition->fields;
             definition != NULL; definition = definition->next) {
            struct schema_field *field = &type->fields[type->field_count++];

            field->name = definition->name.text;
            field->description = text_of(definition->description);
            field->arguments =
                make_arguments(builder, definition->arguments, &field->argument_count);
            field->type = refer(builder, definition->type);
            field->deprecation_reason = reason_of(definition->directives);
            field->definition = definition;
            (void)names_add(&builder->tables->fields, type, field->name, field);
        }
    }
}

static void make_values(struct schema_builder *builder, struct schema_type *type)
{
    size_t count = 0;

    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        for (const struct ast_enum_value *value = part->definition->values; value != NULL;
             value = value->next)
            count++;
    }
    type->values = allocate(builder, count, sizeof *type->values);
    if (type->values == NULL)
        return;
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        for (const struct ast_enum_value *value = part->definition->values; value != NULL;
             value = value->next) {
            type->values[type->value_count++] = (struct schema_enum_value){
                .name = value->name.text,
                .description = text_of(value->description),
                .deprecation_reason = reason_of(value->directives),
                .definition = value,
            };
        }
    }
}

/* The types that the parts name: interfaces, or members of a union. Unknown ones are left out. */
static const struct schema_type **make_named(struct schema_builder *builder,
                                             const struct schema_type *type, uint32_t *ret_count)
{
    bool is_union = type->kind == SCHEMA_UNION;
    const struct schema_type **named;
    size_t count = 0;

    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        const struct ast_type *name =
            is_union ? part->definition->members : part->definition->interfaces;

        for (; name != NULL; name = name->next)
            count++;
    }
    named = allocate(builder, count, sizeof(struct schema_type *));
    if (named == NULL)
        return NULL;
    for (const struct schema_part *part = type->parts; part != NULL; part = part->next) {
        const struct ast_type *name =
            is_union ? part->definition->members : part->definition->interfaces;

        for (; name != NULL; name = name->next) {
            const struct schema_ref *ref = refer(builder, name);

            if (ref != NULL)
                named[(*ret_count)++] = ref->type;
        }
    }
    return named;
}

static void make_content(struct schema_builder *builder, struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_SCALAR:
        /* The definition's alone, as in graphql-js. */
        type->specified_by = specified_by_of(type->definition->directives);
        break;
    case SCHEMA_OBJECT:
    case SCHEMA_INTERFACE:
        type->interfaces = make_named(builder, type, &type->interface_count);
        make_fields(builder, type);
        break;
    case SCHEMA_UNION:
        type->possible = make_named(builder, type, &type->possible_count);
        break;
    case SCHEMA_ENUM:
        make_values(builder, type);
        break;
    case SCHEMA_INPUT_OBJECT:
        make_input_fields(builder, type);
        break;
    }
}

static enum schema_scalar scalar_named(struct ast_text name)
{
    static const struct {
        const char *name;
        enum schema_scalar scalar;
    } scalars[] = {
        {"Int", SCHEMA_INT},         {"Float", SCHEMA_FLOAT}, {"String", SCHEMA_STRING},
        {"Boolean", SCHEMA_BOOLEAN}, {"ID", SCHEMA_ID},
    };

    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        if (ast_text_is(name, scalars[i].name))
            return scalars[i].scalar;
    }
    return SCHEMA_CUSTOM;
}

static enum schema_kind kind_of(enum ast_kind kind)
{
    switch ((int)kind) {
    case AST_OBJECT_TYPE:
        return SCHEMA_OBJECT;
    case AST_INTERFACE_TYPE:
        return SCHEMA_INTERFACE;
    case AST_UNION_TYPE:
        return SCHEMA_UNION;
    case AST_ENUM_TYPE:
        return SCHEMA_ENUM;
    case AST_INPUT_OBJECT_TYPE:
        return SCHEMA_INPUT_OBJECT;
    default:
        return SCHEMA_SCALAR;
    }
}

/* The type without its content, so that others can refer to it. */
static void make_type(struct schema_builder *builder, struct build_type *build)
{
    struct schema_type *type;

    /* A type of the SDL that is named like a built-in one counts for nothing, as in graphql-js. */
    if (!build->is_built_in && names_find(&builder->standard, NULL, build->name) != NULL)
        return;
    type = allocate(builder, 1, sizeof *type);
    if (type == NULL)
        return;
    type->kind = kind_of(build->first->node.kind);
    type->name = build->name;
    type->scalar = build->is_built_in && type->kind == SCHEMA_SCALAR ? scalar_named(type->name)
                                                                     : SCHEMA_CUSTOM;
    type->ref = (struct schema_ref){.wrapper = SCHEMA_NAMED, .type = type};
    type->description = text_of(build->first->description);
    type->is_built_in = build->is_built_in;
    type->index = NOT_LISTED;
    type->definition = build->first;
    type->parts = build->parts;
    build->type = type;
    (void)names_add(&builder->tables->types, NULL, type->name, type);
}

static uint32_t locations_of(const struct ast_definition *definition)
{
    uint32_t set = 0;

    for (uint32_t i = 0; i < definition->location_count; i++) {
        for (unsigned location = 0; location < SCHEMA_LOCATION_COUNT; location++) {
            if (ast_text_is(definition->locations[i].text, schema_location_name(location)))
                set |= 1U << location;
        }
    }
    return set;
}

static void make_directive(struct schema_builder *builder, const struct ast_definition *definition,
                           bool is_built_in)
{
    struct schema *schema = builder->schema;
    struct schema_directive *directive;

    if (names_find(&builder->tables->directives, NULL, definition->name.text) != NULL)
        return; /* the SDL's own replaces the built-in one */
    directive = allocate(builder, 1, sizeof *directive);
    if (directive == NULL)
        return;
    directive->name = definition->name.text;
    directive->description = text_of(definition->description);
    directive->arguments =
        make_arguments(builder, definition->input_values, &directive->argument_count);
    directive->locations = locations_of(definition);
    directive->is_repeatable = definition->is_repeatable;
    directive->is_built_in = is_built_in;
    directive->definition = definition;
    schema->directives[schema->directive_count++] = directive;
    (void)names_add(&builder->tables->directives, NULL, directive->name, directive);
}

static uint32_t count_directives(const struct ast_document *document)
{
    uint32_t count = 0;

    for (const struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next)
        count += definition->node.kind == AST_DIRECTIVE_DEFINITION ? 1 : 0;
    return count;
}

static void make_directives(struct schema_builder *builder)
{
    const struct ast_document *documents[] = {builder->document, builder->built_in};
    size_t count = (size_t)count_directives(documents[0]) + count_directives(documents[1]);

    builder->schema->directives = allocate(builder, count, sizeof(struct schema_directive *));
    if (builder->schema->directives == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        for (const struct ast_definition *definition = documents[i]->definitions;
             definition != NULL; definition = definition->next) {
            if (definition->node.kind == AST_DIRECTIVE_DEFINITION)
                make_directive(builder, definition, i == 1);
        }
    }
}

/* The built-in text has them as an extension of whatever type is the query root. */
static void make_meta_fields(struct schema_builder *builder)
{
    static const char *const meta_names[SCHEMA_META_COUNT] = {
        [SCHEMA_META_SCHEMA] = "__schema",
        [SCHEMA_META_TYPE] = "__type",
        [SCHEMA_META_TYPENAME] = "__typename",
    };
    const struct ast_definition *definition = builder->built_in->definitions;
    struct schema_type *type = allocate(builder, 1, sizeof *type);
    struct schema_part *part = allocate(builder, 1, sizeof *part);

    if (type == NULL || part == NULL)
        return;
    while (!definition->is_extension)
        definition = definition->next;
    part->definition = definition;
    type->parts = part;
    make_fields(builder, type);
    for (uint32_t i = 0; i < type->field_count; i++) {
        for (int j = 0; j < SCHEMA_META_COUNT; j++) {
            if (ast_text_is(type->fields[i].name, meta_names[j]))
                builder->tables->meta[j] = &type->fields[i];
        }
    }
}

static void set_roots(struct schema_builder *builder)
{
    static const char *const root_names[] = {
        [AST_QUERY] = "Query", [AST_MUTATION] = "Mutation", [AST_SUBSCRIPTION] = "Subscription"};
    struct schema *schema = builder->schema;
    bool is_implied = true;

    for (const struct schema_part *part = schema->parts; part != NULL; part = part->next) {
        if (!part->definition->is_extension) {
            is_implied = false;
            schema->description = text_of(part->definition->description);
        }
        for (const struct ast_operation_type *root = part->definition->operation_types;
             root != NULL; root = root->next)
            schema->roots[root->operation] =
                names_find(&builder->tables->types, NULL, root->type->name);
    }
    for (int i = 0; i < 3 && is_implied; i++) {
        struct ast_text name = {root_names[i], (uint32_t)__builtin_strlen(root_names[i])};
        struct build_type *build = names_find(&builder->defined, NULL, name);

        if (build != NULL && build->type != NULL)
            schema->roots[i] = build->type;
    }
}

static void list_referred(struct schema_builder *builder, const struct schema_ref *ref);

static void list_inputs(struct schema_builder *builder, const struct schema_input *inputs,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        list_referred(builder, inputs[i].type);
}

/* Recursion: only built-in types are listed because another one refers to them. */
static void list_type(struct schema_builder *builder, struct schema_type *type)
{
    struct schema *schema = builder->schema;

    type->index = schema->type_count;
    schema->types[schema->type_count++] = type;
    (void)names_add(&builder->tables->types, NULL, type->name, type);
    for (uint32_t i = 0; i < type->interface_count; i++) /* a mistake if it is built in */
        list_referred(builder, &type->interfaces[i]->ref);
    for (uint32_t i = 0; i < type->field_count; i++) {
        list_referred(builder, type->fields[i].type);
        list_inputs(builder, type->fields[i].arguments, type->fields[i].argument_count);
    }
    list_inputs(builder, type->inputs, type->input_count);
    for (uint32_t i = 0; type->kind == SCHEMA_UNION && i < type->possible_count; i++)
        list_referred(builder, &type->possible[i]->ref);
}

static void list_named(struct schema_builder *builder, struct ast_text name)
{
    struct build_type *build = names_find(&builder->standard, NULL, name);

    if (build != NULL && build->type != NULL && build->type->index == NOT_LISTED)
        list_type(builder, build->type);
}

static void list_referred(struct schema_builder *builder, const struct schema_ref *ref)
{
    if (ref != NULL && schema_ref_named(ref)->is_built_in)
        list_named(builder, schema_ref_named(ref)->name);
}

/*
 * The types that can be found by clients, in graphql-js's order: those of the SDL, each followed by
 * the built-in ones that it is the first to refer to; then what the roots and directives need, and
 * the introspection types. A scalar that nothing refers to is not there.
 */
static void list_types(struct schema_builder *builder)
{
    struct schema *schema = builder->schema;

    schema->types = allocate(builder, builder->type_count, sizeof(struct schema_type *));
    if (schema->types == NULL)
        return;
    names_init(&builder->tables->types, &schema->region);
    for (uint32_t i = 0; i < builder->type_count; i++) {
        struct build_type *build = builder->types[i];

        if (build->is_built_in)
            continue;
        if (build->type != NULL)
            list_type(builder, build->type);
        else
            list_named(builder, build->name);
    }
    for (int i = 0; i < 3; i++) {
        if (schema->roots[i] != NULL)
            list_referred(builder, &schema->roots[i]->ref);
    }
    for (uint32_t i = 0; i < schema->directive_count; i++)
        list_inputs(builder, schema->directives[i]->arguments,
                    schema->directives[i]->argument_count);
    list_named(builder, (struct ast_text){"__Schema", 8});
}

/*
 * Objects beside their interfaces, and interfaces' objects; the same for unions. @make: false in a
 * first round that only counts.
 */
static void pair_types(const struct schema *schema, bool make)
{
    for (uint32_t i = 0; i < schema->type_count; i++) {
        struct schema_type *type = schema->types[i];

        for (uint32_t j = 0; type->kind == SCHEMA_OBJECT && j < type->interface_count; j++) {
            struct schema_type *interface = schema->types[type->interfaces[j]->index];

            if (interface->kind != SCHEMA_INTERFACE)
                continue;
            if (make)
                interface->possible[interface->possible_count] = type;
            interface->possible_count++;
        }
        for (uint32_t j = 0; type->kind == SCHEMA_UNION && j < type->possible_count; j++) {
            struct schema_type *member = schema->types[type->possible[j]->index];

            if (make)
                member->unions[member->union_count] = type;
            member->union_count++;
        }
    }
}

static void make_pairs(struct schema_builder *builder)
{
    struct schema *schema = builder->schema;

    pair_types(schema, false);
    for (uint32_t i = 0; i < schema->type_count; i++) {
        struct schema_type *type = schema->types[i];

        if (type->kind == SCHEMA_INTERFACE) {
            type->possible = allocate(builder, type->possible_count, sizeof(struct schema_type *));
            type->possible_count = 0;
        }
        type->unions = allocate(builder, type->union_count, sizeof(struct schema_type *));
        type->union_count = 0;
    }
    if (!schema->region.has_failed)
        pair_types(schema, true);
}

void schema_make_types(struct schema_builder *builder)
{
    for (uint32_t i = 0; i < builder->type_count; i++)
        make_type(builder, builder->types[i]);
    for (uint32_t i = 0; i < builder->type_count; i++) {
        if (builder->types[i]->type != NULL)
            make_content(builder, builder->types[i]->type);
    }
    make_directives(builder);
    make_meta_fields(builder);
    set_roots(builder);
    list_types(builder);
    if (!builder->schema->region.has_failed)
        make_pairs(builder);
}
