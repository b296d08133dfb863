#include "server/protocol/broker_message.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "server/protocol/put.h"

enum {
    REASON_BYTES_MAX = 200,
};

static const char *const error_codes[] = {
    [BROKER_OK] = "ok",
    [BROKER_BAD_JSON] = "bad_json",
    [BROKER_BAD_REQUEST] = "bad_request",
    [BROKER_UNKNOWN_ACTION] = "unknown_action",
    [BROKER_BAD_TOPIC] = "bad_topic",
    [BROKER_NOT_SUBSCRIBED] = "not_subscribed",
    [BROKER_TOO_MANY_SUBSCRIPTIONS] = "too_many_subscriptions",
    [BROKER_TOO_LARGE] = "too_large",
    [BROKER_RATE_LIMITED] = "rate_limited",
    [BROKER_FORBIDDEN] = "forbidden",
    [BROKER_STORAGE_FULL] = "storage_full",
    [BROKER_UNAVAILABLE] = "unavailable",
};

const char *broker_error_code(enum broker_error error)
{
    CHECK((size_t)error < sizeof error_codes / sizeof *error_codes);
    return error_codes[error];
}

enum broker_error broker_publish_error(int error, const char **ret_reason)
{
    switch (error) {
    case -EMSGSIZE:
        *ret_reason = "the message is over a quarter of the ring";
        return BROKER_TOO_LARGE;
    case -ENOSPC:
        *ret_reason = "the store is full";
        return BROKER_STORAGE_FULL;
    default:
        *ret_reason = "the message could not be published, try again later";
        return BROKER_UNAVAILABLE;
    }
}

/* --- parsing ---------------------------------------------------------------------------------- */

/* The members that mean something, as they stand in the text; size 0: absent. */
struct members {
    struct json_span action;
    struct json_span topic;
    struct json_span since;
    struct json_span epoch;
    struct json_span message;
    struct json_span durable;
    struct json_span id;
};

static const struct member_rule {
    const char *name;
    size_t offset;
} member_rules[] = {
    {"action", offsetof(struct members, action)},   {"topic", offsetof(struct members, topic)},
    {"message", offsetof(struct members, message)}, {"id", offsetof(struct members, id)},
    {"durable", offsetof(struct members, durable)}, {"since", offsetof(struct members, since)},
    {"epoch", offsetof(struct members, epoch)},
};

static bool key_equals(struct json_span key, const char *name)
{
    size_t size = strlen(name);

    if (key.size == size + 2 && memcmp(key.bytes + 1, name, size) == 0)
        return true;
    return memchr(key.bytes, '\\', key.size) != NULL && json_string_equals(key, name);
}

/* Of a member given twice the last one counts, as in most parsers. */
static void members_collect(struct json_span object, struct members *ret)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(object, &offset, &key, &value)) {
        for (size_t i = 0; i < sizeof member_rules / sizeof *member_rules; i++) {
            if (key_equals(key, member_rules[i].name)) {
                memcpy((char *)ret + member_rules[i].offset, &value, sizeof value);
                break;
            }
        }
    }
}

static bool is_absent(struct json_span value)
{
    return value.size == 0;
}

static bool is_string(struct json_span value)
{
    return !is_absent(value) && json_type(value) == JSON_STRING;
}

static enum broker_error parse_id(struct json_span id, struct broker_context *context,
                                  const char **ret_reason)
{
    if (is_absent(id))
        return BROKER_OK;
    if (json_type(id) != JSON_STRING && json_type(id) != JSON_NUMBER) {
        *ret_reason = "`id` must be a string or a number";
        return BROKER_BAD_REQUEST;
    }
    if (id.size > BROKER_ID_BYTES_MAX) {
        *ret_reason = "`id` is longer than 256 bytes";
        return BROKER_BAD_REQUEST;
    }
    context->id = id;
    return BROKER_OK;
}

/* Whatever can be told of it goes into the context, also of a name that is none. */
static enum broker_error parse_topic(struct json_span topic, struct broker_context *context)
{
    ptrdiff_t size;

    if (!is_string(topic))
        return BROKER_BAD_REQUEST;
    size = json_string_decode(topic, context->topic, sizeof context->topic);
    if (size < 0)
        return BROKER_BAD_TOPIC;
    context->topic_bytes = (size_t)size;
    return topic_name_is_valid(context->topic, context->topic_bytes) ? BROKER_OK : BROKER_BAD_TOPIC;
}

static enum broker_error parse_action(struct json_span action, enum broker_action *ret,
                                      const char **ret_reason)
{
    static const char *const names[] = {
        [BROKER_SUBSCRIBE] = "subscribe",
        [BROKER_UNSUBSCRIBE] = "unsubscribe",
        [BROKER_PUBLISH] = "publish",
        [BROKER_PING] = "ping",
    };

    if (!is_string(action)) {
        *ret_reason = "`action` must be given, as a string";
        return BROKER_BAD_REQUEST;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (key_equals(action, names[i])) {
            *ret = (enum broker_action)i;
            return BROKER_OK;
        }
    }
    *ret_reason = "`action` must be subscribe, unsubscribe, publish or ping";
    return BROKER_UNKNOWN_ACTION;
}

static enum broker_error parse_resume(const struct members *members, struct resume *resume,
                                      const char **ret_reason)
{
    char epoch[PUT_EPOCH_BYTES];

    if (!is_absent(members->since)) {
        if (json_type(members->since) != JSON_NUMBER ||
            !json_uint64(members->since, &resume->since)) {
            *ret_reason = "`since` must be an integer, 0 or more";
            return BROKER_BAD_REQUEST;
        }
        resume->has_since = true;
    }
    if (!is_absent(members->epoch)) {
        if (!is_string(members->epoch) ||
            json_string_decode(members->epoch, epoch, sizeof epoch) != sizeof epoch ||
            !event_epoch_parse(epoch, sizeof epoch, &resume->epoch)) {
            *ret_reason = "`epoch` must be a string of 16 hex digits";
            return BROKER_BAD_REQUEST;
        }
        resume->has_epoch = true;
    }
    return BROKER_OK;
}

static enum broker_error parse_publish(const struct members *members, struct broker_message *ret,
                                       const char **ret_reason)
{
    if (is_absent(members->message)) {
        *ret_reason = "`message` is missing";
        return BROKER_BAD_REQUEST;
    }
    ret->payload = members->message;
    if (is_absent(members->durable))
        return BROKER_OK;
    if (json_type(members->durable) != JSON_TRUE && json_type(members->durable) != JSON_FALSE) {
        *ret_reason = "`durable` must be true or false";
        return BROKER_BAD_REQUEST;
    }
    ret->is_durable = json_type(members->durable) == JSON_TRUE;
    return BROKER_OK;
}

enum broker_error broker_message_parse(const char *in, size_t in_bytes, char *compact,
                                       struct broker_message *ret, const char **ret_reason)
{
    struct members members = {0};
    struct json_error json_error;
    struct json_span object = {.bytes = compact};
    enum broker_error topic_error;
    enum broker_error error;
    ptrdiff_t size = json_compact(in, in_bytes, compact, &json_error);

    ret->context.topic_bytes = 0;
    ret->context.id = (struct json_span){0};
    ret->resume = (struct resume){0};
    ret->payload = (struct json_span){0};
    ret->is_durable = false;

    if (size < 0) {
        *ret_reason = json_error_text(&json_error, ret->json_error);
        return BROKER_BAD_JSON;
    }
    object.size = (size_t)size;
    if (json_type(object) != JSON_OBJECT) {
        *ret_reason = "a message must be a JSON object";
        return BROKER_BAD_REQUEST;
    }
    members_collect(object, &members);

    /* First what every answer carries, so that errors carry it too. */
    topic_error = parse_topic(members.topic, &ret->context);
    error = parse_id(members.id, &ret->context, ret_reason);
    if (error == BROKER_OK)
        error = parse_action(members.action, &ret->action, ret_reason);
    if (error != BROKER_OK || ret->action == BROKER_PING)
        return error;

    if (topic_error != BROKER_OK) {
        *ret_reason = topic_error == BROKER_BAD_REQUEST
                          ? "`topic` must be given, as a string"
                          : "a topic is 1 to 255 bytes without control characters, and does not "
                            "begin with `$`";
        return topic_error;
    }
    if (ret->action == BROKER_SUBSCRIBE)
        return parse_resume(&members, &ret->resume, ret_reason);
    if (ret->action == BROKER_PUBLISH)
        return parse_publish(&members, ret, ret_reason);
    return BROKER_OK;
}

/* --- answers ---------------------------------------------------------------------------------- */

static char *put_topic(char *out, const struct broker_context *context)
{
    if (context->topic_bytes == 0)
        return out;
    out = put_literal(out, ",\"topic\":");
    return put_quoted(out, context->topic, context->topic_bytes);
}

/* Every answer ends so. */
static char *put_id_and_end(char *out, const struct broker_context *context)
{
    if (context->id.size > 0) {
        out = put_literal(out, ",\"id\":");
        out = put_bytes(out, context->id.bytes, context->id.size);
    }
    return put_literal(out, "}");
}

static char *put_seq_and_epoch(char *out, uint64_t seq, uint64_t epoch)
{
    out = put_literal(out, ",\"seq\":");
    out = put_decimal(out, seq);
    out = put_literal(out, ",\"epoch\":\"");
    out = put_epoch(out, epoch);
    return put_literal(out, "\"");
}

size_t broker_write_subscribed(char *out, const struct broker_context *context,
                               const struct subscribed *subscribed)
{
    char *end = put_literal(out, "{\"status\":\"subscribed\"");

    end = put_topic(end, context);
    end = put_seq_and_epoch(end, subscribed->seq, subscribed->epoch);
    if (subscribed->has_recovered) {
        end = subscribed->recovered ? put_literal(end, ",\"recovered\":true")
                                    : put_literal(end, ",\"recovered\":false");
    }
    end = put_id_and_end(end, context);
    return (size_t)(end - out);
}

size_t broker_write_unsubscribed(char *out, const struct broker_context *context)
{
    char *end = put_literal(out, "{\"status\":\"unsubscribed\"");

    end = put_topic(end, context);
    end = put_id_and_end(end, context);
    return (size_t)(end - out);
}

size_t broker_write_published(char *out, const struct broker_context *context, uint64_t seq)
{
    char *end = put_literal(out, "{\"status\":\"published\"");

    end = put_topic(end, context);
    end = put_literal(end, ",\"seq\":");
    end = put_decimal(end, seq);
    end = put_id_and_end(end, context);
    return (size_t)(end - out);
}

size_t broker_write_pong(char *out, const struct broker_context *context, uint64_t seq,
                         uint64_t epoch)
{
    char *end = put_literal(out, "{\"status\":\"pong\"");

    end = put_seq_and_epoch(end, seq, epoch);
    end = put_id_and_end(end, context);
    return (size_t)(end - out);
}

size_t broker_write_error(char *out, const char *kind, const struct broker_context *context,
                          enum broker_error error, const char *reason)
{
    const char *code = broker_error_code(error);
    char *end = put_literal(out, "{\"");

    CHECK(strlen(reason) <= REASON_BYTES_MAX);
    end = put_bytes(end, kind, strlen(kind));
    end = put_literal(end, "\":\"error\",\"code\":\"");
    end = put_bytes(end, code, strlen(code));
    end = put_literal(end, "\",\"message\":");
    end = put_quoted(end, reason, strlen(reason));
    end = put_topic(end, context);
    end = put_id_and_end(end, context);
    return (size_t)(end - out);
}

size_t broker_write_gap(char *out, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    char *end = put_literal(out, "{\"type\":\"gap\",\"topic\":");

    end = put_quoted(end, topic, topic_bytes);
    end = put_literal(end, ",\"oldest\":");
    end = put_decimal(end, oldest);
    end = put_literal(end, "}");
    return (size_t)(end - out);
}

size_t broker_write_shutdown(char *out, uint32_t remaining_seconds, int64_t time_ns)
{
    char *end = put_literal(out, "{\"type\":\"shutdown\",\"message\":\"Server is shutting down\","
                                 "\"remaining_seconds\":");

    end = put_decimal(end, remaining_seconds);
    end = put_literal(end, ",\"time\":\"");
    end = put_time(end, time_ns);
    end = put_literal(end, "\"}");
    return (size_t)(end - out);
}
