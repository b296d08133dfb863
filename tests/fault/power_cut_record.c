/*
 * tests/fault/power_cut_record.c - a library to be preloaded into a server: it notes everything
 * that the server does to the files of one directory (power_cut_trace.h).
 *
 * POWER_CUT_ROOT   the directory, absolute
 * POWER_CUT_TRACE  where to note it; must be there
 * POWER_CUT_SKIP   a lie, to show that it is noticed: "fdatasync", "fsync" (of files) or "fsync-dir"
 *                  does nothing and says it did; "dsync" makes an O_DSYNC write an ordinary one
 *
 * Every call is made as a bare system call: nothing of another library in front or behind matters,
 * and the trace is opened anew for each record, because the server closes what it does not know.
 * Not seen: what is written through a shared mapping, which the store does with lock.mdb only.
 */
/* Both names of each call are defined here: neither may become the other. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/open_calls.h"
#include "tests/fault/power_cut_trace.h"

enum {
    PARTS_MAX = 1024, /* IOV_MAX */
};

/* Behind the directory's name and a slash, or NULL when @path lies elsewhere. */
static const char *path_below(const char *path)
{
    const char *root = getenv("POWER_CUT_ROOT");
    size_t bytes = root != NULL ? strlen(root) : 0;

    if (bytes == 0 || strncmp(path, root, bytes) != 0)
        return NULL;
    if (path[bytes] == '\0')
        return "";
    return path[bytes] == '/' ? path + bytes + 1 : NULL;
}

static bool fd_path(int fd, char *path)
{
    char link[64];
    long bytes;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    bytes = syscall(SYS_readlink, link, path, PATH_MAX - 1);
    if (bytes <= 0)
        return false;
    path[bytes] = '\0';
    return true;
}

/* An absolute name for @name as the call sees it; symbolic links are not looked at. */
static bool name_path(int dir_fd, const char *name, char *path)
{
    char dir[PATH_MAX] = "";
    int length;

    if (name[0] != '/' && dir_fd == AT_FDCWD) {
        if (syscall(SYS_getcwd, dir, sizeof dir) <= 0)
            return false;
    } else if (name[0] != '/' && !fd_path(dir_fd, dir)) {
        return false;
    }
    length = snprintf(path, PATH_MAX, "%s%s%s", dir, name[0] == '/' ? "" : "/", name);
    return length > 0 && length < PATH_MAX;
}

/* A trace with a hole proves nothing: whoever cannot note ends. */
static _Noreturn void give_up(const char *what)
{
    perror(what);
    abort();
}

static void note(struct trace_record *record, const char *path, const char *to,
                 const struct iovec *data, int data_count)
{
    struct iovec parts[PARTS_MAX + 3];
    const char *trace = getenv("POWER_CUT_TRACE");
    size_t bytes = sizeof *record;
    struct timespec now;
    int saved_errno = errno;
    int fd = trace != NULL ? (int)syscall(SYS_open, trace, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

    if (fd < 0 || data_count > PARTS_MAX)
        give_up("power_cut_record: the trace");
    record->magic = TRACE_MAGIC;
    record->pid = (uint32_t)getpid();
    record->path_bytes = (uint32_t)strlen(path);
    record->to_bytes = (uint32_t)strlen(to);
    parts[0] = (struct iovec){record, sizeof *record};
    parts[1] = (struct iovec){(void *)(uintptr_t)path, record->path_bytes};
    parts[2] = (struct iovec){(void *)(uintptr_t)to, record->to_bytes};
    for (int i = 0; i < data_count; i++) {
        parts[3 + i] = data[i];
        record->data_bytes += (uint32_t)data[i].iov_len;
    }
    bytes += record->path_bytes + record->to_bytes + record->data_bytes;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    record->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (syscall(SYS_writev, fd, parts, data_count + 3) != (long)bytes)
        give_up("power_cut_record: writing the trace");
    (void)syscall(SYS_close, fd);
    errno = saved_errno;
}

/* Whether @fd is a file or directory to be recorded: where and which. */
static bool is_recorded(int fd, char *buf, const char **ret_path, struct stat *ret_stat)
{
    int saved_errno = errno;
    bool is_it = fd_path(fd, buf) && (*ret_path = path_below(buf)) != NULL &&
                 syscall(SYS_fstat, fd, ret_stat) == 0 &&
                 (S_ISREG(ret_stat->st_mode) || S_ISDIR(ret_stat->st_mode));

    errno = saved_errno;
    return is_it;
}

static bool is_skipped(const char *name)
{
    const char *skip = getenv("POWER_CUT_SKIP");

    return skip != NULL && strcmp(skip, name) == 0;
}

/* --- contents ------------------------------------------------------------------------------- */

/* @offset -1: where the descriptor stands. */
static ssize_t record_write(int fd, const struct iovec *data, int count, off_t offset)
{
    char buf[PATH_MAX];
    const char *path;
    struct stat stat;
    struct trace_record record = {.kind = TRACE_WRITE};
    struct trace_record after = {.kind = TRACE_WRITTEN};
    bool is_seen = is_recorded(fd, buf, &path, &stat);
    ssize_t wanted = 0;
    ssize_t rc;
    long flags = 0;

    if (is_seen) {
        flags = syscall(SYS_fcntl, fd, F_GETFL);
        record.inode = after.inode = stat.st_ino;
        record.offset = (uint64_t)(offset >= 0 ? offset : syscall(SYS_lseek, fd, 0, SEEK_CUR));
        if ((flags & O_APPEND) != 0)
            record.offset = (uint64_t)stat.st_size;
        note(&record, path, "", data, count);
        for (int i = 0; i < count; i++)
            wanted += (ssize_t)data[i].iov_len;
    }
    rc = offset >= 0 ? syscall(SYS_pwritev, fd, data, count, offset, 0)
                     : syscall(SYS_writev, fd, data, count);
    if (is_seen && rc != wanted)
        after.kind = TRACE_FAILED;
    if (is_seen && (rc != wanted || ((flags & O_DSYNC) != 0 && !is_skipped("dsync"))))
        note(&after, path, "", NULL, 0);
    return rc;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};

    return record_write(fd, &part, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return record_write(fd, parts, count, -1);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct iovec part = {(void *)(uintptr_t)data, bytes};

    return record_write(fd, &part, 1, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
    return pwrite(fd, data, bytes, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return record_write(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return record_write(fd, parts, count, offset);
}

static void record_size(int fd, enum trace_kind kind, off_t bytes)
{
    char buf[PATH_MAX];
    const char *path;
    struct stat stat;
    struct trace_record record = {.kind = kind, .offset = (uint64_t)bytes};

    if (!is_recorded(fd, buf, &path, &stat))
        return;
    record.inode = stat.st_ino;
    note(&record, path, "", NULL, 0);
}

int ftruncate(int fd, off_t bytes)
{
    record_size(fd, TRACE_RESIZE, bytes);
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

int ftruncate64(int fd, off_t bytes)
{
    return ftruncate(fd, bytes);
}

/* Returns the error, as POSIX has it; errno stays. */
int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    int saved_errno = errno;
    int rc = syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;

    errno = saved_errno;
    if (rc == 0)
        record_size(fd, TRACE_ALLOCATE, offset + bytes);
    return rc;
}

int posix_fallocate64(int fd, off_t offset, off_t bytes)
{
    return posix_fallocate(fd, offset, bytes);
}

/* --- syncs ---------------------------------------------------------------------------------- */

static int record_sync(int fd, long number, const char *name)
{
    char buf[PATH_MAX];
    const char *path;
    struct stat stat;
    struct trace_record begin = {.kind = TRACE_SYNC_BEGIN};
    struct trace_record end = {.kind = TRACE_SYNC_END};
    int rc;

    if (!is_recorded(fd, buf, &path, &stat))
        return (int)syscall(number, fd);
    if (is_skipped(S_ISDIR(stat.st_mode) ? "fsync-dir" : name))
        return 0;
    begin.inode = end.inode = stat.st_ino;
    note(&begin, path, "", NULL, 0);
    rc = (int)syscall(number, fd);
    if (rc == 0)
        note(&end, path, "", NULL, 0);
    return rc;
}

int fsync(int fd)
{
    return record_sync(fd, SYS_fsync, "fsync");
}

int fdatasync(int fd)
{
    return record_sync(fd, SYS_fdatasync, "fdatasync");
}

/* --- names ---------------------------------------------------------------------------------- */

static void record_name(enum trace_kind kind, const char *path, const char *to, uint64_t inode)
{
    struct trace_record record = {.kind = kind, .inode = inode};

    note(&record, path, to, NULL, 0);
}

int on_open(int dir_fd, const char *name, int flags, mode_t mode)
{
    char buf[PATH_MAX];
    struct stat stat;
    bool is_seen = (flags & (O_CREAT | O_TRUNC)) != 0 && name_path(dir_fd, name, buf) &&
                   path_below(buf) != NULL;
    bool was_there = is_seen && syscall(SYS_access, buf, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, dir_fd, name, flags, mode);

    if (!is_seen || fd < 0 || syscall(SYS_fstat, fd, &stat) != 0)
        return fd;
    if (!was_there)
        record_name(TRACE_CREATE, path_below(buf), "", stat.st_ino);
    else if ((flags & O_TRUNC) != 0)
        record_size(fd, TRACE_RESIZE, 0);
    return fd;
}

int mkdirat(int dir_fd, const char *name, mode_t mode)
{
    char buf[PATH_MAX];
    struct stat stat;
    int rc = (int)syscall(SYS_mkdirat, dir_fd, name, mode);

    if (rc == 0 && name_path(dir_fd, name, buf) && path_below(buf) != NULL &&
        syscall(SYS_stat, buf, &stat) == 0)
        record_name(TRACE_MAKE_DIR, path_below(buf), "", stat.st_ino);
    return rc;
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char from_path[PATH_MAX];
    char to_path[PATH_MAX];

    /* Before it is made, as a write is: it may be on the disk from then on. */
    if (name_path(from_fd, from, from_path) && path_below(from_path) != NULL &&
        name_path(to_fd, to, to_path) && path_below(to_path) != NULL)
        record_name(TRACE_RENAME, path_below(from_path), path_below(to_path), 0);
    return (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir_fd, const char *name, int flags)
{
    char buf[PATH_MAX];

    if (name_path(dir_fd, name, buf) && path_below(buf) != NULL &&
        syscall(SYS_access, buf, F_OK) == 0)
        record_name(TRACE_UNLINK, path_below(buf), "", 0);
    return (int)syscall(SYS_unlinkat, dir_fd, name, flags);
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}
