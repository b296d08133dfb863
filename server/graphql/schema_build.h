/*
 * server/graphql/schema_build.h - between the files that make a schema; for nobody else.
 *
 * schema_build.c drives: parse, gather names, then in turn
 *   schema_sdl.c       the rules that SDL must keep as a text (graphql-js: specifiedSDLRules)
 *   schema_types.c     types, fields and directives out of the tree
 *   schema_validate.c  the rules that a schema must keep (graphql-js: validateSchema)
 *   schema_values.c    directives' arguments and defaults against their types; defaults coerced
 * All of them go on after a mistake, so that a later step meets what does not exist: a reference to
 * an unknown type is NULL, and what depends on it is silent, for the mistake has been reported.
 */
#ifndef SERVER_GRAPHQL_SCHEMA_BUILD_H
#define SERVER_GRAPHQL_SCHEMA_BUILD_H

#include "server/graphql/errors.h"
#include "server/graphql/names.h"
#include "server/graphql/schema.h"

/* A text for "%.*s". */
#define NAME(text) (int)(text).size, (text).bytes

enum {
    SCHEMA_META_SCHEMA,
    SCHEMA_META_TYPE,
    SCHEMA_META_TYPENAME,
    SCHEMA_META_COUNT,
};

struct schema_tables {
    struct names types;      /* name → struct schema_type */
    struct names directives; /* name → struct schema_directive */
    struct names fields;     /* type and name → struct schema_field */
    struct schema_field *meta[SCHEMA_META_COUNT];
};

/* A name of a type in the SDL or built in. */
struct build_type {
    struct ast_text name;
    struct ast_definition *first;      /* definition; NULL: there are extensions only */
    struct ast_definition *definition; /* the last of several, which counts in graphql-js */
    const struct schema_part *parts;   /* first, and its extensions of the same kind */
    struct schema_part *last_part;
    struct schema_type *type; /* NULL: not made (not defined, or a built-in one counts) */
    bool is_built_in;
    /* Their addresses are the owners in tables of what has been seen. */
    char values_key;
    char fields_key;
    char directives_key;
};

struct schema_builder {
    struct schema *schema;
    struct schema_tables *tables;
    struct graphql_errors *errors;
    uint32_t error_count_before;   /* in errors, of others */
    struct region scratch;         /* until schema_build returns */
    struct ast_document *document; /* of the SDL */
    struct ast_document *built_in; /* introspect_sdl */

    struct names standard;     /* name → struct build_type: built in */
    struct names defined;      /* the same of the SDL */
    struct build_type **types; /* defined ones, then built-in ones, in the order of the source */
    uint32_t type_count;
    struct names directives; /* name → struct ast_definition: the SDL's before the built-in one */
};

/* A new error, or NULL as graphql_errors_add has it; schema_locate gives it its places in the SDL. */
#define REPORT(builder, ...)                                                                       \
    graphql_errors_add((builder)->errors, GRAPHQL_VALIDATION_FAILED, __VA_ARGS__)
void schema_locate(struct schema_builder *builder, struct graphql_error *error, uint32_t at);
/* A reference as a terminated text in the scratch region; "" without memory. */
const char *schema_ref_text(struct schema_builder *builder, const struct schema_ref *ref);
/* Built in or defined; NULL: unknown. */
struct build_type *schema_known_type(const struct schema_builder *builder, struct ast_text name);

void schema_check_sdl(struct schema_builder *builder);
void schema_make_types(struct schema_builder *builder);
void schema_validate(struct schema_builder *builder);
void schema_check_values(struct schema_builder *builder);

/* The definition that a directive's name stands for; NULL: unknown. */
struct ast_definition *schema_directive_definition(const struct schema_builder *builder,
                                                   struct ast_text name);
const struct ast_directive *schema_find_applied(const struct ast_directive *directives,
                                                const char *name);

#endif
