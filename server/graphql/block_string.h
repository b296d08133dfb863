/*
 * server/graphql/block_string.h - block strings ("""…"""): indentation and quotes (GraphQL October
 * 2021, section 2.9.4), read and written.
 */
#ifndef SERVER_GRAPHQL_BLOCK_STRING_H
#define SERVER_GRAPHQL_BLOCK_STRING_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"

struct region;
struct text;

/*
 * The value of what stands between the quotes: without the indentation that its lines share and
 * without blank lines around it, lines ended by LF. It points into @raw if nothing has to be
 * changed. False: no memory.
 */
bool block_string_decode(struct ast_text raw, struct region *region, struct ast_text *ret_value);

/*
 * Writes a value as a block string, as graphql-js does: on lines of its own unless it is short; all
 * lines but the one with the opening quotes behind @indent spaces.
 */
void block_string_print(struct ast_text value, uint32_t indent, struct text *out);
/* Whether a value that is written as a block string can be read back. */
bool block_string_is_printable(struct ast_text value);

#endif
