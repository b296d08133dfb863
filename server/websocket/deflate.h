/*
 * server/websocket/deflate.h - permessage-deflate (RFC 7692): what is agreed on, and the compression.
 *
 * Out      every message is compressed for itself (server_no_context_takeover is always said), so that one
 *          compressed frame serves all who have agreed to its window. There are two: DEFLATE_WIDE, and
 *          DEFLATE_NARROW for those who asked for a smaller one. Who asked for one that zlib cannot
 *          make (8 bits) is sent nothing compressed, as any message may be.
 * In       without context takeover (client_no_context_takeover is said, unless takeover is allowed) an inflater
 *          is borrowed while a message is in flight; with it a connection keeps one from its first
 *          compressed message on: INFLATER_BYTES_MAX.
 * Memory   one compressor for each window and process (288 and 20 KiB), made when it is first needed, and a
 *          buffer of up to DEFLATE_BYTES_MAX; INFLATER_POOL_MAX free inflaters.
 * Callers  a worker's own thread.
 */
#ifndef SERVER_WEBSOCKET_DEFLATE_H
#define SERVER_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request;
struct inflater;

enum {
    DEFLATE_BYTES_MIN = 128,        /* smaller messages are left alone ... */
    DEFLATE_BYTES_MAX = 128 * 1024, /* ... and larger ones, which would hold the worker up */
    DEFLATE_ANSWER_BYTES_MAX = 192, /* terminated */
    INFLATER_BYTES_MAX = 48 * 1024,
    INFLATER_POOL_MAX = 8,
};

enum deflate_window {
    DEFLATE_NONE, /* nothing is sent compressed */
    DEFLATE_NARROW,
    DEFLATE_WIDE,
    DEFLATE_WINDOWS, /* how many there are */
};

struct deflate_terms {
    bool is_agreed;             /* messages may come compressed */
    bool keeps_context;         /* from one to the next */
    enum deflate_window window; /* of what is sent */
};

/*
 * Takes the first offer in Sec-WebSocket-Extensions that can be met (section 5): true, and @answer is the
 * value of that header in the response. False: there is none; bad ones are declined, not answered (7.1).
 */
bool deflate_negotiate(const struct http_request *request, bool allows_takeover,
                       struct deflate_terms *ret_terms, char answer[DEFLATE_ANSWER_BYTES_MAX]);

/*
 * @text compressed, as the payload of a message (section 7.2.1): *ret_bytes, and at least @saved_bytes less
 * than it was. It stays until the next call. NULL: it does not save so much, is shorter than DEFLATE_BYTES_MIN,
 * longer than DEFLATE_BYTES_MAX, or there is no memory: send it as it is.
 */
const uint8_t *deflate_message(enum deflate_window window, const void *text, size_t text_bytes,
                               size_t saved_bytes, size_t *ret_bytes);
/*
 * Head of a block of @bytes that are not compressed (RFC 1951 section 3.2.4), in front of what deflate_message
 * has made: for bytes that differ from one receiver to the next.
 */
enum {
    DEFLATE_STORED_HEAD_BYTES = 5,
};
void deflate_stored_head(uint8_t head[DEFLATE_STORED_HEAD_BYTES], uint16_t bytes);

/* What has been done, for whoever adds it to the worker's counters. */
struct deflate_work {
    uint64_t messages;
    uint64_t bytes_in;
    uint64_t bytes_out;
};
struct deflate_counts {
    uint64_t clients; /* now: those that have agreed */
    uint64_t clients_opened;
    struct deflate_work compressed;
    struct deflate_work inflated; /* whole messages only */
};
const struct deflate_counts *deflate_counts(void);
/* websocket.c and message.c tell what they know. */
void deflate_note_client(bool has_agreed);
void deflate_note_end(bool had_agreed);
void deflate_note_inflated(uint64_t bytes_in, uint64_t bytes_out);

/* Frees compressors and free inflaters: tests, and a worker that ends. */
void deflate_clear(void);

/* NULL: no memory. */
struct inflater *inflater_borrow(void);
/* NULL is fine. */
void inflater_return(struct inflater *inflater);

enum inflate_result {
    INFLATE_MORE, /* @in is used up, all that it says is in @out */
    INFLATE_FULL, /* @out is full, and there may be more to come: call again with more room */
    INFLATE_BAD,  /* it is no DEFLATE: close 1007 */
    INFLATE_NO_MEMORY,
};

/*
 * Inflates from *in, which moves on, to @out. At a message's end @in are the four bytes that the sender
 * has left out (inflate_tail). *ret_made: bytes written.
 */
enum inflate_result inflater_run(struct inflater *inflater, const uint8_t **in, size_t *in_bytes,
                                 uint8_t *out, size_t out_bytes, size_t *ret_made);
extern const uint8_t inflate_tail[4];
/* It stands between two blocks: behind the tail, else the message was cut off. */
bool inflater_is_between(const struct inflater *inflater);
/* The next message begins without what this one has left behind. */
void inflater_forget(struct inflater *inflater);

#endif
