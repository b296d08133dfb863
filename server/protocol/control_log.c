/*
 * A page of the whole log, of all topics or of one: EVENTs up to the ring's end, and what COMMANDs came
 * to. One that has not been executed ends the page, unless nothing of it can be wanted: what lies
 * behind it is asked for once more, when it has.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bus/record.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/control.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/waiting.h"
#include "server/topics/log_reader.h"
#include "server/topics/topics.h"

struct log_request {
    struct waiting_request waiting;
    struct service *service;
    struct http_exchange *exchange;
    struct text body;
    struct log_cursor cursor;
    struct ring_position until;
    uint64_t first_seq; /* of the log, when it was asked for */
    uint64_t limit;
    uint64_t count;
    uint64_t next_seq; /* 0: not known yet */
    unsigned step_count;
    bool has_topic;
    bool is_row_topic;
    struct record_topic topic;
    char topic_name[RECORD_TOPIC_BYTES_MAX];
};

static struct log_request *request_of(struct waiting_request *waiting)
{
    return (struct log_request *)(void *)((char *)waiting - offsetof(struct log_request, waiting));
}

static void request_free(struct log_request *request)
{
    text_done(&request->body);
    free(request);
}

static void on_gone(void *user)
{
    struct log_request *request = user;

    waiting_leave(request->service, &request->waiting);
    request_free(request);
}

/* --- the answer's body ------------------------------------------------------------------------ */

static const char *kind_name(const struct record *record)
{
    if ((record->flags & RECORD_FAILED) != 0)
        return "failed";
    if (record->kind == RECORD_EVENT)
        return "event";
    /* The writer itself appends schemas and nothing else; rows are changed by workers' clients. */
    return record->origin_slot == BUS_SLOT_WRITER ? "schema" : "row";
}

static void add_topics(struct text *body, const struct record *record)
{
    struct record_topic topic;
    const char *separator = "";
    size_t offset = 0;

    while (record_topic_next(record, &offset, &topic)) {
        text_add_string(body, separator);
        text_add_quoted(body, topic.name, topic.bytes);
        separator = ",";
    }
}

static void add_record(struct log_request *request, const struct record *record)
{
    struct text *body = &request->body;
    char time[EVENT_TIME_BYTES];

    event_time(time, record->time_ns);
    text_printf(body, "%s{\"seq\":%" PRIu64 ",\"time\":\"%.*s\",\"kind\":\"%s\",\"topics\":[",
                request->count > 0 ? "," : "", record->seq, EVENT_TIME_BYTES, time,
                kind_name(record));
    add_topics(body, record);
    text_add_string(body, "],\"data\":");
    text_add(body, record->payload, record->payload_bytes);
    text_add_string(body, "}");
    request->count++;
}

static void begin_body(struct log_request *request)
{
    char epoch[PUT_EPOCH_BYTES];

    event_epoch(epoch, bus_epoch(request->service->bus));
    text_printf(&request->body, "{\"epoch\":\"%.*s\",\"events\":[", PUT_EPOCH_BYTES, epoch);
}

static void answer(struct log_request *request)
{
    text_printf(&request->body,
                "],\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64 ",\"next\":%" PRIu64 "}",
                request->first_seq, request->until.seq, request->next_seq);
    answer_json(request->service, request->exchange, 200, &request->body,
                "Cache-Control: no-store\r\n");
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_executed(const struct record *record)
{
    return record->kind == RECORD_EVENT || (record->flags & RECORD_APPLIED) != 0;
}

/* A COMMAND as the ring has it: either its result stands in the store by now, or it is the end. */
static void meet_command(struct log_request *request, const struct record *record)
{
    if (ring_committed(request->service->bus).seq >= record->seq)
        request->cursor = (struct log_cursor){.seq = record->seq - 1};
    else
        request->next_seq = record->seq;
}

/* False: nothing behind it is looked at now. */
static bool take_record(struct log_request *request, const struct record *record)
{
    if (!is_executed(record)) {
        if (request->has_topic && !request->is_row_topic)
            return true;
        meet_command(request, record);
        return false;
    }
    if (request->has_topic && !record_has_topic(record, request->topic.name, request->topic.bytes))
        return true;
    if (request->count > 0 && request->body.size + record->payload_bytes > CONTROL_LOG_BYTES_MAX) {
        request->next_seq = record->seq;
        return false;
    }
    add_record(request, record);
    if (request->count < request->limit)
        return true;
    request->next_seq = record->seq + 1;
    return false;
}

static void take_span(struct log_request *request, const struct log_span *span, uint64_t had_seq)
{
    struct record record;
    size_t end = 0;

    while (log_span_next(span, &end, &record)) {
        if (record.seq > had_seq && record.seq <= request->until.seq &&
            !take_record(request, &record))
            return;
    }
}

/* 1: there is more; 0: next_seq is known; -errno. */
static int read_on(struct log_request *request)
{
    const struct log_filter filter = {.topics = &request->topic, .count = 1};
    uint64_t had_seq = request->cursor.seq;
    struct log_span span;
    int rc = log_reader_next(request->service->reader, &request->cursor,
                             request->has_topic ? &filter : NULL, request->until.seq,
                             request->until.pos, &span);

    if (rc < 0 && rc != -EAGAIN)
        return rc;
    if (rc > 0)
        take_span(request, &span, had_seq);
    request->step_count++;
    if (request->next_seq == 0 && (rc == 0 || request->step_count == CONTROL_LOG_STEPS_MAX))
        request->next_seq = request->cursor.seq + 1;
    return request->next_seq == 0;
}

static void step(struct waiting_request *waiting)
{
    struct log_request *request = request_of(waiting);
    int rc = read_on(request);

    if (rc > 0 && text_is_whole(&request->body))
        return;
    if (rc < 0)
        answer_error(request->service, request->exchange, ANSWER_UNAVAILABLE,
                     "the log cannot be read", NULL);
    else
        answer(request);
    waiting_leave(request->service, waiting);
    request_free(request);
}

/* --- beginning -------------------------------------------------------------------------------- */

static const char *read_query(struct log_request *request, uint64_t *ret_from)
{
    struct http_text query = http_request(request->exchange)->query;
    int rc;

    *ret_from = 0;
    if (query_uint64(query, "from", ret_from) < 0)
        return "`from` must be a seq";
    request->limit = CONTROL_LOG_LIMIT_DEFAULT;
    if (query_uint64(query, "limit", &request->limit) < 0 || request->limit < 1 ||
        request->limit > CONTROL_LOG_LIMIT_MAX)
        return "`limit` must be an integer from 1 to 1000";
    rc = query_text(query, "topic", request->topic_name, sizeof request->topic_name,
                    &request->topic.bytes);
    request->topic.name = request->topic_name;
    request->has_topic = rc > 0;
    if (rc < 0 || (rc > 0 && !topic_name_is_valid(request->topic.name, request->topic.bytes)))
        return "`topic` must be a topic's name, percent-encoded";
    return NULL;
}

static void begin(struct log_request *request, uint64_t from)
{
    struct service *service = request->service;

    request->until = ring_tail(service->bus);
    request->first_seq = ring_first_seq(service->bus);
    if (from > request->until.seq)
        from = request->until.seq + 1; /* nothing yet */
    request->cursor.seq = from > 0 ? from - 1 : 0;
    request->is_row_topic =
        request->has_topic &&
        topics_is_row_topic(service->topics, request->topic.name, request->topic.bytes);
    begin_body(request);
    request->waiting.step = step;
    http_exchange_set_user(request->exchange, on_gone, request);
    waiting_join(service, &request->waiting);
}

void control_log_serve(struct service *service, struct http_exchange *exchange)
{
    struct log_request *request = calloc(1, sizeof *request);
    const char *reason;
    uint64_t from;

    if (request == NULL) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    request->service = service;
    request->exchange = exchange;
    reason = read_query(request, &from);
    if (reason == NULL) {
        begin(request, from);
        return;
    }
    answer_error(service, exchange, ANSWER_BAD_REQUEST, reason, NULL);
    free(request);
}
