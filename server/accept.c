/*
 * Accepting: every worker watches the master's listening sockets; who has more than 10 % above the
 * average looks away until that is over. DESIGN section 6, "Accepting".
 *
 * Whoever begins to look away rings the bell of the others, who may themselves be looking away
 * because of counts that have changed since: the one with the fewest connections is never above the
 * average, so at least one accepts.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/wake.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/http/http1.h"
#include "server/net/stream.h"
#include "server/worker.h"

enum {
    SHARE_PERCENT = 110, /* of the average */
    /* Descriptors that are no connections: eventfds of all slots, listeners, store, epoll. */
    DESCRIPTORS_RESERVED = BUS_SLOT_COUNT + 64,
    /* So many over max-connections are still told why they are sent away. */
    REFUSED_MAX = 64,
    /* Of a worker's connections, so many may wait for a request's head; but so many at least. */
    HANDSHAKES_DIVISOR = 4,
    HANDSHAKES_MIN = 64,
};

static uint64_t connection_count(const struct worker *worker)
{
    /* What has been accepted in this turn is not in the counters yet. */
    return stat_sum(worker->bus, STAT_CONNECTIONS) - worker->reported.open_count +
           tcp_counts(worker->tcp)->open_count;
}

enum admission {
    ADMITTED,
    REFUSED,    /* accepted, told so in its protocol, closed */
    TURNED_OFF, /* closed at once */
};

/* The newcomer is counted already. */
static enum admission judge(struct worker *worker)
{
    uint64_t total = connection_count(worker);
    uint64_t own = tcp_counts(worker->tcp)->open_count;

    drain_worker_notice(worker);
    stat_add(worker->bus, worker->slot, STAT_ACCEPTED, 1);
    if (total <= worker->accept.connections_max && own <= worker->accept.own_max)
        return ADMITTED;
    if (total <= worker->accept.connections_max + REFUSED_MAX &&
        own <= worker->accept.own_max + REFUSED_MAX)
        return REFUSED;
    stat_add(worker->bus, worker->slot, STAT_REFUSED, 1);
    return TURNED_OFF;
}

static void on_http(void *user, struct stream *stream)
{
    struct worker *worker = user;
    enum admission admission = judge(worker);

    if (admission == TURNED_OFF ||
        http1_serve(admission == ADMITTED ? &worker->http : &worker->http_full, stream) != 0)
        stream_abort(stream);
}

static void on_broker_line(void *user, struct stream *stream)
{
    struct worker *worker = user;
    enum admission admission = judge(worker);

    if (admission == TURNED_OFF) {
        stream_abort(stream);
        return;
    }
    worker->service.is_full = admission == REFUSED;
    broker_line_serve(&worker->service, stream);
    worker->service.is_full = false;
}

/* Requests of those who were one too many: the router says so to each. */
static void on_full_request(void *user, struct http_exchange *exchange)
{
    struct service *service = user;

    service->is_full = true;
    router_on_request(service, exchange);
    service->is_full = false;
}

/* Connections that this process has descriptors for. */
static uint64_t own_max(const struct worker *worker)
{
    uint64_t descriptors = worker->heritage->descriptors_max;
    uint64_t reserved = DESCRIPTORS_RESERVED + REFUSED_MAX;

    return descriptors > 2 * reserved ? descriptors - reserved : descriptors / 2;
}

uint32_t accept_handshakes_max(const struct worker *worker)
{
    uint64_t part = own_max(worker) / HANDSHAKES_DIVISOR;

    if (part < HANDSHAKES_MIN)
        return HANDSHAKES_MIN;
    return part < UINT32_MAX ? (uint32_t)part : UINT32_MAX;
}

static void set_limits(struct worker *worker)
{
    struct worker_accept *accept = &worker->accept;

    accept->own_max = own_max(worker);
    accept->connections_max = worker->config->max_connections;
    if (accept->connections_max == 0)
        accept->connections_max = accept->own_max * worker->config->workers;
    worker->full_handlers = worker->http_handlers;
    worker->full_handlers.on_request = on_full_request;
    worker->http_full = worker->http;
    worker->http_full.handlers = &worker->full_handlers;
    worker->http_full.is_closing = true; /* no keep-alive for them */
}

static int listen_on(struct worker *worker, const struct heritage_listener *listeners, size_t count,
                     tcp_accept_function *on_accept)
{
    for (size_t i = 0; i < count; i++) {
        struct worker_accept *accept = &worker->accept;
        int rc = tcp_listen(worker->tcp, listeners[i].fd, on_accept, worker,
                            &accept->listeners[accept->listener_count]);

        if (rc != 0)
            return rc;
        accept->listener_count++;
    }
    return 0;
}

int accept_open(struct worker *worker)
{
    const struct heritage *heritage = worker->heritage;
    size_t count = heritage->listener_count + heritage->broker_listener_count;
    int rc;

    set_limits(worker);
    worker->accept.listeners = calloc(count, sizeof(struct tcp_listener *));
    if (worker->accept.listeners == NULL)
        return -ENOMEM;
    rc = listen_on(worker, heritage->listeners, heritage->listener_count, on_http);
    if (rc != 0)
        return rc;
    return listen_on(worker, heritage->broker_listeners, heritage->broker_listener_count,
                     on_broker_line);
}

void accept_close(struct worker *worker)
{
    for (size_t i = 0; i < worker->accept.listener_count; i++)
        tcp_listener_close(worker->accept.listeners[i]);
    free(worker->accept.listeners);
    worker->accept.listeners = NULL;
    worker->accept.listener_count = 0;
}

/* Own count and those of the living, as their last turns left them. */
struct share {
    uint64_t own;
    uint64_t total;
    uint64_t worker_count;
};

static bool is_above_share(const struct share *share, uint64_t count)
{
    return count * 100 * share->worker_count > share->total * SHARE_PERCENT;
}

static struct share measure(const struct worker *worker)
{
    struct share share = {.own = stat_get(worker->bus, worker->slot, STAT_CONNECTIONS)};

    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        if (!bus_slot_is_active(worker->bus, slot))
            continue;
        share.worker_count++;
        share.total += stat_get(worker->bus, slot, STAT_CONNECTIONS);
    }
    return share;
}

static void ring_others(const struct worker *worker, const struct share *share)
{
    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        if (slot != worker->slot && bus_slot_is_active(worker->bus, slot) &&
            !is_above_share(share, stat_get(worker->bus, slot, STAT_CONNECTIONS)))
            wake_slot(worker->bus, slot);
    }
}

void accept_balance(struct worker *worker)
{
    struct share share = measure(worker);
    bool is_declining = is_above_share(&share, share.own);

    if (is_declining == worker->accept.is_declining)
        return;
    worker->accept.is_declining = is_declining;
    for (size_t i = 0; i < worker->accept.listener_count; i++)
        tcp_listener_enable(worker->accept.listeners[i], !is_declining);
    if (is_declining)
        ring_others(worker, &share);
}
