#include "bus/rfc3339.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"

enum {
    SECOND_BYTES = 20, /* 2026-01-31T12:00:00. */
    NS_PER_US = 1000,
    NS_PER_S = 1000 * 1000 * 1000,
};

static_assert(SECOND_BYTES + 6 + 1 == RFC3339_BYTES, "seconds, six digits, Z");

/*
 * The second that was written last, because neighbouring events share it. One process has one
 * loop and no threads, so this is nobody else's.
 */
static struct {
    int64_t second;
    bool is_set;
    char text[SECOND_BYTES];
} cached;

/* Writes the last @digits decimal digits of @value, zeros in front. */
static void write_digits(char *out, unsigned value, unsigned digits)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void cache_second(int64_t second)
{
    const time_t time = (time_t)second;
    struct tm tm;
    char *text = cached.text;

    CHECK(gmtime_r(&time, &tm) != NULL); /* 64 bits of ns reach from 1677 to 2262 */
    memcpy(text, "0000-00-00T00:00:00.", SECOND_BYTES);
    write_digits(text, (unsigned)tm.tm_year + 1900U, 4);
    write_digits(text + 5, (unsigned)tm.tm_mon + 1U, 2);
    write_digits(text + 8, (unsigned)tm.tm_mday, 2);
    write_digits(text + 11, (unsigned)tm.tm_hour, 2);
    write_digits(text + 14, (unsigned)tm.tm_min, 2);
    write_digits(text + 17, (unsigned)tm.tm_sec, 2);
    cached.second = second;
    cached.is_set = true;
}

void rfc3339_write(char *out, int64_t time_ns)
{
    int64_t second = time_ns / NS_PER_S;
    int64_t rest_ns = time_ns % NS_PER_S;

    if (rest_ns < 0) { /* before 1970: the division rounds towards zero, the calendar does not */
        rest_ns += NS_PER_S;
        second--;
    }
    if (!cached.is_set || cached.second != second)
        cache_second(second);
    memcpy(out, cached.text, SECOND_BYTES);
    write_digits(out + SECOND_BYTES, (unsigned)(rest_ns / NS_PER_US), 6);
    out[RFC3339_BYTES - 1] = 'Z';
}
