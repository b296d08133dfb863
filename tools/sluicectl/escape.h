/*
 * tools/sluicectl/escape.h - text that others wrote, made safe for a terminal.
 *
 * What could move the cursor, change the terminal's state or the order of what is read is written as
 * an escape: control characters of both blocks (U+0000 to U+001F, U+007F to U+009F), line and
 * paragraph separators, and the marks of bidirectional text as \u001b, bytes that are no UTF-8 as
 * \xff. Everything else stays, JSON included: in a JSON string \u0085 means what U+0085 did.
 */
#ifndef TOOLS_SLUICECTL_ESCAPE_H
#define TOOLS_SLUICECTL_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* Returns how many columns of a terminal this takes. */
size_t escape_write(FILE *output, const char *text, size_t bytes);

/* The same as a string of malloc's; NULL when there is no memory. */
char *escape_text(const char *text, size_t bytes);

/* How many bytes the first character of @text has; 0: it is no UTF-8. @bytes is not 0. */
size_t escape_character_bytes(const char *text, size_t bytes, unsigned *ret_character);

/* How many columns it takes: 0 to 2 where main() has set a UTF-8 locale, otherwise 1. */
size_t escape_character_columns(unsigned character);

#endif
