#include "server/net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/net/tcp_internal.h"

enum {
    /* What is held up to here is put in front of what comes next; of more a copy would cost. */
    JOINED_BYTES_MAX = 4096,
};

static_assert(sizeof(struct tcp_stream) <= 216, "an idle connection is small");

/* --- lists ------------------------------------------------------------------------------------ */

static void add_dirty(struct tcp_stream *tcp)
{
    struct tcp_list *list = &tcp->set->dirty;

    if (tcp->stream.is_dirty)
        return;
    tcp->stream.is_dirty = true;
    tcp->dirty_next = NULL;
    if (list->first == NULL)
        list->first = tcp;
    else
        list->last->dirty_next = tcp;
    list->last = tcp;
}

static void add_work(struct tcp_stream *tcp)
{
    struct tcp_list *list = &tcp->set->work;

    if (tcp->is_working)
        return;
    tcp->is_working = true;
    tcp->work_next = NULL;
    if (list->first == NULL)
        list->first = tcp;
    else
        list->last->work_next = tcp;
    list->last = tcp;
    loop_defer(tcp->set->loop, &tcp->set->task);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void drop_held(struct tcp_stream *tcp)
{
    held_drop(&tcp->held, tcp->set->budget);
}

/* The only place where a stream becomes closed; tcp_reap does the rest. */
static void close_stream(struct tcp_stream *tcp, enum stream_close_reason reason, int error)
{
    struct tcp_set *set = tcp->set;

    if (tcp->stream.is_closed)
        return;
    tcp->stream.is_closed = true;
    tcp->reason = (uint8_t)reason;
    tcp->error = (uint16_t)error;
    timer_stop(&tcp->timer);
    loop_forget(set->loop, &tcp->source);
    (void)close(tcp->source.fd); /* what is lost with it is lost anyway */
    tcp->source.fd = -1;
    if (!tcp->is_giving)
        drop_held(tcp); /* else on_data is reading it */
    outq_done(&tcp->stream.out);
    set->counts.queued_bytes -= tcp->counted_bytes;
    tcp->counted_bytes = 0;
    set->counts.open_count--;
    if (tcp->mark != 0 && set->on_gone != NULL)
        set->on_gone(set->gone_user, &tcp->stream, tcp->mark);
    DL_DELETE(set->open, tcp);
    DL_APPEND(set->closed, tcp);
    set->unreported_count++;
}

static void close_for_error(struct tcp_stream *tcp, int error)
{
    bool is_peer = error == ECONNRESET || error == EPIPE;

    close_stream(tcp, is_peer ? STREAM_CLOSED_BY_PEER : STREAM_CLOSED_ERROR, error);
}

static void start_timer(struct tcp_stream *tcp, int64_t delay_ns)
{
    timer_start(loop_timers(tcp->set->loop), &tcp->timer, delay_ns);
}

/* For the peer's end. */
static void linger(struct tcp_stream *tcp)
{
    tcp->is_lingering = true;
    start_timer(tcp, STREAM_LINGER_NS);
}

/* Everything has been sent: shuts the write side and waits for the peer to do the same. */
static void shut(struct tcp_stream *tcp)
{
    if (tcp->is_shut)
        return;
    tcp->is_shut = true;
    if (tcp->has_ended || shutdown(tcp->source.fd, SHUT_WR) != 0) {
        close_stream(tcp, tcp->has_ended ? STREAM_CLOSED_BY_PEER : STREAM_CLOSED_BY_US, 0);
        return;
    }
    linger(tcp);
    if (tcp->is_readable)
        add_work(tcp); /* unread input would turn our end into a reset */
}

/* Until the next look at whether the peer takes what waits for it. */
static void watch_taking(struct tcp_stream *tcp)
{
    tcp->is_lingering = false;
    tcp->delivered_mark = (uint32_t)tcp_delivered_bytes(&tcp->stream);
    start_timer(tcp, tcp->stream.is_finishing ? STREAM_STUCK_NS : STREAM_LOOK_NS);
}

static void give_up(struct tcp_stream *tcp)
{
    tcp->set->counts.stalled++;
    close_stream(tcp, STREAM_CLOSED_BY_US, 0);
}

/* It has taken @taken_bytes since the last look. */
static void look_at_finishing(struct tcp_stream *tcp, enum stream_peer peer, uint32_t taken_bytes)
{
    bool has_all = peer == STREAM_PEER_HAS_ALL;

    tcp->looks++;
    if (has_all && tcp->is_lingering)
        close_stream(tcp, STREAM_CLOSED_BY_US, 0); /* its end has not come */
    else if (has_all)
        linger(tcp);
    else if (tcp->is_lingering ||
             (taken_bytes >= STREAM_FINISH_BYTES_MIN && tcp->looks < STREAM_FINISH_LOOKS_MAX))
        watch_taking(tcp);
    else
        give_up(tcp);
}

static void look_at_open(struct tcp_stream *tcp, enum stream_peer peer, uint32_t taken_bytes)
{
    tcp->looks = taken_bytes == 0 ? tcp->looks + 1 : 0;
    if (peer == STREAM_PEER_HAS_ALL)
        tcp->looks = 0; /* the next flush begins to watch again */
    else if (tcp->looks >= STREAM_STALLED_LOOKS ||
             (tcp->looks > 0 && peer == STREAM_PEER_IS_SILENT))
        give_up(tcp);
    else
        watch_taking(tcp);
}

static void on_taking_timer(struct timer *timer)
{
    struct tcp_stream *tcp =
        (struct tcp_stream *)(void *)((char *)timer - offsetof(struct tcp_stream, timer));
    enum stream_peer peer = tcp_peer_state(&tcp->stream);
    uint32_t taken_bytes = (uint32_t)tcp_delivered_bytes(&tcp->stream) - tcp->delivered_mark;

    if (tcp->stream.is_finishing)
        look_at_finishing(tcp, peer, taken_bytes);
    else
        look_at_open(tcp, peer, taken_bytes);
}

/* --- input ------------------------------------------------------------------------------------ */

/* What it has left cannot be kept: its user says so, in whatever way its protocol has. */
static void turn_away(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    if (stream->handlers->on_no_room != NULL)
        stream->handlers->on_no_room(stream->user);
    if (!stream->is_finishing)
        close_stream(tcp, STREAM_CLOSED_ERROR, ENOBUFS);
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
    drop_held(tcp);
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
 * what is consumed at once is never kept.
 */
static void give_buffer(struct tcp_stream *tcp, size_t front, size_t size)
{
    const uint8_t *bytes = tcp->set->buffer;
    size_t consumed;

    if (!give(tcp, bytes, front + size, &consumed))
        return;
    held_consume(&tcp->held, tcp->set->budget, consumed < front ? consumed : front);
    if (consumed < front)
        consumed = front;
    hold(tcp, bytes + consumed, front + size - consumed);
}

/* Gives @size bytes of the read buffer, in front of which there are @front bytes of what is held. */
static void give_input(struct tcp_stream *tcp, size_t front, size_t size)
{
    if (tcp->stream.is_finishing)
        return; /* nobody wants it any more */
    if (tcp->held == NULL || front > 0) {
        give_buffer(tcp, front, size);
        return;
    }
    hold(tcp, tcp->set->buffer, size);
    if (tcp->held != NULL && !tcp->stream.is_finishing)
        give_held(tcp);
}

static void on_input_end(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    tcp->has_ended = true;
    tcp->is_readable = false;
    if (tcp->is_shut)
        close_stream(tcp, STREAM_CLOSED_BY_US, 0);
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

    return ioctl(tcp->source.fd, FIONREAD, &waiting) == 0 && waiting <= TCP_READ_LATE_BYTES;
}

/* One read: at most TCP_READ_BYTES. */
static void read_input(struct tcp_stream *tcp)
{
    struct tcp_set *set = tcp->set;
    size_t front = held_bytes(tcp->held) <= JOINED_BYTES_MAX ? held_bytes(tcp->held) : 0;
    size_t room = sizeof set->buffer - front;
    ssize_t got = recv(tcp->source.fd, set->buffer + front, room, 0);

    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            tcp->is_readable = false;
        else if (errno != EINTR)
            close_for_error(tcp, errno);
    } else if (got == 0) {
        on_input_end(tcp);
    } else {
        /* A short read has emptied the socket; the peer's end may stand right behind it. */
        if ((size_t)got < room && !tcp->has_hung_up)
            tcp->is_readable = false;
        set->counts.bytes_in += (uint64_t)got;
        set->turn_bytes += (size_t)got;
        if (front > 0)
            memcpy(set->buffer, tcp->held->bytes, front);
        give_input(tcp, front, (size_t)got);
    }
    if (may_read(tcp))
        add_work(tcp);
}

static struct tcp_stream *take_work(struct tcp_set *set)
{
    struct tcp_stream *tcp = set->work.first;

    set->work.first = tcp->work_next;
    tcp->is_working = false;
    return tcp;
}

/* Who adds itself again stands behind all others: its turn is a later one. */
static void on_work(struct loop_task *task)
{
    struct tcp_set *set = (struct tcp_set *)(void *)((char *)task - offsetof(struct tcp_set, task));
    const struct tcp_stream *last = set->work.last;

    for (int i = 0; i < TCP_WORK_MAX && set->work.first != NULL && !is_turn_full(set); i++) {
        struct tcp_stream *tcp = take_work(set);

        /* One that is closed is only taken off the list, so that tcp_reap can free it. */
        if (tcp->held != NULL && !tcp->stream.is_paused && !tcp->stream.is_closed)
            give_held(tcp);
        if (may_read(tcp))
            read_input(tcp);
        if (tcp == last)
            break;
    }
    if (set->work.first != NULL)
        loop_defer(set->loop, task);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

static void on_socket(struct loop_source *source, uint32_t events)
{
    struct tcp_stream *tcp =
        (struct tcp_stream *)(void *)((char *)source - offsetof(struct tcp_stream, source));
    struct stream *stream = &tcp->stream;

    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        tcp->is_readable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        tcp->has_hung_up = true;
    if ((events & EPOLLOUT) != 0 && !tcp->is_writable) {
        tcp->is_writable = true;
        if (!outq_is_empty(&stream->out))
            add_dirty(tcp);
    }
    if ((events & EPOLLERR) != 0 && stream->is_paused) {
        /* A reset: nobody is there to be answered, whatever is waiting to be read. */
        close_for_error(tcp, socket_error(tcp->source.fd));
        return;
    }
    if (tcp->is_working || !may_read(tcp))
        return;
    if (is_turn_full(tcp->set) && !has_little(tcp))
        add_work(tcp);
    else
        read_input(tcp);
}

/* --- output ----------------------------------------------------------------------------------- */

static size_t iovec_bytes(const struct iovec *iov, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* Sends while the socket takes everything, up to TCP_WRITE_BYTES. */
static void send_queue(struct tcp_stream *tcp)
{
    struct outq *queue = &tcp->stream.out;
    size_t budget = TCP_WRITE_BYTES;

    while (!outq_is_empty(queue) && tcp->is_writable && budget > 0) {
        struct iovec iov[STREAM_IOV_MAX];
        int count = outq_iovec(queue, iov, STREAM_IOV_MAX);
        size_t offered = iovec_bytes(iov, count);
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(tcp->source.fd, &message, MSG_NOSIGNAL);

        if (sent < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                close_for_error(tcp, errno);
                return;
            }
            tcp->is_writable = false;
            return;
        }
        outq_consume(queue, (size_t)sent);
        tcp->set->counts.bytes_out += (uint64_t)sent;
        budget -= (size_t)sent < budget ? (size_t)sent : budget;
        if ((size_t)sent < offered)
            tcp->is_writable = false; /* full: epoll tells when it no longer is */
    }
}

/* After a flush: tells the user that there is room again, if it had to be told. */
static void judge_drained(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    if (outq_pinned_bytes(&stream->out) > stream->drained_bytes) {
        stream->wants_drained = true;
        return;
    }
    if (!stream->wants_drained)
        return;
    stream->wants_drained = false;
    if (!stream->is_finishing && stream->handlers->on_drained != NULL)
        stream->handlers->on_drained(stream->user);
}

static void flush(struct tcp_stream *tcp)
{
    struct outq *queue = &tcp->stream.out;

    send_queue(tcp);
    if (tcp->stream.is_closed)
        return;
    tcp->set->counts.queued_bytes += (uint64_t)queue->bytes - tcp->counted_bytes;
    tcp->counted_bytes = queue->bytes;
    if (outq_is_empty(queue) && tcp->stream.is_finishing) {
        shut(tcp);
        return;
    }
    if (!outq_is_empty(queue) && tcp->is_writable)
        add_dirty(tcp); /* the budget is spent; more in the next turn */
    if (!tcp->stream.is_finishing && !timer_is_running(&tcp->timer))
        watch_taking(tcp);
    judge_drained(tcp);
}

void tcp_flush(struct tcp_set *set)
{
    struct tcp_stream *tcp = set->dirty.first;

    set->turn_bytes = 0;
    set->dirty = (struct tcp_list){0};
    while (tcp != NULL) {
        struct tcp_stream *next = tcp->dirty_next;

        tcp->stream.is_dirty = false;
        if (!tcp->stream.is_closed)
            flush(tcp);
        tcp = next;
    }
}

/* --- operations of struct stream -------------------------------------------------------------- */

static void tcp_dirty(struct stream *stream)
{
    struct tcp_stream *tcp = tcp_of(stream);

    /* A full socket is flushed when epoll says so, not once a turn. */
    if (!stream->is_closed && tcp->is_writable)
        add_dirty(tcp);
}

static void tcp_pause(struct stream *stream, bool is_paused)
{
    struct tcp_stream *tcp = tcp_of(stream);

    if (stream->is_closed || stream->is_finishing)
        return;
    stream->is_paused = is_paused;
    if (!is_paused && (tcp->is_giving || tcp->held != NULL || tcp->is_readable))
        add_work(tcp);
}

static void tcp_finish(struct stream *stream)
{
    struct tcp_stream *tcp = tcp_of(stream);

    if (stream->is_closed || stream->is_finishing)
        return;
    stream->is_finishing = true;
    stream->is_paused = false;
    if (!tcp->is_giving)
        drop_held(tcp);
    tcp->looks = 0;
    watch_taking(tcp);
    if (outq_is_empty(&stream->out)) {
        shut(tcp);
        return;
    }
    tcp_dirty(stream);
    if (tcp->is_readable)
        add_work(tcp);
}

static void tcp_abort(struct stream *stream)
{
    close_stream(tcp_of(stream), STREAM_CLOSED_BY_US, 0);
}

static const struct stream_operations tcp_operations = {
    .dirty = tcp_dirty,
    .pause = tcp_pause,
    .finish = tcp_finish,
    .abort = tcp_abort,
    .delivered_bytes = tcp_delivered_bytes,
    .peer = tcp_peer_state,
};

/* --- streams and their set -------------------------------------------------------------------- */

int tcp_stream_new(struct tcp_set *set, int fd, const struct sockaddr_storage *address,
                   struct stream **ret_stream)
{
    struct tcp_stream *tcp = calloc(1, sizeof *tcp);
    int rc;

    if (tcp == NULL)
        return -ENOMEM;
    stream_init(&tcp->stream, &tcp_operations);
    tcp->set = set;
    tcp->is_writable = true; /* until a send says otherwise */
    tcp->source = (struct loop_source){.on_event = on_socket, .fd = fd};
    timer_init(&tcp->timer, set->taking_kind);
    tcp_remember_peer(&tcp->peer, address);
    rc = loop_watch(set->loop, &tcp->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    if (rc != 0) {
        free(tcp);
        return rc;
    }
    DL_APPEND(set->open, tcp);
    set->counts.open_count++;
    *ret_stream = &tcp->stream;
    return 0;
}

int tcp_stream_open(struct tcp_set *set, int fd, struct stream **ret_stream)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &bytes) != 0)
        return -errno;
    return tcp_stream_new(set, fd, &address, ret_stream);
}

int tcp_set_open(struct loop *loop, struct budget *budget, struct tcp_set **ret_set)
{
    struct tcp_set *set = calloc(1, sizeof *set);

    if (set == NULL)
        return -ENOMEM;
    set->loop = loop;
    set->budget = budget;
    set->task.on_run = on_work;
    set->taking_kind = timer_wheel_register(loop_timers(loop), on_taking_timer);
    set->rest_kind = timer_wheel_register(loop_timers(loop), tcp_listener_rested);
    set->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* not having one is no error */
    *ret_set = set;
    return 0;
}

static void report_close(struct tcp_stream *tcp)
{
    const struct stream *stream = &tcp->stream;

    tcp->is_reported = true;
    tcp->set->unreported_count--;
    if (stream->handlers != NULL)
        stream->handlers->on_close(stream->user, (enum stream_close_reason)tcp->reason);
}

static void free_stream(struct tcp_stream *tcp)
{
    DL_DELETE(tcp->set->closed, tcp);
    drop_held(tcp);
    free(tcp);
}

bool tcp_reap(struct tcp_set *set)
{
    struct tcp_stream *tcp = set->closed;
    unsigned reported = 0;

    while (tcp != NULL && reported < TCP_REAP_MAX) {
        struct tcp_stream *next;

        if (!tcp->is_reported) {
            report_close(tcp);
            reported++;
        }
        next = tcp->next; /* not before: on_close may close others, which are appended */
        if (!tcp->stream.is_dirty && !tcp->is_working)
            free_stream(tcp);
        tcp = next;
    }
    return set->unreported_count > 0;
}

void tcp_set_close(struct tcp_set *set)
{
    if (set == NULL)
        return;
    while (set->listeners != NULL)
        tcp_listener_close(set->listeners);
    do {
        while (set->open != NULL)
            close_stream(set->open, STREAM_CLOSED_BY_US, 0);
        /* What the lists hold is closed: walking them lets go of it. */
        tcp_flush(set);
        loop_cancel(set->loop, &set->task);
        on_work(&set->task);
        (void)tcp_reap(set); /* in steps of TCP_REAP_MAX, until nothing is left */
    } while (set->closed != NULL || set->open != NULL);
    loop_cancel(set->loop, &set->task);
    if (set->spare_fd >= 0)
        (void)close(set->spare_fd); /* of /dev/null */
    stream_copies_clear();
    free(set);
}

bool tcp_has_work(const struct tcp_set *set)
{
    return set->dirty.first != NULL || set->work.first != NULL || set->unreported_count > 0;
}

void tcp_mark(struct stream *stream, unsigned mark)
{
    CHECK(mark <= TCP_MARK_MAX);
    tcp_of(stream)->mark = (uint8_t)mark;
}

unsigned tcp_mark_of(const struct stream *stream)
{
    return tcp_of(stream)->mark;
}

void tcp_set_on_gone(struct tcp_set *set, tcp_gone_function *on_gone, void *user)
{
    set->on_gone = on_gone;
    set->gone_user = user;
}

const struct tcp_counts *tcp_counts(const struct tcp_set *set)
{
    return &set->counts;
}
