/*
 * tests/unit/validate_fixture.h - documents against a schema with a little of everything, and what
 * is wrong with them as lines of text.
 *
 * Memory   texts are good until the next call. validate_fixture_done frees all.
 * Errors   a document that does not parse, or missing memory, is a failed assertion.
 */
#ifndef TESTS_UNIT_VALIDATE_FIXTURE_H
#define TESTS_UNIT_VALIDATE_FIXTURE_H

#include "tests/unit/graphql_fixture.h"

struct schema;

struct validate_fixture {
    struct graphql_fixture base;
    struct schema *schema;
    struct ast_document *document; /* the last one */
};

void validate_fixture_init(struct validate_fixture *f);
void validate_fixture_done(struct validate_fixture *f);
/* For cmocka: one as the test's state. */
int validate_fixture_setup(void **state);
int validate_fixture_teardown(void **state);
/* Forgets all errors. */
void validate_fixture_parse(struct validate_fixture *f, const char *document);
/*
 * "1:3 message\n1:5,2:7 another\n", with the first places of each: of a document that is parsed and
 * validated; "": it is valid.
 */
const char *validate_fixture_errors(struct validate_fixture *f, const char *document);
/* The errors that there are, in the same form. */
const char *validate_fixture_lines(struct validate_fixture *f);

#endif
