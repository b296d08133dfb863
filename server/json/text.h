/*
 * server/json/text.h - a growing text: bodies of answers.
 *
 * Errors   when memory is short the text remembers it and takes nothing more: text_is_whole is
 *          asked once, at the end.
 * Memory   text_done frees it; a zeroed struct is an empty text.
 */
#ifndef SERVER_JSON_TEXT_H
#define SERVER_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* not terminated */
    size_t size;
    size_t capacity;
    bool has_failed;
};

void text_done(struct text *text);
bool text_is_whole(const struct text *text);

/* Room for @bytes more behind the text; NULL: no memory. text_grow says how many were written. */
char *text_reserve(struct text *text, size_t bytes);
void text_grow(struct text *text, const char *end);

void text_add(struct text *text, const void *bytes, size_t size);
void text_add_string(struct text *text, const char *string);
/* As a JSON string. */
void text_add_quoted(struct text *text, const char *bytes, size_t size);
__attribute__((format(printf, 2, 3))) void text_printf(struct text *text, const char *format, ...);

#endif
