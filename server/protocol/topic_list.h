/*
 * server/protocol/topic_list.h - GET /topics: the topics with kept events, by name, page by page.
 *
 * The store's index tells them; so that topics acknowledged a moment ago are in it, a commit is
 * asked for first and waited for, at most TOPIC_LIST_WAIT_NS.
 */
#ifndef SERVER_PROTOCOL_TOPIC_LIST_H
#define SERVER_PROTOCOL_TOPIC_LIST_H

#include <stdint.h>

struct http_exchange;
struct service;

enum {
    TOPIC_LIST_LIMIT_DEFAULT = 100,
    TOPIC_LIST_LIMIT_MAX = 1000,
};
#define TOPIC_LIST_WAIT_NS INT64_C(1000000000)

void topic_list_serve(struct service *service, struct http_exchange *exchange);

#endif
