#include "tests/unit/websocket_fixture.h"

#include <string.h>

#include "server/websocket/message.h"

#define NO_ROOM "no room for a message that is not whole"

enum {
    COUNT = 40,
    ROOM = 16,                          /* messages in flight that there is room for */
    LONG_MAX = BUDGET_OWN_BYTES + 2000, /* of messages here */
    LONG_CHARGE = LONG_MAX - BUDGET_OWN_BYTES,
};

static struct budget budget;
static struct websocket_fixture *all[COUNT];

static void set_longest(struct websocket_fixture *f, uint32_t bytes)
{
    f->options.message_bytes_max = bytes;
    websocket_set_configure(f->set, &f->options);
}

static int begin(void **state)
{
    (void)state;
    budget = (struct budget){.bytes_max = (uint64_t)ROOM * LONG_CHARGE};
    for (int i = 0; i < COUNT; i++) {
        all[i] = websocket_fixture_new(&budget);
        shake_hands(all[i]);
        set_longest(all[i], LONG_MAX);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++)
        websocket_fixture_free(all[i]);
    assert_int_equal(budget.used_bytes, 0);
    return 0;
}

/* So many have begun a message of which nearly everything has come. */
static void begin_messages(int count)
{
    char text[LONG_MAX - 10];

    memset(text, 'x', sizeof text);
    for (int i = 0; i < count; i++) {
        struct input input = {.size = 0};

        add_frame(&input, FRAME_TEXT, text, sizeof text);
        feed_input(all[i], &input);
    }
}

static void who_begins_one_message_too_many_is_told_to_try_later(void **state)
{
    (void)state;
    begin_messages(ROOM + 1);
    for (int i = 0; i < ROOM; i++)
        assert_int_equal(all[i]->closed_with, 0);
    assert_sent_close_because(all[ROOM], WEBSOCKET_TRY_LATER, NO_ROOM);
    assert_int_equal(all[ROOM]->closed_with, WEBSOCKET_TRY_LATER);
    assert_int_equal(budget.used_bytes, budget.bytes_max);
}

static void others_go_on_when_it_is_used_up(void **state)
{
    (void)state;
    begin_messages(ROOM);
    for (int i = ROOM; i < COUNT; i++) {
        feed_text(all[i], FINAL | FRAME_TEXT, "whole");
        feed_text(all[i], FINAL | FRAME_PING, "p");
        assert_string_equal(all[i]->received, "T:whole\n");
        assert_sent_bytes(all[i], "\x8A\x01p", 3);
    }
    for (int i = 0; i < ROOM; i++) {
        feed_text(all[i], FINAL | FRAME_CONTINUATION, "the end");
        assert_non_null(strstr(all[i]->received, "the end\n"));
        assert_int_equal(budget.used_bytes, (uint64_t)(ROOM - 1 - i) * LONG_CHARGE);
    }
    begin_messages(ROOM); /* there is room again */
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(all[i]->closed_with, 0);
}

static void a_short_message_may_be_cut_when_it_is_used_up(void **state)
{
    char half[BUDGET_OWN_BYTES / 2];

    (void)state;
    memset(half, 'x', sizeof half);
    budget.bytes_max = 0;
    for (int i = 0; i < 3; i++) {
        struct input input = {.size = 0};
        struct input rest = {.size = 0};

        add_frame(&input, FINAL | FRAME_TEXT, half, sizeof half);
        add_frame(&input, FINAL | FRAME_TEXT, half, sizeof half);
        input.size -= sizeof half / 2; /* a read that cuts through the second */
        add_raw(&rest, input.bytes + input.size, sizeof half / 2);
        feed_input(all[0], &input);
        feed_input(all[0], &rest);
        feed_text(all[0], FRAME_TEXT, "in");
        feed_text(all[0], FINAL | FRAME_CONTINUATION, " two");
        assert_int_equal(strlen(all[0]->received), 2 * (sizeof half + 3) + strlen("T:in two\n"));
        all[0]->received[0] = '\0';
    }
    assert_int_equal(all[0]->closed_with, 0);
}

static void a_large_buffer_from_before_is_no_reason_to_refuse(void **state)
{
    (void)state;
    begin_messages(1);
    feed_text(all[0], FINAL | FRAME_CONTINUATION, "the end"); /* its buffer is kept for the next */
    all[0]->received[0] = '\0';
    budget.bytes_max = 0;
    feed_text(all[0], FRAME_TEXT, "in");
    feed_text(all[0], FINAL | FRAME_CONTINUATION, " two");
    assert_string_equal(all[0]->received, "T:in two\n");
    assert_int_equal(all[0]->closed_with, 0);
}

static void whatever_ends_a_websocket_gives_back_what_it_took(void **state)
{
    (void)state;
    begin_messages(6);
    fake_stream_reset(&all[0]->fake);
    fake_stream_run(&all[0]->fake);
    fake_stream_end(&all[1]->fake);
    fake_stream_run(&all[1]->fake);
    feed_text(all[2], FINAL | FRAME_CONTINUATION, "\xFF");
    feed_text(all[3], FINAL | FRAME_CLOSE, "");
    feed_text(all[4], FINAL | FRAME_TEXT, "another beginning");
    for (int i = 0; i < 5; i++)
        assert_int_not_equal(all[i]->closed_with, 0);
    assert_int_equal(budget.used_bytes, LONG_CHARGE);
    /* The last is cut off with its message in flight: end(). */
}

static void what_cannot_be_kept_is_refused_before_it_is_looked_at(void **state)
{
    struct input input = {.size = 0};
    char text[LONG_MAX];

    (void)state;
    memset(text, '\xFF', sizeof text); /* no UTF-8 */
    budget.bytes_max = 0;
    add_frame(&input, FINAL | FRAME_TEXT, text, sizeof text);
    input.size -= 100;
    feed_input(all[0], &input);
    assert_sent_close_because(all[0], WEBSOCKET_TRY_LATER, NO_ROOM);

    /* Nor is it when it has begun; and what can be kept, or is whole, is looked at. */
    feed_text(all[1], FRAME_TEXT, "begun");
    input.size = 0;
    add_frame(&input, FINAL | FRAME_CONTINUATION, text, sizeof text - 100);
    input.size -= 100;
    feed_input(all[1], &input);
    assert_sent_close_because(all[1], WEBSOCKET_TRY_LATER, NO_ROOM);
    input.size = BUDGET_OWN_BYTES;
    input.bytes[0] = FINAL | FRAME_TEXT;
    feed_input(all[2], &input);
    assert_sent_close(all[2], WEBSOCKET_BAD_TEXT);
    input.size = 0;
    add_frame(&input, FINAL | FRAME_TEXT, text, sizeof text);
    feed_input(all[3], &input);
    assert_sent_close(all[3], WEBSOCKET_BAD_TEXT);
}

static void a_message_that_cannot_grow_is_told_to_try_later(void **state)
{
    (void)state;
    begin_messages(1);
    assert_int_equal(all[0]->closed_with, 0);
    budget.bytes_max = budget.used_bytes;
    set_longest(all[0], 10 * LONG_MAX);
    for (int i = 0; i < 3 && all[0]->closed_with == 0; i++) {
        char more[LONG_MAX] = {0};
        struct input input = {.size = 0};

        add_frame(&input, FRAME_CONTINUATION, more, sizeof more);
        feed_input(all[0], &input);
    }
    assert_sent_close_because(all[0], WEBSOCKET_TRY_LATER, NO_ROOM);
    assert_int_equal(budget.used_bytes, 0);
}

/* --- slow messages -------------------------------------------------------------------------------- */

/* "too slowly" and 1008. */
static void assert_too_slow(struct websocket_fixture *f)
{
    size_t bytes;
    const char *sent = fake_stream_take(&f->fake, &bytes);

    assert_in_range(bytes, 5, 2 + 125);
    assert_memory_equal(sent + 2, "\x03\xF0", 2);
    assert_int_equal(f->closed_with, WEBSOCKET_POLICY);
}

static void a_message_that_stops_coming_is_closed_with_1008(void **state)
{
    (void)state;
    set_longest(all[0], MESSAGE_MAX);
    feed_text(all[0], FRAME_TEXT, "begun");
    pass(all[0], (WEBSOCKET_MESSAGE_S - 1) * SECOND);
    feed_text(all[0], FRAME_CONTINUATION, "x");  /* that is too little */
    (void)fake_stream_take(&all[0]->fake, NULL); /* pings */
    assert_int_equal(all[0]->closed_with, 0);
    pass(all[0], 2 * SECOND);
    assert_too_slow(all[0]);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_message_that_goes_on_has_its_time(void **state)
{
    enum { PART = MESSAGE_MAX / WEBSOCKET_MESSAGE_PARTS + 1 };
    char part[PART];

    (void)state;
    set_longest(all[0], MESSAGE_MAX);
    memset(part, 'x', sizeof part);
    feed_text(all[0], FRAME_TEXT, "");
    for (int i = 0; i < WEBSOCKET_MESSAGE_PARTS - 1; i++) {
        struct input input = {.size = 0};

        add_frame(&input, FRAME_CONTINUATION, part, sizeof part);
        feed_input(all[0], &input);
        pass(all[0], (WEBSOCKET_MESSAGE_S - 1) * SECOND);
        assert_int_equal(all[0]->closed_with, 0);
    }
    feed_text(all[0], FINAL | FRAME_CONTINUATION, "");
    assert_int_equal(strlen(all[0]->received), 3 + (WEBSOCKET_MESSAGE_PARTS - 1) * PART);
    feed_text(all[0], FINAL | FRAME_PONG, "");
    /* Between messages nothing is awaited but answers to pings. */
    for (int i = 0; i < 10; i++) {
        pass(all[0], 19 * SECOND);
        feed_text(all[0], FINAL | FRAME_PONG, "");
    }
    assert_int_equal(all[0]->closed_with, 0);
}

/* --- what the stream cannot keep ------------------------------------------------------------------ */

static void a_frames_beginning_that_cannot_be_kept_is_told_to_try_later(void **state)
{
    (void)state;
    all[0]->fake.has_no_room = true;
    feed_text(all[0], FINAL | FRAME_TEXT, "whole");
    assert_int_equal(all[0]->closed_with, 0);
    fake_stream_feed(&all[0]->fake, "\x81", 1);
    fake_stream_run(&all[0]->fake);
    assert_sent_close_because(all[0], WEBSOCKET_TRY_LATER, NO_ROOM);
    assert_int_equal(all[0]->closed_with, WEBSOCKET_TRY_LATER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_begins_one_message_too_many_is_told_to_try_later),
        TEST(others_go_on_when_it_is_used_up),
        TEST(a_short_message_may_be_cut_when_it_is_used_up),
        TEST(a_large_buffer_from_before_is_no_reason_to_refuse),
        TEST(whatever_ends_a_websocket_gives_back_what_it_took),
        TEST(what_cannot_be_kept_is_refused_before_it_is_looked_at),
        TEST(a_message_that_cannot_grow_is_told_to_try_later),
        TEST(a_message_that_stops_coming_is_closed_with_1008),
        TEST(a_message_that_goes_on_has_its_time),
        TEST(a_frames_beginning_that_cannot_be_kept_is_told_to_try_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
