#include "server/json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/json/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

enum {
    SURROGATE_HIGH = 0xD800,
    SURROGATE_LOW = 0xDC00,
    SURROGATE_END = 0xE000,
};

const char *json_error_text(const struct json_error *error, char out[JSON_ERROR_TEXT_BYTES])
{
    (void)snprintf(out, JSON_ERROR_TEXT_BYTES, "%s at offset %zu", error->reason, error->offset);
    return out;
}

static uint32_t hex4(const char *digits)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        char c = digits[i];

        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static bool is_unicode_escape(const char *at, const char *end)
{
    return end - at >= 6 && at[0] == '\\' && at[1] == 'u';
}

/*
 * The character that the escape at *at stands for; moves *at behind it (behind both halves of a
 * surrogate pair). -EILSEQ for half a pair.
 */
static int32_t decode_escape(const char **at, const char *end)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *text = *at;
    uint32_t high;
    uint32_t low;

    if (!is_unicode_escape(text, end)) {
        const char *letter = end - text >= 2 ? strchr(letters, text[1]) : NULL;

        if (letter == NULL || *letter == '\0')
            return -EILSEQ;
        *at += 2;
        return values[letter - letters];
    }
    high = hex4(text + 2);
    *at += 6;
    if (high < SURROGATE_HIGH || high >= SURROGATE_END)
        return (int32_t)high;
    if (high >= SURROGATE_LOW || !is_unicode_escape(*at, end))
        return -EILSEQ;
    low = hex4(*at + 2);
    if (low < SURROGATE_LOW || low >= SURROGATE_END)
        return -EILSEQ;
    *at += 6;
    return (int32_t)(0x10000 + ((high - SURROGATE_HIGH) << 10) + (low - SURROGATE_LOW));
}

/*
 * The next piece of a string's text: a run without escapes, borrowed, or one decoded character in
 * @buf. Moves *at behind it. -EILSEQ as json_string_decode.
 */
static int next_piece(const char **at, const char *end, char buf[4], struct json_span *ret_piece)
{
    const char *escape = memchr(*at, '\\', (size_t)(end - *at));
    int32_t character;

    if (escape != *at) {
        ret_piece->bytes = *at;
        ret_piece->size = (size_t)((escape != NULL ? escape : end) - *at);
        *at += ret_piece->size;
        return 0;
    }
    character = decode_escape(at, end);
    if (character < 0)
        return character;
    ret_piece->bytes = buf;
    ret_piece->size = utf8_encode(buf, (uint32_t)character);
    return 0;
}

bool json_string_equals(struct json_span string, const char *text)
{
    return json_string_is(string, text, strlen(text));
}

bool json_string_is(struct json_span string, const char *text, size_t text_bytes)
{
    const char *at = string.bytes + 1;
    const char *end = string.bytes + string.size - 1;
    struct json_span piece;
    char buf[4];

    while (at < end) {
        if (next_piece(&at, end, buf, &piece) != 0)
            return false;
        if (piece.size > text_bytes || memcmp(piece.bytes, text, piece.size) != 0)
            return false;
        text += piece.size;
        text_bytes -= piece.size;
    }
    return text_bytes == 0;
}

ptrdiff_t json_string_decode(struct json_span string, char *out, size_t out_bytes)
{
    const char *at = string.bytes + 1;
    const char *end = string.bytes + string.size - 1;
    struct json_span piece;
    size_t used = 0;
    char buf[4];

    while (at < end) {
        int rc = next_piece(&at, end, buf, &piece);

        if (rc != 0)
            return rc;
        if (piece.size > out_bytes - used)
            return -ENOBUFS;
        memmove(out + used, piece.bytes, piece.size);
        used += piece.size;
    }
    return (ptrdiff_t)used;
}

bool json_uint64(struct json_span number, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (number.size == 0)
        return false;
    if (number.bytes[0] == '0' && number.size > 1)
        return false;
    for (size_t i = 0; i < number.size; i++) {
        char c = number.bytes[i];

        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

size_t json_quoted_bytes_max(size_t bytes)
{
    return 6 * bytes + 2; /* each byte \u00XX, and the quotes */
}

static char *quote_special(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* U+0008 to U+000D; U+000B has none */

    *out++ = '\\';
    if (c == '"' || c == '\\') {
        *out++ = (char)c;
    } else if (c >= '\b' && c <= '\r' && c != '\v') {
        *out++ = letters[c - '\b'];
    } else {
        memcpy(out, "u00", 3);
        out[3] = digits[c >> 4];
        out[4] = digits[c & 15];
        out += 5;
    }
    return out;
}

size_t json_quote(char *out, const char *text, size_t bytes)
{
    char *at = out;
    size_t run = 0; /* begin of what has still to be copied */

    *at++ = '"';
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        memcpy(at, text + run, i - run);
        at = quote_special(at + (i - run), c);
        run = i + 1;
    }
    if (bytes > run)
        memcpy(at, text + run, bytes - run);
    at += bytes - run;
    *at++ = '"';
    return (size_t)(at - out);
}

bool utf8_is_valid(const char *text, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + bytes;

    while (at < end) {
        size_t length;

        if (end - at >= 8) {
            uint64_t word;

            memcpy(&word, at, sizeof word);
            if ((word & HIGH_BITS) == 0) {
                at += 8;
                continue;
            }
        }
        if (*at < 0x80) {
            at++;
            continue;
        }
        length = utf8_multibyte(at, (size_t)(end - at));
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}
