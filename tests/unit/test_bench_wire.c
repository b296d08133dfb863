/* The bench's own WebSocket and HTTP, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluice-bench/http.h"
#include "tools/sluice-bench/websocket.h"

static void a_client_frame_has_the_shortest_length_and_a_mask(void **state)
{
    static const struct {
        size_t data_bytes;
        size_t header_bytes;
        unsigned char length_code;
    } rows[] = {{0, 6, 0},     {125, 6, 125},   {126, 8, 126},
                {127, 8, 126}, {65535, 8, 126}, {65536, 14, 127}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out = {0};
        char *data;
        assert_int_equal(websocket_frame_extend(&out, WEBSOCKET_TEXT, rows[i].data_bytes, &data),
                         0);
        const unsigned char *head = (const unsigned char *)buffer_front(&out);
        assert_int_equal(buffer_bytes(&out), rows[i].header_bytes + rows[i].data_bytes);
        assert_int_equal(data - buffer_front(&out), rows[i].header_bytes);
        assert_int_equal(head[0], 0x81);
        assert_int_equal(head[1], 0x80 | rows[i].length_code);
        if (rows[i].length_code == 126)
            assert_int_equal(head[2] << 8 | head[3], rows[i].data_bytes);
        if (rows[i].length_code == 127)
            assert_memory_equal(head + 2, "\0\0\0\0\0\1\0\0", 8);
        buffer_clear(&out);
    }
}

/* A server's frame; its length is returned. */
static size_t server_frame(char *to, size_t data_bytes)
{
    to[0] = (char)0x81;
    if (data_bytes < 126) {
        to[1] = (char)data_bytes;
        memset(to + 2, 'd', data_bytes);
        return 2 + data_bytes;
    }
    if (data_bytes < 65536) {
        to[1] = 126;
        to[2] = (char)(data_bytes >> 8);
        to[3] = (char)data_bytes;
        memset(to + 4, 'd', data_bytes);
        return 4 + data_bytes;
    }
    to[1] = 127;
    for (size_t i = 0; i < 8; i++)
        to[2 + i] = (char)((uint64_t)data_bytes >> (8 * (7 - i)));
    memset(to + 10, 'd', data_bytes);
    return 10 + data_bytes;
}

static void a_server_frame_is_read_when_whole_and_not_before(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 200, 65535, 65536, 70000};
    char *bytes = malloc(100000);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct websocket_frame frame;
        size_t frame_bytes = server_frame(bytes, sizes[i]);
        for (size_t cut = 0; cut < frame_bytes && cut < 300; cut++) {
            assert_int_equal(websocket_frame_read(bytes, cut, &frame), WEBSOCKET_MORE);
            assert_int_equal(websocket_frame_read(bytes, frame_bytes - 1 - cut, &frame),
                             WEBSOCKET_MORE);
        }
        assert_int_equal(websocket_frame_read(bytes, frame_bytes + 7, &frame), WEBSOCKET_OK);
        assert_int_equal(frame.opcode, WEBSOCKET_TEXT);
        assert_int_equal(frame.data_bytes, sizes[i]);
        assert_int_equal(frame.frame_bytes, frame_bytes);
        assert_ptr_equal(frame.data, bytes + frame_bytes - sizes[i]);
    }
    free(bytes);
}

static void masked_fragmented_and_impossible_frames_are_bad(void **state)
{
    struct websocket_frame frame;

    (void)state;
    assert_int_equal(websocket_frame_read("\x81\x80\0\0\0\0", 6, &frame), WEBSOCKET_BAD);
    assert_int_equal(websocket_frame_read("\x01\x00", 2, &frame), WEBSOCKET_BAD);
    assert_int_equal(websocket_frame_read("\xc1\x00", 2, &frame), WEBSOCKET_BAD);
    assert_int_equal(websocket_frame_read("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, &frame),
                     WEBSOCKET_BAD);
}

static void only_the_right_answer_upgrades(void **state)
{
    static const char good[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
    static const char unproven[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    static const char refused[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    size_t head_bytes = 0;

    (void)state;
    assert_int_equal(websocket_answer_read(good, sizeof good - 1, &head_bytes), WEBSOCKET_OK);
    assert_string_equal(good + head_bytes, "rest");
    assert_int_equal(websocket_answer_read(good, 100, &head_bytes), WEBSOCKET_MORE);
    assert_int_equal(websocket_answer_read(unproven, sizeof unproven - 1, &head_bytes),
                     WEBSOCKET_BAD);
    assert_int_equal(websocket_answer_read(refused, sizeof refused - 1, &head_bytes),
                     WEBSOCKET_BAD);
}

static void http_answers_are_read_one_at_a_time(void **state)
{
    static const char two[] = "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n12345"
                              "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n";
    int status = 0;
    size_t first = 0;
    size_t second = 0;

    (void)state;
    assert_int_equal(http_answer_read(two, sizeof two - 1, &status, &first), HTTP_OK);
    assert_int_equal(status, 201);
    assert_int_equal(http_answer_read(two + first, sizeof two - 1 - first, &status, &second),
                     HTTP_OK);
    assert_int_equal(status, 507);
    assert_int_equal(first + second, sizeof two - 1);
    for (size_t cut = 0; cut < first; cut++)
        assert_int_equal(http_answer_read(two, cut, &status, &second), HTTP_MORE);
}

static void http_answers_of_unknown_length_are_bad(void **state)
{
    static const char endless[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char negative[] = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
    static const char older[] = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    int status;
    size_t bytes;

    (void)state;
    assert_int_equal(http_answer_read(endless, sizeof endless - 1, &status, &bytes), HTTP_BAD);
    assert_int_equal(http_answer_read(negative, sizeof negative - 1, &status, &bytes), HTTP_BAD);
    assert_int_equal(http_answer_read(older, sizeof older - 1, &status, &bytes), HTTP_BAD);
}

static void a_publish_over_http_is_one_request(void **state)
{
    struct http_target target = {.host = "h:1", .topic = "news", .is_durable = true};
    struct buffer out = {0};
    char *body;

    (void)state;
    assert_int_equal(http_publish_extend(&out, &target, 5, &body), 0);
    memcpy(body, "hello", 5);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_string_equal(buffer_front(&out),
                        "POST /topics/news?durable=true HTTP/1.1\r\nHost: h:1\r\n"
                        "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
                        "hello");
    buffer_clear(&out);
}

static void a_buffer_gives_back_what_was_put_in(void **state)
{
    struct buffer buffer = {0};
    unsigned char next_in = 0;
    unsigned char next_out = 0;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 7; i++, next_in++)
            assert_int_equal(buffer_append(&buffer, &next_in, 1), 0);
        for (int i = 0; i < round % 5 && buffer_bytes(&buffer) > 0; i++, next_out++) {
            assert_int_equal((unsigned char)*buffer_front(&buffer), next_out);
            buffer_consume(&buffer, 1);
        }
    }
    assert_int_equal(buffer_bytes(&buffer) % 256, (unsigned char)(next_in - next_out));
    buffer_clear(&buffer);
    assert_null(buffer.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_frame_has_the_shortest_length_and_a_mask),
        cmocka_unit_test(a_server_frame_is_read_when_whole_and_not_before),
        cmocka_unit_test(masked_fragmented_and_impossible_frames_are_bad),
        cmocka_unit_test(only_the_right_answer_upgrades),
        cmocka_unit_test(http_answers_are_read_one_at_a_time),
        cmocka_unit_test(http_answers_of_unknown_length_are_bad),
        cmocka_unit_test(a_publish_over_http_is_one_request),
        cmocka_unit_test(a_buffer_gives_back_what_was_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
