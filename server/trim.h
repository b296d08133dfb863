/*
 * server/trim.h - when a worker gives freed memory back to the system.
 *
 * malloc gives back only what is free at the heap's end, and after many large queues the blocks
 * that are left lie between those that were freed: measured, 46 and 84 MiB in workers that used 3.
 * malloc_trim gives back all of it but takes 0.15 ms for each MiB, so it has to be worth it: when
 * what connections hold has fallen to a TRIM_PARTS-th of a peak of TRIM_BYTES_MIN or more, once in
 * TRIM_NS, and not while there is work to be done.
 * Units    what connections hold is estimated by their number, queues and unfinished input. Queues share
 *          bytes, and plain connections cost little, so it may be too much: then there is little to
 *          give back, which is quick.
 * Callers  the worker, once a turn; pure.
 */
#ifndef SERVER_TRIM_H
#define SERVER_TRIM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TRIM_BYTES_MIN = 16 * 1024 * 1024,
    TRIM_PARTS = 4,
    TRIM_CONNECTION_BYTES = 16 * 1024, /* of one with TLS or HTTP/2; both together twice that */
};
#define TRIM_NS INT64_C(10000000000)

/* All zero at first. */
struct trim {
    uint64_t peak_bytes; /* since the last time */
    int64_t next_ns;     /* not before */
};

/* True: call malloc_trim now; what is held now is the peak from then on. */
bool trim_is_due(struct trim *trim, uint64_t held_bytes, bool is_busy, int64_t now_ns);

#endif
