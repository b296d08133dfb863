/*
 * server/protocol/event_stream.h - what event streams have in common: those of topics
 * (topic_stream.c) and of GraphQL subscriptions (graphql_stream.c).
 *
 * Shape    an answer without an end, fed by one subscriber. It opens with `retry:` and its position, a
 *          block of only `id: EPOCH-SEQ`, which moves the client's Last-Event-ID and is no event; every
 *          15 s the position is sent again. Events are frames shared by many streams.
 * Memory   a struct event_stream is the first member of its user's struct, which was allocated, and
 *          goes with its connection: `leave`, then free.
 */
#ifndef SERVER_PROTOCOL_EVENT_STREAM_H
#define SERVER_PROTOCOL_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/timer.h"
#include "server/protocol/client.h"

struct http_exchange;
struct service;
struct stream;
struct subscriber;

#define EVENT_STREAM_HEADERS "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\nVary: Accept\r\n"

struct event_stream {
    struct client client;
    struct timer timer;
    struct service *service;
    struct stream *stream;
    struct subscriber *subscriber; /* NULL: not subscribed yet, or in vain */
    /* Its connection has gone: ends its subscription. */
    void (*leave)(struct event_stream *events);
};

/* Registers the timer of positions. */
void event_stream_start(struct service *service);

/*
 * Answers the request with a stream. @events was zeroed; its service and leave are set. False: there
 * is none, and the request is answered.
 */
bool event_stream_open(struct event_stream *events, struct http_exchange *exchange,
                       const struct client_operations *operations);
/* What it is subscribed with, and from where: sends the position, and goes on doing so. */
void event_stream_begin(struct event_stream *events, struct subscriber *subscriber, uint64_t seq);
void event_stream_write(struct event_stream *events, const char *bytes, size_t size);
/*
 * Its end, for that reason, after what is queued; without a word the client comes back in two seconds.
 * Nothing when it has come to its end.
 */
void event_stream_finish(struct event_stream *events, enum stat_close_reason reason);
/* client_operations.describe: all but the subscription. */
void event_stream_describe(const struct client *client, struct client_view *view);
/* client_operations.close: a last warning, and the end. */
void event_stream_close(struct client *client);
/* client_operations.kick: its end without a word. */
void event_stream_kick(struct client *client);

/*
 * To a newcomer while the server drains: a stream that ends at once. A 503 would stop EventSource
 * for good; after this it comes back, to another server.
 */
void event_stream_refuse(struct service *service, struct http_exchange *exchange);
/*
 * Whether there is a stream to be begun: false when the request has been answered here, HEAD with what
 * GET would begin with, a newcomer while the server drains as above.
 */
bool event_stream_is_due(struct service *service, struct http_exchange *exchange);

#endif
