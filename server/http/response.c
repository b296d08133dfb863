#include "server/http/response.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"
#include "server/http/http.h"
#include "server/net/stream.h"

enum {
    DATE_BYTES = 30, /* "Sun, 06 Nov 1994 08:49:37 GMT" and its terminator */
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
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
static const char *date_now(void)
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

static void write_text(struct stream *stream, const char *text)
{
    stream_write(stream, text, strlen(text));
}

void response_write_head(struct stream *stream, const struct response_head *head)
{
    char line[192];

    (void)snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: sluice\r\n",
                   head->status, reason_of(head->status), date_now());
    write_text(stream, line);
    if (head->content_type != NULL) {
        write_text(stream, "Content-Type: ");
        write_text(stream, head->content_type);
        write_text(stream, "\r\n");
    }
    if (head->has_length) {
        (void)snprintf(line, sizeof line, "Content-Length: %zu\r\n", head->body_bytes);
        write_text(stream, line);
    }
    if (head->connection == RESPONSE_CONNECTION_CLOSE)
        write_text(stream, "Connection: close\r\n");
    else if (head->connection == RESPONSE_CONNECTION_KEEP)
        write_text(stream, "Connection: keep-alive\r\n");
    if (head->headers != NULL)
        write_text(stream, head->headers);
    write_text(stream, "\r\n");
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
