/*
 * tools/sluice-bench/load.h - the publishers of one client process, and when they may publish.
 *
 * Shape    Three paces. Window: a publisher has at most W messages that have not yet reached all
 *          their subscribers. Rate: so many a second, whatever comes back, so that a slow server
 *          meets the same load as a fast one and the waiting shows as latency. Flat out: as many
 *          as may be unacknowledged, or as the socket takes.
 * Units    Messages are numbered per publisher over all topics: number n goes to topic
 *          n modulo topic_count.
 * Callers  client.c, one load per process, once per turn of its loop.
 * Errors   -ENOMEM, or what conn_flush says.
 */
#ifndef TOOLS_SLUICE_BENCH_LOAD_H
#define TOOLS_SLUICE_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/sluice-bench/conn.h"
#include "tools/sluice-bench/control.h"
#include "tools/sluice-bench/options.h"

struct load_publisher {
    struct conn *conn;
    uint32_t number; /* among all publishers */
    uint64_t sent;
    uint64_t sent_limit; /* of this phase */
    uint64_t answered;   /* acknowledged or refused */
    uint64_t *sent_ns;   /* of what is not answered, at its number & load.outstanding_mask */
    uint64_t *completed; /* [process]: messages that have reached all there; window only */
};

struct load {
    const struct options *options;
    struct load_publisher *publishers;
    uint32_t publisher_count; /* here */
    uint32_t next_publisher;  /* whose turn it is, at a rate */
    uint32_t run;
    uint64_t outstanding_mask;
    bool is_running;
    bool is_measuring;
    double rate; /* a second, of this process */
    uint64_t rate_from_ns;
    uint64_t rate_sent; /* since then */
};

int load_init(struct load *load, const struct options *options, uint32_t process, uint32_t run);
void load_done(struct load *load);

/* Starts a phase; @message_limit is of all processes, 0: none. */
void load_start(struct load *load, uint64_t message_limit, bool is_measuring, uint64_t now_ns);

/*
 * Appends to the publishers' connections what they may publish now. Connections with bytes to
 * write are left to the caller to flush. Counts into @report.
 */
int load_publish(struct load *load, uint64_t now_ns, struct control_report *report);

/* The next outstanding message of a publisher has been answered. */
void load_answered(struct load *load, uint32_t publisher, bool is_refused, uint64_t now_ns,
                   struct control_account *account);

/* Subscribers of @process have all got the messages of @publisher up to @completed. */
void load_progress(struct load *load, uint32_t process, uint32_t publisher, uint64_t completed);

/* How often the process must wake up to keep the rate; 0: not at all. */
uint64_t load_tick_ns(const struct load *load);

#endif
