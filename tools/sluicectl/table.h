/*
 * tools/sluicectl/table.h - columns that are as wide as their widest cell.
 *
 * Shape    A heading, and rows of as many cells; numbers stand right. Cells are escaped (escape.h).
 * Memory   The caller embeds the struct: table_init, table_done. Cells are copied.
 * Errors   Out of memory: cells are left out and table_write returns -ENOMEM.
 */
#ifndef TOOLS_SLUICECTL_TABLE_H
#define TOOLS_SLUICECTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 13

struct table_column {
    const char *title;
    bool is_right;
};

struct table_cell {
    char *text;
    size_t columns;
};

struct table {
    const struct table_column *columns; /* the caller's, for as long as the table */
    size_t column_count;
    size_t widths[TABLE_COLUMNS_MAX];
    struct table_cell *cells; /* row by row */
    size_t cell_count;
    size_t cell_room;
    bool is_short; /* of memory */
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_done(struct table *table);

/* The next cell; a row begins when the one before is full. */
void table_add(struct table *table, const char *text, size_t bytes);
void table_add_text(struct table *table, const char *text);
void table_add_count(struct table *table, uint64_t count);
void table_add_bytes(struct table *table, uint64_t bytes);
void table_add_rate(struct table *table, double per_second);

size_t table_row_count(const struct table *table);

/* The heading and at most @rows_max rows, two spaces between columns, none at a line's end. */
int table_write(const struct table *table, FILE *output, size_t rows_max);

#endif
