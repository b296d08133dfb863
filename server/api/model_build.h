/*
 * server/api/model_build.h - between the files that make a model; for nobody else.
 *
 * model.c drives: schema_build, then in turn
 *   model_directives.c  the directives' definitions, and which of them stands on which field
 *   model_tables.c      tables and columns
 *   model_fields.c      what every other field does ...
 *   model_mutations.c   ... if it is a mutation's
 *   model_where.c       `where` and `if`; the indexes that they need
 *   model_template.c    topic templates; which topics they can make
 *   model_catalog.c     the catalog that the schema wants; model_bind
 *   model_json.c        JSON texts of directives against types
 *   model_report.c      errors and their places
 * All of them go on after a mistake, so that a later step meets what was not made: a field whose
 * directive is wrong is a MODEL_MEMBER, and what depends on it is silent, for that was reported.
 */
#ifndef SERVER_API_MODEL_BUILD_H
#define SERVER_API_MODEL_BUILD_H

#include "server/api/model.h"
#include "server/graphql/errors.h"
#include "server/graphql/region.h"
#include "server/graphql/suggest.h"
#include "server/json/json.h"

/* A text for "%.*s". */
#define NAME(text) (int)(text).size, (text).bytes

enum {
    MODEL_INPUTS_MAX = 1000, /* values that one field takes, members counted */
    MODEL_ITEMS_MAX = 1000,  /* of one list: PROTOCOLS section 6, `limit` */
    MODEL_KNOWN_MAX = 10,    /* names that a message lists */
};

enum model_directive {
    DIRECTIVE_TABLE,
    DIRECTIVE_NOW,
    DIRECTIVE_DEFAULT,
    DIRECTIVE_UNIQUE,
    DIRECTIVE_REFERENCES,
    DIRECTIVE_VALUE,
    DIRECTIVE_POSITION,
    DIRECTIVE_GET,
    DIRECTIVE_LIST,
    DIRECTIVE_HISTORY,
    DIRECTIVE_CREATE,
    DIRECTIVE_UPDATE,
    DIRECTIVE_DELETE,
    DIRECTIVE_PUBLISH,
    DIRECTIVE_SUBSCRIBE,
    DIRECTIVE_COUNT,
};

/* A template of a mutation, by which row topics are known. */
struct model_pattern {
    const struct model_table *table;
    const struct model_template *template;
};

struct model_parts {
    struct region region;       /* all but the schema */
    struct model_field *fields; /* of all types */
    uint32_t field_count;
    struct model_pattern *patterns;
    uint32_t pattern_count;
};

/* A value that a field takes, and whether anything asks for it. */
struct model_taken {
    struct model_input input;
    bool is_opened; /* an argument whose members stand for it */
    bool is_own;    /* the directive's: limit, offset, after */
    bool is_used;
};

/* A field while its plan is made. */
struct model_work {
    struct model_field *plan;
    const struct schema_type *type; /* that has it */
    const struct ast_directive *directive;
    struct model_taken *taken;
    uint32_t taken_count;
};

struct model_builder {
    struct model *model;
    struct model_parts *parts;
    const struct schema *schema;
    struct region *region; /* the model's */
    struct region scratch; /* until model_build returns */
    struct graphql_errors *errors;
    struct model_work *works; /* one per field, beside parts->fields */
};

/* --- model_report.c --------------------------------------------------------------------------- */

#define MODEL_REPORT(builder, at, ...)                                                             \
    model_locate((builder),                                                                        \
                 graphql_errors_add((builder)->errors, GRAPHQL_VALIDATION_FAILED, __VA_ARGS__),    \
                 (at))
void model_locate(struct model_builder *builder, struct graphql_error *error, uint32_t at);
/* A reference as a terminated text in the scratch region; "" without memory. */
const char *model_ref_text(struct model_builder *builder, const struct schema_ref *ref);

/* Names that could have been meant by one that means nothing. */
struct model_names {
    struct model_builder *builder;
    struct suggest suggest;
    struct ast_text known[MODEL_KNOWN_MAX];
    uint32_t known_count; /* may be more than are kept */
};

void model_names_begin(struct model_names *names, struct model_builder *builder,
                       struct ast_text unknown);
void model_names_offer(struct model_names *names, struct ast_text option);
/* ` Did you mean "a"?`, or what there is: ` It can be "a" or "b".`; "" when there is nothing. */
const char *model_names_end(struct model_names *names);

/* --- model_directives.c ----------------------------------------------------------------------- */

/* With a mistake here nothing else is looked at. */
void model_check_definitions(struct model_builder *builder);
/* The fields of all types, each with its action; tables must be there. */
void model_gather_fields(struct model_builder *builder);
/* NULL: it does not stand there. */
const struct ast_directive *model_applied(const struct ast_directive *directives,
                                          enum model_directive directive);
/* What is given for an argument, of the type that its definition has; NULL: nothing, or null. */
const struct ast_value *model_argument(const struct ast_directive *directive, const char *name);
const char *model_directive_name(enum model_directive directive); /* without the `@` */

/* --- model_tables.c --------------------------------------------------------------------------- */

void model_make_tables(struct model_builder *builder);
void model_make_columns(struct model_builder *builder);
/* MODEL_NO_COLUMN: there is none such. */
uint32_t model_find_column(const struct model_table *table, struct ast_text name);
/* Whether a value of the type @given can be one of the column's. */
bool model_fits(const struct model_column *column, const struct schema_ref *given);
/* The kind of a column of this type; false: there is none such. */
bool model_kind_of(const struct schema_ref *ref, enum column_kind *ret_kind, bool *ret_is_list);
void model_offer_columns(struct model_names *names, const struct model_table *table);

/* --- model_fields.c --------------------------------------------------------------------------- */

void model_plan_fields(struct model_builder *builder);

enum model_found {
    MODEL_FOUND,
    MODEL_NOT_FOUND,
    MODEL_AMBIGUOUS, /* an argument and a member, or members of two arguments */
};

/* What a field takes under this name. */
enum model_found model_find_input(const struct model_work *work, struct ast_text name,
                                  struct model_taken **ret_taken);
/* Whether a request may leave it out, or give null. */
bool model_input_is_nullable(const struct schema_field *field, const struct model_input *input);
/* `argument "x"`, or `field "x" of argument "input"`, in the scratch region. */
const char *model_input_text(struct model_builder *builder, const struct schema_field *field,
                             const struct model_input *input);
void model_offer_inputs(struct model_names *names, const struct model_work *work);

/* --- model_mutations.c ------------------------------------------------------------------------ */

void model_plan_create(struct model_builder *builder, struct model_work *work);
void model_plan_update(struct model_builder *builder, struct model_work *work);
void model_plan_delete(struct model_builder *builder, struct model_work *work);

/* --- model_where.c ---------------------------------------------------------------------------- */

/* @name: of the argument, `where` or `if`; @literal: what is given for it, NULL: nothing. */
void model_read_conditions(struct model_builder *builder, struct model_work *work, const char *name,
                           const struct ast_value *literal);
/* `@get` without where. */
void model_add_id_condition(struct model_builder *builder, struct model_work *work);
/* Whether a request can give just these slots. */
bool model_mask_is_reachable(const struct model_field *plan, uint32_t mask);
/* The index that these slots need, by the columns' present numbers. False: none. */
bool model_index_of(const struct model_field *plan, uint32_t mask, struct catalog_index *ret_index);

/* --- model_template.c ------------------------------------------------------------------------- */

/* The `topics` of a mutation. */
void model_read_topics(struct model_builder *builder, struct model_work *work);
/* The `topic` of a subscription. */
void model_read_topic(struct model_builder *builder, struct model_work *work);
/* Once all fields have their plans. */
void model_gather_patterns(struct model_builder *builder);

/* --- model_catalog.c -------------------------------------------------------------------------- */

void model_make_catalog(struct model_builder *builder);

/* --- model_json.c ----------------------------------------------------------------------------- */

enum model_json {
    MODEL_JSON_FITS,
    MODEL_JSON_BROKEN, /* *ret_error says where */
    MODEL_JSON_MISFIT,
};

/* Where a JSON text is read. */
struct model_json_place {
    struct region *region; /* for the result */
    const struct schema_ref *type;
};

/* @ret_json: compact, in the form that columns have. Without memory the region has failed. */
enum model_json model_read_json(const struct model_json_place *place, struct ast_text json,
                                struct ast_text *ret_json, struct json_error *ret_error);

#endif
