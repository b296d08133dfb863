#include "server/api/resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "bus/check.h"
#include "server/topics/event.h"
#include "store/env.h"

/* --- answers ---------------------------------------------------------------------------------- */

void resolve_null(struct execute_call *call)
{
    const struct execute_result result = {.kind = EXECUTE_NULL};

    execute_answer(call->execution, &result);
}

void resolve_json(struct execute_call *call, struct ast_text json)
{
    const struct execute_result result = {.kind = EXECUTE_JSON, .text = json};

    execute_answer(call->execution, &result);
}

void resolve_object(struct execute_call *call, const void *object)
{
    struct execute_result result = {.kind = EXECUTE_OBJECT};

    result.object.object = object;
    if (object == NULL) /* the execution's region has failed, and so will it */
        resolve_null(call);
    else
        execute_answer(call->execution, &result);
}

void resolve_fail(struct execute_call *call, enum graphql_code code, const char *format, ...)
{
    struct execute_result result = {.kind = EXECUTE_ERROR, .error = {.code = code}};
    va_list arguments;

    va_start(arguments, format);
    result.error.message = region_vprintf(call->region, format, arguments);
    va_end(arguments);
    if (result.error.message == NULL)
        result.error.message = "Out of memory.";
    execute_answer(call->execution, &result);
}

void resolve_fail_store(struct execute_call *call, int error)
{
    if (error == -ENOMEM)
        resolve_fail(call, GRAPHQL_UNAVAILABLE, "Out of memory.");
    else
        resolve_fail(call, GRAPHQL_UNAVAILABLE, "The store cannot be read.");
}

/* --- arguments -------------------------------------------------------------------------------- */

static const struct value absent = {.kind = VALUE_ABSENT};

const struct value *resolve_input(const struct value *arguments, const struct model_input *input)
{
    const struct value *value = &arguments[input->argument];

    if (input->member == UINT32_MAX)
        return value;
    /* An object that is not given, or null, gives none of its members. */
    return value->kind == VALUE_OBJECT ? &value->object.members[input->member] : &absent;
}

const struct schema_input *resolve_argument(const struct execute_call *call, const char *name)
{
    const struct schema_field *field = call->field;
    const struct ast_text text = {name, (uint32_t)strlen(name)};

    return schema_find_input(field->arguments, field->argument_count, text);
}

const struct value *resolve_given(const struct execute_call *call,
                                  const struct schema_input *argument)
{
    return argument == NULL ? &absent : &call->arguments[argument - call->field->arguments];
}

bool resolve_count(struct execute_call *call, const struct schema_input *argument,
                   struct resolve_range range, uint32_t *ret_count)
{
    const struct value *value = resolve_given(call, argument);

    *ret_count = range.preset;
    if (value->kind != VALUE_INT)
        return true;
    if (value->integer >= 0 && (uint32_t)value->integer <= range.max) {
        *ret_count = (uint32_t)value->integer;
        return true;
    }
    if (value->integer < 0)
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT, "Argument \"%.*s\" must not be negative: %d.",
                     (int)argument->name.size, argument->name.bytes, (int)value->integer);
    else
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT, "Argument \"%.*s\" must be at most %u: %d.",
                     (int)argument->name.size, argument->name.bytes, (unsigned)range.max,
                     (int)value->integer);
    return false;
}

/* --- what needs no store ---------------------------------------------------------------------- */

static void resolve_column(struct execute_call *call)
{
    const struct model_field *plan = model_field_of(call->field);
    struct catalog_text json = resolve_row_column(call->object, plan->column);

    if (json.size == 0)
        resolve_null(call);
    else
        resolve_json(call, (struct ast_text){json.bytes, (uint32_t)json.size});
}

static struct execute_result result_of_json(struct region *region, const struct schema_ref *type,
                                            struct ast_text json);

/* An array of objects. Without memory it is null: the execution fails anyhow. */
static struct execute_result result_of_array(struct region *region, const struct schema_ref *type,
                                             struct json_span array)
{
    struct execute_result list = {.kind = EXECUTE_LIST};
    struct execute_result *items;
    struct json_span item;
    size_t offset = 0;

    while (json_array_next(array, &offset, &item))
        list.list.count++;
    items = region_alloc(region, ((size_t)list.list.count + 1) * sizeof *items);
    if (items == NULL)
        return (struct execute_result){.kind = EXECUTE_NULL};
    list.list.items = items;
    offset = 0;
    while (json_array_next(array, &offset, &item))
        *items++ = result_of_json(region, type, (struct ast_text){item.bytes, (uint32_t)item.size});
    return list;
}

static struct execute_result result_of_object(struct region *region, const struct schema_type *type,
                                              struct json_span object)
{
    const struct ast_text *members = resolve_members(region, type, object);
    struct execute_result result = {.kind = members == NULL ? EXECUTE_NULL : EXECUTE_OBJECT};

    result.object.object = members;
    return result;
}

/*
 * What the executor takes for JSON of a type; what does not fit is left to its errors. Recursion: as
 * deep as lists are nested in the type.
 */
static struct execute_result result_of_json(struct region *region, const struct schema_ref *type,
                                            struct ast_text json)
{
    const struct schema_ref *nullable = schema_ref_nullable(type);
    const struct json_span span = {json.bytes, json.size};

    if (!schema_is_leaf(schema_ref_named(nullable))) {
        if (nullable->wrapper == SCHEMA_LIST && json_type(span) == JSON_ARRAY)
            return result_of_array(region, nullable->of, span);
        if (nullable->wrapper == SCHEMA_NAMED && json_type(span) == JSON_OBJECT)
            return result_of_object(region, nullable->type, span);
    }
    return (struct execute_result){.kind = EXECUTE_JSON, .text = json};
}

static void resolve_member(struct execute_call *call)
{
    const struct ast_text *members = call->object;
    struct ast_text json = members[call->field - call->parent_type->fields];
    struct execute_result result;

    if (json.size == 0) {
        resolve_null(call);
        return;
    }
    result = result_of_json(call->region, call->field->type, json);
    execute_answer(call->execution, &result);
}

static void resolve_value(struct execute_call *call)
{
    const struct model_field *plan = model_field_of(call->field);
    struct execute_result result = result_of_json(call->region, call->field->type, plan->value);

    execute_answer(call->execution, &result);
}

static void resolve_position(struct execute_call *call)
{
    const struct resolve_context *context = call->context;
    const struct schema_type *type = schema_ref_named(call->field->type);
    const struct event position = {.topic = "", .seq = context->seq};

    resolve_object(call, resolve_event(call->region, type, &position, context->epoch));
}

static void resolve_subscribe(struct execute_call *call)
{
    const struct resolve_context *context = call->context;

    CHECK(context->delivered != NULL);
    execute_answer(call->execution, context->delivered);
}

/* --- all -------------------------------------------------------------------------------------- */

schema_resolve_function *resolve_of(enum model_action action)
{
    static schema_resolve_function *const resolvers[] = {
        [MODEL_COLUMN] = resolve_column,   [MODEL_MEMBER] = resolve_member,
        [MODEL_VALUE] = resolve_value,     [MODEL_POSITION] = resolve_position,
        [MODEL_GET] = resolve_get,         [MODEL_LIST] = resolve_list,
        [MODEL_HISTORY] = resolve_history, [MODEL_CREATE] = mutate_row,
        [MODEL_UPDATE] = mutate_row,       [MODEL_DELETE] = mutate_row,
        [MODEL_PUBLISH] = mutate_publish,  [MODEL_SUBSCRIBE] = resolve_subscribe,
    };

    return resolvers[action];
}
