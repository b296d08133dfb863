#include "tests/unit/websocket_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the user ----------------------------------------------------------------------------------- */

static bool on_message(void *user, bool is_text, const uint8_t *bytes, size_t size)
{
    struct websocket_fixture *f = user;
    size_t used = strlen(f->received);

    assert_non_null(bytes);
    (void)snprintf(f->received + used, sizeof f->received - used, "%c:%.*s\n", is_text ? 'T' : 'B',
                   (int)size, (const char *)bytes);
    if (f->closes_with != 0)
        websocket_close(f->websocket, f->closes_with, "enough");
    return !f->says_hold;
}

static void on_drained(void *user)
{
    ((struct websocket_fixture *)user)->drained_count++;
}

static void on_close(void *user, enum websocket_end end, int code)
{
    struct websocket_fixture *f = user;

    assert_int_equal(f->closed_with, 0);
    assert_int_not_equal(end, WEBSOCKET_END_NONE);
    f->closed_with = code;
    f->end = end;
    f->websocket = NULL;
}

static void on_request(void *user, struct http_exchange *exchange)
{
    static const struct websocket_handlers handlers = {
        .on_message = on_message,
        .on_drained = on_drained,
        .on_close = on_close,
    };
    struct websocket_fixture *f = user;
    int rc = websocket_check(exchange);

    if (rc == 0)
        http_respond_error(exchange, 404, "not_found", "no WebSocket", NULL);
    if (rc > 0) {
        f->websocket = websocket_accept(f->set, exchange, f->protocol, &handlers, f);
        assert_non_null(f->websocket);
        assert_ptr_equal(websocket_stream(f->websocket), &f->fake.stream);
    }
}

struct websocket_fixture *websocket_fixture_new(struct budget *budget)
{
    static const struct http_handlers handlers = {.on_request = on_request};
    struct websocket_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(timer_wheel_open(f->now_ns, &f->wheel), 0);
    f->limits = (struct http_limits){
        .head_bytes_max = 4096,
        .body_bytes_max = 1000,
        .head_timeout_ns = 10 * SECOND,
        .body_timeout_ns = 10 * SECOND,
        .idle_timeout_ns = 10 * SECOND,
        .write_timeout_ns = 10 * SECOND,
    };
    f->server = (struct http_server){
        .handlers = &handlers, .user = f, .limits = &f->limits, .timers = f->wheel};
    f->options = (struct websocket_options){
        .input_budget = budget,
        .message_bytes_max = MESSAGE_MAX,
        .ping_interval_ns = 25 * SECOND,
        .ping_timeout_ns = 20 * SECOND,
    };
    assert_int_equal(websocket_set_open(f->wheel, &f->options, &f->set), 0);
    open_stream(f);
    return f;
}

void websocket_fixture_free(struct websocket_fixture *f)
{
    fake_stream_done(&f->fake);
    websocket_set_close(f->set); /* checks that all are gone */
    timer_wheel_close(f->wheel);
    free(f);
}

/* --- the client --------------------------------------------------------------------------------- */

void open_stream(struct websocket_fixture *f)
{
    f->received[0] = '\0';
    f->closed_with = 0;
    f->drained_count = 0;
    f->says_hold = false;
    f->closes_with = 0;
    f->websocket = NULL;
    fake_stream_init(&f->fake);
    assert_int_equal(http1_serve(&f->server, &f->fake.stream), 0);
}

void shake_hands(struct websocket_fixture *f)
{
    fake_stream_feed(&f->fake, HANDSHAKE, sizeof HANDSHAKE - 1);
    fake_stream_run(&f->fake);
    assert_non_null(f->websocket);
    (void)fake_stream_take(&f->fake, NULL);
}

void reopen(struct websocket_fixture *f)
{
    fake_stream_done(&f->fake);
    open_stream(f);
    shake_hands(f);
}

void pass(struct websocket_fixture *f, int64_t ns)
{
    f->now_ns += ns;
    (void)timer_wheel_advance(f->wheel, f->now_ns);
    fake_stream_run(&f->fake);
}

void add_raw(struct input *input, const void *bytes, size_t size)
{
    assert_true(input->size + size <= sizeof input->bytes);
    memcpy(input->bytes + input->size, bytes, size);
    input->size += size;
}

void add_frame(struct input *input, int first, const void *payload, size_t size)
{
    static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D};
    uint8_t head[FRAME_HEAD_BYTES_MAX] = {(uint8_t)first};
    size_t head_bytes = 2;

    if (size < 126) {
        head[1] = (uint8_t)(0x80 | size);
    } else {
        assert_true(size <= UINT16_MAX);
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        head_bytes = 4;
    }
    add_raw(input, head, head_bytes);
    add_raw(input, mask, sizeof mask);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = ((const uint8_t *)payload)[i] ^ mask[i % 4];

        add_raw(input, &byte, 1);
    }
}

void add_text(struct input *input, int first, const char *text)
{
    add_frame(input, first, text, strlen(text));
}

void feed_input(struct websocket_fixture *f, const struct input *input)
{
    fake_stream_feed(&f->fake, input->bytes, input->size);
    fake_stream_run(&f->fake);
}

void feed_text(struct websocket_fixture *f, int first, const char *text)
{
    struct input input = {.size = 0};

    add_text(&input, first, text);
    feed_input(f, &input);
}

void assert_sent_bytes(struct websocket_fixture *f, const void *wanted, size_t size)
{
    size_t sent_bytes;
    const char *sent = fake_stream_take(&f->fake, &sent_bytes);

    if (sent_bytes != size || memcmp(sent, wanted, size) != 0)
        fail_msg("sent %zu bytes, beginning with %02x %02x", sent_bytes, (unsigned)(uint8_t)sent[0],
                 sent_bytes > 1 ? (unsigned)(uint8_t)sent[1] : 0U);
}

void assert_sent_close_because(struct websocket_fixture *f, int code, const char *reason)
{
    size_t reason_bytes = strlen(reason);
    uint8_t frame[4 + 123] = {0x88, (uint8_t)(2 + reason_bytes), (uint8_t)(code >> 8),
                              (uint8_t)code};

    assert_in_range(reason_bytes, 0, 123);
    memcpy(frame + 4, reason, reason_bytes);
    assert_sent_bytes(f, frame, 4 + reason_bytes);
}

void assert_sent_close(struct websocket_fixture *f, int code)
{
    assert_sent_close_because(f, code, "");
}
