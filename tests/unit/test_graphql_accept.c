#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/http/http.h"
#include "server/protocol/graphql_accept.h"

#define JSON     GRAPHQL_MEDIA_JSON
#define RESPONSE GRAPHQL_MEDIA_RESPONSE_JSON
#define EVENTS   GRAPHQL_MEDIA_EVENT_STREAM
#define HTML     GRAPHQL_MEDIA_HTML
#define NONE     GRAPHQL_MEDIA_NONE

/* A request with these Accept lines; NULL ends them. */
static const struct http_request *accepting(const char *first, const char *second)
{
    static struct http_request request;
    const char *lines[] = {first, second};

    request.header_count = 0;
    request.headers[request.header_count++] =
        (struct http_header){{"host", 4}, {"text/event-stream", 17}};
    for (size_t i = 0; i < 2 && lines[i] != NULL; i++)
        request.headers[request.header_count++] =
            (struct http_header){{"accept", 6}, {lines[i], strlen(lines[i])}};
    return &request;
}

struct wanted {
    const char *accept;
    enum graphql_media media;
};

static void assert_chosen(const struct wanted *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum graphql_media media = graphql_accept_choose(accepting(cases[i].accept, NULL), true);

        if (media != cases[i].media)
            fail_msg("`%s` gives %d, not %d", cases[i].accept, (int)media, (int)cases[i].media);
    }
}

#define ASSERT_CHOSEN(cases) assert_chosen((cases), sizeof(cases) / sizeof *(cases))

static void a_client_that_says_nothing_gets_what_was_asked_for_in_the_past(void **state)
{
    static const struct wanted cases[] = {
        {"*/*", JSON}, {"application/*", JSON}, {"", JSON}, {" ", JSON}, {"*/*;q=0.1", JSON},
    };

    (void)state;
    assert_int_equal(graphql_accept_choose(accepting(NULL, NULL), true), JSON);
    ASSERT_CHOSEN(cases);
}

static void what_is_named_is_given(void **state)
{
    static const struct wanted cases[] = {
        {"application/json", JSON},
        {"application/graphql-response+json", RESPONSE},
        {"Application/GraphQL-Response+JSON", RESPONSE},
        {"text/event-stream", EVENTS},
        {"text/html", HTML},
        /* what browsers, Apollo Client, urql and axios send */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML},
        {"application/graphql-response+json,application/json;q=0.9", RESPONSE},
        {"application/graphql-response+json, application/graphql+json, application/json, "
         "text/event-stream, multipart/mixed",
         RESPONSE},
        {"text/event-stream, multipart/mixed", EVENTS},
        {"application/json, text/plain, */*", JSON},
    };

    (void)state;
    ASSERT_CHOSEN(cases);
}

static void the_first_of_equals_is_given(void **state)
{
    static const struct wanted cases[] = {
        {"application/json, application/graphql-response+json", JSON},
        {"application/graphql-response+json, application/json", RESPONSE},
        {"text/event-stream, application/json", EVENTS},
        {"application/json, text/event-stream", JSON},
        {"application/json, text/html", JSON},
        {"*/*, application/graphql-response+json", RESPONSE}, /* named beats let pass */
        {"*/*, text/event-stream", EVENTS},
    };

    (void)state;
    ASSERT_CHOSEN(cases);
}

static void wishes_decide_before_the_order(void **state)
{
    static const struct wanted cases[] = {
        {"application/json;q=0.5, application/graphql-response+json;q=0.6", RESPONSE},
        {"application/graphql-response+json;q=0.5, application/json;q=0.6", JSON},
        {"text/event-stream;q=0.9, application/json", JSON},
        {"application/json;q=0.5, */*", RESPONSE}, /* the name is more specific */
        {"application/json;q=0, */*", RESPONSE},
        {"application/json;q=0, application/*;q=0.2, */*;q=0", RESPONSE},
        {"text/html;q=0, */*", JSON},
    };

    (void)state;
    ASSERT_CHOSEN(cases);
}

static void what_we_do_not_have_is_not_given(void **state)
{
    static const struct wanted cases[] = {
        {"application/xml", NONE},
        {"text/*", NONE}, /* pages and streams have to be named */
        {"application/json;q=0", NONE},
        {"*/*;q=0", NONE},
        {"text/event-stream;q=0", NONE},
        {"application/json;charset=iso-8859-1", NONE},
        {"multipart/mixed, application/graphql+json", NONE},
    };

    (void)state;
    ASSERT_CHOSEN(cases);
}

static void utf_8_is_all_there_is(void **state)
{
    static const struct wanted cases[] = {
        {"application/json; charset=utf-8", JSON},
        {"application/json; charset=\"UTF-8\"", JSON},
        {"application/json; charset=utf8", JSON},
        {"application/graphql-response+json; charset=latin1, application/json", JSON},
    };

    (void)state;
    ASSERT_CHOSEN(cases);
}

static void without_a_page_html_is_not_given(void **state)
{
    (void)state;
    assert_int_equal(graphql_accept_choose(accepting("text/html", NULL), false), NONE);
    assert_int_equal(graphql_accept_choose(accepting("text/html,*/*;q=0.8", NULL), false), JSON);
}

static void several_lines_are_one_list(void **state)
{
    (void)state;
    assert_int_equal(graphql_accept_choose(accepting("application/xml", "text/event-stream"), true),
                     EVENTS);
    assert_int_equal(
        graphql_accept_choose(accepting("text/event-stream", "application/json"), true), EVENTS);
}

static void a_refusal_is_json(void **state)
{
    (void)state;
    assert_string_equal(graphql_accept_content_type(GRAPHQL_MEDIA_NONE),
                        "application/json; charset=utf-8");
    assert_string_equal(graphql_accept_content_type(GRAPHQL_MEDIA_RESPONSE_JSON),
                        "application/graphql-response+json; charset=utf-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_says_nothing_gets_what_was_asked_for_in_the_past),
        cmocka_unit_test(what_is_named_is_given),
        cmocka_unit_test(the_first_of_equals_is_given),
        cmocka_unit_test(wishes_decide_before_the_order),
        cmocka_unit_test(what_we_do_not_have_is_not_given),
        cmocka_unit_test(utf_8_is_all_there_is),
        cmocka_unit_test(without_a_page_html_is_not_given),
        cmocka_unit_test(several_lines_are_one_list),
        cmocka_unit_test(a_refusal_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
