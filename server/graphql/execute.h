/*
 * server/graphql/execute.h - runs one operation of a validated document (GraphQL October 2021,
 * section 6) and writes its result as JSON straight into a text.
 *
 * Shape    an explicit stack of frames (no recursion): selection sets and lists that have been
 *          begun. Fields are resolved one after the other, depth first, in the order of the
 *          response; a null that propagates cuts the text back to where its parent began.
 * Later    a resolver may answer after it has returned (a mutation waits for its commit); until
 *          then nothing else of this execution runs, so mutations run one after the other by
 *          themselves.
 * Budget   execute_run does at most about @steps fields and list items (long strings count for more)
 *          then returns EXECUTE_MORE: its caller goes back to the loop and calls again.
 * Limits   EXECUTE_REGION_BYTES_MAX of working memory: beyond it it fails as without memory;
 *          EXECUTE_RESULT_BYTES_MAX of result: EXECUTE_TOO_LARGE. ERRORS_MAX field errors.
 * Memory   one region per execution; execute_free frees all of it at any moment. Resolvers must
 *          not answer after that. What the options point to must live as long.
 * Errors   field errors are collected with their paths; the result has them behind "data".
 * Callers  one thread; never from inside a resolver.
 */
#ifndef SERVER_GRAPHQL_EXECUTE_H
#define SERVER_GRAPHQL_EXECUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/graphql/coerce.h"
#include "server/graphql/errors.h"
#include "server/graphql/limits.h"
#include "server/graphql/schema.h"
#include "server/json/text.h"

enum {
    EXECUTE_REGION_BYTES_MAX = 256 * 1024 * 1024,
    EXECUTE_RESULT_BYTES_MAX = 32 * 1024 * 1024,
};

struct execution;

enum execute_result_kind {
    EXECUTE_NULL,
    EXECUTE_BOOLEAN,
    EXECUTE_INT, /* within 64 bits; Int fields take 32, others are a field error */
    EXECUTE_FLOAT,
    EXECUTE_STRING, /* String, ID, enum values and custom scalars that are strings */
    /*
     * Checked, compact text: a custom scalar is written as it is; any other leaf takes what its
     * kind of value would be, a list of leaves an array.
     */
    EXECUTE_JSON,
    EXECUTE_OBJECT,
    EXECUTE_LIST,
    EXECUTE_ERROR,
};

/* What a resolver answers. Texts and arrays must live as long as the execution's region. */
struct execute_result {
    enum execute_result_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct ast_text text;
        struct {
            const void *object;             /* the parent of the fields below */
            const struct schema_type *type; /* the object type; NULL: as the field says */
        } object;
        struct {
            const struct execute_result *items;
            uint32_t count;
        } list;
        struct {
            const char *message; /* terminated */
            enum graphql_code code;
        } error;
    };
};

/* One call of a resolver; good until it has been answered. */
struct execute_call {
    struct execution *execution;
    struct region *region; /* of the execution: for what the answer is made of */
    void *context;         /* of execute_options */
    const void *object;    /* the parent's */
    const struct schema_type *parent_type;
    const struct schema_field *field;
    const struct value *arguments; /* one per argument of the field; VALUE_ABSENT: not given */
};

/*
 * The answer to a call: from inside the resolver, or once later (then on_ready of the options is
 * called). The struct is copied, what it points to is not.
 */
void execute_answer(struct execution *execution, const struct execute_result *result);

/* From inside a resolver: it has done as much as @steps fields do. */
void execute_spend(struct execution *execution, uint32_t steps);

struct execute_options {
    const struct schema *schema;
    const struct ast_document *document;
    const struct ast_definition *operation;
    const struct coerce_variables *variables;
    const struct limits *limits;
    const void *root; /* parent object of the root fields */
    void *context;    /* for resolvers */
    /* A later answer has come: call execute_run again, soon. May be NULL if none ever comes. */
    void (*on_ready)(void *context);
};

enum execute_state {
    EXECUTE_DONE,
    EXECUTE_MORE,      /* call again */
    EXECUTE_WAITING,   /* for a resolver */
    EXECUTE_FAILED,    /* out of memory: nothing was written */
    EXECUTE_TOO_LARGE, /* the result: likewise */
};

/* The operation to run: by name, or the only one. NULL: a request error was added. */
const struct ast_definition *execute_select(const struct ast_document *document,
                                            struct ast_text operation_name,
                                            struct graphql_errors *errors);

/* NULL: out of memory. */
struct execution *execute_new(const struct execute_options *options);
void execute_free(struct execution *execution);
/*
 * Goes on for about @steps. EXECUTE_DONE: execute_write may be called.
 */
enum execute_state execute_run(struct execution *execution, uint32_t steps);
/* What was left of them when the last run ended; below 0: a field did more than there was. */
int64_t execute_steps_left(const struct execution *execution);
/* Of memory that it has at the moment. */
size_t execute_bytes(const struct execution *execution);
/*
 * {"data":…,"errors":[…]} without the closing brace, so that `extensions` can follow; "errors" only
 * if there are any.
 */
void execute_write(const struct execution *execution, struct text *out);
bool execute_has_errors(const struct execution *execution);

#endif
