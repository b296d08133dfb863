/*
 * tools/sluice-bench/websocket.h - the client's side of WebSocket (RFC 6455), bytes only.
 *
 * Shape    Frames out are masked, as they must be, with a mask of zero bytes: the mask is there
 *          to protect proxies, and xor with zero costs the client nothing. What the server has
 *          to do is the same.
 * Callers  conn.c. No socket here, and no state: a whole frame is read or nothing.
 * Limits   Messages in fragments are refused (no server under test sends any).
 */
#ifndef TOOLS_SLUICE_BENCH_WEBSOCKET_H
#define TOOLS_SLUICE_BENCH_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "tools/sluice-bench/buffer.h"

#define WEBSOCKET_HEAD_BYTES_MAX 4096 /* of the answer to the handshake */

enum websocket_opcode {
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum websocket_result {
    WEBSOCKET_OK,
    WEBSOCKET_MORE, /* not whole yet */
    WEBSOCKET_BAD,
};

struct websocket_frame {
    uint8_t opcode;
    const char *data; /* into the bytes given */
    size_t data_bytes;
    size_t frame_bytes; /* with its header */
};

/* Appends the opening request for @path. */
int websocket_request_append(struct buffer *out, const char *host, const char *path);

/* Judges the answer; WEBSOCKET_OK: accepted, *@ret_head_bytes long, frames follow. */
enum websocket_result websocket_answer_read(const char *data, size_t bytes, size_t *ret_head_bytes);

enum websocket_result websocket_frame_read(const char *data, size_t bytes,
                                           struct websocket_frame *ret_frame);

/* Appends a frame's header for @data_bytes, and room for these; the caller fills it. */
int websocket_frame_extend(struct buffer *out, enum websocket_opcode opcode, size_t data_bytes,
                           char **ret_data);

#endif
