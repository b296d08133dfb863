/*
 * server/graphql/parser.h - text into a tree: executable documents and SDL, GraphQL October 2021,
 * section 2 and appendix B; where that is silent, as graphql-js 16.
 *
 * Errors   the first mistake ends it: one error, GRAPHQL_PARSE_FAILED, in graphql-js's words
 *          (`Syntax Error: Expected Name, found "}".`), or GRAPHQL_LIMIT_EXCEEDED.
 * Limits   bytes, tokens and nesting of @limits; the source must be UTF-8 (a BOM is skipped).
 *          Recursion is bounded by depth_max.
 */
#ifndef SERVER_GRAPHQL_PARSER_H
#define SERVER_GRAPHQL_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "server/graphql/ast.h"

struct region;
struct graphql_errors;

struct parser_limits {
    uint32_t source_bytes_max;
    uint32_t token_count_max;
    uint32_t depth_max; /* of selection sets, values and types in one another */
};

/* For what the operator wrote himself: a schema file. */
#define PARSER_LIMITS_SDL                                                                          \
    (struct parser_limits)                                                                         \
    {                                                                                              \
        .source_bytes_max = 16 * 1024 * 1024, .token_count_max = 4 * 1000 * 1000, .depth_max = 200 \
    }

/*
 * Parses a whole document, of both kinds mixed (which of them is allowed is for validation).
 * The source is not copied. NULL: one error has been added to @errors, or @region has failed.
 */
struct ast_document *parser_parse(struct ast_text source, const char *name,
                                  const struct parser_limits *limits, struct region *region,
                                  struct graphql_errors *errors);
/* One value (no variables): default values in tests, `--define` like options. As above. */
struct ast_value *parser_parse_value(struct ast_document *document, struct region *region,
                                     struct graphql_errors *errors);

#endif
