#include "tests/fault/hostile_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "tools/sluice-bench/websocket.h"

enum {
    FRAME_BYTES_MAX = 14, /* of a client's frame head */
    TEXT = 0x81,          /* final frame, text */
    BLOCK_BYTES_MAX = 8192,
    PINGS = 50, /* in one act */
    CHATTER = 20,
    FRAGMENTS = 100,
    BAD_TEXTS = 10,
    PUBLISHES = 20,
    REQUESTS = 200,
    PAGES = 4,
    NESTING = 4000,
    LATE_BYTES = 2048,
    ECHO_BYTES = 256 * 1024,
};

/* Bytes that are the same for all peers of a kind, made once. */
struct block {
    size_t bytes;
    char data[BLOCK_BYTES_MAX];
};

static void block_add(struct block *block, const void *data, size_t bytes)
{
    CHECK(bytes <= sizeof block->data - block->bytes);
    memcpy(block->data + block->bytes, data, bytes);
    block->bytes += bytes;
}

/* A masked frame's head (the mask is zero: the data may follow as it is). Returns its length. */
static size_t frame_head(uint8_t head[FRAME_BYTES_MAX], uint8_t first, uint64_t data_bytes)
{
    size_t length_bytes = data_bytes < 126 ? 0 : data_bytes <= UINT16_MAX ? 2 : 8;

    memset(head, 0, FRAME_BYTES_MAX);
    head[0] = first;
    head[1] = (uint8_t)(0x80 | (length_bytes == 0 ? data_bytes : length_bytes == 2 ? 126u : 127u));
    for (size_t i = 0; i < length_bytes; i++)
        head[2 + i] = (uint8_t)(data_bytes >> (8 * (length_bytes - 1 - i)));
    return 2 + length_bytes + 4;
}

static void block_add_frame(struct block *block, uint8_t first, const char *text, size_t bytes)
{
    uint8_t head[FRAME_BYTES_MAX];

    block_add(block, head, frame_head(head, first, bytes));
    block_add(block, text, bytes);
}

/* Sends the block, unless the server has not taken what was sent before. */
static void send_block(struct peer_world *world, struct peer *peer, const struct block *block)
{
    if (peer_is_held(peer)) {
        peer->counts->acts_held++;
        return;
    }
    peer_send(world, peer, block->data, block->bytes);
}

static void topic_of(const struct peer_world *world, uint32_t number, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%s-%u", world->topic_prefix, number % world->topic_count);
}

/* --- slow ------------------------------------------------------------------------------------- */

/* One byte of @script; then one letter after the other. */
static void trickle(struct peer_world *world, struct peer *peer, const void *script, size_t bytes)
{
    const char *next = peer->step < bytes ? (const char *)script + peer->step : "a";

    if (peer_is_held(peer)) {
        peer->counts->acts_held++;
        return;
    }
    peer->step++;
    peer_send(world, peer, next, 1);
}

static void act_slow_head(struct peer_world *world, struct peer *peer)
{
    static const char head[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Patience: ";

    trickle(world, peer, head, sizeof head - 1);
}

static void act_slow_handshake(struct peer_world *world, struct peer *peer)
{
    static const char head[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Key: ";

    trickle(world, peer, head, sizeof head - 1);
}

static void begin_slow_body(struct peer_world *world, struct peer *peer)
{
    peer_send_text(world, peer,
                   "POST /topics/hostile HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Type: text/plain\r\nContent-Length: 100000\r\n\r\n");
}

static void act_letter(struct peer_world *world, struct peer *peer)
{
    trickle(world, peer, "", 0);
}

static void act_slow_frame(struct peer_world *world, struct peer *peer)
{
    static const uint8_t head[] = {TEXT, 0xfe, 0xff, 0xff, 0, 0, 0, 0};

    trickle(world, peer, head, sizeof head);
}

static void act_slow_line(struct peer_world *world, struct peer *peer)
{
    static const char line[] = "{\"action\":\"publish\",\"topic\":\"hostile\",\"message\":\"";

    trickle(world, peer, line, sizeof line - 1);
}

/* --- not reading ------------------------------------------------------------------------------ */

/* Subscribes to what the good ones are subscribed to, from the beginning of the log. */
static void begin_subscriber(struct peer_world *world, struct peer *peer)
{
    struct block block = {0};

    for (uint32_t i = 0; i < world->topic_count && i < 16; i++) {
        char topic[64];
        char text[160];

        topic_of(world, i, topic, sizeof topic);
        (void)snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"topic\":\"%s\",\"since\":0}",
                       topic);
        block_add_frame(&block, TEXT, text, strlen(text));
    }
    peer_send(world, peer, block.data, block.bytes);
}

/* The same to a topic with much to catch up on. */
static void begin_catch_up(struct peer_world *world, struct peer *peer)
{
    struct block block = {0};
    char text[160];

    (void)snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"topic\":\"%s\",\"since\":0}",
                   world->large_topic);
    block_add_frame(&block, TEXT, text, strlen(text));
    peer_send(world, peer, block.data, block.bytes);
}

static void act_read_late(struct peer_world *world, struct peer *peer)
{
    peer_read(world, peer, LATE_BYTES);
}

static void begin_stream(struct peer_world *world, struct peer *peer)
{
    char topic[64];
    char text[256];

    topic_of(world, peer->number, topic, sizeof topic);
    (void)snprintf(text, sizeof text,
                   "GET /topics/%s?since=0 HTTP/1.1\r\nHost: localhost\r\n"
                   "Accept: text/event-stream\r\n\r\n",
                   topic);
    peer_send_text(world, peer, text);
}

static void begin_pages(struct peer_world *world, struct peer *peer)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "GET /topics/%s?since=0&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   world->large_topic);
    for (int i = 0; i < PAGES; i++)
        peer_send_text(world, peer, text);
}

static void begin_pipeline(struct peer_world *world, struct peer *peer)
{
    for (int i = 0; i < REQUESTS; i++)
        peer_send_text(world, peer, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void act_echo(struct peer_world *world, struct peer *peer)
{
    uint8_t head[FRAME_BYTES_MAX];

    if (peer_is_held(peer)) {
        peer->counts->acts_held++;
        return;
    }
    peer_send(world, peer, head, frame_head(head, TEXT, ECHO_BYTES));
    peer_send_filler(world, peer, ECHO_BYTES);
}

/* --- floods ----------------------------------------------------------------------------------- */

static void act_pings(struct peer_world *world, struct peer *peer)
{
    static struct block block;

    if (block.bytes == 0) {
        for (int i = 0; i < PINGS; i++)
            block_add_frame(&block, 0x80 | WEBSOCKET_PING, "hostile!", 8);
    }
    send_block(world, peer, &block);
}

/* @count times the same message; made at the first call. */
static void make_texts(struct block *block, const char *text, int count)
{
    if (block->bytes > 0)
        return;
    for (int i = 0; i < count; i++)
        block_add_frame(block, TEXT, text, strlen(text));
}

static void act_chatter(struct peer_world *world, struct peer *peer)
{
    static struct block block;

    make_texts(&block, "{\"action\":\"ping\"}", CHATTER);
    send_block(world, peer, &block);
}

/* A message of one letter per frame. */
static void act_fragments(struct peer_world *world, struct peer *peer)
{
    static struct block block;

    if (block.bytes == 0) {
        for (int i = 0; i < FRAGMENTS; i++)
            block_add_frame(&block, i == 0 ? 0x01 : i == FRAGMENTS - 1 ? 0x80 : 0x00, "a", 1);
    }
    send_block(world, peer, &block);
}

/* Everything that is not quite JSON, and JSON that is not quite a message. */
static void act_bad_texts(struct peer_world *world, struct peer *peer)
{
    static const char *const texts[] = {
        "{",
        "x",
        "{\"action\":\"publish\",\"topic\":\"t\",\"message\":NaN}",
        "{\"action\":\"subscribe\",\"topic\":\"\"}",
        "{\"action\":\"subscribe\",\"topic\":\"t\",\"since\":1e999}",
        "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
        "{\"action\":\"burn\"}",
        "{\"action\":\"publish\",\"topic\":\"t\"}",
        "{\"a\":\"\\ud800\"}",
    };
    static struct block block;

    if (block.bytes == 0) {
        char nested[NESTING];

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            block_add_frame(&block, TEXT, texts[i], strlen(texts[i]));
        memset(nested, '[', sizeof nested);
        block_add_frame(&block, TEXT, nested, sizeof nested);
    }
    send_block(world, peer, &block);
}

/* To a topic of their own: what the good ones get must not depend on it. */
static void act_publish(struct peer_world *world, struct peer *peer)
{
    static struct block block;

    make_texts(&block, "{\"action\":\"publish\",\"topic\":\"hostile\",\"message\":\"flood\"}",
               PUBLISHES);
    send_block(world, peer, &block);
}

/* --- large ------------------------------------------------------------------------------------ */

/* 15 of 16 parts of the largest message there may be; the rest comes a letter at a time. */
static void begin_partial(struct peer_world *world, struct peer *peer)
{
    uint8_t head[FRAME_BYTES_MAX];

    peer_send(world, peer, head, frame_head(head, TEXT, world->message_bytes_max));
    peer_send_filler(world, peer, world->message_bytes_max / 16 * 15);
}

/* The same as the body of a request. */
static void begin_partial_body(struct peer_world *world, struct peer *peer)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "POST /topics/hostile HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                   world->message_bytes_max);
    peer_send_text(world, peer, text);
    peer_send_filler(world, peer, world->message_bytes_max / 16 * 15);
}

/* Announces 16 times as much as it may send. */
static void begin_claim(struct peer_world *world, struct peer *peer)
{
    uint8_t head[FRAME_BYTES_MAX];

    peer_send(world, peer, head, frame_head(head, TEXT, world->message_bytes_max * 16));
    peer_send_filler(world, peer, 4096);
}

/* --- coming and going ------------------------------------------------------------------------- */

/* Every other one leaves by a reset. The place it leaves is taken again at once. */
static void act_churn(struct peer_world *world, struct peer *peer)
{
    bool is_reset = peer->counts->acts % 2 == 0;

    peer_drop(world, peer, is_reset);
    if (peer_open(world, peer) != 0)
        peer->counts->acts_held++; /* no port: the next act tries again */
}

static void begin_request(struct peer_world *world, struct peer *peer)
{
    peer_send_text(world, peer, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

/* clang-format off */
static const struct kind kinds[] = {
    {"silent",           100, NULL, false, KIND_READS, NULL, NULL, 0},
    {"slow_head",        100, NULL, false, KIND_READS, NULL, act_slow_head, 1},
    {"slow_body",         50, NULL, false, KIND_READS, begin_slow_body, act_letter, 1},
    {"slow_handshake",    60, NULL, false, KIND_READS, NULL, act_slow_handshake, 1},
    {"slow_frame",        60, "/broker", false, KIND_READS, NULL, act_slow_frame, 1},
    {"slow_line",         50, NULL, true, KIND_READS, NULL, act_slow_line, 1},
    {"slow_reader",       50, "/broker", false, KIND_READS_LATE, begin_subscriber, act_read_late, 2},
    {"deaf_subscriber",  100, "/broker", false, KIND_DEAF, begin_subscriber, NULL, 0},
    {"deaf_stream",       60, NULL, false, KIND_DEAF, begin_stream, NULL, 0},
    {"deaf_pages",        40, NULL, false, KIND_DEAF, begin_pages, NULL, 0},
    {"deaf_pipeline",     40, NULL, false, KIND_DEAF, begin_pipeline, NULL, 0},
    {"deaf_echo",         30, "/echo", false, KIND_DEAF, NULL, act_echo, 1},
    {"deaf_pings",        30, "/ws", false, KIND_DEAF, NULL, act_pings, 2},
    {"ping_flood",        40, "/ws", false, KIND_READS, NULL, act_pings, 2},
    {"chatter",           40, "/broker", false, KIND_READS, NULL, act_chatter, 2},
    {"fragments",         30, "/broker", false, KIND_READS, NULL, act_fragments, 1},
    {"bad_texts",         30, "/broker", false, KIND_READS, NULL, act_bad_texts, 2},
    {"publish_flood",     20, "/broker", false, KIND_READS, NULL, act_publish, 1},
    {"partial_message",   20, "/broker", false, KIND_READS, begin_partial, act_letter, 1},
    {"partial_body",      20, NULL, false, KIND_READS, begin_partial_body, act_letter, 1},
    {"claim",             10, "/broker", false, KIND_READS, begin_claim, NULL, 0},
    {"churn_tcp",          4, NULL, false, KIND_READS, NULL, act_churn, 10},
    {"churn_http",         3, NULL, false, KIND_READS, begin_request, act_churn, 10},
    {"churn_room",         3, "/ws", false, KIND_READS, NULL, act_churn, 10},
    {"churn_resume",      10, "/broker", false, KIND_READS, begin_catch_up, act_churn, 1},
};
/* clang-format on */

const struct kind *kinds_all(size_t *ret_count)
{
    *ret_count = sizeof kinds / sizeof kinds[0];
    return kinds;
}
