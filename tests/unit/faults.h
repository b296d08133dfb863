/*
 * tests/unit/faults.h - an operation of bus/ or store/ with its 1st, 2nd, 3rd ... call of the system, of
 * LMDB or of the allocator failing, until none is left to fail.
 *
 * The linker sends the calls here: `--wrap` for each of fault_calls, in tests/unit/meson.build. Each
 * call has the errors that it can fail with, which take turns, so faults_main runs all tests
 * FAULTS_ROUNDS times. tools/check_faults.py sees to it that no call of bus/ and store/ is forgotten.
 * Callers  cmocka tests; a failed expectation ends the test. A child that was forked by the operation is
 *          counted apart: its calls fail in a second pass.
 */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those above before it. */
#include <cmocka.h>

enum {
    FAULTS_ROUNDS = 4,
    FAULTS_TOLD = 1, /* of an operation: it has said what it met in another way */
};

struct faults_run {
    int (*operation)(void *user); /* 0 or -errno */
    /*
     * Called after each run, with its result: things must be as they should be. What fails without an
     * error of the operation is judged here, too. May be NULL.
     */
    void (*check)(void *user, int rc);
    const char *(*error_text)(void); /* what the operation says of its failure; NULL: nothing */
    /* Calls without which the operation goes on, separated by spaces; the reason stands beside it. */
    const char *may_do_without;
    void *user;
    bool has_children; /* the operation forks */
};

/*
 * Runs it with its nth call failing, for every n. Then it must return that very error and say what and
 * why; what was open before must be open after it, nothing else. A call that was interrupted, or that
 * the operation may do without, may leave it well. The run without a failure must succeed.
 */
void faults_run(const struct faults_run *run);

/* cmocka_run_group_tests, once for each round. The result of main. */
int faults_main(const struct CMUnitTest *tests, size_t count);

/*
 * For tests with a shape of their own: the @nth call from now on fails, or ends the process (9), or
 * that of the children.
 */
void faults_arm(int nth);
void faults_arm_death(int nth);
void faults_arm_in_children(int nth);
/* Whether a call has failed since. */
bool faults_disarm(void);
/* Of the calls that are the test's own, none fails: faults_pause gives what faults_resume wants. */
int faults_pause(void);
void faults_resume(int paused);
/* The one that failed last. */
const char *faults_name(void);
int faults_error(void);

#endif
