/*
 * server/worker.h - one worker's state, shared by worker*.c, accept.c and drain_worker.c only.
 *
 * Turn     loop (callbacks parse and queue publishes) → append and answer → deliver → requests that
 *          wait → catch up → flush → judge → reap → drain → balance → counters → sleep, if there
 *          is nothing left to do. What was woken for is delivered in the same turn: an idle
 *          server adds no delay.
 * Memory   one struct, static: what a process that ends by _exit leaves behind (the store must not
 *          be closed) stays reachable.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/admission.h"
#include "server/drain_worker.h"
#include "server/http/http.h"
#include "server/net/budget.h"
#include "server/net/loop.h"
#include "server/net/tcp.h"
#include "server/process_stats.h"
#include "server/protocol/service.h"
#include "server/share.h"
#include "server/trim.h"
#include "server/websocket/deflate.h"

struct config;
struct heritage;

/* Who may connect, and how many (accept.c). */
struct worker_accept {
    struct tcp_listener **listeners; /* HTTP first, then raw TCP */
    size_t listener_count;
    bool is_declining; /* more than its share: the others shall accept */
    struct share share;
    struct admissions admissions;
    struct network *proxies; /* that are trusted */
    size_t proxy_count;
};

/* The administrator's door (accept.c; server/control_sockets.h). */
struct worker_control {
    struct tcp_listener *listener; /* NULL: there is none */
    uint32_t connection_count;
    struct http_limits limits;
    struct http_handlers handlers;
    struct http_server http;
};

/* What the layers below have counted. */
struct worker_counts {
    struct tcp_counts tcp;
    struct http2_counts http2;
    struct deflate_counts deflate;
};

struct worker {
    const struct heritage *heritage;
    const struct config *config;
    struct bus *bus;
    unsigned index;
    unsigned slot;
    struct loop *loop;
    struct loop_source wake_source;
    struct store *store;
    struct tcp_set *tcp;
    struct budget input_budget; /* what has come and is not whole, of all connections */
    struct service service;
    struct http_limits http_limits;
    struct http_handlers http_handlers;
    struct http_server http;
    struct http_server http_full; /* for those who are one too many */
    struct worker_accept accept;
    struct worker_control control;
    struct worker_drain drain;
    struct trim trim;
    struct process_stats process;
    struct worker_counts reported; /* what the counters in the ring know of */
    uint64_t first_turn;           /* its number in the slot's count */
    uint64_t committed_seq;        /* as the turn saw it */
    bool is_awaiting_committed;    /* delivers what is committed only */
};

/* Sets what the number of connections depends on and opens the listeners. 0 or -errno. */
int accept_open(struct worker *worker);
/* Stops accepting for good. */
void accept_close(struct worker *worker);
/* When no connection is left. */
void accept_done(struct worker *worker);
/* Once per turn and newcomer: takes the listeners out of the epoll set while we have enough. */
void accept_balance(struct worker *worker);
/* What a sleeper waits for in order to accept again: enum wake_reason. */
unsigned accept_wake_reasons(const struct worker *worker);
/* After wake_prepare: counts have changed, and we may. */
bool accept_has_news(const struct worker *worker);

#endif
