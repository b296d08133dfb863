/*
 * store/row.h - a row as bytes, as the pieces it is made of, and as JSON.
 *
 * Shape    {u16 count of pieces, u16 0, u32 end of each piece, from the first one's begin}, then
 *          the pieces: piece n is the JSON text of column number n, empty if it is null. A column
 *          that the row has no piece for is younger than the row and reads as its default.
 * Callers  store/ only, but for what store/rows.h has of it.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalog.h"
#include "store/rows.h"

/* The pieces of one row, by column number: all columns of its table. */
struct row_pieces {
    struct catalog_text json[CATALOG_COLUMNS_MAX]; /* size 0: null */
};

/* Whether the lengths in a row fit together. */
bool row_is_sound(const struct row *row);
void row_pieces_of(const struct row *row, const struct catalog_table *table,
                   struct row_pieces *ret_pieces);

/* Bytes of @table's row with these pieces, and the row itself. */
size_t row_encoded_bytes(const struct catalog_table *table, const struct row_pieces *pieces);
void row_encode(const struct catalog_table *table, const struct row_pieces *pieces, uint8_t *out);

/* {"id":1,…}: the columns that are not dropped, in the schema's order. */
size_t row_json_bytes(const struct catalog_table *table, const struct row_pieces *pieces);
void row_json(const struct catalog_table *table, const struct row_pieces *pieces, char *out);

#endif
