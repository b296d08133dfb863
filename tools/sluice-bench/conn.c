#include "tools/sluice-bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * From loopback to loopback there are 2^24 source addresses: connection 20,000 and the ones after
 * it come from 127.0.0.2 and so on, since one address has only so many ports.
 */
static int source_bind(const struct conn *conn, const struct options *options)
{
    const struct sockaddr_in *target = (const struct sockaddr_in *)&options->address;
    uint32_t step = conn->number / CONN_PER_SOURCE;
    int on = 1;

    if (step == 0 || target->sin_family != AF_INET ||
        ntohl(target->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return 0;

    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + step),
    };
    /* The port is chosen by connect(), which knows that it need not be free for all targets. */
    if (setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0)
        return -errno;
    if (bind(conn->fd, (const struct sockaddr *)&source, sizeof source) < 0)
        return -errno;
    return 0;
}

static int events_set(struct conn *conn, int epoll_fd, uint64_t event_id, int operation,
                      bool is_watching_write)
{
    struct epoll_event event = {
        .events = EPOLLIN | (is_watching_write ? (uint32_t)EPOLLOUT : 0),
        .data.u64 = event_id,
    };
    if (epoll_ctl(epoll_fd, operation, conn->fd, &event) < 0)
        return -errno;
    conn->is_watching_write = is_watching_write;
    return 0;
}

int conn_open(struct conn *conn, const struct options *options, int epoll_fd, uint64_t event_id)
{
    int on = 1;
    int rc;

    conn->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return -errno;
    rc = source_bind(conn, options);
    if (rc < 0)
        goto fail;
    rc = -EIO;
    if (setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        goto fail;
    if (connect(conn->fd, (const struct sockaddr *)&options->address, options->address_bytes) < 0 &&
        errno != EINPROGRESS) {
        rc = -errno;
        goto fail;
    }
    rc = events_set(conn, epoll_fd, event_id, EPOLL_CTL_ADD, true);
    if (rc < 0)
        goto fail;
    conn->state = CONN_CONNECTING;
    return 0;

fail:
    conn_close(conn);
    return rc;
}

int conn_connected(const struct conn *conn)
{
    int error = 0;
    socklen_t bytes = sizeof error;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
        return -errno;
    return -error;
}

int conn_flush(struct conn *conn, int epoll_fd, uint64_t event_id)
{
    while (buffer_bytes(&conn->out) > 0) {
        ssize_t sent =
            send(conn->fd, buffer_front(&conn->out), buffer_bytes(&conn->out), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return -errno;
        if (sent < 0)
            break;
        buffer_consume(&conn->out, (size_t)sent);
    }

    bool is_waiting = buffer_bytes(&conn->out) > 0;
    if (!is_waiting && conn->publisher == CONN_NO_PUBLISHER)
        buffer_clear(&conn->out);
    if (is_waiting == conn->is_watching_write)
        return 0;
    return events_set(conn, epoll_fd, event_id, EPOLL_CTL_MOD, is_waiting);
}

void conn_close(struct conn *conn)
{
    if (conn->fd >= 0)
        (void)close(conn->fd); /* takes it out of epoll too */
    conn->fd = -1;
    conn->state = CONN_CLOSED;
    buffer_clear(&conn->out);
    buffer_clear(&conn->in);
}
