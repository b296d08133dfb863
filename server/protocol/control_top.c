/*
 * What all processes do: totals since the start, for whoever asks again and subtracts; and which
 * topics are busy (top_topics.h), which takes several turns.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/net/loop.h"
#include "server/protocol/answer.h"
#include "server/protocol/control.h"
#include "server/protocol/health.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"
#include "server/protocol/top_topics.h"
#include "server/protocol/waiting.h"
#include "server/topics/topics.h"

#define SECOND_NS UINT64_C(1000000000)
#define US_NS     UINT64_C(1000)

enum {
    NAME_BYTES_MAX = 32,
};

struct top_request {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct top_topics topics;
};

static struct top_request *request_of(struct waiting_request *waiting)
{
    return (struct top_request *)(void *)((char *)waiting - offsetof(struct top_request, waiting));
}

static void request_free(struct top_request *request)
{
    top_topics_done(&request->topics);
    free(request);
}

static void on_gone(void *user)
{
    struct top_request *request = user;

    waiting_leave(request->service, &request->waiting);
    request_free(request);
}

/* Seconds with microseconds. */
static void add_seconds(struct text *body, uint64_t ns)
{
    text_printf(body, "%" PRIu64 ".%06" PRIu64, ns / SECOND_NS, ns % SECOND_NS / US_NS);
}

/* --- the server ------------------------------------------------------------------------------- */

static void add_server(struct text *body, const struct service *service)
{
    const struct bus *bus = service->bus;
    const char *reason;
    const char *status = health_status(service, &reason);
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(bus));
    text_printf(body, "{\"version\":\"" SLUICE_VERSION "\",\"status\":\"%s\",", status);
    if (bus_phase(bus) >= BUS_DRAINING)
        text_printf(body, "\"remaining_seconds\":%" PRIu32 ",", service_remaining_seconds(service));
    if (reason != NULL) {
        text_add_string(body, "\"reason\":");
        text_add_quoted(body, reason, strlen(reason));
        text_add_string(body, ",");
    }
    text_add_string(body, "\"uptime_seconds\":");
    add_seconds(body, (uint64_t)bus_uptime_ns(bus));
    text_add_string(body, ",\"time_seconds\":");
    add_seconds(body, (uint64_t)loop_now_ns(service->loop));
    text_printf(body,
                ",\"epoch\":\"%.*s\",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64
                ",\"committed_seq\":%" PRIu64,
                PUT_EPOCH_BYTES, epoch, ring_first_seq(bus), ring_tail(bus).seq,
                ring_committed(bus).seq);
}

/* --- the processes ---------------------------------------------------------------------------- */

/* All words of a stat that has several. */
static uint64_t sum_of_slot(const struct bus *bus, unsigned slot, enum stat_id first,
                            enum stat_id last)
{
    uint64_t sum = 0;

    for (unsigned stat = first; stat <= (unsigned)last; stat++)
        sum += stat_get(bus, slot, (enum stat_id)stat);
    return sum;
}

static void add_process(struct text *body, const struct bus *bus, unsigned slot, const char *name)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"clients", stat_get(bus, slot, STAT_CLIENTS)},
        {"connections", stat_get(bus, slot, STAT_CONNECTIONS)},
        {"subscriptions", stat_get(bus, slot, STAT_SUBSCRIPTIONS)},
        {"lagging", stat_get(bus, slot, STAT_LAGGING)},
        {"queued_bytes", stat_get(bus, slot, STAT_QUEUED_BYTES)},
        {"messages_in", sum_of_slot(bus, slot, STAT_MESSAGES_IN, STAT_MESSAGES_IN_LAST)},
        {"delivered",
         sum_of_slot(bus, slot, STAT_MESSAGES_DELIVERED, STAT_MESSAGES_DELIVERED_LAST)},
        {"bytes_in", stat_get(bus, slot, STAT_BYTES_IN)},
        {"bytes_out", stat_get(bus, slot, STAT_BYTES_OUT)},
        {"turns", bus_slot_turn_count(bus, slot)},
        {"rss_bytes", stat_get(bus, slot, STAT_RSS_BYTES)},
    };

    text_printf(body, "{\"name\":\"%s\",\"pid\":%" PRId32 ",\"slot\":%u", name,
                bus_slot_pid(bus, slot), slot);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        text_printf(body, ",\"%s\":%" PRIu64, numbers[i].key, numbers[i].value);
    text_add_string(body, ",\"cpu_seconds\":");
    add_seconds(body, stat_get(bus, slot, STAT_CPU_NS));
    text_add_string(body, "},");
}

static void add_processes(struct text *body, const struct bus *bus)
{
    char name[NAME_BYTES_MAX];

    text_add_string(body, ",\"processes\":[");
    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        if (!bus_slot_is_active(bus, slot))
            continue;
        (void)snprintf(name, sizeof name, "worker %u", (slot - BUS_SLOT_WORKERS) % BUS_WORKERS_MAX);
        add_process(body, bus, slot, name);
    }
    if (bus_slot_is_active(bus, BUS_SLOT_WRITER))
        add_process(body, bus, BUS_SLOT_WRITER, "store writer");
    add_process(body, bus, BUS_SLOT_MASTER, "master");
    if (text_is_whole(body))
        body->size--; /* the last comma */
    text_add_string(body, "]");
}

/* --- publishing, commits, store --------------------------------------------------------------- */

static uint64_t sum_words(const struct bus *bus, enum stat_id first, enum stat_id last)
{
    uint64_t sum = 0;

    for (unsigned stat = first; stat <= (unsigned)last; stat++)
        sum += stat_sum(bus, (enum stat_id)stat);
    return sum;
}

static void add_publishing(struct text *body, const struct bus *bus)
{
    struct ring_position committed = ring_committed(bus); /* first: the tail is not behind it */
    struct ring_position tail = ring_tail(bus);

    text_printf(
        body,
        ",\"published\":%" PRIu64 ",\"publish_refused\":%" PRIu64 ",\"ring\":{\"bytes\":%" PRIu64
        ",\"uncommitted_bytes\":%" PRIu64 ",\"waits\":%" PRIu64 "}",
        sum_words(bus, STAT_PUBLISHED, STAT_PUBLISHED_LAST), stat_sum(bus, STAT_PUBLISH_REFUSED),
        bus_size(bus), tail.pos > committed.pos ? tail.pos - committed.pos : 0,
        stat_sum(bus, STAT_RING_WAITS));
}

static void add_commits(struct text *body, const struct bus *bus)
{
    unsigned bound_count;
    const uint64_t *bounds = stat_bounds(STAT_COMMIT_TIME, &bound_count);
    enum stat_id above = stat_at(STAT_COMMIT_TIME, bound_count);

    text_printf(body, ",\"commits\":{\"count\":%" PRIu64 ",\"operations\":%" PRIu64 ",\"seconds\":",
                sum_words(bus, STAT_COMMIT_TIME, above), stat_sum(bus, STAT_COMMIT_SIZE_LAST));
    add_seconds(body, stat_sum(bus, STAT_COMMIT_TIME_LAST));
    text_add_string(body, ",\"bounds_seconds\":[");
    for (unsigned i = 0; i < bound_count; i++) {
        if (i > 0)
            text_add_string(body, ",");
        add_seconds(body, bounds[i]);
    }
    text_add_string(body, "],\"buckets\":[");
    for (unsigned i = 0; i <= bound_count; i++)
        text_printf(body, "%s%" PRIu64, i > 0 ? "," : "",
                    stat_sum(bus, stat_at(STAT_COMMIT_TIME, i)));
    text_add_string(body, "]}");
}

static void add_store(struct text *body, const struct bus *bus)
{
    text_printf(body,
                ",\"store\":{\"used_bytes\":%" PRIu64 ",\"map_bytes\":%" PRIu64
                ",\"disk_free_bytes\":%" PRIu64 ",\"log_bytes\":%" PRIu64
                ",\"log_operations\":%" PRIu64 "}",
                stat_sum(bus, STAT_STORE_USED_BYTES), stat_sum(bus, STAT_STORE_MAP_BYTES),
                stat_sum(bus, STAT_DISK_FREE_BYTES), stat_sum(bus, STAT_LOG_BYTES),
                stat_sum(bus, STAT_LOG_OPERATIONS));
}

/* --- transports ------------------------------------------------------------------------------- */

static void add_transports(struct text *body, const struct bus *bus)
{
    static const struct {
        const char *key;
        enum stat_id stat;
    } numbers[] = {
        {"http2_connections", STAT_HTTP2_CONNECTIONS},
        {"http2_streams", STAT_HTTP2_STREAMS},
        {"http2_floods", STAT_HTTP2_FLOODS},
        {"tls_handshakes", STAT_TLS_HANDSHAKES},
        {"tls_failed", STAT_TLS_FAILED},
        {"deflate_clients", STAT_DEFLATE_CLIENTS},
        {"deflate_input_bytes", STAT_DEFLATE_COMPRESSED_IN},
        {"deflate_output_bytes", STAT_DEFLATE_COMPRESSED_OUT},
    };

    text_add_string(body, ",\"transports\":{");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        text_printf(body, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", numbers[i].key,
                    stat_sum(bus, numbers[i].stat));
    text_add_string(body, "}");
}

/* --- topics ----------------------------------------------------------------------------------- */

static void add_topics(struct text *body, const struct service *service,
                       const struct top_topics *top)
{
    struct top_topic_view busiest[TOP_TOPICS_SHOWN];
    size_t count = top_topics_list(top, busiest);
    int64_t age_ns = top->operation_count == 0 ? 0 : service_realtime_ns() - top->first_time_ns;

    text_add_string(body, ",\"topics\":{\"seconds\":");
    add_seconds(body, age_ns > 0 ? (uint64_t)age_ns : 0);
    text_printf(body, ",\"operations\":%" PRIu64 ",\"busiest\":[", top->operation_count);
    for (size_t i = 0; i < count; i++) {
        const struct top_topic_view *topic = &busiest[i];

        text_add_string(body, i > 0 ? ",{\"topic\":" : "{\"topic\":");
        text_add_quoted(body, topic->name, topic->name_bytes);
        text_printf(
            body, ",\"operations\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"subscribers\":%" PRIu64 "}",
            topic->operation_count, topic->payload_bytes,
            topics_subscriber_count(service->topics, topic->name, topic->name_bytes));
    }
    text_add_string(body, "]}");
}

/* --- the request ------------------------------------------------------------------------------ */

static void answer(struct top_request *request)
{
    struct service *service = request->service;
    struct text body = {0};

    add_server(&body, service);
    add_processes(&body, service->bus);
    add_publishing(&body, service->bus);
    add_commits(&body, service->bus);
    add_store(&body, service->bus);
    add_transports(&body, service->bus);
    add_topics(&body, service, &request->topics);
    text_add_string(&body, "}");
    answer_json(service, request->exchange, 200, &body, "Cache-Control: no-store\r\n");
    text_done(&body);
}

static void step(struct waiting_request *waiting)
{
    struct top_request *request = request_of(waiting);

    if (top_topics_step(&request->topics) > 0)
        return;
    answer(request);
    waiting_leave(request->service, waiting);
    request_free(request);
}

void control_top_serve(struct service *service, struct http_exchange *exchange)
{
    struct top_request *request = calloc(1, sizeof *request);

    if (request == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    request->service = service;
    request->exchange = exchange;
    request->waiting.step = step;
    top_topics_begin(&request->topics, service);
    http_exchange_set_user(exchange, on_gone, request);
    waiting_join(service, &request->waiting);
}
