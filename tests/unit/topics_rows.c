#include "tests/unit/topics_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/catalog.h"
#include "store/command.h"

enum {
    SCHEMA_SEQ = 1,
    COLUMN_NUMBER = 1,
};

static int append(struct topics_fixture *fixture, const struct command *command, uint64_t *ret_seq)
{
    size_t bytes = command_encoded_bytes(command);
    uint8_t *payload = malloc(bytes);
    const struct record_spec spec = {.kind = RECORD_COMMAND,
                                     .flags = RECORD_URGENT,
                                     .payload = payload,
                                     .payload_bytes = bytes,
                                     .origin_slot = TOPICS_SLOT};
    int rc;

    assert_non_null(payload);
    command_encode(command, payload);
    rc = topics_append_spec(fixture, &spec, ret_seq);
    free(payload);
    return rc;
}

void topics_rows_begin(struct topics_fixture *fixture)
{
    struct catalog_column columns[] = {
        {.name = {"id", 2}, .kind = COLUMN_INT, .is_required = true},
        {.name = {"number", 6}, .kind = COLUMN_INT, .number = COLUMN_NUMBER},
    };
    struct catalog_table table = {
        .name = {"Item", 4}, .number = TOPICS_ROWS_TABLE, .columns = columns, .column_count = 2};
    const struct catalog catalog = {
        .tables = &table, .table_count = 1, .tables_used = 1, .sdl = {"type Query", 10}};
    struct command command = {.kind = COMMAND_SCHEMA};
    size_t bytes = catalog_encoded_bytes(&catalog);
    uint8_t *encoded = malloc(bytes);
    uint64_t seq = 0;

    assert_non_null(encoded);
    catalog_encode(&catalog, encoded);
    command.catalog = (struct catalog_text){(const char *)encoded, bytes};
    assert_int_equal(append(fixture, &command, &seq), 0);
    assert_int_equal(seq, SCHEMA_SEQ);
    topics_commit(fixture, NULL);
    free(encoded);
}

int topics_rows_create(struct topics_fixture *fixture, const struct record_topic *topics,
                       size_t topic_count, uint32_t number, uint64_t *ret_seq)
{
    struct command_part parts[COMMAND_TOPICS_MAX];
    struct command_topic templates[COMMAND_TOPICS_MAX];
    struct command_value value = {.column = COLUMN_NUMBER};
    struct command command = {.kind = COMMAND_CREATE,
                              .version = SCHEMA_SEQ,
                              .table = TOPICS_ROWS_TABLE,
                              .values = &value,
                              .value_count = 1,
                              .topics = templates,
                              .topic_count = (uint16_t)topic_count};
    char json[16];

    assert_true(topic_count <= COMMAND_TOPICS_MAX);
    value.json = (struct catalog_text){json, (size_t)snprintf(json, sizeof json, "%u", number)};
    for (size_t i = 0; i < topic_count; i++) {
        parts[i] = (struct command_part){.literal = {topics[i].name, topics[i].bytes}};
        templates[i] = (struct command_topic){.parts = &parts[i], .count = 1};
    }
    return append(fixture, &command, ret_seq);
}
