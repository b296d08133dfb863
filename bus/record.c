#include "bus/record.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "bus/check.h"

static_assert(sizeof(struct record_head) == 56, "the head is part of the stored format");
static_assert(offsetof(struct record_head, seq) == 8, "what is stamped stands together");
static_assert(offsetof(struct record_head, time_ns) == 16, "what is stamped stands together");
static_assert(offsetof(struct record_head, origin_request) == 24, "hashed from here on");
static_assert(offsetof(struct record_head, check) == 48, "hashed up to here");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored as they are");

#define RECORD_PAYLOAD_BYTES_MAX (UINT64_C(2) << 30)
#define RECORD_FLAGS_ALL                                                                           \
    (RECORD_FROM_ROOM | RECORD_TICK | RECORD_URGENT | RECORD_FAILED | RECORD_APPLIED)

static uint64_t align_up(uint64_t bytes)
{
    return (bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* What goes together: an EVENT is on a topic and final as it stands, so no results are in it. */
static bool is_consistent(unsigned kind, unsigned flags, size_t topic_count, uint32_t table)
{
    if ((flags & ~(unsigned)RECORD_FLAGS_ALL) != 0 || topic_count > RECORD_TOPICS_MAX)
        return false;
    if (kind == RECORD_EVENT)
        return topic_count >= 1 && (flags & RECORD_APPLIED) == 0 && table == 0;
    return kind == RECORD_COMMAND && ((flags & RECORD_APPLIED) != 0 || table == 0);
}

/* Everything but seq, time and check. Three hashes, because what is left out lies between. */
static uint64_t content_hash(const uint8_t *bytes, size_t length)
{
    uint8_t fixed[32];
    uint64_t parts[2];

    memcpy(fixed, bytes, 8);
    memcpy(fixed + 8, bytes + offsetof(struct record_head, origin_request), 24);
    parts[0] = XXH3_64bits(fixed, sizeof fixed);
    parts[1] = XXH3_64bits(bytes + sizeof(struct record_head), length - sizeof(struct record_head));
    return XXH3_64bits(parts, sizeof parts);
}

static bool topics_are_good(const struct record_topic *topics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (topics[i].bytes < 1 || topics[i].bytes > RECORD_TOPIC_BYTES_MAX)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (topics[j].bytes == topics[i].bytes &&
                memcmp(topics[j].name, topics[i].name, topics[i].bytes) == 0)
                return false;
        }
    }
    return true;
}

static size_t topics_bytes_of(const struct record_spec *spec)
{
    size_t bytes = 0;

    for (size_t i = 0; i < spec->topic_count; i++)
        bytes += 1 + spec->topics[i].bytes;
    return bytes;
}

size_t record_encoded_bytes(const struct record_spec *spec)
{
    if (!is_consistent(spec->kind, spec->flags, spec->topic_count, spec->table))
        return 0;
    if (!topics_are_good(spec->topics, spec->topic_count))
        return 0;
    if (spec->payload_bytes > RECORD_PAYLOAD_BYTES_MAX)
        return 0;
    return align_up(sizeof(struct record_head) + topics_bytes_of(spec) + spec->payload_bytes);
}

size_t record_encode(void *buf, const struct record_spec *spec)
{
    size_t length = record_encoded_bytes(spec);
    struct record_head head;
    uint8_t *at = (uint8_t *)buf + sizeof head;
    uint8_t *end = (uint8_t *)buf + length;

    CHECK(length != 0);
    CHECK((uintptr_t)buf % RECORD_ALIGN == 0);
    memset(&head, 0, sizeof head);
    head.length = (uint32_t)length;
    head.kind = (uint8_t)spec->kind;
    head.flags = (uint8_t)spec->flags;
    head.topic_count = (uint16_t)spec->topic_count;
    head.origin_request = spec->origin_request;
    head.origin_generation = spec->origin_generation;
    head.origin_slot = spec->origin_slot;
    head.topics_bytes = (uint16_t)topics_bytes_of(spec);
    head.payload_bytes = (uint32_t)spec->payload_bytes;
    head.table = spec->table;
    memcpy(buf, &head, sizeof head);
    for (size_t i = 0; i < spec->topic_count; i++) {
        *at++ = (uint8_t)spec->topics[i].bytes;
        memcpy(at, spec->topics[i].name, spec->topics[i].bytes);
        at += spec->topics[i].bytes;
    }
    if (spec->payload_bytes > 0)
        memcpy(at, spec->payload, spec->payload_bytes);
    at += spec->payload_bytes;
    CHECK(end - at >= 0 && end - at < RECORD_ALIGN);
    memset(at, 0, (size_t)(end - at));

    head.check = content_hash(buf, length);
    memcpy((uint8_t *)buf + offsetof(struct record_head, check), &head.check, sizeof head.check);
    return length;
}

uint64_t record_check(uint64_t content_hash, uint64_t seq, int64_t time_ns)
{
    const uint64_t parts[3] = {content_hash, seq, (uint64_t)time_ns};

    return XXH3_64bits(parts, sizeof parts);
}

void record_stamp(void *buf, uint64_t seq, int64_t time_ns)
{
    struct record_head head;

    memcpy(&head, buf, sizeof head);
    CHECK(head.seq == 0); /* a second stamp would be mixed into the first one's check */
    CHECK(seq != 0);
    head.check = record_check(head.check, seq, time_ns);
    head.seq = seq;
    head.time_ns = time_ns;
    memcpy(buf, &head, sizeof head);
}

/* Each length byte has its name behind it, and together they fill topics_bytes exactly. */
static bool topics_fit(const uint8_t *topics, size_t bytes, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (at >= bytes || topics[at] == 0)
            return false;
        at += 1 + (size_t)topics[at];
    }
    return at == bytes;
}

static bool head_is_good(const struct record_head *head)
{
    uint64_t content = sizeof *head + (uint64_t)head->topics_bytes + head->payload_bytes;

    if (!is_consistent(head->kind, head->flags, head->topic_count, head->table))
        return false;
    return head->payload_bytes <= RECORD_PAYLOAD_BYTES_MAX && head->length == align_up(content);
}

enum record_result record_decode(const void *buf, size_t bytes, struct record *ret_record)
{
    const uint8_t *start = buf;
    struct record_head head;
    const uint8_t *topics = start + sizeof head;

    if (bytes < sizeof head)
        return RECORD_MORE;
    memcpy(&head, buf, sizeof head); /* hostile input need not be aligned */
    if (!head_is_good(&head))
        return RECORD_BAD;
    if (bytes < head.length)
        return RECORD_MORE;
    if (!topics_fit(topics, head.topics_bytes, head.topic_count))
        return RECORD_BAD;
    for (size_t at = sizeof head + head.topics_bytes + head.payload_bytes; at < head.length; at++) {
        if (start[at] != 0)
            return RECORD_BAD;
    }

    *ret_record = (struct record){
        .kind = (enum record_kind)head.kind,
        .flags = head.flags,
        .seq = head.seq,
        .time_ns = head.time_ns,
        .length = head.length,
        .origin_slot = head.origin_slot,
        .origin_generation = head.origin_generation,
        .origin_request = head.origin_request,
        .topic_count = head.topic_count,
        .topics = topics,
        .topics_bytes = head.topics_bytes,
        .payload = topics + head.topics_bytes,
        .payload_bytes = head.payload_bytes,
        .table = head.table,
    };
    return RECORD_OK;
}

bool record_verify(const void *buf)
{
    struct record_head head;

    memcpy(&head, buf, sizeof head);
    return head.check == record_check(content_hash(buf, head.length), head.seq, head.time_ns);
}

bool record_topic_next(const struct record *record, size_t *offset, struct record_topic *ret_topic)
{
    if (*offset >= record->topics_bytes)
        return false;
    ret_topic->bytes = record->topics[*offset];
    ret_topic->name = (const char *)record->topics + *offset + 1;
    *offset += 1 + ret_topic->bytes;
    CHECK(*offset <= record->topics_bytes);
    return true;
}

bool record_has_topic(const struct record *record, const char *name, size_t bytes)
{
    struct record_topic topic;
    size_t offset = 0;

    while (record_topic_next(record, &offset, &topic)) {
        if (topic.bytes == bytes && memcmp(topic.name, name, bytes) == 0)
            return true;
    }
    return false;
}
