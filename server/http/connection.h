/*
 * server/http/connection.h - what connections of every HTTP version have in common: their places in
 * the server's two lists.
 *
 * Lists    who waits for the head of a request, and is owed nothing, stands in `waiting`, longest first,
 *          and may be closed in favour of a newcomer (handshakes_max); everybody else stands in
 *          `connections`.
 * Callers  server/http/ only.
 */
#ifndef SERVER_HTTP_CONNECTION_H
#define SERVER_HTTP_CONNECTION_H

#include <stdbool.h>

#include "server/http/http.h"

struct http_connection_operations {
    void (*evict)(struct http_connection *connection); /* leaves `waiting`; may free it */
    /* Ends it if it is idle; may free it, and nobody else. */
    void (*close_idle)(struct http_connection *connection);
    void (*begin_closing)(struct http_connection *connection); /* NULL: nothing to be told */
};

/* First in each version's own struct. */
struct http_connection {
    const struct http_connection_operations *operations;
    struct http_server *server;
    struct http_connection *prev;
    struct http_connection *next;
    bool is_waiting; /* stands in that list */
    bool is_old;     /* accepted before a drain began */
};

/* A newcomer: it waits. Who has waited longest may have to go. */
void http_connection_add(struct http_connection *connection, struct http_server *server,
                         const struct http_connection_operations *operations);
/* Moves it between the lists: the only place that does. */
void http_connection_set_waiting(struct http_connection *connection, bool is_waiting);
void http_connection_remove(struct http_connection *connection);
/* A request is under way, or no longer, that a drain waits for if the connection was there before. */
void http_connection_count_busy(struct http_connection *connection, bool is_busy);
/* @connection is another object's from now on (HTTP/2 has been spoken): its place and age go along. */
void http_connection_inherit(struct http_connection *heir, struct http_connection *connection,
                             const struct http_connection_operations *operations);

void http_connection_tell(const struct http_connection *connection, enum http_incident incident);

/*
 * How long what has moved (@moved_bytes since the last look) puts a wait of at most @patience_ns off:
 * as long as it should have taken. 0: it does not.
 */
int64_t http_patience_ns(const struct http_limits *limits, uint32_t moved_bytes,
                         int64_t patience_ns);

#endif
