/* A subscription's topic, and its result of an event. */
#include "tests/unit/api_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api_internal.h"
#include "server/api/live.h"

static int make(struct api_fixture *f, const char *query, const char *variables,
                struct live **ret_live)
{
    struct operation *operation = api_fixture_operation(f, query, variables);
    int rc;

    if (operation_is_refused(operation))
        fail_msg("%s", api_fixture_answer(f, operation));
    rc = live_new(operation, ret_live);
    assert_int_equal(operation_is_refused(operation), rc == -EINVAL);
    if (rc == -EINVAL)
        (void)api_fixture_answer(f, operation); /* in f->out */
    operation_free(operation);
    return rc;
}

static struct live *make_good(struct api_fixture *f, const char *query, const char *variables)
{
    struct live *live = NULL;

    assert_int_equal(make(f, query, variables, &live), 0);
    return live;
}

static void expect_topic(struct api_fixture *f, const char *query, const char *variables,
                         const char *topic)
{
    struct live *live = make_good(f, query, variables);

    assert_int_equal(live_topic(live).bytes, strlen(topic));
    assert_memory_equal(live_topic(live).name, topic, strlen(topic));
    live_free(live);
}

static uint32_t table_of(struct api_fixture *f, const char *name)
{
    const struct catalog_table *table = catalog_find_table(f->api->catalog, name, strlen(name));

    assert_non_null(table);
    return table->number;
}

/* The result of an event with this payload; NULL: it is passed over. */
static const char *execute(struct api_fixture *f, struct live *live, const char *payload,
                           uint32_t table)
{
    const struct event event = {
        .topic = live_topic(live).name,
        .topic_bytes = live_topic(live).bytes,
        .seq = 58,
        .time_ns = INT64_C(1700000000000000000),
        .payload = payload,
        .payload_bytes = strlen(payload),
        .table = table,
    };
    int rc;

    f->out.size = 0;
    rc = live_execute(live, &event, &f->out);
    store_snapshot_end(f->base->store);
    if (rc == LIVE_PASSED_OVER) {
        assert_int_equal(f->out.size, 0);
        return NULL;
    }
    assert_int_equal(rc, LIVE_MADE);
    text_add(&f->out, "", 1);
    return f->out.bytes;
}

#define EXTENSIONS ",\"extensions\":{\"seq\":\"58\",\"epoch\":\"9f86d081884c7d65\"}}"

/* --- memory ----------------------------------------------------------------------------------- */

/* Of a document of its own; NULL: there are too many. */
static struct live *make_another(struct api_fixture *f, unsigned number, const char *variables)
{
    struct live *live = NULL;
    char query[128];
    int rc;

    (void)snprintf(query, sizeof query,
                   "subscription { messageAdded { comments(limit: %u) { id } } }", number);
    rc = make(f, query, variables, &live);
    assert_true(rc == 0 || rc == -E2BIG);
    return rc == 0 ? live : NULL;
}

static void what_clients_give_has_a_largest_size(void **state)
{
    enum { JUNK_BYTES = 1024 * 1024, COUNT = API_LIVE_BYTES_MAX / JUNK_BYTES };
    struct api_fixture *f = *state;
    struct text variables = {0};
    struct live *lives[COUNT];
    unsigned count = 0;

    text_add_string(&variables, "{\"x\":\"");
    for (size_t i = 0; i < JUNK_BYTES; i++)
        text_add(&variables, "y", 1);
    text_add(&variables, "\"}", 3);
    assert_true(text_is_whole(&variables));
    do {
        assert_true(count < COUNT);
        lives[count] = make_another(f, count, variables.bytes);
    } while (lives[count++] != NULL);
    assert_in_range(count, COUNT / 2, COUNT);
    live_free(lives[0]);
    lives[0] = make_another(f, COUNT, variables.bytes);
    assert_non_null(lives[0]);
    while (count > 0)
        live_free(lives[--count]);
    assert_int_equal(f->api->live_bytes, 0);
    text_done(&variables);
}

static void a_document_of_many_subscriptions_counts_once(void **state)
{
    enum { COUNT = 100 };
    struct api_fixture *f = *state;
    const char *query = "subscription ($id: Int!) { commentAdded(messageId: $id) { id } }";
    struct live *lives[COUNT];
    size_t second_bytes = 0;
    char variables[32];

    for (int i = 0; i < COUNT; i++) {
        size_t bytes = f->api->live_bytes;

        (void)snprintf(variables, sizeof variables, "{\"id\":%d}", 100 + i);
        lives[i] = make_good(f, query, variables);
        if (i == 1)
            second_bytes = f->api->live_bytes - bytes;
        if (i >= 1)
            assert_int_equal(f->api->live_bytes - bytes, second_bytes);
        else
            assert_true(f->api->live_bytes > 0);
    }
    assert_true(f->api->live_bytes > COUNT * second_bytes);
    assert_true(second_bytes < 10000); /* so that there is room for 25,000 */
    for (int i = 0; i < COUNT; i++)
        live_free(lives[i]);
    assert_int_equal(f->api->live_bytes, 0);
}

/* --- topics ----------------------------------------------------------------------------------- */

static void the_topic_is_made_of_the_arguments(void **state)
{
    struct api_fixture *f = *state;
    const char *updated = "subscription ($id: Int) { messageUpdated(messageId: $id) { id } }";

    expect_topic(f, "subscription { messageAdded { id } }", NULL, "messages");
    expect_topic(f, "subscription { commentAdded(messageId: 7) { id } }", NULL, "comments:7");
    expect_topic(f, "subscription { messageUpdated { id } }", NULL, "message_updates:all");
    expect_topic(f, updated, NULL, "message_updates:all");
    expect_topic(f, updated, "{\"id\":null}", "message_updates:all");
    expect_topic(f, updated, "{\"id\":-7}", "message_updates:-7");
    expect_topic(f, "subscription ($n: String!) { topic(name: $n) { seq } }",
                 "{\"n\":\"a\\u00e9b\"}",
                 "a\xc3\xa9"
                 "b");
    expect_topic(f, "subscription { ...F } fragment F on Subscription { userAdded { id } }", NULL,
                 "users");
}

static void a_topic_that_cannot_be_refuses_the_operation(void **state)
{
    struct api_fixture *f = *state;
    struct live *live = NULL;

    assert_int_equal(make(f, "subscription { topic(name: \"\") { seq } }", NULL, &live), -EINVAL);
    assert_non_null(strstr(f->out.bytes, "\"code\":\"BAD_USER_INPUT\""));
    assert_int_equal(make(f, "subscription { topic(name: \"$a\") { seq } }", NULL, &live), -EINVAL);
    assert_int_equal(make(f, "subscription { topic(name: \"a\\tb\") { seq } }", NULL, &live),
                     -EINVAL);
    assert_null(live);
}

static void key_of(struct api_fixture *f, const char *query, const char *variables,
                   struct text *ret_key)
{
    struct operation *operation = api_fixture_operation(f, query, variables);

    assert_false(operation_is_refused(operation));
    live_key(operation, ret_key);
    assert_true(text_is_whole(ret_key));
    operation_free(operation);
}

static void expect_keys(struct api_fixture *f, const char *const a[2], const char *const b[2],
                        bool are_equal)
{
    struct text key_a = {0};
    struct text key_b = {0};

    key_of(f, a[0], a[1], &key_a);
    key_of(f, b[0], b[1], &key_b);
    assert_int_equal(key_a.size == key_b.size && memcmp(key_a.bytes, key_b.bytes, key_a.size) == 0,
                     are_equal);
    text_done(&key_a);
    text_done(&key_b);
}

static void equal_subscriptions_have_equal_keys(void **state)
{
    static const char updated[] = "subscription ($a: Int) { messageUpdated(messageId: $a) { id } }";
    struct api_fixture *f = *state;

    expect_keys(f, (const char *[]){"subscription A { messageAdded { id } }", NULL},
                (const char *[]){"subscription { messageAdded\n { id,, } }", "{\"x\":1}"}, true);
    expect_keys(f, (const char *[]){"subscription { messageAdded { id } }", NULL},
                (const char *[]){"subscription { messageAdded { title } }", NULL}, false);
    expect_keys(f, (const char *[]){updated, "{\"a\":1}"}, (const char *[]){updated, "{\"a\":1.0}"},
                true);
    expect_keys(f, (const char *[]){updated, "{\"a\":1}"}, (const char *[]){updated, "{\"a\":2}"},
                false);
    expect_keys(f, (const char *[]){updated, "{\"a\":null}"}, (const char *[]){updated, NULL},
                false);
}

/* --- events ----------------------------------------------------------------------------------- */

static void a_row_is_delivered_with_what_hangs_on_it(void **state)
{
    struct api_fixture *f = *state;
    struct live *live =
        make_good(f,
                  "subscription { messageAdded { id title content metadata author { name } "
                  "comments(limit: 2) { content } } }",
                  NULL);
    uint32_t table = table_of(f, "Message");

    (void)api_fixture_ask(f, "mutation { createUser(name: \"Ann\") { id } }");
    (void)api_fixture_ask(f, "mutation { createMessage(authorId: 1, content: \"one\") { id } }");
    (void)api_fixture_ask(
        f, "mutation { createComment(messageId: 1, authorId: 1, content: \"c\") { id } }");
    assert_string_equal(execute(f, live,
                                "{\"id\":1,\"authorId\":1,\"title\":null,\"content\":\"one\","
                                "\"metadata\":{\"a\":[]},\"stats\":null,"
                                "\"createdAt\":\"2026-01-31T12:00:00.123456Z\","
                                "\"updatedAt\":\"2026-01-31T12:00:00.123456Z\"}",
                                table),
                        "{\"data\":{\"messageAdded\":{\"id\":1,\"title\":null,\"content\":\"one\","
                        "\"metadata\":{\"a\":[]},\"author\":{\"name\":\"Ann\"},"
                        "\"comments\":[{\"content\":\"c\"}]}}" EXTENSIONS);
    live_free(live);
}

static void a_row_of_another_schema_has_nulls_and_unknown_members(void **state)
{
    struct api_fixture *f = *state;
    struct live *live = make_good(f, "subscription { messageAdded { content title id } }", NULL);

    assert_string_equal(
        execute(f, live, "{\"old\":{\"id\":7},\"content\":\"x\",\"id\":3}", table_of(f, "Message")),
        "{\"data\":{\"messageAdded\":{\"content\":\"x\",\"title\":null,\"id\":3}}" EXTENSIONS);
    live_free(live);
}

static void what_is_no_row_of_the_table_is_passed_over(void **state)
{
    struct api_fixture *f = *state;
    struct live *live = make_good(f, "subscription { messageAdded { id } }", NULL);

    assert_null(execute(f, live, "{\"id\":1}", 0)); /* published by a client */
    assert_null(execute(f, live, "{\"id\":1}", table_of(f, "User")));
    assert_non_null(execute(f, live, "{\"id\":1}", table_of(f, "Message")));
    live_free(live);
}

static void an_event_is_delivered_as_it_is(void **state)
{
    struct api_fixture *f = *state;
    struct live *live =
        make_good(f, "subscription { topic(name: \"news\") { topic seq epoch time data } }", NULL);

    assert_string_equal(
        execute(f, live, "{\"b\":1,\"a\":[]}", 0),
        "{\"data\":{\"topic\":{\"topic\":\"news\",\"seq\":\"58\",\"epoch\":\"9f86d081884c7d65\","
        "\"time\":\"2023-11-14T22:13:20.000000Z\",\"data\":{\"b\":1,\"a\":[]}}}" EXTENSIONS);
    assert_string_equal(execute(f, live, "null", 0),
                        "{\"data\":{\"topic\":{\"topic\":\"news\",\"seq\":\"58\","
                        "\"epoch\":\"9f86d081884c7d65\",\"time\":\"2023-11-14T22:13:20.000000Z\","
                        "\"data\":null}}" EXTENSIONS);
    live_free(live);
}

static void errors_of_fields_are_part_of_the_result(void **state)
{
    struct api_fixture *f = *state;
    struct live *live =
        make_good(f, "subscription { messageAdded { comments(limit: -1) { id } } }", NULL);
    const char *result = execute(f, live, "{\"id\":1}", table_of(f, "Message"));

    assert_non_null(result);
    assert_memory_equal(result, "{\"data\":null,\"errors\":[{", 24);
    assert_non_null(strstr(result, "\"path\":[\"messageAdded\",\"comments\"]"));
    assert_string_equal(result + strlen(result) - strlen(EXTENSIONS), EXTENSIONS);
    live_free(live);
}

static void a_turn_executes_so_much_and_no_more(void **state)
{
    struct api_fixture *f = *state;
    struct live *live = make_good(f, "subscription { topic(name: \"news\") { seq } }", NULL);
    const struct event event = {
        .topic = "news", .topic_bytes = 4, .payload = "1", .payload_bytes = 1, .seq = 7};
    unsigned count = 0;

    while (live_execute(live, &event, &f->out) == LIVE_MADE) {
        f->out.size = 0;
        count++;
    }
    assert_in_range(count, API_GROUP_STEPS / 10, API_GROUP_STEPS);
    assert_int_equal(live_execute(live, &event, &f->out), -EAGAIN);
    assert_int_equal(f->out.size, 0);
    (void)api_fixture_turn(f);
    assert_int_equal(live_execute(live, &event, &f->out), LIVE_MADE);
    live_free(live);
}

/* --- other schemas ---------------------------------------------------------------------------- */

static const char sdl[] =
    "scalar DateTime scalar JSON enum On { CREATE WRITE }\n"
    "directive @table on OBJECT\n"
    "directive @create(topics: [String!]! = []) on FIELD_DEFINITION\n"
    "directive @value(json: String!) on FIELD_DEFINITION\n"
    "directive @subscribe(topic: String!, where: JSON) on FIELD_DEFINITION\n"
    "enum Level { LOW HIGH }\n"
    "type Alarm @table { id: ID! level: Level! value: Float text: String }\n"
    "type Place { name: String! at: [Point!] inner: Point }\n"
    "type Point { x: Float y: Float }\n"
    "type Query { a: Int @value(json: \"1\") }\n"
    "type Mutation { raise(level: Level!, value: Float, text: String): Alarm! "
    "@create(topics: [\"alarms\", \"alarms:{level}\"]) }\n"
    "type Subscription {\n"
    "  alarms(text: String, from: Float, to: Float): Alarm!\n"
    "    @subscribe(topic: \"alarms\", where: {text: \"text\", value: {gte: \"from\", lt: "
    "\"to\"}})\n"
    "  level(level: Level!): Alarm! @subscribe(topic: \"alarms:{level}\")\n"
    "  places: Place! @subscribe(topic: \"places\")\n"
    "}\n";

static int setup_sdl(void **state)
{
    *state = api_fixture_new(sdl);
    return 0;
}

static void where_passes_over_other_rows(void **state)
{
    struct api_fixture *f = *state;
    uint32_t table = table_of(f, "Alarm");
    struct live *live = make_good(
        f, "subscription ($text: String) { alarms(text: $text, from: 1.5, to: 3) { id } }",
        "{\"text\":\"a\"}");

    assert_non_null(execute(f, live, "{\"id\":\"1\",\"value\":1.5,\"text\":\"a\"}", table));
    assert_non_null(execute(f, live, "{\"id\":\"1\",\"value\":2,\"text\":\"a\"}", table));
    assert_null(execute(f, live, "{\"id\":\"1\",\"value\":3,\"text\":\"a\"}", table));
    assert_null(execute(f, live, "{\"id\":\"1\",\"value\":1,\"text\":\"a\"}", table));
    assert_null(execute(f, live, "{\"id\":\"1\",\"value\":null,\"text\":\"a\"}", table));
    assert_null(execute(f, live, "{\"id\":\"1\",\"value\":2,\"text\":\"b\"}", table));
    assert_null(execute(f, live, "{\"id\":\"1\",\"value\":2,\"text\":null}", table));
    live_free(live);
    live = make_good(f, "subscription { alarms(text: null) { id level } }", NULL);
    assert_string_equal(execute(f, live, "{\"id\":\"1\",\"level\":\"LOW\",\"value\":null}", table),
                        "{\"data\":{\"alarms\":{\"id\":\"1\",\"level\":\"LOW\"}}" EXTENSIONS);
    live_free(live);
    expect_topic(f, "subscription { level(level: HIGH) { id } }", NULL, "alarms:HIGH");
}

static void objects_have_their_members(void **state)
{
    struct api_fixture *f = *state;
    struct live *live =
        make_good(f, "subscription { places { name at { x y } inner { y } __typename } }", NULL);

    assert_string_equal(
        execute(f, live,
                "{\"inner\":{\"y\":2,\"z\":3},\"name\":\"a\",\"at\":[{\"x\":1.5},{\"y\":2}],"
                "\"more\":[]}",
                0),
        "{\"data\":{\"places\":{\"name\":\"a\",\"at\":[{\"x\":1.5,\"y\":null},"
        "{\"x\":null,\"y\":2}],\"inner\":{\"y\":2},\"__typename\":\"Place\"}}" EXTENSIONS);
    assert_memory_equal(execute(f, live, "{\"n\\u0061me\":\"a\",\"at\\u0000\":7}", 0),
                        "{\"data\":{\"places\":{\"name\":\"a\",\"at\":null,\"inner\":null", 52);
    assert_null(execute(f, live, "[{\"name\":\"a\"}]", 0));
    assert_null(execute(f, live, "\"a\"", 0));
    assert_memory_equal(execute(f, live, "{\"name\":\"a\",\"at\":7}", 0),
                        "{\"data\":{\"places\":{\"name\":\"a\",\"at\":null,\"inner\":null", 52);
    assert_memory_equal(execute(f, live, "{}", 0), "{\"data\":null,\"errors\":[", 23);
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_clients_give_has_a_largest_size, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_document_of_many_subscriptions_counts_once, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(the_topic_is_made_of_the_arguments, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_topic_that_cannot_be_refuses_the_operation, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(equal_subscriptions_have_equal_keys, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_row_is_delivered_with_what_hangs_on_it, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_row_of_another_schema_has_nulls_and_unknown_members,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_row_of_the_table_is_passed_over, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(an_event_is_delivered_as_it_is, api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(errors_of_fields_are_part_of_the_result, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(a_turn_executes_so_much_and_no_more, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(where_passes_over_other_rows, setup_sdl, api_teardown),
        cmocka_unit_test_setup_teardown(objects_have_their_members, setup_sdl, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
