#include "server/net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "server/net/digits.h"

enum {
    IPV4_BITS = 32,
    IPV6_BITS = 128,
    MAPPED_BYTES = 12, /* of an IPv6 address, in front of the IPv4 one */
};

static int refuse(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return -EINVAL;
}

/* Whether the first @bits are the same. */
static bool is_same(const uint8_t *one, const uint8_t *other, unsigned bits)
{
    unsigned rest = bits % 8;

    if (memcmp(one, other, bits / 8) != 0)
        return false;
    return rest == 0 || (one[bits / 8] ^ other[bits / 8]) >> (8 - rest) == 0;
}

static bool has_bits_behind(const struct network *network, unsigned bits)
{
    for (unsigned bit = network->prefix_bits; bit < bits; bit++) {
        if ((network->address[bit / 8] & 0x80 >> bit % 8) != 0)
            return true;
    }
    return false;
}

int network_parse(const char *text, struct network *ret_network, const char **ret_reason)
{
    struct network network = {.family = AF_INET};
    const char *slash = strchr(text, '/');
    size_t host_bytes = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char host[INET6_ADDRSTRLEN];
    int bits_max = IPV4_BITS;
    int bits;

    if (strcmp(text, "unix") == 0) {
        *ret_network = (struct network){.family = AF_UNIX};
        return 0;
    }
    if (host_bytes >= sizeof host)
        return refuse(ret_reason, "not an IP address or network");
    memcpy(host, text, host_bytes);
    host[host_bytes] = '\0';
    if (inet_pton(AF_INET, host, network.address) != 1) {
        if (inet_pton(AF_INET6, host, network.address) != 1)
            return refuse(ret_reason, "not an IP address or network (10.0.0.0/8), or unix");
        network.family = AF_INET6;
        bits_max = IPV6_BITS;
    }
    bits = slash != NULL ? digits_read(slash + 1, bits_max) : bits_max;
    if (bits < 0)
        return refuse(ret_reason, "the prefix is 0 to 32 bits for IPv4, 0 to 128 for IPv6");
    network.prefix_bits = (uint8_t)bits;
    if (has_bits_behind(&network, (unsigned)bits_max))
        return refuse(ret_reason, "the address has bits beyond its prefix");
    *ret_network = network;
    return 0;
}

/* The address's bytes; *ret_family: what it is in truth. */
static const uint8_t *bytes_of(const struct sockaddr_storage *address, uint16_t *ret_family)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    *ret_family = address->ss_family;
    if (address->ss_family == AF_INET)
        return (const uint8_t *)&in->sin_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return in6->sin6_addr.s6_addr;
    *ret_family = AF_INET;
    return in6->sin6_addr.s6_addr + MAPPED_BYTES;
}

bool network_has(const struct network *network, const struct sockaddr_storage *address)
{
    const uint8_t *bytes;
    uint16_t family;

    if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
        return address->ss_family == AF_UNIX && network->family == AF_UNIX;
    bytes = bytes_of(address, &family);
    return network->family == family && is_same(network->address, bytes, network->prefix_bits);
}

bool networks_have(const struct network *networks, size_t count,
                   const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < count; i++) {
        if (network_has(&networks[i], address))
            return true;
    }
    return false;
}
