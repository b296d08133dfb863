#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bus/slots.h"
#include "server/config_reader.h"
#include "server/config_value.h"

enum {
    /* inih reads lines into a buffer of 200 and would take the rest of a longer one for another. */
    FILE_LINE_BYTES_MAX = 197,
    NAME_BYTES_MAX = 64,
};

#define ENVIRONMENT_PREFIX "SLUICE_"

/* What the command line says, in its order. */
struct assignment {
    size_t index; /* of the row */
    const char *text;
};

struct command_line {
    struct assignment *assignments;
    size_t count;
    const char *file; /* --config */
    bool wants_check;
    bool wants_version;
    bool wants_help;
};

/* --- what is wrong -------------------------------------------------------------------------- */

/* The name in the manner of its level: --drain-timeout, SLUICE_DRAIN_TIMEOUT, drain_timeout. */
static void name_at_level(const struct param *param, enum config_level level,
                          char out[NAME_BYTES_MAX])
{
    static const char *const prefixes[] = {"--", "", ENVIRONMENT_PREFIX, "--"};
    char *letter;

    (void)snprintf(out, NAME_BYTES_MAX, "%s%s", prefixes[level], param->name);
    if (level == CONFIG_LEVEL_OPTION || level == CONFIG_LEVEL_DEFAULT)
        return;
    for (letter = out; *letter != '\0'; letter++) {
        *letter = *letter == '-' ? '_' : *letter;
        if (level == CONFIG_LEVEL_ENVIRONMENT)
            *letter = (char)toupper((unsigned char)*letter);
    }
}

void config_wrong(struct config_reader *reader, size_t index, const char *format, ...)
{
    const struct config_origin *origin = &reader->origins[index];
    char name[NAME_BYTES_MAX];
    va_list arguments;

    name_at_level(param_at(index), origin->level, name);
    (void)fputs("sluice: ", reader->errors);
    if (origin->level == CONFIG_LEVEL_FILE)
        (void)fprintf(reader->errors, "%s:%u: ", reader->file, origin->line);
    (void)fprintf(reader->errors, "%s: ", name);
    va_start(arguments, format);
    (void)vfprintf(reader->errors, format, arguments);
    va_end(arguments);
    (void)fputc('\n', reader->errors);
    reader->wrong_count++;
}

void config_complain(struct config_reader *reader, const char *format, ...)
{
    va_list arguments;

    (void)fputs("sluice: ", reader->errors);
    va_start(arguments, format);
    (void)vfprintf(reader->errors, format, arguments);
    va_end(arguments);
    (void)fputc('\n', reader->errors);
    reader->wrong_count++;
}

/* --- one value, wherever it stands ------------------------------------------------------------ */

/* A list is replaced by the first item of a higher level and added to by the others of that level.
 */
static void assign(struct config_reader *reader, size_t index, const char *text,
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
            assign(reader, i, param_at(i)->default_text, origin);
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

/* The argument behind the option at *@argument, if there is one; moves on to it. */
static const char *next_value(char **argv, int *argument)
{
    const char *next = argv[*argument + 1];

    if (next == NULL || strncmp(next, "--", 2) == 0)
        return NULL;
    (*argument)++;
    return next;
}

/* One option of the table. @inline_value: behind `=` or the letter; NULL: none. */
static void take_param(struct config_reader *reader, struct command_line *line, size_t index,
                       const char *inline_value, char **argv, int *argument)
{
    const struct param *param = param_at(index);
    const char *value = inline_value;

    if (value == NULL && param->kind == PARAM_SWITCH) {
        const char *next = argv[*argument + 1];

        value = next != NULL && is_switch_word(next) ? argv[++*argument] : "on";
    }
    if (value == NULL)
        value = next_value(argv, argument);
    if (value == NULL) {
        config_complain(reader, "--%s: a value is missing (%s)", param->name, param->argument);
        return;
    }
    line->assignments[line->count++] = (struct assignment){.index = index, .text = value};
}

/* The options that are no configuration themselves. True when @name was one. */
static bool take_special(struct config_reader *reader, struct command_line *line, const char *name,
                         size_t name_bytes, const char *inline_value, char **argv, int *argument)
{
    bool *flag = NULL;

    if (name_bytes == 6 && memcmp(name, "config", 6) == 0) {
        line->file = inline_value != NULL ? inline_value : next_value(argv, argument);
        if (line->file == NULL || *line->file == '\0')
            config_complain(reader, "--config: a value is missing (FILE)");
        return true;
    }
    if (name_bytes == 12 && memcmp(name, "check-config", 12) == 0)
        flag = &line->wants_check;
    else if (name_bytes == 7 && memcmp(name, "version", 7) == 0)
        flag = &line->wants_version;
    else if (name_bytes == 4 && memcmp(name, "help", 4) == 0)
        flag = &line->wants_help;
    if (flag == NULL)
        return false;
    if (inline_value != NULL)
        config_complain(reader, "--%.*s: takes no value", (int)name_bytes, name);
    *flag = true;
    return true;
}

static void take_long(struct config_reader *reader, struct command_line *line, char **argv,
                      int *argument)
{
    const char *name = argv[*argument] + 2;
    size_t name_bytes = strcspn(name, "=");
    const char *value = name[name_bytes] == '=' ? name + name_bytes + 1 : NULL;
    size_t index = param_find(name, name_bytes, '-');

    if (take_special(reader, line, name, name_bytes, value, argv, argument))
        return;
    if (index == param_count())
        config_complain(reader, "--%.*s: no such option (sluice --help lists them)",
                        (int)name_bytes, name);
    else
        take_param(reader, line, index, value, argv, argument);
}

static void take_short(struct config_reader *reader, struct command_line *line, char **argv,
                       int *argument)
{
    const char *option = argv[*argument];
    const char *value = option[2] == '\0' ? NULL : option + 2;
    size_t index = param_find_short(option[1]);

    if (option[1] == 'c')
        (void)take_special(reader, line, "config", 6, value, argv, argument);
    else if (option[1] == 'h' && value == NULL)
        line->wants_help = true;
    else if (index == param_count())
        config_complain(reader, "%s: no such option (sluice --help lists them)", option);
    else
        take_param(reader, line, index, value, argv, argument);
}

static void read_command_line(struct config_reader *reader, struct command_line *line, int argc,
                              char **argv)
{
    for (int argument = 1; argument < argc; argument++) {
        if (strncmp(argv[argument], "--", 2) == 0)
            take_long(reader, line, argv, &argument);
        else if (argv[argument][0] == '-' && argv[argument][1] != '\0')
            take_short(reader, line, argv, &argument);
        else
            config_complain(reader, "%s: not an option, and sluice takes nothing else",
                            argv[argument]);
    }
}

static void assign_options(struct config_reader *reader, const struct command_line *line)
{
    const struct config_origin origin = {.level = CONFIG_LEVEL_OPTION};

    for (size_t i = 0; i < line->count; i++)
        assign(reader, line->assignments[i].index, line->assignments[i].text, origin);
}

/* --- environment ---------------------------------------------------------------------------------
 */

static void assign_environment(struct config_reader *reader, char **environment)
{
    const struct config_origin origin = {.level = CONFIG_LEVEL_ENVIRONMENT};
    const size_t prefix_bytes = strlen(ENVIRONMENT_PREFIX);

    for (; *environment != NULL; environment++) {
        const char *variable = *environment;
        size_t bytes = strcspn(variable, "=");
        char name[NAME_BYTES_MAX];
        size_t index = param_count();

        if (strncmp(variable, ENVIRONMENT_PREFIX, prefix_bytes) != 0 || variable[bytes] != '=')
            continue;
        for (size_t i = 0; i < bytes - prefix_bytes && i < sizeof name; i++)
            name[i] = (char)tolower((unsigned char)variable[prefix_bytes + i]);
        if (bytes - prefix_bytes <= sizeof name)
            index = param_find(name, bytes - prefix_bytes, '_');
        if (index != param_count())
            assign(reader, index, variable + bytes + 1, origin);
        else if (bytes - prefix_bytes != 6 || memcmp(name, "config", 6) != 0)
            (void)fprintf(reader->errors, "sluice: %.*s: no such option, ignored\n", (int)bytes,
                          variable);
    }
}

static const char *environment_get(char **environment, const char *name)
{
    size_t bytes = strlen(name);

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, bytes) == 0 && (*environment)[bytes] == '=')
            return *environment + bytes + 1;
    }
    return NULL;
}

/* --- file
 * ------------------------------------------------------------------------------------------ */

struct file_line {
    struct config_reader *reader;
    unsigned number;
};

/* inih's callback for `name = value`; sections are only for the eye. */
static int on_file_value(void *user, const char *section, const char *name, const char *value)
{
    const struct file_line *line = user;
    struct config_reader *reader = line->reader;
    const struct config_origin origin = {.level = CONFIG_LEVEL_FILE, .line = line->number};
    size_t index = param_find(name, strlen(name), '_');

    (void)section;
    if (index == param_count())
        config_complain(reader, "%s:%u: %s: no such option%s", reader->file, line->number, name,
                        strchr(name, '-') != NULL ? " (words are joined by _ here)" : "");
    else if (reader->origins[index].level == CONFIG_LEVEL_FILE &&
             param_at(index)->kind != PARAM_TEXT_LIST)
        config_complain(reader, "%s:%u: %s: stands in line %u already", reader->file, line->number,
                        name, reader->origins[index].line);
    else
        assign(reader, index, value, origin);
    return 1;
}

/* Line by line, so that each has its number and one bad line hides no other. */
static void assign_file_lines(struct config_reader *reader, FILE *file)
{
    struct file_line line = {.reader = reader};
    char *text = NULL;
    size_t capacity = 0;
    ssize_t bytes;

    for (line.number = 1; (bytes = getline(&text, &capacity, file)) >= 0; line.number++) {
        const char *first = text + strspn(text, " \t");

        if (*first == '#' || *first == ';')
            continue;
        if ((size_t)bytes != strlen(text))
            config_complain(reader, "%s:%u: not text", reader->file, line.number);
        else if (bytes > FILE_LINE_BYTES_MAX)
            config_complain(reader, "%s:%u: a line has at most %d bytes (a list may be repeated)",
                            reader->file, line.number, FILE_LINE_BYTES_MAX);
        else if (ini_parse_string(first, on_file_value, &line) != 0)
            config_complain(reader, "%s:%u: not of the form `name = value`", reader->file,
                            line.number);
    }
    if (ferror(file))
        config_complain(reader, "%s: cannot be read: %s", reader->file, strerror(errno));
    free(text);
}

static void assign_file(struct config_reader *reader)
{
    FILE *file = fopen(reader->file, "re");

    if (file == NULL) {
        config_complain(reader, "%s: cannot be opened: %s", reader->file, strerror(errno));
        return;
    }
    assign_file_lines(reader, file);
    (void)fclose(file); /* only read */
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

static void fill_in(struct config_reader *reader, char **environment)
{
    struct config *config = reader->config;

    if (config->workers == 0)
        config->workers = processor_count();
    if (config->data == NULL)
        config->data =
            first_directory(environment_get(environment, "STATE_DIRECTORY"), "./sluice-data");
    if (config->run_dir == NULL)
        config->run_dir =
            first_directory(environment_get(environment, "RUNTIME_DIRECTORY"), "/dev/shm");
    if (config->data == NULL || config->run_dir == NULL)
        config_complain(reader, "%s", strerror(ENOMEM));
}

/* --- all of it
 * ----------------------------------------------------------------------------------------- */

static enum config_result read_all(struct config_reader *reader, struct command_line *line,
                                   char **environment, FILE *output)
{
    if (line->wants_help) {
        config_show_help(output);
        return CONFIG_SHOWN;
    }
    if (line->wants_version) {
        (void)fprintf(output, "sluice %s\n", SLUICE_VERSION);
        return CONFIG_SHOWN;
    }
    reader->file = line->file;
    if (reader->file == NULL)
        reader->file = environment_get(environment, "SLUICE_CONFIG");
    assign_defaults(reader);
    if (reader->file != NULL && *reader->file != '\0')
        assign_file(reader);
    assign_environment(reader, environment);
    assign_options(reader, line);
    fill_in(reader, environment);
    config_check(reader);
    if (reader->wrong_count > 0)
        return CONFIG_WRONG;
    if (line->wants_check)
        (void)fputs("sluice: the configuration is good\n", output);
    return line->wants_check ? CONFIG_CHECKED : CONFIG_RUN;
}

enum config_result config_read(int argc, char **argv, char **environment, FILE *output,
                               FILE *errors, struct config **ret_config)
{
    struct config_reader reader = {.errors = errors};
    struct command_line line = {0};
    enum config_result result = CONFIG_WRONG;

    reader.config = calloc(1, sizeof *reader.config);
    reader.origins = calloc(param_count(), sizeof *reader.origins);
    line.assignments = calloc((size_t)argc + 1, sizeof *line.assignments);
    if (reader.config == NULL || reader.origins == NULL || line.assignments == NULL) {
        config_complain(&reader, "%s", strerror(ENOMEM));
    } else {
        read_command_line(&reader, &line, argc, argv);
        result = read_all(&reader, &line, environment, output);
    }
    free(line.assignments);
    free(reader.origins);
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
    free(config);
}
