/*
 * What a delivery costs, printed and not judged: machines differ. The sockets take everything at
 * once, so this is the worker's own part: reading the ring, encoding, queueing, emptying queues.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/topics/publisher.h"
#include "tests/unit/topics_fixture.h"

enum {
    SUBSCRIBERS = 1000,
    EVENTS = 4096,
    PAYLOAD_BYTES = 128,
    ENCODINGS = 10 * 1000,
    WALKS = 100,
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

/* The same with bytes of each client's own in every frame, and replayed. */
static void spliced_deliveries(void **state)
{
    struct topics_fixture *fixture = topics_fixture_new(4 * UINT64_C(1024) * 1024);
    struct fake_encoding encoding = {0};
    struct fake_client *clients[SUBSCRIBERS];
    char own[64];
    double start;

    (void)state;
    fake_encoding_add(fixture, &encoding, true);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        (void)snprintf(own, sizeof own, "\"%036d\"", i);
        clients[i] = fake_client_open_spliced(fixture, &encoding, own);
        clients[i]->is_forgetful = true;
        (void)fake_client_subscribe(clients[i], "news", NULL);
    }
    print_message("spliced, same topic, bursts of 64: %.2f ns a delivery\n",
                  cost(fixture, 64, "news", "news"));
    print_message("the same one by one: %.2f ns a delivery\n", cost(fixture, 1, "news", "news"));
    for (int i = 0; i < SUBSCRIBERS; i++) {
        (void)topics_unsubscribe(fixture->topics, &clients[i]->subscriber, "news", 4);
        (void)fake_client_resume(clients[i], "news", EVENTS);
    }
    start = seconds();
    topics_fixture_run(fixture);
    print_message("the same resumed behind %d events: %.1f ns a delivery\n", EVENTS,
                  (seconds() - start) / SUBSCRIBERS / EVENTS * 1e9);
    for (int i = 0; i < SUBSCRIBERS; i++)
        fake_client_close(clients[i]);
    fake_encoding_remove(fixture, &encoding);
    topics_fixture_free(fixture);
}

/* Each with an encoding of its own, as GraphQL groups have; and what one event then costs. */
static void many_encodings_of_one_topic(void **state)
{
    struct topics_fixture *fixture = topics_fixture_new(4 * UINT64_C(1024) * 1024);
    struct fake_encoding *encodings = calloc(ENCODINGS, sizeof *encodings);
    struct fake_client **clients = calloc(ENCODINGS, sizeof(struct fake_client *));
    struct fake_client *other = fake_client_open_text(fixture);
    double start;

    (void)state;
    assert_non_null(encodings);
    assert_non_null(clients);
    (void)fake_client_subscribe(other, "other", NULL);
    start = seconds();
    for (int i = 0; i < ENCODINGS; i++) {
        fake_encoding_add(fixture, &encodings[i], true);
        clients[i] = fake_client_open_spliced(fixture, &encodings[i], "own");
        clients[i]->is_forgetful = true;
        (void)fake_client_subscribe(clients[i], "news", NULL);
    }
    print_message("%d encodings subscribe to one topic: %.0f ns each\n", ENCODINGS,
                  (seconds() - start) / ENCODINGS * 1e9);
    (void)topics_append_bytes(fixture, "news", PAYLOAD_BYTES);
    start = seconds();
    topics_fixture_run(fixture);
    print_message("one event for all of them: %.0f ns each\n",
                  (seconds() - start) / ENCODINGS * 1e9);
    start = seconds();
    for (int i = 0; i < WALKS; i++) {
        (void)fake_client_subscribe(other, "news", NULL);
        (void)topics_unsubscribe(fixture->topics, &other->subscriber, "news", 4);
    }
    print_message("one that is live elsewhere comes and goes: %.0f ns\n",
                  (seconds() - start) / WALKS * 1e9);
    start = seconds();
    for (int i = ENCODINGS; i-- > 0;) { /* the fixture finds the newest first */
        fake_client_close(clients[i]);
        fake_encoding_remove(fixture, &encodings[i]);
    }
    print_message("and they leave: %.0f ns each\n", (seconds() - start) / ENCODINGS * 1e9);
    free(clients);
    free(encodings);
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
        cmocka_unit_test(spliced_deliveries),
        cmocka_unit_test(many_encodings_of_one_topic),
        cmocka_unit_test(publishing_with_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
