/*
 * tests/fault/switch_explore.h - every order of a few actions, as deep as time allows.
 *
 * Shape    a scenario is one or two clients in an initial state and some actions, a letter each. All
 *          sequences of them are tried, shortest first; one that leads to a state in which another has
 *          been (everything that the product knows of, relative to where the log began) is not gone on
 *          from. After each new state everybody reads and everything is committed, and nobody may
 *          have lost anything: so each state is judged twice, as it is and for how it ends.
 * Errors   what goes wrong ends the program; switch_note says which sequence it was at, and since they
 *          are tried shortest first, none that is shorter goes wrong.
 */
#ifndef TESTS_FAULT_SWITCH_EXPLORE_H
#define TESTS_FAULT_SWITCH_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SWITCH_PATH_MAX = 48,
};

/* Where a run is: shared with the process that began it, which tells when it dies. */
struct switch_note {
    volatile uint32_t step;
    char path[SWITCH_PATH_MAX]; /* terminated */
    uint32_t depth;             /* all sequences of so many actions have been tried */
    uint32_t is_complete;       /* there are no other states */
    uint64_t states;
    uint64_t sequences;
};

/* NULL: there is none with this number. */
const char *switch_scenario_name(unsigned scenario);
void switch_explore(unsigned scenario, double seconds, uint64_t *reached, struct switch_note *note);
/* One sequence, told; false: it has a letter that the scenario does not know. */
bool switch_explore_replay(unsigned scenario, const char *path, uint64_t *reached);

#endif
