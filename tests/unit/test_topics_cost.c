/*
 * What a delivery costs, printed and not judged: machines differ. The sockets take everything at
 * once, so this is the worker's own part: reading the ring, encoding, queueing, emptying queues.
 */
#include <stdio.h>
#include <time.h>

#include "server/topics/publisher.h"
#include "tests/unit/topics_fixture.h"

enum {
    SUBSCRIBERS = 1000,
    EVENTS = 4096,
    PAYLOAD_BYTES = 128,
};

static double seconds(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct topics_fixture *fixture_with_subscribers(const char *topic, const char *other)
{
    struct topics_fixture *fixture = topics_fixture_new(4 * UINT64_C(1024) * 1024);

    for (int i = 0; i < SUBSCRIBERS; i++) {
        struct fake_client *client = fake_client_open(fixture, fixture->text_encoding);

        client->is_forgetful = true;
        (void)fake_client_subscribe(client, topic, NULL);
        if (other != NULL)
            (void)fake_client_subscribe(client, other, NULL);
    }
    return fixture;
}

/* Publishes EVENTS events, @burst at a time, and delivers each burst; CPU ns per delivery. */
static double cost(struct topics_fixture *fixture, int burst, const char *topic, const char *other)
{
    double spent = 0;
    int64_t before = topics_stat(fixture, STAT_MESSAGES_DELIVERED);

    for (int done = 0; done < EVENTS; done += burst) {
        double start;

        for (int i = 0; i < burst; i++)
            (void)topics_append_bytes(fixture, i % 2 == 0 ? topic : other, PAYLOAD_BYTES);
        start = seconds();
        topics_fixture_run(fixture);
        spent += seconds() - start;
        topics_commit(fixture, NULL);
    }
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED) - before,
                     (int64_t)SUBSCRIBERS * EVENTS);
    return spent / SUBSCRIBERS / EVENTS * 1e9;
}

static void deliveries_in_runs(void **state)
{
    struct topics_fixture *fixture = fixture_with_subscribers("news", NULL);

    (void)state;
    print_message("%d subscribers, %d bytes, same topic, bursts of 64: %.2f ns a delivery\n",
                  SUBSCRIBERS, PAYLOAD_BYTES, cost(fixture, 64, "news", "news"));
    print_message("the same one by one: %.2f ns a delivery\n", cost(fixture, 1, "news", "news"));
    topics_fixture_free(fixture);
}

static void deliveries_of_alternating_topics(void **state)
{
    struct topics_fixture *fixture = fixture_with_subscribers("news", "room");

    (void)state;
    print_message("two topics in turns, both subscribed, bursts of 64: %.2f ns a delivery\n",
                  cost(fixture, 64, "news", "room"));
    topics_fixture_free(fixture);
}

static void a_thousand_clients_resume(void **state)
{
    struct topics_fixture *fixture = topics_fixture_new(4 * UINT64_C(1024) * 1024);
    const struct resume resume = {.has_since = true};
    double start;

    (void)state;
    for (int i = 0; i < EVENTS; i++)
        (void)topics_append_bytes(fixture, i % 2 == 0 ? "news" : "other", PAYLOAD_BYTES);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        struct fake_client *client = fake_client_open(fixture, fixture->text_encoding);

        client->is_forgetful = true;
        (void)fake_client_subscribe(client, "news", &resume);
    }
    start = seconds();
    topics_fixture_run(fixture);
    print_message("%d clients resume behind %d events: %.1f ns a delivery, %llu frames encoded\n",
                  SUBSCRIBERS, EVENTS / 2, (seconds() - start) / SUBSCRIBERS / (EVENTS / 2.0) * 1e9,
                  (unsigned long long)fixture->encoded_count);
    assert_int_equal(topics_stat(fixture, STAT_MESSAGES_DELIVERED), SUBSCRIBERS * EVENTS / 2);
    topics_fixture_free(fixture);
}

static void count_answer(void *user, uint64_t tag, const struct publish_result *result)
{
    uint64_t *count = user;

    (void)tag;
    assert_int_equal(result->error, 0);
    (*count)++;
}

static void publishing_with_answers(void **state)
{
    struct topics_fixture *fixture = topics_fixture_new(16 * UINT64_C(1024) * 1024);
    const bool is_always_durable = false;
    const struct publisher_options options = {
        .bus = fixture->bus, .slot = TOPICS_SLOT, .always_durable = &is_always_durable};
    static const char payload[PAYLOAD_BYTES] = "\"";
    struct publisher *publisher = NULL;
    uint64_t count = 0;
    const struct publish publish = {.topic = "news",
                                    .topic_bytes = 4,
                                    .payload = payload,
                                    .payload_bytes = PAYLOAD_BYTES,
                                    .on_done = count_answer,
                                    .user = &count};
    double spent = 0;

    (void)state;
    assert_int_equal(publisher_open(&options, &publisher), 0);
    for (int round = 0; round < 64; round++) {
        double start = seconds();

        for (int turn = 0; turn < 16; turn++) {
            for (int i = 0; i < 64; i++)
                assert_int_equal(publisher_publish(publisher, &publish), 0);
            publisher_turn(publisher, 1);
        }
        spent += seconds() - start;
        topics_commit(fixture, NULL);
    }
    assert_int_equal(count, 64 * 16 * 64);
    print_message("publishing with an answer, 64 a turn: %.0f ns each\n",
                  spent / (double)count * 1e9);
    publisher_close(publisher);
    topics_fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_in_runs),
        cmocka_unit_test(deliveries_of_alternating_topics),
        cmocka_unit_test(a_thousand_clients_resume),
        cmocka_unit_test(publishing_with_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
