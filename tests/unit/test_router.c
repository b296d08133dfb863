#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON         "Content-Type: application/json\r\n"
#define EVENT_STREAM "Accept: text/event-stream\r\n"

/* --- who is served ---------------------------------------------------------------------------- */

static void unknown_paths_are_404(void **state)
{
    static const char *const paths[] = {"/nothing", "/wsx",     "/broker/", "/health/",
                                        "/echo",    "/graphql", "/topic",   "/health/dead"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_error(protocol_request(*state, "GET", paths[i], "", NULL), 404, "not_found");
}

static void other_methods_are_405_and_say_which_there_are(void **state)
{
    struct answer answer = protocol_request(*state, "DELETE", "/topics/news", "", NULL);

    assert_error(answer, 405, "method_not_allowed");
    assert_part(answer.head, "Allow: GET, HEAD, POST, OPTIONS\r\n");
    answer = protocol_request(*state, "POST", "/topics", JSON, "1");
    assert_error(answer, 405, "method_not_allowed");
    assert_part(answer.head, "Allow: GET, HEAD, OPTIONS\r\n");
    assert_error(protocol_request(*state, "POST", "/health", JSON, "1"), 405, "method_not_allowed");
    assert_error(protocol_request(*state, "PUT", "/broker", JSON, "1"), 405, "method_not_allowed");
}

static void what_belongs_to_https_is_not_served_without_tls(void **state)
{
    struct protocol_fixture *f = *state;

    assert_error(protocol_request(f, "GET", "https://127.0.0.1/health", "", NULL), 421,
                 "misdirected_request");
    assert_error(protocol_request(f, "GET", "https://127.0.0.1/broker", "", NULL), 421,
                 "misdirected_request");
    assert_int_equal(protocol_request(f, "GET", "http://127.0.0.1/health", "", NULL).status, 200);
}

static void head_works_wherever_get_does(void **state)
{
    static const char *const paths[] = {"/",       "/topics",      "/topics/news",
                                        "/health", "/health/live", "/metrics"};
    struct peer *peer = peer_http(*state);

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(peer_request(peer, "HEAD", paths[i], "", NULL).status, 200);
    peer_expect_nothing(peer); /* no body came */
}

static void the_page_is_html(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/", "", NULL);

    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/html; charset=utf-8\r\n");
    assert_part(answer.body, "/broker");
}

static void the_page_is_static_content(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer = protocol_request(f, "GET", "/", "Accept-Encoding: gzip\r\n", NULL);

    assert_part(answer.head, "\r\nETag: \"");
    assert_part(answer.head, "\r\nContent-Encoding: gzip\r\n");
    assert_part(answer.head, "\r\nVary: Accept, Accept-Encoding\r\n");
    assert_part(answer.head, "\r\nVary: Origin\r\n");
    answer = protocol_request(f, "GET", "/", "If-None-Match: *\r\n", NULL);
    assert_int_equal(answer.status, 304);
    assert_part(answer.head, "\r\nVary: Origin\r\n");
    assert_error(protocol_request(f, "GET", "/index.html", "", NULL), 404, "not_found");
    assert_error(protocol_request(f, "POST", "/", JSON, "1"), 405, "method_not_allowed");
}

static void options_asks_about_the_whole_server_too(void **state)
{
    struct answer answer = protocol_request(*state, "OPTIONS", "*", "", NULL);

    assert_int_equal(answer.status, 204);
    assert_part(answer.head, "Allow: GET, HEAD, POST, OPTIONS\r\n");
}

static void paths_are_taken_as_they_are(void **state)
{
    static const char *const paths[] = {"//health",    "/health/", "/./health", "/%68ealth",
                                        "/health;a=b", "/HEALTH",  "//ws",      "/topics%2Fnews"};
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_error(protocol_request(f, "GET", paths[i], "", NULL), 404, "not_found");
    /* A topic like any other, and an id that is none. */
    assert_part(protocol_request(f, "GET", "/topics/../health", "", NULL).body,
                "{\"topic\":\"../health\",");
    assert_int_equal(protocol_request(f, "GET", "/ws/../broker", "", NULL).status, 400);
}

static void every_answer_varies_with_the_origin(void **state)
{
    static const struct {
        const char *method;
        const char *path;
    } cases[] = {
        {"GET", "/health"},    {"GET", "/nothing"}, {"DELETE", "/health"},   {"OPTIONS", "/topics"},
        {"POST", "/topics/a"}, {"GET", "/topics"},  {"GET", "/topics/news"}, {"GET", "/broker"},
    };
    static const char *const origins[] = {
        "",
        "Origin: http://evil.example\r\n",
        "Origin: http://localhost\r\n",
    };
    struct protocol_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t j = 0; j < sizeof origins / sizeof *origins; j++) {
            struct answer answer =
                protocol_request(f, cases[i].method, cases[i].path, origins[j], NULL);

            assert_part(answer.head, "\r\nVary: Origin\r\n");
        }
    }
}

static void websocket_paths_want_an_upgrade(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/broker", "", NULL);

    assert_error(answer, 426, "upgrade_required");
    assert_part(answer.head, "Upgrade: websocket\r\n");
    assert_error(protocol_request(*state, "GET", "/ws/ann", "", NULL), 426, "upgrade_required");
}

static void foreign_pages_may_not_publish_or_connect(void **state)
{
    struct protocol_fixture *f = *state;
    static const char evil[] = JSON "Origin: http://evil.example\r\n";
    struct answer answer = protocol_request(f, "POST", "/topics/news", evil, "1");

    assert_error(answer, 403, "forbidden");
    assert_part(answer.body, "cors_origins"); /* what to change, if it should */
    assert_no_part(answer.head, "Access-Control-Allow-Origin");
    assert_error(protocol_request(f, "GET", "/broker", evil, NULL), 403, "forbidden");
    assert_error(protocol_request(f, "GET", "/ws", evil, NULL), 403, "forbidden");
    /* What it may ask for it cannot read. */
    answer = protocol_request(f, "GET", "/topics/news", evil, NULL);
    assert_int_equal(answer.status, 200);
    assert_no_part(answer.head, "Access-Control-Allow-Origin");
}

static void trusted_pages_may_read_the_answer(void **state)
{
    static const char *const origins[] = {"https://app.example"};
    struct protocol_fixture *f = *state;
    struct answer answer;

    f->service.limits.cors_origins = origins;
    f->service.limits.cors_origin_count = 1;
    answer =
        protocol_request(f, "POST", "/topics/news", JSON "Origin: https://app.example\r\n", "1");
    assert_int_equal(answer.status, 201);
    assert_part(answer.head, "Access-Control-Allow-Origin: https://app.example\r\n");
    assert_part(answer.head, "Vary: Origin\r\n");

    answer =
        protocol_request(f, "OPTIONS", "/topics/news", "Origin: https://app.example\r\n", NULL);
    assert_int_equal(answer.status, 204);
    assert_part(answer.head, "Access-Control-Allow-Origin: https://app.example\r\n");
    assert_part(answer.head, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n");
    assert_part(answer.head, "Access-Control-Allow-Headers: Content-Type");
    assert_no_part(protocol_request(f, "GET", "/health", "", NULL).head, "Access-Control");
}

/* The answer to a POST whose body begins like this. */
static struct answer post_raw(struct protocol_fixture *f, const char *origin, const char *rest)
{
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "POST /topics/news HTTP/1.1\r\nHost: x\r\n" JSON);
    peer_write_text(peer, origin);
    peer_write_text(peer, rest);
    return peer_answer(peer, false);
}

/* Which the layer below answers, before the request is whole. */
static void trusted_pages_may_read_why_their_body_is_refused(void **state)
{
    static const char *const origins[] = {"https://app.example"};
    static const char trusted[] = "Origin: https://app.example\r\n";
    static const char foreign[] = "Origin: http://evil.example\r\n";
    static const char long_body[] = "Content-Length: 5000000\r\n\r\n";
    static const char bad_chunk[] = "Transfer-Encoding: chunked\r\n\r\nnone\r\n";
    static const char unknown[] = "Content-Length: 1\r\nExpect: more\r\n\r\n";
    const struct {
        const char *rest;
        int status;
        const char *code;
    } cases[] = {
        {long_body, 413, "too_large"},
        {bad_chunk, 400, "bad_request"},
        {unknown, 417, "unknown_expectation"},
    };
    struct protocol_fixture *f = *state;

    f->service.limits.cors_origins = origins;
    f->service.limits.cors_origin_count = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = post_raw(f, trusted, cases[i].rest);

        assert_error(answer, cases[i].status, cases[i].code);
        assert_part(answer.head, "Access-Control-Allow-Origin: https://app.example\r\n");
        assert_part(answer.head, "Vary: Origin\r\n");
        answer = post_raw(f, foreign, cases[i].rest);
        assert_error(answer, cases[i].status, cases[i].code);
        assert_no_part(answer.head, "Access-Control-Allow-Origin");
    }
}

static void who_sends_nonsense_is_counted(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "GET / HTTP/1.1\r\nHost : h\r\n\r\n");
    assert_error(peer_answer(peer, false), 400, "bad_request");
    peer_wait_end(peer);
    assert_int_equal(topics_stat(f->base, STAT_PROTOCOL_ERRORS), 1);
    assert_int_equal(topics_stat(f->base, STAT_HTTP_REQUESTS), 0);
}

static void who_waits_too_long_in_a_crowd_is_counted(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *first = peer_http(f);

    f->http_limits.handshakes_max = 1;
    (void)peer_http(f);
    peer_wait_end(first);
    assert_int_equal(topics_stat(f->base, STAT_EVICTED), 1);
}

/* --- draining and full ------------------------------------------------------------------------ */

static void newcomers_are_refused_while_draining(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;
    struct peer *peer;

    f->service.is_refusing = true;
    f->http.is_closing = true;
    answer = protocol_request(f, "GET", "/topics", "", NULL);
    assert_error(answer, 503, "unavailable");
    assert_part(answer.head, "Retry-After: ");
    assert_part(answer.head, "Connection: close\r\n");
    assert_error(protocol_request(f, "POST", "/topics/news", JSON, "1"), 503, "unavailable");
    assert_int_equal(protocol_request(f, "GET", "/health/live", "", NULL).status, 200);
    assert_int_equal(protocol_request(f, "GET", "/metrics", "", NULL).status, 200);

    /* An event stream is begun and ended: a 503 would stop EventSource for good. */
    peer = peer_http(f);
    assert_int_equal(peer_request(peer, "GET", "/topics/news", EVENT_STREAM, NULL).status, 200);
    assert_string_equal(peer_line_next(peer), "retry: 2000");
    peer_wait_end(peer);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void who_is_one_too_many_is_told_to_come_again(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    f->service.full_reason = "too many connections from this address";
    answer = protocol_request(f, "GET", "/topics", "", NULL);
    assert_error(answer, 503, "unavailable");
    assert_part(answer.body, "too many connections from this address");
    assert_part(answer.head, "Retry-After: ");
    assert_error(protocol_request(f, "GET", "/topics/news", EVENT_STREAM, NULL), 503,
                 "unavailable");
    assert_int_equal(protocol_request(f, "GET", "/health", "", NULL).status, 200);
    assert_int_equal(protocol_request(f, "GET", "/health/live", "", NULL).status, 200);
}

/* --- health and metrics ----------------------------------------------------------------------- */

static void health_tells_who_and_how_far(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    bus_slot_set_pid(f->base->bus, TOPICS_SLOT, 4711);
    (void)topics_append(f->base, "news", "0");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "news", "0");
    answer = protocol_request(f, "GET", "/health", "", NULL);
    assert_part(answer.body, ",\"active_connections\":0,\"shutdown_in_progress\":false,");
    assert_part(answer.body, ",\"version\":\"");
    assert_part(answer.body, ",\"uptime_seconds\":");
    assert_part(answer.body, ",\"workers\":[{\"index\":0,\"pid\":4711,\"connections\":0}],"
                             "\"log\":{\"epoch\":\"" PROTOCOL_EPOCH
                             "\",\"first_seq\":1,\"last_seq\":2,\"committed_seq\":1}}");
}

static void health_is_503_when_nothing_can_be_published(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    bus_set_refusal(f->base->bus, BUS_STORAGE_FULL, 28);
    answer = protocol_request(f, "GET", "/health", "", NULL);
    assert_int_equal(answer.status, 503);
    assert_int_equal(strncmp(answer.body, "{\"status\":\"degraded\",", 21), 0);
    assert_part(answer.body, ",\"reason\":\"");
}

static void health_is_503_while_draining(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    bus_set_phase(f->base->bus, BUS_DRAINING, 0);
    answer = protocol_request(f, "GET", "/health", "", NULL);
    assert_int_equal(answer.status, 503);
    assert_int_equal(strncmp(answer.body, "{\"status\":\"draining\",", 21), 0);
    assert_part(answer.body, ",\"shutdown_in_progress\":true,\"remaining_seconds\":0,");
}

static void metrics_are_what_prometheus_reads(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/metrics", "", NULL);

    assert_int_equal(answer.status, 200);
    assert_part(answer.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_part(answer.head, "Cache-Control: no-store\r\n");
    assert_part(answer.body, "\nsluice_http_requests_total 1\n");
    assert_part(answer.body, "\nsluice_worker_http_requests_total{worker=\"0\"} 1\n");
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(unknown_paths_are_404),
        HTTP_TEST(other_methods_are_405_and_say_which_there_are),
        HTTP_TEST(what_belongs_to_https_is_not_served_without_tls),
        HTTP_TEST(head_works_wherever_get_does),
        HTTP_TEST(the_page_is_html),
        HTTP_TEST(the_page_is_static_content),
        HTTP_TEST(options_asks_about_the_whole_server_too),
        HTTP_TEST(paths_are_taken_as_they_are),
        HTTP_TEST(every_answer_varies_with_the_origin),
        HTTP_TEST(websocket_paths_want_an_upgrade),
        HTTP_TEST(foreign_pages_may_not_publish_or_connect),
        HTTP_TEST(trusted_pages_may_read_the_answer),
        HTTP_TEST(trusted_pages_may_read_why_their_body_is_refused),
        HTTP_TEST(who_sends_nonsense_is_counted),
        HTTP_TEST(who_waits_too_long_in_a_crowd_is_counted),
        HTTP_TEST(newcomers_are_refused_while_draining),
        HTTP_TEST(who_is_one_too_many_is_told_to_come_again),
        HTTP_TEST(health_tells_who_and_how_far),
        HTTP_TEST(health_is_503_when_nothing_can_be_published),
        HTTP_TEST(health_is_503_while_draining),
        HTTP_TEST(metrics_are_what_prometheus_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
