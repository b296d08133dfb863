#include "tests/unit/tls_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define LONG_UNIT "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789--"

enum {
    HANDSHAKE_NS_MAX = 1000000000,
};

/* --- certificates ------------------------------------------------------------------------------- */

static EVP_PKEY *authority_key;
static X509 *authority;
static long last_serial;

struct tls_text text_of(const char *text)
{
    return (struct tls_text){text, strlen(text)};
}

static EVP_PKEY *make_key(enum maker_key kind)
{
    EVP_PKEY *key =
        kind == MAKE_EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(kind == MAKE_RSA ? 2048 : 1024);

    assert_non_null(key);
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, NULL, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *make_x509(const struct maker *maker, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name;

    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++last_serial), 1);
    assert_non_null(X509_time_adj_ex(X509_getm_notBefore(certificate), maker->begin_days, 0, NULL));
    assert_non_null(X509_time_adj_ex(X509_getm_notAfter(certificate), maker->end_days, 0, NULL));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    name = X509_get_subject_name(certificate);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                (const unsigned char *)"Tests", -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)maker->common_name, -1, -1,
                                                0),
                     1);
    for (int i = 0; i < maker->unit_count; i++)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8,
                                                    (const unsigned char *)LONG_UNIT, -1, -1, 0),
                         1);
    if (maker->alternatives != NULL)
        add_extension(certificate, NID_subject_alt_name, maker->alternatives);
    return certificate;
}

static void sign(X509 *certificate, X509 *issuer, EVP_PKEY *issuer_key)
{
    assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)), 1);
    assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
}

static void make_authority(void)
{
    static const struct maker maker = {.common_name = "authority", .begin_days = -1, .end_days = 9};

    if (authority != NULL)
        return;
    authority_key = make_key(MAKE_EC);
    authority = make_x509(&maker, authority_key);
    add_extension(authority, NID_basic_constraints, "critical,CA:TRUE");
    sign(authority, authority, authority_key);
}

/* Copies out, terminated, and frees. */
static void take_text(BIO *bio, char out[PEM_BYTES])
{
    int size = BIO_read(bio, out, PEM_BYTES - 1);

    assert_true(size > 0);
    out[size] = '\0';
    BIO_free(bio);
}

void make_certificate(const struct maker *maker, struct made *ret_made)
{
    EVP_PKEY *key = make_key(maker->key);
    X509 *certificate = make_x509(maker, key);
    BIO *chain = BIO_new(BIO_s_mem());
    BIO *text = BIO_new(BIO_s_mem());

    make_authority();
    if (maker->is_self_signed)
        sign(certificate, certificate, key);
    else
        sign(certificate, authority, authority_key);
    assert_int_equal(PEM_write_bio_X509(chain, certificate), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL), 1);
    take_text(chain, ret_made->chain);
    take_text(text, ret_made->key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

const char *authority_pem(void)
{
    static char pem[PEM_BYTES];
    BIO *text = BIO_new(BIO_s_mem());

    make_authority();
    assert_int_equal(PEM_write_bio_X509(text, authority), 1);
    take_text(text, pem);
    return pem;
}

struct tls_certificate *load_certificate(const char *alternatives, enum maker_key key)
{
    const struct maker maker = {
        .common_name = "server",
        .alternatives = alternatives,
        .key = key,
        .begin_days = -1,
        .end_days = 9,
    };
    struct tls_certificate *certificate;
    enum tls_part wrong;
    struct made made;

    make_certificate(&maker, &made);
    assert_int_equal(
        tls_certificate_new(text_of(made.chain), text_of(made.key), &certificate, &wrong), 0);
    return certificate;
}

/* --- server and client ------------------------------------------------------------------------ */

static void on_tls(void *user, const struct stream *stream, const struct tls_outcome *outcome)
{
    struct tls_fixture *t = user;

    assert_ptr_equal(stream, t->tcp->user.stream);
    t->outcome_count++;
    t->outcome = *outcome;
    if (outcome->error != NULL)
        (void)snprintf(t->error, sizeof t->error, "%s", outcome->error);
}

struct tls_fixture *tls_fixture_new(const struct tls_options *options)
{
    struct tls_fixture *t = calloc(1, sizeof *t);
    struct tls_options own = *options;

    assert_non_null(t);
    if (own.handshake_timeout_ns == 0)
        own.handshake_timeout_ns = HANDSHAKE_NS_MAX;
    assert_int_equal(tls_context_new(&own, &t->context), 0);
    t->client_context = SSL_CTX_new(TLS_client_method());
    assert_non_null(t->client_context);
    t->chunk = SIZE_MAX;
    t->tcp = tcp_fixture_new();
    tcp_set_on_tls(t->tcp->set, on_tls, t);
    return t;
}

struct tls_fixture *tls_fixture_plain(void)
{
    struct tls_certificate *certificate = load_certificate("DNS:a.example", MAKE_EC);
    const struct tls_options options = {.certificates = &certificate, .certificate_count = 1};
    struct tls_fixture *t = tls_fixture_new(&options);

    tls_certificate_unref(certificate);
    return t;
}

void tls_fixture_free(struct tls_fixture *t)
{
    tcp_fixture_free(t->tcp);
    SSL_free(t->client);
    SSL_CTX_free(t->client_context);
    tls_context_unref(t->context);
    ERR_clear_error(); /* of a client that has failed */
    free(t);
}

static void new_client(struct tls_fixture *t)
{
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    assert_non_null(in);
    assert_non_null(out);
    if (t->client != NULL)
        SSL_set_shutdown(t->client, SSL_SENT_SHUTDOWN); /* or its session would be thrown away */
    SSL_free(t->client);
    t->client = SSL_new(t->client_context);
    assert_non_null(t->client);
    BIO_set_mem_eof_return(in, -1); /* empty is not the end */
    SSL_set_bio(t->client, in, out);
    SSL_set_connect_state(t->client);
}

void begin_tls(struct tls_fixture *t, enum tls_purpose purpose)
{
    t->outcome_count = 0;
    assert_int_equal(tcp_secure(t->tcp->user.stream, t->context, purpose), 0);
    new_client(t);
}

void begin_again(struct tls_fixture *t)
{
    if (t->tcp->user.close_count == 0)
        stream_abort(t->tcp->user.stream);
    settle(t->tcp);
    close_peer(t->tcp);
    free(t->tcp->user.text);
    open_pair(t->tcp);
    begin_tls(t, TLS_FOR_HTTP);
}

static void carry_to_server(struct tls_fixture *t)
{
    char bytes[4096];
    size_t chunk = t->chunk < sizeof bytes ? t->chunk : sizeof bytes;
    int got;

    while ((got = BIO_read(SSL_get_wbio(t->client), bytes, (int)chunk)) > 0) {
        size_t sent = 0;

        for (int turns = 0; sent < (size_t)got; turns++) {
            ssize_t rc =
                send(t->tcp->peer, bytes + sent, (size_t)got - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

            assert_true(turns < TURNS_MAX);
            if (rc < 0 && errno != EAGAIN)
                return; /* the server has gone */
            sent += rc > 0 ? (size_t)rc : 0;
            turn(t->tcp, 0);
        }
    }
}

static void carry_to_client(struct tls_fixture *t)
{
    char bytes[16384];
    ssize_t got;

    while ((got = recv(t->tcp->peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(t->client), bytes, (int)got), got);
}

void carry(struct tls_fixture *t)
{
    carry_to_server(t);
    turn(t->tcp, 0);
    if (t->tcp->peer >= 0)
        carry_to_client(t);
}

void shake_hands(struct tls_fixture *t)
{
    CARRY_UNTIL(t, SSL_do_handshake(t->client) == 1);
    CARRY_UNTIL(t, t->outcome_count > 0);
    if (t->outcome.error != NULL)
        fail_msg("%s", t->outcome.error);
    carry(t);
}

void fail_to_shake_hands(struct tls_fixture *t)
{
    for (int i = 0; i < 20; i++) {
        (void)SSL_do_handshake(t->client);
        carry(t);
    }
    assert_int_equal(t->outcome_count, 1);
    assert_non_null(t->outcome.error);
    ERR_clear_error();
}

void client_write(struct tls_fixture *t, const void *bytes, size_t size)
{
    size_t written;

    while (size > 0) {
        assert_int_equal(SSL_write_ex(t->client, bytes, size, &written), 1);
        bytes = (const char *)bytes + written;
        size -= written;
    }
    carry(t);
}

void client_say(struct tls_fixture *t, const char *text)
{
    client_write(t, text, strlen(text));
}

/* What there is, at most @size bytes; carries while there is nothing. */
static size_t client_read(void *fixture, char *buf, size_t size)
{
    struct tls_fixture *t = fixture;
    size_t got = 0;

    CARRY_UNTIL(t, SSL_read_ex(t->client, buf, size, &got) == 1);
    return got;
}

void client_expect(struct tls_fixture *t, const char *text)
{
    expect_text_of(client_read, t, text);
}

void client_expect_filler(struct tls_fixture *t, size_t size)
{
    expect_filler_of(client_read, t, size);
}

bool client_has_end(struct tls_fixture *t)
{
    char byte;

    (void)SSL_read(t->client, &byte, 1);
    ERR_clear_error();
    return (SSL_get_shutdown(t->client) & SSL_RECEIVED_SHUTDOWN) != 0;
}
