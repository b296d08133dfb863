/*
 * server/net/tls_internal.h - what tls*.c share; nobody else includes it, nor OpenSSL's headers.
 */
#ifndef SERVER_NET_TLS_INTERNAL_H
#define SERVER_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "server/net/tls.h"
#include "server/net/tls_context.h"

struct tls_certificate {
    uint32_t refs;
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

struct tls_context {
    uint32_t refs;
    bool is_ktls;
    SSL_CTX *ssl;
    const struct keys *keys; /* the master's, for as long as the process lives */
    int64_t handshake_timeout_ns;
    size_t certificate_count;
    struct tls_certificate *certificates[TLS_CERTIFICATES_MAX];
};

struct tls {
    SSL *ssl; /* NULL until it begins */
    struct tls_context *context;
    struct stream_security security;
    uint64_t delivered_bytes; /* tls_raise_delivered */
    uint32_t offered_bytes;   /* in the record that is half sent; 0: there is none */
    uint32_t quiet_bytes;     /* of data since chatter was last forgiven */
    int fd;
    int io_error; /* the socket's, of the call under way */
    int ending;   /* what the next tls_recv returns, if has_ending */
    uint16_t chatter_count;
    uint8_t fills_left; /* of the call under way */
    uint8_t purpose;    /* enum tls_purpose */
    struct tls_state state;
    bool is_ready : 1;
    bool has_ending : 1;
    bool is_flooding : 1;
    bool is_greedy : 1; /* its hello says more than OpenSSL shall keep */
    bool is_to_end : 1; /* of the call under way: TLS_TO_END */
    bool has_more : 1;  /* likewise: another record follows at once; the kernel may wait for it */
    bool is_dry : 1;    /* likewise: the socket has nothing more */
};

/* The process's last error: @format, or what OpenSSL has to say, whose queue is empty then. */
__attribute__((format(printf, 1, 2))) void tls_note_error(const char *format, ...);
void tls_note_library_error(void);

/* Whose @ssl is, inside of a callback; to have OpenSSL remember it costs 96 bytes a connection. */
struct tls *tls_current(const SSL *ssl);
/* A callback that is about a connection: tls.c. */
void tls_on_info(const SSL *ssl, int where, int value);

/* All certificates of a PEM text, at least one: 0, -ENOMEM, or -EINVAL (tls_error_text). */
int tls_read_certificates(struct tls_text text, STACK_OF(X509) * *ret_list);
/* Makes a certificate one of @ssl's: 0 or -EINVAL. */
int tls_certificate_use(const struct tls_certificate *certificate, SSL *ssl);
bool tls_certificate_is_for(const struct tls_certificate *certificate, const char *name,
                            bool is_exact);
/* They have a name in common, or both have none. */
bool tls_certificates_meet(const struct tls_certificate *one, const struct tls_certificate *other);
bool tls_certificates_are_alike(const struct tls_certificate *one,
                                const struct tls_certificate *other);

#endif
