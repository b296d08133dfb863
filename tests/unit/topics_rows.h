/*
 * tests/unit/topics_rows.h - rows for tests of topics: one table, whose changes go to any topics.
 *
 * Its rows are {"id":1,"number":2}. Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_TOPICS_ROWS_H
#define TESTS_UNIT_TOPICS_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/topics_fixture.h"

enum {
    TOPICS_ROWS_TABLE = 1,
};

/* Appends the schema operation and commits it: the log's first. */
void topics_rows_begin(struct topics_fixture *fixture);
/* Appends a COMMAND that creates a row; what ring_append said. */
int topics_rows_create(struct topics_fixture *fixture, const struct record_topic *topics,
                       size_t topic_count, uint32_t number, uint64_t *ret_seq);

#endif
