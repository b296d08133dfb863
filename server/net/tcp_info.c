/*
 * What the system knows of a stream's other end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "server/net/tcp_internal.h"

enum {
    US_PER_MS = 1000,
    PROBES_LOST = 2, /* one may be on its way */
    SENT_AGAIN = 2,  /* once is an ordinary loss */
};

/* In the socket, not acknowledged. A unix socket counts its bookkeeping, too. */
static uint64_t waiting_bytes(const struct tcp_stream *tcp)
{
    int waiting = 0;

    if (ioctl(tcp->source.fd, SIOCOUTQ, &waiting) != 0 || waiting < 0)
        return 0;
    return (uint64_t)waiting;
}

uint64_t tcp_delivered_bytes(const struct stream *stream)
{
    const struct tcp_stream *tcp = tcp_of(stream);
    uint64_t waiting;
    uint64_t delivered;

    if (stream->is_closed)
        return stream->out.sent_bytes;
    waiting = waiting_bytes(tcp);
    delivered = waiting < stream->out.sent_bytes ? stream->out.sent_bytes - waiting : 0;
    /*
     * What waits are records, longer than the plaintext in them: that is subtracted too much, and
     * more with each record. What was delivered once stays so.
     */
    return tcp->tls != NULL ? tls_raise_delivered(tcp->tls, delivered) : delivered;
}

/*
 * A peer that does not read closes its window; its system goes on answering the probes that ours
 * sends then, ever more seldom (two minutes apart in the end). Where something is on its way,
 * having sent it again without any acknowledgement within the time for one tells.
 */
static bool is_silent(const struct tcp_info *info)
{
    uint64_t time_us = (uint64_t)info->tcpi_rto + info->tcpi_rtt;

    if (info->tcpi_unacked == 0)
        return info->tcpi_probes >= PROBES_LOST;
    return info->tcpi_retransmits >= SENT_AGAIN &&
           (uint64_t)info->tcpi_last_ack_recv * US_PER_MS > time_us;
}

enum stream_peer tcp_peer_state(const struct stream *stream)
{
    const struct tcp_stream *tcp = tcp_of(stream);
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    if (stream->is_closed || (outq_is_empty(&stream->out) && waiting_bytes(tcp) == 0))
        return STREAM_PEER_HAS_ALL;
    if (tcp->is_unix)
        return STREAM_PEER_LAGS; /* its system is ours */
    if (getsockopt(tcp->source.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || is_silent(&info))
        return STREAM_PEER_IS_SILENT;
    return STREAM_PEER_LAGS;
}

void tcp_remember_peer(struct tcp_peer *peer, const struct sockaddr_storage *address)
{
    peer->family = address->ss_family;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

        memcpy(peer->address, &in->sin_addr, sizeof in->sin_addr);
        peer->port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

        memcpy(peer->address, &in6->sin6_addr, sizeof in6->sin6_addr);
        peer->port = ntohs(in6->sin6_port);
    }
}

/* Whom it is about: the client, if a proxy has named it. */
static const struct tcp_peer *client_of(const struct stream *stream)
{
    const struct tcp_stream *tcp = tcp_of(stream);

    return tcp->named != NULL ? tcp->named : &tcp->peer;
}

static void put_address(const struct tcp_peer *peer, struct sockaddr_storage *ret_address)
{
    *ret_address = (struct sockaddr_storage){.ss_family = peer->family};
    if (peer->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret_address;

        memcpy(&in->sin_addr, peer->address, sizeof in->sin_addr);
        in->sin_port = htons(peer->port);
    } else if (peer->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret_address;

        memcpy(&in6->sin6_addr, peer->address, sizeof in6->sin6_addr);
        in6->sin6_port = htons(peer->port);
    }
}

void tcp_peer_address(const struct stream *stream, struct sockaddr_storage *ret_address)
{
    put_address(client_of(stream), ret_address);
}

void tcp_holder_address(const struct stream *stream, struct sockaddr_storage *ret_address)
{
    put_address(&tcp_of(stream)->peer, ret_address);
}

int tcp_name_peer(struct stream *stream, const struct sockaddr_storage *address)
{
    struct tcp_stream *tcp = tcp_of(stream);

    if (tcp->named == NULL)
        tcp->named = calloc(1, sizeof *tcp->named);
    if (tcp->named == NULL)
        return -ENOMEM;
    tcp_remember_peer(tcp->named, address);
    return 0;
}

static void put_text(const struct tcp_peer *peer, char *buf, size_t buf_bytes)
{
    char address[INET6_ADDRSTRLEN] = "?";

    if (peer->family != AF_INET && peer->family != AF_INET6) {
        (void)snprintf(buf, buf_bytes, "unix");
        return;
    }
    (void)inet_ntop(peer->family, peer->address, address, sizeof address); /* "?" stays */
    if (peer->port == 0)
        (void)snprintf(buf, buf_bytes, peer->family == AF_INET ? "%s" : "[%s]", address);
    else
        (void)snprintf(buf, buf_bytes, peer->family == AF_INET ? "%s:%u" : "[%s]:%u", address,
                       (unsigned)peer->port);
}

void tcp_peer_text(const struct stream *stream, char *buf, size_t buf_bytes)
{
    put_text(client_of(stream), buf, buf_bytes);
}

void tcp_address_text(const struct sockaddr_storage *address, char *buf, size_t buf_bytes)
{
    struct tcp_peer peer = {0};

    tcp_remember_peer(&peer, address);
    put_text(&peer, buf, buf_bytes);
}

int tcp_error(const struct stream *stream)
{
    return tcp_of(stream)->error;
}
