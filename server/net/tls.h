/*
 * server/net/tls.h - TLS over one connected socket: plaintext on this side, records on the other.
 *
 * Shape    tcp*.c calls tls_recv where it would call recv, tls_send for sendmsg, tls_shut before
 *          shutdown. First tls_begin, once something has come; then tls_handshake until it is done.
 *          Nothing of OpenSSL is seen outside of tls*.c.
 * Socket   non-blocking, edge-triggered, the caller's. Each call reads until the socket is empty, or
 *          writes until it is full, or stops before that; what it was, tls_state tells behind it.
 * Memory   this struct (about 100 bytes) until the first byte comes, then about 13 KiB; buffers for
 *          records are borrowed while one is being read or written.
 * Limits   one call reads at most TLS_FILLS_MAX times from the socket. A client that sends messages of
 *          TLS's own (key updates, renegotiation, alerts), more than TLS_CHATTER_MAX without 64 KiB
 *          of data in between, is an error; so is a hello of which OpenSSL would keep more than 2 KiB.
 * Errors   -EAGAIN: see tls_state. -EPROTO: what came breaks TLS, or the client gave up the handshake
 *          (tls_error_text). -ECONNRESET: it ended without saying so in TLS (a cut cannot be told
 *          from an attacker's). Others are the socket's. After any but -EAGAIN only tls_free.
 * Callers  one thread; contexts are made with tls_context.h.
 */
#ifndef SERVER_NET_TLS_H
#define SERVER_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "server/net/stream.h"

struct tls;
struct tls_context;

enum {
    TLS_RECORD_BYTES = 16 * 1024, /* most plaintext in a record (RFC 8446 section 5.1) */
    TLS_FILLS_MAX = 8,
    TLS_CHATTER_MAX = 100, /* a key update is two or three of what is counted */
    TLS_CHATTER_BYTES = 64 * 1024,
    TLS_SUBJECT_BYTES_MAX = 1024, /* of a client certificate; a longer one fails the handshake */
    TLS_HELLO_BYTE = 0x16,        /* what every handshake begins with */
};

/* Who is spoken to inside. */
enum tls_purpose {
    TLS_FOR_HTTP,  /* ALPN: one of ours, or none */
    TLS_FOR_LINES, /* the raw broker: a client that asks for a protocol means somebody else */
};

/* What the last call has met. */
struct tls_state {
    bool is_empty;         /* the socket has been read to its end, and nothing of it is kept here */
    bool is_full;          /* the socket takes no more */
    bool has_wanted_room;  /* reading cannot go on before the socket takes more */
    bool has_wanted_input; /* writing cannot go on before something comes */
};

/* How a handshake went. */
struct tls_outcome {
    const char *error;   /* NULL: it is done */
    const char *version; /* "TLSv1.3"; the rest likewise only when it is done */
    const char *cipher;
    bool is_resumed;
};

/* @fd: stays the caller's, who frees first and closes then. 0 or -ENOMEM. */
int tls_new(struct tls_context *context, int fd, enum tls_purpose purpose, struct tls **ret_tls);
void tls_free(struct tls *tls);

enum {
    TLS_PEEK = 1,   /* what is returned stays: at most the rest of one record */
    TLS_TO_END = 2, /* reads until the socket itself says that it is empty: its end is near */
};

/*
 * Looks at the first byte, which stays in the socket.
 *   0            TLS begins: tls_handshake
 *   -EAGAIN      nothing has come
 *   -EPROTOTYPE  it is not TLS
 * or -ENOMEM, -ECONNRESET (the peer has ended), or what the socket says.
 */
int tls_begin(struct tls *tls);
bool tls_has_begun(const struct tls *tls);
/* Goes on with it: 0, done. @flags: 0 or TLS_TO_END. */
int tls_handshake(struct tls *tls, unsigned flags);
bool tls_is_ready(const struct tls *tls);
void tls_describe(const struct tls *tls, struct tls_outcome *ret_outcome);
int64_t tls_handshake_timeout_ns(const struct tls *tls);

/* Plaintext from as many records as are there: > 0; 0: the peer has said that it ends. */
ssize_t tls_recv(struct tls *tls, void *buf, size_t size, unsigned flags);
/* Plaintext has been decrypted, or records read, that tls_recv has not given yet. */
bool tls_has_pending(const struct tls *tls);
/*
 * Bytes of @iov that have gone out, which may be fewer. What it has taken of those that have not is in
 * a record that is half sent: the next call must offer the same bytes again in front.
 */
ssize_t tls_send(struct tls *tls, const struct iovec *iov, int iov_count);
/* Says that we send no more. 0, also when there is nothing to be said. */
int tls_shut(struct tls *tls);

struct tls_state tls_state(const struct tls *tls);
const struct stream_security *tls_security(const struct tls *tls);
/* The largest @bytes it was ever called with: of lower bounds, the best. */
uint64_t tls_raise_delivered(struct tls *tls, uint64_t bytes);
/* Of the last error in this process, in words; valid until the next one. */
const char *tls_error_text(void);

#endif
