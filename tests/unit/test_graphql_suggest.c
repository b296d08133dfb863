#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/graphql/region.h"
#include "server/graphql/suggest.h"

enum {
    REGION_BYTES = 16 * 1024 * 1024,
    HUGE_BYTES = 1024 * 1024,
};

static struct ast_text to_text(const char *string)
{
    return (struct ast_text){string, (uint32_t)strlen(string)};
}

/* @options: names between blanks. */
static void check(const char *input, const char *options, const char *expected)
{
    char *copy = strdup(options);
    char *rest = NULL;
    struct region region;
    struct suggest suggest;

    assert_non_null(copy);
    region_init(&region, REGION_BYTES);
    suggest_begin(&suggest, to_text(input), &region);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        suggest_offer(&suggest, to_text(word));
    assert_string_equal(suggest_end(&suggest, NULL), expected);
    region_done(&region);
    free(copy);
}

static void nothing_near_is_nothing_said(void **state)
{
    (void)state;
    check("name", "", "");
    check("name", "title content comments", "");
    check("", "abc", "");
}

static void names_are_listed_as_people_do(void **state)
{
    (void)state;
    check("nam", "name", " Did you mean \"name\"?");
    check("nam", "name names", " Did you mean \"name\" or \"names\"?");
    check("nam", "name names nam", " Did you mean \"nam\", \"name\", or \"names\"?");
}

static void the_nearest_come_first_and_then_as_people_count(void **state)
{
    (void)state;
    check("abc", "ab abcde abcd", " Did you mean \"ab\", \"abcd\", or \"abcde\"?");
    check("a1", "a20 a3 a10 a2 a01 b", " Did you mean \"a01\", \"a2\", \"a3\", or \"a10\"?");
    check("abcde", "abcde10 abcde9x", " Did you mean \"abcde9x\" or \"abcde10\"?");
}

static void no_more_than_five_are_named_and_each_once(void **state)
{
    (void)state;
    check("ab", "ag ac ac ad ae af ac", " Did you mean \"ac\", \"ad\", \"ae\", \"af\", or \"ag\"?");
}

static void edits_swaps_and_letter_case_make_the_distance(void **state)
{
    (void)state;
    check("GREEN", "green", " Did you mean \"green\"?");
    check("verylongname", "VERYLONGNAME", " Did you mean \"VERYLONGNAME\"?");
    check("ba", "ab", " Did you mean \"ab\"?");                /* one swap */
    check("abcdefg", "gabcdef", " Did you mean \"gabcdef\"?"); /* two edits, three allowed */
    check("abcdef", "ghijkl", "");
    check("abcdefghij", "fghijabcde", ""); /* ten edits */
}

static void what_is_meant_is_said_before_the_names(void **state)
{
    struct region region;
    struct suggest suggest;

    (void)state;
    region_init(&region, REGION_BYTES);
    suggest_begin(&suggest, to_text("RDE"), &region);
    suggest_offer(&suggest, to_text("RED"));
    assert_string_equal(suggest_end(&suggest, "the enum value"),
                        " Did you mean the enum value \"RED\"?");
    region_done(&region);
}

static void any_text_may_be_unknown(void **state)
{
    (void)state;
    check("\xC3\xA9tat", "etat", " Did you mean \"etat\"?");
    check("\xF0\x9F\x98\x80", "ab", ""); /* two units of UTF-16, so two edits */
    check("abc\xF0\x9F\x98\x80", "abc", " Did you mean \"abc\"?");
    check("\"RED\"", "RED", " Did you mean \"RED\"?");
}

static void a_huge_unknown_name_costs_no_memory(void **state)
{
    struct region region;
    struct suggest suggest;
    char *huge = malloc(HUGE_BYTES);

    (void)state;
    assert_non_null(huge);
    memset(huge, 'a', HUGE_BYTES);
    region_init(&region, REGION_BYTES);
    suggest_begin(&suggest, (struct ast_text){huge, HUGE_BYTES}, &region);
    for (int i = 0; i < 1000; i++)
        suggest_offer(&suggest, to_text("aaaaaaaaaaaaaaaa"));
    assert_string_equal(suggest_end(&suggest, NULL), "");
    assert_int_equal(region.used_bytes, 0);
    region_done(&region);
    free(huge);
}

static void without_memory_there_is_no_suggestion_and_the_region_knows(void **state)
{
    struct region region;
    struct suggest suggest;

    (void)state;
    region_init(&region, 0);
    suggest_begin(&suggest, to_text("nam"), &region);
    suggest_offer(&suggest, to_text("name"));
    assert_string_equal(suggest_end(&suggest, NULL), "");
    assert_true(region.has_failed);
    region_done(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_near_is_nothing_said),
        cmocka_unit_test(names_are_listed_as_people_do),
        cmocka_unit_test(the_nearest_come_first_and_then_as_people_count),
        cmocka_unit_test(no_more_than_five_are_named_and_each_once),
        cmocka_unit_test(edits_swaps_and_letter_case_make_the_distance),
        cmocka_unit_test(what_is_meant_is_said_before_the_names),
        cmocka_unit_test(any_text_may_be_unknown),
        cmocka_unit_test(a_huge_unknown_name_costs_no_memory),
        cmocka_unit_test(without_memory_there_is_no_suggestion_and_the_region_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
