/* What breaks TLS, or wastes our time with it. */
#include "tests/unit/tls_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tls_fixture *t;

static int begin(void **state)
{
    (void)state;
    t = tls_fixture_plain();
    begin_tls(t, TLS_FOR_HTTP);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tls_fixture_free(t);
    return 0;
}

static struct user *user(void)
{
    return &t->tcp->user;
}

static void send_bytes(const void *bytes, size_t size)
{
    assert_int_equal(send(t->tcp->peer, bytes, size, MSG_NOSIGNAL), size);
    settle(t->tcp);
}

/* It has been told by an alert, and goes as soon as the peer does. */
static void assert_turned_off(void)
{
    assert_true(user()->stream->is_finishing);
    assert_false(tcp_has_work(t->tcp->set));
    assert_int_equal(user()->close_count, 0); /* the alert shall arrive */
    close_peer(t->tcp);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_int_equal(user()->reason, STREAM_CLOSED_BY_PEER);
}

/* --- garbage ------------------------------------------------------------------------------------ */

static void garbage_instead_of_a_hello_is_turned_off(void **state)
{
    static const char garbage[] = "\x16\x03\x01\x00\x40garbage garbage garbage garbage garbage "
                                  "garbage garbage garbage garbage";

    (void)state;
    send_bytes(garbage, sizeof garbage - 1);
    assert_int_equal(t->outcome_count, 1);
    assert_non_null(t->outcome.error);
    assert_int_equal(user()->data_count, 0);
    assert_turned_off();
}

static void garbage_behind_a_hello_is_turned_off(void **state)
{
    static const char garbage[] = "\x17\x03\x03\x00\x20garbage garbage garbage garbage.";

    (void)state;
    (void)SSL_do_handshake(t->client);
    carry(t);
    send_bytes(garbage, sizeof garbage - 1);
    assert_int_equal(t->outcome_count, 1);
    assert_non_null(t->outcome.error);
    assert_turned_off();
}

static void garbage_among_data_ends_it_behind_what_was_whole(void **state)
{
    static const char garbage[] = "\x17\x03\x03\x00\x20garbage garbage garbage garbage.";
    char bytes[4096];
    size_t written;
    int got;

    (void)state;
    shake_hands(t);
    assert_int_equal(SSL_write_ex(t->client, "whole", 5, &written), 1);
    got = BIO_read(SSL_get_wbio(t->client), bytes, 1000);
    assert_true(got > 0);
    memcpy(bytes + got, garbage, sizeof garbage - 1);
    send_bytes(bytes, (size_t)got + sizeof garbage - 1); /* both in one read */
    assert_int_equal(user()->bytes, 5);
    assert_string_equal(user()->text, "whole");
    assert_int_equal(user()->end_count, 0);
    assert_turned_off();
}

static void a_changed_record_is_never_data(void **state)
{
    char bytes[4096];
    size_t written;
    int got;

    (void)state;
    shake_hands(t);
    assert_int_equal(SSL_write_ex(t->client, "publish", 7, &written), 1);
    got = BIO_read(SSL_get_wbio(t->client), bytes, sizeof bytes);
    bytes[got - 1] = (char)(bytes[got - 1] ^ 1);
    send_bytes(bytes, (size_t)got);
    assert_int_equal(user()->data_count, 0);
    assert_turned_off();
}

static void plain_text_behind_a_handshake_is_no_data(void **state)
{
    (void)state;
    shake_hands(t);
    send_bytes("GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(user()->data_count, 0);
    assert_turned_off();
}

static void any_byte_of_a_hello_may_be_wrong(void **state)
{
    char hello[4096];
    int bytes;

    (void)state;
    (void)SSL_do_handshake(t->client);
    bytes = BIO_read(SSL_get_wbio(t->client), hello, sizeof hello);
    assert_true(bytes > 100);
    for (int i = 1; i < bytes; i += 3) {
        begin_again(t);
        hello[i] = (char)(hello[i] ^ 0x55);
        send_bytes(hello, (size_t)bytes);
        hello[i] = (char)(hello[i] ^ 0x55);
        assert_true(t->outcome_count <= 1); /* refused, goes on, or waits for more */
        assert_int_equal(user()->data_count, 0);
        assert_false(tcp_has_work(t->tcp->set));
    }
}

/* --- floods --------------------------------------------------------------------------------------- */

static void key_updates(int count, int type)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(SSL_key_update(t->client, type), 1);
        assert_int_equal(SSL_do_handshake(t->client), 1);
    }
}

static void some_key_updates_are_followed(void **state)
{
    (void)state;
    shake_hands(t);
    for (int i = 0; i < 10; i++) {
        size_t before = user()->bytes;

        key_updates(1, i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        client_say(t, "new key");
        CARRY_UNTIL(t, user()->bytes == before + 7);
        stream_write(user()->stream, "mine too", 8);
        client_expect(t, "mine too");
    }
}

static void key_updates_paid_for_with_data_go_on_for_ever(void **state)
{
    char *filler = calloc(1, TLS_CHATTER_BYTES);

    (void)state;
    assert_non_null(filler);
    shake_hands(t);
    for (int i = 0; i < TLS_CHATTER_MAX; i++) {
        size_t before = user()->bytes;

        key_updates(4, SSL_KEY_UPDATE_NOT_REQUESTED);
        client_write(t, filler, TLS_CHATTER_BYTES);
        CARRY_UNTIL(t, user()->bytes == before + TLS_CHATTER_BYTES);
    }
    free(filler);
}

static void a_flood_of_key_updates_is_cut_off(int type)
{
    shake_hands(t);
    key_updates(TLS_CHATTER_MAX + 1, type);
    client_say(t, "behind them");
    settle(t->tcp);
    assert_int_equal(user()->data_count, 0);
    assert_string_equal(tls_error_text(), "too many messages of TLS itself");
    assert_turned_off();
}

static void a_flood_of_key_updates_is_cut_off_before_its_end(void **state)
{
    (void)state;
    a_flood_of_key_updates_is_cut_off(SSL_KEY_UPDATE_NOT_REQUESTED);
}

static void a_flood_that_wants_answers_is_cut_off_too(void **state)
{
    (void)state;
    a_flood_of_key_updates_is_cut_off(SSL_KEY_UPDATE_REQUESTED);
}

static void a_flood_between_single_bytes_is_cut_off(void **state)
{
    (void)state;
    shake_hands(t);
    for (int i = 0; i <= TLS_CHATTER_MAX && !user()->stream->is_finishing; i++) {
        key_updates(1, SSL_KEY_UPDATE_NOT_REQUESTED);
        client_say(t, "x");
    }
    settle(t->tcp);
    assert_turned_off();
}

static void renegotiation_is_refused_and_data_goes_on(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, TLS1_2_VERSION), 1);
    begin_again(t);
    shake_hands(t);
    assert_int_equal(SSL_renegotiate(t->client), 1);
    for (int i = 0; i < 5; i++) {
        (void)SSL_do_handshake(t->client);
        carry(t);
    }
    assert_int_equal(t->outcome_count, 1);
    assert_false(user()->stream->is_closed);
    stream_write(user()->stream, "still here", 10);
    settle(t->tcp);
    assert_true(outq_is_empty(&user()->stream->out));
}

/* --- memory --------------------------------------------------------------------------------------- */

static int allocations_left = -1; /* of OpenSSL; below 0: without a bound */

static bool may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    if (allocations_left == 0)
        return false;
    allocations_left--;
    return true;
}

static void *test_malloc_of_openssl(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return may_allocate() ? malloc(size) : NULL;
}

static void *test_realloc_of_openssl(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return may_allocate() ? realloc(old, size) : NULL;
}

static void test_free_of_openssl(void *bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    free(bytes);
}

static void a_server_without_memory_loses_that_client_alone(void **state)
{
    enum { STEP = 7, ALLOCATIONS_MAX = 4000 };
    bool is_done = false;

    (void)state;
    for (int n = 0; !is_done && n < ALLOCATIONS_MAX; n += STEP) {
        char hello[4096];
        int bytes;

        begin_again(t);
        (void)SSL_do_handshake(t->client);
        bytes = BIO_read(SSL_get_wbio(t->client), hello, sizeof hello);
        assert_int_equal(write(t->tcp->peer, hello, (size_t)bytes), bytes);
        allocations_left = n;
        for (int i = 0; i < 4; i++)
            turn(t->tcp, 0);
        allocations_left = -1;
        is_done = t->outcome_count == 0; /* it waits for the client's next message */
        assert_false(tcp_has_work(t->tcp->set));
    }
    assert_true(is_done);
    begin_again(t);
    shake_hands(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(garbage_instead_of_a_hello_is_turned_off),
        TEST(garbage_behind_a_hello_is_turned_off),
        TEST(garbage_among_data_ends_it_behind_what_was_whole),
        TEST(a_changed_record_is_never_data),
        TEST(plain_text_behind_a_handshake_is_no_data),
        TEST(any_byte_of_a_hello_may_be_wrong),
        TEST(some_key_updates_are_followed),
        TEST(key_updates_paid_for_with_data_go_on_for_ever),
        TEST(a_flood_of_key_updates_is_cut_off_before_its_end),
        TEST(a_flood_that_wants_answers_is_cut_off_too),
        TEST(a_flood_between_single_bytes_is_cut_off),
        TEST(renegotiation_is_refused_and_data_goes_on),
        TEST(a_server_without_memory_loses_that_client_alone),
    };

    if (CRYPTO_set_mem_functions(test_malloc_of_openssl, test_realloc_of_openssl,
                                 test_free_of_openssl) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
