/*
 * server/http/body.h - request bodies by Content-Length or chunks (RFC 9112 sections 6 and 7).
 *
 * Bytes in, one piece of memory out; it grows with what has arrived, never with what was
 * announced. Chunk sizes are hex digits and nothing else; extensions and trailers are checked for
 * strict lines and thrown away.
 * Limits   bytes_max for the body; BODY_LINES_MAX for all extensions and trailers together. A body
 *          that is not whole when all that has come is fed is charged to the worker's budget
 *          (net/budget.h) with what is beyond the connection's own bytes, until body_done; one
 *          that came whole needs nothing of it.
 */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include <stddef.h>
#include <stdint.h>

enum {
    BODY_LINES_MAX = 8 * 1024,
};

enum body_result {
    BODY_MORE,
    BODY_DONE,
    BODY_BAD,       /* 400 */
    BODY_TOO_LARGE, /* 413 */
    BODY_NO_MEMORY, /* 503: the budget is used up, or the machine's */
};

struct budget;

struct body_limits {
    size_t bytes_max;
    size_t beside_bytes;   /* what waits with it, and is charged with it: the request's head */
    struct budget *budget; /* NULL: without a bound */
};

struct body {
    uint8_t *bytes; /* NULL while empty */
    size_t size;
    size_t capacity;
    struct body_limits limits;
    size_t charged_bytes; /* taken from the budget */
    uint64_t left;        /* of the announced length, or of the chunk */
    uint32_t line_bytes;  /* extensions and trailers so far */
    uint8_t digits;       /* of the chunk size so far */
    uint8_t state;
};

/* More than limits.bytes_max announced: body_feed says so at once. */
void body_begin_length(struct body *body, uint64_t content_length,
                       const struct body_limits *limits);
void body_begin_chunked(struct body *body, const struct body_limits *limits);
/* One whose end its maker knows (HTTP/2): never BODY_DONE. */
void body_begin_open(struct body *body, const struct body_limits *limits);
/* Frees it; for one that is all zero, too. */
void body_done(struct body *body);

/* Takes what belongs to the body. BODY_DONE: *ret_consumed may be less than @size. */
enum body_result body_feed(struct body *body, const uint8_t *bytes, size_t size,
                           size_t *ret_consumed);

#endif
