#include "server/control_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/test_point.h"
#include "server/net/address.h"

enum {
    PATH_BYTES_MAX = 4096,
    NAME_BYTES_MAX = 16,
    DIRECTORY_MODE = 0750,
    SOCKET_MASK = 0117, /* leaves 0660 */
};

static char error_text[PATH_BYTES_MAX + 128];

/* Remembers in words what went wrong with @what; returns -@error for the caller to hand on. */
static int failed(int error, const char *what, const char *path)
{
    (void)snprintf(error_text, sizeof error_text, "cannot %s %s: %s", what, path, strerror(error));
    return -error;
}

const char *control_sockets_error_text(void)
{
    return error_text;
}

static void name_socket(char out[NAME_BYTES_MAX], unsigned index)
{
    (void)snprintf(out, NAME_BYTES_MAX, "%u", index); /* it is long enough */
}

/* Whatever a server has left there, also one that had more workers. */
static int remove_all(int directory_fd)
{
    char name[NAME_BYTES_MAX];

    for (unsigned i = 0; i < BUS_WORKERS_MAX; i++) {
        name_socket(name, i);
        if (unlinkat(directory_fd, name, 0) != 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* Its descriptor, or -errno. */
static int open_directory(const char *path)
{
    int fd;

    if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return -errno;
    /* Not where a link leads: this is about who may command the server. */
    fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int listen_in(int directory_fd, unsigned index, int *ret_fd)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct address address = {.bytes = sizeof un};

    (void)snprintf(un.sun_path, sizeof un.sun_path, "/proc/self/fd/%d/%u", directory_fd, index);
    memcpy(&address.storage, &un, sizeof un);
    return address_listen(&address, ret_fd);
}

/* The file modes are as asked for: the caller has seen to the mask. */
static int open_all(struct control_sockets *sockets, const char *path, unsigned count)
{
    int rc = open_directory(path);

    if (rc < 0)
        return failed(-rc, "use the directory", path);
    sockets->directory_fd = rc;
    rc = remove_all(sockets->directory_fd);
    if (rc != 0)
        return failed(-rc, "clear the directory", path);
    TEST_POINT(START_CONTROL_CLEARED);
    (void)umask(SOCKET_MASK);
    for (unsigned i = 0; i < count; i++) {
        rc = listen_in(sockets->directory_fd, i, &sockets->fds[i]);
        if (rc != 0)
            return failed(-rc, "listen in", path);
        sockets->count = i + 1;
    }
    return 0;
}

int control_sockets_open(const char *data_dir, unsigned count, struct control_sockets *ret_sockets)
{
    struct control_sockets sockets = {.directory_fd = -1};
    char path[PATH_BYTES_MAX];
    mode_t mask;
    int rc;

    CHECK(count <= BUS_WORKERS_MAX);
    if (snprintf(path, sizeof path, "%s/control", data_dir) >= (int)sizeof path)
        return failed(ENAMETOOLONG, "use the directory", data_dir);
    mask = umask(0);
    rc = open_all(&sockets, path, count);
    (void)umask(mask);
    if (rc != 0) {
        control_sockets_close(&sockets);
        return rc;
    }
    TEST_POINT(START_CONTROL_MADE);
    *ret_sockets = sockets;
    return 0;
}

void control_sockets_close(struct control_sockets *sockets)
{
    char name[NAME_BYTES_MAX];

    for (unsigned i = 0; i < sockets->count; i++) {
        name_socket(name, i);
        (void)unlinkat(sockets->directory_fd, name, 0); /* may have been taken away already */
        (void)close(sockets->fds[i]);                   /* the children's copies are gone by now */
    }
    if (sockets->directory_fd >= 0)
        (void)close(sockets->directory_fd); /* only a name */
    *sockets = (struct control_sockets){.directory_fd = -1};
}

int control_sockets_keep(const struct control_sockets *sockets, unsigned index)
{
    for (unsigned i = 0; i < sockets->count; i++) {
        if (i != index)
            (void)close(sockets->fds[i]); /* the master's stays open */
    }
    if (sockets->directory_fd >= 0)
        (void)close(sockets->directory_fd);
    return index < sockets->count ? sockets->fds[index] : -1;
}
