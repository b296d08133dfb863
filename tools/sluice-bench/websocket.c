#include "tools/sluice-bench/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * One nonce for all: RFC 6455's own example, so that the answer it must get is known without
 * SHA-1. A bench need not be protected from caches.
 */
#define NONCE  "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define FIN_BIT       0x80u
#define RESERVED_BITS 0x70u
#define MASK_BIT      0x80u
#define LENGTH_16     126u
#define LENGTH_64     127u
#define MASK_BYTES    4u

int websocket_request_append(struct buffer *out, const char *host, const char *path)
{
    char request[512];
    int bytes = snprintf(request, sizeof request,
                         "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Key: " NONCE "\r\n"
                         "Sec-WebSocket-Version: 13\r\n\r\n",
                         path, host);
    if (bytes < 0 || (size_t)bytes >= sizeof request)
        return -ENAMETOOLONG;
    return buffer_append(out, request, (size_t)bytes);
}

enum websocket_result websocket_answer_read(const char *data, size_t bytes, size_t *ret_head_bytes)
{
    static const char status[] = "HTTP/1.1 101 ";
    const char *end = memmem(data, bytes, "\r\n\r\n", 4);

    if (end == NULL)
        return bytes < WEBSOCKET_HEAD_BYTES_MAX ? WEBSOCKET_MORE : WEBSOCKET_BAD;

    size_t head_bytes = (size_t)(end - data) + 4;
    if (head_bytes < sizeof status || memcmp(data, status, sizeof status - 1) != 0)
        return WEBSOCKET_BAD;
    if (memmem(data, head_bytes, ACCEPT, sizeof ACCEPT - 1) == NULL)
        return WEBSOCKET_BAD;
    *ret_head_bytes = head_bytes;
    return WEBSOCKET_OK;
}

enum websocket_result websocket_frame_read(const char *data, size_t bytes,
                                           struct websocket_frame *ret_frame)
{
    const unsigned char *head = (const unsigned char *)data;
    size_t header_bytes = 2;
    uint64_t length;

    if (bytes < header_bytes)
        return WEBSOCKET_MORE;
    if (!(head[0] & FIN_BIT) || (head[0] & RESERVED_BITS) || (head[1] & MASK_BIT))
        return WEBSOCKET_BAD;

    length = head[1];
    if (length == LENGTH_16) {
        header_bytes = 4;
        if (bytes < header_bytes)
            return WEBSOCKET_MORE;
        length = (uint64_t)head[2] << 8 | head[3];
    } else if (length == LENGTH_64) {
        header_bytes = 10;
        if (bytes < header_bytes)
            return WEBSOCKET_MORE;
        length = 0;
        for (size_t i = 2; i < header_bytes; i++)
            length = length << 8 | head[i];
        if (length > SIZE_MAX / 2)
            return WEBSOCKET_BAD;
    }

    if (length > bytes - header_bytes)
        return WEBSOCKET_MORE;
    ret_frame->opcode = head[0] & 0x0f;
    ret_frame->data = data + header_bytes;
    ret_frame->data_bytes = (size_t)length;
    ret_frame->frame_bytes = header_bytes + (size_t)length;
    return WEBSOCKET_OK;
}

int websocket_frame_extend(struct buffer *out, enum websocket_opcode opcode, size_t data_bytes,
                           char **ret_data)
{
    size_t length_bytes = data_bytes < LENGTH_16 ? 0 : data_bytes <= UINT16_MAX ? 2 : 8;
    char *room;
    int rc = buffer_extend(out, 2 + length_bytes + MASK_BYTES + data_bytes, &room);
    if (rc < 0)
        return rc;

    unsigned char *head = (unsigned char *)room;
    head[0] = (unsigned char)(FIN_BIT | opcode);
    head[1] = (unsigned char)(MASK_BIT | (length_bytes == 0   ? data_bytes
                                          : length_bytes == 2 ? LENGTH_16
                                                              : LENGTH_64));
    for (size_t i = 0; i < length_bytes; i++)
        head[2 + i] = (unsigned char)((uint64_t)data_bytes >> (8 * (length_bytes - 1 - i)));
    memset(head + 2 + length_bytes, 0, MASK_BYTES);

    *ret_data = room + 2 + length_bytes + MASK_BYTES;
    return 0;
}
