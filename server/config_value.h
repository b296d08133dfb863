/*
 * server/config_value.h - the option table as data, and the meaning of one value's text.
 *
 * Shape    one struct param per row of params.h, in the table's order. What a value's text means
 *          depends on the row alone: the same on the command line, in the environment and in a file.
 * Units    as in params.h: bytes, nanoseconds, plain numbers.
 * Memory   a text or list that is set belongs to the config; what it replaces is freed.
 * Errors   0 or -errno; -EINVAL comes with a reason in words, without the option's name and place:
 *          the caller knows those.
 * Callers  config*.c, tables.c.
 */
#ifndef SERVER_CONFIG_VALUE_H
#define SERVER_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/params.h"

struct config;
struct text_list;

enum param_kind {
    PARAM_TEXT,
    PARAM_TEXT_LIST,
    PARAM_COUNT,
    PARAM_SIZE,
    PARAM_TIME,
    PARAM_SWITCH,
    PARAM_CHOICE,
};

enum param_group {
#define PARAM_GROUP_NAME(group, word, title) PARAM_GROUP_##group,
    PARAM_GROUPS(PARAM_GROUP_NAME)
#undef PARAM_GROUP_NAME
        PARAM_GROUP_COUNT,
};

struct param {
    enum param_group group;
    const char *name; /* as on the command line, without the dashes */
    enum param_kind kind;
    char short_name; /* 0: none */
    bool is_reloadable;
    size_t offset;            /* of its member in struct config */
    const char *default_text; /* "": none, config.c knows what then */
    uint64_t min;
    uint64_t max;
    const char *argument; /* for --help; the words of a choice */
    const char *help;
    const char *details; /* "": none */
};

enum {
    PARAM_REASON_BYTES = 256,
    PARAM_TEXT_BYTES = 32, /* of param_value_text */
};

size_t param_count(void);
/* @index: less than param_count(). */
const struct param *param_at(size_t index);
/* "Limits"; and the section "limits" of a file. */
const char *param_group_title(enum param_group group);
const char *param_group_word(enum param_group group);
/*
 * The row of this name with @separator between its words ('-' or '_'), letters in lower case;
 * param_count(): none.
 */
size_t param_find(const char *name, size_t name_bytes, char separator);
/* Likewise by its one letter. */
size_t param_find_short(char name);

/* A copy of @bytes of @text as the last item. 0 or -ENOMEM. */
int text_list_add(struct text_list *list, const char *text, size_t bytes);
void text_list_clear(struct text_list *list);

/*
 * Gives @param the value that @text means; a list is added to, `off` empties none. -EINVAL: @reason
 * says why (and nothing has changed), nothing at all among it; -ENOMEM.
 */
int param_set(const struct param *param, const char *text, struct config *config,
              char reason[PARAM_REASON_BYTES]);
/* Empties a list; nothing for the other kinds, whose next value replaces the last. */
void param_clear_list(const struct param *param, struct config *config);
/* Frees what the member holds. */
void param_free(const struct param *param, struct config *config);

/* A number of this kind as it may be written: 64K, 100ms, 7. */
void param_value_text(enum param_kind kind, uint64_t value, char out[PARAM_TEXT_BYTES]);
/* The item @index of its value as it may be written; NULL: that many there are not. */
const char *param_get(const struct param *param, const struct config *config, size_t index,
                      char out[PARAM_TEXT_BYTES]);

#endif
