/*
 * server/protocol/graphql_request.h - what a GET or POST to /graphql asks.
 *
 * POST     the body is a JSON object, Content-Type application/json in UTF-8: what no page of another
 *          origin can send without asking first. The query string is passed over.
 * GET      query, operationName, variables and extensions from the query string, form-urlencoded (`+`
 *          is a space); the last two are JSON. An empty one is none.
 * Memory   the request's parts are views into the service's scratch memory, or decoded into @region.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_REQUEST_H
#define SERVER_PROTOCOL_GRAPHQL_REQUEST_H

#include <stdbool.h>

#include "server/protocol/answer.h"

struct api_request;
struct http_request;
struct region;
struct service;

struct graphql_refusal {
    enum answer_refusal refusal;
    const char *reason; /* static, or in the service's scratch memory */
};

/* False: @ret_refusal says why it cannot be an operation. */
bool graphql_request_read(struct service *service, const struct http_request *request,
                          struct region *region, struct api_request *ret_request,
                          struct graphql_refusal *ret_refusal);

#endif
