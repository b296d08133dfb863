#include "server/http/response.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"
#include "server/http/http.h"
#include "server/net/stream.h"

enum {
    DATE_BYTES = 30, /* "Sun, 06 Nov 1994 08:49:37 GMT" and its terminator */
    CONTENT_TYPE_BYTES_MAX = 100,
    HEAD_BYTES_MAX = 512, /* of all lines but the caller's */
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return ""; /* a reason phrase may be empty */
}

bool response_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* IMF-fixdate, made once a second. The wall clock is used for this header and nothing else. */
const char *response_date(void)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static char text[DATE_BYTES];
    static time_t made_at;
    time_t now = time(NULL);
    struct tm tm;

    if (now == made_at || gmtime_r(&now, &tm) == NULL)
        return text;
    made_at = now;
    /* Not strftime: names of days and months must not depend on a locale. */
    (void)snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
                   tm.tm_mday % 100, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
                   tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
    return text;
}

/* --- writing: without printf, which costs more than all the rest of a small answer ------------- */

static char *put_text(char *out, const char *text)
{
    size_t size = strlen(text);

    memcpy(out, text, size);
    return out + size;
}

static char *put_number(char *out, size_t number)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

/* Content types are ours: short texts. */
static char *put_body_lines(char *out, const struct response_head *head)
{
    if (head->content_type != NULL) {
        CHECK(strlen(head->content_type) <= CONTENT_TYPE_BYTES_MAX);
        out = put_text(out, "Content-Type: ");
        out = put_text(out, head->content_type);
        out = put_text(out, "\r\n");
    }
    if (head->has_length) {
        out = put_text(out, "Content-Length: ");
        out = put_number(out, head->body_bytes);
        out = put_text(out, "\r\n");
    }
    return out;
}

void response_write_head(struct stream *stream, const struct response_head *head)
{
    char lines[HEAD_BYTES_MAX];
    char *end = put_text(lines, "HTTP/1.1 ");

    end = put_number(end, (size_t)head->status);
    end = put_text(end, " ");
    end = put_text(end, reason_of(head->status));
    end = put_text(end, "\r\nDate: ");
    end = put_text(end, response_date());
    end = put_text(end, "\r\nServer: sluice\r\n");
    end = put_body_lines(end, head);
    if (head->connection == RESPONSE_CONNECTION_CLOSE)
        end = put_text(end, "Connection: close\r\n");
    else if (head->connection == RESPONSE_CONNECTION_KEEP)
        end = put_text(end, "Connection: keep-alive\r\n");
    if (head->headers == NULL)
        end = put_text(end, "\r\n");
    CHECK((size_t)(end - lines) <= sizeof lines);
    stream_write(stream, lines, (size_t)(end - lines));
    if (head->headers != NULL) {
        stream_write(stream, head->headers, strlen(head->headers));
        stream_write(stream, "\r\n", 2);
    }
}

void response_write_body(struct stream *stream, const struct http_response *response)
{
    const uint8_t *body = response->body;
    struct range range = {.arena = response->arena};

    if (response->arena == NULL) {
        stream_write(stream, body, response->body_bytes);
        return;
    }
    CHECK(response->body_bytes <= response->arena->capacity);
    range.offset = (uint32_t)(body - response->arena->bytes);
    range.length = (uint32_t)response->body_bytes;
    stream_push(stream, range);
}
