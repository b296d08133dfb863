/*
 * server/protocol/put.h - writing small texts behind one another into a buffer known to be large enough.
 *
 * Each function writes at @out and returns the place behind what it wrote. For text whose size has
 * no bound there is server/json/text.h.
 */
#ifndef SERVER_PROTOCOL_PUT_H
#define SERVER_PROTOCOL_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/json/json.h"
#include "server/topics/event.h"

enum {
    PUT_DECIMAL_BYTES_MAX = 20,
    PUT_EPOCH_BYTES = 16,
};

static inline char *put_bytes(char *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return out + size;
}

/* @literal: a string literal. */
#define put_literal(out, literal) put_bytes((out), "" literal, sizeof(literal) - 1)

static inline char *put_decimal(char *out, uint64_t value)
{
    return out + event_decimal(out, value);
}

/* 16 hex digits, without quotes. */
static inline char *put_epoch(char *out, uint64_t epoch)
{
    event_epoch(out, epoch);
    return out + PUT_EPOCH_BYTES;
}

/* RFC 3339, without quotes. */
static inline char *put_time(char *out, int64_t time_ns)
{
    event_time(out, time_ns);
    return out + EVENT_TIME_BYTES;
}

/* @text (UTF-8) as a JSON string; json_quoted_bytes_max(@bytes) at most. */
static inline char *put_quoted(char *out, const char *text, size_t bytes)
{
    return out + json_quote(out, text, bytes);
}

#endif
