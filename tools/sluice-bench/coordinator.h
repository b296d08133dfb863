/*
 * tools/sluice-bench/coordinator.h - the run as a whole: starts the client processes, leads them
 * through its phases, measures the server, adds up.
 *
 * Shape    connect, [warm up, pause], measure, pause; with --idle: connect, hold. A pause lasts
 *          until everything published has arrived, so that a phase owns all its messages.
 * Callers  main.c, once.
 * Errors   0: the report is filled in (it may be a bad one); -errno: no run was possible, the
 *          reason has been printed.
 */
#ifndef TOOLS_SLUICE_BENCH_COORDINATOR_H
#define TOOLS_SLUICE_BENCH_COORDINATOR_H

#include "tools/sluice-bench/histogram.h"
#include "tools/sluice-bench/options.h"
#include "tools/sluice-bench/report.h"

struct coordinator_result {
    struct report report;
    struct histogram delivery; /* what the report points to */
    struct histogram acknowledgement;
};

int coordinator_run(const struct options *options, struct coordinator_result *result);

#endif
