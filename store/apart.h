/*
 * store/apart.h - work in a process of its own, because what it reads may be damaged.
 *
 * LMDB believes its pages: one that is damaged may end the process that reads it (a signal, or
 * LMDB's own assertion), and a file that was cut is SIGBUS. Whoever asked must live to say so.
 * Memory   apart_alloc's is shared by both processes: the child writes, the parent reads once the
 *          child is gone.
 * Callers  tools. The calling process has one thread. Nothing else is forked meanwhile.
 * Errors   -errno; -ECANCELED: @on_progress said so, or somebody has ended the child by a signal
 *          that is meant to end processes.
 */
#ifndef STORE_APART_H
#define STORE_APART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apart_line; /* from child to parent */

/* The child's: how far it is. Cheap: says little more often than can be seen. */
void apart_say(struct apart_line *line, uint64_t done, uint64_t total);

/* In the child. What it found it leaves in shared memory. */
typedef void apart_work(void *user, struct apart_line *line);
/* In the parent, when something was said and some ten times a second besides; false: end it. */
typedef bool apart_progress(void *user, uint64_t done, uint64_t total);

struct apart {
    apart_work *work;
    apart_progress *on_progress; /* NULL: none */
    void *user;                  /* of both */
};

enum {
    APART_ENDED_OTHERWISE = -1, /* it left with an exit status: a sanitizer does that */
};

/*
 * Runs the work to its end. 0, and *ret_signal is 0: it is done; else what has ended it: a signal
 * that damage leads to, or APART_ENDED_OTHERWISE. -errno: it could not be run.
 */
int apart_run(const struct apart *apart, int *ret_signal);

/* Zeros. NULL: there is no memory. */
void *apart_alloc(size_t bytes);
void apart_free(void *memory, size_t bytes);

#endif
