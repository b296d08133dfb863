/*
 * permessage-deflate on a connection, against a client that uses zlib by hand. The allocator is the test's
 * where it says so: the linker sends the product's realloc here.
 */
#include "tests/unit/websocket_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/websocket/deflate.h"
#include "server/websocket/message.h"

enum {
    COMPRESSED = 0x40, /* RSV1 */
    TAIL_BYTES = 4,
    TEXT_MAX = 7000,
    PACKED_MAX = 2 * TEXT_MAX,
    LIMIT = 1 << 20,
};

#define TOO_BIG "the message is over the limit of 1048576 bytes"
#define NO_ROOM "no room for a message that is not whole"

/* --- the allocator ------------------------------------------------------------------------------ */

void *__real_realloc(void *pointer, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

static int realloc_failing; /* counts down; the one that makes it 0 fails */

void *__wrap_realloc(void *pointer, size_t size)
{
    if (realloc_failing > 0 && --realloc_failing == 0)
        return NULL;
    return __real_realloc(pointer, size);
}

/* --- the client --------------------------------------------------------------------------------- */

/* What is sent next: a compressor that remembers, and the payload of a message. */
struct client {
    z_stream stream;
    uint8_t packed[PACKED_MAX];
    size_t size;
};

static struct budget budget;
static struct client client;

static void client_begin_anew(void)
{
    assert_int_equal(deflateReset(&client.stream), Z_OK);
}

/* Behind what is there already; @flush: Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH, Z_NO_FLUSH. */
static void pack(const void *bytes, size_t size, int flush)
{
    client.stream.next_in = (Bytef *)(uintptr_t)bytes;
    client.stream.avail_in = (uInt)size;
    client.stream.next_out = client.packed + client.size;
    client.stream.avail_out = (uInt)(sizeof client.packed - client.size);
    assert_true(deflate(&client.stream, flush) >= Z_OK);
    assert_int_equal(client.stream.avail_in, 0);
    assert_true(client.stream.avail_out > 0);
    client.size = sizeof client.packed - client.stream.avail_out;
}

/* A whole message's payload, as RFC 7692 section 7.2.1 makes it. */
static void pack_message(const void *bytes, size_t size)
{
    client.size = 0;
    pack(bytes, size, Z_SYNC_FLUSH);
    assert_memory_equal(client.packed + client.size - TAIL_BYTES, "\0\0\xff\xff", TAIL_BYTES);
    client.size -= TAIL_BYTES;
}

static void feed_packed(struct websocket_fixture *f, int first)
{
    struct input input = {.size = 0};

    add_frame(&input, first | COMPRESSED, client.packed, client.size);
    feed_input(f, &input);
}

/* A new connection that has agreed on compression. Returns what the server has answered. */
static const char *shake_hands_over(struct websocket_fixture *f, const char *extensions)
{
    char handshake[sizeof HANDSHAKE + 256];

    fake_stream_done(&f->fake);
    open_stream(f);
    (void)snprintf(handshake, sizeof handshake, "%.*sSec-WebSocket-Extensions: %s\r\n\r\n",
                   (int)(sizeof HANDSHAKE - 1 - 2), HANDSHAKE, extensions);
    fake_stream_feed(&f->fake, handshake, strlen(handshake));
    fake_stream_run(&f->fake);
    assert_non_null(f->websocket);
    client_begin_anew();
    client.size = 0;
    return fake_stream_take(&f->fake, NULL);
}

static void agree(struct websocket_fixture *f)
{
    const char *answer = shake_hands_over(f, "permessage-deflate");

    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                                   "server_no_context_takeover"));
}

static void configure(struct websocket_fixture *f, bool allows_takeover, uint32_t bytes_max)
{
    f->options.is_deflate_offered = true;
    f->options.allows_takeover = allows_takeover;
    if (f->options.contexts_bytes_max == 0)
        f->options.contexts_bytes_max = INFLATER_BYTES_MAX; /* for one */
    f->options.message_bytes_max = bytes_max;
    websocket_set_configure(f->set, &f->options);
}

/* It has been received, and nothing else since the last look. */
static void assert_received(struct websocket_fixture *f, const char *wanted)
{
    assert_string_equal(f->received, wanted);
    f->received[0] = '\0';
}

static int begin(void **state)
{
    budget = (struct budget){.bytes_max = UINT64_C(64) * LIMIT};
    *state = websocket_fixture_new(&budget);
    configure(*state, false, LIMIT);
    return deflateInit2(&client.stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK;
}

static int end(void **state)
{
    websocket_fixture_free(*state);
    assert_int_equal(budget.used_bytes, 0);
    return deflateEnd(&client.stream) == Z_STREAM_ERROR;
}

/* --- what comes ----------------------------------------------------------------------------------- */

static void a_compressed_message_is_the_same_however_it_is_cut(void **state)
{
    static const char text[] =
        "to be, or not to be: \xe2\x82\xac; to be, or not to be: \xe2\x82\xac";
    struct websocket_fixture *f = *state;
    size_t packed_bytes;

    agree(f);
    pack_message(text, sizeof text - 1);
    packed_bytes = client.size;
    assert_true(packed_bytes < sizeof text);
    for (size_t cut = 0; cut <= packed_bytes; cut++) {
        struct input input = {.size = 0};

        /* In frames, with a ping between them; and the last bytes one by one. */
        add_frame(&input, FRAME_TEXT | COMPRESSED, client.packed, cut);
        add_frame(&input, FINAL | FRAME_PING, "?", 1);
        add_frame(&input, FINAL | FRAME_CONTINUATION, client.packed + cut, packed_bytes - cut);
        fake_stream_feed(&f->fake, input.bytes, 2 + cut);
        for (size_t i = 2 + cut; i < input.size; i++)
            fake_stream_feed(&f->fake, input.bytes + i, 1);
        fake_stream_run(&f->fake);
        assert_received(f,
                        "T:to be, or not to be: \xe2\x82\xac; to be, or not to be: \xe2\x82\xac\n");
    }
    assert_int_equal(f->closed_with, 0);
}

static void messages_may_be_compressed_or_not_from_one_to_the_next(void **state)
{
    const struct deflate_work before = deflate_counts()->inflated;
    struct websocket_fixture *f = *state;

    for (int takeover = 0; takeover <= 1; takeover++) {
        configure(f, takeover != 0, LIMIT);
        agree(f);
        for (int i = 0; i < 3; i++) {
            if (takeover == 0)
                client_begin_anew();
            pack_message("the same as before, the same as before", 38);
            feed_packed(f, FINAL | FRAME_TEXT);
            feed_text(f, FINAL | FRAME_BINARY, "as it is");
            assert_received(f, "T:the same as before, the same as before\nB:as it is\n");
        }
    }
    assert_int_equal(deflate_counts()->inflated.messages - before.messages, 6);
    assert_int_equal(deflate_counts()->inflated.bytes_out - before.bytes_out, 6 * 38);
    assert_in_range(deflate_counts()->inflated.bytes_in - before.bytes_in, 6 * 2, 6 * 38);
}

static void a_context_is_kept_only_when_that_was_agreed_on(void **state)
{
    static const char text[] = "something that is said twice, word by word";
    struct websocket_fixture *f = *state;

    configure(f, true, LIMIT);
    assert_null(strstr(shake_hands_over(f, "permessage-deflate"), "client_no_context_takeover"));
    for (int i = 0; i < 3; i++) {
        pack_message(text, sizeof text - 1);
        feed_packed(f, FINAL | FRAME_TEXT);
        assert_received(f, "T:something that is said twice, word by word\n");
    }
    assert_true(client.size < 16); /* it refers to what came before */

    configure(f, false, LIMIT);
    assert_non_null(
        strstr(shake_hands_over(f, "permessage-deflate"), "client_no_context_takeover"));
    pack_message(text, sizeof text - 1);
    feed_packed(f, FINAL | FRAME_TEXT);
    assert_received(f, "T:something that is said twice, word by word\n");
    pack_message(text, sizeof text - 1);
    feed_packed(f, FINAL | FRAME_TEXT);
    assert_received(f, "");
    assert_sent_close(f, WEBSOCKET_BAD_TEXT);
}

static void blocks_of_every_kind_may_end_a_message(void **state)
{
    /* RFC 7692 sections 7.2.3.1 to 7.2.3.6: "Hello", and nothing. */
    static const struct {
        const char *bytes;
        size_t size;
        const char *wanted;
    } cases[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7, "T:Hello\n"},
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, "T:Hello\n"},
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, "T:Hello\n"},
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, "T:Hello\n"},
        {"\x00", 1, "T:\n"},
        {"\x03\x00\x03\x00\x03\x00\x00", 7, "T:\n"},
        {"\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00", 11, "T:\n"},
    };
    struct websocket_fixture *f = *state;

    for (int takeover = 0; takeover <= 1; takeover++) {
        configure(f, takeover != 0, LIMIT);
        agree(f);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            memcpy(client.packed, cases[i].bytes, cases[i].size);
            client.size = cases[i].size;
            feed_packed(f, FINAL | FRAME_TEXT);
            assert_received(f, cases[i].wanted);
        }
    }
}

static void what_is_cut_off_is_bad_data(void **state)
{
    static const char text[] = "a message of which the last bytes are missing, whichever they are";
    struct websocket_fixture *f = *state;
    size_t packed_bytes;

    agree(f);
    pack_message(text, sizeof text - 1);
    packed_bytes = client.size;
    for (size_t size = 0; size < packed_bytes; size++) {
        agree(f);
        pack_message(text, sizeof text - 1);
        client.size = size;
        feed_packed(f, FINAL | FRAME_TEXT);
        assert_received(f, "");
        assert_sent_close(f, WEBSOCKET_BAD_TEXT);
    }
}

static void what_is_no_deflate_is_bad_data(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xff\xff\xff\xff", 4},                 /* block type 3 */
        {"\x00\x05\x00\x00\x00Hello", 10},       /* lengths that do not agree */
        {"\x02\x02\x00", 3},                     /* a distance before the beginning */
        {"\xed\xff\xff\xff\xff\xff\xff\xff", 8}, /* codes that are none */
    };
    struct websocket_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        agree(f);
        memcpy(client.packed, cases[i].bytes, cases[i].size);
        client.size = cases[i].size;
        feed_packed(f, FINAL | FRAME_BINARY);
        assert_received(f, "");
        assert_sent_close(f, WEBSOCKET_BAD_TEXT);
        /* The inflater that has met it is as good as new for the next one. */
        agree(f);
        pack_message("fine", 4);
        feed_packed(f, FINAL | FRAME_BINARY);
        assert_received(f, "B:fine\n");
    }
}

static void the_text_that_comes_out_has_to_be_utf_8(void **state)
{
    struct websocket_fixture *f = *state;

    agree(f);
    pack_message("\xc3(", 2);
    feed_packed(f, FINAL | FRAME_BINARY);
    assert_received(f, "B:\xc3(\n");
    client_begin_anew();
    pack_message("\xc3(", 2);
    feed_packed(f, FINAL | FRAME_TEXT);
    assert_received(f, "");
    assert_sent_close(f, WEBSOCKET_BAD_TEXT);
}

static void a_bit_where_it_must_not_stand_is_a_broken_rule(void **state)
{
    static const struct {
        int before; /* the first byte of a frame that comes first; 0: none does */
        int first;
    } cases[] = {
        {0, FINAL | COMPRESSED | FRAME_PING},
        {0, FINAL | COMPRESSED | FRAME_PONG},
        {0, FINAL | COMPRESSED | FRAME_CLOSE},
        {0, FINAL | COMPRESSED | FRAME_CONTINUATION},
        {0, FINAL | COMPRESSED | 0x20 | FRAME_TEXT},
        {0, FINAL | 0x10 | FRAME_TEXT},
        {FRAME_TEXT, FINAL | COMPRESSED | FRAME_CONTINUATION},
        {FRAME_TEXT | COMPRESSED, FINAL | COMPRESSED | FRAME_CONTINUATION},
        {FRAME_TEXT, FINAL | COMPRESSED | FRAME_TEXT},
        {FRAME_TEXT, COMPRESSED | FRAME_BINARY},
        {FRAME_TEXT | COMPRESSED, FINAL | COMPRESSED | FRAME_TEXT},
        {FRAME_TEXT | COMPRESSED, FINAL | FRAME_TEXT},
    };
    struct websocket_fixture *f = *state;

    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        configure(f, i % 2 != 0, LIMIT);
        agree(f);
        /* With takeover the connection has an inflater of its own from here on. */
        pack_message("x", 1);
        feed_packed(f, FINAL | FRAME_TEXT);
        assert_received(f, "T:x\n");
        client_begin_anew();
        pack_message("y", 1);
        if (cases[i / 2].before != 0) {
            struct input input = {.size = 0};

            if ((cases[i / 2].before & COMPRESSED) != 0)
                add_frame(&input, cases[i / 2].before, client.packed, client.size);
            else
                add_text(&input, cases[i / 2].before, "as it is");
            feed_input(f, &input);
        }
        {
            struct input input = {.size = 0};

            add_frame(&input, cases[i / 2].first, client.packed, client.size);
            feed_input(f, &input);
        }
        assert_received(f, "");
        assert_sent_close(f, WEBSOCKET_PROTOCOL_ERROR);
    }
    configure(f, false, LIMIT);
    reopen(f); /* without an offer */
    pack_message("z", 1);
    feed_packed(f, FINAL | FRAME_TEXT);
    assert_sent_close(f, WEBSOCKET_PROTOCOL_ERROR);
}

/* --- limits ----------------------------------------------------------------------------------------- */

/* @bytes of zeros, compressed. */
static void pack_zeros(size_t bytes)
{
    static const uint8_t zeros[TEXT_MAX];

    client.size = 0;
    for (; bytes > sizeof zeros; bytes -= sizeof zeros)
        pack(zeros, sizeof zeros, Z_NO_FLUSH);
    pack(zeros, bytes, Z_SYNC_FLUSH);
    client.size -= TAIL_BYTES;
}

static void the_limit_is_that_of_what_comes_out(void **state)
{
    struct websocket_fixture *f = *state;

    for (int takeover = 0; takeover <= 1; takeover++) {
        configure(f, takeover != 0, LIMIT);
        agree(f);
        pack_zeros(LIMIT);
        feed_packed(f, FINAL | FRAME_BINARY);
        assert_int_equal(f->received[0], 'B');
        assert_false(f->fake.stream.is_finishing);
        f->received[0] = '\0';
        if (takeover == 0)
            client_begin_anew();
        pack_zeros(LIMIT + 1);
        feed_packed(f, FINAL | FRAME_BINARY);
        assert_received(f, "");
        assert_sent_close_because(f, WEBSOCKET_TOO_BIG, TOO_BIG);
    }
}

static void a_bomb_ends_where_the_limit_is_in_one_frame_or_in_many(void **state)
{
    struct websocket_fixture *f = *state;

    for (size_t piece = 1; piece <= PACKED_MAX; piece *= 4) {
        size_t fed = 0;

        agree(f);
        pack_zeros(4 * (size_t)LIMIT);
        while (fed < client.size && !f->fake.stream.is_finishing) {
            struct input input = {.size = 0};
            size_t size = piece < client.size - fed ? piece : client.size - fed;

            add_frame(&input, fed == 0 ? FRAME_BINARY | COMPRESSED : FRAME_CONTINUATION,
                      client.packed + fed, size);
            feed_input(f, &input);
            fed += size;
            assert_true(budget.used_bytes <= LIMIT + INFLATER_BYTES_MAX);
        }
        assert_received(f, "");
        assert_sent_close_because(f, WEBSOCKET_TOO_BIG, TOO_BIG);
        if (piece == 1)
            assert_in_range(fed, client.size / 4 - 32, client.size / 4 + 32);
    }
}

static void empty_blocks_without_end_are_too_big(void **state)
{
    struct websocket_fixture *f = *state;
    struct input input = {.size = 0};
    uint8_t block[1000];

    memset(block, 0, sizeof block);
    for (size_t i = 0; i + 5 <= sizeof block; i += 5)
        memset(block + i + 3, 0xff, 2);
    configure(f, false, MESSAGE_MAX);
    agree(f);
    add_frame(&input, FRAME_TEXT | COMPRESSED, block, 300);
    add_frame(&input, FRAME_CONTINUATION, block, 300);
    feed_input(f, &input);
    assert_received(f, "");
    assert_sent_close_because(f, WEBSOCKET_TOO_BIG, "the message is over the limit of 300 bytes");
}

static void a_buffer_of_a_longer_limit_does_not_lift_a_shorter_one(void **state)
{
    struct websocket_fixture *f = *state;

    configure(f, false, MESSAGE_BUFFER_KEPT);
    agree(f);
    pack_zeros(MESSAGE_BUFFER_KEPT);
    feed_packed(f, FINAL | FRAME_BINARY); /* its buffer is kept for the next */
    f->received[0] = '\0';
    configure(f, false, MESSAGE_MAX);
    client_begin_anew();
    pack_zeros(MESSAGE_MAX + 1);
    feed_packed(f, FINAL | FRAME_BINARY);
    assert_received(f, "");
    assert_sent_close_because(f, WEBSOCKET_TOO_BIG, "the message is over the limit of 300 bytes");
}

static void one_turn_inflates_so_much_and_others_have_theirs(void **state)
{
    enum { COUNT = 6 };
    struct websocket_fixture *f = *state;
    struct input input = {.size = 0};

    agree(f);
    pack_zeros(LIMIT);
    for (int i = 0; i < COUNT; i++)
        add_frame(&input, FINAL | COMPRESSED | FRAME_BINARY, client.packed, client.size);
    fake_stream_feed(&f->fake, input.bytes, input.size);
    assert_true(strlen(f->received) <
                2 * strlen("B:\n")); /* the first turn has not seen the second */
    fake_stream_run(&f->fake);
    assert_int_equal(strlen(f->received), COUNT * strlen("B:\n"));
    assert_int_equal(f->closed_with, 0);
}

static void what_is_held_back_stays_so_when_a_turn_ends(void **state)
{
    struct websocket_fixture *f = *state;
    struct input input = {.size = 0};

    agree(f);
    pack_zeros(LIMIT);
    for (int i = 0; i < 3; i++)
        add_frame(&input, FINAL | COMPRESSED | FRAME_BINARY, client.packed, client.size);
    f->says_hold = true;
    feed_input(f, &input);
    assert_received(f, "B:\n");
    assert_true(f->fake.stream.is_paused);
    f->says_hold = false;
    websocket_resume(f->websocket);
    fake_stream_run(&f->fake);
    assert_received(f, "B:\nB:\n");
}

static void an_inflater_that_is_kept_is_charged_for(void **state)
{
    struct websocket_fixture *f = *state;
    struct input input = {.size = 0};

    agree(f);
    pack_message("the first half of it", 20);
    add_frame(&input, FRAME_TEXT | COMPRESSED, client.packed, client.size / 2);
    feed_input(f, &input);
    assert_in_range(budget.used_bytes, INFLATER_BYTES_MAX - BUDGET_OWN_BYTES,
                    INFLATER_BYTES_MAX + 1024);
    input.size = 0;
    add_frame(&input, FINAL | FRAME_CONTINUATION, client.packed + client.size / 2,
              client.size - client.size / 2);
    feed_input(f, &input);
    assert_received(f, "T:the first half of it\n");
    assert_int_equal(budget.used_bytes, 0);

    budget.bytes_max = INFLATER_BYTES_MAX / 2;
    agree(f);
    pack_message("there is no room for it", 23);
    input.size = 0;
    add_frame(&input, FRAME_TEXT | COMPRESSED, client.packed, client.size / 2);
    feed_input(f, &input);
    assert_sent_close_because(f, WEBSOCKET_TRY_LATER, NO_ROOM);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_buffer_that_cannot_grow_loses_nothing_from_the_middle(void **state)
{
    struct websocket_fixture *f = *state;
    static char text[TEXT_MAX];

    memset(text, 'x', sizeof text);
    for (int n = 2; n <= 5; n++) { /* the first is that of the stream below */
        struct input input = {.size = 0};

        websocket_fixture_free(f); /* and with it the buffers that it has kept */
        f = *state = websocket_fixture_new(&budget);
        configure(f, false, LIMIT);
        agree(f);
        assert_int_equal(deflateParams(&client.stream, 0, Z_DEFAULT_STRATEGY), Z_OK);
        pack_message(text, sizeof text);
        add_frame(&input, FINAL | COMPRESSED | FRAME_TEXT, client.packed, client.size);
        realloc_failing = n;
        feed_input(f, &input);
        if (realloc_failing > 0) {
            assert_int_equal(strlen(f->received), sizeof text + strlen("T:\n"));
        } else {
            assert_received(f, "");
            assert_sent_close_because(f, WEBSOCKET_TRY_LATER, NO_ROOM);
        }
        assert_true(n > 2 || realloc_failing == 0);
        realloc_failing = 0;
        assert_int_equal(deflateParams(&client.stream, 6, Z_DEFAULT_STRATEGY), Z_OK);
    }
}

static void contexts_are_kept_for_as_many_as_there_is_room_for(void **state)
{
    struct websocket_fixture *f = *state;

    for (int i = 0; i < 6; i++) {
        f->options.contexts_bytes_max = i % 2 == 0 ? INFLATER_BYTES_MAX : INFLATER_BYTES_MAX - 1;
        configure(f, true, LIMIT);
        /* Who has gone has given its own back. */
        if (i % 2 == 0)
            assert_null(strstr(shake_hands_over(f, "permessage-deflate"), "client_no_context"));
        else
            assert_non_null(strstr(shake_hands_over(f, "permessage-deflate"), "client_no_context"));
        pack_message("either way", 10);
        feed_packed(f, FINAL | FRAME_TEXT);
        assert_received(f, "T:either way\n");
    }
}

/* --- what is sent ------------------------------------------------------------------------------------ */

/* The payload of the one frame that has been sent, inflated by one who has agreed to so many bits. */
static size_t take_reply(struct websocket_fixture *f, int bits, uint8_t *ret_first, char *out,
                         size_t out_bytes)
{
    static const uint8_t tail[TAIL_BYTES] = {0, 0, 0xff, 0xff};
    size_t sent_bytes;
    const uint8_t *sent = (const uint8_t *)fake_stream_take(&f->fake, &sent_bytes);
    size_t payload_bytes = sent[1] == 126 ? (size_t)sent[2] << 8 | sent[3] : sent[1];
    size_t head_bytes = sent[1] == 126 ? 4 : 2;
    z_stream stream = {0};

    *ret_first = sent[0];
    assert_int_not_equal(sent[1], 127);
    assert_int_equal(sent_bytes, head_bytes + payload_bytes);
    if ((sent[0] & COMPRESSED) == 0) {
        assert_true(payload_bytes <= out_bytes);
        memcpy(out, sent + head_bytes, payload_bytes);
        return payload_bytes;
    }
    assert_int_equal(inflateInit2(&stream, -bits), Z_OK);
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)out_bytes;
    stream.next_in = (Bytef *)(uintptr_t)(sent + head_bytes);
    stream.avail_in = (uInt)payload_bytes;
    assert_int_equal(inflate(&stream, Z_SYNC_FLUSH), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)tail;
    stream.avail_in = sizeof tail;
    (void)inflate(&stream, Z_SYNC_FLUSH); /* there may be nothing left to come of it */
    assert_int_equal(stream.avail_in, 0);
    out_bytes -= stream.avail_out;
    assert_int_equal(inflateEnd(&stream), Z_OK);
    return out_bytes;
}

static void replies_are_compressed_when_they_are_long_and_it_saves_something(void **state)
{
    static const struct {
        const char *offer;
        int bits;
        size_t size;
        bool is_random;
        bool is_compressed;
    } cases[] = {
        {"permessage-deflate", 15, WEBSOCKET_DEFLATE_REPLY, false, true},
        {"permessage-deflate", 15, WEBSOCKET_DEFLATE_REPLY - 1, false, false},
        {"permessage-deflate", 15, 3000, true, false},
        {"permessage-deflate; server_max_window_bits=9", 9, 3000, false, true},
        {"permessage-deflate; server_max_window_bits=14", 14, 3000, false, true},
        {"permessage-deflate; server_max_window_bits=8", 8, 3000, false, false},
        {"permessage-bzip2", 15, 3000, false, false},
    };
    struct websocket_fixture *f = *state;
    static char bytes[TEXT_MAX];
    static char out[TEXT_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned random = 1;
        uint8_t first;

        (void)shake_hands_over(f, cases[i].offer);
        for (size_t at = 0; at < sizeof bytes; at++) {
            random = random * 1103515245 + 12345;
            bytes[at] = (char)(cases[i].is_random ? random >> 16 : at % 7 + at % 600 / 64);
        }
        for (int is_text = 0; is_text <= 1; is_text++) {
            if (is_text != 0)
                websocket_send_text(f->websocket, bytes, cases[i].size);
            else
                websocket_send_binary(f->websocket, bytes, cases[i].size);
            fake_stream_run(&f->fake);
            assert_int_equal(take_reply(f, cases[i].bits, &first, out, sizeof out), cases[i].size);
            assert_memory_equal(out, bytes, cases[i].size);
            assert_int_equal(first, FINAL | (cases[i].is_compressed ? COMPRESSED : 0) |
                                        (is_text != 0 ? FRAME_TEXT : FRAME_BINARY));
        }
    }
}

static void nothing_is_agreed_on_when_it_is_switched_off(void **state)
{
    struct websocket_fixture *f = *state;

    f->options.is_deflate_offered = false;
    websocket_set_configure(f->set, &f->options);
    assert_null(strstr(shake_hands_over(f, "permessage-deflate"), "Extensions"));
    assert_int_equal(websocket_window(f->websocket), DEFLATE_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_compressed_message_is_the_same_however_it_is_cut),
        TEST(messages_may_be_compressed_or_not_from_one_to_the_next),
        TEST(a_context_is_kept_only_when_that_was_agreed_on),
        TEST(blocks_of_every_kind_may_end_a_message),
        TEST(what_is_cut_off_is_bad_data),
        TEST(what_is_no_deflate_is_bad_data),
        TEST(the_text_that_comes_out_has_to_be_utf_8),
        TEST(a_bit_where_it_must_not_stand_is_a_broken_rule),
        TEST(the_limit_is_that_of_what_comes_out),
        TEST(a_bomb_ends_where_the_limit_is_in_one_frame_or_in_many),
        TEST(empty_blocks_without_end_are_too_big),
        TEST(a_buffer_of_a_longer_limit_does_not_lift_a_shorter_one),
        TEST(one_turn_inflates_so_much_and_others_have_theirs),
        TEST(what_is_held_back_stays_so_when_a_turn_ends),
        TEST(an_inflater_that_is_kept_is_charged_for),
        TEST(a_buffer_that_cannot_grow_loses_nothing_from_the_middle),
        TEST(contexts_are_kept_for_as_many_as_there_is_room_for),
        TEST(replies_are_compressed_when_they_are_long_and_it_saves_something),
        TEST(nothing_is_agreed_on_when_it_is_switched_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
