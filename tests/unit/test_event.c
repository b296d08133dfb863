#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "server/topics/event.h"
#include "server/topics/topics.h"

/* --- times ------------------------------------------------------------------------------------ */

static void expect_time(int64_t time_ns, const char *expected)
{
    char text[EVENT_TIME_BYTES + 1];

    text[EVENT_TIME_BYTES] = '!';
    event_time(text, time_ns);
    assert_int_equal(text[EVENT_TIME_BYTES], '!'); /* not a byte more */
    text[EVENT_TIME_BYTES] = '\0';
    assert_string_equal(text, expected);
}

static void a_time_has_microseconds_and_ends_in_z(void **state)
{
    (void)state;
    expect_time(INT64_C(1769860800123456789), "2026-01-31T12:00:00.123456Z");
    expect_time(0, "1970-01-01T00:00:00.000000Z");
    expect_time(999, "1970-01-01T00:00:00.000000Z");
    expect_time(1000, "1970-01-01T00:00:00.000001Z");
}

static void the_calendar_is_right_at_its_corners(void **state)
{
    (void)state;
    expect_time(INT64_C(951825599999999999), "2000-02-29T11:59:59.999999Z");
    expect_time(INT64_C(951868800000000000), "2000-03-01T00:00:00.000000Z");
    expect_time(INT64_C(4107542399000000000), "2100-02-28T23:59:59.000000Z");
    expect_time(INT64_C(4107542400000000000), "2100-03-01T00:00:00.000000Z");
    expect_time(INT64_MAX, "2262-04-11T23:47:16.854775Z");
}

static void times_before_1970_are_times_too(void **state)
{
    (void)state;
    expect_time(-1, "1969-12-31T23:59:59.999999Z");
    expect_time(INT64_C(-1000000000), "1969-12-31T23:59:59.000000Z");
    expect_time(INT64_MIN, "1677-09-21T00:12:43.145224Z");
}

static void a_second_that_was_cached_is_not_used_for_another(void **state)
{
    (void)state;
    expect_time(INT64_C(1769860800000001000), "2026-01-31T12:00:00.000001Z");
    expect_time(INT64_C(1769860800999999999), "2026-01-31T12:00:00.999999Z");
    expect_time(INT64_C(1769860801000000000), "2026-01-31T12:00:01.000000Z");
    expect_time(INT64_C(1769860800000001000), "2026-01-31T12:00:00.000001Z");
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void expect_decimal(uint64_t value)
{
    char expected[EVENT_DECIMAL_BYTES_MAX + 1];
    char text[EVENT_DECIMAL_BYTES_MAX + 1] = {0};
    int length = snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);

    assert_int_equal(event_decimal(text, value), length);
    assert_string_equal(text, expected);
}

static void decimals_have_no_more_digits_than_they_need(void **state)
{
    uint64_t power = 1;

    (void)state;
    expect_decimal(0);
    for (int i = 0; i < 20; i++, power *= 10) {
        expect_decimal(power);
        expect_decimal(power - 1);
    }
    expect_decimal(UINT64_MAX);
}

static void an_epoch_is_always_sixteen_hex_digits(void **state)
{
    char text[EVENT_EPOCH_BYTES + 1] = {0};

    (void)state;
    event_epoch(text, UINT64_C(0x9f86d081884c7d65));
    assert_string_equal(text, "9f86d081884c7d65");
    event_epoch(text, 1);
    assert_string_equal(text, "0000000000000001");
}

/* --- names of topics -------------------------------------------------------------------------- */

static void expect_name(const char *name, bool is_valid)
{
    if (topic_name_is_valid(name, strlen(name)) != is_valid)
        fail_msg("\"%s\" should%s be a topic's name", name, is_valid ? "" : " not");
}

static void names_are_any_utf_8(void **state)
{
    (void)state;
    expect_name("news", true);
    expect_name("comments:7", true);
    expect_name("a/b c+d%20", true);
    expect_name("\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\x89", true);
    expect_name("\xc2\xa0", true); /* the first behind the control characters */
    expect_name("a$", true);
    expect_name("\xc3\x80\xc3\x9f", true); /* 80 and 9f, but not behind C2 */
}

static void names_without_text_or_reserved_ones_are_refused(void **state)
{
    (void)state;
    expect_name("", false);
    expect_name("$", false);
    expect_name("$server", false);
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    for (char c = 1; c < 0x20; c++)
        expect_name((char[]){'a', c, 'b', '\0'}, false);
    assert_false(topic_name_is_valid("a\0b", 3));
    expect_name("\x7f", false);
    for (unsigned char c = 0x80; c < 0xa0; c++)
        expect_name((char[]){'a', '\xc2', (char)c, '\0'}, false);
}

static void broken_utf_8_is_refused(void **state)
{
    (void)state;
    expect_name("\x80", false);
    expect_name("a\xc3", false);
    expect_name("a\xc2", false);            /* cut where a control character could be */
    expect_name("\xc0\xaf", false);         /* too long a form */
    expect_name("\xed\xa0\x80", false);     /* a surrogate */
    expect_name("\xf4\x90\x80\x80", false); /* past U+10FFFF */
}

static void a_name_has_at_most_255_bytes(void **state)
{
    char name[257];

    (void)state;
    memset(name, 'n', sizeof name);
    assert_true(topic_name_is_valid(name, 1));
    assert_true(topic_name_is_valid(name, 255));
    assert_false(topic_name_is_valid(name, 256));
    assert_false(topic_name_is_valid(name, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_has_microseconds_and_ends_in_z),
        cmocka_unit_test(the_calendar_is_right_at_its_corners),
        cmocka_unit_test(times_before_1970_are_times_too),
        cmocka_unit_test(a_second_that_was_cached_is_not_used_for_another),
        cmocka_unit_test(decimals_have_no_more_digits_than_they_need),
        cmocka_unit_test(an_epoch_is_always_sixteen_hex_digits),
        cmocka_unit_test(names_are_any_utf_8),
        cmocka_unit_test(names_without_text_or_reserved_ones_are_refused),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(broken_utf_8_is_refused),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
