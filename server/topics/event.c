#include "server/topics/event.h"

#include <assert.h>
#include <string.h>

#include "bus/rfc3339.h"

static_assert((int)EVENT_TIME_BYTES == (int)RFC3339_BYTES, "two names of one number");

void event_time(char *out, int64_t time_ns)
{
    rfc3339_write(out, time_ns);
}

size_t event_decimal(char *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

void event_epoch(char *out, uint64_t epoch)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = EVENT_EPOCH_BYTES; i-- > 0; epoch >>= 4)
        out[i] = hex[epoch & 15];
}

bool event_epoch_parse(const char *text, size_t bytes, uint64_t *ret_epoch)
{
    uint64_t epoch = 0;

    if (bytes != EVENT_EPOCH_BYTES)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        unsigned digit = (unsigned char)text[i];
        unsigned value;

        if (digit >= '0' && digit <= '9')
            value = digit - '0';
        else if (digit >= 'a' && digit <= 'f')
            value = digit - 'a' + 10;
        else if (digit >= 'A' && digit <= 'F')
            value = digit - 'A' + 10;
        else
            return false;
        epoch = epoch << 4 | value;
    }
    *ret_epoch = epoch;
    return true;
}
