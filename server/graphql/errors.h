/*
 * server/graphql/errors.h - the errors of a request or of a schema, in the order in which they were
 * found (GraphQL specification, October 2021, section 7.1.2).
 *
 * Shape    a list in a region. Locations are byte offsets into a document until they are shown;
 *          then line and column count from 1, columns in UTF-16 code units, as graphql-js does.
 * Limits   ERRORS_MAX; the one behind the last says that there are more and nothing is added after
 *          it (graphql-js: "Too many validation errors, error limit reached. Validation aborted.").
 * Memory   everything belongs to the region; messages are terminated UTF-8.
 */
#ifndef SERVER_GRAPHQL_ERRORS_H
#define SERVER_GRAPHQL_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region;
struct text;
struct ast_document;

enum {
    ERRORS_MAX = 100,
};

/* extensions.code; PROTOCOLS section 6. */
enum graphql_code {
    GRAPHQL_PARSE_FAILED,
    GRAPHQL_VALIDATION_FAILED,
    GRAPHQL_BAD_USER_INPUT,
    GRAPHQL_NOT_FOUND,
    GRAPHQL_CONFLICT,
    GRAPHQL_LIMIT_EXCEEDED,
    GRAPHQL_STORAGE_FULL,
    GRAPHQL_RATE_LIMITED,
    GRAPHQL_UNAVAILABLE,
    GRAPHQL_UNAUTHENTICATED,
    GRAPHQL_FORBIDDEN,
    GRAPHQL_GAP,
    GRAPHQL_INTERNAL,
};

/* One step of a response path, from the leaf to the root. */
struct graphql_path {
    const struct graphql_path *parent; /* NULL: the root */
    const char *key;                   /* NULL: an index */
    uint32_t key_bytes;
    uint32_t index;
};

struct graphql_location {
    const struct ast_document *document;
    uint32_t at; /* byte offset */
};

struct graphql_error {
    struct graphql_error *next;
    enum graphql_code code;
    const char *message;
    struct graphql_location *locations;
    uint32_t location_count;
    uint32_t location_capacity;
    const struct graphql_path *path; /* NULL: none */
};

struct graphql_errors {
    struct region *region;
    struct graphql_error *first;
    struct graphql_error *last;
    uint32_t count;
    bool has_overflown; /* ERRORS_MAX were reached */
};

void graphql_errors_init(struct graphql_errors *errors, struct region *region);
/*
 * Appends one without locations. NULL when there is no memory (region->has_failed) or there are
 * too many: nothing more has to be done with it, the functions below take NULL.
 */
__attribute__((format(printf, 3, 4))) struct graphql_error *
graphql_errors_add(struct graphql_errors *errors, enum graphql_code code, const char *format, ...);
void graphql_error_locate(struct graphql_errors *errors, struct graphql_error *error,
                          const struct ast_document *document, uint32_t at);

/* "GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED" and so on. */
const char *graphql_code_name(enum graphql_code code);
/* Line and column of a byte offset; both from 1. */
void graphql_line_column(const struct graphql_location *location, uint32_t *ret_line,
                         uint32_t *ret_column);
/*
 * Writes one as JSON: {"message":…,"locations":[…],"path":[…],"extensions":{"code":…}};
 * locations and path only if it has them.
 */
void graphql_error_write(const struct graphql_error *error, struct text *out);
/* All of them as a JSON array. */
void graphql_errors_write(const struct graphql_errors *errors, struct text *out);
/*
 * "board.graphql:12:3: message" per line, for people who start a server; each place but the first
 * has a line of its own, "board.graphql:20:3: and here". What has no place is about @file_name as a
 * whole, and told at its beginning.
 */
void graphql_errors_print(const struct graphql_errors *errors, const char *file_name,
                          struct text *out);

#endif
