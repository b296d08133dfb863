/*
 * server/protocol/client.h - the long-lived clients of a worker: who is warned, counted and closed.
 *
 * A client is a WebSocket, an event stream or a raw TCP connection; its session embeds a struct
 * client. The drain (server/drain_worker.c) walks them in bounded steps; each leaves by client_leave,
 * which counts down and, while draining, logs how many remain on the whole server.
 * Callers  client_join, client_leave: the protocols. The walk: the drain. All in the worker's thread.
 * Memory   nothing is allocated; a struct client belongs to its session and leaves before it is freed.
 */
#ifndef SERVER_PROTOCOL_CLIENT_H
#define SERVER_PROTOCOL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct client;

struct client_operations {
    const char *
        protocol; /* "room", "broker", "broker-tcp", "event-stream", "graphql-sse", "echo": for logs */
    /* Tells it, in its protocol's way, that the server shuts down in so many seconds. */
    void (*warn)(struct client *client, uint32_t remaining_seconds);
    /* Closes it politely: 1001, or what its protocol has. */
    void (*close)(struct client *client);
};

struct client {
    const struct client_operations *operations;
    struct client *next;
    struct client **link; /* what points at this client */
    uint32_t joined_s;    /* CLOCK_MONOTONIC seconds */
    uint32_t warned;      /* the drain that has warned it: 0 none */
};

struct clients {
    struct client *first;  /* newest first */
    struct client *cursor; /* of a walk in bounded steps; moved along when its client leaves */
    size_t count;
    struct bus *bus;
    unsigned slot;
    /*
     * Set by the worker; called when a client has come, and when one has left (for the log and the
     * drain), with the name that it gave itself (NULL: none). Either may be NULL.
     */
    void (*on_joined)(void *user, const struct client *client, const char *name);
    void (*on_left)(void *user, const struct client *client, const char *name);
    void *user;
};

void clients_init(struct clients *clients, struct bus *bus, unsigned slot);
/* @name: the client's own, for the log; may be NULL. */
void client_join(struct clients *clients, struct client *client,
                 const struct client_operations *operations, const char *name);
void client_leave(struct clients *clients, struct client *client, const char *name);
/* Seconds since it joined: for the log. */
uint32_t client_age_s(const struct client *client);

typedef void client_visit_function(void *user, struct client *client);
/*
 * Visits every client once over several calls of at most @step; 1 when the walk is done, else 0.
 * Who joins during a walk is not visited by it. @visit may make clients leave.
 */
void clients_walk_begin(struct clients *clients);
int clients_walk(struct clients *clients, size_t step, client_visit_function *visit, void *user);

#endif
