/* @publish: an event, as the broker's `publish` makes it. */
#include <errno.h>

#include "bus/check.h"
#include "server/api/mutate.h"
#include "server/api/resolve.h"
#include "server/graphql/value.h"
#include "server/json/text.h"
#include "server/topics/event.h"
#include "server/topics/publisher.h"
#include "server/topics/topics.h"

static const struct value *topic_of(const struct execute_call *call)
{
    return resolve_given(call, resolve_argument(call, "topic"));
}

/* The value of `data` as JSON. False: no memory, and the call has been answered. */
static bool read_data(struct execute_call *call, struct ast_text *ret_json)
{
    const struct value *data = resolve_given(call, resolve_argument(call, "data"));
    struct text out = {0};
    bool is_whole;

    if (data->kind == VALUE_JSON) {
        *ret_json = data->text;
        return true;
    }
    value_write(data, &out);
    *ret_json = (struct ast_text){NULL, (uint32_t)out.size};
    if (text_is_whole(&out))
        ret_json->bytes = region_copy(call->region, out.bytes, out.size);
    is_whole = ret_json->bytes != NULL;
    text_done(&out);
    if (!is_whole)
        mutate_fail(call, -ENOMEM);
    return is_whole;
}

/* The event as its publisher sees it: the arguments, and its place in the log. */
static void on_done(void *user, uint64_t tag, const struct publish_result *result)
{
    struct operation *operation = user;
    struct execute_call *call = operation->call;
    struct event event = {.seq = result->seq, .time_ns = result->time_ns};
    struct ast_text data;

    (void)tag;
    CHECK(operation->wait == OPERATION_PUBLISHER);
    operation->wait = OPERATION_NO_WAIT;
    if (result->error != 0) {
        mutate_fail(call, result->error);
        return;
    }
    if (!read_data(call, &data))
        return;
    event.topic = topic_of(call)->text.bytes;
    event.topic_bytes = topic_of(call)->text.size;
    event.payload = data.bytes;
    event.payload_bytes = data.size;
    resolve_object(call, resolve_event(call->region, schema_ref_named(call->field->type), &event,
                                       operation->context.epoch));
}

void mutate_publish(struct execute_call *call)
{
    const struct value *topic = topic_of(call);
    struct publish publish = {.on_done = on_done};
    struct ast_text data;

    if ((topic->kind != VALUE_STRING && topic->kind != VALUE_ENUM) ||
        !topic_name_is_valid(topic->text.bytes, topic->text.size)) {
        resolve_fail(call, GRAPHQL_BAD_USER_INPUT,
                     "Argument \"topic\" must be the name of a topic: 1 to 255 bytes, no control "
                     "characters, not beginning with \"$\".");
        return;
    }
    if (!read_data(call, &data))
        return;
    publish.topic = topic->text.bytes;
    publish.topic_bytes = topic->text.size;
    publish.payload = data.bytes;
    publish.payload_bytes = data.size;
    mutate_send(call, &publish);
}
