/*
 * tests/fuzz/reference.h - plain, slow second opinions that fuzz targets hold the product against.
 *
 * Written from the RFCs, byte by byte, sharing no code with the product: where both agree on every
 * input that a fuzzer finds, both are right or wrong in the same way.
 */
#ifndef TESTS_FUZZ_REFERENCE_H
#define TESTS_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 (RFC 3629) so far; zeroed at first. `left`: bytes that the last character still needs. */
struct reference_utf8 {
    unsigned left;
    uint8_t low; /* bounds of the next one of them */
    uint8_t high;
};

/* False at the first byte that no text could go on with. */
bool reference_utf8_step(struct reference_utf8 *utf8, uint8_t byte);
bool reference_utf8_is_valid(const void *bytes, size_t size);

/*
 * RFC 8259: the one value in @in without insignificant white space, in @out (as large as @in). Its
 * length; -1: not one value, not UTF-8, or nested deeper than @depth_max.
 */
ptrdiff_t reference_json_compact(const char *in, size_t size, char *out, unsigned depth_max);

/* Numbers that a seed decides (splitmix64): how an input is cut follows from the input alone. */
struct reference_random {
    uint64_t state;
};

struct reference_random reference_random_of(const void *bytes, size_t size);
/* 0 to @bound - 1. */
size_t reference_random_below(struct reference_random *random, size_t bound);

#endif
