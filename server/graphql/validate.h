/*
 * server/graphql/validate.h - is a document valid against a schema (GraphQL October 2021, section
 * 5)? graphql-js's specified rules in its words, over one walk of the tree.
 *
 * Errors   all that are found, in the order in which graphql-js finds them, up to ERRORS_MAX:
 *          GRAPHQL_VALIDATION_FAILED.
 * Limits   a valid document costs about the time of one walk. What may grow faster than the document
 *          has graphql-js's budgets: VALIDATE_FRAGMENT_WORK_MAX for what fragments refer to,
 *          VALIDATE_OVERLAP_WORK_MAX for comparing fields that overlap; past one, or past
 *          VALIDATE_OVERLAP_DEPTH_MAX, the last error is "Validation aborted."
 *          (GRAPHQL_LIMIT_EXCEEDED). Recursion is as deep as the parser allowed, or that depth.
 * Memory   errors are in the errors' region. What the rules need meanwhile, at most
 *          VALIDATE_BYTES_MAX, is freed before it returns.
 */
#ifndef SERVER_GRAPHQL_VALIDATE_H
#define SERVER_GRAPHQL_VALIDATE_H

#include <stdbool.h>

#include "server/graphql/schema.h"

enum {
    VALIDATE_FRAGMENT_WORK_MAX = 50000,
    VALIDATE_OVERLAP_WORK_MAX = 500000,
    VALIDATE_OVERLAP_DEPTH_MAX = 500, /* of fields in one another, through fragments */
    VALIDATE_BYTES_MAX = 256 * 1024 * 1024,
};

/* True: no error was added, and no memory was missing: else @region has failed. */
bool validate_document(const struct schema *schema, const struct ast_document *document,
                       struct region *region, struct graphql_errors *errors);

#endif
