/*
 * tests/fault/open_calls.h - open and its three kin, in front of the C library's: all lead to on_open.
 *
 * For preloaded libraries, in one source file each; on_open is that file's own.
 */
#ifndef TESTS_FAULT_OPEN_CALLS_H
#define TESTS_FAULT_OPEN_CALLS_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

__attribute__((visibility("hidden"))) int on_open(int dir_fd, const char *name, int flags,
                                                  mode_t mode);

/* The mode is there only when a file may be made. */
#define OPEN_MODE(flags, mode)                                                                     \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        if (((flags) & (O_CREAT | O_TMPFILE)) != 0)                                                \
            (mode) = va_arg(arguments, mode_t);                                                    \
        va_end(arguments);                                                                         \
    } while (0)

int open(const char *name, int flags, ...)
{
    mode_t mode = 0;

    OPEN_MODE(flags, mode);
    return on_open(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    mode_t mode = 0;

    OPEN_MODE(flags, mode);
    return on_open(AT_FDCWD, name, flags, mode);
}

int openat(int dir_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;

    OPEN_MODE(flags, mode);
    return on_open(dir_fd, name, flags, mode);
}

int openat64(int dir_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;

    OPEN_MODE(flags, mode);
    return on_open(dir_fd, name, flags, mode);
}

#endif
