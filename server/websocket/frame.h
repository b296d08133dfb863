/*
 * server/websocket/frame.h - frame heads (RFC 6455 section 5.2): just enough to know where a frame
 * from a client ends, and what every frame must have.
 */
#ifndef SERVER_WEBSOCKET_FRAME_H
#define SERVER_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/websocket/websocket.h"

enum frame_opcode {
    FRAME_CONTINUATION = 0x0,
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xA,
};

enum {
    FRAME_CONTROL_PAYLOAD_MAX = 125,
    FRAME_CONTROL_BYTES_MAX = 2 + FRAME_CONTROL_PAYLOAD_MAX, /* from the server: not masked */
    FRAME_HEAD_BYTES_MAX = 14,                               /* from a client: masked */
    FRAME_REASON_BYTES_MAX = FRAME_CONTROL_PAYLOAD_MAX - 2,  /* of a close frame */
};

struct frame_head {
    uint64_t payload_bytes;
    uint8_t head_bytes;
    uint8_t opcode;
    bool is_final;
    bool
        is_compressed; /* RSV1, which only the first frame of a data message may have (RFC 7692 6) */
    uint8_t mask[4];
};

enum frame_result {
    FRAME_OK,
    FRAME_MORE,
    FRAME_BAD, /* 1002: unmasked, a reserved bit or opcode, a control frame too long or in pieces */
};

enum frame_result frame_parse_head(const uint8_t *bytes, size_t size, struct frame_head *ret_head);
bool frame_is_control(const struct frame_head *head);
void frame_unmask(const struct frame_head *head, const uint8_t *payload, uint8_t *out);

/* Head of a final frame from the server; returns its length. */
size_t frame_head(uint8_t head[WEBSOCKET_HEAD_BYTES_MAX], enum frame_opcode opcode,
                  bool is_compressed, size_t payload_bytes);
/* A whole control frame from the server; returns its length. */
size_t frame_control(uint8_t out[FRAME_CONTROL_BYTES_MAX], enum frame_opcode opcode,
                     const void *payload, size_t payload_bytes);
/* A close frame. Without status (1005): an empty one. The reason is cut to what fits. */
size_t frame_close(uint8_t out[FRAME_CONTROL_BYTES_MAX], int code, const char *reason,
                   size_t reason_bytes);
/* Whether a peer may send this code (RFC 6455 section 7.4 and IANA's registry). */
bool frame_close_code_is_valid(int code);

#endif
