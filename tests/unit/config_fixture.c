#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"

enum {
    ARGUMENTS_MAX = 16,
};

int config_set_up(void **state)
{
    *state = calloc(1, sizeof(struct config_fixture));
    return *state == NULL ? -1 : 0;
}

static void forget(struct config_fixture *f)
{
    config_free(f->config);
    f->config = NULL;
    free(f->output);
    free(f->errors);
    f->output = NULL;
    f->errors = NULL;
}

int config_tear_down(void **state)
{
    struct config_fixture *f = *state;

    forget(f);
    if (f->file[0] != '\0')
        (void)unlink(f->file);
    free(f);
    return 0;
}

/* Copies, because a program may write to what it was given. */
static void copy_list(const char *const *list, char **out)
{
    size_t count = 0;

    for (; list != NULL && list[count] != NULL; count++) {
        assert_true(count < ARGUMENTS_MAX);
        out[count] = strdup(list[count]);
        assert_non_null(out[count]);
    }
    out[count] = NULL;
}

static void free_list(char **list)
{
    for (; *list != NULL; list++)
        free(*list);
}

enum config_result config_read_with(struct config_fixture *f, const char *const *arguments,
                                    const char *const *environment)
{
    char *argv[ARGUMENTS_MAX + 2] = {strdup("sluice")};
    char *variables[ARGUMENTS_MAX + 1];
    size_t output_bytes;
    size_t errors_bytes;
    struct config_sources sources = {
        .argv = argv,
        .environment = variables,
        .is_here = f->is_here,
    };
    enum config_result result;

    forget(f);
    copy_list(arguments, argv + 1);
    copy_list(environment, variables);
    sources.output = open_memstream(&f->output, &output_bytes);
    sources.errors = open_memstream(&f->errors, &errors_bytes);
    result = config_read(&sources, &f->config);
    assert_int_equal(fclose(sources.output), 0);
    assert_int_equal(fclose(sources.errors), 0);
    free_list(argv);
    free_list(variables);
    return result;
}

void config_write_file(struct config_fixture *f, const char *text)
{
    FILE *file;
    int fd;

    if (f->file[0] == '\0') {
        (void)snprintf(f->file, sizeof f->file, "/tmp/sluice-test-config-XXXXXX");
        fd = mkstemp(f->file);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    file = fopen(f->file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void config_assert_says(const struct config_fixture *f, const char *text)
{
    if (strstr(f->errors, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, f->errors);
}

size_t config_count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}
