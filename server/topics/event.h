/*
 * server/topics/event.h - what subscribers get, and how each protocol turns it into bytes.
 *
 * An encoding makes one frame of one event, ready to send (WebSocket header included), the same
 * bytes for every subscriber with that encoding; a spliced one leaves one place in each frame, where
 * every subscriber's own bytes go (a GraphQL operation's id). An encoding is added to the worker's
 * topics (topics_add_encoding) before its first subscriber, and may be taken out again after its last.
 */
#ifndef SERVER_TOPICS_EVENT_H
#define SERVER_TOPICS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/stats.h"
#include "server/net/arena.h"

struct event {
    const char *topic; /* UTF-8, not terminated */
    size_t topic_bytes;
    uint64_t seq;
    int64_t time_ns;
    unsigned flags;      /* enum record_flag */
    const char *payload; /* JSON */
    size_t payload_bytes;
    uint32_t table; /* whose row the payload is; 0: published, not a change of a row */
};

enum {
    EVENT_TIME_BYTES = 27, /* 2026-01-31T12:00:00.123456Z, without quotes or terminator */
    EVENT_EPOCH_BYTES = 16,
    EVENT_DECIMAL_BYTES_MAX = 20,
};

struct encoding {
    const char *name;
    enum stat_protocol protocol; /* of its subscribers: what deliveries are counted by */
    bool is_spliced;
    /*
     * Most bytes that the frame of @event can have; 0: its subscribers do not get this event.
     * -EAGAIN: not in this turn (whoever is live falls behind and catches up); -ENOMEM.
     */
    ptrdiff_t (*frame_bytes_max)(const struct encoding *encoding, const struct event *event);
    /*
     * Writes the frame; returns its length. *ret_splice, of a spliced one: the bytes before the
     * subscriber's own; there are some, and some behind.
     */
    size_t (*encode)(const struct encoding *encoding, const struct event *event, uint8_t *out,
                     size_t *ret_splice);
};

/* RFC 3339 UTC with microseconds; writes EVENT_TIME_BYTES. The date part is cached. */
void event_time(char *out, int64_t time_ns);
/* Digits of @value; returns their count (at most EVENT_DECIMAL_BYTES_MAX). */
size_t event_decimal(char *out, uint64_t value);
/* EVENT_EPOCH_BYTES hex digits, as epochs are written. */
void event_epoch(char *out, uint64_t epoch);
/* The reverse: EVENT_EPOCH_BYTES hex digits of either case. */
bool event_epoch_parse(const char *text, size_t bytes, uint64_t *ret_epoch);

#endif
