/*
 * HTTP/1.1 input, heads and bodies (by length and chunked), pipelined: whatever comes, and however
 * it is cut,
 *
 *   the same requests are understood, the same bytes are answered, and the same end is come to,
 *     whether answers are given at once or later, to a client that reads or hesitates;
 *   each request that was understood stands in the input by a plain reading, with that body;
 *   what was understood, written down plainly, is understood as the same: no byte of a request can
 *     be taken for another request's;
 *   what is answered is HTTP: one answer per request, in order, and nothing behind `close`.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bus/check.h"
#include "server/http/http1.h"
#include "server/http/http2.h"
#include "server/json/text.h"
#include "server/net/timer.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"
#include "tests/unit/fake_stream.h"

enum {
    HEAD_MAX = 2048,
    BODY_MAX = 4096,
    BIG_BYTES = 200 * 1024, /* an answer that does not drain at once */
    SLOW_BYTES_MAX = 2048,  /* inputs up to this length are fed byte by byte, too */
};

/* How an input is cut and answered. */
struct manner {
    struct reference_random random;
    size_t piece_bytes_max; /* 0: all at once */
    bool is_late;           /* answers come when the whole piece has been looked at */
    bool hesitates;         /* the client does not read at times */
    int64_t piece_ns;       /* time between two pieces */
};

struct run {
    struct fake_stream fake;
    struct timer_wheel *timers;
    const struct manner *manner;
    int64_t now_ns;
    struct http_exchange *waiting; /* to be answered late */
    struct text requests;          /* all of them, written plainly */
    struct text bodies;            /* of all, each behind its length */
    struct text kinds;             /* of each: its answer's body is left out (H) or not (B) */
    struct text tail;              /* what came behind an upgrade */
    struct text answers;           /* without what may differ: dates, 100 Continue */
    unsigned answered_count;
    unsigned gone_count; /* before they were answered */
    bool is_closed;      /* before the client's end */
};

static const char big[BIG_BYTES];

static bool is_same(const struct text *a, const struct text *b)
{
    CHECK(text_is_whole(a) && text_is_whole(b));
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* --- requests ----------------------------------------------------------------------------------- */

static const char *method_name(enum http_method method)
{
    static const char *const names[] = {
        [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD", [HTTP_METHOD_POST] = "POST",
        [HTTP_METHOD_OPTIONS] = "OPTIONS", [HTTP_METHOD_OTHER] = "PUT",
    };

    return names[method];
}

static void add(struct text *text, struct http_text part)
{
    text_add(text, part.bytes, part.size);
}

/* No longer than the original's head was, and with a length instead of chunks. */
static void write_plainly(struct text *out, const struct http_request *request)
{
    text_add_string(out, method_name(request->method));
    text_add_string(out, " ");
    add(out, request->path);
    if (request->query.size > 0)
        text_add_string(out, "?");
    add(out, request->query);
    text_printf(out, " HTTP/1.%d\r\n", request->is_http_1_0 ? 0 : 1);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (http_text_equals(header->name, "content-length") ||
            http_text_equals(header->name, "transfer-encoding"))
            continue;
        add(out, header->name);
        text_add_string(out, ":");
        add(out, header->value);
        text_add_string(out, "\r\n");
    }
    if (request->body_bytes > 0)
        text_printf(out, "content-length:%zu\r\n", request->body_bytes);
    text_add_string(out, "\r\n");
    text_add(out, request->body, request->body_bytes);
}

static void check_request(const struct http_request *request)
{
    char decoded[HEAD_MAX];
    struct http_text value;
    size_t bytes = request->path.size + request->query.size;

    CHECK(request->header_count <= HTTP_HEADERS_MAX);
    CHECK(request->body_bytes <= BODY_MAX);
    CHECK(request->path.size > 0);
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_text name = request->headers[i].name;

        CHECK(name.size > 0);
        bytes += name.size + request->headers[i].value.size;
        for (size_t j = 0; j < name.size; j++)
            CHECK(name.bytes[j] < 'A' || name.bytes[j] > 'Z');
        CHECK(memchr(request->headers[i].value.bytes, '\n', request->headers[i].value.size) ==
              NULL);
        CHECK(http_header(request, "host") != NULL || request->is_http_1_0);
    }
    CHECK(bytes < HEAD_MAX);
    if (http_header(request, "transfer-encoding") != NULL)
        CHECK(http_header(request, "content-length") == NULL);
    (void)http_decode(request->path, decoded, sizeof decoded);
    (void)http_query_get(request->query, "since", &value);
    (void)http_accepts(request, "text/event-stream");
    (void)http_header_has_token(request, "connection", "upgrade");
}

/* --- requests by a plain reading of the input ------------------------------------------------- */

/* The next line without its CRLF; false: there is no whole one. */
static bool next_line(struct http_text *rest, struct http_text *ret_line)
{
    const char *end = rest->size == 0 ? NULL : memmem(rest->bytes, rest->size, "\r\n", 2);

    if (end == NULL)
        return false;
    *ret_line = (struct http_text){rest->bytes, (size_t)(end - rest->bytes)};
    rest->bytes = end + 2;
    rest->size -= ret_line->size + 2;
    return true;
}

/* A chunked body, by the letter of RFC 9112 section 7.1; false: it is none, or not whole. */
static bool plain_chunks(struct http_text *rest, struct text *body)
{
    struct http_text line;
    uint64_t left;

    do {
        size_t digits = 0;

        left = 0;
        if (!next_line(rest, &line))
            return false;
        while (digits < line.size && isxdigit((unsigned char)line.bytes[digits]) != 0)
            digits++;
        if (digits == 0 || digits > 15 || (digits < line.size && line.bytes[digits] != ';'))
            return false;
        for (size_t i = 0; i < digits; i++) {
            char digit = line.bytes[i];

            left = left * 16 + (uint64_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }
        if (left > 0) {
            if (rest->size < 2 || left > rest->size - 2 ||
                memcmp(rest->bytes + left, "\r\n", 2) != 0)
                return false;
            text_add(body, rest->bytes, (size_t)left);
            rest->bytes += left + 2;
            rest->size -= (size_t)left + 2;
        }
    } while (left > 0);
    do {
        if (!next_line(rest, &line))
            return false;
    } while (line.size > 0);
    return true;
}

/* A request, from which only the body is taken; false: there is no whole one. */
static bool plain_request(struct http_text *rest, struct text *bodies)
{
    struct text body = {0};
    struct http_text line;
    bool is_chunked = false;
    size_t length = 0;

    if (rest->size >= 2 && memcmp(rest->bytes, "\r\n", 2) == 0) {
        rest->bytes += 2;
        rest->size -= 2;
    }
    do {
        if (!next_line(rest, &line) || memchr(line.bytes, '\n', line.size) != NULL)
            return false;
        if (line.size > 15 && strncasecmp(line.bytes, "content-length:", 15) == 0)
            length = strtoul(line.bytes + 15, NULL, 10); /* ends at the CR */
        is_chunked |= line.size > 18 && strncasecmp(line.bytes, "transfer-encoding:", 18) == 0;
    } while (line.size > 0);
    if (is_chunked && !plain_chunks(rest, &body)) {
        text_done(&body);
        return false;
    }
    if (!is_chunked) {
        if (length > rest->size)
            return false;
        text_add(&body, rest->bytes, length);
        rest->bytes += length;
        rest->size -= length;
    }
    text_printf(bodies, "%zu:", body.size);
    text_add(bodies, body.bytes, body.size);
    text_done(&body);
    return true;
}

/* Each request that was understood is one, with that body. */
static void check_bodies(const struct run *run, const uint8_t *data, size_t size)
{
    struct http_text rest = {(const char *)data, size};
    struct text bodies = {0};

    for (size_t i = 0; i < run->kinds.size; i++)
        CHECK(plain_request(&rest, &bodies));
    CHECK(is_same(&run->bodies, &bodies));
    text_done(&bodies);
}

/* --- what the server's user does: it follows from the path ------------------------------------ */

static size_t on_tail(void *user, const uint8_t *bytes, size_t size)
{
    text_add(&((struct run *)user)->tail, bytes, size);
    return size;
}

static void on_tail_close(void *user, enum stream_close_reason reason)
{
    (void)user;
    (void)reason;
}

static const struct stream_handlers tail_handlers = {
    .on_data = on_tail,
    .on_close = on_tail_close,
};

static bool begins_with(struct http_text text, const char *begin)
{
    return text.size >= strlen(begin) && memcmp(text.bytes, begin, strlen(begin)) == 0;
}

static void answer(struct run *run, struct http_exchange *exchange)
{
    struct http_text path = http_request(exchange)->path;
    struct http_response response = {.status = 200, .content_type = "text/plain"};
    char body[32];

    run->answered_count++;
    if (begins_with(path, "/up")) {
        stream_set_user(http_upgrade(exchange, "Connection: Upgrade\r\nUpgrade: x\r\n"),
                        &tail_handlers, run);
    } else if (begins_with(path, "/flow")) {
        struct stream *stream = http_begin_stream(exchange, "text/event-stream", NULL);

        stream_set_user(stream, &tail_handlers, run);
        stream_write(stream, "data: 1\n\n", 9);
    } else if (begins_with(path, "/error")) {
        http_respond_error(exchange, 404, "not_found", "nothing", "Vary: Accept\r\n");
    } else if (begins_with(path, "/empty")) {
        http_respond(exchange, &(struct http_response){.status = 204});
    } else {
        response.is_last = begins_with(path, "/last");
        response.body_bytes =
            (size_t)snprintf(body, sizeof body, "%u %zu", run->answered_count, run->requests.size);
        response.body = body;
        if (begins_with(path, "/big")) {
            response.body = big;
            response.body_bytes = sizeof big;
        }
        http_respond(exchange, &response);
    }
}

static void on_gone(void *user)
{
    struct run *run = user;

    run->gone_count++;
    run->waiting = NULL;
}

static void on_request(void *user, struct http_exchange *exchange)
{
    struct run *run = user;
    const struct http_request *request = http_request(exchange);
    bool is_unanswered = begins_with(request->path, "/gone");

    CHECK(run->waiting == NULL); /* no request before the one before it is answered */
    check_request(request);
    write_plainly(&run->requests, request);
    text_printf(&run->bodies, "%zu:", request->body_bytes);
    text_add(&run->bodies, request->body, request->body_bytes);
    text_add(&run->kinds, request->method == HTTP_METHOD_HEAD ? "H" : "B", 1);
    if (is_unanswered || run->manner->is_late)
        http_exchange_set_user(exchange, on_gone, run);
    if (is_unanswered)
        return;
    if (run->manner->is_late)
        run->waiting = exchange;
    else
        answer(run, exchange);
}

/* --- what was answered -------------------------------------------------------------------------- */

/* What one answer's head says. */
struct answer_head {
    unsigned status;
    size_t body_bytes;
    bool has_length;
    bool is_last;
    bool has_date;
};

static void read_head(struct http_text *rest, struct text *out, struct answer_head *ret)
{
    struct http_text line;

    *ret = (struct answer_head){0};
    CHECK(next_line(rest, &line));
    CHECK(begins_with(line, "HTTP/1.1 ") && line.size >= 13 && line.bytes[12] == ' ');
    ret->status = (unsigned)strtoul(line.bytes + 9, NULL, 10); /* ends at the blank */
    CHECK(ret->status >= 100 && ret->status <= 599);
    if (ret->status != 100)
        add(out, line);
    for (;;) {
        CHECK(next_line(rest, &line));
        if (line.size == 0)
            break;
        CHECK(memchr(line.bytes, ':', line.size) != NULL);
        if (begins_with(line, "Content-Length: ")) {
            CHECK(!ret->has_length);
            ret->has_length = true;
            ret->body_bytes = (size_t)strtoull(line.bytes + 16, NULL, 10); /* ends at the CR */
        }
        ret->is_last |= http_text_equals(line, "Connection: close");
        if (begins_with(line, "Date: "))
            ret->has_date = true;
        else
            add(out, line);
    }
}

/* Walks all that was sent. */
static void check_answers(struct run *run)
{
    struct http_text rest;
    unsigned count = 0;

    rest.bytes = fake_stream_take(&run->fake, &rest.size);
    while (rest.size > 0) {
        struct answer_head head;
        bool is_to_head = count < run->kinds.size && run->kinds.bytes[count] == 'H';

        read_head(&rest, &run->answers, &head);
        if (head.status == 100) {
            CHECK(!head.has_length);
            continue;
        }
        count++;
        CHECK(head.has_date);
        if (head.status == 101 || (head.status == 200 && !head.has_length)) {
            add(&run->answers, rest); /* the stream is another's from here on */
            break;
        }
        CHECK(head.has_length == (head.status != 204));
        /* A refusal is the last; to a HEAD that was not understood it has no body. */
        if (count > run->answered_count ? rest.size > 0 : !is_to_head) {
            CHECK(rest.size >= head.body_bytes);
            text_add(&run->answers, rest.bytes, head.body_bytes);
            rest.bytes += head.body_bytes;
            rest.size -= head.body_bytes;
        }
        if (head.is_last)
            CHECK(rest.size == 0);
    }
    CHECK(count == run->answered_count || count == run->answered_count + 1); /* a refusal */
}

/* --- a run -------------------------------------------------------------------------------------- */

/* Whoever is to be answered late is, and whoever waits behind him. */
static void go_on(struct run *run)
{
    fake_stream_run(&run->fake);
    while (run->waiting != NULL) {
        struct http_exchange *exchange = run->waiting;

        run->waiting = NULL;
        http_exchange_set_user(exchange, NULL, NULL);
        answer(run, exchange);
        fake_stream_run(&run->fake);
    }
}

static void feed(struct run *run, const uint8_t *data, size_t size)
{
    struct reference_random random = run->manner->random;
    size_t bytes_max = run->manner->piece_bytes_max;

    for (size_t at = 0; at < size;) {
        size_t bytes = bytes_max == 0 ? size : 1 + reference_random_below(&random, bytes_max);

        if (bytes > size - at)
            bytes = size - at;
        run->fake.is_stuck = run->manner->hesitates && reference_random_below(&random, 3) > 0;
        fake_stream_feed(&run->fake, data + at, bytes);
        go_on(run);
        run->now_ns += run->manner->piece_ns;
        (void)timer_wheel_advance(run->timers, run->now_ns);
        go_on(run);
        at += bytes;
    }
    run->fake.is_stuck = false;
    go_on(run);
    run->is_closed = run->fake.is_reported || run->fake.stream.is_finishing;
    fake_stream_end(&run->fake);
    go_on(run);
}

static void run_input(struct run *run, const struct manner *manner, const uint8_t *data,
                      size_t size)
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
    struct http_server server = {.handlers = &handlers, .limits = &limits, .user = run};
    *run = (struct run){.manner = manner};
    CHECK(timer_wheel_open(0, &server.timers) == 0);
    run->timers = server.timers;
    fake_stream_init(&run->fake);
    CHECK(http1_serve(&server, &run->fake.stream) == 0);
    feed(run, data, size);
    if (manner->piece_ns == 0)
        check_answers(run); /* else they may be cut off */
    fake_stream_done(&run->fake);
    CHECK(run->answered_count + run->gone_count == run->kinds.size);
    CHECK(server.connections == NULL);
    timer_wheel_close(server.timers);
}

static void run_done(struct run *run)
{
    text_done(&run->requests);
    text_done(&run->bodies);
    text_done(&run->kinds);
    text_done(&run->tail);
    text_done(&run->answers);
}

static void check_cut(const struct run *whole, const struct manner *manner, const uint8_t *data,
                      size_t size)
{
    struct run cut;

    run_input(&cut, manner, data, size);
    CHECK(is_same(&whole->requests, &cut.requests));
    CHECK(is_same(&whole->tail, &cut.tail));
    CHECK(is_same(&whole->answers, &cut.answers));
    CHECK(whole->is_closed == cut.is_closed);
    run_done(&cut);
}

/* With time between the pieces it is a beginning of that: the rest came too late. */
static void check_slow(const struct run *whole, const struct manner *manner, const uint8_t *data,
                       size_t size)
{
    struct run slow;

    run_input(&slow, manner, data, size);
    CHECK(slow.requests.size <= whole->requests.size);
    if (slow.requests.size > 0 && whole->requests.bytes != NULL)
        CHECK(memcmp(slow.requests.bytes, whole->requests.bytes, slow.requests.size) == 0);
    run_done(&slow);
}

/* Without the upgrade's tail: it is no HTTP. */
static void check_plain(const struct run *whole)
{
    static const struct manner manner = {.is_late = false};
    struct run plain;

    run_input(&plain, &manner, (const uint8_t *)whole->requests.bytes, whole->requests.size);
    CHECK(is_same(&whole->requests, &plain.requests));
    CHECK(is_same(&whole->kinds, &plain.kinds));
    run_done(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reference_random random = reference_random_of(data, size);
    const struct manner together = {.random = random};
    const struct manner byte_by_byte = {.random = random, .piece_bytes_max = 1};
    const struct manner in_pieces = {
        .random = random,
        .piece_bytes_max = 2 + reference_random_below(&random, 1 + size / 2),
        .is_late = true,
        .hesitates = true,
    };
    struct manner slowly = in_pieces;
    struct run whole;

    if (http2_is_preface(data, size) == 1)
        return 0;                         /* fuzz_http2's */
    slowly.piece_ns = INT64_C(300000000); /* three or four pieces are too late */
    slowly.is_late = size % 2 == 0;
    run_input(&whole, &together, data, size);
    if (size <= SLOW_BYTES_MAX)
        check_cut(&whole, &byte_by_byte, data, size);
    check_cut(&whole, &in_pieces, data, size);
    check_slow(&whole, &slowly, data, size);
    check_bodies(&whole, data, size);
    check_plain(&whole);
    run_done(&whole);
    return 0;
}
