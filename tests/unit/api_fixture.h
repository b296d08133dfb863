/*
 * tests/unit/api_fixture.h - one worker's GraphQL over a real ring and a real store: the schema is in the
 * log, mutations are executed when the writer (topics_fixture.h) is told to commit.
 *
 * Callers  cmocka tests; whatever fails here fails the test.
 */
#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include "server/api/api.h"
#include "server/api/model.h"
#include "server/api/operation.h"
#include "server/json/text.h"
#include "tests/unit/topics_fixture.h"

struct log_reader;
struct publisher;

struct api_fixture {
    struct topics_fixture *base;
    struct model *model;
    struct publisher *publisher;
    struct log_reader *reader;
    struct api *api;
    struct api_limits limits;
    bool is_always_durable;
    int64_t now_ns;
    unsigned done_count; /* calls of api_fixture_on_done */
    struct text out;
};

/* cmocka's setup and teardown: the built-in schema. */
int api_setup(void **state);
int api_teardown(void **state);
struct api_fixture *api_fixture_new(const char *sdl);
void api_fixture_free(struct api_fixture *f);

/* @variables: compact JSON, or NULL. */
struct operation *api_fixture_operation(struct api_fixture *f, const char *query,
                                        const char *variables);
/* Counts; @user: the fixture. */
void api_fixture_on_done(void *user);
/* One loop turn as a worker makes it; what api_turn said. */
bool api_fixture_turn(struct api_fixture *f);
/* Turns and commits until there is an answer. */
void api_fixture_finish(struct api_fixture *f, struct operation *operation);

/*
 * The answer of a query or mutation, run to its end, times and epochs aside: "2026-…Z" is shown as
 * TIME, the epoch as EPOCH. Valid until the next call.
 */
const char *api_fixture_ask(struct api_fixture *f, const char *query);
const char *api_fixture_ask_with(struct api_fixture *f, const char *query, const char *variables);
/* The answer of one that is done or refused, likewise. */
const char *api_fixture_answer(struct api_fixture *f, const struct operation *operation);

/* Fails unless the answer is this. */
#define api_expect(f, query, answer) assert_string_equal(api_fixture_ask((f), (query)), (answer))
/* Fails unless the answer has an error with this code, and these words in it. */
void api_expect_error(struct api_fixture *f, const char *query, const char *code,
                      const char *words);

#endif
