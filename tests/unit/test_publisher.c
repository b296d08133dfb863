#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/role.h"
#include "bus/wake.h"
#include "server/topics/publisher.h"
#include "tests/unit/topics_fixture.h"

enum {
    ANSWERS_MAX = 100 * 1000,
    RING_BYTES = 64 * 1024,
};
#define SECOND INT64_C(1000000000)

struct answers {
    struct publish_result results[ANSWERS_MAX];
    uint64_t tags[ANSWERS_MAX];
    size_t count;
    struct publisher *publisher;
    int publish_again; /* on_done publishes so many more, one each time */
};

struct publisher_fixture {
    struct topics_fixture *base;
    struct publisher *publisher;
    struct answers *answers;
    bool is_always_durable;
};

static int setup(void **state)
{
    struct publisher_fixture *fixture = calloc(1, sizeof *fixture);
    struct publisher_options options = {.slot = TOPICS_SLOT};

    assert_non_null(fixture);
    fixture->base = topics_fixture_new(RING_BYTES);
    fixture->answers = calloc(1, sizeof *fixture->answers);
    assert_non_null(fixture->answers);
    options.bus = fixture->base->bus;
    options.always_durable = &fixture->is_always_durable;
    assert_int_equal(publisher_open(&options, &fixture->publisher), 0);
    fixture->answers->publisher = fixture->publisher;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct publisher_fixture *fixture = *state;

    publisher_close(fixture->publisher);
    topics_fixture_free(fixture->base);
    free(fixture->answers);
    free(fixture);
    return 0;
}

static void on_done(void *user, uint64_t tag, const struct publish_result *result);

static struct publish publish_of(struct answers *answers, const char *payload)
{
    return (struct publish){.topic = "news",
                            .topic_bytes = 4,
                            .payload = payload,
                            .payload_bytes = strlen(payload),
                            .on_done = on_done,
                            .user = answers};
}

static void on_done(void *user, uint64_t tag, const struct publish_result *result)
{
    struct answers *answers = user;

    assert_true(answers->count < ANSWERS_MAX);
    answers->tags[answers->count] = tag;
    answers->results[answers->count++] = *result;
    if (answers->publish_again > 0) {
        struct publish publish = publish_of(answers, "again");

        answers->publish_again--;
        publish.tag = tag + 1;
        assert_int_equal(publisher_publish(answers->publisher, &publish), 0);
    }
}

static int publish_tag(struct publisher_fixture *fixture, uint64_t tag, bool is_durable)
{
    struct publish publish = publish_of(fixture->answers, "payload");

    publish.tag = tag;
    publish.is_durable = is_durable;
    return publisher_publish(fixture->publisher, &publish);
}

static int publish_bytes(struct publisher_fixture *fixture, size_t bytes)
{
    char *payload = malloc(bytes + 1);
    struct publish publish;
    int rc;

    assert_non_null(payload);
    memset(payload, 'x', bytes);
    publish = publish_of(fixture->answers, "");
    publish.payload = payload;
    publish.payload_bytes = bytes;
    rc = publisher_publish(fixture->publisher, &publish);
    free(payload); /* it was copied */
    return rc;
}

static int64_t stat_of(const struct publisher_fixture *fixture, enum stat_id stat)
{
    return topics_stat(fixture->base, stat);
}

/* --- the ordinary way ------------------------------------------------------------------------- */

static void a_publish_is_appended_and_answered_in_the_turn(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct ring_position tail;

    assert_true(publisher_is_idle(fixture->publisher));
    assert_int_equal(publish_tag(fixture, 7, false), 0);
    assert_int_equal(publish_tag(fixture, 8, false), 0);
    assert_int_equal(fixture->answers->count, 0); /* never from inside */
    assert_int_equal(ring_tail(fixture->base->bus).seq, 0);
    assert_false(publisher_is_idle(fixture->publisher));
    publisher_turn(fixture->publisher, SECOND);
    tail = ring_tail(fixture->base->bus);
    assert_int_equal(tail.seq, 2);
    assert_int_equal(fixture->answers->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture->answers->tags[i], 7 + i);
        assert_int_equal(fixture->answers->results[i].error, 0);
        assert_int_equal(fixture->answers->results[i].seq, 1 + i);
        assert_int_equal(fixture->answers->results[i].time_ns, tail.time_ns);
    }
    assert_true(publisher_is_idle(fixture->publisher));
    assert_int_equal(publisher_wake_reasons(fixture->publisher), 0);
    assert_int_equal(stat_of(fixture, STAT_PUBLISHED), 2);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 2);
}

static void publishes_are_counted_by_protocol_and_durability(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct publish publish = publish_of(fixture->answers, "payload");

    publish.protocol = STAT_PROTOCOL_HTTP;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    publish.is_durable = true;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    publish.protocol = STAT_PROTOCOL_BROKER;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    assert_int_equal(stat_of(fixture, stat_published(STAT_PROTOCOL_HTTP, false)), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(stat_of(fixture, stat_published(STAT_PROTOCOL_HTTP, false)), 1);
    assert_int_equal(stat_of(fixture, stat_published(STAT_PROTOCOL_HTTP, true)), 1);
    assert_int_equal(stat_of(fixture, stat_published(STAT_PROTOCOL_BROKER, true)), 1);
    assert_int_equal(stat_of(fixture, stat_published(STAT_PROTOCOL_BROKER, false)), 0);
    assert_int_equal(stat_of(fixture, STAT_RING_WAITS), 0);
}

static void a_record_says_where_it_comes_from(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct publish publish = publish_of(fixture->answers, "{\"from\":\"a\",\"data\":1}");
    uint64_t buf[1024];
    uint64_t pos = 0;
    size_t needed;
    ptrdiff_t bytes;
    struct record record;

    publish.flags = RECORD_FROM_ROOM;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    assert_int_equal(publish_tag(fixture, 0, true), 0);
    publisher_turn(fixture->publisher, SECOND);
    bytes = ring_read(fixture->base->bus, &pos, ring_tail(fixture->base->bus).pos, buf, sizeof buf,
                      &needed);
    assert_true(bytes > 0);
    assert_int_equal(record_decode(buf, (size_t)bytes, &record), RECORD_OK);
    assert_int_equal(record.kind, RECORD_EVENT);
    assert_int_equal(record.flags, RECORD_FROM_ROOM);
    assert_true(record_has_topic(&record, "news", 4));
    assert_int_equal(record.payload_bytes, publish.payload_bytes);
    assert_memory_equal(record.payload, publish.payload, publish.payload_bytes);
    assert_int_equal(record.origin_slot, TOPICS_SLOT);
    assert_int_equal(record.origin_generation,
                     bus_slot_generation(fixture->base->bus, TOPICS_SLOT));
    assert_int_equal(record.origin_request, 1);
    assert_int_equal(
        record_decode((uint8_t *)buf + record.length, (size_t)bytes - record.length, &record),
        RECORD_OK);
    assert_int_equal(record.origin_request, 2);
    assert_int_equal(record.flags, RECORD_URGENT);
}

static void nobody_need_wait_for_an_answer(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct publish publish = publish_of(NULL, "tick");

    publish.on_done = NULL;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    publish.is_durable = true;
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(ring_tail(fixture->base->bus).seq, 2);
    assert_true(publisher_is_idle(fixture->publisher));
}

static void an_answer_may_publish_again(void **state)
{
    struct publisher_fixture *fixture = *state;

    fixture->answers->publish_again = 3;
    assert_int_equal(publish_tag(fixture, 1, false), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fixture->answers->tags[i], 1 + i);
        assert_int_equal(fixture->answers->results[i].seq, 1 + i);
    }
}

static void many_in_one_turn_are_appended_on_the_way(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct topics_fixture *large = topics_fixture_new(8 * UINT64_C(1024) * 1024);
    const struct publisher_options options = {
        .bus = large->bus, .slot = TOPICS_SLOT, .always_durable = &fixture->is_always_durable};
    struct publisher *publisher = NULL;

    assert_int_equal(publisher_open(&options, &publisher), 0);
    for (uint64_t i = 0; i < 20000; i++) {
        struct publish publish = publish_of(fixture->answers, "payload");

        publish.tag = i;
        assert_int_equal(publisher_publish(publisher, &publish), 0);
    }
    assert_true(ring_tail(large->bus).seq > 15000); /* not all of it waits for the turn */
    assert_int_equal(fixture->answers->count, 0);
    publisher_turn(publisher, SECOND);
    assert_int_equal(fixture->answers->count, 20000);
    for (uint64_t i = 0; i < 20000; i++) {
        assert_int_equal(fixture->answers->tags[i], i);
        assert_int_equal(fixture->answers->results[i].seq, i + 1);
    }
    publisher_close(publisher);
    topics_fixture_free(large);
}

/* --- durable ---------------------------------------------------------------------------------- */

static void a_durable_publish_is_answered_when_it_is_committed(void **state)
{
    struct publisher_fixture *fixture = *state;

    assert_int_equal(publish_tag(fixture, 1, true), 0);
    assert_int_equal(publish_tag(fixture, 2, false), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 1); /* the other does not wait for it */
    assert_int_equal(fixture->answers->tags[0], 2);
    assert_false(publisher_is_idle(fixture->publisher));
    assert_int_equal(publisher_wake_reasons(fixture->publisher), WAKE_COMMIT);
    assert_true(ring_is_commit_urgent(fixture->base->bus));
    publisher_turn(fixture->publisher, 2 * SECOND);
    assert_int_equal(fixture->answers->count, 1);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 3 * SECOND);
    assert_int_equal(fixture->answers->count, 2);
    assert_int_equal(fixture->answers->tags[1], 1);
    assert_int_equal(fixture->answers->results[1].error, 0);
    assert_int_equal(fixture->answers->results[1].seq, 1);
    assert_true(fixture->answers->results[1].time_ns > 0);
    assert_true(publisher_is_idle(fixture->publisher));
}

static void with_committed_durability_every_publish_is_durable(void **state)
{
    struct publisher_fixture *fixture = *state;

    fixture->is_always_durable = true;
    assert_int_equal(publish_tag(fixture, 1, false), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 0);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 1);
}

static void durable_publishes_are_answered_as_far_as_they_are_committed(void **state)
{
    struct publisher_fixture *fixture = *state;

    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(publish_tag(fixture, i, true), 0);
    publisher_turn(fixture->publisher, SECOND);
    topics_commit(fixture->base, NULL);
    for (uint64_t i = 4; i <= 6; i++)
        assert_int_equal(publish_tag(fixture, i, true), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 3);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 6);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(fixture->answers->tags[i], i + 1);
}

/* --- COMMANDs --------------------------------------------------------------------------------- */

static int publish_command(struct publisher_fixture *fixture, uint64_t tag)
{
    struct publish publish = publish_of(fixture->answers, "a change of a row");

    publish.topic = NULL;
    publish.topic_bytes = 0;
    publish.is_command = true;
    publish.tag = tag;
    return publisher_publish(fixture->publisher, &publish);
}

static void a_command_has_no_topic_and_is_urgent(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t buf[128];
    uint64_t pos = 0;
    size_t needed;
    ptrdiff_t bytes;
    struct record record;

    assert_int_equal(publish_command(fixture, 1), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_true(ring_is_commit_urgent(fixture->base->bus));
    bytes = ring_read(fixture->base->bus, &pos, ring_tail(fixture->base->bus).pos, buf, sizeof buf,
                      &needed);
    assert_true(bytes > 0);
    assert_int_equal(record_decode(buf, (size_t)bytes, &record), RECORD_OK);
    assert_int_equal(record.kind, RECORD_COMMAND);
    assert_int_equal(record.flags, RECORD_URGENT);
    assert_int_equal(record.topic_count, 0);
    assert_int_equal(record.payload_bytes, strlen("a change of a row"));
    assert_memory_equal(record.payload, "a change of a row", record.payload_bytes);
    assert_int_equal(record.origin_slot, TOPICS_SLOT);
    assert_int_equal(record.origin_request, 1);
}

static void a_command_is_answered_when_it_is_committed(void **state)
{
    struct publisher_fixture *fixture = *state;

    assert_int_equal(publish_tag(fixture, 1, false), 0);
    assert_int_equal(publish_command(fixture, 2), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 1);
    assert_int_equal(fixture->answers->tags[0], 1);
    assert_false(publisher_is_idle(fixture->publisher));
    assert_int_equal(publisher_wake_reasons(fixture->publisher), WAKE_COMMIT);
    publisher_turn(fixture->publisher, 20 * SECOND); /* however long the disk takes */
    assert_int_equal(fixture->answers->count, 1);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 21 * SECOND);
    assert_int_equal(fixture->answers->count, 2);
    assert_int_equal(fixture->answers->tags[1], 2);
    assert_int_equal(fixture->answers->results[1].error, 0);
    assert_int_equal(fixture->answers->results[1].seq, 2);
    assert_true(publisher_is_idle(fixture->publisher));
}

static void a_command_of_who_has_left_is_executed_all_the_same(void **state)
{
    struct publisher_fixture *fixture = *state;

    assert_int_equal(publish_command(fixture, 1), 0);
    publisher_cancel(fixture->publisher, fixture->answers);
    assert_int_equal(publish_command(fixture, 2), 0);
    publisher_turn(fixture->publisher, SECOND);
    publisher_cancel(fixture->publisher, fixture->answers);
    assert_int_equal(ring_tail(fixture->base->bus).seq, 2);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 0);
    assert_true(publisher_is_idle(fixture->publisher));
}

/* --- a full ring ------------------------------------------------------------------------------ */

/* Publishes until something has to wait; how many in all. */
static uint64_t fill(struct publisher_fixture *fixture, int64_t now_ns)
{
    uint64_t count = 0;

    while (!publisher_is_blocked(fixture->publisher)) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(publish_tag(fixture, count++, false), 0);
        publisher_turn(fixture->publisher, now_ns);
    }
    assert_in_range(fixture->answers->count, 1, count - 1);
    return count;
}

static void what_a_full_ring_cannot_take_waits_for_the_writer(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t count = fill(fixture, SECOND);
    size_t answered = fixture->answers->count;

    assert_int_equal(publisher_wake_reasons(fixture->publisher), WAKE_COMMIT);
    publisher_turn(fixture->publisher, 2 * SECOND);
    assert_int_equal(fixture->answers->count, answered);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 3 * SECOND);
    assert_false(publisher_is_blocked(fixture->publisher));
    assert_int_equal(fixture->answers->count, count);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(fixture->answers->tags[i], i);
        assert_int_equal(fixture->answers->results[i].error, 0);
        assert_int_equal(fixture->answers->results[i].seq, i + 1);
    }
    assert_int_equal(stat_of(fixture, STAT_PUBLISHED), (int64_t)count);
    assert_int_equal(stat_of(fixture, STAT_PUBLISH_REFUSED), 0);
    assert_int_equal(stat_of(fixture, STAT_RING_WAITS), 1); /* however often it was tried */
}

static void after_five_seconds_each_that_waits_is_refused(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t count = fill(fixture, 10 * SECOND);
    uint64_t first_wait = fixture->answers->count;

    publisher_turn(fixture->publisher, 12 * SECOND);
    assert_int_equal(publish_tag(fixture, count, false), 0); /* it begins to wait later */
    publisher_turn(fixture->publisher, 13 * SECOND);
    publisher_turn(fixture->publisher, 15 * SECOND - 1);
    assert_int_equal(fixture->answers->count, first_wait);
    publisher_turn(fixture->publisher, 15 * SECOND);
    assert_int_equal(fixture->answers->count, count);
    for (uint64_t i = first_wait; i < count; i++) {
        assert_int_equal(fixture->answers->tags[i], i);
        assert_int_equal(fixture->answers->results[i].error, -ETIMEDOUT);
    }
    assert_true(publisher_is_blocked(fixture->publisher));
    assert_int_equal(stat_of(fixture, STAT_PUBLISH_REFUSED), (int64_t)(count - first_wait));
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 16 * SECOND);
    assert_int_equal(fixture->answers->count, count + 1);
    assert_int_equal(fixture->answers->results[count].error, 0);
    /* What was refused was not published: no number is missing. */
    assert_int_equal(fixture->answers->results[count].seq, first_wait + 1);
    assert_false(publisher_is_blocked(fixture->publisher));
}

static void a_command_waits_for_room_like_the_others(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t count = fill(fixture, SECOND);
    size_t answered = fixture->answers->count;

    assert_int_equal(publish_command(fixture, count), 0);
    publisher_turn(fixture->publisher, 2 * SECOND);
    assert_int_equal(fixture->answers->count, answered);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 3 * SECOND); /* appended now ... */
    assert_int_equal(fixture->answers->count, count);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, 4 * SECOND); /* ... and committed */
    assert_int_equal(fixture->answers->count, count + 1);
    assert_int_equal(fixture->answers->tags[count], count);
    assert_int_equal(fixture->answers->results[count].error, 0);
    assert_int_equal(fixture->answers->results[count].seq, count + 1);
}

static void a_command_that_found_no_room_expires(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t count = fill(fixture, SECOND);

    assert_int_equal(publish_command(fixture, count), 0);
    publisher_turn(fixture->publisher, 2 * SECOND);
    publisher_turn(fixture->publisher, 7 * SECOND);
    assert_int_equal(fixture->answers->count, count + 1);
    assert_int_equal(fixture->answers->tags[count], count);
    assert_int_equal(fixture->answers->results[count].error, -ETIMEDOUT);
    assert_true(publisher_is_idle(fixture->publisher));
}

static void the_last_one_waiting_expires_too(void **state)
{
    struct publisher_fixture *fixture = *state;
    uint64_t count = fill(fixture, SECOND);

    publisher_turn(fixture->publisher, 7 * SECOND);
    assert_int_equal(fixture->answers->count, count);
    assert_false(publisher_is_blocked(fixture->publisher));
    assert_true(publisher_is_idle(fixture->publisher));
}

static void whoever_waits_costs_a_bounded_batch(void **state)
{
    struct publisher_fixture *fixture = *state;
    int rc = 0;
    size_t bytes = 0;

    (void)fill(fixture, SECOND);
    while (rc == 0 && bytes / 4 < PUBLISHER_WAITING_BYTES_MIN) {
        rc = publish_bytes(fixture, 1000);
        bytes += 1000;
    }
    assert_int_equal(rc, -ENOMEM);
    assert_true(bytes > RING_BYTES); /* a small ring does not refuse what one turn brings */
    assert_true(bytes > PUBLISHER_WAITING_BYTES_MIN / 2);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(publish_bytes(fixture, 1000), 0);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void set_refusal(struct bus *bus, enum bus_refusal refusal)
{
    role_set(ROLE_WRITER);
    bus_set_refusal(bus, refusal, 0);
    role_set(ROLE_WORKER);
}

static void a_full_storage_is_answered_at_once(void **state)
{
    struct publisher_fixture *fixture = *state;

    assert_int_equal(publish_tag(fixture, 1, false), 0);
    assert_int_equal(publish_tag(fixture, 2, true), 0);
    assert_int_equal(publish_command(fixture, 3), 0);
    set_refusal(fixture->base->bus, BUS_STORAGE_FULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture->answers->tags[i], 1 + i);
        assert_int_equal(fixture->answers->results[i].error, -ENOSPC);
    }
    assert_false(publisher_is_blocked(fixture->publisher));
    assert_true(publisher_is_idle(fixture->publisher));
    assert_int_equal(stat_of(fixture, STAT_PUBLISH_REFUSED), 3);
    set_refusal(fixture->base->bus, BUS_ACCEPTS);
    assert_int_equal(publish_tag(fixture, 4, false), 0);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->results[3].seq, 1);
}

struct retrier {
    struct bus *bus;
    struct publisher *publisher;
    const char *payload;
    size_t payload_bytes;
    int refused;
    int published;
};

static void publish_large(struct retrier *retrier);

/* The first refusal comes, there is room again, and what is refused is published anew at once. */
static void on_done_retry(void *user, uint64_t tag, const struct publish_result *result)
{
    struct retrier *retrier = user;

    (void)tag;
    if (result->error == 0) {
        retrier->published++;
        return;
    }
    retrier->refused++;
    set_refusal(retrier->bus, BUS_ACCEPTS);
    publish_large(retrier);
}

static void publish_large(struct retrier *retrier)
{
    const struct publish publish = {.topic = "news",
                                    .topic_bytes = 4,
                                    .payload = retrier->payload,
                                    .payload_bytes = retrier->payload_bytes,
                                    .on_done = on_done_retry,
                                    .user = retrier};

    assert_int_equal(publisher_publish(retrier->publisher, &publish), 0);
}

static void an_answer_that_publishes_does_not_disturb_the_others(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct topics_fixture *large = topics_fixture_new(UINT64_C(64) * RING_BYTES);
    const struct publisher_options options = {
        .bus = large->bus, .slot = TOPICS_SLOT, .always_durable = &fixture->is_always_durable};
    struct retrier retrier = {.bus = large->bus, .payload_bytes = RING_BYTES};
    char *payload = calloc(1, RING_BYTES);

    assert_non_null(payload);
    retrier.payload = payload;
    assert_int_equal(publisher_open(&options, &retrier.publisher), 0);
    set_refusal(large->bus, BUS_STORAGE_FULL);
    for (int i = 0; i < 10; i++)
        publish_large(&retrier);
    publisher_turn(retrier.publisher, SECOND);
    assert_int_equal(retrier.refused, 10);
    assert_int_equal(retrier.published, 10);
    assert_int_equal(ring_tail(large->bus).seq, 10);
    assert_true(publisher_is_idle(retrier.publisher));
    publisher_close(retrier.publisher);
    topics_fixture_free(large);
    free(payload);
}

static void more_than_a_quarter_of_the_ring_is_too_large(void **state)
{
    struct publisher_fixture *fixture = *state;

    assert_int_equal(publish_bytes(fixture, RING_BYTES / 4), -EMSGSIZE);
    assert_int_equal(publish_bytes(fixture, RING_BYTES / 4 - 64), 0); /* head and topic: 61 */
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 1);
    assert_int_equal(fixture->answers->results[0].error, 0);
    assert_int_equal(stat_of(fixture, STAT_PUBLISH_REFUSED), 1);
}

/* --- cancelling ------------------------------------------------------------------------------- */

static void whoever_has_left_is_not_called(void **state)
{
    struct publisher_fixture *fixture = *state;
    struct answers *other = calloc(1, sizeof *other);
    struct publish publish;

    assert_non_null(other);
    publish = publish_of(other, "payload");
    assert_int_equal(publish_tag(fixture, 1, false), 0);
    assert_int_equal(publisher_publish(fixture->publisher, &publish), 0);
    assert_int_equal(publish_tag(fixture, 2, true), 0);
    publisher_cancel(fixture->publisher, other);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(other->count, 0);
    assert_int_equal(fixture->answers->count, 1);
    assert_int_equal(ring_tail(fixture->base->bus).seq, 3); /* published all the same */
    publisher_cancel(fixture->publisher, fixture->answers);
    topics_commit(fixture->base, NULL);
    publisher_turn(fixture->publisher, SECOND);
    assert_int_equal(fixture->answers->count, 1);
    assert_true(publisher_is_idle(fixture->publisher));
    free(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_is_appended_and_answered_in_the_turn),
        TEST(publishes_are_counted_by_protocol_and_durability),
        TEST(a_record_says_where_it_comes_from),
        TEST(nobody_need_wait_for_an_answer),
        TEST(an_answer_may_publish_again),
        TEST(many_in_one_turn_are_appended_on_the_way),
        TEST(a_durable_publish_is_answered_when_it_is_committed),
        TEST(with_committed_durability_every_publish_is_durable),
        TEST(durable_publishes_are_answered_as_far_as_they_are_committed),
        TEST(a_command_has_no_topic_and_is_urgent),
        TEST(a_command_is_answered_when_it_is_committed),
        TEST(a_command_of_who_has_left_is_executed_all_the_same),
        TEST(a_command_waits_for_room_like_the_others),
        TEST(a_command_that_found_no_room_expires),
        TEST(what_a_full_ring_cannot_take_waits_for_the_writer),
        TEST(after_five_seconds_each_that_waits_is_refused),
        TEST(the_last_one_waiting_expires_too),
        TEST(whoever_waits_costs_a_bounded_batch),
        TEST(a_full_storage_is_answered_at_once),
        TEST(an_answer_that_publishes_does_not_disturb_the_others),
        TEST(more_than_a_quarter_of_the_ring_is_too_large),
        TEST(whoever_has_left_is_not_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
