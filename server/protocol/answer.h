/*
 * server/protocol/answer.h - HTTP answers of the protocols: JSON bodies, errors, CORS headers.
 *
 * Every answer to a page of a trusted origin says so (Access-Control-Allow-Origin); without that
 * header a browser keeps the answer from the page. Every answer carries Vary: Origin. (Not those
 * to a head that could not be read: it names no origin.)
 */
#ifndef SERVER_PROTOCOL_ANSWER_H
#define SERVER_PROTOCOL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/http.h"

struct arena;
struct service;
struct text;

enum {
    ANSWER_HEADERS_BYTES_MAX = HTTP_LINES_BYTES_MAX,
};

/*
 * Writes @headers (lines ending in CRLF; NULL: none) and the CORS lines that are due to @out
 * (ANSWER_HEADERS_BYTES_MAX long), terminated.
 */
void answer_headers(const struct service *service, const struct http_exchange *exchange,
                    const char *headers, char *out);

/* What a request can be refused for; answer.c has the status and the code of each. */
enum answer_refusal {
    ANSWER_BAD_REQUEST,
    ANSWER_BAD_JSON,
    ANSWER_BAD_TOPIC,
    ANSWER_FORBIDDEN,
    ANSWER_NOT_FOUND,
    ANSWER_METHOD_NOT_ALLOWED,
    ANSWER_NOT_ACCEPTABLE,
    ANSWER_TOO_LARGE,
    ANSWER_UNSUPPORTED_TYPE,
    ANSWER_MISDIRECTED,
    ANSWER_UPGRADE_REQUIRED,
    ANSWER_RATE_LIMITED, /* the caller says in @headers when to retry */
    ANSWER_INTERNAL,
    ANSWER_UNAVAILABLE,
    ANSWER_STORAGE_FULL,
};

/*
 * Answers with @body, which stays the caller's; 503 when it has not become whole. Of @response status,
 * content type and headers are looked at.
 */
void answer_body(struct service *service, struct http_exchange *exchange,
                 const struct http_response *response, const struct text *body);
/* The same with a body that is all of an arena: shared, not copied. */
void answer_arena(struct service *service, struct http_exchange *exchange,
                  const struct http_response *response, struct arena *body);
/* answer_body with 200. */
void answer_text(struct service *service, struct http_exchange *exchange, const char *content_type,
                 const struct text *body, const char *headers);
/* The same as JSON. */
void answer_json(struct service *service, struct http_exchange *exchange, int status,
                 const struct text *body, const char *headers);
/* PROTOCOLS section 1; @message in plain words. What is unavailable carries Retry-After. */
void answer_error(struct service *service, struct http_exchange *exchange,
                  enum answer_refusal refusal, const char *message, const char *headers);
/*
 * The same in the shape of GraphQL's errors: {"errors":[{"message":…,"extensions":{"code":…}}]}. Of
 * @response content type and headers are looked at.
 */
void answer_graphql_error(struct service *service, struct http_exchange *exchange,
                          enum answer_refusal refusal, const char *message,
                          const struct http_response *response);

#endif
