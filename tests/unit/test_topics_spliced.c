/* Encodings with a place for each subscriber's own bytes, without a frame, or without one yet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/topics/encodings.h"
#include "tests/unit/topics_fixture.h"

enum {
    CLIENTS = 100,
    LINE_BYTES = 128,
};

struct spliced_fixture {
    struct topics_fixture *base;
    struct fake_encoding spliced;
    struct fake_encoding whole;
    int verdict;         /* about ... */
    uint64_t judged_seq; /* ... this event */
};

static int judge(void *user, const struct event *event)
{
    const struct spliced_fixture *fixture = user;

    return event->seq == fixture->judged_seq ? fixture->verdict : 1;
}

static int setup(void **state)
{
    struct spliced_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->base = topics_fixture_new(TOPICS_RING_BYTES);
    fake_encoding_add(fixture->base, &fixture->spliced, true);
    fake_encoding_add(fixture->base, &fixture->whole, false);
    fixture->spliced.judge = judge;
    fixture->spliced.user = fixture;
    fixture->whole.judge = judge;
    fixture->whole.user = fixture;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct spliced_fixture *fixture = *state;

    while (fixture->base->first != NULL)
        fake_client_close(fixture->base->first);
    fake_encoding_remove(fixture->base, &fixture->spliced);
    fake_encoding_remove(fixture->base, &fixture->whole);
    topics_fixture_free(fixture->base);
    free(fixture);
    return 0;
}

static struct fake_client *open_own(struct spliced_fixture *fixture, const char *own)
{
    return fake_client_open_spliced(fixture->base, &fixture->spliced, own);
}

/* The next lines are the events @from to @to of news with @own in each, and no more. */
static void expect_own(struct fake_client *client, const char *own, uint64_t from, uint64_t to)
{
    char start[LINE_BYTES];

    for (uint64_t seq = from; seq <= to; seq++) {
        const char *line = fake_client_line(client);

        (void)snprintf(start, sizeof start, "news %llu @%s ", (unsigned long long)seq, own);
        if (line == NULL || strncmp(line, start, strlen(start)) != 0)
            fail_msg("\"%.60s\" where \"%s\" should be", line == NULL ? "" : line, start);
    }
    assert_null(fake_client_line(client));
}

/* --- each one's own --------------------------------------------------------------------------- */

static void each_frame_has_what_is_the_clients_own(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *a = open_own(fixture, "a");
    struct fake_client *b = open_own(fixture, "bbbbbb");
    struct fake_client *text = fake_client_open_text(fixture->base);

    (void)fake_client_subscribe(a, "news", NULL);
    (void)fake_client_subscribe(b, "news", NULL);
    (void)fake_client_subscribe(text, "news", NULL);
    (void)topics_append(fixture->base, "news", "one");
    (void)topics_append(fixture->base, "news", "two");
    topics_fixture_run(fixture->base);
    fake_client_expect(a, "news 1 @a one", "news 2 @a two", NULL);
    fake_client_expect(b, "news 1 @bbbbbb one", "news 2 @bbbbbb two", NULL);
    fake_client_expect(text, "news 1 one", "news 2 two", NULL);
    assert_int_equal(fixture->spliced.encoded, 2); /* shared all the same */
}

static void a_run_costs_a_range_per_frame_and_its_splice(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *client = open_own(fixture, "own");

    (void)fake_client_subscribe(client, "news", NULL);
    for (int i = 0; i < 10; i++)
        (void)topics_append(fixture->base, "news", "x");
    (void)topics_turn(fixture->base->topics);
    assert_int_equal(client->stream.out.count, 2 * 10 + 1);
    assert_true(outq_pinned_bytes(&client->stream.out) < 2 * ARENA_BYTES);
    topics_fixture_run(fixture->base);
    expect_own(client, "own", 1, 10);
}

/* More than a run may hold, arenas that end in between, and a frame larger than an arena. */
static void long_runs_are_cut_without_losing_a_byte(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *a = open_own(fixture, "a");
    struct fake_client *b = open_own(fixture, "b");

    (void)fake_client_subscribe(a, "news", NULL);
    (void)fake_client_subscribe(b, "news", NULL);
    topics_append_many(fixture->base, "news", 1000, 10);
    topics_append_many(fixture->base, "news", 100, 1000);
    topics_append_many(fixture->base, "news", 2, 50000);
    topics_fixture_run(fixture->base);
    expect_own(a, "a", 1, 1102);
    expect_own(b, "b", 1, 1102);
    assert_int_equal(fixture->spliced.encoded, 1102);
}

static void a_large_frame_alone_makes_nobody_lag(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *client = open_own(fixture, "own");

    fixture->base->queue_bytes_max = 64 * 1024;
    (void)fake_client_subscribe(client, "news", NULL);
    fake_client_stall(client);
    topics_append_many(fixture->base, "news", 1, 100000);
    topics_fixture_run(fixture->base);
    assert_false(fake_client_is_lagging(client));
    topics_append_many(fixture->base, "news", 1, 100000);
    topics_fixture_run(fixture->base);
    assert_true(fake_client_is_lagging(client));
    fake_client_allow(client, SIZE_MAX);
    topics_fixture_run(fixture->base);
    expect_own(client, "own", 1, 2);
}

/* The list grows, moves its entries about, and shrinks. */
static void subscribers_that_come_and_go_take_their_own_with_them(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *clients[CLIENTS];
    char own[CLIENTS][8];
    uint64_t random = 88172645463325252U;
    uint64_t seq = 0;
    int open = 0;

    for (int round = 0; round < 300; round++) {
        bool is_growing = open == 0 || (open < CLIENTS && (round / 100) % 2 == 0);

        if (is_growing) {
            (void)snprintf(own[open], sizeof own[open], "%d", round);
            clients[open] = open_own(fixture, own[open]);
            (void)fake_client_subscribe(clients[open], "news", NULL);
            open++;
        } else {
            int at = (int)(topics_random(&random) % (unsigned)open);

            fake_client_close(clients[at]);
            clients[at] = clients[--open];
            memcpy(own[at], own[open], sizeof own[at]);
        }
        seq = topics_append(fixture->base, "news", "x");
        topics_fixture_run(fixture->base);
        for (int i = 0; i < open; i++)
            expect_own(clients[i], own[i], seq, seq);
    }
}

static void replays_are_spliced_and_shared(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *a = open_own(fixture, "a");
    struct fake_client *b = open_own(fixture, "bb");

    topics_append_many(fixture->base, "news", 500, 100);
    topics_commit(fixture->base, NULL);
    topics_append_many(fixture->base, "news", 500, 100);
    (void)fake_client_resume(a, "news", 0);
    (void)fake_client_resume(b, "news", 100);
    topics_fixture_run(fixture->base);
    expect_own(a, "a", 1, 1000);
    expect_own(b, "bb", 101, 1000);
    assert_int_equal(fixture->spliced.encoded, 1000);
    assert_false(fake_client_is_lagging(a));
    (void)topics_append(fixture->base, "news", "live");
    topics_fixture_run(fixture->base);
    expect_own(a, "a", 1001, 1001);
    expect_own(b, "bb", 1001, 1001);
}

static void a_slow_reader_gets_its_own_at_its_own_pace(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *slow = open_own(fixture, "slow");
    struct fake_client *fast = open_own(fixture, "fast");

    fixture->base->queue_bytes_max = 48 * 1024;
    (void)fake_client_subscribe(slow, "news", NULL);
    (void)fake_client_subscribe(fast, "news", NULL);
    fake_client_stall(slow);
    for (int i = 0; i < 20; i++) {
        topics_append_many(fixture->base, "news", 100, 100);
        topics_fixture_run(fixture->base);
    }
    assert_true(fake_client_is_lagging(slow));
    expect_own(fast, "fast", 1, 2000);
    for (int i = 0; i < 400 && fake_client_is_lagging(slow); i++) {
        fake_client_allow(slow, 1000);
        topics_fixture_run(fixture->base);
    }
    fake_client_allow(slow, SIZE_MAX);
    topics_fixture_run(fixture->base);
    expect_own(slow, "slow", 1, 2000);
}

/* --- no frame --------------------------------------------------------------------------------- */

static void an_event_without_a_frame_is_passed_over(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *own = open_own(fixture, "own");
    struct fake_client *whole = fake_client_open(fixture->base, fixture->whole.added);
    struct fake_client *text = fake_client_open_text(fixture->base);

    fixture->judged_seq = 2;
    fixture->verdict = 0;
    (void)fake_client_subscribe(own, "news", NULL);
    (void)fake_client_subscribe(whole, "news", NULL);
    (void)fake_client_subscribe(text, "news", NULL);
    topics_append_many(fixture->base, "news", 3, 1);
    (void)topics_turn(fixture->base->topics);
    assert_int_equal(whole->stream.out.count, 1); /* one run all the same */
    topics_fixture_run(fixture->base);
    fake_client_expect(own, "news 1 @own x", "news 3 @own x", NULL);
    fake_client_expect(whole, "news 1 x", "news 3 x", NULL);
    fake_client_expect(text, "news 1 x", "news 2 x", "news 3 x", NULL);
    assert_int_equal(topics_stat(fixture->base, STAT_MESSAGES_DELIVERED), 7);
}

static void replays_pass_it_over_too_and_ask_once(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *a = open_own(fixture, "a");
    struct fake_client *b = open_own(fixture, "b");

    fixture->judged_seq = 2;
    fixture->verdict = 0;
    topics_append_many(fixture->base, "news", 3, 1);
    (void)fake_client_resume(a, "news", 0);
    (void)fake_client_resume(b, "news", 0);
    topics_fixture_run(fixture->base);
    fake_client_expect(a, "news 1 @a x", "news 3 @a x", NULL);
    fake_client_expect(b, "news 1 @b x", "news 3 @b x", NULL);
    assert_int_equal(fixture->spliced.asked, 3);
    assert_int_equal(topics_position(fixture->base->topics, &a->subscriber), 3);
}

/* --- not in this turn ------------------------------------------------------------------------- */

static void who_is_put_off_gets_it_in_a_later_turn(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *own = open_own(fixture, "own");
    struct fake_client *text = fake_client_open_text(fixture->base);

    fixture->judged_seq = 2;
    fixture->verdict = -EAGAIN;
    (void)fake_client_subscribe(own, "news", NULL);
    (void)fake_client_subscribe(text, "news", NULL);
    topics_append_many(fixture->base, "news", 3, 1);
    assert_true(topics_fixture_turn(fixture->base));
    fake_client_expect(own, "news 1 @own x", NULL);
    fake_client_expect(text, "news 1 x", "news 2 x", "news 3 x", NULL);
    assert_true(fake_client_is_lagging(own));
    assert_false(fake_client_is_lagging(text));
    assert_int_equal(topics_position(fixture->base->topics, &own->subscriber), 1);

    /* One try a turn, and a turn at once. */
    for (int i = 0; i < 5; i++) {
        unsigned asked = fixture->spliced.asked;

        assert_true(topics_fixture_turn(fixture->base));
        assert_int_equal(fixture->spliced.asked, asked + 1);
    }
    fake_client_expect(own, NULL);
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    fake_client_expect(own, "news 2 @own x", "news 3 @own x", NULL);
    assert_false(fake_client_is_lagging(own));
    (void)topics_append(fixture->base, "news", "live");
    topics_fixture_run(fixture->base);
    fake_client_expect(own, "news 4 @own live", NULL);
    assert_int_equal(topics_stat(fixture->base, STAT_LAGGING), 0);
}

/* Subscribed in the turn in which others are put off, with a position behind the event. */
static void who_need_not_have_it_is_not_put_off(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *old = open_own(fixture, "old");
    struct fake_client *new_one = open_own(fixture, "new");

    fixture->judged_seq = 2;
    fixture->verdict = -EAGAIN;
    (void)fake_client_subscribe(old, "news", NULL);
    topics_append_many(fixture->base, "news", 3, 1);
    (void)fake_client_subscribe(new_one, "news", NULL);
    (void)topics_append(fixture->base, "news", "x");
    (void)topics_turn(fixture->base->topics);
    assert_true(fake_client_is_lagging(old));
    assert_false(fake_client_is_lagging(new_one));
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    expect_own(old, "old", 1, 4);
    expect_own(new_one, "new", 4, 4);
}

static void of_two_topics_of_one_operation_neither_comes_twice(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *client = open_own(fixture, "own");

    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "room", NULL);
    fixture->judged_seq = 2;
    fixture->verdict = -EAGAIN;
    (void)topics_append(fixture->base, "news,room", "one");
    (void)topics_append(fixture->base, "news,room", "two");
    (void)topics_append(fixture->base, "room", "three");
    for (int i = 0; i < 3; i++)
        (void)topics_fixture_turn(fixture->base);
    fake_client_expect(client, "news 1 @own one", "room 1 @own one", NULL);
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    fake_client_expect(client, "news 2 @own two", "room 2 @own two", "room 3 @own three", NULL);
}

static int judge_room(void *user, const struct event *event)
{
    const struct spliced_fixture *fixture = user;

    return event->topic_bytes == strlen("room") && memcmp(event->topic, "room", 4) == 0
               ? judge(user, event)
               : fixture->verdict != 0;
}

/* The first topic's frame has been made, the second's is put off: live, and then while lagging. */
static void what_was_made_before_it_is_not_made_again(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *client = open_own(fixture, "own");

    fixture->spliced.judge = judge_room;
    fixture->judged_seq = 1;
    fixture->verdict = -EAGAIN;
    (void)fake_client_subscribe(client, "news", NULL);
    (void)fake_client_subscribe(client, "room", NULL);
    (void)topics_append(fixture->base, "news,room", "one");
    for (int i = 0; i < 3; i++)
        (void)topics_fixture_turn(fixture->base);
    fake_client_expect(client, "news 1 @own one", NULL);
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    fake_client_expect(client, "room 1 @own one", NULL);

    (void)topics_unsubscribe(fixture->base->topics, &client->subscriber, "news", 4);
    (void)topics_unsubscribe(fixture->base->topics, &client->subscriber, "room", 4);
    (void)topics_append(fixture->base, "news,room", "two");
    topics_fixture_run(fixture->base);
    fixture->judged_seq = 2;
    fixture->verdict = -EAGAIN;
    (void)fake_client_resume(client, "news", 1);
    (void)fake_client_resume(client, "room", 1);
    for (int i = 0; i < 3; i++)
        (void)topics_fixture_turn(fixture->base);
    fake_client_expect(client, "news 2 @own two", NULL);
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    fake_client_expect(client, "room 2 @own two", NULL);
}

static void a_lagging_one_that_is_put_off_holds_up_nobody(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *own = open_own(fixture, "own");
    struct fake_client *text = fake_client_open_text(fixture->base);

    topics_append_many(fixture->base, "news", 100, 10);
    fixture->judged_seq = 50;
    fixture->verdict = -EAGAIN;
    (void)fake_client_resume(own, "news", 0);
    (void)fake_client_resume(text, "news", 0);
    for (int i = 0; i < 3; i++)
        assert_true(topics_fixture_turn(fixture->base));
    fake_client_expect_seqs(text, 1, 100);
    expect_own(own, "own", 1, 49);
    fixture->verdict = 1;
    topics_fixture_run(fixture->base);
    expect_own(own, "own", 50, 100);
}

/* --- no memory -------------------------------------------------------------------------------- */

static void who_cannot_be_given_a_frame_is_aborted(void **state)
{
    struct spliced_fixture *fixture = *state;
    struct fake_client *live = open_own(fixture, "live");
    struct fake_client *text = fake_client_open_text(fixture->base);
    struct fake_client *lagging = open_own(fixture, "lagging");

    fixture->judged_seq = 2;
    fixture->verdict = -ENOMEM;
    (void)fake_client_subscribe(live, "news", NULL);
    (void)fake_client_subscribe(text, "news", NULL);
    topics_append_many(fixture->base, "news", 3, 1);
    topics_fixture_run(fixture->base);
    assert_true(live->is_aborted);
    fake_client_expect(text, "news 1 x", "news 2 x", "news 3 x", NULL);
    (void)fake_client_resume(lagging, "news", 0);
    topics_fixture_run(fixture->base);
    assert_true(lagging->is_aborted);
}

/* --- many encodings --------------------------------------------------------------------------- */

static void many_encodings_share_few_arenas(void **state)
{
    enum { COUNT = 3 * ENCODINGS_WARM_MAX };
    struct spliced_fixture *fixture = *state;
    static struct fake_encoding encodings[COUNT];
    struct fake_client *clients[COUNT];
    unsigned owned = 0;

    for (int i = 0; i < COUNT; i++) {
        encodings[i] = (struct fake_encoding){0};
        fake_encoding_add(fixture->base, &encodings[i], i % 2 == 0);
        clients[i] = fake_client_open_spliced(fixture->base, &encodings[i], "own");
        (void)fake_client_subscribe(clients[i], "news", NULL);
    }
    for (int round = 0; round < 5; round++) {
        topics_append_many(fixture->base, "news", 3, 100);
        topics_fixture_run(fixture->base);
    }
    for (int i = 0; i < COUNT; i++) {
        owned += encodings[i].added->arena.arena != NULL ? 1 : 0;
        if (i % 2 == 0)
            expect_own(clients[i], "own", 1, 15);
        else
            fake_client_expect_seqs(clients[i], 1, 15);
        fake_client_close(clients[i]);
        fake_encoding_remove(fixture->base, &encodings[i]);
    }
    assert_int_equal(owned, ENCODINGS_WARM_MAX);
}

/* The one used last keeps its arena while those before it come and go. */
static void a_busy_encoding_keeps_its_arena(void **state)
{
    enum { COUNT = 4 * ENCODINGS_WARM_MAX };
    struct spliced_fixture *fixture = *state;
    struct fake_client *busy = open_own(fixture, "own");
    static struct fake_encoding encodings[COUNT];
    const struct arena *arena = NULL;

    (void)fake_client_subscribe(busy, "busy", NULL);
    for (int i = 0; i < COUNT; i++) {
        char topic[16];
        struct fake_client *client;

        (void)snprintf(topic, sizeof topic, "%d", i);
        encodings[i] = (struct fake_encoding){0};
        fake_encoding_add(fixture->base, &encodings[i], true);
        client = fake_client_open_spliced(fixture->base, &encodings[i], "own");
        (void)fake_client_subscribe(client, topic, NULL);
        (void)topics_append(fixture->base, topic, "x");
        (void)topics_append(fixture->base, "busy", "x");
        topics_fixture_run(fixture->base);
        if (arena == NULL)
            arena = fixture->spliced.added->arena.arena;
        assert_non_null(arena);
        assert_ptr_equal(fixture->spliced.added->arena.arena, arena);
        fake_client_close(client);
    }
    for (int i = 0; i < COUNT; i++)
        fake_encoding_remove(fixture->base, &encodings[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_frame_has_what_is_the_clients_own),
        TEST(a_run_costs_a_range_per_frame_and_its_splice),
        TEST(long_runs_are_cut_without_losing_a_byte),
        TEST(a_large_frame_alone_makes_nobody_lag),
        TEST(subscribers_that_come_and_go_take_their_own_with_them),
        TEST(replays_are_spliced_and_shared),
        TEST(a_slow_reader_gets_its_own_at_its_own_pace),
        TEST(an_event_without_a_frame_is_passed_over),
        TEST(replays_pass_it_over_too_and_ask_once),
        TEST(who_is_put_off_gets_it_in_a_later_turn),
        TEST(who_need_not_have_it_is_not_put_off),
        TEST(of_two_topics_of_one_operation_neither_comes_twice),
        TEST(what_was_made_before_it_is_not_made_again),
        TEST(a_lagging_one_that_is_put_off_holds_up_nobody),
        TEST(who_cannot_be_given_a_frame_is_aborted),
        TEST(many_encodings_share_few_arenas),
        TEST(a_busy_encoding_keeps_its_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
