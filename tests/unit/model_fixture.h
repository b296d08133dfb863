/*
 * tests/unit/model_fixture.h - models of schemas for tests, and what is wrong with others.
 *
 * Memory   models are the caller's to free; texts belong to the struct text that is given.
 * Errors   what is asked for and not there is a failed assertion, but for model_fixture_try.
 */
#ifndef TESTS_UNIT_MODEL_FIXTURE_H
#define TESTS_UNIT_MODEL_FIXTURE_H

#include "server/api/model.h"
#include "server/json/text.h"

/* The scalars and directives of the built-in schema, as their definitions. */
struct ast_text model_fixture_definitions(void);
/*
 * A model of @sdl with those definitions behind it, on lines of their own, so that places in it are
 * those of @sdl alone. NULL: @ret_errors, which is emptied first, has the mistakes, terminated.
 */
struct model *model_fixture_try(const char *sdl, struct text *ret_errors);
struct model *model_fixture_good(const char *sdl);
struct model *model_fixture_built_in(void);
/* Of an SDL file, by its path from the source's root. */
struct model *model_fixture_file(const char *path);
const struct model_field *model_fixture_field(const struct model *model, const char *type,
                                              const char *field);
const struct model_table *model_fixture_table(const struct model *model, const char *name);

/* Fails unless @sdl (with the definitions if @is_whole is false) has just these mistakes. */
void model_fixture_expect(const char *sdl, bool is_whole, const char *mistakes);
void model_fixture_expect_name(struct ast_text text, const char *name);

#endif
