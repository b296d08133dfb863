/*
 * server/graphql/validate.h - is a document valid against a schema (GraphQL October 2021, section
 * 5)? A table of rules over one walk of the tree, in graphql-js's order and words.
 *
 * Errors   all that are found, up to ERRORS_MAX, GRAPHQL_VALIDATION_FAILED.
 * Limits   fragments are visited once per rule that needs it; overlapping fields are compared
 *          with a memory of the pairs already compared, so that no document costs more than about
 *          the square of its selections; VALIDATE_PAIRS_MAX ends it (GRAPHQL_LIMIT_EXCEEDED).
 */
#ifndef SERVER_GRAPHQL_VALIDATE_H
#define SERVER_GRAPHQL_VALIDATE_H

#include <stdbool.h>

#include "server/graphql/schema.h"

enum {
    VALIDATE_PAIRS_MAX = 1000 * 1000,
};

/* True: no error was added (and the region has not failed). */
bool validate_document(const struct schema *schema, const struct ast_document *document,
                       struct region *region, struct graphql_errors *errors);

#endif
