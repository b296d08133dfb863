/*
 * server/graphql/lexer.h - the tokens of a document (GraphQL October 2021, section 2.1), for the
 * parser only.
 *
 * Shape    one token after the other; commas, white space, comments and byte order marks are
 *          skipped. Lines are not counted: errors.h does when a place is shown.
 * Memory   names, numbers and strings without escapes point into the source; other strings are
 *          decoded into the region.
 * Errors   in graphql-js's words, added to the errors; the token is then TOKEN_FAILED, and so is
 *          every later one. The same when the region has failed, without an error.
 * Limits   the source must be valid UTF-8 (lexer_check_source).
 */
#ifndef SERVER_GRAPHQL_LEXER_H
#define SERVER_GRAPHQL_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"
#include "server/graphql/errors.h"

struct region;

enum token_kind {
    TOKEN_FAILED,
    TOKEN_EOF,
    TOKEN_BANG,
    TOKEN_DOLLAR,
    TOKEN_AMP,
    TOKEN_PAREN_L,
    TOKEN_PAREN_R,
    TOKEN_SPREAD,
    TOKEN_COLON,
    TOKEN_EQUALS,
    TOKEN_AT,
    TOKEN_BRACKET_L,
    TOKEN_BRACKET_R,
    TOKEN_BRACE_L,
    TOKEN_PIPE,
    TOKEN_BRACE_R,
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_BLOCK_STRING,
    TOKEN_KIND_COUNT,
};

struct token {
    enum token_kind kind;
    uint32_t at;          /* byte offset in the source */
    struct ast_text text; /* names and numbers as written, strings decoded; else empty */
};

struct lexer {
    const struct ast_document *document;
    struct region *region;
    struct graphql_errors *errors;
    const uint8_t *begin; /* the source */
    const uint8_t *at;    /* behind the last token */
    const uint8_t *end;
    bool has_failed;
};

/* Begins at the source's first byte. */
void lexer_init(struct lexer *lexer, const struct ast_document *document, struct region *region,
                struct graphql_errors *errors);
/* Whether the source is UTF-8; if not, an error has been added. */
bool lexer_check_source(struct lexer *lexer);
void lexer_next(struct lexer *lexer, struct token *ret_token);

/* Adds "Syntax Error: …" with a location; the lexer has failed then. Only the first one counts. */
__attribute__((format(printf, 4, 5))) void lexer_fail(struct lexer *lexer, enum graphql_code code,
                                                      uint32_t at, const char *format, ...);
/* `Name`, `"}"`, `<EOF>`: a kind as messages have it. */
const char *token_kind_name(enum token_kind kind);
/* `Name "foo"`: a token likewise; NULL: no memory. */
const char *token_describe(const struct token *token, struct region *region);

#endif
