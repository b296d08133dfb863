/*
 * tests/fuzz/fuzz_broker.c - a client's message to the broker, and the answer made of it.
 *
 * Whatever comes in, the answer is compact, strict JSON of bounded length, and what is published is
 * a part of what was sent.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "server/protocol/broker_message.h"
#include "tests/fuzz/target.h"

static void check_answer(const char *answer, size_t size)
{
    char compact[BROKER_REPLY_BYTES_MAX];
    struct json_error error;

    CHECK(size <= BROKER_REPLY_BYTES_MAX);
    CHECK(json_compact(answer, size, compact, &error) == (ptrdiff_t)size);
    CHECK(memcmp(answer, compact, size) == 0);
}

static void check_message(const struct broker_message *message, const char *compact, size_t size)
{
    const struct subscribed subscribed = {
        .seq = message->resume.since, .epoch = message->resume.epoch, .has_recovered = true};
    char *answer = malloc(BROKER_REPLY_BYTES_MAX);

    CHECK(answer != NULL);
    switch (message->action) {
    case BROKER_SUBSCRIBE:
        check_answer(answer, broker_write_subscribed(answer, &message->context, &subscribed));
        break;
    case BROKER_UNSUBSCRIBE:
        check_answer(answer, broker_write_unsubscribed(answer, &message->context));
        break;
    case BROKER_PUBLISH:
        CHECK(message->payload.bytes > compact);
        CHECK(message->payload.bytes + message->payload.size < compact + size);
        check_answer(answer, broker_write_published(answer, &message->context, UINT64_MAX));
        break;
    case BROKER_PING:
        check_answer(answer, broker_write_pong(answer, &message->context, 1, UINT64_MAX));
        break;
    }
    if (message->action != BROKER_PING)
        CHECK(topic_name_is_valid(message->context.topic, message->context.topic_bytes));
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *compact = malloc(size + 1); /* of the exact size, for ASan's sake */
    char *answer = malloc(BROKER_REPLY_BYTES_MAX);
    struct broker_message message;
    const char *reason = NULL;
    enum broker_error error;

    CHECK(compact != NULL);
    CHECK(answer != NULL);
    error = broker_message_parse((const char *)data, size, compact, &message, &reason);
    if (error == BROKER_OK) {
        check_message(&message, compact, size);
    } else {
        CHECK(reason != NULL);
        check_answer(answer, broker_write_error(answer, "status", &message.context, error, reason));
    }
    free(answer);
    free(compact);
    return 0;
}
