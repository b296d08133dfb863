/*
 * The span scanner: it accepts what a plain reading of RFC 8259 does and nothing else, and makes the
 * same of it; members and strings lie inside the value, and numbers are what their digits say; any
 * UTF-8 that is quoted can be read back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/target.h"

static char *allocate(size_t bytes)
{
    char *memory = malloc(bytes > 0 ? bytes : 1);

    CHECK(memory != NULL);
    return memory;
}

static void check_string(struct json_span string)
{
    char *out = allocate(string.size);
    ptrdiff_t length = json_string_decode(string, out, string.size);

    CHECK(length >= 0 || length == -EILSEQ); /* it cannot grow, so there is room */
    if (memchr(string.bytes, '\\', string.size) == NULL) {
        CHECK(length == (ptrdiff_t)string.size - 2);
        CHECK(memcmp(out, string.bytes + 1, (size_t)length) == 0);
    }
    if (length >= 0) {
        CHECK(reference_utf8_is_valid(out, (size_t)length));
        CHECK(json_string_decode(string, out, (size_t)length) == length);
    }
    (void)json_string_equals(string, "topic");
    free(out);
}

static void check_number(struct json_span number)
{
    char digits[24];
    uint64_t value;
    int length;

    if (!json_uint64(number, &value))
        return;
    length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    CHECK((size_t)length == number.size);
    CHECK(memcmp(digits, number.bytes, number.size) == 0);
}

/* Members cover the object exactly. */
static void check_object(struct json_span object)
{
    struct json_span value;
    struct json_span key;
    size_t offset = 0;
    size_t covered = 1;

    while (json_object_next(object, &offset, &key, &value)) {
        CHECK(key.bytes == object.bytes + covered);
        CHECK(value.bytes == key.bytes + key.size + 1);
        CHECK(value.size > 0);
        check_string(key);
        if (json_type(value) == JSON_STRING)
            check_string(value);
        covered += key.size + value.size + 2;
        CHECK(offset == covered - 1);
    }
    CHECK(covered == object.size || object.size == 2);
}

/* Items cover the array exactly. */
static void check_array(struct json_span array)
{
    struct json_span item;
    size_t offset = 0;
    size_t covered = 1;

    while (json_array_next(array, &offset, &item)) {
        CHECK(item.bytes == array.bytes + covered);
        CHECK(item.size > 0);
        covered += item.size + 1;
        CHECK(offset == covered - 1);
    }
    CHECK(covered == array.size || array.size == 2);
}

/* The next item or member's value; false: there is none, or @container is none. */
static bool next_value(const struct json_ends *ends, struct json_span container, size_t *offset,
                       struct json_span *ret_value)
{
    struct json_span key;

    if (json_type(container) == JSON_OBJECT)
        return json_object_next_with(ends, container, offset, &key, ret_value);
    return json_type(container) == JSON_ARRAY &&
           json_array_next_with(ends, container, offset, ret_value);
}

/* One way down, by the last container of each level, with the ends and without: the same. */
static void check_ends(struct json_span value)
{
    uint32_t count = json_ends_count(value);
    struct json_ends ends = {.items =
                                 (struct json_end *)(void *)allocate(count * sizeof *ends.items)};
    struct json_span below = value;
    struct json_span with;
    struct json_span without;

    json_ends_fill(&ends, value);
    CHECK(ends.count == count);
    while (below.bytes != NULL) {
        struct json_span last = {NULL, 0};
        size_t offset_with = 0;
        size_t offset_without = 0;

        while (next_value(&ends, below, &offset_with, &with)) {
            CHECK(next_value(NULL, below, &offset_without, &without));
            CHECK(with.bytes == without.bytes);
            CHECK(with.size == without.size);
            CHECK(offset_with == offset_without);
            if (json_type(with) >= JSON_ARRAY)
                last = with;
        }
        CHECK(!next_value(NULL, below, &offset_without, &without));
        below = last;
    }
    free(ends.items);
}

static void check_accepted(const char *compact, size_t bytes)
{
    struct json_span value = {compact, bytes};
    struct json_error error;
    char *again = allocate(bytes);

    CHECK(json_compact(compact, bytes, again, &error) == (ptrdiff_t)bytes);
    CHECK(memcmp(compact, again, bytes) == 0);
    if (json_type(value) == JSON_OBJECT)
        check_object(value);
    else if (json_type(value) == JSON_ARRAY)
        check_array(value);
    else if (json_type(value) == JSON_STRING)
        check_string(value);
    else if (json_type(value) == JSON_NUMBER)
        check_number(value);
    check_ends(value);
    free(again);
}

static void check_quote(const char *text, size_t bytes)
{
    char *quoted = allocate(json_quoted_bytes_max(bytes));
    size_t quoted_bytes = json_quote(quoted, text, bytes);
    char *back = allocate(bytes);
    struct json_error error;

    CHECK(quoted_bytes <= json_quoted_bytes_max(bytes));
    CHECK(json_compact(quoted, quoted_bytes, quoted, &error) == (ptrdiff_t)quoted_bytes);
    CHECK(memchr(quoted, '\n', quoted_bytes) == NULL); /* it may stand in a line */
    CHECK(json_string_decode((struct json_span){quoted, quoted_bytes}, back, bytes) ==
          (ptrdiff_t)bytes);
    CHECK(bytes == 0 || memcmp(back, text, bytes) == 0);
    free(back);
    free(quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *out = allocate(size);
    char *in_place = allocate(size);
    char *wanted = allocate(size);
    bool is_text = reference_utf8_is_valid(data, size);
    struct json_error error = {0, NULL};
    ptrdiff_t length = json_compact((const char *)data, size, out, &error);
    ptrdiff_t wanted_length =
        reference_json_compact((const char *)data, size, wanted, JSON_DEPTH_MAX);

    CHECK(utf8_is_valid((const char *)data, size) == is_text);
    CHECK(wanted_length == (length < 0 ? -1 : length));
    if (size > 0)
        memcpy(in_place, data, size);
    if (length >= 0) {
        CHECK(json_compact(in_place, size, in_place, &error) == length);
        CHECK(memcmp(in_place, out, (size_t)length) == 0);
        CHECK(memcmp(wanted, out, (size_t)length) == 0);
        check_accepted(out, (size_t)length);
    } else {
        CHECK(length == -EBADMSG);
        CHECK(error.offset <= size);
        CHECK(error.reason != NULL);
    }
    if (is_text)
        check_quote((const char *)data, size);
    free(wanted);
    free(in_place);
    free(out);
    return 0;
}
