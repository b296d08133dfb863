/*
 * tools/sluice-bench/buffer.h - bytes that grow at the end and are taken from the front.
 *
 * Memory   The caller embeds the struct; zero bytes are an empty buffer. Nothing is allocated
 *          until something is appended, and buffer_clear gives all of it back.
 * Errors   -ENOMEM only.
 */
#ifndef TOOLS_SLUICE_BENCH_BUFFER_H
#define TOOLS_SLUICE_BENCH_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;
    size_t start_bytes; /* taken already */
    size_t end_bytes;
    size_t capacity_bytes;
};

static inline size_t buffer_bytes(const struct buffer *buffer)
{
    return buffer->end_bytes - buffer->start_bytes;
}

static inline char *buffer_front(const struct buffer *buffer)
{
    return buffer->data + buffer->start_bytes;
}

/* Makes room for @bytes at the end and counts them as there; the caller fills them in. */
int buffer_extend(struct buffer *buffer, size_t bytes, char **ret_room);

int buffer_append(struct buffer *buffer, const void *data, size_t bytes);

/* Takes @bytes (at most buffer_bytes) from the front. An emptied buffer keeps its memory. */
void buffer_consume(struct buffer *buffer, size_t bytes);

void buffer_clear(struct buffer *buffer);

#endif
