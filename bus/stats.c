#include "bus/stats.h"

#include "bus/check.h"
#include "bus/handle.h"

static_assert((int)STAT_COUNT <= (int)SLOT_COUNTERS_MAX, "every stat has its words in the slot");

#define US UINT64_C(1000)
#define MS (US * 1000)
#define S  (MS * 1000)

static const uint64_t commit_time_bounds[STAT_COMMIT_TIME_BOUNDS] = {
    250 * US, 500 * US, MS,       2500 * US, 5 * MS, 10 * MS,   25 * MS,
    50 * MS,  100 * MS, 250 * MS, 500 * MS,  S,      2500 * MS, 10 * S,
};
static const uint64_t commit_size_bounds[STAT_COMMIT_SIZE_BOUNDS] = {
    1, 2, 5, 10, 50, 100, 500, 1000, 5000, 10000, 50000,
};
static const uint64_t delivery_time_bounds[STAT_DELIVERY_TIME_BOUNDS] = {
    25 * US, 50 * US, 100 * US, 250 * US, 500 * US, MS,       2500 * US, 5 * MS,
    10 * MS, 25 * MS, 50 * MS,  100 * MS, 250 * MS, 500 * MS, S,         5 * S,
};
static const uint64_t turn_time_bounds[STAT_TURN_TIME_BOUNDS] = {
    10 * US,   25 * US, 50 * US, 100 * US, 250 * US, 500 * US, MS,
    2500 * US, 5 * MS,  10 * MS, 50 * MS,  100 * MS, S,
};
static const uint64_t write_ranges_bounds[STAT_WRITE_RANGES_BOUNDS] = {
    1, 2, 4, 8, 16, 32, 64, 128, 255,
};

#undef US
#undef MS
#undef S

/* clang-format off */
static const struct stat_info infos[] = {
#define STAT_ROW(id, words, kind_, label_, unit_, is_per_worker_, name_, help_) \
    {.first = (id), .word_count = (words), .kind = STAT_KIND_##kind_, .label = STAT_LABEL_##label_, \
     .unit = STAT_UNIT_##unit_, .is_per_worker = (is_per_worker_), .name = (name_), .help = (help_)},
    STATS(STAT_ROW)
#undef STAT_ROW
};

static const char *const protocol_names[STAT_PROTOCOL_COUNT] = {
    [STAT_PROTOCOL_ROOM] = "room",
    [STAT_PROTOCOL_BROKER] = "broker",
    [STAT_PROTOCOL_BROKER_TCP] = "broker-tcp",
    [STAT_PROTOCOL_EVENT_STREAM] = "event-stream",
    [STAT_PROTOCOL_GRAPHQL_WS] = "graphql-ws",
    [STAT_PROTOCOL_GRAPHQL_SSE] = "graphql-sse",
    [STAT_PROTOCOL_ECHO] = "echo",
    [STAT_PROTOCOL_HTTP] = "http",
    [STAT_PROTOCOL_GRAPHQL_HTTP] = "graphql-http",
    [STAT_PROTOCOL_SERVER] = "server",
};

static const char *const close_reason_names[STAT_CLOSED_COUNT] = {
    [STAT_CLOSED_CLIENT] = "client",
    [STAT_CLOSED_GONE] = "gone",
    [STAT_CLOSED_PING_TIMEOUT] = "ping_timeout",
    [STAT_CLOSED_STALLED] = "stalled",
    [STAT_CLOSED_SLOW] = "slow",
    [STAT_CLOSED_PROTOCOL_ERROR] = "protocol_error",
    [STAT_CLOSED_TOO_LARGE] = "too_large",
    [STAT_CLOSED_RATE_LIMITED] = "rate_limited",
    [STAT_CLOSED_OVERLOADED] = "overloaded",
    [STAT_CLOSED_SHUTDOWN] = "shutdown",
    [STAT_CLOSED_KICKED] = "kicked",
    [STAT_CLOSED_ERROR] = "error",
};
/* clang-format on */

static _Atomic uint64_t *counter_at(const struct bus *bus, unsigned slot, enum stat_id stat)
{
    CHECK(slot < BUS_SLOT_COUNT);
    CHECK((unsigned)stat < STAT_COUNT);
    return &bus->header->slots[slot].counters[stat];
}

unsigned stat_info_count(void)
{
    return sizeof infos / sizeof infos[0];
}

const struct stat_info *stat_info(unsigned row)
{
    CHECK(row < stat_info_count());
    return &infos[row];
}

const char *stat_protocol_name(enum stat_protocol protocol)
{
    CHECK((unsigned)protocol < STAT_PROTOCOL_COUNT);
    return protocol_names[protocol];
}

const char *stat_close_reason_name(enum stat_close_reason reason)
{
    CHECK((unsigned)reason < STAT_CLOSED_COUNT);
    return close_reason_names[reason];
}

const char *stat_label_names(enum stat_label label)
{
    static const char *const names[] = {
        [STAT_LABEL_NONE] = "",         [STAT_LABEL_PROTOCOL] = "protocol",
        [STAT_LABEL_REASON] = "reason", [STAT_LABEL_PUBLISH] = "protocol, durability",
        [STAT_LABEL_BUCKET] = "",       [STAT_LABEL_PROCESS] = "process",
    };

    CHECK((size_t)label < sizeof names / sizeof names[0]);
    return names[label];
}

void stat_add(struct bus *bus, unsigned slot, enum stat_id stat, int64_t delta)
{
    _Atomic uint64_t *counter = counter_at(bus, slot, stat);
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    /* One writer: no read-modify-write needed. */
    atomic_store_explicit(counter, value + (uint64_t)delta, memory_order_relaxed);
}

void stat_set(struct bus *bus, unsigned slot, enum stat_id stat, uint64_t value)
{
    atomic_store_explicit(counter_at(bus, slot, stat), value, memory_order_relaxed);
}

/* A jump, where the table would have to be searched at each observation. */
const uint64_t *stat_bounds(enum stat_id histogram, unsigned *ret_count)
{
    switch ((int)histogram) {
    case STAT_WRITE_RANGES:
        *ret_count = STAT_WRITE_RANGES_BOUNDS;
        return write_ranges_bounds;
    case STAT_DELIVERY_TIME:
        *ret_count = STAT_DELIVERY_TIME_BOUNDS;
        return delivery_time_bounds;
    case STAT_TURN_TIME:
        *ret_count = STAT_TURN_TIME_BOUNDS;
        return turn_time_bounds;
    case STAT_COMMIT_TIME:
        *ret_count = STAT_COMMIT_TIME_BOUNDS;
        return commit_time_bounds;
    case STAT_COMMIT_SIZE:
        *ret_count = STAT_COMMIT_SIZE_BOUNDS;
        return commit_size_bounds;
    default:
        UNREACHABLE();
    }
}

static unsigned find_bucket(const uint64_t *bounds, unsigned bound_count, uint64_t value)
{
    unsigned bucket = 0;

    while (bucket < bound_count && value > bounds[bucket])
        bucket++;
    return bucket;
}

unsigned stat_bucket(enum stat_id histogram, uint64_t value)
{
    unsigned bound_count;
    const uint64_t *bounds = stat_bounds(histogram, &bound_count);

    return find_bucket(bounds, bound_count, value);
}

void stat_observe(struct bus *bus, unsigned slot, enum stat_id histogram, uint64_t value,
                  uint64_t count)
{
    unsigned bound_count;
    const uint64_t *bounds = stat_bounds(histogram, &bound_count);
    unsigned bucket = find_bucket(bounds, bound_count, value);

    stat_add(bus, slot, stat_at(histogram, bucket), (int64_t)count);
    stat_add(bus, slot, stat_at(histogram, bound_count + 1), (int64_t)(value * count));
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
    for (unsigned row = 0; row < stat_info_count(); row++) {
        if (infos[row].kind != STAT_KIND_GAUGE)
            continue;
        for (unsigned i = 0; i < infos[row].word_count; i++)
            stat_set(bus, slot, stat_at(infos[row].first, i), 0);
    }
}
