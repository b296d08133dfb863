/* The whole log in pages: every kind of operation, and where each page ends. */
#include "tests/unit/protocol_fixture.h"
#include "tests/unit/topics_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/control.h"

enum {
    LARGE_BYTES = 100 * 1024,
};

static int setup(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    f->http_handlers.on_request = control_on_request;
    f->base->is_row_topic = topics_begins_with_row;
    *state = f;
    return 0;
}

static struct answer get(struct protocol_fixture *f, const char *target)
{
    return protocol_request(f, "GET", target, "", NULL);
}

/* What stands between the brackets of `events`, and behind them first_seq, last_seq and next. */
static void assert_page(struct protocol_fixture *f, const char *query, const char *events,
                        const char *rest)
{
    char target[256];
    char wanted[2048];
    struct answer answer;

    (void)snprintf(target, sizeof target, "/control/log%s", query);
    (void)snprintf(wanted, sizeof wanted, "{\"epoch\":\"" PROTOCOL_EPOCH "\",\"events\":[%s],%s}",
                   events, rest);
    answer = get(f, target);
    assert_int_equal(answer.status, 200);
    assert_like(answer.body, wanted);
}

/* A COMMAND that creates a row, with an event on @topic. */
static void create_row(struct protocol_fixture *f, const char *topic, uint32_t number)
{
    const struct record_topic topics = {topic, strlen(topic)};
    uint64_t seq = 0;

    assert_int_equal(topics_rows_create(f->base, &topics, 1, number, &seq), 0);
}

/* A COMMAND that cannot be executed. */
static void append_nonsense(struct protocol_fixture *f)
{
    const struct record_spec spec = {.kind = RECORD_COMMAND,
                                     .payload = "nonsense",
                                     .payload_bytes = 8,
                                     .origin_slot = TOPICS_SLOT};
    uint64_t seq = 0;

    assert_int_equal(topics_append_spec(f->base, &spec, &seq), 0);
}

#define EVENT(seq, topics, data)                                                                   \
    "{\"seq\":" #seq ",\"time\":\"T\",\"kind\":\"event\",\"topics\":[" topics "],\"data\":" data "}"
#define ROW(seq, topics, data)                                                                     \
    "{\"seq\":" #seq ",\"time\":\"T\",\"kind\":\"row\",\"topics\":[" topics "],\"data\":" data "}"

static void an_empty_log_has_no_events(void **state)
{
    struct protocol_fixture *f = *state;

    assert_page(f, "", "", "\"first_seq\":0,\"last_seq\":0,\"next\":1");
    assert_page(f, "?from=7", "", "\"first_seq\":0,\"last_seq\":0,\"next\":1");
}

static void every_kind_of_operation_is_told(void **state)
{
    struct protocol_fixture *f = *state;

    topics_rows_begin(f->base);
    (void)topics_append(f->base, "a,b", "{\"x\":1}");
    create_row(f, "row", 7);
    append_nonsense(f);
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "b", "2"); /* in the ring only */
    assert_page(f, "",
                ROW(1, "", "null") "," EVENT(2, "\"a\",\"b\"", "{\"x\":1}") "," ROW(
                    3, "\"row\"",
                    "{\"id\":1,\"number\":7}") ",{\"seq\":4,\"time\":\"T\",\"kind\":\"failed\","
                                               "\"topics\":[],\"data\":{\"code\":\"INTERNAL\","
                                               "\"message\":\"it is no command that this version "
                                               "knows\"}}," EVENT(5, "\"b\"", "2"),
                "\"first_seq\":1,\"last_seq\":5,\"next\":6");
}

static void a_page_goes_on_where_the_last_one_ended(void **state)
{
    struct protocol_fixture *f = *state;

    for (int i = 0; i < 5; i++)
        (void)topics_append(f->base, i % 2 == 0 ? "even" : "odd", "0");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "odd", "1");
    assert_page(f, "?limit=2", EVENT(1, "\"even\"", "0") "," EVENT(2, "\"odd\"", "0"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":3");
    assert_page(f, "?from=5&limit=1", EVENT(5, "\"even\"", "0"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":6");
    assert_page(f, "?from=6&limit=1", EVENT(6, "\"odd\"", "1"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":7");
    assert_page(f, "?from=7", "", "\"first_seq\":1,\"last_seq\":6,\"next\":7");
    assert_page(f, "?from=18446744073709551615", "", "\"first_seq\":1,\"last_seq\":6,\"next\":7");
    assert_page(f, "?from=0&limit=1", EVENT(1, "\"even\"", "0"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":2");
}

static void one_topic_is_read_without_the_others(void **state)
{
    struct protocol_fixture *f = *state;

    for (int i = 0; i < 5; i++)
        (void)topics_append(f->base, i % 2 == 0 ? "even" : "odd,both ways", "0");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "odd", "1");
    assert_page(f, "?topic=odd",
                EVENT(2, "\"odd\",\"both ways\"", "0") "," EVENT(4, "\"odd\",\"both ways\"",
                                                                 "0") "," EVENT(6, "\"odd\"", "1"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":7");
    assert_page(f, "?topic=both%20ways&from=3", EVENT(4, "\"odd\",\"both ways\"", "0"),
                "\"first_seq\":1,\"last_seq\":6,\"next\":7");
    assert_page(f, "?topic=none", "", "\"first_seq\":1,\"last_seq\":6,\"next\":7");
}

/* Its result is not known; what lies behind it must not be told before it. */
static void a_command_that_waits_ends_the_page(void **state)
{
    struct protocol_fixture *f = *state;

    topics_rows_begin(f->base);
    (void)topics_append(f->base, "plain", "1");
    create_row(f, "row", 7);
    (void)topics_append(f->base, "plain", "2");
    assert_page(f, "?from=2", EVENT(2, "\"plain\"", "1"),
                "\"first_seq\":1,\"last_seq\":4,\"next\":3");
    assert_page(f, "?from=3", "", "\"first_seq\":1,\"last_seq\":4,\"next\":3");
    assert_page(f, "?topic=row&from=2", "", "\"first_seq\":1,\"last_seq\":4,\"next\":3");
    /* No change of a row goes to a plain topic. */
    assert_page(f, "?topic=plain&from=2", EVENT(2, "\"plain\"", "1") "," EVENT(4, "\"plain\"", "2"),
                "\"first_seq\":1,\"last_seq\":4,\"next\":5");

    topics_commit(f->base, NULL);
    assert_page(f, "?topic=row", ROW(3, "\"row\"", "{\"id\":1,\"number\":7}"),
                "\"first_seq\":1,\"last_seq\":4,\"next\":5");
    assert_page(f, "?from=3",
                ROW(3, "\"row\"", "{\"id\":1,\"number\":7}") "," EVENT(4, "\"plain\"", "2"),
                "\"first_seq\":1,\"last_seq\":4,\"next\":5");
}

/* The page's reader stands in the ring then, where there are no results: it goes back to the store. */
static void a_command_may_be_executed_while_it_is_met(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    topics_rows_begin(f->base);
    for (int i = 0; i < 20; i++)
        (void)topics_append_bytes(f->base, "plain", 8192);
    create_row(f, "row", 7);
    (void)topics_append(f->base, "row", "1");
    peer_write_text(peer, "GET /control/log?topic=row HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.waiting == NULL)
        protocol_turn(f);
    topics_commit(f->base, NULL);
    assert_like(peer_answer(peer, false).body,
                "{\"epoch\":\"" PROTOCOL_EPOCH
                "\",\"events\":[" ROW(22, "\"row\"", "{\"id\":1,\"number\":7}") "," EVENT(
                    23, "\"row\"", "1") "],"
                                        "\"first_seq\":1,\"last_seq\":23,\"next\":24}");
    peer_close(peer);
}

static void a_page_is_bounded_by_its_bytes_but_holds_an_event(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    for (int i = 0; i < 4; i++)
        (void)topics_append_bytes(f->base, "large", LARGE_BYTES);
    topics_commit(f->base, NULL);
    (void)topics_append_bytes(f->base, "large", TOPICS_RING_BYTES / 5);
    (void)topics_append_bytes(f->base, "large", TOPICS_RING_BYTES / 5);
    answer = get(f, "/control/log");
    assert_true(answer.body_bytes < CONTROL_LOG_BYTES_MAX + 1024);
    assert_part(answer.body + answer.body_bytes - 64, "\"last_seq\":6,\"next\":3}");
    answer = get(f, "/control/log?from=5");
    assert_part(answer.body + answer.body_bytes - 64, "\"last_seq\":6,\"next\":6}");
    answer = get(f, "/control/log?from=6");
    assert_part(answer.body + answer.body_bytes - 64, "\"last_seq\":6,\"next\":7}");
    assert_part(answer.body, "\"events\":[{\"seq\":6,");
}

static void what_retention_took_is_passed_over(void **state)
{
    struct protocol_fixture *f = *state;
    const struct retention retention = {.count = 1};
    struct answer answer;

    for (int i = 0; i < 3; i++) {
        (void)topics_append_bytes(f->base, "news", LARGE_BYTES);
        topics_commit(f->base, NULL);
    }
    (void)topics_append(f->base, "news", "1");
    topics_commit(f->base, &retention);
    topics_trim(f->base, &retention);
    answer = get(f, "/control/log?from=1");
    assert_part(answer.body, "\"events\":[{\"seq\":4,");
    assert_part(answer.body, "\"first_seq\":4,\"last_seq\":4,\"next\":5}");
}

/* As many turns as it takes, but not for ever for one request. */
static void a_long_search_ends_in_between(void **state)
{
    struct protocol_fixture *f = *state;
    uint64_t from = 1;
    unsigned pages = 0;

    for (unsigned i = 0; i < CONTROL_LOG_STEPS_MAX + 8; i++) {
        (void)topics_append(f->base, "many", "0");
        topics_commit(f->base, NULL); /* a block of its own: a turn */
    }
    while (from <= CONTROL_LOG_STEPS_MAX + 8) {
        char target[64];
        const char *next;
        struct answer answer;
        /* More than an event would fit: the page is not full. */
        (void)snprintf(target, sizeof target, "/control/log?limit=1000&from=%" PRIu64, from);
        answer = get(f, target);
        next = strstr(answer.body, "\"next\":");
        assert_non_null(next);
        assert_true(strtoull(next + strlen("\"next\":"), NULL, 10) > from);
        from = strtoull(next + strlen("\"next\":"), NULL, 10);
        pages++;
    }
    assert_int_equal(pages, 2);
}

/* It is committed into one block with what was there before. */
static void what_comes_meanwhile_is_for_the_next_page(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);
    struct answer answer;

    topics_append_many(f->base, "news", 2, LARGE_BYTES);
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "news", "3");
    peer_write_text(peer, "GET /control/log HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.waiting == NULL)
        protocol_turn(f);
    (void)topics_append(f->base, "news", "4");
    topics_commit(f->base, NULL);
    answer = peer_answer(peer, false);
    assert_part(answer.body, "{\"seq\":3,");
    assert_no_part(answer.body, "{\"seq\":4,");
    assert_part(answer.body, "],\"first_seq\":1,\"last_seq\":3,\"next\":4}");
    peer_close(peer);
}

static void who_asks_may_go_before_the_answer(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    topics_append_many(f->base, "news", 10, LARGE_BYTES / 2);
    peer_write_text(peer, "GET /control/log HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.waiting == NULL)
        protocol_turn(f);
    tcp_set_close(f->tcp); /* everybody goes at once */
    assert_null(f->service.waiting);
    assert_int_equal(tcp_set_open(f->loop, NULL, &f->tcp), 0);
    peer_close(peer);
}

static void bad_parameters_are_named(void **state)
{
    static const struct {
        const char *query;
        const char *named;
    } cases[] = {
        {"from=-1", "`from`"},       {"from=x", "`from`"},        {"from=", "`from`"},
        {"limit=0", "`limit`"},      {"limit=1001", "`limit`"},   {"limit=1e3", "`limit`"},
        {"topic=", "`topic`"},       {"topic=%24own", "`topic`"}, {"topic=%0a", "`topic`"},
        {"topic=%c3%28", "`topic`"},
    };
    struct protocol_fixture *f = *state;
    char target[400] = "/control/log?topic=";

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer;
        char bad[64];

        (void)snprintf(bad, sizeof bad, "/control/log?%s", cases[i].query);
        answer = get(f, bad);
        assert_error(answer, 400, "bad_request");
        assert_part(answer.body, cases[i].named);
    }
    memset(target + strlen(target), 'x', RECORD_TOPIC_BYTES_MAX + 1);
    assert_error(get(f, target), 400, "bad_request");
    target[strlen("/control/log?topic=") + RECORD_TOPIC_BYTES_MAX] = '\0';
    assert_int_equal(get(f, target).status, 200);
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_empty_log_has_no_events),
        LOG_TEST(every_kind_of_operation_is_told),
        LOG_TEST(a_page_goes_on_where_the_last_one_ended),
        LOG_TEST(one_topic_is_read_without_the_others),
        LOG_TEST(a_command_that_waits_ends_the_page),
        LOG_TEST(a_command_may_be_executed_while_it_is_met),
        LOG_TEST(a_page_is_bounded_by_its_bytes_but_holds_an_event),
        LOG_TEST(what_retention_took_is_passed_over),
        LOG_TEST(a_long_search_ends_in_between),
        LOG_TEST(what_comes_meanwhile_is_for_the_next_page),
        LOG_TEST(who_asks_may_go_before_the_answer),
        LOG_TEST(bad_parameters_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
