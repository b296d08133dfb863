/*
 * tests/fuzz/target.h - the one function that a fuzz target is: libFuzzer's, and replay.c's.
 *
 * @data is @size bytes of anything, borrowed; always returns 0. A crash or a CHECK is the finding.
 */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
