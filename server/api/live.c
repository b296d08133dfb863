#include "server/api/live.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "server/api/api_internal.h"
#include "server/api/resolve.h"
#include "server/api/search.h"
#include "server/graphql/collect.h"
#include "server/graphql/print.h"
#include "server/graphql/value.h"
#include "server/json/text.h"
#include "server/topics/event.h"
#include "server/topics/topics.h"

enum {
    LIVE_BYTES_MAX = 64 * 1024 * 1024, /* of memory for variables */
    SLICE_STEPS = 1000,
};

struct live {
    struct resolve_context context; /* the first member */
    struct region region;           /* holds this struct, too */
    const struct document *document;
    const struct ast_definition *definition;
    struct coerce_variables variables;
    struct graphql_errors errors;
    const struct model_field *plan; /* of its root field */
    struct search search;           /* the field's `where` */
    struct execute_result delivered;
    size_t taken_bytes; /* of api->live_bytes, beside the document's; 0: none yet */
    size_t topic_bytes;
    char topic[RECORD_TOPIC_BYTES_MAX];
};

/* --- what groups are found by ----------------------------------------------------------------- */

/* A normal form has no line breaks outside of strings, and ends with a bracket. */
void live_key(const struct operation *operation, struct text *out)
{
    const struct ast_variable_definition *definition = operation->definition->variables;

    CHECK(!operation->is_refused);
    print_normal_form(operation->document->tree, operation->definition, out);
    for (const struct value *value = operation->variables.values; definition != NULL;
         definition = definition->next, value++) {
        text_add_string(out, "\n");
        if (value->kind != VALUE_ABSENT) /* which is not the same as null */
            value_write(value, out);
    }
}

/* --- topics ----------------------------------------------------------------------------------- */

/* As the store's writer has it of a column: store/command.h, struct command_part. */
static void add_value(struct text *out, const struct value *value, bool has_all)
{
    switch (value->kind) {
    case VALUE_INT:
    case VALUE_BOOLEAN:
        value_write(value, out);
        break;
    case VALUE_STRING:
    case VALUE_ENUM:
        text_add(out, value->text.bytes, value->text.size);
        break;
    case VALUE_ABSENT:
    case VALUE_NULL:
        text_add_string(out, has_all ? "all" : ""); /* the model has seen to it that it can be */
        break;
    case VALUE_FLOAT:
    case VALUE_LIST:
    case VALUE_OBJECT:
    case VALUE_JSON:
        UNREACHABLE();
    }
}

/* 0; -EINVAL: that is no topic's name; -ENOMEM. */
static int make_topic(struct live *live, const struct value *arguments)
{
    const struct model_template *template = live->plan->templates;
    struct text name = {0};
    int rc = 0;

    for (uint32_t i = 0; i < template->part_count; i++) {
        const struct model_part *part = &template->parts[i];

        CHECK(part->kind != MODEL_COLUMN_PART);
        if (part->kind == MODEL_LITERAL)
            text_add(&name, part->literal.bytes, part->literal.size);
        else
            add_value(&name, resolve_input(arguments, &part->input), part->has_all);
    }
    if (!text_is_whole(&name)) {
        rc = -ENOMEM;
    } else if (name.size == 0 || !topic_name_is_valid(name.bytes, name.size)) {
        rc = -EINVAL;
    } else {
        memcpy(live->topic, name.bytes, name.size);
        live->topic_bytes = name.size;
    }
    text_done(&name);
    return rc;
}

/* --- making one ------------------------------------------------------------------------------- */

/* The root field, and what it is given. NULL: live->errors say why, or there was no memory. */
static const struct plan_field *find_field(struct live *live, const struct coerce *coerce,
                                           struct value **ret_arguments)
{
    const struct schema_type *type = coerce->schema->roots[AST_SUBSCRIPTION];
    struct collect collect = {
        .coerce = coerce, .variables = &live->variables, .region = &live->region};
    const struct plan *plan = collect_root(&collect, live->definition, type);
    const struct plan_field *field = plan == NULL ? NULL : plan->first;
    struct coerce_call call;

    if (plan == NULL)
        return NULL;
    if (field == NULL || field->next != NULL || model_field_of(field->field) == NULL) {
        (void)graphql_errors_add(&live->errors, GRAPHQL_VALIDATION_FAILED,
                                 "A subscription must select exactly one field.");
        return NULL;
    }
    call = (struct coerce_call){
        .inputs = field->field->arguments,
        .input_count = field->field->argument_count,
        .arguments = field->nodes.selection->arguments,
        .node = &field->nodes.selection->node,
    };
    return coerce_arguments(coerce, &call, &live->variables, ret_arguments) ? field : NULL;
}

static void fail(struct live *live, enum graphql_code code, const char *message)
{
    (void)graphql_errors_add(&live->errors, code, "%s", message);
}

static void read_field(struct live *live, const struct coerce *coerce)
{
    struct value *arguments = NULL;
    const struct plan_field *field = find_field(live, coerce, &arguments);
    struct search_source source = {.arguments = arguments, .region = &live->region};
    const char *reason;
    int rc;

    if (field == NULL)
        return;
    live->plan = model_field_of(field->field);
    CHECK(live->plan->action == MODEL_SUBSCRIBE);
    if (!search_begin(&live->search, live->plan, &source, &reason)) {
        if (reason != NULL)
            fail(live, GRAPHQL_BAD_USER_INPUT, reason);
        return;
    }
    rc = make_topic(live, arguments);
    if (rc == -ENOMEM)
        live->region.has_failed = true;
    else if (rc != 0)
        fail(live, GRAPHQL_BAD_USER_INPUT,
             "The arguments do not make the name of a topic: 1 to 255 bytes, no control "
             "characters, not beginning with \"$\".");
}

/* 0, or -EINVAL when live->errors say why. */
static int prepare(struct live *live, const struct operation *operation)
{
    const struct coerce coerce = {
        .schema = live->context.api->model->schema,
        .document = live->document->tree,
        .region = &live->region,
        .errors = &live->errors,
    };
    struct json_span json = {NULL, operation->variables_json.size};

    json.bytes = region_copy(&live->region, operation->variables_json.bytes, json.size);
    if (json.bytes != NULL && coerce_variables(&coerce, live->definition, json, &live->variables))
        read_field(live, &coerce);
    if (live->region.has_failed)
        return -ENOMEM;
    return live->errors.count > 0 ? -EINVAL : 0;
}

/*
 * Clients decide how much they want to be remembered: their variables, and documents of which the cache
 * may have no more. False: it is too much; nothing is taken.
 */
static bool take_bytes(struct live *live)
{
    struct api *api = live->context.api;
    size_t bytes = live->region.used_bytes + document_hold(live->document);

    if (bytes > API_LIVE_BYTES_MAX - api->live_bytes) {
        (void)document_let_go(live->document);
        return false;
    }
    live->taken_bytes = live->region.used_bytes;
    api->live_bytes += bytes;
    return true;
}

static void give_bytes(const struct live *live)
{
    struct api *api = live->context.api;
    size_t bytes;

    if (live->taken_bytes == 0)
        return;
    bytes = live->taken_bytes + document_let_go(live->document);
    CHECK(bytes <= api->live_bytes);
    api->live_bytes -= bytes;
}

int live_new(struct operation *operation, struct live **ret_live)
{
    struct region region;
    struct live *live;
    int rc;

    CHECK(!operation->is_refused);
    CHECK(operation_kind(operation) == AST_SUBSCRIPTION);
    region_init(&region, LIVE_BYTES_MAX);
    live = region_alloc(&region, sizeof *live);
    if (live == NULL)
        return -ENOMEM;
    live->region = region;
    live->context.api = operation->context.api;
    live->context.delivered = &live->delivered;
    live->document = document_ref(operation->document);
    live->definition = operation->definition;
    graphql_errors_init(&live->errors, &live->region);
    rc = prepare(live, operation);
    if (rc == 0 && !take_bytes(live))
        rc = -E2BIG;
    if (rc == 0) {
        *ret_live = live;
        return 0;
    }
    if (rc == -EINVAL)
        operation_refuse(operation, live->errors.first->code, "%s", live->errors.first->message);
    live_free(live);
    return rc;
}

void live_free(struct live *live)
{
    struct region region;

    if (live == NULL)
        return;
    give_bytes(live);
    document_unref(live->document);
    region = live->region; /* it lies in itself */
    region_done(&region);
}

struct record_topic live_topic(const struct live *live)
{
    return (struct record_topic){.name = live->topic, .bytes = live->topic_bytes};
}

/* --- events ----------------------------------------------------------------------------------- */

static struct catalog_text column_of_row(const void *object, uint32_t column)
{
    return resolve_row_column(object, column);
}

/* What the root field answers for @event. LIVE_MADE, LIVE_PASSED_OVER, or -ENOMEM. */
static int deliver(struct live *live, const struct event *event)
{
    const struct model_field *plan = live->plan;
    const struct schema_type *type = schema_ref_named(plan->field->type);
    const struct json_span json = {event->payload, event->payload_bytes};
    struct region *scratch = &live->context.api->scratch;
    const void *object = NULL;

    switch (plan->delivery) {
    case MODEL_ROWS:
        if (event->table != plan->table->stored->number || json_type(json) != JSON_OBJECT)
            return LIVE_PASSED_OVER;
        object = resolve_row_of_json(scratch, plan->table, json);
        if (object != NULL && !search_matches(&live->search, object, column_of_row))
            return LIVE_PASSED_OVER;
        break;
    case MODEL_EVENTS:
        object = resolve_event(scratch, type, event, live->context.epoch);
        break;
    case MODEL_OBJECTS:
        if (json_type(json) != JSON_OBJECT)
            return LIVE_PASSED_OVER;
        object = resolve_members(scratch, type, json);
        break;
    }
    if (object == NULL)
        return -ENOMEM;
    live->delivered = (struct execute_result){.kind = EXECUTE_OBJECT};
    live->delivered.object.object = object;
    return LIVE_MADE;
}

static void write_extensions(const struct live *live, const struct event *event, struct text *out)
{
    char seq[EVENT_DECIMAL_BYTES_MAX];
    char epoch[EVENT_EPOCH_BYTES];

    event_epoch(epoch, live->context.epoch);
    text_add_string(out, ",\"extensions\":{\"seq\":\"");
    text_add(out, seq, event_decimal(seq, event->seq));
    text_add_string(out, "\",\"epoch\":\"");
    text_add(out, epoch, sizeof epoch);
    text_add_string(out, "\"}}");
}

static enum execute_state run(struct api *api, struct execution *execution)
{
    enum execute_state state;

    do {
        state = execute_run(execution, SLICE_STEPS);
        api->group_steps -= SLICE_STEPS - execute_steps_left(execution);
    } while (state == EXECUTE_MORE);
    CHECK(state != EXECUTE_WAITING); /* no resolver of a subscription answers later */
    return state;
}

/* LIVE_MADE or -ENOMEM. */
static int execute(struct live *live, const struct event *event, struct text *out)
{
    struct api *api = live->context.api;
    const struct execute_options options = {
        .schema = api->model->schema,
        .document = live->document->tree,
        .operation = live->definition,
        .variables = &live->variables,
        .limits = &api->options.limits->operation,
        .context = live,
    };
    struct execution *execution = execute_new(&options);
    enum execute_state state;

    if (execution == NULL)
        return -ENOMEM;
    state = run(api, execution);
    if (state == EXECUTE_DONE)
        execute_write(execution, out);
    else if (state == EXECUTE_TOO_LARGE)
        text_printf(out,
                    "{\"errors\":[{\"message\":\"The result has more than %d MiB.\","
                    "\"extensions\":{\"code\":\"LIMIT_EXCEEDED\"}}]",
                    EXECUTE_RESULT_BYTES_MAX >> 20);
    execute_free(execution);
    if (state == EXECUTE_FAILED)
        return -ENOMEM;
    write_extensions(live, event, out);
    return text_is_whole(out) ? LIVE_MADE : -ENOMEM;
}

int live_execute(struct live *live, const struct event *event, struct text *out)
{
    struct api *api = live->context.api;
    int rc;

    if (api->group_steps <= 0)
        return -EAGAIN;
    api->group_steps--; /* what is passed over costs something, too */
    api_begin(&live->context);
    rc = deliver(live, event);
    if (rc == LIVE_MADE)
        rc = execute(live, event, out);
    region_reset(&api->scratch);
    return rc;
}
