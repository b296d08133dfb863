/* Input values as columns have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/api/column_value.h"

static void assert_time(const char *given, const char *expected)
{
    char out[COLUMN_VALUE_TIME_BYTES];

    if (!column_value_time(given, strlen(given), out))
        fail_msg("%s is refused", given);
    assert_int_equal(strlen(expected), sizeof out);
    assert_memory_equal(out, expected, sizeof out);
}

static void times_become_utc_with_microseconds(void **state)
{
    (void)state;
    assert_time("2026-01-31T12:00:00Z", "\"2026-01-31T12:00:00.000000Z\"");
    assert_time("2026-01-31t12:00:00.5z", "\"2026-01-31T12:00:00.500000Z\"");
    assert_time("2026-01-31T12:00:00.123456789Z", "\"2026-01-31T12:00:00.123456Z\"");
    assert_time("2026-01-31T12:00:00+02:00", "\"2026-01-31T10:00:00.000000Z\"");
    assert_time("2026-01-31T23:30:00-01:45", "\"2026-02-01T01:15:00.000000Z\"");
    assert_time("2026-01-31T12:00:00-00:00", "\"2026-01-31T12:00:00.000000Z\"");
    assert_time("2024-02-29T00:00:00Z", "\"2024-02-29T00:00:00.000000Z\"");
    assert_time("2000-02-29T00:00:00Z", "\"2000-02-29T00:00:00.000000Z\"");
    assert_time("2016-12-31T23:59:60Z", "\"2017-01-01T00:00:00.000000Z\"");
    assert_time("0000-01-01T00:00:00Z", "\"0000-01-01T00:00:00.000000Z\"");
    assert_time("9999-12-31T23:59:59.999999Z", "\"9999-12-31T23:59:59.999999Z\"");
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "now",
        "2026-01-31",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00Z ",
        " 2026-01-31T12:00:00Z",
        "+026-01-31T12:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00+00:01",
        "2026-01-31T12:00:00\xe2\x88\x92\x30\x32:00", /* a minus that is none */
    };
    char out[COLUMN_VALUE_TIME_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (column_value_time(wrong[i], strlen(wrong[i]), out))
            fail_msg("%s is taken", wrong[i]);
    }
}

static int compare(enum column_kind kind, const char *a, const char *b)
{
    return column_value_compare(kind, (struct catalog_text){a, strlen(a)},
                                (struct catalog_text){b, strlen(b)});
}

static void values_are_ordered_by_what_they_mean(void **state)
{
    (void)state;
    assert_true(compare(COLUMN_INT, "9", "10") < 0);
    assert_true(compare(COLUMN_INT, "-9", "-10") > 0);
    assert_true(compare(COLUMN_INT, "7", "7") == 0);
    assert_true(compare(COLUMN_FLOAT, "1e3", "1000") == 0);
    assert_true(compare(COLUMN_FLOAT, "0.5", "1e-1") > 0);
    assert_true(compare(COLUMN_STRING, "\"a\"", "\"b\"") < 0);
    assert_true(compare(COLUMN_STRING, "\"a\"", "\"aa\"") < 0);
    assert_true(compare(COLUMN_STRING, "\"\\\"\"", "\"#\"") < 0); /* 0x22 and 0x23 */
    assert_true(compare(COLUMN_DATETIME, "\"2026-01-31T12:00:00.000000Z\"",
                        "\"2026-01-31T12:00:00.000001Z\"") < 0);
    assert_true(compare(COLUMN_BOOLEAN, "false", "true") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_become_utc_with_microseconds),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(values_are_ordered_by_what_they_mean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
