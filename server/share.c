#include "server/share.h"

#include "bus/lives.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "bus/wake.h"

enum {
    /* Above the least, so many may be had: one, and this part of it. */
    SHARE_PART = 20,
};

/* Connections: own ones, and of all that accept or soon will. */
struct counts {
    uint64_t own;
    uint64_t least; /* own, if nobody has fewer */
    uint64_t total;
    uint64_t worker_count;
};

/* The kernel tells of a death before the dead one's clients can come back; the master does later. */
static bool is_alive(const struct share *share, unsigned slot)
{
    return bus_slot_is_active(share->bus, slot) && !lives_has_ended(share->lives, slot);
}

/* True when it was there and has died. */
static bool look_for_life(struct share *share, unsigned slot)
{
    struct share_other *other = &share->others[slot];
    bool was_there = other->is_there;

    if (is_alive(share, slot)) {
        /* Who has come in a dead one's place has not turned while its count stands where that one left it. */
        if (!was_there)
            other->is_there = bus_slot_turn_count(share->bus, slot) != other->turn_count;
        return false;
    }
    other->is_there = false;
    other->is_still = false;
    other->turn_count = bus_slot_turn_count(share->bus, slot);
    if (was_there)
        share_await(share, slot, share->now_ns);
    return was_there;
}

/* True when it has come to stand still. */
static bool look_for_turns(const struct share *share, unsigned slot, struct share_other *other,
                           bool is_due)
{
    uint64_t turn_count = bus_slot_turn_count(share->bus, slot);
    bool was_still = other->is_still;
    bool has_turned = turn_count != other->turn_count;

    if (has_turned)
        other->is_still = false;
    if (!is_due)
        return false;
    other->is_still = !has_turned;
    other->turn_count = turn_count;
    return other->is_still && !was_still;
}

void share_await(struct share *share, unsigned slot, int64_t now_ns)
{
    share->others[slot].vacant_until_ns = now_ns + SHARE_VACANT_NS;
}

bool share_look(struct share *share, int64_t now_ns)
{
    bool is_due = now_ns >= share->look_due_ns;
    bool is_lost = false;

    share->now_ns = now_ns;
    if (is_due)
        share->look_due_ns = now_ns + SHARE_LOOK_NS;
    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        struct share_other *other = &share->others[slot];

        if (slot == share->slot)
            continue;
        if (look_for_life(share, slot))
            is_lost = true;
        if (other->is_there && look_for_turns(share, slot, other, is_due))
            is_lost = true;
    }
    return is_lost;
}

/* In a drain nobody comes in the place of who has gone. */
static bool is_awaited(const struct share *share, const struct share_other *other)
{
    return bus_phase(share->bus) == BUS_RUNNING && share->now_ns < other->vacant_until_ns;
}

static struct counts count_all(const struct share *share)
{
    uint64_t own = stat_get(share->bus, share->slot, STAT_CONNECTIONS);
    struct counts counts = {.own = own, .least = own, .total = own, .worker_count = 1};

    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        const struct share_other *other = &share->others[slot];
        uint64_t count = 0;

        if (slot == share->slot || other->is_still)
            continue;
        if (other->is_there)
            count = stat_get(share->bus, slot, STAT_CONNECTIONS);
        else if (!is_awaited(share, other))
            continue;
        counts.worker_count++;
        counts.total += count;
        if (count < counts.least)
            counts.least = count;
    }
    return counts;
}

static bool is_above(const struct counts *counts, uint64_t count)
{
    return count > counts->least + 1 + counts->least / SHARE_PART;
}

/* While another worker is not, as far as can be told: all may have as many as we. */
static bool is_only_one_full(const struct share *share, const struct counts *counts)
{
    return counts->own >= share->connections_max &&
           counts->total < share->connections_max * counts->worker_count;
}

bool share_is_enough(const struct share *share)
{
    const struct counts counts = count_all(share);

    return is_above(&counts, counts.own) || is_only_one_full(share, &counts);
}

void share_ring_others(const struct share *share)
{
    struct counts counts;

    wake_fence(); /* either they see our count before they sleep, or we that they do */
    counts = count_all(share);
    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        if (slot != share->slot && bus_slot_is_active(share->bus, slot) &&
            !is_above(&counts, stat_get(share->bus, slot, STAT_CONNECTIONS)))
            wake_slot_for(share->bus, slot, WAKE_SHARE);
    }
}
