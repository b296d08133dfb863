/*
 * bus/slots.h - the places in the ring's header that processes have, and their names.
 *
 * The master hands every child its slot; nobody guesses one. Workers of two generations fit side
 * by side: worker i of generation parity p has slot BUS_SLOT_WORKERS + p * BUS_WORKERS_MAX + i.
 */
#ifndef BUS_SLOTS_H
#define BUS_SLOTS_H

enum {
    BUS_SLOT_MASTER = 0,
    BUS_SLOT_WRITER = 1,
    BUS_SLOT_BRIDGE = 2, /* of a cluster: DESIGN section 9 */
    BUS_SLOT_WORKERS = 3,
    BUS_WORKERS_MAX = 64,
    BUS_GENERATIONS = 2,
    BUS_SLOT_COUNT = BUS_SLOT_WORKERS + BUS_WORKERS_MAX * BUS_GENERATIONS,
    BUS_SLOT_WORDS = (BUS_SLOT_COUNT + 63) / 64,
    SLOT_COUNTERS_MAX = 240,
};

/* What the server is doing; workers and writer follow it. Only ever goes forward. */
enum bus_phase {
    BUS_STARTING = 0, /* the writer recovers; nobody appends */
    BUS_RUNNING = 1,
    BUS_DRAINING = 2, /* newcomers are refused, clients finish; until drain_deadline */
    BUS_CLOSING = 3,  /* the deadline has passed: 1001 to everybody, 5 s for their answers */
    BUS_STOPPING = 4, /* workers end, then the writer commits the rest and ends */
};

/* Why an append is refused although there may be room. */
enum bus_refusal {
    BUS_ACCEPTS = 0,
    BUS_STORAGE_FULL = 1,
};

/* What a process says of itself, for whoever judges its silence. */
enum slot_mark {
    SLOT_MARK_NONE = 0,
    SLOT_MARK_COMMIT = 1, /* at work on the disk, which may hold it up: it is not stuck */
};

#endif
