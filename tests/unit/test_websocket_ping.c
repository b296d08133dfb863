#include "tests/unit/websocket_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct websocket_fixture *f;

static int begin(void **state)
{
    (void)state;
    f = websocket_fixture_new(NULL);
    shake_hands(f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    websocket_fixture_free(f);
    return 0;
}

/* --- pings and pongs ------------------------------------------------------------------------------ */

static void of_a_flood_of_pings_16_and_the_newest_are_answered(void **state)
{
    size_t bytes;
    const char *sent;

    (void)state;
    f->fake.is_stuck = true;
    for (int i = 0; i < 1000; i++) {
        char payload[16];

        (void)snprintf(payload, sizeof payload, "%04d", i);
        feed_text(f, FINAL | FRAME_PING, payload);
    }
    assert_int_equal(f->fake.stream.out.bytes, 16 * 6);
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    sent = fake_stream_take(&f->fake, &bytes);
    assert_int_equal(bytes, 17 * 6);
    for (int i = 0; i < 17; i++) {
        char wanted[16];

        (void)snprintf(wanted, sizeof wanted, "\x8A\x04%04d", i < 16 ? i : 999);
        assert_memory_equal(sent + (size_t)i * 6, wanted, 6);
    }
    feed_text(f, FINAL | FRAME_PING, "next");
    assert_sent_bytes(f, "\x8A\x04next", 6);
}

static void pings_are_answered_on_a_queue_that_never_runs_empty(void **state)
{
    char filler[100];

    (void)state;
    memset(filler, 'x', sizeof filler);
    f->fake.is_stuck = true;
    stream_write(&f->fake.stream, filler, sizeof filler);
    for (int i = 0; i < 100; i++) {
        uint64_t before = f->fake.stream.out.bytes;

        feed_text(f, FINAL | FRAME_PING, "");
        assert_int_equal(f->fake.stream.out.bytes, before + 2);
        stream_write(&f->fake.stream, filler, sizeof filler);
        outq_consume(&f->fake.stream.out, sizeof filler + 2); /* the peer reads, but not all */
    }
}

static void the_users_word_on_drained_queues_passes_through(void **state)
{
    char *filler = calloc(1, 2 * (size_t)STREAM_DRAINED_BYTES);

    (void)state;
    assert_non_null(filler);
    f->fake.is_stuck = true;
    stream_write(&f->fake.stream, filler, 2 * (size_t)STREAM_DRAINED_BYTES);
    fake_stream_run(&f->fake);
    assert_int_equal(f->drained_count, 0);
    f->fake.is_stuck = false;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    assert_int_equal(f->drained_count, 1);
    free(filler);
}

/* Passes time until a ping is sent; at most one interval. */
static void await_ping(void)
{
    for (int i = 0; i <= 26; i++) {
        size_t bytes;
        const char *sent;

        pass(f, SECOND);
        assert_int_equal(f->closed_with, 0);
        sent = fake_stream_take(&f->fake, &bytes);
        if (bytes > 0) {
            assert_int_equal(bytes, 2);
            assert_memory_equal(sent, "\x89\x00", 2);
            return;
        }
    }
    fail_msg("no ping");
}

static void a_silent_peer_is_pinged_and_given_up(void **state)
{
    (void)state;
    await_ping();
    pass(f, 19 * SECOND);
    assert_int_equal(f->closed_with, 0);
    pass(f, 2 * SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

static void any_sign_of_life_answers_a_ping(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        await_ping();
        pass(f, 19 * SECOND);
        feed_text(f, FINAL | (i % 2 == 0 ? FRAME_PONG : FRAME_TEXT), "");
    }
    assert_int_equal(f->closed_with, 0);
}

static void a_peer_that_still_takes_output_is_alive(void **state)
{
    char filler[1000] = {0};

    (void)state;
    await_ping();
    f->fake.undelivered = sizeof filler + 2; /* the ping stands behind it, far away */
    f->fake.is_silent = true;                /* which tells nothing when something is taken */
    stream_write(&f->fake.stream, filler, sizeof filler);
    fake_stream_run(&f->fake);
    for (int i = 0; i < 10; i++) {
        f->fake.undelivered -= 100;
        pass(f, 20 * SECOND);
        assert_int_equal(f->closed_with, 0);
    }
    pass(f, 21 * SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

/* A ping is due, and output waits that the peer does not take. */
static void stop_reading(void)
{
    await_ping();
    f->fake.is_stuck = true;
    f->fake.undelivered = 1000;
    websocket_send_text(f->websocket, "nobody reads this", 17);
    fake_stream_run(&f->fake);
}

static void a_peer_that_reads_nothing_lags_while_its_system_answers(void **state)
{
    size_t bytes;

    (void)state;
    stop_reading();
    for (int i = 0; i < 60 * 60; i++) { /* its stream would not wait so long */
        pass(f, SECOND);
        assert_int_equal(f->closed_with, 0);
    }
    f->fake.is_stuck = false;
    f->fake.undelivered = 0;
    stream_dirty(&f->fake.stream);
    fake_stream_run(&f->fake);
    assert_string_equal(fake_stream_take(&f->fake, &bytes), "\x81\x11nobody reads this");
    feed_text(f, FINAL | FRAME_PONG, "");
    await_ping();
}

static void a_peer_that_reads_nothing_is_cut_when_its_system_is_silent(void **state)
{
    (void)state;
    stop_reading();
    pass(f, 60 * SECOND);
    assert_int_equal(f->closed_with, 0);
    f->fake.is_silent = true;
    pass(f, 21 * SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

static void a_ping_that_a_system_took_and_nobody_answers_cuts(void **state)
{
    (void)state;
    await_ping();
    f->fake.undelivered = 0; /* nothing waits: its system answering tells nothing */
    pass(f, 21 * SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

static void no_answer_is_asked_of_a_held_websocket(void **state)
{
    (void)state;
    await_ping();
    f->says_hold = true;
    feed_text(f, FINAL | FRAME_TEXT, "held");
    for (int i = 0; i < 20; i++)
        pass(f, 20 * SECOND);
    assert_int_equal(f->closed_with, 0);
    assert_sent_bytes(f, "", 0);
    f->says_hold = false;
    websocket_resume(f->websocket);
    fake_stream_run(&f->fake);
    await_ping();
}

static void a_held_websocket_is_judged_by_its_stream_alone(void **state)
{
    (void)state;
    f->fake.is_stuck = true;
    f->fake.is_silent = true;
    f->fake.undelivered = 1000;
    f->says_hold = true;
    websocket_send_text(f->websocket, "nobody reads this", 17);
    feed_text(f, FINAL | FRAME_TEXT, "held");
    for (int i = 0; i < 20; i++)
        pass(f, 20 * SECOND);
    assert_int_equal(f->closed_with, 0);
    stream_abort(&f->fake.stream);
    pass(f, SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

static void an_interval_of_zero_means_no_pings(void **state)
{
    (void)state;
    f->options.ping_interval_ns = 0;
    websocket_set_configure(f->set, &f->options);
    reopen(f);
    pass(f, 1000 * SECOND);
    assert_sent_bytes(f, "", 0);
    assert_int_equal(f->closed_with, 0);
}

static void pings_of_many_connections_are_spread_over_the_interval(void **state)
{
    enum { COUNT = 500, PARTS = 5, ROUNDS = 2 };
    unsigned parts[ROUNDS][PARTS] = {{0}};

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        reopen(f);
        for (int second = 0, round = 0; round < ROUNDS; second++) {
            size_t bytes;

            pass(f, SECOND);
            (void)fake_stream_take(&f->fake, &bytes);
            if (bytes == 0)
                continue;
            assert_in_range(second, 25 * round, 25 * (round + 1));
            parts[round][second % 25 * PARTS / 25]++;
            round++;
            feed_text(f, FINAL | FRAME_PONG, "");
        }
    }
    /* 100 each are expected, with a deviation of 9; half of it is a chance of one in millions. */
    for (int round = 0; round < ROUNDS; round++) {
        for (int part = 0; part < PARTS; part++)
            assert_in_range(parts[round][part], COUNT / PARTS / 2, COUNT / PARTS * 2);
    }
}

/* --- output --------------------------------------------------------------------------------------- */

static void heads_of_frames_have_the_shortest_form(void **state)
{
    static const struct {
        size_t payload_bytes;
        const char *head;
        size_t head_bytes;
    } cases[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7D", 2},
        {126, "\x81\x7E\x00\x7E", 4},
        {65535, "\x81\x7E\xFF\xFF", 4},
        {65536, "\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {0x123456789, "\x81\x7F\x00\x00\x00\x01\x23\x45\x67\x89", 10},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t head[WEBSOCKET_HEAD_BYTES_MAX];

        assert_int_equal(websocket_frame_head(head, cases[i].payload_bytes), cases[i].head_bytes);
        assert_memory_equal(head, cases[i].head, cases[i].head_bytes);
    }
}

static void a_message_is_sent_as_one_frame(void **state)
{
    struct arena *arena = arena_copy("shared", 6);

    (void)state;
    assert_non_null(arena);
    websocket_send_text(f->websocket, "hello", 5);
    websocket_send_text(f->websocket, "", 0);
    websocket_send_binary(f->websocket, "\0\xFF", 2);
    websocket_send_arena(f->websocket, arena);
    assert_int_equal(arena->refs, 2);
    arena_unref(arena);
    fake_stream_run(&f->fake);
    assert_sent_bytes(f, "\x81\x05hello\x81\x00\x82\x02\0\xFF\x81\x06shared", 21);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_a_flood_of_pings_16_and_the_newest_are_answered),
        TEST(pings_are_answered_on_a_queue_that_never_runs_empty),
        TEST(the_users_word_on_drained_queues_passes_through),
        TEST(a_silent_peer_is_pinged_and_given_up),
        TEST(any_sign_of_life_answers_a_ping),
        TEST(a_peer_that_still_takes_output_is_alive),
        TEST(a_peer_that_reads_nothing_lags_while_its_system_answers),
        TEST(a_peer_that_reads_nothing_is_cut_when_its_system_is_silent),
        TEST(a_ping_that_a_system_took_and_nobody_answers_cuts),
        TEST(no_answer_is_asked_of_a_held_websocket),
        TEST(a_held_websocket_is_judged_by_its_stream_alone),
        TEST(an_interval_of_zero_means_no_pings),
        TEST(pings_of_many_connections_are_spread_over_the_interval),
        TEST(heads_of_frames_have_the_shortest_form),
        TEST(a_message_is_sent_as_one_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
