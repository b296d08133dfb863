/*
 * store/value.h - the JSON texts that columns hold: their forms, what they mean, their order.
 *
 * The forms are those of enum column_kind (store/catalog.h). A COLUMN_JSON's text is taken as it
 * is.
 * Callers  store/ only. Pure.
 */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalog.h"

enum {
    VALUE_NUMBER_BYTES_MAX = 1200, /* of a number: more than the digits of any double */
};

/* Whether @json, which is not null, has the form of its column. */
bool value_is_good(const struct catalog_column *column, struct catalog_text json);

/*
 * The UTF-8 text of a COLUMN_STRING, COLUMN_ID, COLUMN_ENUM or COLUMN_DATETIME in a good form,
 * piece by piece: false at the end. Start with *offset = 0.
 */
bool value_text_next(struct catalog_text json, size_t *offset, struct catalog_text *ret_piece);
/* memcmp of two such texts, the shorter one first if it is the other's beginning. */
int value_text_compare(struct catalog_text a, struct catalog_text b);

int32_t value_int(struct catalog_text json);
double value_float(struct catalog_text json); /* -0 is 0 */
/* Mixed-radix number whose order is that of time. */
uint64_t value_datetime(struct catalog_text json);
/* Of a time in a good form: us since 1970, negative before. */
int64_t value_datetime_us(struct catalog_text json);
/* A number 1 to 2^64 - 1 as ids are written (no zeros in front); of a COLUMN_ID in quotes. */
bool value_id(enum column_kind kind, struct catalog_text json, uint64_t *ret_id);

/* Whether two values, null (size 0) included, are one. */
bool value_is_equal(enum column_kind kind, struct catalog_text a, struct catalog_text b);

/* "Int", "String" ... as a schema has it; an unknown kind: "?". */
const char *value_kind_name(unsigned kind);

#endif
