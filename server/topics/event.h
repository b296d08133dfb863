/*
 * server/topics/event.h - what subscribers get, and how each protocol turns it into bytes.
 *
 * An encoding makes one frame of one event, ready to send (WebSocket header included), the same
 * bytes for every subscriber with that encoding. Encodings are registered once at start.
 */
#ifndef SERVER_TOPICS_EVENT_H
#define SERVER_TOPICS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "server/net/arena.h"

struct event {
    const char *topic; /* UTF-8, not terminated */
    size_t topic_bytes;
    uint64_t seq;
    int64_t time_ns;
    unsigned flags;      /* enum record_flag */
    const char *payload; /* JSON */
    size_t payload_bytes;
};

enum {
    ENCODINGS_MAX = 8,
    EVENT_TIME_BYTES = 27, /* 2026-01-31T12:00:00.123456Z, without quotes or terminator */
    EVENT_EPOCH_BYTES = 16,
    EVENT_DECIMAL_BYTES_MAX = 20,
};

struct encoding {
    const char *name;
    /* Most bytes that the frame of @event can have. */
    size_t (*frame_bytes_max)(const struct event *event);
    /* Writes the frame; returns its length. */
    size_t (*encode)(const struct event *event, uint8_t *out);
};

/* RFC 3339 UTC with microseconds; writes EVENT_TIME_BYTES. The date part is cached. */
void event_time(char *out, int64_t time_ns);
/* Digits of @value; returns their count (at most EVENT_DECIMAL_BYTES_MAX). */
size_t event_decimal(char *out, uint64_t value);
/* EVENT_EPOCH_BYTES hex digits, as epochs are written. */
void event_epoch(char *out, uint64_t epoch);

#endif
