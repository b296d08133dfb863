/*
 * server/net/tcp_internal.h - what tcp*.c share; nobody else includes it.
 *
 * Sockets  edge-triggered, registered once for everything: is_readable and is_writable remember
 *          what epoll said until a call says otherwise, so pausing and a full socket cost no
 *          system call.
 * Lists    a stream is in `open` or `closed`, and besides may stand in `dirty` (to be flushed) and
 *          in `work` (to be read in the next turn) or, until its handshake of TLS is done, in
 *          `handshakes`. One that is closed is freed when these, which are only taken from at their
 *          front, have let go of it.
 */
#ifndef SERVER_NET_TCP_INTERNAL_H
#define SERVER_NET_TCP_INTERNAL_H

#include "server/net/held.h"
#include "server/net/tcp.h"
#include "server/net/timer.h"
#include "server/net/tls.h"

struct tcp_peer {
    uint8_t address[16]; /* IPv4 in the first four */
    uint16_t port;
    uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
};

struct tcp_stream {
    struct stream stream;
    struct loop_source source;
    struct tcp_set *set;
    struct tcp_stream *prev; /* open or closed */
    struct tcp_stream *next;
    struct tcp_stream *dirty_next;
    struct tcp_stream *work_next;
    struct held *held;
    struct tls *tls;        /* NULL: plain */
    struct tcp_peer *named; /* by a proxy; NULL: nobody is */
    struct timer timer; /* awaits a PROXY header, then a handshake; or what is taken, or the end */
    uint32_t counted_bytes;  /* what queued_bytes of the set knows of this queue */
    uint32_t delivered_mark; /* low half of delivered_bytes at the last look */
    struct tcp_peer peer;
    uint16_t error;
    uint8_t reason; /* enum stream_close_reason, once closed */
    uint8_t mark;   /* its acceptor's */
    bool is_readable : 1;
    bool is_writable : 1;
    bool has_hung_up : 1;     /* the peer's end is in the socket, perhaps behind data */
    bool has_ended : 1;       /* and has been read */
    bool is_shut : 1;         /* our end has been sent */
    bool is_lingering : 1;    /* it waits for the peer's, which had a moment ago got everything */
    bool is_giving : 1;       /* inside on_data */
    bool is_working : 1;      /* in the list `work` or `handshakes` */
    bool is_reported : 1;     /* on_close has been called */
    bool is_plain_on_tls : 1; /* stream_security */
    bool is_secure_before : 1;
    bool is_unix : 1;              /* whatever a PROXY header has made of `peer` */
    bool awaits_proxy : 1;         /* tcp_proxy.c's, until a PROXY header has come */
    bool is_greeted : 1;           /* how its handshake went has been told */
    bool is_turned_off : 1;        /* it broke TLS: told so, and nothing of it is read any more */
    bool reads_when_writable : 1;  /* TLS has something to send before it reads on */
    bool writes_when_readable : 1; /* and likewise */
};

struct tcp_list {
    struct tcp_stream *first;
    struct tcp_stream *last;
};

struct tcp_set {
    struct loop *loop;
    struct budget *budget;   /* for what is held; NULL: no bound */
    struct tcp_stream *open; /* utlist */
    struct tcp_stream *closed;
    struct tcp_list dirty;
    struct tcp_list work;
    struct tcp_list handshakes;
    struct loop_task task; /* reads those in `work` and `handshakes` */
    struct tcp_listener *listeners;
    struct tcp_awaiting *awaiting; /* utlist; tcp_proxy.c */
    uint32_t awaiting_count;
    struct tcp_counts counts;
    tcp_gone_function *on_gone; /* may be NULL */
    void *gone_user;
    tcp_tls_function *on_tls; /* likewise */
    void *tls_user;
    tcp_no_header_function *on_no_header; /* likewise */
    void *no_header_user;
    uint32_t stream_kind; /* of timers: the streams', the listeners' */
    uint32_t rest_kind;
    size_t turn_bytes;         /* read since the last flush */
    uint32_t turn_handshakes;  /* steps of them, likewise */
    uint32_t unreported_count; /* streams in `closed` whose on_close is due */
    int spare_fd;              /* given up to refuse newcomers; -1: none */
    uint8_t buffer[TCP_READ_BYTES];
};

static inline struct tcp_stream *tcp_of(const struct stream *stream)
{
    /* struct stream is the first member: the operations are only ever given ours. */
    return (struct tcp_stream *)(uintptr_t)stream;
}

/* Its handshake is not done: nothing can be sent, and what comes is part of it. */
static inline bool tcp_is_greeting(const struct tcp_stream *tcp)
{
    return tcp->tls != NULL && !tls_is_ready(tcp->tls) && !tcp->is_shut;
}

static inline bool tcp_can_send(const struct tcp_stream *tcp)
{
    return tcp->is_writable && !tcp->writes_when_readable && !tcp_is_greeting(tcp);
}

/* --- tcp_info.c: operations of struct stream, and the address of a newcomer --- */
uint64_t tcp_delivered_bytes(const struct stream *stream);
enum stream_peer tcp_peer_state(const struct stream *stream);
int tcp_name_peer(struct stream *stream, const struct sockaddr_storage *address);
void tcp_remember_peer(struct tcp_peer *peer, const struct sockaddr_storage *address);

/* --- tcp_proxy.c --- */
/*
 * A newcomer of a proxy that is trusted: the listener has it back when its PROXY header has come. Of more than
 * @awaiting_max the oldest is closed. 0 or -ENOMEM.
 */
int tcp_await_proxy(struct tcp_stream *tcp, struct tcp_listener *listener, uint32_t awaiting_max);
/* It has come, or the stream is closed. */
void tcp_await_no_more(struct tcp_stream *tcp);
/* Its socket may have become readable. */
void tcp_read_proxy(struct tcp_stream *tcp);
/* The listener goes: so do those that wait for it. */
void tcp_forget_awaiting(struct tcp_set *set, const struct tcp_listener *listener);

/* --- tcp_listener.c --- */
/* It is known who it is: TLS, and on_accept. */
void tcp_listener_admit(struct tcp_listener *listener, struct stream *stream);

/* --- tcp.c --- */
/* The only place where a stream becomes closed; tcp_reap does the rest. */
void tcp_close(struct tcp_stream *tcp, enum stream_close_reason reason, int error);
void tcp_close_for_error(struct tcp_stream *tcp, int error);
/* It has its turn in tcp_on_work. */
void tcp_add_work(struct tcp_stream *tcp);
/* It is flushed at the end of the turn. */
void tcp_add_dirty(struct tcp_stream *tcp);
/* What it has still to send is dropped; then as stream_finish, however its user goes on. */
void tcp_turn_off(struct tcp_stream *tcp);

/* --- tcp_tls.c --- */
const struct stream_security *tcp_security(const struct stream *stream);
/* A step of the handshake. True: that is over, and there may be data to read. */
bool tcp_greet(struct tcp_stream *tcp);
/* It has taken too long. */
void tcp_greeting_late(struct tcp_stream *tcp);
/* The stream is closed, wherever the handshake stands. */
void tcp_greeting_over(struct tcp_stream *tcp);
/* As recv and sendmsg, with -errno; what is remembered of the socket is brought up to date. */
ssize_t tcp_tls_recv(struct tcp_stream *tcp, void *buf, size_t size, bool is_peek);
ssize_t tcp_tls_send(struct tcp_stream *tcp, const struct iovec *iov, int count);
/* False: once more when there is room in the socket. */
bool tcp_tls_shut(struct tcp_stream *tcp);

/* --- tcp_input.c --- */
/* Its socket may have become readable. */
void tcp_hear(struct tcp_stream *tcp);
/* The set's task: those in `work`. */
void tcp_on_work(struct loop_task *task);

static inline void tcp_drop_held(struct tcp_stream *tcp)
{
    held_drop(&tcp->held, tcp->set->budget);
}

/* --- tcp.c, tcp_listener.c --- */
/* As tcp_stream_open, the peer's address being known. */
int tcp_stream_new(struct tcp_set *set, int fd, const struct sockaddr_storage *address,
                   struct stream **ret_stream);
/* The callback of rest_kind: a listener has rested. */
void tcp_listener_rested(struct timer *timer);

#endif
