/*
 * tests/graphql/probe_execute.h - one execution, for its resolvers.
 */
#ifndef TESTS_GRAPHQL_PROBE_EXECUTE_H
#define TESTS_GRAPHQL_PROBE_EXECUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/graphql/execute.h"

struct probe_context {
    const struct schema_type *query_type;
    bool has_mishaps;    /* errors, nulls where none may be, values of other types */
    bool as_json;        /* leaves, and lists of them, as JSON texts */
    uint64_t later;      /* every how many answers come later; 0: none does */
    uint64_t call_count; /* of resolvers */
    bool is_waiting;     /* for the answer below */
    bool is_ready;       /* on_ready was called */
    struct execute_result answer;
};

/* Answers a resolver's call now, or when nothing else can be done. */
void probe_answer(struct execution *execution, struct probe_context *context,
                  const struct execute_result *result);

#endif
