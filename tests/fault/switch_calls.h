/*
 * tests/fault/switch_calls.h - what a worker asks of ring and store, with the simulator in between.
 *
 * The linker sends the product's calls of these functions here (meson.build). Before and after each
 * one another process may do something, and what is read of the ring at once can be made small.
 */
#ifndef TESTS_FAULT_SWITCH_CALLS_H
#define TESTS_FAULT_SWITCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum switch_call {
    SWITCH_CALL_TAIL,
    SWITCH_CALL_COMMITTED,
    SWITCH_CALL_READ,
    SWITCH_CALL_SNAPSHOT,
    SWITCH_CALL_TOPIC,
};

/* What stands in a reader's buffer: the stretch that was read last. */
struct switch_held {
    bool is_of_ring;
    uint64_t from; /* position, or seq of a block */
    uint64_t to;
};

/* @between is called around each call, never from inside itself; NULL: nothing is. */
void switch_calls_set(void (*between)(void *user, enum switch_call call), void *user);
/*
 * At most so many bytes in one reading of the ring, but at least one record; 0: no limit. Also of what
 * the writer reads if @are_commits_small: a transaction each.
 */
void switch_calls_set_page(uint32_t bytes, bool are_commits_small);
struct switch_held switch_calls_held(void);

#endif
