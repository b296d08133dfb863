/*
 * server/activation.h - listening sockets that were opened for us: LISTEN_FDS (sd_listen_fds(3)).
 *
 * Which    by FileDescriptorName: `broker` is for the raw TCP broker, `broker-tls` likewise over TLS,
 *          `https` and `tls` for HTTP over TLS, all others for HTTP.
 * Checked  each must be a listening stream socket, IP or unix. It is made non-blocking and close-on-exec.
 * Callers  master, once, before any fork. The environment stays as it is: LISTEN_PID says that it is the
 *          master's, so that no child takes it for its own.
 * Memory   the array is the caller's to free, and the descriptors the caller's to close.
 * Errors   0 or -errno; activation_error_text() says in words what is wrong.
 */
#ifndef SERVER_ACTIVATION_H
#define SERVER_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

struct activation {
    int fd;
    bool is_broker;
    bool is_tls;
};

/* Nothing was passed to us: 0, an empty array. */
int activation_take(struct activation **ret_sockets, size_t *ret_count);
const char *activation_error_text(void);

#endif
