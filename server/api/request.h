/*
 * server/api/request.h - {"query":…,"operationName":…,"variables":…,"extensions":…}, whatever brought it.
 *
 * RFC      GraphQL over HTTP, section 5; the payload of graphql-transport-ws's subscribe and of the older
 *          protocol's start has the same shape.
 * Memory   the parts are views into the JSON they were read from, or decoded into @region.
 */
#ifndef SERVER_API_REQUEST_H
#define SERVER_API_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/stats.h"
#include "server/graphql/ast.h"
#include "server/graphql/region.h"
#include "server/json/json.h"
#include "server/topics/topics.h"

struct api_request {
    struct ast_text query;
    struct ast_text operation_name; /* size 0: none */
    struct json_span variables;     /* an object; size 0: none */
    struct resume resume;           /* extensions.resume, or Last-Event-ID; has_since: given */
    enum stat_protocol protocol;    /* what it came by: set by the transport, after request_parse */
};

/*
 * @json: a checked, compact object. NULL: fine; else what is wrong with it, in words for its sender.
 * Unknown members are passed over; operationName, variables and extensions may be null. seq and epoch
 * of a resume are strings (seq may be a number); a resume of another shape is wrong.
 */
const char *request_parse(struct json_span json, struct region *region,
                          struct api_request *ret_request);

#endif
