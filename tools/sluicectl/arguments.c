#include "tools/sluicectl/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "tools/sluicectl/message.h"

#define OPTIONS_MAX    32
#define OPTION_MIN     256 /* getopt's value of option i is this + i: never a letter */
#define OPERAND        1   /* getopt's value of what is no option */
#define LETTERS_BEFORE "-:"

/* What getopt_long is given, and which options there were. */
struct reading {
    struct arguments *arguments;
    struct option long_options[OPTIONS_MAX + 1];
    char letters[sizeof LETTERS_BEFORE + 2 * (size_t)OPTIONS_MAX];
    bool is_given[OPTIONS_MAX];
    bool is_help;
    bool is_version;
};

/* "-": operands are returned in their place; ":": a missing argument is told as one. */
static void reading_init(struct reading *reading, struct arguments *arguments)
{
    char *letter;

    CHECK(command_option_count() <= OPTIONS_MAX);
    *reading = (struct reading){.arguments = arguments};
    letter = stpcpy(reading->letters, LETTERS_BEFORE);
    for (size_t i = 0; i < command_option_count(); i++) {
        const struct command_option *option = command_option_at(i);

        reading->long_options[i] = (struct option){
            .name = option->name,
            .has_arg = option->argument != NULL ? required_argument : no_argument,
            .val = OPTION_MIN + (int)i,
        };
        if (option->letter == '\0')
            continue;
        *letter++ = option->letter;
        if (option->argument != NULL)
            *letter++ = ':';
    }
    *letter = '\0';
}

static bool number_set(const struct command_option *option, const char *text, uint64_t *ret_number)
{
    char *rest;

    errno = 0;
    unsigned long long number = strtoull(text, &rest, 10);
    if (!isdigit((unsigned char)text[0]) || *rest != '\0' || errno != 0 || number < option->min ||
        number > option->max) {
        (void)message_usage("--%s %s: must be a number from %llu on", option->name, text,
                            (unsigned long long)option->min);
        return false;
    }
    *ret_number = number;
    return true;
}

static bool option_set(struct reading *reading, size_t index, const char *text)
{
    const struct command_option *option = command_option_at(index);
    char *target = (char *)&reading->arguments->options;

    reading->is_given[index] = true;
    if (option->given_offset != COMMAND_OPTION_NOWHERE)
        *(bool *)(target + option->given_offset) = true;
    switch (option->kind) {
    case COMMAND_OPTION_FLAG:
        *(bool *)(target + option->offset) = true;
        return true;
    case COMMAND_OPTION_TEXT:
        *(const char **)(void *)(target + option->offset) = text;
        return true;
    case COMMAND_OPTION_NUMBER:
        return number_set(option, text, (uint64_t *)(void *)(target + option->offset));
    case COMMAND_OPTION_HELP:
        reading->is_help = true;
        return true;
    case COMMAND_OPTION_VERSION:
        reading->is_version = true;
        return true;
    }
    UNREACHABLE();
}

/* The first is the command. */
static bool operand_add(struct reading *reading, char *text)
{
    struct arguments *arguments = reading->arguments;

    if (arguments->command == NULL) {
        arguments->command = command_find(text);
        if (arguments->command == NULL)
            (void)message_usage("%s: no such command; `sluicectl --help` lists them", text);
        return arguments->command != NULL;
    }
    if (arguments->operand_count == COMMAND_OPERANDS_MAX) {
        (void)message_usage("%s: at most %d", arguments->command->operands, COMMAND_OPERANDS_MAX);
        return false;
    }
    arguments->operands[arguments->operand_count++] = text;
    return true;
}

/* By its letter, or by its place in the table. */
static size_t option_index(int value)
{
    if (value >= OPTION_MIN)
        return (size_t)(value - OPTION_MIN);
    for (size_t i = 0; i < command_option_count(); i++) {
        if (command_option_at(i)->letter == value)
            return i;
    }
    UNREACHABLE();
}

/* getopt stands behind what it did not like; of several letters in one word, it may stand on it. */
static void complain(int value, char **argv)
{
    if (value == ':')
        (void)message_usage("%s: needs a value", argv[optind - 1]);
    else if (optopt >= OPTION_MIN)
        (void)message_usage("%s: takes no value", argv[optind - 1]);
    else if (optopt != 0)
        (void)message_usage("-%c: no such option; what begins with - and is none stands behind --",
                            optopt);
    else
        (void)message_usage("%s: no such option, or the beginning of several", argv[optind - 1]);
}

static bool read_words(struct reading *reading, int argc, char **argv)
{
    int value;

    opterr = 0;
    optind = 0; /* begins anew: tests read more than one line */
    while ((value = getopt_long(argc, argv, reading->letters, reading->long_options, NULL)) != -1) {
        if (value == '?' || value == ':') {
            complain(value, argv);
            return false;
        }
        if (value == OPERAND ? !operand_add(reading, optarg)
                             : !option_set(reading, option_index(value), optarg))
            return false;
    }
    for (; optind < argc; optind++) {
        if (!operand_add(reading, argv[optind]))
            return false;
    }
    return true;
}

/* Does each option belong to the command? */
static bool options_fit(const struct reading *reading)
{
    const struct command *command = reading->arguments->command;

    for (size_t i = 0; i < command_option_count(); i++) {
        const struct command_option *option = command_option_at(i);

        if (!reading->is_given[i] || option->command == NULL ||
            strcmp(option->command, command->name) == 0)
            continue;
        (void)message_usage("--%s: an option of `sluicectl %s`, not of `sluicectl %s`",
                            option->name, option->command, command->name);
        return false;
    }
    return true;
}

static bool operands_fit(const struct arguments *arguments)
{
    const struct command *command = arguments->command;

    if (arguments->operand_count >= command->operands_min &&
        arguments->operand_count <= command->operands_max)
        return true;
    if (arguments->operand_count > command->operands_max && command->operands_max == 0)
        (void)message_usage("%s: `sluicectl %s` takes nothing but options", arguments->operands[0],
                            command->name);
    else if (arguments->operand_count > command->operands_max)
        (void)message_usage("%s: one too many: sluicectl %s %s",
                            arguments->operands[command->operands_max], command->name,
                            command->operands);
    else
        (void)message_usage("something is missing: sluicectl %s %s", command->name,
                            command->operands);
    return false;
}

enum arguments_result arguments_read(int argc, char **argv, struct arguments *ret_arguments)
{
    struct reading reading;

    *ret_arguments = (struct arguments){0};
    reading_init(&reading, ret_arguments);
    if (!read_words(&reading, argc, argv))
        return ARGUMENTS_BAD;
    if (reading.is_help)
        return ARGUMENTS_HELP;
    if (reading.is_version)
        return ARGUMENTS_VERSION;
    if (ret_arguments->command == NULL) {
        (void)message_usage("which command? `sluicectl --help` lists them");
        return ARGUMENTS_BAD;
    }
    if (!options_fit(&reading) || !operands_fit(ret_arguments))
        return ARGUMENTS_BAD;
    if (ret_arguments->options.epoch != NULL && !ret_arguments->options.has_since) {
        (void)message_usage("--epoch says of which --since N is: it is missing");
        return ARGUMENTS_BAD;
    }
    return ARGUMENTS_RUN;
}
