#include "bus/stats.h"

#include "bus/check.h"
#include "bus/handle.h"

static_assert((int)STAT_COUNT <= (int)SLOT_COUNTERS_MAX, "every stat has a word in the slot");

/* clang-format off */
static const struct stat_info infos[STAT_COUNT] = {
    [STAT_CLIENTS] = {"sluice_clients", true, "WebSocket, event-stream and raw TCP clients"},
    [STAT_ROOM_CLIENTS] = {"sluice_room_clients", true, "Clients in the room"},
    [STAT_CONNECTIONS] = {"sluice_connections", true, "Open sockets, idle HTTP ones too"},
    [STAT_SUBSCRIPTIONS] = {"sluice_subscriptions", true, "Subscriptions"},
    [STAT_LAGGING] = {"sluice_lagging_subscriptions", true, "Subscriptions that are fed from the log"},
    [STAT_QUEUED_BYTES] = {"sluice_queued_bytes", true, "Bytes in output queues"},
    [STAT_ACCEPTED] = {"sluice_connections_accepted_total", false, "Connections accepted"},
    [STAT_REFUSED] = {"sluice_connections_refused_total", false, "Connections refused by a limit or a drain"},
    [STAT_EVICTED] = {"sluice_connections_evicted_total", false, "Connections closed in favour of newcomers while they waited"},
    [STAT_STALLED] = {"sluice_connections_stalled_total", false, "Connections closed while output waited that nobody took"},
    [STAT_HTTP_REQUESTS] = {"sluice_http_requests_total", false, "HTTP requests"},
    [STAT_MESSAGES_IN] = {"sluice_messages_received_total", false, "Messages from clients"},
    [STAT_MESSAGES_DELIVERED] = {"sluice_messages_delivered_total", false, "Events queued to subscribers"},
    [STAT_PUBLISHED] = {"sluice_published_total", false, "Operations appended"},
    [STAT_PUBLISH_REFUSED] = {"sluice_publish_refused_total", false, "Publishes refused"},
    [STAT_BYTES_IN] = {"sluice_received_bytes_total", false, "Bytes from clients"},
    [STAT_BYTES_OUT] = {"sluice_sent_bytes_total", false, "Bytes to clients"},
    [STAT_BECAME_LAGGING] = {"sluice_became_lagging_total", false, "Times a connection fell behind"},
    [STAT_GAPS] = {"sluice_gaps_total", false, "Gaps told to clients"},
    [STAT_LAPPED] = {"sluice_lapped_total", false, "Times a worker's own cursor was lapped"},
    [STAT_PROTOCOL_ERRORS] = {"sluice_protocol_errors_total", false, "Connections closed for what their client sent"},
    [STAT_RATE_LIMITED] = {"sluice_rate_limited_total", false, "Messages and requests over their connection's rate"},
    [STAT_COMMITS] = {"sluice_commits_total", false, "Commits"},
    [STAT_COMMIT_NS] = {"sluice_commit_nanoseconds_total", false, "Time inside commits"},
    [STAT_COMMIT_OPERATIONS] = {"sluice_committed_operations_total", false, "Operations committed"},
    [STAT_TRIMMED_OPERATIONS] = {"sluice_trimmed_operations_total", false, "Operations that retention took"},
};
/* clang-format on */

static _Atomic uint64_t *counter_at(const struct bus *bus, unsigned slot, enum stat_id stat)
{
    CHECK(slot < BUS_SLOT_COUNT);
    CHECK((unsigned)stat < STAT_COUNT);
    return &bus->header->slots[slot].counters[stat];
}

const struct stat_info *stat_info(enum stat_id stat)
{
    CHECK((unsigned)stat < STAT_COUNT);
    return &infos[stat];
}

void stat_add(struct bus *bus, unsigned slot, enum stat_id stat, int64_t delta)
{
    _Atomic uint64_t *counter = counter_at(bus, slot, stat);
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    /* One writer: no read-modify-write needed. */
    atomic_store_explicit(counter, value + (uint64_t)delta, memory_order_relaxed);
}

uint64_t stat_get(const struct bus *bus, unsigned slot, enum stat_id stat)
{
    return atomic_load_explicit(counter_at(bus, slot, stat), memory_order_relaxed);
}

uint64_t stat_sum(const struct bus *bus, enum stat_id stat)
{
    uint64_t sum = 0;

    atomic_thread_fence(memory_order_seq_cst); /* own counts first, then those of the others */
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++)
        sum += stat_get(bus, slot, stat);
    return sum;
}

void stat_clear_gauges(struct bus *bus, unsigned slot)
{
    for (unsigned stat = 0; stat < STAT_COUNT; stat++) {
        if (infos[stat].is_gauge)
            atomic_store_explicit(counter_at(bus, slot, (enum stat_id)stat), 0,
                                  memory_order_relaxed);
    }
}
