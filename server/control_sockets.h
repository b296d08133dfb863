/*
 * server/control_sockets.h - the administrator's doors: DATA/control, a unix socket per worker in it.
 *
 * What they speak is server/protocol/control.h; who may is decided by the permissions of the files
 * alone: the directory is 0750, the sockets 0660, all of the server's user. A directory that is there
 * already keeps the permissions that an administrator has given it.
 * Shape    worker i listens on DATA/control/i. The master keeps all of them: who asks while a
 *          worker is replaced is answered by its successor.
 * Limits   names of any length: a socket's address holds 107 bytes, so they are bound by
 *          /proc/self/fd/N/i.
 * Callers  control_sockets_open: master, with the data directory's lock and as the server's user, so
 *          that what is found in the directory is a dead server's and is replaced.
 *          control_sockets_keep: each child, after its fork.
 * Errors   -errno; control_sockets_error_text() says in words what went wrong. Nothing is open then.
 */
#ifndef SERVER_CONTROL_SOCKETS_H
#define SERVER_CONTROL_SOCKETS_H

#include "bus/slots.h"

struct control_sockets {
    int directory_fd; /* -1: none */
    int fds[BUS_WORKERS_MAX];
    unsigned count; /* of fds, by worker index; 0: none */
};

/* @data_dir: there. @count: workers, at most BUS_WORKERS_MAX. */
int control_sockets_open(const char *data_dir, unsigned count, struct control_sockets *ret_sockets);
const char *control_sockets_error_text(void);
/* Closes and unlinks them. */
void control_sockets_close(struct control_sockets *sockets);
/*
 * Closes the process's copies of all but that of worker @index (count or more: of all), and returns
 * that one; -1: there is none.
 */
int control_sockets_keep(const struct control_sockets *sockets, unsigned index);

#endif
