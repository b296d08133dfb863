/*
 * server/process_stats.h - what a process itself takes: processor time and memory, into its slot.
 *
 * Shape    a struct process_stats per process, zeroed. Its turn looks once a second: one getrusage, and
 *          one read of /proc/self/statm through a descriptor that is opened at the first look.
 * Callers  master, workers, writer: once per turn of their loops.
 * Errors   none: without /proc the memory stays 0.
 * Crashes  the slot keeps the processor time (bus/stats.h); what was used since the last look is not
 *          counted.
 */
#ifndef SERVER_PROCESS_STATS_H
#define SERVER_PROCESS_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct bus;

struct process_stats {
    int64_t due_ns;
    uint64_t cpu_ns; /* counted so far */
    int statm_fd;    /* once has_looked; -1: there is none */
    bool has_looked;
};

/* @now_ns: monotonic. */
void process_stats_turn(struct process_stats *stats, struct bus *bus, unsigned slot,
                        int64_t now_ns);
/* A child calls it with what it has inherited of the master's. */
void process_stats_done(struct process_stats *stats);

#endif
