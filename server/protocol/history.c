#include "server/protocol/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/record.h"
#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/waiting.h"
#include "server/topics/page.h"
#include "server/topics/topics.h"

#define VARY "Vary: Accept\r\n"

enum {
    EVENT_OVERHEAD_BYTES = 96, /* {"seq":…,"time":"…","data":} and a comma */
};

struct history {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct text body;
    struct page page;
    char topic_name[];
};

static struct history *history_of(struct waiting_request *waiting)
{
    return (struct history *)(void *)((char *)waiting - offsetof(struct history, waiting));
}

static void history_free(struct history *history)
{
    text_done(&history->body);
    free(history);
}

static void on_gone(void *user)
{
    struct history *history = user;

    waiting_leave(history->service, &history->waiting);
    history_free(history);
}

/* --- the answer's body ------------------------------------------------------------------------ */

static void begin_body(struct history *history)
{
    const struct record_topic *topic = &history->page.options.topic;
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(history->service->bus));
    text_add_string(&history->body, "{\"topic\":");
    text_add_quoted(&history->body, topic->name, topic->bytes);
    text_add_string(&history->body, ",\"epoch\":\"");
    text_add(&history->body, epoch, sizeof epoch);
    text_add_string(&history->body, "\",\"events\":[");
}

static bool on_event(void *user, const struct record *event)
{
    struct history *history = user;
    bool is_first = history->page.count == 0;
    char *out;

    if (!is_first && history->body.size + event->payload_bytes > HISTORY_BODY_BYTES_MAX)
        return false;
    out = text_reserve(&history->body, EVENT_OVERHEAD_BYTES + event->payload_bytes);
    if (out == NULL)
        return true; /* said when the answer is made */
    if (!is_first)
        out = put_literal(out, ",");
    out = put_literal(out, "{\"seq\":");
    out = put_decimal(out, event->seq);
    out = put_literal(out, ",\"time\":\"");
    out = put_time(out, event->time_ns);
    out = put_literal(out, "\",\"data\":");
    out = put_bytes(out, event->payload, event->payload_bytes);
    out = put_literal(out, "}");
    text_grow(&history->body, out);
    return true;
}

static void answer_page(struct history *history)
{
    const struct page *page = &history->page;

    text_printf(&history->body,
                "],\"last_seq\":%" PRIu64 ",\"oldest\":%" PRIu64 ",\"more\":%s,\"recovered\":%s}",
                page->last_seq, page->oldest_seq, page->is_full ? "true" : "false",
                page->has_recovered ? "true" : "false");
    answer_json(history->service, history->exchange, 200, &history->body, VARY);
}

static void step(struct waiting_request *waiting)
{
    struct history *history = history_of(waiting);
    int rc = page_step(&history->page);

    if (rc > 0 && text_is_whole(&history->body))
        return;
    if (rc < 0)
        answer_error(history->service, history->exchange, ANSWER_UNAVAILABLE,
                     "the log cannot be read", VARY);
    else
        answer_page(history);
    waiting_leave(history->service, waiting);
    history_free(history);
}

/* --- beginning -------------------------------------------------------------------------------- */

static const char *read_query(const struct http_request *request, struct resume *ret_resume,
                              uint64_t *ret_limit)
{
    const char *reason = query_resume(request->query, ret_resume);

    if (reason != NULL)
        return reason;
    *ret_limit = HISTORY_LIMIT_DEFAULT;
    if (query_uint64(request->query, "limit", ret_limit) < 0 || *ret_limit < 1 ||
        *ret_limit > HISTORY_LIMIT_MAX)
        return "`limit` must be an integer from 1 to 1000";
    return NULL;
}

void history_serve(struct service *service, struct http_exchange *exchange, const char *topic,
                   size_t topic_bytes)
{
    struct history *history;
    struct resume resume;
    uint64_t limit;
    const char *reason = read_query(http_request(exchange), &resume, &limit);
    int rc = -ENOMEM;

    if (reason != NULL) {
        answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, VARY);
        return;
    }
    history = calloc(1, sizeof *history + topic_bytes);
    if (history != NULL) {
        struct page_options options = {.bus = service->bus,
                                       .store = service->store,
                                       .reader = service->reader,
                                       .topics = service->topics,
                                       .topic = {history->topic_name, topic_bytes},
                                       .limit = limit,
                                       .on_event = on_event,
                                       .user = history};

        history->service = service;
        history->exchange = exchange;
        memcpy(history->topic_name, topic, topic_bytes);
        rc = page_begin(&history->page, &options, &resume);
    }
    if (rc != 0) {
        free(history);
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "the log cannot be read", VARY);
        return;
    }
    begin_body(history);
    history->waiting.step = step;
    http_exchange_set_user(exchange, on_gone, history);
    waiting_join(service, &history->waiting);
}
