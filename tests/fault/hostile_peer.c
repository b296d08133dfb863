#include "tests/fault/hostile_peer.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/check.h"
#include "tests/fault/hostile_kinds.h"
#include "tools/sluice-bench/websocket.h"

enum {
    READ_BYTES = 64 * 1024,
    DRAIN_READS_MAX = 256, /* of READ_BYTES, from a connection that has ended */
    DEAF_BYTES = 4096,     /* what a deaf peer lets its system keep */
    SOURCES = 200,         /* 127.0.0.2 and the ones after it */
    CLOSE_BYTES = 4,       /* a close frame with a code and no reason */
    CONTROL_BYTES_MAX = 127,
};

static const char status_line[] = "HTTP/1.1 ";

static bool is_websocket(const struct peer *peer)
{
    return peer->kind->path != NULL;
}

/* --- how it ended ----------------------------------------------------------------------------- */

/* The code of the close frame that the tail ends with; 0: it does not. */
static uint32_t tail_close_code(const struct peer *peer)
{
    const uint8_t *tail = (const uint8_t *)peer->tail;

    for (uint32_t bytes = CLOSE_BYTES; bytes <= CONTROL_BYTES_MAX && bytes <= peer->tail_bytes;
         bytes++) {
        const uint8_t *frame = tail + peer->tail_bytes - bytes;

        if (frame[0] == (0x80 | WEBSOCKET_CLOSE) && frame[1] == bytes - 2)
            return (uint32_t)frame[2] << 8 | frame[3];
    }
    return 0;
}

/* The status of the last answer in the tail, and where it stands; 0: none. */
static uint32_t tail_status(const struct peer *peer, const char **ret_answer)
{
    size_t length = sizeof status_line - 1;

    for (size_t at = peer->tail_bytes; at-- > 0;) {
        const char *answer = peer->tail + at;

        if (peer->tail_bytes - at >= length + 3 && memcmp(answer, status_line, length) == 0) {
            *ret_answer = answer;
            return (uint32_t)strtoul(answer + length, NULL, 10);
        }
    }
    return 0;
}

/* The status with which the server said that it would close; 0: it did not say. */
static uint32_t tail_last_status(const struct peer *peer)
{
    static const char closing[] = "Connection: close";
    const char *answer = NULL;
    uint32_t status = tail_status(peer, &answer);
    size_t bytes;

    if (status == 0)
        return 0;
    bytes = (size_t)(peer->tail + peer->tail_bytes - answer);
    return memmem(answer, bytes, closing, sizeof closing - 1) != NULL ? status : 0;
}

static void count_ending(struct peer_counts *counts, uint32_t code)
{
    for (size_t i = 0; i < PEER_ENDINGS_MAX; i++) {
        struct peer_ending *ending = &counts->endings[i];

        if (ending->count == 0)
            ending->code = code;
        if (ending->code == code) {
            ending->count++;
            return;
        }
    }
}

static void tail_note(struct peer *peer, const char *bytes, size_t size)
{
    size_t kept = peer->tail_bytes;

    if (size >= PEER_TAIL_BYTES) {
        bytes += size - PEER_TAIL_BYTES;
        size = PEER_TAIL_BYTES;
    }
    if (kept > PEER_TAIL_BYTES - size) {
        size_t dropped = kept - (PEER_TAIL_BYTES - size);

        kept -= dropped;
        memmove(peer->tail, peer->tail + dropped, kept);
    }
    memcpy(peer->tail + kept, bytes, size);
    peer->tail_bytes = (uint32_t)(kept + size);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void peer_close(struct peer_world *world, struct peer *peer)
{
    (void)close(peer->fd); /* takes it out of epoll, too */
    peer->fd = -1;
    peer->state = PEER_CLOSED;
    peer->filler_bytes = 0;
    buffer_clear(&peer->out);
    world->open_count--;
}

/* The server has ended it, or the network has (@error). */
static void peer_end(struct peer_world *world, struct peer *peer, int error)
{
    uint32_t code = 0;

    if (peer->state == PEER_CONNECTING)
        code = PEER_ABSTAINED;
    else if (is_websocket(peer) && peer->state == PEER_OPEN)
        code = tail_close_code(peer);
    else
        code = tail_last_status(peer);
    if (code == 0)
        code = error == 0 ? PEER_ENDED : PEER_RESET;
    count_ending(peer->counts, code);
    peer_close(world, peer);
}

void peer_drop(struct peer_world *world, struct peer *peer, bool is_reset)
{
    const struct linger at_once = {.l_onoff = 1};

    if (peer->state == PEER_CLOSED)
        return;
    if (is_reset)
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer->counts->closed_by_us++;
    peer_close(world, peer);
}

static int watch(const struct peer_world *world, struct peer *peer, int operation)
{
    bool wants_write = peer->state == PEER_CONNECTING || peer_is_held(peer);
    bool wants_read = peer->kind->reading == KIND_READS || peer->state == PEER_UPGRADING;
    struct epoll_event event = {.events = EPOLLRDHUP, .data.u32 = peer->number};

    if (wants_write)
        event.events |= EPOLLOUT;
    if (wants_read)
        event.events |= EPOLLIN;
    peer->is_watching_write = wants_write;
    return epoll_ctl(world->epoll_fd, operation, peer->fd, &event) < 0 ? -errno : 0;
}

/* For a socket that is watched already: that cannot fail. */
static void watch_again(const struct peer_world *world, struct peer *peer)
{
    CHECK(watch(world, peer, EPOLL_CTL_MOD) == 0);
}

static int set_options(const struct peer *peer)
{
    const struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + peer->number % SOURCES),
    };
    int deaf_bytes = DEAF_BYTES;
    int on = 1;

    if (setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        setsockopt(peer->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        bind(peer->fd, (const struct sockaddr *)&source, sizeof source) < 0)
        return -errno;
    if (peer->kind->reading != KIND_READS &&
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &deaf_bytes, sizeof deaf_bytes) < 0)
        return -errno;
    return 0;
}

int peer_open(struct peer_world *world, struct peer *peer)
{
    const struct sockaddr_in *target = peer->kind->is_line ? &world->line : &world->http;
    int rc;

    CHECK(peer->state == PEER_CLOSED);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer->fd < 0)
        return -errno;
    rc = set_options(peer);
    if (rc < 0)
        goto fail;
    if (connect(peer->fd, (const struct sockaddr *)target, sizeof *target) < 0 &&
        errno != EINPROGRESS) {
        rc = -errno;
        goto fail;
    }
    peer->state = PEER_CONNECTING;
    peer->step = 0;
    peer->tail_bytes = 0;
    rc = watch(world, peer, EPOLL_CTL_ADD);
    if (rc < 0)
        goto fail;
    peer->counts->opened++;
    world->open_count++;
    return 0;

fail:
    (void)close(peer->fd);
    peer->fd = -1;
    peer->state = PEER_CLOSED;
    return rc;
}

/* --- output ----------------------------------------------------------------------------------- */

/* Sends what the socket takes of @bytes; how much that was, or -errno. */
static ssize_t send_some(const struct peer *peer, const char *bytes, size_t size)
{
    ssize_t sent = send(peer->fd, bytes, size, MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void flush(struct peer_world *world, struct peer *peer)
{
    static char filler[READ_BYTES];
    ssize_t sent = 1;

    if (filler[0] == '\0')
        memset(filler, 'a', sizeof filler);
    while (sent > 0 && buffer_bytes(&peer->out) > 0) {
        sent = send_some(peer, buffer_front(&peer->out), buffer_bytes(&peer->out));
        if (sent > 0)
            buffer_consume(&peer->out, (size_t)sent);
    }
    while (sent > 0 && peer->filler_bytes > 0) {
        size_t size = peer->filler_bytes < sizeof filler ? peer->filler_bytes : sizeof filler;

        sent = send_some(peer, filler, size);
        if (sent > 0)
            peer->filler_bytes -= (size_t)sent;
    }
    /* An error is told by epoll as well, and there what the server said before is read first. */
    if (sent < 0) {
        buffer_clear(&peer->out);
        peer->filler_bytes = 0;
    }
    if (!peer_is_held(peer))
        buffer_clear(&peer->out);
    if (peer_is_held(peer) != peer->is_watching_write)
        watch_again(world, peer);
}

void peer_send(struct peer_world *world, struct peer *peer, const void *bytes, size_t size)
{
    CHECK(peer->filler_bytes == 0);
    if (buffer_append(&peer->out, bytes, size) < 0) {
        (void)fprintf(stderr, "hostile_load: out of memory\n");
        exit(EXIT_FAILURE);
    }
    flush(world, peer);
}

void peer_send_text(struct peer_world *world, struct peer *peer, const char *text)
{
    peer_send(world, peer, text, strlen(text));
}

void peer_send_filler(struct peer_world *world, struct peer *peer, size_t bytes)
{
    peer->filler_bytes += bytes;
    flush(world, peer);
}

/* --- input ------------------------------------------------------------------------------------ */

static void begin(struct peer_world *world, struct peer *peer)
{
    peer->state = PEER_OPEN;
    watch_again(world, peer);
    if (peer->kind->begin != NULL)
        peer->kind->begin(world, peer);
}

static void on_connected(struct peer_world *world, struct peer *peer)
{
    int error = 0;
    socklen_t bytes = sizeof error;

    if (getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0 || error != 0) {
        peer_end(world, peer, error);
        return;
    }
    if (!is_websocket(peer)) {
        begin(world, peer);
        return;
    }
    peer->state = PEER_UPGRADING;
    watch_again(world, peer);
    if (websocket_request_append(&peer->out, world->host, peer->kind->path) < 0) {
        (void)fprintf(stderr, "hostile_load: out of memory\n");
        exit(EXIT_FAILURE);
    }
    flush(world, peer);
}

/* The answer to the handshake, as soon as it is whole. */
static void on_answer(struct peer_world *world, struct peer *peer)
{
    const char *answer = NULL;
    uint32_t status = tail_status(peer, &answer);

    if (status == 0 ||
        memmem(answer, (size_t)(peer->tail + peer->tail_bytes - answer), "\r\n\r\n", 4) == NULL)
        return;
    if (status == 101) {
        begin(world, peer);
        return;
    }
    count_ending(peer->counts, status);
    peer_close(world, peer);
}

void peer_read(struct peer_world *world, struct peer *peer, size_t bytes)
{
    ssize_t got =
        recv(peer->fd, world->read_buffer, bytes < READ_BYTES ? bytes : READ_BYTES, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        peer_end(world, peer, got < 0 ? errno : 0);
        return;
    }
    tail_note(peer, world->read_buffer, (size_t)got);
    if (peer->state == PEER_UPGRADING)
        on_answer(world, peer);
}

/* The server's end is in the socket: reads up to it, for what was said last. */
static void drain(struct peer_world *world, struct peer *peer)
{
    for (int i = 0; i < DRAIN_READS_MAX && peer->state != PEER_CLOSED; i++)
        peer_read(world, peer, READ_BYTES);
    if (peer->state != PEER_CLOSED)
        peer_end(world, peer, 0);
}

void peer_on_event(struct peer_world *world, struct peer *peer, uint32_t events)
{
    if (peer->state == PEER_CLOSED)
        return; /* earlier in this turn */
    if (peer->state == PEER_CONNECTING) {
        on_connected(world, peer);
        return;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        drain(world, peer);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        flush(world, peer);
    if ((events & EPOLLIN) != 0)
        peer_read(world, peer, READ_BYTES);
}
