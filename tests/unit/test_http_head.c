#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/http/head_parse.h"

enum {
    HEAD_MAX = 1024,
};

static enum head_result check(const char *text, struct head_framing *framing)
{
    const char *reason = NULL;
    enum head_result result;
    size_t head_bytes = 0;
    uint32_t scanned = 0;

    *framing = (struct head_framing){0};
    result = head_find(text, strlen(text), HEAD_MAX, &scanned, &head_bytes);
    if (result != HEAD_OK)
        return result;
    result = head_check(text, head_bytes, framing, &reason);
    if (result != HEAD_OK)
        assert_non_null(reason);
    return result;
}

static void a_head_ends_with_an_empty_line_at_every_split(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET /next";
    static const size_t whole = sizeof "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n" - 1;

    (void)state;
    for (size_t first = 0; first < whole; first++) {
        for (size_t second = first; second < whole; second++) {
            uint32_t scanned = 0;
            size_t head_bytes = 0;

            assert_int_equal(head_find(text, first, HEAD_MAX, &scanned, &head_bytes), HEAD_MORE);
            assert_int_equal(head_find(text, second, HEAD_MAX, &scanned, &head_bytes), HEAD_MORE);
            assert_int_equal(head_find(text, sizeof text - 1, HEAD_MAX, &scanned, &head_bytes),
                             HEAD_OK);
            assert_int_equal(head_bytes, whole);
        }
    }
}

static void a_head_over_the_limit_is_too_large_whole_or_not(void **state)
{
    char text[HEAD_MAX + 8];
    uint32_t scanned = 0;
    size_t head_bytes;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(head_find(text, HEAD_MAX, HEAD_MAX, &scanned, &head_bytes), HEAD_MORE);
    assert_int_equal(head_find(text, HEAD_MAX + 1, HEAD_MAX, &scanned, &head_bytes),
                     HEAD_TOO_LARGE);
    memcpy(text + HEAD_MAX - 4, "\r\n\r\n", 4);
    scanned = 0;
    assert_int_equal(head_find(text, HEAD_MAX, HEAD_MAX, &scanned, &head_bytes), HEAD_OK);
    memset(text + HEAD_MAX - 4, 'a', 4);
    memcpy(text + HEAD_MAX - 3, "\r\n\r\n", 4);
    scanned = 0;
    assert_int_equal(head_find(text, HEAD_MAX + 1, HEAD_MAX, &scanned, &head_bytes),
                     HEAD_TOO_LARGE);
}

static void a_head_over_the_limit_is_told_the_same_at_every_split(void **state)
{
    char text[HEAD_MAX + 64];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    text[HEAD_MAX + 8] = '\n'; /* bare, but behind the limit: nobody looks so far */
    for (size_t split = 1; split <= sizeof text; split++) {
        uint32_t scanned = 0;
        size_t head_bytes;
        enum head_result result = head_find(text, split, HEAD_MAX, &scanned, &head_bytes);

        if (result == HEAD_MORE)
            result = head_find(text, sizeof text, HEAD_MAX, &scanned, &head_bytes);
        assert_int_equal(result, HEAD_TOO_LARGE);
    }
}

static void a_request_line_over_the_limit_is_too_large(void **state)
{
    char text[HEAD_MAX + 1];
    uint32_t scanned = 0;
    size_t head_bytes;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    assert_int_equal(head_find(text, sizeof text, HEAD_MAX, &scanned, &head_bytes), HEAD_TOO_LARGE);
}

static void noise_is_refused_without_waiting_for_a_line(void **state)
{
    static const char *const noise[] = {"\x16\x03\x01", " GET",        "\n",
                                        "\r\nG",        "{\"action\"", "\x80"};
    struct head_framing framing;

    (void)state;
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++)
        assert_int_equal(check(noise[i], &framing), HEAD_BAD);
}

/* Heads that must pass, and what their bodies are. */
static void strict_heads_pass(void **state)
{
    static const struct {
        const char *text;
        uint64_t length;
        bool is_chunked;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nhOsT:a\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nHost: [2001:db8::ffff:1.2.3.4]\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nHost: a_b.example.:\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nHost: b%C3%BCcher.example:65535\r\n\r\n", 0, false},
        {"GET / HTTP/1.0\r\n\r\n", 0, false},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 0, false},
        {"GET / HTTP/1.7\r\nHost: a\r\n\r\n", 0, false},
        {"GET /%20?a=b&c=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 0, false},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, false},
        {"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nX:\t tabs\tand \xE9 \t\r\nY:\r\n\r\n", 0, false},
        {"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09: x\r\nHost: a\r\n\r\n", 0, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH:\t12 \r\n\r\n", 12, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0012\r\n\r\n", 12, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n",
         999999999999999999, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0, true},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", 0, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct head_framing framing;

        if (check(cases[i].text, &framing) != HEAD_OK)
            fail_msg("%s", cases[i].text);
        assert_true(framing.content_length == cases[i].length);
        assert_int_equal(framing.is_chunked, cases[i].is_chunked);
    }
}

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static const struct {
    const char *text;
    enum head_result result;
} refused[] = {
    /* lines */
    {"GET / HTTP/1.1\nHost: a\n\n", HEAD_BAD},
    {LINE "Host: a\n\r\n", HEAD_BAD},
    {LINE HOST "X: y\r\r\n\r\n", HEAD_BAD},
    {LINE HOST "X: y\rZ: z\r\n\r\n", HEAD_BAD},
    {LINE HOST "X: a\r\n b\r\n\r\n", HEAD_BAD}, /* folded */
    {LINE HOST "X: a\r\n\tb\r\n\r\n", HEAD_BAD},
    {LINE " Host: a\r\n\r\n", HEAD_BAD},
    {LINE HOST "X : y\r\n\r\n", HEAD_BAD},
    {LINE HOST "X\t: y\r\n\r\n", HEAD_BAD},
    {LINE HOST ": y\r\n\r\n", HEAD_BAD},
    {LINE HOST "X\r\n\r\n", HEAD_BAD},
    {LINE HOST "X y: z\r\n\r\n", HEAD_BAD},
    {LINE HOST "X\x80: z\r\n\r\n", HEAD_BAD},
    {LINE HOST "X(): z\r\n\r\n", HEAD_BAD},
    {LINE HOST "X: a\x01z\r\n\r\n", HEAD_BAD},
    {LINE HOST "X: a\x7Fz\r\n\r\n", HEAD_BAD},
    /* the request line */
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", HEAD_BAD},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET /#f HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET /\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET /\r\n\r\n", HEAD_BAD},
    {"GET HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET\r\n\r\n", HEAD_BAD},
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / http/1.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/x.1\r\n" HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", HEAD_VERSION},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", HEAD_VERSION},
    {"PRI * HTTP/2.0\r\n\r\n", HEAD_VERSION},
    /* Host */
    {LINE "\r\n", HEAD_BAD},
    {LINE HOST HOST "\r\n", HEAD_BAD},
    {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", HEAD_BAD},
    {LINE "Host: a b\r\n\r\n", HEAD_BAD},
    {LINE "Host: a/b\r\n\r\n", HEAD_BAD},
    {LINE "Host: u@a\r\n\r\n", HEAD_BAD},
    {LINE "Host:\r\n\r\n", HEAD_BAD},
    {"GET / HTTP/1.0\r\nHost: \t \r\n\r\n", HEAD_BAD},
    {LINE "Host: :80\r\n\r\n", HEAD_BAD},
    {LINE "Host: a:b\r\n\r\n", HEAD_BAD},
    {LINE "Host: a:1:2\r\n\r\n", HEAD_BAD},
    {LINE "Host: a:123456\r\n\r\n", HEAD_BAD},
    {LINE "Host: a%4\r\n\r\n", HEAD_BAD},
    {LINE "Host: a%zz\r\n\r\n", HEAD_BAD},
    {LINE "Host: [::1\r\n\r\n", HEAD_BAD},
    {LINE "Host: []\r\n\r\n", HEAD_BAD},
    {LINE "Host: [a.example]\r\n\r\n", HEAD_BAD},
    {LINE "Host: [::1]x\r\n\r\n", HEAD_BAD},
    {LINE "Host: a, b\r\n\r\n", HEAD_BAD},
    {LINE "Host: \xC3\xA4\r\n\r\n", HEAD_BAD},
    /* lengths */
    {LINE HOST "Content-Length:\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: -1\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: +1\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 1 2\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 1, 1\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 0x1\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 1_0\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 18446744073709551616\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", HEAD_BAD},
    /* codings */
    {LINE HOST "Transfer-Encoding: gzip\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: identity\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding:\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: xchunked\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_BAD},
    {LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", HEAD_BAD},
    {LINE HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_BAD},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_BAD},
};

static void heads_that_need_repair_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct head_framing framing;

        if (check(refused[i].text, &framing) != refused[i].result)
            fail_msg("%zu: %s", i, refused[i].text);
    }
}

static void a_null_byte_in_a_value_is_refused(void **state)
{
    static const char text[] = LINE HOST "X: a\0b\r\n\r\n";
    struct head_framing framing;
    const char *reason = NULL;

    (void)state;
    assert_int_equal(head_check(text, sizeof text - 1, &framing, &reason), HEAD_BAD);
}

static void more_lines_than_are_kept_are_too_large(void **state)
{
    char text[HEAD_MAX * 2] = LINE HOST;
    struct head_framing framing;
    const char *reason = NULL;

    (void)state;
    for (int i = 1; i < HTTP_HEADERS_MAX; i++)
        strncat(text, "a: b\r\n", sizeof text - strlen(text) - 1);
    strncat(text, "\r\n", sizeof text - strlen(text) - 1);
    assert_int_equal(head_check(text, strlen(text), &framing, &reason), HEAD_OK);
    text[strlen(text) - 2] = '\0';
    strncat(text, "a: b\r\n\r\n", sizeof text - strlen(text) - 1);
    assert_int_equal(head_check(text, strlen(text), &framing, &reason), HEAD_TOO_LARGE);
}

/* A copy of @text is parsed; the request's spans are valid until the next call. */
static enum head_result parse(const char *text, struct http_request *request, bool *is_keep_alive)
{
    static char head[2 * HEAD_MAX];

    assert_true(strlen(text) < sizeof head);
    memcpy(head, text, strlen(text));
    request->is_secure = false;
    return head_parse(head, strlen(text), request, is_keep_alive);
}

static void assert_text(struct http_text text, const char *wanted)
{
    assert_int_equal(text.size, strlen(wanted));
    assert_memory_equal(text.bytes, wanted, text.size);
}

static void a_checked_head_becomes_a_request(void **state)
{
    struct http_request request;
    bool is_keep_alive = false;

    (void)state;
    assert_int_equal(parse("POST /topics/a%20b?x=1&y HTTP/1.1\r\nHost: example:80\r\n"
                           "Content-Length: 5\r\nX-Empty:\r\nX-Blank: \t v w \t\r\n\r\n",
                           &request, &is_keep_alive),
                     HEAD_OK);
    assert_int_equal(request.method, HTTP_METHOD_POST);
    assert_false(request.is_http_1_0);
    assert_true(is_keep_alive);
    assert_text(request.path, "/topics/a%20b");
    assert_text(request.query, "x=1&y");
    assert_int_equal(request.header_count, 4);
    assert_text(request.headers[0].name, "host");
    assert_text(request.headers[0].value, "example:80");
    assert_text(request.headers[1].name, "content-length");
    assert_text(request.headers[2].name, "x-empty");
    assert_text(request.headers[2].value, "");
    assert_text(request.headers[3].value, "v w");
}

static void targets_come_in_three_forms(void **state)
{
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
        const char *query;
        const char *authority;
        bool is_https;
    } cases[] = {
        {"/", "/", "", "", false},
        {"/a?b?c", "/a", "b?c", "", false},
        {"/?", "/", "", "", false},
        {"//a", "//a", "", "", false},
        {"/a/../b/%2e", "/a/../b/%2e", "", "", false},
        {"*", "*", "", "", false},
        {"http://h:1/a?b", "/a", "b", "h:1", false},
        {"HTTPS://h", "/", "", "h", true},
        {"http://h?q", "/", "q", "h", false},
        {"http://[::1]:80/", "/", "", "[::1]:80", false},
        {"http://", NULL, NULL, NULL, false},
        {"http:///a", NULL, NULL, NULL, false},
        {"http://h@x/", NULL, NULL, NULL, false},
        {"http://h:x/", NULL, NULL, NULL, false},
        {"http://h:1:2/", NULL, NULL, NULL, false},
        {"http://[::1/", NULL, NULL, NULL, false},
        {"http://h%/", NULL, NULL, NULL, false},
        {"http:/a", NULL, NULL, NULL, false},
        {"ftp://h/", NULL, NULL, NULL, false},
        {"a", NULL, NULL, NULL, false},
        {"?a", NULL, NULL, NULL, false},
        {"**", NULL, NULL, NULL, false},
        {"*?a", NULL, NULL, NULL, false},
        {"h:80", NULL, NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_text text = {cases[i].target, strlen(cases[i].target)};
        struct head_target target;
        bool is_good = head_split_target(text, &target);

        if (is_good != (cases[i].path != NULL))
            fail_msg("%s", cases[i].target);
        if (!is_good)
            continue;
        assert_text(target.path, cases[i].path);
        assert_text(target.query, cases[i].query);
        assert_text(target.authority, cases[i].authority);
        assert_int_equal(target.is_https, cases[i].is_https);
    }
}

static void only_options_asks_about_the_whole_server(void **state)
{
    struct http_request request;
    bool is_keep_alive;

    (void)state;
    assert_int_equal(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_OK);
    assert_text(request.path, "*");
    assert_int_equal(parse("GET * HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_BAD);
}

static void what_belongs_to_https_is_told(void **state)
{
    struct http_request request;
    bool is_keep_alive;

    (void)state;
    assert_int_equal(parse("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_OK);
    assert_true(request.is_for_https);
    assert_int_equal(parse("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_OK);
    assert_false(request.is_for_https);
}

static void an_absolute_target_names_the_host(void **state)
{
    struct http_request request;
    bool is_keep_alive;

    (void)state;
    assert_int_equal(
        parse("GET http://real:1/p HTTP/1.1\r\nHost: other\r\n\r\n", &request, &is_keep_alive),
        HEAD_OK);
    assert_text(request.headers[0].value, "real:1");
    assert_text(request.path, "/p");
}

static void connections_are_kept_as_asked(void **state)
{
    static const struct {
        const char *text;
        bool is_kept;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: keep-alive, close\r\n\r\n",
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: x\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        bool is_keep_alive = !cases[i].is_kept;

        assert_int_equal(parse(cases[i].text, &request, &is_keep_alive), HEAD_OK);
        assert_int_equal(is_keep_alive, cases[i].is_kept);
    }
}

static void methods_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
    } cases[] = {
        {"GET", HTTP_METHOD_GET},         {"HEAD", HTTP_METHOD_HEAD},    {"POST", HTTP_METHOD_POST},
        {"OPTIONS", HTTP_METHOD_OPTIONS}, {"DELETE", HTTP_METHOD_OTHER}, {"PUT", HTTP_METHOD_OTHER},
        {"PATCH", HTTP_METHOD_OTHER},
    };
    struct http_request request;
    bool is_keep_alive;
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text[0] = '\0';
        strncat(text, cases[i].name, 16);
        strncat(text, " / HTTP/1.1\r\nHost: a\r\n\r\n", 40);
        assert_int_equal(parse(text, &request, &is_keep_alive), HEAD_OK);
        assert_int_equal(request.method, cases[i].method);
    }
    assert_int_equal(parse("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_UNKNOWN_METHOD);
    assert_int_equal(parse("get / HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_UNKNOWN_METHOD);
    assert_int_equal(parse("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", &request, &is_keep_alive),
                     HEAD_UNKNOWN_METHOD);
}

static void an_upgrade_is_a_request_like_any_other(void **state)
{
    struct http_request request;
    bool is_keep_alive;

    (void)state;
    assert_int_equal(parse("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                           "Connection: keep-alive, Upgrade\r\nLast: x\r\n\r\n",
                           &request, &is_keep_alive),
                     HEAD_OK);
    assert_int_equal(request.header_count, 4);
    assert_text(request.headers[3].value, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_ends_with_an_empty_line_at_every_split),
        cmocka_unit_test(a_head_over_the_limit_is_too_large_whole_or_not),
        cmocka_unit_test(a_head_over_the_limit_is_told_the_same_at_every_split),
        cmocka_unit_test(a_request_line_over_the_limit_is_too_large),
        cmocka_unit_test(noise_is_refused_without_waiting_for_a_line),
        cmocka_unit_test(strict_heads_pass),
        cmocka_unit_test(heads_that_need_repair_are_refused),
        cmocka_unit_test(a_null_byte_in_a_value_is_refused),
        cmocka_unit_test(more_lines_than_are_kept_are_too_large),
        cmocka_unit_test(a_checked_head_becomes_a_request),
        cmocka_unit_test(targets_come_in_three_forms),
        cmocka_unit_test(only_options_asks_about_the_whole_server),
        cmocka_unit_test(what_belongs_to_https_is_told),
        cmocka_unit_test(an_absolute_target_names_the_host),
        cmocka_unit_test(connections_are_kept_as_asked),
        cmocka_unit_test(methods_are_told_apart),
        cmocka_unit_test(an_upgrade_is_a_request_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
