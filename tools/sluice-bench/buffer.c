#include "tools/sluice-bench/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

#define BUFFER_CAPACITY_MIN 512

int buffer_extend(struct buffer *buffer, size_t bytes, char **ret_room)
{
    if (buffer->start_bytes > 0 && buffer->end_bytes + bytes > buffer->capacity_bytes) {
        memmove(buffer->data, buffer_front(buffer), buffer_bytes(buffer));
        buffer->end_bytes -= buffer->start_bytes;
        buffer->start_bytes = 0;
    }
    if (buffer->end_bytes + bytes > buffer->capacity_bytes) {
        size_t capacity = buffer->capacity_bytes * 2;
        if (capacity < BUFFER_CAPACITY_MIN)
            capacity = BUFFER_CAPACITY_MIN;
        if (capacity < buffer->end_bytes + bytes)
            capacity = buffer->end_bytes + bytes;
        char *data = realloc(buffer->data, capacity);
        if (data == NULL)
            return -ENOMEM;
        buffer->data = data;
        buffer->capacity_bytes = capacity;
    }
    *ret_room = buffer->data + buffer->end_bytes;
    buffer->end_bytes += bytes;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    char *room;
    int rc = buffer_extend(buffer, bytes, &room);
    if (rc < 0)
        return rc;
    memcpy(room, data, bytes);
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t bytes)
{
    CHECK(bytes <= buffer_bytes(buffer));

    buffer->start_bytes += bytes;
    if (buffer->start_bytes == buffer->end_bytes) {
        buffer->start_bytes = 0;
        buffer->end_bytes = 0;
    }
}

void buffer_clear(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
