#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json/json.h"

/* Compacts a copy that ends where memory ends, so that a sanitizer sees a byte read too far. */
static ptrdiff_t compact(const char *in, size_t in_bytes, char *out, struct json_error *error)
{
    char *copy = malloc(in_bytes > 0 ? in_bytes : 1);
    ptrdiff_t result;

    assert_non_null(copy);
    memcpy(copy, in, in_bytes);
    result = json_compact(copy, in_bytes, out, error);
    free(copy);
    return result;
}

/* NULL: stays as it is. */
static const struct {
    const char *in;
    const char *out;
} accepted[] = {
    {"null", NULL},
    {"true", NULL},
    {"false", NULL},
    {"0", NULL},
    {"-0", NULL},
    {"-1", NULL},
    {"12345678901234567890123456789012345678901234567890", NULL},
    {"0.0000000000000000000000000000000000000000000000001", NULL},
    {"1e400", NULL},
    {"-1E-05", NULL},
    {"1.5e+10", NULL},
    {"123.456e78", NULL},
    {"0e1", NULL},
    {"\"\"", NULL},
    {"\"plain\"", NULL},
    {"\"exactly8\"", NULL},
    {"\"a string that is much longer than one word of eight bytes\"", NULL},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABCD\\uabcd\"", NULL},
    {"\"\\uD834\\uDD1E\"", NULL},
    {"\"\\uD800\"", NULL}, /* a lone surrogate in an escape stays */
    {"\"\\uDFFF\\uD800\"", NULL},
    {"\"\xC3\xA9\"", NULL},
    {"\"\xE2\x82\xAC\"", NULL},
    {"\"\xF0\x9F\x98\x80\"", NULL},
    {"\"\xF4\x8F\xBF\xBF\"", NULL}, /* U+10FFFF */
    {"\"\xEF\xBF\xBF\"", NULL},     /* U+FFFF, a noncharacter */
    {"\"\xED\x9F\xBF\xEE\x80\x80\"", NULL},
    {"\"\x7F\"", NULL},
    {"\" white  space\\tinside \"", NULL},
    {"[]", NULL},
    {"{}", NULL},
    {"[[],{}]", NULL},
    {"[1,2,3]", NULL},
    {"{\"a\":1}", NULL},
    {"{\"a\":1,\"a\":2}", NULL}, /* duplicates stay */
    {"{\"b\":1,\"a\":2,\"\":3}", NULL},
    {"{\"a\":{\"b\":[{\"c\":null}]}}", NULL},
    {" null ", "null"},
    {"\t\n\r 1 \r\n\t", "1"},
    {"[ ]", "[]"},
    {"{ }", "{}"},
    {"[ 1 , 2 ,\n3 ]", "[1,2,3]"},
    {"{ \"a\" : 1 , \"b\" : [ true , false ] }", "{\"a\":1,\"b\":[true,false]}"},
    {"{\"a b\" :\t\"c  d\"}", "{\"a b\":\"c  d\"}"},
    {"[\n  {\n    \"x\": -1.5e3\n  }\n]\n", "[{\"x\":-1.5e3}]"},
};

static void valid_texts_are_compacted_and_otherwise_unchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const char *in = accepted[i].in;
        const char *wanted = accepted[i].out != NULL ? accepted[i].out : in;
        struct json_error error = {0, "none"};
        char out[256];
        ptrdiff_t length = compact(in, strlen(in), out, &error);

        if (length != (ptrdiff_t)strlen(wanted) || memcmp(out, wanted, strlen(wanted)) != 0)
            fail_msg("%s: %td, %s at %zu", in, length, error.reason, error.offset);
    }
}

static void compacting_in_place_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const char *wanted = accepted[i].out != NULL ? accepted[i].out : accepted[i].in;
        struct json_error error;
        char text[256];
        size_t bytes = strlen(accepted[i].in);

        memcpy(text, accepted[i].in, bytes);
        assert_int_equal(json_compact(text, bytes, text, &error), strlen(wanted));
        assert_memory_equal(text, wanted, strlen(wanted));
    }
}

/* Offsets are of the byte that is wrong, or of the end. */
static const struct {
    const char *in;
    size_t offset;
} rejected[] = {
    {"", 0},
    {" ", 1},
    {"nul", 0},
    {"nulL", 0},
    {"nullx", 4},
    {"True", 0},
    {"truefalse", 4},
    {"NaN", 0},
    {"Infinity", 0},
    {"-Infinity", 1},
    {"-", 1},
    {"+1", 0},
    {".5", 0},
    {"1.", 2},
    {"1.e5", 2},
    {"1e", 2},
    {"1e+", 3},
    {"01", 1},
    {"-01", 2},
    {"00", 1},
    {"0x10", 1},
    {"1 2", 2},
    {"1_000", 1},
    {"\xEF\xBB\xBF"
     "1",
     0}, /* a byte order mark */
    {"\"", 1},
    {"\"abc", 4},
    {"\"abcdefghijklmnop", 17},
    {"'a'", 0},
    {"\"\\\"", 3},
    {"\"\\x41\"", 1},
    {"\"\\a\"", 1},
    {"\"\\u12\"", 1},
    {"\"\\u123g\"", 1},
    {"\"\\U1234\"", 1},
    {"\"\\", 1},
    {"\"\\u", 1},
    {"\"tab\there\"", 4},
    {"\"new\nline\"", 4},
    {"\"eight888\x1F\"", 9},
    {"\"\x80\"", 1},     /* a continuation byte alone */
    {"\"\xC0\xAF\"", 1}, /* overlong */
    {"\"\xC1\xBF\"", 1},
    {"\"\xE0\x9F\xBF\"", 1},
    {"\"\xED\xA0\x80\"", 1},     /* a surrogate in UTF-8 */
    {"\"\xF0\x8F\xBF\xBF\"", 1}, /* overlong */
    {"\"\xF4\x90\x80\x80\"", 1}, /* past U+10FFFF */
    {"\"\xF8\x88\x80\x80\x80\"", 1},
    {"\"\xFF\"", 1},
    {"\"\xC3\"", 1},
    {"\"\xE2\x82\"", 1},
    {"\"\xE2\x82", 1},
    {"\"\xC3\xC3\xA9\"", 1},
    {"[", 1},
    {"]", 0},
    {"[1", 2},
    {"[1,", 3},
    {"[1,]", 3},
    {"[,1]", 1},
    {"[1 2]", 3},
    {"[1}", 2},
    {"[1]]", 3},
    {"[\"a\"", 4},
    {"{", 1},
    {"}", 0},
    {"{\"a\"}", 4},
    {"{\"a\":}", 5},
    {"{\"a\":1", 6},
    {"{\"a\":1,", 7},
    {"{\"a\":1,}", 7},
    {"{\"a\" 1}", 5},
    {"{,}", 1},
    {"{a:1}", 1},
    {"{1:1}", 1},
    {"{\"a\":1]", 6},
    {"{\"a\"", 4},
    {"{null:1}", 1},
    {"[1,/* no */2]", 3},
    {"1 // no", 2},
    {"[\"a\":1]", 4},
    {"\v1", 0},
    {"\f1", 0},
    {"\xC2\xA0"
     "1",
     0},
};

static void invalid_texts_are_rejected_where_they_are_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        struct json_error error = {999, NULL};
        char out[256];
        ptrdiff_t length = compact(rejected[i].in, strlen(rejected[i].in), out, &error);

        if (length != -EBADMSG || error.offset != rejected[i].offset || error.reason == NULL)
            fail_msg("%s: %td at %zu", rejected[i].in, length, error.offset);
    }
}

static void a_null_byte_is_no_end_and_no_escape(void **state)
{
    struct json_error error;
    char out[16];

    (void)state;
    assert_int_equal(compact("1\0", 2, out, &error), -EBADMSG);
    assert_int_equal(compact("\"\0\"", 3, out, &error), -EBADMSG);
    assert_int_equal(compact("\"\\\0\"", 4, out, &error), -EBADMSG);
}

static void every_prefix_of_a_valid_object_is_rejected(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2.5e1,\"\\u00e9\xC3\xA9\",true,false,null],\"b\":{\"c\":\"d\"}}";
    struct json_error error;
    char out[sizeof text];

    (void)state;
    for (size_t bytes = 0; bytes < sizeof text - 1; bytes++)
        assert_int_equal(compact(text, bytes, out, &error), -EBADMSG);
    assert_int_equal(compact(text, sizeof text - 1, out, &error), sizeof text - 1);
}

static void nesting_ends_at_the_limit(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    struct json_error error;

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(json_compact(text, (size_t)2 * JSON_DEPTH_MAX, text, &error),
                     2 * JSON_DEPTH_MAX);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(json_compact(text, sizeof text, text, &error), -EBADMSG);
    assert_int_equal(error.offset, JSON_DEPTH_MAX);
}

static void brackets_are_matched_at_every_depth(void **state)
{
    enum { DEPTH = 130 }; /* more than two words of the bit stack */
    char text[DEPTH * 5 + 1 + DEPTH];
    struct json_error error;
    size_t at = 0;

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        memcpy(text + at, i % 3 == 0 ? "[" : "{\"a\":", i % 3 == 0 ? 1 : 5);
        at += i % 3 == 0 ? 1 : 5;
    }
    text[at++] = '0';
    for (int i = DEPTH - 1; i >= 0; i--)
        text[at++] = i % 3 == 0 ? ']' : '}';
    assert_int_equal(json_compact(text, at, text, &error), at);
    for (int i = 0; i < DEPTH; i++) {
        char *bracket = &text[at - 1 - (size_t)i];
        char right = *bracket;

        *bracket = right == ']' ? '}' : ']';
        assert_int_equal(json_compact(text, at, text, &error), -EBADMSG);
        assert_int_equal(error.offset, at - 1 - (size_t)i);
        *bracket = right;
    }
}

static void a_special_byte_is_found_at_every_place_of_a_word(void **state)
{
    static const char special[] = {'\x01', '\x1F', '\x80', '\xFF'};
    struct json_error error;

    (void)state;
    for (size_t length = 1; length <= 40; length++) {
        for (size_t place = 0; place < length; place++) {
            for (size_t i = 0; i < sizeof special; i++) {
                char text[64];

                memset(text, '!', sizeof text); /* next to the quote in ASCII: borrows matter */
                text[0] = '"';
                text[length + 1] = '"';
                text[1 + place] = special[i];
                assert_int_equal(compact(text, length + 2, text, &error), -EBADMSG);
                assert_int_equal(error.offset, 1 + place);
            }
        }
    }
}

static struct json_span span(const char *text)
{
    return (struct json_span){text, strlen(text)};
}

static void types_are_told_by_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(json_type(span("null")), JSON_NULL);
    assert_int_equal(json_type(span("false")), JSON_FALSE);
    assert_int_equal(json_type(span("true")), JSON_TRUE);
    assert_int_equal(json_type(span("-1")), JSON_NUMBER);
    assert_int_equal(json_type(span("7e3")), JSON_NUMBER);
    assert_int_equal(json_type(span("\"\"")), JSON_STRING);
    assert_int_equal(json_type(span("[]")), JSON_ARRAY);
    assert_int_equal(json_type(span("{}")), JSON_OBJECT);
}

static void assert_span(struct json_span actual, const char *wanted)
{
    assert_int_equal(actual.size, strlen(wanted));
    assert_memory_equal(actual.bytes, wanted, actual.size);
}

static void an_object_is_walked_member_by_member(void **state)
{
    static const char *const members[][2] = {
        {"\"a\"", "1"},
        {"\"b,}\"", "\"x\\\"},{\""},
        {"\"\"", "{\"n\":[1,{\"}\":2}],\"m\":[]}"},
        {"\"d\"", "[[],\"]\",{}]"},
        {"\"e\"", "null"},
        {"\"\\\\\"", "\"\\\\\""},
    };
    char text[256] = "{";
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:%s", i > 0 ? "," : "",
                       members[i][0], members[i][1]);
    text[strlen(text)] = '}';
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        assert_true(json_object_next(span(text), &offset, &key, &value));
        assert_span(key, members[i][0]);
        assert_span(value, members[i][1]);
    }
    assert_false(json_object_next(span(text), &offset, &key, &value));
    assert_false(json_object_next(span(text), &offset, &key, &value));
}

static void an_empty_object_has_no_member(void **state)
{
    struct json_span key;
    struct json_span value;
    size_t offset = 0;

    (void)state;
    assert_false(json_object_next(span("{}"), &offset, &key, &value));
}

static void an_array_is_walked_item_by_item(void **state)
{
    static const char text[] = "[1,\"],\\\",[\",[],[2,[3]],{\"a\":[4,5],\"b\":\"]\"},-1.5e3,null]";
    static const char *const items[] = {
        "1", "\"],\\\",[\"", "[]", "[2,[3]]", "{\"a\":[4,5],\"b\":\"]\"}", "-1.5e3", "null",
    };
    struct json_span item;
    size_t offset = 0;

    (void)state;
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        assert_true(json_array_next(span(text), &offset, &item));
        assert_span(item, items[i]);
    }
    assert_false(json_array_next(span(text), &offset, &item));
    assert_false(json_array_next(span(text), &offset, &item));
}

static void an_empty_array_has_no_item(void **state)
{
    struct json_span item;
    size_t offset = 0;

    (void)state;
    assert_false(json_array_next(span("[]"), &offset, &item));
    assert_false(json_array_next(span("[]"), &offset, &item));
}

static void ends_found_once_lead_through_what_is_nested(void **state)
{
    static const char text[] = "[{\"a\":[[],{}],\"[\":{\"b\":[1,2]}},\"}]\",[[3]]]";
    struct json_end items[9];
    struct json_ends ends = {.items = items};
    struct json_span item;
    struct json_span key;
    struct json_span value;
    size_t offset = 0;
    size_t inner = 0;

    (void)state;
    assert_int_equal(json_ends_count(span(text)), 9);
    json_ends_fill(&ends, span(text));
    assert_int_equal(ends.count, 9);
    assert_int_equal(items[0].end, sizeof text - 1);

    assert_true(json_array_next_with(&ends, span(text), &offset, &item));
    assert_span(item, "{\"a\":[[],{}],\"[\":{\"b\":[1,2]}}");
    assert_true(json_object_next_with(&ends, item, &inner, &key, &value));
    assert_span(value, "[[],{}]");
    assert_true(json_object_next_with(&ends, item, &inner, &key, &value));
    assert_span(key, "\"[\"");
    assert_span(value, "{\"b\":[1,2]}");
    assert_false(json_object_next_with(&ends, item, &inner, &key, &value));
    assert_true(json_array_next_with(&ends, span(text), &offset, &item));
    assert_span(item, "\"}]\"");
    assert_true(json_array_next_with(&ends, span(text), &offset, &item));
    assert_span(item, "[[3]]");
    inner = 0;
    assert_true(json_array_next_with(&ends, item, &inner, &value));
    assert_span(value, "[3]");
    assert_false(json_array_next_with(&ends, span(text), &offset, &item));
    assert_int_equal(json_ends_count(span("\"{[\"")), 0);
}

static void strings_are_compared_with_escapes_resolved(void **state)
{
    (void)state;
    assert_true(json_string_equals(span("\"topic\""), "topic"));
    assert_true(json_string_equals(span("\"t\\u006fpic\""), "topic"));
    assert_true(json_string_equals(span("\"\\u00e9\""), "\xC3\xA9"));
    assert_true(json_string_equals(span("\"\\uD83D\\uDE00\""), "\xF0\x9F\x98\x80"));
    assert_true(json_string_equals(span("\"\\n\\/\""), "\n/"));
    assert_true(json_string_equals(span("\"\""), ""));
    assert_false(json_string_equals(span("\"topi\""), "topic"));
    assert_false(json_string_equals(span("\"topics\""), "topic"));
    assert_false(json_string_equals(span("\"Topic\""), "topic"));
    assert_false(json_string_equals(span("\"\""), "x"));
    assert_false(json_string_equals(span("\"\\uD800\""), "x"));
}

static void strings_are_decoded_to_utf8(void **state)
{
    static const char in[] = "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00E9\\u20ac\\uD834\\uDD1E z\"";
    static const char wanted[] = "a\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E z";
    char out[sizeof wanted - 1];

    (void)state;
    assert_int_equal(json_string_decode(span(in), out, sizeof out), sizeof out);
    assert_memory_equal(out, wanted, sizeof out);
    assert_int_equal(json_string_decode(span(in), out, sizeof out - 1), -ENOBUFS);
    assert_int_equal(json_string_decode(span("\"\""), out, 0), 0);
    assert_int_equal(json_string_decode(span("\"x\""), out, 0), -ENOBUFS);
}

static void lone_surrogates_cannot_be_decoded(void **state)
{
    char out[16];

    (void)state;
    assert_int_equal(json_string_decode(span("\"\\uD800\""), out, sizeof out), -EILSEQ);
    assert_int_equal(json_string_decode(span("\"\\uDC00\""), out, sizeof out), -EILSEQ);
    assert_int_equal(json_string_decode(span("\"\\uD800x\""), out, sizeof out), -EILSEQ);
    assert_int_equal(json_string_decode(span("\"\\uD800\\n\""), out, sizeof out), -EILSEQ);
    assert_int_equal(json_string_decode(span("\"\\uD800\\u0041\""), out, sizeof out), -EILSEQ);
    assert_int_equal(json_string_decode(span("\"\\uD800\\uD800\""), out, sizeof out), -EILSEQ);
}

static void integers_are_taken_only_in_plain_form_and_range(void **state)
{
    static const char *const refused[] = {
        "",
        "-0",
        "-1",
        "1.0",
        "1e3",
        "01",
        "\"1\"",
        "true",
        "null",
        " 1",
        "18446744073709551616",
        "99999999999999999999",
    };
    uint64_t value = 1;

    (void)state;
    assert_true(json_uint64(span("0"), &value));
    assert_int_equal(value, 0);
    assert_true(json_uint64(span("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        value = 7;
        if (json_uint64(span(refused[i]), &value) || value != 7)
            fail_msg("%s was taken", refused[i]);
    }
}

static void quoted_text_is_json_and_decodes_to_itself(void **state)
{
    char text[300];
    char quoted[2000];
    char decoded[300];
    struct json_error error;
    size_t bytes = 0;
    size_t length;

    (void)state;
    for (int c = 0; c < 128; c++)
        text[bytes++] = (char)c;
    memcpy(text + bytes, "\xC3\xA9\xF0\x9F\x98\x80", 6);
    bytes += 6;
    assert_true(json_quoted_bytes_max(bytes) <= sizeof quoted);
    length = json_quote(quoted, text, bytes);
    assert_true(length <= json_quoted_bytes_max(bytes));
    assert_int_equal(json_compact(quoted, length, quoted, &error), length);
    assert_int_equal(
        json_string_decode((struct json_span){quoted, length}, decoded, sizeof decoded), bytes);
    assert_memory_equal(decoded, text, bytes);
}

static void quoting_uses_the_short_escapes(void **state)
{
    static const char wanted[] = "\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\/\\u001f\"";
    char out[64];

    (void)state;
    assert_int_equal(json_quote(out, "\b\t\n\v\f\r\"\\/\x1F", 10), sizeof wanted - 1);
    assert_memory_equal(out, wanted, sizeof wanted - 1);
    assert_int_equal(json_quote(out, "", 0), 2);
    assert_memory_equal(out, "\"\"", 2);
}

static void the_worst_text_fills_what_was_promised(void **state)
{
    char text[8];
    char out[64];

    (void)state;
    memset(text, '\x01', sizeof text);
    assert_int_equal(json_quote(out, text, sizeof text), json_quoted_bytes_max(sizeof text));
}

static void utf8_is_judged_at_every_alignment(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } cases[] = {
        {"\xC3\xA9", true},
        {"\xE2\x82\xAC", true},
        {"\xF0\x9F\x98\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"\x7F", true},
        {"\x80", false},
        {"\xC0\x80", false},
        {"\xC3", false},
        {"\xE0\x80\x80", false},
        {"\xED\xA0\x80", false},
        {"\xF4\x90\x80\x80", false},
        {"\xF5\x80\x80\x80", false},
        {"\xE2\x82", false},
        {"\xFE", false},
    };
    (void)state;
    assert_true(utf8_is_valid("", 0));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t before = 0; before < 17; before++) {
            for (size_t behind = 0; behind < 17; behind += 8) {
                char text[48];
                size_t bytes = strlen(cases[i].text);
                char *copy;

                memset(text, 'a', sizeof text);
                memcpy(text + before, cases[i].text, bytes);
                copy = malloc(before + bytes + behind);
                assert_non_null(copy);
                memcpy(copy, text, before + bytes + behind);
                assert_int_equal(utf8_is_valid(copy, before + bytes + behind), cases[i].is_valid);
                free(copy);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_compacted_and_otherwise_unchanged),
        cmocka_unit_test(compacting_in_place_gives_the_same),
        cmocka_unit_test(invalid_texts_are_rejected_where_they_are_wrong),
        cmocka_unit_test(a_null_byte_is_no_end_and_no_escape),
        cmocka_unit_test(every_prefix_of_a_valid_object_is_rejected),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(brackets_are_matched_at_every_depth),
        cmocka_unit_test(a_special_byte_is_found_at_every_place_of_a_word),
        cmocka_unit_test(types_are_told_by_the_first_byte),
        cmocka_unit_test(an_object_is_walked_member_by_member),
        cmocka_unit_test(an_empty_object_has_no_member),
        cmocka_unit_test(an_array_is_walked_item_by_item),
        cmocka_unit_test(an_empty_array_has_no_item),
        cmocka_unit_test(ends_found_once_lead_through_what_is_nested),
        cmocka_unit_test(strings_are_compared_with_escapes_resolved),
        cmocka_unit_test(strings_are_decoded_to_utf8),
        cmocka_unit_test(lone_surrogates_cannot_be_decoded),
        cmocka_unit_test(integers_are_taken_only_in_plain_form_and_range),
        cmocka_unit_test(quoted_text_is_json_and_decodes_to_itself),
        cmocka_unit_test(quoting_uses_the_short_escapes),
        cmocka_unit_test(the_worst_text_fills_what_was_promised),
        cmocka_unit_test(utf8_is_judged_at_every_alignment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
