#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/config_reader.h"
#include "server/config_value.h"
#include "server/graphql/region.h"
#include "server/graphql/suggest.h"

enum {
    HINT_NAMES_MAX = 3,
    HINT_REGION_BYTES = 256 * 1024,
    PLACE_BYTES = 512, /* a longer name of a file is cut */
};

/* As environment variables are written. */
static char ascii_upper(char letter)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (letter < 'a' || letter > 'z')
        return letter;
    return letters[letter - 'a'];
}

static const char *prefix_of(enum config_level level)
{
    static const char *const prefixes[] = {"--", "", CONFIG_ENVIRONMENT_PREFIX, "--"};

    return prefixes[level];
}

void config_name(const char *name, enum config_level level, char out[CONFIG_NAME_BYTES])
{
    char *letter;

    (void)snprintf(out, CONFIG_NAME_BYTES, "%s%s", prefix_of(level), name);
    if (level == CONFIG_LEVEL_OPTION || level == CONFIG_LEVEL_DEFAULT)
        return;
    for (letter = out; *letter != '\0'; letter++) {
        if (*letter == '-')
            *letter = '_';
        if (level == CONFIG_LEVEL_ENVIRONMENT)
            *letter = ascii_upper(*letter);
    }
}

/* "--workers", "SLUICE_WORKERS" or "sluice.conf:3: workers". */
static void place_of(const struct config_reader *reader, size_t index, char out[PLACE_BYTES])
{
    const struct config_origin *origin = &reader->origins[index];
    char name[CONFIG_NAME_BYTES];

    config_name(param_at(index)->name, origin->level, name);
    if (origin->level == CONFIG_LEVEL_FILE)
        (void)snprintf(out, PLACE_BYTES, "%.400s:%u: %s", reader->file, origin->line, name);
    else
        (void)snprintf(out, PLACE_BYTES, "%s", name);
}

/* One line of what is wrong. @place: NULL: none. */
__attribute__((format(printf, 3, 0))) static void
say(struct config_reader *reader, const char *place, const char *format, va_list arguments)
{
    (void)fputs("sluice: ", reader->errors);
    if (place != NULL)
        (void)fprintf(reader->errors, "%s: ", place);
    /* The analyser does not see that the callers' va_start has initialised it. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vfprintf(reader->errors, format, arguments);
    (void)fputc('\n', reader->errors);
    reader->wrong_count++;
}

void config_wrong(struct config_reader *reader, size_t index, const char *format, ...)
{
    char place[PLACE_BYTES];
    va_list arguments;

    place_of(reader, index, place);
    va_start(arguments, format);
    say(reader, place, format, arguments);
    va_end(arguments);
}

void config_complain(struct config_reader *reader, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(reader, NULL, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 0))) static void
warn(struct config_reader *reader, const char *place, const char *format, va_list arguments)
{
    char *text = NULL;
    char *line = NULL;
    int rc = -ENOMEM;

    if (vasprintf(&text, format, arguments) < 0)
        text = NULL; /* vasprintf leaves it undefined */
    if (text != NULL && asprintf(&line, "%s%s%s", place, *place == '\0' ? "" : ": ", text) < 0)
        line = NULL;
    if (line != NULL)
        rc = text_list_add(&reader->config->warnings, line, strlen(line));
    if (rc != 0)
        config_complain(reader, "%s", strerror(-rc));
    free(line);
    free(text);
}

void config_doubt(struct config_reader *reader, size_t index, const char *format, ...)
{
    char place[PLACE_BYTES];
    va_list arguments;

    place_of(reader, index, place);
    va_start(arguments, format);
    warn(reader, place, format, arguments);
    va_end(arguments);
}

void config_warn(struct config_reader *reader, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    warn(reader, "", format, arguments);
    va_end(arguments);
}

/* --- did you mean ------------------------------------------------------------------------------ */

/* A name as it may be meant, without the prefix of its level; it stays in the region. */
static const char *keep_name(struct region *region, const char *name, enum config_level level)
{
    char text[CONFIG_NAME_BYTES];
    const char *bare = text + strlen(prefix_of(level));

    config_name(name, level, text);
    return region_copy(region, bare, strlen(bare));
}

/* Every name that may stand at this level; NULL: no more. */
static const char *name_at(size_t index, enum config_level level)
{
    static const char *const others[] = {"config", "check-config", "version", "help"};
    size_t other_count = sizeof others / sizeof others[0];

    if (index < param_count())
        return param_at(index)->name;
    if (level == CONFIG_LEVEL_FILE)
        other_count = 0;
    else if (level == CONFIG_LEVEL_ENVIRONMENT)
        other_count = 1;
    index -= param_count();
    return index < other_count ? others[index] : NULL;
}

/* Who writes the beginning of names means these; otherwise those that are near. */
static void look_for(struct suggest *suggest, enum config_level level)
{
    const struct ast_text input = suggest->input;
    const char *name;

    for (size_t i = 0; (name = name_at(i, level)) != NULL; i++) {
        const char *kept = keep_name(suggest->region, name, level);

        if (kept != NULL && strncmp(kept, input.bytes, input.size) == 0 &&
            suggest->found_count < HINT_NAMES_MAX)
            suggest->found[suggest->found_count++] =
                (struct ast_text){kept, (uint32_t)strlen(kept)};
    }
    if (suggest->found_count > 0)
        return;
    for (size_t i = 0; (name = name_at(i, level)) != NULL; i++) {
        const char *kept = keep_name(suggest->region, name, level);

        if (kept != NULL)
            suggest_offer(suggest, (struct ast_text){kept, (uint32_t)strlen(kept)});
    }
}

void config_hint(const char *name, size_t name_bytes, enum config_level level,
                 char out[CONFIG_HINT_BYTES])
{
    struct region region;
    struct suggest suggest;
    uint32_t count = 0;
    size_t used = 0;

    *out = '\0';
    if (name_bytes == 0 || name_bytes > UINT16_MAX)
        return; /* not a slip of the pen */
    region_init(&region, HINT_REGION_BYTES);
    suggest_begin(&suggest, (struct ast_text){name, (uint32_t)name_bytes}, &region);
    look_for(&suggest, level);
    while (count < suggest.found_count && count < HINT_NAMES_MAX &&
           suggest.distances[count] == suggest.distances[0])
        count++; /* the nearest alone */
    for (uint32_t i = 0; i < count; i++) {
        const char *before = i == 0 ? "; did you mean " : i + 1 < count ? ", " : " or ";

        used +=
            (size_t)snprintf(out + used, CONFIG_HINT_BYTES - used, "%s%s%s%s", before,
                             prefix_of(level), suggest.found[i].bytes, i + 1 == count ? "?" : "");
    }
    region_done(&region);
}
