/*
 * server/net/proxy_header.h - the PROXY protocol, versions 1 and 2: what a proxy says first of the client
 * that it speaks for.
 *
 * Source   "The PROXY protocol, versions 1 & 2" (haproxy, doc/proxy-protocol.txt): text lines of at most 107
 *          bytes (2.1), binary headers (2.2). Of the TLVs (2.2.7) the checksum has to fit where there is one,
 *          and the one of TLS says whether the client speaks it; all others are passed over.
 * Limits   PROXY_HEADER_BYTES_MAX with all TLVs: a longer one is malformed.
 * Callers  server/net, before anything else is made of a connection's input. No state.
 */
#ifndef SERVER_NET_PROXY_HEADER_H
#define SERVER_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    PROXY_HEADER_BYTES_MAX = 1024,
};

struct proxy_header {
    /*
     * The client's; AF_UNSPEC: the header does not say (UNKNOWN; LOCAL, which is the proxy's own health
     * check), and the connection's own stands.
     */
    struct sockaddr_storage address;
    bool is_secure; /* the client speaks TLS with its proxy; false where that is not said */
};

/*
 * Reads the header at the front of @bytes. Returns its length; -EAGAIN: it is not whole yet; -EPROTO: it is
 * none, or malformed, or its checksum is wrong.
 */
ptrdiff_t proxy_header_read(const uint8_t *bytes, size_t size, struct proxy_header *ret_header);

#endif
