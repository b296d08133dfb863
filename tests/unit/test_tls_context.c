/* Which certificate a client gets, which certificates clients may have, and tickets. */
#include "tests/unit/tls_fixture.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bus/keys.h"

/* --- names -------------------------------------------------------------------------------------- */

/*
 * What the server showed to a client that asked for @name, with keys of that kind (or any). OpenSSL's macros
 * for both calls take the const away in a way that clang warns of.
 */
static void assert_shown(struct tls_fixture *t, const char *name, const char *algorithms,
                         const char *wanted)
{
    X509 *shown;

    begin_again(t);
    if (name != NULL)
        assert_int_equal(SSL_ctrl(t->client, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                  TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name),
                         1);
    if (algorithms != NULL)
        assert_int_equal(
            SSL_ctrl(t->client, SSL_CTRL_SET_SIGALGS_LIST, 0, (void *)(uintptr_t)algorithms), 1);
    shake_hands(t);
    shown = SSL_get0_peer_certificate(t->client);
    assert_non_null(shown);
    if (X509_check_host(shown, wanted, 0, 0, NULL) != 1)
        fail_msg("for %s: not the one of %s", name == NULL ? "nobody" : name, wanted);
    if (algorithms != NULL)
        assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(shown)),
                         strstr(algorithms, "RSA") != NULL ? EVP_PKEY_RSA : EVP_PKEY_EC);
}

static void the_name_decides_which_certificate_is_shown(void **state)
{
    static const char *const names[] = {"DNS:first.example,DNS:www.first.example",
                                        "DNS:*.second.example", "DNS:exact.second.example"};
    struct tls_certificate *certificates[3];
    struct tls_options options = {.certificates = certificates, .certificate_count = 3};
    struct tls_fixture *t;

    (void)state;
    for (int i = 0; i < 3; i++)
        certificates[i] = load_certificate(names[i], MAKE_EC);
    t = tls_fixture_new(&options);
    begin_tls(t, TLS_FOR_HTTP);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, version), 1);
        assert_shown(t, "first.example", NULL, "first.example");
        assert_shown(t, "www.first.example", NULL, "first.example");
        assert_shown(t, "any.second.example", NULL, "other.second.example");
        assert_shown(t, "ANY.Second.Example", NULL, "other.second.example");
        assert_shown(t, "exact.second.example", NULL, "exact.second.example");
        /* One label, and not none: */
        assert_shown(t, "two.labels.second.example", NULL, "first.example");
        assert_shown(t, "second.example", NULL, "first.example");
        assert_shown(t, "unknown.example", NULL, "first.example");
        assert_shown(t, NULL, NULL, "first.example");
    }
    tls_fixture_free(t);
    for (int i = 0; i < 3; i++)
        tls_certificate_unref(certificates[i]);
}

static void keys_of_two_kinds_for_a_name_stand_side_by_side(void **state)
{
    static const char rsa[] = "RSA+SHA256:RSA-PSS+SHA256";
    static const char ecdsa[] = "ECDSA+SHA256";
    struct tls_certificate *certificates[4];
    struct tls_options options = {.certificates = certificates, .certificate_count = 4};
    struct tls_fixture *t;

    (void)state;
    certificates[0] = load_certificate("DNS:a.example", MAKE_RSA);
    certificates[1] = load_certificate("DNS:a.example,DNS:c.example", MAKE_EC);
    certificates[2] = load_certificate("DNS:b.example", MAKE_EC);
    certificates[3] = load_certificate("DNS:b.example", MAKE_RSA);
    t = tls_fixture_new(&options);
    begin_tls(t, TLS_FOR_HTTP);
    assert_shown(t, "a.example", rsa, "a.example");
    assert_shown(t, "a.example", ecdsa, "a.example");
    assert_shown(t, NULL, rsa, "a.example");
    assert_shown(t, NULL, ecdsa, "a.example");
    assert_shown(t, "b.example", rsa, "b.example");
    assert_shown(t, "b.example", ecdsa, "b.example");
    assert_shown(t, "c.example", ecdsa, "c.example");
    tls_fixture_free(t);
    for (int i = 0; i < 4; i++)
        tls_certificate_unref(certificates[i]);
}

static void another_context_takes_over_between_two_connections(void **state)
{
    struct tls_certificate *old = load_certificate("DNS:old.example", MAKE_EC);
    struct tls_certificate *new = load_certificate("DNS:new.example", MAKE_EC);
    struct tls_options options = {.certificates = &old, .certificate_count = 1};
    struct tls_fixture *t = tls_fixture_new(&options);
    struct tls_context *before = t->context;

    (void)state;
    begin_tls(t, TLS_FOR_HTTP);
    shake_hands(t);
    options.certificates = &new;
    options.handshake_timeout_ns = 1000000000;
    assert_int_equal(tls_context_new(&options, &t->context), 0);
    tls_context_unref(before); /* the connection that is there has its own */
    client_say(t, "still");
    CARRY_UNTIL(t, t->tcp->user.bytes == 5);
    assert_shown(t, NULL, NULL, "new.example");
    tls_fixture_free(t);
    tls_certificate_unref(old);
    tls_certificate_unref(new);
}

/* --- clients' certificates ------------------------------------------------------------------------ */

static struct tls_fixture *fixture_with_client_ca(void)
{
    struct tls_certificate *certificate = load_certificate("DNS:a.example", MAKE_EC);
    const struct tls_options options = {
        .certificates = &certificate,
        .certificate_count = 1,
        .client_ca = text_of(authority_pem()),
    };
    struct tls_fixture *t = tls_fixture_new(&options);

    tls_certificate_unref(certificate);
    return t;
}

static void give_client(struct tls_fixture *t, const struct maker *maker)
{
    struct made made;
    BIO *chain;
    BIO *text;
    X509 *certificate;
    EVP_PKEY *key;

    make_certificate(maker, &made);
    chain = BIO_new_mem_buf(made.chain, -1);
    text = BIO_new_mem_buf(made.key, -1);
    certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(t->client_context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(t->client_context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(chain);
    BIO_free(text);
}

static void a_verified_client_is_known_by_its_subject(void **state)
{
    const struct maker maker = {
        .common_name = "J\xc3\xb6rg, \"the\" client", .begin_days = -1, .end_days = 9};
    struct tls_fixture *t = fixture_with_client_ca();

    (void)state;
    give_client(t, &maker);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, version), 1);
        if (version == TLS1_2_VERSION)
            begin_tls(t, TLS_FOR_HTTP);
        else
            begin_again(t);
        shake_hands(t);
        assert_string_equal(stream_security(t->tcp->user.stream)->subject,
                            "CN=J\xc3\xb6rg\\, \\\"the\\\" client,O=Tests");
    }
    tls_fixture_free(t);
}

static void a_client_need_not_have_a_certificate(void **state)
{
    struct tls_fixture *t = fixture_with_client_ca();

    (void)state;
    begin_tls(t, TLS_FOR_HTTP);
    shake_hands(t);
    assert_null(stream_security(t->tcp->user.stream)->subject);
    client_say(t, "hello");
    CARRY_UNTIL(t, t->tcp->user.bytes == 5);
    tls_fixture_free(t);
}

static void a_bad_client_certificate_fails_the_handshake(void **state)
{
    static const struct {
        struct maker maker;
        const char *error;
    } cases[] = {
        {{.common_name = "c", .begin_days = -9, .end_days = -1}, "certificate has expired"},
        {{.common_name = "c", .begin_days = 1, .end_days = 9}, "certificate is not yet valid"},
        {{.common_name = "c", .begin_days = -1, .end_days = 9, .is_self_signed = true},
         "self-signed certificate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_fixture *t = fixture_with_client_ca();

        give_client(t, &cases[i].maker);
        begin_tls(t, TLS_FOR_HTTP);
        for (int k = 0; k < 20; k++) {
            (void)SSL_do_handshake(t->client);
            carry(t);
        }
        assert_int_equal(t->outcome_count, 1);
        assert_non_null(strstr(t->error, cases[i].error));
        assert_true(t->tcp->user.stream->is_finishing);
        tls_fixture_free(t);
    }
}

static void a_subject_that_is_too_long_is_refused_not_cut(void **state)
{
    struct maker maker = {.common_name = "client", .begin_days = -1, .end_days = 9};

    (void)state;
    for (int is_long = 0; is_long < 2; is_long++) {
        struct tls_fixture *t = fixture_with_client_ca();

        maker.unit_count = is_long ? 16 : 14; /* 68 bytes each, and a little for the rest */
        give_client(t, &maker);
        begin_tls(t, TLS_FOR_HTTP);
        for (int i = 0; i < 10; i++) {
            (void)SSL_do_handshake(t->client);
            carry(t);
        }
        assert_int_equal(t->outcome_count, 1);
        if (is_long)
            assert_non_null(strstr(t->error, "the subject of the client's certificate: too long"));
        else
            assert_true(strlen(stream_security(t->tcp->user.stream)->subject) > 900);
        tls_fixture_free(t);
    }
}

/* --- tickets -------------------------------------------------------------------------------------- */

static SSL_SESSION *kept; /* the client's newest */

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static struct tls_fixture *fixture_with_keys(const struct keys *keys)
{
    struct tls_certificate *certificate = load_certificate("DNS:a.example", MAKE_EC);
    const struct tls_options options = {
        .certificates = &certificate, .certificate_count = 1, .keys = keys};
    struct tls_fixture *t = tls_fixture_new(&options);

    tls_certificate_unref(certificate);
    (void)SSL_CTX_set_session_cache_mode(t->client_context,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(t->client_context, on_new_session);
    return t;
}

static void forget(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

/* Whether the server resumes the kept session (or makes a first one). */
static bool meet(struct tls_fixture *t, int version)
{
    assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, version), 1);
    if (t->client == NULL)
        begin_tls(t, TLS_FOR_HTTP);
    else
        begin_again(t);
    if (kept != NULL)
        assert_int_equal(SSL_set_session(t->client, kept), 1);
    shake_hands(t);
    stream_write(t->tcp->user.stream, "x", 1);
    client_expect(t, "x"); /* and with it the ticket */
    assert_int_equal(t->outcome.is_resumed, SSL_session_reused(t->client));
    if (version == TLS1_2_VERSION) { /* where OpenSSL does not tell of a ticket that replaces one */
        forget();
        kept = SSL_get1_session(t->client);
    }
    return t->outcome.is_resumed;
}

/* A client throws away what has been used or replaced; this one has put some aside. */
static void keep_copy(const SSL_SESSION *session)
{
    forget();
    kept = SSL_SESSION_dup(session);
    assert_non_null(kept);
}

static void a_session_of_one_worker_is_resumed_by_another(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_fixture *one;
        struct tls_fixture *other;
        struct keys *keys;

        assert_int_equal(keys_open(&keys), 0);
        one = fixture_with_keys(keys);
        other = fixture_with_keys(keys);
        assert_false(meet(one, version));
        assert_non_null(kept);
        assert_true(meet(other, version));
        assert_true(meet(one, version));
        tls_fixture_free(one);
        tls_fixture_free(other);
        keys_close(keys);
        forget();
    }
}

static void a_ticket_lives_as_long_as_two_renewals_of_the_keys(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_fixture *t;
        struct keys *keys;
        SSL_SESSION *first;

        assert_int_equal(keys_open(&keys), 0);
        t = fixture_with_keys(keys);
        assert_false(meet(t, version));
        first = SSL_SESSION_dup(kept);
        for (int i = 0; i < KEYS_OLD; i++) {
            assert_int_equal(keys_renew(keys), 0);
            keep_copy(first);
            assert_true(meet(t, version));
        }
        assert_int_equal(keys_renew(keys), 0);
        assert_true(meet(t, version)); /* the last was replaced by a new one */
        keep_copy(first);
        assert_false(meet(t, version));
        tls_fixture_free(t);
        keys_close(keys);
        SSL_SESSION_free(first);
        forget();
    }
}

static void without_keys_there_are_no_tickets(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_fixture *t = fixture_with_keys(NULL);

        assert_false(meet(t, version));
        assert_false(meet(t, version));
        tls_fixture_free(t);
        forget();
    }
}

static void a_ticket_says_how_long_it_is_good(void **state)
{
    struct tls_fixture *t;
    struct keys *keys;

    (void)state;
    assert_int_equal(keys_open(&keys), 0);
    t = fixture_with_keys(keys);
    assert_false(meet(t, TLS1_3_VERSION));
    assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(kept), 16 * 3600);
    assert_int_equal(SSL_SESSION_get_max_early_data(kept), 0);
    tls_fixture_free(t);
    keys_close(keys);
    forget();
}

static void a_resumed_client_keeps_its_subject(void **state)
{
    const struct maker maker = {.common_name = "client", .begin_days = -1, .end_days = 9};
    struct tls_certificate *certificate = load_certificate("DNS:a.example", MAKE_EC);
    struct tls_options options = {
        .certificates = &certificate,
        .certificate_count = 1,
        .client_ca = text_of(authority_pem()),
    };
    struct keys *keys;
    struct tls_fixture *t;

    (void)state;
    assert_int_equal(keys_open(&keys), 0);
    options.keys = keys;
    t = tls_fixture_new(&options);
    tls_certificate_unref(certificate);
    (void)SSL_CTX_set_session_cache_mode(t->client_context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(t->client_context, on_new_session);
    give_client(t, &maker);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_false(meet(t, version));
        assert_true(meet(t, version));
        assert_string_equal(stream_security(t->tcp->user.stream)->subject, "CN=client,O=Tests");
        forget();
    }
    tls_fixture_free(t);
    keys_close(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_decides_which_certificate_is_shown),
        cmocka_unit_test(keys_of_two_kinds_for_a_name_stand_side_by_side),
        cmocka_unit_test(another_context_takes_over_between_two_connections),
        cmocka_unit_test(a_verified_client_is_known_by_its_subject),
        cmocka_unit_test(a_client_need_not_have_a_certificate),
        cmocka_unit_test(a_bad_client_certificate_fails_the_handshake),
        cmocka_unit_test(a_subject_that_is_too_long_is_refused_not_cut),
        cmocka_unit_test(a_session_of_one_worker_is_resumed_by_another),
        cmocka_unit_test(a_ticket_lives_as_long_as_two_renewals_of_the_keys),
        cmocka_unit_test(without_keys_there_are_no_tickets),
        cmocka_unit_test(a_ticket_says_how_long_it_is_good),
        cmocka_unit_test(a_resumed_client_keeps_its_subject),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
