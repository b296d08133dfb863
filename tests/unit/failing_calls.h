/*
 * tests/unit/failing_calls.h - the product's n-th call of malloc, calloc, realloc or getrandom fails.
 *
 * The linker sends those calls here: `--wrap` for each, in tests/unit/meson.build.
 */
#ifndef TESTS_UNIT_FAILING_CALLS_H
#define TESTS_UNIT_FAILING_CALLS_H

#include <stdbool.h>

/* Lets the @n-th call from now on fail, counted from 1; until failing_calls_disarm. */
void failing_calls_arm(int n);
/* Whether a call has failed since. */
bool failing_calls_disarm(void);

#endif
