#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "server/net/arena.h"
#include "server/net/outq.h"

enum {
    RANGE_COST = sizeof(struct range),
};

static struct arena_writer writer;
static struct outq queue;

static int begin(void **state)
{
    (void)state;
    writer = (struct arena_writer){0};
    outq_init(&queue);
    return 0;
}

/* A sanitizer reports what is not freed here. */
static int end(void **state)
{
    (void)state;
    outq_done(&queue);
    arena_writer_done(&writer);
    arena_pool_clear();
    return 0;
}

static struct range write_range(const char *text, size_t bytes)
{
    uint8_t *room = arena_writer_reserve(&writer, bytes);

    assert_non_null(room);
    memcpy(room, text, bytes);
    return arena_writer_commit(&writer, bytes);
}

/* What the queue would send, from its first @iov_count ranges. */
static size_t queued_text(char *text, size_t text_bytes, int iov_count)
{
    struct iovec iov[64];
    int count = outq_iovec(&queue, iov, iov_count);
    size_t bytes = 0;

    for (int i = 0; i < count; i++) {
        assert_true(bytes + iov[i].iov_len <= text_bytes);
        memcpy(text + bytes, iov[i].iov_base, iov[i].iov_len);
        bytes += iov[i].iov_len;
    }
    return bytes;
}

static void frames_lie_one_behind_the_other(void **state)
{
    struct range first = write_range("abc", 3);
    struct range second = write_range("defg", 4);

    (void)state;
    assert_ptr_equal(first.arena, second.arena);
    assert_int_equal(second.offset, first.offset + first.length);
    assert_memory_equal(first.arena->bytes + first.offset, "abcdefg", 7);
}

static void a_commit_may_take_less_than_was_reserved(void **state)
{
    struct range first;
    struct range second;

    (void)state;
    assert_non_null(arena_writer_reserve(&writer, 1000));
    first = arena_writer_commit(&writer, 10);
    assert_non_null(arena_writer_reserve(&writer, 1000));
    second = arena_writer_commit(&writer, 1000);
    assert_int_equal(second.offset, first.offset + 10);
}

static void a_full_arena_is_left_to_its_ranges(void **state)
{
    struct range last = write_range("x", 1);
    struct arena *first = last.arena;

    (void)state;
    arena_ref(first);
    assert_non_null(arena_writer_reserve(&writer, first->capacity));
    assert_ptr_not_equal(writer.arena, first);
    assert_int_equal(first->refs, 1);
    arena_unref(first);
}

static void a_large_frame_has_an_arena_of_its_own_size(void **state)
{
    uint8_t *room = arena_writer_reserve(&writer, 3000000);
    struct range range;

    (void)state;
    assert_non_null(room);
    memset(room, 'x', 3000000);
    range = arena_writer_commit(&writer, 3000000);
    assert_int_equal(range.length, 3000000);
    assert_int_equal(range.arena->capacity, 3000000);
    assert_null(arena_writer_reserve(&writer, SIZE_MAX / 2));
}

static void a_free_arena_is_used_again(void **state)
{
    struct arena *first;

    (void)state;
    first = write_range("x", 1).arena;
    arena_writer_done(&writer);
    assert_ptr_equal(write_range("y", 1).arena, first);
}

static void a_copy_is_an_arena_of_its_own(void **state)
{
    struct arena *id = arena_copy("\"a\"", 3);
    struct range range = {.arena = id, .offset = 0, .length = 3};

    (void)state;
    assert_non_null(id);
    assert_int_equal(id->capacity, 3);
    assert_int_equal(outq_push(&queue, range), 0);
    arena_unref(id);
    assert_int_equal(id->refs, 1);
    assert_memory_equal(id->bytes, "\"a\"", 3);
    outq_consume(&queue, 3);
}

static void a_copy_may_be_large_but_not_without_bound(void **state)
{
    static char bytes[3 * ARENA_BYTES];
    struct arena *copy = arena_copy(bytes, sizeof bytes);

    (void)state;
    assert_non_null(copy);
    assert_int_equal(copy->capacity, sizeof bytes);
    assert_memory_equal(copy->bytes, bytes, sizeof bytes);
    arena_unref(copy);
    assert_null(arena_copy(bytes, UINT32_MAX)); /* none of it is looked at */
}

static void the_pool_keeps_a_bounded_number(void **state)
{
    enum { COUNT = ARENA_POOL_MAX + 5 };
    struct arena *arenas[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        arenas[i] = write_range("x", 1).arena;
        arena_ref(arenas[i]);
        arena_writer_done(&writer);
    }
    for (int i = 0; i < COUNT; i++)
        arena_unref(arenas[i]);
    arena_unref(NULL);
    arena_pool_clear(); /* the sanitizer would tell of those neither pooled nor freed */
}

static void neighbouring_ranges_become_one(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(outq_push(&queue, write_range("abc", 3)), 0);
    assert_int_equal(outq_push(&queue, write_range("def", 3)), 0);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.bytes, 6);
    assert_int_equal(queued_text(text, sizeof text, 64), 6);
    assert_memory_equal(text, "abcdef", 6);
    assert_int_equal(writer.arena->refs, 2); /* the writer's and the one range's */
}

static void ranges_that_are_no_neighbours_stay_apart(void **state)
{
    struct range first = write_range("abc", 3);
    struct range second = write_range("def", 3);
    char text[16];

    (void)state;
    assert_int_equal(outq_push(&queue, second), 0);
    assert_int_equal(outq_push(&queue, first), 0);
    assert_int_equal(queue.count, 2);
    assert_int_equal(queued_text(text, sizeof text, 64), 6);
    assert_memory_equal(text, "defabc", 6);
}

static void an_empty_range_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(outq_push(&queue, (struct range){0}), 0);
    assert_int_equal(outq_push_copy(&queue, &writer, "", 0), 0);
    assert_true(outq_is_empty(&queue));
    assert_null(queue.ranges);
}

static void what_is_sent_leaves_from_the_front(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(outq_push_copy(&queue, &writer, "abcdef", 6), 0);
    outq_consume(&queue, 4);
    assert_int_equal(queued_text(text, sizeof text, 64), 2);
    assert_memory_equal(text, "ef", 2);
    assert_int_equal(queue.sent_bytes, 4);
    assert_int_equal(outq_push_copy(&queue, &writer, "gh", 2), 0);
    assert_int_equal(queue.count, 1); /* joined to what is left of the first */
    outq_consume(&queue, 4);
    assert_true(outq_is_empty(&queue));
    assert_int_equal(queue.sent_bytes, 8);
    assert_null(queue.ranges); /* an empty queue owns no memory */
    assert_int_equal(outq_pinned_bytes(&queue), 0);
    assert_int_equal(writer.arena->refs, 1);
}

static void pinned_bytes_count_an_arena_once_per_run(void **state)
{
    struct range a = write_range("aa", 2);
    struct range a_later;
    struct range b;
    struct range c;

    (void)state;
    (void)write_range("--", 2);
    a_later = write_range("aa", 2);
    arena_ref(a.arena);
    arena_writer_done(&writer);
    b = write_range("bb", 2);
    arena_ref(b.arena);
    arena_writer_done(&writer);
    c = write_range("cc", 2);

    assert_int_equal(outq_push(&queue, a), 0);
    assert_int_equal(outq_pinned_bytes(&queue), ARENA_BYTES + RANGE_COST);
    assert_int_equal(outq_push(&queue, a_later), 0);
    assert_int_equal(outq_pinned_bytes(&queue), ARENA_BYTES + 2 * RANGE_COST);
    assert_int_equal(outq_push(&queue, b), 0);
    assert_int_equal(outq_pinned_bytes(&queue), 2 * ARENA_BYTES + 3 * RANGE_COST);
    assert_int_equal(outq_push(&queue, c), 0);
    assert_int_equal(outq_pinned_bytes(&queue), 3 * ARENA_BYTES + 4 * RANGE_COST);
    assert_int_equal(outq_push(&queue, a), 0); /* a run of its own */
    assert_int_equal(outq_pinned_bytes(&queue), 4 * ARENA_BYTES + 5 * RANGE_COST);

    outq_consume(&queue, 1);
    assert_int_equal(outq_pinned_bytes(&queue), 4 * ARENA_BYTES + 5 * RANGE_COST);
    outq_consume(&queue, 1);
    assert_int_equal(outq_pinned_bytes(&queue), 4 * ARENA_BYTES + 4 * RANGE_COST);
    outq_consume(&queue, 2);
    assert_int_equal(outq_pinned_bytes(&queue), 3 * ARENA_BYTES + 3 * RANGE_COST);
    outq_consume(&queue, 6);
    assert_int_equal(outq_pinned_bytes(&queue), 0);
    arena_unref(a.arena);
    arena_unref(b.arena);
}

static void splicing_costs_each_arena_once(void **state)
{
    struct arena *own = arena_copy("<>", 2);
    struct range splice = {.arena = own, .length = 2};
    struct range frames = write_range("abcdefgh", 8);
    struct range pieces[4];
    uint32_t pinned = (uint32_t)(ARENA_BYTES + sizeof *own + 2 + (size_t)7 * RANGE_COST);
    char text[32];

    (void)state;
    assert_non_null(own);
    for (uint32_t i = 0; i < 4; i++)
        pieces[i] =
            (struct range){.arena = frames.arena, .offset = frames.offset + 2 * i, .length = 2};
    assert_int_equal(outq_push_spliced(&queue, pieces, 4, splice), 0);
    assert_int_equal(queued_text(text, sizeof text, 64), 14);
    assert_memory_equal(text, "ab<>cd<>ef<>gh", 14);
    assert_int_equal(outq_pinned_bytes(&queue), pinned);
    assert_int_equal(own->refs, 4);
    assert_int_equal(frames.arena->refs, 5);
    for (int i = 1; i < 5; i++) { /* whichever comes first pays */
        outq_consume(&queue, 2);
        assert_int_equal(outq_pinned_bytes(&queue), pinned - (uint32_t)i * RANGE_COST);
    }
    outq_consume(&queue, 2);
    assert_int_equal(own->refs, 2);
    outq_consume(&queue, 2);
    assert_int_equal(own->refs, 1);
    assert_int_equal(outq_pinned_bytes(&queue), ARENA_BYTES + RANGE_COST);
    outq_consume(&queue, 2);
    assert_int_equal(outq_pinned_bytes(&queue), 0);
    arena_unref(own);
}

static void an_empty_piece_is_left_out(void **state)
{
    struct arena *own = arena_copy("<>", 2);
    struct range frame = write_range("ab", 2);
    struct range pieces[2] = {{.arena = frame.arena, .offset = frame.offset}, frame};
    char text[8];

    (void)state;
    assert_non_null(own);
    assert_int_equal(
        outq_push_spliced(&queue, pieces, 2, (struct range){.arena = own, .length = 2}), 0);
    assert_int_equal(queue.count, 2);
    assert_int_equal(queued_text(text, sizeof text, 64), 4);
    assert_memory_equal(text, "<>ab", 4);
    arena_unref(own);
}

static void many_ranges_wrap_around_and_keep_their_order(void **state)
{
    char expected = 0;
    char next = 0;
    unsigned queued = 0;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 7; i++) {
            struct range range = write_range(&next, 1);

            (void)write_range("-", 1); /* a gap: no joining */
            assert_int_equal(outq_push(&queue, range), 0);
            next++;
            queued++;
        }
        for (int i = 0; i < 6; i++) {
            struct iovec iov;

            assert_int_equal(outq_iovec(&queue, &iov, 1), 1);
            assert_int_equal(*(char *)iov.iov_base, expected);
            outq_consume(&queue, 1);
            expected++;
            queued--;
        }
        assert_int_equal(queue.bytes, queued);
    }
}

static void an_iovec_is_filled_as_far_as_it_goes(void **state)
{
    char text[8];

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct range range = write_range("x", 1);

        (void)write_range("-", 1);
        assert_int_equal(outq_push(&queue, range), 0);
    }
    assert_int_equal(queued_text(text, sizeof text, 3), 3);
    assert_int_equal(queued_text(text, sizeof text, 64), 5);
}

static void a_queue_of_too_many_ranges_refuses(void **state)
{
    struct range range = write_range("x", 1);

    (void)state;
    for (int i = 0; i < OUTQ_RANGES_MAX; i++)
        assert_int_equal(outq_push(&queue, range), 0);
    assert_int_equal(outq_push(&queue, range), -ENOBUFS);
    assert_int_equal(queue.count, OUTQ_RANGES_MAX);
    assert_int_equal(range.arena->refs, OUTQ_RANGES_MAX + 1);
}

static void a_queue_that_pins_4_gib_refuses(void **state)
{
    enum { LARGE = 1 << 30 };
    struct range ranges[3];
    int rc = 0;
    int pushed = 0;

    (void)state;
    /* Three arenas in turn, never touched: only their address space is used. */
    for (int i = 0; i < 3; i++) {
        assert_non_null(arena_writer_reserve(&writer, LARGE));
        ranges[i] = arena_writer_commit(&writer, LARGE);
        arena_ref(ranges[i].arena);
        arena_writer_done(&writer);
    }
    for (; rc == 0 && pushed < 10; pushed++)
        rc = outq_push(&queue, ranges[pushed % 3]);
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(pushed, 4);
    outq_done(&queue);
    arena_unref(ranges[0].arena);
    arena_unref(ranges[1].arena);
    arena_unref(ranges[2].arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_lie_one_behind_the_other),
        TEST(a_commit_may_take_less_than_was_reserved),
        TEST(a_full_arena_is_left_to_its_ranges),
        TEST(a_large_frame_has_an_arena_of_its_own_size),
        TEST(a_free_arena_is_used_again),
        TEST(a_copy_is_an_arena_of_its_own),
        TEST(a_copy_may_be_large_but_not_without_bound),
        TEST(the_pool_keeps_a_bounded_number),
        TEST(neighbouring_ranges_become_one),
        TEST(ranges_that_are_no_neighbours_stay_apart),
        TEST(an_empty_range_is_nothing),
        TEST(what_is_sent_leaves_from_the_front),
        TEST(pinned_bytes_count_an_arena_once_per_run),
        TEST(splicing_costs_each_arena_once),
        TEST(an_empty_piece_is_left_out),
        TEST(many_ranges_wrap_around_and_keep_their_order),
        TEST(an_iovec_is_filled_as_far_as_it_goes),
        TEST(a_queue_of_too_many_ranges_refuses),
        TEST(a_queue_that_pins_4_gib_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
