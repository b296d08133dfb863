/*
 * What is agreed on (RFC 7692 section 7.1), and that what is made of a message is what zlib makes a
 * message of again. zlib and the allocator fail where a test says so: the linker sends the calls here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/http/http.h"
#include "server/websocket/deflate.h"

enum {
    SIZE_MAX_TRIED = DEFLATE_BYTES_MAX + 2,
};

/* --- calls that fail ------------------------------------------------------------------------------ */

void *__real_realloc(void *pointer, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory,
                         int strategy, const char *version, int size);
// NOLINTNEXTLINE(readability-function-size): zlib says what it is called with
int __wrap_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory,
                         int strategy, const char *version, int size);
int __real_inflateInit2_(z_streamp stream, int bits, const char *version, int size);
int __wrap_inflateInit2_(z_streamp stream, int bits, const char *version, int size);

static int failing; /* counts down; the call that makes it 0 fails */

static bool fails(void)
{
    return failing > 0 && --failing == 0;
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return fails() ? NULL : __real_realloc(pointer, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

// NOLINTNEXTLINE(readability-function-size): zlib says what it is called with
int __wrap_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory,
                         int strategy, const char *version, int size)
{
    return fails()
               ? Z_MEM_ERROR
               : __real_deflateInit2_(stream, level, method, bits, memory, strategy, version, size);
}

int __wrap_inflateInit2_(z_streamp stream, int bits, const char *version, int size)
{
    return fails() ? Z_MEM_ERROR : __real_inflateInit2_(stream, bits, version, size);
}

/* --- negotiation ---------------------------------------------------------------------------------- */

#define PMD          "permessage-deflate"
#define BOTH         PMD "; server_no_context_takeover; client_no_context_takeover"
#define SERVER_ONLY  PMD "; server_no_context_takeover"
#define WINDOW(bits) "; server_max_window_bits=" bits

static const struct negotiation {
    const char *lines[3];
    bool allows_takeover;
    const char *answer; /* NULL: none */
    enum deflate_window window;
} negotiations[] = {
    {{PMD}, false, BOTH, DEFLATE_WIDE},
    {{PMD}, true, SERVER_ONLY, DEFLATE_WIDE},
    {{"Permessage-Deflate"}, false, BOTH, DEFLATE_WIDE},
    {{PMD "; client_max_window_bits"}, false, BOTH, DEFLATE_WIDE},
    {{PMD "; client_max_window_bits=15"}, false, BOTH, DEFLATE_WIDE},
    {{PMD "; client_max_window_bits=8"}, false, BOTH, DEFLATE_WIDE},
    {{PMD ";client_max_window_bits = 9"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_no_context_takeover"}, true, BOTH, DEFLATE_WIDE},
    {{PMD "; server_no_context_takeover"}, true, SERVER_ONLY, DEFLATE_WIDE},
    {{PMD "; server_max_window_bits=15"}, false, BOTH WINDOW("15"), DEFLATE_WIDE},
    {{PMD "; server_max_window_bits=14"}, false, BOTH WINDOW("14"), DEFLATE_NARROW},
    {{PMD "; server_max_window_bits=\"12\""}, false, BOTH WINDOW("12"), DEFLATE_NARROW},
    {{PMD "; server_max_window_bits=9"}, true, SERVER_ONLY WINDOW("9"), DEFLATE_NARROW},
    {{PMD "; server_max_window_bits=8"}, false, BOTH WINDOW("8"), DEFLATE_NONE},
    {{PMD ";server_max_window_bits=10;client_max_window_bits;client_no_context_takeover;"
          "server_no_context_takeover"},
     true,
     BOTH WINDOW("10"),
     DEFLATE_NARROW},
    /* One that cannot be met is passed over. */
    {{PMD "; server_max_window_bits=7, " PMD}, false, BOTH, DEFLATE_WIDE},
    {{"x-webkit-deflate-frame, " PMD "; mode=fast", PMD "; server_max_window_bits=9"},
     false,
     BOTH WINDOW("9"),
     DEFLATE_NARROW},
    {{"a; b=\"c, " PMD "\", " PMD "; server_max_window_bits=11, " PMD},
     false,
     BOTH WINDOW("11"),
     DEFLATE_NARROW},
    {{"", ",,", " , " PMD " ,"}, false, BOTH, DEFLATE_WIDE},
    /* All are. */
    {{""}, false, NULL, DEFLATE_NONE},
    {{NULL}, false, NULL, DEFLATE_NONE},
    {{"permessage-bzip2"}, false, NULL, DEFLATE_NONE},
    {{"permessage-deflated"}, false, NULL, DEFLATE_NONE},
    {{"a; b=\"" PMD "\""}, false, NULL, DEFLATE_NONE},
    {{PMD "; unknown"}, false, NULL, DEFLATE_NONE},
    {{PMD "; =1"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_no_context_takeover; server_no_context_takeover"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_no_context_takeover; client_no_context_takeover"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=9; server_max_window_bits=9"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_max_window_bits; client_max_window_bits=9"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_no_context_takeover=1"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_no_context_takeover="}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits="}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=\"\""}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=16"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=09"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=+9"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=1e1"}, false, NULL, DEFLATE_NONE},
    {{PMD "; server_max_window_bits=256"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_max_window_bits=7"}, false, NULL, DEFLATE_NONE},
    {{PMD "; client_max_window_bits=\"1\"5"}, false, NULL, DEFLATE_NONE},
};

static void an_offer_is_taken_as_it_is_or_declined(void **state)
{
    static struct http_request request;

    (void)state;
    for (size_t i = 0; i < sizeof negotiations / sizeof negotiations[0]; i++) {
        const struct negotiation *one = &negotiations[i];
        char answer[DEFLATE_ANSWER_BYTES_MAX] = "";
        struct deflate_terms terms = {.window = DEFLATE_WIDE};
        bool is_agreed;

        request.header_count = 0;
        request.headers[request.header_count++] =
            (struct http_header){{"host", 4}, {"permessage-deflate", 18}};
        for (int line = 0; line < 3 && one->lines[line] != NULL; line++)
            request.headers[request.header_count++] = (struct http_header){
                {"sec-websocket-extensions", 24}, {one->lines[line], strlen(one->lines[line])}};
        is_agreed = deflate_negotiate(&request, one->allows_takeover, &terms, answer);
        if (is_agreed != (one->answer != NULL) || terms.is_agreed != is_agreed ||
            strcmp(answer, is_agreed ? one->answer : "") != 0 || terms.window != one->window)
            fail_msg("%s: \"%s\", window %d", one->lines[0], answer, (int)terms.window);
        assert_int_equal(terms.keeps_context,
                         is_agreed && strstr(answer, "client_no_context_takeover") == NULL);
    }
}

/* --- messages ------------------------------------------------------------------------------------- */

static uint8_t text[SIZE_MAX_TRIED];

/* Runs of letters, random bytes, or lines much alike. */
static void make_text(int kind, size_t size)
{
    uint32_t random = (uint32_t)size + 1;

    for (size_t i = 0; i < size; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        text[i] = (uint8_t)(kind == 0 ? 'a' + i / 1000 % 26 : kind == 1 ? random : i % 97);
        if (kind == 2 && random % 16 == 0)
            text[i] = (uint8_t)('0' + random / 16 % 10);
    }
}

/* By another than our own inflater, which has a window of so many bits only. */
static void assert_inflates(const uint8_t *packed, size_t packed_bytes, int bits, size_t size)
{
    static uint8_t out[SIZE_MAX_TRIED];
    z_stream stream = {0};

    assert_int_equal(inflateInit2(&stream, -bits), Z_OK);
    stream.next_out = out;
    stream.avail_out = sizeof out;
    stream.next_in = (Bytef *)(uintptr_t)packed;
    stream.avail_in = (uInt)packed_bytes;
    assert_in_range(inflate(&stream, Z_SYNC_FLUSH), Z_OK, Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)inflate_tail;
    stream.avail_in = sizeof inflate_tail;
    (void)inflate(&stream, Z_SYNC_FLUSH); /* nothing comes of it */
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(sizeof out - stream.avail_out, size);
    assert_memory_equal(out, text, size);
    assert_int_equal(inflateEnd(&stream), Z_OK);
}

static void a_message_comes_out_again_through_the_smallest_window_agreed_on(void **state)
{
    static const size_t sizes[] = {128, 129, 255, 1000, 4096, 40000, 65536, DEFLATE_BYTES_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int kind = 0; kind < 3; kind++) {
            size_t narrow_bytes;
            size_t wide_bytes;
            const uint8_t *packed;

            make_text(kind, sizes[i]);
            packed = deflate_message(DEFLATE_NARROW, text, sizes[i], 1, &narrow_bytes);
            assert_int_equal(packed == NULL, kind == 1);
            if (packed == NULL)
                continue;
            assert_inflates(packed, narrow_bytes, 9, sizes[i]);
            packed = deflate_message(DEFLATE_WIDE, text, sizes[i], 1, &wide_bytes);
            assert_non_null(packed);
            assert_inflates(packed, wide_bytes, 15, sizes[i]);
        }
    }
    deflate_clear();
}

static void what_is_not_worth_it_is_left_alone(void **state)
{
    size_t bytes = 7;
    size_t best;

    (void)state;
    make_text(0, SIZE_MAX_TRIED);
    assert_null(deflate_message(DEFLATE_NONE, text, 1000, 1, &bytes));
    assert_null(deflate_message(DEFLATE_WIDE, text, DEFLATE_BYTES_MIN - 1, 1, &bytes));
    assert_null(deflate_message(DEFLATE_WIDE, text, DEFLATE_BYTES_MAX + 1, 1, &bytes));
    assert_null(deflate_message(DEFLATE_WIDE, text, 1000, 1000, &bytes));
    assert_int_equal(bytes, 7);
    assert_non_null(deflate_message(DEFLATE_WIDE, text, DEFLATE_BYTES_MIN, 1, &bytes));
    assert_non_null(deflate_message(DEFLATE_WIDE, text, DEFLATE_BYTES_MAX, 1, &bytes));
    /* Exactly as much as is asked for; and the next one is none the worse for one that was given up. */
    assert_non_null(deflate_message(DEFLATE_WIDE, text, 1000, 1, &best));
    for (size_t saved = 1000 - best - 8; saved < 1000; saved++) {
        const uint8_t *packed = deflate_message(DEFLATE_WIDE, text, 1000, saved, &bytes);

        assert_int_equal(packed != NULL, saved <= 1000 - best);
        if (packed != NULL)
            assert_inflates(packed, bytes, 15, 1000);
    }
    deflate_clear();
}

static void what_has_been_compressed_is_counted_and_what_has_not_is_not(void **state)
{
    const struct deflate_work before = deflate_counts()->compressed;
    const struct deflate_work *now = &deflate_counts()->compressed;
    size_t bytes;

    (void)state;
    make_text(1, 1000); /* random: nothing is saved */
    assert_null(deflate_message(DEFLATE_WIDE, text, 1000, 1, &bytes));
    assert_null(deflate_message(DEFLATE_NONE, text, 1000, 1, &bytes));
    assert_memory_equal(now, &before, sizeof before);
    make_text(0, 1000);
    assert_non_null(deflate_message(DEFLATE_WIDE, text, 1000, 1, &bytes));
    assert_int_equal(now->messages - before.messages, 1);
    assert_int_equal(now->bytes_in - before.bytes_in, 1000);
    assert_int_equal(now->bytes_out - before.bytes_out, bytes);
    deflate_clear();
}

static void bytes_that_differ_may_stand_in_front_of_those_that_are_shared(void **state)
{
    static uint8_t joined[DEFLATE_STORED_HEAD_BYTES + 65535 + 2000];
    static const size_t sizes[] = {1, 2, 256, 1538, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t packed_bytes;
        const uint8_t *packed;

        make_text(2, sizes[i] + 1000);
        packed = deflate_message(DEFLATE_WIDE, text + sizes[i], 1000, 1, &packed_bytes);
        assert_non_null(packed);
        deflate_stored_head(joined, (uint16_t)sizes[i]);
        memcpy(joined + DEFLATE_STORED_HEAD_BYTES, text, sizes[i]);
        memcpy(joined + DEFLATE_STORED_HEAD_BYTES + sizes[i], packed, packed_bytes);
        assert_inflates(joined, DEFLATE_STORED_HEAD_BYTES + sizes[i] + packed_bytes, 15,
                        sizes[i] + 1000);
    }
    deflate_clear();
}

static void without_memory_messages_go_as_they_are(void **state)
{
    size_t bytes;

    (void)state;
    make_text(0, 1000);
    for (int n = 1; n <= 2; n++) {
        deflate_clear();
        failing = n;
        assert_null(deflate_message(DEFLATE_WIDE, text, 1000, 1, &bytes));
        assert_int_equal(failing, 0);
        assert_non_null(deflate_message(DEFLATE_WIDE, text, 1000, 1, &bytes));
        /* A longer one needs a longer buffer; the one that is there stays good. */
        failing = 1;
        make_text(0, 5000);
        assert_null(deflate_message(DEFLATE_WIDE, text, 5000, 1, &bytes));
        assert_non_null(deflate_message(DEFLATE_WIDE, text, 900, 1, &bytes));
        assert_inflates(deflate_message(DEFLATE_WIDE, text, 900, 1, &bytes), bytes, 15, 900);
        failing = 1;
        assert_null(inflater_borrow());
        failing = 2;
        assert_null(inflater_borrow());
        assert_int_equal(failing, 0);
    }
    deflate_clear();
}

static void inflaters_are_kept_up_to_a_bound_and_forget(void **state)
{
    struct inflater *all[INFLATER_POOL_MAX + 2];
    uint8_t out[2000];

    (void)state;
    make_text(2, 1000);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t packed_bytes;
        const uint8_t *packed = deflate_message(DEFLATE_WIDE, text, 1000, 1, &packed_bytes);
        size_t cut = i * 20;
        size_t made;

        all[i] = inflater_borrow();
        assert_non_null(all[i]);
        packed_bytes -= cut; /* they stand wherever they stand */
        assert_int_equal(inflater_run(all[i], &packed, &packed_bytes, out, sizeof out, &made),
                         INFLATE_MORE);
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        inflater_return(all[i]);
    inflater_return(NULL);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t packed_bytes;
        const uint8_t *packed = deflate_message(DEFLATE_WIDE, text, 1000, 1, &packed_bytes);
        size_t made;

        failing = i < INFLATER_POOL_MAX ? 1 : 0; /* those need nothing new */
        all[i] = inflater_borrow();
        failing = 0;
        assert_non_null(all[i]);
        assert_int_equal(inflater_run(all[i], &packed, &packed_bytes, out, sizeof out, &made),
                         INFLATE_MORE);
        assert_int_equal(made, 1000);
        assert_memory_equal(out, text, 1000);
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        inflater_return(all[i]);
    deflate_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_is_taken_as_it_is_or_declined),
        cmocka_unit_test(a_message_comes_out_again_through_the_smallest_window_agreed_on),
        cmocka_unit_test(what_is_not_worth_it_is_left_alone),
        cmocka_unit_test(what_has_been_compressed_is_counted_and_what_has_not_is_not),
        cmocka_unit_test(bytes_that_differ_may_stand_in_front_of_those_that_are_shared),
        cmocka_unit_test(without_memory_messages_go_as_they_are),
        cmocka_unit_test(inflaters_are_kept_up_to_a_bound_and_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
