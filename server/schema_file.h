/*
 * server/schema_file.h - the schema that the server serves: the file of --schema, or the built-in one.
 *
 * Callers  main, before any process is forked; with --check-config too.
 * Errors   whatever is wrong is said on @errors: of the file "sluice: --schema: …", of what stands in it
 *          "FILE:LINE:COLUMN: message", one line per mistake.
 * Limits   SCHEMA_FILE_BYTES_MAX.
 */
#ifndef SERVER_SCHEMA_FILE_H
#define SERVER_SCHEMA_FILE_H

#include <stdio.h>

struct model;

enum {
    SCHEMA_FILE_BYTES_MAX = 4 * 1024 * 1024,
};

/* The caller's, to be freed by model_free. @file: NULL for the built-in one. NULL: said. */
struct model *schema_file_build(const char *file, FILE *errors);

#endif
