/*
 * What proxies say: the input is taken for a PROXY header and for the headers of a request.
 *
 *   header     of every beginning of it the same is said, or that there is more to come; nothing behind it
 *              matters; a line that names addresses is what is written when they are put together again;
 *   forwarded  the client is one of those that the list names, and nobody who is trusted, unless all are;
 *              what stands before the first address that is not trusted does not matter.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "server/http/forwarded.h"
#include "server/http/http.h"
#include "server/net/network.h"
#include "server/net/proxy_header.h"
#include "server/net/tcp.h"
#include "tests/fuzz/target.h"

enum {
    INPUT_MAX = 4096,
};

/* A copy that ends where memory ends. */
static ptrdiff_t read_copy(const uint8_t *data, size_t size, struct proxy_header *ret_header)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    ptrdiff_t result;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    result = proxy_header_read(copy, size, ret_header);
    free(copy);
    return result;
}

static void check_line(const uint8_t *data, size_t size, const struct sockaddr_storage *address)
{
    bool is_four = address->ss_family == AF_INET;
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;
    char source[INET6_ADDRSTRLEN];
    struct in6_addr written;
    char line[128];
    char *fields[6];
    char *rest = line;
    unsigned port = ntohs(is_four ? in->sin_port : in6->sin6_port);

    CHECK(size < sizeof line);
    memcpy(line, data, size);
    line[size] = '\0';
    for (int i = 0; i < 6; i++) {
        fields[i] = strsep(&rest, i == 5 ? "\r" : " ");
        CHECK(rest != NULL);
    }
    CHECK(strcmp(rest, "\n") == 0);
    CHECK(strcmp(fields[1], is_four ? "TCP4" : "TCP6") == 0);
    CHECK(inet_pton(address->ss_family, fields[2], &written) == 1);
    CHECK(memcmp(&written, is_four ? (const void *)&in->sin_addr : (const void *)&in6->sin6_addr,
                 is_four ? 4 : 16) == 0);
    (void)snprintf(source, sizeof source, "%u", port);
    CHECK(strcmp(source, fields[4]) == 0);
}

static void try_header(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    struct proxy_header other;
    ptrdiff_t whole = read_copy(data, size, &header);

    CHECK(whole == -EAGAIN || whole == -EPROTO ||
          (whole > 0 && (size_t)whole <= size && whole <= PROXY_HEADER_BYTES_MAX));
    CHECK(whole != -EAGAIN || size < PROXY_HEADER_BYTES_MAX);
    for (size_t begun = 0; begun < size && begun <= PROXY_HEADER_BYTES_MAX; begun++) {
        ptrdiff_t part = read_copy(data, begun, &other);

        if (whole < 0)
            CHECK(part == -EAGAIN || part == whole);
        else if (begun < (size_t)whole)
            CHECK(part == -EAGAIN);
        else
            CHECK(part == whole &&
                  memcmp(&other.address, &header.address, sizeof other.address) == 0 &&
                  other.is_secure == header.is_secure);
    }
    if (whole > 0 && data[0] == 'P' && header.address.ss_family != AF_UNSPEC)
        check_line(data, (size_t)whole, &header.address);
}

/* --- forwarded ------------------------------------------------------------------------------------ */

static struct forwarded read_list(const char *name, const char *value, size_t size,
                                  const struct network *trusted, size_t trusted_count)
{
    static struct http_request request;

    request.header_count = 0;
    request.headers[request.header_count++] =
        (struct http_header){{name, strlen(name)}, {value, size}};
    return forwarded_read(&request, trusted, trusted_count);
}

static void try_list(const char *name, const char *untrusted, const uint8_t *data, size_t size)
{
    struct network trusted[2];
    struct forwarded forwarded;
    struct forwarded other;
    const char *reason;
    char *text = malloc(size + 64);
    int length;

    CHECK(network_parse("10.0.0.0/8", &trusted[0], &reason) == 0);
    CHECK(network_parse("fd00::/8", &trusted[1], &reason) == 0);
    CHECK(text != NULL);
    memcpy(text, data, size);
    forwarded = read_list(name, text, size, trusted, 2);
    CHECK(forwarded.address.ss_family == AF_UNSPEC || forwarded.address.ss_family == AF_INET ||
          forwarded.address.ss_family == AF_INET6);
    /* The proxy appends whom it has seen: that is who it is, whatever was there. */
    length = snprintf(text + size, 64, ",%s", untrusted);
    other = read_list(name, text, size + (size_t)length, trusted, 2);
    tcp_address_text(&other.address, text, 64);
    CHECK(strcmp(text, "192.0.2.7") == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    try_header(data, size);
    try_list("x-forwarded-for", "192.0.2.7", data, size);
    try_list("forwarded", "for=192.0.2.7", data, size);
    return 0;
}
