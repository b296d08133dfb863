/*
 * bus/robust.h - mutexes in shared memory whose owners may die.
 *
 * Callers  whoever makes shared memory, before others see it.
 */
#ifndef BUS_ROBUST_H
#define BUS_ROBUST_H

#include <pthread.h>

/* Robust and process-shared, unlocked; over whatever was there. 0 or -errno. */
int robust_mutex_init(pthread_mutex_t *mutex);

#endif
