/*
 * tests/unit/store_sample.h - a store with a bit of everything, and copies of its files to damage.
 */
#ifndef TESTS_UNIT_STORE_SAMPLE_H
#define TESTS_UNIT_STORE_SAMPLE_H

#include "tests/unit/store_fixture.h"

enum {
    SAMPLE_TOPICS = 40,
    SAMPLE_ROWS = 30,
};

/*
 * Fills an open, new store: three epochs, rows of two tables with indexes, a unique column and texts
 * that are cut, a failed COMMAND, an event larger than a block, topics of which some were trimmed.
 */
void sample_fill(struct store_fixture *fixture);

/* A new fixture with the files of @from, which must not be written meanwhile; not open. */
struct store_fixture *sample_copy(const struct store_fixture *from);

/*
 * What can be held against something else: state, blocks, live entries of topics, index entries and
 * the keys of rows, as one number. Of the state without the store's number and the clean mark.
 */
uint64_t sample_digest(struct store *store);

#endif
