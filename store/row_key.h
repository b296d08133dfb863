/*
 * store/row_key.h - the keys of rows and of index entries: their byte order is the values' order.
 *
 * Shape    a row: table (u16), id (u64). An entry: index (u16), a value per column of the index, id
 *          (u64). Numbers are big-endian. A value begins with a byte that says whether there is
 *          one, null first; README.md has the rest.
 * Cut      a text that has no room is stored as its beginning and a hash of all of it: two such
 *          values that are equal may be of two texts, whose order only their rows know.
 * Callers  store/ only. Pure.
 */
#ifndef STORE_ROW_KEY_H
#define STORE_ROW_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalog.h"

enum {
    ROW_KEY_BYTES = 10,
    INDEX_KEY_BYTES_MAX = 511, /* LMDB's, unless it is built otherwise */
    INDEX_KEY_ID_BYTES = 8,
    INDEX_KEY_HASH_BYTES = 8, /* at the end of a cut text */
};

void row_key_write(uint8_t out[ROW_KEY_BYTES], uint16_t table, uint64_t id);
/* The id at the end of a row's key or an entry. */
uint64_t row_key_id(const uint8_t *bytes, size_t size);

/* What the keys of one index are made of. */
struct index_layout {
    const struct catalog_index *index;
    const struct catalog_column *columns[CATALOG_INDEX_COLUMNS_MAX];
    uint8_t count;
    uint16_t text_bytes; /* room for each text */
};

void index_layout_make(const struct catalog_table *table, const struct catalog_index *index,
                       struct index_layout *ret_layout);

/* A key that grows value by value. */
struct index_key {
    uint8_t bytes[INDEX_KEY_BYTES_MAX];
    size_t size;
    bool is_cut; /* one of its values is */
};

/* Only the index's number: no value yet. */
void index_key_begin(struct index_key *key, const struct index_layout *layout);
/* Adds a value of column @place of the index. */
void index_key_add(struct index_key *key, const struct index_layout *layout, unsigned place,
                   struct catalog_text json);
void index_key_add_id(struct index_key *key, uint64_t id);
/* Makes it the first key behind all that begin with it. There is one: no number is 65,535. */
void index_key_pass(struct index_key *key);

/* Bytes of the value of column @place that @bytes begin with; 0: damaged. */
size_t index_value_bytes(const struct index_layout *layout, unsigned place, const uint8_t *bytes,
                         size_t size, bool *ret_is_cut);

#endif
