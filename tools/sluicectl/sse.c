#include "tools/sluicectl/sse.h"

#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void sse_init(struct sse *sse, sse_function *on_event, void *user)
{
    *sse = (struct sse){.on_event = on_event, .user = user};
}

void sse_done(struct sse *sse)
{
    buffer_clear(&sse->line);
    buffer_clear(&sse->data);
}

static void block_reset(struct sse *sse)
{
    buffer_consume(&sse->data, buffer_bytes(&sse->data));
    sse->has_name = false;
    sse->has_id = false;
}

void sse_reset(struct sse *sse)
{
    buffer_consume(&sse->line, buffer_bytes(&sse->line));
    block_reset(sse);
    sse->is_begun = false;
    sse->is_after_cr = false;
}

/* An empty line: the block is whole. */
static int dispatch(struct sse *sse)
{
    bool has_data = buffer_bytes(&sse->data) > 0;

    if (sse->has_id)
        memcpy(sse->id, sse->new_id, sizeof sse->id);
    struct sse_event event = {
        .name = sse->has_name ? sse->name : "message",
        .id = sse->id,
        .data = has_data ? buffer_front(&sse->data) : "",
        .data_bytes = has_data ? buffer_bytes(&sse->data) - 1 : 0, /* its last line break */
        .has_data = has_data,
    };
    int rc = has_data || sse->has_id ? sse->on_event(sse->user, &event) : 0;

    block_reset(sse);
    return rc;
}

static int add_data(struct sse *sse, const char *value, size_t bytes)
{
    if (bytes >= SSE_BLOCK_BYTES_MAX - buffer_bytes(&sse->data))
        return -EMSGSIZE;
    int rc = buffer_append(&sse->data, value, bytes);
    return rc != 0 ? rc : buffer_append(&sse->data, "\n", 1);
}

static bool is_name(const char *line, size_t bytes, const char *name)
{
    return bytes == strlen(name) && memcmp(line, name, bytes) == 0;
}

/* `retry` is for those who know no better; fields that nobody knows are ignored. */
static int take_field(struct sse *sse, const char *line, size_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    size_t name_bytes = colon != NULL ? (size_t)(colon - line) : bytes;
    const char *value = colon != NULL ? colon + 1 : line + bytes;
    size_t value_bytes = (size_t)(line + bytes - value);

    if (value_bytes > 0 && *value == ' ') {
        value++;
        value_bytes--;
    }
    if (is_name(line, name_bytes, "data"))
        return add_data(sse, value, value_bytes);
    if (is_name(line, name_bytes, "event")) {
        size_t kept = value_bytes < sizeof sse->name ? value_bytes : sizeof sse->name - 1;
        memcpy(sse->name, value, kept);
        sse->name[kept] = '\0';
        sse->has_name = kept > 0;
    } else if (is_name(line, name_bytes, "id") && value_bytes < sizeof sse->id &&
               memchr(value, '\0', value_bytes) == NULL) {
        memcpy(sse->new_id, value, value_bytes);
        sse->new_id[value_bytes] = '\0';
        sse->has_id = true;
    }
    return 0;
}

static int take_line(struct sse *sse)
{
    size_t bytes = buffer_bytes(&sse->line);
    const char *line = bytes > 0 ? buffer_front(&sse->line) : "";
    int rc;

    if (!sse->is_begun && bytes >= strlen(BYTE_ORDER_MARK) &&
        memcmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        line += strlen(BYTE_ORDER_MARK);
        bytes -= strlen(BYTE_ORDER_MARK);
    }
    sse->is_begun = true;
    rc = bytes == 0 ? dispatch(sse) : take_field(sse, line, bytes);
    buffer_consume(&sse->line, buffer_bytes(&sse->line));
    return rc;
}

/* Where the line ends within @size bytes, or @size. */
static size_t line_bytes(const char *bytes, size_t size)
{
    const char *feed = memchr(bytes, '\n', size);
    size_t until = feed != NULL ? (size_t)(feed - bytes) : size;
    const char *carriage = memchr(bytes, '\r', until);

    return carriage != NULL ? (size_t)(carriage - bytes) : until;
}

int sse_feed(struct sse *sse, const char *bytes, size_t size)
{
    int rc = 0;

    while (size > 0 && rc == 0) {
        if (sse->is_after_cr && *bytes == '\n') {
            sse->is_after_cr = false;
            bytes++;
            size--;
            continue;
        }
        sse->is_after_cr = false;
        size_t part = line_bytes(bytes, size);
        if (part > SSE_BLOCK_BYTES_MAX - buffer_bytes(&sse->line))
            return -EMSGSIZE;
        rc = buffer_append(&sse->line, bytes, part);
        if (rc != 0 || part == size)
            return rc;
        sse->is_after_cr = bytes[part] == '\r';
        bytes += part + 1;
        size -= part + 1;
        rc = take_line(sse);
    }
    return rc;
}
