/*
 * tools/sluice-bench/payload.h - the text of a message: who sent it, which one it is, and when.
 *
 * Shape    B|RRRRRRRR|PPPP|NNNNNNNNNNNNNNNN|TTTTTTTTTTTTTTTT|xxxx...
 *          run, publisher, number, time; hexadecimal with leading zeros, so that every field has
 *          its place and a reader need not scan. Printable ASCII without a quote or backslash:
 *          it is the same inside JSON.
 * Units    time_ns: CLOCK_MONOTONIC. number counts a publisher's messages over all topics.
 * Memory   The caller's; nothing is allocated.
 */
#ifndef TOOLS_SLUICE_BENCH_PAYLOAD_H
#define TOOLS_SLUICE_BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_BYTES_MIN      50
#define PAYLOAD_PUBLISHERS_MAX 65536

struct payload_mark {
    uint32_t run; /* messages of another run of the bench are not ours */
    uint32_t publisher;
    uint64_t number;
    uint64_t time_ns;
};

/* Writes exactly @bytes (at least PAYLOAD_BYTES_MIN) to @to, without a NUL. */
void payload_write(char *to, size_t bytes, const struct payload_mark *mark);

/*
 * Finds the mark of @run in a message as the server wrapped it. *@hint is where it stood in the
 * last message of the same kind: looked at first, and set when found elsewhere. False if there
 * is none of this run.
 */
bool payload_find(const char *text, size_t bytes, uint32_t run, size_t *hint,
                  struct payload_mark *ret_mark);

#endif
