/*
 * server/net/rate.h - token buckets: how fast one connection may send messages and bytes.
 *
 * Shape    a bucket is told by the time at which it will be full again, so it is 8 bytes and no
 *          timer fills it. It holds one second's worth, and is full at first.
 * Rules    a message takes one token of one bucket and one per byte of the other: both, or neither.
 *          One that costs more than a whole bucket is taken when that bucket is full and leaves it
 *          in debt: no message is refused for ever, and on the average the rate holds.
 * Units    ns of CLOCK_MONOTONIC. A cost is rounded down: at most 1 ns a message in the client's
 *          favour.
 */
#ifndef SERVER_NET_RATE_H
#define SERVER_NET_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_BURST_NS INT64_C(1000000000)

enum {
    RATE_TOKENS_MAX = INT32_MAX, /* of one message; more count as so many */
};

/* Per second; 0: no limit. A reload may change them at any time. */
struct rate_limits {
    uint64_t messages;
    uint64_t bytes;
};

/* All zero at first. */
struct rate {
    int64_t messages_full_ns; /* when that bucket is full again */
    int64_t bytes_full_ns;
};

static inline int64_t rate_cost_ns(uint64_t per_second, uint64_t tokens)
{
    if (tokens > RATE_TOKENS_MAX)
        tokens = RATE_TOKENS_MAX;
    return (int64_t)(tokens * (uint64_t)RATE_BURST_NS / per_second);
}

/* How long until the bucket can give that much; 0: it can now. */
static inline int64_t rate_wait_ns(uint64_t per_second, int64_t full_ns, uint64_t tokens,
                                   int64_t now_ns)
{
    int64_t missing_ns = full_ns - now_ns;
    int64_t cost_ns;

    if (per_second == 0 || missing_ns <= 0)
        return 0;
    cost_ns = rate_cost_ns(per_second, tokens);
    if (cost_ns > RATE_BURST_NS)
        cost_ns = RATE_BURST_NS; /* when it is full, it may go into debt */
    return missing_ns + cost_ns > RATE_BURST_NS ? missing_ns + cost_ns - RATE_BURST_NS : 0;
}

static inline void rate_spend(uint64_t per_second, int64_t *full_ns, uint64_t tokens,
                              int64_t now_ns)
{
    if (per_second == 0)
        return;
    if (*full_ns < now_ns)
        *full_ns = now_ns;
    *full_ns += rate_cost_ns(per_second, tokens);
}

/* One message of @bytes: 0 when it is taken; else nothing is, and in so many ns it could be. */
static inline int64_t rate_take(struct rate *rate, const struct rate_limits *limits, size_t bytes,
                                int64_t now_ns)
{
    int64_t messages_ns;
    int64_t bytes_ns;

    if (limits->messages == 0 && limits->bytes == 0)
        return 0;
    messages_ns = rate_wait_ns(limits->messages, rate->messages_full_ns, 1, now_ns);
    bytes_ns = rate_wait_ns(limits->bytes, rate->bytes_full_ns, bytes, now_ns);
    if (messages_ns > 0 || bytes_ns > 0)
        return messages_ns > bytes_ns ? messages_ns : bytes_ns;
    rate_spend(limits->messages, &rate->messages_full_ns, 1, now_ns);
    rate_spend(limits->bytes, &rate->bytes_full_ns, bytes, now_ns);
    return 0;
}

#endif
