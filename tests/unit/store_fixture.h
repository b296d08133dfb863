/*
 * tests/unit/store_fixture.h - what the tests of store/ share: a store in a directory of its own,
 * a batch of stamped operations as the ring would hold them, and a check of everything on disk.
 *
 * Callers  cmocka tests; a failed expectation ends the test. Child processes only use what is
 *          said to return errors.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the three above, and setjmp.h, before it. */
#include <setjmp.h>

#include <cmocka.h>

#include "bus/record.h"
#include "store/catalog.h"
#include "store/commit.h"
#include "store/env.h"

enum {
    STORE_FIXTURE_BATCH_BYTES = 12 * 1024 * 1024,
    STORE_FIXTURE_DIR_BYTES = 128,
};

struct store_fixture {
    char dir[STORE_FIXTURE_DIR_BYTES]; /* the data directory */
    uint64_t map_bytes;                /* 0: the default */
    struct store *store;               /* open for writing, or NULL */
    struct store_meta meta;            /* after the last commit */
    uint8_t *batch;                    /* operations not committed yet */
    size_t batch_bytes;
    uint64_t last_seq;       /* of the batch, or committed */
    int64_t time_ns;         /* of the next operation */
    struct catalog *catalog; /* what rows_current read last (store_fixture_rows.h) */
};

extern const struct retention keep_all;

/* cmocka setup and teardown: *state is a struct store_fixture with a new, open store. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* Without cmocka's help: no store yet, in a new directory under @parent (NULL: $TMPDIR). */
struct store_fixture *store_fixture_new(const char *parent);
void store_fixture_free(struct store_fixture *fixture);

/* Opens (again) for writing; 0 or -errno. Takes over where the store stands. */
int store_fixture_open(struct store_fixture *fixture);
void store_fixture_close(struct store_fixture *fixture);
/* Both, of the struct store_fixture @fixture; what the first returns. For faults_run. */
int store_fixture_open_and_close(void *fixture);
/* Opens the same directory read-only. */
struct store *store_fixture_open_reader(const struct store_fixture *fixture);

/* Adds one operation to the batch. Returns the record's length. */
size_t store_fixture_add(struct store_fixture *fixture, const struct record_spec *spec);
/* The same: an event with one topic and @payload_bytes of payload. */
size_t store_fixture_add_event(struct store_fixture *fixture, const char *topic,
                               size_t payload_bytes);
/* Commits the batch; it is empty afterwards when the result is 0. */
int store_fixture_commit(struct store_fixture *fixture, const struct retention *retention);
/* Forgets the batch. */
void store_fixture_drop_batch(struct store_fixture *fixture);
/* One event, one commit, expected to succeed. */
void store_fixture_commit_event(struct store_fixture *fixture, const char *topic,
                                size_t payload_bytes);

/*
 * Walks everything: state, blocks, records, the index in both directions, what was trimmed, the
 * epochs, rows and their indexes. Begins a snapshot of its own when none is open.
 */
void store_fixture_check_whole(struct store *store);
/* Overwrites, in the store's file, the first place where @from stands with @to. Returns whether
   it was there. The store must be closed. */
int store_fixture_damage(const struct store_fixture *fixture, const void *from, const void *to,
                         size_t bytes);

/* Numbers that are the same in every run. */
uint64_t store_fixture_random(uint64_t *state);
/* Wait for the child @pid and expect that it ended in this way. */
void store_fixture_expect_exit(int pid, int exit_status);
void store_fixture_expect_signal(int pid, int signal_number);

#endif
