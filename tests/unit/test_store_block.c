#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/block.h"
#include "tests/unit/store_fixture.h"

enum {
    RECORD_COUNT = 5,
    VALUE_BYTES = 4096,
};

struct sealed {
    _Alignas(RECORD_ALIGN) uint8_t value[VALUE_BYTES];
    size_t bytes;
};

/* A block of RECORD_COUNT events of different lengths, seqs 11, 12 ... */
static struct sealed sealed_make(void)
{
    struct sealed sealed = {.bytes = sizeof(struct block_head)};
    struct block_head head = {.version = BLOCK_VERSION, .count = RECORD_COUNT, .first_seq = 11};

    for (uint64_t i = 0; i < RECORD_COUNT; i++) {
        const struct record_topic topic = {.name = "news", .bytes = 4};
        const struct record_spec spec = {
            .kind = RECORD_EVENT,
            .topics = &topic,
            .topic_count = 1,
            .payload = "0123456789",
            .payload_bytes = 2 * i,
        };
        uint8_t *at = sealed.value + sealed.bytes;

        sealed.bytes += record_encode(at, &spec);
        record_stamp(at, head.first_seq + i, (int64_t)(1000 + i));
        head.last_seq = head.first_seq + i;
        head.last_time_ns = (int64_t)(1000 + i);
    }
    block_seal(sealed.value, &head, sealed.bytes - sizeof head);
    return sealed;
}

static void a_sealed_block_is_read_back_record_by_record(void **state)
{
    struct sealed sealed = sealed_make();
    struct block block;
    struct record record;
    size_t offset = 0;

    (void)state;
    assert_true(block_verify(sealed.value, sealed.bytes));
    assert_int_equal(block_decode(sealed.value, sealed.bytes, &block), 0);
    assert_int_equal(block.head.count, RECORD_COUNT);
    assert_int_equal(block.head.first_seq, 11);
    assert_int_equal(block.head.last_seq, 15);
    assert_int_equal(block.head.last_time_ns, 1004);
    for (uint64_t i = 0; i < RECORD_COUNT; i++) {
        assert_int_equal(block_next(&block, &offset, &record), RECORD_OK);
        assert_int_equal(record.seq, 11 + i);
        assert_int_equal(record.payload_bytes, 2 * i);
    }
    assert_int_equal(block_next(&block, &offset, &record), RECORD_MORE);
    assert_int_equal(block_next(&block, &offset, &record), RECORD_MORE);
}

static void damage_of_any_byte_is_found(void **state)
{
    struct sealed sealed = sealed_make();

    (void)state;
    for (size_t i = 0; i < sealed.bytes; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed.value[i] ^= (uint8_t)(1U << bit);
            assert_false(block_verify(sealed.value, sealed.bytes));
            sealed.value[i] ^= (uint8_t)(1U << bit);
        }
    }
    assert_true(block_verify(sealed.value, sealed.bytes));
}

static void a_cut_block_is_found(void **state)
{
    struct sealed sealed = sealed_make();

    (void)state;
    for (size_t bytes = 0; bytes < sealed.bytes; bytes++) {
        /* A copy of its own size, so that a sanitizer sees every byte read too many. */
        uint8_t *cut = malloc(bytes + 1);

        assert_non_null(cut);
        memcpy(cut, sealed.value, bytes);
        assert_false(block_verify(cut, bytes));
        free(cut);
    }
}

static void a_head_that_cannot_be_is_refused(void **state)
{
    static const struct {
        size_t offset;
        uint64_t number;
        size_t bytes;
    } heads[] = {
        {offsetof(struct block_head, version), 0, 4},
        {offsetof(struct block_head, version), BLOCK_VERSION + 1, 4},
        {offsetof(struct block_head, count), 0, 4},
        {offsetof(struct block_head, count), 1000, 4},
        {offsetof(struct block_head, first_seq), 0, 8},
        {offsetof(struct block_head, first_seq), 16, 8},
        {offsetof(struct block_head, last_seq), 10, 8},
    };
    struct block block;

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct sealed sealed = sealed_make();

        memcpy(sealed.value + heads[i].offset, &heads[i].number, heads[i].bytes);
        assert_int_equal(block_decode(sealed.value, sealed.bytes, &block), -EBADMSG);
    }
}

static void a_walk_over_damage_ends_with_bad(void **state)
{
    struct sealed sealed = sealed_make();
    struct block block;
    struct record record;
    size_t offset = 0;

    (void)state;
    sealed.value[sizeof(struct block_head)] ^= 0xFF; /* the first record's length */
    assert_int_equal(block_decode(sealed.value, sealed.bytes, &block), 0);
    assert_int_equal(block_next(&block, &offset, &record), RECORD_BAD);

    sealed = sealed_make();
    assert_int_equal(block_decode(sealed.value, sealed.bytes - RECORD_ALIGN, &block), 0);
    offset = 0;
    for (int i = 0; i < RECORD_COUNT - 1; i++)
        assert_int_equal(block_next(&block, &offset, &record), RECORD_OK);
    assert_int_equal(block_next(&block, &offset, &record), RECORD_BAD); /* cut */

    sealed = sealed_make();
    assert_int_equal(block_decode(sealed.value, sealed.bytes, &block), 0);
    block.head.first_seq = 12;
    offset = 0;
    assert_int_equal(block_next(&block, &offset, &record), RECORD_BAD); /* 11 is not in 12..15 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_block_is_read_back_record_by_record),
        cmocka_unit_test(damage_of_any_byte_is_found),
        cmocka_unit_test(a_cut_block_is_found),
        cmocka_unit_test(a_head_that_cannot_be_is_refused),
        cmocka_unit_test(a_walk_over_damage_ends_with_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
