/*
 * tools/sluicectl/backoff.h - when to try again: at once, then 100 ms, doubled up to 5 s.
 */
#ifndef TOOLS_SLUICECTL_BACKOFF_H
#define TOOLS_SLUICECTL_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000

/* @failures: in a row, at least 1. */
static inline int64_t backoff_ms(unsigned failures)
{
    unsigned doublings = failures < 2 ? 0 : failures - 2;
    int64_t ms = doublings > 6 ? BACKOFF_MAX_MS : (int64_t)BACKOFF_FIRST_MS << doublings;

    return failures < 2 ? 0 : ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

#endif
