/*
 * Accepting: every worker watches the master's listening sockets; who has enough (share.h) looks away
 * until that is over. Who is admitted at all: admission.h.
 *
 * It is judged after each newcomer, not before: of those whom the kernel wakes for one, somebody
 * takes it. Whoever begins to look away rings the bell of those who look away and need not any more:
 * the one with the fewest never has to, so at least one accepts. Who looks away is asleep until
 * then (or for a second).
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/slots.h"
#include "bus/wake.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/http/forwarded.h"
#include "server/http/http1.h"
#include "server/log.h"
#include "server/net/network.h"
#include "server/net/stream.h"
#include "server/net/tls.h"
#include "server/protocol/control.h"
#include "server/tls_worker.h"
#include "server/worker.h"

enum {
    /*
     * Connections to the control socket: a newcomer beyond is closed at once. Of those that wait for a
     * request the oldest gives way before that, so that idle ones keep nobody out.
     */
    CONTROL_CONNECTIONS_MAX = 64,
    CONTROL_HANDSHAKES_MAX = 32,
    CONTROL_MARK = TCP_MARK_MAX, /* tcp_mark, where others have their enum admission */
    /* What a process has open besides connections, where /proc does not tell. */
    DESCRIPTORS_USUAL = BUS_SLOT_COUNT + 32,
    /* Of a worker's connections, so many may wait for a request's head; but so many at least. */
    HANDSHAKES_DIVISOR = 4,
    HANDSHAKES_MIN = 64,
};

/* --- newcomers ------------------------------------------------------------------------------------ */

static bool is_trusted(const struct worker *worker, const struct sockaddr_storage *address)
{
    return networks_have(worker->accept.proxies, worker->accept.proxy_count, address);
}

/* A proxy stands for as many as it has clients: it is not counted among those of its address. */
static void except_proxy(const struct worker *worker, struct sockaddr_storage *address)
{
    if (is_trusted(worker, address))
        *address = (struct sockaddr_storage){.ss_family = AF_UNIX};
}

static void take_address(const struct worker *worker, const struct stream *stream,
                         struct sockaddr_storage *ret_address)
{
    tcp_peer_address(stream, ret_address);
    except_proxy(worker, ret_address);
}

static enum admission admit(struct worker *worker, struct stream *stream)
{
    struct sockaddr_storage address;
    enum admission verdict;

    drain_worker_notice(worker);
    take_address(worker, stream, &address);
    verdict = admission_judge(&worker->accept.admissions, &address);
    tcp_mark(stream, verdict);
    accept_balance(worker); /* the next one, in this very turn, may be another's */
    return verdict;
}

static void on_gone(void *user, const struct stream *stream, unsigned mark)
{
    struct worker *worker = user;
    struct sockaddr_storage address;

    if (mark == CONTROL_MARK) {
        worker->control.connection_count--;
        return;
    }
    take_address(worker, stream, &address);
    admission_end(&worker->accept.admissions, (enum admission)mark, &address);
}

static void on_http(void *user, struct stream *stream)
{
    struct worker *worker = user;
    enum admission verdict = admit(worker, stream);
    struct http_server *server =
        admission_reason(verdict) == NULL ? &worker->http : &worker->http_full;

    if (verdict == ADMISSION_TURNED_OFF || http1_serve(server, stream) != 0)
        stream_abort(stream);
}

static void on_broker_line(void *user, struct stream *stream)
{
    struct worker *worker = user;
    enum admission verdict = admit(worker, stream);

    if (verdict == ADMISSION_TURNED_OFF) {
        stream_abort(stream);
        return;
    }
    worker->service.full_reason = admission_reason(verdict);
    broker_line_serve(&worker->service, stream);
    worker->service.full_reason = NULL;
}

/* Not one of the connections that limits, shares and drains are about. */
static void on_control(void *user, struct stream *stream)
{
    struct worker *worker = user;
    struct worker_control *control = &worker->control;

    if (control->connection_count >= CONTROL_CONNECTIONS_MAX) {
        stream_abort(stream);
        return;
    }
    control->connection_count++;
    tcp_mark(stream, CONTROL_MARK);
    if (http1_serve(&control->http, stream) != 0)
        stream_abort(stream);
}

/*
 * The connection is counted for the client that its proxy speaks for now; not one of HTTP/2, which may
 * be many clients' at once.
 */
static void readmit(struct worker *worker, struct stream *stream,
                    const struct sockaddr_storage *client)
{
    struct sockaddr_storage before;
    struct sockaddr_storage after;
    enum admission verdict = (enum admission)tcp_mark_of(stream);

    take_address(worker, stream, &before);
    stream_name_peer(stream, client);
    take_address(worker, stream, &after);
    tcp_mark(stream, admission_move(&worker->accept.admissions, verdict, &before, &after));
}

/* What a proxy that is trusted says of its client. */
static void take_forwarded(struct worker *worker, struct http_exchange *exchange)
{
    struct stream *stream = http_exchange_stream(exchange);
    const struct http_request *request = http_request(exchange);
    struct sockaddr_storage holder;
    struct sockaddr_storage before;
    struct forwarded forwarded;
    bool is_said;

    tcp_holder_address(stream, &holder);
    if (!is_trusted(worker, &holder))
        return;
    forwarded = forwarded_read(request, worker->accept.proxies, worker->accept.proxy_count);
    is_said = forwarded.address.ss_family != AF_UNSPEC;
    http_exchange_set_client(exchange, &forwarded.address, forwarded.is_secure);
    tcp_peer_address(stream, &before);
    /* One that says nobody is its own, whoever the one before it was for. */
    if (!request->is_http_2 && (is_said || memcmp(&before, &holder, sizeof before) != 0))
        readmit(worker, stream, is_said ? &forwarded.address : &holder);
}

/* One of many that a connection of HTTP/2 may carry, for as long as it lasts. */
static enum admission admit_stream(struct worker *worker, struct http_exchange *exchange)
{
    struct sockaddr_storage address;
    enum admission verdict;
    uint64_t ticket;

    http_exchange_client(exchange, &address);
    except_proxy(worker, &address);
    verdict = admission_judge_stream(&worker->accept.admissions, &address, &ticket);
    if (ticket != 0)
        http_exchange_give_ticket(exchange, ticket);
    return verdict;
}

static struct worker *worker_of(struct service *service)
{
    return (struct worker *)(void *)((char *)service - offsetof(struct worker, service));
}

static void on_ticket(void *user, uint64_t ticket)
{
    admission_end_stream(&worker_of(user)->accept.admissions, ticket);
}

/* Requests of those who were one too many: the router says so to each. */
static void on_request(void *user, struct http_exchange *exchange)
{
    struct service *service = user;
    struct worker *worker = worker_of(service);
    const struct http_request *request = http_request(exchange);
    enum admission verdict;

    if (worker->accept.proxy_count > 0)
        take_forwarded(worker, exchange);
    verdict = (enum admission)tcp_mark_of(http_exchange_stream(exchange));
    if (request->is_http_2 && admission_reason(verdict) == NULL &&
        router_is_lasting(service, request))
        verdict = admit_stream(worker, exchange);
    service->full_reason = admission_reason(verdict);
    router_on_request(service, exchange);
    service->full_reason = NULL;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* What is open now, when only connections are to come. */
static uint64_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (dir == NULL)
        return DESCRIPTORS_USUAL;
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir); /* only read */
    return count;        /* and the three for `.`, `..` and itself */
}

static uint32_t handshakes_max(const struct admissions *admissions)
{
    uint64_t part = admissions->own_max / HANDSHAKES_DIVISOR;

    if (part < HANDSHAKES_MIN)
        return HANDSHAKES_MIN;
    return part < UINT32_MAX ? (uint32_t)part : UINT32_MAX;
}

static void set_share(struct worker *worker)
{
    struct share *share = &worker->accept.share;
    unsigned first_slot = worker->slot - worker->index;

    *share = (struct share){
        .bus = worker->bus,
        .lives = worker->heritage->lives,
        .slot = worker->slot,
        .connections_max = worker->accept.admissions.own_max,
    };
    for (unsigned i = 0; i < worker->config->workers; i++)
        share_await(share, first_slot + i, loop_now_ns(worker->loop));
}

static void set_limits(struct worker *worker)
{
    const struct heritage *heritage = worker->heritage;
    const struct config *config = worker->config;
    struct admissions *admissions = &worker->accept.admissions;
    uint64_t possible;

    *admissions = (struct admissions){
        .bus = worker->bus,
        .addresses = heritage->address_counts,
        .hash_seed = heritage->hash_seed,
        .slot = worker->slot,
        .connections_max = config->max_connections,
        .per_address_max = config->max_per_address,
    };
    admission_set_descriptors(admissions, heritage->descriptors_max, count_descriptors());
    possible = admissions->own_max * config->workers;
    if (admissions->connections_max == 0)
        admissions->connections_max = possible;
    if (admissions->connections_max > possible && worker->index == 0)
        log_warning(LOG_START_WARNING,
                    "max-connections of %" PRIu64 " are more than %" PRIu64
                    " open files allow to each of %" PRIu64 " workers: %" PRIu64 " in all",
                    admissions->connections_max, heritage->descriptors_max, config->workers,
                    possible);
    worker->http_limits.handshakes_max = handshakes_max(admissions);
    worker->http_handlers.on_request = on_request;
    worker->http_handlers.on_ticket = on_ticket;
    worker->http_full = worker->http;
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
        if (listeners[i].address.is_tls)
            tcp_listener_set_tls(accept->listeners[accept->listener_count], worker->heritage->tls,
                                 on_accept == on_http ? TLS_FOR_HTTP : TLS_FOR_LINES);
        if (worker->config->proxy_protocol)
            tcp_listener_expect_proxies(accept->listeners[accept->listener_count], accept->proxies,
                                        accept->proxy_count, worker->http_limits.handshakes_max);
        accept->listener_count++;
    }
    return 0;
}

/* Nobody is turned away there for the sake of others; descriptors are shared with all. */
static int open_control(struct worker *worker)
{
    struct worker_control *control = &worker->control;
    int fd = control_sockets_keep(&worker->heritage->control, worker->index);

    if (fd < 0)
        return 0; /* why has been said at start */
    control->limits = worker->http_limits;
    control->limits.handshakes_max = CONTROL_HANDSHAKES_MAX;
    control->handlers = worker->http_handlers;
    control->handlers.on_request = control_on_request;
    control->http = worker->http;
    control->http.limits = &control->limits;
    control->http.handlers = &control->handlers;
    return tcp_listen(worker->tcp, fd, on_control, worker, &control->listener);
}

/* They have been looked at when the configuration was. */
static int set_proxies(struct worker *worker)
{
    const struct text_list *list = &worker->config->trusted_proxies;
    struct worker_accept *accept = &worker->accept;
    const char *reason;

    if (list->count == 0)
        return 0;
    accept->proxies = calloc(list->count, sizeof *accept->proxies);
    if (accept->proxies == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        CHECK(network_parse(list->items[i], &accept->proxies[i], &reason) == 0);
    accept->proxy_count = list->count;
    return 0;
}

static void on_no_header(void *user, const struct stream *stream)
{
    char peer[TCP_ADDRESS_TEXT_MAX];
    struct log_field field;

    (void)user;
    tcp_peer_text(stream, peer, sizeof peer);
    field = log_told(log_text(LOG_FIELD_PEER, peer));
    log_fields(LOG_LEVEL_WARNING, LOG_NO_PROXY_HEADER, &field, 1,
               "no PROXY header from %s, which is one of trusted_proxies: closed", peer);
}

int accept_open(struct worker *worker)
{
    const struct heritage *heritage = worker->heritage;
    size_t count = heritage->listener_count + heritage->broker_listener_count;
    int rc;

    set_limits(worker);
    set_share(worker);
    tcp_set_on_gone(worker->tcp, on_gone, worker);
    tcp_set_on_tls(worker->tcp, tls_worker_on_handshake, worker);
    tcp_set_on_no_header(worker->tcp, on_no_header, NULL);
    rc = open_control(worker);
    if (rc == 0)
        rc = set_proxies(worker);
    if (rc != 0)
        return rc;
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
    tcp_listener_close(worker->control.listener);
    worker->control.listener = NULL;
}

void accept_done(struct worker *worker)
{
    free(worker->accept.proxies);
    worker->accept.proxies = NULL;
    worker->accept.proxy_count = 0;
}

/* --- sharing them evenly -------------------------------------------------------------------------- */

static void watch_listeners(struct worker *worker, bool is_wanted)
{
    for (size_t i = 0; i < worker->accept.listener_count; i++)
        tcp_listener_enable(worker->accept.listeners[i], is_wanted);
}

void accept_balance(struct worker *worker)
{
    struct worker_accept *accept = &worker->accept;
    bool is_lost = share_look(&accept->share, loop_now_ns(worker->loop));
    bool was_declining = accept->is_declining;

    accept->is_declining = share_is_enough(&accept->share);
    if (accept->is_declining != was_declining) {
        watch_listeners(worker, !accept->is_declining);
        if (accept->is_declining)
            share_ring_others(&accept->share);
    } else if (is_lost && !accept->is_declining) {
        watch_listeners(worker, false); /* to be told anew of who waits there */
        watch_listeners(worker, true);
    }
}

unsigned accept_wake_reasons(const struct worker *worker)
{
    return worker->accept.is_declining ? WAKE_SHARE : 0;
}

bool accept_has_news(const struct worker *worker)
{
    return worker->accept.is_declining && !share_is_enough(&worker->accept.share);
}
