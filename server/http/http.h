/*
 * server/http/http.h - requests, responses and upgraded streams, whatever the HTTP version.
 *
 * Exchange one request and its answer. The server's user gets it in on_request when head and body
 *          are complete (bodies are bounded by body_bytes_max); it answers now or later, exactly
 *          once: http_respond, http_begin_stream or http_upgrade. HTTP/1.1 answers in order: it
 *          does not look at the next pipelined request before this one is answered.
 * Gone     when the client goes before the answer, on_gone of the exchange is called and the
 *          exchange is invalid after it; http_respond frees the exchange.
 * Memory   strings of a request are borrowed until it is answered.
 * Versions HTTP/1.1 and HTTP/2 have exchanges with operations of their own; users see no difference.
 */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct budget;
struct sockaddr_storage;
struct stream;
struct timer_wheel;
struct http_connection;
struct http_exchange;

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_CONNECT, /* with `protocol` only */
    HTTP_METHOD_OTHER,
};

enum {
    HTTP_HEADERS_MAX = 100,
    HTTP_LINES_BYTES_MAX = 1024, /* header lines that on_refusal writes, terminated */
    HTTP_QUALITY_MAX = 1000,
};

struct http_text {
    const char *bytes; /* not terminated */
    size_t size;
};

struct http_header {
    struct http_text name; /* lower case */
    struct http_text value;
};

struct http_request {
    enum http_method method;
    struct http_text path;     /* raw, as sent, without the query */
    struct http_text query;    /* behind the `?`; may be empty */
    struct http_text protocol; /* of an extended CONNECT: "websocket" (RFC 8441); else empty */
    bool is_for_https;         /* its target says so: served if is_secure (RFC 9110 section 7.4) */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    const uint8_t *body;
    size_t body_bytes;
    bool is_secure; /* over TLS, as far as the client is concerned: http_exchange_set_client */
    bool is_http_2; /* the connection below may carry others' requests, too */
    bool is_http_1_0;
};

/*
 * Every wait for a client ends: a head within head_timeout_ns of its first byte; a body, or an
 * answer that is not read, when body_timeout_ns or write_timeout_ns is over, which only what
 * moves at rate_bytes_min or faster puts off (a body, in all, by as long as it takes at that rate).
 */
struct http_limits {
    uint32_t head_bytes_max;
    uint32_t body_bytes_max;
    uint32_t handshakes_max; /* connections that wait for a request's head; 0: without a bound */
    uint32_t rate_bytes_min; /* per second; 0: nothing puts the two timeouts off */
    bool allows_connect;     /* WebSockets over HTTP/2 */
    int64_t head_timeout_ns; /* handshake_timeout: from the first byte to the end of the head */
    int64_t body_timeout_ns;
    int64_t idle_timeout_ns; /* keep-alive */
    int64_t write_timeout_ns;
};

/* What a worker may want to count. */
enum http_incident {
    HTTP_EVICTED,   /* a connection that waited was closed in favour of a newcomer */
    HTTP_MALFORMED, /* one was closed for what its client sent */
};

/* What the user of the HTTP layer provides; one per worker. */
struct http_handlers {
    void (*on_request)(void *user, struct http_exchange *exchange);
    void (*on_incident)(void *user, enum http_incident incident); /* may be NULL */
    /* http_exchange_give_ticket's comes back. NULL: it gives none. */
    void (*on_ticket)(void *user, uint64_t ticket);
    /*
     * A request is answered here, because its body is too large, malformed or late: writes @headers
     * (lines ending in CRLF; NULL: none) and its own to @lines. It may look at the request's head
     * and at nothing else. May be NULL: just @headers are sent.
     */
    void (*on_refusal)(void *user, const struct http_exchange *exchange, const char *headers,
                       char lines[HTTP_LINES_BYTES_MAX]);
};

/* What HTTP/2 has done, for whoever adds it to the worker's counters. */
struct http2_counts {
    uint64_t connections; /* now */
    uint64_t connections_opened;
    uint64_t streams; /* now */
    uint64_t streams_opened;
    uint64_t streams_refused; /* beyond HTTP2_STREAMS_MAX: never opened */
    uint64_t streams_reset;   /* by their client */
    uint64_t floods;          /* connections that ended with ENHANCE_YOUR_CALM */
};

struct http_server {
    const struct http_handlers *handlers;
    void *user;
    const struct http_limits *limits; /* read at each use: a reload may change it */
    struct budget *budget;            /* for bodies that are not whole; NULL: without a bound */
    struct timer_wheel *timers;
    bool is_closing; /* draining: every answer carries `Connection: close` */

    /* connection.h's and http1.c's own; zero at first. */
    struct http_connection *connections; /* without those in `waiting` */
    struct http_connection *waiting;
    uint32_t waiting_count;
    uint32_t busy_count;    /* requests under way on connections opened before a drain began */
    uint64_t queued_bytes;  /* in the queues of HTTP/2's streams, as their last flushes left them */
    uint64_t stalled_count; /* of these, given up because their peer took too little, or nothing */
    struct http2_counts http2;
    uint32_t timer_kind; /* plus 1; 0: not registered yet. So are the others. */
    uint32_t http2_timer_kind;
    uint32_t stream_timer_kind;
};

/* A drain has begun: sets is_closing, and tells those who can be told. */
void http_begin_closing(struct http_server *server);
/* Closes every connection that is idle between requests (a drain has begun, or ends). */
void http_close_idle(struct http_server *server);

const struct http_request *http_request(const struct http_exchange *exchange);
/* The value of a header (name in lower case), joined by nothing: the first one. NULL: absent. */
const struct http_text *http_header(const struct http_request *request, const char *name);
/* Whether a comma list header (all its lines) has this token, in any case. */
bool http_header_has_token(const struct http_request *request, const char *name, const char *token);
/*
 * How much a weighted list header (Accept, Accept-Encoding; all its lines) wants this token: 0 to
 * HTTP_QUALITY_MAX. -1: it does not name it; wildcards are names like others.
 */
int http_header_quality(const struct http_request *request, const char *name, const char *token);
/* Whether Accept names this media type itself (not by a wildcard), with q > 0. */
bool http_accepts(const struct http_request *request, const char *media_type);
bool http_text_equals(struct http_text text, const char *string);
bool http_text_equals_any_case(struct http_text text, const char *string);

/* A media type, or an element of a list header: `token;name=value;q=0.5`. */
struct http_element {
    struct http_text token;
    struct http_text parameters; /* behind the first `;` */
};
/* Takes the next one off the front of a comma list; false: nothing is left. */
bool http_element_next(struct http_text *list, struct http_element *ret_element);
bool http_element_is(const struct http_element *element, const char *token); /* in any case */
/* The value of a parameter (name in any case), without quotes around it; false: absent. */
bool http_element_parameter(const struct http_element *element, const char *name,
                            struct http_text *ret_value);
struct http_parameter {
    struct http_text name;
    struct http_text value; /* without quotes around it */
    bool has_value;
};
/* Takes the next one off the front of an element's parameters; false: nothing is left. */
bool http_parameter_next(struct http_text *parameters, struct http_parameter *ret_parameter);
/* 0 to HTTP_QUALITY_MAX, which it is when nothing is said. */
int http_element_quality(const struct http_element *element);

/*
 * Percent-decodes @text once into @buf. Returns the length, -EILSEQ for a bad `%` or bad UTF-8,
 * -ENOBUFS when @buf_bytes are too few. `+` is itself.
 */
ptrdiff_t http_decode(struct http_text text, char *buf, size_t buf_bytes);
/* The raw value of a query parameter; false: absent. An empty value is present. */
bool http_query_get(struct http_text query, const char *name, struct http_text *ret_value);

/* The user's own word on an exchange that it answers later; on_gone may be NULL. */
void http_exchange_set_user(struct http_exchange *exchange, void (*on_gone)(void *user),
                            void *user);
/* The stream below, for the peer's address and on upgrade. */
struct stream *http_exchange_stream(const struct http_exchange *exchange);
/*
 * What a trusted proxy says of the client: @is_secure, if it speaks TLS with it; @address, if it is known (NULL, or
 * AF_UNSPEC: it is not), as which it, and a stream that it goes on as, is then known.
 */
void http_exchange_set_client(struct http_exchange *exchange,
                              const struct sockaddr_storage *address, bool is_secure);
/* Who asks. */
void http_exchange_client(const struct http_exchange *exchange,
                          struct sockaddr_storage *ret_address);
/*
 * What its user has counted for it: on_ticket gives it back once, when it has been answered or its client has
 * gone, or, if it goes on as a stream, when that is closed. HTTP/2 only; @ticket is not 0.
 */
void http_exchange_give_ticket(struct http_exchange *exchange, uint64_t ticket);
/* Whether the connection was opened before the server began to drain. */
bool http_exchange_is_old(const struct http_exchange *exchange);

struct http_response {
    int status;
    const char *content_type; /* NULL: no body */
    const char *headers;      /* more header lines, each ending in CRLF; NULL: none */
    const void *body;         /* copied, unless @arena is set */
    size_t body_bytes;
    struct arena *arena; /* that the body lies in: its bytes are shared, not copied; NULL: none */
    bool is_last;        /* close the connection after it */
    bool is_endless;     /* to HEAD only: what http_begin_stream would have begun */
};

/* HEAD: the body is left out. */
void http_respond(struct http_exchange *exchange, const struct http_response *response);
/* {"error":{"code":"…","message":"…"}} with that status; PROTOCOLS section 1. @headers as above. */
void http_respond_error(struct http_exchange *exchange, int status, const char *code,
                        const char *message, const char *headers);
/*
 * An endless body (an event stream): sends the head with @headers and gives the stream below to the
 * caller, who sets itself as its user. Over HTTP/1.1 the body ends with the connection.
 */
struct stream *http_begin_stream(struct http_exchange *exchange, const char *content_type,
                                 const char *headers);
/* 101 (HTTP/2: 200) with @headers; the stream is the caller's, who sets itself as its user. */
struct stream *http_upgrade(struct http_exchange *exchange, const char *headers);

#endif
