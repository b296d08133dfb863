#include "tests/unit/bus_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bus/stats.h"
#include "server/protocol/client.h"

enum {
    SLOT = BUS_SLOT_WORKERS,
    CLIENT_COUNT = 7,
};

static int kicked_count;

static void describe(const struct client *client, struct client_view *view)
{
    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_ECHO);
    view->subscriptions = 3;
    memcpy(view->name, "ann", sizeof "ann");
}

static void kick(struct client *client)
{
    client_give_reason(client, STAT_CLOSED_KICKED);
    kicked_count++;
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_ECHO,
    .describe = describe,
    .kick = kick,
};

/* What the worker was told, and whom a walk has visited. */
struct observed {
    struct clients *clients;
    const struct client *members[CLIENT_COUNT + 1];
    int visits[CLIENT_COUNT + 1];
    struct client *leaves_with; /* when somebody is visited, this one leaves */
    int joined_count;
    int left_count;
};

static void on_joined(void *user, const struct client *client)
{
    struct observed *observed = user;

    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_ECHO);
    observed->joined_count++;
}

static void on_left(void *user, const struct client *client)
{
    struct observed *observed = user;

    assert_int_equal(client->operations->protocol, STAT_PROTOCOL_ECHO);
    observed->left_count++;
}

static void visit(void *user, struct client *client)
{
    struct observed *observed = user;
    struct client *leaver = observed->leaves_with;

    for (size_t i = 0; i <= CLIENT_COUNT; i++) {
        if (observed->members[i] == client)
            observed->visits[i]++;
    }
    observed->leaves_with = NULL;
    if (leaver != NULL)
        client_leave(observed->clients, leaver);
}

/* Everybody joins: members[0] first. */
static void join_all(struct clients *clients, struct client *members, struct observed *observed,
                     struct bus *bus)
{
    memset(observed, 0, sizeof *observed);
    clients_init(clients, bus, SLOT);
    observed->clients = clients;
    clients->on_joined = on_joined;
    clients->on_left = on_left;
    clients->user = observed;
    for (size_t i = 0; i < CLIENT_COUNT; i++) {
        observed->members[i] = &members[i];
        client_join(clients, &members[i], &operations);
    }
}

static void who_comes_and_goes_is_counted_and_told(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct observed observed;
    struct client_view view;
    struct clients clients;

    join_all(&clients, members, &observed, f->bus);
    assert_int_equal(clients.count, CLIENT_COUNT);
    assert_int_equal(stat_get(f->bus, SLOT, STAT_CLIENTS), CLIENT_COUNT);
    assert_int_equal(observed.joined_count, CLIENT_COUNT);
    members[0].messages_in = 5;
    client_describe(&members[0], &view);
    assert_int_equal(view.number, 1);
    assert_int_equal(view.protocol, STAT_PROTOCOL_ECHO);
    assert_true(view.age_ns >= 0);
    assert_int_equal(view.age_s, view.age_ns / 1000000000);
    assert_int_equal(view.messages_in, 5);
    assert_int_equal(view.subscriptions, 3);
    assert_string_equal(view.name, "ann");

    client_leave(&clients, &members[3]);
    assert_int_equal(clients.count, CLIENT_COUNT - 1);
    assert_int_equal(stat_get(f->bus, SLOT, STAT_CLIENTS), CLIENT_COUNT - 1);
    assert_int_equal(observed.left_count, 1);
    for (size_t i = 0; i < CLIENT_COUNT; i++) {
        if (i != 3)
            client_leave(&clients, &members[i]);
    }
    assert_int_equal(clients.count, 0);
    assert_null(clients.first);
    assert_int_equal(stat_get(f->bus, SLOT, STAT_CLIENTS), 0);
}

/* One comes, ends as @end does, and is counted by why. */
static void expect_reason(struct bus *bus, void (*end)(struct client *client),
                          enum stat_close_reason reason)
{
    enum stat_id stat = stat_at(STAT_CLOSED, reason);
    uint64_t before = stat_get(bus, SLOT, stat);
    struct client client;
    struct clients clients;

    clients_init(&clients, bus, SLOT);
    client_join(&clients, &client, &operations);
    end(&client);
    client_leave(&clients, &client);
    assert_int_equal(client.reason, reason);
    assert_int_equal(stat_get(bus, SLOT, stat), before + 1);
}

static void end_without_a_word(struct client *client)
{
    (void)client;
}

static void end_for_two_reasons(struct client *client)
{
    client_give_reason(client, STAT_CLOSED_TOO_LARGE);
    client_give_reason(client, STAT_CLOSED_CLIENT);
}

static void end_reset(struct client *client)
{
    client_give_stream_reason(client, STREAM_CLOSED_BY_PEER);
}

static void end_stalled(struct client *client)
{
    client_give_stream_reason(client, STREAM_CLOSED_STALLED);
}

static void end_aborted(struct client *client)
{
    client_give_stream_reason(client, STREAM_CLOSED_BY_US);
}

static void end_failed(struct client *client)
{
    client_give_stream_reason(client, STREAM_CLOSED_ERROR);
}

static void end_shut_down(struct client *client)
{
    client_give_reason(client, STAT_CLOSED_SHUTDOWN);
    client_give_stream_reason(client, STREAM_CLOSED_BY_US);
}

static void the_first_reason_that_is_said_counts(void **state)
{
    struct fixture *f = *state;

    expect_reason(f->bus, end_without_a_word, STAT_CLOSED_GONE);
    expect_reason(f->bus, end_for_two_reasons, STAT_CLOSED_TOO_LARGE);
    expect_reason(f->bus, end_reset, STAT_CLOSED_GONE);
    expect_reason(f->bus, end_stalled, STAT_CLOSED_STALLED);
    expect_reason(f->bus, end_aborted, STAT_CLOSED_ERROR);
    expect_reason(f->bus, end_failed, STAT_CLOSED_ERROR);
    expect_reason(f->bus, end_shut_down, STAT_CLOSED_SHUTDOWN);
    kicked_count = 0;
    expect_reason(f->bus, client_kick, STAT_CLOSED_KICKED);
    assert_int_equal(kicked_count, 1);
}

static void a_walk_visits_everybody_once_however_small_its_steps(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct observed observed;
    struct clients clients;
    struct clients_walk walk = {0};

    for (size_t step = 1; step <= CLIENT_COUNT + 1; step++) {
        size_t calls = 1;

        join_all(&clients, members, &observed, f->bus);
        clients_walk_begin(&clients, &walk);
        while (clients_walk(&walk, step, visit, &observed) == 0)
            calls++;
        assert_int_equal(calls, (CLIENT_COUNT + step - 1) / step);
        for (size_t i = 0; i < CLIENT_COUNT; i++)
            assert_int_equal(observed.visits[i], 1);
    }
}

/* Whoever leaves while somebody is visited: all others are visited, and nobody who has gone. */
static void clients_may_leave_during_a_walk(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct observed observed;
    struct clients clients;
    struct clients_walk walk = {0};

    for (size_t leaver = 0; leaver < CLIENT_COUNT; leaver++) {
        join_all(&clients, members, &observed, f->bus);
        clients_walk_begin(&clients, &walk);
        assert_int_equal(clients_walk(&walk, 2, visit, &observed), 0);
        observed.leaves_with = &members[leaver];
        while (clients_walk(&walk, 2, visit, &observed) == 0)
            continue;
        for (size_t i = 0; i < CLIENT_COUNT; i++) {
            if (i != leaver)
                assert_int_equal(observed.visits[i], 1);
        }
        assert_true(observed.visits[leaver] <= 1);
        assert_int_equal(clients.count, CLIENT_COUNT - 1);
    }
}

static void who_joins_during_a_walk_is_left_for_the_next(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct client late;
    struct observed observed;
    struct clients clients;
    struct clients_walk walk = {0};

    join_all(&clients, members, &observed, f->bus);
    observed.members[CLIENT_COUNT] = &late;
    clients_walk_begin(&clients, &walk);
    assert_int_equal(clients_walk(&walk, 3, visit, &observed), 0);
    client_join(&clients, &late, &operations);
    assert_int_equal(clients_walk(&walk, CLIENT_COUNT, visit, &observed), 1);
    assert_int_equal(observed.visits[CLIENT_COUNT], 0);

    clients_walk_begin(&clients, &walk);
    assert_int_equal(clients_walk(&walk, CLIENT_COUNT + 1, visit, &observed), 1);
    assert_int_equal(observed.visits[CLIENT_COUNT], 1);
}

/* A drain and an administrator's question, say. */
static void several_walks_are_under_way_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct observed observed;
    struct observed other;
    struct clients clients;
    struct clients_walk walks[3] = {0};

    join_all(&clients, members, &observed, f->bus);
    other = observed;
    for (size_t i = 0; i < 3; i++)
        clients_walk_begin(&clients, &walks[i]);
    assert_int_equal(clients_walk(&walks[0], 2, visit, &observed), 0);
    clients_walk_end(&walks[1]);
    clients_walk_end(&walks[1]);                        /* once more is nothing */
    client_leave(&clients, &members[CLIENT_COUNT - 1]); /* visited by the first, not yet … */
    client_leave(&clients, &members[CLIENT_COUNT - 3]); /* … and where the first stands */
    assert_int_equal(clients_walk(&walks[2], CLIENT_COUNT, visit, &other), 1);
    assert_int_equal(clients_walk(&walks[0], CLIENT_COUNT, visit, &observed), 1);
    for (size_t i = 0; i < CLIENT_COUNT; i++) {
        bool has_left = i == CLIENT_COUNT - 1 || i == CLIENT_COUNT - 3;

        assert_int_equal(observed.visits[i], i == CLIENT_COUNT - 3 ? 0 : 1);
        assert_int_equal(other.visits[i], has_left ? 0 : 1);
    }
    assert_null(clients.walks);

    clients_walk_begin(&clients, &walks[0]);
    assert_int_equal(clients_walk(&walks[0], 1, visit, &observed), 0);
    clients_walk_begin(&clients, &walks[0]); /* anew */
    assert_ptr_equal(walks[0].cursor, clients.first);
    clients_walk_end(&walks[0]);
    assert_null(clients.walks);
}

static void an_empty_walk_is_done_at_once(void **state)
{
    struct fixture *f = *state;
    struct clients clients;
    struct clients_walk walk = {0};

    clients_init(&clients, f->bus, SLOT);
    clients_walk_begin(&clients, &walk);
    assert_int_equal(clients_walk(&walk, 1, visit, NULL), 1);
}

/* Who has noted an id would kick another. */
static void a_worker_gives_no_number_that_those_before_it_have_given(void **state)
{
    struct fixture *f = *state;
    struct client members[CLIENT_COUNT];
    struct observed observed;
    struct clients clients;

    join_all(&clients, members, &observed, f->bus);
    stat_clear_gauges(f->bus, SLOT); /* it is killed, and another begins in its slot */
    join_all(&clients, members, &observed, f->bus);
    assert_int_equal(members[0].number, CLIENT_COUNT + 1);
    clients_init(&clients, f->bus, SLOT + 1);
    client_join(&clients, &members[0], &operations);
    assert_int_equal(members[0].number, 1);
}

int main(void)
{
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(who_comes_and_goes_is_counted_and_told),
        CLIENT_TEST(a_worker_gives_no_number_that_those_before_it_have_given),
        CLIENT_TEST(the_first_reason_that_is_said_counts),
        CLIENT_TEST(a_walk_visits_everybody_once_however_small_its_steps),
        CLIENT_TEST(clients_may_leave_during_a_walk),
        CLIENT_TEST(who_joins_during_a_walk_is_left_for_the_next),
        CLIENT_TEST(several_walks_are_under_way_at_a_time),
        CLIENT_TEST(an_empty_walk_is_done_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
