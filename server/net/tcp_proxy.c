/*
 * Newcomers of proxies that are trusted: the PROXY header, before anything else.
 *
 * It is only looked at (MSG_PEEK) until it is whole, and taken out then: what follows it is the
 * client's.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "server/net/proxy_header.h"
#include "server/net/tcp_internal.h"

/* The user of such a stream. */
struct tcp_awaiting {
    struct tcp_stream *tcp;
    struct tcp_listener *listener; /* who has it back */
    struct tcp_awaiting *prev;     /* in the set: the oldest stands first */
    struct tcp_awaiting *next;
};

void tcp_set_on_no_header(struct tcp_set *set, tcp_no_header_function *on_no_header, void *user)
{
    set->on_no_header = on_no_header;
    set->no_header_user = user;
}

int tcp_await_proxy(struct tcp_stream *tcp, struct tcp_listener *listener, uint32_t awaiting_max)
{
    struct tcp_set *set = tcp->set;
    struct tcp_awaiting *awaiting = calloc(1, sizeof *awaiting);

    if (awaiting == NULL)
        return -ENOMEM;
    while (set->awaiting != NULL && set->awaiting_count >= awaiting_max) {
        set->counts.refused++;
        tcp_close(set->awaiting->tcp, STREAM_CLOSED_BY_US, 0);
    }
    awaiting->tcp = tcp;
    awaiting->listener = listener;
    DL_APPEND(set->awaiting, awaiting);
    set->awaiting_count++;
    tcp->awaits_proxy = true;
    tcp->stream.user = awaiting;
    timer_start(loop_timers(set->loop), &tcp->timer, TCP_PROXY_NS);
    return 0;
}

void tcp_await_no_more(struct tcp_stream *tcp)
{
    struct tcp_awaiting *awaiting = tcp->stream.user;

    DL_DELETE(tcp->set->awaiting, awaiting);
    tcp->set->awaiting_count--;
    tcp->awaits_proxy = false;
    tcp->stream.user = NULL;
    timer_stop(&tcp->timer);
    free(awaiting);
}

/* What came is no header of a proxy's (EPROTO), or it has gone: it is not said whom it would have been for. */
static void turn_away(struct tcp_stream *tcp, int error)
{
    struct tcp_set *set = tcp->set;

    set->counts.refused++;
    if (error == EPROTO && set->on_no_header != NULL)
        set->on_no_header(set->no_header_user, &tcp->stream);
    tcp_close_for_error(tcp, error);
}

/* The header is there: @bytes of the input. */
static void introduce(struct tcp_stream *tcp, size_t bytes, const struct proxy_header *header)
{
    struct tcp_awaiting *awaiting = tcp->stream.user;
    struct tcp_listener *listener = awaiting->listener;
    ssize_t taken = recv(tcp->source.fd, tcp->set->buffer, bytes, 0);

    if (taken != (ssize_t)bytes) {
        turn_away(tcp, taken < 0 ? errno : ECONNRESET); /* it was there */
        return;
    }
    tcp_await_no_more(tcp);
    if (header->address.ss_family != AF_UNSPEC)
        tcp_remember_peer(&tcp->peer, &header->address);
    tcp->is_secure_before = header->is_secure;
    tcp_listener_admit(listener, &tcp->stream);
}

void tcp_read_proxy(struct tcp_stream *tcp)
{
    struct proxy_header header;
    ptrdiff_t bytes;
    ssize_t got = recv(tcp->source.fd, tcp->set->buffer, PROXY_HEADER_BYTES_MAX, MSG_PEEK);

    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            tcp->is_readable = false;
        else if (errno != EINTR)
            turn_away(tcp, errno);
        return;
    }
    bytes = got == 0 ? -ECONNRESET : proxy_header_read(tcp->set->buffer, (size_t)got, &header);
    if (bytes == -EAGAIN && !tcp->has_hung_up)
        tcp->is_readable = false; /* until there is more */
    else if (bytes < 0)
        turn_away(tcp, bytes == -EPROTO ? EPROTO : ECONNRESET);
    else
        introduce(tcp, (size_t)bytes, &header);
}

void tcp_forget_awaiting(struct tcp_set *set, const struct tcp_listener *listener)
{
    struct tcp_awaiting *next;

    for (struct tcp_awaiting *awaiting = set->awaiting; awaiting != NULL; awaiting = next) {
        next = awaiting->next; /* closing frees it */
        if (awaiting->listener == listener)
            tcp_close(awaiting->tcp, STREAM_CLOSED_BY_US, 0);
    }
}
