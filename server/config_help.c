#include <stdio.h>
#include <string.h>

#include "server/config_reader.h"
#include "server/config_value.h"

enum {
    HELP_COLUMN = 30, /* where the explanations begin */
    HELP_WIDTH = 79,
};

/* @text from HELP_COLUMN on, broken between words. */
static void show_wrapped(FILE *output, const char *text)
{
    size_t column = HELP_COLUMN;

    while (*text != '\0') {
        size_t word_bytes = strcspn(text, " ");

        if (column > HELP_COLUMN && column + 1 + word_bytes > HELP_WIDTH) {
            (void)fprintf(output, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            (void)fputc(' ', output);
            column++;
        }
        (void)fprintf(output, "%.*s", (int)word_bytes, text);
        column += word_bytes;
        text += word_bytes;
        text += strspn(text, " ");
    }
    (void)fputc('\n', output);
}

static void show_row(FILE *output, char short_name, const char *name, const char *argument,
                     const char *help)
{
    int used = short_name == '\0' ? fprintf(output, "      --%s", name)
                                  : fprintf(output, "  -%c, --%s", short_name, name);

    if (*argument != '\0')
        used += fprintf(output, " %s", argument);
    if (used + 2 > HELP_COLUMN)
        (void)fprintf(output, "\n%*s", HELP_COLUMN, "");
    else
        (void)fprintf(output, "%*s", HELP_COLUMN - used, "");
    show_wrapped(output, help);
}

static void show_param(FILE *output, const struct param *param)
{
    char help[PARAM_REASON_BYTES];
    bool has_default = *param->default_text != '\0';

    (void)snprintf(help, sizeof help, "%s%s%s%s", param->help, has_default ? " [" : "",
                   param->default_text, has_default ? "]" : "");
    show_row(output, param->short_name, param->name,
             param->kind == PARAM_SWITCH ? "[on|off]" : param->argument, help);
}

void config_show_help(FILE *output)
{
    (void)fputs("Usage: sluice [OPTION]...\n"
                "A real-time event server: whatever is published to a topic reaches every\n"
                "subscriber at once, is kept in a durable log, and can be replayed.\n\n"
                "Configuration\n",
                output);
    show_row(output, 'c', "config", "FILE", "read options from this file");
    show_row(output, '\0', "check-config", "",
             "check the configuration and exit; at --log-level debug show it");
    for (size_t i = 0; i < param_count(); i++) {
        const struct param *param = param_at(i);

        if (i == 0 || param->group != param_at(i - 1)->group)
            (void)fprintf(output, "\n%s\n", param_group_title(param->group));
        show_param(output, param);
    }
    (void)fputs("\nOther\n", output);
    show_row(output, '\0', "version", "", "show the version and exit");
    show_row(output, 'h', "help", "", "show this text and exit");
    (void)fputs(
        "\nSizes take K, M, G, T (1024s); times ms, s, m, h, d, and are seconds without any\n"
        "of them; `off` turns a limit off and empties a list.\n"
        "Every option may also stand in the environment (--drain-timeout 5m as\n"
        "SLUICE_DRAIN_TIMEOUT=5m) and in the file, which SLUICE_CONFIG may name, too\n"
        "(drain_timeout = 5m). An option wins over the environment, the environment over\n"
        "the file. See sluice(8) and sluice.conf(5).\n"
        "Exit status: 0 after a drain, 2 for a wrong configuration, 1 for anything else.\n",
        output);
}
