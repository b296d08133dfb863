#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/log.h"
#include "tests/unit/store_fixture.h"

/* --- the model: every operation ever committed, searched from one end to the other ------------ */

enum {
    MODEL_TOPICS = 24, /* bits of a set */
    MODEL_OPERATIONS = 20000,
    MODEL_COMMITS = 160,
    MODEL_LOOKUPS = 40, /* at each look */
};

struct model {
    struct store_fixture *fixture;
    uint64_t random;
    char names[MODEL_TOPICS][RECORD_TOPIC_BYTES_MAX + 1];
    uint32_t topics[MODEL_OPERATIONS + 1]; /* of each seq; 0 for a failed COMMAND */
};

/* Names of 1, 255 and other lengths; some begin like others. */
static void model_names(struct model *model)
{
    for (int i = 0; i < MODEL_TOPICS; i++) {
        char *name = model->names[i];
        int length = snprintf(name, RECORD_TOPIC_BYTES_MAX, "%c%d", 'a' + i % 3, i / 3);

        if (i % 5 == 4)
            memset(name + length, '/', RECORD_TOPIC_BYTES_MAX - (size_t)length);
        if (i % 5 == 3 && i < 15)
            name[1] = '\0';
    }
    (void)snprintf(model->names[0], sizeof model->names[0], "z\303\251");
}

static size_t model_add(struct model *model)
{
    static uint8_t payload[256 * 1024];
    struct record_topic topics[RECORD_TOPICS_MAX];
    struct record_spec spec = {.topics = topics, .payload = payload};
    uint64_t draw = store_fixture_random(&model->random);
    uint32_t set = 0;

    for (uint64_t wanted = draw % 16 == 0 ? RECORD_TOPICS_MAX : 1 + draw % 3; wanted > 0;
         wanted--) {
        /* The low topics are busy, the high ones quiet. */
        uint64_t index = store_fixture_random(&model->random) % MODEL_TOPICS;

        index = index * (store_fixture_random(&model->random) % MODEL_TOPICS) / MODEL_TOPICS;
        set |= UINT32_C(1) << index;
    }
    for (unsigned i = 0; i < MODEL_TOPICS; i++) {
        if ((set >> i & 1) != 0)
            topics[spec.topic_count++] =
                (struct record_topic){model->names[i], strlen(model->names[i])};
    }
    spec.kind = draw >> 8 & 15 ? RECORD_EVENT : RECORD_COMMAND;
    spec.payload_bytes = (draw >> 16) % 600;
    if ((draw >> 32) % 64 == 0)
        spec.payload_bytes = (draw >> 40) % sizeof payload;
    (void)store_fixture_add(model->fixture, &spec);
    model->topics[model->fixture->last_seq] = spec.kind == RECORD_EVENT ? set : 0;
    return spec.payload_bytes;
}

/* The first seq at or behind @seq, up to @end, that has the topic; 0: none. */
static uint64_t model_next(const struct model *model, int topic, uint64_t seq, uint64_t end)
{
    for (; seq <= end; seq++) {
        if ((model->topics[seq] >> topic & 1) != 0)
            return seq;
    }
    return 0;
}

static uint64_t model_last(const struct model *model, int topic, uint64_t first, uint64_t end)
{
    for (uint64_t seq = end; seq >= first && seq > 0; seq--) {
        if ((model->topics[seq] >> topic & 1) != 0)
            return seq;
    }
    return 0;
}

static void block_lookup_check(const struct model *model, uint64_t seq)
{
    const struct store_meta *meta = &model->fixture->meta;
    struct store *store = model->fixture->store;
    uint64_t wanted = seq > meta->first_seq ? seq : meta->first_seq;
    struct block block;
    struct record record;
    size_t offset = 0;

    log_prefetch(store, seq);
    if (seq > meta->committed_seq) {
        assert_int_equal(log_block_at(store, seq, &block), -ENOENT);
        return;
    }
    assert_int_equal(log_block_at(store, seq, &block), 0);
    assert_true(block.head.first_seq <= wanted && wanted <= block.head.last_seq);
    if (seq < meta->first_seq)
        assert_int_equal(block.head.first_seq, meta->first_seq);
    while (block_next(&block, &offset, &record) == RECORD_OK && record.seq != wanted)
        ;
    assert_int_equal(record.seq, wanted);
    for (int i = 0; i < MODEL_TOPICS; i++) {
        if ((model->topics[wanted] >> i & 1) != 0)
            assert_true(record_has_topic(&record, model->names[i], strlen(model->names[i])));
    }
}

static void topic_lookup_check(const struct model *model, int topic, uint64_t seq)
{
    const struct store_meta *meta = &model->fixture->meta;
    struct store *store = model->fixture->store;
    const char *name = model->names[topic];
    uint64_t from = seq > meta->first_seq ? seq : meta->first_seq;
    uint64_t event_seq = model_next(model, topic, from, meta->committed_seq);
    struct block block;
    uint64_t first_seq;
    int rc = log_topic_block_at(store, name, strlen(name), seq, &first_seq);

    if (event_seq == 0) {
        assert_int_equal(rc, -ENOENT);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(log_block_at(store, first_seq, &block), 0);
    assert_int_equal(block.head.first_seq, first_seq);
    assert_true(first_seq <= event_seq && event_seq <= block.head.last_seq);
}

static void topic_info_check(const struct model *model, int topic)
{
    const struct store_meta *meta = &model->fixture->meta;
    const char *name = model->names[topic];
    struct log_topic info;

    assert_int_equal(log_topic_info(model->fixture->store, name, strlen(name), &info), 0);
    assert_int_equal(info.oldest_seq,
                     model_next(model, topic, meta->first_seq, meta->committed_seq));
    assert_int_equal(info.last_seq, model_last(model, topic, meta->first_seq, meta->committed_seq));
    assert_int_equal(info.trimmed_seq, model_last(model, topic, 1, meta->first_seq - 1));
}

static void model_check(struct model *model)
{
    const struct store_meta *meta = &model->fixture->meta;

    store_fixture_check_whole(model->fixture->store);
    assert_int_equal(store_snapshot_begin(model->fixture->store, meta->committed_seq), 0);
    block_lookup_check(model, 0);
    block_lookup_check(model, meta->first_seq);
    block_lookup_check(model, meta->first_seq - 1);
    block_lookup_check(model, meta->committed_seq);
    block_lookup_check(model, meta->committed_seq + 1);
    block_lookup_check(model, UINT64_MAX);
    for (int i = 0; i < MODEL_LOOKUPS; i++)
        block_lookup_check(model, store_fixture_random(&model->random) % (meta->committed_seq + 2));
    for (int topic = 0; topic < MODEL_TOPICS; topic++) {
        topic_info_check(model, topic);
        topic_lookup_check(model, topic, 0);
        topic_lookup_check(model, topic, meta->committed_seq + 1);
        topic_lookup_check(model, topic, UINT64_MAX);
        for (int i = 0; i < MODEL_LOOKUPS; i++) {
            uint64_t seq = store_fixture_random(&model->random) % (meta->committed_seq + 2);

            topic_lookup_check(model, topic, seq);
        }
    }
    store_snapshot_end(model->fixture->store);
}

static void model_run(void **state, uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);

    assert_non_null(model);
    model->fixture = *state;
    model->random = seed;
    model_names(model);
    for (int commit = 0; commit < MODEL_COMMITS; commit++) {
        const struct retention retention = {
            .bytes = 1 + store_fixture_random(&model->random) % ((uint64_t)4 << 20),
        };

        for (uint64_t count = 1 + store_fixture_random(&model->random) % 120; count > 0; count--)
            (void)model_add(model);
        assert_int_equal(store_fixture_commit(model->fixture, commit < 20 ? &keep_all : &retention),
                         0);
        if (commit % 16 == 0 || commit == MODEL_COMMITS - 1)
            model_check(model);
        if (commit % 50 == 49) {
            store_fixture_close(model->fixture);
            assert_int_equal(store_fixture_open(model->fixture), 0);
        }
    }
    assert_true(model->fixture->meta.first_seq > 1);
    free(model);
}

static void lookups_agree_with_a_brute_force_model(void **state)
{
    model_run(state, UINT64_C(20240607));
}

static void lookups_agree_with_a_brute_force_model_again(void **state)
{
    model_run(state, UINT64_C(987654321));
}

/* --- single promises ------------------------------------------------------------------------ */

static void an_empty_log_holds_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct log_topic info = {1, 1, 1};
    struct block block;
    uint64_t seq;

    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(log_block_at(fixture->store, 0, &block), -ENOENT);
    assert_int_equal(log_block_at(fixture->store, 1, &block), -ENOENT);
    assert_int_equal(log_topic_block_at(fixture->store, "news", 4, 0, &seq), -ENOENT);
    log_prefetch(fixture->store, 1);
    assert_int_equal(log_topic_info(fixture->store, "news", 4, &info), 0);
    assert_int_equal(info.oldest_seq + info.last_seq + info.trimmed_seq, 0);
    store_fixture_check_whole(fixture->store);
}

static void a_name_that_cannot_be_a_topic_is_one_never_seen(void **state)
{
    struct store_fixture *fixture = *state;
    char name[RECORD_TOPIC_BYTES_MAX + 300];
    struct log_topic info = {1, 1, 1};
    uint64_t seq;

    memset(name, 'x', sizeof name);
    store_fixture_commit_event(fixture, "x", 10);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(log_topic_block_at(fixture->store, name, sizeof name, 0, &seq), -ENOENT);
    assert_int_equal(log_topic_block_at(fixture->store, name, 0, 0, &seq), -ENOENT);
    assert_int_equal(log_topic_info(fixture->store, name, sizeof name, &info), 0);
    assert_int_equal(info.last_seq, 0);
    info.last_seq = 1;
    assert_int_equal(log_topic_info(fixture->store, name, 0, &info), 0);
    assert_int_equal(info.last_seq, 0);
}

static void a_failed_command_is_in_the_log_but_under_no_topic(void **state)
{
    struct store_fixture *fixture = *state;
    const struct record_topic topic = {"rows", 4};
    const struct record_spec spec = {.kind = RECORD_COMMAND, .topics = &topic, .topic_count = 1};
    struct log_topic info = {1, 1, 1};
    struct record record;
    struct block block;
    size_t offset = 0;

    (void)store_fixture_add(fixture, &spec);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(store_snapshot_begin(fixture->store, 1), 0);
    assert_int_equal(log_topic_info(fixture->store, "rows", 4, &info), 0);
    assert_int_equal(info.oldest_seq + info.last_seq + info.trimmed_seq, 0);
    assert_int_equal(log_block_at(fixture->store, 1, &block), 0);
    assert_int_equal(block_next(&block, &offset, &record), RECORD_OK);
    assert_int_equal(record.flags, RECORD_APPLIED | RECORD_FAILED);
    assert_int_equal(record.topic_count, 0);
}

/* --- records by seq ------------------------------------------------------------------------- */

static void expect_record(struct store_fixture *fixture, uint64_t seq)
{
    struct record record;

    assert_int_equal(log_record_at(fixture->store, seq, &record), 0);
    assert_int_equal(record.seq, seq);
    assert_int_equal(record.payload_bytes, seq % 7 * 1000);
}

static void a_record_is_found_by_its_seq_in_any_order(void **state)
{
    struct store_fixture *fixture = *state;
    uint64_t random = 17;
    struct record record;

    for (uint64_t seq = 1; seq <= 300; seq++) {
        (void)store_fixture_add_event(fixture, "a", seq % 7 * 1000);
        if (seq % 50 == 0)
            assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    for (uint64_t seq = 1; seq <= 300; seq++)
        expect_record(fixture, seq);
    for (uint64_t seq = 300; seq >= 1; seq--)
        expect_record(fixture, seq);
    for (int i = 0; i < 2000; i++) {
        /* Forwards mostly; also in another snapshot than before. */
        uint64_t seq = store_fixture_random(&random) % 300 + 1;

        for (uint64_t step = 0; step < 5 && seq <= 300; step++, seq += step % 3)
            expect_record(fixture, seq);
        if (i % 7 == 0) {
            store_snapshot_end(fixture->store);
            assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
        }
    }
    assert_int_equal(log_record_at(fixture->store, 301, &record), -ENOENT);
    assert_int_equal(log_record_at(fixture->store, 0, &record), -ENOENT);
}

static void a_record_appears_with_its_commit_and_goes_with_retention(void **state)
{
    struct store_fixture *fixture = *state;
    const struct retention keep_one = {.count = 1};
    struct record record;

    for (uint64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(store_snapshot_begin(fixture->store, fixture->meta.committed_seq), 0);
        assert_int_equal(log_record_at(fixture->store, seq, &record), -ENOENT);
        store_snapshot_end(fixture->store);
        store_fixture_commit_event(fixture, "a", seq % 7 * 1000);
        assert_int_equal(store_snapshot_begin(fixture->store, seq), 0);
        expect_record(fixture, seq);
        store_snapshot_end(fixture->store);
    }
    while (commit_trim(fixture->store, &keep_one, &fixture->meta) > 0)
        ;
    assert_int_equal(fixture->meta.first_seq, 20);
    assert_int_equal(store_snapshot_begin(fixture->store, 20), 0);
    store_snapshot_end(fixture->store);
    assert_int_equal(store_snapshot_begin(fixture->store, 20), 0);
    assert_int_equal(log_record_at(fixture->store, 19, &record), -ENOENT);
    expect_record(fixture, 20);
}

/* --- the list of topics --------------------------------------------------------------------- */

struct listing {
    char text[1024];
    size_t stop_after;
};

static bool on_topic(void *user, const char *topic, size_t topic_bytes, uint64_t last_seq)
{
    struct listing *listing = user;
    size_t length = strlen(listing->text);

    (void)snprintf(listing->text + length, sizeof listing->text - length, "%.*s=%" PRIu64 " ",
                   topic_bytes > 8 ? 8 : (int)topic_bytes, topic, last_seq);
    return --listing->stop_after > 0;
}

static struct log_topic_walk walk_of(const char *prefix, const char *after)
{
    struct log_topic_walk walk = {.prefix_bytes = strlen(prefix), .after_bytes = strlen(after)};

    memcpy(walk.prefix, prefix, walk.prefix_bytes);
    memcpy(walk.after, after, walk.after_bytes);
    return walk;
}

static const char *list(struct store *store, const char *prefix, const char *after,
                        size_t stop_after)
{
    static struct listing listing;
    struct log_topic_walk walk = walk_of(prefix, after);

    listing = (struct listing){.stop_after = stop_after};
    assert_int_equal(log_topics_list(store, &walk, on_topic, &listing), 0);
    return listing.text;
}

static void topics_are_listed_by_name_prefix_and_page(void **state)
{
    static const char *const names[] = {"b", "a", "ab", "abc", "b", "c", "ab", "\303\251"};
    struct store_fixture *fixture = *state;
    struct store *store = fixture->store;
    char longest[RECORD_TOPIC_BYTES_MAX + 1] = {0};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        store_fixture_commit_event(fixture, names[i], 10); /* a block each */
    memset(longest, 'd', sizeof longest - 1);
    store_fixture_commit_event(fixture, longest, 10);
    assert_int_equal(store_snapshot_begin(store, 9), 0);

    assert_string_equal(list(store, "", "", 100), "a=2 ab=7 abc=4 b=5 c=6 dddddddd=9 \303\251=8 ");
    assert_string_equal(list(store, "", "", 2), "a=2 ab=7 ");
    assert_string_equal(list(store, "", "", 3), "a=2 ab=7 abc=4 ");
    assert_string_equal(list(store, "", "ab", 2), "abc=4 b=5 ");
    assert_string_equal(list(store, "", "aa", 2), "ab=7 abc=4 ");
    assert_string_equal(list(store, "", longest, 100), "\303\251=8 ");
    assert_string_equal(list(store, "", "\377", 100), "");
    assert_string_equal(list(store, "ab", "", 100), "ab=7 abc=4 ");
    assert_string_equal(list(store, "ab", "ab", 100), "abc=4 ");
    assert_string_equal(list(store, "ab", "a", 100), "ab=7 abc=4 ");
    assert_string_equal(list(store, "ab", "c", 100), "");
    assert_string_equal(list(store, "abcd", "", 100), "");
    assert_string_equal(list(store, longest, "", 100), "dddddddd=9 ");
}

static void many_topics_are_listed_in_steps(void **state)
{
    const size_t count = (size_t)2 * LOG_TOPICS_STEP + 2; /* and one of another prefix */
    struct store_fixture *fixture = *state;
    struct log_topic_walk walk = walk_of("many/", "");
    struct log_topic_walk behind;
    struct listing listing;
    char name[32];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "many/%04zu", i);
        (void)store_fixture_add_event(fixture, name, 10);
    }
    (void)store_fixture_add_event(fixture, "other", 10);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    assert_int_equal(store_snapshot_begin(fixture->store, 1), 0);

    for (int wanted = 1; wanted >= 0; wanted--) {
        listing = (struct listing){.stop_after = SIZE_MAX};
        assert_int_equal(log_topics_list(fixture->store, &walk, on_topic, &listing), 1);
        assert_true(SIZE_MAX - listing.stop_after == LOG_TOPICS_STEP);
    }
    assert_int_equal(walk.after_bytes, 9);
    assert_memory_equal(walk.after, "many/0255", 9);
    behind = walk;
    listing = (struct listing){.stop_after = SIZE_MAX};
    assert_int_equal(log_topics_list(fixture->store, &walk, on_topic, &listing), 0);
    assert_string_equal(listing.text, "many/025=257 many/025=258 ");
    /* Stopped by its user it has not come to its end either, but nobody asks. */
    listing = (struct listing){.stop_after = 1};
    assert_int_equal(log_topics_list(fixture->store, &behind, on_topic, &listing), 0);
    assert_string_equal(listing.text, "many/025=257 ");
}

static void a_damaged_block_is_named_and_the_others_are_read(void **state)
{
    struct store_fixture *fixture = *state;
    struct block block;
    struct log_topic info;

    store_fixture_commit_event(fixture, "a", 100);
    store_fixture_commit_event(fixture, "damaged-topic", 100);
    store_fixture_commit_event(fixture, "a", 100);
    store_fixture_close(fixture);
    /* The payload of seq 2, whose bytes are all 'b'. */
    assert_true(store_fixture_damage(fixture, "bbbbbbbb", "bbbbXbbb", 8));
    assert_int_equal(store_fixture_open(fixture), 0);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    assert_int_equal(log_block_at(fixture->store, 1, &block), 0);
    assert_int_equal(log_block_at(fixture->store, 2, &block), -EBADMSG);
    assert_non_null(strstr(store_error_text(), "block at 2 is damaged"));
    assert_int_equal(log_topic_info(fixture->store, "damaged-topic", 13, &info), -EBADMSG);
    assert_int_equal(log_block_at(fixture->store, 3, &block), 0);
}

int main(void)
{
#define STORE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(an_empty_log_holds_nothing),
        STORE_TEST(a_name_that_cannot_be_a_topic_is_one_never_seen),
        STORE_TEST(a_failed_command_is_in_the_log_but_under_no_topic),
        STORE_TEST(a_record_is_found_by_its_seq_in_any_order),
        STORE_TEST(a_record_appears_with_its_commit_and_goes_with_retention),
        STORE_TEST(topics_are_listed_by_name_prefix_and_page),
        STORE_TEST(many_topics_are_listed_in_steps),
        STORE_TEST(a_damaged_block_is_named_and_the_others_are_read),
        STORE_TEST(lookups_agree_with_a_brute_force_model),
        STORE_TEST(lookups_agree_with_a_brute_force_model_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
