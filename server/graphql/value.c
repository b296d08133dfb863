#include "server/graphql/value.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/schema.h"
#include "server/json/text.h"

enum {
    NUMBER_BYTES = 32,
    NUMBER_DIGITS = 17,
    /* Beyond these places of the decimal point JavaScript writes an exponent. */
    POINT_MAX = 21,
    POINT_MIN = -6,
};

/*
 * The shortest digits of a positive number and the place of the point behind the first of them.
 * Fifteen digits tell all decimal numbers of that length apart, but for subnormal ones, so only
 * these must begin with fewer.
 */
static int shortest_digits(double number, char digits[static NUMBER_DIGITS + 1])
{
    char buffer[NUMBER_BYTES];
    int precision = number < DBL_MIN ? 1 : DBL_DIG;
    const char *exponent;
    size_t count = 1;

    for (; precision <= NUMBER_DIGITS; precision++) {
        (void)snprintf(buffer, sizeof buffer, "%.*e", precision - 1, number);
        if (strtod(buffer, NULL) == number)
            break;
    }
    exponent = strchr(buffer, 'e');
    CHECK(exponent != NULL);
    digits[0] = buffer[0];
    for (const char *at = buffer + 2; at < exponent; at++)
        digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return (int)strtol(exponent + 1, NULL, 10) + 1;
}

void value_write_number(double number, struct text *out)
{
    char digits[NUMBER_DIGITS + 1];
    int count;
    int point;

    CHECK(isfinite(number));
    if (number == 0) {
        text_add_string(out, "0");
        return;
    }
    if (number < 0)
        text_add_string(out, "-");
    point = shortest_digits(fabs(number), digits);
    count = (int)strlen(digits);
    if (point > POINT_MAX || point <= POINT_MIN) {
        text_add(out, digits, 1);
        if (count > 1)
            text_printf(out, ".%s", digits + 1);
        text_printf(out, "e%+d", point - 1);
    } else if (point <= 0) {
        text_printf(out, "0.%.*s%s", -point, "000000", digits);
    } else if (count <= point) {
        text_printf(out, "%s%.*s", digits, point - count, "000000000000000000000");
    } else {
        text_printf(out, "%.*s.%s", point, digits, digits + point);
    }
}

static void write_list(const struct value *value, struct text *out)
{
    text_add_string(out, "[");
    for (uint32_t i = 0; i < value->list.count; i++) {
        if (i > 0)
            text_add_string(out, ",");
        value_write(&value->list.items[i], out);
    }
    text_add_string(out, "]");
}

static void write_object(const struct value *value, struct text *out)
{
    const struct schema_type *type = value->object.type;
    const char *separator = "{";

    for (uint32_t i = 0; i < type->input_count; i++) {
        if (value->object.members[i].kind == VALUE_ABSENT)
            continue;
        text_add_string(out, separator);
        text_add_quoted(out, type->inputs[i].name.bytes, type->inputs[i].name.size);
        text_add_string(out, ":");
        value_write(&value->object.members[i], out);
        separator = ",";
    }
    text_add_string(out, *separator == '{' ? "{}" : "}");
}

/* Recursion: a value is as deep as what it was coerced from, which the parsers bound. */
void value_write(const struct value *value, struct text *out)
{
    switch (value->kind) {
    case VALUE_ABSENT:
    case VALUE_NULL:
        text_add_string(out, "null");
        break;
    case VALUE_BOOLEAN:
        text_add_string(out, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        text_printf(out, "%d", (int)value->integer);
        break;
    case VALUE_FLOAT:
        value_write_number(value->number, out);
        break;
    case VALUE_STRING:
    case VALUE_ENUM:
        text_add_quoted(out, value->text.bytes, value->text.size);
        break;
    case VALUE_LIST:
        write_list(value, out);
        break;
    case VALUE_OBJECT:
        write_object(value, out);
        break;
    case VALUE_JSON:
        text_add(out, value->text.bytes, value->text.size);
        break;
    }
}
