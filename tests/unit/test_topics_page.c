/* A page of a topic's kept events: up to the ring's tail, or, of a row topic, to what is committed. */
#include "tests/unit/topics_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/topics/log_reader.h"
#include "server/topics/page.h"

struct reading {
    struct topics_fixture *base;
    struct log_reader *reader;
    struct page page;
    unsigned count_max; /* events that fit */
    unsigned steps;
    char seqs[256]; /* "1 2 3 " */
};

static int setup(void **state)
{
    struct reading *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->base = topics_fixture_new(TOPICS_RING_BYTES);
    assert_int_equal(log_reader_open(r->base->bus, r->base->store, &r->reader), 0);
    r->count_max = 1000;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct reading *r = *state;

    log_reader_close(r->reader);
    topics_fixture_free(r->base);
    free(r);
    return 0;
}

static bool on_event(void *user, const struct record *event)
{
    struct reading *r = user;
    size_t size = strlen(r->seqs);

    if (r->page.count == r->count_max)
        return false;
    (void)snprintf(r->seqs + size, sizeof r->seqs - size, "%d ", (int)event->seq);
    return true;
}

static void begin(struct reading *r, const char *topic, const struct resume *resume, uint64_t limit)
{
    const struct page_options options = {
        .bus = r->base->bus,
        .store = r->base->store,
        .reader = r->reader,
        .topics = r->base->topics,
        .topic = {topic, strlen(topic)},
        .limit = limit,
        .on_event = on_event,
        .user = r,
    };

    r->seqs[0] = '\0';
    r->steps = 0;
    assert_int_equal(page_begin(&r->page, &options, resume), 0);
}

static const char *finish(struct reading *r)
{
    int rc = 1;

    while (rc > 0) {
        rc = page_step(&r->page);
        r->steps++;
        store_snapshot_end(r->base->store);
    }
    assert_int_equal(rc, 0);
    return r->seqs;
}

static const char *read_since(struct reading *r, uint64_t since, uint64_t limit)
{
    const struct resume resume = {.has_since = true, .since = since};

    begin(r, "news", &resume, limit);
    return finish(r);
}

static bool is_rows(const void *user, const char *topic, size_t topic_bytes)
{
    (void)user;
    return topic_bytes == 4 && memcmp(topic, "news", 4) == 0;
}

/* Seqs 1 to 6, "news" has the odd ones; four are committed. */
static void fill(struct reading *r)
{
    for (int i = 0; i < 6; i++) {
        (void)topics_append(r->base, i % 2 == 0 ? "news" : "other", "1");
        if (i == 3)
            topics_commit(r->base, NULL);
    }
}

static void a_plain_topic_is_read_to_the_rings_tail(void **state)
{
    struct reading *r = *state;

    fill(r);
    assert_string_equal(read_since(r, 0, 10), "1 3 5 ");
    assert_int_equal(r->page.oldest_seq, 1);
    assert_int_equal(r->page.last_seq, 5);
    assert_true(r->page.has_recovered);
    assert_false(r->page.is_full);
    assert_string_equal(read_since(r, 1, 10), "3 5 ");
    assert_string_equal(read_since(r, 4, 10), "5 ");
    assert_string_equal(read_since(r, 5, 10), "");
    assert_true(r->page.has_recovered);
}

static void a_row_topic_is_read_to_what_is_committed(void **state)
{
    struct reading *r = *state;

    r->base->is_row_topic = is_rows;
    fill(r);
    assert_string_equal(read_since(r, 0, 10), "1 3 ");
    assert_int_equal(r->page.last_seq, 3);
    assert_string_equal(read_since(r, 3, 10), "");
    topics_commit(r->base, NULL);
    assert_string_equal(read_since(r, 3, 10), "5 ");
}

static void a_page_ends_where_it_began_to_be_read(void **state)
{
    struct reading *r = *state;
    const struct resume resume = {.has_since = true};

    fill(r);
    begin(r, "news", &resume, 10);
    (void)topics_append(r->base, "news", "1");
    topics_commit(r->base, NULL);
    assert_string_equal(finish(r), "1 3 5 ");
}

static void a_page_is_full_when_there_is_more(void **state)
{
    struct reading *r = *state;

    fill(r);
    assert_string_equal(read_since(r, 0, 2), "1 3 ");
    assert_true(r->page.is_full);
    assert_int_equal(r->page.count, 2);
    assert_int_equal(r->page.last_seq, 5);
    assert_string_equal(read_since(r, 0, 3), "1 3 5 ");
    assert_false(r->page.is_full);
    r->count_max = 1;
    assert_string_equal(read_since(r, 1, 10), "3 ");
    assert_true(r->page.is_full);
}

static void a_step_reads_one_block(void **state)
{
    struct reading *r = *state;

    for (int i = 0; i < 8; i++) {
        (void)topics_append_bytes(r->base, "news", 60000);
        topics_commit(r->base, NULL);
    }
    assert_string_equal(read_since(r, 0, 10), "1 2 3 4 5 6 7 8 ");
    assert_in_range(r->steps, 8, 10);
}

static void a_token_of_something_lost_reads_all_there_is(void **state)
{
    struct reading *r = *state;
    struct resume resume = {
        .has_since = true, .has_epoch = true, .since = 3, .epoch = TOPICS_EPOCH};

    fill(r);
    begin(r, "news", &resume, 10);
    assert_string_equal(finish(r), "5 ");
    resume.epoch = 7;
    begin(r, "news", &resume, 10);
    assert_string_equal(finish(r), "1 3 5 ");
    assert_false(r->page.has_recovered);
    assert_string_equal(read_since(r, 100, 10), "1 3 5 ");
    assert_false(r->page.has_recovered);
}

static void what_retention_took_is_told(void **state)
{
    const struct retention retention = {.count = 2};
    struct reading *r = *state;

    for (int i = 0; i < 6; i++) {
        (void)topics_append_bytes(r->base, "news", 60000);
        topics_commit(r->base, NULL);
    }
    topics_trim(r->base, &retention);
    assert_string_equal(read_since(r, 2, 10), "5 6 ");
    assert_false(r->page.has_recovered);
    assert_int_equal(r->page.oldest_seq, 5);
    assert_string_equal(read_since(r, 4, 10), "5 6 ");
    assert_true(r->page.has_recovered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_topic_is_read_to_the_rings_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_topic_is_read_to_what_is_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_ends_where_it_began_to_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_is_full_when_there_is_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_step_reads_one_block, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_of_something_lost_reads_all_there_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_retention_took_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
