#include "server/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
#define TLS_PREFIX  "tls:"

static int refuse(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return -EINVAL;
}

static int parse_unix(const char *path, struct address *ret_address, const char **ret_reason)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);

    if (bytes == 0)
        return refuse(ret_reason, "unix: needs a path");
    if (bytes >= sizeof un.sun_path)
        return refuse(ret_reason, "the path is too long for a unix socket (107 bytes at most)");
    memcpy(un.sun_path, path, bytes + 1);
    *ret_address = (struct address){
        .bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + 1),
    };
    memcpy(&ret_address->storage, &un, sizeof un);
    return 0;
}

/* Digits only, 0 to 65535. */
static int parse_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;

    if (*text == '\0' || strlen(text) > 5)
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (unsigned)(*text - '0');
    }
    if (port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

static bool parse_ipv4(const char *host, uint16_t port, struct address *ret_address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return false;
    *ret_address = (struct address){.bytes = sizeof in};
    memcpy(&ret_address->storage, &in, sizeof in);
    return true;
}

static bool parse_ipv6(const char *host, uint16_t port, struct address *ret_address)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
        return false;
    *ret_address = (struct address){.bytes = sizeof in6};
    memcpy(&ret_address->storage, &in6, sizeof in6);
    return true;
}

static int parse_without_tls(const char *text, struct address *ret_address, const char **ret_reason)
{
    char host[INET6_ADDRSTRLEN];
    const char *host_begin = text;
    const char *colon;
    size_t host_bytes;
    uint16_t port;

    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_unix(text + strlen(UNIX_PREFIX), ret_address, ret_reason);
    colon = strrchr(text, ':');
    if (colon == NULL || parse_port(colon + 1, &port) != 0)
        return refuse(ret_reason, "a port from 0 to 65535 must follow the last colon");
    host_bytes = (size_t)(colon - text);
    if (*text == '[') {
        if (host_bytes < 2 || colon[-1] != ']')
            return refuse(ret_reason, "] is missing");
        host_begin++;
        host_bytes -= 2;
    }
    if (host_bytes >= sizeof host)
        return refuse(ret_reason, "not an IP address");
    memcpy(host, host_begin, host_bytes);
    host[host_bytes] = '\0';
    if (*text == '[')
        return parse_ipv6(host, port, ret_address) ? 0 : refuse(ret_reason, "not an IPv6 address");
    if (strchr(host, ':') != NULL)
        return refuse(ret_reason, "an IPv6 address must stand in brackets: [::1]:8000");
    return parse_ipv4(host, port, ret_address)
               ? 0
               : refuse(ret_reason, "not an IP address (host names are not looked up)");
}

int address_parse(const char *text, struct address *ret_address, const char **ret_reason)
{
    bool is_tls = strncmp(text, TLS_PREFIX, strlen(TLS_PREFIX)) == 0;
    int rc = parse_without_tls(is_tls ? text + strlen(TLS_PREFIX) : text, ret_address, ret_reason);

    if (rc == 0)
        ret_address->is_tls = is_tls;
    return rc;
}

/* Whether @path is a unix socket left over from a process that is gone. */
static bool is_stale(const struct address *address, const char *path)
{
    struct stat info;
    bool is_refused;
    int fd;

    /* A plain file would refuse connections, too. */
    if (lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    is_refused = connect(fd, (const struct sockaddr *)&address->storage, address->bytes) != 0 &&
                 errno == ECONNREFUSED;
    (void)close(fd); /* it was only a question */
    return is_refused;
}

static int bind_address(int fd, const struct address *address)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->storage;
    const char *path = ((const struct sockaddr_un *)(const void *)name)->sun_path;

    if (bind(fd, name, address->bytes) == 0)
        return 0;
    if (errno != EADDRINUSE || name->sa_family != AF_UNIX)
        return -errno;
    if (!is_stale(address, path))
        return -EADDRINUSE;
    if (unlink(path) != 0)
        return -errno;
    return bind(fd, name, address->bytes) == 0 ? 0 : -errno;
}

/* A socket that may listen there, and does not yet. */
static int open_bound(const struct address *address, int *ret_fd)
{
    int on = 1;
    int rc = 0;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        rc = -errno;
    if (rc == 0 && address->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        rc = -errno;
    if (rc == 0)
        rc = bind_address(fd, address);
    if (rc != 0) {
        (void)close(fd); /* nothing was done with it */
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int address_listen(const struct address *address, int *ret_fd)
{
    int fd = -1;
    int rc = open_bound(address, &fd);

    if (rc != 0)
        return rc;
    if (listen(fd, ADDRESS_BACKLOG) != 0) {
        rc = -errno;
        (void)close(fd); /* nothing was done with it */
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int address_try(const struct address *address)
{
    int fd = -1;
    int rc = open_bound(address, &fd);

    if (rc == 0)
        (void)close(fd); /* it was only a question */
    return rc == -EADDRINUSE ? 0 : rc;
}

int listener_open(const char *text, int *ret_fd, const char **ret_reason)
{
    struct address address;
    int rc = address_parse(text, &address, ret_reason);

    return rc != 0 ? rc : address_listen(&address, ret_fd);
}

int address_of_socket(int fd, struct address *ret_address)
{
    struct address address = {.bytes = sizeof address.storage};

    if (getsockname(fd, (struct sockaddr *)&address.storage, &address.bytes) != 0)
        return -errno;
    *ret_address = address;
    return 0;
}

void address_text(const struct address *address, char *buf, size_t buf_bytes)
{
    const char *prefix = address->is_tls ? TLS_PREFIX : "";
    char host[INET6_ADDRSTRLEN] = "?"; /* stays, should inet_ntop fail */

    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;

        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(buf, buf_bytes, "%s%s:%u", prefix, host, (unsigned)ntohs(in->sin_port));
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 =
            (const struct sockaddr_in6 *)(const void *)&address->storage;

        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(buf, buf_bytes, "%s[%s]:%u", prefix, host, (unsigned)ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;

        (void)snprintf(buf, buf_bytes, "%s" UNIX_PREFIX "%s", prefix, un->sun_path);
    }
}

static bool ipv4_excludes(const struct address *one, const struct address *other)
{
    struct sockaddr_in a;
    struct sockaddr_in b;

    memcpy(&a, &one->storage, sizeof a);
    memcpy(&b, &other->storage, sizeof b);
    return a.sin_port != 0 && a.sin_port == b.sin_port &&
           (a.sin_addr.s_addr == b.sin_addr.s_addr || a.sin_addr.s_addr == INADDR_ANY ||
            b.sin_addr.s_addr == INADDR_ANY);
}

static bool ipv6_excludes(const struct address *one, const struct address *other)
{
    struct sockaddr_in6 a;
    struct sockaddr_in6 b;

    memcpy(&a, &one->storage, sizeof a);
    memcpy(&b, &other->storage, sizeof b);
    return a.sin6_port != 0 && a.sin6_port == b.sin6_port &&
           (memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0 ||
            IN6_IS_ADDR_UNSPECIFIED(&a.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&b.sin6_addr));
}

bool address_excludes(const struct address *one, const struct address *other)
{
    if (one->storage.ss_family != other->storage.ss_family)
        return false; /* IPv6 sockets take no IPv4 */
    switch (one->storage.ss_family) {
    case AF_INET:
        return ipv4_excludes(one, other);
    case AF_INET6:
        return ipv6_excludes(one, other);
    default:
        return one->bytes == other->bytes &&
               memcmp(&one->storage, &other->storage, one->bytes) == 0;
    }
}

bool address_is_loopback(const struct address *address)
{
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 =
            (const struct sockaddr_in6 *)(const void *)&address->storage;

        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
    }
    return true;
}
