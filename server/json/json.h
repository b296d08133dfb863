/*
 * server/json/json.h - JSON as spans: published values pass through as they were (RFC 8259).
 *
 * json_compact checks one strict RFC 8259 value and removes insignificant white space; digits, key
 * order, escapes, duplicate keys and lone surrogates in escapes stay. json_object_next and
 * json_array_next walk containers without building a tree. Knows nothing of Sluice.
 * Limits   nesting JSON_DEPTH_MAX, by an explicit bit stack: no recursion.
 */
#ifndef SERVER_JSON_JSON_H
#define SERVER_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_DEPTH_MAX = 512,
    JSON_ERROR_TEXT_BYTES = 80,
};

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* A value inside a checked text: strings with their quotes. */
struct json_span {
    const char *bytes;
    size_t size;
};

/* 0 to 15; -1: it is none. */
static inline int json_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where and why a text is no JSON. */
struct json_error {
    size_t offset;
    const char *reason; /* static text */
};

/* Both in words, for who has sent it: `value expected at offset 10`. Returns @out. */
const char *json_error_text(const struct json_error *error, char out[JSON_ERROR_TEXT_BYTES]);

/*
 * Checks that @in is exactly one JSON value (white space around it allowed; UTF-8 checked) and
 * writes it without insignificant white space to @out (at least @in_bytes long; may be @in itself).
 * Returns the length written, or -EBADMSG with *ret_error.
 */
ptrdiff_t json_compact(const char *in, size_t in_bytes, char *out, struct json_error *ret_error);

enum json_type json_type(struct json_span value); /* of a checked value */

/*
 * Walks a checked, compact object: start with *offset = 0; false at the end. The key has its
 * quotes; compare it with json_string_equals.
 */
bool json_object_next(struct json_span object, size_t *offset, struct json_span *ret_key,
                      struct json_span *ret_value);
/* The same for the items of an array. */
bool json_array_next(struct json_span array, size_t *offset, struct json_span *ret_item);

/*
 * Where the containers in one value end. A walk reads what is nested in a container to find its end,
 * so that who goes down level by level reads the innermost once per level: hostile values are nested
 * deep. With their ends at hand, everything is read once.
 */
struct json_end {
    uint32_t begin; /* offsets in the value */
    uint32_t end;
};

struct json_ends {
    const char *bytes;      /* of the value, which is below 4 GiB */
    struct json_end *items; /* the caller's, by begin */
    uint32_t count;
};

/* How many items a value needs: the containers in it, itself included. */
uint32_t json_ends_count(struct json_span value);
void json_ends_fill(struct json_ends *ends, struct json_span value);
/* As the two above, for containers in the value of @ends; NULL: the ends are looked for. */
bool json_object_next_with(const struct json_ends *ends, struct json_span object, size_t *offset,
                           struct json_span *ret_key, struct json_span *ret_value);
bool json_array_next_with(const struct json_ends *ends, struct json_span array, size_t *offset,
                          struct json_span *ret_item);

/* Whether a JSON string, its escapes resolved, equals @text. */
bool json_string_equals(struct json_span string, const char *text);
bool json_string_is(struct json_span string, const char *text, size_t text_bytes);
/*
 * Resolves a JSON string's escapes into UTF-8. Returns the length; -EILSEQ for a lone surrogate,
 * -ENOBUFS when @out_bytes are too few.
 */
ptrdiff_t json_string_decode(struct json_span string, char *out, size_t out_bytes);
/* An integer of JSON's own syntax within 0 to UINT64_MAX; false otherwise. */
bool json_uint64(struct json_span number, uint64_t *ret_value);

/* Most bytes that json_quote writes for @bytes of text. */
size_t json_quoted_bytes_max(size_t bytes);
/* Writes @text (UTF-8) as a JSON string with quotes; returns the length. */
size_t json_quote(char *out, const char *text, size_t bytes);

bool utf8_is_valid(const char *text, size_t bytes);

#endif
