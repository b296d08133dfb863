#include "tools/sluice-bench/payload.h"

#include <string.h>

#include "bus/check.h"

/* Offsets of the fields: two bytes "B|", then each field and its '|'. */
enum {
    RUN_AT = 2,
    RUN_DIGITS = 8,
    PUBLISHER_AT = RUN_AT + RUN_DIGITS + 1,
    PUBLISHER_DIGITS = 4,
    NUMBER_AT = PUBLISHER_AT + PUBLISHER_DIGITS + 1,
    NUMBER_DIGITS = 16,
    TIME_AT = NUMBER_AT + NUMBER_DIGITS + 1,
    TIME_DIGITS = 16,
    FILL_AT = TIME_AT + TIME_DIGITS + 1,
};

static void hex_write(char *to, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    to[digits] = '|';
}

static bool hex_read(const char *from, int digits, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (int i = 0; i < digits; i++) {
        unsigned char byte = (unsigned char)from[i];
        if (byte >= '0' && byte <= '9')
            value = value << 4 | (uint64_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            value = value << 4 | (uint64_t)(byte - 'a' + 10);
        else
            return false;
    }
    if (from[digits] != '|')
        return false;
    *ret_value = value;
    return true;
}

void payload_write(char *to, size_t bytes, const struct payload_mark *mark)
{
    CHECK(bytes >= PAYLOAD_BYTES_MIN);
    CHECK(mark->publisher < PAYLOAD_PUBLISHERS_MAX);

    to[0] = 'B';
    to[1] = '|';
    hex_write(to + RUN_AT, RUN_DIGITS, mark->run);
    hex_write(to + PUBLISHER_AT, PUBLISHER_DIGITS, mark->publisher);
    hex_write(to + NUMBER_AT, NUMBER_DIGITS, mark->number);
    hex_write(to + TIME_AT, TIME_DIGITS, mark->time_ns);
    memset(to + FILL_AT, 'x', bytes - FILL_AT);
}

static bool mark_read(const char *at, uint32_t run, struct payload_mark *ret_mark)
{
    uint64_t run_found;
    uint64_t publisher;
    uint64_t number;
    uint64_t time_ns;

    if (at[0] != 'B' || at[1] != '|')
        return false;
    if (!hex_read(at + RUN_AT, RUN_DIGITS, &run_found) || run_found != run)
        return false;
    if (!hex_read(at + PUBLISHER_AT, PUBLISHER_DIGITS, &publisher))
        return false;
    if (!hex_read(at + NUMBER_AT, NUMBER_DIGITS, &number))
        return false;
    if (!hex_read(at + TIME_AT, TIME_DIGITS, &time_ns))
        return false;

    ret_mark->run = run;
    ret_mark->publisher = (uint32_t)publisher;
    ret_mark->number = number;
    ret_mark->time_ns = time_ns;
    return true;
}

bool payload_find(const char *text, size_t bytes, uint32_t run, size_t *hint,
                  struct payload_mark *ret_mark)
{
    if (bytes < PAYLOAD_BYTES_MIN)
        return false;

    size_t last = bytes - PAYLOAD_BYTES_MIN; /* the last place where a whole mark fits */
    if (*hint <= last && mark_read(text + *hint, run, ret_mark))
        return true;

    size_t at = 0;
    while (at <= last) {
        const char *found = memchr(text + at, 'B', last - at + 1);
        if (found == NULL)
            return false;
        if (mark_read(found, run, ret_mark)) {
            *hint = (size_t)(found - text);
            return true;
        }
        at = (size_t)(found - text) + 1;
    }
    return false;
}
