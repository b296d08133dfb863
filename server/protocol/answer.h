/*
 * server/protocol/answer.h - HTTP answers of the protocols: JSON bodies, errors, CORS headers.
 *
 * Every answer to a page of a trusted origin says so (Access-Control-Allow-Origin); without that
 * header a browser keeps the answer from the page.
 */
#ifndef SERVER_PROTOCOL_ANSWER_H
#define SERVER_PROTOCOL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/http.h"

struct service;
struct text;

enum {
    ANSWER_HEADERS_BYTES_MAX = 1024,
};

/*
 * Writes @headers (lines ending in CRLF; NULL: none) and the CORS lines that are due to @out
 * (ANSWER_HEADERS_BYTES_MAX long), terminated.
 */
void answer_headers(const struct service *service, const struct http_exchange *exchange,
                    const char *headers, char *out);

/* Answers with @body; 503 when that has not become whole. @body stays the caller's. */
void answer_text(struct service *service, struct http_exchange *exchange, int status,
                 const char *content_type, const struct text *body, const char *headers);
void answer_json(struct service *service, struct http_exchange *exchange, int status,
                 const struct text *body, const char *headers);
/* PROTOCOLS section 1; a 503 carries Retry-After. */
void answer_error(struct service *service, struct http_exchange *exchange, int status,
                  const char *code, const char *message, const char *headers);

#endif
