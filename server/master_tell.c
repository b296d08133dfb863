/* What the master tells: the log about births and deaths, the service manager about everything. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bus/shm.h"
#include "bus/stats.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/listeners.h"
#include "server/log.h"
#include "server/master.h"

enum {
    NAME_BYTES = 32,
    READY_BYTES = 512,
};

void master_log_ready(const struct master *master)
{
    char where[READY_BYTES];
    const char *data = master->heritage.config->data;
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_VERSION, SLUICE_VERSION)),
        log_told(log_u64(LOG_FIELD_WORKERS, master->worker_count)),
        log_told(log_text(LOG_FIELD_DATA, data)),
    };

    listeners_describe(&master->heritage, where, sizeof where);
    log_fields(LOG_LEVEL_INFO, LOG_READY, fields, 3, "sluice %s ready: %s, %u workers, data %s",
               SLUICE_VERSION, where, master->worker_count, data);
}

void master_log_death(const struct child *child, const struct master_death *death)
{
    const pid_t pid = death->pid;
    const int status = death->status;
    char name[NAME_BYTES] = "";
    char again[64] = "";
    const struct log_field fields[] = {
        log_told(log_text(LOG_FIELD_CHILD, name)),
        log_told(log_i64(LOG_FIELD_CHILD_PID, pid)),
        log_told(WIFSIGNALED(status) ? log_i64(LOG_FIELD_SIGNAL, WTERMSIG(status))
                                     : log_i64(LOG_FIELD_STATUS, WEXITSTATUS(status))),
    };

    child_name(child, name, sizeof name);
    if (death->is_hopeless)
        (void)snprintf(again, sizeof again, ", and the server ends with it");
    else if (child->state == CHILD_RESTING)
        (void)snprintf(again, sizeof again, ", started again in %" PRId64 " ms",
                       child->rest_ns / 1000000);
    if (WIFSIGNALED(status))
        log_fields(LOG_LEVEL_WARNING, LOG_PROCESS_ENDED, fields, 3,
                   "%s (pid %d) was ended by signal %d (%s)%s", name, (int)pid, WTERMSIG(status),
                   strsignal(WTERMSIG(status)), again);
    else if (WEXITSTATUS(status) != 0 || !death->is_expected)
        log_fields(LOG_LEVEL_WARNING, LOG_PROCESS_ENDED, fields, 3,
                   "%s (pid %d) ended with status %d%s", name, (int)pid, WEXITSTATUS(status),
                   again);
    else
        log_fields(LOG_LEVEL_DEBUG, LOG_PROCESS_ENDED, fields, 3, "%s (pid %d) has ended", name,
                   (int)pid);
}

static enum notify_phase notify_phase(const struct master *master)
{
    static const enum notify_phase phases[] = {
        [MASTER_RECOVERING] = NOTIFY_RECOVERING, [MASTER_OPENING] = NOTIFY_OPENING,
        [MASTER_SERVING] = NOTIFY_SERVING,       [MASTER_DRAINING] = NOTIFY_DRAINING,
        [MASTER_STOPPING] = NOTIFY_STOPPING,     [MASTER_COMMITTING] = NOTIFY_COMMITTING,
        [MASTER_RENEWING] = NOTIFY_RENEWING,     [MASTER_ENDED] = NOTIFY_COMMITTING,
    };

    if (master->stage == MASTER_DRAINING && master->drain.closing_until_ns != 0)
        return NOTIFY_CLOSING;
    return phases[master->stage];
}

void master_tell_manager(struct master *master)
{
    const struct bus *bus = master->heritage.bus;
    struct notify_view view;

    if (master->notify.fd < 0 || bus == NULL)
        return;
    view = (struct notify_view){
        .phase = notify_phase(master),
        .worker_count = master->worker_count,
        .serving_count = child_count_running(master->workers, master->worker_count),
        .client_count = stat_sum(bus, STAT_CLIENTS),
        .deadline_ns = master->drain.deadline_ns - clock_boottime_ns(),
        .has_failed_starts = child_has_any_died(&master->writer, 1) ||
                             child_has_any_died(master->workers, master->worker_count),
        .is_ending = master->is_ending,
        .is_refusing = bus_refusal(bus) == BUS_STORAGE_FULL,
    };
    notify_turn(&master->notify, &view, clock_monotonic_ns());
}
