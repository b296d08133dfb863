#include "tools/sluicectl/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
};

const char *format_count(char text[FORMAT_BYTES], uint64_t count)
{
    char digits[24];
    size_t size = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = text;

    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

const char *format_bytes(char text[FORMAT_BYTES], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double amount = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        (void)snprintf(text, FORMAT_BYTES, "%" PRIu64 " B", bytes);
        return text;
    }
    for (; amount >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        amount /= 1024;
    (void)snprintf(text, FORMAT_BYTES, amount < 99.95 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return text;
}

const char *format_duration(char text[FORMAT_BYTES], double seconds)
{
    uint64_t whole = seconds > 0 ? (uint64_t)seconds : 0;

    if (whole < MINUTE)
        (void)snprintf(text, FORMAT_BYTES, "%.1f s", seconds > 0 ? seconds : 0);
    else if (whole < HOUR)
        (void)snprintf(text, FORMAT_BYTES, "%" PRIu64 " min %" PRIu64 " s", whole / MINUTE,
                       whole % MINUTE);
    else if (whole < DAY)
        (void)snprintf(text, FORMAT_BYTES, "%" PRIu64 " h %" PRIu64 " min", whole / HOUR,
                       whole % HOUR / MINUTE);
    else
        (void)snprintf(text, FORMAT_BYTES, "%" PRIu64 " d %" PRIu64 " h", whole / DAY,
                       whole % DAY / HOUR);
    return text;
}

const char *format_rate(char text[FORMAT_BYTES], double per_second)
{
    if (per_second < 0.05)
        (void)snprintf(text, FORMAT_BYTES, "0");
    else if (per_second < 99.95)
        (void)snprintf(text, FORMAT_BYTES, "%.1f", per_second);
    else if (per_second < 9999.5)
        (void)snprintf(text, FORMAT_BYTES, "%.0f", per_second);
    else if (per_second < 999950)
        (void)snprintf(text, FORMAT_BYTES, "%.1fk", per_second / 1e3);
    else
        (void)snprintf(text, FORMAT_BYTES, "%.1fM", per_second / 1e6);
    return text;
}

const char *format_latency(char text[FORMAT_BYTES], double seconds)
{
    if (seconds <= 0)
        (void)snprintf(text, FORMAT_BYTES, "0 ms");
    else if (seconds < 0.0001)
        (void)snprintf(text, FORMAT_BYTES, "%.3f ms", seconds * 1e3);
    else if (seconds < 0.001)
        (void)snprintf(text, FORMAT_BYTES, "%.2f ms", seconds * 1e3);
    else if (seconds < 0.1)
        (void)snprintf(text, FORMAT_BYTES, "%.1f ms", seconds * 1e3);
    else if (seconds < 1)
        (void)snprintf(text, FORMAT_BYTES, "%.0f ms", seconds * 1e3);
    else
        (void)snprintf(text, FORMAT_BYTES, "%.1f s", seconds);
    return text;
}

const char *format_share(char text[FORMAT_BYTES], double part, double whole)
{
    double percent = whole > 0 ? 100 * part / whole : 0;

    if (!(whole > 0))
        (void)snprintf(text, FORMAT_BYTES, "-");
    else if (percent < 0.05 || percent >= 9.95)
        (void)snprintf(text, FORMAT_BYTES, "%.0f %%", percent > 0 ? percent : 0);
    else
        (void)snprintf(text, FORMAT_BYTES, "%.1f %%", percent);
    return text;
}
