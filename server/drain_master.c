#include "server/drain_master.h"

#include <inttypes.h>

#include "bus/check.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"

/* To the nearest second: a wake-up comes a little late. */
static int64_t seconds(int64_t ns)
{
    return (ns + CLOCK_SECOND_NS / 2) / CLOCK_SECOND_NS;
}

static void log_begun(uint64_t clients, int64_t deadline_s)
{
    const struct log_field fields[] = {
        log_told(log_u64(LOG_FIELD_CONNECTIONS, clients)),
        log_told(log_i64(LOG_FIELD_DEADLINE_SECONDS, deadline_s)),
    };

    log_fields(LOG_LEVEL_INFO, LOG_SHUTDOWN_BEGUN, fields, 2,
               "shutdown: draining %" PRIu64 " connections, deadline %" PRId64 " s", clients,
               deadline_s);
}

/* Whoever is left, @clients, is about to be closed. */
static void log_closing(enum log_event event, const char *why, uint64_t clients)
{
    const struct log_field field = log_told(log_u64(LOG_FIELD_CONNECTIONS, clients));

    log_fields(LOG_LEVEL_WARNING, event, &field, 1,
               "shutdown: %s, %" PRIu64 " connections left are closed", why, clients);
}

/* Clients, and whoever else has a request under way. */
static uint64_t count_left(const struct bus *bus)
{
    return stat_sum(bus, STAT_CLIENTS) + stat_sum(bus, STAT_BUSY);
}

void drain_begin(struct drain *drain, struct bus *bus, const struct config *config, int64_t now_ns)
{
    CHECK(drain->begun_ns == 0);
    *drain = (struct drain){
        .begun_ns = now_ns,
        .accept_until_ns = now_ns + (int64_t)config->drain_accept,
        .deadline_ns = now_ns + (int64_t)config->drain_timeout,
        .report_ns = now_ns + DRAIN_REPORT_NS,
        .is_accepting = config->drain_accept > 0,
    };
    log_begun(count_left(bus), seconds((int64_t)config->drain_timeout));
    bus_set_phase(bus, BUS_DRAINING, drain->deadline_ns);
}

static void close_all(struct drain *drain, struct bus *bus, int64_t now_ns)
{
    drain->closing_until_ns = now_ns + DRAIN_CLOSING_NS;
    bus_set_phase(bus, BUS_CLOSING, drain->deadline_ns);
}

void drain_cut_short(struct drain *drain, struct bus *bus, int64_t now_ns)
{
    if (drain->closing_until_ns != 0)
        return;
    log_closing(LOG_SHUTDOWN_HURRIED, "asked again", count_left(bus));
    close_all(drain, bus, now_ns);
}

static void report(struct drain *drain, uint64_t left, int64_t now_ns)
{
    int64_t elapsed_s = seconds(now_ns - drain->begun_ns);
    int64_t remaining_s = seconds(drain->deadline_ns - now_ns);
    const struct log_field fields[] = {
        log_told(log_u64(LOG_FIELD_CONNECTIONS, left)),
        log_told(log_i64(LOG_FIELD_ELAPSED_SECONDS, elapsed_s)),
        log_told(log_i64(LOG_FIELD_REMAINING_SECONDS, remaining_s)),
    };

    while (drain->report_ns <= now_ns)
        drain->report_ns += DRAIN_REPORT_NS;
    log_fields(LOG_LEVEL_INFO, LOG_SHUTDOWN_PROGRESS, fields, 3,
               "shutdown: %" PRIu64 " connections left, %" PRId64 " s elapsed, %" PRId64
               " s until the deadline",
               left, elapsed_s, remaining_s);
}

bool drain_step(struct drain *drain, struct bus *bus, int64_t now_ns)
{
    uint64_t left = count_left(bus);

    if (drain->closing_until_ns != 0)
        return left == 0 || now_ns >= drain->closing_until_ns;
    if (now_ns >= drain->accept_until_ns)
        drain->is_accepting = false;
    if (left == 0 && !drain->is_accepting)
        return true;
    if (now_ns >= drain->deadline_ns) {
        log_closing(LOG_SHUTDOWN_DEADLINE, "deadline reached", left);
        close_all(drain, bus, now_ns);
        return left == 0;
    }
    if (now_ns >= drain->report_ns)
        report(drain, left, now_ns);
    return false;
}

void drain_lose(struct drain *drain, const struct bus *bus, const char *child, uint64_t lost)
{
    uint64_t left = stat_sum(bus, STAT_CLIENTS);
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_CHILD, child)),
        log_told(log_u64(LOG_FIELD_LOST, lost)),
        log_told(log_u64(LOG_FIELD_CONNECTIONS, left)),
    };

    drain->lost += lost;
    if (lost > 0)
        log_fields(LOG_LEVEL_WARNING, LOG_SHUTDOWN_LOST, fields, 3,
                   "%" PRIu64 " clients were lost with %s, %" PRIu64 " remain", lost, child, left);
}

void drain_log_left(const struct drain *drain, const struct bus *bus)
{
    uint64_t clean = stat_sum(bus, STAT_LEFT_CLEAN);
    uint64_t forced = stat_sum(bus, STAT_LEFT_FORCED) + drain->lost;
    const struct log_field fields[] = {
        log_told(log_u64(LOG_FIELD_CLEAN, clean)),
        log_told(log_u64(LOG_FIELD_FORCED, forced)),
    };

    log_fields(LOG_LEVEL_INFO, LOG_SHUTDOWN_LEFT, fields, 2,
               "shutdown: all clients are gone, %" PRIu64 " clean, %" PRIu64 " forced", clean,
               forced);
}

int64_t drain_due_ns(const struct drain *drain)
{
    int64_t due_ns = drain->report_ns < drain->deadline_ns ? drain->report_ns : drain->deadline_ns;

    if (drain->closing_until_ns != 0)
        return drain->closing_until_ns;
    return drain->is_accepting && drain->accept_until_ns < due_ns ? drain->accept_until_ns : due_ns;
}
