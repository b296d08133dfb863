/*
 * tools/sluicectl/command.h - the commands of sluicectl and their options: one table each, from which
 * the command line is read and --help, the manual and the shells' completions are made.
 *
 * Callers  main.c finds a command and runs it; arguments.c fills the options; help.c shows both.
 * Errors   A command says on standard error what is wrong (message.h) and returns the exit status:
 *          COMMAND_DONE, COMMAND_FAILED (the server said no, nothing is there, a check found
 *          something) or COMMAND_USAGE.
 */
#ifndef TOOLS_SLUICECTL_COMMAND_H
#define TOOLS_SLUICECTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
};

#define COMMAND_OPERANDS_MAX 32 /* topics of one `subscribe`: half of what a worker holds */

/* What was said on the command line; a field is 0, false or NULL when its option was not given. */
struct command_options {
    bool is_json;         /* --json: for machines, on standard output */
    bool is_quiet;        /* --quiet: neither progress nor notes on standard error */
    const char *data_dir; /* -d: as given; data_dir.h knows where else to look */

    const char *prefix; /* topics */
    bool is_durable;    /* publish */
    bool is_json_value;
    uint64_t since; /* subscribe */
    bool has_since;
    const char *epoch;
    const char *topic; /* log */
    uint64_t from;
    uint64_t limit;
    bool has_limit;
    bool is_follow;
    bool is_once;      /* top */
    bool is_lagging;   /* clients */
    bool is_wait;      /* drain */
    bool is_unchecked; /* snapshot */
};

/* @argv: the operands alone, @argc of them, as many as the command's row allows. */
typedef int command_function(const struct command_options *options, int argc, char **argv);

struct command {
    const char *name;
    const char *operands; /* for people: "TOPIC MESSAGE"; "" for none */
    int operands_min;
    int operands_max;
    command_function *run;
    const char *summary; /* what it is for, in the imperative, without a full stop */
    const char *details; /* paragraphs, one line of text each, separated by \n; may be "" */
};

enum command_option_kind {
    COMMAND_OPTION_FLAG,
    COMMAND_OPTION_TEXT,
    COMMAND_OPTION_NUMBER, /* uint64_t */
    COMMAND_OPTION_HELP,
    COMMAND_OPTION_VERSION,
};

#define COMMAND_OPTION_NOWHERE SIZE_MAX

struct command_option {
    char letter; /* '\0': none */
    const char *name;
    const char *argument; /* NULL: takes none */
    enum command_option_kind kind;
    size_t offset;       /* in struct command_options */
    size_t given_offset; /* of a bool that tells whether it was given, or COMMAND_OPTION_NOWHERE */
    uint64_t min;        /* of a number */
    uint64_t max;
    const char *command; /* whose option it is; NULL: everybody's */
    const char *help;
};

const struct command *command_find(const char *name);
size_t command_count(void);
const struct command *command_at(size_t index);
size_t command_option_count(void);
const struct command_option *command_option_at(size_t index);

command_function health_command;
command_function topics_command;
command_function publish_command;
command_function subscribe_command;
command_function log_command;
command_function top_command;
command_function clients_command;
command_function kick_command;
command_function check_command;
command_function snapshot_command;
command_function drain_command;
command_function reload_command;
command_function upgrade_command;

#endif
