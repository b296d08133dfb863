/*
 * tools/sluice-bench/sequence.h - what one subscriber has got of one publisher.
 *
 * Shape    Messages are numbered 0, 1, 2 ... per publisher and topic. Kept are the number after
 *          the greatest one seen, and which of the SEQUENCE_MEMORY numbers before it have come.
 * Callers  Each subscriber has one per publisher. Numbers that never came are not counted here:
 *          lost is what was expected less the SEQUENCE_NEW and SEQUENCE_LATE.
 * Limits   A number older than SEQUENCE_MEMORY cannot be judged and counts as a duplicate; if it
 *          was merely very late it is then missing as well: an error either way.
 */
#ifndef TOOLS_SLUICE_BENCH_SEQUENCE_H
#define TOOLS_SLUICE_BENCH_SEQUENCE_H

#include <stdint.h>

#define SEQUENCE_MEMORY 64

struct sequence {
    uint64_t next_number;
    uint64_t seen; /* bit i: number next_number - 1 - i has come */
};

enum sequence_verdict {
    SEQUENCE_NEW,  /* greater than all before; numbers may have been skipped */
    SEQUENCE_LATE, /* the first time, but after a greater one: an order error */
    SEQUENCE_DUPLICATE,
};

/* A sequence of zero bytes has got nothing yet. */
enum sequence_verdict sequence_take(struct sequence *sequence, uint64_t number);

#endif
