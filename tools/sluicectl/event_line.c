#include "tools/sluicectl/event_line.h"

#include <string.h>

#include "tools/sluicectl/escape.h"

/* A member's text, a string without its quotes, and a space behind it; "-" when there is none. */
static void write_member(FILE *output, struct json_span object, const char *name)
{
    struct json_span value = {"-", 1};

    if (json_span_member(object, name, &value))
        value = json_span_unquoted(value);
    (void)escape_write(output, value.at, value.bytes);
    (void)fputc(' ', output); /* who ends with the stream looks at its state */
}

static void write_data(FILE *output, struct json_span object)
{
    struct json_span data = {"null", 4};

    (void)json_span_member(object, "data", &data); /* without one: null */
    (void)escape_write(output, data.at, data.bytes);
    (void)fputc('\n', output);
}

void event_line_message(FILE *output, struct json_span message, const char *topic)
{
    write_member(output, message, "seq");
    write_member(output, message, "time");
    if (topic != NULL) {
        (void)escape_write(output, topic, strlen(topic));
        (void)fputc(' ', output);
    }
    write_data(output, message);
}

static void write_topics(FILE *output, struct json_span operation)
{
    struct json_span topics = {"[]", 2};
    struct json_span cursor = {0};
    struct json_span topic;
    size_t count = 0;

    (void)json_span_member(operation, "topics", &topics); /* without any: none */
    for (; json_span_element(topics, &cursor, &topic); count++) {
        if (count > 0)
            (void)fputc(',', output);
        topic = json_span_unquoted(topic);
        (void)escape_write(output, topic.at, topic.bytes);
    }
    (void)fputs(count == 0 ? "- " : " ", output);
}

void event_line_operation(FILE *output, struct json_span operation)
{
    write_member(output, operation, "seq");
    write_member(output, operation, "time");
    write_member(output, operation, "kind");
    write_topics(output, operation);
    write_data(output, operation);
}

void event_line_json(FILE *output, struct json_span object)
{
    (void)fwrite(object.at, 1, object.bytes, output);
    (void)fputc('\n', output);
}
