#include "tests/unit/http2_frames.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

enum {
    FRAME_BYTES_MAX = 16 * 1024,
    WINDOW = 64 * 1024 - 1, /* RFC 9113 section 6.9.2 */
    WORD_BYTES_MAX = 64,
};

#define GET     "[:method GET :scheme http :path / :authority h]"
#define POST    "[:method POST :scheme http :path / :authority h]"
#define CONNECT "[:method CONNECT :protocol websocket :scheme http :path /echo :authority h]"

/* --- writing ------------------------------------------------------------------------------------ */

static void put_byte(struct text *out, unsigned byte)
{
    const char c = (char)byte;

    text_add(out, &c, 1);
}

// NOLINTNEXTLINE(readability-function-size): what is in a frame's head, and its payload
void http2_put_frame(struct text *out, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                     size_t size)
{
    put_byte(out, (unsigned)(size >> 16) & 0xFF);
    put_byte(out, (unsigned)(size >> 8) & 0xFF);
    put_byte(out, (unsigned)size & 0xFF);
    put_byte(out, type);
    put_byte(out, flags);
    for (int shift = 24; shift >= 0; shift -= 8)
        put_byte(out, (unsigned)((uint32_t)id >> shift) & 0xFF);
    text_add(out, payload, size);
}

static bool skip(const char **at, const char *prefix)
{
    if (strncmp(*at, prefix, strlen(prefix)) != 0)
        return false;
    *at += strlen(prefix);
    return true;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\n')
        (*at)++;
}

static unsigned number(const char **at)
{
    char *end;
    unsigned long value = strtoul(*at, &end, 0);

    CHECK(end != *at);
    *at = end;
    return (unsigned)value;
}

struct name {
    const char *text;
    unsigned value;
};

/* One of @names, or a number. */
static unsigned named(const char **at, const struct name *names, size_t count)
{
    size_t size = 0;

    while (isalpha((unsigned char)(*at)[size]) != 0 || (*at)[size] == '_')
        size++;
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i].text) == size && strncmp(*at, names[i].text, size) == 0) {
            *at += size;
            return names[i].value;
        }
    }
    return number(at);
}

static unsigned frame_type(const char **at)
{
    static const struct name types[] = {
        {"DATA", 0},         {"HEADERS", 1},       {"PRIORITY", 2},     {"RST_STREAM", 3},
        {"SETTINGS", 4},     {"PING", 6},          {"PUSH_PROMISE", 5}, {"GOAWAY", 7},
        {"CONTINUATION", 9}, {"WINDOW_UPDATE", 8},
    };

    return named(at, types, sizeof types / sizeof types[0]);
}

static unsigned frame_flags(const char **at)
{
    static const struct name names[] = {
        {"ES", 1}, {"ACK", 1}, {"EH", 4}, {"PADDED", 8}, {"PRIO", 0x20},
    };
    unsigned flags = 0;

    while (skip(at, "+"))
        flags |= named(at, names, sizeof names / sizeof names[0]);
    return flags;
}

/* A name or value: up to a blank or the end of the list. */
static void put_word(struct text *out, const char **at)
{
    char word[WORD_BYTES_MAX];
    size_t size = 0;

    skip_blanks(at);
    for (; **at != ' ' && **at != ']' && **at != '\n'; (*at)++) {
        CHECK(**at != '\0' && size < sizeof word);
        word[size] = **at;
        if (word[size] == '~')
            word[size] = ' ';
        size++;
    }
    if (size == 1 && word[0] == '-')
        size = 0;
    put_byte(out, (unsigned)size);
    text_add(out, word, size);
}

static void put_fields(struct text *out, const char **at)
{
    for (skip_blanks(at); !skip(at, "]"); skip_blanks(at)) {
        put_byte(out, 0x10); /* RFC 7541 section 6.2.3 */
        put_word(out, at);
        put_word(out, at);
    }
}

static void put_hex(struct text *out, const char **at)
{
    const char digits[3] = {(*at)[0], (*at)[1], '\0'};
    unsigned byte;
    char *end;

    byte = (unsigned)strtoul(digits, &end, 16);
    CHECK(end == digits + 2);
    *at += 2;
    if (skip(at, "*")) {
        for (unsigned count = number(at); count > 0; count--)
            put_byte(out, byte);
    } else {
        put_byte(out, byte);
    }
}

static void put_payload(struct text *out, const char **at)
{
    const char *good;

    if (skip(at, "[")) {
        put_fields(out, at);
    } else if (skip(at, "'")) {
        for (; **at != '\''; (*at)++)
            put_byte(out, (unsigned char)**at);
        (*at)++;
    } else if (skip(at, "$")) {
        good = skip(at, "get") ? GET : skip(at, "post") ? POST : CONNECT;
        if (strcmp(good, CONNECT) == 0)
            CHECK(skip(at, "connect"));
        good++;
        put_fields(out, &good);
    } else {
        put_hex(out, at);
    }
}

static void put_one(struct text *out, const char **at)
{
    struct text payload = {0};
    unsigned type = frame_type(at);
    unsigned flags = frame_flags(at);
    size_t head = out->size;
    unsigned length;
    int32_t id;

    skip_blanks(at);
    id = (int32_t)number(at);
    length = skip(at, ":") ? number(at) : UINT32_MAX;
    for (skip_blanks(at); !skip(at, ";"); skip_blanks(at))
        put_payload(&payload, at);
    http2_put_frame(out, (uint8_t)type, (uint8_t)flags, id, payload.bytes, payload.size);
    CHECK(text_is_whole(out));
    if (length != UINT32_MAX) {
        for (size_t i = 0; i < 3; i++)
            out->bytes[head + i] = (char)(length >> (16 - 8 * i));
    }
    text_done(&payload);
}

void http2_put_script(struct text *out, const char *script)
{
    for (skip_blanks(&script); *script != '\0'; skip_blanks(&script))
        put_one(out, &script);
}

/* --- reading ------------------------------------------------------------------------------------ */

static uint32_t get_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void http2_reader_init(struct http2_reader *reader)
{
    *reader =
        (struct http2_reader){.window = WINDOW, .initial_window = WINDOW, .checks_windows = true};
    CHECK(nghttp2_hd_inflate_new(&reader->inflater) == 0);
    for (size_t i = 0; i < HTTP2_READER_STREAMS; i++)
        reader->streams[i].window = WINDOW;
}

void http2_reader_done(struct http2_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        free((void *)(uintptr_t)reader->frames[i].payload);
        free((void *)(uintptr_t)reader->frames[i].fields);
    }
    free(reader->frames);
    free(reader->bytes);
    nghttp2_hd_inflate_del(reader->inflater);
}

static struct http2_reader_stream *stream_of(struct http2_reader *reader, int32_t id)
{
    if (id <= 0 || id % 2 == 0 || id / 2 >= HTTP2_READER_STREAMS)
        return NULL;
    return &reader->streams[id / 2];
}

static void check_name(const nghttp2_nv *field)
{
    for (size_t i = 0; i < field->namelen; i++)
        CHECK(field->name[i] > ' ' && (field->name[i] < 'A' || field->name[i] > 'Z'));
}

static void decode(struct http2_reader *reader, struct http2_frame *frame)
{
    const uint8_t *at = frame->payload;
    size_t left = frame->length;
    struct text fields = {0};
    int flags = 0;

    CHECK((frame->flags & NGHTTP2_FLAG_END_HEADERS) != 0); /* ours are short */
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(reader->inflater, &field, &flags, at, left, 1);

        CHECK(used >= 0);
        at += used;
        left -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0)
            continue;
        check_name(&field);
        CHECK(fields.size > 0 || memcmp(field.name, ":status", field.namelen) == 0);
        text_add(&fields, field.name, field.namelen);
        text_add_string(&fields, ": ");
        text_add(&fields, field.value, field.valuelen);
        text_add_string(&fields, "\n");
    }
    CHECK(left == 0);
    CHECK(nghttp2_hd_inflate_end_headers(reader->inflater) == 0);
    text_add(&fields, "", 1);
    CHECK(text_is_whole(&fields));
    frame->fields = fields.bytes;
}

static void check_stream_frame(struct http2_reader *reader, struct http2_frame *frame)
{
    struct http2_reader_stream *stream = stream_of(reader, frame->id);

    CHECK(frame->id % 2 == 1);
    if (stream == NULL)
        return;
    CHECK(!stream->is_reset);
    CHECK(!stream->is_ended || frame->type == NGHTTP2_RST_STREAM ||
          frame->type == NGHTTP2_WINDOW_UPDATE);
    if (frame->type == NGHTTP2_HEADERS) {
        CHECK(!stream->is_answered);
        decode(reader, frame);
        stream->is_answered = strncmp(frame->fields, ":status: 1", 10) != 0;
        CHECK(stream->is_answered || (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0);
    }
    if (frame->type == NGHTTP2_DATA) {
        CHECK(stream->is_answered);
        stream->window -= frame->length;
        reader->window -= frame->length;
        if (reader->checks_windows && frame->length > 0)
            CHECK(stream->window >= 0 && reader->window >= 0);
    }
    if (frame->type == NGHTTP2_RST_STREAM) {
        CHECK(frame->length == 4);
        frame->code = get_32(frame->payload);
        stream->is_reset = true;
    } else if (frame->type != NGHTTP2_WINDOW_UPDATE && (frame->flags & NGHTTP2_FLAG_END_STREAM)) {
        stream->is_ended = true;
    }
}

static void check_frame(struct http2_reader *reader, struct http2_frame *frame)
{
    CHECK(frame->length <= FRAME_BYTES_MAX);
    CHECK((reader->count == 0) == (frame->type == NGHTTP2_SETTINGS && frame->flags == 0));
    switch (frame->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM:
        check_stream_frame(reader, frame);
        break;
    case NGHTTP2_SETTINGS:
        CHECK(frame->id == 0 && frame->length % 6 == 0);
        CHECK(frame->length == 0 || frame->flags == 0);
        break;
    case NGHTTP2_PING:
        CHECK(frame->id == 0 && frame->length == 8);
        break;
    case NGHTTP2_GOAWAY:
        CHECK(frame->id == 0 && frame->length >= 8);
        frame->code = get_32(frame->payload + 4);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        CHECK(frame->length == 4 && get_32(frame->payload) > 0);
        if (frame->id != 0)
            check_stream_frame(reader, frame);
        break;
    default:
        CHECK(false); /* a server like ours sends no others */
    }
}

static void take_frame(struct http2_reader *reader, const uint8_t *head, uint32_t length)
{
    struct http2_frame frame = {
        .type = head[3],
        .flags = head[4],
        .id = (int32_t)get_32(head + 5),
        .length = length,
    };
    uint8_t *payload = malloc(length + 1);

    CHECK(payload != NULL);
    memcpy(payload, head + HTTP2_FRAME_HEAD_BYTES, length);
    payload[length] = '\0';
    frame.payload = payload;
    check_frame(reader, &frame);
    reader->frames = realloc(reader->frames, (reader->count + 1) * sizeof frame);
    CHECK(reader->frames != NULL);
    reader->frames[reader->count++] = frame;
}

static uint32_t frame_length(const uint8_t *head)
{
    return (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
}

void http2_reader_feed(struct http2_reader *reader, const void *bytes, size_t size)
{
    size_t at = 0;

    if (size == 0)
        return;
    reader->bytes = realloc(reader->bytes, reader->size + size);
    CHECK(reader->bytes != NULL);
    memcpy(reader->bytes + reader->size, bytes, size);
    reader->size += size;
    while (reader->size - at >= HTTP2_FRAME_HEAD_BYTES) {
        uint32_t length = frame_length(reader->bytes + at);

        if (reader->size - at - HTTP2_FRAME_HEAD_BYTES < length)
            break;
        take_frame(reader, reader->bytes + at, length);
        at += HTTP2_FRAME_HEAD_BYTES + length;
    }
    memmove(reader->bytes, reader->bytes + at, reader->size - at);
    reader->size -= at;
}

bool http2_reader_is_between_frames(const struct http2_reader *reader)
{
    return reader->size == 0;
}

static void note_settings(struct http2_reader *reader, const uint8_t *payload, uint32_t length)
{
    for (uint32_t at = 0; at + 6 <= length; at += 6) {
        uint32_t value = get_32(payload + at + 2);
        int64_t change;

        if (payload[at] != 0 || payload[at + 1] != NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
            continue;
        change = (int64_t)value - reader->initial_window;
        reader->initial_window = value;
        for (size_t i = 0; i < HTTP2_READER_STREAMS; i++)
            reader->streams[i].window += change;
    }
}

static void note_update(struct http2_reader *reader, int32_t id, uint32_t bytes)
{
    struct http2_reader_stream *stream;

    if (id == 0) {
        reader->window += bytes;
        return;
    }
    stream = stream_of(reader, id);
    if (stream != NULL)
        stream->window += bytes;
}

void http2_reader_sent(struct http2_reader *reader, const void *bytes, size_t size)
{
    const uint8_t *head = bytes;

    while (size >= HTTP2_FRAME_HEAD_BYTES) {
        uint32_t length = frame_length(head);
        int32_t id = (int32_t)(get_32(head + 5) & INT32_MAX);
        const uint8_t *payload = head + HTTP2_FRAME_HEAD_BYTES;

        if (length > size - HTTP2_FRAME_HEAD_BYTES)
            return;
        if (head[3] == NGHTTP2_SETTINGS && (head[4] & NGHTTP2_FLAG_ACK) == 0)
            note_settings(reader, payload, length);
        if (head[3] == NGHTTP2_WINDOW_UPDATE && length == 4)
            note_update(reader, id, get_32(payload) & INT32_MAX);
        head = payload + length;
        size -= HTTP2_FRAME_HEAD_BYTES + length;
    }
}
