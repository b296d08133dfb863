/*
 * server/clock.h - the clocks of the processes, in ns.
 *
 * Drains run on CLOCK_BOOTTIME, which goes on while a machine sleeps and means the same to every
 * process; everything inside one process runs on CLOCK_MONOTONIC, as its loop does.
 */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "bus/check.h"

#define CLOCK_SECOND_NS INT64_C(1000000000)

static inline int64_t clock_read_ns(clockid_t clock)
{
    struct timespec now = {0};

    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * CLOCK_SECOND_NS + now.tv_nsec;
}

static inline int64_t clock_boottime_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

static inline int64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

#endif
