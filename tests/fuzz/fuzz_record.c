/*
 * Records: whatever bytes come, decoding stays within them and agrees with itself; whatever can
 * be encoded comes back as it was.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "tests/fuzz/target.h"

/* A decoded record's views lie inside its bytes, and its topics are what it says. */
static void check_views(const struct record *record, const uint8_t *start)
{
    const uint8_t *end = start + record->length;
    struct record_topic topic;
    size_t offset = 0;
    size_t count = 0;

    CHECK(record->length % RECORD_ALIGN == 0);
    CHECK(record->topics >= start + sizeof(struct record_head));
    CHECK(record->payload == record->topics + record->topics_bytes);
    CHECK(record->payload_bytes <= (size_t)(end - record->payload));
    while (record_topic_next(record, &offset, &topic)) {
        CHECK(topic.bytes >= 1 && topic.bytes <= RECORD_TOPIC_BYTES_MAX);
        CHECK((const uint8_t *)topic.name + topic.bytes <= record->payload);
        CHECK(record_has_topic(record, topic.name, topic.bytes));
        count++;
    }
    CHECK(count == record->topic_count);
    CHECK(offset == record->topics_bytes);
}

/* There is one way only to write what was decoded: the same bytes, but for the check. */
static void check_again(const struct record *record, const uint8_t *start)
{
    struct record_topic topics[RECORD_TOPICS_MAX];
    struct record_spec spec = {
        .kind = record->kind,
        .flags = record->flags,
        .topics = topics,
        .payload = record->payload,
        .payload_bytes = record->payload_bytes,
        .table = record->table,
        .origin_slot = record->origin_slot,
        .origin_generation = record->origin_generation,
        .origin_request = record->origin_request,
    };
    struct record_head head;
    size_t offset = 0;
    uint8_t *buf;

    while (record_topic_next(record, &offset, &topics[spec.topic_count]) &&
           ++spec.topic_count < RECORD_TOPICS_MAX)
        ;
    if (record_encoded_bytes(&spec) == 0 || record->seq == 0)
        return; /* a topic twice, or never stamped: refused when written, harmless when read */
    CHECK(record_encoded_bytes(&spec) == record->length);
    buf = malloc(record->length);
    CHECK(buf != NULL);
    (void)record_encode(buf, &spec);
    record_stamp(buf, record->seq, record->time_ns);
    memcpy(&head, buf, sizeof head);
    CHECK(record_verify(start) == (memcmp(buf, start, record->length) == 0));
    memcpy(&head.check, start + offsetof(struct record_head, check), sizeof head.check);
    memcpy(buf, &head, sizeof head);
    CHECK(memcmp(buf, start, record->length) == 0);
    free(buf);
}

/* A run of records, as in a block of the log or behind the committed position of a ring. */
static void walk(const uint8_t *data, size_t size)
{
    struct record record;
    size_t at = 0;

    while (at < size && record_decode(data + at, size - at, &record) == RECORD_OK) {
        check_views(&record, data + at);
        check_again(&record, data + at);
        /* Not a byte less will do, and what follows does not matter. */
        CHECK(record_decode(data + at, record.length - 1u, &record) == RECORD_MORE);
        CHECK(record_decode(data + at, record.length, &record) == RECORD_OK);
        at += record.length;
    }
}

/* The input as a recipe: {count, {length byte, name}..., payload}; the names borrow it. */
static struct record_spec read_recipe(const uint8_t *data, size_t size,
                                      struct record_topic topics[static RECORD_TOPICS_MAX])
{
    const size_t count = size > 0 ? data[0] % (RECORD_TOPICS_MAX + 1u) : 0;
    struct record_spec spec = {.kind = RECORD_EVENT, .topics = topics};
    size_t at = 1;

    if (size % 3 == 0) { /* what a COMMAND came to, or nothing that can be written */
        spec.kind = RECORD_COMMAND;
        spec.table = (uint32_t)(size % 7);
    }
    while (spec.topic_count < count && at < size && data[at] < size - at) {
        topics[spec.topic_count].bytes = data[at];
        topics[spec.topic_count].name = (const char *)data + at + 1;
        at += 1 + topics[spec.topic_count].bytes;
        spec.topic_count++;
    }
    spec.payload = at < size ? data + at : NULL;
    spec.payload_bytes = at < size ? size - at : 0;
    spec.flags = (unsigned)(size & 31);
    spec.origin_request = size;
    return spec;
}

static void round_trip(const uint8_t *data, size_t size)
{
    struct record_topic topics[RECORD_TOPICS_MAX];
    const struct record_spec spec = read_recipe(data, size, topics);
    const size_t length = record_encoded_bytes(&spec);
    struct record record;
    uint8_t *buf;

    if (length == 0)
        return;
    buf = malloc(length);
    CHECK(buf != NULL);
    CHECK(record_encode(buf, &spec) == length);
    record_stamp(buf, size + 1, -1);
    CHECK(record_decode(buf, length, &record) == RECORD_OK);
    CHECK(record_verify(buf));
    check_views(&record, buf);
    CHECK(record.topic_count == spec.topic_count);
    CHECK(record.flags == spec.flags && record.table == spec.table);
    CHECK(record.payload_bytes == spec.payload_bytes);
    CHECK(spec.payload_bytes == 0 || memcmp(record.payload, spec.payload, spec.payload_bytes) == 0);
    buf[size % length] ^= 1;
    CHECK(record_decode(buf, length, &record) != RECORD_OK || !record_verify(buf));
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(data, size);
    round_trip(data, size);
    return 0;
}
