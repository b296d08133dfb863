#include "server/api/column_value.h"

#include <string.h>
#include <time.h>

#include "server/graphql/coerce.h"
#include "server/json/json.h"
#include "server/json/text.h"
#include "store/value.h"

/* --- times ------------------------------------------------------------------------------------ */

/* A text that is read from its front. */
struct reader {
    const char *at;
    const char *end;
};

/* Exactly @count digits. */
static bool read_digits(struct reader *reader, int count, int *ret_number)
{
    int number = 0;

    if (reader->end - reader->at < count)
        return false;
    for (int i = 0; i < count; i++) {
        char c = *reader->at++;

        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (c - '0');
    }
    *ret_number = number;
    return true;
}

/* One of two characters: the letters of a time may be small. */
static bool read_either(struct reader *reader, char a, char b)
{
    if (reader->at == reader->end || (*reader->at != a && *reader->at != b))
        return false;
    reader->at++;
    return true;
}

static bool read_date(struct reader *reader, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year;
    int month;
    int day;
    bool is_leap;

    if (!read_digits(reader, 4, &year) || !read_either(reader, '-', '-') ||
        !read_digits(reader, 2, &month) || !read_either(reader, '-', '-') ||
        !read_digits(reader, 2, &day))
        return false;
    if (month < 1 || month > 12)
        return false;
    is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > days[month - 1] + (month == 2 && is_leap ? 1 : 0))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

/* A second of 60 is a leap second: the one behind it. */
static bool read_time(struct reader *reader, struct tm *tm)
{
    return read_digits(reader, 2, &tm->tm_hour) && read_either(reader, ':', ':') &&
           read_digits(reader, 2, &tm->tm_min) && read_either(reader, ':', ':') &&
           read_digits(reader, 2, &tm->tm_sec) && tm->tm_hour < 24 && tm->tm_min < 60 &&
           tm->tm_sec <= 60;
}

static bool read_fraction(struct reader *reader, char micros[6])
{
    int count = 0;

    memset(micros, '0', 6);
    if (!read_either(reader, '.', '.'))
        return true;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (count < 6)
            micros[count] = *reader->at;
        count++;
    }
    return count > 0;
}

static bool read_offset(struct reader *reader, int *ret_seconds)
{
    int sign = 1;
    int hours;
    int minutes;

    *ret_seconds = 0;
    if (read_either(reader, 'Z', 'z'))
        return true;
    if (read_either(reader, '-', '-'))
        sign = -1;
    else if (!read_either(reader, '+', '+'))
        return false;
    if (!read_digits(reader, 2, &hours) || !read_either(reader, ':', ':') ||
        !read_digits(reader, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static char *put_number(char *out, int number, int digits, char behind)
{
    for (int i = digits; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    out[digits] = behind;
    return out + digits + 1;
}

bool column_value_time(const char *text, size_t bytes, char out[COLUMN_VALUE_TIME_BYTES])
{
    struct reader reader = {text, text + bytes};
    struct tm tm = {0};
    char micros[6];
    int offset;
    time_t second;

    if (!read_date(&reader, &tm) || !read_either(&reader, 'T', 't') || !read_time(&reader, &tm) ||
        !read_fraction(&reader, micros) || !read_offset(&reader, &offset) ||
        reader.at != reader.end)
        return false;
    second = timegm(&tm) - offset;
    if (gmtime_r(&second, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return false;
    *out++ = '"';
    out = put_number(out, tm.tm_year + 1900, 4, '-');
    out = put_number(out, tm.tm_mon + 1, 2, '-');
    out = put_number(out, tm.tm_mday, 2, 'T');
    out = put_number(out, tm.tm_hour, 2, ':');
    out = put_number(out, tm.tm_min, 2, ':');
    out = put_number(out, tm.tm_sec, 2, '.');
    memcpy(out, micros, sizeof micros);
    memcpy(out + sizeof micros, "Z\"", 2);
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

static struct catalog_text from_ast(struct ast_text text)
{
    return (struct catalog_text){text.bytes, text.size};
}

/* A custom scalar's JSON that ought to be a time. False: it is none, or no memory. */
static bool write_time(const struct value *value, struct region *region, struct catalog_text *ret)
{
    struct json_span json = {value->text.bytes, value->text.size};
    struct ast_text text;
    char *out;

    if (json_type(json) != JSON_STRING || !coerce_string(json, region, &text))
        return false;
    out = region_alloc(region, COLUMN_VALUE_TIME_BYTES);
    if (out == NULL || !column_value_time(text.bytes, text.size, out))
        return false;
    *ret = (struct catalog_text){out, COLUMN_VALUE_TIME_BYTES};
    return true;
}

/* What value_write makes of it, in quotes if an ID must have them. */
static struct catalog_text write_value(const struct value *value, bool is_quoted,
                                       struct region *region)
{
    const char *copy = NULL;
    struct text out = {0};
    size_t size;

    if (is_quoted)
        text_add_string(&out, "\"");
    value_write(value, &out);
    if (is_quoted)
        text_add_string(&out, "\"");
    size = out.size;
    if (text_is_whole(&out))
        copy = region_copy(region, out.bytes, size);
    else
        region->has_failed = true;
    text_done(&out);
    return (struct catalog_text){copy, copy == NULL ? 0 : size};
}

/* A list of times: each as a column would have it. */
static const char *write_times(const struct value *list, struct region *region,
                               struct catalog_text *ret_json)
{
    struct value copy = *list;
    struct catalog_text time;

    copy.list.items = region_alloc(region, (size_t)list->list.count * sizeof *copy.list.items + 1);
    if (copy.list.items == NULL)
        return NULL;
    for (uint32_t i = 0; i < list->list.count; i++) {
        copy.list.items[i] = list->list.items[i];
        if (list->list.items[i].kind != VALUE_JSON)
            continue;
        if (!write_time(&list->list.items[i], region, &time))
            return "must be a list of times as RFC 3339 has them, 2026-01-31T12:00:00Z";
        copy.list.items[i].text = (struct ast_text){time.bytes, (uint32_t)time.size};
    }
    *ret_json = write_value(&copy, false, region);
    return NULL;
}

static bool is_list_of_times(const struct model_column *column)
{
    const struct schema_ref *nullable = schema_ref_nullable(column->field->type);

    return column->is_list && schema_ref_nullable(nullable->of)->wrapper == SCHEMA_NAMED &&
           ast_text_is(schema_ref_named(nullable)->name, "DateTime");
}

const char *column_value(const struct model_column *column, const struct value *value,
                         struct region *region, struct catalog_text *ret_json)
{
    *ret_json = (struct catalog_text){0};
    if (value->kind == VALUE_NULL || value->kind == VALUE_ABSENT)
        return column->is_required ? "must not be null" : NULL;
    if (value->kind == VALUE_LIST && is_list_of_times(column))
        return write_times(value, region, ret_json);
    if (column->kind == COLUMN_DATETIME) {
        if (write_time(value, region, ret_json))
            return NULL;
        return "must be a time as RFC 3339 has it, 2026-01-31T12:00:00Z";
    }
    if (value->kind != VALUE_JSON)
        *ret_json =
            write_value(value, column->kind == COLUMN_ID && value->kind == VALUE_INT, region);
    else if (!ast_text_is(value->text, "null"))
        *ret_json = from_ast(value->text);
    else if (column->is_required)
        return "must not be null";
    return NULL;
}

struct catalog_text column_value_as(const struct model_column *column, enum column_kind from,
                                    struct catalog_text json, struct region *region)
{
    char *quoted;

    if (column->kind != COLUMN_ID || from != COLUMN_INT || json.size == 0)
        return json;
    quoted = region_printf(region, "\"%.*s\"", (int)json.size, json.bytes);
    if (quoted == NULL)
        return (struct catalog_text){0};
    return (struct catalog_text){quoted, json.size + 2};
}

int column_value_compare(enum column_kind kind, struct catalog_text a, struct catalog_text b)
{
    double number_a;
    double number_b;

    if (kind != COLUMN_INT && kind != COLUMN_FLOAT)
        return kind == COLUMN_BOOLEAN ? (a.size < b.size) - (a.size > b.size) /* false, true */
                                      : value_text_compare(a, b);
    number_a = kind == COLUMN_INT ? value_int(a) : value_float(a);
    number_b = kind == COLUMN_INT ? value_int(b) : value_float(b);
    return (number_a > number_b) - (number_a < number_b);
}
