/*
 * server/master.h - the master's own state, shared by master*.c only.
 *
 * The master forks, watches, signals. It reads no client's byte and never opens the store.
 *
 * Stages   RECOVERING the writer makes ring, store and schema agree → OPENING the workers have not turned
 *          yet → SERVING → DRAINING (drain_master.h) → STOPPING the workers end → COMMITTING the
 *          writer commits the rest → ENDED. RENEWING: the append lock is lost; all children are
 *          killed, the ring is opened anew, and it begins again with RECOVERING.
 * Turn     signals and wake-ups only set flags; what they mean is decided once per turn.
 */
#ifndef SERVER_MASTER_H
#define SERVER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/child.h"
#include "server/drain_master.h"
#include "server/heritage.h"
#include "server/net/loop.h"
#include "server/notify.h"
#include "server/process_stats.h"

enum master_stage {
    MASTER_RECOVERING,
    MASTER_OPENING,
    MASTER_SERVING,
    MASTER_DRAINING,
    MASTER_STOPPING,
    MASTER_COMMITTING,
    MASTER_RENEWING,
    MASTER_ENDED,
};

struct master {
    struct heritage heritage;
    struct loop *loop;
    struct loop_source signal_source;
    struct loop_source wake_source;
    struct child writer;
    struct child workers[BUS_WORKERS_MAX];
    unsigned worker_count;
    enum master_stage stage;
    struct drain drain;
    struct notify notify;
    unsigned stop_requests; /* signals not acted on yet */
    bool has_deaths;        /* SIGCHLD came */
    bool is_ending;         /* asked to end before it served, or while it was renewed */
    unsigned writer_last_starts;
    int64_t check_due_ns;
    int64_t keys_due_ns; /* of TLS tickets: when they are renewed */
    struct process_stats process;
    int exit_status;
};

/* How a child has ended. */
struct master_death {
    pid_t pid;
    int status;       /* of waitpid */
    bool is_expected; /* it was asked to */
    bool is_hopeless; /* the server ends with it */
};

/* --- what others are told (master_tell.c) --------------------------------------------------------- */

void master_log_ready(const struct master *master);
/* @child: as it stands after its death. */
void master_log_death(const struct child *child, const struct master_death *death);
/* Once per turn. */
void master_tell_manager(struct master *master);

#endif
