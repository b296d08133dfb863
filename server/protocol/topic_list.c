#include "server/protocol/topic_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/waiting.h"
#include "server/topics/topics.h"
#include "store/env.h"
#include "store/log.h"

struct topic_list {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct log_topic_walk walk;
    struct text body;
    uint64_t limit;
    uint64_t count; /* of topics in the body */
};

static struct topic_list *topic_list_of(struct waiting_request *waiting)
{
    return (struct topic_list *)(void *)((char *)waiting - offsetof(struct topic_list, waiting));
}

static void topic_list_free(struct topic_list *list)
{
    text_done(&list->body);
    free(list);
}

static void on_gone(void *user)
{
    struct topic_list *list = user;

    waiting_leave(list->service, &list->waiting);
    topic_list_free(list);
}

static bool on_topic(void *user, const char *topic, size_t topic_bytes, uint64_t last_seq)
{
    struct topic_list *list = user;

    text_add_string(&list->body, list->count > 0 ? ",{\"topic\":" : "{\"topic\":");
    text_add_quoted(&list->body, topic, topic_bytes);
    text_printf(&list->body, ",\"subscribers\":%" PRIu64 ",\"last_seq\":%" PRIu64 "}",
                topics_subscriber_count(list->service->topics, topic, topic_bytes), last_seq);
    list->count++;
    return list->count < list->limit && text_is_whole(&list->body);
}

static void begin_body(struct topic_list *list)
{
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(list->service->bus));
    text_add_string(&list->body, "{\"epoch\":\"");
    text_add(&list->body, epoch, sizeof epoch);
    text_add_string(&list->body, "\",\"topics\":[");
}

/* 1: there is more; 0: all is read; -errno. */
static int read_on(struct topic_list *list)
{
    struct store *store = list->service->store;
    int rc = store_snapshot_begin(store, ring_committed(list->service->bus).seq);

    return rc != 0 ? rc : log_topics_list(store, &list->walk, on_topic, list);
}

static void step(struct waiting_request *waiting)
{
    struct topic_list *list = topic_list_of(waiting);
    struct service *service = list->service;
    int rc = read_on(list);

    if (rc > 0 && text_is_whole(&list->body))
        return;
    text_add_string(&list->body, "]}");
    if (rc < 0)
        answer_error(service, list->exchange, ANSWER_UNAVAILABLE, "the log cannot be read", NULL);
    else
        answer_json(service, list->exchange, 200, &list->body, NULL);
    waiting_leave(service, waiting);
    topic_list_free(list);
}

static const char *read_query(struct http_text query, struct topic_list *list)
{
    struct log_topic_walk *walk = &list->walk;

    list->limit = TOPIC_LIST_LIMIT_DEFAULT;
    if (query_uint64(query, "limit", &list->limit) < 0 || list->limit < 1 ||
        list->limit > TOPIC_LIST_LIMIT_MAX)
        return "`limit` must be an integer from 1 to 1000";
    if (query_text(query, "prefix", walk->prefix, sizeof walk->prefix, &walk->prefix_bytes) < 0)
        return "`prefix` must be the beginning of a topic's name, percent-encoded";
    if (query_text(query, "after", walk->after, sizeof walk->after, &walk->after_bytes) < 0)
        return "`after` must be a topic's name, percent-encoded";
    return NULL;
}

void topic_list_serve(struct service *service, struct http_exchange *exchange)
{
    struct topic_list *list = calloc(1, sizeof *list);
    const char *reason;

    if (list == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    reason = read_query(http_request(exchange)->query, list);
    if (reason != NULL) {
        free(list);
        answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, NULL);
        return;
    }
    list->service = service;
    list->exchange = exchange;
    begin_body(list);
    list->waiting.step = step;
    http_exchange_set_user(exchange, on_gone, list);
    waiting_join_committed(service, &list->waiting);
}
