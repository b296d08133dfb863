#include "server/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

/* What names say; others are for HTTP. */
static const struct {
    const char *name;
    bool is_broker;
    bool is_tls;
} purposes[] = {
    {"broker", true, false},
    {"broker-tls", true, true},
    {"https", false, true},
    {"tls", false, true},
};

static char error_text[256];

const char *activation_error_text(void)
{
    return error_text;
}

static int refuse(int fd, const char *name, const char *reason)
{
    (void)snprintf(
        error_text, sizeof error_text,
        "LISTEN_FDS: descriptor %d (\"%s\") %s; a socket unit for sluice has ListenStream= "
        "and Accept=no",
        fd, name, reason); /* cut when the name is long */
    return -EINVAL;
}

static bool is_known_family(int fd)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (sd_is_socket(fd, families[i], SOCK_STREAM, -1) > 0)
            return true;
    }
    return false;
}

static int check(int fd, const char *name)
{
    if (sd_is_socket(fd, AF_UNSPEC, 0, -1) <= 0)
        return refuse(fd, name, "is not a socket");
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, -1) <= 0)
        return refuse(fd, name, "is not a stream socket");
    if (!is_known_family(fd))
        return refuse(fd, name, "is neither TCP nor a unix socket");
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return refuse(fd, name, "does not listen");
    return 0;
}

/* sd_listen_fds has made it close-on-exec. */
static int set_nonblocking(int fd, const char *name)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        return 0;
    return refuse(fd, name, strerror(errno));
}

static void free_names(char **names)
{
    for (char **name = names; name != NULL && *name != NULL; name++)
        free(*name);
    free(names);
}

static void set_purpose(struct activation *socket, const char *name)
{
    for (size_t i = 0; i < sizeof purposes / sizeof purposes[0]; i++) {
        if (strcmp(purposes[i].name, name) == 0) {
            socket->is_broker = purposes[i].is_broker;
            socket->is_tls = purposes[i].is_tls;
        }
    }
}

int activation_take(struct activation **ret_sockets, size_t *ret_count)
{
    struct activation *sockets = NULL;
    char **names = NULL;
    int count = sd_listen_fds_with_names(0, &names);
    int rc = 0;

    if (count < 0) {
        (void)snprintf(error_text, sizeof error_text, "LISTEN_FDS or LISTEN_FDNAMES is wrong: %s",
                       strerror(-count));
        return count;
    }
    sockets = calloc((size_t)count + 1, sizeof *sockets);
    if (sockets == NULL) {
        (void)snprintf(error_text, sizeof error_text, "%s", strerror(ENOMEM));
        rc = -ENOMEM;
    }
    for (int i = 0; rc == 0 && i < count; i++) {
        sockets[i].fd = SD_LISTEN_FDS_START + i;
        set_purpose(&sockets[i], names[i]);
        rc = check(sockets[i].fd, names[i]);
        if (rc == 0)
            rc = set_nonblocking(sockets[i].fd, names[i]);
    }
    free_names(names);
    if (rc != 0) {
        free(sockets);
        return rc;
    }
    *ret_sockets = sockets;
    *ret_count = (size_t)count;
    return 0;
}
