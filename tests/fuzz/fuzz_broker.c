/*
 * A client's message to the broker, and the answer made of it. Whatever comes in,
 *
 *   it is understood exactly if it is JSON by a plain reading of RFC 8259, and its compact copy is
 *     what that reading makes of it;
 *   what is published and returned lies inside that copy, is JSON itself, and is the value of the
 *     last member of that name;
 *   it is refused for what a plain reading of PROTOCOLS section 3 says, or not at all;
 *   the answer is compact, strict JSON of bounded length on one line; an error says why.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "server/protocol/broker_message.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"

/* A copy of @size bytes with nothing readable behind them, for ASan's sake. */
static char *copy(const void *bytes, size_t size)
{
    char *out = malloc(size > 0 ? size : 1);

    CHECK(out != NULL);
    if (size > 0)
        memcpy(out, bytes, size);
    return out;
}

static void check_answer(const char *answer, size_t size)
{
    char compact[BROKER_REPLY_BYTES_MAX];

    CHECK(size <= BROKER_REPLY_BYTES_MAX);
    CHECK(reference_json_compact(answer, size, compact, JSON_DEPTH_MAX) == (ptrdiff_t)size);
    CHECK(memcmp(answer, compact, size) == 0);
    CHECK(answer[0] == '{');
    CHECK(memchr(answer, '\n', size) == NULL);
}

/* A JSON string's text; false: it is another one. */
static bool means(struct json_span string, const char *text)
{
    char *out = copy(string.bytes, string.size);
    ptrdiff_t length = json_string_decode(string, out, string.size);
    bool is_same = length == (ptrdiff_t)strlen(text) && memcmp(out, text, strlen(text)) == 0;

    free(out);
    return is_same;
}

/* The value of the object's last member whose key means @name; size 0: there is none. */
static struct json_span last_member(struct json_span object, const char *name)
{
    struct json_span found = {0};
    struct json_span value;
    struct json_span key;
    size_t offset = 0;

    while (json_object_next(object, &offset, &key, &value)) {
        if (means(key, name))
            found = value;
    }
    return found;
}

static bool is_there(struct json_span value)
{
    return value.size > 0;
}

static bool is_of(struct json_span value, enum json_type type)
{
    return is_there(value) && json_type(value) == type;
}

/* --- what it is to be refused for, by a plain reading --------------------------------------- */

static enum broker_error plain_topic(struct json_span topic)
{
    char name[RECORD_TOPIC_BYTES_MAX];
    ptrdiff_t size;

    if (!is_of(topic, JSON_STRING))
        return BROKER_BAD_REQUEST;
    size = json_string_decode(topic, name, sizeof name);
    return size >= 0 && topic_name_is_valid(name, (size_t)size) ? BROKER_OK : BROKER_BAD_TOPIC;
}

static bool plain_epoch_is_good(struct json_span epoch)
{
    char digits[16];

    if (!is_of(epoch, JSON_STRING) ||
        json_string_decode(epoch, digits, sizeof digits) != sizeof digits)
        return false;
    for (size_t i = 0; i < sizeof digits; i++) {
        if (isxdigit((unsigned char)digits[i]) == 0)
            return false;
    }
    return true;
}

/* Of a subscribe or publish whose topic is good. */
static enum broker_error plain_rest(struct json_span object, bool is_publish)
{
    struct json_span since = last_member(object, "since");
    struct json_span epoch = last_member(object, "epoch");
    struct json_span durable = last_member(object, "durable");
    uint64_t number;
    bool is_good = true;

    if (is_publish) {
        is_good = is_there(last_member(object, "message"));
        if (is_there(durable) && !is_of(durable, JSON_TRUE) && !is_of(durable, JSON_FALSE))
            is_good = false;
    } else {
        if (is_there(since) && (!is_of(since, JSON_NUMBER) || !json_uint64(since, &number)))
            is_good = false;
        if (is_there(epoch) && !plain_epoch_is_good(epoch))
            is_good = false;
    }
    return is_good ? BROKER_OK : BROKER_BAD_REQUEST;
}

static enum broker_error plain_error(struct json_span object)
{
    struct json_span action;
    struct json_span id;
    enum broker_error error;

    if (!is_of(object, JSON_OBJECT))
        return BROKER_BAD_REQUEST;
    action = last_member(object, "action");
    id = last_member(object, "id");
    if (is_there(id) && !is_of(id, JSON_STRING) && !is_of(id, JSON_NUMBER))
        return BROKER_BAD_REQUEST;
    if (id.size > BROKER_ID_BYTES_MAX || !is_of(action, JSON_STRING))
        return BROKER_BAD_REQUEST;
    if (means(action, "ping"))
        return BROKER_OK;
    if (!means(action, "subscribe") && !means(action, "unsubscribe") && !means(action, "publish"))
        return BROKER_UNKNOWN_ACTION;
    error = plain_topic(last_member(object, "topic"));
    if (error != BROKER_OK || means(action, "unsubscribe"))
        return error;
    return plain_rest(object, means(action, "publish"));
}

/* --- what was made of it ------------------------------------------------------------------------ */

static bool is_same_span(struct json_span a, struct json_span b)
{
    return a.bytes == b.bytes && a.size == b.size;
}

static void check_topic(const struct broker_context *context, struct json_span topic)
{
    char *out = malloc(topic.size);

    CHECK(out != NULL);
    CHECK(topic_name_is_valid(context->topic, context->topic_bytes));
    CHECK(json_string_decode(topic, out, topic.size) == (ptrdiff_t)context->topic_bytes);
    CHECK(memcmp(out, context->topic, context->topic_bytes) == 0);
    free(out);
}

static void check_value(struct json_span value)
{
    char *out = malloc(value.size);

    CHECK(out != NULL);
    CHECK(reference_json_compact(value.bytes, value.size, out, JSON_DEPTH_MAX) ==
          (ptrdiff_t)value.size);
    CHECK(memcmp(out, value.bytes, value.size) == 0);
    free(out);
}

static void check_message(const struct broker_message *message, struct json_span object)
{
    const struct subscribed subscribed = {
        .seq = message->resume.since, .epoch = message->resume.epoch, .has_recovered = true};
    char *answer = malloc(BROKER_REPLY_BYTES_MAX);

    CHECK(answer != NULL);
    switch (message->action) {
    case BROKER_SUBSCRIBE:
        CHECK(message->resume.has_since == (last_member(object, "since").size > 0));
        CHECK(message->resume.has_epoch == (last_member(object, "epoch").size > 0));
        check_answer(answer, broker_write_subscribed(answer, &message->context, &subscribed));
        break;
    case BROKER_UNSUBSCRIBE:
        check_answer(answer, broker_write_unsubscribed(answer, &message->context));
        break;
    case BROKER_PUBLISH:
        CHECK(is_same_span(message->payload, last_member(object, "message")));
        check_value(message->payload);
        check_answer(answer, broker_write_published(answer, &message->context, UINT64_MAX));
        break;
    case BROKER_PING:
        check_answer(answer, broker_write_pong(answer, &message->context, 1, UINT64_MAX));
        break;
    }
    if (message->action != BROKER_PING)
        check_topic(&message->context, last_member(object, "topic"));
    CHECK(is_same_span(message->context.id, last_member(object, "id")) ||
          message->context.id.size == 0);
    free(answer);
}

static void check_error(const struct broker_message *message, enum broker_error error,
                        const char *reason, bool is_json)
{
    char *answer = malloc(BROKER_REPLY_BYTES_MAX);

    CHECK(answer != NULL);
    CHECK(reason != NULL);
    CHECK((error == BROKER_BAD_JSON) == !is_json);
    CHECK(message->context.topic_bytes <= sizeof message->context.topic);
    CHECK(message->context.id.size <= BROKER_ID_BYTES_MAX);
    check_answer(answer, broker_write_error(answer, "status", &message->context, error, reason));
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *in = copy(data, size);
    char *wanted = copy(data, size);
    char *compact = copy(data, size);
    ptrdiff_t length = reference_json_compact(in, size, wanted, JSON_DEPTH_MAX);
    struct broker_message message;
    const char *reason = NULL;
    enum broker_error error = broker_message_parse(in, size, compact, &message, &reason);

    if (length >= 0) {
        CHECK(memcmp(compact, wanted, (size_t)length) == 0);
        CHECK(error == plain_error((struct json_span){compact, (size_t)length}));
    }
    if (error == BROKER_OK) {
        CHECK(length > 0);
        check_message(&message, (struct json_span){compact, (size_t)length});
    } else {
        check_error(&message, error, reason, length >= 0);
    }
    free(compact);
    free(wanted);
    free(in);
    return 0;
}
