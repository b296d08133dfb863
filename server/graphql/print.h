/*
 * server/graphql/print.h - trees back into text.
 */
#ifndef SERVER_GRAPHQL_PRINT_H
#define SERVER_GRAPHQL_PRINT_H

#include "server/graphql/ast.h"

struct text;

/* As graphql-js's print(): two spaces, one definition after the other; ends without a newline. */
void print_document(const struct ast_document *document, struct text *out);
void print_value(const struct ast_value *value, struct text *out);
void print_type(const struct ast_type *type, struct text *out);

/*
 * The normal form of one operation: itself, without its name, and the fragments that it uses,
 * directly or not, by name; no insignificant character. Two operations with equal normal forms and
 * equal variables give equal results, so that subscriptions can be grouped by it.
 */
void print_normal_form(const struct ast_document *document, const struct ast_definition *operation,
                       struct text *out);

#endif
