#include "server/net/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "server/net/digits.h"

#define CRC32C_BITS UINT32_C(0x82F63B78) /* the polynomial, lowest first (RFC 4960 appendix B) */

enum {
    LINE_BYTES_MAX = 107, /* with its CRLF */
    FIELDS = 6,           /* PROXY TCP4 source destination port port */
    FIXED_BYTES = 16,
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    FAMILY_INET = 1, /* the upper half of byte 13 */
    FAMILY_INET6 = 2,
    INET_BYTES = 12, /* two addresses, two ports */
    INET6_BYTES = 36,
    TLV_HEAD_BYTES = 3, /* type, length */
    TLV_CRC32C = 0x03,
    TLV_SSL = 0x20,
    CRC32C_BYTES = 4,
    SSL_BYTES_MIN = 5, /* a set of flags, and whether the client's certificate is good */
    SSL_CLIENT = 1,    /* of the flags: it came by TLS */
};

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char word[] = "PROXY ";
static const char unknown[] = "PROXY UNKNOWN";

/* --- version 1 ------------------------------------------------------------------------------------ */

/* Cuts @line at single blanks; the number of fields, or -EPROTO. */
static int split(char *line, char *fields[FIELDS])
{
    int count = 0;

    for (char *at = line; at != NULL;) {
        if (count == FIELDS || *at == '\0' || *at == ' ')
            return -EPROTO;
        fields[count++] = at;
        at = strchr(at, ' ');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static void set_inet(struct sockaddr_storage *address, const void *bytes, uint16_t port_be)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)address;

    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, bytes, sizeof in->sin_addr);
    in->sin_port = port_be;
}

static void set_inet6(struct sockaddr_storage *address, const void *bytes, uint16_t port_be)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)address;

    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, bytes, sizeof in6->sin6_addr);
    in6->sin6_port = port_be;
}

static int parse_addresses(char *const fields[FIELDS], struct sockaddr_storage *ret_address)
{
    int family = strcmp(fields[1], "TCP4") == 0 ? AF_INET : AF_INET6;
    uint8_t source[sizeof(struct in6_addr)];
    uint8_t destination[sizeof(struct in6_addr)];
    int port = digits_read(fields[4], UINT16_MAX);

    if (family == AF_INET6 && strcmp(fields[1], "TCP6") != 0)
        return -EPROTO;
    if (inet_pton(family, fields[2], source) != 1 || inet_pton(family, fields[3], destination) != 1)
        return -EPROTO;
    if (port < 0 || digits_read(fields[5], UINT16_MAX) < 0)
        return -EPROTO;
    if (family == AF_INET)
        set_inet(ret_address, source, htons((uint16_t)port));
    else
        set_inet6(ret_address, source, htons((uint16_t)port));
    return 0;
}

static ptrdiff_t read_line(const uint8_t *bytes, size_t size, struct sockaddr_storage *ret_address)
{
    size_t searched = size < LINE_BYTES_MAX ? size : LINE_BYTES_MAX;
    const uint8_t *newline = memchr(bytes, '\n', searched);
    char line[LINE_BYTES_MAX];
    char *fields[FIELDS];
    size_t line_bytes;
    int count;

    if (newline == NULL)
        return size >= LINE_BYTES_MAX ? -EPROTO : -EAGAIN;
    line_bytes = (size_t)(newline - bytes) - 1;
    if (bytes[line_bytes] != '\r' || memchr(bytes, '\0', line_bytes) != NULL)
        return -EPROTO;
    memcpy(line, bytes, line_bytes);
    line[line_bytes] = '\0';
    /* Whatever stands behind UNKNOWN is to be ignored (2.1). */
    if (strncmp(line, unknown, sizeof unknown - 1) == 0 &&
        (line[sizeof unknown - 1] == ' ' || line[sizeof unknown - 1] == '\0'))
        return (ptrdiff_t)line_bytes + 2;
    count = split(line, fields);
    if (count != FIELDS || parse_addresses(fields, ret_address) != 0)
        return -EPROTO;
    return (ptrdiff_t)line_bytes + 2;
}

/* --- version 2 ------------------------------------------------------------------------------------ */

static uint16_t big_endian(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Where the TLVs begin; 0: there are none to be looked at; -EPROTO. */
static ptrdiff_t take_addresses(const uint8_t *header, size_t size, unsigned family,
                                struct sockaddr_storage *ret_address)
{
    const uint8_t *bytes = header + FIXED_BYTES;
    uint16_t port_be;

    if (family == FAMILY_INET && size >= FIXED_BYTES + INET_BYTES) {
        memcpy(&port_be, bytes + 8, sizeof port_be);
        set_inet(ret_address, bytes, port_be);
        return FIXED_BYTES + INET_BYTES;
    }
    if (family == FAMILY_INET6 && size >= FIXED_BYTES + INET6_BYTES) {
        memcpy(&port_be, bytes + 32, sizeof port_be);
        set_inet6(ret_address, bytes, port_be);
        return FIXED_BYTES + INET6_BYTES;
    }
    /* Unspecified, or a unix socket: the connection's own stands. */
    return family == FAMILY_INET || family == FAMILY_INET6 ? -EPROTO : 0;
}

/* Of the whole header, the checksum in it (@at) being taken for zeros. Few proxies send one: bit by bit will do. */
static uint32_t checksum(const uint8_t *header, size_t size, size_t at)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= i >= at && i < at + CRC32C_BYTES ? 0U : header[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? CRC32C_BITS : 0U);
    }
    return ~crc;
}

static bool is_checksum(const uint8_t *header, size_t size, size_t at, size_t value_bytes)
{
    const uint8_t *value = header + at;

    return value_bytes == CRC32C_BYTES &&
           checksum(header, size, at) ==
               ((uint32_t)big_endian(value) << 16 | big_endian(value + 2));
}

static int take_tlvs(const uint8_t *header, size_t size, size_t at, bool *ret_is_secure)
{
    while (at < size) {
        size_t value_bytes;

        if (size - at < TLV_HEAD_BYTES)
            return -EPROTO;
        value_bytes = big_endian(header + at + 1);
        if (value_bytes > size - at - TLV_HEAD_BYTES)
            return -EPROTO;
        if (header[at] == TLV_CRC32C &&
            !is_checksum(header, size, at + TLV_HEAD_BYTES, value_bytes))
            return -EPROTO;
        if (header[at] == TLV_SSL) {
            if (value_bytes < SSL_BYTES_MIN)
                return -EPROTO;
            *ret_is_secure = (header[at + TLV_HEAD_BYTES] & SSL_CLIENT) != 0;
        }
        at += TLV_HEAD_BYTES + value_bytes;
    }
    return 0;
}

static ptrdiff_t read_binary(const uint8_t *bytes, size_t size, struct proxy_header *ret_header)
{
    unsigned version;
    unsigned command;
    size_t whole_bytes;
    ptrdiff_t tlvs_at;

    if (size < FIXED_BYTES)
        return -EAGAIN;
    version = bytes[12] >> 4;
    command = bytes[12] & 0xF;
    whole_bytes = FIXED_BYTES + (size_t)big_endian(bytes + 14);
    if (version != 2 || command > COMMAND_PROXY || whole_bytes > PROXY_HEADER_BYTES_MAX)
        return -EPROTO;
    if (size < whole_bytes)
        return -EAGAIN;
    if (command == COMMAND_LOCAL)
        return (ptrdiff_t)whole_bytes;
    tlvs_at = take_addresses(bytes, whole_bytes, bytes[13] >> 4, &ret_header->address);
    if (tlvs_at < 0)
        return tlvs_at;
    if (tlvs_at > 0 && take_tlvs(bytes, whole_bytes, (size_t)tlvs_at, &ret_header->is_secure) != 0)
        return -EPROTO;
    return (ptrdiff_t)whole_bytes;
}

/* Whether @bytes begin as @wanted does, as far as there are any. */
static bool begins(const uint8_t *bytes, size_t size, const void *wanted, size_t wanted_bytes)
{
    return memcmp(bytes, wanted, size < wanted_bytes ? size : wanted_bytes) == 0;
}

ptrdiff_t proxy_header_read(const uint8_t *bytes, size_t size, struct proxy_header *ret_header)
{
    *ret_header = (struct proxy_header){.address = {.ss_family = AF_UNSPEC}};
    if (begins(bytes, size, word, sizeof word - 1))
        return size < sizeof word - 1 ? -EAGAIN : read_line(bytes, size, &ret_header->address);
    if (begins(bytes, size, signature, sizeof signature))
        return read_binary(bytes, size, ret_header);
    return -EPROTO;
}
