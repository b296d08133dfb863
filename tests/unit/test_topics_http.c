#include "tests/unit/protocol_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/history.h"
#include "store/log.h"

#define JSON "Content-Type: application/json\r\n"
#define TEXT "Content-Type: text/plain\r\n"

static void assert_body(struct answer answer, const char *wanted)
{
    assert_int_equal(answer.status, 200);
    assert_like(answer.body, wanted);
}

/* --- publishing ------------------------------------------------------------------------------- */

static void json_is_published_as_it_is(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer = protocol_request(f, "POST", "/topics/news",
                                            "Content-Type: Application/JSON; charset=utf-8\r\n",
                                            " {\"a\": [1.0, 1e400]} ");

    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body,
                        "{\"topic\":\"news\",\"seq\":1,\"epoch\":\"" PROTOCOL_EPOCH "\"}");
    assert_part(answer.head, "Vary: Accept\r\n");
    assert_body(protocol_request(f, "GET", "/topics/news", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH
                "\",\"events\":[{\"seq\":1,\"time\":\"T\",\"data\":{\"a\":[1.0,1e400]}}],"
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
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":["
                "{\"seq\":1,\"time\":\"T\",\"data\":\"say \\\"hi\\\"\\n\xc3\xa4\"},"
                "{\"seq\":2,\"time\":\"T\",\"data\":\"{\\\"not\\\":\\\"parsed\\\"}\"},"
                "{\"seq\":3,\"time\":\"T\",\"data\":\"\"}],"
                "\"last_seq\":3,\"oldest\":1,\"more\":false,\"recovered\":true}");
}

static void bad_json_is_told_why_and_where(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer = protocol_request(f, "POST", "/topics/news", JSON, "[1, nope]");

    assert_error(answer, 400, "bad_json");
    assert_part(answer.body, "\"message\":\"value expected at offset 4\"");
}

static void a_coded_body_is_refused_instead_of_published_as_it_is(void **state)
{
    struct protocol_fixture *f = *state;

    assert_error(protocol_request(f, "POST", "/topics/news",
                                  "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", "x"),
                 415, "unsupported_media_type");
    assert_int_equal(protocol_request(f, "POST", "/topics/news",
                                      "Content-Type: text/plain\r\nContent-Encoding: Identity\r\n",
                                      "x")
                         .status,
                     201);
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
    assert_part(protocol_request(f, "GET", target, "", NULL).body, "\"events\":[]");
}

/* The peers are on this machine, so that one origin of it alone would do. */
static void a_request_with_two_origins_is_trusted_for_neither(void **state)
{
    static const char *const pairs[] = {
        "Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
        "Origin: http://evil.example\r\nOrigin: http://localhost\r\n",
        "Origin: http://localhost\r\norigin: http://localhost\r\n",
    };
    struct protocol_fixture *f = *state;
    struct answer answer;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_error(protocol_request(f, "POST", "/topics/news", pairs[i], "1"), 403, "forbidden");
        answer = protocol_request(f, "GET", "/topics/news", pairs[i], NULL);
        assert_int_equal(answer.status, 200);
        assert_no_part(answer.head, "Access-Control-Allow-Origin");
    }
    answer = protocol_request(f, "POST", "/topics/news", "Origin: http://localhost\r\n", "1");
    assert_int_equal(answer.status, 201);
    assert_part(answer.head, "Access-Control-Allow-Origin: http://localhost\r\n");
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
    assert_part(protocol_request(f, "GET", "/topics/news", "", NULL).body, "\"last_seq\":1");
}

static void topics_are_decoded_once_with_their_slashes(void **state)
{
    struct protocol_fixture *f = *state;

    assert_part(protocol_request(f, "POST", "/topics/a%2Fb/c+d%2525", JSON, "1").body,
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
    assert_body(answer,
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":["
                "{\"seq\":1,\"time\":\"T\",\"data\":1},{\"seq\":3,\"time\":\"T\",\"data\":1},"
                "{\"seq\":5,\"time\":\"T\",\"data\":1},{\"seq\":7,\"time\":\"T\",\"data\":1}],"
                "\"last_seq\":7,\"oldest\":1,\"more\":false,\"recovered\":true}");
    assert_part(answer.head, "Vary: Accept\r\n");
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
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":["
                "{\"seq\":2,\"time\":\"T\",\"data\":1},{\"seq\":3,\"time\":\"T\",\"data\":1}],"
                "\"last_seq\":6,\"oldest\":1,\"more\":true,\"recovered\":true}");
    assert_body(
        protocol_request(f, "GET", "/topics/news?since=4&limit=2&epoch=" PROTOCOL_EPOCH, "", NULL),
        "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":["
        "{\"seq\":5,\"time\":\"T\",\"data\":1},{\"seq\":6,\"time\":\"T\",\"data\":1}],"
        "\"last_seq\":6,\"oldest\":1,\"more\":false,\"recovered\":true}");
    assert_body(protocol_request(f, "GET", "/topics/news?since=6", "", NULL),
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":[],"
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
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH
                "\",\"events\":[{\"seq\":3,\"time\":\"T\",\"data\":2}],"
                "\"last_seq\":3,\"oldest\":2,\"more\":false,\"recovered\":true}");
}

static void a_topic_never_used_is_empty(void **state)
{
    assert_body(protocol_request(*state, "GET", "/topics/never", "", NULL),
                "{\"topic\":\"never\",\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":[],"
                "\"last_seq\":0,\"oldest\":0,\"more\":false,\"recovered\":true}");
}

static void a_lost_position_gives_everything_kept(void **state)
{
    struct protocol_fixture *f = *state;
    static const char wanted[] = "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH
                                 "\",\"events\":[{\"seq\":1,\"time\":\"T\",\"data\":1}],"
                                 "\"last_seq\":1,\"oldest\":1,\"more\":false,\"recovered\":false}";

    (void)topics_append(f->base, "news", "1");
    assert_body(protocol_request(f, "GET", "/topics/news?since=1&epoch=0123456789abcdef", "", NULL),
                wanted);
    assert_body(protocol_request(f, "GET", "/topics/news?since=99", "", NULL), wanted);
    assert_body(protocol_request(f, "GET", "/topics/news?since=99&epoch=" PROTOCOL_EPOCH, "", NULL),
                wanted);
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
                "{\"topic\":\"news\",\"epoch\":\"" PROTOCOL_EPOCH
                "\",\"events\":[{\"seq\":3,\"time\":\"T\",\"data\":1}],"
                "\"last_seq\":3,\"oldest\":3,\"more\":false,\"recovered\":false}");
    assert_part(protocol_request(f, "GET", "/topics/news?since=2", "", NULL).body,
                "\"recovered\":true}");
}

static void a_long_history_is_read_over_many_turns_and_bounded(void **state)
{
    struct protocol_fixture *f = *state;
    const size_t payload_bytes = (size_t)16 * 1024;
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
    assert_part(answer.body + answer.body_bytes - 64, "\"more\":true,\"recovered\":true}");
}

static void what_retention_takes_while_it_is_read_is_told(void **state)
{
    struct protocol_fixture *f = *state;
    const struct retention keep_two = {.count = 2};
    struct peer *peer = peer_http(f);
    struct answer answer;

    for (int i = 0; i < 10; i++) {
        (void)topics_append_bytes(f->base, "news", 20000); /* a block of the log each */
        topics_commit(f->base, NULL);
    }
    peer_write_text(peer, "GET /topics/news HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.waiting == NULL)
        protocol_turn(f);
    topics_trim(f->base, &keep_two);
    answer = peer_answer(peer, false);
    assert_part(answer.body, "\"events\":[{\"seq\":1,");
    assert_part(answer.body, "{\"seq\":10,");
    assert_no_part(answer.body, "{\"seq\":8,");
    assert_part(answer.body + answer.body_bytes - 64,
                "\"last_seq\":10,\"oldest\":9,\"more\":false,\"recovered\":false}");
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
                        "{\"epoch\":\"" PROTOCOL_EPOCH "\",\"topics\":["
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
                        "{\"epoch\":\"" PROTOCOL_EPOCH "\",\"topics\":[]}");
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
        "{\"epoch\":\"" PROTOCOL_EPOCH
        "\",\"topics\":[{\"topic\":\"c/2\",\"subscribers\":0,\"last_seq\":3}]}");
    assert_string_equal(protocol_request(f, "GET", "/topics?limit=1", "", NULL).body,
                        "{\"epoch\":\"" PROTOCOL_EPOCH
                        "\",\"topics\":[{\"topic\":\"a\",\"subscribers\":0,\"last_seq\":1}]}");
}

/* More names than are looked at in one turn. */
static void a_long_list_is_made_over_several_turns(void **state)
{
    enum { TOPICS = 3 * LOG_TOPICS_STEP };
    struct protocol_fixture *f = *state;
    struct answer answer;
    const char *at;
    char name[48];

    f->is_committing = true;
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(name, sizeof name, "many/%04d", i);
        (void)topics_append(f->base, name, "1");
    }
    answer = protocol_request(f, "GET", "/topics?limit=1000", "", NULL);
    at = answer.body;
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(name, sizeof name, "%s{\"topic\":\"many/%04d\",", i == 0 ? "[" : "},", i);
        at = strstr(at, i == 0 ? "[" : "},");
        assert_non_null(at);
        assert_int_equal(strncmp(at, name, strlen(name)), 0);
        at++;
    }
    assert_part(at, "}]}");
    assert_null(strstr(at, "},"));
    answer = protocol_request(f, "GET", "/topics?limit=200&after=many/0100", "", NULL);
    assert_part(answer.body, "[{\"topic\":\"many/0101\",");
    assert_part(answer.body + answer.body_bytes - 64, "{\"topic\":\"many/0300\",");
    assert_part(answer.body + answer.body_bytes - 3, "}]}");
}

static void who_asks_for_the_list_and_goes_is_forgotten(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peers[3];

    (void)topics_append(f->base, "a", "1");
    for (size_t i = 0; i < 3; i++) {
        peers[i] = peer_http(f);
        peer_write_text(peers[i], "GET /topics HTTP/1.1\r\nHost: x\r\n\r\n");
        protocol_turn(f);
    }
    peer_close(peers[2]);
    peer_close(peers[0]);
    protocol_turn(f);
    topics_commit(f->base, NULL);
    assert_part(peer_answer(peers[1], false).body, "\"topic\":\"a\"");
}

int main(void)
{
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, protocol_setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        HTTP_TEST(json_is_published_as_it_is),
        HTTP_TEST(any_other_text_is_a_json_string),
        HTTP_TEST(bad_json_is_told_why_and_where),
        HTTP_TEST(a_coded_body_is_refused_instead_of_published_as_it_is),
        HTTP_TEST(what_cannot_be_published_is_refused_and_not_stored),
        HTTP_TEST(a_request_with_two_origins_is_trusted_for_neither),
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
        HTTP_TEST(what_retention_takes_while_it_is_read_is_told),
        HTTP_TEST(many_who_read_at_once_all_get_their_answer),
        HTTP_TEST(wrong_queries_are_400),
        HTTP_TEST(the_list_waits_for_what_was_acknowledged),
        HTTP_TEST(the_list_does_not_wait_for_ever),
        HTTP_TEST(the_list_goes_by_pages),
        HTTP_TEST(a_long_list_is_made_over_several_turns),
        HTTP_TEST(who_asks_for_the_list_and_goes_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
