/*
 * server/net/address.h - where to listen: text to address to socket, and back.
 *
 * Text     "127.0.0.1:8000", "[::1]:8000", "localhost:8000" (127.0.0.1), "unix:/run/sluice.sock";
 *          with "tls:" before any of them TLS is spoken there.
 *          Host names are not looked up: a start must not depend on a resolver. Port 0 lets the
 *          kernel choose; address_of_socket tells which.
 * Callers  the configuration (address_parse, address_try), the master (the others), before any fork.
 * Errors   reasons are static text for people; system calls give -errno.
 */
#ifndef SERVER_NET_ADDRESS_H
#define SERVER_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    ADDRESS_TEXT_MAX = 128, /* with its terminator */
    ADDRESS_BACKLOG = 4096,
};

struct address {
    struct sockaddr_storage storage;
    socklen_t bytes;
    bool is_tls;
};

/* 0, or -EINVAL with *ret_reason. */
int address_parse(const char *text, struct address *ret_address, const char **ret_reason);

/*
 * A listening socket: non-blocking, close-on-exec, SO_REUSEADDR, IPv6 without IPv4. A unix socket's
 * file that nobody listens to any more is replaced; one that somebody does is -EADDRINUSE.
 */
int address_listen(const struct address *address, int *ret_fd);
/*
 * Whether such a socket could be made: 0, also when the address is in use; -EACCES: not by us; what
 * else bind gives. Nothing stays. Not for unix sockets.
 */
int address_try(const struct address *address);
/* address_parse and address_listen in one; *ret_reason only with -EINVAL. */
int listener_open(const char *text, int *ret_fd, const char **ret_reason);

int address_of_socket(int fd, struct address *ret_address);
/* As address_parse reads it; longer than the buffer: cut. */
void address_text(const struct address *address, char *buf, size_t buf_bytes);
/*
 * Whether of sockets for both only one can listen: they are the same, or one is all addresses and
 * the ports are the same. Ports that the kernel chooses exclude nothing.
 */
bool address_excludes(const struct address *one, const struct address *other);
/* Only this machine can reach it. */
bool address_is_loopback(const struct address *address);

#endif
