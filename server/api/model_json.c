/* JSON texts in the arguments of directives: do they fit a type, and as what a column keeps them. */
#include "server/api/model_build.h"

#include <math.h>
#include <string.h>

#include "server/api/column_value.h"
#include "server/graphql/coerce.h"
#include "server/graphql/value.h"
#include "server/json/text.h"

/* A time in any of the forms that arguments may have. */
static bool write_time(struct ast_text text, struct text *out)
{
    char time[COLUMN_VALUE_TIME_BYTES];

    if (!column_value_time(text.bytes, text.size, time))
        return false;
    text_add(out, time, sizeof time);
    return true;
}

static bool write_string(struct json_span json, const struct schema_type *type,
                         struct region *region, struct text *out)
{
    struct ast_text text = {0};

    if (json_type(json) != JSON_STRING || !coerce_string(json, region, &text))
        return false;
    if (type->kind == SCHEMA_ENUM && schema_find_value(type, text) == NULL)
        return false;
    if (type->kind == SCHEMA_SCALAR && type->scalar == SCHEMA_CUSTOM)
        return write_time(text, out);
    text_add_quoted(out, text.bytes, text.size);
    return true;
}

static bool write_number(struct json_span json, const struct schema_type *type,
                         struct region *region, struct text *out)
{
    const struct ast_text digits = {json.bytes, (uint32_t)json.size};
    int32_t integer;
    double number;

    if (json_type(json) != JSON_NUMBER)
        return false;
    if (type->scalar == SCHEMA_FLOAT) {
        if (!coerce_number(digits, region, &number) || !isfinite(number))
            return false;
        value_write_number(number, out);
        return true;
    }
    if (memchr(json.bytes, '.', json.size) != NULL || memchr(json.bytes, 'e', json.size) != NULL ||
        memchr(json.bytes, 'E', json.size) != NULL || !coerce_int32(digits, &integer))
        return false;
    text_printf(out, type->scalar == SCHEMA_ID ? "\"%d\"" : "%d", integer);
    return true;
}

static bool write_leaf(struct json_span json, const struct schema_type *type, struct region *region,
                       struct text *out)
{
    enum json_type given = json_type(json);

    if (type->kind == SCHEMA_ENUM)
        return write_string(json, type, region, out);
    switch (type->scalar) {
    case SCHEMA_CUSTOM:
        if (ast_text_is(type->name, "DateTime"))
            return write_string(json, type, region, out);
        text_add(out, json.bytes, json.size);
        return true;
    case SCHEMA_BOOLEAN:
        text_add(out, json.bytes, json.size);
        return given == JSON_TRUE || given == JSON_FALSE;
    case SCHEMA_STRING:
        return write_string(json, type, region, out);
    case SCHEMA_ID:
        return given == JSON_NUMBER ? write_number(json, type, region, out)
                                    : write_string(json, type, region, out);
    case SCHEMA_INT:
    case SCHEMA_FLOAT:
        return write_number(json, type, region, out);
    }
    return false;
}

/* Recursion: as deep as the wrappers of the type, which the parser bounds. */
static bool write(struct json_span json, const struct schema_ref *type, struct region *region,
                  struct text *out)
{
    const struct schema_ref *nullable = schema_ref_nullable(type);
    struct json_span item;
    size_t offset = 0;

    if (json_type(json) == JSON_NULL) {
        text_add_string(out, "null");
        return nullable == type;
    }
    if (nullable->wrapper != SCHEMA_LIST)
        return write_leaf(json, nullable->type, region, out);
    if (json_type(json) != JSON_ARRAY)
        return false;
    text_add_string(out, "[");
    for (bool is_first = true; json_array_next(json, &offset, &item); is_first = false) {
        if (!is_first)
            text_add_string(out, ",");
        if (!write(item, nullable->of, region, out))
            return false;
    }
    text_add_string(out, "]");
    return true;
}

enum model_json model_read_json(const struct model_json_place *place, struct ast_text json,
                                struct ast_text *ret_json, struct json_error *ret_error)
{
    char *compact = region_alloc(place->region, (size_t)json.size + 1);
    struct text out = {0};
    ptrdiff_t size;
    bool fits;

    if (compact == NULL)
        return MODEL_JSON_FITS; /* the region has failed: there will be no model */
    size = json_compact(json.bytes, json.size, compact, ret_error);
    if (size < 0)
        return MODEL_JSON_BROKEN;
    fits = write((struct json_span){compact, (size_t)size}, place->type, place->region, &out);
    if (!text_is_whole(&out))
        place->region->has_failed = true;
    else if (fits)
        ret_json->bytes = region_copy(place->region, out.bytes, out.size);
    if (ret_json->bytes != NULL)
        ret_json->size = (uint32_t)out.size;
    text_done(&out);
    return fits || place->region->has_failed ? MODEL_JSON_FITS : MODEL_JSON_MISFIT;
}
