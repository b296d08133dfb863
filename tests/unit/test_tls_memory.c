/* What OpenSSL keeps for an idle connection. */
#include "tests/unit/tls_fixture.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define ONE_CIPHER  "ECDHE-ECDSA-AES256-GCM-SHA384" /* the first of all, too */
#define ALL_CIPHERS "ALL"

enum {
    CIPHER_BYTES = 2, /* in a ClientHello */
    ROUNDING_BYTES = 32,
    HELLO_BYTES_MAX = 2048, /* of what OpenSSL keeps */
};

static struct tls_fixture *t;

static int begin(void **state)
{
    (void)state;
    t = tls_fixture_plain();
    begin_tls(t, TLS_FOR_HTTP);
    shake_hands(t); /* what is made once for the process is there */
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_fixture_free(t);
    return 0;
}

/* --- what is held ------------------------------------------------------------------------------- */

static size_t held_bytes; /* of OpenSSL, in this process */

static void *count(void *bytes)
{
    held_bytes += malloc_usable_size(bytes);
    return bytes;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return count(malloc(size));
}

static void counted_free(void *bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    held_bytes -= malloc_usable_size(bytes);
    free(bytes);
}

static void *counted_realloc(void *old, size_t size, const char *file, int line)
{
    if (size == 0) {
        counted_free(old, file, line);
        return NULL;
    }
    held_bytes -= malloc_usable_size(old);
    return count(realloc(old, size));
}

/* The server's part of a connection of such a client: what goes with it once the client has gone. */
static size_t idle_bytes(void)
{
    size_t with_it;

    begin_again(t);
    shake_hands(t);
    SSL_free(t->client);
    t->client = NULL;
    with_it = held_bytes;
    stream_abort(t->tcp->user.stream);
    settle(t->tcp);
    return with_it - held_bytes;
}

/* The client's ciphers for TLS 1.2 and its latest version. Returns how many ciphers it offers. */
static int offer(const char *ciphers, int version)
{
    STACK_OF(SSL_CIPHER) * offered;
    SSL *client;
    int count;

    assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, version), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(t->client_context, ciphers), 1);
    client = SSL_new(t->client_context);
    assert_non_null(client);
    offered = SSL_get1_supported_ciphers(client);
    count = sk_SSL_CIPHER_num(offered);
    sk_SSL_CIPHER_free(offered);
    SSL_free(client);
    return count;
}

/* --- promises ----------------------------------------------------------------------------------- */

static void a_long_list_of_ciphers_costs_its_copy_and_no_more(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    /* Left to itself the client would offer those that go with its ciphers. */
    assert_int_equal(SSL_CTX_set1_sigalgs_list(t->client_context, "ECDSA+SHA256:RSA+SHA256"), 1);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        int few = offer(ONE_CIPHER, versions[i]);
        size_t few_bytes = idle_bytes();
        int many = offer(ALL_CIPHERS, versions[i]);
        size_t many_bytes = idle_bytes();

        assert_true(many > few + 20);
        assert_in_range(many_bytes, few_bytes,
                        few_bytes + (size_t)(many - few) * CIPHER_BYTES + ROUNDING_BYTES);
    }
}

/* As the client's list: so many times the one that the server speaks. */
static void offer_protocols(int times)
{
    static const unsigned char name[] = "\x08http/1.1";
    enum { NAME_BYTES = sizeof name - 1 };
    unsigned char *names = calloc((size_t)times, NAME_BYTES);

    assert_non_null(names);
    for (size_t i = 0; i < (size_t)times; i++)
        memcpy(names + i * NAME_BYTES, name, NAME_BYTES);
    assert_int_equal(
        SSL_CTX_set_alpn_protos(t->client_context, names, (unsigned)times * NAME_BYTES), 0);
    free(names);
}

static void offer_authorities(int count)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

    assert_non_null(names);
    for (int i = 0; i < count; i++)
        assert_true(sk_X509_NAME_push(names, X509_NAME_new()) > 0);
    SSL_CTX_set0_CA_list(t->client_context, names);
}

static void assert_too_long(void)
{
    begin_again(t);
    fail_to_shake_hands(t);
    assert_string_equal(t->error, "its hello is too long");
}

static void a_hello_much_longer_than_clients_need_is_refused(void **state)
{
    size_t few_bytes = idle_bytes();

    (void)state;
    offer_protocols(100);
    assert_in_range(idle_bytes(), few_bytes, few_bytes + HELLO_BYTES_MAX);
    offer_protocols(6000);
    assert_too_long();
    offer_protocols(1);
    offer_authorities(5000); /* 4 bytes each, of which OpenSSL makes 120 */
    assert_too_long();
    offer_authorities(0);
    (void)idle_bytes(); /* the others are served */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_list_of_ciphers_costs_its_copy_and_no_more),
        TEST(a_hello_much_longer_than_clients_need_is_refused),
    };

    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
