/*
 * TLS in the streams: the handshake before anything else, and what a call of it says of the socket.
 */
#include <errno.h>

#include "bus/check.h"
#include "server/net/tcp_internal.h"

const struct stream_security *tcp_security(const struct stream *stream)
{
    static const struct stream_security plain = {.alpn = ""};
    static const struct stream_security plain_on_tls = {.is_plain_on_tls = true, .alpn = ""};
    static const struct stream_security secure_before = {.is_secure_before = true, .alpn = ""};
    const struct tcp_stream *tcp = tcp_of(stream);

    if (tcp->tls != NULL)
        return tls_security(tcp->tls);
    if (tcp->is_plain_on_tls)
        return &plain_on_tls;
    return tcp->is_secure_before ? &secure_before : &plain;
}

int tcp_secure(struct stream *stream, struct tls_context *context, unsigned purpose)
{
    struct tcp_stream *tcp = tcp_of(stream);
    int rc;

    CHECK(tcp->tls == NULL);
    CHECK(stream->bytes_in == 0);
    rc = tls_new(context, tcp->source.fd, (enum tls_purpose)purpose, &tcp->tls);
    if (rc == 0)
        timer_start(loop_timers(tcp->set->loop), &tcp->timer, tls_handshake_timeout_ns(tcp->tls));
    return rc;
}

void tcp_set_on_tls(struct tcp_set *set, tcp_tls_function *on_tls, void *user)
{
    set->on_tls = on_tls;
    set->tls_user = user;
}

/* What is behind what has come is asked for, too, where epoll has told of the end already. */
static unsigned reading_flags(const struct tcp_stream *tcp)
{
    return tcp->has_hung_up ? TLS_TO_END : 0;
}

/* --- the handshake ------------------------------------------------------------------------------ */

static void report(struct tcp_stream *tcp, const struct tls_outcome *outcome)
{
    tcp->is_greeted = true;
    if (tcp->set->on_tls != NULL)
        tcp->set->on_tls(tcp->set->tls_user, &tcp->stream, outcome);
}

static void report_failure(struct tcp_stream *tcp, const char *error)
{
    report(tcp, &(struct tls_outcome){.error = error});
}

void tcp_greeting_over(struct tcp_stream *tcp)
{
    if (!tcp->is_greeted)
        report_failure(tcp, "it was closed before it was done");
}

/* Nothing stands in the way of what has been queued meanwhile. */
static void begin_sending(struct tcp_stream *tcp)
{
    if (!tcp->stream.is_finishing)
        timer_stop(&tcp->timer);
    if (!outq_is_empty(&tcp->stream.out) || tcp->stream.is_finishing)
        tcp_add_dirty(tcp);
}

static void become_plain(struct tcp_stream *tcp)
{
    report_failure(tcp, "what came is not TLS");
    tls_free(tcp->tls);
    tcp->tls = NULL;
    tcp->is_plain_on_tls = true;
    begin_sending(tcp);
}

/* What a call has met; what cannot be done now is done when epoll says so. */
static void remember(struct tcp_stream *tcp)
{
    struct tls_state state = tls_state(tcp->tls);

    if (state.is_full)
        tcp->is_writable = false;
    if (state.is_empty || state.has_wanted_room)
        tcp->is_readable = false;
    if (state.has_wanted_room)
        tcp->reads_when_writable = true;
    if (state.has_wanted_input)
        tcp->writes_when_readable = true;
}

static void fail(struct tcp_stream *tcp, int error)
{
    report_failure(tcp, tls_error_text());
    if (error == EPROTO)
        tcp_turn_off(tcp); /* the alert shall not be lost to a reset */
    else
        tcp_close_for_error(tcp, error);
}

bool tcp_greet(struct tcp_stream *tcp)
{
    struct tls_outcome outcome;
    int rc = 0;

    if (!tls_has_begun(tcp->tls))
        rc = tls_begin(tcp->tls);
    if (rc == -EPROTOTYPE) {
        become_plain(tcp);
        return true;
    }
    if (rc == -EAGAIN) {
        tcp->is_readable = false;
        return false;
    }
    if (rc == 0) {
        tcp->set->turn_handshakes++;
        rc = tls_handshake(tcp->tls, reading_flags(tcp));
        remember(tcp);
    }
    if (rc == -EAGAIN)
        return false;
    if (rc != 0) {
        fail(tcp, -rc);
        return false;
    }
    tls_describe(tcp->tls, &outcome);
    report(tcp, &outcome);
    begin_sending(tcp);
    return true;
}

void tcp_greeting_late(struct tcp_stream *tcp)
{
    report_failure(tcp, tls_has_begun(tcp->tls) ? "it took too long" : "nothing came");
    tcp_close_for_error(tcp, ETIMEDOUT);
}

/* --- data --------------------------------------------------------------------------------------- */

ssize_t tcp_tls_recv(struct tcp_stream *tcp, void *buf, size_t size, bool is_peek)
{
    ssize_t got = tls_recv(tcp->tls, buf, size, reading_flags(tcp) | (is_peek ? TLS_PEEK : 0));

    remember(tcp);
    return got;
}

ssize_t tcp_tls_send(struct tcp_stream *tcp, const struct iovec *iov, int count)
{
    ssize_t sent = tls_send(tcp->tls, iov, count);

    remember(tcp);
    return sent;
}

bool tcp_tls_shut(struct tcp_stream *tcp)
{
    if (tcp->is_turned_off || tls_shut(tcp->tls) == 0)
        return true;
    remember(tcp);
    return false;
}
