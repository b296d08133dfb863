/*
 * server/http/assets.h - files that are part of the program: a browser's pages, and what they need.
 *
 * Shape    a table made at build time (server/web/embed.py): each file as it is and, where that is
 *          smaller, compressed with gzip, each with a strong ETag of its own.
 * Memory   the bytes are part of the program, and nothing is copied to send them: a client that is slow
 *          to take some megabytes costs no memory.
 * Caching  `no-cache`: a browser asks each time and is told 304 until the program is another.
 * RFC      9110: sections 8.8.3 (ETag), 12.5.3 (Accept-Encoding), 13 (If-Match, If-None-Match).
 *          Ranges are not served, which section 14.2 leaves to us.
 */
#ifndef SERVER_HTTP_ASSETS_H
#define SERVER_HTTP_ASSETS_H

#include <stddef.h>
#include <stdint.h>

#include "server/http/http.h"

struct asset_variant {
    const uint8_t *bytes;
    size_t size;
    const char *etag;    /* with its quotes; NULL: there is no such variant */
    struct arena *arena; /* that the bytes lie in, so that sending shares them; NULL: copies them */
};

struct asset {
    const char *path;
    const char *content_type;
    struct asset_variant plain;
    struct asset_variant gzip;
    const char *policy; /* Content-Security-Policy; NULL: none */
};

/* All of them; the code is generated. */
const struct asset *asset_table(size_t *ret_count);
/* NULL: no asset has this path. */
const struct asset *asset_find(struct http_text path);

/*
 * Answers a GET or HEAD: 200 or 304; 406 when Accept-Encoding excludes all there is, 412 when
 * If-Match does. @headers: more lines, each with CRLF, less than 1 KiB; NULL: none.
 */
void asset_respond(struct http_exchange *exchange, const struct asset *asset, const char *headers);

#endif
