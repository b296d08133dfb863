/*
 * server/graphql/parser_internal.h - what the parser's files share: parser.c (tokens, operations),
 * parser_values.c (values, directives, types) and parser_sdl.c (type system definitions).
 *
 * Every parse_… function reads one thing that begins at the current token, and leaves the token
 * behind it as the current one. When something is wrong the error is added, the current token
 * becomes TOKEN_FAILED for good, and the functions above just return: it begins nothing.
 */
#ifndef SERVER_GRAPHQL_PARSER_INTERNAL_H
#define SERVER_GRAPHQL_PARSER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/ast.h"
#include "server/graphql/lexer.h"
#include "server/graphql/region.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the current one */
    struct token ahead; /* the one behind it, if has_ahead */
    bool has_ahead;
    uint32_t token_count; /* up to and with the current one */
    uint32_t token_count_max;
    uint32_t depth; /* of what is being parsed now */
    uint32_t depth_max;
};

/* The next token; counts it. */
void parser_advance(struct parser *parser);
/* The token behind the current one. */
const struct token *parser_look_ahead(struct parser *parser);

/* After the error has been added, or the region has failed: nothing more is read. */
void parser_stop(struct parser *parser);

/* A node of @bytes; NULL: no memory, and the parser has failed. Inline for its constant size. */
static inline void *parser_alloc(struct parser *parser, size_t bytes)
{
    void *node = region_alloc(parser->lexer.region, bytes);

    if (node == NULL)
        parser_stop(parser);
    return node;
}

/* `Name "foo"`: a token as messages have it; NULL: no memory, and the parser has failed. */
const char *parser_describe(struct parser *parser, const struct token *token);
__attribute__((format(printf, 3, 4))) void parser_fail(struct parser *parser, uint32_t at,
                                                       const char *format, ...);
/* "Unexpected …". */
void parser_fail_unexpected(struct parser *parser, const struct token *found);

static inline bool parser_is_at(const struct parser *parser, enum token_kind kind)
{
    return parser->token.kind == kind;
}

static inline bool parser_has_failed(const struct parser *parser)
{
    return parser->token.kind == TOKEN_FAILED;
}

/* Goes on behind the current token if it is of this kind. */
static inline bool parser_skip(struct parser *parser, enum token_kind kind)
{
    if (parser->token.kind != kind)
        return false;
    parser_advance(parser);
    return true;
}

/* Likewise, and it must be: "Expected …, found …". */
bool parser_expect(struct parser *parser, enum token_kind kind);
bool parser_is_at_keyword(const struct parser *parser, const char *keyword);
bool parser_skip_keyword(struct parser *parser, const char *keyword);
bool parser_expect_keyword(struct parser *parser, const char *keyword);
bool parser_expect_name(struct parser *parser, struct ast_name *ret_name);

/* One level deeper; false: too deep, and the parser has failed. Left again by parser_leave. */
bool parser_enter(struct parser *parser);
static inline void parser_leave(struct parser *parser)
{
    parser->depth--;
}

/* parser_values.c; NULL also for an empty list: ask parser_has_failed. */
struct ast_value *parse_value(struct parser *parser, bool is_constant);
struct ast_value *parse_description(struct parser *parser);
struct ast_argument *parse_arguments(struct parser *parser, bool is_constant);
struct ast_directive *parse_directives(struct parser *parser, bool is_constant);
struct ast_type *parse_named_type(struct parser *parser);
struct ast_type *parse_type(struct parser *parser);

/* parser.c */
bool parse_operation_kind(struct parser *parser, enum ast_operation_kind *ret_kind);

/* parser_sdl.c: the rest of a definition whose keyword was the last token. */
typedef void parse_definition_rest(struct parser *parser, struct ast_definition *definition);
parse_definition_rest parse_schema;
parse_definition_rest parse_scalar_type;
parse_definition_rest parse_object_type; /* and interface */
parse_definition_rest parse_union_type;
parse_definition_rest parse_enum_type;
parse_definition_rest parse_input_object_type;
parse_definition_rest parse_directive_definition;

#endif
