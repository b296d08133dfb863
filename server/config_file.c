/*
 * The configuration file: line by line, so that each has its number and one bad line hides no other.
 * What a line means is inih's affair.
 */
#include <errno.h>
#include <ini.h>
#include <string.h>

#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/json/text.h"
#include "server/whole_file.h"

enum {
    /* inih reads lines into a buffer of 200 and would take the rest of a longer one for another. */
    LINE_BYTES_MAX = 197,
};

struct file_line {
    struct config_reader *reader;
    unsigned number;
};

/* inih's callback for `name = value`; sections are only for the eye. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    const struct file_line *line = user;
    struct config_reader *reader = line->reader;
    const struct config_origin origin = {.level = CONFIG_LEVEL_FILE, .line = line->number};
    size_t index = param_find(name, strlen(name), '_');
    char hint[CONFIG_HINT_BYTES];

    (void)section;
    if (index == param_count()) {
        config_hint(name, strlen(name), CONFIG_LEVEL_FILE, hint);
        config_complain(reader, "%s:%u: %s: no such option%s", reader->file, line->number, name,
                        hint);
    } else if (reader->origins[index].level == CONFIG_LEVEL_FILE &&
               param_at(index)->kind != PARAM_TEXT_LIST) {
        config_complain(reader, "%s:%u: %s: stands in line %u already", reader->file, line->number,
                        name, reader->origins[index].line);
    } else {
        config_assign(reader, index, value, origin);
    }
    return 1;
}

/* @bytes of one line, without its end; they may be changed. */
static void read_line(struct config_reader *reader, unsigned number, char *bytes, size_t size)
{
    struct file_line line = {.reader = reader, .number = number};
    char text[LINE_BYTES_MAX + 1];

    while (size > 0 && (*bytes == ' ' || *bytes == '\t')) {
        bytes++;
        size--;
    }
    if (size > 0 && (*bytes == '#' || *bytes == ';'))
        return;
    if (memchr(bytes, '\0', size) != NULL) {
        config_complain(reader, "%s:%u: not text", reader->file, number);
        return;
    }
    if (size > LINE_BYTES_MAX) {
        config_complain(reader, "%s:%u: a line has at most %d bytes (a list may be repeated)",
                        reader->file, number, LINE_BYTES_MAX);
        return;
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (ini_parse_string(text, on_value, &line) != 0)
        config_complain(reader, "%s:%u: not of the form `name = value`", reader->file, number);
}

static void read_lines(struct config_reader *reader, char *bytes, size_t size)
{
    for (unsigned number = 1; size > 0; number++) {
        char *end = memchr(bytes, '\n', size);
        size_t line_bytes = end == NULL ? size : (size_t)(end - bytes);
        size_t taken = line_bytes + (end != NULL);

        read_line(reader, number, bytes, line_bytes);
        bytes += taken;
        size -= taken;
    }
}

void config_read_file(struct config_reader *reader)
{
    struct text content = {0};
    int rc = whole_file_read(reader->file, CONFIG_FILE_BYTES_MAX, &content);

    if (rc == -EFBIG)
        config_complain(reader, "%s: %s is longer than %d KiB", reader->file_named, reader->file,
                        CONFIG_FILE_BYTES_MAX / 1024);
    else if (rc != 0)
        config_complain(reader, "%s: %s cannot be read: %s", reader->file_named, reader->file,
                        strerror(-rc));
    else if (content.size > 0)
        read_lines(reader, content.bytes, content.size);
    text_done(&content);
}
