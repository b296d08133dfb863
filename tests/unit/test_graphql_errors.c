#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <string.h>

#include "server/graphql/ast.h"
#include "tests/unit/graphql_fixture.h"

static struct ast_document document_of(const char *name, const char *source)
{
    return (struct ast_document){.name = name, .source = {source, (uint32_t)strlen(source)}};
}

static void no_errors_are_an_empty_list(void **state)
{
    assert_string_equal(graphql_fixture_errors(*state), "[]");
}

static void errors_are_shown_in_the_order_in_which_they_were_found(void **state)
{
    struct graphql_fixture *f = *state;

    assert_non_null(graphql_errors_add(&f->errors, GRAPHQL_INTERNAL, "first"));
    assert_non_null(graphql_errors_add(&f->errors, GRAPHQL_NOT_FOUND, "message %d \"%s\"", 2, "é"));
    assert_int_equal(f->errors.count, 2);
    assert_string_equal(graphql_fixture_errors(f),
                        "[{\"message\":\"first\",\"extensions\":{\"code\":\"INTERNAL\"}},"
                        "{\"message\":\"message 2 \\\"é\\\"\","
                        "\"extensions\":{\"code\":\"NOT_FOUND\"}}]");
}

static void an_error_has_locations_and_a_path(void **state)
{
    struct ast_document document = document_of("a", "{ a\n  b }");
    struct graphql_path list = {.key = "li\"st", .key_bytes = 5};
    struct graphql_path item = {.parent = &list, .index = 4294967295};
    struct graphql_path field = {.parent = &item, .key = "name and more", .key_bytes = 4};
    struct graphql_fixture *f = *state;
    struct graphql_error *error = graphql_errors_add(&f->errors, GRAPHQL_BAD_USER_INPUT, "no");

    assert_non_null(error);
    error->path = &field;
    for (uint32_t at = 0; at < 9; at += 2)
        graphql_error_locate(&f->errors, error, &document, at);
    graphql_error_write(error, &f->out);
    assert_string_equal(graphql_fixture_take(f),
                        "{\"message\":\"no\",\"locations\":[{\"line\":1,\"column\":1},"
                        "{\"line\":1,\"column\":3},{\"line\":2,\"column\":1},"
                        "{\"line\":2,\"column\":3},{\"line\":2,\"column\":5}],"
                        "\"path\":[\"li\\\"st\",4294967295,\"name\"],"
                        "\"extensions\":{\"code\":\"BAD_USER_INPUT\"}}");
}

static void lines_end_with_lf_cr_or_both_and_columns_are_utf16(void **state)
{
    /* A byte order mark, and characters of 1 to 4 bytes. */
    static const char source[] = "\xEF\xBB\xBF"
                                 "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\nb\rc\r\nd\n\re";
    static const struct {
        uint32_t at;
        uint32_t line;
        uint32_t column;
    } places[] = {
        {0, 1, 1},  {3, 1, 2},  {4, 1, 3},  {6, 1, 4},  {9, 1, 5},  {13, 1, 7}, {14, 1, 8},
        {15, 2, 1}, {16, 2, 2}, {17, 3, 1}, {18, 3, 2}, {20, 4, 1}, {21, 4, 2}, {22, 5, 1},
        {23, 6, 1}, {24, 6, 2}, {25, 6, 2}, {99, 6, 2}, {13, 1, 7}, /* and back */
    };
    struct ast_document document = document_of("a", source);

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct graphql_location location = {&document, places[i].at};
        uint32_t line = 0;
        uint32_t column = 0;

        graphql_line_column(&location, &line, &column);
        assert_int_equal(line, places[i].line);
        assert_int_equal(column, places[i].column);
    }
}

static void places_are_right_in_any_order_and_in_many_documents(void **state)
{
    struct ast_document one = document_of("one", "a\nb\nc");
    struct ast_document two = document_of("two", "abc");
    struct graphql_fixture *f = *state;
    struct graphql_error *error = graphql_errors_add(&f->errors, GRAPHQL_PARSE_FAILED, "first");

    graphql_error_locate(&f->errors, error, &one, 4);
    graphql_error_locate(&f->errors, error, &one, 2);
    graphql_error_locate(&f->errors, error, &two, 2);
    assert_non_null(graphql_errors_add(&f->errors, GRAPHQL_PARSE_FAILED, "second"));
    error = graphql_errors_add(&f->errors, GRAPHQL_PARSE_FAILED, "third");
    graphql_error_locate(&f->errors, error, &two, 1);
    graphql_errors_print(&f->errors, "all", &f->out);
    assert_string_equal(graphql_fixture_take(f), "one:3:1: first\n"
                                                 "one:2:1: and here\n"
                                                 "two:1:3: and here\n"
                                                 "all:1:1: second\n"
                                                 "two:1:2: third\n");
}

/* Each of them is also counted from the beginning, without what was seen on the way before. */
static void many_places_are_right_backwards_and_forwards(void **state)
{
    static const char pattern[] = "é\r\n\xF0\x9F\x98\x80x\ry\nlonger line\n\n\r\r\n";
    enum {
        SOURCE_BYTES = 3001,
        PLACE_COUNT = 2000,
    };
    struct graphql_fixture *f = *state;
    struct graphql_error *error = graphql_errors_add(&f->errors, GRAPHQL_INTERNAL, "m");
    char source[SOURCE_BYTES + 1];
    struct ast_document document;
    struct text expected = {0};

    for (uint32_t i = 0; i < SOURCE_BYTES; i++)
        source[i] = pattern[i % (sizeof pattern - 1)];
    source[SOURCE_BYTES] = '\0';
    document = document_of("a", source);
    text_add_string(&expected, "[{\"message\":\"m\",\"locations\":[");
    for (uint32_t i = 0; i < PLACE_COUNT; i++) {
        uint32_t at = i < PLACE_COUNT / 2 ? SOURCE_BYTES - i : i * 1237 % SOURCE_BYTES;
        struct graphql_location location = {&document, at};
        uint32_t line;
        uint32_t column;

        graphql_error_locate(&f->errors, error, &document, at);
        graphql_line_column(&location, &line, &column);
        text_printf(&expected, "%s{\"line\":%u,\"column\":%u}", i > 0 ? "," : "", line, column);
    }
    text_add_string(&expected, "],\"extensions\":{\"code\":\"INTERNAL\"}}]");
    text_add(&expected, "", 1);
    assert_true(text_is_whole(&expected));
    assert_string_equal(graphql_fixture_errors(f), expected.bytes);
    text_done(&expected);
}

static void the_error_behind_the_last_says_that_there_are_more(void **state)
{
    struct graphql_fixture *f = *state;

    for (int i = 0; i < ERRORS_MAX; i++)
        assert_non_null(graphql_errors_add(&f->errors, GRAPHQL_VALIDATION_FAILED, "%d", i));
    assert_false(f->errors.has_overflown);
    for (int i = 0; i < 3; i++)
        assert_null(graphql_errors_add(&f->errors, GRAPHQL_VALIDATION_FAILED, "one more"));
    assert_true(f->errors.has_overflown);
    assert_false(f->region.has_failed);
    assert_int_equal(f->errors.count, ERRORS_MAX + 1);
    assert_string_equal(f->errors.last->message, "Too many validation errors, error limit "
                                                 "reached. Validation aborted.");
    assert_int_equal(f->errors.last->code, GRAPHQL_VALIDATION_FAILED);
    graphql_error_locate(&f->errors, NULL, NULL, 0); /* nothing to do with it */
}

static void other_errors_overflow_without_a_word_of_validation(void **state)
{
    struct graphql_fixture *f = *state;

    for (int i = 0; i <= ERRORS_MAX; i++)
        (void)graphql_errors_add(&f->errors, GRAPHQL_CONFLICT, "%d", i);
    assert_string_equal(f->errors.last->message, "Too many errors, error limit reached.");
    assert_int_equal(f->errors.last->code, GRAPHQL_CONFLICT);
}

static void each_code_has_its_name(void **state)
{
    static const char *const names[] = {
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT",
        "NOT_FOUND",
        "CONFLICT",
        "LIMIT_EXCEEDED",
        "STORAGE_FULL",
        "RATE_LIMITED",
        "UNAVAILABLE",
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "GAP",
        "INTERNAL",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(graphql_code_name((enum graphql_code)i), names[i]);
}

static void without_memory_nothing_is_added_and_the_region_knows(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 2048; bytes += 16) {
        struct ast_document document = document_of("a", "{}");
        struct graphql_fixture f;
        struct graphql_error *error;

        graphql_fixture_init(&f, bytes);
        error = graphql_errors_add(&f.errors, GRAPHQL_INTERNAL, "%0200d", 1);
        for (uint32_t i = 0; i < 64; i++)
            graphql_error_locate(&f.errors, error, &document, 1);
        assert_int_equal(error != NULL, f.errors.count == 1);
        if (error == NULL || error->location_count < 64)
            assert_true(f.region.has_failed);
        (void)graphql_fixture_errors(&f);
        graphql_fixture_done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_errors_are_an_empty_list, graphql_fixture_setup,
                                        graphql_fixture_teardown),
        cmocka_unit_test_setup_teardown(errors_are_shown_in_the_order_in_which_they_were_found,
                                        graphql_fixture_setup, graphql_fixture_teardown),
        cmocka_unit_test_setup_teardown(an_error_has_locations_and_a_path, graphql_fixture_setup,
                                        graphql_fixture_teardown),
        cmocka_unit_test(lines_end_with_lf_cr_or_both_and_columns_are_utf16),
        cmocka_unit_test_setup_teardown(places_are_right_in_any_order_and_in_many_documents,
                                        graphql_fixture_setup, graphql_fixture_teardown),
        cmocka_unit_test_setup_teardown(many_places_are_right_backwards_and_forwards,
                                        graphql_fixture_setup, graphql_fixture_teardown),
        cmocka_unit_test_setup_teardown(the_error_behind_the_last_says_that_there_are_more,
                                        graphql_fixture_setup, graphql_fixture_teardown),
        cmocka_unit_test_setup_teardown(other_errors_overflow_without_a_word_of_validation,
                                        graphql_fixture_setup, graphql_fixture_teardown),
        cmocka_unit_test(each_code_has_its_name),
        cmocka_unit_test(without_memory_nothing_is_added_and_the_region_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
