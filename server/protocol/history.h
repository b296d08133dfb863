/*
 * server/protocol/history.h - GET /topics/{topic} as JSON: a page of what the log keeps of a topic.
 *
 * Reading  goes on over several turns, at most a block of the log in each (server/protocol/waiting.h),
 *          up to the operation that was the last when the request came.
 * Limits   HISTORY_BODY_BYTES_MAX of events in one answer, but at least one event; then `more`. A
 *          client that does not read its answer costs as much as a subscriber that does not read.
 */
#ifndef SERVER_PROTOCOL_HISTORY_H
#define SERVER_PROTOCOL_HISTORY_H

#include <stddef.h>

struct http_exchange;
struct service;

enum {
    HISTORY_LIMIT_DEFAULT = 100,
    HISTORY_LIMIT_MAX = 1000,
    HISTORY_BODY_BYTES_MAX = 256 * 1024,
};

void history_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                   size_t topic_bytes);

#endif
