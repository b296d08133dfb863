#include "server/protocol/answer.h"

#include <stdio.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/text.h"
#include "server/protocol/origin.h"
#include "server/protocol/service.h"

#define RETRY_AFTER "Retry-After: 2\r\n"
/* In every answer, also in one without the line that depends on it: a cache must not mix them up. */
#define VARY_ORIGIN "Vary: Origin\r\n"

void answer_headers(const struct service *service, const struct http_exchange *exchange,
                    const char *headers, char *out)
{
    struct http_text origin;
    int length;

    if (headers == NULL)
        headers = "";
    if (origin_judge(&service->limits, exchange, &origin) == ORIGIN_TRUSTED)
        length = snprintf(out, ANSWER_HEADERS_BYTES_MAX,
                          "%s" VARY_ORIGIN "Access-Control-Allow-Origin: %.*s\r\n", headers,
                          (int)origin.size, origin.bytes);
    else
        length = snprintf(out, ANSWER_HEADERS_BYTES_MAX, "%s" VARY_ORIGIN, headers);
    CHECK(length >= 0);
    CHECK(length < ANSWER_HEADERS_BYTES_MAX); /* ours are short, and so are trusted origins */
}

static void answer_whole(struct service *service, struct http_exchange *exchange,
                         struct http_response response, const struct text *body)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];

    if (!text_is_whole(body)) {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
        return;
    }
    answer_headers(service, exchange, response.headers, lines);
    response.headers = lines;
    response.body = body->bytes;
    response.body_bytes = body->size;
    http_respond(exchange, &response);
}

void answer_text(struct service *service, struct http_exchange *exchange, const char *content_type,
                 const struct text *body, const char *headers)
{
    const struct http_response response = {
        .status = 200, .content_type = content_type, .headers = headers};

    answer_whole(service, exchange, response, body);
}

void answer_json(struct service *service, struct http_exchange *exchange, int status,
                 const struct text *body, const char *headers)
{
    const struct http_response response = {
        .status = status, .content_type = "application/json", .headers = headers};

    answer_whole(service, exchange, response, body);
}

void answer_error(struct service *service, struct http_exchange *exchange,
                  enum answer_refusal refusal, const char *message, const char *headers)
{
    static const struct {
        int status;
        const char *code;
    } refusals[] = {
        [ANSWER_BAD_REQUEST] = {400, "bad_request"},
        [ANSWER_BAD_JSON] = {400, "bad_json"},
        [ANSWER_BAD_TOPIC] = {400, "bad_topic"},
        [ANSWER_FORBIDDEN] = {403, "forbidden"},
        [ANSWER_NOT_FOUND] = {404, "not_found"},
        [ANSWER_METHOD_NOT_ALLOWED] = {405, "method_not_allowed"},
        [ANSWER_TOO_LARGE] = {413, "too_large"},
        [ANSWER_UNSUPPORTED_TYPE] = {415, "unsupported_media_type"},
        [ANSWER_UPGRADE_REQUIRED] = {426, "upgrade_required"},
        [ANSWER_RATE_LIMITED] = {429, "rate_limited"},
        [ANSWER_UNAVAILABLE] = {503, "unavailable"},
        [ANSWER_STORAGE_FULL] = {507, "storage_full"},
    };
    char lines[ANSWER_HEADERS_BYTES_MAX];
    char more[ANSWER_HEADERS_BYTES_MAX / 2];
    int length = snprintf(more, sizeof more, "%s%s", headers == NULL ? "" : headers,
                          refusal == ANSWER_UNAVAILABLE ? RETRY_AFTER : "");

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof more);
    CHECK((size_t)refusal < sizeof refusals / sizeof *refusals);
    answer_headers(service, exchange, more, lines);
    http_respond_error(exchange, refusals[refusal].status, refusals[refusal].code, message, lines);
}
