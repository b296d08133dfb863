/*
 * tools/sluicectl/signals.h - signals as bytes of a pipe, for loops that wait in poll().
 *
 * They are caught, not blocked: a write to a terminal or pipe that has come to a halt is cut short by
 * them (EINTR), so that Ctrl-C always ends a command.
 * Callers  Once for each process: the pipe is a static of this module, as handlers have nothing else.
 */
#ifndef TOOLS_SLUICECTL_SIGNALS_H
#define TOOLS_SLUICECTL_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

/* Catches @count signals. 0 or -errno; *ret_fd is readable when one has come. */
int signals_catch(const int *signals, size_t count, int *ret_fd);
/* The next that has come; 0: none. */
int signals_next(void);

/* SIGINT, SIGTERM and SIGHUP, for commands that end well by them. */
int signals_catch_end(int *ret_fd);
/* Has one of those come? */
bool signals_has_ended(void);

#endif
