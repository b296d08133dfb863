/*
 * tests/graphql/probe.h - the engine behind a pipe, so that it can be compared with graphql-js.
 *
 * Shape    a request is one line of JSON on standard input, its answer one line on standard output,
 *          in the same order: {"command":"validate","schema":3,"document":"…"}. What a command
 *          does not use may be left out.
 *            parse     document → {"print":"…","normal":["…"]} or {"errors":[…]}; normal: of each
 *                      operation
 *            value     document → {"print":"…"} or {"errors":[…]}
 *                      (instead of document: bytes, in hexadecimal)
 *            schema    document (SDL) → {"print":"…"} or {"errors":[…]}; kept as number `schema`
 *            validate  schema, document → {"errors":[…]}
 *            execute   schema, document, variables, operation, seed, steps, later, json, limits → a
 *                      response; what resolvers answer follows from the seed (probe_resolve.c)
 * Errors   what is no request ends the program by CHECK: it is our own test that writes them.
 * Memory   texts of a request lie in memory that ends where they end, so that a sanitizer sees a
 *          byte read too far; all is freed at the end of the input.
 */
#ifndef TESTS_GRAPHQL_PROBE_H
#define TESTS_GRAPHQL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/graphql/ast.h"
#include "server/graphql/errors.h"
#include "server/graphql/region.h"
#include "server/json/json.h"
#include "server/json/text.h"

struct schema;

enum {
    PROBE_REGION_BYTES = 512 * 1024 * 1024,
    PROBE_SCHEMA_COUNT = 256,
};

struct probe_text {
    char *bytes;
    size_t size;
};

struct probe_request {
    struct probe_text command;
    struct probe_text document;
    struct probe_text operation; /* its name; empty: none */
    struct json_span variables;  /* empty: none */
    uint64_t schema;
    uint64_t seed;
    uint64_t steps;     /* of execute_run at once; 0: as many as it takes */
    uint64_t later;     /* every how many resolvers answer later; 0: none */
    uint64_t json;      /* 1: resolvers answer leaves as JSON texts */
    uint64_t depth_max; /* the limits; 0: none */
    uint64_t complexity_max;
    uint64_t alias_count_max;
    uint64_t root_field_count_max;
    uint64_t list_items_max;
};

struct probe {
    struct schema *schemas[PROBE_SCHEMA_COUNT];
    struct region region; /* of one request */
    struct graphql_errors errors;
    struct text out;
};

/* The request's document; NULL: the errors have been answered. */
struct ast_document *probe_parse(struct probe *probe, const struct probe_request *request);
/* {"errors":[…]} */
void probe_answer_errors(struct probe *probe);
const struct schema *probe_schema(const struct probe *probe, const struct probe_request *request);

/* probe_execute.c */
void probe_execute(struct probe *probe, const struct probe_request *request);
/* Sets the resolvers of a schema. (probe_resolve.c) */
void probe_bind(struct schema *schema);

#endif
