/*
 * /metrics: the counters of all processes in Prometheus' text format, one sample per process.
 *
 * Counters of a slot go on over restarts of its process, so a slot that was ever in use is shown.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/service.h"

enum {
    LABELS_BYTES_MAX = 64,
};

static void slot_labels(char out[LABELS_BYTES_MAX], unsigned slot)
{
    if (slot >= BUS_SLOT_WORKERS)
        (void)snprintf(out, LABELS_BYTES_MAX, "worker=\"%u\",slot=\"%u\"",
                       (slot - BUS_SLOT_WORKERS) % BUS_WORKERS_MAX, slot);
    else
        (void)snprintf(out, LABELS_BYTES_MAX, "process=\"%s\",slot=\"%u\"",
                       slot == BUS_SLOT_WRITER ? "writer" : "other", slot);
}

static void add_stat(struct text *body, const struct bus *bus, const struct stat_info *info)
{
    char labels[LABELS_BYTES_MAX];

    if (*info->name == '\0' || info->kind == STAT_KIND_HISTOGRAM)
        return;
    text_printf(body, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n", info->name, info->help,
                info->name, info->kind == STAT_KIND_GAUGE ? "gauge" : "counter");
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        uint64_t value = 0;

        for (unsigned i = 0; i < info->word_count; i++)
            value += stat_get(bus, slot, stat_at(info->first, i));
        if (value == 0 && !(slot >= BUS_SLOT_WORKERS && bus_slot_is_active(bus, slot)))
            continue;
        slot_labels(labels, slot);
        text_printf(body, "sluice_%s{%s} %" PRIu64 "\n", info->name, labels, value);
    }
}

static void add_value(struct text *body, const char *name, const char *help, uint64_t value)
{
    text_printf(body, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name, name,
                value);
}

void metrics_serve(struct service *service, struct http_exchange *exchange)
{
    const struct bus *bus = service->bus;
    struct ring_position tail = ring_tail(bus);
    struct ring_position committed = ring_committed(bus);
    struct text body = {0};

    for (unsigned row = 0; row < stat_info_count(); row++)
        add_stat(&body, bus, stat_info(row));
    add_value(&body, "sluice_log_first_seq", "Oldest operation kept", ring_first_seq(bus));
    add_value(&body, "sluice_log_last_seq", "Newest operation", tail.seq);
    add_value(&body, "sluice_log_committed_seq", "Newest operation on disk", committed.seq);
    add_value(&body, "sluice_ring_bytes", "Size of the ring", bus_size(bus));
    add_value(&body, "sluice_ring_uncommitted_bytes", "Bytes in the ring that wait for the disk",
              tail.pos > committed.pos ? tail.pos - committed.pos : 0);
    add_value(&body, "sluice_uptime_seconds", "Since the start of the server",
              (uint64_t)(bus_uptime_ns(bus) / INT64_C(1000000000)));
    add_value(&body, "sluice_draining", "1 while the server shuts down",
              bus_phase(bus) >= BUS_DRAINING ? 1 : 0);
    answer_text(service, exchange, "text/plain; version=0.0.4; charset=utf-8", &body,
                "Cache-Control: no-store\r\n");
    text_done(&body);
}
