#include "tools/sluicectl/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "tools/sluicectl/escape.h"
#include "tools/sluicectl/format.h"

enum {
    CELLS_MIN = 64,
    GAP = 2,
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
    CHECK(column_count >= 1);
    CHECK(column_count <= TABLE_COLUMNS_MAX);

    *table = (struct table){.columns = columns, .column_count = column_count};
    for (size_t i = 0; i < column_count; i++)
        table->widths[i] = strlen(columns[i].title);
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}

static bool has_room(struct table *table)
{
    if (table->cell_count < table->cell_room)
        return true;
    size_t room = table->cell_room == 0 ? CELLS_MIN : 2 * table->cell_room;
    struct table_cell *cells = reallocarray(table->cells, room, sizeof *cells);
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->cell_room = room;
    return true;
}

static bool cell_make(struct table_cell *cell, const char *text, size_t bytes)
{
    size_t size;
    FILE *memory = open_memstream(&cell->text, &size);

    if (memory == NULL)
        return false;
    cell->columns = escape_write(memory, text, bytes);
    if (fclose(memory) == 0)
        return true;
    free(cell->text);
    return false;
}

void table_add(struct table *table, const char *text, size_t bytes)
{
    struct table_cell cell;
    size_t column = table->cell_count % table->column_count;

    if (table->is_short || !has_room(table) || !cell_make(&cell, text, bytes)) {
        table->is_short = true;
        return;
    }
    table->cells[table->cell_count++] = cell;
    if (cell.columns > table->widths[column])
        table->widths[column] = cell.columns;
}

void table_add_text(struct table *table, const char *text)
{
    table_add(table, text, strlen(text));
}

void table_add_count(struct table *table, uint64_t count)
{
    char text[FORMAT_BYTES];

    table_add_text(table, format_count(text, count));
}

void table_add_bytes(struct table *table, uint64_t bytes)
{
    char text[FORMAT_BYTES];

    table_add_text(table, format_bytes(text, bytes));
}

void table_add_rate(struct table *table, double per_second)
{
    char text[FORMAT_BYTES];

    table_add_text(table, format_rate(text, per_second));
}

size_t table_row_count(const struct table *table)
{
    return table->cell_count / table->column_count;
}

static void write_cell(const struct table *table, FILE *output, size_t column,
                       const struct table_cell *cell)
{
    size_t blanks = table->widths[column] - cell->columns;
    bool is_right = table->columns[column].is_right;
    bool is_last = column + 1 == table->column_count;

    if (is_right && blanks > 0)
        (void)fprintf(output, "%*s", (int)blanks, "");
    (void)fputs(cell->text, output); /* who ends with the stream looks at its state */
    if (!is_last)
        (void)fprintf(output, "%*s", (int)(is_right ? GAP : blanks + GAP), "");
}

static void write_heading(const struct table *table, FILE *output)
{
    for (size_t column = 0; column < table->column_count; column++) {
        char title[64];
        (void)snprintf(title, sizeof title, "%s", table->columns[column].title);
        struct table_cell cell = {.text = title, .columns = strlen(title)};
        write_cell(table, output, column, &cell);
    }
    (void)fputc('\n', output);
}

int table_write(const struct table *table, FILE *output, size_t rows_max)
{
    size_t row_count = table_row_count(table);

    if (row_count > rows_max)
        row_count = rows_max;
    write_heading(table, output);
    for (size_t i = 0; i < row_count * table->column_count; i++) {
        size_t column = i % table->column_count;

        write_cell(table, output, column, &table->cells[i]);
        if (column + 1 == table->column_count)
            (void)fputc('\n', output);
    }
    return table->is_short ? -ENOMEM : 0;
}
