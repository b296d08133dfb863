/* From SDL to a schema: parses, gathers what is named, and lets the other steps work on it. */
#include "server/graphql/schema_build.h"

#include <stdlib.h>
#include <string.h>

#include "server/graphql/introspect.h"
#include "server/graphql/parser.h"
#include "server/json/text.h"

void schema_locate(struct schema_builder *builder, struct graphql_error *error, uint32_t at)
{
    graphql_error_locate(builder->errors, error, builder->document, at);
}

const char *schema_ref_text(struct schema_builder *builder, const struct schema_ref *ref)
{
    struct text out = {0};
    const char *copy = NULL;

    schema_ref_print(ref, &out);
    if (text_is_whole(&out))
        copy = region_copy(&builder->scratch, out.bytes, out.size);
    else
        builder->scratch.has_failed = true;
    text_done(&out);
    return copy == NULL ? "" : copy;
}

struct build_type *schema_known_type(const struct schema_builder *builder, struct ast_text name)
{
    struct build_type *type = names_find(&builder->standard, NULL, name);

    if (type == NULL)
        type = names_find(&builder->defined, NULL, name);
    return type != NULL && type->first != NULL ? type : NULL;
}

struct ast_definition *schema_directive_definition(const struct schema_builder *builder,
                                                   struct ast_text name)
{
    return names_find(&builder->directives, NULL, name);
}

const struct ast_directive *schema_find_applied(const struct ast_directive *directives,
                                                const char *name)
{
    while (directives != NULL && !ast_text_is(directives->name.text, name))
        directives = directives->next;
    return directives;
}

static bool is_type(const struct ast_definition *definition)
{
    return definition->node.kind >= AST_SCALAR_TYPE &&
           definition->node.kind <= AST_INPUT_OBJECT_TYPE;
}

/* The entry of a type's name, made when it is new. NULL: no memory. */
static struct build_type *name_type(struct schema_builder *builder, struct names *names,
                                    const struct ast_definition *definition)
{
    struct build_type *type = names_find(names, NULL, definition->name.text);

    if (type != NULL)
        return type;
    type = region_alloc(&builder->scratch, sizeof *type);
    if (type == NULL)
        return NULL;
    type->name = definition->name.text;
    return names_add(names, NULL, type->name, type);
}

/* Adds a definition or extension to what a type or the schema is made of. */
static void add_part(struct schema_builder *builder, const struct ast_definition *definition,
                     const struct schema_part **first, struct schema_part **last)
{
    struct schema_part *part = region_alloc(&builder->schema->region, sizeof *part);

    if (part == NULL)
        return;
    part->definition = definition;
    if (*last == NULL)
        *first = part;
    else
        (*last)->next = part;
    *last = part;
}

static void gather_definitions(struct schema_builder *builder, const struct ast_document *document,
                               struct names *names, bool is_built_in)
{
    for (struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        struct build_type *type;

        if (!is_type(definition) || definition->is_extension)
            continue;
        type = name_type(builder, names, definition);
        if (type == NULL)
            return;
        type->definition = definition;
        type->is_built_in = is_built_in;
        if (type->first != NULL)
            continue;
        type->first = definition;
        add_part(builder, definition, &type->parts, &type->last_part);
        builder->types[builder->type_count++] = type;
    }
}

static void gather_extensions(struct schema_builder *builder)
{
    for (const struct ast_definition *definition = builder->document->definitions;
         definition != NULL; definition = definition->next) {
        struct build_type *type;

        if (!is_type(definition) || !definition->is_extension)
            continue;
        type = name_type(builder, &builder->defined, definition);
        if (type == NULL)
            return;
        if (type->first != NULL && type->first->node.kind == definition->node.kind)
            add_part(builder, definition, &type->parts, &type->last_part);
    }
}

static void gather_schema_parts(struct schema_builder *builder)
{
    struct schema_part *last = NULL;

    for (int round = 0; round < 2; round++) {
        for (const struct ast_definition *definition = builder->document->definitions;
             definition != NULL; definition = definition->next) {
            if (definition->node.kind == AST_SCHEMA && definition->is_extension == (round == 1))
                add_part(builder, definition, &builder->schema->parts, &last);
        }
    }
}

static void gather_directives(struct schema_builder *builder, const struct ast_document *document)
{
    for (struct ast_definition *definition = document->definitions; definition != NULL;
         definition = definition->next) {
        if (definition->node.kind == AST_DIRECTIVE_DEFINITION)
            names_put(&builder->directives, NULL, definition->name.text, definition);
    }
}

static bool gather(struct schema_builder *builder)
{
    size_t count =
        (size_t)builder->document->definition_count + builder->built_in->definition_count;

    names_init(&builder->standard, &builder->scratch);
    names_init(&builder->defined, &builder->scratch);
    names_init(&builder->directives, &builder->scratch);
    builder->types = region_alloc(&builder->scratch, count * sizeof(struct build_type *));
    if (builder->types == NULL)
        return false;
    gather_definitions(builder, builder->document, &builder->defined, false);
    gather_definitions(builder, builder->built_in, &builder->standard, true);
    gather_extensions(builder);
    gather_schema_parts(builder);
    gather_directives(builder, builder->built_in);
    gather_directives(builder, builder->document);
    return !builder->scratch.has_failed && !builder->schema->region.has_failed;
}

/* NULL bytes: no memory. */
static struct ast_text built_in_source(struct region *region)
{
    struct ast_text source = {0};
    char *bytes;

    for (size_t i = 0; introspect_sdl[i] != NULL; i++)
        source.size += (uint32_t)strlen(introspect_sdl[i]);
    bytes = region_alloc(region, (size_t)source.size + 1);
    source.bytes = bytes;
    for (size_t i = 0; bytes != NULL && introspect_sdl[i] != NULL; i++)
        bytes = stpcpy(bytes, introspect_sdl[i]);
    return source;
}

static bool parse(struct schema_builder *builder, const char *sdl, size_t sdl_bytes,
                  const char *file_name)
{
    struct region *region = &builder->schema->region;
    const struct parser_limits limits = PARSER_LIMITS_SDL;
    struct ast_text built_in;
    const char *source;
    const char *name = region_copy(region, file_name, strlen(file_name));

    if (sdl_bytes > limits.source_bytes_max)
        sdl_bytes = (size_t)limits.source_bytes_max + 1; /* the parser says that it is too much */
    source = region_copy(region, sdl, sdl_bytes);
    if (name == NULL || source == NULL)
        return false;
    builder->document = parser_parse((struct ast_text){source, (uint32_t)sdl_bytes}, name, &limits,
                                     region, builder->errors);
    if (builder->document == NULL)
        return false;
    built_in = built_in_source(region);
    if (built_in.bytes == NULL)
        return false;
    builder->built_in = parser_parse(built_in, "built in", &limits, region, builder->errors);
    return builder->built_in != NULL;
}

/* The steps; false: there is no schema, because of errors or memory. */
static bool build(struct schema_builder *builder)
{
    struct schema *schema = builder->schema;

    schema->document = builder->document;
    if (!gather(builder))
        return false;
    schema_check_sdl(builder);
    schema_make_types(builder);
    if (builder->scratch.has_failed || schema->region.has_failed)
        return false;
    schema_validate(builder);
    schema_check_values(builder);
    return !builder->scratch.has_failed && !schema->region.has_failed &&
           builder->errors->count == builder->error_count_before && !builder->errors->has_overflown;
}

/* NULL: no memory. */
static const struct ast_document *copy_source(const struct ast_document *document,
                                              struct region *region)
{
    struct ast_document *copy = region_alloc(region, sizeof *copy);

    if (copy == NULL)
        return NULL;
    copy->source.size = document->source.size;
    copy->source.bytes = region_copy(region, document->source.bytes, document->source.size);
    copy->name = region_copy(region, document->name, strlen(document->name));
    return copy->source.bytes == NULL || copy->name == NULL ? NULL : copy;
}

/*
 * Errors outlive the schema that they are about: gives those behind @last a copy of its text, to
 * which all of their places belong. Without memory they lose them.
 */
static void keep_source(struct graphql_errors *errors, const struct graphql_error *last)
{
    const struct ast_document *copy = NULL;
    struct graphql_error *error = last == NULL ? errors->first : last->next;

    for (; error != NULL; error = error->next) {
        if (copy == NULL && error->location_count > 0)
            copy = copy_source(error->locations[0].document, errors->region);
        if (copy == NULL)
            error->location_count = 0;
        for (uint32_t i = 0; i < error->location_count; i++)
            error->locations[i].document = copy;
    }
}

struct schema *schema_build(const char *sdl, size_t sdl_bytes, const char *file_name,
                            struct graphql_errors *errors)
{
    struct schema *schema = calloc(1, sizeof *schema);
    struct graphql_error *last = errors->last;
    struct schema_builder builder = {
        .schema = schema, .errors = errors, .error_count_before = errors->count};

    if (schema == NULL) {
        errors->region->has_failed = true;
        return NULL;
    }
    region_init(&schema->region, SCHEMA_BYTES_MAX);
    region_init(&builder.scratch, SCHEMA_BYTES_MAX);
    schema->is_introspectable = true;
    schema->tables = region_alloc(&schema->region, sizeof *schema->tables);
    if (schema->tables == NULL)
        goto fail;
    builder.tables = schema->tables;
    names_init(&schema->tables->types, &schema->region);
    names_init(&schema->tables->directives, &schema->region);
    names_init(&schema->tables->fields, &schema->region);
    if (!parse(&builder, sdl, sdl_bytes, file_name) || !build(&builder))
        goto fail;
    introspect_bind(schema);
    region_done(&builder.scratch);
    return schema;

fail:
    if (schema->region.has_failed || builder.scratch.has_failed)
        errors->region->has_failed = true; /* where the caller looks */
    keep_source(errors, last);
    region_done(&builder.scratch);
    schema_free(schema);
    return NULL;
}
