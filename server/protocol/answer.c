#include "server/protocol/answer.h"

#include <stdio.h>
#include <string.h>

#include "bus/check.h"
#include "server/protocol/origin.h"
#include "server/protocol/service.h"
#include "server/protocol/text.h"

#define RETRY_AFTER "Retry-After: 2\r\n"

void answer_headers(const struct service *service, const struct http_exchange *exchange,
                    const char *headers, char *out)
{
    struct http_text origin;
    int length;

    if (headers == NULL)
        headers = "";
    if (origin_judge(&service->limits, exchange, &origin) == ORIGIN_TRUSTED)
        length = snprintf(out, ANSWER_HEADERS_BYTES_MAX,
                          "%sAccess-Control-Allow-Origin: %.*s\r\nVary: Origin\r\n", headers,
                          (int)origin.size, origin.bytes);
    else
        length = snprintf(out, ANSWER_HEADERS_BYTES_MAX, "%s", headers);
    CHECK(length >= 0);
    CHECK(length < ANSWER_HEADERS_BYTES_MAX); /* ours are short, and so are trusted origins */
}

void answer_text(struct service *service, struct http_exchange *exchange, int status,
                 const char *content_type, const struct text *body, const char *headers)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];
    struct http_response response = {
        .status = status,
        .content_type = content_type,
        .headers = lines,
        .body = body->bytes,
        .body_bytes = body->size,
    };

    if (!text_is_whole(body)) {
        answer_error(service, exchange, 503, "unavailable", "out of memory", NULL);
        return;
    }
    answer_headers(service, exchange, headers, lines);
    http_respond(exchange, &response);
}

void answer_json(struct service *service, struct http_exchange *exchange, int status,
                 const struct text *body, const char *headers)
{
    answer_text(service, exchange, status, "application/json", body, headers);
}

void answer_error(struct service *service, struct http_exchange *exchange, int status,
                  const char *code, const char *message, const char *headers)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];
    char more[ANSWER_HEADERS_BYTES_MAX / 2];
    int length = snprintf(more, sizeof more, "%s%s", headers == NULL ? "" : headers,
                          status == 503 ? RETRY_AFTER : "");

    CHECK(length >= 0);
    CHECK((size_t)length < sizeof more);
    answer_headers(service, exchange, more, lines);
    http_respond_error(exchange, status, code, message, lines);
}
