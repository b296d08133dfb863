#include "tests/bench/wire.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint32_t wire_hash(const char *text, size_t bytes)
{
    uint32_t value = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++)
        value = (value ^ (unsigned char)text[i]) * 16777619u;
    return value;
}

size_t wire_header_write(char *to, size_t bytes)
{
    to[0] = (char)0x81;
    if (bytes < 126) {
        to[1] = (char)bytes;
        return 2;
    }
    if (bytes <= UINT16_MAX) {
        to[1] = 126;
        to[2] = (char)(bytes >> 8);
        to[3] = (char)bytes;
        return 4;
    }
    to[1] = 127;
    for (size_t i = 0; i < 8; i++)
        to[2 + i] = (char)((uint64_t)bytes >> (8 * (7 - i)));
    return 10;
}

bool wire_frame_read(const char *data, size_t bytes, struct wire_frame *ret_frame)
{
    const unsigned char *head = (const unsigned char *)data;
    size_t length_bytes = 0; /* of the longer forms of the length */
    uint64_t length = 0;

    if (bytes < 2)
        return false;
    if ((head[1] & 0x7f) == 126)
        length_bytes = 2;
    else if ((head[1] & 0x7f) == 127)
        length_bytes = 8;
    if (bytes < 2 + length_bytes + 4)
        return false;
    if (length_bytes == 0)
        length = head[1] & 0x7f;
    for (size_t i = 0; i < length_bytes; i++)
        length = length << 8 | head[2 + i];

    ret_frame->opcode = head[0] & 0x0f;
    ret_frame->is_masked = (head[1] & 0x80) != 0;
    ret_frame->header_bytes = 2 + length_bytes + 4;
    ret_frame->data_bytes = length;
    return true;
}

bool wire_accept_compute(const char *request, char ret_accept[WIRE_ACCEPT_BYTES])
{
    static const char field[] = "Sec-WebSocket-Key: ";
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[128];

    const char *key = strcasestr(request, field);
    if (key == NULL)
        return false;
    key += sizeof field - 1;
    size_t key_bytes = strcspn(key, "\r");
    if (key_bytes > 64)
        return false;
    int bytes = snprintf(text, sizeof text, "%.*s%s", (int)key_bytes, key, magic);
    (void)SHA1((const unsigned char *)text, (size_t)bytes, digest);
    (void)EVP_EncodeBlock((unsigned char *)ret_accept, digest, sizeof digest);
    return true;
}

const char *wire_string_after(const char *text, size_t bytes, const char *key, size_t *ret_bytes)
{
    size_t key_bytes = strlen(key);
    const char *found = memmem(text, bytes, key, key_bytes);
    if (found == NULL)
        return NULL;
    const char *start = found + key_bytes;
    const char *end = memchr(start, '"', bytes - (size_t)(start - text));
    if (end == NULL)
        return NULL;
    *ret_bytes = (size_t)(end - start);
    return start;
}

void wire_time_write(char text[WIRE_TIME_BYTES])
{
    struct timespec now;
    struct tm utc;
    char date[24];

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(text, WIRE_TIME_BYTES, "%s.%06ldZ", date, now.tv_nsec / 1000);
}
