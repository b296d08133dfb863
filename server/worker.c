#include "server/worker.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bus/lives.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/test_point.h"
#include "bus/wake.h"
#include "server/api/api.h"
#include "server/api/model.h"
#include "server/child.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/log.h"
#include "server/roles.h"
#include "server/spawn.h"
#include "server/topics/log_reader.h"
#include "server/topics/publisher.h"
#include "server/topics/topics.h"
#include "server/websocket/websocket.h"
#include "store/env.h"

enum {
    CATCH_UP_BYTES = 256 * 1024, /* for lagging subscribers, per turn */
    /* Of the input budget: so much, or so many of the longest messages. README, "Limits". */
    INPUT_BYTES = 64 * 1024 * 1024,
    CONTEXTS_BYTES_MAX = 64 * 1024 * 1024, /* of --deflate-takeover; 1,365 connections */
    INPUT_MESSAGES = 8,
    INPUT_OVERHEAD = 16 * 1024, /* of a message: what it is parsed with */
    HTTP_RATE_BYTES_MIN = 1024, /* per second, of bodies and answers that take their time */
    HTTP_PATIENCE = 3,          /* handshake timeouts, with either when it comes to a halt */
};
#define SLEEP_NS_MAX    CLOCK_SECOND_NS /* the master counts turns */
#define IDLE_TIMEOUT_NS (75 * CLOCK_SECOND_NS)

static struct worker this_worker;

/* --- opening -------------------------------------------------------------------------------------- */

static void on_wake(struct loop_source *source, uint32_t events)
{
    (void)source; /* the turn looks at everything anyway, and empties it */
    (void)events;
}

static int open_store(struct worker *worker)
{
    const struct store_options options = {
        .data_dir = worker->config->data,
        .map_bytes = worker->config->map_size,
    };
    int rc = store_open(&options, &worker->store);

    if (rc != 0)
        log_error(LOG_START_FAILED, "the store cannot be opened: %s", store_error_text());
    return rc;
}

static struct api_limits api_limits(const struct config *config)
{
    struct api_limits limits = {
        .operation = LIMITS_DEFAULT,
        .document_bytes_max = (uint32_t)config->graphql_document,
        .is_introspection_allowed = config->introspection,
    };

    limits.operation.depth_max = (uint32_t)config->graphql_depth;
    limits.operation.complexity_max = config->graphql_complexity;
    return limits;
}

static void set_limits(struct worker *worker)
{
    const struct config *config = worker->config;

    worker->is_awaiting_committed = config->durability == DURABILITY_COMMITTED;
    worker->input_budget.bytes_max = INPUT_MESSAGES * (config->max_message + INPUT_OVERHEAD);
    if (worker->input_budget.bytes_max < INPUT_BYTES)
        worker->input_budget.bytes_max = INPUT_BYTES;
    worker->service.limits = (struct service_limits){
        .message_bytes_max = (uint32_t)config->max_message,
        .queue_bytes_max = (uint32_t)config->max_queue,
        .subscriptions_max = (uint32_t)config->max_subscriptions,
        .rates = {.messages = config->max_rate, .bytes = config->max_byte_rate},
        .tick_ns = (int64_t)config->tick,
        .is_echo_served = config->echo,
        .is_committed_durability = worker->is_awaiting_committed,
        .hosts = (const char *const *)config->hosts.items,
        .host_count = config->hosts.count,
        .cors_origins = (const char *const *)config->cors_origins.items,
        .cors_origin_count = config->cors_origins.count,
        .handshake_timeout_ns = (int64_t)config->handshake_timeout,
        .api = api_limits(config),
    };
    worker->http_limits = (struct http_limits){
        .head_bytes_max = (uint32_t)config->max_head,
        .body_bytes_max = (uint32_t)config->max_message,
        .rate_bytes_min = HTTP_RATE_BYTES_MIN,
        .allows_connect = config->h2_websockets,
        .head_timeout_ns = (int64_t)config->handshake_timeout,
        .body_timeout_ns = HTTP_PATIENCE * (int64_t)config->handshake_timeout,
        .idle_timeout_ns = IDLE_TIMEOUT_NS,
        .write_timeout_ns = HTTP_PATIENCE * (int64_t)config->handshake_timeout,
    };
}

static bool is_row_topic(const void *user, const char *topic, size_t topic_bytes)
{
    return model_is_row_topic(user, topic, topic_bytes);
}

static int open_topics(struct worker *worker)
{
    struct service_limits *limits = &worker->service.limits;
    const struct topics_options options = {
        .bus = worker->bus,
        .store = worker->store,
        .counts = worker->heritage->topic_counts,
        .hash_seed = worker->heritage->hash_seed,
        .slot = worker->slot,
        .queue_bytes_max = &limits->queue_bytes_max,
        .subscriptions_max = &limits->subscriptions_max,
        .deliver_committed_only = &limits->is_committed_durability,
        .is_row_topic = is_row_topic,
        .is_row_topic_user = worker->heritage->model,
    };
    const struct publisher_options publisher_options = {
        .bus = worker->bus,
        .slot = worker->slot,
        .always_durable = &limits->is_committed_durability,
    };
    int rc = topics_open(&options, &worker->service.topics);

    if (rc == 0)
        rc = publisher_open(&publisher_options, &worker->service.publisher);
    if (rc == 0)
        rc = log_reader_open(worker->bus, worker->store, &worker->service.reader);
    return rc;
}

static int open_api(struct worker *worker)
{
    struct service *service = &worker->service;
    const struct api_options options = {
        .model = worker->heritage->model,
        .bus = worker->bus,
        .store = worker->store,
        .topics = service->topics,
        .publisher = service->publisher,
        .reader = service->reader,
        .limits = &service->limits.api,
    };
    int rc = api_open(&options, &service->api);

    if (rc == -ESTALE)
        log_error(LOG_START_FAILED, "the store in %s has another schema by now",
                  worker->config->data);
    return rc;
}

static int open_protocols(struct worker *worker)
{
    const struct websocket_options options = {
        .input_budget = &worker->input_budget,
        .message_bytes_max = (uint32_t)worker->config->max_message,
        .is_deflate_offered = worker->config->deflate,
        .allows_takeover = worker->config->deflate_takeover,
        .contexts_bytes_max = CONTEXTS_BYTES_MAX,
        .ping_interval_ns = (int64_t)worker->config->ping_interval,
        .ping_timeout_ns = (int64_t)worker->config->ping_timeout,
    };
    struct service *service = &worker->service;
    int rc = websocket_set_open(loop_timers(worker->loop), &options, &service->websockets);

    if (rc != 0)
        return rc;
    service->bus = worker->bus;
    service->store = worker->store;
    service->loop = worker->loop;
    service->timers = loop_timers(worker->loop);
    service->slot = worker->slot;
    service->worker_index = worker->index;
    clients_init(&service->clients, worker->bus, worker->slot);
    service->clients.on_joined = drain_on_joined;
    service->clients.on_left = drain_on_left;
    service->clients.user = worker;
    worker->http_handlers.on_request = router_on_request;
    worker->http_handlers.on_incident = router_on_incident;
    worker->http_handlers.on_refusal = router_on_refusal;
    worker->http = (struct http_server){
        .handlers = &worker->http_handlers,
        .user = service,
        .limits = &worker->http_limits,
        .budget = &worker->input_budget,
        .timers = service->timers,
    };
    return service_start(service);
}

static int open_worker(struct worker *worker)
{
    int rc = lives_begin(worker->heritage->lives, worker->slot);

    if (rc != 0)
        return rc;
    set_limits(worker);
    rc = open_store(worker);
    if (rc == 0)
        rc = loop_open(&worker->loop);
    if (rc != 0)
        return rc;
    worker->wake_source = (struct loop_source){
        .on_event = on_wake,
        .fd = wake_fd(worker->bus, worker->slot),
    };
    rc = loop_watch(worker->loop, &worker->wake_source, EPOLLIN | EPOLLET);
    if (rc == 0)
        rc = tcp_set_open(worker->loop, &worker->input_budget, &worker->tcp);
    if (rc == 0)
        rc = open_topics(worker);
    if (rc == 0)
        rc = open_api(worker);
    if (rc == 0)
        rc = open_protocols(worker);
    if (rc == 0)
        rc = accept_open(worker);
    return rc;
}

/* In the order in which they use each other. The store stays: store/env.h. */
static void close_worker(struct worker *worker)
{
    accept_close(worker);
    drain_worker_end(worker);
    tcp_set_close(worker->tcp);
    accept_done(worker);
    service_stop(&worker->service);
    api_close(worker->service.api);
    websocket_set_close(worker->service.websockets);
    log_reader_close(worker->service.reader);
    publisher_close(worker->service.publisher);
    topics_close(worker->service.topics);
    arena_pool_clear();
    loop_close(worker->loop);
}

/* --- turns -------------------------------------------------------------------------------------------- */

static void add_writes(struct worker *worker, const struct tcp_counts *now)
{
    const struct tcp_counts *old = &worker->reported.tcp;

    if (now->write_count == old->write_count)
        return;
    for (unsigned i = 0; i < sizeof now->writes / sizeof now->writes[0]; i++)
        stat_add(worker->bus, worker->slot, stat_at(STAT_WRITE_RANGES, i),
                 (int64_t)(now->writes[i] - old->writes[i]));
}

static void add_http2(struct http2_counts *sum, const struct http2_counts *counts)
{
    sum->connections += counts->connections;
    sum->connections_opened += counts->connections_opened;
    sum->streams += counts->streams;
    sum->streams_opened += counts->streams_opened;
    sum->streams_refused += counts->streams_refused;
    sum->streams_reset += counts->streams_reset;
    sum->floods += counts->floods;
}

/* With what HTTP/2 keeps in streams of its own. */
static struct worker_counts count_all(const struct worker *worker)
{
    const struct http_server *servers[] = {&worker->http, &worker->http_full,
                                           &worker->control.http};
    struct worker_counts counts = {.tcp = *tcp_counts(worker->tcp), .deflate = *deflate_counts()};

    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        counts.tcp.queued_bytes += servers[i]->queued_bytes;
        counts.tcp.stalled += servers[i]->stalled_count;
        add_http2(&counts.http2, &servers[i]->http2);
    }
    return counts;
}

/* Where each of them stands in struct worker_counts. */
static const struct {
    enum stat_id stat;
    size_t offset;
} counted[] = {
#define COUNTED(stat, member)                                                                      \
    {                                                                                              \
        stat, offsetof(struct worker_counts, member)                                               \
    }
    COUNTED(STAT_QUEUED_BYTES, tcp.queued_bytes),
    COUNTED(STAT_BYTES_IN, tcp.bytes_in),
    COUNTED(STAT_BYTES_OUT, tcp.bytes_out),
    COUNTED(STAT_REFUSED, tcp.refused),
    COUNTED(STAT_STALLED, tcp.stalled),
    COUNTED(STAT_HTTP2_CONNECTIONS, http2.connections),
    COUNTED(STAT_HTTP2_CONNECTIONS_OPENED, http2.connections_opened),
    COUNTED(STAT_HTTP2_STREAMS, http2.streams),
    COUNTED(STAT_HTTP2_STREAMS_OPENED, http2.streams_opened),
    COUNTED(STAT_HTTP2_STREAMS_REFUSED, http2.streams_refused),
    COUNTED(STAT_HTTP2_STREAMS_RESET, http2.streams_reset),
    COUNTED(STAT_HTTP2_FLOODS, http2.floods),
    COUNTED(STAT_DEFLATE_CLIENTS, deflate.clients),
    COUNTED(STAT_DEFLATE_CLIENTS_OPENED, deflate.clients_opened),
    COUNTED(STAT_DEFLATE_COMPRESSED, deflate.compressed.messages),
    COUNTED(STAT_DEFLATE_COMPRESSED_IN, deflate.compressed.bytes_in),
    COUNTED(STAT_DEFLATE_COMPRESSED_OUT, deflate.compressed.bytes_out),
    COUNTED(STAT_DEFLATE_INFLATED, deflate.inflated.messages),
    COUNTED(STAT_DEFLATE_INFLATED_IN, deflate.inflated.bytes_in),
    COUNTED(STAT_DEFLATE_INFLATED_OUT, deflate.inflated.bytes_out),
#undef COUNTED
};

static uint64_t count_at(const struct worker_counts *counts, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)counts + offset);
}

static void add_counts(struct worker *worker)
{
    const struct worker_counts now = count_all(worker);

    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        int64_t delta = (int64_t)(count_at(&now, counted[i].offset) -
                                  count_at(&worker->reported, counted[i].offset));

        if (delta != 0)
            stat_add(worker->bus, worker->slot, counted[i].stat, delta);
    }
    add_writes(worker, &now.tcp);
    worker->reported = now;
}

/* What has come is appended, what was appended is delivered, what is queued is sent. */
static bool work(struct worker *worker)
{
    struct service *service = &worker->service;
    int64_t now_ns = loop_now_ns(worker->loop);
    bool has_more = false;

    worker->committed_seq = ring_committed(worker->bus).seq;
    publisher_turn(service->publisher, now_ns);
    has_more |= topics_turn(service->topics);
    has_more |= service_turn(service, now_ns);
    has_more |= topics_catch_up(service->topics, CATCH_UP_BYTES);
    drain_worker_count(worker);
    tcp_flush(worker->tcp);
    has_more |= topics_judge(service->topics);
    has_more |= tcp_reap(worker->tcp);
    store_snapshot_end(worker->store);
    has_more |= drain_worker_turn(worker);
    log_turn();
    add_counts(worker);
    process_stats_turn(&worker->process, worker->bus, worker->slot, now_ns);
    accept_balance(worker);
    bus_slot_turn(worker->bus, worker->slot);
    return has_more || tcp_has_work(worker->tcp);
}

/* From the end of its wait to the beginning of the next one. The first has opened everything, too. */
static void observe_turn(struct worker *worker)
{
    if (bus_slot_turn_count(worker->bus, worker->slot) != worker->first_turn)
        stat_observe(worker->bus, worker->slot, STAT_TURN_TIME,
                     (uint64_t)(clock_monotonic_ns() - loop_now_ns(worker->loop)), 1);
}

/* What connections that are gone took goes back to the system. */
static void trim_memory(struct worker *worker, bool is_busy)
{
    const struct tcp_counts *counts = &worker->reported.tcp; /* of this turn */
    uint64_t held_bytes = counts->queued_bytes + worker->input_budget.used_bytes +
                          (uint64_t)counts->open_count * TRIM_CONNECTION_BYTES;

    if (trim_is_due(&worker->trim, held_bytes, is_busy, loop_now_ns(worker->loop)))
        (void)malloc_trim(0); /* whether there was something to give back does not matter */
}

static unsigned wake_reasons(const struct worker *worker)
{
    unsigned reasons = WAKE_STATE;

    reasons |= topics_wake_reasons(worker->service.topics);
    reasons |= publisher_wake_reasons(worker->service.publisher);
    reasons |= service_wake_reasons(&worker->service);
    reasons |= accept_wake_reasons(worker);
    return reasons;
}

/* Whether something has changed that this turn has not acted on; after wake_prepare. */
static bool has_news(const struct worker *worker, unsigned reasons)
{
    if (topics_has_news(worker->service.topics) || accept_has_news(worker))
        return true;
    if ((reasons & WAKE_COMMIT) != 0 && ring_committed(worker->bus).seq != worker->committed_seq)
        return true;
    return bus_phase(worker->bus) != worker->drain.phase;
}

/* Waits for what comes next: not at all when there is work left, never longer than a second. */
static int rest(struct worker *worker, bool has_more)
{
    int64_t sleep_ns = drain_worker_sleep_ns(worker);
    unsigned reasons = wake_reasons(worker);
    int rc;

    if (has_more || sleep_ns <= 0)
        return loop_turn(worker->loop, 0);
    wake_prepare(worker->bus, worker->slot, reasons);
    if (has_news(worker, reasons))
        sleep_ns = 0;
    rc = loop_turn(worker->loop, sleep_ns < SLEEP_NS_MAX ? sleep_ns : SLEEP_NS_MAX);
    wake_done(worker->bus, worker->slot);
    return rc;
}

static int run(struct worker *worker)
{
    worker->drain.phase = BUS_RUNNING;
    for (;;) {
        bool has_more = work(worker);
        int rc;

        if (bus_slot_turn_count(worker->bus, worker->slot) == worker->first_turn) {
            TEST_POINT(BIRTH_WORKER_TURNED);
            wake_slot(worker->bus, BUS_SLOT_MASTER); /* which waits for everybody's first turn */
        }
        if (publisher_is_lost(worker->service.publisher))
            spawn_exit(CHILD_EXIT_LOCK_LOST); /* with all its clients: nothing can be published */
        if (drain_worker_is_over(worker))
            return CHILD_EXIT_DONE;
        trim_memory(worker, has_more);
        observe_turn(worker);
        rc = rest(worker, has_more);
        if (rc < 0) {
            log_error(LOG_FAILED, "cannot wait for events: %s", strerror(-rc));
            return CHILD_EXIT_FAILED;
        }
    }
}

int worker_main(const struct heritage *heritage, unsigned index, unsigned slot)
{
    struct worker *worker = &this_worker;
    int rc;

    worker->heritage = heritage;
    worker->config = heritage->config;
    worker->bus = heritage->bus;
    worker->index = index;
    worker->slot = slot;
    worker->first_turn = bus_slot_turn_count(worker->bus, slot) + 1;
    rc = open_worker(worker);
    if (rc != 0) {
        log_error(LOG_START_FAILED, "cannot start: %s", strerror(-rc));
        return CHILD_EXIT_FAILED;
    }
    TEST_POINT(BIRTH_WORKER_OPEN);
    rc = run(worker);
    TEST_POINT(DRAIN_WORKER_OVER);
    close_worker(worker);
    TEST_POINT(DRAIN_WORKER_CLOSED);
    return rc;
}
