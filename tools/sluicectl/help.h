/*
 * tools/sluicectl/help.h - what the tables of command.h say, for people and for the manual.
 *
 * help_manual writes the sections COMMANDS and OPTIONS of sluicectl(1) in mdoc, for the manual's
 * generator (`sluicectl --manual`).
 * help_rows writes both tables for the shells' completions (`sluicectl --rows`), a row on a line, its
 * columns separated by tabs: command NAME OPERANDS SUMMARY, option --NAME|-LETTER ARGUMENT COMMAND HELP.
 */
#ifndef TOOLS_SLUICECTL_HELP_H
#define TOOLS_SLUICECTL_HELP_H

#include <stdio.h>

struct command;

/* @command: NULL for all of them. */
void help_show(FILE *output, const struct command *command);
void help_manual(FILE *output);
void help_rows(FILE *output);

#endif
