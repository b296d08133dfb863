/*
 * server/http/http1.h - HTTP/1.1 (RFC 9112) over a stream.
 *
 * The head is looked for as raw bytes and checked (server/http/head.h) before http-parser sees it.
 * Between requests a connection holds only its struct (about 100 bytes): heads and bodies are
 * parsed from the stream's kept input or from a buffer borrowed for the body.
 * What is malformed is answered as PROTOCOLS section 1 says and closed, behind the answers to what
 * came before it.
 * Limits   handshakes_max connections may wait for a request's head (none yet, a part of one, or
 *          idle between two); a newcomer beyond that gets in, and who has waited longest is
 *          closed. So those that send nothing, or ever so slowly, go first. Long
 *          bodies that are not whole are charged to the worker's budget; without room for one:
 *          503, and closed.
 */
#ifndef SERVER_HTTP_HTTP1_H
#define SERVER_HTTP_HTTP1_H

#include "server/http/http.h"

/* Serves @stream, freshly accepted; it belongs to the HTTP layer until upgraded. 0 or -ENOMEM. */
int http1_serve(struct http_server *server, struct stream *stream);

#endif
