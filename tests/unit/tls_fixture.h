/*
 * tests/unit/tls_fixture.h - a stream with TLS over one end of a pair of sockets (tcp_fixture.h), and
 * a client of OpenSSL whose bytes the test carries to the other end and back.
 *
 * Certificates are made in memory, by one authority of the process. Whatever fails here fails the
 * test.
 */
#ifndef TESTS_UNIT_TLS_FIXTURE_H
#define TESTS_UNIT_TLS_FIXTURE_H

#include <openssl/ssl.h>

#include "server/net/tls.h"
#include "server/net/tls_context.h"
#include "tests/unit/tcp_fixture.h"

enum {
    PEM_BYTES = 16 * 1024,
    OUTCOME_TEXT_BYTES = 128,
};

enum maker_key {
    MAKE_EC,
    MAKE_RSA,
    MAKE_RSA_WEAK, /* 1024 bits */
};

/* What a certificate shall say. */
struct maker {
    const char *common_name;  /* UTF-8 */
    const char *alternatives; /* "DNS:a.example,DNS:*.b.example", or NULL */
    enum maker_key key;
    int unit_count; /* of 64 letters each, in the subject */
    int begin_days; /* from now on */
    int end_days;
    bool is_self_signed; /* not by the authority */
};

/* PEM, terminated. */
struct made {
    char chain[PEM_BYTES];
    char key[PEM_BYTES];
};

struct tls_text text_of(const char *text);
void make_certificate(const struct maker *maker, struct made *ret_made);
/* The authority's certificate. */
const char *authority_pem(void);
/* EC, for @alternatives, valid today, and read. */
struct tls_certificate *load_certificate(const char *alternatives, enum maker_key key);

struct tls_fixture {
    struct tcp_fixture *tcp;
    struct tls_context *context;
    SSL_CTX *client_context;
    SSL *client;
    size_t chunk; /* most bytes carried to the server in one turn */
    int outcome_count;
    struct tls_outcome outcome;
    char error[OUTCOME_TEXT_BYTES]; /* of the last one that failed */
};

struct tls_fixture *tls_fixture_new(const struct tls_options *options);
/* With one certificate, for "a.example", and nothing else. */
struct tls_fixture *tls_fixture_plain(void);
void tls_fixture_free(struct tls_fixture *t);

/* The pair's stream speaks TLS, and there is a new client. */
void begin_tls(struct tls_fixture *t, enum tls_purpose purpose);
/* Another pair, stream and client, of the same contexts. */
void begin_again(struct tls_fixture *t);
/* What the client has to say is carried to the server, and the other way round, with turns. */
void carry(struct tls_fixture *t);
/* Until the client is through with its handshake. */
void shake_hands(struct tls_fixture *t);
/* Turns in which the client's handshake does not succeed; its error, or 0. */
void fail_to_shake_hands(struct tls_fixture *t);

void client_write(struct tls_fixture *t, const void *bytes, size_t size);
void client_say(struct tls_fixture *t, const char *text);
/* Reads exactly this text; exactly @size bytes of filler. */
void client_expect(struct tls_fixture *t, const char *text);
void client_expect_filler(struct tls_fixture *t, size_t size);
/* Whether the client has been told of the server's end (close_notify). */
bool client_has_end(struct tls_fixture *t);

/* Carries until the condition holds. */
#define CARRY_UNTIL(t, condition)                                                                  \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            assert_true(turns_++ < TURNS_MAX);                                                     \
            carry(t);                                                                              \
        }                                                                                          \
    } while (0)

#endif
