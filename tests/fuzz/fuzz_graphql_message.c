/*
 * A client's message over a GraphQL WebSocket, in either protocol, and the answers made of it. Whatever
 * comes in,
 *
 *   it is a message exactly if a plain reading of the protocol's documents says so;
 *   its payload lies inside the compact copy and is the last member of that name;
 *   its id is JSON, means what the client's means, and is the same bytes when it is read again, so
 *     that equal ids are equal bytes;
 *   the answers are compact, strict JSON on one line.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "server/protocol/graphql_message.h"
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

/* A JSON string's text, to be freed; *ret_size: its length, negative: it has none. */
static char *text_of(struct json_span string, ptrdiff_t *ret_size)
{
    char *out = copy(string.bytes, string.size);

    *ret_size = json_string_decode(string, out, string.size);
    return out;
}

static bool means(struct json_span string, const char *text)
{
    ptrdiff_t size;
    char *decoded = text_of(string, &size);
    bool is_same = size == (ptrdiff_t)strlen(text) && memcmp(decoded, text, strlen(text)) == 0;

    free(decoded);
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

static bool is_of(struct json_span value, enum json_type type)
{
    return value.size > 0 && json_type(value) == type;
}

static bool is_nothing_or(struct json_span value, enum json_type type)
{
    return value.size == 0 || is_of(value, JSON_NULL) || is_of(value, type);
}

/* --- a plain reading ---------------------------------------------------------------------------- */

/* Bytes that the id has when it is written as JSON; 0: none that can be sent back. */
static size_t plain_id_bytes(struct json_span id, enum graphql_protocol protocol)
{
    ptrdiff_t size;
    size_t bytes = 2;
    char *text;

    if (is_of(id, JSON_NUMBER))
        return protocol == GRAPHQL_OLD_WS && id.size <= GROUP_ID_BYTES_MAX ? id.size : 0;
    if (!is_of(id, JSON_STRING))
        return 0;
    text = text_of(id, &size);
    for (ptrdiff_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_short =
            c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t';

        bytes += is_short ? 2 : c < 0x20 ? 6 : 1;
    }
    free(text);
    return size > 0 && bytes <= GROUP_ID_BYTES_MAX ? bytes : 0;
}

static bool plain_request_is_good(struct json_span payload)
{
    return is_of(payload, JSON_OBJECT) && is_of(last_member(payload, "query"), JSON_STRING) &&
           is_nothing_or(last_member(payload, "variables"), JSON_OBJECT) &&
           is_nothing_or(last_member(payload, "operationName"), JSON_STRING) &&
           is_nothing_or(last_member(payload, "extensions"), JSON_OBJECT);
}

static bool plain_is_good(struct json_span object, enum graphql_protocol protocol)
{
    bool is_old = protocol == GRAPHQL_OLD_WS;
    struct json_span type = last_member(object, "type");
    struct json_span payload = last_member(object, "payload");
    bool has_id = plain_id_bytes(last_member(object, "id"), protocol) > 0;

    if (!is_of(type, JSON_STRING))
        return false;
    if (means(type, is_old ? "start" : "subscribe"))
        return has_id && plain_request_is_good(payload);
    if (means(type, is_old ? "stop" : "complete"))
        return has_id;
    if (is_old)
        return means(type, "connection_init") || means(type, "connection_terminate");
    return (means(type, "connection_init") || means(type, "ping") || means(type, "pong")) &&
           is_nothing_or(payload, JSON_OBJECT);
}

/* --- what was made of it ------------------------------------------------------------------------ */

static void check_answer(struct text *answer)
{
    char *compact = copy(answer->bytes, answer->size);

    CHECK(text_is_whole(answer));
    CHECK(reference_json_compact(answer->bytes, answer->size, compact, JSON_DEPTH_MAX + 2) ==
          (ptrdiff_t)answer->size);
    CHECK(memcmp(answer->bytes, compact, answer->size) == 0);
    CHECK(memchr(answer->bytes, '\n', answer->size) == NULL);
    free(compact);
    text_done(answer);
    *answer = (struct text){0};
}

static void check_answers(const struct graphql_message *message, enum graphql_protocol protocol,
                          const char *reason)
{
    const struct json_span id = {message->id, message->id_bytes};
    struct text answer = {0};

    graphql_message_write_error(protocol, id, GRAPHQL_BAD_USER_INPUT, reason, &answer);
    check_answer(&answer);
    graphql_message_write_complete(id, &answer);
    check_answer(&answer);
    graphql_message_begin_result(protocol, id, &answer);
    text_add_string(&answer, "{}}");
    check_answer(&answer);
}

/* @id: the client's. */
static void check_id(const struct graphql_message *message, struct json_span id,
                     enum graphql_protocol protocol)
{
    const struct json_span made = {message->id, message->id_bytes};
    struct graphql_message again;
    struct text text = {0};
    ptrdiff_t size;
    ptrdiff_t made_size;
    char *decoded;
    char *made_decoded;
    char *compact;

    text_add_string(&text, "{\"id\":");
    text_add(&text, made.bytes, made.size);
    text_add_string(&text, "}");
    compact = copy(text.bytes, text.size);
    CHECK(graphql_message_parse(protocol, text.bytes, text.size, compact, &again) != NULL);
    CHECK(again.id_bytes == made.size);
    CHECK(memcmp(again.id, made.bytes, made.size) == 0);
    if (is_of(id, JSON_STRING)) {
        decoded = text_of(id, &size);
        made_decoded = text_of(made, &made_size);
        CHECK(size == made_size);
        CHECK(memcmp(decoded, made_decoded, (size_t)size) == 0);
        free(made_decoded);
        free(decoded);
    }
    free(compact);
    text_done(&text);
}

static void check(const char *in, size_t size, enum graphql_protocol protocol)
{
    char *wanted = copy(in, size);
    char *compact = copy(in, size);
    ptrdiff_t length = reference_json_compact(in, size, wanted, JSON_DEPTH_MAX);
    struct json_span object = {wanted, (size_t)(length > 0 ? length : 0)};
    bool is_object = length > 0 && is_of(object, JSON_OBJECT);
    struct graphql_message message;
    struct text pong = {0};
    const char *reason = graphql_message_parse(protocol, in, size, compact, &message);

    CHECK((reason == NULL) == (is_object && plain_is_good(object, protocol)));
    CHECK(message.id_bytes ==
          (is_object ? plain_id_bytes(last_member(object, "id"), protocol) : 0));
    if (message.id_bytes > 0) {
        check_id(&message, last_member(object, "id"), protocol);
        check_answers(&message, protocol, reason != NULL ? reason : "");
    }
    if (reason == NULL) {
        struct json_span payload = last_member(object, "payload");

        CHECK(message.payload.size == payload.size);
        CHECK(payload.size == 0 || memcmp(message.payload.bytes, payload.bytes, payload.size) == 0);
        graphql_message_write_pong(message.payload, &pong);
        check_answer(&pong);
    }
    free(compact);
    free(wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *in = copy(data, size);

    check(in, size, GRAPHQL_TRANSPORT_WS);
    check(in, size, GRAPHQL_OLD_WS);
    free(in);
    return 0;
}
