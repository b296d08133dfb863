/*
 * tests/fault/switch_acts.h - games of random actions: everything that clients, other workers and the
 * writer can do, in any order, between two turns of the worker and in the middle of one.
 *
 * What a game is like (how small ring, queue, page and budget are, who does much and who little) is
 * from its seed, as is everything in it.
 */
#ifndef TESTS_FAULT_SWITCH_ACTS_H
#define TESTS_FAULT_SWITCH_ACTS_H

#include <stdbool.h>
#include <stdint.h>

struct switch_played {
    uint64_t operations;
    uint64_t messages;
    uint64_t gaps;
    uint64_t turns;
};

/* Plays @steps actions and what is needed to come to rest. *@ret_step: the action it is at, from 1. */
struct switch_played switch_acts_play(uint64_t seed, unsigned steps, bool is_told,
                                      uint64_t *reached, volatile uint32_t *ret_step);

#endif
