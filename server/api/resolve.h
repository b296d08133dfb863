/*
 * server/api/resolve.h - answers to the fields of a schema, by what the model says of them.
 *
 * Shape    an object of a table's type is a struct resolve_row; of any other type an array of JSON
 *          texts beside the type's fields (size 0: null).
 * Memory   all that is answered is the execution's region's: nothing points into the store's map.
 * Errors   of the store become field errors, UNAVAILABLE.
 * Callers  the executor, by way of schema_field.resolve; live.c for what a subscription delivers.
 */
#ifndef SERVER_API_RESOLVE_H
#define SERVER_API_RESOLVE_H

#include "server/api/api_internal.h"
#include "server/json/json.h"
#include "store/rows.h"

struct event;
struct record;

struct resolve_row {
    const struct model_table *table;
    struct row stored;                  /* as the store has it ... */
    const struct catalog_text *columns; /* ... or beside the table's columns; NULL: stored */
    struct resolve_row *next;           /* of a list */
};

/* The resolver of what stands in a model's plan. */
schema_resolve_function *resolve_of(enum model_action action);

/* --- objects: resolve_object.c ---------------------------------------------------------------- */

/* What a row has in a column; size 0: null. */
struct catalog_text resolve_row_column(const struct resolve_row *row, uint32_t column);
/* A copy of a row of the store's. NULL: no memory. */
struct resolve_row *resolve_row_copy(struct region *region, const struct model_table *table,
                                     const struct row *row);
/* A row from its JSON, an object, which must stay. NULL: no memory. */
struct resolve_row *resolve_row_of_json(struct region *region, const struct model_table *table,
                                        struct json_span json);
/* An event as an object of a type with Event's fields. NULL: no memory. */
const struct ast_text *resolve_event(struct region *region, const struct schema_type *type,
                                     const struct event *event, uint64_t epoch);
/* An object's members beside the fields of a type. NULL: no memory. */
const struct ast_text *resolve_members(struct region *region, const struct schema_type *type,
                                       struct json_span object);

/* --- answers ---------------------------------------------------------------------------------- */

void resolve_null(struct execute_call *call);
void resolve_json(struct execute_call *call, struct ast_text json);
/* NULL: there was no memory. */
void resolve_object(struct execute_call *call, const void *object);
/* A field error. */
__attribute__((format(printf, 3, 4))) void
resolve_fail(struct execute_call *call, enum graphql_code code, const char *format, ...);
/* What the store said: it cannot be read. */
void resolve_fail_store(struct execute_call *call, int error);

/* What a field was given for an input; VALUE_ABSENT: nothing. */
const struct value *resolve_input(const struct value *arguments, const struct model_input *input);
/* The field's argument of this name; NULL: it has none such. */
const struct schema_input *resolve_argument(const struct execute_call *call, const char *name);
/* What was given for an argument of the field, which may be NULL. */
const struct value *resolve_given(const struct execute_call *call,
                                  const struct schema_input *argument);
/* What an Int argument may be. */
struct resolve_range {
    uint32_t preset; /* when it is absent or null */
    uint32_t max;
};
/* False: it is below 0 or above the most it may be, and the call has been answered. */
bool resolve_count(struct execute_call *call, const struct schema_input *argument,
                   struct resolve_range range, uint32_t *ret_count);

/* --- resolve_rows.c, resolve_history.c, mutate.c, mutate_publish.c ----------------------------------- */

schema_resolve_function resolve_get;
schema_resolve_function resolve_list;
schema_resolve_function resolve_history;
/* One step of a page that is being read. */
void resolve_history_step(struct operation *operation);
schema_resolve_function mutate_row;
schema_resolve_function mutate_publish;

#endif
