/* What is read: rows by id and by list, what is nested, positions, and arguments that are wrong. */
#include "tests/unit/api_fixture.h"

#include <stdio.h>
#include <string.h>

/* A user, @count messages of his, and three comments to the first. */
static void fill(struct api_fixture *f, int count)
{
    char query[200];

    (void)api_fixture_ask(f, "mutation { createUser(name: \"Ann\") { id } }");
    for (int i = 1; i <= count; i++) {
        (void)snprintf(query, sizeof query,
                       "mutation { createMessage(authorId: 1, content: \"m%d\") { id } }", i);
        (void)api_fixture_ask(f, query);
    }
    for (int i = 1; i <= 3; i++) {
        (void)snprintf(query, sizeof query,
                       "mutation { createComment(messageId: 1, authorId: %d, content: \"c%d\") "
                       "{ id } }",
                       i, i);
        (void)api_fixture_ask(f, query);
    }
}

static void a_value_of_the_schema_is_answered(void **state)
{
    api_expect(*state, "{ hello }", "{\"data\":{\"hello\":\"Hello, GraphQL!\"}}");
    api_expect(*state, "{ a: hello __typename }",
               "{\"data\":{\"a\":\"Hello, GraphQL!\",\"__typename\":\"Query\"}}");
}

static void a_row_is_found_by_its_id(void **state)
{
    struct api_fixture *f = *state;

    fill(f, 2);
    api_expect(f, "{ user(id: 1) { id name createdAt } }",
               "{\"data\":{\"user\":{\"id\":1,\"name\":\"Ann\",\"createdAt\":\"TIME\"}}}");
    api_expect(f, "{ message(id: 2) { id title content metadata } }",
               "{\"data\":{\"message\":{\"id\":2,\"title\":null,\"content\":\"m2\","
               "\"metadata\":null}}}");
    api_expect(f, "{ user(id: 2) { id } message(id: 0) { id } a: message(id: -1) { id } }",
               "{\"data\":{\"user\":null,\"message\":null,\"a\":null}}");
}

static void rows_are_nested(void **state)
{
    struct api_fixture *f = *state;

    fill(f, 2);
    api_expect(f, "{ message(id: 1) { id author { name } comments { id content } } }",
               "{\"data\":{\"message\":{\"id\":1,\"author\":{\"name\":\"Ann\"},\"comments\":["
               "{\"id\":1,\"content\":\"c1\"},{\"id\":2,\"content\":\"c2\"},"
               "{\"id\":3,\"content\":\"c3\"}]}}}");
    api_expect(f, "{ message(id: 2) { comments { id } } }",
               "{\"data\":{\"message\":{\"comments\":[]}}}");
    (void)api_fixture_ask(f, "mutation { createMessage(authorId: 9, content: \"\") { id } }");
    api_expect(f, "{ message(id: 3) { author { id } } }",
               "{\"data\":{\"message\":{\"author\":null}}}");
}

static void a_list_has_its_arguments(void **state)
{
    struct api_fixture *f = *state;

    fill(f, 60);
    api_expect(f, "{ messages(limit: 2) { id } }",
               "{\"data\":{\"messages\":[{\"id\":1},{\"id\":2}]}}");
    api_expect(f, "{ messages(limit: 2, offset: 58) { id } }",
               "{\"data\":{\"messages\":[{\"id\":59},{\"id\":60}]}}");
    api_expect(f, "{ messages(limit: 2, offset: 59) { id } }",
               "{\"data\":{\"messages\":[{\"id\":60}]}}");
    api_expect(f, "{ messages(limit: 2, offset: 600) { id } }", "{\"data\":{\"messages\":[]}}");
    api_expect(f, "{ messages(limit: 0) { id } }", "{\"data\":{\"messages\":[]}}");
    api_expect(f, "{ comments(messageId: 1, offset: 1) { id } }",
               "{\"data\":{\"comments\":[{\"id\":2},{\"id\":3}]}}");
    api_expect(f, "{ comments(messageId: 2) { id } }", "{\"data\":{\"comments\":[]}}");
    api_expect(f, "{ message(id: 1) { comments(limit: 1, offset: 2) { content } } }",
               "{\"data\":{\"message\":{\"comments\":[{\"content\":\"c3\"}]}}}");
}

static unsigned count_of(const char *answer, const char *word)
{
    unsigned count = 0;

    for (const char *at = strstr(answer, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

static void a_limit_that_is_null_or_absent_is_the_default(void **state)
{
    struct api_fixture *f = *state;

    fill(f, 60);
    assert_int_equal(count_of(api_fixture_ask(f, "{ messages { id } }"), "\"id\""), 50);
    assert_int_equal(count_of(api_fixture_ask(f, "{ messages(limit: null) { id } }"), "\"id\""),
                     50);
    assert_int_equal(count_of(api_fixture_ask(f, "{ messages(limit: 1000) { id } }"), "\"id\""),
                     60);
    assert_int_equal(
        count_of(api_fixture_ask(f, "{ messages(offset: null, limit: 1000) { id } }"), "\"id\""),
        60);
}

static void arguments_that_cannot_be_are_field_errors(void **state)
{
    struct api_fixture *f = *state;

    f->limits.operation.complexity_max = 1000000;
    api_expect(
        f, "{ hello messages(limit: -1) { id } }",
        "{\"data\":null,\"errors\":[{\"message\":\"Argument \\\"limit\\\" must not be negative: "
        "-1.\",\"locations\":[{\"line\":1,\"column\":9}],\"path\":[\"messages\"],"
        "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}]}");
    api_expect_error(f, "{ messages(limit: 1001) { id } }", "BAD_USER_INPUT",
                     "Argument \\\"limit\\\" must be at most 1000: 1001.");
    api_expect_error(f, "{ messages(offset: -2147483648) { id } }", "BAD_USER_INPUT",
                     "must not be negative: -2147483648.");
}

static void columns_of_all_kinds_come_back_as_they_went_in(void **state)
{
    struct api_fixture *f = *state;

    assert_string_equal(
        api_fixture_ask_with(
            f,
            "mutation ($m: JSON, $t: String) { createMessage(authorId: -2147483648, "
            "content: \"\", title: $t, metadata: $m, stats: {a: [1, 2.50, \"x\"], b: null}) "
            "{ id authorId title content metadata stats } }",
            "{\"t\":\"\\ud83d\\ude00 \\\"quoted\\\" \\\\ \\u0001\\n\","
            "\"m\":{\"a\":1.00,\"a\":12345678901234567890,\"b\":\"\\u00e9\\/\"}}"),
        "{\"data\":{\"createMessage\":{\"id\":1,\"authorId\":-2147483648,"
        "\"title\":\"\xf0\x9f\x98\x80 \\\"quoted\\\" \\\\ \\u0001\\n\",\"content\":\"\","
        "\"metadata\":{\"a\":1.00,\"a\":12345678901234567890,\"b\":\"\\u00e9\\/\"},"
        "\"stats\":{\"a\":[1,2.50,\"x\"],\"b\":null}}}}");
    api_expect(f, "{ message(id: 1) { authorId title content metadata stats } }",
               "{\"data\":{\"message\":{\"authorId\":-2147483648,"
               "\"title\":\"\xf0\x9f\x98\x80 \\\"quoted\\\" \\\\ \\u0001\\n\",\"content\":\"\","
               "\"metadata\":{\"a\":1.00,\"a\":12345678901234567890,\"b\":\"\\u00e9\\/\"},"
               "\"stats\":{\"a\":[1,2.50,\"x\"],\"b\":null}}}}");
}

static void the_position_is_what_is_committed(void **state)
{
    struct api_fixture *f = *state;

    api_expect(f, "{ position { epoch seq } }",
               "{\"data\":{\"position\":{\"epoch\":\"EPOCH\",\"seq\":\"1\"}}}");
    fill(f, 1);
    api_expect(f, "{ position { seq __typename } }",
               "{\"data\":{\"position\":{\"seq\":\"6\",\"__typename\":\"Position\"}}}");
    (void)topics_append(f->base, "news", "1");
    api_expect(f, "{ position { seq } }", "{\"data\":{\"position\":{\"seq\":\"6\"}}}");
    topics_commit(f->base, NULL);
    api_expect(f, "{ position { seq } }", "{\"data\":{\"position\":{\"seq\":\"7\"}}}");
}

static void the_schema_is_there_for_introspection(void **state)
{
    struct api_fixture *f = *state;

    api_expect(f, "{ __type(name: \"User\") { fields { name } } }",
               "{\"data\":{\"__type\":{\"fields\":[{\"name\":\"id\"},{\"name\":\"name\"},"
               "{\"name\":\"createdAt\"}]}}}");
    f->limits.is_introspection_allowed = false;
    api_expect_error(f, "{ __type(name: \"User\") { name } }", "GRAPHQL_VALIDATION_FAILED",
                     "__type");
    f->limits.is_introspection_allowed = true;
    api_expect(f, "{ __type(name: \"User\") { name } }",
               "{\"data\":{\"__type\":{\"name\":\"User\"}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_value_of_the_schema_is_answered, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_row_is_found_by_its_id, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(rows_are_nested, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_list_has_its_arguments, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_limit_that_is_null_or_absent_is_the_default, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(arguments_that_cannot_be_are_field_errors, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(columns_of_all_kinds_come_back_as_they_went_in, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(the_position_is_what_is_committed, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(the_schema_is_there_for_introspection, api_setup,
                                        api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
