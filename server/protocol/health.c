/*
 * /health and /health/live (PROTOCOLS section 5): for monitors and load balancers.
 */
#include "server/protocol/health.h"

#include <inttypes.h>
#include <string.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"

#define NOT_STORED "Cache-Control: no-store\r\n"

enum {
    TENTHS_PER_SECOND = 10,
};

/* Why publishing is impossible; NULL: it is not. */
static const char *degraded_reason(const struct service *service)
{
    if (!bus_is_recovered(service->bus))
        return "the log is being recovered";
    if (bus_refusal(service->bus) == BUS_STORAGE_FULL)
        return "the store is full";
    if (bus_commit_error(service->bus) != 0)
        return strerrordesc_np(bus_commit_error(service->bus));
    return NULL;
}

const char *health_status(const struct service *service, const char **ret_reason)
{
    *ret_reason = NULL;
    if (bus_phase(service->bus) >= BUS_DRAINING)
        return "draining";
    *ret_reason = degraded_reason(service);
    return *ret_reason == NULL ? "healthy" : "degraded";
}

static void add_workers(struct text *body, const struct service *service)
{
    const char *separator = "";

    text_add_string(body, ",\"workers\":[");
    for (unsigned parity = 0; parity < BUS_GENERATIONS; parity++) {
        for (unsigned index = 0; index < BUS_WORKERS_MAX; index++) {
            unsigned slot = bus_worker_slot(index, parity);

            if (!bus_slot_is_active(service->bus, slot))
                continue;
            text_printf(body, "%s{\"index\":%u,\"pid\":%" PRId32 ",\"connections\":%" PRIu64 "}",
                        separator, index, bus_slot_pid(service->bus, slot),
                        stat_get(service->bus, slot, STAT_CLIENTS));
            separator = ",";
        }
    }
    text_add_string(body, "]");
}

static void add_log(struct text *body, const struct service *service)
{
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(service->bus));
    text_printf(body,
                ",\"log\":{\"epoch\":\"%.*s\",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64
                ",\"committed_seq\":%" PRIu64 "}",
                PUT_EPOCH_BYTES, epoch, ring_first_seq(service->bus), ring_tail(service->bus).seq,
                ring_committed(service->bus).seq);
}

static void serve_live(struct service *service, struct http_exchange *exchange)
{
    struct text body = {0};

    text_add_string(&body, "{\"status\":\"alive\"}");
    answer_json(service, exchange, 200, &body, NOT_STORED);
    text_done(&body);
}

void health_serve(struct service *service, struct http_exchange *exchange, bool is_live_only)
{
    bool is_draining = bus_phase(service->bus) >= BUS_DRAINING;
    const char *reason;
    const char *status = health_status(service, &reason);
    int64_t uptime_tenths = bus_uptime_ns(service->bus) / (INT64_C(1000000000) / TENTHS_PER_SECOND);
    char time[EVENT_TIME_BYTES];
    struct text body = {0};

    if (is_live_only) {
        serve_live(service, exchange);
        return;
    }
    event_time(time, service_realtime_ns());
    text_printf(&body,
                "{\"status\":\"%s\",\"active_connections\":%" PRIu64 ",\"shutdown_in_progress\":%s",
                status, stat_sum(service->bus, STAT_CLIENTS), is_draining ? "true" : "false");
    if (is_draining)
        text_printf(&body, ",\"remaining_seconds\":%" PRIu32, service_remaining_seconds(service));
    if (reason != NULL) {
        text_add_string(&body, ",\"reason\":");
        text_add_quoted(&body, reason, strlen(reason));
    }
    text_printf(&body,
                ",\"timestamp\":\"%.*s\",\"version\":\"" SLUICE_VERSION
                "\",\"uptime_seconds\":%" PRId64 ".%" PRId64,
                EVENT_TIME_BYTES, time, uptime_tenths / TENTHS_PER_SECOND,
                uptime_tenths % TENTHS_PER_SECOND);
    add_workers(&body, service);
    add_log(&body, service);
    text_add_string(&body, "}");
    answer_json(service, exchange, is_draining || reason != NULL ? 503 : 200, &body, NOT_STORED);
    text_done(&body);
}
