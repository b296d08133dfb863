/*
 * server/http/forwarded.h - what proxies say of the client that a request comes from.
 *
 * Which    X-Forwarded-For and X-Forwarded-Proto where the former is there, else Forwarded (RFC 7239). A
 *          proxy appends to what it has received: the list is read from its end, over the proxies that are
 *          trusted, up to the first address that is not: who wrote what stands before it is not known.
 * Trust    the caller asks only for requests of a trusted proxy, and says whom else it trusts. A proxy has to
 *          drop or overwrite the headers that it does not set itself.
 * Callers  a worker, for each request of such a proxy. No state, no allocation.
 */
#ifndef SERVER_HTTP_FORWARDED_H
#define SERVER_HTTP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct http_request;
struct network;

enum {
    FORWARDED_HOPS_MAX =
        32, /* of what proxies have appended; what stands before is not looked at */
};

struct forwarded {
    struct sockaddr_storage address; /* AF_UNSPEC: not said, or not as an address */
    bool is_secure;                  /* the client speaks TLS with its proxy */
};

struct forwarded forwarded_read(const struct http_request *request, const struct network *trusted,
                                size_t trusted_count);

#endif
