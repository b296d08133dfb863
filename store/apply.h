/*
 * store/apply.h - the state machine: an operation and the rows in, rows and events out.
 *
 * Pure: nothing but the operation and the rows decides what comes out (DESIGN section 3), so
 * applying the same log to the same start gives the same bytes.
 * An EVENT comes out as it is. A COMMAND comes out as its results (rows: with GraphQL); one that
 * cannot be executed comes out as failed, under the same seq, so that seq has no hole.
 * Callers  the writer, inside its write transaction.
 */
#ifndef STORE_APPLY_H
#define STORE_APPLY_H

#include <stddef.h>

#include "bus/record.h"

/*
 * Writes the log's form of @record (whose encoded bytes are @encoded) to @out and returns its
 * length, at most APPLY_GROWTH_MAX more than the record's own; -errno when the rows cannot be read
 * or written.
 */
enum {
    APPLY_GROWTH_MAX = 64,
};
ptrdiff_t apply_operation(const struct record *record, const void *encoded, void *out,
                          size_t out_bytes);

#endif
