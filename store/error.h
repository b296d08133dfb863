/*
 * store/error.h - LMDB's and the system's errors as -errno, with the words that go with them.
 *
 * Callers  store/ only; everybody else sees store_errno and store_error_text (store/env.h).
 * Memory   one text per process, overwritten by the next failure.
 */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

#include "bus/check.h"

/* Keep the text (error_text_lmdb: with the code's own words behind) and return what is below. */
int error_text_set(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
int error_text_lmdb(int lmdb_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Every error leaves through here, so that compilers and analyzers know that it is negative. */
static inline int error_negative(int rc)
{
    CHECK(rc < 0);
    return rc;
}

/* Keeps the text and is @rc, which is negative. */
#define error_set(rc, ...) error_negative(error_text_set((rc), __VA_ARGS__))
/* The same for a code of LMDB or errno, which becomes -errno. */
#define error_lmdb(lmdb_code, ...) error_negative(error_text_lmdb((lmdb_code), __VA_ARGS__))

#endif
