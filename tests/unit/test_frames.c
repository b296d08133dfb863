#include "tests/unit/bus_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/record.h"
#include "bus/stats.h"
#include "server/protocol/frames.h"

#define TIME_NS   INT64_C(1769860800123456789)
#define TIME_TEXT "2026-01-31T12:00:00.123456Z"

enum {
    FRAME_BYTES_MAX = 300 * 1024,
};

static uint8_t frame[FRAME_BYTES_MAX];

static struct event event_of(const char *topic, const char *payload, unsigned flags)
{
    return (struct event){
        .topic = topic,
        .topic_bytes = strlen(topic),
        .seq = 17,
        .time_ns = TIME_NS,
        .flags = flags,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
}

/* Encodes into memory that is exactly as large as was asked for. */
static size_t encode(enum frames_kind kind, const struct event *event)
{
    const struct encoding *encoding = frames_encoding(kind, DEFLATE_NONE);
    ptrdiff_t bytes_max = encoding->frame_bytes_max(encoding, event);
    uint8_t *out = malloc((size_t)bytes_max);
    size_t splice = 0;
    size_t size;

    assert_non_null(out);
    assert_false(encoding->is_spliced);
    size = encoding->encode(encoding, event, out, &splice);
    assert_true(size <= (size_t)bytes_max);
    assert_true(size <= sizeof frame);
    memcpy(frame, out, size);
    free(out);
    return size;
}

static void assert_bytes(const uint8_t *got, size_t got_bytes, const char *wanted)
{
    if (got_bytes != strlen(wanted) || memcmp(got, wanted, got_bytes) != 0)
        fail_msg("got    %.*s\n         wanted %s", (int)got_bytes, (const char *)got, wanted);
}

/* A whole unfragmented, unmasked text frame with this payload (RFC 6455 section 5.2). */
static void assert_websocket_text(size_t size, const char *wanted)
{
    size_t length = strlen(wanted);
    size_t head = length < 126 ? 2 : length < 65536 ? 4 : 10;

    assert_int_equal(frame[0], 0x81);
    if (length < 126) {
        assert_int_equal(frame[1], length);
    } else if (length < 65536) {
        assert_int_equal(frame[1], 126);
        assert_int_equal((size_t)frame[2] << 8 | frame[3], length);
    } else {
        assert_int_equal(frame[1], 127);
        assert_int_equal((size_t)frame[7] << 16 | (size_t)frame[8] << 8 | frame[9], length);
    }
    assert_bytes(frame + head, size - head, wanted);
}

static void a_room_message_is_what_the_client_said(void **state)
{
    const struct event event = event_of(
        "room", "{\"from\":\"my_client_id\",\"data\":\"hello \\\"you\\\"\"}", RECORD_FROM_ROOM);

    (void)state;
    assert_websocket_text(encode(FRAMES_ROOM, &event),
                          "{\"type\":\"message\",\"from\":\"my_client_id\","
                          "\"data\":\"hello \\\"you\\\"\",\"seq\":17,\"time\":\"" TIME_TEXT "\"}");
}

static void what_others_publish_to_the_room_is_from_nobody(void **state)
{
    static const char *const payloads[] = {"{\"from\":\"eve\",\"data\":\"x\"}", "{\"tick\":true}",
                                           "null", "{}", "[1]"};
    char wanted[256];

    (void)state;
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        const struct event event = event_of("room", payloads[i], 0);

        (void)snprintf(wanted, sizeof wanted,
                       "{\"type\":\"message\",\"from\":null,\"data\":%s,\"seq\":17,"
                       "\"time\":\"" TIME_TEXT "\"}",
                       payloads[i]);
        assert_websocket_text(encode(FRAMES_ROOM, &event), wanted);
    }
}

static void a_flag_alone_does_not_make_a_room_message(void **state)
{
    const struct event event = event_of("room", "7", RECORD_FROM_ROOM);

    (void)state;
    assert_websocket_text(encode(FRAMES_ROOM, &event),
                          "{\"type\":\"message\",\"from\":null,\"data\":7,\"seq\":17,"
                          "\"time\":\"" TIME_TEXT "\"}");
}

static void a_tick_counts_the_room_of_all_workers(void **state)
{
    struct fixture *f = *state;
    const struct event event = event_of("room", "{\"tick\":true}", RECORD_FROM_ROOM | RECORD_TICK);

    stat_add(f->bus, BUS_SLOT_WORKERS, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM), 2);
    stat_add(f->bus, BUS_SLOT_WORKERS + 1, stat_at(STAT_CLIENTS_OF, STAT_PROTOCOL_ROOM), 1);
    assert_websocket_text(encode(FRAMES_ROOM, &event),
                          "{\"type\":\"tick\",\"message\":\"Periodic broadcast\","
                          "\"active_connections\":3,\"seq\":17,\"time\":\"" TIME_TEXT "\"}");
}

static void a_broker_message_names_its_topic(void **state)
{
    const struct event event = event_of("a\"b/\xc3\xa4", "{\"any\":[\"JSON\"]}", 0);

    (void)state;
    assert_websocket_text(encode(FRAMES_BROKER, &event),
                          "{\"type\":\"message\",\"topic\":\"a\\\"b/\xc3\xa4\","
                          "\"data\":{\"any\":[\"JSON\"]},\"seq\":17,\"time\":\"" TIME_TEXT "\"}");
}

static void the_rooms_own_events_are_data_to_others(void **state)
{
    const struct event event = event_of("room", "{\"tick\":true}", RECORD_FROM_ROOM | RECORD_TICK);

    (void)state;
    assert_websocket_text(encode(FRAMES_BROKER, &event),
                          "{\"type\":\"message\",\"topic\":\"room\",\"data\":{\"tick\":true},"
                          "\"seq\":17,\"time\":\"" TIME_TEXT "\"}");
}

static void a_line_is_the_broker_message_and_its_end(void **state)
{
    const struct event event = event_of("news", "\"x\"", 0);
    size_t size = encode(FRAMES_LINE, &event);

    (void)state;
    assert_bytes(frame, size,
                 "{\"type\":\"message\",\"topic\":\"news\",\"data\":\"x\",\"seq\":17,"
                 "\"time\":\"" TIME_TEXT "\"}\n");
}

static void an_event_stream_block_has_epoch_and_seq_as_its_id(void **state)
{
    const struct event event = event_of("news", "\"x\"", 0);
    size_t size = encode(FRAMES_EVENT_STREAM, &event);

    (void)state;
    assert_bytes(frame, size,
                 "id: 00000000000e90c4-17\n"
                 "data: {\"type\":\"message\",\"topic\":\"news\",\"data\":\"x\",\"seq\":17,"
                 "\"time\":\"" TIME_TEXT "\"}\n\n");
}

static void assert_frame_of_payload(size_t bytes)
{
    static char payload[66 * 1024];
    static char wanted[67 * 1024];
    struct event event;

    assert_true(bytes >= 2 && bytes < sizeof payload);
    memset(payload, 'x', bytes);
    payload[0] = '"';
    payload[bytes - 1] = '"';
    payload[bytes] = '\0';
    event = event_of("t", payload, 0);
    (void)snprintf(wanted, sizeof wanted,
                   "{\"type\":\"message\",\"topic\":\"t\",\"data\":%s,\"seq\":17,"
                   "\"time\":\"" TIME_TEXT "\"}",
                   payload);
    assert_websocket_text(encode(FRAMES_BROKER, &event), wanted);
}

/* The head's size is guessed before the text's length is known: all sizes around its bounds. */
static void heads_are_right_at_every_size(void **state)
{
    (void)state;
    for (size_t bytes = 2; bytes < 300; bytes++)
        assert_frame_of_payload(bytes);
    for (size_t bytes = 65200; bytes < 65700; bytes++)
        assert_frame_of_payload(bytes);
}

static void the_largest_numbers_and_longest_names_fit(void **state)
{
    char topic[256];
    struct event event;

    (void)state;
    memset(topic, '"', 255); /* two bytes each when escaped */
    topic[255] = '\0';
    event = event_of(topic, "0", 0);
    event.seq = UINT64_MAX;
    for (unsigned kind = FRAMES_ROOM; kind <= FRAMES_EVENT_STREAM; kind++)
        (void)encode((enum frames_kind)kind, &event); /* looks at the size itself */
}

static int setup(void **state)
{
    struct fixture *f;

    if (fixture_setup(state) != 0)
        return -1;
    f = *state;
    frames_init(f->bus);
    return 0;
}

int main(void)
{
#define FRAMES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        FRAMES_TEST(a_room_message_is_what_the_client_said),
        FRAMES_TEST(what_others_publish_to_the_room_is_from_nobody),
        FRAMES_TEST(a_flag_alone_does_not_make_a_room_message),
        FRAMES_TEST(a_tick_counts_the_room_of_all_workers),
        FRAMES_TEST(a_broker_message_names_its_topic),
        FRAMES_TEST(the_rooms_own_events_are_data_to_others),
        FRAMES_TEST(a_line_is_the_broker_message_and_its_end),
        FRAMES_TEST(an_event_stream_block_has_epoch_and_seq_as_its_id),
        FRAMES_TEST(heads_are_right_at_every_size),
        FRAMES_TEST(the_largest_numbers_and_longest_names_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
