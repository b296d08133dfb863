/*
 * bus/record.h - one operation as bytes: the same in the ring and in the log's blocks.
 *
 * Shape    struct record_head (56 bytes), then topic_count times {length byte, name bytes}, then
 *          the payload, then zeros up to a multiple of 8. Numbers are little-endian as the
 *          machine has them (Sluice runs on little-endian machines only).
 * Check    content_hash covers everything but seq, time and itself (XXH3-64, computed before the
 *          append lock); check = content_hash mixed with seq and time when they are stamped, so
 *          that a flip of any byte is noticed.
 * Memory   a struct record is a view: it borrows the encoded bytes.
 * Callers  every process and tool; nothing here has state.
 */
#ifndef BUS_RECORD_H
#define BUS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_EVENT = 1,   /* topics + payload, final */
    RECORD_COMMAND = 2, /* a change to rows; the writer replaces it by its results in the log */
};

enum record_flag {
    RECORD_FROM_ROOM = 1, /* published by a room client: {"from":…,"data":…} */
    RECORD_TICK = 2,      /* the room's tick: {"tick":true} */
    RECORD_URGENT = 4,    /* somebody waits for its commit */
    RECORD_FAILED = 8,    /* a COMMAND that was committed as failed; with RECORD_APPLIED */
    RECORD_APPLIED = 16,  /* a COMMAND as the log has it: its results, not what was asked for */
};

enum {
    RECORD_TOPICS_MAX = 16,
    RECORD_TOPIC_BYTES_MAX = 255,
    RECORD_ALIGN = 8,
};

struct record_head {
    uint32_t length; /* of the whole record, padding included; a multiple of 8 */
    uint8_t kind;
    uint8_t flags;
    uint16_t topic_count;
    uint64_t seq;
    int64_t time_ns; /* CLOCK_REALTIME */
    uint64_t origin_request;
    uint32_t origin_generation;
    uint16_t origin_slot;
    uint16_t topics_bytes; /* of all length bytes and names */
    uint32_t payload_bytes;
    uint32_t table; /* of an applied COMMAND: whose row its payload is; else 0 */
    uint64_t check;
};

struct record_topic {
    const char *name; /* UTF-8, not terminated */
    size_t bytes;     /* 1 to RECORD_TOPIC_BYTES_MAX */
};

/* What to encode. */
struct record_spec {
    enum record_kind kind;
    unsigned flags; /* or-ed enum record_flag */
    const struct record_topic *topics;
    size_t topic_count; /* to RECORD_TOPICS_MAX, no duplicates; an EVENT has at least one */
    const void *payload;
    size_t payload_bytes;
    uint32_t table; /* of an applied COMMAND; else 0 */
    uint16_t origin_slot;
    uint32_t origin_generation;
    uint64_t origin_request;
};

/* A decoded record. */
struct record {
    enum record_kind kind;
    unsigned flags;
    uint64_t seq;
    int64_t time_ns;
    uint32_t length;
    uint16_t origin_slot;
    uint32_t origin_generation;
    uint64_t origin_request;
    size_t topic_count;
    const uint8_t *topics; /* walk with record_topic_next */
    size_t topics_bytes;
    const uint8_t *payload;
    size_t payload_bytes;
    uint32_t table;
};

/*
 * Whether subscribers of its topics get it: an EVENT, or what a COMMAND came to. In the ring a COMMAND
 * has still to be executed, and is not.
 */
static inline bool record_is_event(const struct record *record)
{
    if ((record->flags & RECORD_FAILED) != 0)
        return false;
    return record->kind == RECORD_EVENT || (record->flags & RECORD_APPLIED) != 0;
}

enum record_result {
    RECORD_OK,
    RECORD_MORE, /* fewer bytes than the record has */
    RECORD_BAD,  /* no record: lengths that do not fit, unknown kind, bytes that must be 0 */
};

/* Bytes that @spec takes when encoded; 0 when it cannot be (payload over 2 GiB, bad topics). */
size_t record_encoded_bytes(const struct record_spec *spec);
/* Encodes into @buf (8-byte aligned, record_encoded_bytes() long), unstamped. Returns the length.
 */
size_t record_encode(void *buf, const struct record_spec *spec);
/* Gives an encoded record its place in the order and completes its check. */
void record_stamp(void *buf, uint64_t seq, int64_t time_ns);
/* The check value that a record with this content hash has at @seq and @time_ns. */
uint64_t record_check(uint64_t content_hash, uint64_t seq, int64_t time_ns);

/* Structure only (every length checked against @bytes); not the check. */
enum record_result record_decode(const void *buf, size_t bytes, struct record *ret_record);
/* The check of a record that record_decode accepted. */
bool record_verify(const void *buf);

/*
 * Walks the topics: start with *offset = 0; false at the end. The names of a record that
 * record_decode accepted are within bounds.
 */
bool record_topic_next(const struct record *record, size_t *offset, struct record_topic *ret_topic);
bool record_has_topic(const struct record *record, const char *name, size_t bytes);

#endif
