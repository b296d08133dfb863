/*
 * server/notify.h - what the master tells its service manager: READY, STATUS, WATCHDOG … (sd_notify(3)).
 *
 * Shape    the master says each turn how things stand (struct notify_view); what of it is new or due
 *          goes out as one datagram, and counts as told only when it has been taken. Without
 *          NOTIFY_SOCKET all of it does nothing.
 * Told     READY=1 once, when all workers serve. STOPPING=1 once, when a drain has begun. STATUS when
 *          it has changed, at most once a second, but at once in a new phase. EXTEND_TIMEOUT_USEC every
 *          NOTIFY_EXTEND_NS while it starts or stops, so that neither a long recovery nor a long drain
 *          ends at TimeoutStartSec or TimeoutStopSec; not for a start in which a process has died:
 *          one that keeps failing shall be seen to fail.
 * Watchdog WATCHDOG=1 at half of WATCHDOG_USEC, and only while starting anew could not help: the
 *          master's loop turns, and at least one worker serves. A dead writer alone withholds
 *          nothing: the master starts it again, and those who are connected go on reading.
 * Blocking never: sd_notify() would wait for a manager whose queue is full, and a stopped manager
 *          would stop the drain. What finds no room is sent a second later.
 * Units    ns of CLOCK_MONOTONIC.
 * Callers  master. A child closes fd; it is not the main process, so nobody would listen to it.
 * Errors   the first is logged, none ends anything.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NOTIFY_STATUS_BYTES = 160,
};
#define NOTIFY_EXTEND_NS INT64_C(10000000000)
#define NOTIFY_EXTRA_NS  INT64_C(30000000000) /* what is asked for: three times as long */
#define NOTIFY_STATUS_NS INT64_C(1000000000)
#define NOTIFY_NEVER     INT64_MAX

enum notify_phase {
    NOTIFY_RECOVERING,
    NOTIFY_OPENING,
    NOTIFY_SERVING,
    NOTIFY_DRAINING,
    NOTIFY_CLOSING, /* of those who have not left by the deadline */
    NOTIFY_STOPPING,
    NOTIFY_COMMITTING,
    NOTIFY_RENEWING,
    NOTIFY_PHASE_COUNT,
};

/* How things stand. */
struct notify_view {
    enum notify_phase phase;
    unsigned worker_count;
    unsigned serving_count; /* of them, those that run */
    uint64_t client_count;
    int64_t deadline_ns;    /* from now on; NOTIFY_DRAINING */
    bool has_failed_starts; /* a process has died, once at least */
    bool is_refusing;       /* the store is full: no publishing */
    bool is_ending;         /* asked to end, in whatever phase */
};

struct notify {
    int fd; /* -1: nobody to tell */
    struct sockaddr_un address;
    socklen_t address_bytes;
    int64_t watchdog_ns; /* between pings; 0: none wanted */
    int64_t watchdog_due_ns;
    int64_t extend_due_ns;
    int64_t status_due_ns;
    int64_t retry_ns; /* nothing is sent before */
    bool is_ready_told;
    bool is_stopping_told;
    bool has_failed; /* said in the log */
    enum notify_phase phase;
    char status[NOTIFY_STATUS_BYTES]; /* the last one told */
};

/* By NOTIFY_SOCKET and WATCHDOG_USEC of the environment. What cannot be used is logged. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);
void notify_turn(struct notify *notify, const struct notify_view *view, int64_t now_ns);
/* When notify_turn has something to send though nothing changes; NOTIFY_NEVER. */
int64_t notify_due_ns(const struct notify *notify);

#endif
