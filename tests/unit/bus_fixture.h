/*
 * tests/unit/bus_fixture.h - rings in real files on /dev/shm for the tests of bus/ and above.
 *
 * The test process stands in for every role. Whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_BUS_FIXTURE_H
#define TESTS_UNIT_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <sys/types.h>

#include "bus/ring.h"
#include "bus/shm.h"

#define FIXTURE_SIZE       ((size_t)64 * 1024) /* of the ring's data part */
#define FIXTURE_RECORD_MAX (FIXTURE_SIZE / 4)
#define FIXTURE_STORE_ID   UINT64_C(0x5107ce)
#define FIXTURE_EPOCH      UINT64_C(0xe90c4)

struct fixture {
    char path[64];
    struct bus *bus;
};

/* A path that no other test has. */
void fixture_path(char *ret_path, size_t bytes);
/* Opens the ring file as a starting server would; not recovered yet. */
struct bus *fixture_open(const char *path, uint64_t size);

/* cmocka's setup and teardown: an empty ring behind seq 0, and no file left. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Ends this "server" and starts the next one on the same file. */
void fixture_reopen(struct fixture *fixture);

/* Encodes an event on topic "news" of exactly @length bytes (a multiple of 8, at least 64). */
void fixture_record(void *buf, size_t length, unsigned flags, uint64_t request);
/* Appends one such; the result of ring_append. */
int fixture_append(struct bus *bus, size_t length, uint64_t request, struct ring_appended *ret);
/* Commits everything that is published. */
void fixture_commit_all(struct bus *bus);

/*
 * Reads from *at to the published tail and fails the test unless every record is intact and the
 * next in seq order. *at moves behind the last one; returns how many there were.
 */
uint64_t fixture_read_all(struct bus *bus, struct ring_position *at);

/* fork, with a child that does not outlive the test. Only CHECK and _exit in it, no assertions. */
pid_t fixture_fork(void);
/* Runs @body in a child and returns its wait status. */
int fixture_in_child(void (*body)(void *user), void *user);
/* Whether that child ended in CHECK's abort(). */
bool fixture_aborts(void (*body)(void *user), void *user);
/* Waits until @pid is stopped by a signal. */
void fixture_wait_stopped(pid_t pid);

#endif
