#include "bus/topic_name.h"
#include "server/json/json.h"
#include "server/topics/topics.h"

bool topic_name_is_valid(const char *name, size_t bytes)
{
    return topic_name_is_allowed(name, bytes) && utf8_is_valid(name, bytes);
}
