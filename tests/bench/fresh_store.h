/*
 * tests/bench/fresh_store.h - a store of a benchmark's own: what is measured must not depend on what was
 * there.
 */
#ifndef TESTS_BENCH_FRESH_STORE_H
#define TESTS_BENCH_FRESH_STORE_H

#include "store/env.h"

/*
 * Makes a store in @dir for this process to write, as the writer, and says how it stands. -EEXIST: it
 * has operations already.
 */
int fresh_store_open(const char *dir, struct store **ret_store, struct store_meta *ret_meta);

#endif
