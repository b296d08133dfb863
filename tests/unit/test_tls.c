#include "tests/unit/tls_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

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

static const struct stream_security *security(void)
{
    return stream_security(user()->stream);
}

/* --- the handshake ------------------------------------------------------------------------------ */

static void a_client_is_heard_and_answered(void **state)
{
    (void)state;
    shake_hands(t);
    assert_string_equal(t->outcome.version, "TLSv1.3");
    assert_false(t->outcome.is_resumed);
    client_say(t, "hello");
    CARRY_UNTIL(t, user()->bytes == 5);
    assert_string_equal(user()->text, "hello");
    assert_true(security()->is_secure);
    assert_false(security()->is_plain_on_tls);
    assert_string_equal(security()->alpn, "");
    assert_null(security()->subject);
    stream_write(user()->stream, "answer", 6);
    client_expect(t, "answer");
    assert_int_equal(user()->stream->bytes_in, 5);
    assert_int_equal(user()->stream->out.sent_bytes, 6);
    assert_int_equal(tcp_counts(t->tcp->set)->bytes_in, 5);
}

static void a_plain_stream_is_none(void **state)
{
    const struct stream_security *plain = stream_security(user()->stream);

    (void)state;
    assert_true(plain->is_secure); /* this one is to be */
    stream_abort(user()->stream);
    settle(t->tcp);
    close_peer(t->tcp);
    free(user()->text);
    open_pair(t->tcp);
    assert_false(security()->is_secure);
    assert_false(security()->is_plain_on_tls);
    assert_string_equal(security()->alpn, "");
}

static void every_byte_of_a_handshake_may_come_alone(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, versions[i]), 1);
        begin_again(t);
        t->chunk = 1;
        shake_hands(t);
        client_say(t, "hello");
        client_say(t, " world");
        CARRY_UNTIL(t, user()->bytes == 11);
        assert_string_equal(user()->text, "hello world");
        stream_write(user()->stream, "answer", 6);
        client_expect(t, "answer");
        assert_string_equal(t->outcome.version, i == 0 ? "TLSv1.2" : "TLSv1.3");
    }
}

static void what_is_queued_before_the_handshake_is_sent_after_it(void **state)
{
    (void)state;
    stream_write(user()->stream, "welcome", 7);
    settle(t->tcp);
    assert_false(tcp_has_work(t->tcp->set)); /* it waits without spinning */
    shake_hands(t);
    client_expect(t, "welcome");
}

static void who_is_refused_at_once_is_told_inside_tls(void **state)
{
    (void)state;
    stream_write(user()->stream, "full", 4);
    stream_finish(user()->stream);
    settle(t->tcp);
    shake_hands(t);
    client_expect(t, "full");
    CARRY_UNTIL(t, client_has_end(t));
    close_peer(t->tcp);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_int_equal(user()->data_count, 0);
}

static void a_silent_client_has_its_time_and_no_more(void **state)
{
    (void)state;
    pass(t->tcp, 900000000);
    assert_int_equal(user()->close_count, 0);
    pass(t->tcp, 200000000);
    assert_int_equal(user()->close_count, 1);
    assert_int_equal(user()->reason, STREAM_CLOSED_BY_PEER);
    assert_string_equal(t->error, "nothing came");
}

static void a_slow_handshake_has_its_time_and_no_more(void **state)
{
    char bytes[4096];

    (void)state;
    (void)SSL_do_handshake(t->client);
    assert_true(BIO_read(SSL_get_wbio(t->client), bytes, sizeof bytes) > 100);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(write(t->tcp->peer, bytes + i, 1), 1);
        settle(t->tcp);
        pass(t->tcp, 100000000);
    }
    assert_int_equal(user()->close_count, 0);
    pass(t->tcp, 200000000);
    assert_int_equal(user()->close_count, 1);
    assert_string_equal(t->error, "it took too long");
}

static void an_established_client_may_be_silent(void **state)
{
    (void)state;
    shake_hands(t);
    pass(t->tcp, INT64_C(3600000000000));
    assert_int_equal(user()->close_count, 0);
    client_say(t, "late");
    CARRY_UNTIL(t, user()->bytes == 4);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_min_proto_version(t->client_context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, TLS1_1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(t->client_context, "ALL:@SECLEVEL=0"), 1);
    begin_again(t);
    fail_to_shake_hands(t);
    assert_string_equal(t->error, "unsupported protocol");
}

static void ciphers_without_forward_secrecy_are_refused(void **state)
{
    static const char *const lists[] = {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256",
                                        "DHE-RSA-AES128-GCM-SHA256"};

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_int_equal(SSL_CTX_set_max_proto_version(t->client_context, TLS1_2_VERSION), 1);
        assert_int_equal(SSL_CTX_set_cipher_list(t->client_context, lists[i]), 1);
        begin_again(t);
        fail_to_shake_hands(t);
        assert_string_equal(t->error, "no shared cipher");
    }
}

/* --- plain text where TLS is spoken --------------------------------------------------------------- */

static void who_speaks_no_tls_gets_a_plain_stream_that_says_so(void **state)
{
    (void)state;
    send_text(t->tcp, "GET / HTTP/1.1\r\n");
    TURN_UNTIL(t->tcp, user()->bytes == 16);
    assert_string_equal(user()->text, "GET / HTTP/1.1\r\n");
    assert_true(security()->is_plain_on_tls);
    assert_false(security()->is_secure);
    stream_write(user()->stream, "400", 3);
    stream_finish(user()->stream);
    expect_text(t->tcp, "400");
    assert_string_equal(t->error, "what came is not TLS");
}

static void what_was_queued_is_sent_in_plain_text_to_who_speaks_none(void **state)
{
    (void)state;
    stream_write(user()->stream, "full", 4);
    stream_finish(user()->stream);
    send_text(t->tcp, "{");
    expect_text(t->tcp, "full");
}

/* --- protocols --------------------------------------------------------------------------------- */

static void offer(const char *protocols, size_t bytes)
{
    assert_int_equal(
        SSL_set_alpn_protos(t->client, (const unsigned char *)protocols, (unsigned)bytes), 0);
}

static void the_protocol_is_agreed_on(void **state)
{
    (void)state;
    offer("\x03xyz\x08http/1.1", 13);
    shake_hands(t);
    assert_string_equal(security()->alpn, "http/1.1");
}

static void a_client_of_other_protocols_is_refused_by_alert(void **state)
{
    (void)state;
    offer("\x03xyz\x04smtp", 9);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(t->client);
        carry(t);
    }
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    ERR_clear_error();
    assert_non_null(t->outcome.error);
}

static void the_raw_broker_takes_no_client_of_another_protocol(void **state)
{
    (void)state;
    stream_abort(user()->stream);
    settle(t->tcp);
    close_peer(t->tcp);
    free(user()->text);
    open_pair(t->tcp);
    begin_tls(t, TLS_FOR_LINES);
    offer("\x08http/1.1", 9);
    fail_to_shake_hands(t);
}

/* --- data --------------------------------------------------------------------------------------- */

static void records_may_be_split_anywhere(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 5, 7, 21, 22, 23, 1000, 4096};

    (void)state;
    shake_hands(t);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        size_t before = user()->bytes;

        t->chunk = chunks[i];
        client_say(t, "one");
        client_say(t, "two");
        CARRY_UNTIL(t, user()->bytes == before + 6);
        assert_string_equal(user()->text + before, "onetwo");
    }
}

static void many_records_are_read_together(void **state)
{
    size_t written;

    (void)state;
    shake_hands(t);
    for (int i = 0; i < 100; i++)
        assert_int_equal(SSL_write_ex(t->client, "0123456789", 10, &written), 1);
    carry(t);
    CARRY_UNTIL(t, user()->bytes == 1000);
    assert_true(user()->data_count < 10);
}

static void a_turn_reads_a_bounded_amount(void **state)
{
    enum { SENT = 150 * 1024 };
    char *filler = calloc(1, SENT);
    size_t before;

    (void)state;
    assert_non_null(filler);
    shake_hands(t);
    stream_pause(user()->stream);
    client_write(t, filler, 1); /* the rest stands behind it in the socket */
    assert_int_equal(user()->bytes, 0);
    client_write(t, filler, SENT - 1);
    stream_resume(user()->stream);
    do {
        before = user()->bytes;
        turn(t->tcp, 0);
        assert_true(user()->bytes - before <= TCP_READ_BYTES);
    } while (user()->bytes < SENT);
    free(filler);
}

static void a_large_write_goes_through_a_full_socket(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };
    uint64_t delivered = 0;

    (void)state;
    shake_hands(t);
    write_filler(t->tcp, SIZE);
    for (int i = 0; i < 10; i++) {
        turn(t->tcp, 0);
        assert_true(stream_delivered_bytes(user()->stream) >= delivered);
        delivered = stream_delivered_bytes(user()->stream);
    }
    assert_false(outq_is_empty(&user()->stream->out));
    assert_false(tcp_has_work(t->tcp->set)); /* it waits for the peer, without spinning */
    client_expect_filler(t, SIZE);
    assert_int_equal(user()->stream->out.sent_bytes, SIZE);
}

static void what_is_queued_behind_half_a_record_follows_it(void **state)
{
    enum { ROUNDS = 400 };
    const size_t large = (size_t)512 * 1024;
    size_t total = 0;

    (void)state;
    shake_hands(t);
    /* Of all sizes, so that the socket fills up in the middle of a record of any. */
    for (int i = 1; i <= ROUNDS; i++) {
        write_filler(t->tcp, (size_t)i * 7);
        total += (size_t)i * 7;
        turn(t->tcp, 0);
        if (i % 100 == 0) {
            write_filler(t->tcp, large);
            total += large;
            turn(t->tcp, 0);
            assert_false(outq_is_empty(&user()->stream->out));
        }
    }
    client_expect_filler(t, total);
    assert_true(outq_is_empty(&user()->stream->out));
}

static void many_ranges_share_a_record(void **state)
{
    char buf[64 * 1024];
    size_t got = 0;

    (void)state;
    shake_hands(t);
    for (int i = 0; i < 200; i++) {
        /* Every other one is of another arena, so that they are not joined. */
        struct arena_writer writer = {0};
        uint8_t *room = arena_writer_reserve(&writer, 50);

        assert_non_null(room);
        memset(room, 'x', 50);
        stream_push(user()->stream, arena_writer_commit(&writer, 50));
        arena_writer_done(&writer);
    }
    turn(t->tcp, 0);
    got = (size_t)recv(t->tcp->peer, buf, sizeof buf, MSG_DONTWAIT);
    assert_true(got > 10000);
    assert_true(got < 10000 + 2 * 64); /* one record's frame, not 200 */
    assert_int_equal(BIO_write(SSL_get_rbio(t->client), buf, (int)got), got);
    client_expect_filler(t, 10000);
}

static void what_the_peer_has_is_never_overstated_and_never_falls(void **state)
{
    uint64_t delivered = 0;
    size_t total = 0;

    (void)state;
    change_to_tcp(t->tcp);
    begin_tls(t, TLS_FOR_HTTP);
    shake_hands(t);
    for (int i = 0; i < 200; i++) {
        uint64_t now;

        write_filler(t->tcp, 1000);
        total += 1000;
        turn(t->tcp, 0);
        now = stream_delivered_bytes(user()->stream);
        assert_true(now >= delivered);
        assert_true(now <= user()->stream->out.sent_bytes);
        delivered = now;
    }
    client_expect_filler(t, total);
    TURN_UNTIL(t->tcp, stream_delivered_bytes(user()->stream) == total);
    assert_int_equal(stream_peer(user()->stream), STREAM_PEER_HAS_ALL);
}

static void what_a_paused_user_leaves_costs_no_budget_when_there_is_none(void **state)
{
    (void)state;
    shake_hands(t);
    t->tcp->budget.bytes_max = 0;
    user()->pauses = true;
    user()->take_max = 3;
    client_say(t, "abcdef");
    CARRY_UNTIL(t, user()->bytes == 3);
    assert_int_equal(t->tcp->budget.used_bytes, 0);
    assert_int_equal(user()->no_room_count, 0);
    user()->pauses = false;
    stream_resume(user()->stream);
    TURN_UNTIL(t->tcp, user()->bytes == 6);
    assert_string_equal(user()->text, "abcdef");
    client_say(t, "ghi");
    CARRY_UNTIL(t, user()->bytes == 9);
    assert_int_equal(t->tcp->budget.used_bytes, 0);
}

/* --- ends --------------------------------------------------------------------------------------- */

static void our_end_is_said_in_tls_and_in_tcp(void **state)
{
    char byte;

    (void)state;
    shake_hands(t);
    stream_write(user()->stream, "bye", 3);
    stream_finish(user()->stream);
    client_expect(t, "bye");
    CARRY_UNTIL(t, client_has_end(t));
    assert_int_equal(recv(t->tcp->peer, &byte, 1, MSG_DONTWAIT), 0); /* and the socket's */
    assert_int_equal(user()->close_count, 0);
    client_say(t, "what is said now is thrown away");
    assert_int_equal(user()->data_count, 0);
    close_peer(t->tcp);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_int_equal(user()->reason, STREAM_CLOSED_BY_BOTH);
}

static void our_end_waits_for_room_in_the_socket(void **state)
{
    char byte;
    int count = 0;

    (void)state;
    shake_hands(t);
    for (; outq_is_empty(&user()->stream->out); count++) {
        write_filler(t->tcp, 1);
        turn(t->tcp, 0);
    }
    begin_again(t);
    shake_hands(t);
    for (int i = 0; i < count - 1; i++) { /* the last that goes in leaves no room */
        write_filler(t->tcp, 1);
        turn(t->tcp, 0);
        assert_true(outq_is_empty(&user()->stream->out));
    }
    stream_finish(user()->stream);
    settle(t->tcp);
    assert_false(tcp_has_work(t->tcp->set));
    client_expect_filler(t, (size_t)count - 1);
    CARRY_UNTIL(t, client_has_end(t));
    assert_int_equal(recv(t->tcp->peer, &byte, 1, MSG_DONTWAIT), 0);
}

static void the_peers_end_is_told_once_and_we_may_go_on(void **state)
{
    (void)state;
    shake_hands(t);
    client_say(t, "last words");
    assert_int_equal(SSL_shutdown(t->client), 0);
    CARRY_UNTIL(t, user()->end_count == 1);
    assert_string_equal(user()->text, "last words");
    stream_write(user()->stream, "answer", 6);
    client_expect(t, "answer");
    assert_int_equal(shutdown(t->tcp->peer, SHUT_WR), 0);
    settle(t->tcp);
    assert_int_equal(user()->end_count, 1);
    assert_int_equal(user()->close_count, 0);
    stream_finish(user()->stream);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    carry(t);
    assert_true(client_has_end(t));
}

static void a_cut_is_not_an_end(void **state)
{
    (void)state;
    shake_hands(t);
    client_say(t, "half");
    assert_int_equal(shutdown(t->tcp->peer, SHUT_WR), 0);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_string_equal(user()->text, "half"); /* what came whole is given */
    assert_int_equal(user()->end_count, 0);
    assert_int_equal(user()->reason, STREAM_CLOSED_BY_PEER);
}

static void a_cut_in_the_handshake_is_one_too(void **state)
{
    char bytes[4096];
    int got;

    (void)state;
    (void)SSL_do_handshake(t->client);
    got = BIO_read(SSL_get_wbio(t->client), bytes, sizeof bytes);
    assert_true(got > 100);
    assert_int_equal(write(t->tcp->peer, bytes, 100), 100);
    settle(t->tcp);
    close_peer(t->tcp);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_int_equal(user()->reason, STREAM_CLOSED_BY_PEER);
    assert_int_equal(t->outcome_count, 1);
    assert_string_equal(t->error, "the connection was cut");
}

static void nobody_at_all_is_a_cut(void **state)
{
    (void)state;
    close_peer(t->tcp);
    TURN_UNTIL(t->tcp, user()->close_count == 1);
    assert_int_equal(t->outcome_count, 1);
}

/* --- many at once --------------------------------------------------------------------------------- */

static void a_turn_takes_a_bounded_number_of_handshake_steps(void **state)
{
    enum { CLIENTS = 3 * TCP_HANDSHAKES_MAX };
    struct user users[CLIENTS];
    int fds[CLIENTS];
    char hello[4096];
    int bytes;
    int greeted = 0;
    int turns = 0;

    (void)state;
    tcp_set_on_tls(t->tcp->set, NULL, NULL);
    (void)SSL_do_handshake(t->client);
    bytes = BIO_read(SSL_get_wbio(t->client), hello, sizeof hello);
    for (int i = 0; i < CLIENTS; i++) {
        close_peer(t->tcp);
        open_pair(t->tcp);
        assert_int_equal(tcp_secure(user()->stream, t->context, TLS_FOR_HTTP), 0);
        fds[i] = t->tcp->peer;
        t->tcp->peer = -1;
        user_init(&users[i]);
        adopt(&users[i], user()->stream);
        assert_int_equal(write(fds[i], hello, (size_t)bytes), bytes);
    }
    while (greeted < CLIENTS) {
        int before = greeted;

        turn(t->tcp, 0);
        greeted = 0;
        for (int i = 0; i < CLIENTS; i++)
            greeted += recv(fds[i], hello, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
        assert_true(greeted - before <= TCP_HANDSHAKES_MAX);
        assert_true(turns++ < TURNS_MAX);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(close(fds[i]), 0);
    settle(t->tcp);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(users[i].close_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_is_heard_and_answered),
        TEST(a_plain_stream_is_none),
        TEST(every_byte_of_a_handshake_may_come_alone),
        TEST(what_is_queued_before_the_handshake_is_sent_after_it),
        TEST(who_is_refused_at_once_is_told_inside_tls),
        TEST(a_silent_client_has_its_time_and_no_more),
        TEST(a_slow_handshake_has_its_time_and_no_more),
        TEST(an_established_client_may_be_silent),
        TEST(old_versions_are_refused),
        TEST(ciphers_without_forward_secrecy_are_refused),
        TEST(who_speaks_no_tls_gets_a_plain_stream_that_says_so),
        TEST(what_was_queued_is_sent_in_plain_text_to_who_speaks_none),
        TEST(the_protocol_is_agreed_on),
        TEST(a_client_of_other_protocols_is_refused_by_alert),
        TEST(the_raw_broker_takes_no_client_of_another_protocol),
        TEST(records_may_be_split_anywhere),
        TEST(many_records_are_read_together),
        TEST(a_turn_reads_a_bounded_amount),
        TEST(a_large_write_goes_through_a_full_socket),
        TEST(what_is_queued_behind_half_a_record_follows_it),
        TEST(many_ranges_share_a_record),
        TEST(what_the_peer_has_is_never_overstated_and_never_falls),
        TEST(what_a_paused_user_leaves_costs_no_budget_when_there_is_none),
        TEST(our_end_is_said_in_tls_and_in_tcp),
        TEST(our_end_waits_for_room_in_the_socket),
        TEST(the_peers_end_is_told_once_and_we_may_go_on),
        TEST(a_cut_is_not_an_end),
        TEST(a_cut_in_the_handshake_is_one_too),
        TEST(nobody_at_all_is_a_cut),
        TEST(a_turn_takes_a_bounded_number_of_handshake_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
