/*
 * bus/layout.h - the bytes that processes share. Included by bus/ only (and by its tests).
 *
 * File     BUS_HEADER_BYTES of struct bus_header, then `size` bytes of data (a power of two).
 *          The data part is mapped twice in a row, so no record ever wraps.
 * Position a byte count since the store was created, a multiple of 8, never reduced; it stands in
 *          the data part at position & (size - 1).
 * Fields   fixed width only: no pointer, size_t, bool, enum or hidden padding. Each says who
 *          writes it (W), who reads it (R) and in which memory order (O).
 * Change   of anything here: BUS_LAYOUT_VERSION, the static asserts and bus/README.md together.
 */
#ifndef BUS_LAYOUT_H
#define BUS_LAYOUT_H

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/slots.h"

enum {
    BUS_LAYOUT_VERSION = 2,
    BUS_CACHE_LINE = 64,
    BUS_HEADER_BYTES = 256 * 1024,
};

#define BUS_MAGIC "SLUICERB"

/* What this ring is. W: the writer, when it takes over at a start. R: the next start; epoch: all. */
struct bus_identity {
    char magic[8];
    uint32_t layout_version;
    uint32_t header_bytes;
    uint64_t store_id;
    uint8_t boot_id[16];
    _Atomic uint64_t epoch; /* W: last of all. O: release / acquire */
    uint64_t size;          /* of the data part */
    uint64_t reserved;      /* 0; nobody looks at it */
};

/* One published state. W: the appender that holds the lock, in the slot not in force. */
struct bus_state {
    _Atomic uint64_t tail;     /* position behind the newest record */
    _Atomic uint64_t next_seq; /* of the record that will be appended next */
    _Atomic int64_t time_ns;   /* of the newest record; CLOCK_REALTIME, never goes back */
};

struct bus_process_slot {
    /* Set of enum wake_reason. W: owner; R: wakers. O: full fences on both sides (bus/wake.h) */
    alignas(BUS_CACHE_LINE) _Atomic uint32_t sleeping;
    _Atomic int32_t pid;         /* W: master; 0: nobody. R: all */
    _Atomic uint32_t generation; /* W: master, one more at every fork into this slot. R: all */
    _Atomic uint32_t mark;       /* enum slot_mark. W: owner; R: master */
    _Atomic uint64_t turn_count; /* of its loop. W: owner; R: master, workers */
    /* Everything up to it is delivered / committed; it may be more. W: owner; R: all, retention */
    _Atomic uint64_t cursor_seq;
    /* The COMMAND that is being executed; 0: none. W: the writer; R: the next one, after its death */
    _Atomic uint64_t applying_seq;
    _Atomic uint64_t reserved[3];

    /* By enum stat_id. W: owner (STAT_STARTS, gauges of the dead: master); R: all. O: relaxed */
    alignas(BUS_CACHE_LINE) _Atomic uint64_t counters[SLOT_COUNTERS_MAX];
};

struct bus_header {
    struct bus_identity identity;

    /* Robust, process-shared; made anew at start. Taken by appenders only, never by the master. */
    alignas(BUS_CACHE_LINE) pthread_mutex_t append_mutex;

    /* states[state_count & 1] is in force. W: lock holder; R: all. O: release / acquire */
    alignas(BUS_CACHE_LINE) _Atomic uint64_t state_count;
    struct bus_state states[2];
    /* Someone waits for the commit of what is before it. W: workers, only ever raised
       (compare-exchange); R: writer. O: relaxed, ordered by the fences of the wake-up */
    _Atomic uint64_t urgent_pos;

    /* An appender may be overwriting up to here, less the size. Never lowered. W: lock holder, then
       a release fence; R: readers, behind an acquire fence */
    alignas(BUS_CACHE_LINE) _Atomic uint64_t writing_until;

    /* W: writer, in this order; R: all. O: release / acquire */
    alignas(BUS_CACHE_LINE) _Atomic uint64_t committed_pos;
    _Atomic uint64_t committed_seq;
    _Atomic uint64_t first_seq;    /* oldest kept in the log. W: writer */
    _Atomic uint32_t refusal;      /* enum bus_refusal: why appends are refused. W: writer */
    _Atomic uint32_t commit_error; /* errno of the last commit, 0 after a good one. W: writer */

    /* enum bus_phase. W: master; R: all. O: release / acquire */
    alignas(BUS_CACHE_LINE) _Atomic uint32_t phase;
    _Atomic uint32_t recovered;        /* W: writer, once the ring may be appended to */
    _Atomic int64_t drain_deadline_ns; /* CLOCK_BOOTTIME. W: master, before phase */
    int64_t started_boottime_ns;       /* W: master, before the first fork */
    int64_t clock_offset_ns;           /* REALTIME - BOOTTIME at start, as above */
    /* CLOCK_BOOTTIME of the room's next tick; 0: none planned. W: the worker whose
       compare-exchange wins */
    _Atomic int64_t tick_due_ns;

    /* A bit per slot in use. W: master; R: all. O: release / acquire */
    alignas(BUS_CACHE_LINE) _Atomic uint64_t active_slots[BUS_SLOT_WORDS];

    struct bus_process_slot slots[BUS_SLOT_COUNT];
};

/* bus/README.md, "Layout", says the same in a table. */
#define BUS_ASSERT_AT(field, offset)                                                               \
    static_assert(offsetof(struct bus_header, field) == (offset), #field " has its place")
BUS_ASSERT_AT(identity.layout_version, 8);
BUS_ASSERT_AT(identity.header_bytes, 12);
BUS_ASSERT_AT(identity.store_id, 16);
BUS_ASSERT_AT(identity.boot_id, 24);
BUS_ASSERT_AT(identity.epoch, 40);
BUS_ASSERT_AT(identity.size, 48);
BUS_ASSERT_AT(append_mutex, 64);
BUS_ASSERT_AT(state_count, 128);
BUS_ASSERT_AT(states, 136);
BUS_ASSERT_AT(urgent_pos, 184);
BUS_ASSERT_AT(writing_until, 192);
BUS_ASSERT_AT(committed_pos, 256);
BUS_ASSERT_AT(committed_seq, 264);
BUS_ASSERT_AT(phase, 320);
BUS_ASSERT_AT(active_slots, 384);
BUS_ASSERT_AT(slots, 448);
#undef BUS_ASSERT_AT
static_assert(sizeof(struct bus_identity) == 64, "one cache line");
static_assert(sizeof(struct bus_state) == 24, "two fit into a line with counter and urgent_pos");
static_assert(sizeof(struct bus_process_slot) == 1984, "one line of its own, thirty of counters");
static_assert(sizeof(struct bus_header) <= BUS_HEADER_BYTES, "the header part holds the header");
static_assert(BUS_HEADER_BYTES % 65536 == 0, "data starts on a page of any size");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "positions are shared between processes");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "flags are shared between processes");

#endif
