/*
 * server/net/budget.h - a bound on the memory that unfinished input may take, over all connections.
 *
 * Each worker has one budget: what it holds of heads, bodies, lines and messages that have begun
 * but are not whole. Whoever keeps such bytes takes them from the budget first and gives them back
 * when they are freed. When it is used up the connection that wants more is turned away in its
 * protocol's way (HTTP 503, WebSocket 1013, `unavailable` on raw TCP); whole messages that fit the
 * read buffer need nothing of it, so everybody else goes on.
 * Callers  a worker's own thread. NULL stands for a budget without a bound (tests).
 */
#ifndef SERVER_NET_BUDGET_H
#define SERVER_NET_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/check.h"

struct budget {
    uint64_t used_bytes;
    uint64_t bytes_max;
};

/* False: there is not so much left, and nothing has been taken. */
static inline bool budget_take(struct budget *budget, size_t bytes)
{
    if (budget == NULL)
        return true;
    if (bytes > budget->bytes_max - budget->used_bytes)
        return false;
    budget->used_bytes += bytes;
    return true;
}

static inline void budget_give(struct budget *budget, size_t bytes)
{
    if (budget == NULL)
        return;
    CHECK(budget->used_bytes >= bytes);
    budget->used_bytes -= bytes;
}

#endif
