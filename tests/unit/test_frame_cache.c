#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "server/topics/frame_cache.h"

struct cache_fixture {
    struct frame_cache *cache;
    struct arena_writer writer;
};

static int setup(void **state)
{
    static struct cache_fixture fixture;

    fixture = (struct cache_fixture){0};
    *state = &fixture;
    return frame_cache_open(&fixture.cache);
}

static int teardown(void **state)
{
    struct cache_fixture *fixture = *state;

    frame_cache_close(fixture->cache);
    arena_writer_done(&fixture->writer);
    arena_pool_clear();
    return 0;
}

static struct range put(struct cache_fixture *fixture, struct frame_key key, size_t bytes)
{
    uint8_t *out = arena_writer_reserve(&fixture->writer, bytes);
    struct range range;

    assert_non_null(out);
    memset(out, (int)(key.seq & 0xff), bytes);
    range = arena_writer_commit(&fixture->writer, bytes);
    frame_cache_put(fixture->cache, &key, &(struct frame){.range = range, .splice = 3});
    return range;
}

static bool has(const struct cache_fixture *fixture, struct frame_key key)
{
    struct frame frame = {0};

    if (!frame_cache_get(fixture->cache, &key, &frame))
        return false;
    assert_int_equal(frame.range.arena->bytes[frame.range.offset], key.seq & 0xff);
    assert_int_equal(frame.splice, 3);
    return true;
}

static void a_frame_is_found_by_its_whole_key(void **state)
{
    struct cache_fixture *fixture = *state;
    const struct frame_key key = {.seq = 7, .topic_offset = 5, .encoding = 1};
    struct range kept = put(fixture, key, 100);
    struct frame found = {0};

    assert_true(frame_cache_get(fixture->cache, &key, &found));
    assert_ptr_equal(found.range.arena, kept.arena);
    assert_int_equal(found.range.offset, kept.offset);
    assert_int_equal(found.range.length, 100);
    assert_false(has(fixture, (struct frame_key){.seq = 8, .topic_offset = 5, .encoding = 1}));
    assert_false(has(fixture, (struct frame_key){.seq = 7, .topic_offset = 6, .encoding = 1}));
    assert_false(has(fixture, (struct frame_key){.seq = 7, .topic_offset = 5, .encoding = 2}));
}

static void an_event_without_a_frame_is_kept_too(void **state)
{
    struct cache_fixture *fixture = *state;
    const struct frame none = {0};
    struct frame found = {.splice = 1};
    size_t pinned_bytes;

    (void)put(fixture, (struct frame_key){.seq = 1}, 100);
    pinned_bytes = frame_cache_pinned_bytes(fixture->cache);
    frame_cache_put(fixture->cache, &(struct frame_key){.seq = 2}, &none);
    assert_int_equal(frame_cache_pinned_bytes(fixture->cache), pinned_bytes);
    assert_true(frame_cache_get(fixture->cache, &(struct frame_key){.seq = 2}, &found));
    assert_int_equal(found.range.length, 0);
    (void)put(fixture, (struct frame_key){.seq = 3}, 100); /* neighbours no longer: twice */
    assert_int_equal(frame_cache_pinned_bytes(fixture->cache), 2 * pinned_bytes);
    for (uint64_t seq = 4; seq < 4 + FRAME_CACHE_ENTRIES; seq++)
        frame_cache_put(fixture->cache, &(struct frame_key){.seq = seq}, &none);
    assert_int_equal(frame_cache_pinned_bytes(fixture->cache), 0);
    assert_int_equal(frame_cache_count(fixture->cache), FRAME_CACHE_ENTRIES);
}

static void keys_that_share_a_bucket_are_told_apart(void **state)
{
    struct cache_fixture *fixture = *state;

    for (uint64_t i = 0; i < 5; i++) /* 8,192 buckets by seq */
        (void)put(fixture, (struct frame_key){.seq = 3 + i * 8192}, 10);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(has(fixture, (struct frame_key){.seq = 3 + i * 8192}));
    assert_false(has(fixture, (struct frame_key){.seq = 3 + 5 * 8192}));
}

static void the_oldest_entries_make_room_for_new_ones(void **state)
{
    struct cache_fixture *fixture = *state;
    const uint64_t count = 3 * FRAME_CACHE_ENTRIES + 17;

    for (uint64_t seq = 1; seq <= count; seq++)
        (void)put(fixture, (struct frame_key){.seq = seq}, 16);
    assert_int_equal(frame_cache_count(fixture->cache), FRAME_CACHE_ENTRIES);
    for (uint64_t seq = 1; seq <= count; seq++)
        assert_int_equal(has(fixture, (struct frame_key){.seq = seq}),
                         seq > count - FRAME_CACHE_ENTRIES);
}

static void pinned_arenas_stay_within_their_bound(void **state)
{
    struct cache_fixture *fixture = *state;

    for (uint64_t seq = 1; seq <= 2000; seq++) {
        (void)put(fixture, (struct frame_key){.seq = seq}, 6000); /* two to an arena */
        assert_true(frame_cache_pinned_bytes(fixture->cache) <= FRAME_CACHE_PINNED_BYTES_MAX);
    }
    assert_true(frame_cache_count(fixture->cache) > 400);
    assert_true(has(fixture, (struct frame_key){.seq = 2000}));
    assert_false(has(fixture, (struct frame_key){.seq = 1}));
}

static void neighbours_in_an_arena_pin_it_once(void **state)
{
    struct cache_fixture *fixture = *state;
    struct range range = put(fixture, (struct frame_key){.seq = 1}, 100);

    (void)put(fixture, (struct frame_key){.seq = 2}, 100);
    (void)put(fixture, (struct frame_key){.seq = 3}, 100);
    assert_int_equal(frame_cache_pinned_bytes(fixture->cache), range.arena->capacity);
}

static void a_frame_larger_than_the_bound_is_not_kept(void **state)
{
    struct cache_fixture *fixture = *state;

    (void)put(fixture, (struct frame_key){.seq = 1}, 100);
    (void)put(fixture, (struct frame_key){.seq = 2}, FRAME_CACHE_PINNED_BYTES_MAX + 1);
    assert_false(has(fixture, (struct frame_key){.seq = 2}));
    assert_true(has(fixture, (struct frame_key){.seq = 1}));
}

static void clearing_lets_go_of_every_arena(void **state)
{
    struct cache_fixture *fixture = *state;
    struct range range = put(fixture, (struct frame_key){.seq = 1}, 100);

    (void)put(fixture, (struct frame_key){.seq = 2}, 100);
    assert_int_equal(range.arena->refs, 3); /* the writer's, and one each */
    frame_cache_clear(fixture->cache);
    assert_int_equal(range.arena->refs, 1);
    assert_int_equal(frame_cache_count(fixture->cache), 0);
    assert_int_equal(frame_cache_pinned_bytes(fixture->cache), 0);
    assert_false(has(fixture, (struct frame_key){.seq = 1}));
    (void)put(fixture, (struct frame_key){.seq = 1}, 100);
    assert_true(has(fixture, (struct frame_key){.seq = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_frame_is_found_by_its_whole_key, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_without_a_frame_is_kept_too, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_that_share_a_bucket_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_entries_make_room_for_new_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(pinned_arenas_stay_within_their_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_in_an_arena_pin_it_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_larger_than_the_bound_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(clearing_lets_go_of_every_arena, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
