/*
 * bus/topic_name.h - which names a topic may have.
 *
 * 1 to RECORD_TOPIC_BYTES_MAX bytes of UTF-8 without control characters; those that begin with `$`
 * are reserved.
 */
#ifndef BUS_TOPIC_NAME_H
#define BUS_TOPIC_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Whether @name, which is known to be UTF-8, may be a topic's. */
bool topic_name_is_allowed(const char *name, size_t bytes);

#endif
