/*
 * server/http/head.h - request heads as raw bytes: where one ends, and whether it is strict enough.
 *
 * http-parser accepts bare LF, folded lines, white space before a colon, several Hosts, and lengths
 * that two servers read differently: each a way to smuggle a request past a proxy. So the bytes are
 * checked here first, against RFC 9112 as a server that never repairs anything.
 * Memory   nothing is kept or allocated; spans point into the caller's bytes.
 */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http.h"

enum head_result {
    HEAD_OK,
    HEAD_MORE,
    HEAD_BAD,            /* 400 */
    HEAD_TOO_LARGE,      /* 431 */
    HEAD_UNKNOWN_METHOD, /* 501 */
    HEAD_VERSION,        /* 505 */
};

/* How the body is delimited. */
struct head_framing {
    uint64_t content_length;
    bool is_chunked;
};

/*
 * Looks for the end of the head that begins at @bytes. *scanned is 0 for a new head and is carried
 * from call to call, so that no byte is looked at twice. HEAD_OK: *ret_head_bytes, with the empty
 * line.
 */
enum head_result head_find(const char *bytes, size_t size, size_t head_bytes_max, uint32_t *scanned,
                           size_t *ret_head_bytes);

/* Checks a whole head. Anything but HEAD_OK: *ret_reason is static text for the client. */
enum head_result head_check(const char *bytes, size_t head_bytes, struct head_framing *ret_framing,
                            const char **ret_reason);

/*
 * Splits a request target into path, query and, for the absolute form, authority (else empty).
 * False: none of the forms of RFC 9112 section 3.2 but authority-form, which only CONNECT has.
 */
bool head_split_target(struct http_text target, struct http_text *ret_path,
                       struct http_text *ret_query, struct http_text *ret_authority);

#endif
