/*
 * bus/ring.h - broadcast ring in shared memory: any worker appends, every process reads all.
 *
 * Shape    records (bus/record.h) one behind the other in seq order, from at least committed_pos
 *          to tail. Positions are byte counts that never go back (bus/layout.h).
 * Units    _pos are positions, _seq operation numbers, _bytes bytes, _ns nanoseconds.
 * Callers  ring_append, ring_request_commit: workers (and the bridge), once the writer has taken the
 *          ring over (bus_is_recovered); ring_append: the writer too, for a new schema, before them.
 *          What stands under "the writer's part": the writer.
 *          Positions and ring_read: every process.
 * Memory   the caller owns buffers; nothing is allocated; nothing blocks longer than 2 ms.
 * Limits   a record is at most a quarter of the ring; an append needs
 *          tail + bytes - committed_pos <= size.
 * Crashes  an appender that dies leaves the published state as it was; the next one repairs the
 *          lock. bus/README.md, "Deaths". DESIGN section 4.
 */
#ifndef BUS_RING_H
#define BUS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;

struct ring_position {
    uint64_t seq; /* of the last operation before pos; 0: none */
    uint64_t pos;
    int64_t time_ns; /* of that operation */
};

struct ring_appended {
    uint64_t first_seq; /* the others follow without a hole */
    uint32_t count;     /* how many of the batch are in: at least 1 */
    size_t bytes;       /* of those */
    int64_t time_ns;    /* of all of them */
};

/*
 * Appends the records that lie one behind the other in @records (encoded, unstamped): as many
 * from the front as there is room for, in one critical section, and wakes who sleeps for it.
 * @records is 8-byte aligned and is not changed; all of them have one time.
 *
 *   0                 *ret says how many
 *   -EAGAIN           the ring is full, or the lock was not had within 2 ms: try when woken
 *   -EMSGSIZE         the first record is over a quarter of the ring
 *   -ENOSPC           refused: storage full (bus_refusal)
 *   -ENOTRECOVERABLE  the lock is lost; the master will restart all
 */
int ring_append(struct bus *bus, const void *records, size_t bytes, struct ring_appended *ret);

/* The published state: last seq, tail, time of the last operation. */
struct ring_position ring_tail(const struct bus *bus);
/*
 * What the store has committed; seq and pos may be of neighbouring commits, pos never behind seq.
 * Its time is not kept here: time_ns is 0.
 */
struct ring_position ring_committed(const struct bus *bus);
/* The oldest seq the log keeps, as the writer last said; 0: none yet. */
uint64_t ring_first_seq(const struct bus *bus);

/*
 * Copies whole records from *pos up to @limit_pos (a position got from ring_tail or
 * ring_committed) into @buf (8-byte aligned) and moves *pos behind them. The copy is validated:
 * whole records, none of them overwritten while it was made.
 *
 *   > 0         bytes copied
 *   0           *pos == limit_pos
 *   -EOVERFLOW  lapped: what *pos names has been overwritten; it is committed: read the store
 *   -EMSGSIZE   the next record alone is larger: *ret_needed bytes are needed
 */
ptrdiff_t ring_read(const struct bus *bus, uint64_t *pos, uint64_t limit_pos, void *buf,
                    size_t buf_bytes, size_t *ret_needed);

/* Asks the writer to commit everything up to the present tail at once. Workers. */
void ring_request_commit(struct bus *bus);
/* Whether somebody waits for the commit of something not committed yet. Writer. */
bool ring_is_commit_urgent(const struct bus *bus);

/* --- the writer's part -------------------------------------------------------------------- */

/* What ring_recover found. */
struct ring_recovered {
    struct ring_position end; /* of the intact prefix */
    uint64_t kept_count;      /* operations after the committed ones that are intact */
    bool is_continuous;       /* same store, boot and epoch, intact to exactly tail: no new epoch */
    const char *reason;       /* when not: what was wrong, in words */
};

/* Looks, changes nothing: how far behind @committed the records are intact. */
void ring_recover(const struct bus *bus, const struct ring_position *committed, uint64_t epoch,
                  struct ring_recovered *ret);
/* Begins an empty ring behind @committed (a store marked clean, or a new one). */
void ring_reset(struct bus *bus, const struct ring_position *committed, uint64_t epoch);
/* Takes over what ring_recover found, under @epoch (committed in the store by now). */
void ring_resume(struct bus *bus, const struct ring_position *committed,
                 const struct ring_recovered *recovered, uint64_t epoch);
/* A writer restarted while the server runs: positions as the store has them. */
void ring_writer_restarted(struct bus *bus, const struct ring_position *committed);

/* Announces a commit (and the oldest seq kept) and wakes who sleeps for it. */
void ring_commit(struct bus *bus, const struct ring_position *committed, uint64_t first_seq);

#endif
