/*
 * bus/stats.h - counters and gauges of each process, one writer each, summed by whoever asks.
 *
 * Shape    a 64-bit word per stat in the process's slot. The owner adds; anybody reads.
 *          A gauge (is_gauge) of a dead process is cleared by the master (slot_clear_gauges);
 *          counters of a slot go on over restarts.
 * Callers  stat_add: the slot's owner. stat_get, stat_sum: all processes.
 */
#ifndef BUS_STATS_H
#define BUS_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct bus;

enum stat_id {
    STAT_CLIENTS,       /* gauge: WebSocket, event-stream and raw TCP clients */
    STAT_ROOM_CLIENTS,  /* gauge: clients in the room */
    STAT_CONNECTIONS,   /* gauge: open sockets, idle HTTP ones too; not those being refused */
    STAT_SUBSCRIPTIONS, /* gauge */
    STAT_LAGGING,       /* gauge: lagging subscriptions */
    STAT_QUEUED_BYTES,  /* gauge: bytes in output queues */
    STAT_ACCEPTED,      /* connections accepted */
    STAT_REFUSED,       /* connections refused: limits, drain */
    STAT_EVICTED,       /* connections closed, while they waited, in favour of newcomers */
    STAT_STALLED,       /* connections closed while output waited that nobody took */
    STAT_HTTP_REQUESTS,
    STAT_MESSAGES_IN,        /* messages from clients */
    STAT_MESSAGES_DELIVERED, /* events queued to subscribers */
    STAT_PUBLISHED,          /* operations appended */
    STAT_PUBLISH_REFUSED,
    STAT_BYTES_IN,
    STAT_BYTES_OUT,
    STAT_BECAME_LAGGING,     /* times a connection fell behind */
    STAT_GAPS,               /* gaps told to clients */
    STAT_LAPPED,             /* times the worker's own cursor was lapped */
    STAT_PROTOCOL_ERRORS,    /* connections closed for what their client sent */
    STAT_RATE_LIMITED,       /* messages and requests not handled: over their connection's rate */
    STAT_COMMITS,            /* writer */
    STAT_COMMIT_NS,          /* writer: time inside commits, summed */
    STAT_COMMIT_OPERATIONS,  /* writer */
    STAT_TRIMMED_OPERATIONS, /* writer */
    STAT_COUNT,
};

struct stat_info {
    const char *name; /* as /metrics says it, with the prefix sluice_ */
    bool is_gauge;
    const char *help;
};

/* Name, kind and help of a stat; never NULL. */
const struct stat_info *stat_info(enum stat_id stat);

/* Adds @delta (two's complement: a gauge goes down by a negative one) in slot @slot. */
void stat_add(struct bus *bus, unsigned slot, enum stat_id stat, int64_t delta);
uint64_t stat_get(const struct bus *bus, unsigned slot, enum stat_id stat);
/* Over all slots. Of two processes that add and then ask, at least one sees both. */
uint64_t stat_sum(const struct bus *bus, enum stat_id stat);
/* Master, when the slot's process has died. */
void stat_clear_gauges(struct bus *bus, unsigned slot);

#endif
