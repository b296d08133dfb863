/*
 * server/graphql/schema.h - a schema from SDL (GraphQL October 2021, section 3), ready to validate
 * and execute against.
 *
 * Shape    types, fields, arguments and values in the order of the source, found by name through
 *          hash tables; references to types are pointers. The introspection types (section 4), the
 *          built-in scalars that something refers to and the directives include, skip, deprecated
 *          and specifiedBy are part of every schema. Texts point into the tree; NULL: none.
 * Errors   schema_build reports every mistake, not the first alone: what graphql-js's buildSchema
 *          finds, then what its validateSchema finds, and literals that do not fit their types,
 *          all with locations. GRAPHQL_PARSE_FAILED or GRAPHQL_VALIDATION_FAILED.
 * Limits   PARSER_LIMITS_SDL, SCHEMA_BYTES_MAX of memory; defaults of input fields that fill in
 *          one another: SCHEMA_DEFAULT_DEPTH_MAX deep, SCHEMA_DEFAULT_VALUES_MAX values large.
 * Memory   a schema owns its region, the tree and the source text in it; immutable once built
 *          (but for the resolvers, which whoever serves it sets before the first execution).
 * Callers  any process.
 */
#ifndef SERVER_GRAPHQL_SCHEMA_H
#define SERVER_GRAPHQL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/graphql/ast.h"
#include "server/graphql/region.h"

enum {
    SCHEMA_BYTES_MAX = 1024 * 1024 * 1024,
    SCHEMA_DEFAULT_DEPTH_MAX = 150, /* so that it can be printed and parsed again */
    SCHEMA_DEFAULT_VALUES_MAX = 10000,
};

struct execute_call;
struct graphql_errors;
struct schema_type;
struct text;
struct value;

enum schema_kind {
    SCHEMA_SCALAR,
    SCHEMA_OBJECT,
    SCHEMA_INTERFACE,
    SCHEMA_UNION,
    SCHEMA_ENUM,
    SCHEMA_INPUT_OBJECT,
};

/* The five of section 3.5; all others are custom. */
enum schema_scalar {
    SCHEMA_CUSTOM,
    SCHEMA_INT,
    SCHEMA_FLOAT,
    SCHEMA_STRING,
    SCHEMA_BOOLEAN,
    SCHEMA_ID,
};

/* A type with its wrappers. */
struct schema_ref {
    enum { SCHEMA_NAMED, SCHEMA_LIST, SCHEMA_NON_NULL } wrapper;
    const struct schema_type *type; /* SCHEMA_NAMED */
    const struct schema_ref *of;    /* the others */
};

struct schema_input { /* an argument, or a field of an input object */
    struct ast_text name;
    const struct ast_text *description;
    const struct schema_ref *type;
    const struct ast_value *default_literal;   /* NULL: none */
    const struct value *default_value;         /* coerced; NULL: none */
    const struct ast_text *deprecation_reason; /* NULL: not deprecated */
    const struct ast_input_value *definition;
};

/* Answers one field of one object: execute.h. */
typedef void schema_resolve_function(struct execute_call *call);

struct schema_field {
    struct ast_text name;
    const struct ast_text *description;
    const struct schema_ref *type;
    struct schema_input *arguments;
    uint32_t argument_count;
    const struct ast_text *deprecation_reason;
    const struct ast_field_definition *definition;
    /* Set before the first execution; @user is the resolver's own. */
    schema_resolve_function *resolve;
    void *user;
};

struct schema_enum_value {
    struct ast_text name;
    const struct ast_text *description;
    const struct ast_text *deprecation_reason;
    const struct ast_enum_value *definition;
};

struct schema_part { /* a definition or one of its extensions, in the order of the source */
    const struct ast_definition *definition;
    const struct schema_part *next;
};

struct schema_type {
    enum schema_kind kind;
    enum schema_scalar scalar;
    uint32_t index;        /* in the schema's types */
    struct schema_ref ref; /* to this type, without wrappers */
    struct ast_text name;
    const struct ast_text *description;
    const struct ast_text *specified_by; /* scalars */
    struct schema_field *fields;         /* object, interface */
    uint32_t field_count;
    struct schema_input *inputs; /* input object */
    uint32_t input_count;
    struct schema_enum_value *values;
    uint32_t value_count;
    const struct schema_type **interfaces; /* object, interface: what it implements */
    uint32_t interface_count;
    const struct schema_type **possible; /* interface, union: the object types that it can be */
    uint32_t possible_count;
    const struct schema_type **unions; /* object: those that it is a member of */
    uint32_t union_count;
    bool is_built_in;                        /* not from the SDL, and so is its definition */
    const struct ast_definition *definition; /* the first of the parts */
    const struct schema_part *parts;
    void *user; /* of whoever serves the schema */
};

enum schema_location { /* of directives; bits of schema_directive.locations */
                       SCHEMA_ON_QUERY,
                       SCHEMA_ON_MUTATION,
                       SCHEMA_ON_SUBSCRIPTION,
                       SCHEMA_ON_FIELD,
                       SCHEMA_ON_FRAGMENT_DEFINITION,
                       SCHEMA_ON_FRAGMENT_SPREAD,
                       SCHEMA_ON_INLINE_FRAGMENT,
                       SCHEMA_ON_VARIABLE_DEFINITION,
                       SCHEMA_ON_SCHEMA,
                       SCHEMA_ON_SCALAR,
                       SCHEMA_ON_OBJECT,
                       SCHEMA_ON_FIELD_DEFINITION,
                       SCHEMA_ON_ARGUMENT_DEFINITION,
                       SCHEMA_ON_INTERFACE,
                       SCHEMA_ON_UNION,
                       SCHEMA_ON_ENUM,
                       SCHEMA_ON_ENUM_VALUE,
                       SCHEMA_ON_INPUT_OBJECT,
                       SCHEMA_ON_INPUT_FIELD_DEFINITION,
                       SCHEMA_LOCATION_COUNT,
};

/* As SDL names it: "FIELD_DEFINITION". */
const char *schema_location_name(enum schema_location location);

struct schema_directive {
    struct ast_text name;
    const struct ast_text *description;
    struct schema_input *arguments;
    uint32_t argument_count;
    uint32_t locations; /* 1 << enum schema_location */
    bool is_repeatable;
    bool is_built_in;
    const struct ast_definition *definition;
};

struct schema {
    struct region region;
    const struct ast_document *document;
    const struct schema_part *parts; /* the schema's own definition and extensions, if any */
    const struct ast_text *description;
    struct schema_type *roots[3]; /* by enum ast_operation_kind; NULL: none */
    struct schema_type **types;   /* built-in ones behind the first that refers to them */
    uint32_t type_count;
    struct schema_directive **directives;
    uint32_t directive_count;
    struct schema_tables *tables; /* schema.c's: names to the above */
    bool is_introspectable;       /* __schema and __type; __typename always is. Default true */
};

/*
 * Builds one from SDL, which is copied. NULL: @errors (in the caller's region) has every mistake
 * with its place, or a region has failed.
 */
struct schema *schema_build(const char *sdl, size_t sdl_bytes, const char *file_name,
                            struct graphql_errors *errors);
void schema_free(struct schema *schema);

struct schema_type *schema_find_type(const struct schema *schema, struct ast_text name);
struct schema_directive *schema_find_directive(const struct schema *schema, struct ast_text name);
/*
 * A field of an object or interface. Meta fields too, where they are allowed: __typename on every
 * composite type, __schema and __type on the query root.
 */
struct schema_field *schema_find_field(const struct schema *schema, const struct schema_type *type,
                                       struct ast_text name);
const struct schema_input *schema_find_input(const struct schema_input *inputs, uint32_t count,
                                             struct ast_text name);
const struct schema_enum_value *schema_find_value(const struct schema_type *type,
                                                  struct ast_text name);

/* Non-null, and no default literal. */
bool schema_input_is_required(const struct schema_input *input);

/* The reference that a tree's type names, made in @region; NULL: an unknown type, or no memory. */
const struct schema_ref *schema_ref_of(const struct schema *schema, const struct ast_type *type,
                                       struct region *region);
bool schema_ref_equals(const struct schema_ref *a, const struct schema_ref *b);
const struct schema_type *schema_ref_named(const struct schema_ref *ref); /* without wrappers */
static inline bool schema_ref_is_non_null(const struct schema_ref *ref)
{
    return ref->wrapper == SCHEMA_NON_NULL;
}
/* The reference without its outermost `!`. */
const struct schema_ref *schema_ref_nullable(const struct schema_ref *ref);
/* "[Int!]!" */
void schema_ref_print(const struct schema_ref *ref, struct text *out);

bool schema_is_leaf(const struct schema_type *type);
bool schema_is_composite(const struct schema_type *type); /* object, interface, union */
bool schema_is_input(const struct schema_type *type);
bool schema_is_output(const struct schema_type *type);
/* Whether an object type is (one of) @abstract: itself, an implementation or a member. */
bool schema_is_possible(const struct schema_type *abstract, const struct schema_type *object);
/* Whether @sub may stand where @super is asked for (section 3.6.1, IsValidImplementation). */
bool schema_ref_is_subtype(const struct schema_ref *sub, const struct schema_ref *super);

/*
 * A default value as a literal, as introspection shows it: with the defaults of the fields that it
 * leaves out (graphql-js: astFromValue).
 */
void schema_print_default(const struct schema_input *input, struct text *out);
/*
 * As graphql-js's printSchema: without built-in types and directives. Unlike there, the roots are
 * also named if a type would become one by its name alone; so the same schema is built from it.
 */
void schema_print(const struct schema *schema, struct text *out);

#endif
