#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/history.h"

#define JSON "Content-Type: application/json\r\n"
#define TEXT "Content-Type: text/plain\r\n"

#define EPOCH "9f86d081884c7d65" /* TOPICS_EPOCH */

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in: %.1000s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("%s in: %.1000s", part, text);
}

static void assert_error(struct answer answer, int status, const char *code)
{
    char wanted[128];

    if (answer.status != status)
        fail_msg("%d, not %d: %.500s", answer.status, status, answer.body);
    (void)snprintf(wanted, sizeof wanted, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    assert_has(answer.body, wanted);
    assert_has(answer.head, "Content-Type: application/json\r\n");
}

/* Replaces every time by `T`, so that bodies can be compared whole. */
static const char *without_times(const char *body)
{
    static char *text;
    char *out;

    free(text);
    text = calloc(1, strlen(body) + 1);
    assert_non_null(text);
    out = text;
    while (*body != '\0') {
        if (strncmp(body, "\"time\":\"", 8) == 0) {
            memcpy(out, "\"time\":T", 8);
            out += 8;
            body += 8 + EVENT_TIME_BYTES + 1;
        } else {
            *out++ = *body++;
        }
    }
    return text;
}

static void assert_body(struct answer answer, const char *wanted)
{
    assert_int_equal(answer.status, 200);
    assert_string_equal(without_times(answer.body), wanted);
}

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
    assert_has(answer.head, "Allow: GET, HEAD, POST, OPTIONS\r\n");
    answer = protocol_request(*state, "POST", "/topics", JSON, "1");
    assert_error(answer, 405, "method_not_allowed");
    assert_has(answer.head, "Allow: GET, HEAD, OPTIONS\r\n");
    assert_error(protocol_request(*state, "POST", "/health", JSON, "1"), 405, "method_not_allowed");
    assert_error(protocol_request(*state, "PUT", "/broker", JSON, "1"), 405, "method_not_allowed");
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
    assert_has(answer.head, "Content-Type: text/html; charset=utf-8\r\n");
    assert_has(answer.body, "/broker");
}

static void websocket_paths_want_an_upgrade(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/broker", "", NULL);

    assert_error(answer, 426, "upgrade_required");
    assert_has(answer.head, "Upgrade: websocket\r\n");
    assert_error(protocol_request(*state, "GET", "/ws/ann", "", NULL), 426, "upgrade_required");
}

static void foreign_pages_may_not_publish_or_connect(void **state)
{
    struct protocol_fixture *f = *state;
    static const char evil[] = JSON "Origin: http://evil.example\r\n";
    struct answer answer = protocol_request(f, "POST", "/topics/news", evil, "1");

    assert_error(answer, 403, "forbidden");
    assert_has_not(answer.head, "Access-Control-Allow-Origin");
    assert_error(protocol_request(f, "GET", "/broker", evil, NULL), 403, "forbidden");
    assert_error(protocol_request(f, "GET", "/ws", evil, NULL), 403, "forbidden");
    /* What it may ask for it cannot read. */
    answer = protocol_request(f, "GET", "/topics/news", evil, NULL);
    assert_int_equal(answer.status, 200);
    assert_has_not(answer.head, "Access-Control-Allow-Origin");
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
    assert_has(answer.head, "Access-Control-Allow-Origin: https://app.example\r\n");
    assert_has(answer.head, "Vary: Origin\r\n");

    answer =
        protocol_request(f, "OPTIONS", "/topics/news", "Origin: https://app.example\r\n", NULL);
    assert_int_equal(answer.status, 204);
    assert_has(answer.head, "Access-Control-Allow-Origin: https://app.example\r\n");
    assert_has(answer.head, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n");
    assert_has(answer.head, "Access-Control-Allow-Headers: Content-Type");
    assert_has_not(protocol_request(f, "GET", "/health", "", NULL).head, "Access-Control");
}

/* --- publishing ------------------------------------------------------------------------------- */

static void json_is_published_as_it_is(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer = protocol_request(f, "POST", "/topics/news",
                                            "Content-Type: Application/JSON; charset=utf-8\r\n",
                                            " {\"a\": [1.0, 1e400]} ");

    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body, "{\"topic\":\"news\",\"seq\":1,\"epoch\":\"" EPOCH "\"}");
    assert_has(answer.head, "Vary: Accept\r\n");
    assert_body(protocol_request(f, "GET", "/topics/news", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH
                "\",\"events\":[{\"seq\":1,\"time\":T,\"data\":{\"a\":[1.0,1e400]}}],"
                "\"last_seq\":1,\"oldest\":1,\"more\":false,\"recovered\":true}");
}

static void any_other_text_is_a_json_string(void **state)
{
    struct protocol_fixture *f = *state;

    assert_int_equal(
        protocol_request(f, "POST", "/topics/news", TEXT, "say \"hi\"\n\xc3\xa4").status, 201);
    assert_int_equal(protocol_request(f, "POST", "/topics/news", "", "{\"not\":\"parsed\"}").status,
                     201);
    assert_int_equal(protocol_request(f, "POST", "/topics/news", "", NULL).status, 201);
    assert_body(protocol_request(f, "GET", "/topics/news", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH "\",\"events\":["
                "{\"seq\":1,\"time\":T,\"data\":\"say \\\"hi\\\"\\n\xc3\xa4\"},"
                "{\"seq\":2,\"time\":T,\"data\":\"{\\\"not\\\":\\\"parsed\\\"}\"},"
                "{\"seq\":3,\"time\":T,\"data\":\"\"}],"
                "\"last_seq\":3,\"oldest\":1,\"more\":false,\"recovered\":true}");
}

static void what_cannot_be_published_is_refused_and_not_stored(void **state)
{
    struct protocol_fixture *f = *state;
    const char *const target = "/topics/news";
    char *large = calloc(1, TOPICS_RING_BYTES / 4 + 1);

    assert_error(protocol_request(f, "POST", target, JSON, "{\"a\":"), 400, "bad_json");
    assert_error(protocol_request(f, "POST", target, JSON, NULL), 400, "bad_json");
    assert_error(protocol_request(f, "POST", target, TEXT, "\xff\xfe"), 400, "bad_request");
    assert_error(protocol_request(f, "POST", target,
                                  "Content-Type: application/x-www-form-urlencoded\r\n", "a=1"),
                 415, "unsupported_media_type");
    assert_error(protocol_request(f, "POST", target,
                                  "Content-Type: multipart/form-data; boundary=x\r\n", "x"),
                 415, "unsupported_media_type");
    assert_error(protocol_request(f, "POST", "/topics/news?durable=yes", JSON, "1"), 400,
                 "bad_request");

    assert_non_null(large);
    memset(large, 'x', TOPICS_RING_BYTES / 4);
    assert_error(protocol_request(f, "POST", target, TEXT, large), 413, "too_large");
    free(large);
    assert_has(protocol_request(f, "GET", target, "", NULL).body, "\"events\":[]");
}

static void a_durable_post_waits_for_the_disk(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "POST /topics/news?durable=true HTTP/1.1\r\nHost: x\r\n"
                          "Content-Length: 1\r\n\r\n1");
    peer_expect_nothing(peer);
    topics_commit(f->base, NULL);
    assert_int_equal(peer_answer(peer, false).status, 201);
}

static void a_full_store_is_507(void **state)
{
    struct protocol_fixture *f = *state;

    bus_set_refusal(f->base->bus, BUS_STORAGE_FULL, 28);
    assert_error(protocol_request(f, "POST", "/topics/news", JSON, "1"), 507, "storage_full");
}

static void who_goes_before_the_answer_is_forgotten_but_published(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "POST /topics/news?durable=true HTTP/1.1\r\nHost: x\r\n"
                          "Content-Length: 1\r\n\r\n1");
    protocol_settle(f);
    peer_close(peer);
    protocol_settle(f);
    topics_commit(f->base, NULL);
    protocol_settle(f);
    assert_has(protocol_request(f, "GET", "/topics/news", "", NULL).body, "\"last_seq\":1");
}

static void topics_are_decoded_once_with_their_slashes(void **state)
{
    struct protocol_fixture *f = *state;

    assert_has(protocol_request(f, "POST", "/topics/a%2Fb/c+d%2525", JSON, "1").body,
               "{\"topic\":\"a/b/c+d%25\",");
    assert_error(protocol_request(f, "POST", "/topics/%zz", JSON, "1"), 400, "bad_request");
    assert_error(protocol_request(f, "GET", "/topics/%C3", "", NULL), 400, "bad_request");
    assert_error(protocol_request(f, "GET", "/topics/a%00b", "", NULL), 400, "bad_topic");
    assert_error(protocol_request(f, "GET", "/topics/%24SYS", "", NULL), 400, "bad_topic");
    assert_error(protocol_request(f, "GET", "/topics/", "", NULL), 400, "bad_topic");
}

/* --- history ---------------------------------------------------------------------------------- */

static void history_joins_what_is_on_disk_and_what_is_not(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    for (int i = 1; i <= 4; i++) {
        (void)topics_append(f->base, "news", "1");
        (void)topics_append(f->base, "noise", "0");
        if (i == 2)
            topics_commit(f->base, NULL);
    }
    answer = protocol_request(f, "GET", "/topics/news", "", NULL);
    assert_body(answer, "{\"topic\":\"news\",\"epoch\":\"" EPOCH "\",\"events\":["
                        "{\"seq\":1,\"time\":T,\"data\":1},{\"seq\":3,\"time\":T,\"data\":1},"
                        "{\"seq\":5,\"time\":T,\"data\":1},{\"seq\":7,\"time\":T,\"data\":1}],"
                        "\"last_seq\":7,\"oldest\":1,\"more\":false,\"recovered\":true}");
    assert_has(answer.head, "Vary: Accept\r\n");
}

static void a_page_ends_at_its_limit_and_tells_how_far_the_topic_goes(void **state)
{
    struct protocol_fixture *f = *state;

    for (int i = 1; i <= 6; i++) {
        (void)topics_append(f->base, "news", "1");
        if (i == 4)
            topics_commit(f->base, NULL);
    }
    assert_body(protocol_request(f, "GET", "/topics/news?since=1&limit=2", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH "\",\"events\":["
                "{\"seq\":2,\"time\":T,\"data\":1},{\"seq\":3,\"time\":T,\"data\":1}],"
                "\"last_seq\":6,\"oldest\":1,\"more\":true,\"recovered\":true}");
    assert_body(protocol_request(f, "GET", "/topics/news?since=4&limit=2&epoch=" EPOCH, "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH "\",\"events\":["
                "{\"seq\":5,\"time\":T,\"data\":1},{\"seq\":6,\"time\":T,\"data\":1}],"
                "\"last_seq\":6,\"oldest\":1,\"more\":false,\"recovered\":true}");
    assert_body(protocol_request(f, "GET", "/topics/news?since=6", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH "\",\"events\":[],"
                "\"last_seq\":6,\"oldest\":1,\"more\":false,\"recovered\":true}");
}

static void what_came_before_a_topics_first_event_is_not_its_oldest(void **state)
{
    struct protocol_fixture *f = *state;

    (void)topics_append(f->base, "noise", "0");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "news", "1");
    (void)topics_append(f->base, "news", "2");
    assert_body(protocol_request(f, "GET", "/topics/news?since=2", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH
                "\",\"events\":[{\"seq\":3,\"time\":T,\"data\":2}],"
                "\"last_seq\":3,\"oldest\":2,\"more\":false,\"recovered\":true}");
}

static void a_topic_never_used_is_empty(void **state)
{
    assert_body(protocol_request(*state, "GET", "/topics/never", "", NULL),
                "{\"topic\":\"never\",\"epoch\":\"" EPOCH "\",\"events\":[],"
                "\"last_seq\":0,\"oldest\":0,\"more\":false,\"recovered\":true}");
}

static void a_lost_position_gives_everything_kept(void **state)
{
    struct protocol_fixture *f = *state;
    static const char wanted[] = "{\"topic\":\"news\",\"epoch\":\"" EPOCH
                                 "\",\"events\":[{\"seq\":1,\"time\":T,\"data\":1}],"
                                 "\"last_seq\":1,\"oldest\":1,\"more\":false,\"recovered\":false}";

    (void)topics_append(f->base, "news", "1");
    assert_body(protocol_request(f, "GET", "/topics/news?since=1&epoch=0123456789abcdef", "", NULL),
                wanted);
    assert_body(protocol_request(f, "GET", "/topics/news?since=99", "", NULL), wanted);
    assert_body(protocol_request(f, "GET", "/topics/news?since=99&epoch=" EPOCH, "", NULL), wanted);
}

static void what_retention_took_is_not_recovered(void **state)
{
    struct protocol_fixture *f = *state;
    const struct retention keep_one = {.count = 1};

    for (int i = 1; i <= 3; i++) {
        (void)topics_append(f->base, "news", "1");
        topics_commit(f->base, NULL);
    }
    topics_trim(f->base, &keep_one);
    assert_body(protocol_request(f, "GET", "/topics/news?since=1", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" EPOCH
                "\",\"events\":[{\"seq\":3,\"time\":T,\"data\":1}],"
                "\"last_seq\":3,\"oldest\":3,\"more\":false,\"recovered\":false}");
    assert_has(protocol_request(f, "GET", "/topics/news?since=2", "", NULL).body,
               "\"recovered\":true}");
}

static void a_long_history_is_read_over_many_turns_and_bounded(void **state)
{
    struct protocol_fixture *f = *state;
    const size_t payload_bytes = 64 * 1024;
    const size_t events = (size_t)HISTORY_BODY_BYTES_MAX / payload_bytes + 8;
    struct answer answer;

    for (size_t i = 0; i < events; i++) {
        (void)topics_append_bytes(f->base, "news", payload_bytes);
        topics_commit(f->base, NULL);
    }
    answer = protocol_request(f, "GET", "/topics/news?limit=1000", "", NULL);
    assert_int_equal(answer.status, 200);
    assert_true(answer.body_bytes <= HISTORY_BODY_BYTES_MAX + 512);
    assert_true(answer.body_bytes > HISTORY_BODY_BYTES_MAX - 2 * payload_bytes);
    assert_has(answer.body + answer.body_bytes - 64, "\"more\":true,\"recovered\":true}");
}

static void many_who_read_at_once_all_get_their_answer(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peers[40];

    for (int i = 0; i < 50; i++)
        (void)topics_append_bytes(f->base, "news", 4096);
    topics_commit(f->base, NULL);
    for (size_t i = 0; i < 40; i++) {
        peers[i] = peer_http(f);
        peer_write_text(peers[i], "GET /topics/news HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    peer_close(peers[17]); /* one of them does not wait for it */
    for (size_t i = 0; i < 40; i++) {
        if (i != 17)
            assert_int_equal(peer_answer(peers[i], false).status, 200);
    }
}

static void wrong_queries_are_400(void **state)
{
    static const char *const queries[] = {
        "limit=0", "limit=1001", "limit=x", "limit=", "since=x", "since=-1", "epoch=xyz"};
    char target[64];

    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        (void)snprintf(target, sizeof target, "/topics/news?%s", queries[i]);
        assert_error(protocol_request(*state, "GET", target, "", NULL), 400, "bad_request");
    }
    assert_error(protocol_request(*state, "GET", "/topics?limit=0", "", NULL), 400, "bad_request");
    assert_error(protocol_request(*state, "GET", "/topics?after=%ff", "", NULL), 400,
                 "bad_request");
}

/* --- the list --------------------------------------------------------------------------------- */

static void the_list_waits_for_what_was_acknowledged(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    (void)topics_append(f->base, "b", "1");
    (void)topics_append(f->base, "a", "1");
    peer_write_text(peer, "GET /topics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 10; i++)
        protocol_turn(f);
    assert_int_equal(peer->received_bytes, 0);
    assert_true(service_wake_reasons(&f->service) != 0);
    topics_commit(f->base, NULL);
    assert_string_equal(peer_answer(peer, false).body,
                        "{\"epoch\":\"" EPOCH "\",\"topics\":["
                        "{\"topic\":\"a\",\"subscribers\":0,\"last_seq\":2},"
                        "{\"topic\":\"b\",\"subscribers\":0,\"last_seq\":1}]}");
    assert_int_equal(service_wake_reasons(&f->service), 0);
}

static void the_list_does_not_wait_for_ever(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    (void)topics_append(f->base, "a", "1");
    assert_string_equal(peer_request(peer, "GET", "/topics", "", NULL).body,
                        "{\"epoch\":\"" EPOCH "\",\"topics\":[]}");
}

static void the_list_goes_by_pages(void **state)
{
    struct protocol_fixture *f = *state;

    f->is_committing = true;
    (void)topics_append(f->base, "a", "1");
    (void)topics_append(f->base, "c/1", "1");
    (void)topics_append(f->base, "c/2", "1");
    (void)topics_append(f->base, "c/3", "1");
    assert_string_equal(
        protocol_request(f, "GET", "/topics?prefix=c%2F&after=c/1&limit=1", "", NULL).body,
        "{\"epoch\":\"" EPOCH
        "\",\"topics\":[{\"topic\":\"c/2\",\"subscribers\":0,\"last_seq\":3}]}");
    assert_string_equal(protocol_request(f, "GET", "/topics?limit=1", "", NULL).body,
                        "{\"epoch\":\"" EPOCH
                        "\",\"topics\":[{\"topic\":\"a\",\"subscribers\":0,\"last_seq\":1}]}");
}

/* --- event streams ---------------------------------------------------------------------------- */

#define EVENT_STREAM "Accept: text/event-stream\r\n"

/* Opens one and takes what comes before the first block. */
static struct peer *open_events(struct protocol_fixture *f, const char *target, const char *more)
{
    struct peer *peer = peer_http(f);
    char headers[256];
    struct answer answer;

    (void)snprintf(headers, sizeof headers, EVENT_STREAM "%s", more);
    answer = peer_request(peer, "GET", target, headers, NULL);
    assert_int_equal(answer.status, 200);
    assert_has(answer.head, "Content-Type: text/event-stream\r\n");
    assert_has(answer.head, "Cache-Control: no-cache\r\n");
    assert_has(answer.head, "X-Accel-Buffering: no\r\n");
    assert_has(answer.head, "Vary: Accept\r\n");
    assert_string_equal(peer_line_next(peer), "retry: 2000");
    assert_string_equal(peer_line_next(peer), "");
    return peer;
}

static void assert_lines(struct peer *peer, const char *first, const char *second)
{
    assert_string_equal(without_times(peer_line_next(peer)), first);
    if (second != NULL)
        assert_string_equal(without_times(peer_line_next(peer)), second);
    assert_string_equal(peer_line_next(peer), "");
}

static void an_event_stream_begins_with_its_position_and_goes_on_live(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    (void)topics_append(f->base, "news", "0");
    peer = open_events(f, "/topics/news", "");
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 1);
    assert_lines(peer, "id: " EPOCH "-1", NULL);
    (void)topics_append(f->base, "noise", "0");
    (void)topics_append(f->base, "news", "{\"a\":1}");
    assert_lines(peer, "id: " EPOCH "-3",
                 "data: {\"type\":\"message\",\"topic\":\"news\",\"data\":{\"a\":1},\"seq\":3,"
                 "\"time\":T}");
    peer_expect_nothing(peer);
}

static void an_event_stream_resumes_by_last_event_id_rather_than_since(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    for (int i = 1; i <= 3; i++)
        (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    peer = open_events(f, "/topics/news?since=0", "Last-Event-ID: " EPOCH "-2\r\n");
    assert_lines(peer, "id: " EPOCH "-2", NULL);
    assert_lines(peer, "id: " EPOCH "-3",
                 "data: {\"type\":\"message\",\"topic\":\"news\",\"data\":0,\"seq\":3,\"time\":T}");
    peer_expect_nothing(peer);

    peer = open_events(f, "/topics/news?since=1", "");
    assert_lines(peer, "id: " EPOCH "-1", NULL);
    assert_string_equal(peer_line_next(peer), "id: " EPOCH "-2");
}

static void a_strange_last_event_id_is_told_of_a_gap(void **state)
{
    static const char *const ids[] = {"0123456789abcdef-12", "77", EPOCH "-", EPOCH "-x",
                                      EPOCH "-99"};
    struct protocol_fixture *f = *state;
    char header[64];

    (void)topics_append(f->base, "news", "0");
    protocol_settle(f);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct peer *peer;

        (void)snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", ids[i]);
        peer = open_events(f, "/topics/news", header);
        assert_lines(peer, "id: " EPOCH "-0", NULL);
        assert_lines(peer, "event: gap",
                     "data: {\"type\":\"gap\",\"topic\":\"news\",\"oldest\":1}");
        assert_string_equal(peer_line_next(peer), "id: " EPOCH "-1");
        peer_close(peer);
    }
}

static void an_event_stream_is_warned_and_closed(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = open_events(f, "/topics/news", "");
    struct client *client = f->service.clients.first;

    assert_lines(peer, "id: " EPOCH "-0", NULL);
    assert_string_equal(client->operations->protocol, "event-stream");
    client->operations->warn(client, 1800);
    assert_lines(peer, "event: shutdown",
                 "data: {\"type\":\"shutdown\",\"message\":\"Server is shutting down\","
                 "\"remaining_seconds\":1800,\"time\":T}");
    client->operations->close(client);
    assert_string_equal(peer_line_next(peer), "event: shutdown");
    peer_wait_end(peer);
}

static void the_head_of_an_event_stream_can_be_asked_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct answer answer = peer_request(peer, "HEAD", "/topics/news", EVENT_STREAM, NULL);

    assert_int_equal(answer.status, 200);
    assert_has(answer.head, "Content-Type: text/event-stream\r\n");
    peer_expect_nothing(peer);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void an_event_stream_checks_its_query(void **state)
{
    assert_error(protocol_request(*state, "GET", "/topics/news?since=x", EVENT_STREAM, NULL), 400,
                 "bad_request");
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
    assert_has(answer.head, "Retry-After: ");
    assert_has(answer.head, "Connection: close\r\n");
    assert_error(protocol_request(f, "POST", "/topics/news", JSON, "1"), 503, "unavailable");
    assert_int_equal(protocol_request(f, "GET", "/health/live", "", NULL).status, 200);
    assert_int_equal(protocol_request(f, "GET", "/metrics", "", NULL).status, 200);

    peer = open_events(f, "/topics/news", "");
    peer_wait_end(peer);
    assert_int_equal(topics_stat(f->base, STAT_CLIENTS), 0);
}

static void who_is_one_too_many_is_told_to_come_again(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    f->service.is_full = true;
    answer = protocol_request(f, "GET", "/topics", "", NULL);
    assert_error(answer, 503, "unavailable");
    assert_has(answer.head, "Retry-After: ");
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
    assert_has(answer.body, ",\"active_connections\":0,\"shutdown_in_progress\":false,");
    assert_has(answer.body, ",\"version\":\"");
    assert_has(answer.body, ",\"uptime_seconds\":");
    assert_has(answer.body, ",\"workers\":[{\"index\":0,\"pid\":4711,\"connections\":0}],"
                            "\"log\":{\"epoch\":\"" EPOCH
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
    assert_has(answer.body, ",\"reason\":\"");
}

static void health_is_503_while_draining(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    bus_set_phase(f->base->bus, BUS_DRAINING, 0);
    answer = protocol_request(f, "GET", "/health", "", NULL);
    assert_int_equal(answer.status, 503);
    assert_int_equal(strncmp(answer.body, "{\"status\":\"draining\",", 21), 0);
    assert_has(answer.body, ",\"shutdown_in_progress\":true,\"remaining_seconds\":0,");
}

static void metrics_show_every_stat_with_its_worker(void **state)
{
    struct answer answer = protocol_request(*state, "GET", "/metrics", "", NULL);

    assert_int_equal(answer.status, 200);
    assert_has(answer.head, "Content-Type: text/plain; version=0.0.4");
    for (unsigned i = 0; i < STAT_COUNT; i++) {
        char line[128];

        (void)snprintf(line, sizeof line, "\n%s{worker=\"0\",slot=\"3\"} ",
                       stat_info((enum stat_id)i)->name);
        assert_has(answer.body, line);
    }
    assert_has(answer.body, "\n# TYPE sluice_clients gauge\n");
    assert_has(answer.body, "\n# TYPE sluice_http_requests_total counter\n");
    assert_has(answer.body, "\nsluice_http_requests_total{worker=\"0\",slot=\"3\"} 1\n");
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(unknown_paths_are_404),
        HTTP_TEST(other_methods_are_405_and_say_which_there_are),
        HTTP_TEST(head_works_wherever_get_does),
        HTTP_TEST(the_page_is_html),
        HTTP_TEST(websocket_paths_want_an_upgrade),
        HTTP_TEST(foreign_pages_may_not_publish_or_connect),
        HTTP_TEST(trusted_pages_may_read_the_answer),
        HTTP_TEST(json_is_published_as_it_is),
        HTTP_TEST(any_other_text_is_a_json_string),
        HTTP_TEST(what_cannot_be_published_is_refused_and_not_stored),
        HTTP_TEST(a_durable_post_waits_for_the_disk),
        HTTP_TEST(a_full_store_is_507),
        HTTP_TEST(who_goes_before_the_answer_is_forgotten_but_published),
        HTTP_TEST(topics_are_decoded_once_with_their_slashes),
        HTTP_TEST(history_joins_what_is_on_disk_and_what_is_not),
        HTTP_TEST(a_page_ends_at_its_limit_and_tells_how_far_the_topic_goes),
        HTTP_TEST(what_came_before_a_topics_first_event_is_not_its_oldest),
        HTTP_TEST(a_topic_never_used_is_empty),
        HTTP_TEST(a_lost_position_gives_everything_kept),
        HTTP_TEST(what_retention_took_is_not_recovered),
        HTTP_TEST(a_long_history_is_read_over_many_turns_and_bounded),
        HTTP_TEST(many_who_read_at_once_all_get_their_answer),
        HTTP_TEST(wrong_queries_are_400),
        HTTP_TEST(the_list_waits_for_what_was_acknowledged),
        HTTP_TEST(the_list_does_not_wait_for_ever),
        HTTP_TEST(the_list_goes_by_pages),
        HTTP_TEST(an_event_stream_begins_with_its_position_and_goes_on_live),
        HTTP_TEST(an_event_stream_resumes_by_last_event_id_rather_than_since),
        HTTP_TEST(a_strange_last_event_id_is_told_of_a_gap),
        HTTP_TEST(an_event_stream_is_warned_and_closed),
        HTTP_TEST(the_head_of_an_event_stream_can_be_asked_for),
        HTTP_TEST(an_event_stream_checks_its_query),
        HTTP_TEST(newcomers_are_refused_while_draining),
        HTTP_TEST(who_is_one_too_many_is_told_to_come_again),
        HTTP_TEST(health_tells_who_and_how_far),
        HTTP_TEST(health_is_503_when_nothing_can_be_published),
        HTTP_TEST(health_is_503_while_draining),
        HTTP_TEST(metrics_show_every_stat_with_its_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
