/*
 * server/protocol/graphql_stream.h - GraphQL as event streams: graphql-sse's distinct connections mode
 * (PROTOCOLS section 6).
 *
 * Shape    the answer of a query or mutation is a stream that is complete: a `next`, a `complete`. A
 *          subscription has a stream without an end, a member of its group (server/api/group.h), so
 *          that its events are frames shared with everybody who asks for the same. Only `next` and
 *          `complete` are events: a drain is announced by a comment, and what ends without `complete`
 *          is worth coming back for.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_STREAM_H
#define SERVER_PROTOCOL_GRAPHQL_STREAM_H

struct http_exchange;
struct operation;
struct resume;
struct service;
struct text;

/* The whole stream of an operation that is refused or done. */
void graphql_stream_write(const struct operation *operation, struct text *out);
/*
 * Answers with the events of a subscription that is not refused; the operation stays the caller's. A
 * resume that cannot be honoured is told by a `next` with the error GAP, and the stream goes on with
 * the oldest event kept.
 */
void graphql_stream_serve(struct service *service, struct http_exchange *exchange,
                          struct operation *operation, const struct resume *resume);

#endif
