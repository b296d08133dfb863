/*
 * /topics and /topics/{topic} (PROTOCOLS section 4): who is asked for what, and publishing by POST.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bus/record.h"
#include "bus/shm.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/broker_message.h"
#include "server/protocol/history.h"
#include "server/protocol/put.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"
#include "server/protocol/topic_list.h"
#include "server/topics/publisher.h"
#include "server/topics/topics.h"

#define VARY "Vary: Accept\r\n"

/* A POST that waits for its seq. */
struct post {
    struct service *service;
    struct http_exchange *exchange;
    size_t topic_bytes;
    char topic[];
};

/* Why a request is refused. */
struct refusal {
    enum answer_refusal refusal;
    const char *reason; /* static, or in the service's scratch memory */
};

/* --- POST ------------------------------------------------------------------------------------- */

static bool media_type_is(const struct http_text *content_type, const char *media_type)
{
    size_t size = strlen(media_type);

    if (content_type == NULL || content_type->size < size ||
        strncasecmp(content_type->bytes, media_type, size) != 0)
        return false;
    return content_type->size == size || content_type->bytes[size] == ';' ||
           content_type->bytes[size] == ' ' || content_type->bytes[size] == '\t';
}

/* The body as compact JSON in the service's scratch memory; false with *ret_refusal. */
static bool read_body(struct service *service, const struct http_request *request,
                      struct publish *publish, struct refusal *ret_refusal)
{
    const struct http_text *type = http_header(request, "content-type");
    const char *body = request->body_bytes == 0 ? "" : (const char *)request->body;
    const struct http_text *coding = http_header(request, "content-encoding");
    char *payload = service_scratch(service, json_quoted_bytes_max(request->body_bytes) +
                                                 JSON_ERROR_TEXT_BYTES);
    struct json_error error;
    ptrdiff_t size;

    if (payload == NULL) {
        *ret_refusal = (struct refusal){ANSWER_UNAVAILABLE, "out of memory"};
        return false;
    }
    /* What a form on any page can send without asking first must not publish. */
    if (media_type_is(type, "application/x-www-form-urlencoded") ||
        media_type_is(type, "multipart/form-data")) {
        *ret_refusal = (struct refusal){ANSWER_UNSUPPORTED_TYPE,
                                        "send application/json, or text/plain, as Content-Type"};
        return false;
    }
    if (coding != NULL && !media_type_is(coding, "identity")) {
        *ret_refusal = (struct refusal){ANSWER_UNSUPPORTED_TYPE,
                                        "send the body as it is, without Content-Encoding"};
        return false;
    }
    if (media_type_is(type, "application/json")) {
        size = json_compact(body, request->body_bytes, payload, &error);
        if (size < 0) {
            *ret_refusal = (struct refusal){ANSWER_BAD_JSON, json_error_text(&error, payload)};
            return false;
        }
    } else {
        if (!utf8_is_valid(body, request->body_bytes)) {
            *ret_refusal = (struct refusal){ANSWER_BAD_REQUEST, "the body is not UTF-8"};
            return false;
        }
        size = (ptrdiff_t)json_quote(payload, body, request->body_bytes);
    }
    publish->payload = payload;
    publish->payload_bytes = (size_t)size;
    return true;
}

static void answer_refusal(struct service *service, struct http_exchange *exchange,
                           const struct refusal *refusal)
{
    answer_error(service, exchange, refusal->refusal, refusal->reason, VARY);
}

static void answer_publish_error(struct service *service, struct http_exchange *exchange, int error)
{
    const char *reason;
    enum broker_error code = broker_publish_error(error, &reason);
    enum answer_refusal refusal = ANSWER_UNAVAILABLE;

    if (code == BROKER_TOO_LARGE)
        refusal = ANSWER_TOO_LARGE;
    else if (code == BROKER_STORAGE_FULL)
        refusal = ANSWER_STORAGE_FULL;
    answer_error(service, exchange, refusal, reason, VARY);
}

static void on_published(void *user, uint64_t tag, const struct publish_result *result)
{
    struct post *post = user;
    struct text body = {0};
    char epoch[PUT_EPOCH_BYTES];

    (void)tag; /* one publish per request */
    if (result->error != 0) {
        answer_publish_error(post->service, post->exchange, result->error);
    } else {
        event_epoch(epoch, bus_epoch(post->service->bus));
        text_add_string(&body, "{\"topic\":");
        text_add_quoted(&body, post->topic, post->topic_bytes);
        text_printf(&body, ",\"seq\":%" PRIu64 ",\"epoch\":\"%.*s\"}", result->seq, PUT_EPOCH_BYTES,
                    epoch);
        answer_json(post->service, post->exchange, 201, &body, VARY);
        text_done(&body);
    }
    free(post);
}

/* What is with the publisher is published all the same. */
static void on_gone(void *user)
{
    struct post *post = user;

    publisher_cancel(post->service->publisher, post);
    free(post);
}

static void serve_post(struct service *service, struct http_exchange *exchange, const char *topic,
                       size_t topic_bytes)
{
    const struct http_request *request = http_request(exchange);
    struct publish publish = {
        .topic = topic,
        .topic_bytes = topic_bytes,
        .protocol = STAT_PROTOCOL_HTTP,
        .on_done = on_published,
    };
    struct refusal refusal;
    struct post *post;
    int rc;

    service_count_message(service, STAT_PROTOCOL_HTTP);
    if (query_bool(request->query, "durable", &publish.is_durable) < 0) {
        refusal = (struct refusal){ANSWER_BAD_REQUEST, "`durable` must be true or false"};
        answer_refusal(service, exchange, &refusal);
        return;
    }
    if (!read_body(service, request, &publish, &refusal)) {
        answer_refusal(service, exchange, &refusal);
        return;
    }
    post = malloc(sizeof *post + topic_bytes);
    if (post == NULL) {
        answer_publish_error(service, exchange, -ENOMEM);
        return;
    }
    *post = (struct post){.service = service, .exchange = exchange, .topic_bytes = topic_bytes};
    memcpy(post->topic, topic, topic_bytes);
    publish.user = post;
    rc = publisher_publish(service->publisher, &publish);
    if (rc != 0) {
        free(post);
        answer_publish_error(service, exchange, rc);
        return;
    }
    http_exchange_set_user(exchange, on_gone, post);
}

/* --- who is asked for what -------------------------------------------------------------------- */

void topics_http_serve(struct service *service, struct http_exchange *exchange,
                       struct http_text rest)
{
    const struct http_request *request = http_request(exchange);
    char topic[RECORD_TOPIC_BYTES_MAX];
    struct refusal refusal;
    ptrdiff_t size;

    if (rest.size == 0) {
        topic_list_serve(service, exchange);
        return;
    }
    size = http_decode((struct http_text){rest.bytes + 1, rest.size - 1}, topic, sizeof topic);
    if (size == -EILSEQ) {
        refusal = (struct refusal){ANSWER_BAD_REQUEST, "the path is not percent-encoded UTF-8"};
        answer_refusal(service, exchange, &refusal);
    } else if (size < 0 || !topic_name_is_valid(topic, (size_t)size)) {
        refusal = (struct refusal){ANSWER_BAD_TOPIC,
                                   "a topic is 1 to 255 bytes without control characters, and does "
                                   "not begin with `$`"};
        answer_refusal(service, exchange, &refusal);
    } else if (request->method == HTTP_METHOD_POST) {
        serve_post(service, exchange, topic, (size_t)size);
    } else if (http_accepts(request, "text/event-stream")) {
        topic_stream_serve(service, exchange, topic, (size_t)size);
    } else {
        history_serve(service, exchange, topic, (size_t)size);
    }
}
