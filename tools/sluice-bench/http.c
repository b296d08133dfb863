#include "tools/sluice-bench/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int http_publish_extend(struct buffer *out, const struct http_target *target, size_t body_bytes,
                        char **ret_body)
{
    char head[512];
    char *room;
    int bytes = snprintf(head, sizeof head,
                         "POST /topics/%s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         target->topic, target->is_durable ? "?durable=true" : "", target->host,
                         body_bytes);
    if (bytes < 0 || (size_t)bytes >= sizeof head)
        return -ENAMETOOLONG;

    int rc = buffer_extend(out, (size_t)bytes + body_bytes, &room);
    if (rc < 0)
        return rc;
    memcpy(room, head, (size_t)bytes);
    *ret_body = room + bytes;
    return 0;
}

/* The value of Content-Length among the header lines, or -1. */
static long content_length(const char *lines, const char *end)
{
    static const char name[] = "content-length:";

    while (lines < end) {
        const char *line_end = memmem(lines, (size_t)(end - lines), "\r\n", 2);
        if (line_end == NULL)
            return -1;
        if ((size_t)(line_end - lines) > sizeof name - 1 &&
            strncasecmp(lines, name, sizeof name - 1) == 0) {
            /* The \r\n ends the number for strtol. */
            long value = strtol(lines + sizeof name - 1, NULL, 10);
            return value >= 0 && value <= HTTP_ANSWER_BYTES_MAX ? value : -1;
        }
        lines = line_end + 2;
    }
    return -1;
}

enum http_result http_answer_read(const char *data, size_t bytes, int *ret_status,
                                  size_t *ret_answer_bytes)
{
    static const char version[] = "HTTP/1.1 ";
    const char *end = memmem(data, bytes, "\r\n\r\n", 4);

    if (end == NULL)
        return bytes < HTTP_ANSWER_BYTES_MAX ? HTTP_MORE : HTTP_BAD;
    size_t head_bytes = (size_t)(end - data) + 4;
    if (head_bytes < sizeof version + 3 || memcmp(data, version, sizeof version - 1) != 0)
        return HTTP_BAD;

    const char *lines = memmem(data, head_bytes, "\r\n", 2);
    long body_bytes = content_length(lines + 2, end + 2);
    if (body_bytes < 0)
        return HTTP_BAD;
    if (bytes - head_bytes < (size_t)body_bytes)
        return HTTP_MORE;
    *ret_status = (int)strtol(data + sizeof version - 1, NULL, 10);
    *ret_answer_bytes = head_bytes + (size_t)body_bytes;
    return HTTP_OK;
}
