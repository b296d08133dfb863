/*
 * server/drain_master.h - the end of a server, as its master conducts it: DESIGN section 7.
 *
 * Shape    SIGTERM → BUS_DRAINING with a deadline; clients leave in their own time → over. At the
 *          deadline (or a second signal) BUS_CLOSING: 1001 to everybody, DRAIN_CLOSING_NS for
 *          their answers → over. Then the master stops the workers and lets the writer finish.
 * Units    ns of CLOCK_BOOTTIME.
 * Callers  master, once per turn. The workers' side is server/drain_worker.h.
 */
#ifndef SERVER_DRAIN_MASTER_H
#define SERVER_DRAIN_MASTER_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct config;

#define DRAIN_CLOSING_NS INT64_C(5000000000)
#define DRAIN_REPORT_NS  INT64_C(10000000000)

struct drain {
    int64_t begun_ns; /* 0: not begun */
    int64_t accept_until_ns;
    int64_t deadline_ns;
    int64_t report_ns;
    int64_t closing_until_ns; /* 0: not closing yet */
    uint64_t lost;            /* clients of workers that have died in it */
    bool is_accepting;        /* drain_accept is not over */
};

/* Logs how many there are and until when; the workers see the new phase. */
void drain_begin(struct drain *drain, struct bus *bus, const struct config *config, int64_t now_ns);
/* Ends the wait as the deadline would: a second signal. */
void drain_cut_short(struct drain *drain, struct bus *bus, int64_t now_ns);
/*
 * @child, a worker by its name, has died in the drain, and @lost clients with it; its slot counts
 * none any more. Logs it, if there were any.
 */
void drain_lose(struct drain *drain, const struct bus *bus, const char *child, uint64_t lost);
/* The workers have ended: logs how their clients have left. */
void drain_log_left(const struct drain *drain, const struct bus *bus);
/* True when nobody is left to wait for. */
bool drain_step(struct drain *drain, struct bus *bus, int64_t now_ns);
/* When drain_step has something to do of its own accord, at the latest. */
int64_t drain_due_ns(const struct drain *drain);

#endif
