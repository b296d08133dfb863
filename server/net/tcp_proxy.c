/*
 * Newcomers of proxies that are trusted: the PROXY header, before anything else.
 *
 * It is only looked at (MSG_PEEK) until it is whole, and taken out then: what follows it is the
 * client's.
 */
#include <errno.h>

#include "server/net/proxy_header.h"
#include "server/net/tcp_internal.h"

void tcp_await_proxy(struct tcp_stream *tcp, struct tcp_listener *listener)
{
    tcp->awaits_proxy = true;
    tcp->stream.user = listener;
    timer_start(loop_timers(tcp->set->loop), &tcp->timer, TCP_PROXY_NS);
}

/* What came is no header of a proxy's, or it has gone: it is not said whom it would have been for. */
static void turn_away(struct tcp_stream *tcp, int error)
{
    tcp->set->counts.refused++;
    tcp_close_for_error(tcp, error);
}

/* The header is there: @bytes of the input. */
static void introduce(struct tcp_stream *tcp, size_t bytes, const struct sockaddr_storage *address)
{
    struct tcp_listener *listener = tcp->stream.user;
    ssize_t taken = recv(tcp->source.fd, tcp->set->buffer, bytes, 0);

    if (taken != (ssize_t)bytes) {
        turn_away(tcp, taken < 0 ? errno : ECONNRESET); /* it was there */
        return;
    }
    timer_stop(&tcp->timer);
    tcp->awaits_proxy = false;
    tcp->stream.user = NULL;
    if (address->ss_family != AF_UNSPEC)
        tcp_remember_peer(&tcp->peer, address);
    tcp_listener_admit(listener, &tcp->stream);
}

void tcp_read_proxy(struct tcp_stream *tcp)
{
    struct sockaddr_storage address;
    ptrdiff_t bytes;
    ssize_t got = recv(tcp->source.fd, tcp->set->buffer, PROXY_HEADER_BYTES_MAX, MSG_PEEK);

    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            tcp->is_readable = false;
        else if (errno != EINTR)
            turn_away(tcp, errno);
        return;
    }
    bytes = got == 0 ? -ECONNRESET : proxy_header_read(tcp->set->buffer, (size_t)got, &address);
    if (bytes == -EAGAIN && !tcp->has_hung_up)
        tcp->is_readable = false; /* until there is more */
    else if (bytes < 0)
        turn_away(tcp, bytes == -EPROTO ? EPROTO : ECONNRESET);
    else
        introduce(tcp, (size_t)bytes, &address);
}

void tcp_forget_awaiting(struct tcp_set *set, const struct tcp_listener *listener)
{
    struct tcp_stream *next;

    for (struct tcp_stream *tcp = set->open; tcp != NULL; tcp = next) {
        next = tcp->next; /* closing moves it to another list */
        if (tcp->awaits_proxy && tcp->stream.user == listener)
            tcp_close(tcp, STREAM_CLOSED_BY_US, 0);
    }
}
