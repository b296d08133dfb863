/*
 * tests/unit/http2_frames.h - HTTP/2 as its bytes: frames written by hand, and a strict reader of what
 * a server sends.
 *
 * Scripts  frames, each ending in `;`: a type, flags behind `+`, a stream, and a payload.
 *            HEADERS+EH+ES 1 [:method GET :path / :scheme http :authority h]; PING 0 0102030405060708;
 *          Types: DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE
 *          CONTINUATION, or a number. Flags: ES EH PADDED PRIO ACK, or a number. `:N` behind the
 *          stream is a length that is not the payload's. Payloads are hexadecimal digits, 'text',
 *          x*N (so many times the byte x), [name value ...] (literal fields, never indexed; `~` is a
 *          blank, `-` alone an empty value), and $get, $post, $connect (fields of good requests).
 * Reader   CHECKs what RFC 9113 demands of any server: SETTINGS first, sizes, windows, nothing behind a
 *          stream's end, header blocks that decode, names in lower case.
 * Memory   frames stay until http2_reader_done.
 */
#ifndef TESTS_UNIT_HTTP2_FRAMES_H
#define TESTS_UNIT_HTTP2_FRAMES_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/json/text.h"

enum {
    HTTP2_FRAME_HEAD_BYTES = 9,
    HTTP2_READER_STREAMS = 4096, /* odd ones, from 1 */
};

struct http2_frame {
    uint8_t type;
    uint8_t flags;
    int32_t id;
    uint32_t length;
    const uint8_t *payload;
    const char *fields; /* HEADERS: `name: value` lines, terminated */
    uint32_t code;      /* RST_STREAM, GOAWAY */
};

struct http2_reader_stream {
    int64_t window;
    bool is_answered; /* by other than 1xx */
    bool is_ended;
    bool is_reset;
};

struct http2_reader {
    nghttp2_hd_inflater *inflater;
    uint8_t *bytes; /* of a frame that is not whole */
    size_t size;
    struct http2_frame *frames;
    size_t count;
    int64_t window; /* of the connection: what may be sent to us */
    int64_t initial_window;
    bool checks_windows;
    struct http2_reader_stream streams[HTTP2_READER_STREAMS];
};

void http2_reader_init(struct http2_reader *reader);
void http2_reader_done(struct http2_reader *reader);
void http2_reader_feed(struct http2_reader *reader, const void *bytes, size_t size);
/* What we have sent: SETTINGS and WINDOW_UPDATEs change what we may be sent. */
void http2_reader_sent(struct http2_reader *reader, const void *bytes, size_t size);
/* Of a finished reading: nothing is left over. */
bool http2_reader_is_between_frames(const struct http2_reader *reader);

/* Appends a frame with this head. */
void http2_put_frame(struct text *out, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                     size_t size);
/* Appends what @script says; what cannot be understood fails a CHECK. */
void http2_put_script(struct text *out, const char *script);

#endif
