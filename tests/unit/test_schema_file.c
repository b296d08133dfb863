/* The schema that --schema names: read, and what is wrong with it said with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/api/model.h"
#include "server/schema_file.h"

struct fixture {
    char file[64];
    char *errors; /* of the last build */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int fd;

    if (f == NULL)
        return -1;
    (void)snprintf(f->file, sizeof f->file, "/tmp/sluice-test-schema-XXXXXX");
    fd = mkstemp(f->file);
    *state = f;
    if (fd < 0)
        return -1;
    (void)close(fd);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->file);
    free(f->errors);
    free(f);
    return 0;
}

static void write_file(const struct fixture *f, const char *text, size_t times)
{
    FILE *file = fopen(f->file, "w");

    assert_non_null(file);
    for (size_t i = 0; i < times; i++)
        assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Whether the schema was built; what was said is in f->errors. */
static bool build(struct fixture *f, const char *name)
{
    size_t bytes;
    FILE *errors;
    struct model *model;

    free(f->errors);
    f->errors = NULL;
    errors = open_memstream(&f->errors, &bytes);
    assert_non_null(errors);
    model = schema_file_build(name, errors);
    assert_int_equal(fclose(errors), 0);
    model_free(model);
    return model != NULL;
}

static void assert_says(const struct fixture *f, const char *text)
{
    if (strstr(f->errors, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, f->errors);
}

static void without_a_file_it_is_the_built_in_one(void **state)
{
    struct fixture *f = *state;

    assert_true(build(f, NULL));
    assert_string_equal(f->errors, "");
}

static void a_file_is_read_to_its_end(void **state)
{
    struct fixture *f = *state;
    size_t bytes;
    const char *sdl = model_built_in_sdl(&bytes);
    char *text = malloc(bytes + 1);

    assert_non_null(text);
    memcpy(text, sdl, bytes); /* it is not terminated */
    text[bytes] = '\0';
    write_file(f, text, 1);
    free(text);
    assert_true(build(f, f->file));
    assert_string_equal(f->errors, "");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct fixture *f = *state;

    assert_false(build(f, "/nowhere/a.graphql"));
    assert_string_equal(f->errors, "sluice: --schema: /nowhere/a.graphql cannot be read: "
                                   "No such file or directory\n");
    assert_false(build(f, "/tmp"));
    assert_string_equal(f->errors, "sluice: --schema: /tmp cannot be read: Is a directory\n");
}

static void a_file_without_an_end_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_false(build(f, "/dev/zero"));
    assert_string_equal(f->errors, "sluice: --schema: /dev/zero is longer than 4096 KiB\n");
}

static void each_mistake_has_a_line_with_its_place(void **state)
{
    struct fixture *f = *state;
    char place[96];

    write_file(f, "type Query {\n  hello: String!\n", 1);
    assert_false(build(f, f->file));
    (void)snprintf(place, sizeof place, "%s:3:1: ", f->file);
    assert_int_equal(strncmp(f->errors, place, strlen(place)), 0);
    assert_int_equal(f->errors[strlen(f->errors) - 1], '\n');

    write_file(f, "type Query {\n  a: Nothing\n  b: Neither\n}\n", 1);
    assert_false(build(f, f->file));
    (void)snprintf(place, sizeof place, "%s:2:", f->file);
    assert_says(f, place);
    (void)snprintf(place, sizeof place, "%s:3:", f->file);
    assert_says(f, place);
}

static void an_empty_file_is_no_schema(void **state)
{
    struct fixture *f = *state;

    assert_false(build(f, f->file));
    assert_says(f, f->file);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_it_is_the_built_in_one),  TEST(a_file_is_read_to_its_end),
        TEST(a_file_that_cannot_be_read_is_named),    TEST(a_file_without_an_end_is_refused),
        TEST(each_mistake_has_a_line_with_its_place), TEST(an_empty_file_is_no_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
