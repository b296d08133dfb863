/*
 * The span scanner: what it accepts is compact and stays what it is when scanned again, its members
 * and strings lie inside it; and any UTF-8 that is quoted can be read back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"
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
    if (length >= 0) {
        CHECK(utf8_is_valid(out, (size_t)length));
        CHECK(json_string_decode(string, out, (size_t)length) == length);
    }
    (void)json_string_equals(string, "topic");
    free(out);
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

static void check_accepted(const char *compact, size_t bytes)
{
    struct json_span value = {compact, bytes};
    struct json_error error;
    char *again = allocate(bytes);
    uint64_t number;

    CHECK(json_compact(compact, bytes, again, &error) == (ptrdiff_t)bytes);
    CHECK(memcmp(compact, again, bytes) == 0);
    CHECK(utf8_is_valid(compact, bytes));
    if (json_type(value) == JSON_OBJECT)
        check_object(value);
    else if (json_type(value) == JSON_STRING)
        check_string(value);
    else if (json_type(value) == JSON_NUMBER)
        (void)json_uint64(value, &number);
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
    struct json_error error = {0, NULL};
    ptrdiff_t length = json_compact((const char *)data, size, out, &error);

    if (size > 0)
        memcpy(in_place, data, size);
    if (length >= 0) {
        CHECK(json_compact(in_place, size, in_place, &error) == length);
        CHECK(memcmp(in_place, out, (size_t)length) == 0);
        check_accepted(out, (size_t)length);
    } else {
        CHECK(length == -EBADMSG);
        CHECK(error.offset <= size);
        CHECK(error.reason != NULL);
    }
    if (utf8_is_valid((const char *)data, size))
        check_quote((const char *)data, size);
    free(in_place);
    free(out);
    return 0;
}
