#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/test_point.h"

enum {
    FILES_NAME_BYTES = 64,
    FILES_MODE = 0640,
    FILES_DIR_MODE = 0750,
};

int files_open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 ? fd : -errno;
}

static int dir_sync(int dir_fd)
{
    return fsync(dir_fd) == 0 ? 0 : -errno;
}

int files_make_dir(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, FILES_DIR_MODE) != 0)
        return errno == EEXIST ? 0 : -errno;
    return dir_sync(dir_fd);
}

static int temporary_name(char *buf, size_t buf_bytes, const char *name)
{
    int length = snprintf(buf, buf_bytes, "%s.new", name);

    return length > 0 && (size_t)length < buf_bytes ? 0 : -ENAMETOOLONG;
}

/* Opens NAME.new, empty; one left by a death is reused. */
static int temporary_open(int dir_fd, const char *name)
{
    char temporary[FILES_NAME_BYTES];
    int rc = temporary_name(temporary, sizeof temporary, name);

    if (rc != 0)
        return rc;
    rc = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILES_MODE);
    return rc >= 0 ? rc : -errno;
}

/* Makes NAME.new into NAME, durably, when @rc is 0, and takes it away otherwise. */
static int temporary_finish(int dir_fd, const char *name, int fd, int rc)
{
    char temporary[FILES_NAME_BYTES];

    if (rc == 0 && fsync(fd) != 0)
        rc = -errno;
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (temporary_name(temporary, sizeof temporary, name) != 0)
        return -ENAMETOOLONG;
    TEST_POINT(MAKE_FILE_WRITTEN);
    if (rc == 0 && renameat(dir_fd, temporary, dir_fd, name) != 0)
        rc = -errno;
    if (rc != 0) {
        (void)unlinkat(dir_fd, temporary, 0); /* the first error is the one to tell */
        return rc;
    }
    TEST_POINT(MAKE_FILE_NAMED);
    return dir_sync(dir_fd);
}

int files_write(int dir_fd, const char *name, const void *content, size_t bytes)
{
    const char *from = content;
    int fd = temporary_open(dir_fd, name);
    int rc = 0;

    if (fd < 0)
        return fd;
    while (bytes > 0 && rc == 0) {
        ssize_t written = write(fd, from, bytes);

        if (written < 0) {
            rc = errno == EINTR ? 0 : -errno;
            continue;
        }
        from += written;
        bytes -= (size_t)written;
    }
    return temporary_finish(dir_fd, name, fd, rc);
}

int files_read(int dir_fd, const char *name, void *buf, size_t buf_bytes)
{
    char *to = buf;
    size_t length = 0;
    int rc = 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    while (length < buf_bytes) {
        ssize_t got = read(fd, to + length, buf_bytes - length);

        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc = -errno;
            break;
        }
        length += (size_t)got;
    }
    (void)close(fd); /* read only: nothing can be lost by it */
    return rc != 0 ? rc : (int)length;
}

int files_rename(int dir_fd, const char *from, const char *to)
{
    if (renameat(dir_fd, from, dir_fd, to) != 0)
        return -errno;
    return dir_sync(dir_fd);
}

int files_exists(int dir_fd, const char *name)
{
    if (faccessat(dir_fd, name, F_OK, 0) == 0)
        return 1;
    return errno == ENOENT ? 0 : -errno;
}

int files_remove(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) != 0)
        return -errno;
    return dir_sync(dir_fd);
}

int files_reserve(int dir_fd, const char *name, size_t bytes)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, FILES_MODE);
    int rc = 0;

    if (fd < 0)
        return -errno;
    /* Not posix_fallocate: where it has to write bytes itself, others may be writing there. */
    while (rc == 0 && fallocate(fd, 0, 0, (off_t)bytes) != 0) {
        if (errno == EOPNOTSUPP)
            break;
        rc = errno == EINTR ? 0 : -errno;
    }
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    return rc;
}

int files_allocate(int dir_fd, const char *name, size_t bytes)
{
    int fd = temporary_open(dir_fd, name);
    int rc = -EINTR; /* tmpfs says so even of a stop that has come and gone */

    if (fd < 0)
        return fd;
    if (bytes > (size_t)LONG_MAX)
        rc = -EFBIG;
    while (rc == -EINTR)
        rc = -posix_fallocate(fd, 0, (off_t)bytes);
    return temporary_finish(dir_fd, name, fd, rc);
}
