/*
 * tests/fault/broken_calls.c - a library to be preloaded into a server: calls of its processes fail when
 * a test says so.
 *
 * BROKEN_CALLS_CONTROL  a file of struct control, mapped by each process: what fails, written by the test
 * BROKEN_CALLS_ROOT     the directory, absolute, whose files are meant; allocations have none
 *
 * Files' calls are made as bare system calls, so that it can stand before any other library. It has no
 * sanitizer of its own. With BROKEN_MEMORY it has the allocator's calls, too: for a server without
 * sanitizers, which have their own.
 */
/* Both names of each call are defined here: neither may become the other. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fault/open_calls.h"

/* Sets of calls: bits of control.calls and control.done. tests/fault/lib/broken_calls.mjs has them, too. */
enum {
    CALL_WRITE = 1,
    CALL_HEAD = 2, /* a write to a descriptor that syncs each: LMDB's head */
    CALL_RESTORE =
        4, /* the first other write behind a head that failed: LMDB puts the old one back */
    CALL_DATA_SYNC = 8,
    CALL_SYNC = 16,
    CALL_SIZE = 32, /* ftruncate, fallocate */
    CALL_OPEN = 64,
    CALL_RENAME = 128,
    CALL_UNLINK = 256,
    CALL_ALLOCATE = 512, /* memory */
};

#define FOR_EVER UINT32_MAX

struct control {
    _Atomic uint32_t calls; /* that fail */
    _Atomic uint32_t error; /* with this errno */
    _Atomic uint32_t pid;   /* of this process only; 0: all */
    _Atomic uint32_t skip;  /* so many are made first */
    _Atomic uint32_t count; /* so many fail then; FOR_EVER */
    _Atomic uint32_t done;  /* that are made all the same before they fail */
    _Atomic uint32_t hits;  /* that have failed */
};

static struct control *control;
static bool has_head_failed;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("BROKEN_CALLS_CONTROL");
    int fd = path != NULL ? (int)syscall(SYS_open, path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)syscall(SYS_close, fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

/* Takes one of *@number, if there is one. */
static bool take_one(_Atomic uint32_t *number)
{
    uint32_t seen = atomic_load(number);

    while (seen != 0) {
        if (seen == FOR_EVER || atomic_compare_exchange_weak(number, &seen, seen - 1))
            return true;
    }
    return false;
}

static bool is_broken(uint32_t call)
{
    uint32_t pid;

    if (control == NULL || (atomic_load(&control->calls) & call) == 0)
        return false;
    pid = atomic_load(&control->pid);
    if (pid != 0 && pid != (uint32_t)syscall(SYS_getpid))
        return false;
    if (take_one(&control->skip) || !take_one(&control->count))
        return false;
    (void)atomic_fetch_add(&control->hits, 1);
    return true;
}

static bool is_done(uint32_t call)
{
    return (atomic_load(&control->done) & call) != 0;
}

static int fail(void)
{
    errno = (int)atomic_load(&control->error);
    return -1;
}

/* --- which files ---------------------------------------------------------------------------- */

static bool is_below(const char *path)
{
    const char *root = getenv("BROKEN_CALLS_ROOT");
    size_t bytes = root != NULL ? strlen(root) : 0;

    return bytes > 0 && strncmp(path, root, bytes) == 0;
}

static bool is_meant(int fd)
{
    char path[PATH_MAX];
    char link[64];
    int saved_errno = errno;
    long bytes;

    if (control == NULL || atomic_load(&control->calls) == 0)
        return false;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    bytes = syscall(SYS_readlink, link, path, sizeof path - 1);
    errno = saved_errno;
    if (bytes <= 0)
        return false;
    path[bytes] = '\0';
    return is_below(path);
}

/* --- writes --------------------------------------------------------------------------------- */

static uint32_t write_call(int fd)
{
    if ((syscall(SYS_fcntl, fd, F_GETFL) & O_DSYNC) != 0)
        return CALL_HEAD;
    if (has_head_failed) {
        has_head_failed = false;
        return CALL_RESTORE;
    }
    return CALL_WRITE;
}

/* @offset -1: where the descriptor stands. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset)
{
    uint32_t call = is_meant(fd) ? write_call(fd) : 0;
    bool is_failing = call != 0 && is_broken(call);
    ssize_t rc = 0;

    if (!is_failing || is_done(call))
        rc = offset >= 0 ? syscall(SYS_pwritev, fd, parts, count, offset, 0)
                         : syscall(SYS_writev, fd, parts, count);
    if (!is_failing)
        return rc;
    has_head_failed = call == CALL_HEAD;
    return fail();
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};

    return write_parts(fd, &part, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_parts(fd, parts, count, -1);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};

    return write_parts(fd, &part, 1, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
    return pwrite(fd, data, bytes, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(fd, parts, count, offset);
}

/* --- syncs and sizes ------------------------------------------------------------------------ */

int fdatasync(int fd)
{
    if (is_meant(fd) && is_broken(CALL_DATA_SYNC))
        return fail();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (is_meant(fd) && is_broken(CALL_SYNC))
        return fail();
    return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t bytes)
{
    if (is_meant(fd) && is_broken(CALL_SIZE))
        return fail();
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

int ftruncate64(int fd, off_t bytes)
{
    return ftruncate(fd, bytes);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    if (is_meant(fd) && is_broken(CALL_SIZE))
        return fail();
    return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

int fallocate64(int fd, int mode, off_t offset, off_t bytes)
{
    return fallocate(fd, mode, offset, bytes);
}

/* Returns the error, as POSIX has it; errno stays. */
int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    int saved_errno = errno;
    int rc = fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;

    errno = saved_errno;
    return rc;
}

int posix_fallocate64(int fd, off_t offset, off_t bytes)
{
    return posix_fallocate(fd, offset, bytes);
}

/* --- names ---------------------------------------------------------------------------------- */

/* Whether a name in this directory is meant. */
static bool is_name_meant(int dir_fd, const char *name)
{
    if (control == NULL || atomic_load(&control->calls) == 0)
        return false;
    return name[0] == '/' || dir_fd == AT_FDCWD ? is_below(name) : is_meant(dir_fd);
}

int on_open(int dir_fd, const char *name, int flags, mode_t mode)
{
    if (is_name_meant(dir_fd, name) && is_broken(CALL_OPEN))
        return fail();
    return (int)syscall(SYS_openat, dir_fd, name, flags, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (is_name_meant(to_fd, to) && is_broken(CALL_RENAME))
        return fail();
    return (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int unlinkat(int dir_fd, const char *name, int flags)
{
    if (is_name_meant(dir_fd, name) && is_broken(CALL_UNLINK))
        return fail();
    return (int)syscall(SYS_unlinkat, dir_fd, name, flags);
}

#ifdef BROKEN_MEMORY

/* --- memory --------------------------------------------------------------------------------- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t bytes)
{
    return is_broken(CALL_ALLOCATE) ? no_memory() : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return is_broken(CALL_ALLOCATE) ? no_memory() : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return is_broken(CALL_ALLOCATE) ? no_memory() : __libc_realloc(old, bytes);
}

#endif
