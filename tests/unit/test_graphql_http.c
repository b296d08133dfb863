/*
 * GraphQL over HTTP, with operations that do what the test says (fake_api.h): which answer comes
 * when, what becomes of an operation whose client goes, and of an answer that is not read.
 */
#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/protocol/graphql_http.h"
#include "tests/unit/fake_api.h"

#define TYPE          "Content-Type: application/json\r\n"
#define RESPONSE      "Accept: application/graphql-response+json\r\n"
#define EVENTS        "Accept: text/event-stream\r\n"
#define JSON_TYPE     "Content-Type: application/json; charset=utf-8\r\n"
#define RESPONSE_TYPE "Content-Type: application/graphql-response+json; charset=utf-8\r\n"

static struct fake_api *fake;

static int begin(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    fake = fake_api_new(f->base->bus, f->base->topics);
    f->service.api = &fake->api;
    *state = f;
    return 0;
}

static int end(void **state)
{
    protocol_fixture_free(*state);
    fake_api_free(fake);
    return 0;
}

static struct answer post(struct protocol_fixture *f, const char *more, const char *query)
{
    char headers[256];
    char body[256];

    (void)snprintf(headers, sizeof headers, TYPE "%s", more);
    (void)snprintf(body, sizeof body, " { \"query\" : \"%s\" } ", query);
    return protocol_request(f, "POST", "/graphql", headers, body);
}

static void assert_answer(struct answer answer, int status, const char *type, const char *body)
{
    assert_int_equal(answer.status, status);
    assert_part(answer.head, type);
    assert_part(answer.head, "Vary: Accept\r\n");
    assert_part(answer.head, "Vary: Origin\r\n");
    assert_string_equal(answer.body, body);
}

static void assert_refused(struct answer answer, int status, const char *code)
{
    char extensions[64];

    (void)snprintf(extensions, sizeof extensions, "\"extensions\":{\"code\":\"%s\"}}]}", code);
    assert_int_equal(answer.status, status);
    assert_part(answer.head, JSON_TYPE);
    assert_part(answer.head, "Vary: Accept\r\n");
    assert_int_equal(strncmp(answer.body, "{\"errors\":[{\"message\":\"", 23), 0);
    assert_part(answer.body, extensions);
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void an_operation_is_answered_as_what_is_accepted(void **state)
{
    assert_answer(post(*state, "", "query 1"), 200, JSON_TYPE, "{\"data\":1}");
    assert_answer(post(*state, RESPONSE, "query 1"), 200, RESPONSE_TYPE, "{\"data\":1}");
    assert_int_equal(post(*state, "Accept: image/png\r\n", "query 1").status, 406);
}

static void a_request_error_is_400_only_where_that_can_be_told_from_a_proxy_s(void **state)
{
    static const char body[] = "{\"errors\":[{\"message\":\"x\"}]}";

    assert_answer(post(*state, "", "refused x"), 200, JSON_TYPE, body);
    assert_answer(post(*state, RESPONSE, "refused x"), 400, RESPONSE_TYPE, body);
    assert_answer(post(*state, "", "fails x"), 200, JSON_TYPE, body);
    assert_answer(post(*state, RESPONSE, "fails x"), 400, RESPONSE_TYPE, body);
}

static void a_get_asks_by_its_query_string(void **state)
{
    static const char *const targets[] = {
        "/graphql?query=query+1",
        "/graphql?query=query%201",
        "/graphql?query=query%2B1", /* a plus of its own is not a space */
        "/graphql?variables=&operationName=&query=query+1&extensions=%7B+%7D",
        "/graphql?variables=%7B%22a%22%3A+1%7D&query=query+1&query=refused",
    };
    struct answer answer;

    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        answer = protocol_request(*state, "GET", targets[i], "", NULL);
        if (i == 2)
            assert_answer(answer, 200, JSON_TYPE, "{\"data\":}"); /* the query is `query+1` */
        else
            assert_answer(answer, 200, JSON_TYPE, "{\"data\":1}");
    }
    answer = protocol_request(*state, "HEAD", targets[0], "", NULL);
    assert_answer(answer, 200, JSON_TYPE, "");
    assert_part(answer.head, "Content-Length: 10\r\n");
}

static void what_is_no_request_makes_no_operation(void **state)
{
    static const struct {
        const char *method;
        const char *target;
        const char *more;
        const char *body;
        int status;
    } cases[] = {
        {"GET", "/graphql", "", NULL, 400},
        {"GET", "/graphql?query=", "", NULL, 400},
        {"GET", "/graphql?query=%f", "", NULL, 400},
        {"GET", "/graphql?query=%ff", "", NULL, 400},
        {"GET", "/graphql?query=query&variables=1", "", NULL, 400},
        {"GET", "/graphql?query=query&variables=%7B", "", NULL, 400},
        {"GET", "/graphql?query=query&extensions=%7B", "", NULL, 400},
        {"GET", "/graphql?query=query&extensions=%7B%22resume%22:0%7D", "", NULL, 400},
        {"POST", "/graphql?query=query", TYPE, "", 400},
        {"POST", "/graphql", TYPE, "{\"query\":\"query 1\"", 400},
        {"POST", "/graphql", TYPE, "[{\"query\":\"query 1\"}]", 400},
        {"POST", "/graphql", TYPE, "{\"query\":1}", 400},
        {"POST", "/graphql", TYPE, "{\"query\":\"\xff\"}", 400},
        {"POST", "/graphql", "", "{\"query\":\"query 1\"}", 415},
        {"POST", "/graphql", "Content-Type: text/plain\r\n", "{\"query\":\"query 1\"}", 415},
        {"POST", "/graphql", "Content-Type: application/json; charset=latin1\r\n",
         "{\"query\":\"query 1\"}", 415},
        {"POST", "/graphql", TYPE "Content-Encoding: gzip\r\n", "{\"query\":\"query 1\"}", 415},
        {"POST", "/graphql", TYPE "Content-Encoding: identity, br\r\n", "{\"query\":\"query 1\"}",
         415},
        {"PUT", "/graphql", TYPE, "{\"query\":\"query 1\"}", 405},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(protocol_request(*state, cases[i].method, cases[i].target, cases[i].more,
                                        cases[i].body),
                       cases[i].status, "BAD_USER_INPUT");
}

static void a_body_without_a_coding_may_say_so(void **state)
{
    assert_answer(post(*state, "Content-Encoding: identity\r\n", "query 1"), 200, JSON_TYPE,
                  "{\"data\":1}");
}

static void a_get_never_mutates(void **state)
{
    static const char target[] = "/graphql?query=mutation+1";
    struct answer answer = protocol_request(*state, "GET", target, "", NULL);

    assert_refused(answer, 405, "BAD_USER_INPUT");
    assert_part(answer.head, "Allow: POST\r\n");
    answer = protocol_request(*state, "HEAD", target, "", NULL);
    assert_int_equal(answer.status, 405);
    answer = protocol_request(*state, "GET", target, EVENTS, NULL);
    assert_refused(answer, 405, "BAD_USER_INPUT");
    assert_answer(post(*state, "", "mutation 1"), 200, JSON_TYPE, "{\"data\":1}");
}

static void a_subscription_needs_an_event_stream(void **state)
{
    assert_refused(post(*state, "", "subscription news"), 406, "BAD_USER_INPUT");
    assert_refused(post(*state, "Accept: text/event-stream;q=0, */*\r\n", "subscription news"), 406,
                   "BAD_USER_INPUT");
}

static void without_an_api_there_is_nothing(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    f->service.api = NULL;
    answer = post(f, "", "query 1");
    assert_int_equal(answer.status, 404);
}

/* --- later ------------------------------------------------------------------------------------ */

static void ask_later_on(struct peer *peer, const char *name, const char *more)
{
    char request[512];
    char body[64];
    int size = snprintf(body, sizeof body, "{\"query\":\"later %s\"}", name);

    (void)snprintf(request, sizeof request,
                   "POST /graphql HTTP/1.1\r\nHost: x\r\n" TYPE "%sContent-Length: %d\r\n\r\n%s",
                   more, size, body);
    peer_write_text(peer, request);
    while (!fake_api_is_pending(fake, name))
        protocol_turn(peer->fixture);
}

static struct peer *ask_later(struct protocol_fixture *f, const char *name, const char *more)
{
    struct peer *peer = peer_http(f);

    ask_later_on(peer, name, more);
    return peer;
}

static void answers_come_when_their_operations_are_done(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *first = ask_later(f, "1", "");
    struct peer *second = ask_later(f, "2", RESPONSE);
    struct peer *third = ask_later(f, "3", EVENTS);

    peer_expect_nothing(first);
    assert_int_equal(f->service.graphql_waiting_count, 3);
    fake_api_finish(fake, "3");
    fake_api_finish(fake, "2");
    fake_api_finish(fake, "1");
    assert_int_equal(f->service.graphql_waiting_count, 0);
    assert_int_equal(fake->operation_count, 0);
    assert_answer(peer_answer(first, false), 200, JSON_TYPE, "{\"data\":1}");
    assert_answer(peer_answer(second, false), 200, RESPONSE_TYPE, "{\"data\":2}");
    assert_answer(peer_answer(third, false), 200, "Content-Type: text/event-stream\r\n",
                  "event: next\ndata: {\"data\":3}\n\nevent: complete\ndata:\n\n");
    /* The connections are as good as new. */
    assert_int_equal(peer_request(first, "GET", "/graphql?query=query+1", "", NULL).status, 200);
    assert_int_equal(peer_request(third, "GET", "/graphql?query=query+1", "", NULL).status, 200);
}

static void a_pipeline_waits_for_the_answer_before_it(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = ask_later(f, "1", "");

    peer_write_text(peer, "GET /graphql?query=query+2 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_nothing(peer);
    fake_api_finish(fake, "1");
    assert_answer(peer_answer(peer, false), 200, JSON_TYPE, "{\"data\":1}");
    assert_answer(peer_answer(peer, false), 200, JSON_TYPE, "{\"data\":2}");
}

static void an_operation_goes_with_its_client(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct peer *other = ask_later(f, "2", "");

    peer->is_deaf = true; /* an answer that is not read makes its end a reset */
    peer_write_text(peer, "GET /graphql?query=query+0 HTTP/1.1\r\nHost: x\r\n\r\n");
    ask_later_on(peer, "1", "");
    protocol_settle(f);
    peer_close(peer);
    protocol_settle(f);
    assert_false(fake_api_is_pending(fake, "1"));
    assert_int_equal(fake->operation_count, 1);
    assert_int_equal(f->service.graphql_waiting_count, 1);
    fake_api_finish(fake, "2");
    assert_answer(peer_answer(other, false), 200, JSON_TYPE, "{\"data\":2}");
}

static void a_client_that_shuts_its_side_down_is_answered(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = ask_later(f, "1", "");

    peer_end(peer);
    protocol_settle(f);
    fake_api_finish(fake, "1");
    assert_answer(peer_answer(peer, false), 200, JSON_TYPE, "{\"data\":1}");
    peer_wait_end(peer);
}

static void too_many_that_wait_are_refused(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    f->service.graphql_waiting_count = GRAPHQL_WAITING_MAX;
    answer = post(f, "", "query 1");
    assert_refused(answer, 503, "UNAVAILABLE");
    assert_part(answer.head, "Retry-After: ");
    assert_int_equal(fake->operation_count, 0);
    f->service.graphql_waiting_count = 0;
}

/* --- large answers ---------------------------------------------------------------------------- */

enum {
    LARGE_BYTES = 1000000, /* more than a socket takes of a peer that does not read */
    FRAMING_BYTES = 200,
};

static struct peer *ask_deaf(struct protocol_fixture *f, const char *more, unsigned bytes)
{
    struct peer *peer = peer_http(f);
    char request[256];

    peer->is_deaf = true;
    (void)snprintf(request, sizeof request,
                   "GET /graphql?query=sized+%u HTTP/1.1\r\nHost: x\r\n%s\r\n", bytes, more);
    peer_write_text(peer, request);
    protocol_settle(f);
    return peer;
}

static void a_large_answer_counts_until_it_has_been_read(void **state)
{
    static const struct {
        const char *more;
        const char *before;
        const char *behind;
    } kinds[] = {
        {"", "{\"data\":\"", "\"}"},
        {EVENTS, "event: next\ndata: {\"data\":\"", "\"}\n\nevent: complete\ndata:\n\n"},
    };
    const struct outgoing *outgoing = &fake->api.outgoing;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t before_bytes = strlen(kinds[i].before);
        struct peer *peer = ask_deaf(*state, kinds[i].more, LARGE_BYTES);
        struct answer answer;

        assert_in_range(outgoing->bytes, LARGE_BYTES, LARGE_BYTES + FRAMING_BYTES);
        peer->is_deaf = false;
        answer = peer_answer(peer, false);
        assert_int_equal(answer.status, 200);
        assert_part(answer.head, "Vary: Origin\r\n");
        assert_int_equal(answer.body_bytes, before_bytes + LARGE_BYTES + strlen(kinds[i].behind));
        assert_memory_equal(answer.body, kinds[i].before, before_bytes);
        assert_int_equal(strspn(answer.body + before_bytes, "x"), LARGE_BYTES);
        assert_string_equal(answer.body + before_bytes + LARGE_BYTES, kinds[i].behind);
        protocol_settle(*state);
        assert_int_equal(outgoing->bytes, 0);
        /* The connection is as good as new. */
        assert_int_equal(peer_request(peer, "GET", "/graphql?query=query+1", "", NULL).status, 200);
    }
}

static void a_large_answer_counts_no_longer_than_its_client_stays(void **state)
{
    struct peer *peer = ask_deaf(*state, "", LARGE_BYTES);
    struct answer answer;

    assert_int_equal(fake->api.outgoing.count, 1);
    peer_close(peer);
    protocol_settle(*state);
    assert_int_equal(fake->api.outgoing.bytes, 0);
    answer = protocol_request(*state, "HEAD", "/graphql?query=sized+1000000", "", NULL);
    assert_part(answer.head, "Content-Length: 1000011\r\n");
    protocol_settle(*state);
    assert_int_equal(fake->api.outgoing.bytes, 0);
}

static void a_large_answer_without_memory_is_503(void **state)
{
    fake->has_no_memory = true;
    assert_refused(post(*state, "", "sized 1000000"), 503, "UNAVAILABLE");
    assert_int_equal(post(*state, "", "sized 1000").status, 200);
}

static void a_mutation_whose_answer_finds_no_memory_is_not_to_be_tried_again(void **state)
{
    struct answer answer;

    fake->has_no_memory = true;
    answer = post(*state, "", "mutation-sized 1000000");
    assert_refused(answer, 500, "INTERNAL");
    assert_part(answer.body, "the mutation was executed");
    assert_null(strstr(answer.head, "Retry-After"));
}

static void a_smaller_answer_is_its_connection_s_affair(void **state)
{
    struct peer *peer = ask_deaf(*state, "", API_ANSWER_BYTES_MIN - FRAMING_BYTES);

    assert_int_equal(fake->api.outgoing.bytes, 0);
    peer->is_deaf = false;
    assert_int_equal(peer_answer(peer, false).status, 200);
}

/* --- at the door ------------------------------------------------------------------------------ */

static void refusals_at_the_door_have_graphql_s_shape(void **state)
{
    struct protocol_fixture *f = *state;

    assert_refused(post(f, "Origin: https://bad.example\r\n", "query 1"), 403, "FORBIDDEN");
    f->service.full_reason = "too many connections";
    assert_refused(post(f, "", "query 1"), 503, "UNAVAILABLE");
    assert_refused(post(f, EVENTS, "query 1"), 503, "UNAVAILABLE");
    f->service.full_reason = NULL;
    f->service.limits.rates.messages = 1;
    for (int i = 0; i < 3; i++) {
        struct peer *peer = peer_http(f);

        (void)peer_request(peer, "GET", "/graphql?query=query+1", "", NULL);
        (void)peer_request(peer, "GET", "/graphql?query=query+1", "", NULL);
        assert_refused(peer_request(peer, "GET", "/graphql?query=query+1", "", NULL), 429,
                       "RATE_LIMITED");
    }
}

static void a_get_of_a_foreign_page_is_answered_but_not_to_the_page(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/graphql?query=query+1",
                                            "Origin: https://bad.example\r\n", NULL);

    assert_answer(answer, 200, JSON_TYPE, "{\"data\":1}");
    assert_no_part(answer.head, "Access-Control");
}

static void newcomers_during_a_drain_are_503_and_event_streams_end(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *old = peer_http(f);
    struct answer answer;

    protocol_settle(f);
    f->service.is_refusing = true;
    f->http.is_closing = true;
    assert_refused(post(f, "", "query 1"), 503, "UNAVAILABLE");
    answer = protocol_request(f, "GET", "/graphql?query=query+1", EVENTS, NULL);
    assert_int_equal(answer.status, 200);
    assert_no_part(answer.head, "Content-Length");
    answer = peer_request(old, "GET", "/graphql?query=query+1", "", NULL);
    assert_answer(answer, 200, JSON_TYPE, "{\"data\":1}");
    peer_wait_end(old);
}

#define HTTP_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(an_operation_is_answered_as_what_is_accepted),
        HTTP_TEST(a_request_error_is_400_only_where_that_can_be_told_from_a_proxy_s),
        HTTP_TEST(a_get_asks_by_its_query_string),
        HTTP_TEST(what_is_no_request_makes_no_operation),
        HTTP_TEST(a_body_without_a_coding_may_say_so),
        HTTP_TEST(a_get_never_mutates),
        HTTP_TEST(a_subscription_needs_an_event_stream),
        HTTP_TEST(without_an_api_there_is_nothing),
        HTTP_TEST(answers_come_when_their_operations_are_done),
        HTTP_TEST(a_pipeline_waits_for_the_answer_before_it),
        HTTP_TEST(an_operation_goes_with_its_client),
        HTTP_TEST(a_client_that_shuts_its_side_down_is_answered),
        HTTP_TEST(too_many_that_wait_are_refused),
        HTTP_TEST(a_large_answer_counts_until_it_has_been_read),
        HTTP_TEST(a_large_answer_counts_no_longer_than_its_client_stays),
        HTTP_TEST(a_large_answer_without_memory_is_503),
        HTTP_TEST(a_mutation_whose_answer_finds_no_memory_is_not_to_be_tried_again),
        HTTP_TEST(a_smaller_answer_is_its_connection_s_affair),
        HTTP_TEST(refusals_at_the_door_have_graphql_s_shape),
        HTTP_TEST(a_get_of_a_foreign_page_is_answered_but_not_to_the_page),
        HTTP_TEST(newcomers_during_a_drain_are_503_and_event_streams_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
