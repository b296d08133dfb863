/*
 * tools/sluicectl/terminal.h - a screen of our own on the user's terminal, given back at any end.
 *
 * While it is taken: the alternate screen, no cursor, no line wrapping, keys one by one and not
 * echoed; signals by keys (Ctrl-C, Ctrl-Z) as ever. It is given back by terminal_leave(), at exit(), and
 * by what aborts the process; kill -9 alone leaves it behind.
 * Callers  One screen per process: what to give back is a static of this module.
 */
#ifndef TOOLS_SLUICECTL_TERMINAL_H
#define TOOLS_SLUICECTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Is standard output a terminal that understands more than lines? */
bool terminal_is_there(void);

/* Also once more after the process was stopped. 0 or -errno. */
int terminal_enter(void);
void terminal_leave(void);

/* 24 and 80 when it does not say. */
void terminal_size(size_t *ret_rows, size_t *ret_columns);

#endif
