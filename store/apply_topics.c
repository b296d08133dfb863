/* A result's topics: templates and a row. */
#include <string.h>

#include "bus/check.h"
#include "bus/topic_name.h"
#include "store/apply_internal.h"
#include "store/value.h"

enum {
    TOPIC_NONE = 2, /* a column is null: there is no such topic */
};

struct topic_buffer {
    char *name;
    size_t bytes; /* of the topic, written or not */
};

static void add_text(struct topic_buffer *topic, const char *text, size_t bytes)
{
    if (topic->bytes + bytes <= RECORD_TOPIC_BYTES_MAX)
        memcpy(topic->name + topic->bytes, text, bytes);
    topic->bytes += bytes;
}

static int add_column(struct apply *apply, const struct catalog_table *table, uint16_t number,
                      struct topic_buffer *topic)
{
    const struct catalog_column *column = catalog_column(table, number);
    struct catalog_text json;
    struct catalog_text piece;
    size_t offset = 0;

    if (column == NULL || column->is_dropped || column->kind == COLUMN_JSON)
        return apply_refuse(apply, "INTERNAL", "a topic cannot have column %u", number);
    json = apply->pieces.json[number];
    if (json.size == 0)
        return TOPIC_NONE;
    if (json.bytes[0] != '"') {
        add_text(topic, json.bytes, json.size);
        return 0;
    }
    /* A stored text has the form of its column, or it would not be stored. */
    while (value_text_next(json, &offset, &piece))
        add_text(topic, piece.bytes, piece.size);
    return 0;
}

static int make_name(struct apply *apply, const struct catalog_table *table,
                     const struct command_topic *template, struct topic_buffer *topic)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < template->count; i++) {
        const struct command_part *part = &template->parts[i];

        if (part->is_column)
            rc = add_column(apply, table, part->column, topic);
        else
            add_text(topic, part->literal.bytes, part->literal.size);
    }
    return rc;
}

/* Names what makes it bad: the columns, as what is literal was looked at with the schema. */
static int refuse_name(struct apply *apply, const struct catalog_table *table,
                       const struct command_topic *template)
{
    static const char what[] = "cannot be in a topic's name: that has 1 to 255 bytes, no control "
                               "characters, and does not begin with $";

    for (int i = 0; i < template->count; i++) {
        if (template->parts[i].is_column)
            return apply_refuse_column(apply, "BAD_USER_INPUT", table,
                                       catalog_column(table, template->parts[i].column), what);
    }
    return apply_refuse(apply, "BAD_USER_INPUT", "%.*s: what its topic is called %s",
                        (int)table->name.size, table->name.bytes, what);
}

static bool has_topic(const struct apply *apply, const char *name, size_t bytes)
{
    for (size_t i = 0; i < apply->topic_count; i++) {
        if (apply->topics[i].bytes == bytes && memcmp(apply->topics[i].name, name, bytes) == 0)
            return true;
    }
    return false;
}

int apply_topics(struct apply *apply, const struct catalog_table *table)
{
    CHECK(apply->topic_count == 0);
    for (int i = 0; i < apply->command.topic_count; i++) {
        const struct command_topic *template = &apply->command.topics[i];
        struct topic_buffer topic = {.name = apply->topic_names[apply->topic_count]};
        int rc = make_name(apply, table, template, &topic);

        if (rc == TOPIC_NONE)
            continue;
        if (rc != 0)
            return rc;
        if (topic.bytes > RECORD_TOPIC_BYTES_MAX || !topic_name_is_allowed(topic.name, topic.bytes))
            return refuse_name(apply, table, template);
        if (has_topic(apply, topic.name, topic.bytes))
            continue;
        apply->topics[apply->topic_count++] = (struct record_topic){topic.name, topic.bytes};
    }
    return 0;
}
