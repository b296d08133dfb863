/* How a websocket came to its end: what happened first is what its user is told. */
#include "tests/unit/websocket_fixture.h"

#include <string.h>

#include "server/websocket/message.h"

static struct budget budget;
static struct websocket_fixture *f;

static int begin(void **state)
{
    (void)state;
    budget = (struct budget){.bytes_max = 1048576};
    f = websocket_fixture_new(&budget);
    shake_hands(f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    websocket_fixture_free(f);
    return 0;
}

static void feed_close(void)
{
    struct input input = {.size = 0};

    add_frame(&input, FINAL | FRAME_CLOSE, "\x03\xE8", 2);
    feed_input(f, &input);
}

static void expect(enum websocket_end wanted, int code)
{
    fake_stream_run(&f->fake);
    assert_int_equal(f->closed_with, code);
    assert_int_equal(f->end, wanted);
}

static void a_close_frame_is_the_peer_s_end(void **state)
{
    (void)state;
    feed_close();
    expect(WEBSOCKET_END_BY_PEER, 1000);
}

static void a_close_of_ours_is_the_user_s_end_whatever_becomes_of_it(void **state)
{
    (void)state;
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    feed_close();
    expect(WEBSOCKET_END_BY_USER, 1001);
    reopen(f);
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    fake_stream_run(&f->fake);
    fake_stream_end(&f->fake);
    expect(WEBSOCKET_END_BY_USER, WEBSOCKET_ABNORMAL);
    reopen(f);
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    fake_stream_run(&f->fake);
    pass(f, 6 * SECOND); /* no answer */
    expect(WEBSOCKET_END_UNANSWERED, WEBSOCKET_ABNORMAL);
    reopen(f);
    websocket_close(f->websocket, WEBSOCKET_GOING_AWAY, NULL);
    feed_text(f, 0x70 | FRAME_TEXT, "bad");
    expect(WEBSOCKET_END_BY_USER, WEBSOCKET_PROTOCOL_ERROR);
}

static void an_end_without_a_close_frame_is_a_loss(void **state)
{
    (void)state;
    fake_stream_end(&f->fake);
    expect(WEBSOCKET_END_LOST, WEBSOCKET_ABNORMAL);
    reopen(f);
    fake_stream_reset(&f->fake);
    expect(WEBSOCKET_END_LOST, WEBSOCKET_ABNORMAL);
}

static void a_ping_without_an_answer_is_told_from_a_loss(void **state)
{
    (void)state;
    for (int i = 0; i < 60 && f->closed_with == 0; i++)
        pass(f, SECOND);
    expect(WEBSOCKET_END_PING_TIMEOUT, WEBSOCKET_ABNORMAL);
}

static void a_stall_is_told_from_a_loss(void **state)
{
    (void)state;
    f->fake.is_stalled = true;
    stream_abort(&f->fake.stream);
    assert_true(websocket_is_closing(f->websocket)); /* on_close has still to come */
    expect(WEBSOCKET_END_STALLED, WEBSOCKET_ABNORMAL);
}

static void broken_rules_are_the_peer_s_fault(void **state)
{
    (void)state;
    feed_text(f, 0x70 | FRAME_TEXT, "reserved bits");
    expect(WEBSOCKET_END_BROKEN, WEBSOCKET_PROTOCOL_ERROR);
    reopen(f);
    feed_text(f, FINAL | FRAME_TEXT, "no UTF-8: \xff");
    expect(WEBSOCKET_END_BROKEN, WEBSOCKET_BAD_TEXT);
    reopen(f);
    feed_text(f, FINAL | FRAME_CLOSE, "1"); /* half a code */
    expect(WEBSOCKET_END_BROKEN, WEBSOCKET_PROTOCOL_ERROR);
}

static void a_message_may_be_too_big_or_too_slow_or_find_no_room(void **state)
{
    char text[MESSAGE_MAX + 1];
    struct input input = {.size = 0};

    (void)state;
    memset(text, 'x', sizeof text);
    add_frame(&input, FINAL | FRAME_TEXT, text, sizeof text);
    feed_input(f, &input);
    expect(WEBSOCKET_END_TOO_BIG, WEBSOCKET_TOO_BIG);
    reopen(f);
    feed_text(f, FRAME_TEXT, "never whole");
    for (int i = 0; i < 10 && f->closed_with == 0; i++) {
        pass(f, 10 * SECOND);
        feed_text(f, FINAL | FRAME_PONG, "");
    }
    expect(WEBSOCKET_END_SLOW, WEBSOCKET_POLICY);
    reopen(f);
    f->fake.has_no_room = true;
    feed_text(f, FINAL | FRAME_PING, "");
    fake_stream_feed(&f->fake, "\x89", 1); /* half a head, which cannot be kept */
    expect(WEBSOCKET_END_NO_ROOM, WEBSOCKET_TRY_LATER);
}

static void what_breaks_on_our_side_is_ours(void **state)
{
    (void)state;
    stream_abort(&f->fake.stream); /* as whoever has no memory for it does */
    expect(WEBSOCKET_END_FAILED, WEBSOCKET_ABNORMAL);
}

static void what_comes_first_counts(void **state)
{
    (void)state;
    feed_text(f, 0x70 | FRAME_TEXT, "reserved bits");
    assert_int_equal(f->end, WEBSOCKET_END_BROKEN);
    reopen(f);
    fake_stream_feed(&f->fake,
                     "\x88\x80"
                     "abcd",
                     6); /* a close frame, and then a reset */
    fake_stream_run(&f->fake);
    fake_stream_reset(&f->fake);
    expect(WEBSOCKET_END_BY_PEER, WEBSOCKET_NO_STATUS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_close_frame_is_the_peer_s_end),
        TEST(a_close_of_ours_is_the_user_s_end_whatever_becomes_of_it),
        TEST(an_end_without_a_close_frame_is_a_loss),
        TEST(a_ping_without_an_answer_is_told_from_a_loss),
        TEST(a_stall_is_told_from_a_loss),
        TEST(broken_rules_are_the_peer_s_fault),
        TEST(a_message_may_be_too_big_or_too_slow_or_find_no_room),
        TEST(what_breaks_on_our_side_is_ours),
        TEST(what_comes_first_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
