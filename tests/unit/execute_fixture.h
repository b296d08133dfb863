/*
 * tests/unit/execute_fixture.h - executes documents over data that is written as JSON, as
 * graphql-js's default resolver does it over plain objects.
 *
 * Shape    a field answers its parent's member of the same name; none: null. A string "!text" is an
 *          error, "!LIMIT text" one with the code LIMIT_EXCEEDED. An object's type is its member
 *          __typename. Custom scalars take any JSON as it is.
 * Callers  one test at a time. What cannot go wrong is asserted.
 */
#ifndef TESTS_UNIT_EXECUTE_FIXTURE_H
#define TESTS_UNIT_EXECUTE_FIXTURE_H

#include "server/graphql/execute.h"
#include "server/json/json.h"
#include "tests/unit/graphql_fixture.h"

struct execute_fixture {
    struct graphql_fixture base;
    struct schema *schema;
    struct ast_document *document;
    struct coerce_variables variables;
    struct limits limits;
    struct json_span root;
    struct execution *execution;
    bool is_late;               /* resolvers answer when they are asked to */
    struct execute_call *asked; /* late, and not answered yet */
    uint32_t call_count;
    uint32_t ready_count; /* calls of on_ready */
};

/* Of a schema that is good; its fields get the resolver. */
void execute_fixture_init(struct execute_fixture *f, const char *sdl);
void execute_fixture_done(struct execute_fixture *f);
/* For cmocka: one as the test's state. */
int execute_fixture_setup(void **state, const char *sdl);
int execute_fixture_teardown(void **state);

/*
 * Parses @query and coerces @variables (compact JSON). False: errors are in f->base.errors. What was
 * prepared before is gone.
 */
bool execute_fixture_prepare(struct execute_fixture *f, const char *query, const char *variables,
                             const char *operation_name);
/* An execution of what was prepared, over @data (compact JSON); NULL: out of memory. */
struct execution *execute_fixture_begin(struct execute_fixture *f, const char *data);
/* The answer to the call that was asked late. */
void execute_fixture_answer(struct execute_fixture *f);
/* Runs to the end, @steps at a time, answering what is asked late. */
enum execute_state execute_fixture_run(struct execute_fixture *f, uint32_t steps);
/* The result with its last brace, of an execution that is done; valid until the next call. */
const char *execute_fixture_result(struct execute_fixture *f);

/*
 * Executes, answering at once and late, at one step and at many: all give the same, which is
 * returned. Errors before the execution: {"errors":[…]}. Valid until the next call.
 */
const char *execute_fixture_query(struct execute_fixture *f, const char *query,
                                  const char *variables, const char *data);

#endif
