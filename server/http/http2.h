/*
 * server/http/http2.h - HTTP/2 (RFC 9113) over a stream, by nghttp2, with WebSockets (RFC 8441).
 *
 * Each HTTP/2 stream is a struct stream of its own (server/net/stream.h) for whoever takes it over, and
 * an exchange before that: users see no difference to HTTP/1.1.
 *
 * Output   what streams queue is moved to the connection's queue, as DATA frames, when that is flushed,
 *          while it holds less than HTTP2_OUT_BYTES; streams take turns. Small payloads are copied
 *          next to their frame's head, so that many lie in one piece; large ones are shared. A stream whose
 *          window is shut keeps what it has: it is a slow consumer of its own, its siblings go on.
 * Input    each stream's window is HTTP2_WINDOW_BYTES, so that much is held for a user that pauses; the
 *          connection's window is given back at once.
 * Limits   HTTP2_STREAMS_MAX streams at a time; heads of head_bytes_max (431; header blocks of four times
 *          that: the connection ends); frames that cost the client next to nothing (PING, SETTINGS,
 *          RST_STREAM, PRIORITY, empty DATA, unknown ones, WINDOW_UPDATE beyond two for each request and each
 *          DATA frame sent), and mistakes for which we reset a stream: HTTP2_CHEAP_BURST, and
 *          HTTP2_CHEAP_PER_S. Over these the connection ends with ENHANCE_YOUR_CALM. No more is read
 *          while HTTP2_OUTBOUND_MAX frames wait to be sent. While more than HTTP2_ANSWERS_BYTES of answers
 *          have not been taken, further requests are answered with 503. One without streams waits
 *          as an idle one of HTTP/1.1 does, and may have to give way.
 * Memory   an idle connection: 14 KiB, most of it nghttp2's; an idle WebSocket: 1 KiB. At worst, besides what
 *          is charged to the budget (one request that waits has the connection's own bytes, all
 *          others none): HTTP2_ANSWERS_BYTES and an answer, HTTP2_OUT_BYTES twice, 150 KiB for streams and
 *          50 KiB for frames that wait; and what HTTP2_STREAMS_MAX clients may take, each as over
 *          a connection of its own: BUDGET_OWN_BYTES, a parser, its queue.
 * Drain    GOAWAY in two steps (section 6.8): the first lets what is on its way be served, the second
 *          follows when a PING sent behind it has come back. The connection ends with its last stream. A
 *          newcomer is told with its first request.
 */
#ifndef SERVER_HTTP_HTTP2_H
#define SERVER_HTTP_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_connection;
struct stream;

enum {
    HTTP2_PREFACE_BYTES = 24,
    HTTP2_STREAMS_MAX = 256,
    HTTP2_WINDOW_BYTES = 64 * 1024 - 1,
    HTTP2_CONNECTION_WINDOW_BYTES = 1024 * 1024,
    HTTP2_OUT_BYTES = 256 * 1024,
    HTTP2_ANSWERS_BYTES = 8 * 1024 * 1024,
    HTTP2_OUTBOUND_MAX = 256,
    HTTP2_CHEAP_BURST = 1000,
    HTTP2_CHEAP_PER_S = 100,
};

/*
 * Whether a connection without TLS begins as HTTP/2 does (section 3.4): 1 yes, 0 no, -EAGAIN it may: the
 * whole preface is not there yet.
 */
int http2_is_preface(const uint8_t *bytes, size_t size);

/*
 * Serves @stream from now on, in place of @old, which keeps nothing. What has been received of it is given
 * to the new user. 0, or -ENOMEM: nothing has changed.
 */
int http2_take_over(struct http_connection *old, struct stream *stream);

#endif
