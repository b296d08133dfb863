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

/* --- closing -------------------------------------------------------------------------------------- */

static void a_close_is_answered_with_its_code(void **state)
{
    static const int codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct input input = {.size = 0};
        uint8_t payload[] = {(uint8_t)(codes[i] >> 8), (uint8_t)codes[i], 'b', 'y', 'e'};

        add_frame(&input, FINAL | FRAME_CLOSE, payload, sizeof payload);
        add_text(&input, FINAL | FRAME_TEXT, "late");
        feed_input(f, &input);
        assert_sent_close(f, codes[i]);
        assert_int_equal(f->closed_with, codes[i]);
        assert_string_equal(f->received, "");
        reopen(f);
    }
}

static void a_close_without_a_code_is_answered_without_one(void **state)
{
    (void)state;
    feed_text(f, FINAL | FRAME_CLOSE, "");
    assert_sent_bytes(f, "\x88\x00", 2);
    assert_int_equal(f->closed_with, WEBSOCKET_NO_STATUS);
}

static void codes_that_nobody_may_send_are_1002(void **state)
{
    static const int codes[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                1016, 1100, 2000, 2999, 5000, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct input input = {.size = 0};
        uint8_t payload[] = {(uint8_t)(codes[i] >> 8), (uint8_t)codes[i]};

        add_frame(&input, FINAL | FRAME_CLOSE, payload, sizeof payload);
        feed_input(f, &input);
        assert_sent_close(f, 1002);
        assert_int_equal(f->closed_with, 1002);
        reopen(f);
    }
}

static void a_close_inside_a_fragmented_message_is_obeyed(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    add_text(&input, FRAME_TEXT, "never whole");
    add_frame(&input, FINAL | FRAME_CLOSE, "\x03\xE8", 2);
    feed_input(f, &input);
    assert_sent_close(f, 1000);
    assert_int_equal(f->closed_with, 1000);
}

static void our_close_waits_for_the_answer_and_sends_nothing_else(void **state)
{
    uint8_t wanted[] = {0x88, 8, 0x03, 0xE9, 'r', 'e', 'a', 's', 'o', 'n'};
    struct arena *arena = arena_copy("late", 4);

    (void)state;
    assert_non_null(arena);
    assert_false(websocket_is_closing(f->websocket));
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, "reason");
    assert_true(websocket_is_closing(f->websocket));
    websocket_close(f->websocket, WEBSOCKET_NORMAL, NULL);
    websocket_send_text(f->websocket, "late", 4);
    websocket_send_arena(f->websocket, arena);
    assert_int_equal(arena->refs, 1);
    arena_unref(arena);
    stream_write(websocket_stream(f->websocket), "late", 4); /* what others push */
    fake_stream_run(&f->fake);
    feed_text(f, FINAL | FRAME_TEXT, "dropped");
    feed_text(f, FINAL | FRAME_PING, "dropped");
    assert_sent_bytes(f, wanted, sizeof wanted);
    assert_int_equal(f->closed_with, 0);
    assert_string_equal(f->received, "");
    pass(f, 4 * SECOND);
    feed_text(f, FINAL | FRAME_CLOSE, "\x03\xE8");
    assert_sent_bytes(f, "", 0);
    assert_int_equal(f->closed_with, WEBSOCKET_GOING_AWAY);
}

static void an_answer_to_our_close_that_never_comes_is_awaited_for_5_s(void **state)
{
    (void)state;
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    fake_stream_run(&f->fake);
    pass(f, 4 * SECOND + SECOND / 2);
    assert_int_equal(f->closed_with, 0);
    pass(f, SECOND);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

static void a_reason_too_long_is_cut(void **state)
{
    char reason[200];
    size_t bytes;

    (void)state;
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    websocket_close(f->websocket, WEBSOCKET_POLICY, reason);
    fake_stream_run(&f->fake);
    assert_int_equal((uint8_t)fake_stream_take(&f->fake, &bytes)[1], 125);
    assert_int_equal(bytes, 127);
}

static void a_user_may_close_from_inside_a_message(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    f->closes_with = WEBSOCKET_UNSUPPORTED;
    f->says_hold = true; /* which then means nothing */
    add_text(&input, FINAL | FRAME_BINARY, "one");
    add_text(&input, FINAL | FRAME_BINARY, "two");
    add_frame(&input, FINAL | FRAME_CLOSE, "\x03\xEB", 2);
    feed_input(f, &input);
    assert_string_equal(f->received, "B:one\n");
    assert_int_equal(f->closed_with, WEBSOCKET_UNSUPPORTED);
}

static void an_end_or_a_reset_without_a_close_frame_is_1006(void **state)
{
    (void)state;
    fake_stream_end(&f->fake);
    fake_stream_run(&f->fake);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
    assert_sent_bytes(f, "", 0);
    reopen(f);
    feed_text(f, FRAME_TEXT, "half");
    fake_stream_reset(&f->fake);
    fake_stream_run(&f->fake);
    assert_int_equal(f->closed_with, WEBSOCKET_ABNORMAL);
}

/* --- holding -------------------------------------------------------------------------------------- */

static void a_held_websocket_reads_nothing_until_resumed_at_every_split(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    add_text(&input, FINAL | FRAME_TEXT, "one");
    add_text(&input, FINAL | FRAME_PING, "p");
    add_text(&input, FINAL | FRAME_TEXT, "two");
    add_text(&input, FRAME_TEXT, "three");
    for (size_t split = 0; split <= input.size; split++) {
        f->says_hold = true;
        fake_stream_feed(&f->fake, input.bytes, split);
        fake_stream_run(&f->fake);
        fake_stream_feed(&f->fake, input.bytes + split, input.size - split);
        fake_stream_run(&f->fake);
        assert_string_equal(f->received, "T:one\n");
        assert_true(f->fake.stream.is_paused);
        assert_sent_bytes(f, "", 0);
        websocket_resume(f->websocket);
        assert_string_equal(f->received, "T:one\n"); /* not from inside */
        fake_stream_run(&f->fake);
        assert_string_equal(f->received, "T:one\nT:two\n");
        assert_sent_bytes(f, "\x8A\x01p", 3);
        f->says_hold = false;
        websocket_resume(f->websocket);
        websocket_resume(f->websocket);
        fake_stream_run(&f->fake);
        feed_text(f, FINAL | FRAME_CONTINUATION, "!");
        assert_string_equal(f->received, "T:one\nT:two\nT:three!\n");
        reopen(f);
    }
}

static void closing_a_held_websocket_reads_on_for_the_answer(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    f->says_hold = true;
    add_text(&input, FINAL | FRAME_TEXT, "one");
    add_text(&input, FINAL | FRAME_TEXT, "dropped");
    add_frame(&input, FINAL | FRAME_CLOSE, "\x03\xE9", 2);
    feed_input(f, &input);
    assert_int_equal(f->closed_with, 0);
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    fake_stream_run(&f->fake);
    assert_string_equal(f->received, "T:one\n");
    assert_int_equal(f->closed_with, WEBSOCKET_GOING_AWAY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_close_is_answered_with_its_code),
        TEST(a_close_without_a_code_is_answered_without_one),
        TEST(codes_that_nobody_may_send_are_1002),
        TEST(a_close_inside_a_fragmented_message_is_obeyed),
        TEST(our_close_waits_for_the_answer_and_sends_nothing_else),
        TEST(an_answer_to_our_close_that_never_comes_is_awaited_for_5_s),
        TEST(a_reason_too_long_is_cut),
        TEST(a_user_may_close_from_inside_a_message),
        TEST(an_end_or_a_reset_without_a_close_frame_is_1006),
        TEST(a_held_websocket_reads_nothing_until_resumed_at_every_split),
        TEST(closing_a_held_websocket_reads_on_for_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
