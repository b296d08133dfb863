#include "store/error.h"

#include <errno.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/env.h"

enum {
    ERROR_TEXT_BYTES = 512,
};

static char error_text[ERROR_TEXT_BYTES];

/* LMDB's own codes; whatever is not here and not positive is a wrong call of ours. */
static const struct error_code {
    int lmdb_code;
    int rc;
} error_codes[] = {
    {MDB_NOTFOUND, -ENOENT},
    {MDB_KEYEXIST, -EEXIST},
    {MDB_MAP_FULL, -ENOSPC},
    {MDB_READERS_FULL, -EUSERS},
    {MDB_MAP_RESIZED, -EAGAIN},
    {MDB_PANIC, -EIO},
    {MDB_TXN_FULL, -E2BIG},
    {MDB_CORRUPTED, -EBADMSG},
    {MDB_PAGE_NOTFOUND, -EBADMSG},
    {MDB_CURSOR_FULL, -EBADMSG},
    {MDB_PAGE_FULL, -EBADMSG},
    {MDB_INVALID, -EBADMSG},
    {MDB_VERSION_MISMATCH, -EBADMSG},
    {MDB_INCOMPATIBLE, -EBADMSG},
    /* A quota, and a file that may not grow, leave no room either. */
    {EDQUOT, -ENOSPC},
    {EFBIG, -ENOSPC},
};

int store_errno(int lmdb_code)
{
    for (size_t i = 0; i < sizeof error_codes / sizeof error_codes[0]; i++) {
        if (error_codes[i].lmdb_code == lmdb_code)
            return error_codes[i].rc;
    }
    if (lmdb_code < 0)
        return -EINVAL;
    return -lmdb_code;
}

const char *store_error_text(void)
{
    return error_text;
}

__attribute__((format(printf, 2, 0))) static void text_write(const char *reason, const char *format,
                                                             va_list arguments)
{
    int length = vsnprintf(error_text, sizeof error_text, format, arguments);

    if (length < 0) {
        error_text[0] = '\0';
        length = 0;
    }
    if (reason == NULL || (size_t)length + 1 >= sizeof error_text)
        return;
    /* A text that does not fit is cut; it is for people. */
    (void)snprintf(error_text + length, sizeof error_text - (size_t)length, ": %s", reason);
}

int error_text_set(int rc, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_write(NULL, format, arguments);
    va_end(arguments);
    return rc;
}

int error_text_lmdb(int lmdb_code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_write(mdb_strerror(lmdb_code), format, arguments);
    va_end(arguments);
    return store_errno(lmdb_code);
}
