#include "server/protocol/topic_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/net/loop.h"
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
    uint64_t until_seq; /* to be committed before the answer */
    int64_t give_up_ns;
    uint64_t limit;
    size_t prefix_bytes;
    size_t after_bytes;
    char prefix[RECORD_TOPIC_BYTES_MAX];
    char after[RECORD_TOPIC_BYTES_MAX];
    struct text body;
    bool has_topics; /* in the body */
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

    text_add_string(&list->body, list->has_topics ? ",{\"topic\":" : "{\"topic\":");
    text_add_quoted(&list->body, topic, topic_bytes);
    text_printf(&list->body, ",\"subscribers\":%" PRIu64 ",\"last_seq\":%" PRIu64 "}",
                topics_subscriber_count(list->service->topics, topic, topic_bytes), last_seq);
    list->has_topics = true;
    return text_is_whole(&list->body);
}

static void answer_list(struct topic_list *list)
{
    struct service *service = list->service;
    char epoch[PUT_EPOCH_BYTES];
    int rc = store_snapshot_begin(service->store, ring_committed(service->bus).seq);

    event_epoch(epoch, bus_epoch(service->bus));
    text_add_string(&list->body, "{\"epoch\":\"");
    text_add(&list->body, epoch, sizeof epoch);
    text_add_string(&list->body, "\",\"topics\":[");
    if (rc == 0)
        rc = log_topics_list(service->store, list->prefix, list->prefix_bytes, list->after,
                             list->after_bytes, (size_t)list->limit, on_topic, list);
    text_add_string(&list->body, "]}");
    if (rc != 0)
        answer_error(service, list->exchange, ANSWER_UNAVAILABLE, "the log cannot be read", NULL);
    else
        answer_json(service, list->exchange, 200, &list->body, NULL);
}

/* A disk that has stopped must not keep the list from being seen: then it shows what is there. */
static bool step(struct waiting_request *waiting, int64_t now_ns)
{
    struct topic_list *list = topic_list_of(waiting);

    if (ring_committed(list->service->bus).seq < list->until_seq && now_ns < list->give_up_ns)
        return false;
    answer_list(list);
    waiting_leave(list->service, waiting);
    topic_list_free(list);
    return true;
}

static const char *read_query(struct http_text query, struct topic_list *list)
{
    list->limit = TOPIC_LIST_LIMIT_DEFAULT;
    if (query_uint64(query, "limit", &list->limit) < 0 || list->limit < 1 ||
        list->limit > TOPIC_LIST_LIMIT_MAX)
        return "`limit` must be an integer from 1 to 1000";
    if (query_text(query, "prefix", list->prefix, sizeof list->prefix, &list->prefix_bytes) < 0)
        return "`prefix` must be the beginning of a topic's name, percent-encoded";
    if (query_text(query, "after", list->after, sizeof list->after, &list->after_bytes) < 0)
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
    list->until_seq = ring_tail(service->bus).seq;
    list->give_up_ns = loop_now_ns(service->loop) + TOPIC_LIST_WAIT_NS;
    list->waiting.step = step;
    list->waiting.is_for_commit = true;
    if (ring_committed(service->bus).seq < list->until_seq)
        ring_request_commit(service->bus);
    http_exchange_set_user(exchange, on_gone, list);
    waiting_join(service, &list->waiting);
}
