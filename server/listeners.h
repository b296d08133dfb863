/*
 * server/listeners.h - the listening sockets: those of the configuration, and those passed to us.
 *
 * Which    `listen` and `broker_listen`, and what activation.h finds. Passed HTTP sockets stand in for
 *          `listen` unless that was set by somebody.
 * Files    a unix socket that we have made is unlinked at the end; one that was passed is its maker's.
 * Callers  master: listeners_open while it may still bind low ports, listeners_close when the last child is
 *          gone. What goes wrong is logged here.
 */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include <stddef.h>

struct heritage;
struct user;

/*
 * Sets the heritage's listeners, half of them perhaps when it fails: 0, or -errno, said. -ENOKEY: one that
 * was passed is for TLS, and the configuration has no certificate.
 */
int listeners_open(struct heritage *heritage, const struct user *user);
void listeners_close(struct heritage *heritage);
/* "http://127.0.0.1:8000, https://[::1]:8443, unix:/run/sluice.sock": where clients find us. Cut when too long. */
void listeners_describe(const struct heritage *heritage, char *out, size_t bytes);

#endif
