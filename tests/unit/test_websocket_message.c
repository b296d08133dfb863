#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "server/websocket/message.h"
#include "server/websocket/websocket.h"

enum {
    LIMIT = 1 << 20,
    LARGE = 1 << 19,
};

/* What the allocator has handed out: by the sanitizer's count where there is one. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static struct message_pool pool;

static int end(void **state)
{
    (void)state;
    message_pool_done(&pool);
    assert_null(pool.first);
    return 0;
}

/* A masked frame's head with a mask of zeros; the payload is then as it is. */
static size_t make_head(uint8_t *head, int first, size_t payload_bytes)
{
    memset(head, 0, FRAME_HEAD_BYTES_MAX);
    head[0] = (uint8_t)first;
    if (payload_bytes < 126) {
        head[1] = (uint8_t)(0x80 | payload_bytes);
        return 6;
    }
    head[1] = 0x80 | 127;
    for (int i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)((uint64_t)payload_bytes >> (56 - 8 * i));
    return 14;
}

/* Begins a frame and feeds @fed bytes of its payload, all 'x'. */
static void feed(struct message *message, int first, size_t payload_bytes, size_t fed)
{
    uint8_t head[FRAME_HEAD_BYTES_MAX];
    size_t head_bytes = make_head(head, first, payload_bytes);
    uint8_t *payload = malloc(fed > 0 ? fed : 1);
    struct frame_head parsed;

    assert_non_null(payload);
    memset(payload, 'x', fed);
    assert_int_equal(frame_parse_head(head, head_bytes, &parsed), FRAME_OK);
    assert_int_equal(message_begin_frame(message, &parsed, LIMIT), 0);
    assert_int_equal(message_feed(message, head, head_bytes), 0);
    assert_int_equal(message_feed(message, payload, fed), 0);
    assert_int_equal(message_frame_left(message), payload_bytes - fed);
    free(payload);
}

static void a_message_given_back_between_messages_is_used_again(void **state)
{
    struct message *first = message_borrow(&pool);
    struct message *second = message_borrow(&pool);

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    for (int round = 0; round < 3; round++) {
        const uint8_t *bytes;
        bool is_text;
        size_t size;

        feed(first, 0x80 | FRAME_TEXT, 5, 5);
        assert_true(message_is_idle(first));
        assert_true(message_is_complete(first, &is_text, &bytes, &size));
        assert_true(is_text);
        assert_int_equal(size, 5);
        assert_memory_equal(bytes, "xxxxx", 5);
        message_return(&pool, first);
        assert_int_equal(pool.count, 1);
        assert_ptr_equal(message_borrow(&pool), first);
        assert_false(message_is_complete(first, &is_text, &bytes, &size));
    }
    message_return(&pool, first);
    message_return(&pool, second);
    assert_int_equal(pool.count, 2);
}

static void a_message_in_flight_is_never_given_to_another(void **state)
{
    static const struct {
        int first;
        size_t payload_bytes;
        size_t fed;
    } cases[] = {
        {0x80 | FRAME_TEXT, 10, 0},
        {0x80 | FRAME_TEXT, 10, 9},
        {FRAME_TEXT, 10, 10}, /* the frame is whole, the message is not */
        {FRAME_TEXT, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message *message = message_borrow(&pool);

        assert_non_null(message);
        feed(message, cases[i].first, cases[i].payload_bytes, cases[i].fed);
        assert_false(message_is_idle(message));
        message_return(&pool, message);
        assert_int_equal(pool.count, 0);
    }
    message_return(&pool, NULL);
}

static void a_message_that_failed_is_never_given_to_another(void **state)
{
    static const uint8_t bad_text[] = {0x81, 0x81, 0, 0, 0, 0, 0xFF};
    static const uint8_t no_begin[] = {0x80, 0x81, 0, 0, 0, 0, 'x'};
    struct message *message;
    struct frame_head head;

    (void)state;
    message = message_borrow(&pool);
    assert_int_equal(frame_parse_head(bad_text, sizeof bad_text, &head), FRAME_OK);
    assert_int_equal(message_begin_frame(message, &head, LIMIT), 0);
    assert_int_equal(message_feed(message, bad_text, sizeof bad_text), WEBSOCKET_BAD_TEXT);
    message_return(&pool, message);
    assert_int_equal(pool.count, 0);

    message = message_borrow(&pool);
    assert_int_equal(frame_parse_head(no_begin, sizeof no_begin, &head), FRAME_OK);
    assert_int_equal(message_begin_frame(message, &head, LIMIT), 0);
    assert_int_equal(message_feed(message, no_begin, sizeof no_begin), WEBSOCKET_PROTOCOL_ERROR);
    message_return(&pool, message);
    assert_int_equal(pool.count, 0);

    message = message_borrow(&pool);
    assert_int_equal(message_begin_frame(message, &head, 0), WEBSOCKET_TOO_BIG);
    message_return(&pool, message);
    assert_int_equal(pool.count, 0);
}

static void memory_follows_what_has_arrived_not_what_is_claimed(void **state)
{
    struct message *message = message_borrow(&pool);
    size_t before = allocated_bytes();

    (void)state;
    assert_non_null(message);
    feed(message, 0x80 | FRAME_BINARY, LIMIT, 100);
    assert_true(allocated_bytes() - before < 8192);
    {
        uint8_t *more = calloc(1, LARGE);

        assert_non_null(more);
        assert_int_equal(message_feed(message, more, LARGE), 0);
        free(more);
    }
    assert_true(allocated_bytes() - before >= LARGE);
    assert_true(allocated_bytes() - before <= 4 * (size_t)LARGE);
    message_return(&pool, message);
}

static void a_large_buffer_is_not_kept_in_the_pool(void **state)
{
    struct message *message = message_borrow(&pool);
    size_t before = allocated_bytes();

    (void)state;
    assert_non_null(message);
    feed(message, 0x80 | FRAME_BINARY, LARGE, LARGE);
    assert_true(allocated_bytes() - before >= LARGE);
    message_return(&pool, message);
    assert_int_equal(pool.count, 1);
    assert_true(allocated_bytes() - before < 8192);
}

static void the_pool_keeps_a_bounded_number(void **state)
{
    enum { COUNT = MESSAGE_POOL_MAX + 3 };
    struct message *messages[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        messages[i] = message_borrow(&pool);
        assert_non_null(messages[i]);
    }
    for (int i = 0; i < COUNT; i++)
        message_return(&pool, messages[i]);
    assert_int_equal(pool.count, MESSAGE_POOL_MAX);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_given_back_between_messages_is_used_again),
        TEST(a_message_in_flight_is_never_given_to_another),
        TEST(a_message_that_failed_is_never_given_to_another),
        TEST(memory_follows_what_has_arrived_not_what_is_claimed),
        TEST(a_large_buffer_is_not_kept_in_the_pool),
        TEST(the_pool_keeps_a_bounded_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
