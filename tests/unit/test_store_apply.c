#include <stdlib.h>
#include <string.h>

#include "store/apply.h"
#include "store/log.h"
#include "tests/unit/store_fixture.h"

enum {
    OUT_BYTES = 8192,
};

static _Alignas(RECORD_ALIGN) uint8_t encoded[OUT_BYTES];
static _Alignas(RECORD_ALIGN) uint8_t out[OUT_BYTES + APPLY_GROWTH_MAX];

static struct record operation_make(enum record_kind kind, unsigned flags, size_t payload_bytes)
{
    static uint8_t payload[OUT_BYTES];
    const struct record_topic topics[] = {{"news", 4}, {"comments:7", 10}};
    const struct record_spec spec = {
        .kind = kind,
        .flags = flags,
        .topics = topics,
        .topic_count = 2,
        .payload = payload,
        .payload_bytes = payload_bytes,
        .origin_slot = 3,
        .origin_generation = 9,
        .origin_request = 77,
    };
    struct record record;

    memset(payload, 'x', sizeof payload);
    (void)record_encode(encoded, &spec);
    record_stamp(encoded, 42, 123456789);
    assert_int_equal(record_decode(encoded, sizeof encoded, &record), RECORD_OK);
    return record;
}

static void an_event_comes_out_as_it_is(void **state)
{
    struct record record = operation_make(RECORD_EVENT, RECORD_FROM_ROOM, 100);

    (void)state;
    assert_int_equal(apply_operation(&record, encoded, out, record.length), record.length);
    assert_memory_equal(out, encoded, record.length);
}

static void an_unknown_command_comes_out_as_failed_under_its_seq(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 26, 27, 28, 4000};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct record record = operation_make(RECORD_COMMAND, RECORD_URGENT, sizes[i]);
        struct record result;
        ptrdiff_t length = apply_operation(&record, encoded, out, record.length + APPLY_GROWTH_MAX);

        assert_true(length > 0 && length <= (ptrdiff_t)record.length + APPLY_GROWTH_MAX);
        assert_int_equal(record_decode(out, (size_t)length, &result), RECORD_OK);
        assert_int_equal(result.length, length);
        assert_true(record_verify(out));
        assert_int_equal(result.kind, RECORD_COMMAND);
        assert_int_equal(result.flags, RECORD_URGENT | RECORD_FAILED);
        assert_int_equal(result.seq, 42);
        assert_int_equal(result.time_ns, 123456789);
        assert_int_equal(result.origin_slot, 3);
        assert_int_equal(result.origin_generation, 9);
        assert_int_equal(result.origin_request, 77);
        assert_int_equal(result.topics_bytes, record.topics_bytes);
        assert_memory_equal(result.topics, record.topics, record.topics_bytes);
        assert_int_equal(result.payload_bytes, strlen("{\"error\":\"unknown command\"}"));
        assert_memory_equal(result.payload, "{\"error\":\"unknown command\"}",
                            result.payload_bytes);
    }
}

/* Random operations; the whole store's log as bytes. */
static size_t log_make(void **state, uint8_t **ret_log)
{
    struct store_fixture *fixture;
    const uint8_t *block_bytes;
    uint64_t random = 4711;
    size_t length = 0;

    assert_int_equal(store_fixture_setup(state), 0);
    fixture = *state;
    for (int commit = 0; commit < 20; commit++) {
        for (uint64_t count = store_fixture_random(&random) % 60 + 1; count > 0; count--) {
            const struct record_topic topic = {"a topic", 1 + store_fixture_random(&random) % 7};
            const struct record_spec spec = {
                .kind = store_fixture_random(&random) % 4 == 0 ? RECORD_COMMAND : RECORD_EVENT,
                .topics = &topic,
                .topic_count = 1,
                .payload = encoded,
                .payload_bytes = store_fixture_random(&random) % 3000,
            };

            (void)store_fixture_add(fixture, &spec);
        }
        assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
    store_fixture_check_whole(fixture->store);

    *ret_log = malloc(fixture->meta.log_bytes);
    assert_non_null(*ret_log);
    assert_int_equal(store_snapshot_begin(fixture->store, 0), 0);
    for (uint64_t seq = 1; seq <= fixture->meta.committed_seq;) {
        struct block block;
        size_t bytes;

        assert_int_equal(log_block_at(fixture->store, seq, &block), 0);
        block_bytes = block.records - sizeof block.head;
        bytes = sizeof block.head + block.records_bytes;
        assert_true(length + bytes <= fixture->meta.log_bytes);
        memcpy(*ret_log + length, block_bytes, bytes);
        length += bytes;
        seq = block.head.last_seq + 1;
    }
    return length;
}

static void the_same_operations_give_the_same_bytes(void **state)
{
    uint8_t *logs[2];
    size_t lengths[2];

    memset(encoded, 'p', sizeof encoded);
    for (int i = 0; i < 2; i++) {
        lengths[i] = log_make(state, &logs[i]);
        assert_int_equal(store_fixture_teardown(state), 0);
    }
    *state = NULL;
    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(logs[0], logs[1], lengths[0]);
    free(logs[0]);
    free(logs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_comes_out_as_it_is),
        cmocka_unit_test(an_unknown_command_comes_out_as_failed_under_its_seq),
        cmocka_unit_test_teardown(the_same_operations_give_the_same_bytes, store_fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
