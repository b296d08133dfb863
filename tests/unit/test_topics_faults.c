/*
 * Every allocation fails once: whatever was refused has left nothing behind, and a client that was
 * not cut off has lost nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/topics/log_reader.h"
#include "server/topics/publisher.h"
#include "tests/unit/topics_fixture.h"

enum {
    CLIENT_COUNT = 4,
    ALLOCATIONS_MAX = 10 * 1000, /* more than any scenario makes */
};

/* --- the allocator ---------------------------------------------------------------------------- */

/* The linker sends the product's calls here (--wrap); only while a scenario is under way. */
static struct {
    bool is_armed;
    bool is_lasting; /* everything after the one that fails fails too */
    int until_failure;
} faults;

static bool fails(void)
{
    if (!faults.is_armed)
        return false;
    faults.until_failure--;
    return faults.until_failure == 0 || (faults.until_failure < 0 && faults.is_lasting);
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_realloc(memory, bytes);
}

static void arm(int until_failure, bool is_lasting)
{
    faults.until_failure = until_failure;
    faults.is_lasting = is_lasting;
    faults.is_armed = true;
}

/* For what the test itself allocates in between. */
static void pause_faults(bool is_paused)
{
    faults.is_armed = !is_paused;
}

/* Whether the failure had come. */
static bool disarm(void)
{
    faults.is_armed = false;
    return faults.until_failure <= 0;
}

/* --- delivering and catching up --------------------------------------------------------------- */

/* What the socket gives to the test is not the worker's memory. */
static void stall_all(struct topics_fixture *fixture)
{
    for (struct fake_client *client = fixture->first; client != NULL; client = client->next)
        fake_client_stall(client);
}

static int subscribe(struct fake_client *client, const char *topic, bool has_since)
{
    const struct resume resume = {.has_since = has_since};
    struct subscribed answer;

    return topics_subscribe(client->fixture->topics, &client->subscriber, topic, strlen(topic),
                            &resume, &answer);
}

/* The worker's part of a turn; nothing is sent. */
static void turn(struct topics_fixture *fixture)
{
    for (int i = 0; i < 20; i++) {
        (void)topics_turn(fixture->topics);
        (void)topics_judge(fixture->topics);
        (void)topics_catch_up(fixture->topics, TOPICS_BUDGET_BYTES);
    }
}

/* Events 1 to 100 are there before, 101 to 200 come after a client has subscribed. */
static void expect_all_or_nothing(struct fake_client *client, bool is_subscribed, uint64_t from)
{
    const char *line;
    uint64_t seq = from;

    if (client->is_aborted)
        return;
    while ((line = fake_client_line(client)) != NULL)
        assert_int_equal(fake_client_seq(line), seq++);
    assert_int_equal(seq, is_subscribed ? 201 : from);
}

static bool deliver_with_fault(const char *topic, int until_failure, bool is_lasting)
{
    struct topics_fixture *fixture = topics_fixture_new(TOPICS_RING_BYTES);
    struct fake_encoding spliced = {0};
    struct fake_client *clients[CLIENT_COUNT];
    bool is_subscribed[CLIENT_COUNT];
    bool has_failed;

    fixture->queue_bytes_max = 64 * 1024;
    fixture->is_row_topic = topics_begins_with_row;
    fake_encoding_add(fixture, &spliced, true);
    for (int i = 0; i < CLIENT_COUNT; i++)
        clients[i] = i % 2 == 0 ? fake_client_open(fixture, fixture->text_encoding)
                                : fake_client_open_spliced(fixture, &spliced, "own");
    for (int i = 0; i < 100; i++)
        (void)topics_append_bytes(fixture, topic, 500);
    topics_commit(fixture, NULL);
    topics_fixture_run(fixture);
    stall_all(fixture);

    arm(until_failure, is_lasting);
    for (int i = 0; i < CLIENT_COUNT; i++) {
        int rc = subscribe(clients[i], topic, i < 2);

        assert_true(rc == 0 || rc == -ENOMEM);
        is_subscribed[i] = rc == 0;
    }
    turn(fixture);
    pause_faults(true);
    for (int i = 0; i < 100; i++) /* all begin to lag */
        (void)topics_append_bytes(fixture, topic, 1500);
    topics_commit(fixture, NULL);
    pause_faults(false);
    turn(fixture);
    has_failed = disarm();

    for (int i = 0; i < CLIENT_COUNT; i++)
        fake_client_allow(clients[i], SIZE_MAX);
    topics_fixture_run(fixture);
    for (int i = 0; i < CLIENT_COUNT; i++)
        expect_all_or_nothing(clients[i], is_subscribed[i], i < 2 ? 1 : 101);
    for (int i = 0; i < CLIENT_COUNT; i++)
        fake_client_close(clients[i]);
    assert_int_equal(topics_stat(fixture, STAT_SUBSCRIPTIONS), 0);
    assert_int_equal(topics_stat(fixture, STAT_LAGGING), 0);
    assert_int_equal(topics_subscriber_count(fixture->topics, topic, strlen(topic)), 0);
    fake_encoding_remove(fixture, &spliced);
    topics_fixture_free(fixture);
    return has_failed;
}

static void deliver_with_faults(const char *topic, bool is_lasting)
{
    int count = 1;

    while (count < ALLOCATIONS_MAX && deliver_with_fault(topic, count, is_lasting))
        count++;
    assert_in_range(count, 5, ALLOCATIONS_MAX - 1); /* it has ended by itself */
}

static void a_client_that_was_not_cut_off_has_lost_nothing(void **state)
{
    (void)state;
    deliver_with_faults("news", false);
}

static void the_same_while_there_is_no_memory_at_all(void **state)
{
    (void)state;
    deliver_with_faults("news", true);
}

static void nor_has_one_of_a_row_topic(void **state)
{
    (void)state;
    deliver_with_faults("row", false);
    deliver_with_faults("row", true);
}

static void an_encoding_is_added_or_it_is_not(void **state)
{
    static const struct encoding encoding = {.name = "any"};
    struct topics_fixture *fixture = *state;
    struct topics_encoding *added;

    arm(1, false);
    assert_null(topics_add_encoding(fixture->topics, &encoding));
    assert_true(disarm());
    added = topics_add_encoding(fixture->topics, &encoding);
    assert_non_null(added);
    topics_remove_encoding(fixture->topics, added);
    topics_remove_encoding(fixture->topics, NULL);
}

/* --- opening and publishing ------------------------------------------------------------------- */

static void opening_without_memory_leaves_nothing_behind(void **state)
{
    struct topics_fixture *fixture = *state;
    const struct topics_options options = topics_fixture_options(fixture);
    struct topics *topics = NULL;
    int count = 1;
    int rc = -ENOMEM;

    for (; rc == -ENOMEM; count++) {
        arm(count, false);
        rc = topics_open(&options, &topics);
        (void)disarm();
    }
    assert_int_equal(rc, 0);
    assert_in_range(count, 4, 10);
    topics_close(topics);
}

static void count_answer(void *user, uint64_t tag, const struct publish_result *result)
{
    int *count = user;

    (void)tag;
    assert_int_equal(result->error, 0);
    (*count)++;
}

static void a_publish_is_refused_or_answered(void **state)
{
    struct topics_fixture *fixture = *state;
    const bool is_always_durable = false;
    const struct publisher_options options = {
        .bus = fixture->bus, .slot = TOPICS_SLOT, .always_durable = &is_always_durable};
    bool has_failed = true;

    for (int until = 1; has_failed; until++) {
        struct publisher *publisher = NULL;
        uint64_t before = ring_tail(fixture->bus).seq;
        int accepted = 0;
        int answered = 0;
        const struct publish publish = {.topic = "news",
                                        .topic_bytes = 4,
                                        .payload = "1",
                                        .payload_bytes = 1,
                                        .on_done = count_answer,
                                        .user = &answered};

        arm(until, false);
        if (publisher_open(&options, &publisher) != 0) {
            assert_true(disarm());
            continue;
        }
        for (int i = 0; i < 500; i++)
            accepted += publisher_publish(publisher, &publish) == 0 ? 1 : 0;
        publisher_turn(publisher, 1);
        has_failed = disarm();
        assert_int_equal(answered, accepted);
        assert_int_equal(ring_tail(fixture->bus).seq - before, (uint64_t)accepted);
        assert_true(accepted >= (has_failed ? 499 : 500));
        publisher_close(publisher);
    }
}

static void a_reader_without_memory_can_be_asked_again(void **state)
{
    struct topics_fixture *fixture = *state;
    struct log_reader *reader = NULL;
    struct log_cursor cursor = {.has_pos = true};
    struct ring_position tail;
    struct log_span span;

    assert_int_equal(log_reader_open(fixture->bus, fixture->store, &reader), 0);
    (void)topics_append_bytes(fixture, "news", UINT64_C(200) * 1024);
    tail = ring_tail(fixture->bus);
    arm(1, false);
    assert_int_equal(log_reader_next(reader, &cursor, NULL, tail.seq, tail.pos, &span), -ENOMEM);
    assert_true(disarm());
    assert_int_equal(cursor.seq, 0);
    assert_int_equal(log_reader_next(reader, &cursor, NULL, tail.seq, tail.pos, &span), 1);
    assert_int_equal(cursor.seq, 1);
    log_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_was_not_cut_off_has_lost_nothing),
        cmocka_unit_test(the_same_while_there_is_no_memory_at_all),
        cmocka_unit_test(nor_has_one_of_a_row_topic),
        cmocka_unit_test_setup_teardown(an_encoding_is_added_or_it_is_not, topics_setup,
                                        topics_teardown),
        cmocka_unit_test_setup_teardown(opening_without_memory_leaves_nothing_behind, topics_setup,
                                        topics_teardown),
        cmocka_unit_test_setup_teardown(a_publish_is_refused_or_answered, topics_setup,
                                        topics_teardown),
        cmocka_unit_test_setup_teardown(a_reader_without_memory_can_be_asked_again, topics_setup,
                                        topics_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
