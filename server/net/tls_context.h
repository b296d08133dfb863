/*
 * server/net/tls_context.h - what the TLS connections of a listener have in common.
 *
 * Versions TLS 1.2 and 1.3; ephemeral keys and AEAD ciphers only; neither compression, nor
 *          renegotiation, nor early data. The client's order of ciphers is followed: all are good,
 *          and it knows what its processor can do.
 * Names    of several certificates the client's server name (SNI) decides: the one of that name, else
 *          the one of a wildcard, else the first. Those of different key types (RSA, ECDSA) for one
 *          name stand side by side.
 * Tickets  sealed with bus/keys.h, so that any worker resumes what another began; TLS_TICKET_NS is how
 *          long one is good, two renewals of the keys. No session is kept in a process.
 * Clients  with a client CA a client is asked for a certificate; it may have none, but not a bad one.
 * Callers  the master makes one before the first fork; children inherit it, memory and all. A reload
 *          is this: the master reads the files and hands their text to the workers; each makes a
 *          context of it (nothing here opens a file or needs a privilege), gives it to its listeners
 *          (tcp_listener_set_tls) and drops the old one, which goes with its last connection. The
 *          ticket keys stay. A process that serves nobody drops what it has inherited.
 * Memory   counted references: listeners and connections have their own.
 * Errors   as of tls_certificate.h.
 */
#ifndef SERVER_NET_TLS_CONTEXT_H
#define SERVER_NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/tls_certificate.h"

struct keys;
struct tls_context;

#define TLS_KEYS_RENEW_NS INT64_C(28800000000000) /* 8 h */
#define TLS_TICKET_NS     (2 * TLS_KEYS_RENEW_NS)

enum {
    TLS_CERTIFICATES_MAX = 64,
};

struct tls_options {
    struct tls_certificate **certificates; /* the context takes references of its own */
    size_t certificate_count;
    struct tls_text client_ca;    /* PEM; no bytes: clients are not asked */
    const struct keys *keys;      /* of tickets; NULL: none are given */
    int64_t handshake_timeout_ns; /* from accept to the end of the handshake */
    bool is_ktls;                 /* let the kernel encrypt, where it can */
};

/* -EINVAL: the client CA's text, or certificates of a kind that does not go together. */
int tls_context_new(const struct tls_options *options, struct tls_context **ret_context);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* Whether the kernel could encrypt for us (the module `tls` is there). */
bool tls_is_ktls_possible(void);

#endif
