/* @create, @update, @delete: a COMMAND for the store's writer, and what has come of it. */
#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "server/api/column_value.h"
#include "server/api/mutate.h"
#include "server/api/resolve.h"
#include "server/topics/publisher.h"
#include "store/command.h"
#include "store/log.h"
#include "store/value.h"

/* --- making one ------------------------------------------------------------------------------- */

static const enum command_kind kinds[] = {
    [MODEL_CREATE] = COMMAND_CREATE,
    [MODEL_UPDATE] = COMMAND_UPDATE,
    [MODEL_DELETE] = COMMAND_DELETE,
};

static struct ast_text input_name(const struct model_input *input)
{
    return input->input->name;
}

/* One value of a column. False: the call has been answered. */
static bool read_value(struct execute_call *call, const struct model_column *column,
                       const struct model_input *input, struct command_value *ret_value)
{
    const struct value *given = resolve_input(call->arguments, input);
    struct ast_text name = input_name(input);
    const char *wrong;

    ret_value->column = column->number;
    wrong = column_value(column, given, call->region, &ret_value->json);
    if (wrong == NULL && !call->region->has_failed)
        return true;
    if (wrong == NULL) {
        resolve_null(call); /* the execution's region has failed, and so will it */
        return false;
    }
    resolve_fail(call, GRAPHQL_BAD_USER_INPUT, "Argument \"%.*s\" %s.", (int)name.size, name.bytes,
                 wrong);
    return false;
}

/* What is absent is not assigned: it stays, or is what the column has by itself. */
static bool read_assignments(struct execute_call *call, struct command *command)
{
    const struct model_field *plan = model_field_of(call->field);
    struct command_value *values =
        region_alloc(call->region, plan->assignment_count * sizeof *values + 1);

    if (values == NULL) {
        resolve_null(call);
        return false;
    }
    for (uint32_t i = 0; i < plan->assignment_count; i++) {
        const struct model_assignment *assignment = &plan->assignments[i];
        const struct model_column *column = &plan->table->columns[assignment->column];

        if (resolve_input(call->arguments, &assignment->input)->kind == VALUE_ABSENT)
            continue;
        if (!read_value(call, column, &assignment->input, &values[command->value_count]))
            return false;
        command->value_count++;
    }
    command->values = values;
    return true;
}

/* `if`: what is absent is not compared; null is what a column has to hold then. */
static bool read_conditions(struct execute_call *call, struct command *command)
{
    const struct model_field *plan = model_field_of(call->field);
    struct command_value *conditions =
        region_alloc(call->region, plan->condition_count * sizeof *conditions + 1);

    if (conditions == NULL) {
        resolve_null(call);
        return false;
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        const struct model_condition *condition = &plan->conditions[i];
        struct model_column column = plan->table->columns[condition->column];

        CHECK(!condition->source.is_column);
        column.is_required = false;
        if (resolve_input(call->arguments, &condition->source.input)->kind == VALUE_ABSENT)
            continue;
        if (!read_value(call, &column, &condition->source.input,
                        &conditions[command->condition_count]))
            return false;
        command->condition_count++;
    }
    command->conditions = conditions;
    return true;
}

/* NULL: no memory. */
static const struct command_part *make_parts(struct region *region, const struct model_table *table,
                                             const struct model_template *template)
{
    struct command_part *parts = region_alloc(region, template->part_count * sizeof *parts + 1);

    for (uint32_t i = 0; parts != NULL && i < template->part_count; i++) {
        const struct model_part *part = &template->parts[i];

        parts[i].is_column = part->kind == MODEL_COLUMN_PART;
        if (parts[i].is_column)
            parts[i].column = table->columns[part->column].number;
        else
            parts[i].literal = (struct catalog_text){part->literal.bytes, part->literal.size};
    }
    return parts;
}

static bool make_topics(struct execute_call *call, struct command *command)
{
    const struct model_field *plan = model_field_of(call->field);
    struct command_topic *topics =
        region_alloc(call->region, plan->template_count * sizeof *topics + 1);

    for (uint32_t i = 0; topics != NULL && i < plan->template_count; i++) {
        topics[i].parts = make_parts(call->region, plan->table, &plan->templates[i]);
        topics[i].count = (uint16_t)plan->templates[i].part_count;
        if (topics[i].parts == NULL)
            topics = NULL;
    }
    if (topics == NULL) {
        resolve_null(call);
        return false;
    }
    command->topics = topics;
    command->topic_count = (uint16_t)plan->template_count;
    return true;
}

/* The row's id; false: the call has been answered. An id that no row can have is no error. */
static bool read_row(struct execute_call *call, struct command *command)
{
    const struct model_field *plan = model_field_of(call->field);
    const struct model_column *id = &plan->table->columns[plan->table->id];
    struct command_value value = {0};

    if (!read_value(call, id, &plan->id, &value))
        return false;
    if (value_id(id->kind, value.json, &command->id))
        return true;
    resolve_null(call);
    return false;
}

static bool make_command(struct execute_call *call, struct command *command)
{
    const struct resolve_context *context = call->context;
    const struct model_field *plan = model_field_of(call->field);

    *command = (struct command){
        .kind = kinds[plan->action],
        .version = context->api->catalog->version,
        .table = plan->table->stored->number,
    };
    if (plan->action != MODEL_CREATE && !read_row(call, command))
        return false;
    return read_assignments(call, command) && read_conditions(call, command) &&
           make_topics(call, command);
}

/* --- what has come of it ---------------------------------------------------------------------- */

static enum graphql_code find_code(struct ast_text name)
{
    for (int code = GRAPHQL_PARSE_FAILED; code < GRAPHQL_INTERNAL; code++) {
        if (ast_text_is(name, graphql_code_name((enum graphql_code)code)))
            return (enum graphql_code)code;
    }
    return GRAPHQL_INTERNAL;
}

/* {"code":"…","message":"…"} */
static void fail_with(struct execute_call *call, struct json_span failure)
{
    struct ast_text code = {"", 0};
    struct ast_text message = {"", 0};
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(failure, &offset, &key, &value)) {
        if (json_string_equals(key, "code"))
            (void)coerce_string(value, call->region, &code); /* else it is INTERNAL */
        else if (json_string_equals(key, "message"))
            (void)coerce_string(value, call->region, &message);
    }
    resolve_fail(call, find_code(code), "%.*s", (int)message.size, message.bytes);
}

static void answer_result(struct execute_call *call, const struct record *record)
{
    const struct model_field *plan = model_field_of(call->field);
    const char *copy =
        region_copy(call->region, (const char *)record->payload, record->payload_bytes);
    struct json_span json = {copy, record->payload_bytes};

    if (copy == NULL || json_type(json) == JSON_NULL)
        resolve_null(call);
    else if ((record->flags & RECORD_FAILED) != 0)
        fail_with(call, json);
    else
        resolve_object(call, resolve_row_of_json(call->region, plan->table, json));
}

static void on_done(void *user, uint64_t tag, const struct publish_result *result)
{
    struct operation *operation = user;
    struct execute_call *call = operation->call;
    struct record record;
    int rc;

    (void)tag;
    CHECK(operation->wait == OPERATION_PUBLISHER);
    operation->wait = OPERATION_NO_WAIT;
    if (result->error != 0) {
        mutate_fail(call, result->error);
        return;
    }
    if (operation->context.read_seq < result->seq)
        operation->context.read_seq = result->seq;
    rc = api_snapshot(&operation->context);
    if (rc == 0)
        rc = log_record_at(operation->context.api->options.store, result->seq, &record);
    if (rc == 0)
        answer_result(call, &record);
    else if (rc == -ENOENT)
        resolve_fail(call, GRAPHQL_UNAVAILABLE,
                     "This was executed, but what came of it is no longer kept.");
    else
        resolve_fail_store(call, rc);
}

/* --- the calls -------------------------------------------------------------------------------- */

void mutate_fail(struct execute_call *call, int error)
{
    if (error == -ENOSPC)
        resolve_fail(call, GRAPHQL_STORAGE_FULL,
                     "The store is full: nothing can be changed until there is room again.");
    else if (error == -EMSGSIZE)
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT,
                     "This is too large: the server takes at most a quarter of its ring at once.");
    else if (error == -ENOMEM)
        resolve_fail(call, GRAPHQL_UNAVAILABLE, "Out of memory.");
    else
        resolve_fail(call, GRAPHQL_UNAVAILABLE,
                     "The server cannot take changes at the moment; this one was not made.");
}

void mutate_send(struct execute_call *call, struct publish *publish)
{
    struct resolve_context *context = call->context;
    struct operation *operation = context->operation;
    int rc;

    CHECK(operation != NULL);
    CHECK(operation->wait == OPERATION_NO_WAIT);
    publish->user = operation;
    publish->protocol = operation->protocol;
    rc = publisher_publish(context->api->options.publisher, publish);
    if (rc != 0) {
        mutate_fail(call, rc);
        return;
    }
    operation->wait = OPERATION_PUBLISHER;
    operation->call = call;
    context->api->has_sent = true;
}

void mutate_row(struct execute_call *call)
{
    struct publish publish = {.is_command = true, .on_done = on_done};
    struct command command;
    uint8_t *payload;
    size_t bytes;

    if (!make_command(call, &command))
        return;
    bytes = command_encoded_bytes(&command);
    payload = region_alloc(call->region, bytes);
    if (payload == NULL || call->region->has_failed) {
        resolve_null(call);
        return;
    }
    command_encode(&command, payload);
    publish.payload = (const char *)payload;
    publish.payload_bytes = bytes;
    mutate_send(call, &publish);
}
