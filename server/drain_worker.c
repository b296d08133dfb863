#include "server/drain_worker.h"

#include <inttypes.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/wake.h"
#include "server/client_log.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/http/http.h"
#include "server/log.h"
#include "server/protocol/client.h"
#include "server/topics/publisher.h"
#include "server/worker.h"

/* --- what is told ------------------------------------------------------------------------------ */

void drain_on_joined(void *user, const struct client *client)
{
    struct worker *worker = user;

    /* Until then the walk of that moment is still to come. */
    worker->drain.has_newcomers = worker->drain.has_refused;
    if (worker->config->log_connections)
        client_log_joined(worker->index, client);
}

/* Every one of these lines is written: nobody new comes, so there are no more than clients were. */
static void log_remaining(uint64_t count)
{
    const struct log_field field = log_told(log_u64(LOG_FIELD_CONNECTIONS, count));

    log_fields(LOG_LEVEL_INFO, LOG_SHUTDOWN_CLIENT, &field, 1, "client left, %" PRIu64 " remain",
               count);
}

void drain_on_left(void *user, const struct client *client)
{
    struct worker *worker = user;

    if (worker->config->log_connections)
        client_log_left(worker->index, client);
    if (bus_phase(worker->bus) < BUS_DRAINING)
        return;
    stat_add(worker->bus, worker->slot, client->was_cut ? STAT_LEFT_FORCED : STAT_LEFT_CLEAN, 1);
    if (worker->drain.walk == DRAIN_WALK_SPREAD && !client->is_dismissed)
        worker->drain.spread_gone++;
    log_remaining(stat_sum(worker->bus, STAT_CLIENTS));
}

/* --- walks --------------------------------------------------------------------------------------- */

static void warn_client(void *user, struct client *client)
{
    const struct worker *worker = user;

    if (client->is_warned)
        return;
    client->is_warned = true;
    client->operations->warn(client, service_remaining_seconds(&worker->service));
}

static void close_client(void *user, struct client *client)
{
    (void)user;
    client->is_dismissed = true;
    client->operations->close(client);
}

static void begin_walk(struct worker *worker, enum drain_walk walk)
{
    worker->drain.walk = walk;
    clients_walk_begin(&worker->service.clients, &worker->drain.place);
}

void drain_worker_end(struct worker *worker)
{
    struct clients_walk *place = &worker->drain.place;

    clients_walk_begin(&worker->service.clients, place);
    (void)clients_walk(place, SIZE_MAX, close_client, worker); /* all: it is done */
}

static void begin_spread(struct worker *worker)
{
    worker->drain.spread_count = worker->service.clients.count;
    worker->drain.spread_gone = 0;
    begin_walk(worker, DRAIN_WALK_SPREAD);
}

/* When this worker's closings come between those of the others: 0 to 1. */
static double spread_phase(const struct worker *worker)
{
    return ((double)worker->index + 0.5) / (double)worker->config->workers;
}

/* How many of them should be gone by now; all, once the time is over. */
static size_t spread_due(const struct worker *worker)
{
    int64_t spread_ns = (int64_t)worker->config->drain_spread;
    int64_t elapsed_ns = clock_boottime_ns() - worker->drain.accept_until_ns;
    size_t count = worker->drain.spread_count;

    if (elapsed_ns >= spread_ns)
        return count;
    return (size_t)((double)count * ((double)elapsed_ns / (double)spread_ns) +
                    spread_phase(worker));
}

/* When the next one is due. */
static int64_t spread_next_ns(const struct worker *worker)
{
    const struct worker_drain *drain = &worker->drain;
    double turn = (double)(drain->spread_gone + 1) - spread_phase(worker);

    return drain->accept_until_ns +
           (int64_t)((double)worker->config->drain_spread * (turn / (double)drain->spread_count));
}

static bool step_spread(struct worker *worker)
{
    struct worker_drain *drain = &worker->drain;
    size_t due = spread_due(worker);
    size_t step = due > drain->spread_gone ? due - drain->spread_gone : 0;

    step = step > DRAIN_STEP ? DRAIN_STEP : step;
    if (step == 0 && drain->spread_gone < drain->spread_count)
        return false;
    drain->spread_gone += step;
    if (step == 0 || clients_walk(&drain->place, step, close_client, worker) != 0)
        begin_walk(worker, DRAIN_WALK_CLOSE); /* who has come meanwhile */
    return true;
}

/* One step of the walk under way; true when something was sent that a flush must follow. */
static bool step_walk(struct worker *worker)
{
    struct worker_drain *drain = &worker->drain;
    client_visit_function *visit = drain->walk == DRAIN_WALK_WARN ? warn_client : close_client;

    if (drain->walk == DRAIN_WALK_NONE)
        return false;
    if (drain->walk == DRAIN_WALK_SPREAD)
        return step_spread(worker);
    if (clients_walk(&drain->place, DRAIN_STEP, visit, worker) != 0)
        drain->walk = DRAIN_WALK_NONE;
    return true;
}

/* --- phases --------------------------------------------------------------------------------------- */

/*
 * When newcomers are refused. From when the drain began for all: a worker that is started in the
 * middle of it has no time of its own.
 */
static int64_t accept_until_ns(const struct worker *worker)
{
    const struct config *config = worker->config;

    return bus_drain_deadline_ns(worker->bus) - (int64_t)config->drain_timeout +
           (int64_t)config->drain_accept;
}

void drain_worker_notice(struct worker *worker)
{
    enum bus_phase phase = bus_phase(worker->bus);

    if (phase < BUS_DRAINING ||
        (phase == BUS_DRAINING && clock_boottime_ns() < accept_until_ns(worker)))
        return;
    worker->service.is_refusing = true;
    http_begin_closing(&worker->http);
}

static void refuse_newcomers(struct worker *worker)
{
    worker->drain.has_refused = true;
    worker->service.is_refusing = true;
    /* Who was connected before is served, once more; idle ones are closed by the end only. */
    http_begin_closing(&worker->http);
    begin_walk(worker, DRAIN_WALK_WARN); /* those who came since the drain began, too */
}

/* Another phase than the one last seen. Any may have been passed over. */
static void enter_phase(struct worker *worker, enum bus_phase phase)
{
    struct worker_drain *drain = &worker->drain;
    int64_t now_ns = clock_boottime_ns();

    drain->phase = phase;
    switch (phase) {
    case BUS_STARTING:
    case BUS_RUNNING:
        break;
    case BUS_DRAINING:
        drain->accept_until_ns = accept_until_ns(worker);
        drain->left_count = SIZE_MAX; /* the master has looked at what there was before this turn */
        begin_walk(worker, DRAIN_WALK_WARN);
        break;
    case BUS_CLOSING:
        refuse_newcomers(worker);
        begin_walk(worker, DRAIN_WALK_CLOSE);
        break;
    case BUS_STOPPING:
        accept_close(worker);
        refuse_newcomers(worker);
        http_close_idle(&worker->http);
        http_close_idle(&worker->http_full);
        worker->control.http.is_closing = true;
        begin_walk(worker, DRAIN_WALK_CLOSE);
        drain->stop_by_ns = now_ns + DRAIN_STOPPING_NS;
        break;
    }
}

void drain_worker_count(struct worker *worker)
{
    stat_set(worker->bus, worker->slot, STAT_BUSY, worker->http.busy_count);
}

/* The master ends the drain when nobody is left. */
static void tell_master(struct worker *worker)
{
    size_t count = worker->service.clients.count + worker->http.busy_count;

    if (count < worker->drain.left_count)
        wake_slot(worker->bus, BUS_SLOT_MASTER);
    worker->drain.left_count = count;
}

static void begin_due(struct worker *worker)
{
    struct worker_drain *drain = &worker->drain;

    if (drain->phase != BUS_DRAINING)
        return;
    if (!drain->has_refused && clock_boottime_ns() >= drain->accept_until_ns)
        refuse_newcomers(worker);
    /* Not before newcomers are refused: telling those who came meanwhile is a walk of its own. */
    if (drain->has_refused && drain->walk == DRAIN_WALK_NONE && !drain->has_spread &&
        worker->config->drain_spread > 0) {
        drain->has_spread = true;
        begin_spread(worker);
    }
    /* Of the control socket, or on a connection that was there before. */
    if (drain->has_newcomers && drain->walk == DRAIN_WALK_NONE) {
        drain->has_newcomers = false;
        begin_walk(worker, DRAIN_WALK_WARN);
    }
}

bool drain_worker_turn(struct worker *worker)
{
    enum bus_phase phase = bus_phase(worker->bus);
    bool is_new = phase != worker->drain.phase;

    drain_worker_count(worker); /* who has gone since the flush, before it is told */
    if (is_new)
        enter_phase(worker, phase);
    if (phase < BUS_DRAINING)
        return false;
    begin_due(worker);
    tell_master(worker);
    /* What was published before it is delivered before anybody is told to go. */
    return is_new || step_walk(worker);
}

int64_t drain_worker_sleep_ns(const struct worker *worker)
{
    const struct worker_drain *drain = &worker->drain;
    int64_t now_ns = clock_boottime_ns();
    int64_t sleep_ns = INT64_MAX;

    if (drain->phase == BUS_DRAINING && !drain->has_refused)
        sleep_ns = drain->accept_until_ns - now_ns;
    if (drain->phase == BUS_STOPPING)
        sleep_ns = drain->stop_by_ns - now_ns;
    if (drain->walk == DRAIN_WALK_SPREAD && drain->spread_count > 0) {
        int64_t spread_ns = spread_next_ns(worker) - now_ns;

        sleep_ns = spread_ns < sleep_ns ? spread_ns : sleep_ns;
    }
    return sleep_ns > 0 ? sleep_ns : 0;
}

bool drain_worker_is_over(const struct worker *worker)
{
    if (worker->drain.phase != BUS_STOPPING)
        return false;
    /* Who keeps a control connection open without asking anything holds up nobody. */
    if (tcp_counts(worker->tcp)->open_count == worker->control.http.waiting_count &&
        publisher_is_idle(worker->service.publisher))
        return true;
    return clock_boottime_ns() >= worker->drain.stop_by_ns;
}
