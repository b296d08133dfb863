/*
 * server/share.h - whether a worker has enough connections, beside what the others have.
 *
 * Counts   connections, as they are what can be somebody else's: one of HTTP/2 is one, whatever it carries.
 * Rule     who has more than one and 5 % above the one with the fewest has enough, and so has who alone
 *          has no descriptors left. So all are within 10 % of an even share, and the one with the
 *          fewest always accepts.
 * Others   Whoever has died is waited for, as its clients come back before it does: until the one in its
 *          place has turned, for SHARE_VACANT_NS at most, and not in a drain. So is, by one who has come
 *          just now, whoever else ought to be there. One that dies before it has turned is not
 *          waited for again: what dies at each start keeps nobody out. Whoever stands still accepts
 *          nobody until the master replaces it: it does not count.
 * Units    ns of CLOCK_MONOTONIC.
 * Callers  accept.c, at any time in a worker; nothing blocks.
 */
#ifndef SERVER_SHARE_H
#define SERVER_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/slots.h"

struct bus;
struct lives;

/* Between two looks at who turns; each does once a second, when it has nothing else to do. */
#define SHARE_LOOK_NS INT64_C(2000000000)
/* From a worker's death until nobody waits any more for the one in its place. */
#define SHARE_VACANT_NS INT64_C(2000000000)

/* What was seen of another worker. */
struct share_other {
    uint64_t turn_count;     /* at the last look */
    int64_t vacant_until_ns; /* whoever comes in its place is waited for */
    bool is_there;           /* alive, and has turned */
    bool is_still;           /* had not turned between the last two looks, nor since */
};

struct share {
    struct bus *bus;
    struct lives *lives;
    unsigned slot;            /* whose it is */
    uint64_t connections_max; /* that it, and each of the others, has descriptors for */
    int64_t now_ns;           /* of the last share_look */
    int64_t look_due_ns;
    struct share_other others[BUS_SLOT_COUNT];
};

/* Whoever belongs in @slot, and is not there, is waited for. */
void share_await(struct share *share, unsigned slot, int64_t now_ns);

/*
 * Looks at who is there. True when somebody is not any more: what the kernel had woken it for may still
 * wait in the queues, and nobody else has been told of that.
 */
bool share_look(struct share *share, int64_t now_ns);
/* By the counts of this moment, and by who was there at the last look. */
bool share_is_enough(const struct share *share);
/* We have come to have enough: wakes those who wait for WAKE_SHARE and have not. */
void share_ring_others(const struct share *share);

#endif
