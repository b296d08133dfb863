/*
 * tools/sluice-bench/measure.h - what the server's processes cost, by /proc.
 *
 * Units    CPU in ns (user and system): /proc/PID/schedstat, or the clock ticks of
 *          /proc/PID/stat where the kernel has no schedstat. Memory in bytes: the sum of the
 *          proportional set sizes (Pss), in which what the processes share is counted once.
 * Callers  coordinator.c. Reading smaps_rollup stops the process for some ms: not while
 *          measuring time.
 * Limits   A process that ends between two samples takes its last part with it; one that is
 *          born in between counts from zero. MEASURE_PROCESSES_MAX processes.
 * Errors   -ESRCH: a process is not there; -EACCES: not ours to look at; -E2BIG.
 */
#ifndef TOOLS_SLUICE_BENCH_MEASURE_H
#define TOOLS_SLUICE_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MEASURE_PROCESSES_MAX 256

struct measure_cpu {
    uint32_t count;
    struct {
        pid_t pid;
        uint64_t cpu_ns;
    } processes[MEASURE_PROCESSES_MAX];
};

int measure_cpu_sample(const pid_t *pids, uint32_t pid_count, bool with_children,
                       struct measure_cpu *ret_sample);

uint64_t measure_cpu_between_ns(const struct measure_cpu *before, const struct measure_cpu *after);

int measure_memory_sample(const pid_t *pids, uint32_t pid_count, bool with_children,
                          uint64_t *ret_bytes);

#endif
