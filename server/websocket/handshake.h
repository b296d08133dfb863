/*
 * server/websocket/handshake.h - the opening handshake over HTTP/1.1 (RFC 6455 section 4.2)
 * and HTTP/2 (RFC 8441 section 5).
 *
 * websocket_check of websocket.h lives here, too.
 */
#ifndef SERVER_WEBSOCKET_HANDSHAKE_H
#define SERVER_WEBSOCKET_HANDSHAKE_H

#include <stddef.h>

struct http_request;

/*
 * To be called once, before anybody is served: OpenSSL reads its configuration when it is first used,
 * and no client shall wait for that.
 */
void handshake_prepare(void);

/*
 * The header lines of the 101, or 200, that accepts a checked request, as http_upgrade wants them; to be
 * freed. NULL: no memory. @protocol: the subprotocol chosen, or NULL. @extensions: what was
 * agreed on, or "".
 */
char *handshake_headers(const struct http_request *request, const char *protocol,
                        const char *extensions);

#endif
