/*
 * bus/wake.h - sleeping without missing anything, waking without system calls when all are busy.
 *
 * Sleeper  wake_prepare(reasons); look once more at everything it would act on; if there is
 *          nothing, epoll_wait (never longer than 1 s) with wake_fd in the set; wake_done().
 * Waker    change shared state; wake_signal(reason): a full fence, then a write to the eventfd of
 *          each sleeper that named the reason. Only the sleeper clears its word.
 * Crashes  a producer killed between change and wake: the sleeper's 1 s, and the master, which
 *          wakes everybody when a child has died.
 * DESIGN section 4, "Wake".
 */
#ifndef BUS_WAKE_H
#define BUS_WAKE_H

struct bus;

enum wake_reason {
    WAKE_TAIL = 1,   /* something was appended */
    WAKE_URGENT = 2, /* ... whose commit is awaited, or a quarter of the ring waits */
    WAKE_COMMIT = 4, /* committed_seq moved (room came with it) */
    WAKE_STATE = 8,  /* phase, a death, a count the master waits for */
    WAKE_SHARE = 16, /* others have as many connections as we: we may accept again */
};

#define WAKE_ALL 31u

/* Owner of @slot. */
void wake_prepare(struct bus *bus, unsigned slot, unsigned reasons);
/* Clears the word and empties the eventfd. */
void wake_done(struct bus *bus, unsigned slot);
/* The eventfd of @slot, for its owner's epoll set (edge of readable). Not to be closed. */
int wake_fd(const struct bus *bus, unsigned slot);

/* Any process. @reasons or-ed. */
void wake_signal(struct bus *bus, unsigned reasons);
/* One process, if it sleeps and named one of @reasons; after the change and a wake_fence. */
void wake_slot_for(struct bus *bus, unsigned slot, unsigned reasons);
void wake_fence(void);
/* Every active process, asleep or not: phase changes and deaths, never the data path. */
void wake_everybody(struct bus *bus);
/* One process, asleep or not: the master (of a child), a worker (of the master). */
void wake_slot(struct bus *bus, unsigned slot);

#endif
