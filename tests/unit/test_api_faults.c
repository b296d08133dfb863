/* Operations without memory at each place where they want some, and with a store that cannot be read. */
#include "tests/unit/api_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api_internal.h"
#include "server/api/live.h"
#include "server/net/arena.h"
#include "store/log.h"
#include "store/rows.h"
#include "tests/unit/failing_calls.h"

/* --- the store: its answers, or an error ------------------------------------------------------ */

static int rows_error;
static int log_error;
static int snapshot_error;

int __real_rows_get(struct store *store, const struct catalog_table *table, uint64_t id,
                    struct row *ret_row);
int __real_rows_list(struct store *store, const struct rows_query *query, rows_function *on_row,
                     void *user);
int __real_log_record_at(struct store *store, uint64_t seq, struct record *ret_record);
int __real_store_snapshot_begin(struct store *store, uint64_t committed_seq);
int __wrap_rows_get(struct store *store, const struct catalog_table *table, uint64_t id,
                    struct row *ret_row);
int __wrap_rows_list(struct store *store, const struct rows_query *query, rows_function *on_row,
                     void *user);
int __wrap_log_record_at(struct store *store, uint64_t seq, struct record *ret_record);
int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq);

int __wrap_rows_get(struct store *store, const struct catalog_table *table, uint64_t id,
                    struct row *ret_row)
{
    return rows_error != 0 ? rows_error : __real_rows_get(store, table, id, ret_row);
}

int __wrap_rows_list(struct store *store, const struct rows_query *query, rows_function *on_row,
                     void *user)
{
    return rows_error != 0 ? rows_error : __real_rows_list(store, query, on_row, user);
}

int __wrap_log_record_at(struct store *store, uint64_t seq, struct record *ret_record)
{
    return log_error != 0 ? log_error : __real_log_record_at(store, seq, ret_record);
}

int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq)
{
    return snapshot_error != 0 ? snapshot_error : __real_store_snapshot_begin(store, committed_seq);
}

static void a_store_that_cannot_be_read_makes_it_unavailable(void **state)
{
    static const char create[] = "mutation { createUser(name: \"x\") { id } }";
    struct api_fixture *f = *state;

    rows_error = -EIO;
    api_expect(f, "{ user(id: 1) { id } hello }",
               "{\"data\":{\"user\":null,\"hello\":\"Hello, GraphQL!\"},\"errors\":[{\"message\":"
               "\"The store cannot be read.\",\"locations\":[{\"line\":1,\"column\":3}],"
               "\"path\":[\"user\"],\"extensions\":{\"code\":\"UNAVAILABLE\"}}]}");
    api_expect_error(f, "{ users { id } }", "UNAVAILABLE", "The store cannot be read.");
    rows_error = -ENOMEM;
    api_expect_error(f, "{ users { id } }", "UNAVAILABLE", "Out of memory.");
    rows_error = -E2BIG;
    api_expect_error(f, "{ users(offset: 1) { id } }", "LIMIT_EXCEEDED",
                     "More than 100000 rows would have to be passed over: use a cursor");
    rows_error = 0;
    snapshot_error = -EIO;
    api_expect_error(f, "{ users { id } }", "UNAVAILABLE", "The store cannot be read.");
    api_expect_error(f, "{ user(id: 1) { id } }", "UNAVAILABLE", "The store cannot be read.");
    api_expect_error(f, "{ history(topic: \"news\") { seq } }", "UNAVAILABLE",
                     "The store cannot be read.");
    api_expect_error(f, create, "UNAVAILABLE", "The store cannot be read.");
    snapshot_error = 0;
    log_error = -EBADMSG;
    api_expect_error(f, create, "UNAVAILABLE", "The store cannot be read.");
    log_error = -ENOENT;
    api_expect_error(f, create, "UNAVAILABLE",
                     "This was executed, but what came of it is no longer kept.");
    log_error = 0;
    api_expect(f, create, "{\"data\":{\"createUser\":{\"id\":4}}}");
}

/* --- memory ----------------------------------------------------------------------------------- */

/*
 * Runs @query with each of its allocations failing once; each time there is an answer, or no operation,
 * and in the end the whole one. The text differs each time, so that it is parsed each time.
 */
static void run_without_memory(struct api_fixture *f, const char *query, const char *variables,
                               const char *expected)
{
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        char text[600];
        struct api_request request = {.variables = {variables, strlen(variables)}};
        struct operation *operation;

        request.query.bytes = text;
        request.query.size = (uint32_t)snprintf(text, sizeof text, "%s #%d", query, n);
        failing_calls_arm(n);
        operation = operation_new(f->api, &request);
        if (operation != NULL && !operation_is_refused(operation))
            api_fixture_finish(f, operation);
        was_reached = failing_calls_disarm();
        if (operation != NULL && !was_reached)
            assert_string_equal(api_fixture_answer(f, operation), expected);
        else if (operation != NULL)
            assert_int_equal(api_fixture_answer(f, operation)[0], '{');
        operation_free(operation);
        store_snapshot_end(f->base->store);
    }
}

static void queries_without_memory(void **state)
{
    struct api_fixture *f = *state;

    (void)api_fixture_ask(f, "mutation { createUser(name: \"x\") { id } }");
    (void)api_fixture_ask(f, "mutation { createMessage(authorId: 1, content: \"m\") { id } }");
    run_without_memory(f,
                       "query ($a: Int = 1) { message(id: $a) { content author { name } "
                       "comments { id } } messages { id } position { seq } "
                       "history(topic: \"users\") { seq data } }",
                       "{}",
                       "{\"data\":{\"message\":{\"content\":\"m\",\"author\":{\"name\":\"x\"},"
                       "\"comments\":[]},\"messages\":[{\"id\":1}],\"position\":{\"seq\":\"3\"},"
                       "\"history\":[{\"seq\":\"2\",\"data\":{\"id\":1,\"name\":\"x\","
                       "\"createdAt\":\"TIME\"}}]}}");
}

static void mutations_without_memory(void **state)
{
    struct api_fixture *f = *state;

    run_without_memory(
        f,
        "mutation ($a: JSON) { updateMessage(id: 9, title: \"x\", metadata: $a) { id } "
        "publish(topic: \"news\", data: {b: $a}) { topic data } }",
        "{\"a\":{\"x\":[1]}}",
        "{\"data\":{\"updateMessage\":null,\"publish\":{\"topic\":\"news\","
        "\"data\":{\"b\":{\"x\":[1]}}}}}");
}

static void subscriptions_without_memory(void **state)
{
    static const struct event event = {.topic = "message_updates:7",
                                       .topic_bytes = 17,
                                       .payload = "{\"id\":7}",
                                       .payload_bytes = 8,
                                       .seq = 58,
                                       .table = 2};
    struct api_fixture *f = *state;
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct operation *operation = api_fixture_operation(
            f, "subscription ($a: Int) { messageUpdated(messageId: $a) { id comments { id } } }",
            "{\"a\":7}");
        struct live *live = NULL;
        int rc;

        assert_false(operation_is_refused(operation));
        failing_calls_arm(n);
        rc = live_new(operation, &live);
        if (rc == 0) {
            f->out.size = 0;
            rc = live_execute(live, &event, &f->out);
        }
        was_reached = failing_calls_disarm();
        assert_false(operation_is_refused(operation));
        assert_int_equal(rc, was_reached ? -ENOMEM : LIVE_MADE);
        f->out.has_failed = false;
        live_free(live);
        operation_free(operation);
        store_snapshot_end(f->base->store);
    }
}

static void an_api_that_opens_without_memory(void **state)
{
    struct api_fixture *f = *state;
    const struct api_options options = f->api->options;
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct api *api = NULL;
        int rc;

        failing_calls_arm(n);
        rc = api_open(&options, &api);
        was_reached = failing_calls_disarm();
        assert_int_equal(rc == 0, !was_reached);
        if (rc == 0)
            api_close(api);
    }
}

static void large_answers_without_memory(void **state)
{
    static char bytes[API_ANSWER_BYTES_MIN];
    const struct text answer = {.bytes = bytes, .size = sizeof bytes};
    struct api_fixture *f = *state;
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct arena *arena;

        failing_calls_arm(n);
        arena = api_share_answer(f->api, &answer);
        was_reached = failing_calls_disarm();
        assert_int_equal(arena == NULL, was_reached);
        assert_int_equal(f->api->outgoing.bytes, was_reached ? 0 : sizeof bytes);
        arena_unref(arena);
    }
    (void)api_fixture_turn(f);
    assert_int_equal(f->api->outgoing.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_cannot_be_read_makes_it_unavailable, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(queries_without_memory, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(mutations_without_memory, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(subscriptions_without_memory, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(large_answers_without_memory, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(an_api_that_opens_without_memory, api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
