/*
 * Groups of real subscriptions: who shares one, and every call that can fail when one is joined, which
 * leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api_internal.h"
#include "server/api/group.h"
#include "tests/unit/api_fixture.h"
#include "tests/unit/failing_calls.h"

#define SUBSCRIPTION                                                                               \
    "subscription ($a: Int) { messageUpdated(messageId: $a) { id comments { id } } }"

static void on_gap(void *user, const char *topic, size_t topic_bytes, uint64_t oldest)
{
    (void)user;
    (void)topic;
    (void)topic_bytes;
    (void)oldest;
}

static const struct subscriber_handlers handlers = {.on_gap = on_gap};
static const struct resume from_now = {0};

static int join(struct operation *operation, struct fake_client *client, struct arena *id,
                struct group_member *member)
{
    const struct group_join_options options = {
        .stream = &client->stream,
        .style = id != NULL ? GROUP_TRANSPORT_WS : GROUP_EVENT_STREAM,
        .id = id,
        .handlers = &handlers,
        .resume = &from_now,
    };
    struct subscribed subscribed;

    return group_join(operation, member, &options, &subscribed);
}

/* Each of its calls fails once. */
static void join_without_memory(struct api_fixture *f, struct fake_client *client, struct arena *id)
{
    struct group_set *before = f->api->groups;
    bool was_reached = true;

    for (int n = 1; was_reached; n++) {
        struct operation *operation = api_fixture_operation(f, SUBSCRIPTION, "{\"a\":7}");
        struct group_member member;
        int rc;

        failing_calls_arm(n);
        rc = join(operation, client, id, &member);
        was_reached = failing_calls_disarm();
        assert_int_equal(operation_is_refused(operation), rc != 0);
        if (rc != 0) {
            assert_true(was_reached);
            assert_null(member.style);
            assert_ptr_equal(f->api->groups, before);
            /* Without memory for more it says so in words of its own. */
            assert_int_equal(api_fixture_answer(f, operation)[0], '{');
        }
        group_leave(&member);
        assert_ptr_equal(f->api->groups, before);
        operation_free(operation);
    }
}

static void whoever_cannot_join_leaves_nothing_behind(void **state)
{
    struct api_fixture *f = *state;
    struct fake_client *client = fake_client_open(f->base, NULL);
    struct arena *id = arena_copy("\"a\"", 3);
    struct operation *operation;
    struct group_member member;

    assert_non_null(id);
    join_without_memory(f, client, id);
    /* The group is there, its style is not; then both are. */
    operation = api_fixture_operation(f, SUBSCRIPTION, "{\"a\":7}");
    assert_int_equal(join(operation, client, NULL, &member), 0);
    join_without_memory(f, client, id);
    join_without_memory(f, client, NULL);
    group_leave(&member);
    operation_free(operation);
    arena_unref(id);
    assert_null(f->api->groups);
    assert_int_equal(topics_stat(f->base, STAT_SUBSCRIPTIONS), 0);
}

/* Whether two requests get the same frames. */
static bool share(struct api_fixture *f, const char *query, const char *variables,
                  const char *other_query, const char *other_variables)
{
    struct fake_client *client = fake_client_open(f->base, NULL);
    struct operation *operations[] = {api_fixture_operation(f, query, variables),
                                      api_fixture_operation(f, other_query, other_variables)};
    struct group_member members[2];
    bool is_same;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(join(operations[i], client, NULL, &members[i]), 0);
        operation_free(operations[i]);
    }
    is_same = members[0].style == members[1].style;
    group_leave(&members[0]);
    group_leave(&members[1]);
    assert_null(f->api->groups);
    return is_same;
}

static void what_means_the_same_is_one_group(void **state)
{
    struct api_fixture *f = *state;

    assert_true(share(f, "subscription { messageAdded { id title } }", NULL,
                      "subscription Named{messageAdded{id,title}} # comment", NULL));
    assert_true(share(f, SUBSCRIPTION, "{\"a\":7}", SUBSCRIPTION, "{\"unused\":1,\"a\":7}"));
    assert_true(share(f, "subscription { messageAdded { ...f } } fragment f on Message { id }",
                      NULL, "fragment f on Message{id}subscription X{messageAdded{...f}}", NULL));
    assert_false(share(f, "subscription { messageAdded { id title } }", NULL,
                       "subscription { messageAdded { title id } }", NULL));
    assert_false(share(f, SUBSCRIPTION, "{\"a\":7}", SUBSCRIPTION, "{\"a\":8}"));
    assert_false(share(f, SUBSCRIPTION, "{\"a\":null}", SUBSCRIPTION, "{}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whoever_cannot_join_leaves_nothing_behind, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(what_means_the_same_is_one_group, api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
