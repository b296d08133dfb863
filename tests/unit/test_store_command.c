#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/command.h"
#include "tests/unit/store_fixture.h"

static const struct command_value values[] = {{3, {"\"x\"", 3}}, {1, {NULL, 0}}};
static const struct command_value conditions[] = {{7, {"true", 4}}};
static const struct command_part parts[] = {{.literal = {"comments:", 9}},
                                            {.is_column = true, .column = 4}};
static const struct command_topic topics[] = {{parts, 2}, {parts, 1}};
static const struct command update = {
    .kind = COMMAND_UPDATE,
    .version = 77,
    .table = 5,
    .id = UINT64_C(1) << 40,
    .values = values,
    .value_count = 2,
    .conditions = conditions,
    .condition_count = 1,
    .topics = topics,
    .topic_count = 2,
};

static uint8_t *encoded_of(const struct command *command, size_t *ret_bytes)
{
    uint8_t *encoded;

    *ret_bytes = command_encoded_bytes(command);
    encoded = malloc(*ret_bytes);
    assert_non_null(encoded);
    command_encode(command, encoded);
    return encoded;
}

static void a_command_comes_out_as_it_went_in(void **state)
{
    struct command_arena arena = {.bytes = NULL};
    struct command command;
    size_t bytes;
    uint8_t *encoded = encoded_of(&update, &bytes);

    (void)state;
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), 0);
    assert_int_equal(command.kind, COMMAND_UPDATE);
    assert_int_equal(command.version, 77);
    assert_int_equal(command.table, 5);
    assert_int_equal(command.id, UINT64_C(1) << 40);
    assert_int_equal(command.value_count, 2);
    assert_int_equal(command.values[0].column, 3);
    assert_int_equal(command.values[0].json.size, 3);
    assert_memory_equal(command.values[0].json.bytes, "\"x\"", 3);
    assert_int_equal(command.values[1].json.size, 0);
    assert_int_equal(command.condition_count, 1);
    assert_memory_equal(command.conditions[0].json.bytes, "true", 4);
    assert_int_equal(command.topic_count, 2);
    assert_int_equal(command.topics[0].count, 2);
    assert_false(command.topics[0].parts[0].is_column);
    assert_memory_equal(command.topics[0].parts[0].literal.bytes, "comments:", 9);
    assert_true(command.topics[0].parts[1].is_column);
    assert_int_equal(command.topics[0].parts[1].column, 4);
    assert_int_equal(command.topics[1].count, 1);
    command_arena_done(&arena);
    free(encoded);
}

static void a_schema_operation_has_its_catalog(void **state)
{
    const struct command schema = {.kind = COMMAND_SCHEMA, .catalog = {"bytes\0more", 10}};
    struct command_arena arena = {.bytes = NULL};
    struct command command;
    size_t bytes;
    uint8_t *encoded = encoded_of(&schema, &bytes);

    (void)state;
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), 0);
    assert_int_equal(command.kind, COMMAND_SCHEMA);
    assert_int_equal(command.catalog.size, 10);
    assert_memory_equal(command.catalog.bytes, "bytes\0more", 10);
    assert_null(arena.bytes); /* it needs none */
    free(encoded);
}

static void every_cut_and_anything_behind_it_is_noticed(void **state)
{
    struct command_arena arena = {.bytes = NULL};
    struct command command;
    size_t bytes;
    uint8_t *encoded = encoded_of(&update, &bytes);
    uint8_t *longer;

    (void)state;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *cut = malloc(i + 1);

        assert_non_null(cut);
        memcpy(cut, encoded, i);
        assert_int_equal(command_decode(cut, i, &arena, &command), -EBADMSG);
        free(cut);
    }
    longer = calloc(1, bytes + 1);
    assert_non_null(longer);
    memcpy(longer, encoded, bytes);
    assert_int_equal(command_decode(longer, bytes + 1, &arena, &command), -EBADMSG);
    command_arena_done(&arena);
    free(longer);
    free(encoded);
}

static void random_bytes_never_lead_past_them(void **state)
{
    struct command_arena arena = {.bytes = NULL};
    struct command command;
    uint64_t random = 3;
    size_t bytes;
    uint8_t *encoded = encoded_of(&update, &bytes);
    int good_count = 0;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        size_t at = store_fixture_random(&random) % bytes;
        uint8_t byte = encoded[at];

        encoded[at] = (uint8_t)store_fixture_random(&random);
        if (command_decode(encoded, bytes, &arena, &command) == 0)
            good_count++;
        encoded[at] = byte;
    }
    assert_true(good_count > 0);
    command_arena_done(&arena);
    free(encoded);
}

static void more_than_fits_is_no_command(void **state)
{
    struct command_arena arena = {.bytes = NULL};
    struct command command;
    size_t bytes;
    uint8_t *encoded = encoded_of(&update, &bytes);
    const uint16_t many = CATALOG_COLUMNS_MAX + 1;

    (void)state;
    memcpy(encoded + 20, &many, sizeof many); /* values */
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), -EBADMSG);
    free(encoded);
    encoded = encoded_of(&update, &bytes);
    encoded[0] = 2; /* another version's */
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), -EBADMSG);
    encoded[0] = 1;
    encoded[1] = 0;
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), -EBADMSG);
    encoded[1] = COMMAND_SCHEMA + 1;
    assert_int_equal(command_decode(encoded, bytes, &arena, &command), -EBADMSG);
    assert_int_equal(command_decode(encoded, 0, &arena, &command), -EBADMSG);
    command_arena_done(&arena);
    free(encoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_comes_out_as_it_went_in),
        cmocka_unit_test(a_schema_operation_has_its_catalog),
        cmocka_unit_test(every_cut_and_anything_behind_it_is_noticed),
        cmocka_unit_test(random_bytes_never_lead_past_them),
        cmocka_unit_test(more_than_fits_is_no_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
