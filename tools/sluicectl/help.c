#include "tools/sluicectl/help.h"

#include <stdbool.h>
#include <string.h>

#include "tools/sluicectl/command.h"

enum {
    COLUMN = 26, /* where the explanations begin */
    WIDTH = 96,
};

/* From @column, where the output stands, to WIDTH, between words; further lines begin there too. */
static void show_wrapped(FILE *output, int column, const char *text)
{
    int at = column;

    while (*text != '\0') {
        int word_bytes = (int)strcspn(text, " \n");

        if (at > column && at + 1 + word_bytes > WIDTH) {
            (void)fprintf(output, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            (void)fputc(' ', output);
            at++;
        }
        (void)fprintf(output, "%.*s", word_bytes, text);
        at += word_bytes;
        text += word_bytes;
        if (*text == '\n') {
            (void)fprintf(output, "\n%*s", column, "");
            at = column;
        }
        text += *text != '\0';
    }
    (void)fputc('\n', output);
}

static void show_row(FILE *output, const char *left, const char *help)
{
    if (strlen(left) < COLUMN)
        (void)fprintf(output, "%-*s", COLUMN, left);
    else
        (void)fprintf(output, "%s\n%*s", left, COLUMN, "");
    show_wrapped(output, COLUMN, help);
}

static void show_option(FILE *output, const struct command_option *option)
{
    char left[64];
    char letter[] = "-x, ";

    letter[1] = option->letter;
    (void)snprintf(left, sizeof left, "  %s--%s%s%s", option->letter != '\0' ? letter : "    ",
                   option->name, option->argument != NULL ? " " : "",
                   option->argument != NULL ? option->argument : "");
    show_row(output, left, option->help);
}

/* @name: of a command; NULL: is it an option that all have? */
static bool is_option_of(const struct command_option *option, const char *name)
{
    if (name == NULL || option->command == NULL)
        return name == NULL && option->command == NULL;
    return strcmp(option->command, name) == 0;
}

static bool has_options(const char *name)
{
    for (size_t i = 0; i < command_option_count(); i++) {
        if (is_option_of(command_option_at(i), name))
            return true;
    }
    return false;
}

static void show_options_of(FILE *output, const char *name)
{
    for (size_t i = 0; i < command_option_count(); i++) {
        if (is_option_of(command_option_at(i), name))
            show_option(output, command_option_at(i));
    }
}

/* Summaries are ASCII, and begin with a small letter. */
static void show_sentence(FILE *output, const char *text)
{
    (void)fprintf(output, "%c%s.\n", text[0] - 'a' + 'A', text + 1);
}

static void show_command(FILE *output, const struct command *command)
{
    (void)fprintf(output, "Usage: sluicectl [OPTION]... %s%s%s\n", command->name,
                  *command->operands != '\0' ? " " : "", command->operands);
    show_sentence(output, command->summary);
    if (*command->details != '\0') {
        (void)fputc('\n', output);
        show_wrapped(output, 0, command->details);
    }
    (void)fputc('\n', output);
    show_options_of(output, command->name);
    if (has_options(command->name))
        (void)fputc('\n', output);
    show_options_of(output, NULL);
}

static void show_all(FILE *output)
{
    (void)fputs("Usage: sluicectl [OPTION]... COMMAND [OPERAND]...\n"
                "Looks at a running Sluice server and tells it what to do, through the sockets in "
                "its data\ndirectory: who may read and write there may use them.\n\n",
                output);
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        char left[64];

        (void)snprintf(left, sizeof left, "  %s %s", command->name, command->operands);
        show_row(output, left, command->summary);
    }
    (void)fputs("\nOptions of all commands, before or behind them:\n", output);
    show_options_of(output, NULL);
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = command_at(i)->name;

        if (has_options(name))
            (void)fprintf(output, "\nOf `%s`:\n", name);
        show_options_of(output, name);
    }
    (void)fputs(
        "\n`sluicectl COMMAND --help` says more about a command.\n"
        "Exit status: 0 when it is done; 1 when the server said no, is not there, or is not "
        "well;\n2 for a wrong command line.\n",
        output);
}

void help_show(FILE *output, const struct command *command)
{
    if (command != NULL)
        show_command(output, command);
    else
        show_all(output);
}

/* --- the manual ------------------------------------------------------------------------------- */

/* In mdoc a line is not to begin with a dot or an apostrophe, a backslash and a minus are said. */
static void manual_text(FILE *output, const char *text)
{
    bool is_line_start = true;

    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            (void)fputs("\n.Pp\n", output);
            is_line_start = true;
            continue;
        }
        if (is_line_start && (*text == '.' || *text == '\''))
            (void)fputs("\\&", output);
        if (*text == '\\')
            (void)fputs("\\e", output);
        else if (*text == '-')
            (void)fputs("\\-", output);
        else
            (void)fputc(*text, output);
        is_line_start = false;
    }
}

static void manual_option(FILE *output, const struct command_option *option)
{
    (void)fputs(".It ", output);
    if (option->letter != '\0')
        (void)fprintf(output, "Fl %c , ", option->letter);
    (void)fprintf(output, "Fl \\-%s", option->name);
    if (option->argument != NULL)
        (void)fprintf(output, " Ar %s", option->argument);
    (void)fputc('\n', output);
    manual_text(output, option->help);
    (void)fputs(".\n", output);
}

static void manual_options_of(FILE *output, const char *name)
{
    if (!has_options(name))
        return;
    (void)fputs(".Bl -tag -width Ds\n", output);
    for (size_t i = 0; i < command_option_count(); i++) {
        if (is_option_of(command_option_at(i), name))
            manual_option(output, command_option_at(i));
    }
    (void)fputs(".El\n", output);
}

static void manual_command(FILE *output, const struct command *command)
{
    (void)fprintf(output, ".It Ic %s", command->name);
    if (*command->operands != '\0')
        (void)fprintf(output, " Ar %s", command->operands);
    (void)fputc('\n', output);
    show_sentence(output, command->summary);
    if (*command->details != '\0') {
        (void)fputs(".Pp\n", output);
        manual_text(output, command->details);
        (void)fputc('\n', output);
    }
    manual_options_of(output, command->name);
}

void help_manual(FILE *output)
{
    (void)fputs(".Sh COMMANDS\n.Bl -tag -width Ds\n", output);
    for (size_t i = 0; i < command_count(); i++)
        manual_command(output, command_at(i));
    (void)fputs(".El\n.Sh OPTIONS\nBefore or behind the command.\n", output);
    manual_options_of(output, NULL);
}

/* --- the completions ---------------------------------------------------------------------------- */

static void option_row(FILE *output, const char *name, const struct command_option *option)
{
    (void)fprintf(output, "option\t%s\t%s\t%s\t%s\n", name,
                  option->argument != NULL ? option->argument : "",
                  option->command != NULL ? option->command : "", option->help);
}

void help_rows(FILE *output)
{
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);

        (void)fprintf(output, "command\t%s\t%s\t%s\n", command->name, command->operands,
                      command->summary);
    }
    for (size_t i = 0; i < command_option_count(); i++) {
        const struct command_option *option = command_option_at(i);
        char letter[] = "-x";
        char name[64];

        (void)snprintf(name, sizeof name, "--%s", option->name);
        option_row(output, name, option);
        letter[1] = option->letter;
        if (option->letter != '\0')
            option_row(output, letter, option);
    }
}
