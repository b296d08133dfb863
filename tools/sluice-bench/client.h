/*
 * tools/sluice-bench/client.h - one client process: its connections and their loop.
 *
 * Shape    One epoll loop. Each turn: read what has come, judge it, publish what may be
 *          published, write, and tell the coordinator what has changed.
 * Callers  coordinator.c, in the child, once.
 * Crashes  The coordinator sees the end of the control socket; a client process ends with it.
 */
#ifndef TOOLS_SLUICE_BENCH_CLIENT_H
#define TOOLS_SLUICE_BENCH_CLIENT_H

#include <stdint.h>

#include "tools/sluice-bench/control.h"
#include "tools/sluice-bench/options.h"

struct client_place {
    const struct options *options;
    uint32_t process;
    uint32_t run;                  /* marks the messages of this run */
    int control_fd;                /* packets: commands in, reports out */
    int progress_fd;               /* process 0: read; others: write. -1 with one process */
    struct control_result *result; /* shared with the coordinator */
};

/* Runs until the coordinator says CONTROL_END or is gone. 0, or -errno if it cannot go on. */
int client_run(const struct client_place *place);

#endif
