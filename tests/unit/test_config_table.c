/* Every row of the option table: one meaning in all three places, and no mistake without its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <ctype.h>
#include <inttypes.h>
#include <pwd.h>

#include "server/config.h"
#include "server/config_value.h"
#include "tests/unit/config_fixture.h"

enum {
    NAME_BYTES = 96,
    VALUE_BYTES = 128,
    LINE_BYTES = NAME_BYTES + VALUE_BYTES,
    WRONG_MAX = 16,
};

enum place {
    PLACE_OPTION,
    PLACE_ENVIRONMENT,
    PLACE_FILE,
    PLACE_COUNT,
};

static char written(char letter, enum place place)
{
    if (letter == '-')
        return '_';
    if (place == PLACE_ENVIRONMENT)
        return (char)toupper((unsigned char)letter);
    return letter;
}

/* --drain-timeout, SLUICE_DRAIN_TIMEOUT or drain_timeout. */
static void name_of(const struct param *param, enum place place, char out[NAME_BYTES])
{
    static const char *const prefixes[PLACE_COUNT] = {"--", "SLUICE_", ""};
    char *letter = out + strlen(prefixes[place]);

    (void)snprintf(out, NAME_BYTES, "%s%s", prefixes[place], param->name);
    if (place == PLACE_OPTION)
        return;
    for (; *letter != '\0'; letter++)
        *letter = written(*letter, place);
}

static enum config_result read_at(struct config_fixture *f, const struct param *param,
                                  enum place place, const char *value)
{
    char name[NAME_BYTES];
    char text[LINE_BYTES];
    const char *none[] = {NULL};
    const char *one[] = {text, NULL};
    const char *file[] = {"-c", f->file, NULL};

    name_of(param, place, name);
    (void)snprintf(text, sizeof text, "%s%s%s", name, place == PLACE_FILE ? " = " : "=", value);
    if (place == PLACE_OPTION)
        return config_read_with(f, one, NULL);
    if (place == PLACE_ENVIRONMENT)
        return config_read_with(f, none, one);
    config_write_file(f, text);
    return config_read_with(f, file, NULL);
}

/* --- what is right --------------------------------------------------------------------------- */

/* Rows whose value must be what it names, or fit to others. */
static const char *special_value(const char *name)
{
    static const char *const values[][2] = {
        {"listen", "127.0.0.1:1, [::1]:2"},
        {"broker-listen", "unix:/tmp/broker"},
        {"ring-size", "128K"},
        {"map-size", "1G"},
        {"hosts", "a.example,b.example"},
        {"trusted-proxies", "127.0.0.1,10.0.0.0/8"},
        {"cors-origins", "https://a.example"},
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (strcmp(values[i][0], name) == 0)
            return values[i][1];
    }
    if (strcmp(name, "user") == 0)
        return getpwuid(geteuid())->pw_name;
    return NULL;
}

/* A value that is not the default. */
static const char *right_value(const struct param *param, char out[VALUE_BYTES])
{
    const char *special = special_value(param->name);
    const char *word = strrchr(param->argument, '|');
    char number[PARAM_TEXT_BYTES];

    if (special != NULL)
        return special;
    switch (param->kind) {
    case PARAM_TEXT:
    case PARAM_TEXT_LIST:
        return "some/text";
    case PARAM_COUNT:
        (void)snprintf(out, VALUE_BYTES, "%" PRIu64, param->min + 6);
        return out;
    case PARAM_SIZE:
        param_value_text(param->kind, param->min * 2 + 3 * KIB, number);
        break;
    case PARAM_TIME:
        param_value_text(param->kind, param->min * 2 + 7 * SECOND, number);
        break;
    case PARAM_SWITCH:
        return strcmp(param->default_text, "on") == 0 ? "off" : "on";
    case PARAM_CHOICE:
        return word + 1;
    }
    (void)snprintf(out, VALUE_BYTES, "%s", number);
    return out;
}

/* All values as text, one after the other. The caller's. */
static char *describe(const struct config *config)
{
    char number[PARAM_TEXT_BYTES];
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    for (size_t i = 0; i < param_count(); i++) {
        const char *value = "";

        (void)fprintf(out, "%s", param_at(i)->name);
        for (size_t k = 0; value != NULL; k++) {
            value = param_get(param_at(i), config, k, number);
            (void)fprintf(out, " <%s>", value == NULL ? "" : value);
        }
        (void)fputc('\n', out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

static void an_option_means_the_same_wherever_it_stands(void **state)
{
    struct config_fixture *f = *state;
    char *unsaid;

    assert_int_equal(CONFIG_READ(f, NULL), CONFIG_RUN);
    unsaid = describe(f->config);
    for (size_t i = 0; i < param_count(); i++) {
        char buf[VALUE_BYTES];
        const char *value = right_value(param_at(i), buf);
        char *texts[PLACE_COUNT];

        for (enum place place = 0; place < PLACE_COUNT; place++) {
            if (read_at(f, param_at(i), place, value) != CONFIG_RUN)
                fail_msg("%s: %s", param_at(i)->name, f->errors);
            texts[place] = describe(f->config);
            assert_string_equal(texts[place], texts[0]);
            assert_string_not_equal(texts[place], unsaid);
        }
        for (enum place place = 0; place < PLACE_COUNT; place++)
            free(texts[place]);
    }
    free(unsaid);
}

static void what_is_shown_is_a_file_that_says_the_same(void **state)
{
    struct config_fixture *f = *state;

    for (size_t i = 0; i < param_count(); i++) {
        char buf[VALUE_BYTES];
        char name[NAME_BYTES];
        const char *value = right_value(param_at(i), buf);
        char *expected;
        char *shown;
        char *text;

        if (strncmp(param_at(i)->name, "log-level", sizeof "log-level") == 0)
            continue; /* it is what makes the server show them */
        name_of(param_at(i), PLACE_OPTION, name);
        if (CONFIG_READ(f, "--check-config", "--log-level=debug", name, value) != CONFIG_CHECKED)
            fail_msg("%s: %s", name, f->errors);
        expected = describe(f->config);
        shown = strdup(f->output);
        assert_non_null(shown);
        config_write_file(f, shown);
        if (CONFIG_READ(f, "-c", f->file) != CONFIG_RUN)
            fail_msg("%s: %s", name, f->errors);
        text = describe(f->config);
        assert_string_equal(text, expected);
        free(text);
        free(shown);
        free(expected);
    }
}

/* --- what is wrong ------------------------------------------------------------------------------ */

struct wrong_values {
    char values[WRONG_MAX][VALUE_BYTES];
    size_t count;
};

static void add(struct wrong_values *wrong, const char *value)
{
    assert_true(wrong->count < WRONG_MAX);
    (void)snprintf(wrong->values[wrong->count++], VALUE_BYTES, "%s", value);
}

static void add_numbers(struct wrong_values *wrong, const struct param *param)
{
    char text[PARAM_TEXT_BYTES];

    add(wrong, "many");
    add(wrong, "-1");
    add(wrong, "+1");
    add(wrong, "1.5");
    add(wrong, "1x");
    add(wrong, "0x10");
    add(wrong, "18446744073709551616");
    add(wrong, param->kind == PARAM_TIME ? "5 parsecs" : "5s");
    add(wrong, param->kind == PARAM_SIZE ? "1KB" : "1K");
    if (param->min > 0) {
        param_value_text(param->kind, param->min - 1, text);
        add(wrong, param->kind == PARAM_TIME ? "1ms" : text);
        add(wrong, "off");
    }
    if (param->max < UINT64_MAX) {
        param_value_text(param->kind, param->max, text);
        (void)snprintf(text, sizeof text, "%" PRIu64,
                       param->kind == PARAM_TIME ? param->max / SECOND + 1 : param->max + 1);
        add(wrong, text);
    }
}

static void collect_wrong(const struct param *param, struct wrong_values *wrong)
{
    wrong->count = 0;
    add(wrong, "");
    switch (param->kind) {
    case PARAM_TEXT:
        break; /* whatever there is may be a file's name */
    case PARAM_TEXT_LIST:
        add(wrong, ",");
        if (strcmp(param->argument, "FILE") != 0)
            add(wrong, "a b");
        break;
    case PARAM_COUNT:
    case PARAM_SIZE:
    case PARAM_TIME:
        add_numbers(wrong, param);
        break;
    case PARAM_SWITCH:
        add(wrong, "perhaps");
        add(wrong, "2");
        break;
    case PARAM_CHOICE:
        add(wrong, "perhaps");
        add(wrong, param->argument);
        break;
    }
}

static void check_wrong(struct config_fixture *f, const struct param *param, enum place place,
                        const char *value)
{
    char name[NAME_BYTES];
    char begin[LINE_BYTES];

    if (read_at(f, param, place, value) != CONFIG_WRONG)
        fail_msg("%s is taken for \"%s\"", param->name, value);
    name_of(param, place, name);
    if (place == PLACE_FILE)
        (void)snprintf(begin, sizeof begin, "sluice: %s:1: %s: ", f->file, name);
    else
        (void)snprintf(begin, sizeof begin, "sluice: %s: ", name);
    if (strncmp(f->errors, begin, strlen(begin)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", f->errors, begin);
    assert_int_equal(config_count_lines(f->errors), 1);
    assert_string_equal(f->output, "");
}

static void a_wrong_value_is_named_with_its_place_wherever_it_stands(void **state)
{
    struct config_fixture *f = *state;
    struct wrong_values wrong;

    for (size_t i = 0; i < param_count(); i++) {
        collect_wrong(param_at(i), &wrong);
        for (size_t k = 0; k < wrong.count; k++) {
            for (enum place place = 0; place < PLACE_COUNT; place++)
                check_wrong(f, param_at(i), place, wrong.values[k]);
        }
    }
}

/* --- the table itself ----------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

static void rows_can_be_told_apart_and_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < param_count(); i++) {
        const struct param *param = param_at(i);

        assert_int_equal(param_find(param->name, strlen(param->name), '-'), i);
        if (param->short_name != '\0')
            assert_int_equal(param_find_short(param->short_name), i);
        assert_true(is_plain(param->help));
        assert_true(is_plain(param->details));
        assert_true(*param->help != '\0');
        assert_true(param->help[strlen(param->help) - 1] != '.');
        assert_true(*param->details == '\0' || param->details[strlen(param->details) - 1] == '.');
        assert_true(i == 0 || param->group >= param_at(i - 1)->group);
        assert_true((*param->argument == '\0') == (param->kind == PARAM_SWITCH));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, config_set_up, config_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_option_means_the_same_wherever_it_stands),
        TEST(what_is_shown_is_a_file_that_says_the_same),
        TEST(a_wrong_value_is_named_with_its_place_wherever_it_stands),
        TEST(rows_can_be_told_apart_and_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
