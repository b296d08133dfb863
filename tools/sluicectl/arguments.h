/*
 * tools/sluicectl/arguments.h - the command line, read.
 *
 * Options may stand before and behind the command and its operands; behind -- there are operands only.
 * Memory   Texts are those of argv.
 * Errors   ARGUMENTS_BAD: what is wrong has been said.
 */
#ifndef TOOLS_SLUICECTL_ARGUMENTS_H
#define TOOLS_SLUICECTL_ARGUMENTS_H

#include "tools/sluicectl/command.h"

struct arguments {
    struct command_options options;
    const struct command *command; /* NULL with ARGUMENTS_HELP: of all */
    int operand_count;
    char *operands[COMMAND_OPERANDS_MAX];
};

enum arguments_result {
    ARGUMENTS_RUN,
    ARGUMENTS_HELP,
    ARGUMENTS_VERSION,
    ARGUMENTS_BAD,
};

enum arguments_result arguments_read(int argc, char **argv, struct arguments *ret_arguments);

#endif
