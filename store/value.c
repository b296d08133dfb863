#include "store/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"

enum {
    DATETIME_BYTES = 29, /* with its quotes */
    INT_BYTES_MAX = 11,  /* -2147483648 */
};

/* --- texts ---------------------------------------------------------------------------------- */

/*
 * What json_quote (server/json) writes for a byte that cannot stand in quotes, and nothing else: a
 * text has one form, so that equal texts are equal bytes.
 */
static const char escape_letters[] = "\"\\bfnrt";
static const char escape_values[] = "\"\\\b\f\n\r\t";

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Length of the escape at @at, 0 if it is none of ours; *ret_byte is what it stands for. */
static size_t escape_read(const char *at, size_t left, char *ret_byte)
{
    const char *letter;
    char byte;

    if (left < 2)
        return 0;
    if (at[1] == 'u') {
        if (left < 6 || memcmp(at + 2, "00", 2) != 0 || (at[4] != '0' && at[4] != '1') ||
            hex_digit(at[5]) < 0)
            return 0;
        byte = (char)((at[4] - '0') * 16 + hex_digit(at[5]));
        if (byte != '\0' && strchr(escape_values, byte) != NULL)
            return 0; /* it has a letter */
        *ret_byte = byte;
        return 6;
    }
    letter = at[1] != '\0' ? strchr(escape_letters, at[1]) : NULL;
    if (letter == NULL)
        return 0;
    *ret_byte = escape_values[letter - escape_letters];
    return 2;
}

static bool text_is_good(struct catalog_text json)
{
    size_t at = 1;

    if (json.size < 2 || json.bytes[0] != '"' || json.bytes[json.size - 1] != '"')
        return false;
    while (at < json.size - 1) {
        unsigned char c = (unsigned char)json.bytes[at];
        size_t length = 1;
        char byte;

        if (c < 0x20 || c == '"')
            return false;
        if (c == '\\')
            length = escape_read(json.bytes + at, json.size - 1 - at, &byte);
        if (length == 0)
            return false;
        at += length;
    }
    return at == json.size - 1;
}

/* The bytes that escapes stand for, each in a place of its own so that pieces can be views. */
static const char *byte_text(unsigned char byte)
{
    static const char low[33] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                                "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";

    if (byte == '"')
        return "\"";
    return byte == '\\' ? "\\" : &low[byte];
}

bool value_text_next(struct catalog_text json, size_t *offset, struct catalog_text *ret_piece)
{
    size_t at = *offset == 0 ? 1 : *offset; /* behind the quote */
    size_t end = json.size - 1;
    const char *escape;
    char byte = 0;

    if (at >= end)
        return false;
    escape = memchr(json.bytes + at, '\\', end - at);
    if (escape == json.bytes + at) {
        size_t length = escape_read(escape, end - at, &byte);

        if (length == 0) { /* damage: the form was found good before it was stored */
            byte = '\\';
            length = 1;
        }
        *ret_piece = (struct catalog_text){byte_text((unsigned char)byte), 1};
        *offset = at + length;
        return true;
    }
    *ret_piece = (struct catalog_text){
        .bytes = json.bytes + at,
        .size = escape != NULL ? (size_t)(escape - json.bytes) - at : end - at,
    };
    *offset = at + ret_piece->size;
    return true;
}

int value_text_compare(struct catalog_text a, struct catalog_text b)
{
    struct catalog_text a_piece = {"", 0};
    struct catalog_text b_piece = {"", 0};
    size_t a_offset = 0;
    size_t b_offset = 0;

    for (;;) {
        size_t common;
        int order;

        if (a_piece.size == 0 && !value_text_next(a, &a_offset, &a_piece))
            return b_piece.size > 0 || value_text_next(b, &b_offset, &b_piece) ? -1 : 0;
        if (b_piece.size == 0 && !value_text_next(b, &b_offset, &b_piece))
            return 1;
        common = a_piece.size < b_piece.size ? a_piece.size : b_piece.size;
        order = memcmp(a_piece.bytes, b_piece.bytes, common);
        if (order != 0)
            return order;
        a_piece.bytes += common;
        a_piece.size -= common;
        b_piece.bytes += common;
        b_piece.size -= common;
    }
}

/* --- numbers -------------------------------------------------------------------------------- */

static size_t digits_count(struct catalog_text text, size_t at)
{
    size_t begin = at;

    while (at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9')
        at++;
    return at - begin;
}

/* A number of JSON's (RFC 8259 section 6); *ret_is_integer: neither fraction nor exponent. */
static bool number_is_good(struct catalog_text text, bool *ret_is_integer)
{
    size_t at = text.size > 0 && text.bytes[0] == '-' ? 1 : 0;
    size_t count = digits_count(text, at);

    if (count == 0 || (count > 1 && text.bytes[at] == '0') || text.size > VALUE_NUMBER_BYTES_MAX)
        return false;
    at += count;
    *ret_is_integer = at == text.size;
    if (at < text.size && text.bytes[at] == '.') {
        count = digits_count(text, at + 1);
        if (count == 0)
            return false;
        at += 1 + count;
    }
    if (at < text.size && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        if (at < text.size && (text.bytes[at] == '+' || text.bytes[at] == '-'))
            at++;
        count = digits_count(text, at);
        if (count == 0)
            return false;
        at += count;
    }
    return at == text.size;
}

static bool int_is_good(struct catalog_text text)
{
    bool is_integer = false;
    long long value;

    if (text.size > INT_BYTES_MAX || !number_is_good(text, &is_integer) || !is_integer)
        return false;
    value = 0;
    for (size_t i = text.bytes[0] == '-' ? 1 : 0; i < text.size; i++)
        value = value * 10 + (text.bytes[i] - '0');
    if (text.bytes[0] == '-')
        value = -value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

int32_t value_int(struct catalog_text json)
{
    int64_t value = 0;

    if (json.size == 0 || json.size > INT_BYTES_MAX)
        return 0; /* damage: the form was found good before it was stored */
    for (size_t i = json.bytes[0] == '-' ? 1 : 0; i < json.size; i++)
        value = value * 10 + (json.bytes[i] - '0');
    return (int32_t)(json.bytes[0] == '-' ? -value : value);
}

double value_float(struct catalog_text json)
{
    char text[VALUE_NUMBER_BYTES_MAX + 1];
    double value;

    if (json.size >= sizeof text)
        return 0; /* damage: the form was found good before it was stored */
    memcpy(text, json.bytes, json.size);
    text[json.size] = '\0';
    value = strtod(text, NULL); /* of the C locale: nothing here sets another */
    return value + 0.0;         /* -0.0 + 0.0 is 0.0 */
}

static bool float_is_good(struct catalog_text text)
{
    bool is_integer;

    return number_is_good(text, &is_integer) && isfinite(value_float(text));
}

/* --- times and ids -------------------------------------------------------------------------- */

static uint64_t digits_value(const char *at, size_t count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value * 10 + (uint64_t)(*at++ - '0');
    return value;
}

static bool datetime_is_good(struct catalog_text json)
{
    static const char form[] = "\"dddd-dd-ddTdd:dd:dd.ddddddZ\"";

    if (json.size != DATETIME_BYTES)
        return false;
    for (size_t i = 0; i < json.size; i++) {
        char c = json.bytes[i];

        if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
            return false;
    }
    return digits_value(json.bytes + 12, 2) < 24 && digits_value(json.bytes + 15, 2) < 60 &&
           digits_value(json.bytes + 18, 2) <= 60; /* a leap second */
}

uint64_t value_datetime(struct catalog_text json)
{
    const char *text = json.bytes + 1;
    uint64_t value;

    if (json.size != DATETIME_BYTES)
        return 0; /* damage, as above */
    value = digits_value(text, 4);
    value = value * 100 + digits_value(text + 5, 2);
    value = value * 100 + digits_value(text + 8, 2);
    value = value * 24 + digits_value(text + 11, 2);
    value = value * 60 + digits_value(text + 14, 2);
    value = value * 61 + digits_value(text + 17, 2);
    return value * 1000000 + digits_value(text + 20, 6);
}

int64_t value_datetime_us(struct catalog_text json)
{
    const char *text = json.bytes + 1;
    struct tm date;

    if (json.size != DATETIME_BYTES)
        return 0; /* damage, as above */
    date = (struct tm){
        .tm_year = (int)digits_value(text, 4) - 1900,
        .tm_mon = (int)digits_value(text + 5, 2) - 1,
        .tm_mday = (int)digits_value(text + 8, 2),
        .tm_hour = (int)digits_value(text + 11, 2),
        .tm_min = (int)digits_value(text + 14, 2),
        .tm_sec = (int)digits_value(text + 17, 2),
    };
    return (int64_t)timegm(&date) * 1000000 + (int64_t)digits_value(text + 20, 6);
}

bool value_id(enum column_kind kind, struct catalog_text json, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (kind == COLUMN_ID) {
        if (json.size < 2)
            return false;
        json.bytes++;
        json.size -= 2;
    }
    if (json.size == 0 || json.bytes[0] == '0' || digits_count(json, 0) != json.size)
        return false;
    for (size_t i = 0; i < json.size; i++) {
        if (__builtin_mul_overflow(id, 10, &id) ||
            __builtin_add_overflow(id, (uint64_t)(json.bytes[i] - '0'), &id))
            return false;
    }
    *ret_id = id;
    return true;
}

/* --- by kind -------------------------------------------------------------------------------- */

static bool enum_is_good(struct catalog_text values, struct catalog_text json)
{
    size_t begin = 0;

    if (json.size < 3 || json.bytes[0] != '"' || json.bytes[json.size - 1] != '"')
        return false;
    while (begin < values.size) {
        const char *comma = memchr(values.bytes + begin, ',', values.size - begin);
        size_t end = comma != NULL ? (size_t)(comma - values.bytes) : values.size;

        if (end - begin == json.size - 2 &&
            memcmp(values.bytes + begin, json.bytes + 1, end - begin) == 0)
            return true;
        begin = end + 1;
    }
    return false;
}

static bool text_is(struct catalog_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

bool value_is_good(const struct catalog_column *column, struct catalog_text json)
{
    switch ((enum column_kind)column->kind) {
    case COLUMN_INT:
        return int_is_good(json);
    case COLUMN_FLOAT:
        return float_is_good(json);
    case COLUMN_STRING:
    case COLUMN_ID:
        return text_is_good(json);
    case COLUMN_BOOLEAN:
        return text_is(json, "true") || text_is(json, "false");
    case COLUMN_ENUM:
        return enum_is_good(column->values, json);
    case COLUMN_DATETIME:
        return datetime_is_good(json);
    case COLUMN_JSON:
        return json.size > 0;
    }
    return false;
}

bool value_is_equal(enum column_kind kind, struct catalog_text a, struct catalog_text b)
{
    if (a.size == 0 || b.size == 0)
        return a.size == b.size;
    if (kind == COLUMN_INT)
        return value_int(a) == value_int(b);
    if (kind == COLUMN_FLOAT) {
        double first = value_float(a);
        double second = value_float(b);

        return !(first < second) && !(first > second);
    }
    return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

const char *value_kind_name(unsigned kind)
{
    static const char *const names[] = {
        [COLUMN_INT] = "Int",   [COLUMN_FLOAT] = "Float",       [COLUMN_STRING] = "String",
        [COLUMN_ID] = "ID",     [COLUMN_BOOLEAN] = "Boolean",   [COLUMN_ENUM] = "an enum",
        [COLUMN_JSON] = "JSON", [COLUMN_DATETIME] = "DateTime",
    };

    if (kind < COLUMN_INT || kind > COLUMN_JSON)
        return "?";
    return names[kind];
}
