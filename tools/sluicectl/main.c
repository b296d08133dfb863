/*
 * sluicectl: looks at a running server and tells it what to do. In reading order: command.h and
 * commands.c (what there is), arguments (the command line), control (asking the server), and a file
 * for each command.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "bus/standard_fds.h"
#include "tools/sluicectl/arguments.h"
#include "tools/sluicectl/help.h"
#include "tools/sluicectl/message.h"

/* What was printed counts only if it got there. */
static int output_close(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return message_error("cannot write to standard output: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    int rc = standard_fds_fill();

    if (rc != 0)
        return message_error("/dev/null: %s", strerror(-rc));
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* without it characters count as one column wide */
    if (argc == 2 && strcmp(argv[1], "--manual") == 0) {
        help_manual(stdout);
        return output_close(COMMAND_DONE);
    }
    if (argc == 2 && strcmp(argv[1], "--rows") == 0) {
        help_rows(stdout);
        return output_close(COMMAND_DONE);
    }
    switch (arguments_read(argc, argv, &arguments)) {
    case ARGUMENTS_BAD:
        return COMMAND_USAGE;
    case ARGUMENTS_HELP:
        help_show(stdout, arguments.command);
        return output_close(COMMAND_DONE);
    case ARGUMENTS_VERSION:
        (void)puts("sluicectl " SLUICE_VERSION);
        return output_close(COMMAND_DONE);
    case ARGUMENTS_RUN:
        break;
    }
    if (arguments.options.is_quiet)
        message_set_quiet();
    return output_close(
        arguments.command->run(&arguments.options, arguments.operand_count, arguments.operands));
}
