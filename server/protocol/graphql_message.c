#include "server/protocol/graphql_message.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "server/json/text.h"
#include "server/topics/event.h"

enum {
    /* A character of an id becomes at most six in JSON: \u001f. */
    QUOTED_BYTES_MAX = 6 * GROUP_ID_BYTES_MAX + 2,
};

static const struct type_rule {
    const char *name;
    enum graphql_protocol protocol;
    enum graphql_message_type type;
} type_rules[] = {
    {"subscribe", GRAPHQL_TRANSPORT_WS, GRAPHQL_START},
    {"complete", GRAPHQL_TRANSPORT_WS, GRAPHQL_STOP},
    {"ping", GRAPHQL_TRANSPORT_WS, GRAPHQL_PING},
    {"pong", GRAPHQL_TRANSPORT_WS, GRAPHQL_PONG},
    {"connection_init", GRAPHQL_TRANSPORT_WS, GRAPHQL_INIT},
    {"start", GRAPHQL_OLD_WS, GRAPHQL_START},
    {"stop", GRAPHQL_OLD_WS, GRAPHQL_STOP},
    {"connection_init", GRAPHQL_OLD_WS, GRAPHQL_INIT},
    {"connection_terminate", GRAPHQL_OLD_WS, GRAPHQL_TERMINATE},
};

/* What a message, or the payload of one, may have; size 0: absent. */
struct members {
    struct json_span type;
    struct json_span id;
    struct json_span payload;
    struct json_span query;
    struct json_span variables;
    struct json_span operation_name;
    struct json_span extensions;
};

static const struct member_rule {
    const char *name;
    size_t offset;
} message_rules[] =
    {
        {"id", offsetof(struct members, id)},
        {"type", offsetof(struct members, type)},
        {"payload", offsetof(struct members, payload)},
},
  request_rules[] = {
      {"query", offsetof(struct members, query)},
      {"variables", offsetof(struct members, variables)},
      {"operationName", offsetof(struct members, operation_name)},
      {"extensions", offsetof(struct members, extensions)},
};

/* Of members of the same name the last one counts, as in JavaScript. */
static void find_members(struct json_span object, const struct member_rule *rules, size_t count,
                         struct members *members)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(object, &offset, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (json_string_equals(key, rules[i].name))
                *(struct json_span *)(void *)((char *)members + rules[i].offset) = value;
        }
    }
}

static bool is_of(struct json_span value, enum json_type type)
{
    return value.size > 0 && json_type(value) == type;
}

static bool is_nothing_or(struct json_span value, enum json_type type)
{
    return value.size == 0 || json_type(value) == JSON_NULL || json_type(value) == type;
}

/* False: there is none that could be sent back. */
static bool read_id(enum graphql_protocol protocol, struct json_span id,
                    struct graphql_message *ret)
{
    char text[GROUP_ID_BYTES_MAX];
    char quoted[QUOTED_BYTES_MAX];
    ptrdiff_t text_bytes;
    size_t size;

    if (protocol == GRAPHQL_OLD_WS && is_of(id, JSON_NUMBER) && id.size <= sizeof ret->id) {
        memcpy(ret->id, id.bytes, id.size);
        ret->id_bytes = id.size;
        return true;
    }
    if (!is_of(id, JSON_STRING))
        return false;
    text_bytes = json_string_decode(id, text, sizeof text);
    if (text_bytes <= 0)
        return false;
    size = json_quote(quoted, text, (size_t)text_bytes);
    if (size > sizeof ret->id)
        return false;
    memcpy(ret->id, quoted, size);
    ret->id_bytes = size;
    return true;
}

static const struct type_rule *find_type(enum graphql_protocol protocol, struct json_span name)
{
    for (size_t i = 0; i < sizeof type_rules / sizeof *type_rules; i++) {
        if (type_rules[i].protocol == protocol && json_string_equals(name, type_rules[i].name))
            return &type_rules[i];
    }
    return NULL;
}

static const char *check_request(struct json_span payload)
{
    struct members members = {0};

    if (!is_of(payload, JSON_OBJECT))
        return "payload must be an object";
    find_members(payload, request_rules, sizeof request_rules / sizeof *request_rules, &members);
    if (!is_of(members.query, JSON_STRING))
        return "payload.query must be a string";
    if (!is_nothing_or(members.variables, JSON_OBJECT))
        return "payload.variables must be an object";
    if (!is_nothing_or(members.operation_name, JSON_STRING))
        return "payload.operationName must be a string";
    if (!is_nothing_or(members.extensions, JSON_OBJECT))
        return "payload.extensions must be an object";
    return NULL;
}

/* What the type asks of the rest. */
static const char *check_rest(enum graphql_protocol protocol, const struct graphql_message *message)
{
    static const char bad_id[] = "id must be a string, not empty and as JSON of at most 256 bytes";
    bool has_id = message->id_bytes > 0;

    switch (message->type) {
    case GRAPHQL_START:
        return has_id ? check_request(message->payload) : bad_id;
    case GRAPHQL_STOP:
        return has_id ? NULL : bad_id;
    case GRAPHQL_INIT:
    case GRAPHQL_PING:
    case GRAPHQL_PONG:
        if (protocol == GRAPHQL_TRANSPORT_WS && !is_nothing_or(message->payload, JSON_OBJECT))
            return "payload must be an object";
        return NULL;
    case GRAPHQL_TERMINATE:
        break;
    }
    return NULL;
}

const char *graphql_message_parse(enum graphql_protocol protocol, const char *in, size_t in_bytes,
                                  char *compact, struct graphql_message *ret)
{
    struct members members = {0};
    struct json_error error;
    ptrdiff_t size = json_compact(in, in_bytes, compact, &error);
    const struct type_rule *rule;

    ret->id_bytes = 0;
    if (size < 0)
        return "not JSON";
    if (compact[0] != '{')
        return "not an object";
    find_members((struct json_span){compact, (size_t)size}, message_rules,
                 sizeof message_rules / sizeof *message_rules, &members);
    (void)read_id(protocol, members.id, ret); /* not every message needs one */
    if (!is_of(members.type, JSON_STRING))
        return "type must be a string";
    rule = find_type(protocol, members.type);
    if (rule == NULL)
        return "not a type that a client sends";
    ret->type = rule->type;
    ret->payload = members.payload;
    return check_rest(protocol, ret);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void begin(struct json_span id, const char *type, struct text *out)
{
    text_add_string(out, "{\"id\":");
    text_add(out, id.bytes, id.size);
    text_add_string(out, ",\"type\":\"");
    text_add_string(out, type);
    text_add_string(out, "\"");
}

void graphql_message_begin_result(enum graphql_protocol protocol, struct json_span id,
                                  struct text *out)
{
    begin(id, protocol == GRAPHQL_OLD_WS ? "data" : "next", out);
    text_add_string(out, ",\"payload\":");
}

void graphql_message_write_complete(struct json_span id, struct text *out)
{
    begin(id, "complete", out);
    text_add(out, "}", 1);
}

static void add_old_error(struct json_span errors, struct text *out)
{
    struct json_span first;
    struct json_span second;
    size_t offset = 0;

    if (!json_array_next(errors, &offset, &first)) {
        text_add_string(out, "{}");
    } else if (!json_array_next(errors, &offset, &second)) {
        text_add(out, first.bytes, first.size);
    } else {
        text_add(out, first.bytes, first.size - 1);
        text_add_string(out, ",\"errors\":");
        text_add(out, errors.bytes, errors.size);
        text_add(out, "}", 1);
    }
}

void graphql_message_write_errors(enum graphql_protocol protocol, struct json_span id,
                                  struct json_span answer, struct text *out)
{
    struct json_span errors = {"[]", 2};
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (json_object_next(answer, &offset, &key, &value)) {
        if (json_string_equals(key, "errors"))
            errors = value;
    }
    begin(id, "error", out);
    text_add_string(out, ",\"payload\":");
    if (protocol == GRAPHQL_OLD_WS)
        add_old_error(errors, out);
    else
        text_add(out, errors.bytes, errors.size);
    text_add(out, "}", 1);
}

void graphql_message_write_error(enum graphql_protocol protocol, struct json_span id,
                                 enum graphql_code code, const char *message, struct text *out)
{
    bool is_array = protocol == GRAPHQL_TRANSPORT_WS;

    begin(id, "error", out);
    text_add_string(out, is_array ? ",\"payload\":[{\"message\":" : ",\"payload\":{\"message\":");
    text_add_quoted(out, message, strlen(message));
    text_printf(out, ",\"extensions\":{\"code\":\"%s\"}}%s}", graphql_code_name(code),
                is_array ? "]" : "");
}

void graphql_message_write_connection_error(const char *message, struct text *out)
{
    text_add_string(out, "{\"type\":\"connection_error\",\"payload\":{\"message\":");
    text_add_quoted(out, message, strlen(message));
    text_add_string(out, "}}");
}

void graphql_message_write_acknowledgement(uint64_t epoch, uint64_t seq, struct text *out)
{
    char digits[EVENT_EPOCH_BYTES];

    event_epoch(digits, epoch);
    text_add_string(out, "{\"type\":\"connection_ack\",\"payload\":{\"epoch\":\"");
    text_add(out, digits, sizeof digits);
    text_printf(out, "\",\"seq\":\"%" PRIu64 "\"}}", seq);
}

void graphql_message_write_pong(struct json_span payload, struct text *out)
{
    text_add_string(out, "{\"type\":\"pong\"");
    if (is_of(payload, JSON_OBJECT)) {
        text_add_string(out, ",\"payload\":");
        text_add(out, payload.bytes, payload.size);
    }
    text_add(out, "}", 1);
}

void graphql_message_write_shutdown(uint32_t remaining_seconds, struct text *out)
{
    text_printf(out,
                "{\"type\":\"ping\",\"payload\":{\"type\":\"shutdown\","
                "\"remaining_seconds\":%" PRIu32 "}}",
                remaining_seconds);
}
