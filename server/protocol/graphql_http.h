/*
 * server/protocol/graphql_http.h - GraphQL over HTTP: queries and mutations by GET and POST, each
 * answered as JSON or as a short event stream (PROTOCOLS section 6). Entry point: service.h.
 *
 * Shape    a request is read (graphql_request.h), made an operation of (server/api/) and answered when
 *          that is done: at once, or from api_turn. Subscriptions go to graphql_stream.h.
 * Status   what is no well-formed request is refused with 4xx whatever is accepted. A request error
 *          of an operation (it does not parse, is not valid, is over a limit) is 400 as
 *          application/graphql-response+json, 200 as application/json; field errors are 200.
 * Limits   GRAPHQL_WAITING_MAX operations of a worker at once that are answered later.
 * RFC      GraphQL over HTTP (draft of May 2025), as graphql-http 1.23 reads it; graphql-sse's
 *          PROTOCOL.md, distinct connections mode.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_HTTP_H
#define SERVER_PROTOCOL_GRAPHQL_HTTP_H

#include <stdbool.h>

#include "server/protocol/answer.h"

struct http_exchange;
struct http_request;
struct service;

enum {
    GRAPHQL_WAITING_MAX = 16384,
};

/* Whether an event stream is what the client would rather have than anything else. */
bool graphql_http_wants_stream(const struct http_request *request);
/* Refuses a request to /graphql in GraphQL's own way, in what the client accepts. */
void graphql_http_refuse(struct service *service, struct http_exchange *exchange,
                         enum answer_refusal refusal, const char *message, const char *headers);

#endif
