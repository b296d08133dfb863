#include "tests/unit/websocket_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct websocket_fixture *f;

static int begin_http(void **state)
{
    (void)state;
    f = websocket_fixture_new(NULL);
    return 0;
}

static int begin(void **state)
{
    (void)begin_http(state);
    shake_hands(f);
    return 0;
}

static int end(void **state)
{
    (void)state;
    websocket_fixture_free(f);
    return 0;
}

/* --- handshake ------------------------------------------------------------------------------------ */

static void the_key_is_answered_as_the_rfc_has_it(void **state)
{
    const char *sent;

    (void)state;
    f->protocol = "graphql-ws";
    fake_stream_feed(&f->fake, HANDSHAKE, sizeof HANDSHAKE - 1);
    fake_stream_run(&f->fake);
    assert_non_null(f->websocket);
    sent = fake_stream_take(&f->fake, NULL);
    assert_ptr_equal(strstr(sent, "HTTP/1.1 101 Switching Protocols\r\n"), sent);
    assert_non_null(strstr(sent, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(sent, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(sent, "\r\nSec-WebSocket-Protocol: graphql-ws\r\n\r\n"));
    assert_null(strstr(sent, "Content-Length"));
}

static void a_malformed_handshake_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *status;
    } cases[] = {
        {"POST /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "405"},
        {"GET /ws HTTP/1.0\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Content-Length: 1\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nx",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
         "426"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         "426"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", "404"},
        {"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "404"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *sent;

        fake_stream_feed(&f->fake, cases[i].text, strlen(cases[i].text));
        fake_stream_run(&f->fake);
        assert_null(f->websocket);
        sent = fake_stream_take(&f->fake, NULL);
        if (strncmp(sent + 9, cases[i].status, 3) != 0)
            fail_msg("%s: %s", cases[i].text, sent);
        assert_int_equal(strstr(sent, "\r\nSec-WebSocket-Version: 13\r\n") != NULL,
                         strcmp(cases[i].status, "426") == 0);
        fake_stream_done(&f->fake);
        open_stream(f);
    }
}

static void tokens_of_the_handshake_may_be_in_any_case_and_in_lists(void **state)
{
    static const char text[] =
        "GET /ws HTTP/1.1\r\nHost: h\r\nUPGRADE: x, WebSocket\r\nconnection: keep-alive, "
        "uPGRADE\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n";

    (void)state;
    fake_stream_feed(&f->fake, text, sizeof text - 1);
    fake_stream_run(&f->fake);
    assert_non_null(f->websocket);
}

static void frames_may_follow_the_handshake_at_once_at_every_split(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    add_raw(&input, HANDSHAKE, sizeof HANDSHAKE - 1);
    add_text(&input, FINAL | FRAME_TEXT, "early");
    for (size_t split = 0; split < input.size; split++) {
        fake_stream_feed(&f->fake, input.bytes, split);
        fake_stream_run(&f->fake);
        fake_stream_feed(&f->fake, input.bytes + split, input.size - split);
        fake_stream_run(&f->fake);
        assert_string_equal(f->received, "T:early\n");
        fake_stream_done(&f->fake);
        open_stream(f);
    }
}

/* --- messages ------------------------------------------------------------------------------------- */

static void a_conversation_is_the_same_at_every_split(void **state)
{
    static const uint8_t pongs[] = {0x8A, 3, 'p', '-', '1', 0x8A, 0, 0x8A, 2, 'p', '3'};
    struct input input = {.size = 0};

    (void)state;
    add_text(&input, FINAL | FRAME_TEXT, "one");
    add_text(&input, FINAL | FRAME_TEXT, "");
    add_text(&input, FINAL | FRAME_BINARY, "two");
    add_text(&input, FRAME_TEXT, "three h\xC3"); /* a character cut in two */
    add_text(&input, FINAL | FRAME_PING, "p-1");
    add_text(&input, FRAME_CONTINUATION, "\xA9 four");
    add_text(&input, FINAL | FRAME_PONG, "unasked");
    add_text(&input, FINAL | FRAME_PING, "");
    add_text(&input, FRAME_CONTINUATION, "");
    add_text(&input, FINAL | FRAME_CONTINUATION, " five");
    add_text(&input, FRAME_BINARY, "");
    add_text(&input, FINAL | FRAME_CONTINUATION, "six");
    add_text(&input, FRAME_BINARY, "");
    add_text(&input, FINAL | FRAME_CONTINUATION, "");
    add_text(&input, FINAL | FRAME_PING, "p3");
    add_text(&input, FINAL | FRAME_TEXT, "end");
    for (size_t split = 0; split <= input.size; split++) {
        fake_stream_feed(&f->fake, input.bytes, split);
        fake_stream_run(&f->fake);
        fake_stream_feed(&f->fake, input.bytes + split, input.size - split);
        fake_stream_run(&f->fake);
        assert_string_equal(f->received,
                            "T:one\nT:\nB:two\nT:three h\xC3\xA9 four five\nB:six\nB:\nT:end\n");
        assert_sent_bytes(f, pongs, sizeof pongs);
        assert_int_equal(f->closed_with, 0);
        reopen(f);
    }
}

static void a_conversation_is_the_same_byte_by_byte(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    add_text(&input, FRAME_TEXT, "a");
    add_text(&input, FINAL | FRAME_PING, "p");
    add_text(&input, FINAL | FRAME_CONTINUATION, "b");
    for (size_t i = 0; i < input.size; i++) {
        fake_stream_feed(&f->fake, input.bytes + i, 1);
        fake_stream_run(&f->fake);
    }
    assert_string_equal(f->received, "T:ab\n");
    assert_sent_bytes(f, "\x8A\x01p", 3);
}

static void a_message_of_exactly_the_limit_passes_in_one_frame_or_many(void **state)
{
    char text[MESSAGE_MAX + 1];
    char wanted[2 * MESSAGE_MAX + 16];
    struct input input = {.size = 0};

    (void)state;
    memset(text, 'x', MESSAGE_MAX);
    text[MESSAGE_MAX] = '\0';
    add_frame(&input, FINAL | FRAME_TEXT, text, MESSAGE_MAX);
    add_frame(&input, FRAME_TEXT, text, MESSAGE_MAX - 1);
    add_frame(&input, FINAL | FRAME_CONTINUATION, text, 1);
    feed_input(f, &input);
    (void)snprintf(wanted, sizeof wanted, "T:%s\nT:%s\n", text, text);
    assert_string_equal(f->received, wanted);
}

static void long_messages_pass_whatever_the_size_of_the_pieces(void **state)
{
    enum { LONG = 60000 };
    struct input *input = calloc(1, sizeof *input);
    uint8_t head[8] = {FINAL | FRAME_BINARY, 0x80 | 126, LONG >> 8, LONG & 0xFF, 1, 2, 3, 4};
    uint8_t *frame = malloc(sizeof head + LONG);
    static const size_t steps[] = {1000, 4096, 4097, 65536};

    (void)state;
    assert_non_null(input);
    assert_non_null(frame);
    f->options.message_bytes_max = LONG;
    websocket_set_configure(f->set, &f->options);
    memcpy(frame, head, sizeof head);
    for (size_t i = 0; i < LONG; i++)
        frame[sizeof head + i] = (uint8_t)('y' ^ head[4 + i % 4]);
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        f->received[0] = '\0';
        for (size_t at = 0; at < sizeof head + LONG; at += steps[k]) {
            size_t left = sizeof head + LONG - at;

            fake_stream_feed(&f->fake, frame + at, left < steps[k] ? left : steps[k]);
        }
        assert_int_equal(strlen(f->received), sizeof f->received - 1); /* cut by the log */
        assert_int_equal(strspn(f->received + 2, "y"), sizeof f->received - 3);
    }
    free(frame);
    free(input);
}

/* --- what breaks the rules ------------------------------------------------------------------------ */

struct broken {
    const char *name;
    struct input input;
    int code;
};

static struct broken *add_case(struct broken *cases, size_t *count, const char *name, int code)
{
    struct broken *broken = &cases[(*count)++];

    broken->name = name;
    broken->code = code;
    return broken;
}

static void add_frame_case(struct broken *cases, size_t *count, int code, int first,
                           const char *payload)
{
    add_text(&add_case(cases, count, payload, code)->input, first, payload);
}

static void add_raw_case(struct broken *cases, size_t *count, const char *name, const char *bytes,
                         size_t size)
{
    add_raw(&add_case(cases, count, name, WEBSOCKET_PROTOCOL_ERROR)->input, bytes, size);
}

static size_t make_broken(struct broken *cases)
{
    size_t count = 0;
    struct input *input;

    add_frame_case(cases, &count, 1002, FINAL | 0x40 | FRAME_TEXT, "RSV1");
    add_frame_case(cases, &count, 1002, FINAL | 0x20 | FRAME_TEXT, "RSV2");
    add_frame_case(cases, &count, 1002, FINAL | 0x10 | FRAME_TEXT, "RSV3");
    add_frame_case(cases, &count, 1002, FINAL | 0x40 | FRAME_PING, "RSV1 on a ping");
    add_frame_case(cases, &count, 1002, FINAL | 0x3, "opcode 3");
    add_frame_case(cases, &count, 1002, FINAL | 0x7, "opcode 7");
    add_frame_case(cases, &count, 1002, FINAL | 0xB, "opcode B");
    add_frame_case(cases, &count, 1002, FINAL | 0xF, "opcode F");
    add_frame_case(cases, &count, 1002, FRAME_PING, "a ping in pieces");
    add_frame_case(cases, &count, 1002, FRAME_CLOSE, "a close in pieces");
    add_frame_case(cases, &count, 1002, FINAL | FRAME_CONTINUATION, "nothing to continue");
    add_frame_case(cases, &count, 1002, FRAME_CONTINUATION, "nothing to continue either");
    input = &add_case(cases, &count, "a text inside a text", 1002)->input;
    add_text(input, FRAME_TEXT, "a");
    add_text(input, FINAL | FRAME_TEXT, "b");
    input = &add_case(cases, &count, "a binary inside a text", 1002)->input;
    add_text(input, FRAME_TEXT, "");
    add_text(input, FRAME_BINARY, "b");
    input = &add_case(cases, &count, "a continuation behind a whole message", 1002)->input;
    add_text(input, FRAME_TEXT, "a");
    add_text(input, FINAL | FRAME_CONTINUATION, "b");
    add_text(input, FINAL | FRAME_CONTINUATION, "c");
    add_raw_case(cases, &count, "no mask", "\x81\x01x", 3);
    add_raw_case(cases, &count, "no mask, no payload", "\x81\x00", 2);
    add_raw_case(cases, &count, "no mask on a ping", "\x89\x00", 2);
    add_raw_case(cases, &count, "16 bits for a small length", "\x81\xFE\x00\x7D....x", 9);
    add_raw_case(cases, &count, "64 bits for a 16 bit length",
                 "\x81\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF....", 14);
    add_raw_case(cases, &count, "a length with the highest bit",
                 "\x81\xFF\x80\x00\x00\x00\x00\x00\x00\x01....", 14);
    add_raw_case(cases, &count, "a long ping", "\x89\xFE\x00\x80....", 8);

    add_frame_case(cases, &count, 1007, FINAL | FRAME_TEXT, "\x80");
    add_frame_case(cases, &count, 1007, FINAL | FRAME_TEXT, "cut \xE2\x82");
    add_frame_case(cases, &count, 1007, FINAL | FRAME_TEXT, "\xED\xA0\x80 is a surrogate");
    add_frame_case(cases, &count, 1007, FINAL | FRAME_TEXT, "\xF4\x90\x80\x80 is too high");
    add_frame_case(cases, &count, 1007, FINAL | FRAME_TEXT, "\xC0\xAF is overlong");
    input = &add_case(cases, &count, "bad UTF-8 in the second piece", 1007)->input;
    add_text(input, FRAME_TEXT, "h\xC3");
    add_text(input, FRAME_CONTINUATION, "z");
    input = &add_case(cases, &count, "a character cut by the end of the message", 1007)->input;
    add_text(input, FRAME_TEXT, "h\xC3");
    add_text(input, FINAL | FRAME_CONTINUATION, "");

    add_frame_case(cases, &count, 1002, FINAL | FRAME_CLOSE, "\x03"); /* half a code */
    add_frame_case(cases, &count, 1007, FINAL | FRAME_CLOSE, "\x03\xE8 bad \xC3(");
    add_frame_case(cases, &count, 1007, FINAL | FRAME_CLOSE, "\x03\xE8 cut \xE2\x82");
    return count;
}

static void what_breaks_the_rules_closes_with_its_code_at_every_split(void **state)
{
    struct broken *cases = calloc(64, sizeof *cases);
    size_t count;

    (void)state;
    assert_non_null(cases);
    count = make_broken(cases);
    for (size_t i = 0; i < count; i++) {
        const struct input *input = &cases[i].input;

        for (size_t split = 0; split <= input->size; split++) {
            fake_stream_feed(&f->fake, input->bytes, split);
            fake_stream_run(&f->fake);
            fake_stream_feed(&f->fake, input->bytes + split, input->size - split);
            fake_stream_run(&f->fake);
            if (f->closed_with != cases[i].code)
                fail_msg("%s, split at %zu: %d", cases[i].name, split, f->closed_with);
            assert_sent_close(f, cases[i].code);
            reopen(f);
        }
    }
    free(cases);
}

static void a_message_over_the_limit_closes_with_1009_before_it_comes(void **state)
{
    static const char claims[] = "\x82\xFF\x00\x00\x00\x00\x40\x00\x00\x00....";
    static const char barely[] = "\x82\xFE\x01\x2D....";
    char text[MESSAGE_MAX];
    struct input input = {.size = 0};

    (void)state;
    fake_stream_feed(&f->fake, claims, sizeof claims - 1);
    fake_stream_run(&f->fake);
    assert_sent_close_because(f, 1009, "the message is over the limit of 300 bytes");
    assert_int_equal(f->closed_with, 1009);

    reopen(f);
    fake_stream_feed(&f->fake, barely, sizeof barely - 1); /* 301 */
    fake_stream_run(&f->fake);
    assert_sent_close_because(f, 1009, "the message is over the limit of 300 bytes");

    reopen(f);
    memset(text, 'x', sizeof text);
    add_frame(&input, FRAME_TEXT, text, MESSAGE_MAX);
    add_text(&input, FRAME_CONTINUATION, "");
    add_text(&input, FINAL | FRAME_CONTINUATION, "x");
    feed_input(f, &input);
    assert_sent_close_because(f, 1009, "the message is over the limit of 300 bytes");
    assert_string_equal(f->received, "");
}

static void nothing_is_read_behind_what_broke_the_rules(void **state)
{
    struct input input = {.size = 0};

    (void)state;
    add_text(&input, FINAL | FRAME_TEXT, "good");
    add_text(&input, FINAL | 0x3, "bad");
    add_text(&input, FINAL | FRAME_TEXT, "late");
    add_text(&input, FINAL | FRAME_PING, "late");
    feed_input(f, &input);
    assert_string_equal(f->received, "T:good\n");
    assert_sent_close(f, 1002);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, begin_http, end)
#define TEST(name)      cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(the_key_is_answered_as_the_rfc_has_it),
        HTTP_TEST(a_malformed_handshake_is_refused),
        HTTP_TEST(tokens_of_the_handshake_may_be_in_any_case_and_in_lists),
        HTTP_TEST(frames_may_follow_the_handshake_at_once_at_every_split),
        TEST(a_conversation_is_the_same_at_every_split),
        TEST(a_conversation_is_the_same_byte_by_byte),
        TEST(a_message_of_exactly_the_limit_passes_in_one_frame_or_many),
        TEST(long_messages_pass_whatever_the_size_of_the_pieces),
        TEST(what_breaks_the_rules_closes_with_its_code_at_every_split),
        TEST(a_message_over_the_limit_closes_with_1009_before_it_comes),
        TEST(nothing_is_read_behind_what_broke_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
