/*
 * bus/lives.h - who has died, known before what it had open is closed.
 *
 * Shape    a robust mutex per slot in an anonymous shared mapping; a process holds that of its slot
 *          until it ends, however it does. The kernel marks the mutexes of the dead before it closes
 *          their files. So whoever sees a client come back that a death has cut off sees the death,
 *          too; the master may not have heard of it yet.
 * Callers  lives_open: master, before the first fork. lives_begin: a worker, once, after its fork.
 *          lives_has_ended: any other process; without a system call while the process lives.
 * Crashes  what whoever asks holds for a moment is marked again when it dies just then. If it is
 *          stopped instead, a process that has ended seems to live, until the master replaces who asked.
 */
#ifndef BUS_LIVES_H
#define BUS_LIVES_H

#include <stdbool.h>

struct lives;

/* 0 or -errno. */
int lives_open(struct lives **ret_lives);
void lives_close(struct lives *lives);

/* 0; -ETIMEDOUT: somebody who asks was stopped in that moment. */
int lives_begin(struct lives *lives, unsigned slot);
/* Also of a slot in which no life has begun. */
bool lives_has_ended(struct lives *lives, unsigned slot);

#endif
