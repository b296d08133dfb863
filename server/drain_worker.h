/*
 * server/drain_worker.h - a worker's part in a drain: warn, refuse, close, end. DESIGN section 7.
 *
 * It follows the phase in the ring's header (bus/slots.h); drain_master.h sets it. Clients are
 * visited in steps of DRAIN_STEP per turn, so that those who work on are not held up.
 * Spread   all workers' times run from the drain's begin, as the ring tells it, so that one which is
 *          started in the middle is no younger; and each closes its clients at a phase of its own,
 *          so that those of several do not go in pairs. Who leaves by himself counts as closed: the
 *          others keep their turn.
 * Units    ns of CLOCK_BOOTTIME.
 * Callers  worker.c, once per turn, after the flush.
 */
#ifndef SERVER_DRAIN_WORKER_H
#define SERVER_DRAIN_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/slots.h"
#include "server/protocol/client.h"

struct worker;

enum {
    DRAIN_STEP = 500,
};
/* For answers that are under way when the last client has left. */
#define DRAIN_STOPPING_NS INT64_C(2000000000)

/* What the walk through the clients is for. */
enum drain_walk {
    DRAIN_WALK_NONE,
    DRAIN_WALK_WARN,
    DRAIN_WALK_SPREAD, /* closes them, evenly over drain_spread */
    DRAIN_WALK_CLOSE,  /* closes them all */
};

struct worker_drain {
    enum bus_phase phase; /* as last seen */
    enum drain_walk walk;
    struct clients_walk place; /* where it stands */
    int64_t accept_until_ns;   /* then the spread begins, too */
    int64_t stop_by_ns;
    size_t spread_count; /* clients when it began */
    size_t spread_gone;  /* of them: closed by it, or gone before */
    size_t left_count;   /* clients and busy connections, as the master was last told */
    bool has_refused;    /* drain_accept is over, and who was there has been told */
    bool has_spread;     /* the closing over drain_spread has begun */
    bool has_newcomers;  /* some came since, and have not been warned */
};

/* Once per turn before the flush: the master knows of a request before its client hears of us. */
void drain_worker_count(struct worker *worker);
/* Acts on the phase; true when it wants another turn at once. */
bool drain_worker_turn(struct worker *worker);
/*
 * A newcomer is here: it is judged by the phase as it is now, not as the last turn saw it. Safe
 * inside a callback.
 */
void drain_worker_notice(struct worker *worker);
/* How long the worker may sleep as far as the drain is concerned; INT64_MAX: as it likes. */
int64_t drain_worker_sleep_ns(const struct worker *worker);
/* BUS_STOPPING, and nothing is left to wait for: the worker ends. */
bool drain_worker_is_over(const struct worker *worker);
/* For struct clients: logs who comes and who leaves, with how many remain in a drain. */
void drain_on_joined(void *user, const struct client *client);
void drain_on_left(void *user, const struct client *client);
/* The worker ends: whoever is left goes because of it. */
void drain_worker_end(struct worker *worker);

#endif
