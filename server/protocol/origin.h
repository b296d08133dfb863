/*
 * server/protocol/origin.h - which web pages may talk to this server: PROTOCOLS section 1, "Browsers".
 *
 * An Origin is trusted if it equals the scheme and Host of the request and the Host is an IP
 * literal, `localhost` or one of `hosts` (so that a name re-bound to our address is not); or if it
 * is one of `cors_origins` (with the usual port or without); or if both it and the connection are
 * loopback. Names are compared whole, in any case: `localhost.` is not `localhost`. A request with
 * two Origin headers is of nobody's page and trusted for neither. Sec-Fetch-* decide nothing: browsers
 * send them only to where they need no protection.
 * Pure     nothing but the arguments decides.
 */
#ifndef SERVER_PROTOCOL_ORIGIN_H
#define SERVER_PROTOCOL_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/http.h"

struct http_exchange;
struct service_limits;

enum {
    ORIGIN_BYTES_MAX = 512, /* longer ones are not trusted */
};

struct origin_question {
    struct http_text origin;
    struct http_text host; /* empty: none was sent */
    bool is_secure;
    bool is_loopback; /* the connection came over loopback, or a unix socket */
};

bool origin_is_trusted(const struct service_limits *limits, const struct origin_question *question);

enum origin_verdict {
    ORIGIN_NONE, /* no browser, or nothing that it guards */
    ORIGIN_TRUSTED,
    ORIGIN_FOREIGN,
};

/* The same of a request, with its Origin in *ret_origin unless there is none. */
enum origin_verdict origin_judge(const struct service_limits *limits,
                                 const struct http_exchange *exchange,
                                 struct http_text *ret_origin);

#endif
