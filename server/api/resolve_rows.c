/* @get and @list: rows by id or by an index, copied out of the store. */
#include <errno.h>

#include "bus/check.h"
#include "server/api/column_value.h"
#include "server/api/resolve.h"
#include "server/api/search.h"
#include "store/value.h"

enum {
    ROWS_MAX = 1000,                   /* of one list: PROTOCOLS section 6, `limit` */
    ROWS_BYTES_MAX = 32 * 1024 * 1024, /* copied for one list */
    ROW_STEPS = 2,                     /* what a row costs besides its fields ... */
    PASSED_PER_STEP = 10,              /* ... and how many it may pass over for a step's price */
    PASSED_STEPS = 1000,               /* of a list that is ordered otherwise than its range */
};

/* The rows of a list, as they come. */
struct rows {
    struct execute_call *call;
    const struct model_field *plan;
    const struct search *search;
    struct resolve_row *first;
    struct resolve_row **last;
    uint32_t count;
    size_t bytes;
    bool is_too_large;
};

/* The number of an id as a column of its table has it; false: there can be no such row. */
static bool read_id(const struct model_table *table, struct catalog_text json, uint64_t *ret_id)
{
    return value_id(table->columns[table->id].kind, json, ret_id);
}

/* False: the call has been answered. */
static bool begin_search(struct execute_call *call, struct search *search)
{
    const struct model_field *plan = model_field_of(call->field);
    const struct search_source source = {
        .arguments = call->arguments,
        .parent = plan->parent == NULL ? NULL : call->object,
        .region = call->region,
    };
    const char *reason;

    if (search_begin(search, plan, &source, &reason))
        return true;
    if (reason != NULL)
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT, "%s", reason);
    else
        resolve_null(call); /* the execution's region has failed, and so will it */
    return false;
}

static struct catalog_text column_of_row(const void *object, uint32_t column)
{
    return resolve_row_column(object, column);
}

/* Whether a row that was found by its id alone is what is looked for. */
static bool matches(const struct search *search, const struct row *row)
{
    const struct resolve_row candidate = {.table = search->plan->table, .stored = *row};

    return search_matches(search, &candidate, column_of_row);
}

/* --- the query -------------------------------------------------------------------------------- */

static void set_bound(struct rows_query *query, const struct search_condition *wanted)
{
    const struct rows_bound bound = {
        .json = wanted->json,
        .is_inclusive =
            wanted->condition->operator== MODEL_GTE || wanted->condition->operator== MODEL_LTE,
    };

    if (wanted->condition->operator== MODEL_GT || wanted->condition->operator== MODEL_GTE)
        query->from = bound;
    else
        query->to = bound;
}

/* Puts the conditions beside the index's columns. */
static void set_conditions(struct rows_query *query, const struct search *search)
{
    const struct model_table *table = search->plan->table;
    const struct catalog_index *index = query->index;

    for (uint32_t i = 0; i < search->count; i++) {
        const struct search_condition *wanted = &search->conditions[i];
        uint16_t number = table->columns[wanted->condition->column].number;

        if (wanted->condition->operator!= MODEL_EQUAL) {
            set_bound(query, wanted);
            continue;
        }
        for (uint32_t j = 0; index != NULL && j < index->equal_count; j++) {
            if (index->columns[j] == number)
                query->equal[j] = wanted->json;
        }
    }
}

static struct rows_query make_query(const struct search *search)
{
    const struct model_field *plan = search->plan;
    const struct model_table *table = plan->table;
    struct rows_query query = {
        .table = table->stored,
        .index = plan->indexes == NULL ? NULL : plan->indexes[search->mask],
        .is_desc = plan->is_desc,
        .limit = 1,
    };

    set_conditions(&query, search);
    if (query.index != NULL && query.index->ordered_count > 0)
        query.is_by_range =
            query.index->columns[query.index->equal_count] == table->columns[plan->order].number;
    return query;
}

/* --- @get ------------------------------------------------------------------------------------- */

static bool take_one(void *user, const struct row *row)
{
    struct row *found = user;

    *found = *row;
    return false;
}

/* The row that the conditions name. 0, -ENOENT, or what the store says. */
static int find_row(struct store *store, const struct search *search, struct row *ret_row)
{
    const struct model_table *table = search->plan->table;
    const struct search_condition *by_id = search_equal(search, table->id);
    struct rows_query query;
    uint64_t id;
    int rc;

    if (search->is_empty || search->count == 0)
        return -ENOENT;
    if (by_id != NULL) {
        if (!read_id(table, by_id->json, &id))
            return -ENOENT;
        rc = rows_get(store, table->stored, id, ret_row);
        return rc == 0 && search->count > 1 && !matches(search, ret_row) ? -ENOENT : rc;
    }
    query = make_query(search);
    ret_row->value = NULL;
    rc = rows_list(store, &query, take_one, ret_row);
    return rc == 0 && ret_row->value == NULL ? -ENOENT : rc;
}

void resolve_get(struct execute_call *call)
{
    const struct resolve_context *context = call->context;
    const struct model_field *plan = model_field_of(call->field);
    struct search search;
    struct row row;
    int rc;

    if (!begin_search(call, &search))
        return;
    rc = api_snapshot(context);
    if (rc == 0)
        rc = find_row(context->api->options.store, &search, &row);
    if (rc == 0)
        resolve_object(call, resolve_row_copy(call->region, plan->table, &row));
    else if (rc == -ENOENT)
        resolve_null(call);
    else
        resolve_fail_store(call, rc);
}

/* --- @list: arguments ------------------------------------------------------------------------- */

/*
 * False: the call has been answered. A list without the argument gives all of its rows, if they are not
 * too many.
 */
static bool read_limit(struct execute_call *call, uint32_t *ret_limit)
{
    const struct schema_input *limit = model_field_of(call->field)->limit;
    struct resolve_range range = {.preset = ROWS_MAX, .max = ROWS_MAX};

    *ret_limit = ROWS_MAX + 1;
    if (limit == NULL)
        return true;
    if (limit->default_value != NULL && limit->default_value->kind == VALUE_INT)
        range.preset = (uint32_t)limit->default_value->integer;
    return resolve_count(call, limit, range, ret_limit);
}

static bool read_after(struct execute_call *call, struct rows_query *query)
{
    const struct schema_input *argument = model_field_of(call->field)->after;
    const struct value *after = resolve_given(call, argument);

    if (after->kind != VALUE_STRING)
        return true;
    query->has_after = true;
    if (json_uint64((struct json_span){after->text.bytes, after->text.size}, &query->after_id))
        return true;
    resolve_fail(call, GRAPHQL_BAD_USER_INPUT, "Argument \"%.*s\" must be the id of a row.",
                 (int)argument->name.size, argument->name.bytes);
    return false;
}

static bool read_arguments(struct execute_call *call, struct rows_query *query)
{
    const struct schema_input *offset = model_field_of(call->field)->offset;
    uint32_t count = 0;

    if (!read_limit(call, &query->limit) ||
        !resolve_count(call, offset, (struct resolve_range){.max = INT32_MAX}, &count))
        return false;
    query->offset = count;
    return read_after(call, query);
}

/* --- @list: rows ------------------------------------------------------------------------------ */

static bool on_row(void *user, const struct row *row)
{
    struct rows *rows = user;
    struct resolve_row *copy;

    rows->bytes += row->bytes;
    rows->is_too_large = rows->bytes > ROWS_BYTES_MAX && rows->count > 0;
    if (rows->is_too_large)
        return false;
    copy = resolve_row_copy(rows->call->region, rows->plan->table, row);
    if (copy == NULL)
        return false;
    *rows->last = copy;
    rows->last = &copy->next;
    rows->count++;
    return true;
}

/* The one row that a list by id can have, on the page that is asked for. */
static int list_by_id(struct store *store, const struct rows_query *query,
                      struct catalog_text id_json, struct rows *rows)
{
    struct row row;
    uint64_t id;
    int rc;

    if (!read_id(rows->plan->table, id_json, &id) || query->offset > 0)
        return 0;
    if (query->has_after && (query->is_desc ? id >= query->after_id : id <= query->after_id))
        return 0;
    rc = rows_get(store, query->table, id, &row);
    if (rc == 0 && matches(rows->search, &row))
        (void)on_row(rows, &row);
    return rc == -ENOENT ? 0 : rc;
}

static int list_rows(struct store *store, const struct rows_query *query, struct rows *rows)
{
    const struct search_condition *by_id = search_equal(rows->search, rows->plan->table->id);

    if (rows->search->is_empty || query->limit == 0)
        return 0;
    if (by_id != NULL)
        return list_by_id(store, query, by_id->json, rows);
    return rows_list(store, query, on_row, rows);
}

static void answer_rows(struct execute_call *call, const struct rows *rows)
{
    struct execute_result result = {.kind = EXECUTE_LIST, .list = {.count = rows->count}};
    struct execute_result *items =
        region_alloc(call->region, (size_t)rows->count * sizeof *items + 1);
    uint32_t count = 0;

    if (items == NULL) {
        resolve_null(call);
        return;
    }
    for (const struct resolve_row *row = rows->first; row != NULL; row = row->next) {
        items[count].kind = EXECUTE_OBJECT;
        items[count++].object.object = row;
    }
    CHECK(count == rows->count);
    result.list.items = items;
    execute_answer(call->execution, &result);
}

static void fail_list(struct execute_call *call, int rc, const struct rows_query *query)
{
    if (rc == -ENOENT && query->has_after)
        resolve_fail(call, GRAPHQL_NOT_FOUND, "There is no row with the id %llu to go on after.",
                     (unsigned long long)query->after_id);
    else if (rc == -E2BIG)
        resolve_fail(call, GRAPHQL_LIMIT_EXCEEDED,
                     "More than %d rows would have to be passed over: use a cursor (\"after\") "
                     "instead of an offset, or a narrower range.",
                     ROWS_PASSED_MAX);
    else
        resolve_fail_store(call, rc);
}

static uint32_t price(const struct rows_query *query, const struct rows *rows)
{
    uint32_t steps = ROW_STEPS * rows->count;

    steps += query->offset > ROWS_PASSED_MAX ? ROWS_PASSED_MAX / PASSED_PER_STEP
                                             : (uint32_t)query->offset / PASSED_PER_STEP;
    if (!query->is_by_range && (query->from.json.size > 0 || query->to.json.size > 0))
        steps += PASSED_STEPS;
    return steps;
}

void resolve_list(struct execute_call *call)
{
    const struct resolve_context *context = call->context;
    struct search search;
    struct rows rows = {.call = call, .plan = model_field_of(call->field), .search = &search};
    struct rows_query query;
    int rc;

    rows.last = &rows.first;
    if (!begin_search(call, &search))
        return;
    query = make_query(&search);
    if (!read_arguments(call, &query))
        return;
    rc = api_snapshot(context);
    if (rc == 0)
        rc = list_rows(context->api->options.store, &query, &rows);
    execute_spend(call->execution, price(&query, &rows));
    if (rc != 0)
        fail_list(call, rc, &query);
    else if (rows.is_too_large)
        resolve_fail(call, GRAPHQL_LIMIT_EXCEEDED,
                     "The rows of this list have more than %d MiB: ask for fewer of them.",
                     ROWS_BYTES_MAX >> 20);
    else if (rows.count > ROWS_MAX)
        resolve_fail(call, GRAPHQL_LIMIT_EXCEEDED,
                     "This list has more than %d rows, and no \"limit\" to ask for fewer.",
                     ROWS_MAX);
    else
        answer_rows(call, &rows);
}
