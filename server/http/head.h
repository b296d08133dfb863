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

/* tchar of RFC 9110 section 5.6.2: what names of fields and methods are made of. */
bool head_is_token_char(char c);

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

/* host[:port] (RFC 9110 section 7.2), and nothing else. */
bool head_is_authority(struct http_text text);

struct head_target {
    struct http_text path; /* `*` for the asterisk form */
    struct http_text query;
    struct http_text authority; /* of the absolute form; else empty */
    bool is_https;              /* an absolute form of that scheme */
};

/*
 * Takes a request target apart. False: none of the forms of RFC 9112 section 3.2 but
 * authority-form, which only CONNECT has.
 */
bool head_split_target(struct http_text target, struct head_target *ret_target);

#endif
