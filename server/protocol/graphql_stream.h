/*
 * server/protocol/graphql_stream.h - GraphQL subscriptions as event streams: graphql-sse's distinct
 * connections mode (PROTOCOLS section 6).
 *
 * Shape    one stream per subscription: a member of its group (server/api/group.h), so that its events
 *          are frames shared with everybody who asks for the same. Only `next` and `complete` are
 *          events; positions are blocks of just an `id:`, a drain is announced by a comment, and what
 *          ends without `complete` is worth coming back for.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_STREAM_H
#define SERVER_PROTOCOL_GRAPHQL_STREAM_H

struct http_exchange;
struct operation;
struct resume;
struct service;

/*
 * Answers with the events of a subscription that is not refused. The operation stays the caller's.
 * A resume that cannot be honoured is told by a `next`.
 */
void graphql_stream_serve(struct service *service, struct http_exchange *exchange,
                          struct operation *operation, const struct resume *resume);

#endif
