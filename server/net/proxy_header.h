/*
 * server/net/proxy_header.h - the PROXY protocol, versions 1 and 2: what a proxy says first of the client
 * that it speaks for.
 *
 * Source   "The PROXY protocol, versions 1 & 2" (haproxy, doc/proxy-protocol.txt): text lines of at most 107
 *          bytes (2.1), binary headers (2.2). TLVs are passed over; their checksum is not looked at.
 * Limits   PROXY_HEADER_BYTES_MAX with all TLVs: a longer one is malformed.
 * Callers  server/net, before anything else is made of a connection's input. No state.
 */
#ifndef SERVER_NET_PROXY_HEADER_H
#define SERVER_NET_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    PROXY_HEADER_BYTES_MAX = 1024,
};

/*
 * Reads the header at the front of @bytes. Returns its length; -EAGAIN: it is not whole yet; -EPROTO: it is
 * none, or malformed. *ret_address: the client's; family AF_UNSPEC: the header does not say (UNKNOWN; LOCAL,
 * which is the proxy's own health check), and the connection's own address stands.
 */
ptrdiff_t proxy_header_read(const uint8_t *bytes, size_t size,
                            struct sockaddr_storage *ret_address);

#endif
