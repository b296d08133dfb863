#include "server/protocol/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/waiting.h"
#include "server/topics/log_reader.h"
#include "server/topics/topics.h"
#include "store/env.h"
#include "store/log.h"

#define VARY "Vary: Accept\r\n"

enum {
    EVENT_OVERHEAD_BYTES = 96, /* {"seq":…,"time":"…","data":} and a comma */
};

struct history {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct text body;
    uint64_t limit; /* events wanted */
    uint64_t count; /* events in the body */
    uint64_t since_seq;
    bool has_recovered;
    bool is_full;        /* the page is: further events only count for last_seq */
    uint64_t oldest_seq; /* of the topic; 0: none found yet */
    uint64_t last_seq;
    struct log_cursor cursor;
    struct log_cursor committed; /* the end of what was committed when the request came */
    struct ring_position until;
    struct record_topic topic; /* name points at topic_name */
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

/* --- reading ---------------------------------------------------------------------------------- */

static void add_event(struct history *history, const struct record *record)
{
    char *out = text_reserve(&history->body, EVENT_OVERHEAD_BYTES + record->payload_bytes);

    if (out == NULL)
        return; /* said when the answer is made */
    if (history->count > 0)
        out = put_literal(out, ",");
    out = put_literal(out, "{\"seq\":");
    out = put_decimal(out, record->seq);
    out = put_literal(out, ",\"time\":\"");
    out = put_time(out, record->time_ns);
    out = put_literal(out, "\",\"data\":");
    out = put_bytes(out, record->payload, record->payload_bytes);
    out = put_literal(out, "}");
    text_grow(&history->body, out);
    history->count++;
}

/* One event of the topic. */
static void take_event(struct history *history, const struct record *record)
{
    if (history->oldest_seq == 0)
        history->oldest_seq = record->seq;
    if (record->seq > history->last_seq)
        history->last_seq = record->seq;
    if (record->seq <= history->since_seq || history->is_full)
        return;
    if (history->count == history->limit ||
        (history->count > 0 &&
         history->body.size + record->payload_bytes > HISTORY_BODY_BYTES_MAX)) {
        history->is_full = true;
        return;
    }
    add_event(history, record);
}

static void take_span(struct history *history, const struct log_span *span, uint64_t had_seq)
{
    struct record record;

    for (size_t offset = 0; offset < span->bytes; offset += record.length) {
        enum record_result result =
            record_decode(span->records + offset, span->bytes - offset, &record);

        CHECK(result == RECORD_OK); /* the reader gives whole, checked records */
        if (record.seq > had_seq && record.seq <= history->until.seq &&
            record.kind == RECORD_EVENT && (record.flags & RECORD_FAILED) == 0 &&
            record_has_topic(&record, history->topic.name, history->topic.bytes))
            take_event(history, &record);
    }
}

/* The log now begins behind @had_seq: was something of this topic among what retention took? */
static int judge_trimmed(struct history *history, uint64_t had_seq)
{
    struct service *service = history->service;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(service->store, ring_committed(service->bus).seq);

    if (rc == 0)
        rc = log_topic_info(service->store, history->topic.name, history->topic.bytes, &info);
    if (rc != 0)
        return rc;
    history->cursor.is_trimmed = false;
    if (info.trimmed_seq > had_seq && !history->is_full) {
        history->has_recovered = false;
        history->oldest_seq = info.oldest_seq;
    }
    return 0;
}

/* 1: there is more; 0: all is read; -errno. */
static int read_on(struct history *history)
{
    const struct log_filter filter = {.topics = &history->topic, .count = 1};
    uint64_t had_seq = history->cursor.seq;
    struct log_span span;
    int rc = log_reader_next(history->service->reader, &history->cursor, &filter,
                             history->until.seq, history->until.pos, &span);

    if (rc == -EAGAIN)
        return 1;
    if (rc >= 0 && history->cursor.is_trimmed && judge_trimmed(history, had_seq) != 0)
        return -EIO;
    if (rc <= 0)
        return rc;
    take_span(history, &span, had_seq);
    /* Of what is committed the store has told last_seq; only the ring is still to be looked at. */
    if (history->is_full && history->cursor.seq < history->committed.seq)
        history->cursor = history->committed;
    return 1;
}

/* --- answering -------------------------------------------------------------------------------- */

static void begin_body(struct history *history)
{
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(history->service->bus));
    text_add_string(&history->body, "{\"topic\":");
    text_add_quoted(&history->body, history->topic.name, history->topic.bytes);
    text_add_string(&history->body, ",\"epoch\":\"");
    text_add(&history->body, epoch, sizeof epoch);
    text_add_string(&history->body, "\",\"events\":[");
}

static void answer_page(struct history *history)
{
    text_printf(&history->body,
                "],\"last_seq\":%" PRIu64 ",\"oldest\":%" PRIu64 ",\"more\":%s,\"recovered\":%s}",
                history->last_seq, history->oldest_seq, history->is_full ? "true" : "false",
                history->has_recovered ? "true" : "false");
    answer_json(history->service, history->exchange, 200, &history->body, VARY);
}

static void step(struct waiting_request *waiting)
{
    struct history *history = history_of(waiting);
    int rc = read_on(history);

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

/* What the store knows of topic and token, and from where to read. */
static int judge(struct history *history, const struct resume *resume)
{
    struct store *store = history->service->store;
    enum epoch_verdict verdict = EPOCH_GOOD;
    struct ring_position committed;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(store, ring_committed(history->service->bus).seq);

    if (rc != 0)
        return rc;
    history->until = ring_tail(history->service->bus);
    if (resume->has_epoch)
        rc = log_epoch_judge(store, resume->epoch, resume->since, history->until.seq, &verdict);
    else if (resume->since > history->until.seq)
        verdict = EPOCH_PAST;
    if (rc == 0)
        rc = log_topic_info(store, history->topic.name, history->topic.bytes, &info);
    if (rc != 0)
        return rc;

    history->has_recovered = verdict == EPOCH_GOOD && info.trimmed_seq <= resume->since;
    history->since_seq = history->has_recovered ? resume->since : 0;
    history->oldest_seq = info.oldest_seq;
    history->last_seq = info.last_seq > info.trimmed_seq ? info.last_seq : info.trimmed_seq;

    committed = store_committed(store_snapshot_meta(store));
    history->committed =
        (struct log_cursor){.seq = committed.seq, .pos = committed.pos, .has_pos = true};
    if (info.oldest_seq == 0 || history->since_seq >= committed.seq)
        history->cursor = history->committed;
    else
        history->cursor = (struct log_cursor){.seq = history->since_seq};
    return 0;
}

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
        history->service = service;
        history->exchange = exchange;
        history->limit = limit;
        memcpy(history->topic_name, topic, topic_bytes);
        history->topic = (struct record_topic){history->topic_name, topic_bytes};
        rc = judge(history, &resume);
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
