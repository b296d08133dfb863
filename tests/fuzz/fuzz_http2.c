/*
 * HTTP/2: frames, well-formed heads with anything in them. An input is a list of frames: the type (as it is, or one
 * of those there are), flags, a stream of the first few, a length, and what stands in the payload: bytes of
 * the input, or a good header block. Or, when its first byte is odd, bytes behind the preface as they are.
 *
 * Whatever comes, and however it is cut,
 *   what is sent is frames that RFC 9113 allows (tests/unit/http2_frames.h);
 *   each request is answered, reset or cut off with its connection, and each stream that somebody has taken
 *     over is told its end, once;
 *   what the connection holds is bounded, charged to the budget, and given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/net/budget.h"
#include "server/net/timer.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_stream.h"
#include "tests/unit/http2_frames.h"

enum {
    TAKERS_MAX = 512,
    FRAMES_MAX = 2000,
    BIG_BYTES = 100 * 1024,
    BUDGET_BYTES = 64 * 1024,
    QUEUED_BYTES_MAX = 64 * 1024 * 1024,
};

struct taker {
    struct run *run;
    struct stream *stream;
    uint8_t
        manner; /* 0: takes all; 1: pauses at times; 2: takes a part; 3: aborts; others say it back */
    bool has_ended;
    bool is_closed;
};

struct run {
    struct fake_stream fake;
    struct http2_reader reader;
    struct timer_wheel *timers;
    struct budget budget;
    struct reference_random random;
    struct taker takers[TAKERS_MAX];
    unsigned taker_count;
    struct http_exchange *waiting[TAKERS_MAX]; /* NULL: answered, or gone */
    unsigned waiting_count;
    unsigned asked_count;
    unsigned answered_count;
    unsigned gone_count;
};

static const char big[BIG_BYTES];

/* --- the server's user -------------------------------------------------------------------------- */

static size_t on_data(void *user, const uint8_t *bytes, size_t size)
{
    struct taker *self = user;

    CHECK(!self->is_closed && !self->has_ended);
    switch (self->manner) {
    case 1:
        if (reference_random_below(&self->run->random, 2) == 0)
            stream_pause(self->stream);
        return size;
    case 2:
        return reference_random_below(&self->run->random, size + 1);
    case 3:
        stream_abort(self->stream);
        return 0;
    case 0:
        return size;
    default:
        stream_write(self->stream, bytes, size);
        return size;
    }
}

static void on_end(void *user)
{
    struct taker *self = user;

    CHECK(!self->has_ended && !self->is_closed);
    self->has_ended = true;
    if (self->manner != 1)
        stream_finish(self->stream);
}

static void on_close(void *user, enum stream_close_reason reason)
{
    struct taker *self = user;

    (void)reason;
    CHECK(!self->is_closed);
    self->is_closed = true;
}

static void take_over(struct run *run, struct stream *stream, uint8_t manner)
{
    static const struct stream_handlers handlers = {
        .on_data = on_data,
        .on_end = on_end,
        .on_close = on_close,
    };
    struct taker *taker = run->takers;

    if (run->taker_count < TAKERS_MAX)
        taker += run->taker_count++;
    while (taker->stream != NULL && !taker->is_closed)
        taker++;
    CHECK(taker < run->takers + TAKERS_MAX);
    *taker = (struct taker){.run = run, .stream = stream, .manner = manner};
    stream_set_user(stream, &handlers, taker);
}

static void respond(struct run *run, struct http_exchange *exchange)
{
    const struct http_request *request = http_request(exchange);
    uint8_t last = request->path.size > 1 ? (uint8_t)request->path.bytes[1] : 0;
    struct stream *stream;

    run->answered_count++;
    if (request->method == HTTP_METHOD_CONNECT && last != 'n') {
        take_over(run, http_upgrade(exchange, "X-A: b\r\n"), last & 7);
    } else if (last == 's' && request->method != HTTP_METHOD_HEAD) {
        stream = http_begin_stream(exchange, "text/event-stream", NULL);
        take_over(run, stream, 0);
        stream_write(stream, "data: 1\n\n", sizeof "data: 1\n\n" - 1);
    } else if (last == 'b') {
        http_respond(exchange, &(struct http_response){.status = 200,
                                                       .content_type = "text/plain",
                                                       .body = big,
                                                       .body_bytes = sizeof big});
    } else if (last == 'e') {
        http_respond(exchange, &(struct http_response){.status = 204});
    } else {
        http_respond(exchange, &(struct http_response){.status = 200,
                                                       .content_type = "text/plain",
                                                       .body = request->body,
                                                       .body_bytes = request->body_bytes});
    }
}

static void on_gone(void *user)
{
    struct http_exchange **place = user;

    CHECK(*place != NULL);
    *place = NULL;
}

static void on_request(void *user, struct http_exchange *exchange)
{
    struct run *run = user;
    const struct http_request *request = http_request(exchange);

    CHECK(request->path.size > 0);
    CHECK(http_header(request, "host") != NULL);
    run->asked_count++;
    if (request->path.size > 1 && request->path.bytes[1] == 'l' &&
        run->waiting_count < TAKERS_MAX) {
        run->waiting[run->waiting_count] = exchange;
        http_exchange_set_user(exchange, on_gone, &run->waiting[run->waiting_count++]);
        return;
    }
    respond(run, exchange);
}

/* --- the client --------------------------------------------------------------------------------- */

static void read_sent(struct run *run)
{
    size_t size;
    const char *bytes;

    fake_stream_run(&run->fake);
    bytes = fake_stream_take(&run->fake, &size);
    http2_reader_feed(&run->reader, bytes, size);
}

static void feed(struct run *run, const char *bytes, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t piece = 1 + reference_random_below(&run->random, 4096);

        if (piece > size - at)
            piece = size - at;
        run->fake.is_stuck = reference_random_below(&run->random, 8) == 0;
        fake_stream_feed(&run->fake, bytes + at, piece);
        read_sent(run);
        at += piece;
    }
    run->fake.is_stuck = false;
}

/* A good request, of a kind that the byte chooses. */
static void put_request(struct text *out, uint8_t kind)
{
    static const char *const requests[] = {
        "[:method GET :scheme http :path / :authority h]",
        "[:method GET :scheme http :path /b :authority h]",
        "[:method GET :scheme http :path /s :authority h]",
        "[:method GET :scheme http :path /l :authority h]",
        "[:method POST :scheme http :path / :authority h expect 100-continue]",
        "[:method CONNECT :protocol websocket :scheme http :path /0 :authority h]",
        "[:method CONNECT :protocol websocket :scheme http :path /1 :authority h]",
        "[:method CONNECT :protocol websocket :scheme http :path /2 :authority h]",
        "[:method CONNECT :protocol websocket :scheme http :path /3 :authority h]",
        "[:method CONNECT :protocol websocket :scheme http :path /4 :authority h]",
        "[:method HEAD :scheme http :path /e :authority h]",
        "[x-a b]",
    };
    struct text frame = {0};
    char script[160];

    (void)snprintf(script, sizeof script, "HEADERS 1 %s;",
                   requests[kind % (sizeof requests / sizeof requests[0])]);
    http2_put_script(&frame, script);
    text_add(out, frame.bytes + HTTP2_FRAME_HEAD_BYTES, frame.size - HTTP2_FRAME_HEAD_BYTES);
    text_done(&frame);
}

/* Four bytes, and what they ask for. Returns how much it has used. */
static size_t put_frame(struct text *out, const uint8_t *data, size_t size)
{
    uint8_t type = data[0] < 224 ? data[0] % 10 : data[0];
    int32_t id = data[2] % 16;
    struct text payload = {0};
    size_t used = 4;

    if (type <= NGHTTP2_HEADERS && data[2] % 32 >= 16)
        id = data[2];
    if (type == NGHTTP2_HEADERS && data[3] < 192) {
        put_request(&payload, data[3]);
    } else {
        size_t length = data[3] % 64;

        if (length > size - used)
            length = size - used;
        text_add(&payload, data + used, length);
        used += length;
        if (data[3] >= 224)
            for (int i = 0; i < 1000; i++)
                text_add(&payload, data, 4);
    }
    http2_put_frame(out, type, data[1], id, payload.bytes, payload.size);
    text_done(&payload);
    return used;
}

static void put_input(struct text *out, const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    text_add(out, preface, sizeof preface - 1);
    if (size > 0 && data[0] % 2 == 1) {
        text_add(out, data + 1, size - 1);
        return;
    }
    http2_put_script(out, "SETTINGS 0; SETTINGS+ACK 0;");
    for (size_t at = 1, count = 0; at + 4 <= size && count < FRAMES_MAX; count++)
        at += put_frame(out, data + at, size - at);
}

/* --- a run ---------------------------------------------------------------------------------------- */

static void answer_waiting(struct run *run)
{
    for (unsigned i = 0; i < run->waiting_count; i++) {
        struct http_exchange *exchange = run->waiting[i];

        if (exchange == NULL)
            continue;
        run->waiting[i] = NULL;
        http_exchange_set_user(exchange, NULL, NULL);
        respond(run, exchange);
    }
    for (unsigned i = 0; i < run->taker_count; i++) {
        if (!run->takers[i].is_closed && run->takers[i].manner == 1)
            stream_resume(run->takers[i].stream);
    }
    read_sent(run);
}

static void check_end(struct run *run, const struct http_server *server)
{
    for (unsigned i = 0; i < run->taker_count; i++)
        CHECK(run->takers[i].is_closed);
    for (unsigned i = 0; i < run->waiting_count; i++)
        CHECK(run->waiting[i] == NULL);
    CHECK(run->budget.used_bytes == 0);
    CHECK(server->queued_bytes == 0);
    CHECK(server->busy_count == 0);
    CHECK(server->connections == NULL);
    CHECK(server->waiting == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_handlers handlers = {.on_request = on_request};
    static const struct http_limits limits = {
        .head_bytes_max = 2048,
        .body_bytes_max = 4096,
        .allows_connect = true,
        .head_timeout_ns = 1000000000,
        .body_timeout_ns = 1000000000,
        .idle_timeout_ns = 1000000000,
        .write_timeout_ns = 1000000000,
    };
    struct run *run = calloc(1, sizeof *run);
    struct http_server server = {.handlers = &handlers, .limits = &limits, .user = run};
    struct text input = {0};

    CHECK(run != NULL);
    run->random = reference_random_of(data, size);
    run->budget.bytes_max = BUDGET_BYTES;
    server.budget = &run->budget;
    CHECK(timer_wheel_open(0, &server.timers) == 0);
    fake_stream_init(&run->fake);
    http2_reader_init(&run->reader);
    run->reader.checks_windows =
        false; /* it is not told what it cannot know: which frames counted */
    CHECK(http1_serve(&server, &run->fake.stream) == 0);
    put_input(&input, data, size);
    CHECK(text_is_whole(&input));
    feed(run, input.bytes, input.size);
    answer_waiting(run);
    CHECK(server.queued_bytes < QUEUED_BYTES_MAX);
    if (size % 3 == 0)
        http_begin_closing(&server);
    (void)timer_wheel_advance(server.timers, INT64_C(1500000000));
    read_sent(run);
    if (size % 2 == 0)
        fake_stream_end(&run->fake);
    read_sent(run);
    fake_stream_done(&run->fake);
    check_end(run, &server);
    http2_reader_done(&run->reader);
    timer_wheel_close(server.timers);
    text_done(&input);
    free(run);
    return 0;
}
