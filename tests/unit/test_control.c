/* What is asked and ordered on a control socket, but for the log and the totals. */
#include "tests/unit/protocol_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/protocol/control.h"
#include "server/protocol/session.h"

enum {
    MANY = 2 * CONTROL_STEP + 345,
    GOING_AWAY = 1001,
};

/* A client of no protocol. */
struct fake {
    struct client client; /* first: the operations come back to it */
    struct clients *clients;
    const char *name;
    uint32_t lagging;
    int kicked_count;
    bool leaves_when_kicked;
};

static const struct fake *fake_of(const struct client *client)
{
    return (const struct fake *)(const void *)client;
}

static void describe(const struct client *client, struct client_view *view)
{
    const struct fake *fake = fake_of(client);

    if (fake->name != NULL)
        (void)snprintf(view->name, sizeof view->name, "%s", fake->name);
    (void)snprintf(view->peer, sizeof view->peer, "10.0.0.1:%u", client->number);
    view->messages_in = 1;
    view->messages_out = 2;
    view->bytes_in = 3;
    view->bytes_out = UINT64_MAX;
    view->queued_bytes = 5;
    view->subscriptions = 6;
    view->lagging = fake->lagging;
}

static void kick_fake(struct client *client)
{
    struct fake *fake = (struct fake *)(void *)client;

    fake->kicked_count++;
    client_give_reason(client, STAT_CLOSED_KICKED);
    if (fake->leaves_when_kicked)
        client_leave(fake->clients, client);
}

static const struct client_operations operations = {
    .protocol = STAT_PROTOCOL_ROOM, .describe = describe, .kick = kick_fake};

static void join(struct protocol_fixture *f, struct fake *fake)
{
    fake->clients = &f->service.clients;
    client_join(&f->service.clients, &fake->client, &operations);
}

static struct fake *join_many(struct protocol_fixture *f, size_t count)
{
    struct fake *fakes = calloc(count, sizeof *fakes);

    assert_non_null(fakes);
    for (size_t i = 0; i < count; i++)
        join(f, &fakes[i]);
    return fakes;
}

/* Of a test that has no other clients. */
static void leave_all(struct protocol_fixture *f)
{
    while (f->service.clients.first != NULL)
        client_leave(&f->service.clients, f->service.clients.first);
}

/* All connections are to the control socket, until a test says otherwise. */
static int setup(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    f->http_handlers.on_request = control_on_request;
    *state = f;
    return 0;
}

static struct answer get(struct protocol_fixture *f, const char *target)
{
    return protocol_request(f, "GET", target, "", NULL);
}

static struct answer post(struct protocol_fixture *f, const char *target)
{
    return protocol_request(f, "POST", target, "", NULL);
}

static void assert_bad(struct answer answer, const char *parameter)
{
    assert_error(answer, 400, "bad_request");
    assert_part(answer.body, parameter);
}

/* --- routes ----------------------------------------------------------------------------------- */

static void everything_else_is_served_as_elsewhere(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/broker");

    assert_int_equal(get(f, "/health").status, 200);
    assert_int_equal(get(f, "/topics").status, 200);
    assert_error(get(f, "/nothing"), 404, "not_found");
    assert_error(get(f, "/control"), 404, "not_found");
    peer_send_text(peer, "{\"action\":\"ping\"}");
    assert_part(peer_text(peer), "\"pong\"");
    peer_close(peer);
}

static void ordinary_listeners_have_nothing_below_control(void **state)
{
    static const char *const targets[] = {"/control/clients", "/control/log", "/control/top"};
    struct protocol_fixture *f = *state;

    f->http_handlers.on_request = router_on_request;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        assert_error(get(f, targets[i]), 404, "not_found");
    assert_error(post(f, "/control/kick?client=0-1"), 404, "not_found");
    assert_error(post(f, "/control/drain"), 404, "not_found");
}

static void paths_and_methods_are_exact(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    assert_error(get(f, "/control/"), 404, "not_found");
    assert_error(get(f, "/control/clients/"), 404, "not_found");
    assert_error(get(f, "/control/client"), 404, "not_found");
    answer = post(f, "/control/clients");
    assert_error(answer, 405, "method_not_allowed");
    assert_part(answer.head, "Allow: GET, HEAD\r\n");
    answer = get(f, "/control/kick?client=0-1");
    assert_error(answer, 405, "method_not_allowed");
    assert_part(answer.head, "Allow: POST\r\n");
    assert_error(protocol_request(f, "OPTIONS", "/control/drain", "", NULL), 405,
                 "method_not_allowed");
    answer = protocol_request(f, "HEAD", "/control/clients", "", NULL);
    assert_int_equal(answer.status, 200);
    assert_no_part(answer.head, "Content-Length: 0\r\n");
}

/* --- nobody is refused ------------------------------------------------------------------------ */

static void newcomers_are_served_while_others_are_refused(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.is_refusing = true;
    f->http.is_closing = true; /* every connection is a newcomer then */
    bus_set_phase(f->base->bus, BUS_DRAINING, 0);
    assert_int_equal(post(f, "/topics/news").status, 201);
    peer = peer_websocket(f, "/broker");
    peer_send_text(peer, "{\"action\":\"subscribe\",\"topic\":\"news\"}");
    assert_part(peer_text(peer), "\"subscribed\"");
    peer_close(peer);
    peer = peer_http(f);
    assert_part(
        peer_request(peer, "HEAD", "/topics/news", "Accept: text/event-stream\r\n", NULL).head,
        "text/event-stream");
    peer_close(peer);

    f->http_handlers.on_request = router_on_request;
    assert_error(post(f, "/topics/news"), 503, "unavailable");
}

static void once_all_are_closed_newcomers_would_only_be_late(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer;

    f->service.is_refusing = true;
    bus_set_phase(f->base->bus, BUS_CLOSING, 0);
    peer = peer_websocket(f, "/broker");
    assert_int_equal(peer_close_code(peer), GOING_AWAY);
    peer_close(peer);
    assert_int_equal(get(f, "/topics").status, 200);
    assert_int_equal(get(f, "/control/clients").status, 200);
    assert_true(f->service.is_refusing);
}

static void no_rate_and_no_origin_is_looked_at(void **state)
{
    struct protocol_fixture *f = *state;
    const char *const page = "Origin: https://evil.example\r\nContent-Type: text/plain\r\n";
    struct peer *peer = peer_http(f);

    f->service.limits.rates.messages = 1;
    for (int i = 0; i < 10; i++) {
        struct answer answer = peer_request(peer, "POST", "/topics/news", page, "x");

        assert_int_equal(answer.status, 201);
        assert_no_part(answer.head, "Access-Control");
    }
    assert_int_equal(topics_stat(f->base, STAT_RATE_LIMITED), 0);
    peer_close(peer);

    f->http_handlers.on_request = router_on_request;
    assert_error(protocol_request(f, "POST", "/topics/news", page, "x"), 403, "forbidden");
}

/* --- clients ---------------------------------------------------------------------------------- */

static void clients_are_listed_with_what_there_is_to_say(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake fakes[2] = {{.name = "al\"ice"}, {.lagging = 3}};

    f->service.worker_index = 7;
    assert_string_equal(get(f, "/control/clients").body,
                        "{\"worker\":7,\"pid\":0,\"clients\":[],\"more\":false}");
    bus_slot_set_pid(f->base->bus, TOPICS_SLOT, 4711);
    join(f, &fakes[0]);
    join(f, &fakes[1]);
    assert_string_equal(
        get(f, "/control/clients").body,
        "{\"worker\":7,\"pid\":4711,\"clients\":["
        "{\"id\":\"7-2\",\"protocol\":\"room\",\"name\":null,\"peer\":\"10.0.0.1:2\","
        "\"transport\":\"\",\"connected_seconds\":0,\"messages_in\":1,\"messages_out\":2,"
        "\"bytes_in\":3,\"bytes_out\":18446744073709551615,\"queued_bytes\":5,\"subscriptions\":6,"
        "\"lagging\":3},"
        "{\"id\":\"7-1\",\"protocol\":\"room\",\"name\":\"al\\\"ice\",\"peer\":\"10.0.0.1:1\","
        "\"transport\":\"\",\"connected_seconds\":0,\"messages_in\":1,\"messages_out\":2,"
        "\"bytes_in\":3,\"bytes_out\":18446744073709551615,\"queued_bytes\":5,\"subscriptions\":6,"
        "\"lagging\":0}"
        "],\"more\":false}");
    leave_all(f); /* they are ours */
}

/* Takes note of the clients of one page, which come newest first; the last one's number. */
static unsigned note_page(const char *body, int *seen, unsigned before, size_t *ret_count)
{
    const char *at = body;

    *ret_count = 0;
    while ((at = strstr(at, "{\"id\":\"0-")) != NULL) {
        unsigned number = (unsigned)strtoul(at + strlen("{\"id\":\"0-"), NULL, 10);

        assert_true(number < before);
        seen[number]++;
        before = number;
        at++;
        ++*ret_count;
    }
    return before;
}

static void pages_hold_every_client_once(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);
    int *seen = calloc(MANY + 1, sizeof *seen);
    unsigned before = MANY + 1;
    size_t left = MANY;
    char target[64];

    assert_non_null(seen);
    while (left > 0) {
        size_t count;
        struct answer answer;

        (void)snprintf(target, sizeof target, "/control/clients?limit=%d&before=%u", 300, before);
        answer = get(f, target);
        before = note_page(answer.body, seen, before, &count);
        assert_int_equal(count, left < 300 ? left : 300);
        left -= count;
        assert_part(answer.body, left > 0 ? "\"more\":true}" : "\"more\":false}");
    }
    for (unsigned i = 1; i <= MANY; i++)
        assert_int_equal(seen[i], 1);
    assert_string_equal(get(f, "/control/clients?before=1").body,
                        "{\"worker\":0,\"pid\":0,\"clients\":[],\"more\":false}");
    leave_all(f);
    free(seen);
    free(fakes);
}

static void a_page_is_bounded_unless_asked(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, CONTROL_CLIENTS_MAX + 1);
    int *seen = calloc(CONTROL_CLIENTS_MAX + 2, sizeof *seen);
    struct answer answer = get(f, "/control/clients");
    size_t count;

    assert_non_null(seen);
    (void)note_page(answer.body, seen, CONTROL_CLIENTS_MAX + 2, &count);
    assert_int_equal(count, CONTROL_CLIENTS_MAX);
    assert_part(answer.body, "\"more\":true}");
    leave_all(f);
    free(seen);
    free(fakes);
}

static void only_those_that_lag_are_listed_when_asked(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);
    struct answer answer;

    fakes[0].lagging = 1;
    fakes[MANY - 1].lagging = 2;
    answer = get(f, "/control/clients?lagging=true");
    assert_part(answer.body, "\"id\":\"0-1\"");
    assert_no_part(answer.body, "\"id\":\"0-2\"");
    assert_part(answer.body, "],\"more\":false}");
    assert_part(get(f, "/control/clients?lagging=true&limit=1").body, "],\"more\":true}");
    assert_part(get(f, "/control/clients?lagging=false&limit=1&before=3").body, "\"id\":\"0-2\"");
    leave_all(f);
    free(fakes);
}

static void clients_come_and_go_while_they_are_listed(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);
    int *seen = calloc(MANY + 2, sizeof *seen);
    struct peer *peer = peer_http(f);
    struct fake late = {0};
    size_t count;

    assert_non_null(seen);
    peer_write_text(peer, "GET /control/clients?lagging=false HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.clients.walks == NULL)
        protocol_turn(f);
    assert_true(f->service.clients.walks->cursor->number > 1);
    client_leave(&f->service.clients, f->service.clients.walks->cursor);
    client_leave(&f->service.clients, &fakes[0].client);
    join(f, &late);
    (void)note_page(peer_answer(peer, false).body, seen, MANY + 2, &count);
    assert_int_equal(seen[1] + seen[MANY + 1], 0);
    assert_null(f->service.clients.walks);
    leave_all(f);
    peer_close(peer);
    free(seen);
    free(fakes);
}

static void who_asks_may_go_before_the_answer(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);
    struct peer *peer = peer_http(f);

    peer_write_text(peer, "GET /control/clients?lagging=true HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.clients.walks == NULL)
        protocol_turn(f);
    tcp_set_close(f->tcp); /* everybody goes at once */
    assert_null(f->service.clients.walks);
    assert_null(f->service.waiting);
    assert_int_equal(tcp_set_open(f->loop, NULL, &f->tcp), 0);
    peer_close(peer);
    leave_all(f);
    free(fakes);
}

static void bad_parameters_of_a_list_are_named(void **state)
{
    struct protocol_fixture *f = *state;

    assert_bad(get(f, "/control/clients?limit=0"), "`limit`");
    assert_bad(get(f, "/control/clients?limit=1001"), "`limit`");
    assert_bad(get(f, "/control/clients?limit=99999999999999999999999"), "`limit`");
    assert_bad(get(f, "/control/clients?limit="), "`limit`");
    assert_bad(get(f, "/control/clients?before=0"), "`before`");
    assert_bad(get(f, "/control/clients?before=0-7"), "`before`");
    assert_bad(get(f, "/control/clients?before=-1"), "`before`");
    assert_bad(get(f, "/control/clients?lagging=1"), "`lagging`");
    assert_int_equal(get(f, "/control/clients?before=18446744073709551615").status, 200);
}

/* --- kick ------------------------------------------------------------------------------------- */

static void an_id_kicks_one_client_of_this_worker(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);
    struct fake namesake = {.name = "0-1"};

    join(f, &namesake);
    assert_string_equal(post(f, "/control/kick?client=0-1").body, "{\"kicked\":1}");
    assert_int_equal(fakes[0].kicked_count, 1);
    assert_int_equal(fakes[0].client.reason, STAT_CLOSED_KICKED);
    assert_int_equal(namesake.kicked_count, 0); /* a name that looks like an id */
    assert_string_equal(post(f, "/control/kick?client=1-2").body, "{\"kicked\":0}");
    assert_string_equal(post(f, "/control/kick?client=0-99999").body, "{\"kicked\":0}");
    for (size_t i = 1; i < MANY; i++)
        assert_int_equal(fakes[i].kicked_count, 0);
    leave_all(f);
    free(fakes);
}

static void a_name_kicks_all_who_have_it(void **state)
{
    struct protocol_fixture *f = *state;
    struct fake *fakes = join_many(f, MANY);

    fakes[0].name = "ann-7";
    fakes[5].name = "ann-7";
    fakes[5].leaves_when_kicked = true;
    fakes[6].name = "ann-77";
    fakes[7].name = "ann-7";
    client_give_reason(&fakes[7].client, STAT_CLOSED_SLOW); /* leaves already */
    fakes[MANY - 1].name = "ann-7";
    assert_string_equal(post(f, "/control/kick?client=ann-7").body, "{\"kicked\":3}");
    assert_int_equal(fakes[0].kicked_count, 1);
    assert_int_equal(fakes[5].kicked_count, 1);
    assert_int_equal(fakes[6].kicked_count, 0);
    assert_int_equal(fakes[7].kicked_count, 0);
    assert_int_equal(f->service.clients.count, MANY - 1);
    /* The two that have not gone yet have been told. */
    assert_string_equal(post(f, "/control/kick?client=ann%2D7").body, "{\"kicked\":0}");
    assert_int_equal(fakes[0].kicked_count, 1);
    assert_int_equal(stat_get(f->base->bus, TOPICS_SLOT, stat_at(STAT_CLOSED, STAT_CLOSED_KICKED)),
                     1);
    leave_all(f);
    free(fakes);
}

static void bad_parameters_of_a_kick_are_named(void **state)
{
    struct protocol_fixture *f = *state;
    char target[128] = "/control/kick?client=";
    struct fake nameless = {0};

    join(f, &nameless);
    assert_bad(post(f, "/control/kick"), "`client`");
    assert_bad(post(f, target), "`client`"); /* not everybody who has no name */
    assert_bad(post(f, "/control/kick?client=a%00"), "`client`");
    assert_bad(post(f, "/control/kick?client=%ff"), "`client`");
    assert_bad(post(f, "/control/kick?client=%4"), "`client`");
    memset(target + strlen(target), 'x', CLIENT_NAME_BYTES_MAX);
    assert_bad(post(f, target), "`client`");
    assert_int_equal(nameless.kicked_count, 0);
    leave_all(f);
}

static void a_kicked_websocket_is_closed(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_websocket(f, "/ws/ann");

    (void)peer_text(peer); /* the greeting */
    assert_string_equal(post(f, "/control/kick?client=0-1").body, "{\"kicked\":1}");
    assert_true(peer_close_code(peer) >= 1001);
    peer_close(peer);
}

/* --- drain ------------------------------------------------------------------------------------ */

static void a_drain_is_a_signal_to_the_master(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        (void)signal(SIGTERM, SIG_DFL);
        for (;;)
            (void)pause(); /* until it comes */
    }
    assert_true(pid > 0);
    bus_slot_set_pid(f->base->bus, BUS_SLOT_MASTER, (int32_t)pid);
    answer = post(f, "/control/drain");
    assert_int_equal(answer.status, 202);
    assert_string_equal(answer.body, "{\"status\":\"draining\"}");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

    assert_error(post(f, "/control/drain"), 503, "unavailable"); /* it is gone */
}

static void without_a_master_nobody_is_signalled(void **state)
{
    struct protocol_fixture *f = *state;

    bus_slot_set_pid(f->base->bus, BUS_SLOT_MASTER, 0); /* would be our own process group */
    assert_error(post(f, "/control/drain"), 503, "unavailable");
}

int main(void)
{
#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        CONTROL_TEST(everything_else_is_served_as_elsewhere),
        CONTROL_TEST(ordinary_listeners_have_nothing_below_control),
        CONTROL_TEST(paths_and_methods_are_exact),
        CONTROL_TEST(newcomers_are_served_while_others_are_refused),
        CONTROL_TEST(once_all_are_closed_newcomers_would_only_be_late),
        CONTROL_TEST(no_rate_and_no_origin_is_looked_at),
        CONTROL_TEST(clients_are_listed_with_what_there_is_to_say),
        CONTROL_TEST(pages_hold_every_client_once),
        CONTROL_TEST(a_page_is_bounded_unless_asked),
        CONTROL_TEST(only_those_that_lag_are_listed_when_asked),
        CONTROL_TEST(clients_come_and_go_while_they_are_listed),
        CONTROL_TEST(who_asks_may_go_before_the_answer),
        CONTROL_TEST(bad_parameters_of_a_list_are_named),
        CONTROL_TEST(an_id_kicks_one_client_of_this_worker),
        CONTROL_TEST(a_name_kicks_all_who_have_it),
        CONTROL_TEST(bad_parameters_of_a_kick_are_named),
        CONTROL_TEST(a_kicked_websocket_is_closed),
        CONTROL_TEST(a_drain_is_a_signal_to_the_master),
        CONTROL_TEST(without_a_master_nobody_is_signalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
