/*
 * tests/unit/graphql_fixture.h - a region, a list of errors, and a document parsed into them.
 *
 * Memory   graphql_fixture_done frees all of it. The source is copied to memory that ends where it
 *          ends, so that a sanitizer sees a byte read too far.
 * Errors   what cannot go wrong is asserted.
 */
#ifndef TESTS_UNIT_GRAPHQL_FIXTURE_H
#define TESTS_UNIT_GRAPHQL_FIXTURE_H

#include <stddef.h>

#include "server/graphql/errors.h"
#include "server/graphql/parser.h"
#include "server/graphql/region.h"
#include "server/json/text.h"

enum {
    FIXTURE_REGION_BYTES = 64 * 1024 * 1024,
};

struct graphql_fixture {
    struct region region;
    struct graphql_errors errors;
    char *source;
    struct text out;
};

void graphql_fixture_init(struct graphql_fixture *fixture, size_t region_bytes_max);
void graphql_fixture_done(struct graphql_fixture *fixture);
/* For cmocka: one fixture of FIXTURE_REGION_BYTES as the test's state. */
int graphql_fixture_setup(void **state);
int graphql_fixture_teardown(void **state);

/* NULL: see the errors. A second document may be parsed when the first one's source is not needed. */
struct ast_document *graphql_fixture_parse(struct graphql_fixture *fixture, const char *source);
struct ast_document *graphql_fixture_parse_limited(struct graphql_fixture *fixture,
                                                   struct ast_text source,
                                                   const struct parser_limits *limits);
/* All errors as they are answered; valid until the next call. */
const char *graphql_fixture_errors(struct graphql_fixture *fixture);
/* What has been written to fixture->out since the last call, terminated; empties it. */
const char *graphql_fixture_take(struct graphql_fixture *fixture);

#endif
