/*
 * tests/unit/store_sample.h - a store with a bit of everything, and copies of its files to damage.
 */
#ifndef TESTS_UNIT_STORE_SAMPLE_H
#define TESTS_UNIT_STORE_SAMPLE_H

#include <sys/types.h>

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

/* What LMDB's file has where, for those who damage it: of the newest of its heads. */
struct sample_head {
    off_t at;        /* of the head's page */
    uint64_t number; /* of its transaction; stands 144 bytes behind it */
    uint64_t free_root;
    uint64_t main_root;
};

struct sample_head sample_head_read(int fd);
/* Where the first page number of the free list stands, behind the count of them. */
off_t sample_free_list_at(int fd, const struct sample_head *head, uint64_t *ret_count);
/* The only page of the database `meta`. */
uint64_t sample_state_page(int fd, const struct sample_head *head);

#endif
