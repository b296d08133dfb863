/*
 * server/protocol/service.h - what a worker offers to the protocols, and what they offer to it.
 *
 * One struct service per worker, made by worker.c; protocols keep a pointer to it. Each protocol is
 * a pair of files with one or two entry points, named at the end; the router calls them.
 */
#ifndef SERVER_PROTOCOL_SERVICE_H
#define SERVER_PROTOCOL_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/protocol/client.h"

struct bus;
struct http_exchange;
struct log_reader;
struct loop;
struct publisher;
struct store;
struct stream;
struct timer_wheel;
struct topics;
struct websocket_set;

/* The part of the configuration that protocols look at. A reload replaces the values in place. */
struct service_limits {
    uint32_t message_bytes_max;
    uint32_t queue_bytes_max;
    uint32_t subscriptions_max;
    uint32_t connections_max;
    int64_t tick_ns;
    bool is_echo_served;
    bool is_committed_durability;
    const char *const *hosts; /* host_count names */
    size_t host_count;
    const char *const *cors_origins;
    size_t cors_origin_count;
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
    struct clients clients;
    unsigned slot;
    unsigned worker_index;
    unsigned room_encoding; /* numbers from topics_register_encoding */
    unsigned broker_encoding;
    unsigned line_encoding;
    unsigned event_stream_encoding;
    struct waiting_request *waiting; /* HTTP requests that wait for a commit or read on: topics_http.c */
};

/* Registers encodings and timers; once, before the first client. */
int service_start(struct service *service);
/* Once per loop turn: the room's tick, requests that wait; true when it wants another turn at once. */
bool service_turn(struct service *service, int64_t now_ns);
/* Whether a wait for a commit is under way: or-ed into what the worker sleeps for. */
unsigned service_wake_reasons(const struct service *service);

/* http_handlers.on_request of the worker: routes one request (router.c). @user: the service. */
void router_on_request(void *user, struct http_exchange *exchange);

/* --- entry points of the protocols ------------------------------------------------------------ */

struct http_text;

/* @rest: the path behind `/ws` (empty, or `/id`), raw. */
void room_serve(struct service *service, struct http_exchange *exchange, struct http_text rest);
void broker_serve(struct service *service, struct http_exchange *exchange);
void broker_line_serve(struct service *service, struct stream *stream); /* raw TCP */
void echo_serve(struct service *service, struct http_exchange *exchange);
/* @rest: the path behind `/topics` (empty, or `/name`), raw. */
void topics_http_serve(struct service *service, struct http_exchange *exchange, struct http_text rest);
void event_stream_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                        size_t topic_bytes);
void health_serve(struct service *service, struct http_exchange *exchange, bool is_live_only);
void metrics_serve(struct service *service, struct http_exchange *exchange);

#endif
