/*
 * server/protocol/graphql_socket.h - GraphQL over WebSocket: `graphql-transport-ws`, and the older
 * `graphql-ws` of subscriptions-transport-ws, on one state machine (PROTOCOLS section 6).
 *
 * Shape    a session per connection with a list of its operations, found by the ids that the client
 *          gave them; a subscription is a member of its group (server/api/group.h), so that its
 *          events are frames shared with everybody who asks for the same.
 * Limits   --max-subscriptions operations at once, of all kinds; GROUP_ID_BYTES_MAX of id;
 *          --handshake-timeout for connection_init.
 * Memory   an operation lives until it completes, is completed or the connection goes.
 */
#ifndef SERVER_PROTOCOL_GRAPHQL_SOCKET_H
#define SERVER_PROTOCOL_GRAPHQL_SOCKET_H

struct http_exchange;
struct service;

/* The service's start: registers a timer. */
void graphql_socket_start(struct service *service);
/* The service's turn, and its stop: frees the subscriptions that have ended by themselves. */
void graphql_socket_turn(struct service *service);
/* An upgrade of /graphql: answers the request, whatever it is. */
void graphql_socket_serve(struct service *service, struct http_exchange *exchange);

#endif
