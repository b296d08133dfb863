/* tools/sluice-bench/clock.h - the one clock of the bench. */
#ifndef TOOLS_SLUICE_BENCH_CLOCK_H
#define TOOLS_SLUICE_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)

/* CLOCK_MONOTONIC in ns: the same for all processes of a machine. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
