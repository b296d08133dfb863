/* What the server would run with: a file of settings that would give the same. */
#include <stdio.h>

#include "server/config_reader.h"
#include "server/config_value.h"

enum {
    PLACE_COLUMN = 44, /* where a comment says who has set it */
    PLACE_BYTES = 512,
};

static void place_of(const struct config_reader *reader, size_t index, char out[PLACE_BYTES])
{
    const struct config_origin *origin = &reader->origins[index];
    char name[CONFIG_NAME_BYTES];

    config_name(param_at(index)->name, origin->level, name);
    switch (origin->level) {
    case CONFIG_LEVEL_DEFAULT:
        (void)snprintf(out, PLACE_BYTES, "default");
        break;
    case CONFIG_LEVEL_FILE:
        (void)snprintf(out, PLACE_BYTES, "%.400s:%u", reader->file, origin->line);
        break;
    case CONFIG_LEVEL_ENVIRONMENT:
    case CONFIG_LEVEL_OPTION:
        (void)snprintf(out, PLACE_BYTES, "%s", name);
        break;
    }
}

/* An option without a value is a comment: nothing would have to be said about it. */
static void show_param(const struct config_reader *reader, size_t index, FILE *output)
{
    const struct param *param = param_at(index);
    char name[CONFIG_NAME_BYTES];
    char number[PARAM_TEXT_BYTES];
    char place[PLACE_BYTES];
    const char *value = param_get(param, reader->config, 0, number);

    config_name(param->name, CONFIG_LEVEL_FILE, name);
    place_of(reader, index, place);
    if (value == NULL && param->kind == PARAM_TEXT_LIST && config_is_said(reader, index))
        value = "off";
    if (value == NULL)
        (void)fprintf(output, "# %s =\n", name);
    for (size_t i = 1; value != NULL; i++) {
        int used = fprintf(output, "%s = %s", name, value);

        (void)fprintf(output, "%*s ; %s\n", used < PLACE_COLUMN ? PLACE_COLUMN - used : 0, "",
                      place);
        value = param_get(param, reader->config, i, number);
    }
}

void config_show_values(const struct config_reader *reader, FILE *output)
{
    for (size_t i = 0; i < param_count(); i++) {
        const struct param *param = param_at(i);

        if (i == 0 || param->group != param_at(i - 1)->group)
            (void)fprintf(output, "%s[%s]\n", i == 0 ? "" : "\n", param_group_word(param->group));
        show_param(reader, i, output);
    }
}
