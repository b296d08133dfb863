/* What all processes do, added up; and the busiest topics of the end of the log. */
#include "tests/unit/protocol_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/protocol/control.h"
#include "server/protocol/top_topics.h"

static int setup(void **state)
{
    struct protocol_fixture *f = protocol_fixture_new(UINT64_C(4) * TOPICS_RING_BYTES);

    f->http_handlers.on_request = control_on_request;
    *state = f;
    return 0;
}

static const char *get(struct protocol_fixture *f)
{
    struct answer answer = protocol_request(f, "GET", "/control/top", "", NULL);

    assert_int_equal(answer.status, 200);
    return answer.body;
}

/* Counts to the end; the topics as "name operations bytes, ". */
static const char *busiest(struct protocol_fixture *f, struct top_topics *top)
{
    static char text[8 * 1024];
    struct top_topic_view views[TOP_TOPICS_SHOWN];
    size_t count;
    size_t used = 0;

    top_topics_begin(top, &f->service);
    while (top_topics_step(top) > 0)
        store_snapshot_end(f->base->store); /* a turn */
    store_snapshot_end(f->base->store);
    count = top_topics_list(top, views);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s %" PRIu64 " %" PRIu64 ", ",
                                 (int)views[i].name_bytes, views[i].name, views[i].operation_count,
                                 views[i].payload_bytes);
        assert_true(used < sizeof text);
    }
    return text;
}

/* --- totals ----------------------------------------------------------------------------------- */

static void every_process_has_its_totals(void **state)
{
    struct protocol_fixture *f = *state;
    struct bus *bus = f->base->bus;
    const char *body;

    bus_slot_set_pid(bus, BUS_SLOT_MASTER, 10);
    bus_slot_occupy(bus, BUS_SLOT_WRITER);
    bus_slot_set_pid(bus, BUS_SLOT_WRITER, 11);
    bus_slot_set_pid(bus, TOPICS_SLOT, 12);
    bus_slot_occupy(bus, TOPICS_SLOT + 5);
    bus_slot_set_pid(bus, TOPICS_SLOT + 5, 13);
    stat_set(bus, TOPICS_SLOT + 5, STAT_CLIENTS, 100);
    stat_set(bus, TOPICS_SLOT + 5, STAT_CONNECTIONS, 101);
    stat_set(bus, TOPICS_SLOT + 5, STAT_SUBSCRIPTIONS, 102);
    stat_set(bus, TOPICS_SLOT + 5, STAT_LAGGING, 103);
    stat_set(bus, TOPICS_SLOT + 5, STAT_QUEUED_BYTES, 104);
    stat_set(bus, TOPICS_SLOT + 5, stat_at(STAT_MESSAGES_IN, STAT_PROTOCOL_ROOM), 5);
    stat_set(bus, TOPICS_SLOT + 5, stat_at(STAT_MESSAGES_IN, STAT_PROTOCOL_GRAPHQL_HTTP), 100);
    stat_set(bus, TOPICS_SLOT + 5, STAT_MESSAGES_DELIVERED_LAST, 106);
    stat_set(bus, TOPICS_SLOT + 5, STAT_BYTES_IN, 107);
    stat_set(bus, TOPICS_SLOT + 5, STAT_BYTES_OUT, 108);
    stat_set(bus, TOPICS_SLOT + 5, STAT_RSS_BYTES, 109);
    stat_set(bus, TOPICS_SLOT + 5, STAT_CPU_NS, UINT64_C(61000002999));
    bus_slot_turn(bus, TOPICS_SLOT + 5);

    body = get(f);
    assert_part(body, "\"processes\":[{\"name\":\"worker 0\",\"pid\":12,\"slot\":3,");
    assert_part(body, "},{\"name\":\"worker 5\",\"pid\":13,\"slot\":8,\"clients\":100,"
                      "\"connections\":101,\"subscriptions\":102,\"lagging\":103,"
                      "\"queued_bytes\":104,\"messages_in\":105,\"delivered\":106,"
                      "\"bytes_in\":107,\"bytes_out\":108,\"turns\":1,\"rss_bytes\":109,"
                      "\"cpu_seconds\":61.000002},");
    assert_part(body, "{\"name\":\"store writer\",\"pid\":11,\"slot\":1,");
    assert_part(body, "{\"name\":\"master\",\"pid\":10,\"slot\":0,");
    assert_part(body, "\"cpu_seconds\":0.000000}],\"published\":");

    bus_slot_vacate(bus, TOPICS_SLOT + 5);
    bus_slot_vacate(bus, BUS_SLOT_WRITER);
    body = get(f);
    assert_no_part(body, "worker 5");
    assert_no_part(body, "store writer");
}

static void the_server_s_numbers_are_added_up(void **state)
{
    struct protocol_fixture *f = *state;
    struct bus *bus = f->base->bus;
    const char *body;

    stat_add(bus, TOPICS_SLOT, stat_published(STAT_PROTOCOL_ROOM, false), 1);
    stat_add(bus, TOPICS_SLOT + 1, stat_published(STAT_PROTOCOL_HTTP, true), 10);
    stat_add(bus, BUS_SLOT_WRITER, stat_published(STAT_PROTOCOL_SERVER, true), 100);
    stat_add(bus, TOPICS_SLOT, STAT_PUBLISH_REFUSED, 7);
    stat_add(bus, TOPICS_SLOT + 1, STAT_RING_WAITS, 8);
    stat_observe(bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, 250000, 1);
    stat_observe(bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, UINT64_C(2000000000), 2);
    stat_observe(bus, BUS_SLOT_WRITER, STAT_COMMIT_TIME, UINT64_C(60000000000), 1);
    stat_observe(bus, BUS_SLOT_WRITER, STAT_COMMIT_SIZE, 30, 2);
    stat_set(bus, BUS_SLOT_WRITER, STAT_STORE_USED_BYTES, 21);
    stat_set(bus, BUS_SLOT_WRITER, STAT_STORE_MAP_BYTES, 22);
    stat_set(bus, BUS_SLOT_WRITER, STAT_DISK_FREE_BYTES, 23);
    stat_set(bus, BUS_SLOT_WRITER, STAT_LOG_BYTES, 24);
    stat_set(bus, BUS_SLOT_WRITER, STAT_LOG_OPERATIONS, 25);
    (void)topics_append(f->base, "a", "1");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "a", "1"); /* 64 bytes in the ring */

    body = get(f);
    assert_part(body, "{\"version\":\"" SLUICE_VERSION "\",\"status\":\"");
    assert_part(body, ",\"epoch\":\"" PROTOCOL_EPOCH
                      "\",\"first_seq\":1,\"last_seq\":2,\"committed_seq\":1,");
    assert_part(body, ",\"published\":111,\"publish_refused\":7,\"ring\":{\"bytes\":4194304,"
                      "\"uncommitted_bytes\":64,\"waits\":8},");
    assert_part(body, "\"commits\":{\"count\":4,\"operations\":60,\"seconds\":64.000250,"
                      "\"bounds_seconds\":[0.000250,0.000500,0.001000,0.002500,0.005000,0.010000,"
                      "0.025000,0.050000,0.100000,0.250000,0.500000,1.000000,2.500000,10.000000],"
                      "\"buckets\":[1,0,0,0,0,0,0,0,0,0,0,0,2,0,1]},");
    assert_part(body, "\"store\":{\"used_bytes\":21,\"map_bytes\":22,\"disk_free_bytes\":23,"
                      "\"log_bytes\":24,\"log_operations\":25},");
    assert_part(body, "\"operations\":2,\"busiest\":[{\"topic\":\"a\",\"operations\":2,"
                      "\"bytes\":2,\"subscribers\":0}]}}");
}

static void the_state_is_that_of_health(void **state)
{
    struct protocol_fixture *f = *state;

    bus_set_refusal(f->base->bus, BUS_STORAGE_FULL, 0);
    assert_part(get(f), "\"status\":\"degraded\",\"reason\":\"the store is full\",\"uptime");
    bus_set_phase(f->base->bus, BUS_DRAINING, INT64_MAX);
    assert_part(get(f), "\"status\":\"draining\",\"remaining_seconds\":");
}

static void who_asks_may_go_before_the_answer(void **state)
{
    struct protocol_fixture *f = *state;
    struct peer *peer = peer_http(f);

    topics_append_many(f->base, "news", 10, 51200);
    peer_write_text(peer, "GET /control/top HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->service.waiting == NULL)
        protocol_turn(f);
    tcp_set_close(f->tcp); /* everybody goes at once */
    assert_null(f->service.waiting);
    assert_int_equal(tcp_set_open(f->loop, NULL, &f->tcp), 0);
    peer_close(peer);
}

/* --- topics ----------------------------------------------------------------------------------- */

static void an_empty_log_has_no_busy_topics(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;

    assert_string_equal(busiest(f, &top), "");
    assert_int_equal(top.operation_count, 0);
    top_topics_done(&top);
    assert_part(get(f), "\"topics\":{\"seconds\":0.000000,\"operations\":0,\"busiest\":[]}}");
}

static void the_busiest_come_first(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;
    struct peer *peer = peer_websocket(f, "/broker");

    (void)topics_append(f->base, "small", "1");
    (void)topics_append(f->base, "large,busy", "\"12345678\"");
    topics_commit(f->base, NULL);
    (void)topics_append(f->base, "busy", "1");
    assert_string_equal(busiest(f, &top), "busy 2 11, large 1 10, small 1 1, ");
    assert_int_equal(top.operation_count, 3);
    top_topics_done(&top);

    peer_send_text(peer, "{\"action\":\"subscribe\",\"topic\":\"busy\"}");
    (void)peer_text(peer);
    assert_part(get(f), "\"busiest\":[{\"topic\":\"busy\",\"operations\":2,\"bytes\":11,"
                        "\"subscribers\":1},");
    peer_close(peer);
}

static void only_so_many_topics_are_shown(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;
    char name[16];
    const char *text;

    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        for (int n = 0; n <= (i * 7) % 50; n++)
            (void)topics_append(f->base, name, "0");
    }
    text = busiest(f, &top);
    assert_int_equal(strncmp(text, "t7 50 50, t14 49 49, t21 48 48, ", 32), 0);
    assert_part(text, " 31 31, ");
    assert_no_part(text, " 30 30, ");
    top_topics_done(&top);
}

/* The end of the log counts, not all of it. */
static void what_is_old_is_not_counted(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;

    topics_append_many(f->base, "old", 20, 51200);
    topics_commit(f->base, NULL);
    topics_append_many(f->base, "new", 8, 51200);
    topics_commit(f->base, NULL);
    topics_append_many(f->base, "newest", 2, 51200);
    (void)busiest(f, &top);
    assert_true(top.bytes <= TOP_TOPICS_BYTES);
    assert_int_equal(top.operation_count, 10);
    top_topics_done(&top);
    assert_no_part(get(f), "\"old\"");
}

/* A disk that is behind: then what lies behind what is committed. */
static void a_long_way_to_the_disk_is_not_walked_to_its_end(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;

    (void)topics_append(f->base, "committed", "0");
    topics_commit(f->base, NULL);
    topics_append_many(f->base, "waiting", 30, 51200);
    assert_string_equal(busiest(f, &top), "waiting 11 563200, ");
    assert_true(top.bytes < TOP_TOPICS_BYTES + 64 * 1024);
    top_topics_done(&top);
}

/* Whoever publishes to ever new topics takes no memory for ever, here neither. */
static void so_many_different_topics_are_told_apart(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;
    char name[32];

    for (int i = 0; i < TOP_TOPICS_MAX / 2 + 10; i++) {
        (void)snprintf(name, sizeof name, "a%d,b%d", i, i);
        (void)topics_append(f->base, name, "0");
    }
    (void)busiest(f, &top);
    assert_int_equal(top.topic_count, TOP_TOPICS_MAX);
    assert_int_equal(top.operation_count, TOP_TOPICS_MAX / 2 + 10);
    top_topics_done(&top);
    assert_null(top.table);
}

/* Many small commits are many blocks: only so many are gone back over. */
static void small_blocks_are_fewer_bytes(void **state)
{
    struct protocol_fixture *f = *state;
    struct top_topics top;

    for (int i = 0; i < TOP_TOPICS_BLOCKS_MAX + 20; i++) {
        (void)topics_append(f->base, "a", "0");
        topics_commit(f->base, NULL);
    }
    (void)busiest(f, &top);
    assert_int_equal(top.operation_count, TOP_TOPICS_BLOCKS_MAX);
    top_topics_done(&top);
}

int main(void)
{
#define TOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, protocol_teardown)
    const struct CMUnitTest tests[] = {
        TOP_TEST(every_process_has_its_totals),
        TOP_TEST(the_server_s_numbers_are_added_up),
        TOP_TEST(the_state_is_that_of_health),
        TOP_TEST(who_asks_may_go_before_the_answer),
        TOP_TEST(an_empty_log_has_no_busy_topics),
        TOP_TEST(the_busiest_come_first),
        TOP_TEST(only_so_many_topics_are_shown),
        TOP_TEST(what_is_old_is_not_counted),
        TOP_TEST(a_long_way_to_the_disk_is_not_walked_to_its_end),
        TOP_TEST(so_many_different_topics_are_told_apart),
        TOP_TEST(small_blocks_are_fewer_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
