/*
 * server/datadir.h - the data directory: made when it is not there, locked for one server.
 *
 * Lock     flock(2) on DATA/lock, whose text is the pid of the master that holds it. Every child
 *          inherits the descriptor, so that the lock is free only when the last of them is gone:
 *          none of an old server's processes can still be writing then.
 * Callers  master, at start. Old processes may still be inside an fsync: who finds the directory taken
 *          says so and asks again, with DATADIR_WAIT_MS to wait.
 * Errors   0 or -errno; datadir_error_text() says in words what went wrong.
 */
#ifndef SERVER_DATADIR_H
#define SERVER_DATADIR_H

struct user;

enum {
    DATADIR_WAIT_MS = 5000,
};

/* Makes @path unless it is there, and gives it to @user if so. */
int datadir_make(const char *path, const struct user *user);
/* -EWOULDBLOCK: another server has it, and has not let go of it for @wait_ms; the text names its pid. */
int datadir_lock(const char *path, const struct user *user, int wait_ms, int *ret_lock_fd);
const char *datadir_error_text(void);

#endif
