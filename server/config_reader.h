/*
 * server/config_reader.h - a configuration while it is being read. Included by config*.c only.
 *
 * Levels   defaults, file, environment, command line: each is applied over the one before, so the
 *          later wins; what is wrong in any of them is said, whether or not it would have won.
 * Errors   config_wrong writes one line per wrong value to `errors` and counts it.
 */
#ifndef SERVER_CONFIG_READER_H
#define SERVER_CONFIG_READER_H

#include <stddef.h>
#include <stdio.h>

#include "server/config.h"

enum config_level {
    CONFIG_LEVEL_DEFAULT,
    CONFIG_LEVEL_FILE,
    CONFIG_LEVEL_ENVIRONMENT,
    CONFIG_LEVEL_OPTION,
};

/* Where a value came from. */
struct config_origin {
    enum config_level level;
    unsigned line; /* in the file */
};

struct config_reader {
    struct config *config;
    FILE *errors;
    const char *file; /* its name; NULL: none */
    unsigned wrong_count;
    struct config_origin *origins; /* of every row of the table */
};

/* A wrong value of the row @index: "sluice: --workers: …", its place taken from its origin. */
__attribute__((format(printf, 3, 4))) void config_wrong(struct config_reader *reader, size_t index,
                                                        const char *format, ...);
/* Something wrong that is no value of a row: "sluice: …". */
__attribute__((format(printf, 2, 3))) void config_complain(struct config_reader *reader,
                                                           const char *format, ...);

/* Looks at values that must fit together or name something that exists (config_check.c). */
void config_check(struct config_reader *reader);

/* --help (config_help.c). */
void config_show_help(FILE *output);

#endif
