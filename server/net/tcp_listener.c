#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "bus/check.h"
#include "server/net/network.h"
#include "server/net/tcp_internal.h"
#include "server/net/tls_context.h"

#define REST_NS INT64_C(100000000)
/* How long others have to take whom we were told of and do not want. */
#define OTHERS_NS INT64_C(10000000)

struct tcp_listener {
    struct loop_source source;
    struct tcp_set *set;
    tcp_accept_function *on_accept;
    void *user;
    struct timer timer;      /* runs while it rests; it is not in the epoll set then */
    struct tls_context *tls; /* NULL: plain */
    unsigned tls_purpose;
    struct tcp_listener *prev;
    struct tcp_listener *next;
    bool is_enabled;
    bool is_told;                  /* of a newcomer, when it had been disabled; the timer runs */
    const struct network *proxies; /* whose connections begin with a PROXY header */
    size_t proxy_count;
    uint32_t awaiting_max; /* connections that wait for one, of the whole set */
};

static void update_watch(struct tcp_listener *listener)
{
    bool is_wanted = listener->is_enabled && !timer_is_running(&listener->timer);

    /* Out of memory for the epoll entry: rest, then try again. */
    if (loop_watch(listener->set->loop, &listener->source,
                   is_wanted ? EPOLLIN | EPOLLEXCLUSIVE : 0) != 0)
        timer_start(loop_timers(listener->set->loop), &listener->timer, REST_NS);
}

static void rest(struct tcp_listener *listener)
{
    timer_start(loop_timers(listener->set->loop), &listener->timer, REST_NS);
    update_watch(listener);
}

/* It may have been lost to a limit that was lowered, or to another process. */
static void keep_spare(struct tcp_set *set)
{
    if (set->spare_fd < 0)
        set->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Out of descriptors: newcomers would hang in the queue without a word. Gives up the spare one to
 * take each and close it at once.
 */
static void refuse_newcomers(struct tcp_listener *listener)
{
    struct tcp_set *set = listener->set;

    if (set->spare_fd < 0)
        return;
    (void)close(set->spare_fd); /* of /dev/null */
    set->spare_fd = -1;
    for (int i = 0; i < TCP_ACCEPT_MAX; i++) {
        int fd = accept4(listener->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            break;
        set->counts.refused++;
        (void)close(fd); /* that is the answer */
    }
    keep_spare(set);
}

/* False: this one newcomer went away, or the network said something about it; go on. */
static bool ends_accepting(struct tcp_listener *listener, int error)
{
    switch (error) {
    case EAGAIN:
        return true;
    case EMFILE:
    case ENFILE:
        refuse_newcomers(listener);
        rest(listener);
        return true;
    case ENOBUFS:
    case ENOMEM:
        rest(listener);
        return true;
    default:
        return false;
    }
}

void tcp_listener_admit(struct tcp_listener *listener, struct stream *stream)
{
    if (listener->tls != NULL && tcp_secure(stream, listener->tls, listener->tls_purpose) != 0) {
        listener->set->counts.refused++;
        stream_abort(stream);
        return;
    }
    listener->on_accept(listener->user, stream);
    CHECK(stream->handlers != NULL || stream->is_finishing || stream->is_closed);
}

/* At most @count; on_accept may disable the listener (a worker that has enough), not close it. */
static void take_newcomers(struct tcp_listener *listener, int count)
{
    struct tcp_set *set = listener->set;

    for (int i = 0; i < count; i++) {
        struct sockaddr_storage address = {0};
        socklen_t bytes = sizeof address;
        struct stream *stream;
        int fd = accept4(listener->source.fd, (struct sockaddr *)&address, &bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (ends_accepting(listener, errno))
                break;
            continue;
        }
        if (tcp_stream_new(set, fd, &address, &stream) != 0) {
            set->counts.refused++;
            (void)close(fd); /* that is the answer */
            continue;
        }
        if (!networks_have(listener->proxies, listener->proxy_count, &address)) {
            tcp_listener_admit(listener, stream);
        } else if (tcp_await_proxy(tcp_of(stream), listener, listener->awaiting_max) != 0) {
            set->counts.refused++;
            stream_abort(stream);
        }
        if (!listener->is_enabled)
            break;
    }
}

static void on_newcomers(struct loop_source *source, uint32_t events)
{
    struct tcp_listener *listener =
        (struct tcp_listener *)(void *)((char *)source - offsetof(struct tcp_listener, source));

    (void)events; /* there is only one */
    if (listener->is_enabled) {
        take_newcomers(listener, TCP_ACCEPT_MAX);
        return;
    }
    /*
     * Something else of this turn has disabled it, and nobody but us was woken for that newcomer
     * (EPOLLEXCLUSIVE). Whoever is woken for the next one takes both; if none comes we do.
     */
    listener->is_told = true;
    timer_start(loop_timers(listener->set->loop), &listener->timer, OTHERS_NS);
    update_watch(listener);
}

void tcp_listener_rested(struct timer *timer)
{
    struct tcp_listener *listener =
        (struct tcp_listener *)(void *)((char *)timer - offsetof(struct tcp_listener, timer));

    keep_spare(listener->set);
    if (listener->is_told) {
        listener->is_told = false;
        take_newcomers(listener, 1);
    }
    update_watch(listener);
}

/*
 * Accepted sockets inherit them; a unix socket has none of TCP's, which is as good. Keep-alive is
 * for those whose protocol has no pings: a peer that is gone without a word is noticed after two
 * minutes.
 */
static void set_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

int tcp_listen(struct tcp_set *set, int fd, tcp_accept_function *on_accept, void *user,
               struct tcp_listener **ret_listener)
{
    struct tcp_listener *listener = calloc(1, sizeof *listener);
    int rc;

    if (listener == NULL)
        return -ENOMEM;
    listener->source = (struct loop_source){.on_event = on_newcomers, .fd = fd};
    listener->set = set;
    listener->on_accept = on_accept;
    listener->user = user;
    listener->is_enabled = true;
    timer_init(&listener->timer, set->rest_kind);
    set_options(fd);
    rc = loop_watch(set->loop, &listener->source, EPOLLIN | EPOLLEXCLUSIVE);
    if (rc != 0) {
        free(listener);
        return rc;
    }
    DL_APPEND(set->listeners, listener);
    *ret_listener = listener;
    return 0;
}

void tcp_listener_set_tls(struct tcp_listener *listener, struct tls_context *context,
                          unsigned purpose)
{
    struct tls_context *old = listener->tls;

    listener->tls = context == NULL ? NULL : tls_context_ref(context);
    listener->tls_purpose = purpose;
    tls_context_unref(old);
}

void tcp_listener_expect_proxies(struct tcp_listener *listener, const struct network *proxies,
                                 size_t count, uint32_t awaiting_max)
{
    listener->proxies = proxies;
    listener->proxy_count = count;
    listener->awaiting_max = awaiting_max;
}

void tcp_listener_enable(struct tcp_listener *listener, bool is_enabled)
{
    listener->is_enabled = is_enabled;
    if (is_enabled || !loop_will_call(listener->set->loop, &listener->source))
        update_watch(listener);
}

void tcp_listener_close(struct tcp_listener *listener)
{
    if (listener == NULL)
        return;
    timer_stop(&listener->timer);
    loop_forget(listener->set->loop, &listener->source);
    DL_DELETE(listener->set->listeners, listener);
    tcp_forget_awaiting(listener->set, listener);
    tls_context_unref(listener->tls);
    free(listener);
}
