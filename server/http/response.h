/*
 * server/http/response.h - head and body of an HTTP/1.1 response, written to a stream.
 */
#ifndef SERVER_HTTP_RESPONSE_H
#define SERVER_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

struct http_response;
struct stream;

enum response_connection {
    RESPONSE_CONNECTION_DEFAULT, /* nothing said: stays open with HTTP/1.1 */
    RESPONSE_CONNECTION_KEEP,    /* said to HTTP/1.0 clients that asked for it */
    RESPONSE_CONNECTION_CLOSE,
};

struct response_head {
    int status;
    enum response_connection connection;
    const char *content_type; /* NULL: none */
    const char *headers;      /* further lines, each with CRLF; NULL: none */
    bool has_length;
    size_t body_bytes; /* if has_length */
};

/* The Date of now, terminated; stays until the next call. */
const char *response_date(void);
/* Queues status line, Date, Server and the rest, with the empty line. */
void response_write_head(struct stream *stream, const struct response_head *head);
/* Queues the body: a copy, or a share of the arena that it lies in. */
void response_write_body(struct stream *stream, const struct http_response *response);
/* Whether responses with this status have a body at all (RFC 9110 section 6.4.1). */
bool response_has_body(int status);

#endif
