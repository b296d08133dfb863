/*
 * server/http/exchange.h - what an exchange is made of, and what is refused alike whichever HTTP it
 * is of, for those that make them (http1.c, http2_message.c). Users of the HTTP layer see http.h only.
 */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include "server/http/body.h"
#include "server/http/http.h"

/* respond, begin_stream and upgrade end the exchange. */
struct http_exchange_operations {
    void (*respond)(struct http_exchange *exchange, const struct http_response *response);
    struct stream *(*begin_stream)(struct http_exchange *exchange, const char *content_type,
                                   const char *headers);
    struct stream *(*upgrade)(struct http_exchange *exchange, const char *headers);
    struct stream *(*stream)(const struct http_exchange *exchange);
    bool (*is_old)(const struct http_exchange *exchange);
};

struct http_exchange {
    const struct http_exchange_operations *operations;
    void (*on_gone)(void *user);
    void *user;
    struct sockaddr_storage *client; /* as a proxy says, its own memory; NULL: the connection's */
    uint64_t ticket;                 /* HTTP/2: its user's, 0: none */
    struct http_request request;
};

/* The stream that it goes on as is the client's. */
void http_exchange_name(const struct http_exchange *exchange, struct stream *stream);
/* Its own memory, when it ends. */
void http_exchange_done(struct http_exchange *exchange);

/* Why a request is not served. */
struct http_refusal {
    int status;
    const char *code;
    char message[64];
};

struct http_refusal http_refuse_head_size(const struct http_limits *limits);
/* What is wrong with a body; false: nothing is. */
bool http_refuse_body(enum body_result result, const struct http_limits *limits,
                      struct http_refusal *ret_refusal);
/*
 * Counts a refusal, and gives it its header lines, or NULL. @exchange: what has such a body; NULL: not even its
 * head is good.
 */
const char *http_refusal_headers(const struct http_connection *connection,
                                 const struct http_exchange *exchange, int status,
                                 char lines[HTTP_LINES_BYTES_MAX]);

/* Expect: 100-continue and nothing else, on however many lines; or none. */
bool http_expectation_is_known(const struct http_request *request);
/* {"error":{"code":"…","message":"…"}}, to be freed; NULL: no memory. */
char *http_error_body(const char *code, const char *message, size_t *ret_bytes);

#endif
