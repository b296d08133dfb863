/* publish: one message to one topic. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sluicectl/command.h"
#include "tools/sluicectl/control.h"
#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/field.h"
#include "tools/sluicectl/message.h"

#define MESSAGE_BYTES_MAX (1u << 30) /* nothing longer fits into the largest ring */
#define PATIENCE_SECONDS  30L        /* a full ring, a slow disk */
#define CHUNK_BYTES       (64u << 10)

/* All of standard input, of malloc; NULL: it has been said why not. */
static char *read_input(size_t *ret_bytes)
{
    char chunk[CHUNK_BYTES];
    char *message = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&message, &bytes);
    size_t total = 0;

    if (memory == NULL) {
        (void)message_error("%s", strerror(ENOMEM));
        return NULL;
    }
    for (;;) {
        size_t part = fread(chunk, 1, sizeof chunk, stdin);
        total += part;
        if (part == 0 || total > MESSAGE_BYTES_MAX || fwrite(chunk, 1, part, memory) != part)
            break;
    }
    bool is_read = feof(stdin) && !ferror(stdin);
    if (fclose(memory) == 0 && is_read) {
        *ret_bytes = bytes;
        return message;
    }
    if (total > MESSAGE_BYTES_MAX)
        (void)message_error("standard input: longer than any message may be");
    else
        (void)message_error("standard input: %s", strerror(errno));
    free(message);
    return NULL;
}

static void show(struct json_object *published, const struct command_options *options)
{
    const char *topic = field_text(published, "topic");

    if (options->is_json) {
        (void)puts(field_line(published));
        return;
    }
    (void)printf("%" PRIu64 " ", field_number(published, "seq"));
    (void)escape_write(stdout, topic, strlen(topic));
    (void)fputc('\n', stdout);
}

static int publish(struct control *control, const struct command_options *options,
                   const char *topic, const char *message, size_t bytes)
{
    char *escaped = control_escape(topic, strlen(topic));
    char *target = NULL;

    if (escaped == NULL || asprintf(&target, "/topics/%s%s", escaped,
                                    options->is_durable ? "?durable=true" : "") < 0) {
        free(escaped);
        return message_error("%s", strerror(ENOMEM));
    }
    const struct control_request request = {
        .target = target,
        .is_post = true,
        .content_type = options->is_json_value ? "application/json" : "text/plain; charset=utf-8",
        .body = message,
        .body_bytes = bytes,
        .patience_seconds = PATIENCE_SECONDS,
    };
    struct json_object *published = control_ask_object(control, CONTROL_ANY, &request, 0);
    if (published != NULL)
        show(published, options);
    json_object_put(published);
    free(target);
    free(escaped);
    return published != NULL ? COMMAND_DONE : COMMAND_FAILED;
}

int publish_command(const struct command_options *options, int argc, char **argv)
{
    bool is_input = strcmp(argv[1], "-") == 0;
    struct control control;
    char *input = NULL;
    size_t bytes = 0;
    int status;

    (void)argc; /* the table says 2 */
    status = control_open(options, &control);
    if (status != COMMAND_DONE)
        return status;
    if (is_input)
        input = read_input(&bytes);
    else
        bytes = strlen(argv[1]);
    if (is_input && input == NULL)
        status = COMMAND_FAILED;
    else
        status = publish(&control, options, argv[0], is_input ? input : argv[1], bytes);
    free(input);
    control_close(&control);
    return status;
}
