/*
 * tests/unit/schema_fixture.h - schemas for tests: built from a text, and the message board's.
 *
 * Memory   schemas and texts are the caller's to free; errors are in the fixture.
 * Errors   what is asked for and not there is a failed assertion, but for schema_fixture_build.
 */
#ifndef TESTS_UNIT_SCHEMA_FIXTURE_H
#define TESTS_UNIT_SCHEMA_FIXTURE_H

#include "server/graphql/schema.h"
#include "tests/unit/graphql_fixture.h"

struct ast_text schema_fixture_text(const char *string);
/* NULL: see the errors. */
struct schema *schema_fixture_build(struct graphql_fixture *f, const char *sdl);
struct schema *schema_fixture_good(struct graphql_fixture *f, const char *sdl);
struct schema_type *schema_fixture_type(const struct schema *schema, const char *name);
struct schema_field *schema_fixture_field(const struct schema *schema, const char *type,
                                          const char *field);
/* SDL of the message board (PROTOCOLS section 6), terminated. */
char *schema_fixture_board(void);

#endif
