/*
 * server/protocol/broker_message.h - the broker protocol's objects: what clients send, what we answer.
 *
 * Pure: no I/O, no state, nothing allocated. PROTOCOLS section 3.
 * Memory   a struct broker_message borrows the compact text that it was parsed from.
 */
#ifndef SERVER_PROTOCOL_BROKER_MESSAGE_H
#define SERVER_PROTOCOL_BROKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/record.h"
#include "server/json/json.h"
#include "server/topics/topics.h"

enum {
    BROKER_ID_BYTES_MAX = 256, /* of an `id`, as JSON text; a longer one is a bad_request */
    /* Most bytes of any answer written here: an id, a topic's name escaped, and what is fixed. */
    BROKER_REPLY_BYTES_MAX = BROKER_ID_BYTES_MAX + 6 * RECORD_TOPIC_BYTES_MAX + 512,
};

enum broker_action {
    BROKER_SUBSCRIBE,
    BROKER_UNSUBSCRIBE,
    BROKER_PUBLISH,
    BROKER_PING,
};

enum broker_error {
    BROKER_OK,
    BROKER_BAD_JSON,
    BROKER_BAD_REQUEST,
    BROKER_UNKNOWN_ACTION,
    BROKER_BAD_TOPIC,
    BROKER_NOT_SUBSCRIBED,
    BROKER_TOO_MANY_SUBSCRIPTIONS,
    BROKER_TOO_LARGE,
    BROKER_RATE_LIMITED,
    BROKER_FORBIDDEN,
    BROKER_STORAGE_FULL,
    BROKER_UNAVAILABLE,
};

/* The code as clients see it: `bad_request`. */
const char *broker_error_code(enum broker_error error);
/* What a publish that ended with this -errno is answered with, and in which words. */
enum broker_error broker_publish_error(int error, const char **ret_reason);

/* What an answer begins or ends with, whatever it says. */
struct broker_context {
    char topic[RECORD_TOPIC_BYTES_MAX]; /* decoded */
    size_t topic_bytes;                 /* 0: none is known */
    struct json_span id;                /* its JSON text; size 0: none */
};

struct broker_message {
    enum broker_action action;
    struct broker_context context;
    struct resume resume;     /* subscribe */
    struct json_span payload; /* publish */
    bool is_durable;
    char json_error[JSON_ERROR_TEXT_BYTES]; /* the reason, where it is no JSON */
};

/*
 * Parses @in. @compact has room for @in_bytes and must outlive *ret. On an error *ret_reason says
 * why in words, for as long as *ret stays, and ret->context what could be told of topic and id.
 */
enum broker_error broker_message_parse(const char *in, size_t in_bytes, char *compact,
                                       struct broker_message *ret, const char **ret_reason);

/* --- answers: each writes at most BROKER_REPLY_BYTES_MAX and returns how many -------------- */

size_t broker_write_subscribed(char *out, const struct broker_context *context,
                               const struct subscribed *subscribed);
size_t broker_write_unsubscribed(char *out, const struct broker_context *context);
size_t broker_write_published(char *out, const struct broker_context *context, uint64_t seq);
size_t broker_write_pong(char *out, const struct broker_context *context, uint64_t seq,
                         uint64_t epoch);
/* @kind: "status", or "type" in the room. @reason: plain words, at most 200 bytes. */
size_t broker_write_error(char *out, const char *kind, const struct broker_context *context,
                          enum broker_error error, const char *reason);
size_t broker_write_gap(char *out, const char *topic, size_t topic_bytes, uint64_t oldest);
size_t broker_write_shutdown(char *out, uint32_t remaining_seconds, int64_t time_ns);

#endif
