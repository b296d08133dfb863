/*
 * tools/sluice-bench/control.h - what coordinator and client processes tell each other.
 *
 * Shape    One packet socket between the coordinator and each client process: commands down,
 *          reports up. One more packet socket on which all client processes tell process 0 how
 *          far their subscribers are, which is what a window waits for. Histograms are in
 *          memory shared with the coordinator, which looks when the process has ended.
 * Callers  Same program on both ends (fork): structs travel as they are.
 */
#ifndef TOOLS_SLUICE_BENCH_CONTROL_H
#define TOOLS_SLUICE_BENCH_CONTROL_H

#include <stdint.h>

#include "tools/sluice-bench/histogram.h"

enum control_phase {
    CONTROL_CONNECT,
    CONTROL_WARMUP,
    CONTROL_PAUSE, /* nothing more is published; what is on its way arrives */
    CONTROL_MEASURE,
    CONTROL_END,
};

struct control_command {
    uint32_t phase;
    uint32_t reserved;
    uint64_t message_limit; /* of all publishers, in this phase; 0: none */
};

/* Everything since the start of the process; the coordinator takes differences. */
struct control_report {
    uint32_t phase;        /* the last command obeyed */
    uint32_t ready_count;  /* connections opened (and subscribed) */
    uint32_t failed_count; /* connections that did not get there */
    uint32_t closed_count; /* connections lost after that */
    uint64_t ready_ns;     /* when the last became ready */
    uint64_t published;    /* messages written to sockets or their buffers */
    uint64_t acknowledged; /* of these; 0 where there are no acknowledgements */
    uint64_t refused;      /* answered with an error */
    uint64_t expected;     /* deliveries, on all processes, of what this one has published */
    uint64_t delivered;    /* to subscribers of this process, each once */
    uint64_t duplicates;
    uint64_t order_errors; /* late ones, and messages of another topic */
    uint64_t last_delivery_ns;
    uint64_t last_acknowledged_ns;
};

struct control_progress {
    uint32_t process;
    uint32_t publisher;
    uint64_t completed; /* messages 0 to completed - 1 have reached all of this process */
};

/* Written by one client process while it measures. */
struct control_result {
    struct histogram delivery;     /* publish to delivery */
    struct histogram acknowledged; /* publish to acknowledgement */
};

/* What a client process counts into. */
struct control_account {
    struct control_report report;
    struct control_result *result;
};

#endif
