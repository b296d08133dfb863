#include "server/json/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/json/json.h"

enum {
    TEXT_CAPACITY_MIN = 512,
    TEXT_PRINTF_BYTES = 128, /* enough for most lines */
};

void text_done(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

bool text_is_whole(const struct text *text)
{
    return !text->has_failed;
}

char *text_reserve(struct text *text, size_t bytes)
{
    size_t capacity = text->capacity < TEXT_CAPACITY_MIN ? TEXT_CAPACITY_MIN : text->capacity;
    char *grown;

    if (text->has_failed)
        return NULL;
    if (text->capacity - text->size >= bytes)
        return text->bytes + text->size;

    while (capacity - text->size < bytes)
        capacity *= 2;
    grown = realloc(text->bytes, capacity);
    if (grown == NULL) {
        text->has_failed = true;
        return NULL;
    }
    text->bytes = grown;
    text->capacity = capacity;
    return text->bytes + text->size;
}

void text_grow(struct text *text, const char *end)
{
    size_t size = (size_t)(end - text->bytes);

    CHECK(size >= text->size);
    CHECK(size <= text->capacity);
    text->size = size;
}

void text_add(struct text *text, const void *bytes, size_t size)
{
    char *out;

    if (size == 0)
        return;
    out = text_reserve(text, size);
    if (out == NULL)
        return;
    memcpy(out, bytes, size);
    text_grow(text, out + size);
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_quoted(struct text *text, const char *bytes, size_t size)
{
    char *out = text_reserve(text, json_quoted_bytes_max(size));

    if (out != NULL)
        text_grow(text, out + json_quote(out, bytes, size));
}

void text_printf(struct text *text, const char *format, ...)
{
    size_t room = TEXT_PRINTF_BYTES;

    for (;;) { /* twice at most */
        char *out = text_reserve(text, room);
        va_list arguments;
        int length;

        if (out == NULL)
            return;
        va_start(arguments, format);
        length = vsnprintf(out, room, format, arguments);
        va_end(arguments);
        CHECK(length >= 0);
        if ((size_t)length < room) {
            text_grow(text, out + length);
            return;
        }
        room = (size_t)length + 1;
    }
}
