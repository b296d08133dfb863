#include "bus/check.h"
#include "server/graphql/execute_internal.h"
#include "server/json/text.h"

/* A value in hand that is not null. */
struct hand {
    const struct plan_field *field;
    size_t begin;
    bool is_nullable;
};

/* "Query.message", for messages. */
static const char *field_name(struct execution *execution, const struct plan_field *field)
{
    struct ast_text parent = field->parent->name;
    struct ast_text name = field->field->name;
    const char *text = NULL;

    if (!execution->errors.has_overflown)
        text = region_printf(&execution->region, "%.*s.%.*s", (int)parent.size, parent.bytes,
                             (int)name.size, name.bytes);
    return text == NULL ? "" : text;
}

/* --- lists ------------------------------------------------------------------------------------ */

static struct json_span json_of(const struct execute_result *result)
{
    return (struct json_span){result->text.bytes, result->text.size};
}

/* An array as a list of JSON values. NULL items: no memory. */
static struct execute_result list_of_array(struct execution *execution, struct json_span array)
{
    struct execute_result list = {.kind = EXECUTE_LIST};
    struct execute_result *items;
    struct json_span item;
    size_t offset = 0;

    while (json_array_next(array, &offset, &item))
        list.list.count++;
    items = region_alloc(&execution->region, ((size_t)list.list.count + 1) * sizeof *items);
    list.list.items = items;
    offset = 0;
    while (items != NULL && json_array_next(array, &offset, &item)) {
        items->kind = EXECUTE_JSON;
        items->text = (struct ast_text){item.bytes, (uint32_t)item.size};
        items++;
    }
    return list;
}

/* False: an error was added, or no memory. */
static bool begin_list(struct execution *execution, const struct hand *hand,
                       const struct schema_ref *item_type, const struct execute_result *result)
{
    const struct plan_field *field = hand->field;
    uint32_t items_max = execution->options.limits->list_items_max;
    struct execute_result list = *result;
    struct frame *frame;

    if (result->kind == EXECUTE_JSON && json_type(json_of(result)) == JSON_ARRAY)
        list = list_of_array(execution, json_of(result));
    if (list.kind != EXECUTE_LIST) {
        execute_fail(execution, GRAPHQL_INTERNAL,
                     "Expected Iterable, but did not find one for field \"%s\".",
                     field_name(execution, field));
        return false;
    }
    /* Lists of introspection are as long as the schema. */
    if (list.list.count > items_max && !field->parent->is_built_in) {
        execute_fail(execution, GRAPHQL_LIMIT_EXCEEDED,
                     "Field \"%s\" has a list of %u items, more than the %u that are allowed.",
                     field_name(execution, field), list.list.count, items_max);
        return false;
    }
    if (list.list.count == 0) {
        execute_write_bytes(execution, "[]", 2);
        return true;
    }
    frame = execute_push(execution, hand->begin, hand->is_nullable);
    if (frame == NULL)
        return false;
    frame->is_list = true;
    frame->field = frame->below->field;
    frame->items = list.list.items;
    frame->count = list.list.count;
    frame->item_type = item_type;
    execute_write_bytes(execution, "[", 1);
    return true;
}

/* --- objects ---------------------------------------------------------------------------------- */

/* The object type of an answer; NULL: an error was added. */
static const struct schema_type *object_type(struct execution *execution,
                                             const struct plan_field *field,
                                             const struct execute_result *result)
{
    const struct schema_type *expected = field->type;
    const struct schema_type *given = result->object.type;
    int name_bytes = (int)expected->name.size;
    const char *name = expected->name.bytes;

    if (result->kind != EXECUTE_OBJECT) {
        execute_fail(execution, GRAPHQL_INTERNAL, "Expected value of type \"%.*s\".", name_bytes,
                     name);
        return NULL;
    }
    if (given == expected || (given == NULL && expected->kind == SCHEMA_OBJECT))
        return expected;
    if (given == NULL) {
        execute_fail(
            execution, GRAPHQL_INTERNAL,
            "Abstract type \"%.*s\" must resolve to an Object type at runtime for field "
            "\"%s\". Either the \"%.*s\" type should provide a \"resolveType\" function or "
            "each possible type should provide an \"isTypeOf\" function.",
            name_bytes, name, field_name(execution, field), name_bytes, name);
        return NULL;
    }
    if (given->kind != SCHEMA_OBJECT) {
        execute_fail(execution, GRAPHQL_INTERNAL,
                     "Abstract type \"%.*s\" was resolved to a non-object type \"%.*s\".",
                     name_bytes, name, (int)given->name.size, given->name.bytes);
        return NULL;
    }
    if (expected->kind != SCHEMA_OBJECT && schema_is_possible(expected, given))
        return given;
    execute_fail(execution, GRAPHQL_INTERNAL,
                 "Runtime Object type \"%.*s\" is not a possible type for \"%.*s\".",
                 (int)given->name.size, given->name.bytes, name_bytes, name);
    return NULL;
}

/* False: an error was added, or no memory. */
static bool begin_object(struct execution *execution, const struct hand *hand,
                         const struct execute_result *result)
{
    struct plan_field *field = execution->top->field;
    const struct schema_type *type = object_type(execution, field, result);
    uint32_t error_count = execution->errors.count;
    struct plan *plan;
    struct frame *frame;

    if (type == NULL)
        return false;
    plan = collect_below(&execution->collect, field, type);
    if (plan == NULL) {
        execute_fail_added(execution, error_count);
        return false;
    }
    frame = execute_push(execution, hand->begin, hand->is_nullable);
    if (frame == NULL)
        return false;
    frame->is_list = false;
    frame->plan = plan;
    frame->object = result->object.object;
    execute_write_bytes(execution, "{", 1);
    return true;
}

/* --- all -------------------------------------------------------------------------------------- */

static bool is_null(const struct execute_result *result)
{
    return result->kind == EXECUTE_NULL ||
           (result->kind == EXECUTE_JSON && json_type(json_of(result)) == JSON_NULL);
}

/* False: an error was added, or no memory. */
static bool complete_value(struct execution *execution, const struct hand *hand,
                           const struct schema_ref *nullable, const struct execute_result *result)
{
    if (nullable->wrapper == SCHEMA_LIST)
        return begin_list(execution, hand, nullable->of, result);
    if (schema_is_leaf(nullable->type))
        return execute_leaf(execution, nullable->type, result);
    return begin_object(execution, hand, result);
}

void execute_complete(struct execution *execution, const struct schema_ref *type,
                      const struct execute_result *result)
{
    struct hand hand = {
        .field = execution->top->field,
        .begin = execution->text.size,
        .is_nullable = !schema_ref_is_non_null(type),
    };

    if (result->kind == EXECUTE_ERROR) {
        execute_fail(execution, result->error.code, "%s", result->error.message);
    } else if (!is_null(result)) {
        if (complete_value(execution, &hand, schema_ref_nullable(type), result))
            return;
    } else if (!hand.is_nullable) {
        execute_fail(execution, GRAPHQL_INTERNAL, "Cannot return null for non-nullable field %s.",
                     field_name(execution, hand.field));
    }
    execute_null(execution, hand.begin, hand.is_nullable);
}
