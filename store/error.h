/*
 * store/error.h - LMDB's and the system's errors as -errno, with the words that go with them.
 *
 * Callers  store/ only; everybody else sees store_errno and store_error_text (store/env.h).
 * Memory   one text per process, overwritten by the next failure.
 */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

/* Keeps the text and returns @rc (negative) as it is. */
int error_set(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a code of LMDB or errno, with its own words behind; returns it as -errno. */
int error_lmdb(int lmdb_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
