/*
 * server/config_reader.h - a configuration while it is being read. Included by config*.c only.
 *
 * Levels   defaults, file, environment, command line: each is applied over the one before, so the
 *          later wins; what is wrong in any of them is said, whether or not it would have won.
 * Errors   config_wrong writes one line per wrong value to `errors` and counts it; config_doubt
 *          collects what may be meant in the configuration's `warnings`.
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

enum {
    CONFIG_NAME_BYTES = 64,
    CONFIG_HINT_BYTES = 256,
    CONFIG_FILE_BYTES_MAX = 1024 * 1024,
};

#define CONFIG_ENVIRONMENT_PREFIX "SLUICE_"

/* Where a value came from. */
struct config_origin {
    enum config_level level;
    unsigned line; /* in the file */
};

struct config_reader {
    struct config *config;
    FILE *errors;
    const char *file;       /* its name; NULL: none */
    const char *file_named; /* where: "--config", "SLUICE_CONFIG", "CONFIGURATION_DIRECTORY" */
    char *found_file;       /* in the last of them: its name, ours */
    unsigned wrong_count;
    bool is_check;                 /* it is only looked at: nothing will be started with it */
    struct config_origin *origins; /* of every row of the table */
    char **environment;
};

/* --- what is said (config_say.c) ------------------------------------------------------------ */

/* A wrong value of the row @index: "sluice: --workers: ...", its place taken from its origin. */
__attribute__((format(printf, 3, 4))) void config_wrong(struct config_reader *reader, size_t index,
                                                        const char *format, ...);
/* Something wrong that is no value of a row: "sluice: ...". */
__attribute__((format(printf, 2, 3))) void config_complain(struct config_reader *reader,
                                                           const char *format, ...);
/* A value that works, though hardly as it is meant: likewise, into config->warnings. */
__attribute__((format(printf, 3, 4))) void config_doubt(struct config_reader *reader, size_t index,
                                                        const char *format, ...);
__attribute__((format(printf, 2, 3))) void config_warn(struct config_reader *reader,
                                                       const char *format, ...);

/* The name of a row in the manner of its level: --drain-timeout, SLUICE_DRAIN_TIMEOUT, drain_timeout. */
void config_name(const char *name, enum config_level level, char out[CONFIG_NAME_BYTES]);
/* "; did you mean --workers?" after a name that does not exist (without its prefix); "": no idea. */
void config_hint(const char *name, size_t name_bytes, enum config_level level,
                 char out[CONFIG_HINT_BYTES]);

/* --- one value (config.c) ----------------------------------------------------------------------- */

/*
 * Wherever it stands. A list is replaced by the first item of a higher level and added to by the
 * others of that level.
 */
void config_assign(struct config_reader *reader, size_t index, const char *text,
                   struct config_origin origin);
/* NULL: it is not set. */
const char *config_environment(const struct config_reader *reader, const char *name);

/* The file's settings (config_file.c). */
void config_read_file(struct config_reader *reader);

/* --- what is looked at when all has been read ---------------------------------------------------- */

/* The row of this name: it is there. */
size_t config_row(const char *name);
/* Whether somebody has said anything about it. */
bool config_is_said(const struct config_reader *reader, size_t index);

/* Values that must fit together, or mean something (config_check.c). */
void config_check(struct config_reader *reader);
/* What they name on this machine: directories, files, ports, limits (config_machine.c). */
void config_check_machine(struct config_reader *reader);

/* --- what is only shown -------------------------------------------------------------------------- */

/* --help (config_help.c). */
void config_show_help(FILE *output);
/* All values, as a file that would give them again, each with its place (config_show.c). */
void config_show_values(const struct config_reader *reader, FILE *output);

#endif
