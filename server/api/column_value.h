/*
 * server/api/column_value.h - coerced input values as columns have them (store/catalog.h, enum
 * column_kind).
 *
 * Memory   texts are the region's, or the value's. Without memory region->has_failed says so.
 * Callers  resolvers; pure.
 */
#ifndef SERVER_API_COLUMN_VALUE_H
#define SERVER_API_COLUMN_VALUE_H

#include "server/api/model.h"
#include "server/graphql/region.h"
#include "server/graphql/value.h"

enum {
    COLUMN_VALUE_TIME_BYTES = 29, /* "2026-01-31T12:00:00.123456Z" with its quotes */
};

/*
 * A value that is not absent as @column has it; null: size 0. NULL: done; else what is wrong with it, in
 * words that follow the column's name.
 */
const char *column_value(const struct model_column *column, const struct value *value,
                         struct region *region, struct catalog_text *ret_json);
/* A column's value as another one has it: an Int as a Float or an ID. */
struct catalog_text column_value_as(const struct model_column *column, enum column_kind from,
                                    struct catalog_text json, struct region *region);

/*
 * RFC 3339, section 5.6, with any offset and as many digits of a second as there are (those behind
 * microseconds are cut off); as UTC, in quotes. False: it is none, or before year 0 or after 9999.
 */
bool column_value_time(const char *text, size_t bytes, char out[COLUMN_VALUE_TIME_BYTES]);

/* Below, at or above 0, as two values of this kind are ordered; neither is null. */
int column_value_compare(enum column_kind kind, struct catalog_text a, struct catalog_text b);

#endif
