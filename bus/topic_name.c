#include "bus/topic_name.h"

#include "bus/record.h"

/* U+0080 to U+009F, the second block of control characters, is C2 80 to C2 9F. */
static bool is_control(const unsigned char *at, const unsigned char *end)
{
    if (*at < 0x20 || *at == 0x7f)
        return true;
    return *at == 0xc2 && at + 1 < end && at[1] < 0xa0;
}

bool topic_name_is_allowed(const char *name, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)name;
    const unsigned char *end = at + bytes;

    if (bytes < 1 || bytes > RECORD_TOPIC_BYTES_MAX || name[0] == '$')
        return false;
    for (; at < end; at++) {
        if (is_control(at, end))
            return false;
    }
    return true;
}
