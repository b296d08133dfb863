#include "server/trim.h"

bool trim_is_due(struct trim *trim, uint64_t held_bytes, bool is_busy, int64_t now_ns)
{
    if (held_bytes > trim->peak_bytes)
        trim->peak_bytes = held_bytes;
    if (is_busy || now_ns < trim->next_ns)
        return false;
    if (trim->peak_bytes < TRIM_BYTES_MIN || held_bytes > trim->peak_bytes / TRIM_PARTS)
        return false;
    trim->peak_bytes = held_bytes;
    trim->next_ns = now_ns + TRIM_NS;
    return true;
}
