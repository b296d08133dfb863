/*
 * What is asked on a control socket without memory at each place where some is wanted, and with a store
 * that cannot be read.
 */
#include "tests/unit/protocol_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/protocol/control.h"
#include "server/protocol/waiting.h"
#include "store/env.h"
#include "tests/unit/failing_calls.h"

enum {
    FAILURES_MAX = 200,
};

static int failing_call; /* of the next request; 0: none */
static bool has_failed;
static int snapshot_error;

int __real_store_snapshot_begin(struct store *store, uint64_t committed_seq);
int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq);

int __wrap_store_snapshot_begin(struct store *store, uint64_t committed_seq)
{
    return snapshot_error != 0 ? snapshot_error : __real_store_snapshot_begin(store, committed_seq);
}

/* The request and all its steps, but nothing of the test's own, want memory in here. */
static void on_request(void *user, struct http_exchange *exchange)
{
    struct service *service = user;

    if (failing_call > 0)
        failing_calls_arm(failing_call);
    control_on_request(service, exchange);
    while (service->waiting != NULL)
        (void)waiting_turn(service, 0);
    has_failed = failing_call > 0 && failing_calls_disarm();
    store_snapshot_end(service->store);
}

static int setup(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(TOPICS_RING_BYTES);

    f->http_handlers.on_request = on_request;
    f->http.is_closing = true;
    failing_call = 0;
    snapshot_error = 0;
    for (int i = 0; i < 10; i++)
        (void)topics_append(f->base, i % 2 == 0 ? "even" : "odd", "0");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "new", "0");
    *state = f;
    return 0;
}

/* Its whole answer's status; 0: the connection was closed without one. */
static int ask(struct protocol_fixture *f, const char *method, const char *target)
{
    struct peer *peer = peer_http(f);
    char request[128];
    int status = 0;

    (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target);
    peer_write_text(peer, request);
    peer_wait_end(peer);
    if (peer->received_bytes > 0)
        status = peer_answer(peer, false).status;
    peer_close(peer);
    return status;
}

static void without_memory_it_is_said_or_nothing_is(void **state)
{
    static const struct {
        const char *method;
        const char *target;
    } requests[] = {
        {"GET", "/control/clients"}, {"POST", "/control/kick?client=0-1"},
        {"GET", "/control/log"},     {"GET", "/control/log?topic=odd"},
        {"GET", "/control/top"},
    };
    struct protocol_fixture *f = *state;
    struct peer *client = peer_websocket(f, "/broker");

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int unavailable_count = 0;
        int status;

        failing_call = 0;
        do {
            failing_call++;
            status = ask(f, requests[i].method, requests[i].target);
            assert_true(status == 200 || status == 503 || status == 0);
            unavailable_count += status == 503;
        } while (has_failed && failing_call < FAILURES_MAX);
        assert_false(has_failed);
        assert_int_equal(status, 200);
        assert_true(unavailable_count > 0);
    }
    peer_close(client);
}

static void an_unreadable_store_leaves_what_it_is_not_needed_for(void **state)
{
    struct protocol_fixture *f = *state;
    struct answer answer;

    snapshot_error = -EIO;
    assert_error(protocol_request(f, "GET", "/control/log", "", NULL), 503, "unavailable");
    answer = protocol_request(f, "GET", "/control/top", "", NULL);
    assert_int_equal(answer.status, 200);
    assert_part(answer.body, "\"last_seq\":11,");
    assert_part(answer.body, "\"operations\":0,\"busiest\":[]}");
    assert_int_equal(protocol_request(f, "GET", "/control/clients", "", NULL).status, 200);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(without_memory_it_is_said_or_nothing_is),
        FAULT_TEST(an_unreadable_store_leaves_what_it_is_not_needed_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
