/*
 * server/net/tcp.h - streams over sockets, and the listeners they come from.
 *
 * Set      struct tcp_set is one worker's: all its streams, the list of dirty ones, one shared read
 *          buffer. tcp_flush sends what is queued on every dirty stream, tcp_reap calls on_close of
 *          those that ended and frees them. Both are called by the worker between turns.
 * Memory   an idle connection costs sizeof(struct tcp_stream) (248 bytes at most) and nothing
 *          else: kept input, queues and parsers are borrowed while they are needed. TLS: tls.h.
 * TLS      is inside: bytes are counted, and limits hold, as the user sees them. Each handshake is
 *          bounded in time (tls_context.h); TCP_HANDSHAKES_MAX steps of any are taken in a turn, the
 *          others wait for theirs. Somebody who speaks no TLS where it is expected gets a plain
 *          stream that says so (stream_security).
 * Limits   at most TCP_READ_BYTES are read from one stream per turn, at most TCP_WRITE_BYTES
 *          written. Those that have more to be read than that take turns, up to TCP_WORK_MAX
 *          streams and TCP_TURN_BYTES in each, so that many fast senders make no turn long for the
 *          others; who has little to say is heard in any turn. At most TCP_ACCEPT_MAX connections
 *          accepted per listener and turn. A queue that makes no progress is its user's affair
 *          (sent_bytes of the queue tells) until the stream has stalled: HTTP gives up after
 *          write_timeout_ns, subscribers become lagging.
 * Accept   out of descriptors (EMFILE, ENFILE): a spare one is given up to refuse newcomers
 *          cleanly, and the listener rests for 100 ms.
 */
#ifndef SERVER_NET_TCP_H
#define SERVER_NET_TCP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bus/stats.h"
#include "server/net/loop.h"
#include "server/net/stream.h"

struct budget;
struct tls_context;
struct tls_outcome;
struct tcp_set;
struct tcp_listener;
struct network;

enum {
    TCP_READ_BYTES = 64 * 1024,
    TCP_WRITE_BYTES = 1024 * 1024,
    TCP_WORK_MAX = 256, /* streams that are read once more in a turn, besides those of the loop */
    TCP_TURN_BYTES = 1024 * 1024,   /* read in a turn, then no stream is read once more ... */
    TCP_READ_LATE_BYTES = 4 * 1024, /* ... and of those that the loop tells of who has no more */
    TCP_ACCEPT_MAX = 64,
    TCP_HANDSHAKES_MAX = 4, /* steps; a signature in one of them takes up to a millisecond */
    TCP_REAP_MAX = 1024,
    TCP_MARK_MAX = UINT8_MAX,
    TCP_ADDRESS_TEXT_MAX = 64, /* "[addr]:port", "unix" */
};
#define TCP_PROXY_NS INT64_C(10000000000)

/* Counts that the worker turns into stats. */
struct tcp_counts {
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t queued_bytes; /* in all output queues, as their last flushes left them */
    uint64_t refused;      /* newcomers closed for want of descriptors or memory */
    uint64_t stalled;      /* streams given up because their peer took too little, or nothing */
    /* Of writes that sent something, by the ranges that were offered: the words of STAT_WRITE_RANGES */
    uint64_t writes[STAT_WRITE_RANGES_BOUNDS + STAT_HISTOGRAM_EXTRA];
    uint64_t write_count;
    uint32_t open_count;
};

/* @budget: what kept input is charged to, and outlives the set; NULL: no bound. */
int tcp_set_open(struct loop *loop, struct budget *budget, struct tcp_set **ret_set);
/* Aborts and frees every stream (on_close is called); the budget has got everything back. */
void tcp_set_close(struct tcp_set *set);

/*
 * Called for each accepted connection, with its stream (no user set yet: the callee sets one or
 * aborts it).
 */
typedef void tcp_accept_function(void *user, struct stream *stream);

/*
 * What on_accept has made of a connection: a number of its own, 0 (none) to TCP_MARK_MAX. on_gone is
 * called once with each marked one whose socket has been closed, from wherever that was: it may
 * count, and nothing else.
 */
void tcp_mark(struct stream *stream, unsigned mark);
unsigned tcp_mark_of(const struct stream *stream);
typedef void tcp_gone_function(void *user, const struct stream *stream, unsigned mark);
void tcp_set_on_gone(struct tcp_set *set, tcp_gone_function *on_gone, void *user);

/*
 * A stream without a byte yet speaks TLS from now on (@purpose: enum tls_purpose). 0 or -ENOMEM.
 * on_tls is told once of each how its handshake went; it may look, and nothing else.
 */
int tcp_secure(struct stream *stream, struct tls_context *context, unsigned purpose);
typedef void tcp_tls_function(void *user, const struct stream *stream,
                              const struct tls_outcome *outcome);
void tcp_set_on_tls(struct tcp_set *set, tcp_tls_function *on_tls, void *user);

/*
 * A stream over a connected, non-blocking socket, which is the stream's from now on (not after an
 * error).
 */
int tcp_stream_open(struct tcp_set *set, int fd, struct stream **ret_stream);

/* @fd: a listening, non-blocking socket that stays the caller's. */
int tcp_listen(struct tcp_set *set, int fd, tcp_accept_function *on_accept, void *user,
               struct tcp_listener **ret_listener);
/*
 * Whom it accepts from now on speaks TLS, or with NULL does not: before the first, and whenever
 * certificates are others (server/net/tls_context.h). Takes a reference of its own.
 */
void tcp_listener_set_tls(struct tcp_listener *listener, struct tls_context *context,
                          unsigned purpose);
/*
 * Connections from @proxies, and they alone, begin with a PROXY header (proxy_header.h), before TLS: on_accept is
 * called when it has come, and finds the client's address. Without one within TCP_PROXY_NS, or after anything else,
 * the connection is closed; so is the oldest of those that wait for one, in the whole set, when they become more
 * than @awaiting_max: nobody else counts them. @proxies stay the caller's.
 */
void tcp_listener_expect_proxies(struct tcp_listener *listener, const struct network *proxies,
                                 size_t count, uint32_t awaiting_max);
/*
 * on_no_header is told of each that said something else first, before it is closed; it may look, and nothing
 * else. Who leaves without having said as much is not told of: proxies look whether the port is open.
 */
typedef void tcp_no_header_function(void *user, const struct stream *stream);
void tcp_set_on_no_header(struct tcp_set *set, tcp_no_header_function *on_no_header, void *user);
/*
 * Takes the listener out of the epoll set or puts it back (EPOLLEXCLUSIVE). Whom the kernel has told it of
 * in this very turn it still takes if nobody else does soon: one newcomer.
 */
void tcp_listener_enable(struct tcp_listener *listener, bool is_enabled);
void tcp_listener_close(struct tcp_listener *listener);

/* Sends what is queued on every dirty stream, one writev each in the ordinary case. */
void tcp_flush(struct tcp_set *set);
/*
 * Calls on_close of streams that have ended and frees them, at most TCP_REAP_MAX; true if some
 * remain for the next turn.
 */
bool tcp_reap(struct tcp_set *set);
/* True when there is input to give, output to send or a stream to reap: do not sleep. */
bool tcp_has_work(const struct tcp_set *set);
const struct tcp_counts *tcp_counts(const struct tcp_set *set);

/* "127.0.0.1:5000" of a stream's peer, for logs. Works for streams of a tcp_set only. */
void tcp_peer_text(const struct stream *stream, char *buf, size_t buf_bytes);
/* The same of an address; without a port where it is 0: proxies do not say it. */
void tcp_address_text(const struct sockaddr_storage *address, char *buf, size_t buf_bytes);
/* AF_INET, AF_INET6 or AF_UNIX (without a path): of the client, as far as it is known. */
void tcp_peer_address(const struct stream *stream, struct sockaddr_storage *ret_address);
/* Of who holds the other end, whomever it has named (stream_name_peer). */
void tcp_holder_address(const struct stream *stream, struct sockaddr_storage *ret_address);
/* The errno that ended it, 0 if none did. */
int tcp_error(const struct stream *stream);

#endif
