/*
 * server/graphql/print.h - trees back into text.
 *
 * Limits   recursion is bounded by the depth that the parser allowed.
 * Errors   the text's: text_is_whole.
 */
#ifndef SERVER_GRAPHQL_PRINT_H
#define SERVER_GRAPHQL_PRINT_H

#include "server/graphql/ast.h"

struct text;

/*
 * As graphql-js's print(): two spaces, one definition after the other; ends without a newline.
 * Comments are gone, numbers stay as they were written.
 */
void print_document(const struct ast_document *document, struct text *out);
void print_value(const struct ast_value *value, struct text *out);
/* A string with its quotes, as graphql-js's printString(). */
void print_string(struct ast_text value, struct text *out);
void print_type(const struct ast_type *type, struct text *out);

/*
 * The normal form of one operation: itself, without its name, and the fragments that it uses,
 * directly or not, in the order of their names; without descriptions, without aliases that change
 * nothing, without block strings, without an insignificant character. Two operations with equal
 * normal forms and equal variables give equal results, so that subscriptions can be grouped by it.
 * (print_normal.c)
 */
void print_normal_form(const struct ast_document *document, const struct ast_definition *operation,
                       struct text *out);

#endif
