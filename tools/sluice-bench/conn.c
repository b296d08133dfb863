#include "tools/sluice-bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/sluice-bench/secure.h"

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
    rc = options->is_secure ? secure_open(conn->fd, &conn->ssl) : 0;
    if (rc < 0)
        goto fail;
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

static int write_watch(struct conn *conn, int epoll_fd, uint64_t event_id, bool is_wanted)
{
    if (is_wanted == conn->is_watching_write)
        return 0;
    return events_set(conn, epoll_fd, event_id, EPOLL_CTL_MOD, is_wanted);
}

int conn_secure(struct conn *conn, int epoll_fd, uint64_t event_id)
{
    int done = secure_handshake(conn->ssl);
    int rc = 0;

    if (done == -EAGAIN)
        rc = write_watch(conn, epoll_fd, event_id, secure_wants_write(conn->ssl));
    return rc < 0 ? rc : done;
}

ssize_t conn_recv(struct conn *conn, void *data, size_t bytes)
{
    ssize_t got;

    if (conn->ssl != NULL)
        return secure_recv(conn->ssl, data, bytes);
    got = recv(conn->fd, data, bytes, 0);
    return got < 0 ? -errno : got;
}

bool conn_has_more(const struct conn *conn)
{
    return conn->ssl != NULL && secure_has_more(conn->ssl);
}

static ssize_t conn_send(struct conn *conn, const void *data, size_t bytes)
{
    ssize_t sent;

    if (conn->ssl != NULL)
        return secure_send(conn->ssl, data, bytes);
    sent = send(conn->fd, data, bytes, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

int conn_flush(struct conn *conn, int epoll_fd, uint64_t event_id)
{
    while (buffer_bytes(&conn->out) > 0) {
        ssize_t sent = conn_send(conn, buffer_front(&conn->out), buffer_bytes(&conn->out));
        if (sent == -EINTR)
            continue;
        if (sent == -EAGAIN)
            break;
        if (sent < 0)
            return (int)sent;
        buffer_consume(&conn->out, (size_t)sent);
    }

    bool is_waiting = buffer_bytes(&conn->out) > 0;
    if (!is_waiting && conn->publisher == CONN_NO_PUBLISHER)
        buffer_clear(&conn->out);
    return write_watch(conn, epoll_fd, event_id, is_waiting);
}

void conn_close(struct conn *conn)
{
    secure_close(conn->ssl);
    conn->ssl = NULL;
    if (conn->fd >= 0)
        (void)close(conn->fd); /* takes it out of epoll too */
    conn->fd = -1;
    conn->state = CONN_CLOSED;
    buffer_clear(&conn->out);
    buffer_clear(&conn->in);
}
