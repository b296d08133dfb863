#include "server/graphql/inspect.h"

#include <math.h>

#include "server/graphql/coerce.h"
#include "server/graphql/region.h"
#include "server/graphql/value.h"
#include "server/json/text.h"

struct inspect {
    struct region *region;
    struct text *out;
    size_t begin; /* of the value in out */
};

static void inspect_value(const struct inspect *inspect, struct json_span value, int depth);

static bool is_full(const struct inspect *inspect)
{
    return inspect->out->size - inspect->begin > INSPECT_BYTES_MAX;
}

/* Cuts what has been written from @begin on, between two characters. */
static void cut(struct text *out, size_t begin)
{
    size_t size = begin + INSPECT_BYTES_MAX;

    if (out->size <= size)
        return;
    while (size > begin && ((unsigned char)out->bytes[size] & 0xC0) == 0x80)
        size--;
    out->size = size;
    text_add_string(out, "…");
}

void inspect_number(double number, struct text *out)
{
    if (isfinite(number))
        value_write_number(number, out);
    else if (isnan(number))
        text_add_string(out, "NaN");
    else
        text_add_string(out, number > 0 ? "Infinity" : "-Infinity");
}

void inspect_text(struct ast_text text, struct text *out)
{
    size_t begin = out->size;

    text_add(out, text.bytes,
             text.size > INSPECT_BYTES_MAX + 1 ? INSPECT_BYTES_MAX + 1 : text.size);
    cut(out, begin);
}

void inspect_string(struct ast_text string, struct text *out)
{
    size_t begin = out->size;

    text_add_quoted(out, string.bytes,
                    string.size > INSPECT_BYTES_MAX ? INSPECT_BYTES_MAX : string.size);
    cut(out, begin);
}

/* Its escapes as JSON.stringify writes them; what cannot be decoded stays as it is. */
static void inspect_json_string(const struct inspect *inspect, struct json_span string)
{
    struct ast_text text;

    if (coerce_string(string, inspect->region, &text))
        text_add_quoted(inspect->out, text.bytes, text.size);
    else
        text_add(inspect->out, string.bytes, string.size);
}

static void inspect_array(const struct inspect *inspect, struct json_span array, int depth)
{
    struct text *out = inspect->out;
    struct json_span item;
    size_t offset = 0;
    size_t count = 0;

    if (array.size > 2 && depth >= INSPECT_DEPTH_MAX) {
        text_add_string(out, "[Array]");
        return;
    }
    text_add_string(out, "[");
    while (!is_full(inspect) && json_array_next(array, &offset, &item)) {
        if (count++ >= INSPECT_ITEMS_MAX)
            continue;
        if (count > 1)
            text_add_string(out, ", ");
        inspect_value(inspect, item, depth + 1);
    }
    if (count == INSPECT_ITEMS_MAX + 1)
        text_add_string(out, ", ... 1 more item");
    else if (count > INSPECT_ITEMS_MAX)
        text_printf(out, ", ... %zu more items", count - INSPECT_ITEMS_MAX);
    text_add_string(out, "]");
}

/* As Object.entries has it, but members that come twice are shown twice. */
static void inspect_object(const struct inspect *inspect, struct json_span object, int depth)
{
    struct text *out = inspect->out;
    const char *separator = "{ ";
    struct json_span key;
    struct json_span value;
    struct ast_text name;
    size_t offset = 0;

    if (object.size == 2 || depth >= INSPECT_DEPTH_MAX) {
        text_add_string(out, object.size == 2 ? "{}" : "[Object]");
        return;
    }
    while (!is_full(inspect) && json_object_next(object, &offset, &key, &value)) {
        text_add_string(out, separator);
        separator = ", ";
        if (coerce_string(key, inspect->region, &name))
            text_add(out, name.bytes, name.size);
        else
            text_add(out, key.bytes + 1, key.size - 2);
        text_add_string(out, ": ");
        inspect_value(inspect, value, depth + 1);
    }
    text_add_string(out, " }");
}

/* Recursion: INSPECT_DEPTH_MAX. */
static void inspect_value(const struct inspect *inspect, struct json_span value, int depth)
{
    double number;

    switch (json_type(value)) {
    case JSON_NUMBER:
        if (coerce_number((struct ast_text){value.bytes, (uint32_t)value.size}, inspect->region,
                          &number))
            inspect_number(number, inspect->out);
        break;
    case JSON_STRING:
        inspect_json_string(inspect, value);
        break;
    case JSON_ARRAY:
        inspect_array(inspect, value, depth);
        break;
    case JSON_OBJECT:
        inspect_object(inspect, value, depth);
        break;
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        text_add(inspect->out, value.bytes, value.size);
        break;
    }
}

void inspect_json(struct json_span value, struct region *region, struct text *out)
{
    struct inspect inspect = {.region = region, .out = out, .begin = out->size};

    inspect_value(&inspect, value, 0);
    cut(out, inspect.begin);
}
