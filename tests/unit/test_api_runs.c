/* Requests that are refused, limits, and long operations beside short ones. */
#include "tests/unit/api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api_internal.h"
#include "server/net/arena.h"
#include "server/topics/publisher.h"

/* --- refused ---------------------------------------------------------------------------------- */

static void what_does_not_parse_or_validate_is_refused(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operation = api_fixture_operation(f, "{ hello", NULL);

    assert_true(operation_is_refused(operation));
    assert_true(operation_has_errors(operation));
    assert_int_equal(operation_kind(operation), AST_QUERY);
    assert_string_equal(
        api_fixture_answer(f, operation),
        "{\"errors\":[{\"message\":\"Syntax Error: Expected Name, found <EOF>.\",\"locations\":"
        "[{\"line\":1,\"column\":8}],\"extensions\":{\"code\":\"GRAPHQL_PARSE_FAILED\"}}]}");
    operation_free(operation);
    api_expect(
        f, "{ nothing }",
        "{\"errors\":[{\"message\":\"Cannot query field \\\"nothing\\\" on type \\\"Query\\\".\","
        "\"locations\":[{\"line\":1,\"column\":3}],"
        "\"extensions\":{\"code\":\"GRAPHQL_VALIDATION_FAILED\"}}]}");
    api_expect(f, "",
               "{\"errors\":[{\"message\":\"Syntax Error: Unexpected <EOF>.\",\"locations\":"
               "[{\"line\":1,\"column\":1}],"
               "\"extensions\":{\"code\":\"GRAPHQL_PARSE_FAILED\"}}]}");
}

static void an_operation_is_selected_by_its_name(void **state)
{
    static const char text[] = "query A { hello } mutation B { createUser(name: \"x\") { id } } "
                               "subscription C { userAdded { id } }";
    static const struct {
        const char *name;
        enum ast_operation_kind kind;
        bool is_refused;
    } cases[] = {
        {"A", AST_QUERY, false}, {"B", AST_MUTATION, false}, {"C", AST_SUBSCRIPTION, false},
        {"D", AST_QUERY, true},  {"", AST_QUERY, true},
    };
    struct api_fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct api_request request = {
            .query = {text, sizeof text - 1},
            .operation_name = {cases[i].name, (uint32_t)strlen(cases[i].name)},
        };
        struct operation *operation = operation_new(f->api, &request);

        assert_non_null(operation);
        assert_int_equal(operation_is_refused(operation), cases[i].is_refused);
        assert_int_equal(operation_kind(operation), cases[i].kind);
        operation_free(operation);
    }
}

static void variables_that_do_not_fit_are_refused(void **state)
{
    struct api_fixture *f = *state;
    const char *query = "query ($id: Int!) { message(id: $id) { id } }";

    assert_string_equal(
        api_fixture_ask_with(f, query, "{\"id\":\"x\"}"),
        "{\"errors\":[{\"message\":\"Variable \\\"$id\\\" got invalid value \\\"x\\\"; Int cannot "
        "represent non-integer value: \\\"x\\\"\",\"locations\":[{\"line\":1,\"column\":8}],"
        "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]}");
    assert_non_null(strstr(api_fixture_ask(f, query), "BAD_USER_INPUT"));
    assert_string_equal(api_fixture_ask_with(f, query, "{\"id\":1,\"other\":2}"),
                        "{\"data\":{\"message\":null}}");
}

static void the_limits_of_an_operation_are_kept(void **state)
{
    struct api_fixture *f = *state;

    f->limits.operation.depth_max = 2;
    api_expect_error(f, "{ messages { author { name } } }", "LIMIT_EXCEEDED", "");
    api_expect(f, "{ messages { id } }", "{\"data\":{\"messages\":[]}}");
    f->limits.operation = LIMITS_DEFAULT;
    api_expect_error(f, "{ messages(limit: 1000) { comments { id content } } }", "LIMIT_EXCEEDED",
                     "");
}

static void a_document_may_be_as_long_as_the_limit_says_now(void **state)
{
    struct api_fixture *f = *state;

    f->limits.document_bytes_max = 10;
    api_expect(f, "{ hello }", "{\"data\":{\"hello\":\"Hello, GraphQL!\"}}");
    api_expect_error(f, "{ hello   }", "LIMIT_EXCEEDED", "");
    f->limits.document_bytes_max = 20;
    api_expect(f, "{ hello   }", "{\"data\":{\"hello\":\"Hello, GraphQL!\"}}");
}

/* --- long ones -------------------------------------------------------------------------------- */

static void create_messages(struct api_fixture *f, int count, size_t content_bytes)
{
    char *query = malloc(content_bytes + 200);

    assert_non_null(query);
    for (int i = 0; i < count; i++) {
        struct operation *operation;

        (void)snprintf(query, content_bytes + 200,
                       "mutation { createMessage(authorId: 1, content: \"%0*d\") { id } }",
                       (int)content_bytes, i);
        operation = api_fixture_operation(f, query, NULL);
        (void)operation_run(operation, api_fixture_on_done, f);
        operation_free(operation);
        if (i % 10 == 9) {
            (void)api_fixture_turn(f);
            topics_commit(f->base, NULL);
        }
    }
    (void)api_fixture_turn(f);
    topics_commit(f->base, NULL);
    (void)api_fixture_turn(f);
    free(query);
}

#define LONG "a%d: messages(limit: 1000) { id authorId content title createdAt author { id } }"

/* About 40 times 100 rows of 7 fields. */
static char *long_query(void)
{
    char *query = malloc(8192);
    int size = 0;

    assert_non_null(query);
    size += snprintf(query, 8192, "{ ");
    for (int i = 0; i < 40; i++)
        size += snprintf(query + size, 8192 - (size_t)size, LONG " ", i);
    (void)snprintf(query + size, 8192 - (size_t)size, "}");
    return query;
}

static void a_long_operation_takes_several_turns(void **state)
{
    struct api_fixture *f = *state;
    char *query = long_query();
    struct operation *operation;
    unsigned turns = 0;

    f->limits.operation.complexity_max = 1000000;
    create_messages(f, 100, 10);
    operation = api_fixture_operation(f, query, NULL);
    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    store_snapshot_end(f->base->store);
    while (f->done_count == 0) {
        bool has_more = api_fixture_turn(f);

        assert_int_equal(has_more, f->done_count == 0);
        turns++;
    }
    /* 40 * 100 * 7 fields, two more for each row and list, API_STEPS a turn */
    assert_in_range(turns, 2, 4);
    assert_int_equal(strncmp(api_fixture_answer(f, operation), "{\"data\":{\"a0\":[{\"id\":1,", 23),
                     0);
    assert_non_null(strstr(api_fixture_answer(f, operation), "\"a39\":[{\"id\":1,"));
    assert_false(operation_has_errors(operation));
    operation_free(operation);
    free(query);
}

static void a_short_operation_does_not_wait_for_a_long_one(void **state)
{
    struct api_fixture *f = *state;
    char *query = long_query();
    struct operation *longer;
    struct operation *shorter;
    unsigned short_done = 0;

    f->limits.operation.complexity_max = 1000000;
    create_messages(f, 100, 10);
    longer = api_fixture_operation(f, query, NULL);
    shorter = api_fixture_operation(f, "mutation { createUser(name: \"Ann\") { id } }", NULL);
    assert_int_equal(operation_run(longer, api_fixture_on_done, f), OPERATION_LATER);
    assert_int_equal(operation_run(shorter, api_fixture_on_done, f), OPERATION_LATER);
    publisher_turn(f->publisher, f->now_ns); /* sent */
    topics_commit(f->base, NULL);
    (void)api_fixture_turn(f);
    short_done = f->done_count;
    assert_int_equal(short_done, 1);
    assert_string_equal(api_fixture_answer(f, shorter), "{\"data\":{\"createUser\":{\"id\":1}}}");
    operation_free(shorter);
    operation_free(longer); /* in the middle */
    assert_false(api_fixture_turn(f));
    free(query);
}

/* An offset is paid for, a step for ten rows: each of these lists takes half of a turn's steps. */
#define PASSING "messages(offset: 100000) { id } "

static void what_lists_pass_over_is_paid_for(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operation = api_fixture_operation(
        f, "{ a: " PASSING "b: " PASSING "c: " PASSING "d: " PASSING "}", NULL);
    unsigned turns = 0;

    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    while (f->done_count == 0) {
        (void)api_fixture_turn(f);
        turns++;
    }
    assert_int_equal(turns, 2);
    assert_string_equal(api_fixture_answer(f, operation),
                        "{\"data\":{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}}");
    operation_free(operation);
}

static void operations_that_begin_share_what_a_turn_has(void **state)
{
    enum { COUNT = 6 };
    struct api_fixture *f = *state;
    struct operation *operations[COUNT];

    for (int i = 0; i < COUNT; i++) {
        operations[i] = api_fixture_operation(f, "{ " PASSING "}", NULL);
        assert_int_equal(operation_run(operations[i], api_fixture_on_done, f), OPERATION_LATER);
    }
    /* Two have had their list at once, two more have it in each turn, and then only have to end. */
    for (unsigned turn = 0; turn < 3; turn++) {
        assert_int_equal(f->done_count, turn == 0 ? 0 : 2);
        assert_int_equal(api_fixture_turn(f), turn < 2);
    }
    assert_int_equal(f->done_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(api_fixture_answer(f, operations[i]), "{\"data\":{\"messages\":[]}}");
        operation_free(operations[i]);
    }
}

static void large_operations_end_one_after_the_other(void **state)
{
    enum { COUNT = 20, LISTS = 12 };
    struct api_fixture *f = *state;
    struct operation *operations[COUNT];
    size_t bytes_max = 0;
    char query[4096];
    int size = snprintf(query, sizeof query, "{ ");

    f->limits.operation.complexity_max = 1000000;
    create_messages(f, 60, 40000);
    for (int i = 0; i < LISTS; i++)
        size += snprintf(query + size, sizeof query - (size_t)size,
                         "a%d: messages(limit: 1000) { content } ", i);
    (void)snprintf(query + size, sizeof query - (size_t)size, "}");
    for (int i = 0; i < COUNT; i++) {
        operations[i] = api_fixture_operation(f, query, NULL);
        assert_int_equal(operation_run(operations[i], api_fixture_on_done, f), OPERATION_LATER);
    }
    for (unsigned done = 0; done < COUNT;) {
        bool has_more = api_fixture_turn(f);

        assert_int_equal(has_more, f->done_count < COUNT);
        if (f->api->operations_bytes > bytes_max)
            bytes_max = f->api->operations_bytes;
        for (; done < f->done_count; done++) {
            int i = 0;

            while (operations[i] == NULL || !operations[i]->is_done)
                i++;
            assert_false(operation_has_errors(operations[i]));
            operation_free(operations[i]);
            operations[i] = NULL;
        }
    }
    assert_int_equal(f->api->operations_bytes, 0);
    /* Each has some 80 MiB at its end, and is freed here only after the turn. */
    assert_in_range(bytes_max, API_OPERATIONS_BYTES_MAX, API_OPERATIONS_BYTES_MAX / 2 * 3);
}

/* An answer that has not left; the transport's reference. */
static struct arena *hold_answer(struct api_fixture *f, size_t bytes)
{
    struct text text = {0};
    char *room = text_reserve(&text, bytes);
    struct arena *arena;

    assert_non_null(room);
    memset(room, 'x', bytes);
    text_grow(&text, room + bytes);
    arena = api_share_answer(f->api, &text);
    assert_non_null(arena);
    text_done(&text);
    return arena;
}

static void large_answers_have_a_bound_and_nobody_waits_for_it(void **state)
{
    enum { COUNT = API_ANSWERS_BYTES_MAX / OPERATION_RESULT_BYTES_MAX };
    struct api_fixture *f = *state;
    struct arena *answers[COUNT];
    struct text text = {0};
    struct operation *operation;

    for (int i = 0; i < COUNT; i++)
        answers[i] = hold_answer(f, OPERATION_RESULT_BYTES_MAX);
    assert_non_null(text_reserve(&text, API_ANSWER_BYTES_MIN));
    memset(text.bytes, 'x', API_ANSWER_BYTES_MIN);
    text_grow(&text, text.bytes + API_ANSWER_BYTES_MIN);
    assert_null(api_share_answer(f->api, &text));
    operation = api_fixture_operation(f, "{ hello }", NULL);
    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_DONE);
    operation_free(operation);

    arena_unref(answers[0]); /* it has left */
    assert_false(api_fixture_turn(f));
    answers[0] = api_share_answer(f->api, &text);
    assert_non_null(answers[0]);
    text_done(&text);
    for (int i = 0; i < COUNT - 1; i++)
        arena_unref(answers[i]);
    assert_false(api_fixture_turn(f));
    assert_int_equal(f->api->outgoing.bytes, OPERATION_RESULT_BYTES_MAX);
    arena_unref(answers[COUNT - 1]); /* the API's own is the last, when it is closed */
}

static void an_answer_that_is_too_large_is_refused(void **state)
{
    struct api_fixture *f = *state;
    char query[4096];
    int size = snprintf(query, sizeof query, "{ ");

    f->limits.operation.complexity_max = 1000000;
    create_messages(f, 60, 40000);
    for (int i = 0; i < 20; i++)
        size += snprintf(query + size, sizeof query - (size_t)size,
                         "a%d: messages(limit: 1000) { content } ", i);
    (void)snprintf(query + size, sizeof query - (size_t)size, "}");
    api_expect(f, query,
               "{\"errors\":[{\"message\":\"The answer has more than 32 MiB.\","
               "\"extensions\":{\"code\":\"LIMIT_EXCEEDED\"}}]}");
}

/* --- history ---------------------------------------------------------------------------------- */

static void a_history_that_fills_many_blocks_takes_several_turns(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operation;
    unsigned turns = 0;
    const char *answer;

    for (int i = 0; i < 40; i++) {
        (void)topics_append_bytes(f->base, "other", 50000);
        (void)topics_append(f->base, "news", "{\"a\":1}");
        topics_commit(f->base, NULL);
    }
    (void)topics_append(f->base, "news", "\"last\""); /* still in the ring */
    operation = api_fixture_operation(f,
                                      "{ a: history(topic: \"news\", limit: 1000) { seq } hello "
                                      "b: history(topic: \"news\", since: \"81\") { seq data } }",
                                      NULL);
    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    while (f->done_count == 0) {
        (void)api_fixture_turn(f);
        turns++;
    }
    assert_in_range(turns, 2, 40);
    answer = api_fixture_answer(f, operation);
    assert_non_null(strstr(answer, "{\"data\":{\"a\":[{\"seq\":\"3\"},{\"seq\":\"5\"},"));
    assert_non_null(strstr(answer, "{\"seq\":\"81\"},{\"seq\":\"82\"}],\"hello\""));
    assert_non_null(strstr(answer, "\"b\":[{\"seq\":\"82\",\"data\":\"last\"}]}}"));
    operation_free(operation);
}

static void a_history_has_its_arguments(void **state)
{
    struct api_fixture *f = *state;

    for (int i = 0; i < 5; i++)
        (void)topics_append(f->base, "news", "1");
    api_expect(f, "{ history(topic: \"news\", limit: 2) { seq } }",
               "{\"data\":{\"history\":[{\"seq\":\"2\"},{\"seq\":\"3\"}]}}");
    api_expect(f, "{ history(topic: \"news\", since: 4, limit: 1000) { seq } }",
               "{\"data\":{\"history\":[{\"seq\":\"5\"},{\"seq\":\"6\"}]}}");
    api_expect(f, "{ history(topic: \"news\", since: \"6\") { seq } }",
               "{\"data\":{\"history\":[]}}");
    api_expect(f, "{ history(topic: \"news\", since: null, limit: 0) { seq } }",
               "{\"data\":{\"history\":[]}}");
    api_expect(f, "{ history(topic: \"never\") { seq } }", "{\"data\":{\"history\":[]}}");
    api_expect_error(f, "{ history(topic: \"news\", since: \"x\") { seq } }", "BAD_USER_INPUT",
                     "since");
    api_expect_error(f, "{ history(topic: \"news\", since: -1) { seq } }", "BAD_USER_INPUT",
                     "since");
    api_expect_error(f, "{ history(topic: \"news\", limit: 1001) { seq } }", "BAD_USER_INPUT",
                     "limit");
    api_expect_error(f, "{ history(topic: \"$news\") { seq } }", "BAD_USER_INPUT", "topic");
}

static void a_history_that_is_too_large_says_how_much_to_ask_for(void **state)
{
    struct api_fixture *f = *state;

    for (int i = 0; i < 45; i++) {
        (void)topics_append_bytes(f->base, "news", 200000);
        topics_commit(f->base, NULL);
    }
    api_expect_error(f, "{ history(topic: \"news\") { seq } }", "LIMIT_EXCEEDED",
                     "These events have more than 8 MiB: ask for at most 41 of them.");
    assert_null(
        strstr(api_fixture_ask(f, "{ history(topic: \"news\", limit: 41) { seq } }"), "errors"));
}

static void a_history_can_be_left_in_the_middle(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operation;

    for (int i = 0; i < 10; i++) {
        (void)topics_append_bytes(f->base, "news", 60000);
        topics_commit(f->base, NULL);
    }
    operation = api_fixture_operation(f, "{ history(topic: \"news\") { seq } }", NULL);
    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    operation_free(operation);
    assert_false(api_fixture_turn(f));
    assert_int_equal(f->done_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_does_not_parse_or_validate_is_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(an_operation_is_selected_by_its_name, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(variables_that_do_not_fit_are_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(the_limits_of_an_operation_are_kept, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_document_may_be_as_long_as_the_limit_says_now, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_long_operation_takes_several_turns, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_short_operation_does_not_wait_for_a_long_one, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(what_lists_pass_over_is_paid_for, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(operations_that_begin_share_what_a_turn_has, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(large_operations_end_one_after_the_other, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(large_answers_have_a_bound_and_nobody_waits_for_it,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_is_too_large_is_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_history_that_fills_many_blocks_takes_several_turns,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_history_has_its_arguments, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_history_that_is_too_large_says_how_much_to_ask_for,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_history_can_be_left_in_the_middle, api_setup,
                                        api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
