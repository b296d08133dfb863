/*
 * server/whole_file.h - a file that is read at once: a configuration, a schema.
 *
 * Callers  main, before any process is forked. It may be a pipe.
 * Memory   the text is the caller's, also after an error.
 */
#ifndef SERVER_WHOLE_FILE_H
#define SERVER_WHOLE_FILE_H

#include <stddef.h>

struct text;

/* Appends all that is in the file. 0; -EFBIG: more than @bytes_max; or what opening or reading met. */
int whole_file_read(const char *name, size_t bytes_max, struct text *content);

#endif
