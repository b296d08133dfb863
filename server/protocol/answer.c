#include "server/protocol/answer.h"

#include <stdio.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/errors.h"
#include "server/json/text.h"
#include "server/net/arena.h"
#include "server/protocol/origin.h"
#include "server/protocol/put.h"
#include "server/protocol/service.h"

#define RETRY_AFTER "Retry-After: 2\r\n"
/* In every answer, also in one without the line that depends on it: a cache must not mix them up. */
#define VARY_ORIGIN  "Vary: Origin\r\n"
#define ALLOW_ORIGIN "Access-Control-Allow-Origin: "

static char *put_text(char *out, const char *text)
{
    return put_bytes(out, text, strlen(text));
}

void answer_headers(const struct service *service, const struct http_exchange *exchange,
                    const char *headers, char *out)
{
    struct http_text origin;
    bool is_trusted = origin_judge(&service->limits, exchange, &origin) == ORIGIN_TRUSTED;

    if (headers == NULL)
        headers = "";
    /* Ours are short, and so are trusted origins. */
    CHECK(strlen(headers) + sizeof VARY_ORIGIN + sizeof ALLOW_ORIGIN +
              (is_trusted ? origin.size : 0) + 2 <
          ANSWER_HEADERS_BYTES_MAX);
    out = put_text(out, headers);
    out = put_literal(out, VARY_ORIGIN);
    if (is_trusted) {
        out = put_literal(out, ALLOW_ORIGIN);
        out = put_bytes(out, origin.bytes, origin.size);
        out = put_literal(out, "\r\n");
    }
    *out = '\0';
}

/* @response with the CORS lines that are due. */
static void respond(const struct service *service, struct http_exchange *exchange,
                    struct http_response response)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];

    answer_headers(service, exchange, response.headers, lines);
    response.headers = lines;
    http_respond(exchange, &response);
}

void answer_body(struct service *service, struct http_exchange *exchange,
                 const struct http_response *response, const struct text *body)
{
    struct http_response whole = *response;

    if (!text_is_whole(body)) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    whole.body = body->bytes;
    whole.body_bytes = body->size;
    respond(service, exchange, whole);
}

void answer_arena(struct service *service, struct http_exchange *exchange,
                  const struct http_response *response, struct arena *body)
{
    struct http_response whole = *response;

    whole.body = body->bytes;
    whole.body_bytes = body->capacity;
    whole.arena = body;
    respond(service, exchange, whole);
}

void answer_text(struct service *service, struct http_exchange *exchange, const char *content_type,
                 const struct text *body, const char *headers)
{
    const struct http_response response = {
        .status = 200, .content_type = content_type, .headers = headers};

    answer_body(service, exchange, &response, body);
}

void answer_json(struct service *service, struct http_exchange *exchange, int status,
                 const struct text *body, const char *headers)
{
    const struct http_response response = {
        .status = status, .content_type = "application/json", .headers = headers};

    answer_body(service, exchange, &response, body);
}

static const struct refusal_answer {
    int status;
    const char *code;
    enum graphql_code graphql_code;
} refusals[] = {
    [ANSWER_BAD_REQUEST] = {400, "bad_request", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_BAD_JSON] = {400, "bad_json", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_BAD_TOPIC] = {400, "bad_topic", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_FORBIDDEN] = {403, "forbidden", GRAPHQL_FORBIDDEN},
    [ANSWER_NOT_FOUND] = {404, "not_found", GRAPHQL_NOT_FOUND},
    [ANSWER_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_NOT_ACCEPTABLE] = {406, "not_acceptable", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_TOO_LARGE] = {413, "too_large", GRAPHQL_LIMIT_EXCEEDED},
    [ANSWER_UNSUPPORTED_TYPE] = {415, "unsupported_media_type", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_MISDIRECTED] = {421, "misdirected_request", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_UPGRADE_REQUIRED] = {426, "upgrade_required", GRAPHQL_BAD_USER_INPUT},
    [ANSWER_RATE_LIMITED] = {429, "rate_limited", GRAPHQL_RATE_LIMITED},
    [ANSWER_INTERNAL] = {500, "internal", GRAPHQL_INTERNAL},
    [ANSWER_UNAVAILABLE] = {503, "unavailable", GRAPHQL_UNAVAILABLE},
    [ANSWER_STORAGE_FULL] = {507, "storage_full", GRAPHQL_STORAGE_FULL},
};

static const struct refusal_answer *refusal_answer(enum answer_refusal refusal)
{
    CHECK((size_t)refusal < sizeof refusals / sizeof *refusals);
    return &refusals[refusal];
}

/* All lines of a refusal. */
static void refusal_headers(const struct service *service, const struct http_exchange *exchange,
                            enum answer_refusal refusal, const char *headers,
                            char out[ANSWER_HEADERS_BYTES_MAX])
{
    char more[ANSWER_HEADERS_BYTES_MAX / 2];
    int length = snprintf(more, sizeof more, "%s%s", headers == NULL ? "" : headers,
                          refusal == ANSWER_UNAVAILABLE ? RETRY_AFTER : "");

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof more);
    answer_headers(service, exchange, more, out);
}

void answer_error(struct service *service, struct http_exchange *exchange,
                  enum answer_refusal refusal, const char *message, const char *headers)
{
    const struct refusal_answer *answer = refusal_answer(refusal);
    char lines[ANSWER_HEADERS_BYTES_MAX];

    refusal_headers(service, exchange, refusal, headers, lines);
    http_respond_error(exchange, answer->status, answer->code, message, lines);
}

void answer_graphql_error(struct service *service, struct http_exchange *exchange,
                          enum answer_refusal refusal, const char *message,
                          const struct http_response *response)
{
    const struct refusal_answer *answer = refusal_answer(refusal);
    const struct graphql_error error = {.code = answer->graphql_code, .message = message};
    char lines[ANSWER_HEADERS_BYTES_MAX];
    struct http_response whole = {.status = answer->status, .headers = lines};
    struct text body = {0};

    refusal_headers(service, exchange, refusal, response->headers, lines);
    text_add_string(&body, "{\"errors\":[");
    graphql_error_write(&error, &body);
    text_add_string(&body, "]}");
    if (text_is_whole(&body)) { /* without memory for the text the status must do */
        whole.content_type = response->content_type;
        whole.body = body.bytes;
        whole.body_bytes = body.size;
    }
    http_respond(exchange, &whole);
    text_done(&body);
}
