#include "tests/unit/bus_fixture.h"

#include <stdalign.h>
#include <string.h>

#include "bus/record.h"

enum {
    BUF_BYTES = 8192,
};

static alignas(8) uint8_t buf[BUF_BYTES];

static const struct record_topic two_topics[] = {{"news", 4}, {"comments:7", 10}};

static struct record_spec spec_of(const void *payload, size_t bytes)
{
    return (struct record_spec){
        .kind = RECORD_EVENT,
        .flags = RECORD_FROM_ROOM | RECORD_URGENT,
        .topics = two_topics,
        .topic_count = 2,
        .payload = payload,
        .payload_bytes = bytes,
        .origin_slot = 5,
        .origin_generation = 77,
        .origin_request = UINT64_C(0x123456789abcdef),
    };
}

/* A stamped record in buf; returns its length. */
static size_t stamped(void)
{
    const struct record_spec spec = spec_of("{\"a\":1}", 7);
    const size_t length = record_encode(buf, &spec);

    record_stamp(buf, 42, 1234567890);
    return length;
}

static void what_was_encoded_comes_back(void **state)
{
    const struct record_spec spec = spec_of("payload", 7);
    const size_t length = record_encode(buf, &spec);
    struct record record;
    struct record_topic topic;
    size_t offset = 0;

    (void)state;
    record_stamp(buf, 42, -5);
    assert_int_equal(length, record_encoded_bytes(&spec));
    assert_int_equal(record_decode(buf, sizeof buf, &record), RECORD_OK);
    assert_true(record_verify(buf));
    assert_int_equal(record.kind, RECORD_EVENT);
    assert_int_equal(record.flags, RECORD_FROM_ROOM | RECORD_URGENT);
    assert_int_equal(record.seq, 42);
    assert_int_equal(record.time_ns, -5);
    assert_int_equal(record.length, length);
    assert_int_equal(record.origin_slot, 5);
    assert_int_equal(record.origin_generation, 77);
    assert_int_equal(record.origin_request, UINT64_C(0x123456789abcdef));
    assert_int_equal(record.topic_count, 2);
    assert_int_equal(record.payload_bytes, 7);
    assert_memory_equal(record.payload, "payload", 7);
    for (size_t i = 0; i < 2; i++) {
        assert_true(record_topic_next(&record, &offset, &topic));
        assert_int_equal(topic.bytes, two_topics[i].bytes);
        assert_memory_equal(topic.name, two_topics[i].name, topic.bytes);
    }
    assert_false(record_topic_next(&record, &offset, &topic));
}

static void any_payload_length_is_padded_with_zeros_to_a_multiple_of_8(void **state)
{
    static const uint8_t payload[64] = {1};
    struct record record;

    (void)state;
    for (size_t bytes = 0; bytes <= sizeof payload; bytes++) {
        const struct record_spec spec = spec_of(bytes == 0 ? NULL : payload, bytes);
        size_t length;

        memset(buf, 0xee, sizeof buf);
        length = record_encode(buf, &spec);
        assert_int_equal(length % RECORD_ALIGN, 0);
        assert_int_equal(buf[length], 0xee); /* not a byte more than it said */
        assert_int_equal(record_decode(buf, length, &record), RECORD_OK);
        assert_int_equal(record.payload_bytes, bytes);
    }
}

static void the_most_and_longest_topics_fit(void **state)
{
    static char names[RECORD_TOPICS_MAX][RECORD_TOPIC_BYTES_MAX];
    struct record_topic topics[RECORD_TOPICS_MAX];
    struct record_spec spec = spec_of("x", 1);
    struct record record;

    (void)state;
    for (size_t i = 0; i < RECORD_TOPICS_MAX; i++) {
        memset(names[i], 'a' + (int)i, sizeof names[i]);
        topics[i] = (struct record_topic){names[i], sizeof names[i]};
    }
    spec.topics = topics;
    spec.topic_count = RECORD_TOPICS_MAX;
    assert_true(record_encode(buf, &spec) <= sizeof buf);
    assert_int_equal(record_decode(buf, sizeof buf, &record), RECORD_OK);
    for (size_t i = 0; i < RECORD_TOPICS_MAX; i++)
        assert_true(record_has_topic(&record, names[i], sizeof names[i]));
}

static void a_topic_is_found_by_its_whole_name_only(void **state)
{
    struct record record;

    (void)state;
    (void)stamped();
    assert_int_equal(record_decode(buf, sizeof buf, &record), RECORD_OK);
    assert_true(record_has_topic(&record, "news", 4));
    assert_true(record_has_topic(&record, "comments:7", 10));
    assert_false(record_has_topic(&record, "new", 3));
    assert_false(record_has_topic(&record, "news:", 5));
    assert_false(record_has_topic(&record, "comments:8", 10));
}

static void what_cannot_be_a_record_takes_no_bytes(void **state)
{
    static const struct record_topic twice[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    static const struct record_topic empty[] = {{"", 0}};
    static const char long_name[256] = {'a'};
    const struct record_topic too_long[] = {{long_name, 256}};
    struct record_topic many[RECORD_TOPICS_MAX + 1];
    struct record_spec spec = spec_of("x", 1);

    (void)state;
    for (size_t i = 0; i <= RECORD_TOPICS_MAX; i++)
        many[i] = (struct record_topic){&"abcdefghijklmnopqrstu"[i], 1};
    assert_true(record_encoded_bytes(&spec) > 0);
    spec.topic_count = 0;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec.topics = twice;
    spec.topic_count = 3;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec.topics = empty;
    spec.topic_count = 1;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec.topics = too_long;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec.topics = many;
    spec.topic_count = RECORD_TOPICS_MAX;
    assert_true(record_encoded_bytes(&spec) > 0);
    spec.topic_count = RECORD_TOPICS_MAX + 1;
    assert_int_equal(record_encoded_bytes(&spec), 0);

    spec = spec_of("x", (size_t)2 << 30);
    assert_true(record_encoded_bytes(&spec) > 0);
    spec.payload_bytes++;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec = spec_of("x", 1);
    spec.kind = (enum record_kind)3;
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec = spec_of("x", 1);
    spec.flags = 16;
    assert_int_equal(record_encoded_bytes(&spec), 0);
}

static void what_a_command_came_to_may_be_on_no_topic_and_names_a_table(void **state)
{
    struct record_spec spec = spec_of("{\"id\":1}", 8);
    struct record record;

    (void)state;
    spec.kind = RECORD_COMMAND;
    spec.topic_count = 0;
    assert_true(record_encoded_bytes(&spec) > 0);
    spec.table = 7; /* before it is applied it is nobody's row */
    assert_int_equal(record_encoded_bytes(&spec), 0);
    spec.flags = RECORD_APPLIED;
    assert_int_equal(record_encode(buf, &spec), 64);
    record_stamp(buf, 1, 2);
    assert_int_equal(record_decode(buf, sizeof buf, &record), RECORD_OK);
    assert_true(record_verify(buf));
    assert_int_equal(record.table, 7);
    assert_int_equal(record.topic_count, 0);
    assert_true(record_is_event(&record));
    record.flags |= RECORD_FAILED;
    assert_false(record_is_event(&record));
    record.flags = 0;
    assert_false(record_is_event(&record));
}

static void encode_nothing(void *user)
{
    struct record_spec spec = spec_of("x", 1);

    (void)user;
    spec.topic_count = 0;
    (void)record_encode(buf, &spec);
}

static void stamp_again(void *user)
{
    (void)user;
    record_stamp(buf, 43, 1);
}

static void misuse_is_a_broken_invariant(void **state)
{
    (void)state;
    (void)stamped();
    assert_true(fixture_aborts(encode_nothing, NULL));
    assert_true(fixture_aborts(stamp_again, NULL));
}

static void every_shorter_piece_wants_more(void **state)
{
    const size_t length = stamped();
    struct record record;

    (void)state;
    for (size_t bytes = 0; bytes < length; bytes++)
        assert_int_equal(record_decode(buf, bytes, &record), RECORD_MORE);
    assert_int_equal(record_decode(buf, length, &record), RECORD_OK);
}

static void a_record_is_read_from_any_address(void **state)
{
    static uint8_t shifted[BUF_BYTES + 8];
    const size_t length = stamped();
    struct record record;

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(shifted + shift, buf, length);
        assert_int_equal(record_decode(shifted + shift, length, &record), RECORD_OK);
        assert_true(record_verify(shifted + shift));
        assert_memory_equal(record.payload, "{\"a\":1}", 7);
    }
}

static void lengths_that_do_not_fit_together_are_no_record(void **state)
{
    static const struct {
        size_t offset;
        size_t bytes;
        uint64_t value;
    } lies[] = {
        {offsetof(struct record_head, length), 4, 0},
        {offsetof(struct record_head, length), 4, 8},
        {offsetof(struct record_head, length), 4, 56},
        {offsetof(struct record_head, length), 4, 81},
        {offsetof(struct record_head, length), 4, 88},
        {offsetof(struct record_head, length), 4, UINT32_MAX},
        {offsetof(struct record_head, length), 4, UINT32_MAX - 7},
        {offsetof(struct record_head, kind), 1, 0},
        {offsetof(struct record_head, kind), 1, 3},
        {offsetof(struct record_head, flags), 1, 16},
        {offsetof(struct record_head, flags), 1, 255},
        {offsetof(struct record_head, topic_count), 2, 0},
        {offsetof(struct record_head, topic_count), 2, 1},
        {offsetof(struct record_head, topic_count), 2, 3},
        {offsetof(struct record_head, topic_count), 2, 17},
        {offsetof(struct record_head, topic_count), 2, UINT16_MAX},
        {offsetof(struct record_head, topics_bytes), 2, 0},
        {offsetof(struct record_head, topics_bytes), 2, 15},
        {offsetof(struct record_head, topics_bytes), 2, 17},
        {offsetof(struct record_head, topics_bytes), 2, UINT16_MAX},
        {offsetof(struct record_head, payload_bytes), 4, 6},
        {offsetof(struct record_head, payload_bytes), 4, 9},
        {offsetof(struct record_head, payload_bytes), 4, UINT32_MAX},
        {offsetof(struct record_head, payload_bytes), 4, UINT32_MAX - 71},
        {offsetof(struct record_head, table), 4, 1},
        {sizeof(struct record_head), 1, 0}, /* the first topic's length */
        {sizeof(struct record_head), 1, 3},
        {sizeof(struct record_head), 1, 255},
        {sizeof(struct record_head) + 5, 1, 11}, /* the second's */
        {sizeof(struct record_head) + 23, 1, 1}, /* the padding */
    };
    struct record record;

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        assert_int_equal(stamped(), 80);
        memcpy(buf + lies[i].offset, &lies[i].value, lies[i].bytes);
        if (record_decode(buf, sizeof buf, &record) != RECORD_BAD)
            fail_msg("lie %zu was believed", i);
    }
}

static void a_flip_of_any_bit_is_noticed(void **state)
{
    const size_t length = stamped();
    struct record record;

    (void)state;
    for (size_t bit = 0; bit < length * 8; bit++) {
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (record_decode(buf, length, &record) == RECORD_OK && record_verify(buf))
            fail_msg("bit %zu may flip unnoticed", bit);
        buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(record_decode(buf, length, &record), RECORD_OK);
    assert_true(record_verify(buf));
}

static void the_check_binds_content_to_its_place(void **state)
{
    const struct record_spec spec = spec_of("x", 1);
    struct record_head head;
    uint64_t content_hash;

    (void)state;
    (void)record_encode(buf, &spec);
    assert_false(record_verify(buf)); /* unstamped is not verified */
    memcpy(&head, buf, sizeof head);
    content_hash = head.check;
    record_stamp(buf, 9, 10);
    memcpy(&head, buf, sizeof head);
    assert_int_equal(head.check, record_check(content_hash, 9, 10));
    assert_int_not_equal(head.check, record_check(content_hash, 10, 9));
    assert_int_not_equal(head.check, record_check(content_hash + 1, 9, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_comes_back),
        cmocka_unit_test(any_payload_length_is_padded_with_zeros_to_a_multiple_of_8),
        cmocka_unit_test(the_most_and_longest_topics_fit),
        cmocka_unit_test(a_topic_is_found_by_its_whole_name_only),
        cmocka_unit_test(what_cannot_be_a_record_takes_no_bytes),
        cmocka_unit_test(what_a_command_came_to_may_be_on_no_topic_and_names_a_table),
        cmocka_unit_test(misuse_is_a_broken_invariant),
        cmocka_unit_test(every_shorter_piece_wants_more),
        cmocka_unit_test(a_record_is_read_from_any_address),
        cmocka_unit_test(lengths_that_do_not_fit_together_are_no_record),
        cmocka_unit_test(a_flip_of_any_bit_is_noticed),
        cmocka_unit_test(the_check_binds_content_to_its_place),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
