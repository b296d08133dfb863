#include "tests/fuzz/reference.h"

#include <string.h>

#include "bus/check.h"

/* --- UTF-8 -------------------------------------------------------------------------------------- */

bool reference_utf8_step(struct reference_utf8 *utf8, uint8_t byte)
{
    if (utf8->left > 0) {
        if (byte < utf8->low || byte > utf8->high)
            return false;
        utf8->left--;
    } else if (byte >= 0xC2 && byte <= 0xDF) {
        utf8->left = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        utf8->left = 2;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        utf8->left = 3;
    } else if (byte >= 0x80) {
        return false;
    }
    /* Overlong forms, surrogates, and what is above U+10FFFF show in the second byte. */
    utf8->low = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    utf8->high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
}

bool reference_utf8_is_valid(const void *bytes, size_t size)
{
    struct reference_utf8 utf8 = {0};

    for (size_t i = 0; i < size; i++) {
        if (!reference_utf8_step(&utf8, ((const uint8_t *)bytes)[i]))
            return false;
    }
    return utf8.left == 0;
}

/* --- JSON --------------------------------------------------------------------------------------- */

struct json {
    const char *at;
    const char *end;
    char *out;
    unsigned depth_left;
};

static char peek(const struct json *json)
{
    if (json->at == json->end)
        return '\0'; /* no NUL is ever taken, so 0 is "none" */
    return *json->at;
}

static void take(struct json *json)
{
    *json->out++ = *json->at++;
}

static bool take_one_of(struct json *json, const char *set)
{
    char c = peek(json);

    if (c == '\0' || strchr(set, c) == NULL)
        return false;
    take(json);
    return true;
}

static void skip_blanks(struct json *json)
{
    while (peek(json) == ' ' || peek(json) == '\t' || peek(json) == '\n' || peek(json) == '\r')
        json->at++;
}

static bool take_word(struct json *json, const char *word)
{
    for (; *word != '\0'; word++) {
        if (peek(json) != *word)
            return false;
        take(json);
    }
    return true;
}

static bool take_digits(struct json *json)
{
    if (!take_one_of(json, "0123456789"))
        return false;
    while (take_one_of(json, "0123456789"))
        ;
    return true;
}

static bool take_number(struct json *json)
{
    (void)take_one_of(json, "-"); /* may be missing */
    if (!take_one_of(json, "0") && !take_digits(json))
        return false;
    if (take_one_of(json, ".") && !take_digits(json))
        return false;
    if (take_one_of(json, "eE")) {
        (void)take_one_of(json, "+-");
        return take_digits(json);
    }
    return true;
}

static bool take_escape(struct json *json)
{
    if (take_one_of(json, "\"\\/bfnrt"))
        return true;
    if (!take_one_of(json, "u"))
        return false;
    for (int i = 0; i < 4; i++) {
        if (!take_one_of(json, "0123456789abcdefABCDEF"))
            return false;
    }
    return true;
}

static bool take_string(struct json *json)
{
    if (!take_one_of(json, "\""))
        return false;
    while (json->at < json->end && *json->at != '"') {
        if ((uint8_t)*json->at < 0x20)
            return false;
        if (take_one_of(json, "\\")) {
            if (!take_escape(json))
                return false;
        } else {
            take(json);
        }
    }
    return take_one_of(json, "\"");
}

static bool take_value(struct json *json);

static bool take_items(struct json *json, bool is_object)
{
    const char *close = is_object ? "}" : "]";
    bool is_good = json->depth_left > 0;

    if (!is_good)
        return false;
    json->depth_left--;
    take(json);
    skip_blanks(json);
    if (!take_one_of(json, close)) {
        do {
            skip_blanks(json);
            if (is_object) {
                is_good = take_string(json);
                skip_blanks(json);
                is_good = is_good && take_one_of(json, ":");
                skip_blanks(json);
            }
            is_good = is_good && take_value(json);
            skip_blanks(json);
        } while (is_good && take_one_of(json, ","));
        is_good = is_good && take_one_of(json, close);
    }
    json->depth_left++;
    return is_good;
}

/* Recurses at most depth_left deep. */
static bool take_value(struct json *json)
{
    switch (peek(json)) {
    case '{':
        return take_items(json, true);
    case '[':
        return take_items(json, false);
    case '"':
        return take_string(json);
    case 'n':
        return take_word(json, "null");
    case 't':
        return take_word(json, "true");
    case 'f':
        return take_word(json, "false");
    default:
        return take_number(json);
    }
}

ptrdiff_t reference_json_compact(const char *in, size_t size, char *out, unsigned depth_max)
{
    struct json json = {.at = in, .end = in + size, .out = out, .depth_left = depth_max};

    if (!reference_utf8_is_valid(in, size))
        return -1;
    skip_blanks(&json);
    if (!take_value(&json))
        return -1;
    skip_blanks(&json);
    return json.at == json.end ? json.out - out : -1;
}

/* --- chance ------------------------------------------------------------------------------------- */

static uint64_t next_random(struct reference_random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

struct reference_random reference_random_of(const void *bytes, size_t size)
{
    struct reference_random random = {.state = size};

    for (size_t i = 0; i < size; i++) {
        random.state ^= ((const uint8_t *)bytes)[i];
        (void)next_random(&random); /* moves the state on */
        random.state *= UINT64_C(0x100000001B3);
    }
    return random;
}

size_t reference_random_below(struct reference_random *random, size_t bound)
{
    CHECK(bound > 0);
    return (size_t)(next_random(random) % bound);
}
