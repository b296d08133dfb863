/*
 * server/api/model.h - a schema file as what there is to do: tables, and what each root field does to
 * them. The one place that knows the directives (PROTOCOLS section 6).
 *
 * Shape    schema_build's types with a plan beside each field: where a list's conditions come from,
 *          what a mutation assigns, which topics it writes to. Everything that can be wrong with a
 *          schema is found here, at start, with file, line and column.
 * Bind     the store numbers tables, columns and indexes (store/catalog.h); model_bind finds them by
 *          name, after which rows can be read and COMMANDs made.
 * Memory   a model owns its schema and everything else; built by the master before it forks, so that
 *          children share its pages. Immutable but for model_bind.
 * Callers  master: model_build; each worker: model_bind; anybody: the questions.
 */
#ifndef SERVER_API_MODEL_H
#define SERVER_API_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/graphql/schema.h"
#include "store/catalog.h"

struct text;

struct model_table;

struct model_column {
    struct ast_text name;
    struct schema_field *field;
    struct catalog_text default_json; /* size 0: none */
    const struct model_table *references;
    enum column_kind kind;
    enum column_now now;
    bool is_required;
    bool is_unique;
    bool is_list;    /* of scalars or enums: stored as COLUMN_JSON */
    uint16_t number; /* model_bind */
};

struct model_table {
    const struct schema_type *type;
    struct model_column *columns; /* in the order of the type's fields that are columns */
    uint32_t column_count;
    uint32_t id;                        /* its place among them */
    const struct catalog_table *stored; /* model_bind */
};

/* A value that a request gives: an argument, or a member of one that is an input object. */
struct model_input {
    const struct schema_input *input; /* the argument, or the member */
    uint32_t argument;
    uint32_t member; /* UINT32_MAX: the argument itself */
};

struct model_source {
    bool is_column; /* of the parent's row; else a request's value */
    uint32_t column;
    struct model_input input;
};

enum model_operator {
    MODEL_EQUAL,
    MODEL_GT,
    MODEL_GTE,
    MODEL_LT,
    MODEL_LTE,
};

struct model_condition {
    uint32_t column; /* of the field's table */
    enum model_operator operator;
    struct model_source source;
    /*
     * Conditions on the same column share a slot: a bit in the mask of what a request has given,
     * by which its index is found.
     */
    uint32_t slot;
};

struct model_part { /* of a topic template */
    enum { MODEL_LITERAL, MODEL_COLUMN_PART, MODEL_INPUT_PART } kind;
    struct ast_text literal;
    uint32_t column;          /* mutations */
    struct model_input input; /* subscriptions */
    bool has_all;             /* {x|all} */
};

struct model_template {
    struct model_part *parts;
    uint32_t part_count;
};

struct model_assignment {
    uint32_t column;
    struct model_input input;
};

enum model_action {
    MODEL_COLUMN, /* of a table: answers what the row has; .column */
    MODEL_MEMBER, /* of another object: an Event's, a Position's, or a JSON object's */
    MODEL_VALUE,  /* .value */
    MODEL_POSITION,
    MODEL_GET,
    MODEL_LIST,
    MODEL_HISTORY,
    MODEL_CREATE,
    MODEL_UPDATE,
    MODEL_DELETE,
    MODEL_PUBLISH,
    MODEL_SUBSCRIBE,
};

/* What the events of a subscription are taken for. */
enum model_delivery {
    MODEL_ROWS,    /* changes of .table's rows; whatever else is on the topic is passed over */
    MODEL_EVENTS,  /* the event itself: exactly Event's fields */
    MODEL_OBJECTS, /* JSON objects; what is none is passed over */
};

enum {
    MODEL_SLOTS_MAX = 6, /* columns of one `where` or `if` */
};
#define MODEL_NO_COLUMN UINT32_MAX

/* schema_field.user of every field of the schema that is no introspection's. */
struct model_field {
    enum model_action action;
    struct schema_field *field;
    const struct model_table *parent;   /* the table whose rows have this field; NULL: no table */
    const struct model_table *table;    /* that it reads, writes or delivers; NULL: none */
    uint32_t column;                    /* MODEL_COLUMN */
    struct ast_text value;              /* MODEL_VALUE: compact JSON */
    struct model_condition *conditions; /* `where`; of an update `if`, all MODEL_EQUAL */
    uint32_t condition_count;
    uint32_t slot_count;
    /* MODEL_LIST, MODEL_GET */
    uint32_t order; /* column; the id's if there is no orderBy */
    bool is_desc;
    const struct schema_input *limit; /* arguments; NULL: the field has none such */
    const struct schema_input *offset;
    const struct schema_input *after;
    /*
     * By the mask of the slots whose conditions a request has given (1 << slot_count of them): NULL:
     * no index is needed (all rows by id, or by id alone), or the mask cannot come. model_bind
     */
    const struct catalog_index **indexes;
    /* MODEL_CREATE, MODEL_UPDATE, MODEL_DELETE */
    struct model_assignment *assignments;
    uint32_t assignment_count;
    struct model_input id; /* of the row: MODEL_UPDATE, MODEL_DELETE */
    /* mutations: as many as there are; MODEL_SUBSCRIBE: one */
    struct model_template *templates;
    uint32_t template_count;
    enum model_delivery delivery;
};

struct model {
    struct schema *schema;
    struct model_table *tables;
    uint32_t table_count;
    struct catalog *wanted; /* the schema's own numbers (store/catalog.h) */
    /*
     * A mutation's topic begins with a text column, so that every topic is a row topic, and whatever is
     * published waits for its commit: worth a warning at start.
     */
    bool has_any_row_topic;
    struct model_parts *parts; /* model.c's: fields, row topics, memory */
};

/*
 * NULL: @ret_errors has one line per mistake, "FILE:LINE:COLUMN: message", or nothing when there
 * was no memory.
 */
struct model *model_build(const char *sdl, size_t sdl_bytes, const char *file_name,
                          struct text *ret_errors);
void model_free(struct model *model);

/* The schema that is served when no file is given. */
const char *model_built_in_sdl(size_t *ret_bytes);

/*
 * Finds tables, columns and indexes in @catalog, which the model keeps pointers into. -ESTALE: the
 * store's schema is another one.
 */
int model_bind(struct model *model, const struct catalog *catalog);

/* NULL: no @table type. */
static inline const struct model_table *model_table_of(const struct schema_type *type)
{
    return type->user;
}

/* NULL: an introspection field. */
static inline const struct model_field *model_field_of(const struct schema_field *field)
{
    return field->user;
}

/* Whether a mutation of the schema may write to this topic. */
bool model_is_row_topic(const struct model *model, const char *topic, size_t topic_bytes);

#endif
