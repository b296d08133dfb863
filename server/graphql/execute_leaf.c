/* Results of scalars and enums, converted as graphql-js's serialize functions do. */
#include <math.h>

#include "server/graphql/execute_internal.h"
#include "server/graphql/inspect.h"
#include "server/graphql/value.h"
#include "server/json/text.h"

enum {
    INTEGER_BYTES_MAX = 20, /* of 64 bits with a sign */
};

/* --- writing ---------------------------------------------------------------------------------- */

static void write_integer(struct execution *execution, int64_t integer)
{
    char digits[INTEGER_BYTES_MAX];
    char *end = digits + sizeof digits;
    char *at = end;
    uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (integer < 0)
        *--at = '-';
    execute_write_bytes(execution, at, (size_t)(end - at));
}

static void write_quoted_integer(struct execution *execution, int64_t integer)
{
    execute_write_bytes(execution, "\"", 1);
    write_integer(execution, integer);
    execute_write_bytes(execution, "\"", 1);
}

static void write_quoted_number(struct execution *execution, double number)
{
    execute_write_bytes(execution, "\"", 1);
    value_write_number(number, &execution->text);
    execute_write_bytes(execution, "\"", 1);
}

static void write_boolean(struct execution *execution, bool boolean)
{
    execute_write_bytes(execution, boolean ? "true" : "false", boolean ? 4 : 5);
}

static void write_string(struct execution *execution, struct ast_text text)
{
    text_add_quoted(&execution->text, text.bytes, text.size);
}

/* --- errors ----------------------------------------------------------------------------------- */

static void inspect_result(struct execution *execution, const struct execute_result *result,
                           int depth, struct text *out);

static void inspect_list(struct execution *execution, const struct execute_result *list, int depth,
                         struct text *out)
{
    uint32_t count = list->list.count;

    if (count > 0 && depth == INSPECT_DEPTH_MAX) {
        text_add_string(out, "[Array]");
        return;
    }
    text_add_string(out, "[");
    for (uint32_t i = 0; i < count && i < INSPECT_ITEMS_MAX; i++) {
        text_add_string(out, i > 0 ? ", " : "");
        inspect_result(execution, &list->list.items[i], depth + 1, out);
    }
    if (count > INSPECT_ITEMS_MAX)
        text_printf(out, ", ... %u more item%s", count - INSPECT_ITEMS_MAX,
                    count - INSPECT_ITEMS_MAX > 1 ? "s" : "");
    text_add_string(out, "]");
}

/* Recursion: INSPECT_DEPTH_MAX. */
static void inspect_result(struct execution *execution, const struct execute_result *result,
                           int depth, struct text *out)
{
    switch (result->kind) {
    case EXECUTE_BOOLEAN:
        text_add_string(out, result->boolean ? "true" : "false");
        break;
    case EXECUTE_INT:
        text_printf(out, "%lld", (long long)result->integer);
        break;
    case EXECUTE_FLOAT:
        inspect_number(result->number, out);
        break;
    case EXECUTE_STRING:
        inspect_string(result->text, out);
        break;
    case EXECUTE_JSON:
        inspect_json((struct json_span){result->text.bytes, result->text.size}, &execution->region,
                     out);
        break;
    case EXECUTE_LIST:
        inspect_list(execution, result, depth, out);
        break;
    case EXECUTE_NULL:
        text_add_string(out, "null");
        break;
    case EXECUTE_OBJECT:
    case EXECUTE_ERROR:
        text_add_string(out, "[Object]");
        break;
    }
}

/* @what, and then the value. */
static bool fail(struct execution *execution, const char *what, const struct execute_result *result)
{
    struct text out = {0};

    if (execution->errors.has_overflown)
        return false;
    inspect_result(execution, result, 0, &out);
    if (text_is_whole(&out))
        execute_fail(execution, GRAPHQL_INTERNAL, "%s%.*s", what, (int)out.size, out.bytes);
    else
        execution->region.has_failed = true;
    text_done(&out);
    return false;
}

/* @before, the type's name and @behind, and then the value. */
static bool fail_named(struct execution *execution, const char *before,
                       const struct schema_type *type, const char *behind,
                       const struct execute_result *result)
{
    const char *what = region_printf(&execution->region, "%s%.*s%s", before, (int)type->name.size,
                                     type->name.bytes, behind);

    return what != NULL && fail(execution, what, result);
}

/* --- conversions ------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static const char *skip_sign(const char *at, const char *end)
{
    return at < end && (*at == '-' || *at == '+') ? at + 1 : at;
}

/* Decimal notation, perhaps with a sign, and nothing else. */
static bool is_decimal(const char *at, const char *end)
{
    const char *digits;
    const char *point;

    at = skip_sign(at, end);
    digits = at;
    at = skip_digits(at, end);
    point = at;
    if (at < end && *at == '.')
        at = skip_digits(at + 1, end);
    if (at == digits || (point == digits && at == point + 1))
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        digits = skip_sign(at + 1, end);
        at = skip_digits(digits, end);
        return at > digits && at == end;
    }
    return at == end;
}

/* As JavaScript's Number(), for decimal numbers: white space around them, and alone it is 0. */
static bool text_to_number(struct execution *execution, struct ast_text text, double *ret_number)
{
    const char *at = text.bytes;
    const char *end = at + text.size;

    while (at < end && is_space(*at))
        at++;
    while (at < end && is_space(end[-1]))
        end--;
    *ret_number = 0;
    if (at == end)
        return text.size > 0;
    return is_decimal(at, end) &&
           coerce_number((struct ast_text){at, (uint32_t)(end - at)}, &execution->region,
                         ret_number) &&
           isfinite(*ret_number);
}

/* What Int and Float see as a number. */
static bool to_number(struct execution *execution, const struct execute_result *result,
                      double *ret_number)
{
    switch ((int)result->kind) {
    case EXECUTE_BOOLEAN:
        *ret_number = result->boolean ? 1 : 0;
        return true;
    case EXECUTE_FLOAT:
        *ret_number = result->number;
        return isfinite(result->number);
    case EXECUTE_STRING:
        return text_to_number(execution, result->text, ret_number);
    default:
        return false;
    }
}

static bool write_int(struct execution *execution, const struct execute_result *result)
{
    double number;

    if (result->kind == EXECUTE_INT && result->integer >= INT32_MIN &&
        result->integer <= INT32_MAX) {
        write_integer(execution, result->integer);
        return true;
    }
    if (result->kind != EXECUTE_INT) {
        if (!to_number(execution, result, &number) || trunc(number) != number)
            return fail(execution, "Int cannot represent non-integer value: ", result);
        if (number >= INT32_MIN && number <= INT32_MAX) {
            write_integer(execution, (int64_t)number);
            return true;
        }
    }
    return fail(execution, "Int cannot represent non 32-bit signed integer value: ", result);
}

static bool write_float(struct execution *execution, const struct execute_result *result)
{
    double number;

    if (result->kind == EXECUTE_INT) {
        write_integer(execution, result->integer);
        return true;
    }
    if (!to_number(execution, result, &number))
        return fail(execution, "Float cannot represent non numeric value: ", result);
    value_write_number(number, &execution->text);
    return true;
}

/* @is_id: only strings and integers will do. */
static bool write_string_or_id(struct execution *execution, const struct execute_result *result,
                               bool is_id)
{
    bool is_finite = result->kind == EXECUTE_FLOAT && isfinite(result->number);

    if (result->kind == EXECUTE_STRING) {
        write_string(execution, result->text);
    } else if (result->kind == EXECUTE_INT) {
        write_quoted_integer(execution, result->integer);
    } else if (is_finite && (!is_id || trunc(result->number) == result->number)) {
        write_quoted_number(execution, result->number);
    } else if (result->kind == EXECUTE_BOOLEAN && !is_id) {
        execute_write_bytes(execution, "\"", 1);
        write_boolean(execution, result->boolean);
        execute_write_bytes(execution, "\"", 1);
    } else {
        return fail(
            execution,
            is_id ? "ID cannot represent value: " : "String cannot represent value: ", result);
    }
    return true;
}

static bool write_as_boolean(struct execution *execution, const struct execute_result *result)
{
    if (result->kind == EXECUTE_BOOLEAN)
        write_boolean(execution, result->boolean);
    else if (result->kind == EXECUTE_INT)
        write_boolean(execution, result->integer != 0);
    else if (result->kind == EXECUTE_FLOAT && isfinite(result->number))
        write_boolean(execution, result->number != 0);
    else
        return fail(execution, "Boolean cannot represent a non boolean value: ", result);
    return true;
}

static bool write_custom(struct execution *execution, const struct schema_type *type,
                         const struct execute_result *result)
{
    switch (result->kind) {
    case EXECUTE_JSON:
        execute_write_bytes(execution, result->text.bytes, result->text.size);
        return true;
    case EXECUTE_STRING:
        write_string(execution, result->text);
        return true;
    case EXECUTE_BOOLEAN:
        write_boolean(execution, result->boolean);
        return true;
    case EXECUTE_INT:
        write_integer(execution, result->integer);
        return true;
    case EXECUTE_FLOAT:
        if (!isfinite(result->number))
            break;
        value_write_number(result->number, &execution->text);
        return true;
    case EXECUTE_NULL:
    case EXECUTE_OBJECT:
    case EXECUTE_LIST:
    case EXECUTE_ERROR:
        break;
    }
    return fail_named(execution, "", type, " cannot represent value: ", result);
}

static bool write_enum(struct execution *execution, const struct schema_type *type,
                       const struct execute_result *result)
{
    if (result->kind == EXECUTE_STRING && schema_find_value(type, result->text) != NULL) {
        write_string(execution, result->text);
        return true;
    }
    return fail_named(execution, "Enum \"", type, "\" cannot represent value: ", result);
}

/*
 * A JSON text as the kind of result that it is; arrays, objects and what cannot be decoded stay.
 */
static struct execute_result from_json(struct execution *execution,
                                       const struct execute_result *result)
{
    struct json_span json = {result->text.bytes, result->text.size};
    struct execute_result plain = *result;
    struct ast_text text;
    uint64_t integer;

    switch (json_type(json)) {
    case JSON_FALSE:
    case JSON_TRUE:
        plain.kind = EXECUTE_BOOLEAN;
        plain.boolean = json_type(json) == JSON_TRUE;
        break;
    case JSON_NUMBER:
        if (json_uint64(json, &integer) && integer <= INT64_MAX) {
            plain.kind = EXECUTE_INT;
            plain.integer = (int64_t)integer;
            break;
        }
        if (!coerce_number(result->text, &execution->region, &plain.number))
            break;
        plain.kind = EXECUTE_FLOAT;
        break;
    case JSON_STRING:
        if (!coerce_string(json, &execution->region, &text))
            break;
        plain.kind = EXECUTE_STRING;
        plain.text = text;
        break;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return plain;
}

bool execute_leaf(struct execution *execution, const struct schema_type *type,
                  const struct execute_result *result)
{
    struct execute_result plain;

    if (type->kind == SCHEMA_SCALAR && type->scalar == SCHEMA_CUSTOM)
        return write_custom(execution, type, result);
    if (result->kind == EXECUTE_JSON) {
        plain = from_json(execution, result);
        result = &plain;
    }
    if (type->kind == SCHEMA_ENUM)
        return write_enum(execution, type, result);
    switch (type->scalar) {
    case SCHEMA_INT:
        return write_int(execution, result);
    case SCHEMA_FLOAT:
        return write_float(execution, result);
    case SCHEMA_STRING:
    case SCHEMA_ID:
        return write_string_or_id(execution, result, type->scalar == SCHEMA_ID);
    case SCHEMA_BOOLEAN:
        return write_as_boolean(execution, result);
    case SCHEMA_CUSTOM:
        break;
    }
    return false;
}
