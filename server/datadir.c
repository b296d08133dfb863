#include "server/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bus/test_point.h"
#include "server/user.h"

enum {
    POLL_MS = 20,
    PID_TEXT_BYTES = 16,
};

static char error_text[512];

/* Remembers in words what went wrong; returns -@error for the caller to hand on. */
__attribute__((format(printf, 2, 3))) static int failed(int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error_text, sizeof error_text, format, arguments); /* cut when too long */
    va_end(arguments);
    return -error;
}

const char *datadir_error_text(void)
{
    return error_text;
}

/* A directory is there for good only when its parent says so on disk. */
static int sync_parent(int fd)
{
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (parent < 0)
        return -errno;
    rc = fsync(parent) == 0 ? 0 : -errno;
    (void)close(parent); /* only synced */
    return rc;
}

int datadir_make(const char *path, const struct user *user)
{
    int fd;
    int rc;

    if (mkdir(path, 0750) != 0) {
        if (errno == EEXIST)
            return 0;
        return failed(errno, "cannot make the directory %s: %s", path, strerror(errno));
    }
    TEST_POINT(MAKE_DIRECTORY);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(errno, "cannot open the directory %s: %s", path, strerror(errno));
    rc = user_give(user, fd);
    if (rc == 0)
        rc = sync_parent(fd);
    (void)close(fd); /* only read */
    return rc == 0 ? 0 : failed(-rc, "cannot set up the directory %s: %s", path, strerror(-rc));
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int lock_wait(int fd, int wait_ms)
{
    const int64_t deadline_ms = now_ms() + wait_ms;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (now_ms() >= deadline_ms)
            return -EWOULDBLOCK;
        (void)nanosleep(&pause, NULL); /* cut short by a signal: looks again */
    }
    return 0;
}

static int in_use(int fd, const char *path)
{
    char text[PID_TEXT_BYTES] = "";
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    long pid = bytes > 0 ? strtol(text, NULL, 10) : 0;

    if (pid <= 0)
        return failed(EWOULDBLOCK, "the data directory %s is in use by another process", path);
    return failed(EWOULDBLOCK, "the data directory %s is in use by another server (pid %ld)", path,
                  pid);
}

/* Whose lock it is: for the next one that asks. */
static int write_pid(int fd)
{
    char text[PID_TEXT_BYTES];
    int bytes = snprintf(text, sizeof text, "%d\n", (int)getpid());

    if (ftruncate(fd, 0) != 0)
        return -errno;
    return pwrite(fd, text, (size_t)bytes, 0) == bytes ? 0 : -ENOSPC;
}

int datadir_lock(const char *path, const struct user *user, int wait_ms, int *ret_lock_fd)
{
    char name[4096];
    int fd;
    int rc;

    if (snprintf(name, sizeof name, "%s/lock", path) >= (int)sizeof name)
        return failed(ENAMETOOLONG, "the data directory's name is too long");
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return failed(errno, "cannot open %s: %s", name, strerror(errno));
    rc = lock_wait(fd, wait_ms);
    if (rc == -EWOULDBLOCK) {
        rc = in_use(fd, path);
        goto fail;
    }
    if (rc == 0)
        rc = user_give(user, fd);
    if (rc != 0) {
        rc = failed(-rc, "cannot lock %s: %s", name, strerror(-rc));
        goto fail;
    }
    TEST_POINT(START_LOCKED);
    /* A full disk shall not keep the server from starting: its store can still be read. */
    (void)write_pid(fd);
    TEST_POINT(START_LOCK_TOLD);
    *ret_lock_fd = fd;
    return 0;

fail:
    (void)close(fd); /* nothing was written */
    return rc;
}
