#include "tools/sluicectl/json_span.h"

#include <string.h>

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* @at stands on its opening quote; returns behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
    }
    return at < end ? at + 1 : end;
}

static const char *skip_nested(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        if (*at == '}' || *at == ']')
            depth--;
        at++;
        if (depth == 0)
            break;
    }
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at == end)
        return at;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_nested(at, end);
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at;
}

/* Behind the opening bracket, or behind a comma; NULL: nothing further. */
static const char *begin(struct json_span span, char bracket)
{
    const char *end = span.at + span.bytes;
    const char *at = skip_space(span.at, end);

    return at < end && *at == bracket ? skip_space(at + 1, end) : NULL;
}

static const char *next(const char *at, const char *end)
{
    at = skip_space(at, end);
    return at < end && *at == ',' ? skip_space(at + 1, end) : NULL;
}

bool json_span_member(struct json_span object, const char *name, struct json_span *ret_value)
{
    const char *end = object.at + object.bytes;
    size_t name_bytes = strlen(name);

    for (const char *at = begin(object, '{'); at != NULL && at < end && *at == '"';) {
        const char *key = at + 1;
        at = skip_string(at, end);
        bool is_it = (size_t)(at - key) == name_bytes + 1 && memcmp(key, name, name_bytes) == 0;
        at = skip_space(at, end);
        if (at == end || *at != ':')
            return false;
        at = skip_space(at + 1, end);
        const char *value = at;
        at = skip_value(at, end);
        if (is_it && at > value) {
            *ret_value = (struct json_span){value, (size_t)(at - value)};
            return true;
        }
        at = next(at, end);
    }
    return false;
}

bool json_span_number(struct json_span object, const char *name, uint64_t *ret_number)
{
    struct json_span value;
    uint64_t number = 0;

    if (!json_span_member(object, name, &value))
        return false;
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' ||
            __builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(value.at[i] - '0'), &number))
            return false;
    }
    *ret_number = number;
    return true;
}

bool json_span_element(struct json_span array, struct json_span *cursor,
                       struct json_span *ret_element)
{
    const char *end = array.at + array.bytes;
    const char *at = cursor->at == NULL ? begin(array, '[') : next(cursor->at + cursor->bytes, end);

    if (at == NULL || at == end)
        return false;
    const char *behind = skip_value(at, end);
    if (behind == at)
        return false;
    *cursor = (struct json_span){at, (size_t)(behind - at)};
    *ret_element = *cursor;
    return true;
}

struct json_span json_span_unquoted(struct json_span string)
{
    if (string.bytes < 2 || string.at[0] != '"')
        return string;
    return (struct json_span){string.at + 1, string.bytes - 2};
}
