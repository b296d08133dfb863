/*
 * The rules that SDL must keep as a text: graphql-js's specifiedSDLRules, all in one walk. At each
 * node they come in the order of that list, and nodes in the order of its visitor, so that errors
 * come in the same order too.
 */
#include "server/graphql/schema_build.h"

#include "server/graphql/print.h"
#include "server/graphql/suggest.h"
#include "server/json/text.h"

struct sdl_walk {
    struct schema_builder *builder;
    struct names seen; /* what must be unique, each under an owner of its own */
    const struct ast_operation_type *operation_types[3];
    bool has_schema;
};

/* A name that stands in a list, and its place. */
struct sdl_name {
    struct ast_text text;
    uint32_t at;
    bool is_repeated;
    bool is_repetition;
};

static struct build_type *build_type_of(const struct sdl_walk *walk,
                                        const struct ast_definition *definition)
{
    return names_find(&walk->builder->defined, NULL, definition->name.text);
}

/* True: the name was new under @owner. Otherwise *ret_first is where it was first. */
static bool is_new(struct sdl_walk *walk, const void *owner, const struct ast_name *name,
                   uint32_t *ret_first)
{
    struct ast_name *copy = region_alloc(&walk->builder->scratch, sizeof *copy);
    const struct ast_name *first;

    if (copy == NULL)
        return true;
    *copy = *name;
    first = names_add(&walk->seen, owner, name->text, copy);
    *ret_first = first->at;
    return first == copy;
}

static void locate_both(struct sdl_walk *walk, struct graphql_error *error, uint32_t first,
                        uint32_t second)
{
    schema_locate(walk->builder, error, first);
    schema_locate(walk->builder, error, second);
}

static void check_operation_types(struct sdl_walk *walk, const struct ast_definition *definition)
{
    static const char *const operation_names[] = {"query", "mutation", "subscription"};

    for (const struct ast_operation_type *type = definition->operation_types; type != NULL;
         type = type->next) {
        const struct ast_operation_type *first = walk->operation_types[type->operation];

        if (first == NULL)
            walk->operation_types[type->operation] = type;
        else
            locate_both(walk,
                        REPORT(walk->builder, "There can be only one %s type in schema.",
                               operation_names[type->operation]),
                        first->node.at, type->node.at);
    }
}

static void check_schema(struct sdl_walk *walk, const struct ast_definition *definition)
{
    if (!definition->is_extension && walk->has_schema)
        schema_locate(walk->builder,
                      REPORT(walk->builder, "Must provide only one schema definition."),
                      definition->node.at);
    walk->has_schema |= !definition->is_extension;
    check_operation_types(walk, definition);
}

static void check_type_name(struct sdl_walk *walk, const struct ast_definition *definition)
{
    uint32_t first;

    if (!is_new(walk, &walk->builder->defined, &definition->name, &first))
        locate_both(walk,
                    REPORT(walk->builder, "There can be only one type named \"%.*s\".",
                           NAME(definition->name.text)),
                    first, definition->name.at);
}

static void check_enum_values(struct sdl_walk *walk, const struct ast_definition *definition,
                              const struct build_type *type)
{
    uint32_t first;

    for (const struct ast_enum_value *value = definition->values; value != NULL;
         value = value->next) {
        if (!is_new(walk, &type->values_key, &value->name, &first))
            locate_both(walk,
                        REPORT(walk->builder, "Enum value \"%.*s.%.*s\" can only be defined once.",
                               NAME(type->name), NAME(value->name.text)),
                        first, value->name.at);
    }
}

static void check_field_name(struct sdl_walk *walk, const struct build_type *type,
                             const struct ast_name *name)
{
    uint32_t first;

    if (!is_new(walk, &type->fields_key, name, &first))
        locate_both(walk,
                    REPORT(walk->builder, "Field \"%.*s.%.*s\" can only be defined once.",
                           NAME(type->name), NAME(name->text)),
                    first, name->at);
}

/* Whether any name stands in the list more than once; which do is noted in it. */
static bool mark_repeated(struct sdl_walk *walk, struct sdl_name *names, uint32_t count)
{
    bool is_any_repeated = false;

    for (uint32_t i = 0; i < count; i++) {
        struct sdl_name *first = names_add(&walk->seen, names, names[i].text, &names[i]);

        if (first == &names[i])
            continue;
        first->is_repeated = true;
        names[i].is_repetition = true;
        is_any_repeated = true;
    }
    return is_any_repeated;
}

/* Each name that is repeated, once, with all its places. */
static void report_repeated(struct sdl_walk *walk, const struct sdl_name *names, uint32_t count,
                            const char *before, const char *after)
{
    for (uint32_t i = 0; i < count; i++) {
        struct graphql_error *error;

        if (!names[i].is_repeated)
            continue;
        error = REPORT(walk->builder, "%s%.*s%s", before, NAME(names[i].text), after);
        for (uint32_t j = i; error != NULL && j < count; j++) {
            if (ast_text_equals(names[j].text, names[i].text))
                schema_locate(walk->builder, error, names[j].at);
        }
    }
}

/* @parent and @field name what the arguments belong to: "@directive" and "", "Type." and "field". */
static void check_argument_definitions(struct sdl_walk *walk, const char *parent,
                                       struct ast_text type, struct ast_text field,
                                       const struct ast_input_value *arguments)
{
    struct region *scratch = &walk->builder->scratch;
    struct sdl_name *names;
    const char *before;
    uint32_t count = 0;

    for (const struct ast_input_value *argument = arguments; argument != NULL;
         argument = argument->next)
        count++;
    if (count < 2)
        return;
    names = region_alloc(scratch, count * sizeof *names);
    if (names == NULL)
        return;
    count = 0;
    for (const struct ast_input_value *argument = arguments; argument != NULL;
         argument = argument->next)
        names[count++] = (struct sdl_name){.text = argument->name.text, .at = argument->name.at};
    if (!mark_repeated(walk, names, count))
        return;
    before = region_printf(scratch, "Argument \"%s%.*s%s%.*s(", parent, NAME(type),
                           field.size > 0 ? "." : "", NAME(field));
    if (before != NULL)
        report_repeated(walk, names, count, before, ":)\" can only be defined once.");
}

static void check_directive_name(struct sdl_walk *walk, const struct ast_definition *definition)
{
    uint32_t first;

    if (!is_new(walk, &walk->builder->directives, &definition->name, &first))
        locate_both(walk,
                    REPORT(walk->builder, "There can be only one directive named \"@%.*s\".",
                           NAME(definition->name.text)),
                    first, definition->name.at);
}

/* Only repeatable directives may stand more than once in what @owner, an address, is for. */
static void check_unique_directives(struct sdl_walk *walk, const void *owner,
                                    const struct ast_directive *directives)
{
    uint32_t first;

    for (; directives != NULL; directives = directives->next) {
        const struct ast_definition *definition =
            schema_directive_definition(walk->builder, directives->name.text);
        struct ast_name place = {.text = directives->name.text, .at = directives->node.at};

        if (definition == NULL || definition->is_repeatable || is_new(walk, owner, &place, &first))
            continue;
        locate_both(walk,
                    REPORT(walk->builder,
                           "The directive \"@%.*s\" can only be used once at this location.",
                           NAME(place.text)),
                    first, place.at);
    }
}

static const char *extended_kind(enum ast_kind kind)
{
    switch ((int)kind) {
    case AST_SCALAR_TYPE:
        return "scalar";
    case AST_OBJECT_TYPE:
        return "object";
    case AST_INTERFACE_TYPE:
        return "interface";
    case AST_UNION_TYPE:
        return "union";
    case AST_ENUM_TYPE:
        return "enum";
    default:
        return "input object";
    }
}

static void offer_types(struct suggest *suggest, const struct schema_builder *builder,
                        bool with_built_in)
{
    for (uint32_t i = 0; i < builder->type_count; i++) {
        if (with_built_in || !builder->types[i]->is_built_in)
            suggest_offer(suggest, builder->types[i]->name);
    }
}

static void check_extension(struct sdl_walk *walk, const struct ast_definition *extension)
{
    const struct build_type *type = build_type_of(walk, extension);
    struct suggest suggest;

    if (walk->builder->errors->has_overflown || type == NULL)
        return;
    if (type->definition == NULL) {
        suggest_begin(&suggest, extension->name.text, &walk->builder->scratch);
        offer_types(&suggest, walk->builder, false);
        schema_locate(walk->builder,
                      REPORT(walk->builder,
                             "Cannot extend type \"%.*s\" because it is not defined.%s",
                             NAME(extension->name.text), suggest_end(&suggest, NULL)),
                      extension->name.at);
    } else if (type->definition->node.kind != extension->node.kind) {
        locate_both(walk,
                    REPORT(walk->builder, "Cannot extend non-%s type \"%.*s\".",
                           extended_kind(extension->node.kind), NAME(extension->name.text)),
                    type->definition->node.at, extension->node.at);
    }
}

/* Recursion: as deep as the wrappers, which the parser bounds; so are literals below. */
static void check_type(struct sdl_walk *walk, const struct ast_type *type)
{
    struct suggest suggest;

    while (type->node.kind != AST_NAMED)
        type = type->of;
    if (schema_known_type(walk->builder, type->name) != NULL ||
        walk->builder->errors->has_overflown)
        return;
    suggest_begin(&suggest, type->name, &walk->builder->scratch);
    offer_types(&suggest, walk->builder, true);
    schema_locate(walk->builder,
                  REPORT(walk->builder, "Unknown type \"%.*s\".%s", NAME(type->name),
                         suggest_end(&suggest, NULL)),
                  type->node.at);
}

static void check_value(struct sdl_walk *walk, const struct ast_value *value)
{
    uint32_t first;

    for (const struct ast_value *item = value->items; item != NULL; item = item->next)
        check_value(walk, item);
    for (const struct ast_object_field *field = value->fields; field != NULL; field = field->next) {
        if (!is_new(walk, value, &field->name, &first))
            locate_both(walk,
                        REPORT(walk->builder, "There can be only one input field named \"%.*s\".",
                               NAME(field->name.text)),
                        first, field->name.at);
        check_value(walk, field->value);
    }
}

static void check_known_arguments(struct sdl_walk *walk, const struct ast_directive *directive,
                                  const struct ast_definition *definition)
{
    for (const struct ast_argument *argument = directive->arguments; argument != NULL;
         argument = argument->next) {
        const struct ast_input_value *input = definition->input_values;
        struct suggest suggest;

        while (input != NULL && !ast_text_equals(input->name.text, argument->name.text))
            input = input->next;
        if (input != NULL || walk->builder->errors->has_overflown)
            continue;
        suggest_begin(&suggest, argument->name.text, &walk->builder->scratch);
        for (input = definition->input_values; input != NULL; input = input->next)
            suggest_offer(&suggest, input->name.text);
        schema_locate(walk->builder,
                      REPORT(walk->builder, "Unknown argument \"%.*s\" on directive \"@%.*s\".%s",
                             NAME(argument->name.text), NAME(directive->name.text),
                             suggest_end(&suggest, NULL)),
                      argument->node.at);
    }
}

static void check_unique_arguments(struct sdl_walk *walk, const struct ast_argument *arguments)
{
    struct sdl_name *names;
    uint32_t count = 0;

    for (const struct ast_argument *argument = arguments; argument != NULL;
         argument = argument->next)
        count++;
    if (count < 2)
        return;
    names = region_alloc(&walk->builder->scratch, count * sizeof *names);
    if (names == NULL)
        return;
    count = 0;
    for (const struct ast_argument *argument = arguments; argument != NULL;
         argument = argument->next)
        names[count++] = (struct sdl_name){.text = argument->name.text, .at = argument->name.at};
    if (mark_repeated(walk, names, count))
        report_repeated(walk, names, count, "There can be only one argument named \"", "\".");
}

static void check_required_arguments(struct sdl_walk *walk, const struct ast_directive *directive,
                                     const struct ast_definition *definition)
{
    for (const struct ast_input_value *input = definition->input_values; input != NULL;
         input = input->next) {
        const struct ast_argument *argument = directive->arguments;
        struct text type = {0};

        if (input->type->node.kind != AST_NON_NULL || input->default_value != NULL)
            continue;
        while (argument != NULL && !ast_text_equals(argument->name.text, input->name.text))
            argument = argument->next;
        if (argument != NULL)
            continue;
        print_type(input->type, &type);
        walk->builder->scratch.has_failed |= !text_is_whole(&type);
        schema_locate(walk->builder,
                      REPORT(walk->builder,
                             "Directive \"@%.*s\" argument \"%.*s\" of type \"%.*s\" is required, "
                             "but it was not provided.",
                             NAME(directive->name.text), NAME(input->name.text), (int)type.size,
                             type.bytes),
                      directive->node.at);
        text_done(&type);
    }
}

static void check_directive_location(struct sdl_walk *walk, const struct ast_directive *directive,
                                     const struct ast_definition *definition,
                                     enum schema_location location)
{
    for (uint32_t i = 0; i < definition->location_count; i++) {
        if (ast_text_is(definition->locations[i].text, schema_location_name(location)))
            return;
    }
    schema_locate(walk->builder,
                  REPORT(walk->builder, "Directive \"@%.*s\" may not be used on %s.",
                         NAME(directive->name.text), schema_location_name(location)),
                  directive->node.at);
}

static void check_directives(struct sdl_walk *walk, const struct ast_directive *directives,
                             enum schema_location location)
{
    for (; directives != NULL; directives = directives->next) {
        const struct ast_definition *definition =
            schema_directive_definition(walk->builder, directives->name.text);

        if (definition == NULL)
            schema_locate(
                walk->builder,
                REPORT(walk->builder, "Unknown directive \"@%.*s\".", NAME(directives->name.text)),
                directives->node.at);
        else
            check_directive_location(walk, directives, definition, location);
        if (definition != NULL)
            check_known_arguments(walk, directives, definition);
        check_unique_arguments(walk, directives->arguments);
        for (const struct ast_argument *argument = directives->arguments; argument != NULL;
             argument = argument->next)
            check_value(walk, argument->value);
        if (definition != NULL)
            check_required_arguments(walk, directives, definition);
    }
}

static void check_inputs(struct sdl_walk *walk, const struct ast_input_value *inputs,
                         enum schema_location location)
{
    for (; inputs != NULL; inputs = inputs->next) {
        check_unique_directives(walk, inputs, inputs->directives);
        check_type(walk, inputs->type);
        if (inputs->default_value != NULL)
            check_value(walk, inputs->default_value);
        check_directives(walk, inputs->directives, location);
    }
}

static void check_fields(struct sdl_walk *walk, const struct ast_field_definition *fields)
{
    for (; fields != NULL; fields = fields->next) {
        check_unique_directives(walk, fields, fields->directives);
        check_inputs(walk, fields->arguments, SCHEMA_ON_ARGUMENT_DEFINITION);
        check_type(walk, fields->type);
        check_directives(walk, fields->directives, SCHEMA_ON_FIELD_DEFINITION);
    }
}

static void check_type_list(struct sdl_walk *walk, const struct ast_type *types)
{
    for (; types != NULL; types = types->next)
        check_type(walk, types);
}

static void check_schema_definition(struct sdl_walk *walk, const struct ast_definition *definition)
{
    check_schema(walk, definition);
    check_unique_directives(walk, &walk->has_schema, definition->directives);
    check_directives(walk, definition->directives, SCHEMA_ON_SCHEMA);
    for (const struct ast_operation_type *type = definition->operation_types; type != NULL;
         type = type->next)
        check_type(walk, type->type);
}

static void check_directive_definition(struct sdl_walk *walk,
                                       const struct ast_definition *definition)
{
    check_argument_definitions(walk, "@", definition->name.text, (struct ast_text){0},
                               definition->input_values);
    check_directive_name(walk, definition);
    check_inputs(walk, definition->input_values, SCHEMA_ON_ARGUMENT_DEFINITION);
}

/* What is judged of a type or its extension when it is entered. */
static void check_type_head(struct sdl_walk *walk, const struct ast_definition *definition,
                            const struct build_type *type)
{
    if (!definition->is_extension)
        check_type_name(walk, definition);
    check_enum_values(walk, definition, type);
    for (const struct ast_field_definition *field = definition->fields; field != NULL;
         field = field->next)
        check_field_name(walk, type, &field->name);
    for (const struct ast_input_value *input = definition->input_values; input != NULL;
         input = input->next)
        check_field_name(walk, type, &input->name);
    for (const struct ast_field_definition *field = definition->fields; field != NULL;
         field = field->next)
        check_argument_definitions(walk, "", definition->name.text, field->name.text,
                                   field->arguments);
    check_unique_directives(walk, &type->directives_key, definition->directives);
    if (definition->is_extension)
        check_extension(walk, definition);
}

static void check_type_definition(struct sdl_walk *walk, const struct ast_definition *definition)
{
    static const enum schema_location places[] = {
        [AST_SCALAR_TYPE] = SCHEMA_ON_SCALAR,
        [AST_OBJECT_TYPE] = SCHEMA_ON_OBJECT,
        [AST_INTERFACE_TYPE] = SCHEMA_ON_INTERFACE,
        [AST_UNION_TYPE] = SCHEMA_ON_UNION,
        [AST_ENUM_TYPE] = SCHEMA_ON_ENUM,
        [AST_INPUT_OBJECT_TYPE] = SCHEMA_ON_INPUT_OBJECT,
    };
    const struct build_type *type = build_type_of(walk, definition);

    if (type == NULL)
        return; /* no memory */
    check_type_head(walk, definition, type);
    check_type_list(walk, definition->interfaces);
    check_directives(walk, definition->directives, places[definition->node.kind]);
    check_type_list(walk, definition->members);
    for (const struct ast_enum_value *value = definition->values; value != NULL;
         value = value->next) {
        check_unique_directives(walk, value, value->directives);
        check_directives(walk, value->directives, SCHEMA_ON_ENUM_VALUE);
    }
    check_fields(walk, definition->fields);
    check_inputs(walk, definition->input_values, SCHEMA_ON_INPUT_FIELD_DEFINITION);
}

static void check_definition(struct sdl_walk *walk, const struct ast_definition *definition)
{
    if (definition->node.kind == AST_SCHEMA)
        check_schema_definition(walk, definition);
    else if (definition->node.kind == AST_DIRECTIVE_DEFINITION)
        check_directive_definition(walk, definition);
    else if (definition->node.kind == AST_OPERATION || definition->node.kind == AST_FRAGMENT)
        schema_locate(walk->builder,
                      REPORT(walk->builder, "Operations and fragments cannot be part of a schema."),
                      definition->node.at);
    else
        check_type_definition(walk, definition);
}

void schema_check_sdl(struct schema_builder *builder)
{
    struct sdl_walk walk = {.builder = builder};

    names_init(&walk.seen, &builder->scratch);
    for (const struct ast_definition *definition = builder->document->definitions;
         definition != NULL && !builder->errors->has_overflown; definition = definition->next)
        check_definition(&walk, definition);
}
