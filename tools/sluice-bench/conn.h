/*
 * tools/sluice-bench/conn.h - one connection of the bench: a socket and its bytes, through TLS or not.
 *
 * Shape    Not blocking. What cannot be written at once waits in `out`; what came in and is not
 *          whole yet waits in `in`. An idle connection owns no memory beside the struct.
 * Callers  client.c drives the states; load.c appends to `out`.
 * Errors   0 or -errno.
 */
#ifndef TOOLS_SLUICE_BENCH_CONN_H
#define TOOLS_SLUICE_BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/sluice-bench/buffer.h"
#include "tools/sluice-bench/options.h"

#define CONN_NO_PUBLISHER UINT32_MAX
#define CONN_PER_SOURCE   20000 /* ports of one source address, of the 28,000 there are */

enum conn_state {
    CONN_CLOSED,
    CONN_CONNECTING,
    CONN_SECURING,    /* the handshake of TLS is under way */
    CONN_UPGRADING,   /* the handshake has been sent */
    CONN_SUBSCRIBING, /* the greeting or the answer `subscribed` is waited for */
    CONN_READY,
};

enum conn_kind {
    CONN_SUBSCRIBER,
    CONN_PUBLISHER, /* broker */
    CONN_PUBLISHER_HTTP,
};

struct ssl_st;

struct conn {
    int fd;
    struct ssl_st *ssl; /* secure.h; NULL: plain */
    uint32_t number;    /* among the subscribers of all processes; or among the publishers */
    uint32_t publisher; /* index in this process's load, or CONN_NO_PUBLISHER */
    uint8_t state;
    uint8_t kind;
    bool is_watching_write;
    struct buffer out;
    struct buffer in;
};

/* Starts connecting and adds the socket to @epoll_fd under @event_id. */
int conn_open(struct conn *conn, const struct options *options, int epoll_fd, uint64_t event_id);

/* The result of connecting, once the socket is writable: 0 or -errno. */
int conn_connected(const struct conn *conn);

/* A step of the handshake of TLS: 0 when it is done, -EAGAIN when there is more to come. */
int conn_secure(struct conn *conn, int epoll_fd, uint64_t event_id);

/* As recv, with -errno; 0 is the end. */
ssize_t conn_recv(struct conn *conn, void *data, size_t bytes);
/* There is more to be read, which no event will tell of. */
bool conn_has_more(const struct conn *conn);

/* Writes what waits in `out`; the rest when the socket is writable again. */
int conn_flush(struct conn *conn, int epoll_fd, uint64_t event_id);

void conn_close(struct conn *conn);

#endif
