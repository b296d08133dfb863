/* Objects as resolvers pass them on: rows, events, and whatever JSON objects there are. */
#include <string.h>

#include "bus/check.h"
#include "server/api/resolve.h"
#include "server/topics/event.h"

static struct catalog_text to_catalog_text(struct json_span json)
{
    if (json_type(json) == JSON_NULL)
        return (struct catalog_text){0};
    return (struct catalog_text){json.bytes, json.size};
}

/* Names of columns are GraphQL's, and rows are the server's own text: they have no escapes. */
static bool is_named(struct json_span key, struct ast_text name)
{
    return key.size == (size_t)name.size + 2 && memcmp(key.bytes + 1, name.bytes, name.size) == 0;
}

/* Who publishes may escape what they like. */
static bool is_member(struct json_span key, struct ast_text name)
{
    return is_named(key, name) ||
           (key.size > (size_t)name.size + 2 && json_string_is(key, name.bytes, name.size));
}

/* --- rows ------------------------------------------------------------------------------------- */

struct catalog_text resolve_row_column(const struct resolve_row *row, uint32_t column)
{
    if (row->columns != NULL)
        return row->columns[column];
    return row_column(&row->stored, &row->table->stored->columns[column]);
}

struct resolve_row *resolve_row_copy(struct region *region, const struct model_table *table,
                                     const struct row *row)
{
    struct resolve_row *copy = region_alloc(region, sizeof *copy + row->bytes);
    uint8_t *value;

    if (copy == NULL)
        return NULL;
    value = (uint8_t *)(copy + 1);
    memcpy(value, row->value, row->bytes);
    copy->table = table;
    copy->stored = (struct row){.id = row->id, .value = value, .bytes = row->bytes};
    return copy;
}

/* The column of a member: usually the one behind the last. MODEL_NO_COLUMN: none, or dropped. */
static uint32_t find_column(const struct model_table *table, struct json_span key,
                            uint32_t expected)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        uint32_t column = expected + i;

        if (column >= table->column_count)
            column -= table->column_count;
        if (is_named(key, table->columns[column].name))
            return column;
    }
    return MODEL_NO_COLUMN;
}

struct resolve_row *resolve_row_of_json(struct region *region, const struct model_table *table,
                                        struct json_span json)
{
    struct resolve_row *row = region_alloc(region, sizeof *row);
    struct catalog_text *columns = region_alloc(region, table->column_count * sizeof *columns);
    struct json_span key;
    struct json_span value;
    uint32_t expected = 0;
    size_t offset = 0;

    if (row == NULL || columns == NULL)
        return NULL;
    for (uint32_t i = 0; i < table->column_count; i++)
        columns[i] = table->columns[i].default_json;
    while (json_object_next(json, &offset, &key, &value)) {
        uint32_t column = find_column(table, key, expected);

        if (column == MODEL_NO_COLUMN)
            continue;
        columns[column] = to_catalog_text(value);
        expected = column + 1;
    }
    row->table = table;
    row->columns = columns;
    return row;
}

/* --- other objects ---------------------------------------------------------------------------- */

const struct ast_text *resolve_members(struct region *region, const struct schema_type *type,
                                       struct json_span object)
{
    struct ast_text *members =
        region_alloc(region, (size_t)type->field_count * sizeof *members + 1);
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    while (members != NULL && json_object_next(object, &offset, &key, &value)) {
        for (uint32_t i = 0; i < type->field_count; i++) {
            if (!is_member(key, type->fields[i].name))
                continue;
            if (json_type(value) != JSON_NULL)
                members[i] = (struct ast_text){value.bytes, (uint32_t)value.size};
            else
                members[i] = (struct ast_text){0};
        }
    }
    return members;
}

static struct ast_text text_between(const char *begin, const char *end)
{
    return (struct ast_text){begin, (uint32_t)(end - begin)};
}

const struct ast_text *resolve_event(struct region *region, const struct schema_type *type,
                                     const struct event *event, uint64_t epoch)
{
    enum {
        QUOTED_BYTES_MAX =
            EVENT_DECIMAL_BYTES_MAX + EVENT_EPOCH_BYTES + EVENT_TIME_BYTES + 3 * 2 /* quotes */,
    };
    struct ast_text *members =
        region_alloc(region, (size_t)type->field_count * sizeof *members + 1);
    char *topic =
        region_alloc(region, json_quoted_bytes_max(event->topic_bytes) + QUOTED_BYTES_MAX);
    char *seq;
    char *hex;
    char *time;
    char *end;

    if (members == NULL || topic == NULL)
        return NULL;
    seq = topic + json_quote(topic, event->topic, event->topic_bytes);
    end = seq;
    *end++ = '"';
    end += event_decimal(end, event->seq);
    *end++ = '"';
    hex = end;
    *end++ = '"';
    event_epoch(end, epoch);
    end += EVENT_EPOCH_BYTES;
    *end++ = '"';
    time = end;
    *end++ = '"';
    event_time(end, event->time_ns);
    end += EVENT_TIME_BYTES;
    *end++ = '"';
    for (uint32_t i = 0; i < type->field_count; i++) {
        struct ast_text name = type->fields[i].name;

        if (ast_text_is(name, "topic"))
            members[i] = text_between(topic, seq);
        else if (ast_text_is(name, "seq"))
            members[i] = text_between(seq, hex);
        else if (ast_text_is(name, "epoch"))
            members[i] = text_between(hex, time);
        else if (ast_text_is(name, "time"))
            members[i] = text_between(time, end);
        else if (ast_text_is(name, "data"))
            members[i] = (struct ast_text){event->payload, (uint32_t)event->payload_bytes};
    }
    return members;
}
