/*
 * server/net/budget.h - a bound on the memory that unfinished input may take, over all connections.
 *
 * Each worker has one budget: what it holds of heads, bodies, lines and messages that have begun
 * but are not whole. Whoever keeps such bytes takes them from the budget first and gives them back
 * when they are freed. When it is used up the connection that wants more is turned away in its
 * protocol's way (HTTP 503, WebSocket 1013, `unavailable` on raw TCP).
 * Own      the first BUDGET_OWN_BYTES that a connection keeps need nothing of the budget, nor does
 *          what parses them (an exchange, a wslay context); and what comes whole and fits the read
 *          buffer is not kept; what a paused user leaves stays in its socket while there is no
 *          room for it. So those who ask little go on while others have used it up: a
 *          batch that a read cuts through, a head in two segments.
 * Bound    bytes_max, and for each connection its own bytes and a parser: BUDGET_OWN_BYTES +
 *          BUDGET_PARSER_BYTES.
 * Callers  a worker's own thread. NULL stands for a budget without a bound (tests).
 */
#ifndef SERVER_NET_BUDGET_H
#define SERVER_NET_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/check.h"

enum {
    BUDGET_OWN_BYTES = 4 * 1024,
    BUDGET_PARSER_BYTES = 9 * 1024, /* at most: wslay's context */
};

struct budget {
    uint64_t used_bytes;
    uint64_t bytes_max;
};

/* There is so much left. */
static inline bool budget_has(const struct budget *budget, size_t bytes)
{
    return budget == NULL || bytes <= budget->bytes_max - budget->used_bytes;
}

/* False: there is not so much left, and nothing has been taken. */
static inline bool budget_take(struct budget *budget, size_t bytes)
{
    if (!budget_has(budget, bytes))
        return false;
    if (budget != NULL)
        budget->used_bytes += bytes;
    return true;
}

/* Of @bytes that one connection keeps: what has to be taken. */
static inline size_t budget_charge(size_t bytes)
{
    return bytes > BUDGET_OWN_BYTES ? bytes - BUDGET_OWN_BYTES : 0;
}

static inline void budget_give(struct budget *budget, size_t bytes)
{
    if (budget == NULL)
        return;
    CHECK(budget->used_bytes >= bytes);
    budget->used_bytes -= bytes;
}

#endif
