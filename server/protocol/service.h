/*
 * server/protocol/service.h - what a worker offers to the protocols, and what they offer to it.
 *
 * One struct service per worker, made by worker.c; protocols keep a pointer to it. Each protocol is
 * a pair of files with one or two entry points, named at the end; the router calls them.
 * Callers  the worker: service_start before its first client; once per turn, after publisher_turn and
 *          before the flush, service_turn (and in it api_turn); service_stop when all clients are gone.
 *          It ends the store's snapshot at the end of each turn: history and others begin one.
 * Memory   the worker owns the struct (zeroed before it is filled); what is below the line in it
 *          belongs to service.c.
 */
#ifndef SERVER_PROTOCOL_SERVICE_H
#define SERVER_PROTOCOL_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/api/api.h"
#include "server/http/http.h"
#include "server/net/rate.h"
#include "server/net/timer.h"
#include "server/protocol/client.h"
#include "server/websocket/deflate.h"

struct bus;
struct log_reader;
struct loop;
struct publisher;
struct store;
struct stream;
struct topics;
struct topics_encoding;
struct websocket_set;

/* The part of the configuration that protocols look at. A reload replaces the values in place. */
struct service_limits {
    uint32_t message_bytes_max;
    uint32_t queue_bytes_max;
    uint32_t subscriptions_max;
    struct rate_limits rates; /* of one connection */
    int64_t tick_ns;
    bool is_echo_served;
    bool is_committed_durability;
    const char *const *hosts; /* host_count names */
    size_t host_count;
    const char *const *cors_origins;
    size_t cors_origin_count;
    int64_t handshake_timeout_ns; /* also of a WebSocket's connection_init */
    struct api_limits api;        /* api_options.limits points here */
};

struct service {
    struct service_limits limits;
    struct bus *bus;
    struct store *store;
    struct loop *loop;
    struct timer_wheel *timers;
    struct topics *topics;
    struct publisher *publisher;
    struct log_reader *reader;
    struct websocket_set *websockets;
    struct api *api; /* opened before service_start, closed after service_stop; NULL: no /graphql */
    struct clients clients;
    unsigned slot;
    unsigned worker_index;
    bool is_refusing; /* draining, drain_accept over: newcomers as PROTOCOLS section 1 says */
    const char *full_reason; /* why the newcomer is one too many (1013 or 503); NULL: it is not */
    bool is_control;         /* the request being handled came by the control socket: control.h */

    /* --- of the protocols ----------------------------------------------------------------- */
    struct topics_encoding *room_encodings[DEFLATE_WINDOWS]; /* by websocket_window */
    struct topics_encoding *broker_encodings[DEFLATE_WINDOWS];
    struct topics_encoding *line_encoding;
    struct topics_encoding *event_stream_encoding;
    uint32_t event_stream_timer; /* kinds */
    uint32_t line_timer;
    uint32_t graphql_socket_timer;
    struct timer tick_timer;
    char *scratch; /* for one message at a time: service_scratch */
    size_t scratch_bytes;
    struct pending_publish *pendings; /* free ones: broker.c */
    size_t pending_count;
    struct waiting_request *waiting; /* HTTP requests that are answered bit by bit: waiting.h */
    struct waiting_request **waiting_end;
    struct waiting_request *commit_waiting; /* ... that wait for a commit first */
    struct waiting_request **commit_waiting_end;
    struct graphql_operation *graphql_ended; /* over WebSocket, to be freed in the turn */
    uint32_t graphql_waiting_count;          /* operations that will be answered later */
};

/* Registers encodings and timers; once, before the first client. 0 or -ENOMEM. */
int service_start(struct service *service);
/* Frees what service.c keeps. No client and no request may be left. */
void service_stop(struct service *service);
/* Once per loop turn: steps of the requests that wait; true when it wants another turn at once. */
bool service_turn(struct service *service, int64_t now_ns);
/* Whether a wait for a commit is under way: or-ed into what the worker sleeps for. */
unsigned service_wake_reasons(const struct service *service);

/* Seconds until the drain's deadline, rounded up; 0 when there is none or it has passed. */
uint32_t service_remaining_seconds(const struct service *service);
/*
 * Takes a message or request of @bytes from what @stream's connection may send. 0: it is within the
 * rates; else it is not to be handled, and in so many ns it could be.
 */
int64_t service_rate_take(struct service *service, struct stream *stream, size_t bytes);
/* A message has come from a client. */
void service_count_message(struct service *service, enum stat_protocol protocol);
/* CLOCK_REALTIME, for the times that clients see. */
int64_t service_realtime_ns(void);
/*
 * At least @bytes of memory that stay valid until the next call; NULL: no memory. For the message that
 * is being handled, never kept.
 */
char *service_scratch(struct service *service, size_t bytes);
/* http_handlers.on_request of the worker: routes one request (router.c). @user: the service. */
void router_on_request(void *user, struct http_exchange *exchange);
/* Whether it asks for what goes on: a WebSocket, or an event stream. */
bool router_is_lasting(const struct service *service, const struct http_request *request);
/* Its on_incident likewise: counts. */
void router_on_incident(void *user, enum http_incident incident);
/* Its on_refusal: what answer.h says of every answer holds for those, too. */
void router_on_refusal(void *user, const struct http_exchange *exchange, const char *headers,
                       char lines[HTTP_LINES_BYTES_MAX]);

/* --- entry points of the protocols ------------------------------------------------------------ */

/* @rest: the path behind `/ws` (empty, or `/id`), raw. */
void room_serve(struct service *service, struct http_exchange *exchange, struct http_text rest);
void broker_serve(struct service *service, struct http_exchange *exchange);
void broker_line_serve(struct service *service, struct stream *stream); /* raw TCP */
void echo_serve(struct service *service, struct http_exchange *exchange);
/* @rest: the path behind `/topics` (empty, or `/name`), raw. */
void topics_http_serve(struct service *service, struct http_exchange *exchange,
                       struct http_text rest);
void topic_stream_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                        size_t topic_bytes);
void graphql_http_serve(struct service *service, struct http_exchange *exchange);
void health_serve(struct service *service, struct http_exchange *exchange, bool is_live_only);
void metrics_serve(struct service *service, struct http_exchange *exchange);

#endif
