/* sluicectl's command line, and what its tables say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sluicectl/arguments.h"
#include "tools/sluicectl/backoff.h"
#include "tools/sluicectl/help.h"

#define WORDS_MAX 64

/* Of words separated by blanks; "~" stands for an empty one. */
static enum arguments_result read_line(const char *line, struct arguments *ret_arguments)
{
    static char copy[1024];
    char *words[WORDS_MAX + 1] = {(char[]){"sluicectl"}};
    char *rest = copy;
    int count = 1;

    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL && count < WORDS_MAX;) {
        if (*word != '\0')
            words[count++] = strcmp(word, "~") == 0 ? word + 1 : word;
    }
    return arguments_read(count, words, ret_arguments);
}

static void options_stand_before_and_behind_the_command(void **state)
{
    static const char *const lines[] = {
        "-d /data --json log --topic news --from 7 --limit=20",
        "log -d/data --topic=news --from 7 --json --limit 20",
        "log --limit 20 --from 7 --topic news --data /data --json",
        "--topic news --from 7 --limit 20 log --json -d /data",
    };
    struct arguments arguments;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(read_line(lines[i], &arguments), ARGUMENTS_RUN);
        assert_string_equal(arguments.command->name, "log");
        assert_int_equal(arguments.operand_count, 0);
        assert_string_equal(arguments.options.data_dir, "/data");
        assert_string_equal(arguments.options.topic, "news");
        assert_int_equal(arguments.options.from, 7);
        assert_int_equal(arguments.options.limit, 20);
        assert_true(arguments.options.is_json);
        assert_true(arguments.options.has_limit);
        assert_false(arguments.options.is_follow);
    }
}

static void operands_keep_their_order_and_may_look_like_options_behind_two_dashes(void **state)
{
    struct arguments arguments;

    (void)state;
    assert_int_equal(read_line("publish --durable t -", &arguments), ARGUMENTS_RUN);
    assert_int_equal(arguments.operand_count, 2);
    assert_string_equal(arguments.operands[0], "t");
    assert_string_equal(arguments.operands[1], "-");
    assert_true(arguments.options.is_durable);
    assert_int_equal(read_line("publish --json-value -- --json -5", &arguments), ARGUMENTS_RUN);
    assert_string_equal(arguments.operands[0], "--json");
    assert_string_equal(arguments.operands[1], "-5");
    assert_false(arguments.options.is_json);
    assert_int_equal(read_line("publish t ~", &arguments), ARGUMENTS_RUN);
    assert_string_equal(arguments.operands[1], "");
    assert_int_equal(read_line("subscribe a b --since 0 c", &arguments), ARGUMENTS_RUN);
    assert_int_equal(arguments.operand_count, 3);
    assert_string_equal(arguments.operands[2], "c");
    assert_true(arguments.options.has_since);
    assert_int_equal(arguments.options.since, 0);
}

static void what_is_wrong_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "nonsense",
        "--json",
        "health --nonsense",
        "health -x",
        "health stray",
        "health --json=yes",
        "publish t",
        "publish t m more",
        "publish t -5",
        "subscribe",
        "subscribe t --since",
        "subscribe t --since -1",
        "subscribe t --since 1x",
        "subscribe t --since 18446744073709551616",
        "subscribe t --epoch 0123456789abcdef",
        "log --from 0",
        "log --limit 0",
        "log -d",
        "topics --follow",
        "topics --topic t",
        "kick",
        "drain --once",
    };
    struct arguments arguments;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (read_line(lines[i], &arguments) != ARGUMENTS_BAD)
            fail_msg("taken: %s", lines[i]);
    }
}

static void too_many_topics_are_refused(void **state)
{
    char line[512] = "subscribe";
    struct arguments arguments;

    (void)state;
    for (int i = 0; i < COMMAND_OPERANDS_MAX; i++)
        (void)snprintf(line + strlen(line), sizeof line - strlen(line), " t%d", i);
    assert_int_equal(read_line(line, &arguments), ARGUMENTS_RUN);
    assert_int_equal(arguments.operand_count, COMMAND_OPERANDS_MAX);
    (void)snprintf(line + strlen(line), sizeof line - strlen(line), " more");
    assert_int_equal(read_line(line, &arguments), ARGUMENTS_BAD);
}

static void help_and_version_win(void **state)
{
    struct arguments arguments;

    (void)state;
    assert_int_equal(read_line("--help", &arguments), ARGUMENTS_HELP);
    assert_null(arguments.command);
    assert_int_equal(read_line("publish -h", &arguments), ARGUMENTS_HELP);
    assert_string_equal(arguments.command->name, "publish");
    assert_int_equal(read_line("--version", &arguments), ARGUMENTS_VERSION);
}

static void every_option_belongs_to_a_command_that_exists(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_option_count(); i++) {
        const struct command_option *option = command_option_at(i);
        if (option->command != NULL)
            assert_non_null(command_find(option->command));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(command_option_at(j)->name, option->name);
    }
}

static char *text_of(void (*write)(FILE *output))
{
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);

    assert_non_null(memory);
    write(memory);
    assert_int_equal(fclose(memory), 0);
    return text;
}

static void show_all(FILE *output)
{
    help_show(output, NULL);
}

static void show_each(FILE *output)
{
    for (size_t i = 0; i < command_count(); i++)
        help_show(output, command_at(i));
}

static void help_and_manual_name_everything_on_lines_of_at_most_96_columns(void **state)
{
    void (*const writers[])(FILE * output) = {show_all, show_each, help_manual};

    (void)state;
    for (size_t writer = 0; writer < sizeof writers / sizeof writers[0]; writer++) {
        char *text = text_of(writers[writer]);
        for (size_t i = 0; i < command_count(); i++)
            assert_non_null(strstr(text, command_at(i)->name));
        for (size_t i = 0; i < command_option_count(); i++)
            assert_non_null(strstr(text, command_option_at(i)->name));
        for (const char *line = text; writers[writer] != help_manual && *line != '\0';) {
            size_t bytes = strcspn(line, "\n");
            if (bytes > 96)
                fail_msg("too long: %.*s", (int)bytes, line);
            line += bytes + 1;
        }
        free(text);
    }
}

static void trying_again_takes_longer_each_time_up_to_a_bound(void **state)
{
    (void)state;
    assert_int_equal(backoff_ms(1), 0);
    assert_int_equal(backoff_ms(2), 100);
    for (unsigned failures = 2; failures < 100; failures++) {
        assert_true(backoff_ms(failures + 1) >= backoff_ms(failures));
        assert_true(backoff_ms(failures) <= BACKOFF_MAX_MS);
    }
    assert_int_equal(backoff_ms(UINT32_MAX), BACKOFF_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_behind_the_command),
        cmocka_unit_test(operands_keep_their_order_and_may_look_like_options_behind_two_dashes),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(too_many_topics_are_refused),
        cmocka_unit_test(help_and_version_win),
        cmocka_unit_test(every_option_belongs_to_a_command_that_exists),
        cmocka_unit_test(help_and_manual_name_everything_on_lines_of_at_most_96_columns),
        cmocka_unit_test(trying_again_takes_longer_each_time_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
