/*
 * Input of the streams: reads, keeps what their users have not consumed, takes turns.
 *
 * A user that pauses leaves what is behind, up to a whole read: a pipelining client does nothing
 * wrong. While the budget has no room for that, sockets are only looked into (MSG_PEEK), and what
 * a paused user has not consumed stays there. It costs a second call for each read.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bus/check.h"
#include "server/net/budget.h"
#include "server/net/tcp_internal.h"

enum {
    /* What is held up to here is put in front of what comes next; of more a copy would cost. */
    JOINED_BYTES_MAX = 4096,
};

/* What it has left cannot be kept: its user says so, in whatever way its protocol has. */
static void turn_away(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    if (stream->handlers->on_no_room != NULL)
        stream->handlers->on_no_room(stream->user);
    if (!stream->is_finishing)
        tcp_close(tcp, STREAM_CLOSED_ERROR, ENOBUFS);
}

static void hold(struct tcp_stream *tcp, const uint8_t *bytes, size_t size)
{
    if (held_append(&tcp->held, tcp->set->budget, bytes, size) != 0)
        turn_away(tcp);
}

/* False: it wants no more, and nothing is held. */
static bool give(struct tcp_stream *tcp, const uint8_t *bytes, size_t size, size_t *ret_consumed)
{
    struct stream *stream = &tcp->stream;

    tcp->is_giving = true;
    *ret_consumed = stream->handlers->on_data(stream->user, bytes, size);
    tcp->is_giving = false;
    CHECK(*ret_consumed <= size);
    if (!stream->is_closed && !stream->is_finishing)
        return true;
    tcp_drop_held(tcp);
    return false;
}

static void give_held(struct tcp_stream *tcp)
{
    size_t consumed;

    if (give(tcp, tcp->held->bytes, tcp->held->size, &consumed))
        held_consume(&tcp->held, tcp->set->budget, consumed);
}

/*
 * Gives what has come into the read buffer, behind a copy of what is held (@front bytes), so that
 * what is consumed at once is never kept. Returns how much of it need not be given again: all,
 * unless @may_leave and its user has paused.
 */
static size_t give_buffer(struct tcp_stream *tcp, size_t front, size_t size, bool may_leave)
{
    const uint8_t *bytes = tcp->set->buffer;
    size_t consumed;

    if (!give(tcp, bytes, front + size, &consumed))
        return size;
    held_consume(&tcp->held, tcp->set->budget, consumed < front ? consumed : front);
    if (consumed < front)
        consumed = front;
    if (may_leave && tcp->stream.is_paused)
        return consumed - front;
    hold(tcp, bytes + consumed, front + size - consumed);
    return size;
}

/*
 * Gives @size bytes of the read buffer, in front of which there are @front bytes of what is held.
 * Returns as give_buffer.
 */
static size_t give_input(struct tcp_stream *tcp, size_t front, size_t size, bool may_leave)
{
    if (tcp->stream.is_finishing)
        return size; /* nobody wants it any more */
    if (tcp->held == NULL || front > 0)
        return give_buffer(tcp, front, size, may_leave);
    hold(tcp, tcp->set->buffer, size);
    if (tcp->held != NULL && !tcp->stream.is_finishing)
        give_held(tcp);
    return size;
}

static void on_input_end(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    tcp->is_readable = false;
    if (tcp->has_ended && !tcp->is_shut)
        return; /* TLS has said it; now the socket does */
    tcp->has_ended = true;
    if (tcp->is_shut)
        tcp_close(tcp, STREAM_CLOSED_BY_BOTH, 0);
    else if (stream->is_finishing)
        return; /* closed when the rest has been sent */
    else if (stream->handlers->on_end != NULL)
        stream->handlers->on_end(stream->user);
    else
        stream_finish(stream);
}

static bool may_read(const struct tcp_stream *tcp)
{
    const struct stream *stream = &tcp->stream;

    if (stream->is_closed || !tcp->is_readable)
        return false;
    if (stream->is_finishing)
        return true;
    if (stream->is_paused)
        return false;
    return held_bytes(tcp->held) <= stream->hold_bytes_max;
}

static bool is_turn_full(const struct tcp_set *set)
{
    return set->turn_bytes >= TCP_TURN_BYTES;
}

/* All that has arrived is little. It is read whole or not at all: half a message costs budget. */
static bool has_little(const struct tcp_stream *tcp)
{
    int waiting = 0;

    return ioctl(tcp->source.fd, FIONREAD, &waiting) == 0 && waiting <= TCP_READ_LATE_BYTES &&
           (tcp->tls == NULL || !tls_has_pending(tcp->tls));
}

/* Its records need not be opened: there is no TLS, or nobody wants any more of what is in them. */
static bool is_raw(const struct tcp_stream *tcp)
{
    return tcp->tls == NULL || tcp->is_shut || tcp->is_turned_off || tcp->stream.is_finishing;
}

/* What has come, or -errno; brings is_readable up to date. */
static ssize_t receive(struct tcp_stream *tcp, uint8_t *buf, size_t size, bool is_peek)
{
    ssize_t got;

    if (!is_raw(tcp))
        return tcp_tls_recv(tcp, buf, size, is_peek);
    do {
        got = recv(tcp->source.fd, buf, size, is_peek ? MSG_PEEK : 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return -errno;
        tcp->is_readable = false;
        return -EAGAIN;
    }
    /* A short read has emptied the socket; the peer's end may stand right behind it. */
    if (got > 0 && (size_t)got < size && !tcp->has_hung_up)
        tcp->is_readable = false;
    return got;
}

/* Of what has been looked at. Its place in the read buffer is no longer needed. */
static void take_out(struct tcp_stream *tcp, size_t size)
{
    while (size > 0 && !tcp->stream.is_closed) {
        bool was_readable = tcp->is_readable;
        ssize_t got = receive(tcp, tcp->set->buffer, size, false);

        tcp->is_readable = was_readable;
        if (got > 0)
            size -= (size_t)got;
        else
            tcp_close_for_error(tcp, got < 0 ? (int)-got : ECONNRESET); /* it was there */
    }
}

/* One read: at most TCP_READ_BYTES. */
static void read_data(struct tcp_stream *tcp)
{
    struct tcp_set *set = tcp->set;
    size_t front = held_bytes(tcp->held) <= JOINED_BYTES_MAX ? held_bytes(tcp->held) : 0;
    size_t room = sizeof set->buffer - front;
    bool is_short = !budget_has(set->budget, sizeof set->buffer);
    ssize_t got = receive(tcp, set->buffer + front, room, is_short);
    size_t taken;

    if (got == -EPROTO && tcp->tls != NULL) {
        tcp_turn_off(tcp);
    } else if (got < 0) {
        if (got != -EAGAIN)
            tcp_close_for_error(tcp, (int)-got);
    } else if (got == 0) {
        on_input_end(tcp);
    } else {
        if (front > 0)
            memcpy(set->buffer, tcp->held->bytes, front);
        taken = give_input(tcp, front, (size_t)got, is_short);
        if (is_short)
            take_out(tcp, taken);
        if (taken < (size_t)got)
            tcp->is_readable = true;
        set->counts.bytes_in += (uint64_t)taken;
        tcp->stream.bytes_in += (uint64_t)taken;
        set->turn_bytes += (size_t)got;
    }
}

static void read_input(struct tcp_stream *tcp)
{
    if (tcp->awaits_proxy)
        tcp_read_proxy(tcp);
    else if (!tcp_is_greeting(tcp) || tcp_greet(tcp))
        read_data(tcp);
    if (may_read(tcp))
        tcp_add_work(tcp);
}

static struct tcp_stream *take_first(struct tcp_list *list)
{
    struct tcp_stream *tcp = list->first;

    list->first = tcp->work_next;
    tcp->is_working = false;
    return tcp;
}

static bool is_out_of_handshakes(const struct tcp_set *set)
{
    return set->turn_handshakes >= TCP_HANDSHAKES_MAX;
}

/* Who is closed is only taken off the list, as below. */
static void go_on_with_handshakes(struct tcp_set *set)
{
    const struct tcp_stream *last = set->handshakes.last;

    while (set->handshakes.first != NULL && !is_out_of_handshakes(set)) {
        struct tcp_stream *tcp = take_first(&set->handshakes);

        if (may_read(tcp))
            read_input(tcp);
        if (tcp == last)
            break;
    }
}

/* Who adds itself again stands behind all others: its turn is a later one. */
void tcp_on_work(struct loop_task *task)
{
    struct tcp_set *set = (struct tcp_set *)(void *)((char *)task - offsetof(struct tcp_set, task));
    const struct tcp_stream *last;

    go_on_with_handshakes(set);
    last = set->work.last;
    for (int i = 0; i < TCP_WORK_MAX && set->work.first != NULL && !is_turn_full(set); i++) {
        struct tcp_stream *tcp = take_first(&set->work);

        /* One that is closed is only taken off the list, so that tcp_reap can free it. */
        if (tcp->held != NULL && !tcp->stream.is_paused && !tcp->stream.is_closed)
            give_held(tcp);
        if (may_read(tcp))
            read_input(tcp);
        if (tcp == last)
            break;
    }
    if (set->work.first != NULL || set->handshakes.first != NULL)
        loop_defer(set->loop, task);
}

void tcp_hear(struct tcp_stream *tcp)
{
    if (tcp->is_working || !may_read(tcp))
        return;
    if (tcp_is_greeting(tcp) ? is_out_of_handshakes(tcp->set)
                             : is_turn_full(tcp->set) && !has_little(tcp))
        tcp_add_work(tcp);
    else
        read_input(tcp);
}
