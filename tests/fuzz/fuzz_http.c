/*
 * HTTP/1.1 input: whatever comes, and however it is cut, the same requests are understood; each is
 * within its limits; and the connection either goes on or is closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/net/timer.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_stream.h"

enum {
    HEAD_MAX = 2048,
    BODY_MAX = 4096,
};

/* A sum over all that was understood: two runs are compared by it. */
struct log {
    uint64_t sum;
    unsigned request_count;
    bool is_closed;
};

static struct log *current;

static void note(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        current->sum = (current->sum ^ at[i]) * UINT64_C(0x100000001B3);
    current->sum = (current->sum ^ size) * UINT64_C(0x100000001B3);
}

static void on_request(void *user, struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    struct http_text value;
    char decoded[HEAD_MAX];

    (void)user;
    CHECK(request->header_count <= HTTP_HEADERS_MAX);
    CHECK(request->body_bytes <= BODY_MAX);
    CHECK(request->path.size > 0);
    CHECK(request->path.size + request->query.size < HEAD_MAX);
    current->request_count++;
    note(&request->method, sizeof request->method);
    note(request->path.bytes, request->path.size);
    note(request->query.bytes, request->query.size);
    note(request->body, request->body_bytes);
    for (size_t i = 0; i < request->header_count; i++) {
        CHECK(request->headers[i].name.size > 0);
        note(request->headers[i].name.bytes, request->headers[i].name.size);
        note(request->headers[i].value.bytes, request->headers[i].value.size);
    }
    (void)http_decode(request->path, decoded, sizeof decoded);
    (void)http_query_get(request->query, "since", &value);
    (void)http_accepts(request, "text/event-stream");
    (void)http_header_has_token(request, "connection", "upgrade");
    http_respond(exchange,
                 &(struct http_response){
                     .status = 200, .content_type = "text/plain", .body = "ok", .body_bytes = 2});
}

/* Feeds @step bytes at a time; 0: all at once. */
static void run(const uint8_t *data, size_t size, size_t step, struct log *log)
{
    static const struct http_handlers handlers = {.on_request = on_request};
    static const struct http_limits limits = {
        .head_bytes_max = HEAD_MAX,
        .body_bytes_max = BODY_MAX,
        .head_timeout_ns = 1000000000,
        .body_timeout_ns = 1000000000,
        .idle_timeout_ns = 1000000000,
        .write_timeout_ns = 1000000000,
    };
    struct http_server server = {.handlers = &handlers, .limits = &limits};
    struct fake_stream fake;

    *log = (struct log){.sum = 0};
    current = log;
    CHECK(timer_wheel_open(0, &server.timers) == 0);
    fake_stream_init(&fake);
    CHECK(http1_serve(&server, &fake.stream) == 0);
    for (size_t at = 0; at < size; at += step) {
        if (step == 0 || step > size - at)
            step = size - at;
        fake_stream_feed(&fake, data + at, step);
        fake_stream_run(&fake);
    }
    log->is_closed = fake.is_reported;
    fake_stream_done(&fake);
    CHECK(server.connections == NULL);
    timer_wheel_close(server.timers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log whole;
    struct log cut;

    run(data, size, 0, &whole);
    run(data, size, 1 + size % 7, &cut);
    CHECK(whole.request_count == cut.request_count);
    CHECK(whole.sum == cut.sum);
    CHECK(whole.is_closed == cut.is_closed);
    return 0;
}
