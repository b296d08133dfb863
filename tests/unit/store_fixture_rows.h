/*
 * tests/unit/store_fixture_rows.h - schemas and COMMANDs in few words, and a check of all rows.
 *
 * A schema is a table of tables; a change names its table and columns; both end where a name is
 * NULL. Operations go into the store fixture's batch like events do.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_ROWS_H
#define TESTS_UNIT_STORE_FIXTURE_ROWS_H

#include <stdbool.h>

#include "store/command.h"
#include "store/rows.h"
#include "tests/unit/store_fixture.h"

enum {
    ROWS_COLUMNS_MAX = 16,
    ROWS_INDEXES_MAX = 12,
    ROWS_TABLES_MAX = 8,
};

struct rows_column {
    const char *name;
    enum column_kind kind;
    bool is_required;
    bool is_unique;
    enum column_now now;
    const char *references;
    const char *default_json;
    const char *values;
};

struct rows_index {
    const char *equal[4];
    const char *ordered[2];
};

/* `id` is added in front, as an Int unless @id_kind says otherwise. */
struct rows_table {
    const char *name;
    enum column_kind id_kind;
    struct rows_column columns[ROWS_COLUMNS_MAX];
    struct rows_index indexes[ROWS_INDEXES_MAX];
};

struct rows_value {
    const char *column;
    const char *json; /* NULL: null */
};

struct rows_change {
    enum command_kind kind;
    const char *table;
    uint64_t id;
    struct rows_value values[8];
    struct rows_value conditions[4];
    const char *topics[8]; /* templates: comments:{messageId} */
};

/* cmocka setup: a new store with the board; teardown: everything on disk is whole. */
int rows_setup(void **state);
int rows_teardown(void **state);

/* A message board, as PROTOCOLS section 6 has it, less some columns. */
extern const struct rows_table rows_board[];
/* Of the board: a message on topic `messages`, a comment on the first message. */
extern const struct rows_change rows_create_message;
extern const struct rows_change rows_create_comment;

/* The encoded catalog; *ret_bytes long, for the caller to free. */
uint8_t *rows_catalog(const struct rows_table *tables, const char *sdl, size_t *ret_bytes);
/* Adds the schema operation. */
void rows_add_schema(struct store_fixture *fixture, const struct rows_table *tables);
/* ... commits it and expects it to succeed. */
void rows_set_schema(struct store_fixture *fixture, const struct rows_table *tables);

/* Adds a COMMAND as it is; for children too, nothing is asserted. */
void rows_add_command(struct store_fixture *fixture, const struct command *command);
/* Adds a change under the committed catalog. */
void rows_add(struct store_fixture *fixture, const struct rows_change *change);
/* ... commits it; the result's payload, until the next call. */
const char *rows_run(struct store_fixture *fixture, const struct rows_change *change);
/* Expects that the COMMAND fails with this code, and a message with these words in it. */
void rows_expect_failure(struct store_fixture *fixture, const struct rows_change *change,
                         const char *code, const char *words);
/* The operation @seq of the log. */
struct record rows_record(struct store_fixture *fixture, uint64_t seq);
/* Its topics with a space between. */
const char *rows_topics(const struct record *record);

/* Expects what a column of a row reads as (NULL: null), or that there is no such row. */
void rows_expect(struct store_fixture *fixture, const char *table, uint64_t id, const char *column,
                 const char *json);
void rows_expect_none(struct store_fixture *fixture, const char *table, uint64_t id);

/* The committed catalog, until the next schema operation or the fixture's end. */
const struct catalog *rows_current(struct store_fixture *fixture);
const struct catalog_table *rows_table_of(struct store_fixture *fixture, const char *name);
const struct catalog_column *rows_column_of(const struct catalog_table *table, const char *name);
/* The index of @table with these columns. */
const struct catalog_index *rows_index_of(const struct catalog_table *table,
                                          const struct rows_index *like);

/*
 * Walks rows and indexes both ways: each row is sound and under each of its table's indexes, no
 * other entry is there, no id past its counter. A snapshot is open.
 */
void store_fixture_check_rows(struct store *store);

#endif
