#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/block_string.h"
#include "server/graphql/lexer.h"
#include "tests/unit/graphql_fixture.h"

struct fixture {
    struct graphql_fixture graphql;
    struct ast_document document;
    struct lexer lexer;
};

static void lex(struct fixture *f, const char *source, size_t bytes, size_t region_bytes_max)
{
    graphql_fixture_init(&f->graphql, region_bytes_max);
    f->graphql.source = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(f->graphql.source);
    memcpy(f->graphql.source, source, bytes);
    f->document = (struct ast_document){.source = {f->graphql.source, (uint32_t)bytes}};
    lexer_init(&f->lexer, &f->document, &f->graphql.region, &f->graphql.errors);
}

static void done(struct fixture *f)
{
    graphql_fixture_done(&f->graphql);
}

static void assert_text(struct ast_text text, const char *wanted, size_t bytes)
{
    assert_int_equal(text.size, bytes);
    assert_memory_equal(text.bytes, wanted, bytes);
}

static void every_kind_of_token_is_read_where_it_stands(void **state)
{
    static const char source[] = "!$&()...:=@[]{|} _aZ9 -0 1.5e+3\"s\"\"\"\"b\"\"\"x";
    static const struct {
        enum token_kind kind;
        uint32_t at;
        const char *text;
    } wanted[] = {
        {TOKEN_BANG, 0, ""},           {TOKEN_DOLLAR, 1, ""},       {TOKEN_AMP, 2, ""},
        {TOKEN_PAREN_L, 3, ""},        {TOKEN_PAREN_R, 4, ""},      {TOKEN_SPREAD, 5, ""},
        {TOKEN_COLON, 8, ""},          {TOKEN_EQUALS, 9, ""},       {TOKEN_AT, 10, ""},
        {TOKEN_BRACKET_L, 11, ""},     {TOKEN_BRACKET_R, 12, ""},   {TOKEN_BRACE_L, 13, ""},
        {TOKEN_PIPE, 14, ""},          {TOKEN_BRACE_R, 15, ""},     {TOKEN_NAME, 17, "_aZ9"},
        {TOKEN_INT, 22, "-0"},         {TOKEN_FLOAT, 25, "1.5e+3"}, {TOKEN_STRING, 31, "s"},
        {TOKEN_BLOCK_STRING, 34, "b"}, {TOKEN_NAME, 41, "x"},       {TOKEN_EOF, 42, ""},
        {TOKEN_EOF, 42, ""},
    };
    struct fixture f;

    (void)state;
    lex(&f, source, sizeof source - 1, FIXTURE_REGION_BYTES);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct token token;

        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, wanted[i].kind);
        assert_int_equal(token.at, wanted[i].at);
        assert_text(token.text, wanted[i].text, strlen(wanted[i].text));
    }
    assert_int_equal(f.graphql.region.used_bytes, 0); /* nothing had to be decoded */
    done(&f);
}

static void white_space_commas_comments_and_bom_mean_nothing(void **state)
{
    static const char source[] = "\xEF\xBB\xBF,, \t\r\n# a \xC3\xA9 \" {\r#\na\xEF\xBB\xBF"
                                 "b#end";
    struct fixture f;
    struct token token;

    (void)state;
    lex(&f, source, sizeof source - 1, FIXTURE_REGION_BYTES);
    lexer_next(&f.lexer, &token);
    assert_int_equal(token.kind, TOKEN_NAME);
    assert_text(token.text, "a", 1);
    lexer_next(&f.lexer, &token);
    assert_int_equal(token.kind, TOKEN_NAME);
    assert_text(token.text, "b", 1);
    lexer_next(&f.lexer, &token);
    assert_int_equal(token.kind, TOKEN_EOF);
    assert_int_equal(token.at, sizeof source - 1);
    done(&f);
}

static void strings_are_decoded(void **state)
{
    static const struct {
        const char *source;
        const char *value;
        size_t bytes;
    } strings[] = {
        {"\"\"", "", 0},
        {"\"simple\"", "simple", 6},
        {"\" white space \"", " white space ", 13},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"a\\nb\"", "a\nb", 3},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC", 6},
        {"\"\\u0000\"", "\0", 1},
        {"\"\\uD83D\\uDE00\"", "\xF0\x9F\x98\x80", 4},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", 4},
        {"\"\\u{1F600}\\u{0}\\u{00000041}\\u{10FFFF}\"", "\xF0\x9F\x98\x80\0A\xF4\x8F\xBF\xBF", 10},
        {"\"\xF0\x9F\x98\x80\xC3\xA9\"", "\xF0\x9F\x98\x80\xC3\xA9", 6},
        {"\"\t\x01\"", "\t\x01", 2},
        {"\"# no comment\"", "# no comment", 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct fixture f;
        struct token token;

        lex(&f, strings[i].source, strlen(strings[i].source), FIXTURE_REGION_BYTES);
        assert_true(lexer_check_source(&f.lexer));
        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, TOKEN_STRING);
        assert_text(token.text, strings[i].value, strings[i].bytes);
        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, TOKEN_EOF);
        done(&f);
    }
}

static void block_strings_lose_their_indentation(void **state)
{
    static const char *const strings[][2] = {
        {"", ""},
        {"simple", "simple"},
        {" \t ", ""},
        {"\n\n \r\n\t\r", ""},
        {"  first line keeps its own  ", "  first line keeps its own  "},
        {"\n    a\n      b\n\n    c\n  ", "a\n  b\n\nc"},
        {"a\r\nb\rc\nd", "a\nb\nc\nd"},
        {"  a\n    b\n   c", "  a\n b\nc"},
        {"\n\ta\n\t\tb", "a\n\tb"},
        {"\n  a\n \n      \n  b", "a\n\n    \nb"},
        {"a\n   ", "a"},
        {"\\n \\u0041 \\x \\.", "\\n \\u0041 \\x \\."},
        {"a \\\"\"\" b \\\"\"\"", "a \"\"\" b \"\"\""},
        {"\\\"\"\"", "\"\"\""},
        {"\\\\\"\"\"", "\\\"\"\""},
        {"\"a\" \"\"b", "\"a\" \"\"b"},
        {"\n  \xC3\xA9\n  \xF0\x9F\x98\x80\n", "\xC3\xA9\n\xF0\x9F\x98\x80"},
        {"\n  \\\"\"\"\n   x", "\"\"\"\n x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        char source[128] = "\"\"\"";
        size_t bytes = strlen(strings[i][0]);
        struct fixture f;
        struct token token;

        memcpy(source + 3, strings[i][0], bytes);
        memcpy(source + 3 + bytes, "\"\"\"", 3);
        lex(&f, source, bytes + 6, FIXTURE_REGION_BYTES);
        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, TOKEN_BLOCK_STRING);
        assert_text(token.text, strings[i][1], strlen(strings[i][1]));
        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, TOKEN_EOF);
        done(&f);
    }
}

static const struct {
    const char *source;
    const char *message;
    uint32_t at;
} wrong_tokens[] = {
    {"?", "Unexpected character: \"?\".", 0},
    {" \\", "Unexpected character: \"\\\".", 1},
    {"~", "Unexpected character: \"~\".", 0},
    {".", "Unexpected character: \".\".", 0},
    {"..", "Unexpected character: \".\".", 0},
    {"\x01", "Unexpected character: U+0001.", 0},
    {"\x7F", "Unexpected character: U+007F.", 0},
    {"\xC3\xA9", "Unexpected character: U+00E9.", 0},
    {"\xE2\x80\x8B", "Unexpected character: U+200B.", 0},
    {"\xEF\xBC\xA1", "Unexpected character: U+FF21.", 0},
    {"\xF0\x9F\x98\x80", "Unexpected character: U+1F600.", 0},
    {"'a'", "Unexpected single quote character ('), did you mean to use a double quote (\")?", 0},
    {"\"", "Unterminated string.", 1},
    {"\"a", "Unterminated string.", 2},
    {"\"a\nb\"", "Unterminated string.", 2},
    {"\"a\r\"", "Unterminated string.", 2},
    {"\"\\", "Invalid character escape sequence: \"\\\".", 1},
    {"\"\\z\"", "Invalid character escape sequence: \"\\z\".", 1},
    {"\"\\\n", "Invalid character escape sequence: \"\\\n\".", 1},
    {"\"\\\xC3\xA9\"", "Invalid character escape sequence: \"\\\xC3\xA9\".", 1},
    {"\"\\u", "Invalid Unicode escape sequence: \"\\u\".", 1},
    {"\"\\u12\"", "Invalid Unicode escape sequence: \"\\u12\"\".", 1},
    {"\"\\uXYZZ\"", "Invalid Unicode escape sequence: \"\\uXYZZ\".", 1},
    {"\"\\uD800\"", "Invalid Unicode escape sequence: \"\\uD800\".", 1},
    {"\"\\uDE00\"", "Invalid Unicode escape sequence: \"\\uDE00\".", 1},
    {"\"\\uD83D\\uD83D\"", "Invalid Unicode escape sequence: \"\\uD83D\".", 1},
    {"\"\\uD83D\\n\"", "Invalid Unicode escape sequence: \"\\uD83D\".", 1},
    {"\"\\u{}\"", "Invalid Unicode escape sequence: \"\\u{}\".", 1},
    {"\"\\u{41\"", "Invalid Unicode escape sequence: \"\\u{41\"\".", 1},
    {"\"\\u{D800}\"", "Invalid Unicode escape sequence: \"\\u{D800}\".", 1},
    {"\"\\u{110000}\"", "Invalid Unicode escape sequence: \"\\u{110000}\".", 1},
    {"\"\\u{80000000}\"", "Invalid Unicode escape sequence: \"\\u{80000000\".", 1},
    {"\"\\u{000000041}\"", "Invalid Unicode escape sequence: \"\\u{000000041\".", 1},
    {"\"\"\"", "Unterminated string.", 3},
    {"\"\"\"a\\\"\"\"", "Unterminated string.", 8},
    {"\"\"\"a\n\"\"", "Unterminated string.", 7},
    {"00", "Invalid number, unexpected digit after 0: \"0\".", 1},
    {"-01", "Invalid number, unexpected digit after 0: \"1\".", 2},
    {"-", "Invalid number, expected digit but got: <EOF>.", 1},
    {"-a", "Invalid number, expected digit but got: \"a\".", 1},
    {"+1", "Unexpected character: \"+\".", 0},
    {"1.", "Invalid number, expected digit but got: <EOF>.", 2},
    {"1.\"", "Invalid number, expected digit but got: '\"'.", 2},
    {"1.\xC3\xA9", "Invalid number, expected digit but got: U+00E9.", 2},
    {"1e", "Invalid number, expected digit but got: <EOF>.", 2},
    {"1E-", "Invalid number, expected digit but got: <EOF>.", 3},
    {"1.5.2", "Invalid number, expected digit but got: \".\".", 3},
    {"1x", "Invalid number, expected digit but got: \"x\".", 1},
    {"0_", "Invalid number, expected digit but got: \"_\".", 1},
    {"1e5e5", "Invalid number, expected digit but got: \"e\".", 3},
};

static void what_is_no_token_is_named_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_tokens / sizeof *wrong_tokens; i++) {
        struct fixture f;
        struct token token;
        const struct graphql_error *error;

        lex(&f, wrong_tokens[i].source, strlen(wrong_tokens[i].source), FIXTURE_REGION_BYTES);
        for (int again = 0; again < 3; again++) {
            lexer_next(&f.lexer, &token);
            assert_int_equal(token.kind, TOKEN_FAILED);
        }
        assert_int_equal(f.graphql.errors.count, 1);
        error = f.graphql.errors.first;
        assert_int_equal(error->code, GRAPHQL_PARSE_FAILED);
        assert_memory_equal(error->message, "Syntax Error: ", 14);
        assert_string_equal(error->message + 14, wrong_tokens[i].message);
        assert_int_equal(error->location_count, 1);
        assert_int_equal(error->locations[0].at, wrong_tokens[i].at);
        done(&f);
    }
}

static void bytes_that_are_not_utf8_are_found_anywhere(void **state)
{
    static const struct {
        const char *source;
        const char *message;
        uint32_t at;
    } wrong[] = {
        {"\xFF", "Syntax Error: Invalid character: byte 0xFF is not UTF-8.", 0},
        {"{ a } # \xC3", "Syntax Error: Invalid character: byte 0xC3 is not UTF-8.", 8},
        {"\"\xC3\xA9\xED\xA0\x80\"", "Syntax Error: Invalid character: byte 0xED is not UTF-8.", 3},
        {"??\xC0\x80", "Syntax Error: Invalid character: byte 0xC0 is not UTF-8.", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;

        lex(&f, wrong[i].source, strlen(wrong[i].source), FIXTURE_REGION_BYTES);
        assert_false(lexer_check_source(&f.lexer));
        assert_string_equal(f.graphql.errors.first->message, wrong[i].message);
        assert_int_equal(f.graphql.errors.first->locations[0].at, wrong[i].at);
        done(&f);
    }
}

static void without_memory_a_string_fails_without_an_error(void **state)
{
    static const char *const sources[] = {"\"a\\n\"", "\"\"\"a\nb\"\"\"", "?", "1x"};

    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct fixture f;
        struct token token;

        lex(&f, sources[i], strlen(sources[i]), 0);
        lexer_next(&f.lexer, &token);
        assert_int_equal(token.kind, TOKEN_FAILED);
        assert_int_equal(f.graphql.errors.count, 0);
        assert_true(f.graphql.region.has_failed);
        done(&f);
    }
}

static void tokens_are_described_as_messages_have_them(void **state)
{
    struct region region;

    (void)state;
    region_init(&region, FIXTURE_REGION_BYTES);
    assert_string_equal(token_describe(&(struct token){.kind = TOKEN_EOF}, &region), "<EOF>");
    assert_string_equal(token_describe(&(struct token){.kind = TOKEN_SPREAD}, &region), "\"...\"");
    assert_string_equal(
        token_describe(&(struct token){.kind = TOKEN_BLOCK_STRING, .text = {"a\"b", 3}}, &region),
        "BlockString \"a\"b\"");
    region_done(&region);
}

static void only_what_reads_back_is_printable_as_a_block_string(void **state)
{
    static const struct {
        const char *value;
        bool is_printable;
    } values[] = {
        {"", true},       {"a", true},        {" a", true},       {"a\nb", true},
        {"a\n b", true},  {" a\nb", true},    {"a\n\nb", true},   {"\"\"\" \\", true},
        {"\x1F", true},   {"\xC3\xA9", true}, {" ", false},       {"\na", false},
        {"a\n", false},   {"a\n ", false},    {" a\n b", false},  {"a\rb", false},
        {"a\x01", false}, {"\x0F", false},    {"\t\n\ta", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct ast_text value = {values[i].value, (uint32_t)strlen(values[i].value)};

        assert_int_equal(block_string_is_printable(value), values[i].is_printable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_token_is_read_where_it_stands),
        cmocka_unit_test(white_space_commas_comments_and_bom_mean_nothing),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(block_strings_lose_their_indentation),
        cmocka_unit_test(what_is_no_token_is_named_with_its_place),
        cmocka_unit_test(bytes_that_are_not_utf8_are_found_anywhere),
        cmocka_unit_test(without_memory_a_string_fails_without_an_error),
        cmocka_unit_test(tokens_are_described_as_messages_have_them),
        cmocka_unit_test(only_what_reads_back_is_printable_as_a_block_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
