/*
 * server/api/operation.h - one GraphQL request, from its text to its answer.
 *
 * Shape    operation_new parses, validates, selects, coerces and judges the limits: what it finds wrong
 *          is the answer of a *refused* operation (a request error: `errors` without `data`). Any other
 *          one is run (queries, mutations) or subscribed (group.h), as its kind says.
 * Memory   an operation copies what it needs of the request. It is freed by who made it, at any moment,
 *          on_done included; a mutation that was sent is executed all the same.
 * Limits   OPERATION_RESULT_BYTES_MAX of answer: beyond it a request error LIMIT_EXCEEDED.
 * Callers  transports, in the worker's thread.
 */
#ifndef SERVER_API_OPERATION_H
#define SERVER_API_OPERATION_H

#include <stdbool.h>

#include "server/api/request.h"
#include "server/graphql/ast.h"

struct api;
struct operation;
struct text;

enum {
    OPERATION_RESULT_BYTES_MAX = 32 * 1024 * 1024,
};

/* NULL: no memory. */
struct operation *operation_new(struct api *api, const struct api_request *request);
void operation_free(struct operation *operation);

bool operation_is_refused(const struct operation *operation);
/* AST_QUERY, AST_MUTATION or AST_SUBSCRIPTION; of one that is refused: the least it may be, a query. */
enum ast_operation_kind operation_kind(const struct operation *operation);

enum operation_state {
    OPERATION_DONE,  /* operation_write may be called */
    OPERATION_LATER, /* @on_done will be called, from the worker's turn */
};

/*
 * Runs a query or mutation, as far as it comes at once. @on_done is not called if it is done when
 * this returns.
 */
enum operation_state operation_run(struct operation *operation, void (*on_done)(void *user),
                                   void *user);
/* The answer, {"data":…} or {"errors":…}: of one that is refused, or done. */
void operation_write(const struct operation *operation, struct text *out);
/* Whether the answer has errors: of graphql-transport-ws's `error` and `next` it decides nothing. */
bool operation_has_errors(const struct operation *operation);

#endif
