/*
 * server/protocol/topic_list.h - GET /topics: the topics with kept events, by name, page by page.
 *
 * The store's index tells them, some names in each turn of the loop; so that topics acknowledged a
 * moment ago are in it, a commit is waited for first (server/protocol/waiting.h).
 */
#ifndef SERVER_PROTOCOL_TOPIC_LIST_H
#define SERVER_PROTOCOL_TOPIC_LIST_H

struct http_exchange;
struct service;

enum {
    TOPIC_LIST_LIMIT_DEFAULT = 100,
    TOPIC_LIST_LIMIT_MAX = 1000,
};

void topic_list_serve(struct service *service, struct http_exchange *exchange);

#endif
