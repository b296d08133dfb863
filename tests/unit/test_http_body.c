#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/body.h"
#include "server/net/budget.h"

enum {
    BYTES_MAX = 100,
};

static const struct body_limits limits = {.bytes_max = BYTES_MAX};

/* Feeds a copy, so that a sanitizer sees a byte read too far. */
static enum body_result feed(struct body *body, const char *bytes, size_t size, size_t *consumed)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    enum body_result result;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    result = body_feed(body, copy, size, consumed);
    free(copy);
    return result;
}

/* Feeds a chunked body cut in two at every place; each way must end as @wanted. */
static void feed_chunked_at_every_split(const char *text, enum body_result wanted,
                                        const char *wanted_body, size_t behind)
{
    size_t size = strlen(text);

    for (size_t split = 0; split <= size; split++) {
        enum body_result result;
        size_t consumed = 0;
        size_t used;
        struct body body;

        body_begin_chunked(&body, &limits);
        result = feed(&body, text, split, &used);
        if (result == BODY_MORE) {
            assert_int_equal(used, split);
            result = feed(&body, text + split, size - split, &consumed);
            used += consumed;
        }
        if (result != wanted)
            fail_msg("%s, split at %zu: %d", text, split, (int)result);
        if (wanted == BODY_DONE) {
            assert_int_equal(used, size - behind);
            assert_int_equal(body.size, strlen(wanted_body));
            assert_memory_equal(body.bytes != NULL ? (const char *)body.bytes : "", wanted_body,
                                body.size);
        }
        body_done(&body);
    }
}

static void a_body_of_known_length_ends_there_at_every_split(void **state)
{
    (void)state;
    for (size_t split = 0; split <= 5; split++) {
        struct body body;
        size_t first;
        size_t second;

        body_begin_length(&body, 5, &limits);
        if (feed(&body, "helloGET", split, &first) == BODY_MORE) {
            assert_int_equal(first, split);
            assert_int_equal(feed(&body, &"helloGET"[split], 8 - split, &second), BODY_DONE);
            assert_int_equal(first + second, 5);
        }
        assert_int_equal(body.size, 5);
        assert_memory_equal(body.bytes, "hello", 5);
        body_done(&body);
    }
}

static void a_body_of_length_zero_is_done_at_once(void **state)
{
    struct body body;
    size_t consumed = 1;

    (void)state;
    body_begin_length(&body, 0, &limits);
    assert_int_equal(feed(&body, "x", 1, &consumed), BODY_DONE);
    assert_int_equal(consumed, 0);
    body_done(&body);
}

static void chunked_bodies_are_put_together(void **state)
{
    (void)state;
    feed_chunked_at_every_split("0\r\n\r\n", BODY_DONE, "", 0);
    feed_chunked_at_every_split("5\r\nhello\r\n0\r\n\r\n", BODY_DONE, "hello", 0);
    feed_chunked_at_every_split("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", BODY_DONE,
                                "hello world", 5);
    feed_chunked_at_every_split("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", BODY_DONE,
                                "01234567890123456789", 0);
    feed_chunked_at_every_split("00005\r\n\r\n\r\nx\r\n000\r\n\r\n", BODY_DONE, "\r\n\r\nx", 0);
}

static void extensions_and_trailers_are_thrown_away(void **state)
{
    (void)state;
    feed_chunked_at_every_split("1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n", BODY_DONE, "x", 0);
    feed_chunked_at_every_split("1\r\nx\r\n0\r\nA: b\r\nC: d\te:\r\nD:\r\n\r\nZ", BODY_DONE, "x",
                                1);
}

static void malformed_chunks_are_refused(void **state)
{
    static const char *const wrong[] = {
        "\r\n",
        ";a\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "0x1\r\n",
        "1 \r\nx\r\n",
        "1 ;a\r\nx\r\n",
        "1\nx\r\n",
        "1\r\nx\n",
        "1\r\nxx",
        "1\r\nx\rx",
        "1\rx",
        "1;a\nb",
        "1;a\x01\r\n",
        "1;a\r\r\n",
        "1\r\nx\r\n\r\n",
        "0\r\n\n",
        "0\r\n A: folded\r\n\r\n",
        "0\r\nA: b\r\n\tc\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "0\r\nA\xC3: b\r\n\r\n",
        "0\r\nA: b\r\nC\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\x7F\r\n\r\n",
        "0\r\n\rX",
        "1000000000000000\r\n", /* 16 digits */
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        feed_chunked_at_every_split(wrong[i], BODY_BAD, NULL, 0);
}

static void a_body_over_the_limit_is_refused_before_it_comes(void **state)
{
    struct body body;
    size_t consumed;

    (void)state;
    feed_chunked_at_every_split("65\r\n", BODY_TOO_LARGE, NULL, 0); /* 101 */
    feed_chunked_at_every_split("fffffffffffffff\r\n", BODY_TOO_LARGE, NULL, 0);
    feed_chunked_at_every_split("1\r\nx\r\n64\r\n", BODY_TOO_LARGE, NULL, 0); /* 1 + 100 */
    body_begin_length(&body, BYTES_MAX + 1, &limits);
    assert_int_equal(feed(&body, "", 0, &consumed), BODY_TOO_LARGE);
    body_done(&body);
}

static void a_body_of_exactly_the_limit_passes(void **state)
{
    char text[BYTES_MAX + 20];
    char wanted[BYTES_MAX + 1];

    (void)state;
    memset(wanted, 'x', BYTES_MAX);
    wanted[BYTES_MAX] = '\0';
    (void)snprintf(text, sizeof text, "%x\r\n%s\r\n0\r\n\r\n", BYTES_MAX, wanted);
    feed_chunked_at_every_split(text, BODY_DONE, wanted, 0);
}

static void memory_follows_what_has_arrived(void **state)
{
    enum { ANNOUNCED = 100 * 1024 * 1024 };
    static const struct body_limits large = {.bytes_max = ANNOUNCED};
    struct body body;
    size_t consumed;

    (void)state;
    body_begin_length(&body, ANNOUNCED, &large);
    assert_int_equal(feed(&body, "0123456789", 10, &consumed), BODY_MORE);
    assert_true(body.capacity < 4096);
    body_done(&body);
    body_begin_chunked(&body, &large);
    assert_int_equal(feed(&body, "5000000\r\n0123456789", 19, &consumed), BODY_MORE);
    assert_true(body.capacity < 4096);
    body_done(&body);
}

static void endless_extensions_and_trailers_are_refused(void **state)
{
    static const char *const begins[] = {"1;", "0\r\nA: "};
    static char line[BODY_LINES_MAX + 2];

    (void)state;
    memset(line, 'a', sizeof line);
    for (size_t i = 0; i < 2; i++) {
        struct body body;
        size_t consumed;

        body_begin_chunked(&body, &limits);
        assert_int_equal(feed(&body, begins[i], strlen(begins[i]), &consumed), BODY_MORE);
        assert_int_equal(feed(&body, line, sizeof line, &consumed), BODY_BAD);
        body_done(&body);
    }
}

static void what_waits_is_charged_to_the_budget_and_given_back(void **state)
{
    struct budget budget = {.bytes_max = 1000};
    const struct body_limits charged = {
        .bytes_max = BYTES_MAX, .beside_bytes = BUDGET_OWN_BYTES + 500, .budget = &budget};
    struct body body;
    size_t consumed;

    (void)state;
    body_begin_length(&body, 50, &charged);
    assert_int_equal(feed(&body, "", 0, &consumed), BODY_MORE);
    assert_int_equal(budget.used_bytes, 500); /* the head waits already */
    assert_int_equal(feed(&body, "0123456789", 10, &consumed), BODY_MORE);
    assert_int_equal(budget.used_bytes, 500 + body.capacity);
    assert_int_equal(feed(&body, "0123456789", 10, &consumed), BODY_MORE);
    assert_int_equal(budget.used_bytes, 500 + body.capacity);
    body_done(&body);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_body_that_comes_whole_needs_no_budget(void **state)
{
    struct budget budget = {.bytes_max = 0};
    const struct body_limits charged = {
        .bytes_max = BYTES_MAX, .beside_bytes = BUDGET_OWN_BYTES, .budget = &budget};
    struct body body;
    size_t consumed;

    (void)state;
    body_begin_chunked(&body, &charged);
    assert_int_equal(feed(&body, "5\r\nhello\r\n0\r\n\r\n", 15, &consumed), BODY_DONE);
    body_done(&body);
    body_begin_length(&body, 5, &charged);
    assert_int_equal(feed(&body, "hell", 4, &consumed), BODY_NO_MEMORY);
    body_done(&body);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_short_body_may_be_cut_when_the_budget_is_used_up(void **state)
{
    struct budget budget = {.bytes_max = 0};
    const struct body_limits charged = {
        .bytes_max = BYTES_MAX, .beside_bytes = 500, .budget = &budget};
    struct body body;
    size_t consumed;

    (void)state;
    body_begin_length(&body, 5, &charged);
    assert_int_equal(feed(&body, "", 0, &consumed), BODY_MORE);
    assert_int_equal(feed(&body, "hell", 4, &consumed), BODY_MORE);
    assert_int_equal(feed(&body, "o", 1, &consumed), BODY_DONE);
    body_done(&body);
}

static void many_short_trailers_count_as_one_long_one(void **state)
{
    static const char line[] = "a:\r\n";
    enum body_result result;
    struct body body;
    size_t consumed;
    size_t count = 0;

    (void)state;
    body_begin_chunked(&body, &limits);
    assert_int_equal(feed(&body, "0\r\n", 3, &consumed), BODY_MORE);
    do {
        result = feed(&body, line, sizeof line - 1, &consumed);
        count++;
    } while (result == BODY_MORE && count <= BODY_LINES_MAX);
    assert_int_equal(result, BODY_BAD);
    assert_in_range(count, BODY_LINES_MAX / 4, BODY_LINES_MAX / 3 + 1);
    body_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_known_length_ends_there_at_every_split),
        cmocka_unit_test(a_body_of_length_zero_is_done_at_once),
        cmocka_unit_test(chunked_bodies_are_put_together),
        cmocka_unit_test(extensions_and_trailers_are_thrown_away),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_comes),
        cmocka_unit_test(a_body_of_exactly_the_limit_passes),
        cmocka_unit_test(memory_follows_what_has_arrived),
        cmocka_unit_test(endless_extensions_and_trailers_are_refused),
        cmocka_unit_test(many_short_trailers_count_as_one_long_one),
        cmocka_unit_test(what_waits_is_charged_to_the_budget_and_given_back),
        cmocka_unit_test(a_body_that_comes_whole_needs_no_budget),
        cmocka_unit_test(a_short_body_may_be_cut_when_the_budget_is_used_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
