/*
 * server/child.h - a child as the master sees it: its states, what to do at each event, back-off.
 *
 * Shape    actions[state][event] says what the master has to do and which state follows. Pure: no
 *          clock, no process, no ring; spawn.c and master.c act.
 *
 *            wanted          first turn         silent for 10 s
 *   ABSENT ─────────▶ STARTING ────────▶ RUNNING ─────────────▶ CONDEMNED (killed, not yet gone)
 *      ▲                 ▲  │ died          │ died                  │ died
 *      │ gone     rested │  ▼               ▼                       ▼
 *   RETIRING ◀───────── RESTING ◀───────────┴───────────────────────┘
 *              (from any state but ABSENT, when the server ends: nothing is started again)
 *
 * Units    ns of CLOCK_MONOTONIC.
 * Callers  master.
 */
#ifndef SERVER_CHILD_H
#define SERVER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_kind {
    CHILD_WRITER,
    CHILD_WORKER,
};

/* How a child says to its master why it ended, by its exit status. */
enum child_exit {
    CHILD_EXIT_DONE = 0,
    CHILD_EXIT_FAILED = 1,
    CHILD_EXIT_STORE_TAKEN = 3, /* another server writes the store: all must end */
    CHILD_EXIT_LOCK_LOST = 4,   /* the append lock cannot be recovered: all must be started anew */
    CHILD_EXIT_SCHEMA_REFUSED = 5, /* the store's rows do not fit it; said: all must end */
};

enum child_state {
    CHILD_ABSENT,
    CHILD_STARTING,
    CHILD_RUNNING,
    CHILD_CONDEMNED,
    CHILD_RESTING,
    CHILD_RETIRING,
    CHILD_STATE_COUNT,
};

enum child_event {
    CHILD_IS_WANTED,
    CHILD_HAS_TURNED,
    CHILD_IS_SILENT,
    CHILD_HAS_DIED,
    CHILD_HAS_RESTED,
    CHILD_IS_RETIRED,
    CHILD_EVENT_COUNT,
};

enum child_action {
    CHILD_NOTHING,
    CHILD_SPAWN,
    CHILD_KILL,
    CHILD_REST, /* start it again after child_rest_ns */
};

enum {
    CHILD_SILENT_CHECKS = 10, /* of one second each, without a turn of its loop */
};
#define CHILD_REST_NS_MIN INT64_C(100000000)
#define CHILD_REST_NS_MAX INT64_C(10000000000)
#define CHILD_STABLE_NS   INT64_C(5000000000) /* who lived that long begins anew at the minimum */

struct child {
    enum child_kind kind;
    unsigned index; /* of a worker */
    unsigned slot;
    pid_t pid; /* 0: none */
    enum child_state state;
    int64_t spawned_ns;
    int64_t rest_ns;     /* the last rest; 0: none yet */
    int64_t rested_ns;   /* RESTING: when it is over */
    uint64_t turn_count; /* as seen at the last check */
    unsigned silent_checks;
};

/* Moves @child on and says what to do. The one place that changes its state. */
enum child_action child_step(struct child *child, enum child_event event);
/* How long to wait before the next start of one that lived @lived_ns; @previous_ns as above. */
int64_t child_rest_ns(int64_t previous_ns, int64_t lived_ns);
/*
 * One check per second: whether its loop has stood still for CHILD_SILENT_CHECKS of them. Counted
 * in checks, not in time, so that a master which was stopped itself condemns nobody.
 */
bool child_is_silent(struct child *child, uint64_t turn_count, bool is_excused);
/* Of @children: how many run; whether one has died, once at least. */
unsigned child_count_running(const struct child *children, unsigned count);
bool child_has_any_died(const struct child *children, unsigned count);
/* "worker 0", "store writer". */
void child_name(const struct child *child, char *buf, unsigned buf_bytes);

#endif
