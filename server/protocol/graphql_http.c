#include "server/protocol/graphql_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "bus/check.h"
#include "server/api/api.h"
#include "server/api/operation.h"
#include "server/graphql/region.h"
#include "server/http/assets.h"
#include "server/http/http.h"
#include "server/json/text.h"
#include "server/net/arena.h"
#include "server/protocol/event_stream.h"
#include "server/protocol/graphql_accept.h"
#include "server/protocol/graphql_request.h"
#include "server/protocol/graphql_stream.h"
#include "server/protocol/query.h"
#include "server/protocol/service.h"

#define VARY "Vary: Accept\r\n"

enum {
    REQUEST_BYTES_MAX = 64 * 1024 * 1024, /* decoded; what is sent is bounded by --max-message */
};

/* A query or mutation on its way to the answer. */
struct graphql_exchange {
    struct service *service;
    struct http_exchange *exchange;
    struct operation *operation;
    enum graphql_media media;
};

/* --- choosing --------------------------------------------------------------------------------- */

static bool is_page_wanted(const struct http_request *request)
{
    return request->method != HTTP_METHOD_POST && asset_find(request->path) != NULL;
}

static enum graphql_media choose_media(const struct http_request *request)
{
    return graphql_accept_choose(request, is_page_wanted(request));
}

bool graphql_http_wants_stream(const struct http_request *request)
{
    return choose_media(request) == GRAPHQL_MEDIA_EVENT_STREAM;
}

/* Errors of the request itself are JSON, as graphql-http's and graphql-sse's are. */
static const char *refusal_content_type(enum graphql_media media)
{
    return graphql_accept_content_type(media == GRAPHQL_MEDIA_RESPONSE_JSON ? media
                                                                            : GRAPHQL_MEDIA_JSON);
}

void graphql_http_refuse(struct service *service, struct http_exchange *exchange,
                         enum answer_refusal refusal, const char *message, const char *headers)
{
    char lines[ANSWER_HEADERS_BYTES_MAX / 4];
    const struct http_response response = {
        .content_type = refusal_content_type(choose_media(http_request(exchange))),
        .headers = lines,
    };
    int length = snprintf(lines, sizeof lines, VARY "%s", headers == NULL ? "" : headers);

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof lines);
    answer_graphql_error(service, exchange, refusal, message, &response);
}

static void refuse(struct service *service, struct http_exchange *exchange,
                   enum answer_refusal refusal, const char *message)
{
    graphql_http_refuse(service, exchange, refusal, message, NULL);
}

/* --- answering -------------------------------------------------------------------------------- */

static void answer_large(struct service *service, struct http_exchange *exchange,
                         const struct operation *operation, const struct http_response *response,
                         const struct text *body)
{
    struct arena *arena = api_share_answer(service->api, body);

    if (arena != NULL)
        answer_arena(service, exchange, response, arena);
    else if (operation_kind(operation) == AST_MUTATION)
        refuse(service, exchange, ANSWER_INTERNAL, API_NO_ROOM_DONE);
    else
        refuse(service, exchange, ANSWER_UNAVAILABLE, API_NO_ROOM);
    arena_unref(arena);
}

/* What an operation that is refused or done has to say. */
static void answer(struct service *service, struct http_exchange *exchange,
                   const struct operation *operation, enum graphql_media media)
{
    bool is_event_stream = media == GRAPHQL_MEDIA_EVENT_STREAM;
    bool is_bad = media == GRAPHQL_MEDIA_RESPONSE_JSON && operation_is_refused(operation);
    const struct http_response response = {
        .status = is_bad ? 400 : 200,
        .content_type = graphql_accept_content_type(media),
        .headers = is_event_stream ? EVENT_STREAM_HEADERS : VARY,
    };
    struct text body = {0};

    if (is_event_stream)
        graphql_stream_write(operation, &body);
    else
        operation_write(operation, &body);
    if (!text_is_whole(&body))
        refuse(service, exchange, ANSWER_UNAVAILABLE, "out of memory");
    else if (body.size < API_ANSWER_BYTES_MIN)
        answer_body(service, exchange, &response, &body);
    else
        answer_large(service, exchange, operation, &response, &body);
    text_done(&body);
}

static void stop_waiting(struct graphql_exchange *waiting)
{
    CHECK(waiting->service->graphql_waiting_count > 0);
    waiting->service->graphql_waiting_count--;
    operation_free(waiting->operation);
    free(waiting);
}

static void on_done(void *user)
{
    struct graphql_exchange *waiting = user;

    answer(waiting->service, waiting->exchange, waiting->operation, waiting->media);
    stop_waiting(waiting);
}

/* What was sent to be executed is executed all the same. */
static void on_gone(void *user)
{
    stop_waiting(user);
}

/* --- operations ------------------------------------------------------------------------------- */

/* Takes over @operation, a query or mutation. */
static void run(struct service *service, struct http_exchange *exchange,
                struct operation *operation, enum graphql_media media)
{
    struct graphql_exchange *waiting = NULL;

    if (service->graphql_waiting_count < GRAPHQL_WAITING_MAX)
        waiting = malloc(sizeof *waiting);
    if (waiting == NULL) {
        refuse(service, exchange, ANSWER_UNAVAILABLE, "too many operations are waiting");
        operation_free(operation);
        return;
    }
    *waiting = (struct graphql_exchange){
        .service = service, .exchange = exchange, .operation = operation, .media = media};
    if (operation_run(operation, on_done, waiting) == OPERATION_LATER) {
        service->graphql_waiting_count++;
        http_exchange_set_user(exchange, on_gone, waiting);
        return;
    }
    answer(service, exchange, operation, media);
    operation_free(operation);
    free(waiting);
}

static void subscribe(struct service *service, struct http_exchange *exchange,
                      struct operation *operation, struct resume *resume)
{
    const struct http_text *last_event_id = http_header(http_request(exchange), "last-event-id");

    if (!http_accepts(http_request(exchange), "text/event-stream")) {
        refuse(service, exchange, ANSWER_NOT_ACCEPTABLE,
               "a subscription needs `Accept: text/event-stream`, or a WebSocket");
        return;
    }
    if (last_event_id != NULL && last_event_id->size > 0)
        query_event_id(*last_event_id, resume);
    graphql_stream_serve(service, exchange, operation, resume);
}

static void serve(struct service *service, struct http_exchange *exchange,
                  struct api_request *request, enum graphql_media media)
{
    struct operation *operation = operation_new(service->api, request);

    if (operation == NULL) {
        refuse(service, exchange, ANSWER_UNAVAILABLE, "out of memory");
        return;
    }
    if (operation_is_refused(operation)) {
        answer(service, exchange, operation, media);
    } else if (operation_kind(operation) == AST_SUBSCRIPTION) {
        subscribe(service, exchange, operation, &request->resume);
    } else if (operation_kind(operation) == AST_MUTATION &&
               http_request(exchange)->method != HTTP_METHOD_POST) {
        graphql_http_refuse(service, exchange, ANSWER_METHOD_NOT_ALLOWED,
                            "mutations are sent by POST", "Allow: POST\r\n");
    } else {
        run(service, exchange, operation, media);
        return;
    }
    operation_free(operation);
}

void graphql_http_serve(struct service *service, struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    enum graphql_media media = choose_media(request);
    char lines[ANSWER_HEADERS_BYTES_MAX];
    struct graphql_refusal refusal;
    enum stat_protocol protocol;
    struct api_request asked;
    struct region region;

    if (media == GRAPHQL_MEDIA_HTML) {
        answer_headers(service, exchange, NULL, lines);
        asset_respond(exchange, asset_find(request->path), lines);
        return;
    }
    if (media == GRAPHQL_MEDIA_NONE) {
        refuse(service, exchange, ANSWER_NOT_ACCEPTABLE,
               "there is application/graphql-response+json, application/json and "
               "text/event-stream");
        return;
    }
    if (service->is_refusing && !http_exchange_is_old(exchange)) {
        event_stream_refuse(service, exchange); /* the router has answered all others */
        return;
    }
    protocol = media == GRAPHQL_MEDIA_EVENT_STREAM ? STAT_PROTOCOL_GRAPHQL_SSE
                                                   : STAT_PROTOCOL_GRAPHQL_HTTP;
    service_count_message(service, protocol);
    region_init(&region, REQUEST_BYTES_MAX);
    if (graphql_request_read(service, request, &region, &asked, &refusal)) {
        asked.protocol = protocol;
        serve(service, exchange, &asked, media);
    } else {
        refuse(service, exchange, refusal.refusal, refusal.reason);
    }
    region_done(&region);
}
