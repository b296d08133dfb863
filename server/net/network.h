/*
 * server/net/network.h - networks, as lists of who is trusted name them.
 *
 * Text     "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", and "unix" for whoever comes by a unix socket.
 * Rules    an IPv4 address mapped into IPv6 is that IPv4 address. Bits behind the prefix must be zero: who
 *          writes others means something else.
 * Callers  the configuration (network_parse), workers (network_has).
 */
#ifndef SERVER_NET_NETWORK_H
#define SERVER_NET_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct network {
    uint8_t address[16]; /* IPv4 in the first four */
    uint16_t family;     /* AF_INET, AF_INET6, AF_UNIX */
    uint8_t prefix_bits;
};

/* 0, or -EINVAL with *ret_reason: static text for people. */
int network_parse(const char *text, struct network *ret_network, const char **ret_reason);
bool network_has(const struct network *network, const struct sockaddr_storage *address);
/* Whether any of them does. */
bool networks_have(const struct network *networks, size_t count,
                   const struct sockaddr_storage *address);

#endif
