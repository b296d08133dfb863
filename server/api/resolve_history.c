/* @history: a page of a topic's kept events, read over several turns. */
#include <string.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "server/api/resolve.h"
#include "server/topics/event.h"
#include "server/topics/page.h"
#include "server/topics/topics.h"

enum {
    HISTORY_LIMIT_DEFAULT = 100,
    HISTORY_LIMIT_MAX = 1000,
    HISTORY_BYTES_MAX = 8 * 1024 * 1024, /* of payloads, but at least one */
};

struct history_read {
    struct page page;
    struct execute_call *call;
    struct execute_result *items; /* limit of them */
    uint32_t count;
    size_t bytes;
    bool has_failed; /* no memory */
    char topic[RECORD_TOPIC_BYTES_MAX];
};

/* --- events ----------------------------------------------------------------------------------- */

/* An event as an object of the field's type; what it is made of is the region's. */
static const struct ast_text *make_object(struct execute_call *call, struct record_topic topic,
                                          const struct record *record)
{
    const struct resolve_context *context = call->context;
    const char *payload =
        region_copy(call->region, (const char *)record->payload, record->payload_bytes);
    const struct event event = {
        .topic = topic.name,
        .topic_bytes = topic.bytes,
        .seq = record->seq,
        .time_ns = record->time_ns,
        .payload = payload,
        .payload_bytes = record->payload_bytes,
    };

    if (payload == NULL)
        return NULL;
    return resolve_event(call->region, schema_ref_named(call->field->type), &event, context->epoch);
}

static bool on_event(void *user, const struct record *record)
{
    struct history_read *history = user;
    struct execute_result *item = &history->items[history->count];

    history->bytes += record->payload_bytes;
    if (history->count > 0 && history->bytes > HISTORY_BYTES_MAX)
        return false;
    item->kind = EXECUTE_OBJECT;
    item->object.object = make_object(history->call, history->page.options.topic, record);
    history->has_failed |= item->object.object == NULL;
    history->count++;
    return true;
}

static void answer(struct history_read *history)
{
    struct execute_call *call = history->call;
    const struct execute_result result = {
        .kind = EXECUTE_LIST,
        .list = {.items = history->items, .count = history->count},
    };

    if (history->has_failed)
        resolve_null(call); /* so has the execution */
    else if (history->page.is_full && history->count < history->page.options.limit)
        resolve_fail(call, GRAPHQL_LIMIT_EXCEEDED,
                     "These events have more than %d MiB: ask for at most %u of them.",
                     HISTORY_BYTES_MAX >> 20, (unsigned)history->count);
    else
        execute_answer(call->execution, &result);
}

void resolve_history_step(struct operation *operation)
{
    struct history_read *history = operation->history;
    int rc = page_step(&history->page);

    if (rc > 0 && !history->page.is_full && !history->has_failed)
        return;
    operation->wait = OPERATION_NO_WAIT;
    operation->history = NULL;
    if (rc < 0)
        resolve_fail_store(history->call, rc);
    else
        answer(history);
}

/* --- the call --------------------------------------------------------------------------------- */

/* False: the call has been answered. */
static bool read_topic(struct execute_call *call, struct history_read *history,
                       struct record_topic *ret_topic)
{
    const struct value *topic = resolve_given(call, resolve_argument(call, "topic"));

    if ((topic->kind != VALUE_STRING && topic->kind != VALUE_ENUM) ||
        !topic_name_is_valid(topic->text.bytes, topic->text.size)) {
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT,
                     "Argument \"topic\" must be the name of a topic: 1 to 255 bytes, no control "
                     "characters, not beginning with \"$\".");
        return false;
    }
    memcpy(history->topic, topic->text.bytes, topic->text.size);
    *ret_topic = (struct record_topic){history->topic, topic->text.size};
    return true;
}

/* Likewise. */
static bool read_since(struct execute_call *call, struct resume *ret_resume)
{
    const struct value *since = resolve_given(call, resolve_argument(call, "since"));

    *ret_resume = (struct resume){.has_since = true};
    if (since->kind == VALUE_INT && since->integer >= 0)
        ret_resume->since = (uint64_t)since->integer;
    if (since->kind == VALUE_ABSENT || since->kind == VALUE_NULL ||
        (since->kind == VALUE_INT && since->integer >= 0) ||
        (since->kind == VALUE_STRING &&
         json_uint64((struct json_span){since->text.bytes, since->text.size}, &ret_resume->since)))
        return true;
    resolve_fail(call, GRAPHQL_BAD_USER_INPUT,
                 "Argument \"since\" must be the seq of an operation: an integer, 0 or more.");
    return false;
}

/* Likewise. 0 is an empty page. */
static bool read_limit(struct execute_call *call, uint32_t *ret_limit)
{
    const struct schema_input *limit = model_field_of(call->field)->limit;
    struct resolve_range range = {.preset = HISTORY_LIMIT_DEFAULT, .max = HISTORY_LIMIT_MAX};

    if (limit != NULL && limit->default_value != NULL && limit->default_value->kind == VALUE_INT)
        range.preset = (uint32_t)limit->default_value->integer;
    return resolve_count(call, limit, range, ret_limit);
}

static void begin(struct execute_call *call, struct history_read *history,
                  const struct page_options *options, const struct resume *resume)
{
    struct resolve_context *context = call->context;
    struct operation *operation = context->operation;
    int rc = page_begin(&history->page, options, resume);

    if (rc != 0) {
        resolve_fail_store(call, rc);
        return;
    }
    CHECK(operation->wait == OPERATION_NO_WAIT);
    operation->wait = OPERATION_PAGE;
    operation->history = history;
    api_add_ready(context->api, operation);
}

void resolve_history(struct execute_call *call)
{
    struct resolve_context *context = call->context;
    const struct api_options *api = &context->api->options;
    struct history_read *history = region_alloc(call->region, sizeof *history);
    struct page_options options = {
        .bus = api->bus,
        .store = api->store,
        .reader = api->reader,
        .topics = api->topics,
        .on_event = on_event,
        .user = history,
    };
    struct resume resume;
    uint32_t limit;

    if (context->operation == NULL) {
        resolve_fail(call, GRAPHQL_INTERNAL, "A subscription cannot ask for history.");
        return;
    }
    if (history == NULL) {
        resolve_null(call);
        return;
    }
    if (!read_topic(call, history, &options.topic) || !read_since(call, &resume) ||
        !read_limit(call, &limit))
        return;
    history->call = call;
    history->items = region_alloc(call->region, (size_t)limit * sizeof *history->items + 1);
    options.limit = limit;
    if (limit == 0 || history->items == NULL)
        answer(history); /* nothing; or null, for the execution has failed */
    else
        begin(call, history, &options, &resume);
}
