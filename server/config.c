#include "server/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/slots.h"
#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/log.h"

#define FILE_VARIABLE          "SLUICE_CONFIG"
#define CONFIGURATION_VARIABLE "CONFIGURATION_DIRECTORY"

/* What the command line says, in its order; and how far it has been read. */
struct assignment {
    size_t index; /* of the row */
    const char *text;
};

struct command_line {
    char **argv;
    int argument; /* the one in work */
    struct assignment *assignments;
    size_t count;
    const char *file; /* --config */
    bool wants_check;
    bool wants_version;
    bool wants_help;
};

/* A long option as it stands: `name` or `name=value`. */
struct long_option {
    const char *name;
    size_t name_bytes;
    const char *value; /* NULL: none */
};

/* --- one value, wherever it stands ------------------------------------------------------------ */

void config_assign(struct config_reader *reader, size_t index, const char *text,
                   struct config_origin origin)
{
    const struct param *param = param_at(index);
    char reason[PARAM_REASON_BYTES];
    int rc;

    if (reader->origins[index].level != origin.level)
        param_clear_list(param, reader->config);
    reader->origins[index] = origin;
    rc = param_set(param, text, reader->config, reason);
    if (rc == -EINVAL)
        config_wrong(reader, index, "%s", reason);
    else if (rc != 0)
        config_wrong(reader, index, "%s", strerror(-rc));
}

static void assign_defaults(struct config_reader *reader)
{
    const struct config_origin origin = {.level = CONFIG_LEVEL_DEFAULT};

    for (size_t i = 0; i < param_count(); i++) {
        if (*param_at(i)->default_text != '\0')
            config_assign(reader, i, param_at(i)->default_text, origin);
    }
}

/* --- command line -------------------------------------------------------------------------------
 */

static bool is_switch_word(const char *text)
{
    static const char *const words[] = {"on", "off", "yes", "no", "true", "false"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

/* The argument behind the option in work, if there is one; moves on to it. */
static const char *next_value(struct command_line *line)
{
    const char *next = line->argv[line->argument + 1];

    if (next == NULL || strncmp(next, "--", 2) == 0)
        return NULL;
    line->argument++;
    return next;
}

/* A switch alone means on. */
static const char *switch_value(struct command_line *line)
{
    const char *next = line->argv[line->argument + 1];

    return next != NULL && is_switch_word(next) ? line->argv[++line->argument] : "on";
}

/* One option of the table. @value: behind `=` or the letter; NULL: none. */
static void take_param(struct config_reader *reader, struct command_line *line, size_t index,
                       const char *value)
{
    const struct param *param = param_at(index);

    if (value == NULL)
        value = param->kind == PARAM_SWITCH ? switch_value(line) : next_value(line);
    if (value == NULL) {
        config_complain(reader, "--%s: a value is missing (%s)", param->name, param->argument);
        return;
    }
    line->assignments[line->count++] = (struct assignment){.index = index, .text = value};
}

static void take_file(struct config_reader *reader, struct command_line *line, const char *value)
{
    if (line->file != NULL)
        config_complain(reader, "--config: one file is read, and this is another");
    line->file = value != NULL ? value : next_value(line);
    if (line->file == NULL || *line->file == '\0')
        config_complain(reader, "--config: a value is missing (FILE)");
}

static bool is_named(const struct long_option *option, const char *name)
{
    return option->name_bytes == strlen(name) && memcmp(option->name, name, strlen(name)) == 0;
}

/* The options that are no configuration themselves. True when it was one. */
static bool take_special(struct config_reader *reader, struct command_line *line,
                         const struct long_option *option)
{
    bool *flag = NULL;

    if (is_named(option, "config")) {
        take_file(reader, line, option->value);
        return true;
    }
    if (is_named(option, "check-config"))
        flag = &line->wants_check;
    else if (is_named(option, "version"))
        flag = &line->wants_version;
    else if (is_named(option, "help"))
        flag = &line->wants_help;
    if (flag == NULL)
        return false;
    if (option->value != NULL)
        config_complain(reader, "--%.*s: takes no value", (int)option->name_bytes, option->name);
    *flag = true;
    return true;
}

static void take_long(struct config_reader *reader, struct command_line *line)
{
    const char *name = line->argv[line->argument] + 2;
    struct long_option option = {.name = name, .name_bytes = strcspn(name, "=")};
    size_t index = param_find(name, option.name_bytes, '-');
    char hint[CONFIG_HINT_BYTES];

    if (name[option.name_bytes] == '=')
        option.value = name + option.name_bytes + 1;
    if (take_special(reader, line, &option))
        return;
    if (index != param_count()) {
        take_param(reader, line, index, option.value);
        return;
    }
    if (option.value == NULL)
        (void)next_value(line); /* its, probably */
    config_hint(name, option.name_bytes, CONFIG_LEVEL_OPTION, hint);
    config_complain(reader, "--%.*s: no such option%s", (int)option.name_bytes, name,
                    *hint != '\0' ? hint : " (sluice --help lists them)");
}

static void take_short(struct config_reader *reader, struct command_line *line)
{
    const char *option = line->argv[line->argument];
    const char *value = option[2] == '\0' ? NULL : option + 2;
    size_t index = param_find_short(option[1]);

    if (option[1] == 'c')
        take_file(reader, line, value);
    else if (option[1] == 'h' && value == NULL)
        line->wants_help = true;
    else if (index == param_count())
        config_complain(reader, "%s: no such option (sluice --help lists them)", option);
    else
        take_param(reader, line, index, value);
}

static void read_command_line(struct config_reader *reader, struct command_line *line)
{
    for (line->argument = 1; line->argv[line->argument] != NULL; line->argument++) {
        const char *text = line->argv[line->argument];

        if (strncmp(text, "--", 2) == 0)
            take_long(reader, line);
        else if (text[0] == '-' && text[1] != '\0')
            take_short(reader, line);
        else
            config_complain(reader, "%s: not an option, and sluice takes nothing else", text);
    }
}

static void assign_options(struct config_reader *reader, const struct command_line *line)
{
    const struct config_origin origin = {.level = CONFIG_LEVEL_OPTION};

    for (size_t i = 0; i < line->count; i++)
        config_assign(reader, line->assignments[i].index, line->assignments[i].text, origin);
}

/* --- environment ---------------------------------------------------------------------------------
 */

static char ascii_lower(char letter)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    if (letter < 'A' || letter > 'Z')
        return letter;
    return letters[letter - 'A'];
}

/* The row that a variable behind our prefix names; param_count(): none. */
static size_t find_variable(const char *name, size_t bytes)
{
    char lower[CONFIG_NAME_BYTES];

    if (bytes > sizeof lower)
        return param_count();
    for (size_t i = 0; i < bytes; i++)
        lower[i] = ascii_lower(name[i]);
    return param_find(lower, bytes, '_');
}

static void warn_of_variable(struct config_reader *reader, const char *variable, size_t bytes)
{
    const size_t prefix_bytes = strlen(CONFIG_ENVIRONMENT_PREFIX);
    char hint[CONFIG_HINT_BYTES];

    config_hint(variable + prefix_bytes, bytes - prefix_bytes, CONFIG_LEVEL_ENVIRONMENT, hint);
    config_warn(reader, "%.*s: no such option, ignored%s", (int)bytes, variable, hint);
}

static void assign_environment(struct config_reader *reader)
{
    const struct config_origin origin = {.level = CONFIG_LEVEL_ENVIRONMENT};
    const size_t prefix_bytes = strlen(CONFIG_ENVIRONMENT_PREFIX);

    for (char **next = reader->environment; *next != NULL; next++) {
        const char *variable = *next;
        size_t bytes = strcspn(variable, "=");
        size_t index;

        if (strncmp(variable, CONFIG_ENVIRONMENT_PREFIX, prefix_bytes) != 0 ||
            variable[bytes] != '=')
            continue;
        index = find_variable(variable + prefix_bytes, bytes - prefix_bytes);
        if (index != param_count())
            config_assign(reader, index, variable + bytes + 1, origin);
        else if (strncmp(variable, FILE_VARIABLE "=", strlen(FILE_VARIABLE "=")) != 0)
            warn_of_variable(reader, variable, bytes);
    }
}

const char *config_environment(const struct config_reader *reader, const char *name)
{
    size_t bytes = strlen(name);

    for (char **next = reader->environment; *next != NULL; next++) {
        if (strncmp(*next, name, bytes) == 0 && (*next)[bytes] == '=')
            return *next + bytes + 1;
    }
    return NULL;
}

/* --- what nothing was said about
 * ------------------------------------------------------------------- */

/* systemd's directories may be several, by colon; ours is the first. */
static char *first_directory(const char *list, const char *otherwise)
{
    if (list == NULL || *list == '\0')
        return strdup(otherwise);
    return strndup(list, strcspn(list, ":"));
}

static uint64_t processor_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return count > BUS_WORKERS_MAX ? BUS_WORKERS_MAX : (uint64_t)count;
}

static void fill_in(struct config_reader *reader)
{
    struct config *config = reader->config;

    config->is_listen_default =
        reader->origins[param_find("listen", strlen("listen"), '-')].level == CONFIG_LEVEL_DEFAULT;
    if (config->workers == 0)
        config->workers = processor_count();
    if (config->data == NULL)
        config->data =
            first_directory(config_environment(reader, "STATE_DIRECTORY"), "./sluice-data");
    if (config->run_dir == NULL)
        config->run_dir =
            first_directory(config_environment(reader, "RUNTIME_DIRECTORY"), "/dev/shm");
    if (config->data == NULL || config->run_dir == NULL)
        config_complain(reader, "%s", strerror(ENOMEM));
}

/* --- all of it
 * ----------------------------------------------------------------------------------------- */

/* systemd's ConfigurationDirectory=: a file there is read, but there need be none. */
static void find_file(struct config_reader *reader)
{
    const char *list = config_environment(reader, CONFIGURATION_VARIABLE);

    if (list == NULL || *list == '\0')
        return;
    if (asprintf(&reader->found_file, "%.*s/sluice.conf", (int)strcspn(list, ":"), list) < 0) {
        reader->found_file = NULL; /* asprintf leaves it undefined */
        config_complain(reader, "%s", strerror(ENOMEM));
    } else if (access(reader->found_file, F_OK) == 0) {
        reader->file_named = CONFIGURATION_VARIABLE;
        reader->file = reader->found_file;
    }
}

/* The option's, or the variable's; an empty name is none, and a mistake. Otherwise systemd's. */
static void name_file(struct config_reader *reader, const struct command_line *line)
{
    reader->file_named = line->file != NULL ? "--config" : FILE_VARIABLE;
    reader->file = line->file != NULL ? line->file : config_environment(reader, FILE_VARIABLE);
    if (reader->file == NULL)
        find_file(reader);
    if (reader->file == NULL || *reader->file != '\0')
        return;
    if (line->file == NULL)
        config_complain(reader, FILE_VARIABLE ": a value is missing (FILE)");
    reader->file = NULL;
}

static enum config_result read_all(struct config_reader *reader, const struct command_line *line,
                                   const struct config_sources *sources)
{
    if (line->wants_help) {
        config_show_help(sources->output);
        return CONFIG_SHOWN;
    }
    if (line->wants_version) {
        (void)fprintf(sources->output, "sluice %s\n", SLUICE_VERSION);
        return CONFIG_SHOWN;
    }
    reader->is_check = line->wants_check;
    name_file(reader, line);
    assign_defaults(reader);
    if (reader->file != NULL)
        config_read_file(reader);
    assign_environment(reader);
    assign_options(reader, line);
    fill_in(reader);
    config_check(reader);
    if (sources->is_here && reader->wrong_count == 0)
        config_check_machine(reader);
    if (reader->wrong_count > 0)
        return CONFIG_WRONG;
    if (!line->wants_check)
        return CONFIG_RUN;
    if (reader->config->log_level == LOG_LEVEL_DEBUG)
        config_show_values(reader, sources->output);
    return CONFIG_CHECKED;
}

/* Beside what is wrong; otherwise they are the caller's to say. */
static void show_warnings(const struct config_reader *reader)
{
    const struct text_list *warnings = &reader->config->warnings;

    for (size_t i = 0; i < warnings->count; i++)
        (void)fprintf(reader->errors, "sluice: warning: %s\n", warnings->items[i]);
}

enum config_result config_read(const struct config_sources *sources, struct config **ret_config)
{
    struct config_reader reader = {.errors = sources->errors, .environment = sources->environment};
    struct command_line line = {.argv = sources->argv};
    enum config_result result = CONFIG_WRONG;
    size_t argument_count = 0;

    while (sources->argv[argument_count] != NULL)
        argument_count++;
    reader.config = calloc(1, sizeof *reader.config);
    reader.origins = calloc(param_count(), sizeof *reader.origins);
    line.assignments = calloc(argument_count + 1, sizeof *line.assignments);
    if (reader.config == NULL || reader.origins == NULL || line.assignments == NULL) {
        config_complain(&reader, "%s", strerror(ENOMEM));
    } else {
        read_command_line(&reader, &line);
        result = read_all(&reader, &line, sources);
        if (result == CONFIG_WRONG)
            show_warnings(&reader);
    }
    free(line.assignments);
    free(reader.origins);
    free(reader.found_file);
    if (result == CONFIG_RUN || result == CONFIG_CHECKED)
        *ret_config = reader.config;
    else
        config_free(reader.config);
    return result;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < param_count(); i++)
        param_free(param_at(i), config);
    text_list_clear(&config->warnings);
    free(config);
}
