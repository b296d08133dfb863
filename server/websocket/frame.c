#include "server/websocket/frame.h"

#include <string.h>

#include "server/websocket/websocket.h"

enum {
    BIT_FINAL = 0x80,
    BIT_COMPRESSED = 0x40, /* RSV1 */
    BITS_RESERVED = 0x30,  /* the others */
    BITS_OPCODE = 0x0F,
    BIT_CONTROL = 0x08,
    BIT_MASK = 0x80,
    BITS_LENGTH = 0x7F,
    LENGTH_16 = 126, /* two bytes of length follow */
    LENGTH_64 = 127, /* eight do */
    MASK_BYTES = 4,
};

bool frame_is_control(const struct frame_head *head)
{
    return (head->opcode & BIT_CONTROL) != 0;
}

static bool opcode_is_known(unsigned opcode)
{
    return opcode <= FRAME_BINARY || (opcode >= FRAME_CLOSE && opcode <= FRAME_PONG);
}

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* What the first two bytes tell. */
static bool is_allowed(const uint8_t *bytes)
{
    bool is_control = (bytes[0] & BIT_CONTROL) != 0;
    unsigned opcode = bytes[0] & BITS_OPCODE;

    if ((bytes[0] & BIT_COMPRESSED) != 0 && opcode != FRAME_TEXT && opcode != FRAME_BINARY)
        return false;
    if ((bytes[0] & BITS_RESERVED) != 0 || !opcode_is_known(opcode))
        return false;
    if (is_control &&
        ((bytes[0] & BIT_FINAL) == 0 || (bytes[1] & BITS_LENGTH) > FRAME_CONTROL_PAYLOAD_MAX))
        return false;
    return (bytes[1] & BIT_MASK) != 0;
}

enum frame_result frame_parse_head(const uint8_t *bytes, size_t size, struct frame_head *ret_head)
{
    size_t length_bytes = 0;
    uint64_t payload_bytes;
    size_t head_bytes;

    if (size < 2)
        return FRAME_MORE;
    if (!is_allowed(bytes))
        return FRAME_BAD;
    payload_bytes = bytes[1] & BITS_LENGTH;
    if (payload_bytes == LENGTH_16)
        length_bytes = 2;
    else if (payload_bytes == LENGTH_64)
        length_bytes = 8;
    head_bytes = 2 + length_bytes + MASK_BYTES;
    if (size < head_bytes)
        return FRAME_MORE;
    if (length_bytes > 0)
        payload_bytes = big_endian(bytes + 2, length_bytes);
    /* The shortest form is the only one, and the highest bit is zero. */
    if (length_bytes == 2 && payload_bytes < LENGTH_16)
        return FRAME_BAD;
    if (length_bytes == 8 && (payload_bytes <= UINT16_MAX || payload_bytes > INT64_MAX))
        return FRAME_BAD;
    ret_head->payload_bytes = payload_bytes;
    ret_head->head_bytes = (uint8_t)head_bytes;
    ret_head->opcode = bytes[0] & BITS_OPCODE;
    ret_head->is_final = (bytes[0] & BIT_FINAL) != 0;
    ret_head->is_compressed = (bytes[0] & BIT_COMPRESSED) != 0;
    memcpy(ret_head->mask, bytes + head_bytes - MASK_BYTES, MASK_BYTES);
    return FRAME_OK;
}

void frame_unmask(const struct frame_head *head, const uint8_t *payload, uint8_t *out)
{
    for (size_t i = 0; i < head->payload_bytes; i++)
        out[i] = payload[i] ^ head->mask[i % MASK_BYTES];
}

size_t frame_control(uint8_t out[FRAME_CONTROL_BYTES_MAX], enum frame_opcode opcode,
                     const void *payload, size_t payload_bytes)
{
    out[0] = (uint8_t)(BIT_FINAL | opcode);
    out[1] = (uint8_t)payload_bytes;
    if (payload_bytes > 0)
        memcpy(out + 2, payload, payload_bytes);
    return 2 + payload_bytes;
}

size_t frame_close(uint8_t out[FRAME_CONTROL_BYTES_MAX], int code, const char *reason,
                   size_t reason_bytes)
{
    uint8_t payload[FRAME_CONTROL_PAYLOAD_MAX];

    if (code == WEBSOCKET_NO_STATUS)
        return frame_control(out, FRAME_CLOSE, NULL, 0);
    if (reason_bytes > FRAME_REASON_BYTES_MAX)
        reason_bytes = FRAME_REASON_BYTES_MAX;
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (reason_bytes > 0)
        memcpy(payload + 2, reason, reason_bytes);
    return frame_control(out, FRAME_CLOSE, payload, 2 + reason_bytes);
}

bool frame_close_code_is_valid(int code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    if (code == WEBSOCKET_NO_STATUS || code == WEBSOCKET_ABNORMAL || code == 1004)
        return false;
    return code >= 1000 && code <= 1014;
}

size_t frame_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], enum frame_opcode opcode,
                  bool is_compressed, size_t payload_bytes)
{
    size_t length_bytes = 0;

    head[0] = (uint8_t)(BIT_FINAL | (is_compressed ? BIT_COMPRESSED : 0) | opcode);
    if (payload_bytes < LENGTH_16) {
        head[1] = (uint8_t)payload_bytes;
    } else if (payload_bytes <= UINT16_MAX) {
        head[1] = LENGTH_16;
        length_bytes = 2;
    } else {
        head[1] = LENGTH_64;
        length_bytes = 8;
    }
    for (size_t i = 0; i < length_bytes; i++)
        head[2 + i] = (uint8_t)(payload_bytes >> (8 * (length_bytes - 1 - i)));
    return 2 + length_bytes;
}

size_t websocket_frame_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], size_t payload_bytes)
{
    return frame_head(head, FRAME_TEXT, false, payload_bytes);
}

size_t websocket_compressed_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], size_t payload_bytes)
{
    return frame_head(head, FRAME_TEXT, true, payload_bytes);
}
