/*
 * What a delivery costs, printed and not judged: machines differ. The sockets take everything at
 * once, so this is the worker's own part: reading the ring, encoding, queueing, emptying queues.
 */
#include <stdio.h>
#include <time.h>

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
    struct topics_fixture *fixture = topics_fixture_new(4 * 1024 * 1024);

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
    struct topics_fixture *fixture = topics_fixture_new(4 * 1024 * 1024);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_in_runs),
        cmocka_unit_test(deliveries_of_alternating_topics),
        cmocka_unit_test(a_thousand_clients_resume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
