#include "server/net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/net/tcp_internal.h"

static_assert(sizeof(struct tcp_stream) <= 248, "an idle connection is small");

/* --- lists ------------------------------------------------------------------------------------ */

void tcp_add_dirty(struct tcp_stream *tcp)
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

void tcp_add_work(struct tcp_stream *tcp)
{
    struct tcp_list *list = tcp_is_greeting(tcp) ? &tcp->set->handshakes : &tcp->set->work;

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

/* The only place where a stream becomes closed; tcp_reap does the rest. */
void tcp_close(struct tcp_stream *tcp, enum stream_close_reason reason, int error)
{
    struct tcp_set *set = tcp->set;

    if (tcp->stream.is_closed)
        return;
    tcp->stream.is_closed = true;
    tcp->reason = (uint8_t)(tcp->is_turned_off ? STREAM_CLOSED_BY_PEER : reason);
    tcp->error = (uint16_t)(tcp->is_turned_off ? EPROTO : error);
    timer_stop(&tcp->timer);
    loop_forget(set->loop, &tcp->source);
    (void)close(tcp->source.fd); /* what is lost with it is lost anyway */
    tcp->source.fd = -1;
    if (!tcp->is_giving)
        tcp_drop_held(tcp); /* else on_data is reading it */
    outq_done(&tcp->stream.out);
    set->counts.queued_bytes -= tcp->counted_bytes;
    tcp->counted_bytes = 0;
    set->counts.open_count--;
    if (tcp->tls != NULL)
        tcp_greeting_over(tcp);
    if (tcp->awaits_proxy)
        tcp_await_no_more(tcp);
    if (tcp->mark != 0 && set->on_gone != NULL)
        set->on_gone(set->gone_user, &tcp->stream, tcp->mark);
    DL_DELETE(set->open, tcp);
    DL_APPEND(set->closed, tcp);
    set->unreported_count++;
}

/* The peer has gone, or what lies between us. */
static bool is_of_peer(int error)
{
    static const int errors[] = {ECONNRESET,   EPIPE,       ECONNABORTED, ETIMEDOUT,
                                 EHOSTUNREACH, ENETUNREACH, ENETDOWN,     EHOSTDOWN};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i] == error)
            return true;
    }
    return false;
}

void tcp_close_for_error(struct tcp_stream *tcp, int error)
{
    tcp_close(tcp, is_of_peer(error) ? STREAM_CLOSED_BY_PEER : STREAM_CLOSED_ERROR, error);
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
    if (tcp->is_shut || (tcp->tls != NULL && !tcp_tls_shut(tcp)))
        return;
    tcp->is_shut = true;
    if (tcp->has_ended || shutdown(tcp->source.fd, SHUT_WR) != 0) {
        tcp_close(tcp, tcp->has_ended ? STREAM_CLOSED_BY_PEER : STREAM_CLOSED_BY_US, 0);
        return;
    }
    linger(tcp);
    if (tcp->is_readable)
        tcp_add_work(tcp); /* unread input would turn our end into a reset */
}

/* Until the next look at whether the peer takes what waits for it. */
static void watch_taking(struct tcp_stream *tcp)
{
    tcp->is_lingering = false;
    tcp->delivered_mark = (uint32_t)tcp_delivered_bytes(&tcp->stream);
    start_timer(tcp, stream_look_ns(&tcp->stream));
}

static void give_up(struct tcp_stream *tcp)
{
    tcp->set->counts.stalled++;
    tcp_close(tcp, STREAM_CLOSED_STALLED, 0);
}

static void look_at_finishing(struct tcp_stream *tcp, enum stream_peer peer, bool is_quick)
{
    bool has_all = peer == STREAM_PEER_HAS_ALL;

    if (has_all && tcp->is_lingering)
        tcp_close(tcp, STREAM_CLOSED_BY_US, 0); /* its end has not come */
    else if (has_all)
        linger(tcp);
    else if (tcp->is_lingering || is_quick)
        watch_taking(tcp);
    else
        give_up(tcp);
}

static void look_at_open(struct tcp_stream *tcp, enum stream_peer peer, bool is_quick)
{
    if (peer == STREAM_PEER_HAS_ALL)
        tcp->stream.looks = 0; /* the next flush begins to watch again */
    else if (!is_quick || (tcp->stream.looks > 0 && peer == STREAM_PEER_IS_SILENT))
        give_up(tcp);
    else
        watch_taking(tcp);
}

static void look(struct tcp_stream *tcp)
{
    enum stream_peer peer = tcp_peer_state(&tcp->stream);
    uint32_t delivered = (uint32_t)tcp_delivered_bytes(&tcp->stream);
    bool is_quick = stream_look(&tcp->stream, delivered - tcp->delivered_mark);

    if (tcp->stream.is_finishing)
        look_at_finishing(tcp, peer, is_quick);
    else
        look_at_open(tcp, peer, is_quick);
}

static void on_timer(struct timer *timer)
{
    struct tcp_stream *tcp =
        (struct tcp_stream *)(void *)((char *)timer - offsetof(struct tcp_stream, timer));

    if (tcp->awaits_proxy)
        tcp_close(tcp, STREAM_CLOSED_BY_US, 0);
    else if (tcp_is_greeting(tcp) && !tcp->stream.is_finishing)
        tcp_greeting_late(tcp);
    else
        look(tcp);
}

/* --- events --------------------------------------------------------------------------------------- */

static int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

/* What has waited for room goes on: output, the word that it ends, or TLS that could not answer. */
static void begin_writing(struct tcp_stream *tcp)
{
    tcp->is_writable = true;
    if (tcp->reads_when_writable) {
        tcp->reads_when_writable = false;
        tcp->is_readable = true;
    }
    if (!outq_is_empty(&tcp->stream.out) || tcp->stream.is_finishing)
        tcp_add_dirty(tcp);
}

static void begin_reading(struct tcp_stream *tcp)
{
    tcp->is_readable = true;
    if (tcp->writes_when_readable) {
        tcp->writes_when_readable = false;
        tcp_add_dirty(tcp);
    }
}

static void on_socket(struct loop_source *source, uint32_t events)
{
    struct tcp_stream *tcp =
        (struct tcp_stream *)(void *)((char *)source - offsetof(struct tcp_stream, source));
    struct stream *stream = &tcp->stream;

    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        begin_reading(tcp);
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        tcp->has_hung_up = true;
    if ((events & EPOLLOUT) != 0 && !tcp->is_writable)
        begin_writing(tcp);
    if ((events & EPOLLERR) != 0 && stream->is_paused) {
        /* A reset: nobody is there to be answered, whatever is waiting to be read. */
        tcp_close_for_error(tcp, socket_error(tcp->source.fd));
        return;
    }
    tcp_hear(tcp);
}

/* --- output ----------------------------------------------------------------------------------- */

/* As many of the front ones as come to @bytes_max or are the first to go beyond it. */
static int iovec_within(const struct iovec *iov, int count, size_t bytes_max, size_t *ret_bytes)
{
    size_t bytes = 0;
    int taken = 0;

    while (taken < count && bytes < bytes_max)
        bytes += iov[taken++].iov_len;
    *ret_bytes = bytes;
    return taken;
}

static void count_write(struct tcp_counts *counts, int range_count, size_t sent_bytes)
{
    counts->bytes_out += sent_bytes;
    counts->write_count++;
    counts->writes[stat_bucket(STAT_WRITE_RANGES, (uint64_t)range_count)]++;
    counts->writes[STAT_WRITE_RANGES_BOUNDS + 1] += (uint64_t)range_count; /* the sum */
}

/* One write. Bytes, which may be fewer, or -errno; with -EAGAIN it cannot send now. */
static ssize_t send_ranges(struct tcp_stream *tcp, struct iovec *iov, int count, size_t offered)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    ssize_t sent;

    if (tcp->tls != NULL)
        return tcp_tls_send(tcp, iov, count);
    do {
        sent = sendmsg(tcp->source.fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0 && (size_t)sent < offered)
        tcp->is_writable = false; /* full: epoll tells when it no longer is */
    if (sent >= 0)
        return sent;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return -errno;
    tcp->is_writable = false;
    return -EAGAIN;
}

/* Sends while the socket takes everything, up to TCP_WRITE_BYTES. */
static void send_queue(struct tcp_stream *tcp)
{
    struct outq *queue = &tcp->stream.out;
    size_t budget = TCP_WRITE_BYTES;

    while (!outq_is_empty(queue) && tcp_can_send(tcp) && budget > 0) {
        struct iovec iov[STREAM_IOV_MAX];
        size_t offered;
        int count = iovec_within(iov, outq_iovec(queue, iov, STREAM_IOV_MAX), budget, &offered);
        ssize_t sent = send_ranges(tcp, iov, count, offered);

        if (sent == -EAGAIN)
            return;
        if (sent < 0) {
            tcp_close_for_error(tcp, (int)-sent);
            return;
        }
        outq_consume(queue, (size_t)sent);
        count_write(&tcp->set->counts, count, (size_t)sent);
        budget -= (size_t)sent < budget ? (size_t)sent : budget;
    }
}

static void flush(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;
    struct outq *queue = &stream->out;

    if (!stream->is_finishing && stream->handlers != NULL && stream->handlers->on_flush != NULL)
        stream->handlers->on_flush(stream->user);
    if (!stream->is_closed)
        send_queue(tcp);
    if (tcp->stream.is_closed)
        return;
    tcp->set->counts.queued_bytes += (uint64_t)queue->bytes - tcp->counted_bytes;
    tcp->counted_bytes = queue->bytes;
    if (outq_is_empty(queue) && tcp->stream.is_finishing) {
        shut(tcp);
        return;
    }
    if (!outq_is_empty(queue) && tcp_can_send(tcp))
        tcp_add_dirty(tcp); /* the budget is spent; more in the next turn */
    if (!tcp->stream.is_finishing && !timer_is_running(&tcp->timer))
        watch_taking(tcp);
    stream_judge_drained(stream);
}

void tcp_flush(struct tcp_set *set)
{
    struct tcp_stream *tcp = set->dirty.first;

    set->turn_bytes = 0;
    set->turn_handshakes = 0;
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
    if (!stream->is_closed && tcp_can_send(tcp))
        tcp_add_dirty(tcp);
}

static void tcp_call(struct stream *stream)
{
    if (!stream->is_closed)
        tcp_add_dirty(tcp_of(stream));
}

static void tcp_pause(struct stream *stream, bool is_paused)
{
    struct tcp_stream *tcp = tcp_of(stream);

    if (stream->is_closed || stream->is_finishing)
        return;
    stream->is_paused = is_paused;
    if (!is_paused && (tcp->is_giving || tcp->held != NULL || tcp->is_readable))
        tcp_add_work(tcp);
}

static void tcp_finish(struct stream *stream)
{
    struct tcp_stream *tcp = tcp_of(stream);

    if (stream->is_closed || stream->is_finishing)
        return;
    stream->is_finishing = true;
    stream->is_paused = false;
    if (!tcp->is_giving)
        tcp_drop_held(tcp);
    stream->looks = 0;
    watch_taking(tcp);
    if (outq_is_empty(&stream->out)) {
        shut(tcp);
        return;
    }
    tcp_dirty(stream);
    if (tcp->is_readable)
        tcp_add_work(tcp);
}

void tcp_turn_off(struct tcp_stream *tcp)
{
    struct stream *stream = &tcp->stream;

    tcp->is_turned_off = true;
    outq_done(&stream->out);
    tcp->set->counts.queued_bytes -= tcp->counted_bytes;
    tcp->counted_bytes = 0;
    if (stream->is_finishing)
        shut(tcp);
    else
        tcp_finish(stream);
}

static void tcp_abort(struct stream *stream)
{
    tcp_close(tcp_of(stream), STREAM_CLOSED_BY_US, 0);
}

static const struct stream_operations tcp_operations = {
    .dirty = tcp_dirty,
    .call = tcp_call,
    .pause = tcp_pause,
    .finish = tcp_finish,
    .abort = tcp_abort,
    .delivered_bytes = tcp_delivered_bytes,
    .peer = tcp_peer_state,
    .peer_text = tcp_peer_text,
    .name_peer = tcp_name_peer,
    .security = tcp_security,
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
    timer_init(&tcp->timer, set->stream_kind);
    tcp_remember_peer(&tcp->peer, address);
    tcp->is_unix = address->ss_family == AF_UNIX;
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
    set->task.on_run = tcp_on_work;
    set->stream_kind = timer_wheel_register(loop_timers(loop), on_timer);
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
    tcp_drop_held(tcp);
    tls_free(tcp->tls);
    free(tcp->named);
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
            tcp_close(set->open, STREAM_CLOSED_BY_US, 0);
        /* What the lists hold is closed: walking them lets go of it. */
        tcp_flush(set);
        loop_cancel(set->loop, &set->task);
        tcp_on_work(&set->task);
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
    return set->dirty.first != NULL || set->work.first != NULL || set->handshakes.first != NULL ||
           set->unreported_count > 0;
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
