/* What is changed: rows by COMMANDs, events by @publish, and what refuses them. */
#include "tests/unit/api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/role.h"
#include "server/topics/publisher.h"

#define CREATE "mutation { createMessage(authorId: 1, content: \"one\") { id } }"

/* --- rows ------------------------------------------------------------------------------------- */

static void a_created_row_has_the_next_id_and_its_times(void **state)
{
    struct api_fixture *f = *state;

    api_expect(f,
               "mutation { createMessage(authorId: 1, content: \"one\", title: \"T\") "
               "{ id authorId title content createdAt updatedAt metadata } }",
               "{\"data\":{\"createMessage\":{\"id\":1,\"authorId\":1,\"title\":\"T\","
               "\"content\":\"one\",\"createdAt\":\"TIME\",\"updatedAt\":\"TIME\","
               "\"metadata\":null}}}");
    api_expect(f, CREATE, "{\"data\":{\"createMessage\":{\"id\":2}}}");
    api_expect(f, "mutation { createUser(name: \"Ann\") { id } }",
               "{\"data\":{\"createUser\":{\"id\":1}}}");
}

static void fields_of_a_created_row_are_nested(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, "mutation { createUser(name: \"Ann\") { id } }");
    api_expect(f,
               "mutation { createMessage(authorId: 1, content: \"one\") "
               "{ author { name } comments { id } } }",
               "{\"data\":{\"createMessage\":{\"author\":{\"name\":\"Ann\"},\"comments\":[]}}}");
}

static void several_mutations_run_in_order(void **state)
{
    struct api_fixture *f = *state;

    api_expect(f,
               "mutation { a: createMessage(authorId: 1, content: \"a\") { id } "
               "b: createMessage(authorId: 1, content: \"b\") { id } "
               "c: updateMessage(id: 2, content: \"c\") { id content } "
               "d: deleteMessage(id: 1) { id content } "
               "e: createComment(messageId: 1, authorId: 1, content: \"e\") { id } }",
               "{\"data\":null,\"errors\":[{\"message\":\"Comment.messageId: there is no Message "
               "with this id\","
               "\"locations\":[{\"line\":1,\"column\":206}],\"path\":[\"e\"],"
               "\"extensions\":{\"code\":\"NOT_FOUND\"}}]}");
    api_expect(f, "{ messages { id content } }",
               "{\"data\":{\"messages\":[{\"id\":2,\"content\":\"c\"}]}}");
}

static void an_update_sets_what_is_given(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, "mutation { createMessage(authorId: 1, content: \"one\", "
                             "title: \"T\", metadata: [1]) { id } }");
    api_expect(f, "mutation { updateMessage(id: 1, content: \"two\") { title content metadata } }",
               "{\"data\":{\"updateMessage\":{\"title\":\"T\",\"content\":\"two\","
               "\"metadata\":[1]}}}");
    api_expect(f, "mutation { updateMessage(id: 1, title: null) { title content } }",
               "{\"data\":{\"updateMessage\":{\"title\":null,\"content\":\"two\"}}}");
    assert_string_equal(
        api_fixture_ask_with(f,
                             "mutation ($t: String, $c: String) "
                             "{ updateMessage(id: 1, title: $t, content: $c) { title content } }",
                             "{\"t\":\"T2\"}"),
        "{\"data\":{\"updateMessage\":{\"title\":\"T2\",\"content\":\"two\"}}}");
    api_expect(f, "mutation { updateMessage(id: 9, content: \"x\") { id } }",
               "{\"data\":{\"updateMessage\":null}}");
    api_expect(f, "mutation { updateMessage(id: -1, content: \"x\") { id } }",
               "{\"data\":{\"updateMessage\":null}}");
}

static void null_for_a_required_column_is_refused(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, CREATE);
    api_expect_error(f, "mutation { updateMessage(id: 1, content: null) { id } }", "BAD_USER_INPUT",
                     "Argument \\\"content\\\" must not be null.");
    api_expect(f, "{ message(id: 1) { content } }",
               "{\"data\":{\"message\":{\"content\":\"one\"}}}");
}

static void a_deleted_row_is_answered_once(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, CREATE);
    (void)api_fixture_ask(
        f, "mutation { createComment(messageId: 1, authorId: 1, content: \"c\") { id } }");
    api_expect(f, "mutation { deleteMessage(id: 1) { id content } }",
               "{\"data\":{\"deleteMessage\":{\"id\":1,\"content\":\"one\"}}}");
    api_expect(f, "mutation { deleteMessage(id: 1) { id } }",
               "{\"data\":{\"deleteMessage\":null}}");
    api_expect(f, "{ message(id: 1) { id } comments(messageId: 1) { content } }",
               "{\"data\":{\"message\":null,\"comments\":[{\"content\":\"c\"}]}}");
    api_expect_error(f,
                     "mutation { createComment(messageId: 1, authorId: 1, content: \"\") { id } }",
                     "NOT_FOUND", "Message");
    api_expect(f, CREATE, "{\"data\":{\"createMessage\":{\"id\":2}}}");
}

static void a_row_event_is_the_whole_row(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, "mutation { createMessage(authorId: 1, content: \"one\") { id } }");
    (void)api_fixture_ask(f, "mutation { updateMessage(id: 1, title: \"T\") { id } }");
    api_expect(f,
               "{ history(topic: \"messages\") { topic seq epoch time data } "
               "updates: history(topic: \"message_updates:1\") { seq data } "
               "all: history(topic: \"message_updates:all\") { seq } }",
               "{\"data\":{\"history\":[{\"topic\":\"messages\",\"seq\":\"2\",\"epoch\":\"EPOCH\","
               "\"time\":\"TIME\",\"data\":{\"id\":1,\"authorId\":1,\"title\":null,"
               "\"content\":\"one\",\"metadata\":null,\"stats\":null,\"createdAt\":\"TIME\","
               "\"updatedAt\":\"TIME\"}}],"
               "\"updates\":[{\"seq\":\"3\",\"data\":{\"id\":1,\"authorId\":1,\"title\":\"T\","
               "\"content\":\"one\",\"metadata\":null,\"stats\":null,\"createdAt\":\"TIME\","
               "\"updatedAt\":\"TIME\"}}],\"all\":[{\"seq\":\"3\"}]}}");
}

/* --- events ----------------------------------------------------------------------------------- */

static void a_published_event_is_answered_and_kept(void **state)
{
    struct api_fixture *f = *state;

    api_expect(f,
               "mutation { publish(topic: \"news\", data: {a: [1, \"x\"]}) "
               "{ topic seq epoch time data } }",
               "{\"data\":{\"publish\":{\"topic\":\"news\",\"seq\":\"2\",\"epoch\":\"EPOCH\","
               "\"time\":\"TIME\",\"data\":{\"a\":[1,\"x\"]}}}}");
    api_expect(f, "{ history(topic: \"news\") { seq data } }",
               "{\"data\":{\"history\":[{\"seq\":\"2\",\"data\":{\"a\":[1,\"x\"]}}]}}");
}

static void a_topic_that_cannot_be_is_refused(void **state)
{
    struct api_fixture *f = *state;
    char query[400];

    api_expect_error(f, "mutation { publish(topic: \"\", data: 1) { seq } }", "BAD_USER_INPUT",
                     "Argument \\\"topic\\\" must be the name of a topic");
    api_expect_error(f, "mutation { publish(topic: \"$x\", data: 1) { seq } }", "BAD_USER_INPUT",
                     "topic");
    api_expect_error(f, "mutation { publish(topic: \"a\\nb\", data: 1) { seq } }", "BAD_USER_INPUT",
                     "topic");
    (void)snprintf(query, sizeof query, "mutation { publish(topic: \"%0256d\", data: 1) { seq } }",
                   1);
    api_expect_error(f, query, "BAD_USER_INPUT", "topic");
    assert_int_equal(ring_tail(f->base->bus).seq, 1);
}

static void what_is_over_a_quarter_of_the_ring_is_refused(void **state)
{
    struct api_fixture *f = *state;
    size_t bytes = TOPICS_RING_BYTES / 4;
    char *variables = malloc(bytes + 32);

    assert_non_null(variables);
    (void)snprintf(variables, bytes + 32, "{\"c\":\"%0*d\"}", (int)bytes, 1);
    assert_non_null(
        strstr(api_fixture_ask_with(
                   f, "mutation ($c: String!) { createMessage(authorId: 1, content: $c) { id } }",
                   variables),
               "\"code\":\"BAD_USER_INPUT\""));
    assert_non_null(strstr(
        api_fixture_ask_with(f, "mutation ($c: JSON!) { publish(topic: \"a\", data: $c) { seq } }",
                             variables),
        "\"code\":\"BAD_USER_INPUT\""));
    free(variables);
}

/* --- when it cannot be had -------------------------------------------------------------------- */

/* As the writer would, whose role this process does not have. */
static void set_refusal(struct api_fixture *f, enum bus_refusal refusal)
{
    role_set(ROLE_WRITER);
    bus_set_refusal(f->base->bus, refusal, 0);
    role_set((enum role)(ROLE_MASTER | ROLE_WORKER));
}

static void a_full_store_is_told(void **state)
{
    struct api_fixture *f = *state;

    set_refusal(f, BUS_STORAGE_FULL);
    api_expect_error(f, CREATE, "STORAGE_FULL", "The store is full");
    api_expect_error(f, "mutation { publish(topic: \"a\", data: 1) { seq } }", "STORAGE_FULL",
                     "The store is full");
    api_expect(f, "{ messages { id } }", "{\"data\":{\"messages\":[]}}");
    set_refusal(f, BUS_ACCEPTS);
    api_expect(f, CREATE, "{\"data\":{\"createMessage\":{\"id\":1}}}");
}

/* Fills the ring, which nobody commits. */
static void fill_ring(struct api_fixture *f)
{
    static char payload[16 * 1024];
    const struct record_topic topic = {.name = "x", .bytes = 1};
    const struct record_spec spec = {.kind = RECORD_EVENT,
                                     .topics = &topic,
                                     .topic_count = 1,
                                     .payload = payload,
                                     .payload_bytes = sizeof payload,
                                     .origin_slot = TOPICS_SLOT};
    uint64_t seq;

    memset(payload, '1', sizeof payload);
    while (topics_append_spec(f->base, &spec, &seq) == 0)
        continue;
}

static void a_ring_that_stays_full_makes_it_unavailable(void **state)
{
    struct api_fixture *f = *state;
    char query[17 * 1024];
    struct operation *operation;

    (void)snprintf(query, sizeof query,
                   "mutation { createMessage(authorId: 1, content: \"%016384d\") { id } }", 1);
    operation = api_fixture_operation(f, query, NULL);
    fill_ring(f);
    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    (void)api_fixture_turn(f);
    assert_int_equal(f->done_count, 0);
    f->now_ns += INT64_C(6000000000);
    (void)api_fixture_turn(f);
    assert_int_equal(f->done_count, 1);
    assert_non_null(strstr(api_fixture_answer(f, operation), "\"code\":\"UNAVAILABLE\""));
    operation_free(operation);
}

static void an_operation_freed_while_it_waits_is_executed_all_the_same(void **state)
{
    struct api_fixture *f = *state;
    struct operation *sent = api_fixture_operation(f, CREATE, NULL);
    struct operation *committed = api_fixture_operation(f, CREATE, NULL);

    assert_int_equal(operation_run(sent, api_fixture_on_done, f), OPERATION_LATER);
    assert_int_equal(operation_run(committed, api_fixture_on_done, f), OPERATION_LATER);
    operation_free(sent);
    (void)api_fixture_turn(f);
    topics_commit(f->base, NULL);
    publisher_turn(f->publisher, f->now_ns); /* answers: api_turn would go on with it */
    operation_free(committed);
    (void)api_fixture_turn(f);
    assert_int_equal(f->done_count, 0);
    api_expect(f, "{ messages { id } }", "{\"data\":{\"messages\":[{\"id\":1},{\"id\":2}]}}");
}

static void the_next_mutation_is_sent_in_the_next_turn(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operation = api_fixture_operation(
        f, "mutation { a: createUser(name: \"a\") { id } b: createUser(name: \"b\") { id } }",
        NULL);

    assert_int_equal(operation_run(operation, api_fixture_on_done, f), OPERATION_LATER);
    assert_false(api_fixture_turn(f));
    topics_commit(f->base, NULL);
    assert_true(api_fixture_turn(f)); /* or the worker would sleep on it */
    assert_false(api_fixture_turn(f));
    assert_int_equal(ring_tail(f->base->bus).seq, 3);
    topics_commit(f->base, NULL);
    (void)api_fixture_turn(f);
    assert_int_equal(f->done_count, 1);
    operation_free(operation);
}

static void mutations_of_many_share_a_commit(void **state)
{
    struct api_fixture *f = *state;
    struct operation *operations[100];

    for (int i = 0; i < 100; i++) {
        operations[i] = api_fixture_operation(f, CREATE, NULL);
        assert_int_equal(operation_run(operations[i], api_fixture_on_done, f), OPERATION_LATER);
    }
    (void)api_fixture_turn(f);
    assert_int_equal(f->done_count, 0);
    topics_commit(f->base, NULL);
    while (api_fixture_turn(f))
        continue;
    assert_int_equal(f->done_count, 100);
    for (int i = 0; i < 100; i++) {
        char expected[64];

        (void)snprintf(expected, sizeof expected, "{\"data\":{\"createMessage\":{\"id\":%d}}}",
                       i + 1);
        assert_string_equal(api_fixture_answer(f, operations[i]), expected);
        operation_free(operations[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_created_row_has_the_next_id_and_its_times, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(fields_of_a_created_row_are_nested, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(several_mutations_run_in_order, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(an_update_sets_what_is_given, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(null_for_a_required_column_is_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_row_is_answered_once, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_row_event_is_the_whole_row, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_published_event_is_answered_and_kept, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_topic_that_cannot_be_is_refused, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(what_is_over_a_quarter_of_the_ring_is_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_full_store_is_told, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(a_ring_that_stays_full_makes_it_unavailable, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(an_operation_freed_while_it_waits_is_executed_all_the_same,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(the_next_mutation_is_sent_in_the_next_turn, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(mutations_of_many_share_a_commit, api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
