#include "tools/sluicectl/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Sorted. Ranges whose characters a terminal obeys instead of showing. */
static const struct range {
    unsigned first;
    unsigned last;
} escaped[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c}, {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfff9, 0xfffb},
};

static bool is_escaped(unsigned character)
{
    for (size_t i = 0; i < sizeof escaped / sizeof escaped[0]; i++) {
        if (character >= escaped[i].first && character <= escaped[i].last)
            return true;
    }
    return false;
}

size_t escape_character_bytes(const char *text, size_t bytes, unsigned *ret_character)
{
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* that needs so many bytes */
    const uint8_t *at = (const uint8_t *)text;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (size == 0 || size > bytes || at[0] >= 0xf8)
        return 0;
    unsigned character = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (at[i] & 0x3f);
    }
    if (character < smallest[size] || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *ret_character = character;
    return size;
}

size_t escape_character_columns(unsigned character)
{
    int columns = wcwidth((wchar_t)character);

    return columns < 0 ? 1 : (size_t)columns;
}

size_t escape_write(FILE *output, const char *text, size_t bytes)
{
    size_t columns = 0;

    while (bytes > 0) {
        unsigned character = 0;
        size_t size = escape_character_bytes(text, bytes, &character);

        if (size == 0) {
            (void)fprintf(output, "\\x%02x", (unsigned)(uint8_t)text[0]);
            columns += strlen("\\xff");
            size = 1;
        } else if (is_escaped(character)) {
            (void)fprintf(output, "\\u%04x", character);
            columns += strlen("\\u0000");
        } else {
            (void)fwrite(text, 1, size, output); /* who ends with the stream looks at its state */
            columns += escape_character_columns(character);
        }
        text += size;
        bytes -= size;
    }
    return columns;
}

char *escape_text(const char *text, size_t bytes)
{
    char *escaped_text = NULL;
    size_t size;
    FILE *memory = open_memstream(&escaped_text, &size);

    if (memory == NULL)
        return NULL;
    (void)escape_write(memory, text, bytes); /* fclose tells */
    if (fclose(memory) != 0) {
        free(escaped_text);
        return NULL;
    }
    return escaped_text;
}
