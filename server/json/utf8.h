/*
 * server/json/utf8.h - one step of strict UTF-8 (RFC 3629), for json.c and json_text.c only.
 */
#ifndef SERVER_JSON_UTF8_H
#define SERVER_JSON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the well-formed multi-byte character at @text (2 to 4); 0 if there is none: overlong
 * forms, surrogates and what lies past U+10FFFF are not well-formed. text[0] is 0x80 or more.
 */
static inline size_t utf8_multibyte(const uint8_t *text, size_t bytes)
{
    uint8_t first = text[0];
    uint8_t low = 0x80; /* bounds of the second byte; RFC 3629 section 4 */
    uint8_t high = 0xBF;
    size_t length;

    if (first < 0xC2 || first > 0xF4)
        return 0;
    length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (bytes < length)
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    }
    return length;
}

#endif
