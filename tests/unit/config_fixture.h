/*
 * tests/unit/config_fixture.h - reads configurations from command line, environment and a file.
 *
 * Memory   output, errors and config are those of the last read; the next one frees them.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <stddef.h>

#include "server/config.h"

struct config_fixture {
    struct config *config; /* of the last read that gave one */
    char *output;
    char *errors;
    char file[64]; /* a configuration file; "": none */
    bool is_here;  /* the machine is looked at */
};

/* For cmocka. */
int config_set_up(void **state);
int config_tear_down(void **state);

/* Both lists end with NULL, the arguments without the program's name. @environment may be NULL. */
enum config_result config_read_with(struct config_fixture *f, const char *const *arguments,
                                    const char *const *environment);
#define CONFIG_READ(f, ...) config_read_with(f, (const char *const[]){__VA_ARGS__, NULL}, NULL)

/* Makes f->file, or writes it anew. */
void config_write_file(struct config_fixture *f, const char *text);
void config_assert_says(const struct config_fixture *f, const char *text);
size_t config_count_lines(const char *text);

#endif
