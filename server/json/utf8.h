/*
 * server/json/utf8.h - one step of strict UTF-8 (RFC 3629), for those who read texts byte by byte.
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

/* Writes @character, a Unicode scalar value, to @out; returns its bytes, 1 to 4. */
static inline size_t utf8_encode(char out[4], uint32_t character)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xC0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xE0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3F));
        out[2] = (char)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (char)(0x80 | (character & 0x3F));
    return 4;
}

/* How many code units of UTF-16 valid UTF-8 becomes. */
static inline size_t utf8_utf16_units(const char *text, size_t bytes)
{
    size_t units = 0;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        units += (size_t)(c < 0x80 || c >= 0xC0) + (size_t)(c >= 0xF0);
    }
    return units;
}

#endif
