/*
 * server/net/digits.h - small numbers in text, as configuration and PROXY headers have them.
 *
 * Callers  server/net/ only.
 */
#ifndef SERVER_NET_DIGITS_H
#define SERVER_NET_DIGITS_H

/* Digits only, without leading zeros, up to @max; -1: anything else. */
static inline int digits_read(const char *text, int max)
{
    int number = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        number = number * 10 + (*text - '0');
        if (number > max)
            return -1;
    }
    return number;
}

#endif
