#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/topics/log_reader.h"
#include "tests/unit/topics_fixture.h"

struct reader_fixture {
    struct topics_fixture *base;
    struct log_reader *reader;
};

static int setup(void **state)
{
    struct reader_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->base = topics_fixture_new(UINT64_C(256) * 1024);
    assert_int_equal(log_reader_open(fixture->base->bus, fixture->base->store, &fixture->reader),
                     0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct reader_fixture *fixture = *state;

    log_reader_close(fixture->reader);
    topics_fixture_free(fixture->base);
    free(fixture);
    return 0;
}

static int step(struct reader_fixture *fixture, struct log_cursor *cursor,
                const struct log_filter *filter, struct log_span *ret_span)
{
    struct ring_position tail = ring_tail(fixture->base->bus);

    return log_reader_next(fixture->reader, cursor, filter, tail.seq, tail.pos, ret_span);
}

/* The seqs that a caller would look at; *ret_last the last of them. */
static size_t walk(const struct log_span *span, uint64_t after_seq, uint64_t *ret_last)
{
    struct record record;
    uint64_t expected = 0;
    size_t count = 0;

    for (size_t at = 0; at < span->bytes; at += record.length) {
        assert_int_equal(record_decode(span->records + at, span->bytes - at, &record), RECORD_OK);
        assert_true(record_verify(span->records + at));
        assert_true(expected == 0 || record.seq == expected); /* no hole inside a span */
        expected = record.seq + 1;
        if (record.seq <= after_seq || record.seq > span->last_seq)
            continue;
        *ret_last = record.seq;
        count++;
    }
    return count;
}

/* Reads to the tail without a filter: every seq behind the cursor once, in order. */
static void expect_everything(struct reader_fixture *fixture, struct log_cursor *cursor)
{
    uint64_t seq = cursor->seq;
    uint64_t after = cursor->seq;
    struct log_span span;
    int rc;

    while ((rc = step(fixture, cursor, NULL, &span)) == 1) {
        seq += walk(&span, after, &after);
        assert_int_equal(seq, after);
        assert_int_equal(span.last_seq, cursor->seq);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(after, ring_tail(fixture->base->bus).seq);
    assert_int_equal(cursor->seq, after);
}

static void append_many(struct reader_fixture *fixture, const char *topic, int count, size_t bytes)
{
    for (int i = 0; i < count; i++)
        (void)topics_append_bytes(fixture->base, topic, bytes);
}

static void nothing_new_is_nothing_to_read(void **state)
{
    struct reader_fixture *fixture = *state;
    struct log_cursor cursor = {0};
    struct log_span span;

    assert_int_equal(step(fixture, &cursor, NULL, &span), 0);
    append_many(fixture, "a", 3, 10);
    expect_everything(fixture, &cursor);
    assert_int_equal(step(fixture, &cursor, NULL, &span), 0);
}

static void store_and_ring_are_one_log(void **state)
{
    struct reader_fixture *fixture = *state;

    append_many(fixture, "a", 1000, 100);
    topics_commit(fixture->base, NULL);
    append_many(fixture, "b", 500, 100);
    expect_everything(fixture, &(struct log_cursor){0});
    expect_everything(fixture, &(struct log_cursor){.seq = 999});
    expect_everything(fixture, &(struct log_cursor){.seq = 1000});
    expect_everything(fixture, &(struct log_cursor){.seq = 1001}); /* from the middle of the ring */
    expect_everything(fixture, &(struct log_cursor){.seq = 1499});
}

/* From committed_pos to where it stands a cursor is passed by spans that are older than it. */
static void a_cursor_never_goes_back(void **state)
{
    struct reader_fixture *fixture = *state;
    struct log_cursor cursor = {.seq = 1900};
    uint64_t seq = cursor.seq;
    struct log_span span;

    append_many(fixture, "a", 2000, 50);
    while (step(fixture, &cursor, NULL, &span) == 1) {
        assert_true(cursor.seq >= seq);
        assert_int_equal(span.last_seq, cursor.seq);
        seq = cursor.seq;
    }
    assert_int_equal(seq, 2000);
}

static void a_lapped_cursor_goes_on_in_the_store(void **state)
{
    struct reader_fixture *fixture = *state;
    struct log_cursor cursor = {.has_pos = true};
    struct log_span span;

    for (int lap = 0; lap < 5; lap++) {
        append_many(fixture, "a", 1000, 100);
        topics_commit(fixture->base, NULL);
    }
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    assert_false(cursor.has_pos);
    assert_false(cursor.is_trimmed);
    cursor = (struct log_cursor){.has_pos = true};
    expect_everything(fixture, &cursor);
}

/* The snapshot is from before the commits that let the ring go on. */
static void a_stale_snapshot_is_renewed(void **state)
{
    struct reader_fixture *fixture = *state;
    struct log_cursor cursor = {0};
    struct log_span span;

    append_many(fixture, "a", 10, 100);
    topics_commit(fixture->base, NULL);
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    assert_int_equal(cursor.seq, 10);
    for (int lap = 0; lap < 5; lap++) {
        append_many(fixture, "a", 1000, 100);
        topics_commit(fixture->base, NULL);
    }
    expect_everything(fixture, &cursor);
}

static void a_cursor_in_the_ring_stays_there_over_a_commit(void **state)
{
    struct reader_fixture *fixture = *state;
    struct log_cursor cursor = {.has_pos = true};
    struct log_span span;

    append_many(fixture, "a", 1200, 50);
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    topics_commit(fixture->base, NULL);
    assert_true(cursor.has_pos && cursor.seq < 1200);
    expect_everything(fixture, &cursor);
    assert_true(cursor.has_pos);
    assert_int_equal(cursor.pos, ring_tail(fixture->base->bus).pos);
}

static void nothing_past_the_callers_end_is_read(void **state)
{
    struct reader_fixture *fixture = *state;
    struct ring_position middle;
    struct log_span span;
    uint64_t last = 0;
    struct log_cursor cursor = {0};

    append_many(fixture, "a", 100, 50);
    middle = ring_tail(fixture->base->bus);
    append_many(fixture, "a", 100, 50);
    assert_int_equal(log_reader_next(fixture->reader, &cursor, NULL, middle.seq, middle.pos, &span),
                     1);
    assert_int_equal(walk(&span, 0, &last), 100); /* from the ring */
    assert_int_equal(cursor.seq, 100);
    assert_int_equal(log_reader_next(fixture->reader, &cursor, NULL, middle.seq, middle.pos, &span),
                     0);

    topics_commit(fixture->base, NULL);
    cursor = (struct log_cursor){0};
    assert_int_equal(log_reader_next(fixture->reader, &cursor, NULL, 60, 0, &span), 1);
    assert_int_equal(walk(&span, 0, &last), 60); /* from the store */
    assert_int_equal(cursor.seq, 60);
    assert_int_equal(log_reader_next(fixture->reader, &cursor, NULL, 60, 0, &span), 0);
    expect_everything(fixture, &cursor);
}

/* The span that is kept for others reaches further than this caller may. */
static void a_kept_span_does_not_go_past_the_callers_end(void **state)
{
    struct reader_fixture *fixture = *state;
    struct ring_position middle;
    struct log_cursor cursor = {.has_pos = true};
    struct log_span span;
    uint64_t last = 0;

    append_many(fixture, "a", 10, 50);
    middle = ring_tail(fixture->base->bus);
    append_many(fixture, "a", 10, 50);
    expect_everything(fixture, &(struct log_cursor){.has_pos = true});
    assert_int_equal(log_reader_next(fixture->reader, &cursor, NULL, middle.seq, middle.pos, &span),
                     1);
    assert_int_equal(walk(&span, 0, &last), 10);
    assert_int_equal(cursor.seq, 10);
}

static void blocks_without_a_wanted_topic_are_skipped(void **state)
{
    struct reader_fixture *fixture = *state;
    const struct record_topic wanted[] = {{"rare", 4}, {"never", 5}};
    const struct log_filter filter = {.topics = wanted, .count = 2};
    struct log_cursor cursor = {0};
    struct log_span span;
    size_t spans = 0;
    size_t found = 0;

    for (int i = 0; i < 20; i++) {
        append_many(fixture, "common", 600, 100);
        if (i == 7 || i == 15)
            append_many(fixture, "rare", 1, 100);
        topics_commit(fixture->base, NULL);
    }
    for (; step(fixture, &cursor, &filter, &span) == 1; spans++) {
        struct record record;

        for (size_t at = 0; at < span.bytes; at += record.length) {
            assert_int_equal(record_decode(span.records + at, span.bytes - at, &record), RECORD_OK);
            found += record_has_topic(&record, "rare", 4) ? 1 : 0;
        }
    }
    assert_int_equal(found, 2);
    assert_int_equal(spans, 2);
    assert_int_equal(cursor.seq, ring_tail(fixture->base->bus).seq);
}

static void with_very_many_topics_everything_is_read(void **state)
{
    struct reader_fixture *fixture = *state;
    struct record_topic wanted[LOG_FILTER_TOPICS_MAX + 1];
    const struct log_filter filter = {.topics = wanted, .count = LOG_FILTER_TOPICS_MAX + 1};
    struct log_cursor cursor = {0};
    struct log_span span;
    uint64_t last = 0;

    for (size_t i = 0; i <= LOG_FILTER_TOPICS_MAX; i++)
        wanted[i] = (struct record_topic){.name = "none", .bytes = 4};
    append_many(fixture, "a", 100, 10);
    topics_commit(fixture->base, NULL);
    assert_int_equal(step(fixture, &cursor, &filter, &span), 1);
    assert_int_equal(walk(&span, 0, &last), 100);
}

static void a_record_as_large_as_the_ring_allows_is_read(void **state)
{
    struct reader_fixture *fixture = *state;

    append_many(fixture, "a", 3, 10);
    append_many(fixture, "a", 1, 64 * 1024 - 200);
    append_many(fixture, "a", 3, 10);
    expect_everything(fixture, &(struct log_cursor){.has_pos = true});
    expect_everything(fixture, &(struct log_cursor){0});
    topics_commit(fixture->base, NULL);
    expect_everything(fixture, &(struct log_cursor){0});
}

static void a_record_larger_than_the_buffer_is_read_whole(void **state)
{
    struct reader_fixture *fixture = *state;
    struct topics_fixture *large = topics_fixture_new(4 * UINT64_C(1024) * 1024);
    struct log_reader *reader = NULL;
    struct log_cursor cursor = {.has_pos = true};
    struct log_span span;

    (void)fixture;
    assert_int_equal(log_reader_open(large->bus, large->store, &reader), 0);
    (void)topics_append_bytes(large, "a", 10);
    (void)topics_append_bytes(large, "a", UINT64_C(700) * 1024);
    (void)topics_append_bytes(large, "a", 10);
    for (int pass = 0; pass < 2; pass++) {
        struct ring_position tail = ring_tail(large->bus);
        size_t bytes = 0;

        while (log_reader_next(reader, &cursor, NULL, tail.seq, tail.pos, &span) == 1)
            bytes += span.bytes;
        assert_int_equal(cursor.seq, 3);
        assert_true(bytes > UINT64_C(700) * 1024);
        topics_commit(large, NULL); /* once more from the store */
        cursor = (struct log_cursor){0};
    }
    log_reader_close(reader);
    topics_fixture_free(large);
}

static void what_retention_took_is_noticed(void **state)
{
    struct reader_fixture *fixture = *state;
    const struct retention little = {.bytes = 1};
    struct log_cursor cursor = {0};
    struct log_span span;
    uint64_t first_seq;

    for (int i = 0; i < 3; i++) {
        append_many(fixture, "a", 500, 50);
        topics_commit(fixture->base, NULL);
    }
    topics_trim(fixture->base, &little);
    first_seq = fixture->base->meta.first_seq;
    assert_true(first_seq > 1);
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    assert_true(cursor.is_trimmed);

    cursor = (struct log_cursor){.seq = first_seq - 1};
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    assert_false(cursor.is_trimmed); /* nothing it needs is gone */

    cursor = (struct log_cursor){.seq = first_seq - 2};
    assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
    assert_true(cursor.is_trimmed);
}

/* Even if nothing of what is wanted is left to give. */
static void what_retention_took_is_noticed_without_a_span(void **state)
{
    struct reader_fixture *fixture = *state;
    const struct record_topic wanted = {"gone", 4};
    const struct log_filter filter = {.topics = &wanted, .count = 1};
    const struct retention little = {.bytes = 1};
    struct log_cursor cursor = {0};
    struct log_span span;

    append_many(fixture, "gone", 1, 50);
    topics_commit(fixture->base, NULL);
    append_many(fixture, "kept", 1, 50);
    topics_commit(fixture->base, NULL);
    topics_trim(fixture->base, &little);
    assert_int_equal(step(fixture, &cursor, &filter, &span), 0);
    assert_true(cursor.is_trimmed);
    assert_int_equal(cursor.seq, 2);
}

static void a_cursor_can_be_put_back_into_a_span(void **state)
{
    struct reader_fixture *fixture = *state;

    append_many(fixture, "a", 20, 50);
    for (int pass = 0; pass < 2; pass++) { /* in the ring, then in the store */
        struct log_cursor cursor = {.has_pos = pass == 0};
        struct log_span span;
        struct record record;
        uint64_t last = 0;

        assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
        assert_int_equal(record_decode(span.records, span.bytes, &record), RECORD_OK);
        log_cursor_stop_at(&cursor, &span, record.length, record.seq);
        assert_int_equal(cursor.seq, 1);
        assert_int_equal(step(fixture, &cursor, NULL, &span), 1);
        assert_int_equal(walk(&span, 1, &last), 19);
        assert_int_equal(last, 20);
        topics_commit(fixture->base, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_new_is_nothing_to_read, setup, teardown),
        cmocka_unit_test_setup_teardown(store_and_ring_are_one_log, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_never_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lapped_cursor_goes_on_in_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_snapshot_is_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_in_the_ring_stays_there_over_a_commit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_past_the_callers_end_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kept_span_does_not_go_past_the_callers_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(blocks_without_a_wanted_topic_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(with_very_many_topics_everything_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_as_large_as_the_ring_allows_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_record_larger_than_the_buffer_is_read_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_retention_took_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_retention_took_is_noticed_without_a_span, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cursor_can_be_put_back_into_a_span, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
