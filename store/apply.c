#include "store/apply.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bus/check.h"

/* What a COMMAND that cannot be executed has in the place of its payload. */
static const char failure[] = "{\"error\":\"unknown command\"}";

static_assert(sizeof failure - 1 + RECORD_ALIGN <= APPLY_GROWTH_MAX, "the growth is announced");

static ptrdiff_t command_fail(const struct record *record, void *out, size_t out_bytes)
{
    struct record_topic topics[RECORD_TOPICS_MAX];
    struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .flags = record->flags | RECORD_FAILED,
        .topics = topics,
        .payload = failure,
        .payload_bytes = sizeof failure - 1,
        .origin_slot = record->origin_slot,
        .origin_generation = record->origin_generation,
        .origin_request = record->origin_request,
    };
    size_t offset = 0;
    size_t length;

    while (spec.topic_count < RECORD_TOPICS_MAX &&
           record_topic_next(record, &offset, &topics[spec.topic_count]))
        spec.topic_count++;
    length = record_encoded_bytes(&spec);
    if (length == 0)
        return -EBADMSG; /* a topic twice: no worker of ours makes that */
    CHECK(length <= out_bytes);
    CHECK(length <= record->length + (size_t)APPLY_GROWTH_MAX);
    (void)record_encode(out, &spec);
    record_stamp(out, record->seq, record->time_ns);
    return (ptrdiff_t)length;
}

ptrdiff_t apply_operation(const struct record *record, const void *encoded, void *out,
                          size_t out_bytes)
{
    CHECK(record->seq != 0);
    if (record->kind == RECORD_COMMAND)
        return command_fail(record, out, out_bytes);

    CHECK(record->length <= out_bytes);
    memcpy(out, encoded, record->length);
    return (ptrdiff_t)record->length;
}
