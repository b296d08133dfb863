/* What sluicectl shows: escapes, numbers, tables, lines of events, spans of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/event_line.h"
#include "tools/sluicectl/format.h"
#include "tools/sluicectl/json_span.h"
#include "tools/sluicectl/table.h"

#define LITERAL(text)                                                                              \
    (struct json_span)                                                                             \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static void assert_escaped(const char *text, size_t bytes, const char *expected)
{
    char *escaped = escape_text(text, bytes);

    assert_non_null(escaped);
    assert_string_equal(escaped, expected);
    free(escaped);
}

static void what_a_terminal_obeys_is_escaped_and_the_rest_stays(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"plain \"JSON\\n\" \\u0041", "plain \"JSON\\n\" \\u0041"},
        {"\33[2J", "\\u001b[2J"},
        {"\a\b\t\n\r\x7f", "\\u0007\\u0008\\u0009\\u000a\\u000d\\u007f"},
        {"\xc2\x9b"
         "31m\xc2\x85",
         "\\u009b31m\\u0085"},                                         /* CSI of the second block */
        {"\xe2\x80\xae\xe2\x81\xa6\xd8\x9c", "\\u202e\\u2066\\u061c"}, /* bidirectional marks */
        {"\xe2\x80\xa8", "\\u2028"},
        {"Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89",
         "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89"},
        {"\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82"}, /* no UTF-8, cut short */
        {"\xc0\x9b\xed\xa0\x80\xf4\x90\x80\x80", "\\xc0\\x9b\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_escaped(rows[i].text, strlen(rows[i].text), rows[i].expected);
    assert_escaped("a\0b", 3, "a\\u0000b");
}

static void what_is_escaped_is_as_wide_as_what_is_shown(void **state)
{
    FILE *nowhere = fopen("/dev/null", "w");

    (void)state;
    assert_non_null(nowhere);
    assert_int_equal(escape_write(nowhere, "abc", 3), 3);
    assert_int_equal(escape_write(nowhere, "\33[", 2), 7);
    assert_int_equal(escape_write(nowhere, "\xff", 1), 4);
    assert_int_equal(fclose(nowhere), 0);
}

static void numbers_are_shown_as_people_read_them(void **state)
{
    char text[FORMAT_BYTES];

    (void)state;
    assert_string_equal(format_count(text, 0), "0");
    assert_string_equal(format_count(text, 999), "999");
    assert_string_equal(format_count(text, 1000), "1,000");
    assert_string_equal(format_count(text, UINT64_MAX), "18,446,744,073,709,551,615");

    assert_string_equal(format_bytes(text, 0), "0 B");
    assert_string_equal(format_bytes(text, 1023), "1023 B");
    assert_string_equal(format_bytes(text, 1024), "1.0 KiB");
    assert_string_equal(format_bytes(text, 1048575), "1.0 MiB");
    assert_string_equal(format_bytes(text, UINT64_C(123) << 20), "123 MiB");
    assert_string_equal(format_bytes(text, UINT64_MAX), "16.0 EiB");

    assert_string_equal(format_duration(text, -1), "0.0 s");
    assert_string_equal(format_duration(text, 12.54), "12.5 s");
    assert_string_equal(format_duration(text, 60), "1 min 0 s");
    assert_string_equal(format_duration(text, 3 * 3600 + 12 * 60 + 59), "3 h 12 min");
    assert_string_equal(format_duration(text, 86400 * 12 + 3 * 3600), "12 d 3 h");

    assert_string_equal(format_rate(text, -5), "0");
    assert_string_equal(format_rate(text, 0.5), "0.5");
    assert_string_equal(format_rate(text, 99.96), "100");
    assert_string_equal(format_rate(text, 9999.7), "10.0k");
    assert_string_equal(format_rate(text, 12345678), "12.3M");

    assert_string_equal(format_latency(text, 0), "0 ms");
    assert_string_equal(format_latency(text, 0.00005), "0.050 ms");
    assert_string_equal(format_latency(text, 0.00025), "0.25 ms");
    assert_string_equal(format_latency(text, 0.0012), "1.2 ms");
    assert_string_equal(format_latency(text, 0.345), "345 ms");
    assert_string_equal(format_latency(text, 1.25), "1.2 s");

    assert_string_equal(format_share(text, 0, 0), "-");
    assert_string_equal(format_share(text, 0, 10), "0 %");
    assert_string_equal(format_share(text, 1, 1e6), "0 %");
    assert_string_equal(format_share(text, 1, 250), "0.4 %");
    assert_string_equal(format_share(text, 1, 8), "12 %");
}

static void a_table_is_as_wide_as_its_widest_cells(void **state)
{
    static const struct table_column columns[] = {{"NUMBER", true}, {"NAME", false}, {"X", true}};
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);
    struct table table;

    (void)state;
    assert_non_null(memory);
    table_init(&table, columns, 3);
    table_add_count(&table, 1);
    table_add_text(&table, "\33name");
    table_add_count(&table, 12);
    table_add_count(&table, 12345678);
    table_add_text(&table, "n");
    table_add_count(&table, 3);
    assert_int_equal(table_row_count(&table), 2);
    assert_int_equal(table_write(&table, memory, 2), 0);
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(text, "    NUMBER  NAME         X\n"
                              "         1  \\u001bname  12\n"
                              "12,345,678  n            3\n");
    free(text);
    table_done(&table);
}

static void a_member_is_found_as_it_was_written(void **state)
{
    struct json_span object =
        LITERAL(" { \"a\\\"b\" : {\"data\":1} ,\"data\":[1e400, {\"x\":\"]}\"}],"
                "\"seq\":18446744073709551615,\"big\":18446744073709551616}");
    struct json_span value;
    uint64_t number = 0;

    (void)state;
    assert_true(json_span_member(object, "data", &value));
    assert_int_equal(value.bytes, strlen("[1e400, {\"x\":\"]}\"}]"));
    assert_memory_equal(value.at, "[1e400, {\"x\":\"]}\"}]", value.bytes);
    assert_true(json_span_number(object, "seq", &number));
    assert_true(number == UINT64_MAX);
    assert_false(json_span_number(object, "big", &number));
    assert_false(json_span_number(object, "data", &number));
    assert_false(json_span_member(object, "x", &value));
    assert_false(json_span_member(object, "dat", &value));
}

static void the_elements_of_an_array_come_one_by_one(void **state)
{
    static const char *const expected[] = {"1", "[2,[3]]", "{\"a\":\",\"}", "\"\\\\\"", "null"};
    struct json_span array = LITERAL("[ 1,[2,[3]] , {\"a\":\",\"},\"\\\\\",null ]");
    struct json_span cursor = {0};
    struct json_span element;

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(json_span_element(array, &cursor, &element));
        assert_int_equal(element.bytes, strlen(expected[i]));
        assert_memory_equal(element.at, expected[i], element.bytes);
    }
    assert_false(json_span_element(array, &cursor, &element));
    cursor = (struct json_span){0};
    assert_false(json_span_element(LITERAL("[ ]"), &cursor, &element));
    cursor = (struct json_span){0};
    assert_false(json_span_element(LITERAL("{}"), &cursor, &element));
}

/* With the bytes at the end of a page of their own a sanitizer sees any read beyond. */
static void what_is_no_json_is_never_read_beyond(void **state)
{
    static const char text[] =
        "{\"a\":[{\"b\\\"\":\"c\\u0020\"},[[1]],tru],\"n\": 12 ,\"z\":\"\\\\\"}";

    (void)state;
    for (size_t bytes = 0; bytes < sizeof text; bytes++) {
        char *copy = malloc(bytes > 0 ? bytes : 1);
        struct json_span whole = {copy, bytes};
        struct json_span value = {0};
        struct json_span cursor = {0};
        struct json_span element;
        uint64_t number;

        assert_non_null(copy);
        memcpy(copy, text, bytes);
        (void)json_span_number(whole, "n", &number);
        (void)json_span_member(whole, "z", &value);
        if (json_span_member(whole, "a", &value)) {
            assert_true(value.at >= copy);
            assert_true(value.at + value.bytes <= copy + bytes);
            while (json_span_element(value, &cursor, &element))
                assert_true(element.at + element.bytes <= copy + bytes);
        }
        free(copy);
    }
}

static void assert_line(struct json_span object, const char *topic, const char *expected)
{
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);

    assert_non_null(memory);
    if (topic == NULL || *topic != '*')
        event_line_message(memory, object, topic);
    else
        event_line_operation(memory, object);
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void an_event_is_one_line_with_its_value_as_published(void **state)
{
    (void)state;
    assert_line(
        LITERAL("{\"type\":\"message\",\"topic\":\"t\",\"data\":{\"b\":1,\"b\":2.50},\"seq\":7,"
                "\"time\":\"T\"}"),
        NULL, "7 T {\"b\":1,\"b\":2.50}\n");
    assert_line(LITERAL("{\"data\":\"\xc2\x9b\",\"seq\":7,\"time\":\"T\"}"), "a\33b",
                "7 T a\\u001bb \"\\u009b\"\n");
    assert_line(LITERAL("{\"seq\":8,\"time\":\"T\",\"kind\":\"event\",\"topics\":[\"a\",\"b c\"],"
                        "\"data\":null}"),
                "*", "8 T event a,b c null\n");
    assert_line(LITERAL("{\"seq\":9,\"time\":\"T\",\"kind\":\"schema\",\"topics\":[],\"data\":1}"),
                "*", "9 T schema - 1\n");
    assert_line(LITERAL("{}"), "*", "- - - - null\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_obeys_is_escaped_and_the_rest_stays),
        cmocka_unit_test(what_is_escaped_is_as_wide_as_what_is_shown),
        cmocka_unit_test(numbers_are_shown_as_people_read_them),
        cmocka_unit_test(a_table_is_as_wide_as_its_widest_cells),
        cmocka_unit_test(a_member_is_found_as_it_was_written),
        cmocka_unit_test(the_elements_of_an_array_come_one_by_one),
        cmocka_unit_test(what_is_no_json_is_never_read_beyond),
        cmocka_unit_test(an_event_is_one_line_with_its_value_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
