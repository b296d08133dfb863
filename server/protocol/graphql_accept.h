/*
 * server/protocol/graphql_accept.h - in what form a client of /graphql wants its answer.
 *
 * Shape    of what there is, Accept's favourite: the greatest q of the most specific range that matches;
 *          of equals, what it names before what it only lets pass, and then what comes first, as
 *          graphql-http does. HTML and event streams have to be named. A wildcard, and no Accept at
 *          all, mean application/json.
 * RFC      9110 section 12.5.1; GraphQL over HTTP (draft), section 6.1.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_ACCEPT_H
#define SERVER_PROTOCOL_GRAPHQL_ACCEPT_H

#include <stdbool.h>

struct http_element;
struct http_request;

enum graphql_media {
    GRAPHQL_MEDIA_JSON,          /* application/json: what was asked for in the past */
    GRAPHQL_MEDIA_RESPONSE_JSON, /* application/graphql-response+json */
    GRAPHQL_MEDIA_EVENT_STREAM,
    GRAPHQL_MEDIA_HTML, /* GraphiQL: GET and HEAD only */
    GRAPHQL_MEDIA_COUNT,
    GRAPHQL_MEDIA_NONE = GRAPHQL_MEDIA_COUNT, /* 406 */
};

/* @has_html: whether there is a page. */
enum graphql_media graphql_accept_choose(const struct http_request *request, bool has_html);
/* Its Content-Type; of NONE: JSON's. */
const char *graphql_accept_content_type(enum graphql_media media);
/* Whether the charset of a media type (none is UTF-8) is UTF-8. */
bool graphql_accept_is_utf8(const struct http_element *element);

#endif
