#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/graphql/region.h"

enum {
    PLENTY = 64 * 1024 * 1024,
};

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    struct region region;
    char *pieces[300];

    (void)state;
    region_init(&region, PLENTY);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        pieces[i] = region_alloc(&region, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % REGION_ALIGN_BYTES, 0);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)(i & 0x7F) | 1, i);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        for (size_t k = 0; k < i; k++)
            assert_int_equal(pieces[i][k], (int)(i & 0x7F) | 1);
    }
    region_done(&region);
    assert_int_equal(region.used_bytes, 0);
}

static void a_piece_may_be_larger_than_any_chunk(void **state)
{
    size_t large = PLENTY / 10;
    struct region region;
    char *piece;

    (void)state;
    region_init(&region, PLENTY);
    assert_non_null(region_alloc(&region, 10));
    piece = region_alloc(&region, large);
    assert_non_null(piece);
    memset(piece, 1, large);
    assert_true(region.used_bytes >= large);
    assert_non_null(region_alloc(&region, 10));
    region_done(&region);
}

static void pieces_are_zeroed_also_after_a_reset(void **state)
{
    struct region region;
    char *piece;

    (void)state;
    region_init(&region, PLENTY);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            piece = region_alloc(&region, 1000);
            assert_non_null(piece);
            for (size_t k = 0; k < 1000; k++)
                assert_int_equal(piece[k], 0);
            memset(piece, 0xAA, 1000);
        }
        region_reset(&region);
        assert_true(region.used_bytes <= 4096);
    }
    region_done(&region);
}

static void the_limit_is_remembered_until_a_reset(void **state)
{
    struct region region;
    size_t count = 0;

    (void)state;
    region_init(&region, 10000);
    while (region_alloc(&region, 100) != NULL)
        count++;
    assert_true(region.has_failed);
    assert_true(region.used_bytes <= 10000);
    assert_in_range(count, 60, 100);

    region_reset(&region);
    assert_false(region.has_failed);
    assert_non_null(region_alloc(&region, 100));
    assert_false(region.has_failed);
    region_done(&region);
}

static void sizes_that_no_memory_has_are_refused(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16,
                                   SIZE_MAX / 2 + 1};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct region region;

        region_init(&region, SIZE_MAX);
        assert_non_null(region_alloc(&region, 1));
        assert_null(region_alloc(&region, sizes[i]));
        assert_true(region.has_failed);
        assert_null(region_copy(&region, "", sizes[i]));
        region_done(&region);
    }
}

static void a_region_without_room_gives_nothing(void **state)
{
    struct region region;

    (void)state;
    region_init(&region, 0);
    assert_null(region_alloc(&region, 0));
    assert_true(region.has_failed);
    assert_null(region_copy(&region, "a", 1));
    assert_null(region_printf(&region, "%d", 1));
    region_reset(&region);
    assert_false(region.has_failed);
    region_done(&region);
}

static void copies_and_formatted_texts_are_terminated(void **state)
{
    static char long_text[20000];
    struct region region;
    char *printed;

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    region_init(&region, PLENTY);
    assert_string_equal(region_copy(&region, "abcdef", 3), "abc");
    assert_string_equal(region_copy(&region, NULL, 0), "");
    assert_memory_equal(region_copy(&region, "a\0b", 3), "a\0b", 4);
    assert_string_equal(region_printf(&region, "%s", ""), "");
    assert_string_equal(region_printf(&region, "%d of %s", 1, "two"), "1 of two");
    printed = region_printf(&region, "<%s>", long_text);
    assert_non_null(printed);
    assert_int_equal(strlen(printed), sizeof long_text + 1);
    assert_int_equal(printed[sizeof long_text], '>');
    region_done(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(a_piece_may_be_larger_than_any_chunk),
        cmocka_unit_test(pieces_are_zeroed_also_after_a_reset),
        cmocka_unit_test(the_limit_is_remembered_until_a_reset),
        cmocka_unit_test(sizes_that_no_memory_has_are_refused),
        cmocka_unit_test(a_region_without_room_gives_nothing),
        cmocka_unit_test(copies_and_formatted_texts_are_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
