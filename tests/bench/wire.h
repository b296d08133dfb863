/*
 * tests/bench/wire.h - the few bytes of HTTP, WebSocket and JSON that the yardstick speaks.
 *
 * Callers  yardstick.c only. No state, no allocation; what is written goes to the caller's memory.
 */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEADER_BYTES_MAX 10
#define WIRE_ACCEPT_BYTES     32 /* base64 of a SHA-1, and NUL */
#define WIRE_TIME_BYTES       48

/* FNV-1a: equal topics have equal hashes, and the yardstick takes the reverse for granted. */
uint32_t wire_hash(const char *text, size_t bytes);

enum {
    WIRE_TEXT = 1,
    WIRE_CLOSE = 8,
};

struct wire_frame {
    unsigned opcode;
    bool is_masked;
    size_t header_bytes; /* with the mask, which is its last four */
    uint64_t data_bytes;
};

/* A client's frame header; false if it is not whole. The data may not be there yet. */
bool wire_frame_read(const char *data, size_t bytes, struct wire_frame *ret_frame);

/* A server's text frame header for @bytes; its own length is returned. */
size_t wire_header_write(char *to, size_t bytes);

/* The answer to Sec-WebSocket-Key (RFC 6455, 4.2.2); false if there is no such header. */
bool wire_accept_compute(const char *request, char ret_accept[WIRE_ACCEPT_BYTES]);

/* The text after @key up to the next quote, or NULL: enough for what sluice-bench sends. */
const char *wire_string_after(const char *text, size_t bytes, const char *key, size_t *ret_bytes);

/* The present time as Sluice writes it, RFC 3339 with microseconds. */
void wire_time_write(char text[WIRE_TIME_BYTES]);

#endif
