/*
 * tools/sluicectl/lock.h - does a server have this data directory?
 *
 * Every process of a server holds DATA/lock (flock), whose text is its master's pid: free means that
 * the last of them is gone. To look, it is locked for a moment, shared; a server that starts waits
 * for longer than that.
 */
#ifndef TOOLS_SLUICECTL_LOCK_H
#define TOOLS_SLUICECTL_LOCK_H

enum lock_state {
    LOCK_FREE,
    LOCK_HELD,
    LOCK_UNKNOWN, /* may not be read */
};

/* *ret_pid only with LOCK_HELD; 0: not known. */
enum lock_state lock_look(const char *data_path, long *ret_pid);

#endif
