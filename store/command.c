#include "store/command.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"
#include "store/code.h"

enum {
    COMMAND_FORMAT = 1,
};

/* --- encoding ------------------------------------------------------------------------------- */

static void put_values(struct code_out *out, const struct command_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        code_put_u16(out, values[i].column);
        code_put_text(out, values[i].json);
    }
}

static void put_topic(struct code_out *out, const struct command_topic *topic)
{
    code_put_u16(out, topic->count);
    for (size_t i = 0; i < topic->count; i++) {
        const struct command_part *part = &topic->parts[i];

        code_put_u8(out, part->is_column ? 1 : 0);
        if (part->is_column)
            code_put_u16(out, part->column);
        else
            code_put_text(out, part->literal);
    }
}

static void put_command(struct code_out *out, const struct command *command)
{
    code_put_u8(out, COMMAND_FORMAT);
    code_put_u8(out, (uint8_t)command->kind);
    if (command->kind == COMMAND_SCHEMA) {
        code_put_text(out, command->catalog);
        return;
    }
    code_put_u16(out, command->table);
    code_put_u64(out, command->version);
    code_put_u64(out, command->id);
    code_put_u16(out, command->value_count);
    code_put_u16(out, command->condition_count);
    code_put_u16(out, command->topic_count);
    put_values(out, command->values, command->value_count);
    put_values(out, command->conditions, command->condition_count);
    for (size_t i = 0; i < command->topic_count; i++)
        put_topic(out, &command->topics[i]);
}

size_t command_encoded_bytes(const struct command *command)
{
    struct code_out out = {.start = NULL};

    put_command(&out, command);
    return out.bytes;
}

void command_encode(const struct command *command, uint8_t *out)
{
    struct code_out to = {.start = out};

    CHECK(command->value_count <= CATALOG_COLUMNS_MAX);
    CHECK(command->condition_count <= CATALOG_COLUMNS_MAX);
    CHECK(command->topic_count <= COMMAND_TOPICS_MAX);
    put_command(&to, command);
}

/* --- decoding ------------------------------------------------------------------------------- */

void command_arena_done(struct command_arena *arena)
{
    free(arena->bytes);
    *arena = (struct command_arena){.bytes = NULL};
}

/* What one COMMAND has at most; some 30 KB, so that it is allocated once. */
struct command_arrays {
    struct command_value values[CATALOG_COLUMNS_MAX];
    struct command_value conditions[CATALOG_COLUMNS_MAX];
    struct command_topic topics[COMMAND_TOPICS_MAX];
    struct command_part parts[COMMAND_TOPICS_MAX][COMMAND_PARTS_MAX];
};

static int arrays_get(struct command_arena *arena, struct command_arrays **ret_arrays)
{
    if (arena->size < sizeof **ret_arrays) {
        command_arena_done(arena);
        arena->bytes = malloc(sizeof **ret_arrays);
        if (arena->bytes == NULL)
            return -ENOMEM;
        arena->size = sizeof **ret_arrays;
    }
    *ret_arrays = arena->bytes;
    return 0;
}

static void get_values(struct code_in *in, struct command_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i].column = code_get_u16(in);
        values[i].json = code_get_text(in, COMMAND_ROW_BYTES_MAX);
    }
}

static void get_topic(struct code_in *in, struct command_topic *topic, struct command_part *parts)
{
    topic->parts = parts;
    topic->count = code_get_u16(in);
    if (topic->count > COMMAND_PARTS_MAX) {
        topic->count = 0;
        in->is_bad = true;
    }
    for (size_t i = 0; i < topic->count; i++) {
        uint8_t is_column = code_get_u8(in);

        if (is_column > 1)
            in->is_bad = true;
        parts[i] = (struct command_part){.is_column = is_column == 1};
        if (is_column == 1)
            parts[i].column = code_get_u16(in);
        else
            parts[i].literal = code_get_text(in, SIZE_MAX);
    }
}

static bool counts_are_good(const struct command *command)
{
    if (command->value_count > CATALOG_COLUMNS_MAX)
        return false;
    if (command->condition_count > CATALOG_COLUMNS_MAX)
        return false;
    return command->topic_count <= COMMAND_TOPICS_MAX;
}

static int get_change(struct code_in *in, struct command_arena *arena, struct command *command)
{
    struct command_arrays *arrays;

    command->table = code_get_u16(in);
    command->version = code_get_u64(in);
    command->id = code_get_u64(in);
    command->value_count = code_get_u16(in);
    command->condition_count = code_get_u16(in);
    command->topic_count = code_get_u16(in);
    if (in->is_bad || !counts_are_good(command))
        return -EBADMSG;
    if (arrays_get(arena, &arrays) != 0)
        return -ENOMEM;
    command->values = arrays->values;
    command->conditions = arrays->conditions;
    command->topics = arrays->topics;
    get_values(in, arrays->values, command->value_count);
    get_values(in, arrays->conditions, command->condition_count);
    for (size_t i = 0; i < command->topic_count; i++)
        get_topic(in, &arrays->topics[i], arrays->parts[i]);
    return 0;
}

int command_decode(const void *payload, size_t bytes, struct command_arena *arena,
                   struct command *ret_command)
{
    struct code_in in = {.at = payload, .left = bytes};
    struct command command = {.kind = COMMAND_SCHEMA};
    uint8_t format = code_get_u8(&in);
    uint8_t kind = code_get_u8(&in);
    int rc = 0;

    if (in.is_bad || format != COMMAND_FORMAT || kind < COMMAND_CREATE || kind > COMMAND_SCHEMA)
        return -EBADMSG;
    command.kind = (enum command_kind)kind;
    if (command.kind == COMMAND_SCHEMA)
        command.catalog = code_get_text(&in, SIZE_MAX);
    else
        rc = get_change(&in, arena, &command);
    if (rc == 0 && (in.is_bad || in.left > 0))
        rc = -EBADMSG;
    if (rc == 0)
        *ret_command = command;
    return rc;
}
