/*
 * server/protocol/client.h - the long-lived clients of a worker: who is warned, counted and closed.
 *
 * A client is a WebSocket, an event stream or a raw TCP connection; its session embeds a struct
 * client. The drain (server/drain_worker.c) walks them in bounded steps; each leaves by client_leave,
 * which counts down and, while draining, logs how many remain on the whole server.
 * Reasons  whoever ends a client says why before (client_give_reason), and the first that is said
 *          counts; what layers below have ended tells its user why (websocket_end,
 *          stream_close_reason). A goodbye is a WebSocket's close frame; event streams and raw TCP
 *          have none but the end of their peer's side.
 * Callers  client_join, client_leave: the protocols. The walk: the drain. All in the worker's thread.
 * Memory   nothing is allocated; a struct client belongs to its session and leaves before it is freed.
 */
#ifndef SERVER_PROTOCOL_CLIENT_H
#define SERVER_PROTOCOL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/stats.h"
#include "server/net/stream.h"

struct bus;
struct client;

enum {
    CLIENT_NAME_BYTES_MAX = 65, /* terminated */
    CLIENT_PEER_BYTES_MAX = 64,
};

/* What there is to say of a client: for the log and for sluicectl. */
struct client_view {
    enum stat_protocol protocol;
    uint32_t number;                  /* of this worker's clients; never used again */
    char name[CLIENT_NAME_BYTES_MAX]; /* that it gave itself; "": none */
    char peer[CLIENT_PEER_BYTES_MAX]; /* "127.0.0.1:5000", "unix" */
    const char *transport;            /* stream_transport's word; "" where there is no stream */
    uint32_t age_s;
    int64_t age_ns;
    uint64_t messages_in;
    uint64_t messages_out; /* events queued for it, and what /echo sends; answers are not counted */
    uint64_t bytes_in;     /* of its connection, the handshake included */
    uint64_t bytes_out;
    uint64_t queued_bytes;
    uint32_t subscriptions;
    uint32_t lagging; /* of them */
};

struct client_operations {
    enum stat_protocol protocol;
    /*
     * Fills in name, peer, transport, messages_out, bytes_*, queued_bytes, subscriptions, lagging;
     * also when it has just joined, and when its connection has gone.
     */
    void (*describe)(const struct client *client, struct client_view *view);
    /* Tells it, in its protocol's way, that the server shuts down in so many seconds. */
    void (*warn)(struct client *client, uint32_t remaining_seconds);
    /* Closes it politely: 1001, or what its protocol has. */
    void (*close)(struct client *client);
    /* Ends it for an administrator: 1008, or what its protocol has. Nothing when it is ending. */
    void (*kick)(struct client *client);
};

struct client {
    const struct client_operations *operations;
    struct client *next;
    struct client **link;  /* what points at this client */
    int64_t joined_ns;     /* CLOCK_MONOTONIC */
    uint64_t messages_in;  /* its protocol counts */
    uint32_t number;       /* of this worker's clients and those of workers before it, from 1 */
    uint16_t close_code;   /* of its WebSocket's end; 0: there was none */
    bool is_warned : 1;    /* the drain has told it */
    bool is_dismissed : 1; /* the drain has asked it to go */
    bool was_cut : 1;      /* its connection was ended by us: no answer to our goodbye had come */
    uint8_t reason : 7;    /* enum stat_close_reason */
    bool has_reason : 1;
};

/* How far a walk in bounded steps has come; zeroed before its first beginning. */
struct clients_walk {
    struct client *cursor; /* visited next; moved along when it leaves */
    struct clients_walk *next;
    struct clients_walk **link; /* what points at this walk; NULL: it is not under way */
};

struct clients {
    struct client *first;       /* newest first */
    struct clients_walk *walks; /* under way */
    size_t count;
    uint32_t last_number;
    struct bus *bus;
    unsigned slot;
    /*
     * Set by the worker; called when a client has come, and when one has left (for the log and the
     * drain). Either may be NULL.
     */
    void (*on_joined)(void *user, const struct client *client);
    void (*on_left)(void *user, const struct client *client);
    void *user;
};

void clients_init(struct clients *clients, struct bus *bus, unsigned slot);
void client_join(struct clients *clients, struct client *client,
                 const struct client_operations *operations);
void client_leave(struct clients *clients, struct client *client);
void client_describe(const struct client *client, struct client_view *ret_view);
/* Why it is about to leave; the first that is said counts. Unsaid: STAT_CLOSED_GONE. */
void client_give_reason(struct client *client, enum stat_close_reason reason);
/* The same, and whether it was cut, from on_close of a client without a WebSocket. */
void client_give_stream_reason(struct client *client, enum stream_close_reason reason);
/* For `describe`: what its stream tells. */
void client_view_stream(struct client_view *view, const struct stream *stream);
/* Closes it at an administrator's word (STAT_CLOSED_KICKED). */
void client_kick(struct client *client);

typedef void client_visit_function(void *user, struct client *client);
/*
 * Visits every client once, newest first, over several calls of at most @step; 1 when the walk is done,
 * else 0. Who joins during a walk is not visited by it. @visit may make clients leave. One that is
 * begun while it is under way begins anew.
 */
void clients_walk_begin(struct clients *clients, struct clients_walk *walk);
int clients_walk(struct clients_walk *walk, size_t step, client_visit_function *visit, void *user);
/* Ends it before it is done; nothing when it is not under way. */
void clients_walk_end(struct clients_walk *walk);

#endif
