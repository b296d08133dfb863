/*
 * Who serves which path (PROTOCOLS section 1), and who is turned away at the door.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/stats.h"
#include "server/http/assets.h"
#include "server/json/text.h"
#include "server/protocol/answer.h"
#include "server/protocol/graphql_http.h"
#include "server/protocol/graphql_socket.h"
#include "server/protocol/origin.h"
#include "server/protocol/service.h"

#define SECOND_NS    INT64_C(1000000000)
#define GRAPHQL_PATH "/graphql"

enum route_kind {
    ROUTE_ASSET,
    ROUTE_SERVER,
    ROUTE_ROOM,
    ROUTE_BROKER,
    ROUTE_ECHO,
    ROUTE_TOPICS, /* /topics, and /topics/{topic} with another row */
    ROUTE_TOPIC,
    ROUTE_GRAPHQL, /* WebSockets, too */
    ROUTE_HEALTH,
    ROUTE_LIVE,
    ROUTE_METRICS,
};

enum {
    IS_PREFIX = 1,    /* the path goes on behind it */
    IS_WEBSOCKET = 2, /* newcomers are refused by close codes */
    IS_MONITOR = 4,   /* always served */
    TAKES_POST = 8,
    IS_PAGE = 16, /* at no rate: a browser asks for all of its parts in one moment */
};

static const struct route {
    const char *path;
    enum route_kind kind;
    unsigned flags;
} routes[] = {
    {"*", ROUTE_SERVER, TAKES_POST}, /* OPTIONS only: head_parse sees to that */
    {"/ws", ROUTE_ROOM, IS_WEBSOCKET},
    {"/ws/", ROUTE_ROOM, IS_WEBSOCKET | IS_PREFIX},
    {"/broker", ROUTE_BROKER, IS_WEBSOCKET},
    {"/echo", ROUTE_ECHO, IS_WEBSOCKET},
    {"/topics", ROUTE_TOPICS, 0},
    {"/topics/", ROUTE_TOPIC, IS_PREFIX | TAKES_POST},
    {GRAPHQL_PATH, ROUTE_GRAPHQL, TAKES_POST},
    {"/health", ROUTE_HEALTH, IS_MONITOR},
    {"/health/live", ROUTE_LIVE, IS_MONITOR},
    {"/metrics", ROUTE_METRICS, IS_MONITOR},
};

/* Pages and what belongs to them: the paths are the assets'. */
static const struct route asset_route = {"", ROUTE_ASSET, IS_PAGE};

static bool is_served(const struct service *service, const struct route *route)
{
    if (route->kind == ROUTE_ECHO)
        return service->limits.is_echo_served;
    return route->kind != ROUTE_GRAPHQL || service->api != NULL;
}

static const struct route *find_route(const struct service *service, struct http_text path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        size_t size = strlen(route->path);
        bool is_long_enough =
            (route->flags & IS_PREFIX) != 0 ? path.size >= size : path.size == size;

        if (!is_long_enough || memcmp(path.bytes, route->path, size) != 0)
            continue;
        return is_served(service, route) ? route : NULL;
    }
    return asset_find(path) != NULL ? &asset_route : NULL;
}

static const char *allowed_methods(const struct route *route)
{
    return (route->flags & TAKES_POST) != 0 ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

static void answer_options(struct service *service, struct http_exchange *exchange,
                           const struct route *route)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];
    struct text more = {0};
    struct http_response response = {.status = 204, .headers = lines};

    text_printf(&more,
                "Allow: %s\r\nAccess-Control-Allow-Methods: %s\r\n"
                "Access-Control-Allow-Headers: Content-Type, Last-Event-ID\r\n"
                "Access-Control-Max-Age: 600\r\n",
                allowed_methods(route), allowed_methods(route));
    text_add(&more, "", 1); /* terminated */
    if (text_is_whole(&more)) {
        answer_headers(service, exchange, more.bytes, lines);
        http_respond(exchange, &response);
    } else {
        answer_error(service, exchange, ANSWER_UNAVAILABLE, "out of memory", NULL);
    }
    text_done(&more);
}

/* In the way of what is asked for. */
static void refuse(struct service *service, struct http_exchange *exchange,
                   enum answer_refusal refusal, const char *message, const char *headers)
{
    if (http_text_equals(http_request(exchange)->path, GRAPHQL_PATH))
        graphql_http_refuse(service, exchange, refusal, message, headers);
    else
        answer_error(service, exchange, refusal, message, headers);
}

/* /graphql serves both: with the header that asks for it a GET is an upgrade, and so is a CONNECT. */
static bool is_websocket(const struct route *route, const struct http_request *request)
{
    if ((route->flags & IS_WEBSOCKET) != 0 || route->kind != ROUTE_GRAPHQL)
        return (route->flags & IS_WEBSOCKET) != 0;
    return request->method == HTTP_METHOD_CONNECT ||
           (request->method == HTTP_METHOD_GET &&
            http_header_has_token(request, "upgrade", "websocket"));
}

static bool is_allowed(const struct route *route, const struct http_request *request)
{
    enum http_method method = request->method;

    if (method == HTTP_METHOD_CONNECT)
        return is_websocket(route, request);
    return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD ||
           (method == HTTP_METHOD_POST && (route->flags & TAKES_POST) != 0);
}

static void answer_wrong_method(struct service *service, struct http_exchange *exchange,
                                const struct route *route)
{
    refuse(service, exchange, ANSWER_METHOD_NOT_ALLOWED, "this path has other methods",
           (route->flags & TAKES_POST) != 0 ? "Allow: GET, HEAD, POST, OPTIONS\r\n"
                                            : "Allow: GET, HEAD, OPTIONS\r\n");
}

static void serve_asset(struct service *service, struct http_exchange *exchange)
{
    char lines[ANSWER_HEADERS_BYTES_MAX];

    answer_headers(service, exchange, NULL, lines);
    asset_respond(exchange, asset_find(http_request(exchange)->path), lines);
}

static bool is_event_stream(const struct route *route, const struct http_request *request)
{
    if (route->kind == ROUTE_GRAPHQL)
        return graphql_http_wants_stream(request);
    return route->kind == ROUTE_TOPIC && request->method != HTTP_METHOD_POST &&
           http_accepts(request, "text/event-stream");
}

/* Whether what browsers guard by Origin is asked for by a page that may not. */
static bool is_foreign(const struct service *service, const struct http_exchange *exchange,
                       const struct route *route)
{
    const struct http_request *request = http_request(exchange);
    struct http_text origin;

    return !service->is_control &&
           (request->method == HTTP_METHOD_POST || is_websocket(route, request)) &&
           origin_judge(&service->limits, exchange, &origin) == ORIGIN_FOREIGN;
}

/* WebSockets and event streams are refused in ways of their own, where they are served. */
static bool is_turned_away(const struct service *service, const struct http_exchange *exchange,
                           const struct route *route)
{
    const struct http_request *request = http_request(exchange);

    if (service->is_control || (route->flags & IS_MONITOR) != 0 || is_websocket(route, request))
        return false;
    if (service->is_refusing)
        return !is_event_stream(route, request) && !http_exchange_is_old(exchange);
    return service->full_reason != NULL;
}

/* Answers a request that is one too many for its connection; monitors and pages are never. */
static bool is_over_rate(struct service *service, struct http_exchange *exchange,
                         const struct route *route)
{
    char retry_after[32];
    int64_t wait_ns = 0;

    if (!service->is_control && (route == NULL || (route->flags & (IS_MONITOR | IS_PAGE)) == 0))
        wait_ns = service_rate_take(service, http_exchange_stream(exchange),
                                    http_request(exchange)->body_bytes);
    if (wait_ns == 0)
        return false;
    (void)snprintf(retry_after, sizeof retry_after, "Retry-After: %" PRId64 "\r\n",
                   (wait_ns + SECOND_NS - 1) / SECOND_NS);
    refuse(service, exchange, ANSWER_RATE_LIMITED,
           "requests come faster than this connection may send them", retry_after);
    return true;
}

static void dispatch(struct service *service, struct http_exchange *exchange,
                     const struct route *route)
{
    struct http_text rest = http_request(exchange)->path;
    size_t behind = strlen(route->path) - ((route->flags & IS_PREFIX) != 0 ? 1 : 0);

    rest.bytes += behind; /* an entry point's rest begins with the slash */
    rest.size -= behind;
    switch (route->kind) {
    case ROUTE_ASSET:
        serve_asset(service, exchange);
        break;
    case ROUTE_SERVER:
        break; /* not reached: OPTIONS is answered before */
    case ROUTE_ROOM:
        room_serve(service, exchange, rest);
        break;
    case ROUTE_BROKER:
        broker_serve(service, exchange);
        break;
    case ROUTE_ECHO:
        echo_serve(service, exchange);
        break;
    case ROUTE_TOPICS:
    case ROUTE_TOPIC:
        topics_http_serve(service, exchange, rest);
        break;
    case ROUTE_GRAPHQL:
        if (is_websocket(route, http_request(exchange)))
            graphql_socket_serve(service, exchange);
        else
            graphql_http_serve(service, exchange);
        break;
    case ROUTE_HEALTH:
        health_serve(service, exchange, false);
        break;
    case ROUTE_LIVE:
        health_serve(service, exchange, true);
        break;
    case ROUTE_METRICS:
        metrics_serve(service, exchange);
        break;
    }
}

bool router_is_lasting(const struct service *service, const struct http_request *request)
{
    const struct route *route = find_route(service, request->path);

    return route != NULL && (is_websocket(route, request) || is_event_stream(route, request));
}

void router_on_incident(void *user, enum http_incident incident)
{
    struct service *service = user;
    enum stat_id stat = incident == HTTP_EVICTED ? STAT_EVICTED : STAT_PROTOCOL_ERRORS;

    stat_add(service->bus, service->slot, stat, 1);
}

void router_on_refusal(void *user, const struct http_exchange *exchange, const char *headers,
                       char lines[HTTP_LINES_BYTES_MAX])
{
    answer_headers(user, exchange, headers, lines);
}

void router_on_request(void *user, struct http_exchange *exchange)
{
    struct service *service = user;
    const struct http_request *request = http_request(exchange);
    const struct route *route = find_route(service, request->path);

    stat_add(service->bus, service->slot, STAT_HTTP_REQUESTS, 1);
    if (is_over_rate(service, exchange, route))
        return;
    if (request->is_for_https && !request->is_secure) {
        refuse(service, exchange, ANSWER_MISDIRECTED, "https is not served without TLS", NULL);
    } else if (route == NULL) {
        answer_error(service, exchange, ANSWER_NOT_FOUND, "there is nothing at this path", NULL);
    } else if (request->method == HTTP_METHOD_OPTIONS) {
        answer_options(service, exchange, route);
    } else if (!is_allowed(route, request)) {
        answer_wrong_method(service, exchange, route);
    } else if (is_foreign(service, exchange, route)) {
        refuse(service, exchange, ANSWER_FORBIDDEN,
               "pages of this origin may not do that, unless cors_origins lists it or hosts "
               "this server's name",
               NULL);
    } else if (is_turned_away(service, exchange, route)) {
        stat_add(service->bus, service->slot, STAT_REFUSED, 1);
        refuse(service, exchange, ANSWER_UNAVAILABLE,
               service->is_refusing ? "server is shutting down" : service->full_reason, NULL);
    } else {
        dispatch(service, exchange, route);
    }
}
