#include "tests/unit/model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ast_text model_fixture_definitions(void)
{
    size_t bytes;
    const char *sdl = model_built_in_sdl(&bytes);
    const char *begin = memmem(sdl, bytes, "scalar DateTime", 15);
    const char *last = memmem(sdl, bytes, "directive @subscribe", 20);
    const char *end;

    assert_non_null(begin);
    assert_non_null(last);
    end = memmem(last, bytes - (size_t)(last - sdl), "\n\n", 2);
    assert_non_null(end);
    return (struct ast_text){begin, (uint32_t)(end - begin)};
}

/* Builds from memory that ends where the SDL ends, so that a sanitizer sees a byte read too far. */
static struct model *build(const struct text *sdl, const char *name, struct text *ret_errors)
{
    char *copy = malloc(sdl->size);
    struct model *model;

    assert_non_null(copy);
    memcpy(copy, sdl->bytes, sdl->size);
    ret_errors->size = 0;
    model = model_build(copy, sdl->size, name, ret_errors);
    free(copy);
    assert_int_equal(model == NULL, ret_errors->size > 0);
    text_add(ret_errors, "", 1);
    assert_true(text_is_whole(ret_errors));
    return model;
}

static struct model *try_whole(const char *sdl, bool is_whole, struct text *ret_errors)
{
    struct ast_text definitions = model_fixture_definitions();
    struct text whole = {0};
    struct model *model;

    text_add_string(&whole, sdl);
    if (!is_whole) {
        text_add_string(&whole, "\n");
        text_add(&whole, definitions.bytes, definitions.size);
    }
    assert_true(text_is_whole(&whole));
    model = build(&whole, "x", ret_errors);
    text_done(&whole);
    return model;
}

struct model *model_fixture_try(const char *sdl, struct text *ret_errors)
{
    return try_whole(sdl, false, ret_errors);
}

struct model *model_fixture_good(const char *sdl)
{
    struct text errors = {0};
    struct model *model = model_fixture_try(sdl, &errors);

    if (model == NULL)
        fail_msg("%s\n%s", sdl, errors.bytes);
    text_done(&errors);
    return model;
}

struct model *model_fixture_built_in(void)
{
    size_t bytes;
    const char *sdl = model_built_in_sdl(&bytes);
    struct text errors = {0};
    struct model *model = model_build(sdl, bytes, "board.graphql", &errors);

    if (model == NULL)
        fail_msg("%.*s", (int)errors.size, errors.bytes);
    assert_int_equal(errors.size, 0);
    return model;
}

struct model *model_fixture_file(const char *path)
{
    struct text sdl = {0};
    struct text errors = {0};
    char name[4096];
    struct model *model;
    char *out;
    FILE *file;

    assert_true(snprintf(name, sizeof name, "%s/%s", SOURCE_ROOT, path) < (int)sizeof name);
    file = fopen(name, "r");
    assert_non_null(file);
    out = text_reserve(&sdl, 1 << 20);
    assert_non_null(out);
    text_grow(&sdl, out + fread(out, 1, 1 << 20, file));
    assert_int_equal(fclose(file), 0);
    model = build(&sdl, path, &errors);
    if (model == NULL)
        fail_msg("%s", errors.bytes);
    text_done(&sdl);
    text_done(&errors);
    return model;
}

const struct model_table *model_fixture_table(const struct model *model, const char *name)
{
    const struct schema_type *type =
        schema_find_type(model->schema, (struct ast_text){name, (uint32_t)strlen(name)});

    assert_non_null(type);
    assert_non_null(model_table_of(type));
    return model_table_of(type);
}

const struct model_field *model_fixture_field(const struct model *model, const char *type,
                                              const char *field)
{
    const struct schema_type *found =
        schema_find_type(model->schema, (struct ast_text){type, (uint32_t)strlen(type)});
    const struct schema_field *of;

    assert_non_null(found);
    of = schema_find_field(model->schema, found, (struct ast_text){field, (uint32_t)strlen(field)});
    assert_non_null(of);
    assert_non_null(model_field_of(of));
    return model_field_of(of);
}

void model_fixture_expect(const char *sdl, bool is_whole, const char *mistakes)
{
    struct text errors = {0};
    struct model *model = try_whole(sdl, is_whole, &errors);

    if (strcmp(errors.bytes, mistakes) != 0)
        fail_msg("%.1000s\nhas\n%s\nand not\n%s", sdl, errors.bytes, mistakes);
    model_free(model);
    text_done(&errors);
}

void model_fixture_expect_name(struct ast_text text, const char *name)
{
    assert_int_equal(text.size, strlen(name));
    assert_memory_equal(text.bytes, name, text.size);
}
