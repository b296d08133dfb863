#include "server/graphql/block_string.h"

#include <string.h>

#include "server/graphql/region.h"
#include "server/json/text.h"
#include "server/json/utf8.h"

enum {
    LINE_UNITS_MAX = 70, /* a longer value gets lines of its own */
};

/* The lines of a text, without what ends them: LF, CR or CR LF. */
struct lines {
    const char *at; /* NULL: behind the last one */
    const char *end;
};

static bool next_line(struct lines *lines, struct ast_text *ret_line)
{
    const char *begin = lines->at;
    const char *at = begin;

    if (at == NULL)
        return false;
    while (at < lines->end && *at != '\n' && *at != '\r')
        at++;
    *ret_line = (struct ast_text){begin, (uint32_t)(at - begin)};
    if (at == lines->end)
        lines->at = NULL;
    else if (*at == '\r' && lines->end - at > 1 && at[1] == '\n')
        lines->at = at + 2;
    else
        lines->at = at + 1;
    return true;
}

static uint32_t indent_of(struct ast_text line)
{
    uint32_t indent = 0;

    while (indent < line.size && (line.bytes[indent] == ' ' || line.bytes[indent] == '\t'))
        indent++;
    return indent;
}

/* What of a block string stays. */
struct extent {
    uint32_t first; /* the first and the last line that are not blank */
    uint32_t last;
    uint32_t indent; /* that all but the first line share */
    bool is_blank;
};

static struct extent measure(struct ast_text raw)
{
    struct lines lines = {raw.bytes, raw.bytes + raw.size};
    struct extent extent = {.indent = UINT32_MAX, .is_blank = true};
    struct ast_text line;

    for (uint32_t i = 0; next_line(&lines, &line); i++) {
        uint32_t indent = indent_of(line);

        if (indent == line.size)
            continue;
        if (extent.is_blank)
            extent.first = i;
        extent.last = i;
        extent.is_blank = false;
        if (i > 0 && indent < extent.indent)
            extent.indent = indent;
    }
    return extent;
}

/* Copies a line, \""" as """; returns the end of what it wrote. */
static char *copy_line(char *out, struct ast_text line)
{
    for (uint32_t i = 0; i < line.size; i++) {
        if (line.bytes[i] == '\\' && line.size - i > 3 &&
            memcmp(line.bytes + i + 1, "\"\"\"", 3) == 0)
            continue;
        *out++ = line.bytes[i];
    }
    return out;
}

bool block_string_decode(struct ast_text raw, struct region *region, struct ast_text *ret_value)
{
    struct extent extent = measure(raw);
    struct lines lines = {raw.bytes, raw.bytes + raw.size};
    struct ast_text line;
    char *begin;
    char *out;

    if (extent.is_blank) {
        *ret_value = (struct ast_text){raw.bytes, 0};
        return true;
    }
    if (memchr(raw.bytes, '\n', raw.size) == NULL && memchr(raw.bytes, '\r', raw.size) == NULL &&
        memchr(raw.bytes, '\\', raw.size) == NULL) {
        *ret_value = raw;
        return true;
    }
    begin = region_alloc(region, raw.size);
    if (begin == NULL)
        return false;
    out = begin;
    for (uint32_t i = 0; i <= extent.last && next_line(&lines, &line); i++) {
        uint32_t indent = i == 0 ? 0 : extent.indent < line.size ? extent.indent : line.size;

        if (i < extent.first)
            continue;
        if (i > extent.first)
            *out++ = '\n';
        out = copy_line(out, (struct ast_text){line.bytes + indent, line.size - indent});
    }
    *ret_value = (struct ast_text){begin, (uint32_t)(out - begin)};
    return true;
}

static bool is_white_space(char c)
{
    return c == ' ' || c == '\t';
}

static void add_newline(uint32_t indent, struct text *out)
{
    char *at = text_reserve(out, (size_t)indent + 1);

    if (at == NULL)
        return;
    *at = '\n';
    memset(at + 1, ' ', indent);
    text_grow(out, at + 1 + indent);
}

/* A line, """ as \""". */
static void print_line(struct ast_text line, struct text *out)
{
    uint32_t run = 0; /* begin of what has still to be copied */

    for (uint32_t i = 0; i < line.size; i++) {
        if (line.size - i < 3 || memcmp(line.bytes + i, "\"\"\"", 3) != 0)
            continue;
        text_add(out, line.bytes + run, i - run);
        text_add(out, "\\", 1);
        run = i;
        i += 2;
    }
    text_add(out, line.bytes + run, line.size - run);
}

void block_string_print(struct ast_text value, uint32_t indent, struct text *out)
{
    struct lines lines = {value.bytes, value.bytes + value.size};
    const char *last = value.size > 0 ? &value.bytes[value.size - 1] : "";
    bool is_single = memchr(value.bytes, '\n', value.size) == NULL &&
                     memchr(value.bytes, '\r', value.size) == NULL;
    bool is_spread = !is_single || *last == '"' || *last == '\\' ||
                     utf8_utf16_units(value.bytes, value.size) > LINE_UNITS_MAX;
    bool begins_inline = is_single && value.size > 0 && is_white_space(value.bytes[0]);
    struct ast_text line;

    text_add_string(out, "\"\"\"");
    if (is_spread && !begins_inline)
        add_newline(indent, out);
    while (next_line(&lines, &line)) {
        print_line(line, out);
        if (lines.at != NULL)
            add_newline(indent, out);
    }
    if (is_spread)
        add_newline(indent, out);
    text_add_string(out, "\"\"\"");
}

bool block_string_is_printable(struct ast_text value)
{
    bool is_line_empty = true;
    bool is_line_indented = false;
    bool is_all_indented = true;
    bool has_lines = false; /* more than one */

    for (uint32_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.bytes[i];

        if (c == '\n') {
            if (is_line_empty && !has_lines)
                return false; /* blank lines around the value would be lost */
            has_lines = true;
            is_line_empty = true;
            is_line_indented = false;
        } else if (is_white_space((char)c)) {
            is_line_indented = is_line_indented || is_line_empty;
        } else if (c < 0x10) {
            return false; /* what graphql-js holds for not printable; CR would become LF */
        } else {
            is_all_indented = is_all_indented && is_line_indented;
            is_line_empty = false;
        }
    }
    if (value.size == 0)
        return true;
    return !is_line_empty && !(is_all_indented && has_lines);
}
