#include "server/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/config.h"

/* In the order of struct param. */
/* clang-format off */
#define PARAM_ROW(group, name, letter, kind, member, initial, min, max, is_reloadable, argument, \
                  help, details) \
    {PARAM_GROUP_##group, name, PARAM_##kind, letter, is_reloadable, \
     offsetof(struct config, member), initial, min, max, argument, help, details},
#define GROUP_ROW(group, word, title) {word, title},
/* clang-format on */

static const struct param params[] = {PARAMS(PARAM_ROW)};
static const struct {
    const char *word;
    const char *title;
} groups[PARAM_GROUP_COUNT] = {PARAM_GROUPS(GROUP_ROW)};

/* A suffix and what it multiplies by. Ordered so that the largest that divides comes first. */
struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"T", TIB}, {"G", GIB}, {"M", MIB}, {"K", KIB}, {"", 1}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"d", DAY}, {"h", HOUR}, {"m", SECOND * 60}, {"s", SECOND}, {"ms", MS}, {NULL, 0},
};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

size_t param_count(void)
{
    return sizeof params / sizeof params[0];
}

const struct param *param_at(size_t index)
{
    CHECK(index < param_count());
    return &params[index];
}

const char *param_group_title(enum param_group group)
{
    CHECK(group < PARAM_GROUP_COUNT);
    return groups[group].title;
}

const char *param_group_word(enum param_group group)
{
    CHECK(group < PARAM_GROUP_COUNT);
    return groups[group].word;
}

static bool name_matches(const char *own, const char *name, size_t name_bytes, char separator)
{
    size_t i;

    for (i = 0; i < name_bytes && own[i] != '\0'; i++) {
        if (name[i] != (own[i] == '-' ? separator : own[i]))
            return false;
    }
    return i == name_bytes && own[i] == '\0';
}

size_t param_find(const char *name, size_t name_bytes, char separator)
{
    size_t index = 0;

    while (index < param_count() && !name_matches(params[index].name, name, name_bytes, separator))
        index++;
    return index;
}

size_t param_find_short(char name)
{
    size_t index = 0;

    while (index < param_count() && (name == '\0' || params[index].short_name != name))
        index++;
    return index;
}

static void *member_of(const struct param *param, struct config *config)
{
    return (char *)config + param->offset;
}

static const struct unit *units_of(enum param_kind kind)
{
    if (kind == PARAM_SIZE)
        return size_units;
    return kind == PARAM_TIME ? time_units : count_units;
}

void param_value_text(enum param_kind kind, uint64_t value, char out[PARAM_TEXT_BYTES])
{
    const struct unit *unit = units_of(kind);

    while (unit->suffix != NULL && (value == 0 || value % unit->factor != 0))
        unit++;
    if (unit->suffix == NULL)
        (void)snprintf(out, PARAM_TEXT_BYTES, "%" PRIu64, value);
    else
        (void)snprintf(out, PARAM_TEXT_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->suffix);
}

/* The factor of a suffix, in any case; 0: no such unit. No suffix at all means @factor_of_none. */
static uint64_t unit_factor(const struct unit *unit, const char *suffix, uint64_t factor_of_none)
{
    if (*suffix == '\0')
        return factor_of_none;
    while (unit->suffix != NULL && strcasecmp(unit->suffix, suffix) != 0)
        unit++;
    return unit->factor;
}

static const char *expected(enum param_kind kind)
{
    if (kind == PARAM_SIZE)
        return "a size, such as 32M (K, M, G, T)";
    return kind == PARAM_TIME ? "a time, such as 500ms or 5m (ms, s, m, h, d)" : "a whole number";
}

static int reject_range(const struct param *param, const char *text, char *reason)
{
    char min[PARAM_TEXT_BYTES];
    char max[PARAM_TEXT_BYTES];

    param_value_text(param->kind, param->min, min);
    param_value_text(param->kind, param->max, max);
    if (param->max == UINT64_MAX)
        (void)snprintf(reason, PARAM_REASON_BYTES, "%.60s is out of range (at least %s)", text,
                       min);
    else
        (void)snprintf(reason, PARAM_REASON_BYTES, "%.60s is out of range (%s to %s)", text, min,
                       max);
    return -EINVAL;
}

static int set_number(const struct param *param, const char *text, uint64_t *member, char *reason)
{
    /* A time without a unit is in seconds; sizes and counts are what they are. */
    uint64_t factor_of_none = param->kind == PARAM_TIME ? SECOND : 1;
    char *end = NULL;
    uint64_t number;
    uint64_t factor;

    if (param->min == 0 && strcasecmp(text, "off") == 0) {
        *member = 0;
        return 0;
    }
    errno = 0;
    number = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    factor = end == NULL ? 0 : unit_factor(units_of(param->kind), end, factor_of_none);
    if (factor == 0) {
        (void)snprintf(reason, PARAM_REASON_BYTES, "\"%.60s\" is not %s%s", text,
                       expected(param->kind), param->min == 0 ? ", or off" : "");
        return -EINVAL;
    }
    if (errno == ERANGE || number > UINT64_MAX / factor)
        return reject_range(param, text, reason);
    number *= factor;
    if (number < param->min || number > param->max)
        return reject_range(param, text, reason);
    *member = number;
    return 0;
}

static int set_switch(const char *text, bool *member, char *reason)
{
    static const char *const on[] = {"on", "yes", "true", "1"};
    static const char *const off[] = {"off", "no", "false", "0"};

    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
        if (strcasecmp(text, on[i]) == 0 || strcasecmp(text, off[i]) == 0) {
            *member = strcasecmp(text, on[i]) == 0;
            return 0;
        }
    }
    (void)snprintf(reason, PARAM_REASON_BYTES, "\"%.60s\" is neither on nor off", text);
    return -EINVAL;
}

/* The words of a choice stand in the column `argument`; their order is that of the enum. */
static const char *choice_word(const struct param *param, uint64_t index, char *out)
{
    const char *word = param->argument;

    for (; index > 0; index--) {
        word += strcspn(word, "|");
        word += *word == '|';
    }
    (void)snprintf(out, PARAM_TEXT_BYTES, "%.*s", (int)strcspn(word, "|"), word);
    return out;
}

static int set_choice(const struct param *param, const char *text, uint64_t *member, char *reason)
{
    const char *word = param->argument;

    for (uint64_t index = 0; word != NULL; index++) {
        size_t bytes = strcspn(word, "|");

        if (bytes == strlen(text) && strncasecmp(word, text, bytes) == 0) {
            *member = index;
            return 0;
        }
        word = word[bytes] == '|' ? word + bytes + 1 : NULL;
    }
    (void)snprintf(reason, PARAM_REASON_BYTES, "\"%.60s\" is none of %s", text, param->argument);
    return -EINVAL;
}

static int set_text(const char *text, char **member)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

int text_list_add(struct text_list *list, const char *text, size_t bytes)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);

    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    items[list->count] = strndup(text, bytes);
    if (items[list->count] == NULL)
        return -ENOMEM;
    list->count++;
    return 0;
}

void text_list_clear(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

static int reject_empty(const struct param *param, char *reason)
{
    (void)snprintf(reason, PARAM_REASON_BYTES, "a value is missing (%s)",
                   param->kind == PARAM_SWITCH ? "on|off" : param->argument);
    return -EINVAL;
}

/* Adds what stands between commas, without the blanks around it; `off` adds nothing. */
static int add_to_list(const struct param *param, const char *text, struct text_list *list,
                       char *reason)
{
    const size_t count_before = list->count;
    const char *item = text;

    if (strcasecmp(text, "off") == 0)
        return 0;
    while (*item != '\0') {
        size_t bytes = strcspn(item, ",");
        const char *next = item + bytes + (item[bytes] == ',');

        while (bytes > 0 && isspace((unsigned char)*item)) {
            item++;
            bytes--;
        }
        while (bytes > 0 && isspace((unsigned char)item[bytes - 1]))
            bytes--;
        if (bytes > 0 && text_list_add(list, item, bytes) != 0)
            return -ENOMEM;
        item = next;
    }
    return list->count > count_before ? 0 : reject_empty(param, reason);
}

int param_set(const struct param *param, const char *text, struct config *config,
              char reason[PARAM_REASON_BYTES])
{
    void *member = member_of(param, config);

    if (*text == '\0')
        return reject_empty(param, reason);
    switch (param->kind) {
    case PARAM_TEXT:
        return set_text(text, member);
    case PARAM_TEXT_LIST:
        return add_to_list(param, text, member, reason);
    case PARAM_COUNT:
    case PARAM_SIZE:
    case PARAM_TIME:
        return set_number(param, text, member, reason);
    case PARAM_SWITCH:
        return set_switch(text, member, reason);
    case PARAM_CHOICE:
        return set_choice(param, text, member, reason);
    }
    UNREACHABLE();
}

const char *param_get(const struct param *param, const struct config *config, size_t index,
                      char out[PARAM_TEXT_BYTES])
{
    const void *member = (const char *)config + param->offset;
    const struct text_list *list = member;
    uint64_t number;

    if (param->kind == PARAM_TEXT_LIST)
        return index < list->count ? list->items[index] : NULL;
    if (index > 0)
        return NULL;
    if (param->kind == PARAM_TEXT)
        return *(char *const *)member;
    if (param->kind == PARAM_SWITCH)
        return *(const bool *)member ? "on" : "off";
    memcpy(&number, member, sizeof number);
    if (param->kind == PARAM_CHOICE)
        return choice_word(param, number, out);
    if (number == 0 && param->min > 0)
        return NULL; /* nothing was said, and somebody else knows what then */
    if (number == 0 && strcmp(param->default_text, "off") == 0)
        return param->default_text;
    param_value_text(param->kind, number, out);
    return out;
}

void param_clear_list(const struct param *param, struct config *config)
{
    if (param->kind == PARAM_TEXT_LIST)
        text_list_clear(member_of(param, config));
}

void param_free(const struct param *param, struct config *config)
{
    if (param->kind == PARAM_TEXT)
        free(*(char **)member_of(param, config));
    param_clear_list(param, config);
}
