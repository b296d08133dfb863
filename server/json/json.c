/*
 * The scanner keeps a `run` of input that has still to be written and copies it only when white
 * space interrupts it: compact text is copied once, or not at all when it is scanned in place.
 */
#include "server/json/json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/json/utf8.h"

enum expect {
    EXPECT_VALUE,
    EXPECT_ELEMENT, /* a value, or the end of an array that is empty */
    EXPECT_MEMBER,  /* a key, or the end of an object that is empty */
    EXPECT_KEY,
    EXPECT_MORE, /* behind a value */
    EXPECT_NOTHING,
    EXPECT_FAILED, /* scan.reason says why, scan.at where */
};

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *run; /* read, and still to be written */
    uint8_t *out;
    const char *reason;
    unsigned depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64]; /* a bit per open container */
};

#define ONES      UINT64_C(0x0101010101010101)
#define HIGH_BITS (ONES * 0x80)
#define REPEAT(c) (ONES * (c))
/* The high bit of each byte that is 0; bits above the first such byte may be wrong. */
#define ZEROES(w) (((w)-ONES) & ~(w)&HIGH_BITS)

static_assert(JSON_DEPTH_MAX % 64 == 0, "the bit stack has whole words");

static enum expect fail(struct scan *scan, const uint8_t *at, const char *reason)
{
    scan->at = at;
    scan->reason = reason;
    return EXPECT_FAILED;
}

/* The first byte of a string that is not plain: a quote, `\`, a control character, 0x80 or more. */
static const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - at >= 8) {
        uint64_t word;
        uint64_t found;

        memcpy(&word, at, sizeof word);
        found = ZEROES(word ^ REPEAT('"')) | ZEROES(word ^ REPEAT('\\')) |
                ((word - REPEAT(0x20)) & ~word & HIGH_BITS) | (word & HIGH_BITS);
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
        at += 8;
    }
#endif
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

static void write_run(struct scan *scan)
{
    size_t bytes = (size_t)(scan->at - scan->run);

    if (scan->out != scan->run)
        memmove(scan->out, scan->run, bytes);
    scan->out += bytes;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* False: the text is at its end. */
static inline bool skip_space(struct scan *scan)
{
    if (scan->at == scan->end)
        return false;
    if (!is_space(*scan->at))
        return true;
    write_run(scan);
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
    scan->run = scan->at;
    return scan->at < scan->end;
}

/* Length of the escape at @at (which is a `\`), 0 if it is none. */
static size_t escape_length(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    if (end - at < 6)
        return 0;
    for (int i = 2; i < 6; i++) {
        if (json_hex_digit(at[i]) < 0)
            return 0;
    }
    return 6;
}

/* The string at scan->at, whose first byte is its quote. */
static bool scan_string(struct scan *scan)
{
    const uint8_t *at = scan->at + 1;

    for (;;) {
        size_t length;

        at = skip_plain(at, scan->end);
        if (at == scan->end) {
            (void)fail(scan, at, "string without end");
            return false;
        }
        if (*at == '"') {
            scan->at = at + 1;
            return true;
        }
        if (*at < 0x20) {
            (void)fail(scan, at, "control character in a string");
            return false;
        }
        length = *at == '\\' ? escape_length(at, scan->end)
                             : utf8_multibyte(at, (size_t)(scan->end - at));
        if (length == 0) {
            (void)fail(scan, at, *at == '\\' ? "unknown escape" : "not UTF-8");
            return false;
        }
        at += length;
    }
}

static bool is_digit(const uint8_t *at, const uint8_t *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
    while (is_digit(at, end))
        at++;
    return at;
}

static enum expect scan_number(struct scan *scan)
{
    const uint8_t *at = scan->at;
    const uint8_t *end = scan->end;

    if (*at == '-')
        at++;
    if (!is_digit(at, end))
        return fail(scan, at, "digit expected");
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (is_digit(at, end))
        return fail(scan, at, "number with a leading zero");
    if (at < end && *at == '.') {
        at++;
        if (!is_digit(at, end))
            return fail(scan, at, "digit expected");
        at = skip_digits(at, end);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if (!is_digit(at, end))
            return fail(scan, at, "digit expected");
        at = skip_digits(at, end);
    }
    scan->at = at;
    return EXPECT_MORE;
}

static enum expect scan_word(struct scan *scan, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return fail(scan, scan->at, "value expected");
    scan->at += length;
    return EXPECT_MORE;
}

static enum expect open_container(struct scan *scan, bool is_object)
{
    uint64_t bit = UINT64_C(1) << (scan->depth % 64);
    uint64_t *word;

    if (scan->depth == JSON_DEPTH_MAX)
        return fail(scan, scan->at, "nested too deep");
    word = &scan->is_object[scan->depth / 64];
    if (scan->depth % 64 == 0)
        *word = 0;
    *word = is_object ? *word | bit : *word & ~bit;
    scan->depth++;
    scan->at++;
    return is_object ? EXPECT_MEMBER : EXPECT_ELEMENT;
}

static enum expect close_container(struct scan *scan)
{
    scan->depth--;
    scan->at++;
    return EXPECT_MORE;
}

static bool is_in_object(const struct scan *scan)
{
    unsigned top = scan->depth - 1;

    return (scan->is_object[top / 64] >> (top % 64) & 1) != 0;
}

static enum expect scan_value(struct scan *scan)
{
    switch (*scan->at) {
    case '"':
        return scan_string(scan) ? EXPECT_MORE : EXPECT_FAILED;
    case '{':
        return open_container(scan, true);
    case '[':
        return open_container(scan, false);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (*scan->at == '-' || is_digit(scan->at, scan->end))
            return scan_number(scan);
        return fail(scan, scan->at, "value expected");
    }
}

static enum expect scan_key(struct scan *scan)
{
    if (*scan->at != '"')
        return fail(scan, scan->at, "key expected");
    if (!scan_string(scan))
        return EXPECT_FAILED;
    if (!skip_space(scan) || *scan->at != ':')
        return fail(scan, scan->at, "colon expected");
    scan->at++;
    return EXPECT_VALUE;
}

static enum expect scan_more(struct scan *scan)
{
    bool is_object = is_in_object(scan);

    if (*scan->at == ',') {
        scan->at++;
        return is_object ? EXPECT_KEY : EXPECT_VALUE;
    }
    if (*scan->at == (is_object ? '}' : ']'))
        return close_container(scan);
    return fail(scan, scan->at, is_object ? "comma or } expected" : "comma or ] expected");
}

static enum expect scan_step(struct scan *scan, enum expect expect)
{
    bool has_more = skip_space(scan);

    if (expect == EXPECT_MORE && scan->depth == 0)
        return has_more ? fail(scan, scan->at, "end expected") : EXPECT_NOTHING;
    if (!has_more)
        return fail(scan, scan->at, "unexpected end");
    switch (expect) {
    case EXPECT_ELEMENT:
        return *scan->at == ']' ? close_container(scan) : scan_value(scan);
    case EXPECT_MEMBER:
        return *scan->at == '}' ? close_container(scan) : scan_key(scan);
    case EXPECT_KEY:
        return scan_key(scan);
    case EXPECT_MORE:
        return scan_more(scan);
    case EXPECT_VALUE:
    case EXPECT_NOTHING: /* not a step: the caller's loop has ended */
    case EXPECT_FAILED:
    default:
        return scan_value(scan);
    }
}

ptrdiff_t json_compact(const char *in, size_t in_bytes, char *out, struct json_error *ret_error)
{
    const uint8_t *begin = (const uint8_t *)in;
    enum expect expect = EXPECT_VALUE;
    struct scan scan;

    /* The bit stack is cleared word by word as it grows: all of it would cost more than a message. */
    scan.at = begin;
    scan.end = begin + in_bytes;
    scan.run = begin;
    scan.out = (uint8_t *)out;
    scan.reason = NULL;
    scan.depth = 0;

    while (expect < EXPECT_NOTHING)
        expect = scan_step(&scan, expect);
    if (expect == EXPECT_FAILED) {
        ret_error->offset = (size_t)(scan.at - begin);
        ret_error->reason = scan.reason;
        return -EBADMSG;
    }
    write_run(&scan);
    return scan.out - (uint8_t *)out;
}

enum json_type json_type(struct json_span value)
{
    switch (value.bytes[0]) {
    case 'n':
        return JSON_NULL;
    case 'f':
        return JSON_FALSE;
    case 't':
        return JSON_TRUE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

/* Length of the string at @text, its quotes included. The text has been checked. */
static size_t string_length(const char *text, const char *end)
{
    const uint8_t *at = (const uint8_t *)text + 1;
    const uint8_t *last = (const uint8_t *)end;

    for (;;) {
        at = skip_plain(at, last);
        if (at == last)
            return (size_t)(end - text);
        if (*at == '"')
            return (size_t)((const char *)at - text) + 1;
        at += *at == '\\' && last - at > 1 ? 2 : 1;
    }
}

/* Length of the value at @text: up to the comma or bracket that follows it. */
static size_t value_length(const char *text, const char *end)
{
    const char *at = text;
    unsigned depth = 0;

    while (at < end) {
        if (*at == '"') {
            at += string_length(at, end);
            continue;
        }
        if (depth == 0 && (*at == ',' || *at == '}' || *at == ']'))
            break;
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    }
    return (size_t)(at - text);
}

/* The end of the container that begins at @begin; there is one. */
static uint32_t find_end(const struct json_ends *ends, uint32_t begin)
{
    uint32_t low = 0;
    uint32_t high = ends->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (ends->items[middle].begin <= begin)
            low = middle;
        else
            high = middle;
    }
    return ends->items[low].end;
}

static size_t value_length_with(const struct json_ends *ends, const char *text, const char *end)
{
    uint32_t begin;

    if (ends == NULL || (*text != '{' && *text != '['))
        return value_length(text, end);
    begin = (uint32_t)(text - ends->bytes);
    return find_end(ends, begin) - begin;
}

uint32_t json_ends_count(struct json_span value)
{
    const char *end = value.bytes + value.size;
    const char *at = value.bytes;
    uint32_t count = 0;

    while (at < end) {
        if (*at == '"') {
            at += string_length(at, end);
            continue;
        }
        count += *at == '{' || *at == '[' ? 1 : 0;
        at++;
    }
    return count;
}

void json_ends_fill(struct json_ends *ends, struct json_span value)
{
    const char *end = value.bytes + value.size;
    const char *at = value.bytes;
    uint32_t open[JSON_DEPTH_MAX] = {0};
    uint32_t depth = 0;

    ends->bytes = value.bytes;
    ends->count = 0;
    while (at < end) {
        if (*at == '"') {
            at += string_length(at, end);
            continue;
        }
        at++;
        if (at[-1] == '{' || at[-1] == '[') {
            open[depth++] = ends->count;
            ends->items[ends->count++].begin = (uint32_t)(at - 1 - value.bytes);
        } else if (at[-1] == '}' || at[-1] == ']') {
            ends->items[open[--depth]].end = (uint32_t)(at - value.bytes);
        }
    }
}

bool json_object_next_with(const struct json_ends *ends, struct json_span object, size_t *offset,
                           struct json_span *ret_key, struct json_span *ret_value)
{
    const char *end = object.bytes + object.size;
    const char *at = object.bytes + *offset;

    /* At the opening brace, a comma, or the closing brace (which an empty object has at once). */
    if (*offset >= object.size || *at == '}')
        return false;
    at++;
    if (at >= end || *at != '"')
        return false;
    ret_key->bytes = at;
    ret_key->size = string_length(at, end);
    at += ret_key->size + 1;
    if (at >= end)
        return false;
    ret_value->bytes = at;
    ret_value->size = value_length_with(ends, at, end);
    *offset = (size_t)(at + ret_value->size - object.bytes);
    return true;
}

bool json_array_next_with(const struct json_ends *ends, struct json_span array, size_t *offset,
                          struct json_span *ret_item)
{
    const char *end = array.bytes + array.size;
    const char *at = array.bytes + *offset;

    /* At the opening bracket, a comma, or the closing bracket. */
    if (*offset >= array.size || *at == ']')
        return false;
    at++;
    if (at >= end || *at == ']')
        return false;
    ret_item->bytes = at;
    ret_item->size = value_length_with(ends, at, end);
    *offset = (size_t)(at + ret_item->size - array.bytes);
    return true;
}

bool json_object_next(struct json_span object, size_t *offset, struct json_span *ret_key,
                      struct json_span *ret_value)
{
    return json_object_next_with(NULL, object, offset, ret_key, ret_value);
}

bool json_array_next(struct json_span array, size_t *offset, struct json_span *ret_item)
{
    return json_array_next_with(NULL, array, offset, ret_item);
}
