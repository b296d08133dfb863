#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/exchange.h"

static struct http_text text_of(const char *text)
{
    return (struct http_text){text, strlen(text)};
}

/* A request with one header on each of its lines. */
static const struct http_request *request_with(const char *name, const char *first,
                                               const char *second)
{
    static struct http_request request;

    request.header_count = 0;
    request.headers[request.header_count++] = (struct http_header){text_of("host"), text_of("a")};
    request.headers[request.header_count++] = (struct http_header){text_of(name), text_of(first)};
    if (second != NULL)
        request.headers[request.header_count++] =
            (struct http_header){text_of(name), text_of(second)};
    return &request;
}

static void the_first_of_several_headers_is_given(void **state)
{
    const struct http_request *request = request_with("x", "1", "2");

    (void)state;
    assert_true(http_text_equals(*http_header(request, "x"), "1"));
    assert_null(http_header(request, "y"));
    assert_null(http_header(request, "hos"));
}

static void tokens_are_found_in_lists_over_all_lines(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool has;
    } cases[] = {
        {"upgrade", NULL, true},
        {"Upgrade", NULL, true},
        {"keep-alive, Upgrade", NULL, true},
        {" \t upgrade\t ,x", NULL, true},
        {",,upgrade,,", NULL, true},
        {"keep-alive", "upgrade", true},
        {"", NULL, false},
        {"upgraded", NULL, false},
        {"up grade", NULL, false},
        {"upgrad", NULL, false},
        {"x-upgrade", NULL, false},
        {"\"a, upgrade\"", NULL, false},
        {"\"a\\\", upgrade\"", NULL, false},
        {"\"a\", upgrade", NULL, true},
        {"\"never closed, upgrade", NULL, false},
        {"keep-alive", "close", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct http_request *request =
            request_with("connection", cases[i].first, cases[i].second);

        if (http_header_has_token(request, "connection", "upgrade") != cases[i].has)
            fail_msg("%s", cases[i].first);
        assert_false(http_header_has_token(request, "other", "upgrade"));
    }
}

static void a_media_type_is_accepted_only_by_name(void **state)
{
    static const struct {
        const char *accept;
        bool is_accepted;
    } cases[] = {
        {"text/html", true},
        {"TEXT/HTML", true},
        {"text/html;q=0.1", true},
        {"text/html; q=0.001", true},
        {"text/html;charset=utf-8;q=1", true},
        {"application/json, text/html", true},
        {"application/json;x=\"a,b\", text/html", true},
        {"text/html;q=0", false},
        {"text/html; Q=0.000", false},
        {"text/html;level=1;q=0.0", false},
        {"*/*", false},
        {"text/*", false},
        {"text/htmlx", false},
        {"text/htm", false},
        {"", false},
        {"application/json;x=\"text/html\"", false},
        {"application/json;x=\", text/html\"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct http_request *request = request_with("accept", cases[i].accept, NULL);

        if (http_accepts(request, "text/html") != cases[i].is_accepted)
            fail_msg("%s", cases[i].accept);
    }
    assert_true(http_accepts(request_with("accept", "*/*", "text/html"), "text/html"));
}

static void wishes_are_weighed(void **state)
{
    static const struct {
        const char *value;
        int quality;
    } cases[] = {
        {"gzip", 1000},
        {"GZIP", 1000},
        {"br, gzip;q=0.5", 500},
        {"gzip ; q=0.123", 123},
        {"gzip;Q=1.000", 1000},
        {"gzip;q=0", 0},
        {"gzip;q=0.000", 0},
        {"gzip;q=1.001", 0},
        {"gzip;q=2", 0},
        {"gzip;q=", 0},
        {"gzip;q=.5", 0},
        {"gzip;q=0,5", 0},
        {"gzip;q=0.1234", 0},
        {"gzip;q=-1", 0},
        {"gzip;q=x", 0},
        {"gzip;q=0.2, gzip;q=0.7", 700},
        {"", -1},
        {"*", -1},
        {"gzipped, x-gzip", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct http_request *request = request_with("accept-encoding", cases[i].value, NULL);

        if (http_header_quality(request, "accept-encoding", "gzip") != cases[i].quality)
            fail_msg("%s", cases[i].value);
    }
    assert_int_equal(http_header_quality(request_with("accept-encoding", "br", "gzip;q=0.1"),
                                         "accept-encoding", "gzip"),
                     100);
    assert_int_equal(http_header_quality(request_with("accept-encoding", "*;q=0.4", NULL),
                                         "accept-encoding", "*"),
                     400);
}

static void an_element_is_a_token_and_its_parameters(void **state)
{
    struct http_text list =
        text_of(" Text/HTML;q=0.5 , ,application/json; Charset=\"UTF-8\";x=\",\"");
    struct http_element element;
    struct http_text value;

    (void)state;
    assert_true(http_element_next(&list, &element));
    assert_true(http_element_is(&element, "text/html"));
    assert_int_equal(http_element_quality(&element), HTTP_QUALITY_MAX / 2);
    assert_false(http_element_parameter(&element, "charset", &value));

    assert_true(http_element_next(&list, &element));
    assert_true(http_element_is(&element, ""));

    assert_true(http_element_next(&list, &element));
    assert_true(http_element_is(&element, "application/json"));
    assert_int_equal(http_element_quality(&element), HTTP_QUALITY_MAX);
    assert_true(http_element_parameter(&element, "charset", &value));
    assert_true(http_text_equals(value, "UTF-8"));
    assert_true(http_element_parameter(&element, "x", &value));
    assert_true(http_text_equals(value, ","));
    assert_false(http_element_parameter(&element, "chars", &value));

    assert_false(http_element_next(&list, &element));
}

static void percent_signs_are_decoded_once(void **state)
{
    static const struct {
        const char *in;
        const char *out; /* NULL: -EILSEQ */
    } cases[] = {
        {"", ""},         {"news", "news"}, {"a+b", "a+b"},
        {"a%20b", "a b"}, {"%41", "A"},     {"%e2%82%AC", "\xE2\x82\xAC"},
        {"%2541", "%41"}, {"%2F/", "//"},   {"%", NULL},
        {"%4", NULL},     {"a%", NULL},     {"%4g", NULL},
        {"%g4", NULL},    {"%%41", NULL},   {"%FF", NULL},
        {"%C3", NULL},    {"%C0%AF", NULL}, {"%ED%A0%80", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[64];
        ptrdiff_t length = http_decode(text_of(cases[i].in), buf, sizeof buf);

        if (cases[i].out == NULL) {
            assert_int_equal(length, -EILSEQ);
            continue;
        }
        assert_int_equal(length, strlen(cases[i].out));
        assert_memory_equal(buf, cases[i].out, strlen(cases[i].out));
        if (length > 0)
            assert_int_equal(http_decode(text_of(cases[i].in), buf, (size_t)length - 1), -ENOBUFS);
    }
}

static void a_query_parameter_is_found_by_its_whole_name(void **state)
{
    static const struct {
        const char *query;
        const char *value; /* NULL: absent */
    } cases[] = {
        {"since=1", "1"},     {"a=b&since=1&c=d", "1"},
        {"since=", ""},       {"since", ""},
        {"a&since", ""},      {"since=1=2", "1=2"},
        {"since=%31", "%31"}, {"since=1&since=2", "1"},
        {"&&since=1", "1"},   {"", NULL},
        {"&", NULL},          {"sinc=1", NULL},
        {"since2=1", NULL},   {"xsince=1", NULL},
        {"a=since", NULL},    {"Since=1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_text value;
        bool is_there = http_query_get(text_of(cases[i].query), "since", &value);

        if (is_there != (cases[i].value != NULL))
            fail_msg("%s", cases[i].query);
        if (is_there)
            assert_true(http_text_equals(value, cases[i].value));
    }
}

static void error_bodies_are_json_whatever_the_message(void **state)
{
    static const char wanted[] =
        "{\"error\":{\"code\":\"bad_request\",\"message\":\"a \\\"b\\\"\\n\"}}";
    size_t bytes = 0;
    char *body = http_error_body("bad_request", "a \"b\"\n", &bytes);

    (void)state;
    assert_non_null(body);
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(body, wanted, bytes);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_several_headers_is_given),
        cmocka_unit_test(tokens_are_found_in_lists_over_all_lines),
        cmocka_unit_test(a_media_type_is_accepted_only_by_name),
        cmocka_unit_test(wishes_are_weighed),
        cmocka_unit_test(an_element_is_a_token_and_its_parameters),
        cmocka_unit_test(percent_signs_are_decoded_once),
        cmocka_unit_test(a_query_parameter_is_found_by_its_whole_name),
        cmocka_unit_test(error_bodies_are_json_whatever_the_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
