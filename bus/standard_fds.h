/*
 * bus/standard_fds.h - standard input, output and error are never anything else.
 *
 * Who is started with one of them closed would get its number for the next file or socket it opens,
 * and would then log into a store or print to a server.
 * Callers  Each program's main(), before it opens anything.
 */
#ifndef BUS_STANDARD_FDS_H
#define BUS_STANDARD_FDS_H

/*
 * Puts /dev/null in the place of those that are closed: reading and printing still fail (EBADF), as
 * they would have; what goes to standard error is lost. 0, or -errno of opening /dev/null.
 */
int standard_fds_fill(void);

#endif
