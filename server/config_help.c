#include <stdio.h>
#include <string.h>

#include "server/config_reader.h"
#include "server/config_value.h"

enum {
    HELP_COLUMN = 34, /* where the explanations begin */
};

static void show_row(FILE *output, char short_name, const char *name, const char *argument,
                     const char *help)
{
    char left[96];
    int used;

    used = short_name == '\0' ? snprintf(left, sizeof left, "      --%s", name)
                              : snprintf(left, sizeof left, "  -%c, --%s", short_name, name);
    if (used > 0 && (size_t)used < sizeof left && *argument != '\0')
        used += snprintf(left + used, sizeof left - (size_t)used, " %s", argument);
    if (used < HELP_COLUMN)
        (void)fprintf(output, "%-*s%s", HELP_COLUMN, left, help);
    else
        (void)fprintf(output, "%s\n%*s%s", left, HELP_COLUMN, "", help);
}

static void show_param(FILE *output, const struct param *param)
{
    show_row(output, param->short_name, param->name,
             param->kind == PARAM_SWITCH ? "[on|off]" : param->argument, param->help);
    if (*param->default_text != '\0')
        (void)fprintf(output, " (%s)", param->default_text);
    (void)fputc('\n', output);
}

static void show_plain(FILE *output, char short_name, const char *name, const char *argument,
                       const char *help)
{
    show_row(output, short_name, name, argument, help);
    (void)fputc('\n', output);
}

void config_show_help(FILE *output)
{
    (void)fputs("Usage: sluice [OPTION]...\n"
                "A real-time event server: whatever is published to a topic reaches every\n"
                "subscriber at once, is kept in a durable log, and can be replayed.\n\n",
                output);
    show_plain(output, 'c', "config", "FILE", "read options from this file");
    for (size_t i = 0; i < param_count(); i++)
        show_param(output, param_at(i));
    show_plain(output, '\0', "check-config", "", "check the configuration and exit");
    show_plain(output, '\0', "version", "", "show the version and exit");
    show_plain(output, 'h', "help", "", "show this text and exit");
    (void)fputs(
        "\nSizes take K, M, G, T (1024s); times ms, s, m, h, d, and are seconds without any of\n"
        "them; `off` turns a limit off.\n"
        "Every option may also stand in the environment (--drain-timeout 5m as\n"
        "SLUICE_DRAIN_TIMEOUT=5m) and in the file (drain_timeout = 5m). An option wins over\n"
        "the environment, the environment over the file.\n"
        "Exit status: 0 after a drain, 2 for a wrong configuration, 1 for anything else.\n",
        output);
}
