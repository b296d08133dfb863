/*
 * store/rows.h - reading rows: one by its id, or those that an index has between two places.
 *
 * Callers  any process that has a snapshot (store/env.h). Nothing here writes.
 * Memory   what a struct row points to is the map's: copy it out before the snapshot ends.
 * Cost     a row by id is one B-tree descent; a list one descent, then one step per entry passed
 *          over (offset) and per row given; it never walks a table. ROWS_PASSED_MAX bounds it.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalog.h"

struct store;

struct row {
    uint64_t id;
    const uint8_t *value; /* store/README.md has its bytes */
    size_t bytes;
};

/* 0, -ENOENT, or what the store says. */
int rows_get(struct store *store, const struct catalog_table *table, uint64_t id,
             struct row *ret_row);
/*
 * What a column holds; of a row older than the column its default. size 0: null.
 */
struct catalog_text row_column(const struct row *row, const struct catalog_column *column);

enum {
    ROWS_EQUAL_MAX = CATALOG_INDEX_COLUMNS_MAX,
    /* Entries that one list may pass over: those before its offset, or, ordered otherwise than its
       range is, those in the range. */
    ROWS_PASSED_MAX = 100000,
};

/* One end of a range; none: size 0. */
struct rows_bound {
    struct catalog_text json;
    bool is_inclusive;
};

struct rows_query {
    const struct catalog_table *table;
    const struct catalog_index *index;         /* NULL: all rows, by id */
    struct catalog_text equal[ROWS_EQUAL_MAX]; /* beside the index's equal columns; size 0: null */
    struct rows_bound from;                    /* of the first ordered column */
    struct rows_bound to;
    /*
     * By the first ordered column; else by the one behind it, or, if there is none, by id. Without
     * a bound and with one ordered column: true.
     */
    bool is_by_range;
    bool is_desc; /* both the column and the id */
    bool has_after;
    uint64_t after_id; /* behind that row, which need not match; -ENOENT when there is none such */
    uint64_t offset;
    uint32_t limit; /* at least 1 */
};

/* False: no more. */
typedef bool rows_function(void *user, const struct row *row);
/* Calls @on_row for each, in order. 0; -E2BIG: ROWS_PASSED_MAX; -errno. */
int rows_list(struct store *store, const struct rows_query *query, rows_function *on_row,
              void *user);

#endif
